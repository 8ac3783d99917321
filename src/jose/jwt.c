/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks on a JWT's claims (RFC 7519 4.1, RFC 8725). Invariant: a verdict starts as a refusal
 * and becomes JWT_OK only after the signature, which comes last. */
#include "jose/jwt.h"

#include <math.h>

#include "base/limits.h"
#include "jose/jose_int.h"

enum jwt_reason jwt_read(struct arena *a, struct str token, unsigned algs, struct jwt *out,
                         struct jwt_fault *why)
{
    *out = (struct jwt){.iss = STR("")};
    enum jwt_reason r = jws_read(a, token, algs, &out->jws, why);
    if (r != JWT_OK)
        return r;
    enum err err = json_parse_object(a, out->jws.payload, &out->claims);
    if (err == ERR_NOMEM)
        return jose__memory(why);
    if (err != ERR_OK)
        return jose__fail(why, JWT_NOT_CLAIMS, "the payload is not a strict JSON object", STR(""));
    const struct json *iss = json_get(out->claims, "iss");
    if (iss && !json_str(iss, &out->iss))
        return jose__fail(why, JWT_BAD_CLAIM, "iss is not a string", STR(""));
    return JWT_OK;
}

static bool among(struct str s, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s, list[i]))
            return true;
    return false;
}

/* ---- typ, iss, aud ---- */

/* "application/" may be left out (RFC 7515 4.1.9). */
static struct str media_type(struct str typ)
{
    const struct str prefix = STR("application/");
    return str_istarts(typ, prefix) ? str_from(typ, prefix.n) : typ;
}

static enum jwt_reason check_typ(const struct jwt_checker *c, const struct jwt *t,
                                 struct jwt_fault *why)
{
    struct str typ = json_str_or(json_get(t->jws.header, "typ"), STR(""));
    if (c->typ.n == 0 || str_ieq(media_type(typ), media_type(c->typ)))
        return JWT_OK;
    (void)jose__fail(why, JWT_WRONG_TYP, NULL, typ);
    why->expected = c->typ;
    return JWT_WRONG_TYP;
}

static enum jwt_reason check_iss(const struct jwt_checker *c, const struct jwt *t,
                                 struct jwt_fault *why)
{
    if (c->issuers_n == 0 ||
        (json_get(t->claims, "iss") && among(t->iss, c->issuers, c->issuers_n)))
        return JWT_OK;
    enum jwt_reason r = json_get(t->claims, "iss") ? JWT_WRONG_ISSUER : JWT_NO_ISSUER;
    (void)jose__fail(why, r, NULL, t->iss);
    why->expected = c->issuers[0];
    return r;
}

/* A string or a list of strings (RFC 7519 4.1.3), whether or not anybody asks for it. */
static bool is_audience(const struct json *aud)
{
    if (!json_is(aud, JSON_ARRAY))
        return aud == NULL || aud->type == JSON_STRING;
    for (size_t i = 0; i < aud->n; i++)
        if (!json_is(aud->items[i], JSON_STRING))
            return false;
    return true;
}

static bool meets(const struct json *aud, const struct jwt_checker *c)
{
    if (json_is(aud, JSON_STRING))
        return among(aud->s, c->audiences, c->audiences_n);
    for (size_t i = 0; i < aud->n; i++)
        if (among(aud->items[i]->s, c->audiences, c->audiences_n))
            return true;
    return false;
}

static enum jwt_reason check_aud(const struct jwt_checker *c, const struct jwt *t,
                                 struct jwt_fault *why)
{
    const struct json *aud = json_get(t->claims, "aud"), *client = json_get(t->claims, "client_id");
    enum jwt_reason r = JWT_NO_AUDIENCE;
    struct str got = STR("");
    if (!is_audience(aud))
        return jose__fail(why, JWT_BAD_CLAIM, "aud is neither a string nor a list of strings",
                          STR(""));
    if (c->audiences_n == 0)
        return JWT_OK;
    if (aud) {
        if (meets(aud, c))
            return JWT_OK;
        r = JWT_WRONG_AUDIENCE;
        got = aud->type == JSON_STRING ? aud->s : aud->n ? aud->items[0]->s : STR("[]");
    } else if (c->client_id && client) {
        if (json_str(client, &got) && among(got, c->audiences, c->audiences_n))
            return JWT_OK;
        r = JWT_WRONG_CLIENT_ID;
    }
    (void)jose__fail(why, r, NULL, got);
    why->expected = c->audiences[0];
    return r;
}

static enum jwt_reason check_token_use(const struct jwt_checker *c, const struct jwt *t,
                                       struct jwt_fault *why)
{
    struct str use = json_str_or(json_get(t->claims, "token_use"), STR(""));
    if (c->token_use.n == 0 || str_eq(use, c->token_use))
        return JWT_OK;
    (void)jose__fail(why, JWT_WRONG_TOKEN_USE, NULL, use);
    why->expected = c->token_use;
    return JWT_WRONG_TOKEN_USE;
}

/* ---- times ---- */

enum claim { EXP, NBF, IAT };
static const struct {
    const char *name, *broken;
} time_claims[] = {
    [EXP] = {"exp", "exp is not a time in seconds"},
    [NBF] = {"nbf", "nbf is not a time in seconds"},
    [IAT] = {"iat", "iat is not a time in seconds"},
};

/* False when it is there and no NumericDate: a finite number from 0 to 2^53 (RFC 7519 2). */
static bool numeric_date(const struct json *claims, enum claim which, bool *present, double *out)
{
    const struct json *v = json_get(claims, time_claims[which].name);
    *present = v != NULL;
    *out = 0;
    if (v == NULL)
        return true;
    *out = v->type == JSON_NUMBER ? v->real : -1;
    if (v->is_int && v->i > LIMIT_NUMERIC_DATE) /* 2^53 + 1 is 2^53 as a double */
        return false;
    return v->type == JSON_NUMBER && !signbit(*out) && *out <= (double)LIMIT_NUMERIC_DATE;
}

static enum jwt_reason fail_time(struct jwt_fault *why, enum jwt_reason r, double at, double now)
{
    *why = (struct jwt_fault){.reason = r, .at = at, .now = now, .has_time = true};
    return r;
}

static enum jwt_reason check_times(const struct jwt_checker *c, const struct jwt *t, double now,
                                   struct jwt_fault *why)
{
    bool present[3];
    double at[3];
    for (size_t i = 0; i < COUNTOF(time_claims); i++)
        if (!numeric_date(t->claims, (enum claim)i, &present[i], &at[i]))
            return jose__fail(why, JWT_BAD_CLAIM, time_claims[i].broken, STR(""));
    if (!present[EXP] && (c->require_exp || c->max_life_s > 0))
        return jose__fail(why, JWT_NO_EXP, "there is no exp", STR(""));
    if (present[EXP] && now >= at[EXP] + c->skew_s) /* "on or after" is expired (4.1.4) */
        return fail_time(why, JWT_EXPIRED, at[EXP], now);
    if (present[NBF] && now + c->skew_s < at[NBF])
        return fail_time(why, JWT_NOT_YET, at[NBF], now);
    if (present[IAT] && now + c->skew_s < at[IAT])
        return fail_time(why, JWT_ISSUED_LATER, at[IAT], now);
    if (c->max_life_s > 0 && (!present[IAT] || at[EXP] - at[IAT] > c->max_life_s))
        return fail_time(why, JWT_LIVES_TOO_LONG, at[EXP] - at[IAT], c->max_life_s);
    return JWT_OK;
}

/* ---- all of it ---- */

enum jwt_reason jwt_check_claims(const struct jwt_checker *c, const struct jwt *t, double now_s,
                                 struct jwt_fault *why)
{
    enum jwt_reason r = check_typ(c, t, why);
    if (r == JWT_OK)
        r = check_iss(c, t, why);
    if (r == JWT_OK)
        r = check_aud(c, t, why);
    if (r == JWT_OK)
        r = check_token_use(c, t, why);
    if (r == JWT_OK)
        r = check_times(c, t, now_s, why);
    return r;
}

enum jwt_reason jwt_check(const struct jwt_checker *c, const struct jwks *keys, const struct jwt *t,
                          double now_s, const struct jwk **key, struct jwt_fault *why)
{
    if ((c->algs & JWS_BIT(t->jws.alg->id)) == 0)
        return jose__fail(why, JWT_ALG_NOT_ALLOWED, NULL, str_c(t->jws.alg->name));
    if (c->require_kid && !t->jws.has_kid)
        return jose__fail(why, JWT_NO_KID, "the header has no kid", STR(""));
    enum jwt_reason r = jose__has_key(&t->jws, keys, (int64_t)now_s, why);
    if (r == JWT_OK)
        r = jwt_check_claims(c, t, now_s, why);
    if (r == JWT_OK)
        r = jws_verify(&t->jws, keys, (int64_t)now_s, key, why);
    return r;
}

enum jwt_reason jwt_verify(const struct jwt_checker *c, const struct jwks *keys, struct arena *a,
                           struct str token, double now_s, struct jwt *out, struct jwt_fault *why)
{
    enum jwt_reason r = jwt_read(a, token, c->algs, out, why);
    return r != JWT_OK ? r : jwt_check(c, keys, out, now_s, NULL, why);
}

/* ---- scopes ---- */

static bool has_word(struct str words, struct str wanted)
{
    while (words.p) {
        struct str rest, word = str_cut(words, ' ', &rest);
        if (str_eq(word, wanted))
            return true;
        words = rest;
    }
    return false;
}

bool jwt_has_scope(const struct json *claims, struct str wanted)
{
    static const char *const names[] = {"scope", "scp"};
    if (wanted.n == 0 || str_chr(wanted, ' ', 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct json *v = json_get(claims, names[i]);
        if (json_is(v, JSON_STRING) && has_word(v->s, wanted))
            return true;
        const struct json *item;
        for (size_t j = 0; (item = json_at(v, j)) != NULL; j++)
            if (json_is(item, JSON_STRING) && str_eq(item->s, wanted))
                return true;
    }
    return false;
}
