/* SPDX-License-Identifier: Apache-2.0
 *
 * Creating, verifying, refreshing and renewing sessions (specs/identity-core.md 2.1). What can be
 * said from memory is said at once; what depends on the row is decided under its lock, in one
 * transaction; signing comes last. */
#include "base/crypt.h"
#include "ops_int.h"
#include "session_ops_int.h"
#include "user_int.h"

static struct session_tokens *new_tokens(struct cdi_call *c)
{
    struct session_tokens *t = ARENA_NEW(c->arena, struct session_tokens);
    c->state = t;
    return t;
}

/* In a writing phase: from the store when this process does not have them yet. Anew each time, for
 * what was made in a transaction that runs again is not there. */
static enum err want_keys(struct cdi_call *c, struct store_tx *tx, struct session_tokens *t)
{
    return keys_for_call(c, tx, &t->keys);
}

static enum err unauthorised(struct cdi_call *c, const char *why)
{
    return cdi_status_why(c, "UNAUTHORISED", "message", why);
}

static enum err try_refresh(struct cdi_call *c, const char *why)
{
    return cdi_status_why(c, "TRY_REFRESH_TOKEN", "message", why);
}

static struct str copy_hash(struct cdi_call *c, const char *hash)
{
    return arena_str(c->arena, str_of(hash, HASH_TEXT - 1));
}

/* --- POST /recipe/session ----------------------------------------------------------------------
 */
static enum err create_check(struct cdi_call *c, struct store_tx *none)
{
    (void)none;
    if (cdi_str(c, "userId").n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'userId' is invalid in JSON input");
    return session__check_payload(c, cdi_json(c, "userDataInJWT"));
}

static enum err create_write(struct cdi_call *c, struct store_tx *tx)
{
    struct session_tokens *t = new_tokens(c);
    struct session_row row = {.tenant = c->tenant, .created_ms = c->now_ms};
    struct str primary;
    enum err err = t ? want_keys(c, tx, t) : ERR_NOMEM;
    if (err == ERR_OK)
        err = session__user(c, tx, cdi_str(c, "userId"), &row.user_id, &primary);
    if (err == ERR_OK)
        err = session__text(c, cdi_json(c, "userDataInJWT"), LIMIT_TOKEN_PAYLOAD, &row.payload);
    if (err == ERR_OK)
        err = session__text(c, cdi_json(c, "userDataInDatabase"), LIMIT_SESSION_PAYLOAD, &row.data);
    if (err != ERR_OK)
        return err;
    row.handle = session__new_handle(c);
    row.expires_ms = c->now_ms + c->config->refresh_token_validity_s * 1000;
    t->dynamic = cdi_bool(c, "useDynamicSigningKey", true);
    row.static_key = !t->dynamic;
    if (row.handle.p == NULL)
        return ERR_NOMEM;
    err = session__issue(c, t, &row, primary, STR(""), cdi_bool(c, "enableAntiCsrf", false));
    if (err != ERR_OK)
        return err;
    t->refresh_expires_ms = row.expires_ms;
    row.hash2 = str_of(t->hash2, HASH_TEXT - 1);
    err = session__insert(c, tx, &row);
    return err ? err : user_seen(c, tx, primary);
}

/* --- POST /recipe/session/refresh --------------------------------------------------------------
 */
struct refreshing {
    struct session_tokens tokens; /* first: what session__sign finds in c->state */
    struct refresh_token shown;
    bool is_read;
    char hash1[HASH_TEXT], hash2[HASH_TEXT];
};

static enum err read_shown(struct cdi_call *c, struct refreshing *r)
{
    struct str text = cdi_str(c, "refreshToken");
    enum err err = refresh_token_read(c->arena, keys_refresh(r->tokens.keys), text, &r->shown);
    if (err == ERR_INVALID)
        return unauthorised(c, "The refresh token is not one of this app");
    if (err != ERR_OK)
        return err;
    refresh_hash1(text, r->hash1);
    refresh_hash2(str_of(r->hash1, HASH_TEXT - 1), r->hash2);
    r->is_read = true;
    return ERR_OK;
}

static enum err refresh_read(struct cdi_call *c, struct store_tx *none)
{
    struct refreshing *r = ARENA_NEW(c->arena, struct refreshing);
    (void)none;
    c->state = r;
    if (r == NULL)
        return ERR_NOMEM;
    r->tokens.keys = keys_cached(c);
    return r->tokens.keys ? read_shown(c, r) : ERR_OK;
}

static enum err report_theft(struct cdi_call *c, struct store_tx *tx, const struct session_row *row)
{
    struct json *reply = cdi_reply(c, "TOKEN_THEFT_DETECTED"), *o = json_new_object(c->arena, 3);
    struct str recipe, primary;
    enum err err = reply && o ? session__user(c, tx, row->user_id, &recipe, &primary) : ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("handle"), json_new_str(c->arena, row->handle));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("userId"), json_new_str(c->arena, primary));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("recipeUserId"), json_new_str(c->arena, row->user_id));
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("session"), o);
    return err ? err : cdi_ok(c, reply);
}

/* The new pair, and the row as it is from now on. */
static enum err rotate(struct cdi_call *c, struct store_tx *tx, struct refreshing *r,
                       struct session_row *row, enum session_step step)
{
    bool on_use = step == SESSION_REISSUE || step == SESSION_PROMOTE;
    struct str recipe, primary, parent = on_use ? copy_hash(c, r->hash1) : STR("");
    struct session_tokens *t = &r->tokens;
    t->dynamic = cdi_bool(c, "useDynamicSigningKey", true);
    enum err err = parent.p ? session__user(c, tx, row->user_id, &recipe, &primary) : ERR_NOMEM;
    if (err == ERR_OK)
        err = session__issue(c, t, row, primary, parent, cdi_bool(c, "enableAntiCsrf", false));
    if (err != ERR_OK)
        return err;
    int64_t life_ms = c->config->refresh_token_validity_s * 1000;
    bool moved = session_apply(step, row, str_of(r->hash2, HASH_TEXT - 1),
                               str_of(t->hash2, HASH_TEXT - 1), life_ms, c->now_ms);
    t->refresh_expires_ms = moved ? row->expires_ms : c->now_ms + life_ms;
    if (!moved && row->static_key == !t->dynamic)
        return ERR_OK;
    row->static_key = !t->dynamic;
    err = session__save(c, tx, row);
    return err == ERR_OK && moved ? user_seen(c, tx, primary) : err;
}

static enum err refresh_write(struct cdi_call *c, struct store_tx *tx)
{
    struct refreshing *r = c->state;
    struct session_row row;
    enum err err = want_keys(c, tx, &r->tokens);
    if (err == ERR_OK && !r->is_read)
        err = read_shown(c, r);
    if (err != ERR_OK || c->answered)
        return err;
    err = session__load(c, tx, r->shown.session_handle, true, &row);
    if (err == ERR_NOTFOUND)
        return unauthorised(c, "Session missing in db or has expired");
    if (err != ERR_OK)
        return err;
    bool csrf = !cdi_bool(c, "enableAntiCsrf", false) || r->shown.anti_csrf.n == 0 ||
                crypt_equal(r->shown.anti_csrf, cdi_str(c, "antiCsrfToken"));
    enum session_step step =
        session_refresh(session__mode(c), &row, &r->shown, str_of(r->hash2, HASH_TEXT - 1), csrf,
                        c->config->rotation_grace_ms, c->now_ms);
    if (step == SESSION_UNAUTHORISED)
        return unauthorised(c, "Anti CSRF token missing, or not matching");
    if (step == SESSION_THEFT)
        return report_theft(c, tx, &row);
    return rotate(c, tx, r, &row, step);
}

/* --- POST /recipe/session/verify ---------------------------------------------------------------
 */
struct verifying {
    struct session_tokens tokens; /* first */
    struct access_token shown;    /* once it is read */
    bool is_read, check_database;
};

static enum err read_access(struct cdi_call *c, struct verifying *v)
{
    const char *why = "JWT verification failed";
    struct access_token *t = &v->shown;
    enum err err = access_token_read(c->arena, cdi_str(c, "accessToken"),
                                     keys_verifiers(v->tokens.keys), c->now_ms / 1000, t, &why);
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_OK)
        return try_refresh(c, why);
    if (cdi_bool(c, "enableAntiCsrf", false) && cdi_bool(c, "doAntiCsrfCheck", true) &&
        (t->anti_csrf.n == 0 || !crypt_equal(t->anti_csrf, cdi_str(c, "antiCsrfToken"))))
        return try_refresh(c, "anti-csrf check failed");
    v->is_read = true;
    v->tokens.access = *t;
    return session_verify_is_local(session__mode(c), t, v->check_database)
               ? session__sign(c, NULL) /* no claims: nothing is signed */
               : ERR_OK;
}

static enum err verify_now(struct cdi_call *c, struct store_tx *none)
{
    struct verifying *v = ARENA_NEW(c->arena, struct verifying);
    (void)none;
    c->state = v;
    if (v == NULL)
        return ERR_NOMEM;
    v->check_database = cdi_bool(c, "checkDatabase", true) || c->config->blacklisting;
    v->tokens.keys = keys_cached(c);
    return v->tokens.keys ? read_access(c, v) : ERR_OK;
}

/* Judges the shown token by its row; the answer, or what the caller does next. */
static enum err judge(struct cdi_call *c, struct store_tx *tx, struct verifying *v, bool locks,
                      struct session_row *row, enum session_step *step)
{
    const struct access_token *t = &v->shown;
    const struct json *payload = NULL;
    enum err err = session__load(c, tx, t->session_handle, locks, row);
    if (err == ERR_NOTFOUND)
        return unauthorised(c, v->check_database
                                   ? "Either the session has ended or has been blacklisted"
                                   : "Session missing in db");
    if (err == ERR_OK)
        err = session__payload(c, row->payload, &payload);
    if (err != ERR_OK)
        return err;
    *step = session_verify(session__mode(c), row, t, v->check_database,
                           session__same(payload, t->payload), c->now_ms);
    if (*step == SESSION_GOOD)
        return session__sign(c, NULL);
    if (*step != SESSION_PROMOTE && *step != SESSION_REISSUE)
        return unauthorised(c, "Session missing in db");
    return ERR_OK;
}

/* Most answers need no lock; what would change the row goes on to the next phase. */
static enum err verify_look(struct cdi_call *c, struct store_tx *tx)
{
    struct verifying *v = c->state;
    struct session_row row;
    enum session_step step;
    return v->is_read ? judge(c, tx, v, false, &row, &step) : ERR_OK;
}

static enum err verify_write(struct cdi_call *c, struct store_tx *tx)
{
    struct verifying *v = c->state;
    struct session_row row;
    enum session_step step = SESSION_UNAUTHORISED;
    struct session_tokens *t = &v->tokens;
    char hash2[HASH_TEXT];
    /* What a run that was undone made is nobody's: another fork may have come between. */
    t->claims = STR_NONE;
    t->access = v->shown;
    enum err err = want_keys(c, tx, t);
    if (err == ERR_OK && !v->is_read)
        err = read_access(c, v);
    if (err == ERR_OK && !c->answered)
        err = judge(c, tx, v, true, &row, &step);
    if (err != ERR_OK || c->answered)
        return err;
    refresh_hash2(v->shown.hash1, hash2);
    if (session_apply(step, &row, str_of(hash2, HASH_TEXT - 1), STR_NONE,
                      c->config->refresh_token_validity_s * 1000, c->now_ms))
        err = session__save(c, tx, &row);
    if (err != ERR_OK)
        return err;
    return session__renew(c, t, &row);
}

/* --- POST /recipe/session/regenerate ------------------------------------------------------------
 */
static enum err read_old(struct cdi_call *c, struct verifying *v)
{
    const char *why = "JWT verification failed";
    int64_t now_s = c->now_ms / 1000;
    enum err err = access_token_read(c->arena, cdi_str(c, "accessToken"),
                                     keys_verifiers(v->tokens.keys), now_s, &v->shown, &why);
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_OK && err != ERR_EXPIRED)
        return unauthorised(c, why);
    v->is_read = true;
    return ERR_OK;
}

static enum err regenerate_now(struct cdi_call *c, struct store_tx *none)
{
    struct verifying *v = ARENA_NEW(c->arena, struct verifying);
    (void)none;
    c->state = v;
    if (v == NULL)
        return ERR_NOMEM;
    enum err err = session__check_payload(c, cdi_json(c, "userDataInJWT"));
    if (err != ERR_OK)
        return err;
    v->tokens.keys = keys_cached(c);
    return v->tokens.keys ? read_old(c, v) : ERR_OK;
}

static enum err regenerate_write(struct cdi_call *c, struct store_tx *tx)
{
    struct verifying *v = c->state;
    struct session_tokens *t = &v->tokens;
    const struct json *given = cdi_json(c, "userDataInJWT");
    struct session_row row;
    t->claims = STR_NONE; /* of a run that was undone */
    enum err err = want_keys(c, tx, t);
    if (err == ERR_OK && !v->is_read)
        err = read_old(c, v);
    if (err != ERR_OK || c->answered)
        return err;
    t->access = v->shown;
    err = session__load(c, tx, t->access.session_handle, true, &row);
    if (err == ERR_NOTFOUND)
        return unauthorised(c, "Session does not exist.");
    if (err == ERR_OK && given)
        err = session__text(c, given, LIMIT_TOKEN_PAYLOAD, &row.payload);
    if (err == ERR_OK && given)
        err = session__set_payload(c, tx, row.handle, row.payload);
    if (err == ERR_OK)
        err = session__payload(c, row.payload, &t->access.payload);
    if (err != ERR_OK)
        return err;
    t->dynamic = !row.static_key;
    return t->access.exp_s > c->now_ms / 1000 ? session__claims(c, t, false) : ERR_OK;
}

static const struct cdi_op ops[] = {
    {HTTP_POST,
     "/recipe/session",
     CDI_TENANT,
     0,
     "userId:s enableAntiCsrf:b userDataInJWT:o userDataInDatabase:o useDynamicSigningKey:b?",
     {{CDI_NOW, create_check}, {CDI_WRITE, create_write}, {CDI_CPU, session__sign}},
     NULL},
    {HTTP_POST,
     "/recipe/session/verify",
     CDI_APP,
     0,
     "accessToken:s doAntiCsrfCheck:b enableAntiCsrf:b checkDatabase:b antiCsrfToken:s?",
     {{CDI_NOW, verify_now},
      {CDI_READ, verify_look},
      {CDI_WRITE, verify_write},
      {CDI_CPU, session__sign}},
     NULL},
    {HTTP_POST,
     "/recipe/session/refresh",
     CDI_APP,
     0,
     "refreshToken:s antiCsrfToken:s? enableAntiCsrf:b useDynamicSigningKey:b",
     {{CDI_NOW, refresh_read}, {CDI_WRITE, refresh_write}, {CDI_CPU, session__sign}},
     NULL},
    {HTTP_POST,
     "/recipe/session/regenerate",
     CDI_APP,
     0,
     "accessToken:s userDataInJWT:o?",
     {{CDI_NOW, regenerate_now}, {CDI_WRITE, regenerate_write}, {CDI_CPU, session__sign}},
     NULL},
};
const struct cdi_table session__table = {ops, COUNTOF(ops)};
