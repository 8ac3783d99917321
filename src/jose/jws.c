/* SPDX-License-Identifier: Apache-2.0
 *
 * Compact JWS: read once, strictly, then verified. Invariant: what is verified are the bytes that
 * were read, and only a key that the set holds for this kid, kty and alg is ever asked. */
#include "jose/jws.h"

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jose_int.h"

enum jwt_reason jose__fail(struct jwt_fault *why, enum jwt_reason r, const char *what,
                           struct str got)
{
    *why = (struct jwt_fault){.reason = r, .what = what, .got = got};
    return r;
}

enum jwt_reason jose__memory(struct jwt_fault *why)
{
    return jose__fail(why, JWT_INTERNAL, "out of memory", STR(""));
}

/* ---- reading ---- */

/* Decodes one part into the arena: *out may be empty, and ends in a NUL that does not count. */
static enum err decode_part(struct arena *a, struct str text, struct str *out)
{
    size_t room = text.n / 4 * 3 + 4;
    char *to = arena_array(a, room, 1);
    if (to == NULL)
        return ERR_NOMEM;
    struct buf into = {to, 0, room, room, ERR_OK};
    enum err err = crypt_base64url_decode(&into, text);
    *out = str_of(to, into.n);
    return err;
}

static const struct {
    const char *name, *what;
    enum jwt_reason reason;
} refused_members[] = {
    {"crit", "the header has crit, and nothing critical is supported", JWT_CRIT},
    {"b64", "the header has b64 (RFC 7797), which is not supported", JWT_CRIT},
    {"zip", "the header has zip: compressed tokens are not supported", JWT_ENCRYPTED},
    {"enc", "the header has enc: encrypted tokens are not supported", JWT_ENCRYPTED},
};

static enum jwt_reason read_header(const struct json *h, unsigned algs, struct jws *out,
                                   struct jwt_fault *why)
{
    struct str name;
    const struct json *kid = json_get(h, "kid"), *typ = json_get(h, "typ");
    for (size_t i = 0; i < COUNTOF(refused_members); i++)
        if (json_get(h, refused_members[i].name))
            return jose__fail(why, refused_members[i].reason, refused_members[i].what, STR(""));
    if (!json_str(json_get(h, "alg"), &name))
        return jose__fail(why, JWT_BAD_HEADER, "the header's alg is not a string", STR(""));
    out->alg = jws_alg_named(name);
    if (out->alg == NULL || (algs & JWS_BIT(out->alg->id)) == 0)
        return jose__fail(why, JWT_ALG_NOT_ALLOWED, NULL, name);
    if (typ && typ->type != JSON_STRING)
        return jose__fail(why, JWT_BAD_HEADER, "the header's typ is not a string", STR(""));
    out->has_kid = kid != NULL;
    if (kid && !json_str(kid, &out->kid))
        return jose__fail(why, JWT_BAD_HEADER, "the header's kid is not a string", STR(""));
    if (out->kid.n > LIMIT_JWT_KID)
        return jose__fail(why, JWT_BAD_HEADER, "the header's kid is longer than 256 bytes",
                          STR(""));
    return JWT_OK;
}

/* Header, payload and signature as they stand in the token. */
static enum jwt_reason split(struct str token, struct str part[3], struct jwt_fault *why)
{
    struct str rest = token, behind;
    size_t n = 0;
    if (token.n > LIMIT_JWT_BYTES)
        return jose__fail(why, JWT_TOO_LARGE, "the token is larger than 8 KiB", STR(""));
    for (; n < 3 && rest.p; n++) {
        part[n] = str_cut(rest, '.', &behind);
        rest = behind;
    }
    if (n == 3 && rest.p == NULL)
        return JWT_OK;
    size_t dots = 0;
    for (size_t i = 0; i < token.n; i++)
        dots += token.p[i] == '.';
    if (dots == 4)
        return jose__fail(why, JWT_ENCRYPTED, "five parts: encrypted tokens are not supported",
                          STR(""));
    return jose__fail(why, JWT_MALFORMED, "a token has three parts", STR(""));
}

enum jwt_reason jws_read(struct arena *a, struct str token, unsigned algs, struct jws *out,
                         struct jwt_fault *why)
{
    static const char *const broken[] = {"the header is not base64url",
                                         "the payload is not base64url",
                                         "the signature is not base64url"};
    struct str part[3], decoded[3];
    *out = (struct jws){.token = token};
    enum jwt_reason r = split(token, part, why);
    if (r != JWT_OK)
        return r;
    if (part[2].n == 0)
        return jose__fail(why, JWT_MALFORMED, "there is no signature", STR(""));
    for (size_t i = 0; i < 3; i++) {
        enum err err = decode_part(a, part[i], &decoded[i]);
        if (err != ERR_OK)
            return err == ERR_SYNTAX ? jose__fail(why, JWT_MALFORMED, broken[i], STR(""))
                                     : jose__memory(why);
        if (i > 0)
            continue;
        err = json_parse_object(a, decoded[0], &out->header);
        if (err != ERR_OK)
            return err == ERR_NOMEM ? jose__memory(why)
                                    : jose__fail(why, JWT_MALFORMED,
                                                 "the header is not a strict JSON object", STR(""));
        if ((r = read_header(out->header, algs, out, why)) != JWT_OK)
            return r;
    }
    out->input = str_sub(token, 0, token.n - part[2].n - 1);
    out->payload = decoded[1];
    out->signature = decoded[2];
    *why = (struct jwt_fault){.reason = JWT_OK};
    return JWT_OK;
}

/* ---- verifying ---- */

/* The key that the header's thumbprint names must be the one that is tried. */
static bool same_certificate(const struct jws *s, const struct jwk *k)
{
    const struct json *x5t = json_get(s->header, "x5t");
    return x5t == NULL || k->x5t.n == 0 || str_eq(json_str_or(x5t, STR("")), k->x5t);
}

/* Nothing fits: was the key not there, of another kind, or nameless? */
static enum jwt_reason no_key(const struct jws *s, const struct jwks *keys, struct jwt_fault *why)
{
    if (s->has_kid && jwks_named(keys, s->kid) == NULL)
        return jose__fail(why, JWT_UNKNOWN_KID, NULL, s->kid);
    return jose__fail(why, JWT_KEY_MISMATCH, NULL, str_c(s->alg->name));
}

enum jwt_reason jose__has_key(const struct jws *s, const struct jwks *keys, int64_t now_s,
                              struct jwt_fault *why)
{
    const struct str *kid = s->has_kid ? &s->kid : NULL;
    const struct jwk *k, *retired = NULL;
    for (size_t at = 0; (k = jwks_next(keys, kid, s->alg, &at)) != NULL; retired = k)
        if (jwk_status_at(k, now_s) != JWK_RETIRED)
            return JWT_OK;
    if (retired == NULL)
        return no_key(s, keys, why);
    (void)jose__fail(why, JWT_RETIRED_KEY, NULL, s->has_kid ? s->kid : retired->kid);
    why->has_time = retired->retires_s != JWK_NO_TIME;
    why->at = (double)retired->retires_s;
    why->now = (double)now_s;
    return JWT_RETIRED_KEY;
}

/* A signature by a retired key deserves its own words, but only when it is really one. */
static enum jwt_reason refuse_signature(const struct jws *s, const struct jwks *keys,
                                        struct jwt_fault *why)
{
    (void)keys;
    return jose__fail(why, JWT_BAD_SIGNATURE, "no key at hand made this signature",
                      s->has_kid ? s->kid : STR(""));
}

enum jwt_reason jws_verify(const struct jws *s, const struct jwks *keys, int64_t now_s,
                           const struct jwk **key, struct jwt_fault *why)
{
    const struct str *kid = s->has_kid ? &s->kid : NULL;
    const struct jwk *k;
    size_t tried = 0;
    enum jwt_reason r = jose__has_key(s, keys, now_s, why);
    if (r != JWT_OK)
        return r;
    for (size_t at = 0; tried < LIMIT_JWT_KEYS_TRIED;) {
        k = jwks_next(keys, kid, s->alg, &at);
        if (k == NULL)
            break;
        if (jwk_status_at(k, now_s) == JWK_RETIRED || !same_certificate(s, k))
            continue;
        tried++;
        if (!jws_verify_bytes(k, s->alg, s->input, s->signature))
            continue;
        if (key)
            *key = k;
        *why = (struct jwt_fault){.reason = JWT_OK};
        return JWT_OK;
    }
    return refuse_signature(s, keys, why);
}
