/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of SuperTokens' dashboard, which the SDK keeps and asks about at each of its calls. An
 * id is 122 random bits; of it a digest is stored, so that who reads the store opens nothing. */
#include "base/crypt.h"
#include "dashboard_int.h"
#include "ops_int.h"
#include "password_int.h"
#include "schema_int.h"
#include "user_int.h"

#define LIFE_MS (30 * 86400000LL)
#define HASH_TEXT (2 * SHA256_BYTES + 1)

const char dashboard_session__schema[] =
    "CREATE TABLE dashboard_session (app_id TEXT NOT NULL, session_hash TEXT NOT NULL, "
    "user_id TEXT NOT NULL, expires_ms BIGINT NOT NULL, PRIMARY KEY (app_id, session_hash));"
    "CREATE INDEX dashboard_session_user ON dashboard_session (app_id, user_id);"
    "CREATE INDEX dashboard_session_expires ON dashboard_session (app_id, expires_ms)";

static const struct stmt STMT_add =
    SQL("INSERT INTO dashboard_session (app_id, session_hash, user_id, expires_ms) "
        "VALUES ($1, $2, $3, $4)");
static const struct stmt STMT_find =
    SQL("SELECT u.email FROM dashboard_session s JOIN dashboard_user u ON u.app_id = s.app_id AND "
        "u.user_id = s.user_id WHERE s.app_id = $1 AND s.session_hash = $2 AND s.expires_ms > $3");
static const struct stmt STMT_remove =
    SQL("DELETE FROM dashboard_session WHERE app_id = $1 AND session_hash = $2");
static const struct stmt STMT_remove_of =
    SQL("DELETE FROM dashboard_session WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_purge =
    SQL("DELETE FROM dashboard_session WHERE app_id = $1 AND expires_ms <= $2");

static enum err hash_of(struct str id, char out[HASH_TEXT])
{
    unsigned char digest[SHA256_BYTES];
    enum err err = crypt_sha256(id, digest);
    crypt_hex(digest, sizeof digest, out);
    return err;
}

enum err dashboard_end_sessions(struct cdi_call *c, struct store_tx *tx, struct str user_id)
{
    return store_run(tx, &STMT_remove_of, ARGS(STORE_S(c->app), STORE_S(user_id)), NULL, NULL);
}

/* --- sign in ------------------------------------------------------------------------------------
 */
struct signin {
    struct str email, password;
    struct dashboard_user u; /* nothing in it: there is no such user */
};

static enum err signin_check(struct cdi_call *c, struct store_tx *tx)
{
    struct signin *s = ARENA_NEW(c->arena, struct signin);
    (void)tx;
    c->state = s;
    enum err err = s ? dashboard_field(c, "email", &s->email) : ERR_NOMEM;
    err = err ? err : user_normal_email(c->arena, s->email, &s->email);
    return err ? err : dashboard_field(c, "password", &s->password);
}

static enum err signin_find(struct cdi_call *c, struct store_tx *tx)
{
    struct signin *s = c->state;
    s->u = (struct dashboard_user){0};
    enum err err = dashboard_find(c, tx, s->email, &s->u);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

/* As long for nobody as for somebody. */
static enum err signin_verify(struct cdi_call *c, struct store_tx *tx)
{
    const struct signin *s = c->state;
    (void)tx;
    enum err err = password_verify(c->config, s->password, s->u.password_hash);
    return err == ERR_DENIED ? cdi_status(c, "INVALID_CREDENTIALS_ERROR") : err;
}

static enum err signin_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct signin *s = c->state;
    struct dashboard_user now;
    char id[37], hash[HASH_TEXT];
    crypt_uuid(id);
    enum err err = dashboard_find(c, tx, s->email, &now);
    /* removed, or given another password, since it was found */
    if (err == ERR_NOTFOUND || (err == ERR_OK && !str_eq(now.password_hash, s->u.password_hash)))
        return cdi_status(c, "INVALID_CREDENTIALS_ERROR");
    err = err ? err : hash_of(str_c(id), hash);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_purge, ARGS(STORE_S(c->app), STORE_I(c->now_ms)), NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_add,
                        ARGS(STORE_S(c->app), STORE_S(str_c(hash)), STORE_S(now.id),
                             STORE_I(c->now_ms + LIFE_MS)),
                        NULL, NULL);
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, o, STR("sessionId"), json_new_str(c->arena, str_c(id)));
    return err ? err : cdi_ok(c, o);
}

/* --- and what follows ---------------------------------------------------------------------------
 */
static enum err read_session(struct cdi_call *c, char hash[HASH_TEXT])
{
    struct str id;
    enum err err = dashboard_field(c, "sessionId", &id);
    return err ? err : hash_of(id, hash);
}

static enum err verify(struct cdi_call *c, struct store_tx *tx)
{
    struct store_value email;
    char hash[HASH_TEXT];
    enum err err = read_session(c, hash);
    if (err == ERR_OK)
        err = cdi_row(c, tx, &STMT_find,
                      ARGS(STORE_S(c->app), STORE_S(str_c(hash)), STORE_I(c->now_ms)), &email, 1);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "INVALID_SESSION_ERROR");
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, o, STR("email"), json_new_str(c->arena, email.s));
    return err ? err : cdi_ok(c, o);
}

static enum err end(struct cdi_call *c, struct store_tx *tx)
{
    char hash[HASH_TEXT];
    enum err err = read_session(c, hash);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_remove, ARGS(STORE_S(c->app), STORE_S(str_c(hash))), NULL, NULL);
    return err ? err : cdi_status(c, "OK");
}

static enum err settings(struct cdi_call *c, struct store_tx *tx)
{
    struct json *o = cdi_reply(c, "OK"), *list = NULL;
    (void)tx;
    enum err err = core_config_describe(c->arena, c->config, &list);
    err = err ? err : json_set(c->arena, o, STR("config"), list);
    return err ? err : cdi_ok(c, o);
}

#define DASHBOARD "/recipe/dashboard"
static const struct cdi_op ops[] = {
    {HTTP_POST,
     DASHBOARD "/signin",
     CDI_APP,
     0,
     "email:s password:s",
     {{CDI_NOW, signin_check},
      {CDI_READ, signin_find},
      {CDI_HASH, signin_verify},
      {CDI_WRITE, signin_write}},
     NULL},
    {HTTP_POST, DASHBOARD "/session/verify", CDI_APP, 0, "sessionId:s", {{CDI_READ, verify}}, NULL},
    {HTTP_DELETE, DASHBOARD "/session", CDI_APP, 0, "sessionId:s", {{CDI_WRITE, end}}, NULL},
    {HTTP_GET, DASHBOARD "/tenant/core-config", CDI_TENANT, 0, NULL, {{CDI_NOW, settings}}, NULL},
};
const struct cdi_table dashboard_session__table = {ops, COUNTOF(ops)};
