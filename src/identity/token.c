/* SPDX-License-Identifier: Apache-2.0
 *
 * Access tokens and refresh tokens as bytes. Invariant: nothing of a token is given out before its
 * signature or its tag was found good. */
#include "token_int.h"

#include "base/aead.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "jose/jwt.h"
#include "limits_int.h"

/* ---- access tokens ---- */

static const char *const protected[] = {
    "sub",
    "rsub",
    "tId",
    "iat",
    "exp",
    "sessionHandle",
    "refreshTokenHash1",
    "parentRefreshTokenHash1",
    "antiCsrfToken",
};

bool access_token_protects(struct str name)
{
    for (size_t i = 0; i < COUNTOF(protected); i++)
        if (str_eqz(name, protected[i]))
            return true;
    return false;
}

static void add(struct buf *out, const char *name, struct str text)
{
    buf_addf(out, "%s\"%s\":", out->n > 1 ? "," : "", name);
    json_write_str(out, text);
}

static void add_or_null(struct buf *out, const char *name, struct str text)
{
    if (text.n)
        add(out, name, text);
    else
        buf_addf(out, ",\"%s\":null", name);
}

void access_token_write(const struct access_token *t, struct buf *out)
{
    AUTO_BUF claims = BUF_INIT(out->max);
    buf_addc(&claims, '{');
    add(&claims, "sub", t->user_id);
    add(&claims, "rsub", t->recipe_user_id);
    add(&claims, "tId", t->tenant);
    buf_addf(&claims, ",\"iat\":%lld,\"exp\":%lld", (long long)t->iat_s, (long long)t->exp_s);
    add(&claims, "sessionHandle", t->session_handle);
    add(&claims, "refreshTokenHash1", t->hash1);
    add_or_null(&claims, "parentRefreshTokenHash1", t->parent_hash1);
    add_or_null(&claims, "antiCsrfToken", t->anti_csrf);
    for (size_t i = 0; t->payload && i < t->payload->n; i++) {
        const struct json_member *m = &t->payload->members[i];
        if (access_token_protects(m->key))
            continue;
        buf_addc(&claims, ',');
        json_write_str(&claims, m->key);
        buf_addc(&claims, ':');
        json_write(&claims, m->value);
    }
    buf_addc(&claims, '}');
    buf_add(out, buf_str(&claims));
    if (claims.err != ERR_OK && out->err == ERR_OK)
        out->err = claims.err;
}

enum err access_token_sign(const struct signer *key, struct str claims, struct buf *out)
{
    AUTO_BUF header = BUF_INIT(KIB(4));
    size_t start = out->n;
    buf_addz(&header, "{\"kid\":");
    json_write_str(&header, key->kid);
    buf_addz(&header, ",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"RS256\"}");
    if (header.err != ERR_OK)
        return header.err;
    if (claims.n > LIMIT_JWT_BYTES) /* before a millisecond is spent on it */
        return ERR_LIMIT;
    enum err err = key->sign(key, buf_str(&header), claims, out);
    return err == ERR_OK && out->n - start > LIMIT_JWT_BYTES ? ERR_LIMIT : err;
}

static enum err not_ours(const char **why, const char *text, enum err err)
{
    *why = text;
    return err;
}

static bool read_time(const struct json *claims, const char *name, int64_t *out)
{
    return json_int(json_get(claims, name), out) && *out >= 0 && *out <= LIMIT_NUMERIC_DATE;
}

/* A string, or null: "". */
static bool read_or_null(const struct json *claims, const char *name, struct str *out)
{
    const struct json *v = json_get(claims, name);
    *out = STR("");
    return json_is(v, JSON_NULL) || json_str(v, out);
}

static bool read_claims(const struct json *c, struct access_token *out)
{
    return json_str(json_get(c, "sub"), &out->user_id) &&
           json_str(json_get(c, "rsub"), &out->recipe_user_id) &&
           json_str(json_get(c, "tId"), &out->tenant) && read_time(c, "iat", &out->iat_s) &&
           read_time(c, "exp", &out->exp_s) &&
           json_str(json_get(c, "sessionHandle"), &out->session_handle) &&
           json_str(json_get(c, "refreshTokenHash1"), &out->hash1) &&
           read_or_null(c, "parentRefreshTokenHash1", &out->parent_hash1) &&
           read_or_null(c, "antiCsrfToken", &out->anti_csrf);
}

static enum err user_payload(struct arena *a, const struct json *claims, const struct json **out)
{
    struct json *payload = json_new_object(a, claims->n);
    enum err err = payload ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < claims->n && err == ERR_OK; i++)
        if (!access_token_protects(claims->members[i].key))
            err = json_set(a, payload, claims->members[i].key, claims->members[i].value);
    *out = payload;
    return err;
}

/* What the core says of a token that no key vouches for. */
static enum err refused(enum jwt_reason r, const char **why)
{
    switch (r) {
    case JWT_INTERNAL:
        return not_ours(why, "JWT verification failed", ERR_NOMEM);
    case JWT_UNKNOWN_KID:
    case JWT_KEY_MISMATCH:
    case JWT_RETIRED_KEY:
        return not_ours(why, "Key not found", ERR_NOTFOUND);
    case JWT_ALG_NOT_ALLOWED:
    case JWT_BAD_HEADER:
    case JWT_CRIT:
        return not_ours(why, "JWT header mismatch", ERR_SYNTAX);
    case JWT_BAD_SIGNATURE:
        return not_ours(why, "JWT verification failed", ERR_BADSIG);
    default:
        return not_ours(why, "Invalid JWT", ERR_SYNTAX);
    }
}

enum err access_token_read(struct arena *a, struct str token, const struct jwks *keys,
                           int64_t now_s, struct access_token *out, const char **why)
{
    static const char lacks[] = "Access token does not contain all the information. Maybe the "
                                "structure has changed?";
    struct access_token found = {0};
    struct jwt jwt;
    struct jwt_fault fault;
    *out = (struct access_token){0};
    *why = "JWT verification failed";
    enum jwt_reason r = jwt_read(a, token, JWS_BIT(JWS_RS256), &jwt, &fault);
    if (r != JWT_OK)
        return refused(r, why);
    /* None: of POST /recipe/jwt, with which an app may make access tokens by itself. */
    const struct json *version = json_get(jwt.jws.header, "version");
    if (!jwt.jws.has_kid || (version && !str_eqz(json_str_or(version, STR("")), "5")))
        return refused(JWT_BAD_HEADER, why);
    r = jws_verify(&jwt.jws, keys, now_s, NULL, &fault);
    if (r != JWT_OK)
        return refused(r, why);
    if (!read_claims(jwt.claims, &found))
        return not_ours(why, lacks, ERR_SYNTAX);
    if (user_payload(a, jwt.claims, &found.payload) != ERR_OK)
        return ERR_NOMEM;
    *out = found;
    if (found.exp_s <= now_s)
        return not_ours(why, "Access token expired", ERR_EXPIRED);
    *why = "";
    return ERR_OK;
}

/* ---- refresh tokens ---- */

#define NONCE 64 /* hex digits */
#define VERSION ".V2"

/* Each token has a key of its own, derived from the app's and its nonce: so one random iv for each
 * is enough for any number of tokens. */
static enum err token_key(struct str key, struct str nonce, unsigned char out[AEAD_KEY])
{
    if (key.n != REFRESH_KEY)
        return ERR_INVALID;
    return hkdf_sha256(key, nonce, STR("ropeline refresh token"), out, AEAD_KEY);
}

static void write_fields(struct buf *out, const struct refresh_token *t)
{
    buf_addc(out, '{');
    add(out, "sessionHandle", t->session_handle);
    add(out, "userId", t->user_id);
    if (t->parent_hash1.n)
        add(out, "parentRefreshTokenHash1", t->parent_hash1);
    add(out, "nonce", t->nonce);
    if (t->anti_csrf.n)
        add(out, "antiCsrfToken", t->anti_csrf);
    if (!str_eqz(t->tenant, "public"))
        add(out, "tenantId", t->tenant);
    buf_addc(out, '}');
}

/* 256 random bits, as the core writes them. */
static enum err new_nonce(struct arena *a, struct str *out)
{
    unsigned char bytes[NONCE / 2];
    char hex[NONCE + 1];
    enum err err = crypt_random(bytes, sizeof bytes);
    if (err != ERR_OK)
        return err;
    crypt_hex(bytes, sizeof bytes, hex);
    *out = arena_str(a, str_c(hex));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err refresh_token_write(struct str key, struct refresh_token *t, struct arena *a,
                             struct str *out)
{
    unsigned char own[AEAD_KEY];
    AUTO_BUF fields = BUF_INIT(LIMIT_REFRESH_TOKEN), sealed = BUF_INIT(LIMIT_REFRESH_TOKEN),
             text = BUF_INIT(LIMIT_REFRESH_TOKEN);
    enum err err = new_nonce(a, &t->nonce);
    if (err == ERR_OK)
        err = token_key(key, t->nonce, own);
    if (err != ERR_OK)
        return err;
    write_fields(&fields, t);
    err = fields.err;
    if (err == ERR_OK)
        err = aead_seal(str_of(own, sizeof own), t->nonce, buf_str(&fields), &sealed);
    mem_cleanse(own, sizeof own);
    if (err != ERR_OK)
        return err;
    crypt_base64(&text, buf_str(&sealed));
    buf_addc(&text, '.');
    buf_add(&text, t->nonce);
    buf_addz(&text, VERSION);
    if (text.err != ERR_OK)
        return text.err;
    *out = arena_str(a, buf_str(&text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return true;
}

/* Absent: `otherwise`; present, but no text: false. */
static bool read_text(const struct json *object, const char *name, struct str otherwise,
                      struct str *out)
{
    const struct json *v = json_get(object, name);
    *out = otherwise;
    return v == NULL || json_str(v, out);
}

enum err refresh_token_fields(struct arena *a, struct str text, struct str nonce,
                              struct refresh_token *out)
{
    const struct json *o;
    struct refresh_token found;
    *out = (struct refresh_token){0};
    enum err err = json_parse_kept(a, text, LIMIT_REFRESH_TOKEN, &o);
    if (err != ERR_OK)
        return err == ERR_NOMEM ? err : ERR_INVALID;
    if (!json_is(o, JSON_OBJECT) ||
        !json_str(json_get(o, "sessionHandle"), &found.session_handle) ||
        !json_str(json_get(o, "userId"), &found.user_id) ||
        !json_str(json_get(o, "nonce"), &found.nonce) || !str_eq(found.nonce, nonce) ||
        !read_text(o, "parentRefreshTokenHash1", STR(""), &found.parent_hash1) ||
        !read_text(o, "antiCsrfToken", STR(""), &found.anti_csrf) ||
        !read_text(o, "tenantId", STR("public"), &found.tenant))
        return ERR_INVALID;
    *out = found;
    return ERR_OK;
}

enum err refresh_token_read(struct arena *a, struct str key, struct str text,
                            struct refresh_token *out)
{
    unsigned char own[AEAD_KEY];
    struct str nonce, rest;
    AUTO_BUF sealed = BUF_INIT(LIMIT_REFRESH_TOKEN), fields = BUF_INIT(LIMIT_REFRESH_TOKEN);
    *out = (struct refresh_token){0};
    struct str body = str_cut(text, '.', &rest);
    nonce = str_sub(rest, 0, NONCE);
    if (text.n > LIMIT_REFRESH_TOKEN || nonce.n != NONCE || !is_hex(nonce) ||
        !str_eqz(str_from(rest, NONCE), VERSION))
        return ERR_INVALID;
    enum err err = crypt_base64_decode(&sealed, body);
    if (err == ERR_OK)
        err = token_key(key, nonce, own);
    if (err == ERR_OK)
        err = aead_open(str_of(own, sizeof own), nonce, buf_str(&sealed), &fields);
    mem_cleanse(own, sizeof own);
    struct str own_fields = err == ERR_OK ? arena_str(a, buf_str(&fields)) : STR("");
    if (own_fields.p == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = refresh_token_fields(a, own_fields, nonce, out);
    return err == ERR_NOMEM || err == ERR_OK ? err : ERR_INVALID;
}

static void hash(struct str text, char out[HASH_TEXT])
{
    unsigned char digest[SHA256_BYTES];
    ASSERT(crypt_sha256(text, digest) == ERR_OK);
    crypt_hex(digest, sizeof digest, out);
}

void refresh_hash1(struct str token, char out[HASH_TEXT])
{
    hash(token, out);
}

void refresh_hash2(struct str hash1, char out[HASH_TEXT])
{
    hash(hash1, out);
}
