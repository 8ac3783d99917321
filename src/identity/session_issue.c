/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens for a session. What is signed is fixed within the transaction that allows it; the
 * signature itself, a millisecond, is made afterwards in the CPU lane, so that it never holds the
 * store. */
#include "base/crypt.h"
#include "session_ops_int.h"

enum rotation_mode session__mode(const struct cdi_call *c)
{
    return c->version >= 506 ? ROTATION_ON_REFRESH : ROTATION_ON_USE;
}

/* --- payloads ----------------------------------------------------------------------------------
 */
enum err session__text(struct cdi_call *c, const struct json *v, size_t max, struct str *out)
{
    AUTO_BUF text = BUF_INIT(max);
    json_write(&text, v);
    if (text.err == ERR_LIMIT)
        return cdi_fail(c, 400, "The user payload is larger than %zu bytes", max);
    *out = text.err ? STR_NONE : arena_str(c->arena, buf_str(&text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err session__payload(struct cdi_call *c, struct str text, const struct json **out)
{
    enum err err = json_parse_kept(c->arena, text, LIMIT_SESSION_PAYLOAD, out);
    return err == ERR_SYNTAX || err == ERR_LIMIT ? ERR_INTERNAL : err;
}

enum err session__check_payload(struct cdi_call *c, const struct json *payload)
{
    struct str text;
    for (size_t i = 0; payload && i < payload->n; i++)
        if (access_token_protects(payload->members[i].key))
            return cdi_fail(c, 400, "The user payload contains protected field");
    return payload ? session__text(c, payload, LIMIT_TOKEN_PAYLOAD, &text) : ERR_OK;
}

bool session__same(const struct json *a, const struct json *b)
{
    if (a == NULL || b == NULL || a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        return true;
    case JSON_NUMBER:
    case JSON_STRING:
        return str_eq(a->s, b->s);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = a->type == JSON_ARRAY
                   ? session__same(a->items[i], b->items[i])
                   : session__same(a->members[i].value, json_gets(b, a->members[i].key));
    return same;
}

/* --- tokens ------------------------------------------------------------------------------------
 */
/* A little shorter by chance when the settings say so: tokens of one moment then end at many. */
static int64_t access_life_s(const struct core_config *g)
{
    int64_t most = g->access_token_validity_s * g->jitter_percent / 100;
    uint32_t random = 0;
    if (most <= 0 || crypt_random(&random, sizeof random) != ERR_OK)
        return g->access_token_validity_s;
    return g->access_token_validity_s - (int64_t)(random % (uint64_t)(most + 1));
}

enum err session__claims(struct cdi_call *c, struct session_tokens *t, bool renewed)
{
    AUTO_BUF claims = BUF_INIT(LIMIT_JWT_BYTES);
    t->access.iat_s = c->now_ms / 1000;
    if (renewed)
        t->access.exp_s = t->access.iat_s + access_life_s(c->config);
    access_token_write(&t->access, &claims);
    /* base64 makes four of three; header and signature come to it */
    if (claims.err == ERR_LIMIT || claims.n > (LIMIT_JWT_BYTES - 512) / 4 * 3)
        return cdi_fail(c, 400, "The access token would be larger than %zu bytes",
                        (size_t)LIMIT_JWT_BYTES);
    t->claims = claims.err ? STR_NONE : arena_str(c->arena, buf_str(&claims));
    return t->claims.p ? ERR_OK : ERR_NOMEM;
}

enum err session__issue(struct cdi_call *c, struct session_tokens *t, const struct session_row *row,
                        struct str primary, struct str parent_hash1, bool anti_csrf)
{
    char uuid[37], hash1[HASH_TEXT];
    struct refresh_token r = {.session_handle = row->handle,
                              .user_id = row->user_id,
                              .tenant = row->tenant,
                              .parent_hash1 = parent_hash1,
                              .anti_csrf = STR("")};
    if (anti_csrf) {
        crypt_uuid(uuid);
        r.anti_csrf = arena_str(c->arena, str_of(uuid, 36));
        if (r.anti_csrf.p == NULL)
            return ERR_NOMEM;
    }
    enum err err = refresh_token_write(keys_refresh(t->keys), &r, c->arena, &t->refresh);
    if (err != ERR_OK)
        return err;
    refresh_hash1(t->refresh, hash1);
    refresh_hash2(str_of(hash1, HASH_TEXT - 1), t->hash2);
    t->created_ms = c->now_ms;
    t->access = (struct access_token){.user_id = primary,
                                      .recipe_user_id = row->user_id,
                                      .tenant = row->tenant,
                                      .session_handle = row->handle,
                                      .hash1 = arena_str(c->arena, str_of(hash1, HASH_TEXT - 1)),
                                      .parent_hash1 = parent_hash1,
                                      .anti_csrf = r.anti_csrf};
    if (t->access.hash1.p == NULL)
        return ERR_NOMEM;
    err = session__payload(c, row->payload, &t->access.payload);
    return err ? err : session__claims(c, t, true);
}

enum err session__renew(struct cdi_call *c, struct session_tokens *t, const struct session_row *row)
{
    t->access.parent_hash1 = STR("");
    t->dynamic = !row->static_key;
    enum err err = session__payload(c, row->payload, &t->access.payload);
    return err ? err : session__claims(c, t, true);
}

/* --- answers -----------------------------------------------------------------------------------
 */
static enum err set_str(struct cdi_call *c, struct json *o, const char *name, struct str s)
{
    return json_set(c->arena, o, str_c(name), json_new_str(c->arena, s));
}

static enum err set_session(struct cdi_call *c, struct json *reply, const struct access_token *t)
{
    struct json *o = json_new_object(c->arena, 5);
    enum err err = o ? set_str(c, o, "handle", t->session_handle) : ERR_NOMEM;
    if (err == ERR_OK)
        err = set_str(c, o, "userId", t->user_id);
    if (err == ERR_OK)
        err = set_str(c, o, "recipeUserId", t->recipe_user_id);
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("userDataInJWT"), t->payload);
    if (err == ERR_OK)
        err = set_str(c, o, "tenantId", t->tenant);
    return err ? err : json_set(c->arena, reply, STR("session"), o);
}

static enum err set_token(struct cdi_call *c, struct json *reply, const char *name, struct str text,
                          int64_t expires_ms, int64_t created_ms)
{
    struct json *o = json_new_object(c->arena, 3);
    enum err err = o ? set_str(c, o, "token", text) : ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("expiry"), json_new_int(c->arena, expires_ms));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("createdTime"), json_new_int(c->arena, created_ms));
    return err ? err : json_set(c->arena, reply, str_c(name), o);
}

enum err session__sign_token(struct cdi_call *c, const struct session_tokens *t, struct str *out)
{
    AUTO_BUF token = BUF_INIT(LIMIT_JWT_BYTES);
    *out = STR("");
    if (t->claims.p == NULL)
        return ERR_OK;
    struct signer signer = keys_signer(t->keys, t->dynamic, c->now_ms);
    enum err err = access_token_sign(&signer, t->claims, &token);
    if (err == ERR_OK)
        err = token.err;
    if (err != ERR_OK)
        return err == ERR_LIMIT ? ERR_INTERNAL : err; /* session__claims has looked */
    *out = arena_str(c->arena, buf_str(&token));
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err session__sign(struct cdi_call *c, struct store_tx *none)
{
    const struct session_tokens *t = c->state;
    const struct access_token *a = &t->access;
    struct json *reply = cdi_reply(c, "OK");
    struct str token;
    (void)none;
    enum err err = reply ? session__sign_token(c, t, &token) : ERR_NOMEM;
    if (err == ERR_OK)
        err = set_session(c, reply, a);
    if (err == ERR_OK && token.n)
        err = set_token(c, reply, "accessToken", token, a->exp_s * 1000, a->iat_s * 1000);
    if (err == ERR_OK && t->refresh.n)
        err = set_token(c, reply, "refreshToken", t->refresh, t->refresh_expires_ms, t->created_ms);
    if (err == ERR_OK && t->refresh.n && a->anti_csrf.n)
        err = set_str(c, reply, "antiCsrfToken", a->anti_csrf);
    return err ? err : cdi_ok(c, reply);
}
