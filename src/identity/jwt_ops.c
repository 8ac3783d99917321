/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens for whoever asks with the app's api-key, and the key sets that vouch for them
 * (specs/identity-core.md 2.7). */
#include "keys_int.h"
#include "ops_int.h"

/* --- GET /.well-known/jwks.json and /recipe/jwt/jwks --------------------------------------------
 */
/* Whoever fetches them may keep them until the next one will be there. */
static enum err answer_keys(struct cdi_call *c, const struct app_keys *k)
{
    AUTO_BUF text = BUF_INIT(LIMIT_JWKS_BYTES);
    const struct json *set = NULL;
    bool bare = (c->op->flags & CDI_NO_KEY) != 0;
    struct json *o = bare ? json_new_object(c->arena, 1) : cdi_reply(c, "OK");
    jwks_write(&text, keys_verifiers(k), false);
    c->cache_control =
        arena_fmt(c->arena, "max-age=%lld, must-revalidate", (long long)keys_fresh_s(k, c->now_ms));
    if (o == NULL || c->cache_control.p == NULL)
        return ERR_NOMEM;
    enum err err =
        text.err ? text.err : json_parse(c->arena, buf_str(&text), LIMIT_JWKS_BYTES, &set, NULL);
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("keys"), json_get(set, "keys"));
    return err ? err : cdi_ok(c, o);
}

static enum err jwks_now(struct cdi_call *c, struct store_tx *none)
{
    const struct app_keys *k = keys_all_cached(c);
    (void)none;
    return k ? answer_keys(c, k) : ERR_OK;
}

static enum err jwks_write_phase(struct cdi_call *c, struct store_tx *tx)
{
    struct app_keys *k;
    enum err err = keys_all_for_call(c, tx, &k);
    return err ? err : answer_keys(c, k);
}

/* --- POST /recipe/jwt ---------------------------------------------------------------------------
 */
struct making {
    struct app_keys *keys;
    struct str claims;
};

static bool is_ours(struct str name)
{
    return str_eqz(name, "iat") || str_eqz(name, "exp");
}

static enum err write_claims(struct cdi_call *c, struct making *m)
{
    const struct json *payload = cdi_json(c, "payload");
    struct json *claims = json_new_object(c->arena, payload->n + 3);
    int64_t now_s = c->now_ms / 1000;
    enum err err = claims ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < payload->n && err == ERR_OK; i++)
        if (!is_ours(payload->members[i].key))
            err = json_set(c->arena, claims, payload->members[i].key, payload->members[i].value);
    if (err == ERR_OK && json_gets(payload, STR("iss")) == NULL)
        err = json_set(c->arena, claims, STR("iss"),
                       json_new_str(c->arena, cdi_str(c, "jwksDomain")));
    if (err == ERR_OK)
        err = json_set(c->arena, claims, STR("iat"), json_new_int(c->arena, now_s));
    if (err == ERR_OK)
        err = json_set(c->arena, claims, STR("exp"),
                       json_new_int(c->arena, now_s + cdi_int(c, "validity", 0)));
    if (err != ERR_OK)
        return err;
    AUTO_BUF text = BUF_INIT(LIMIT_JWT_BYTES);
    json_write(&text, claims);
    if (text.err == ERR_LIMIT)
        return cdi_fail(c, 400, "The payload is larger than %zu bytes", (size_t)LIMIT_JWT_BYTES);
    m->claims = text.err ? STR_NONE : arena_str(c->arena, buf_str(&text));
    return m->claims.p ? ERR_OK : ERR_NOMEM;
}

static enum err make_check(struct cdi_call *c, struct store_tx *none)
{
    struct making *m = ARENA_NEW(c->arena, struct making);
    (void)none;
    c->state = m;
    if (m == NULL)
        return ERR_NOMEM;
    if (!str_ieq(cdi_str(c, "algorithm"), STR("RS256")))
        return cdi_status(c, "UNSUPPORTED_ALGORITHM_ERROR");
    if (cdi_int(c, "validity", 0) <= 0)
        return cdi_fail(c, 400, "validity must be greater than or equal to 0");
    if (cdi_int(c, "validity", 0) > LIMIT_JWT_VALIDITY_S)
        return cdi_fail(c, 400, "validity must not be more than %lld seconds",
                        (long long)LIMIT_JWT_VALIDITY_S);
    return write_claims(c, m);
}

static enum err make_keys(struct cdi_call *c, struct store_tx *tx)
{
    struct making *m = c->state;
    return keys_all_for_call(c, tx, &m->keys);
}

static enum err make_sign(struct cdi_call *c, struct store_tx *none)
{
    const struct making *m = c->state;
    bool dynamic = !cdi_bool(c, "useStaticSigningKey", true);
    struct signer s = keys_signer(m->keys, dynamic, c->now_ms);
    AUTO_BUF jwt = BUF_INIT(2 * LIMIT_JWT_BYTES);
    struct str header =
        arena_fmt(c->arena, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%.*s\"}", STR_ARG(s.kid));
    (void)none;
    enum err err = header.p ? s.sign(&s, header, m->claims, &jwt) : ERR_NOMEM;
    struct json *o = cdi_reply(c, "OK");
    if (err == ERR_OK && o == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("jwt"), json_new_str(c->arena, buf_str(&jwt)));
    return err ? err : cdi_ok(c, o);
}

#define OPEN (CDI_NO_KEY | CDI_NO_VERSION)
static const struct cdi_op ops[] = {
    {HTTP_GET,
     "/.well-known/jwks.json",
     CDI_APP,
     OPEN,
     NULL,
     {{CDI_NOW, jwks_now}, {CDI_WRITE, jwks_write_phase}},
     NULL},
    {HTTP_GET,
     "/recipe/jwt/jwks",
     CDI_APP,
     0,
     NULL,
     {{CDI_NOW, jwks_now}, {CDI_WRITE, jwks_write_phase}},
     NULL},
    {HTTP_POST,
     "/recipe/jwt",
     CDI_APP,
     0,
     "algorithm:s jwksDomain:s payload:o validity:i useStaticSigningKey:b?",
     {{CDI_NOW, make_check}, {CDI_WRITE, make_keys}, {CDI_CPU, make_sign}},
     NULL},
};
const struct cdi_table jwt_ops__table = {ops, COUNTOF(ops)};
