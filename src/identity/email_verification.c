/* SPDX-License-Identifier: Apache-2.0
 *
 * The recipe of verified e-mails (specs/identity-core.md 2.10). What is verified belongs to app,
 * user and e-mail; the user need not exist here, and its id is kept as the app knows it. */
#include "emailpassword_int.h"
#include "one_time_int.h"
#include "ops_int.h"

static const struct stmt STMT_is_verified =
    SQL("SELECT 1 FROM email_verified WHERE app_id = $1 AND user_id = $2 AND email = $3");
static const struct stmt STMT_verify =
    SQL("INSERT INTO email_verified (app_id, user_id, email) VALUES ($1, $2, $3) "
        "ON CONFLICT (app_id, user_id, email) DO NOTHING");
static const struct stmt STMT_unverify =
    SQL("DELETE FROM email_verified WHERE app_id = $1 AND user_id = $2 AND email = $3");
static const struct stmt STMT_forget =
    SQL("DELETE FROM email_verified WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_uses =
    SQL("SELECT 1 FROM email_verified WHERE app_id = $1 AND user_id = $2 LIMIT 1");
/* What the new id has already stays once. */
static const struct stmt STMT_rename =
    SQL("INSERT INTO email_verified (app_id, user_id, email) SELECT app_id, $1, email "
        "FROM email_verified WHERE app_id = $2 AND user_id = $3 "
        "ON CONFLICT (app_id, user_id, email) DO NOTHING");

enum err email_set_verified(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                            struct str email, bool verified)
{
    return store_run(tx, verified ? &STMT_verify : &STMT_unverify,
                     ARGS(STORE_S(c->app), STORE_S(shown_id), STORE_S(email)), NULL, NULL);
}

static enum err is_found(enum err err, bool *out)
{
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

/* --- for the users' sake ---------------------------------------------------------------------- */
enum err email_verification__forget(struct cdi_call *c, struct store_tx *tx, struct str shown_id)
{
    const struct one_time t = {.use = ONE_TIME_VERIFY, .user_id = shown_id};
    enum err err =
        store_run(tx, &STMT_forget, ARGS(STORE_S(c->app), STORE_S(shown_id)), NULL, NULL);
    return err ? err : one_time_end(c, tx, &t);
}

enum err email_verification__uses(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                                  bool *out)
{
    const struct one_time t = {.use = ONE_TIME_VERIFY, .user_id = shown_id};
    struct store_value v[1];
    enum err err = is_found(
        cdi_row(c, tx, &STMT_uses, ARGS(STORE_S(c->app), STORE_S(shown_id)), v, COUNTOF(v)), out);
    return err || *out ? err : one_time_has(c, tx, &t, out);
}

enum err email_verification__rename(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                                    struct str to)
{
    const struct one_time t = {.use = ONE_TIME_VERIFY, .user_id = shown_id};
    if (str_eq(shown_id, to))
        return ERR_OK;
    enum err err = store_run(tx, &STMT_rename,
                             ARGS(STORE_S(to), STORE_S(c->app), STORE_S(shown_id)), NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_forget, ARGS(STORE_S(c->app), STORE_S(shown_id)), NULL, NULL);
    return err ? err : one_time_rename(c, tx, &t, to);
}

/* --- operations ------------------------------------------------------------------------------- */
/* The two fields that all but one of them have, the id as the app knows it. */
static enum err read_who(struct cdi_call *c, struct store_tx *tx, struct str *shown_id,
                         struct str *email)
{
    enum err err = user_normal_email(c->arena, cdi_str(c, "email"), email);
    if (err == ERR_OK && email->n == 0)
        return cdi_fail(c, 400,
                        c->op->method == HTTP_GET ? "Field name 'email' is missing in GET request"
                                                  : "Field name 'email' is invalid in JSON input");
    if (err == ERR_OK && cdi_str(c, "userId").n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'userId' cannot be longer than %d bytes",
                        LIMIT_USER_ID);
    struct str internal;
    if (err == ERR_OK)
        err = user_internal_id(c, tx, cdi_str(c, "userId"), &internal);
    return err ? err : user_external_id(c, tx, internal, shown_id);
}

static enum err is_verified(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                            struct str email, bool *out)
{
    struct store_value v[1];
    return is_found(cdi_row(c, tx, &STMT_is_verified,
                            ARGS(STORE_S(c->app), STORE_S(shown_id), STORE_S(email)), v,
                            COUNTOF(v)),
                    out);
}

static enum err token_make(struct cdi_call *c, struct store_tx *tx)
{
    struct one_time t = {.use = ONE_TIME_VERIFY, .tenant = c->tenant};
    bool verified = false;
    struct str token;
    enum err err = read_who(c, tx, &t.user_id, &t.email);
    if (err == ERR_OK)
        err = is_verified(c, tx, t.user_id, t.email, &verified);
    if (err == ERR_OK && verified)
        return cdi_status(c, "EMAIL_ALREADY_VERIFIED_ERROR");
    if (err == ERR_OK)
        err = one_time_make(c, tx, &t, c->config->email_verification_ms, &token);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("token"), json_new_str(c->arena, token));
    return err ? err : cdi_ok(c, reply);
}

static enum err token_take(struct cdi_call *c, struct store_tx *tx)
{
    struct one_time t = {.use = ONE_TIME_VERIFY, .tenant = c->tenant};
    if (!str_eqz(cdi_str(c, "method"), "token"))
        return cdi_fail(c, 400, "Unsupported method for email verification");
    enum err err = one_time_take(c, tx, cdi_str(c, "token"), &t);
    if (err == ERR_NOTFOUND || err == ERR_EXPIRED)
        return cdi_status(c, "EMAIL_VERIFICATION_INVALID_TOKEN_ERROR");
    if (err == ERR_OK)
        err = email_set_verified(c, tx, t.user_id, t.email, true);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("userId"), json_new_str(c->arena, t.user_id));
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("email"), json_new_str(c->arena, t.email));
    return err ? err : cdi_ok(c, reply);
}

static enum err token_end(struct cdi_call *c, struct store_tx *tx)
{
    struct one_time t = {.use = ONE_TIME_VERIFY, .tenant = c->tenant};
    enum err err = read_who(c, tx, &t.user_id, &t.email);
    if (err == ERR_OK)
        err = one_time_end(c, tx, &t);
    return err ? err : cdi_status(c, "OK");
}

static enum err ask(struct cdi_call *c, struct store_tx *tx)
{
    struct str id, email;
    bool verified = false;
    enum err err = read_who(c, tx, &id, &email);
    if (err == ERR_OK)
        err = is_verified(c, tx, id, email, &verified);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("isVerified"), json_new_bool(c->arena, verified));
    return err ? err : cdi_ok(c, reply);
}

static enum err unverify(struct cdi_call *c, struct store_tx *tx)
{
    struct str id, email;
    enum err err = read_who(c, tx, &id, &email);
    if (err == ERR_OK)
        err = email_set_verified(c, tx, id, email, false);
    return err ? err : cdi_status(c, "OK");
}

#define WHO "userId:s email:s"
static const struct cdi_op ops[] = {
    {HTTP_POST,
     "/recipe/user/email/verify/token",
     CDI_TENANT,
     0,
     WHO,
     {{CDI_WRITE, token_make}},
     NULL},
    {HTTP_POST,
     "/recipe/user/email/verify",
     CDI_TENANT,
     0,
     "method:s token:s",
     {{CDI_WRITE, token_take}},
     NULL},
    {HTTP_GET, "/recipe/user/email/verify", CDI_APP, 0, WHO, {{CDI_READ, ask}}, NULL},
    {HTTP_POST,
     "/recipe/user/email/verify/token/remove",
     CDI_TENANT,
     0,
     WHO,
     {{CDI_WRITE, token_end}},
     NULL},
    {HTTP_POST, "/recipe/user/email/verify/remove", CDI_APP, 0, WHO, {{CDI_WRITE, unverify}}, NULL},
};
const struct cdi_table email_verification__table = {ops, COUNTOF(ops)};
