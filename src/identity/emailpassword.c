/* SPDX-License-Identifier: Apache-2.0
 *
 * The recipe of e-mail and password (specs/identity-core.md 2.3). Hashes are made and verified in
 * their own lane, between transactions, never inside one; a sign-in with an unknown e-mail takes
 * the same way as one with a wrong password, and as long. */
#include "emailpassword_int.h"

#include "one_time_int.h"
#include "ops_int.h"
#include "password_int.h"

#define RECIPE STR("emailpassword")

/* What cannot be an e-mail (control characters, too long) is no value for the field. */
static enum err read_email(struct cdi_call *c, struct str *out)
{
    enum err err = user_normal_email(c->arena, cdi_str(c, "email"), out);
    if (err == ERR_OK && out->n == 0)
        err = cdi_fail(c, 400, "Field name 'email' is invalid in JSON input");
    return err;
}

/* Leaves the hash of the password in that field in *out. */
static enum err make_hash(struct cdi_call *c, const char *field, struct str *out)
{
    enum err err = password_hash(c->arena, c->config, cdi_str(c, field), out);
    if (err == ERR_LIMIT)
        return cdi_fail(c, 400, "Password is longer than %zu bytes", LIMIT_PASSWORD);
    return err == ERR_INVALID ? cdi_fail(c, 400, "Field name '%s' is invalid in JSON input", field)
                              : err;
}

/* --- sign up ---------------------------------------------------------------------------------- */
struct signup {
    struct str email, hash;
};

static enum err signup_check(struct cdi_call *c, struct store_tx *tx)
{
    struct signup *s = ARENA_NEW(c->arena, struct signup);
    (void)tx;
    c->state = s;
    enum err err = s ? read_email(c, &s->email) : ERR_NOMEM;
    if (err == ERR_OK && cdi_str(c, "password").n == 0)
        err = cdi_fail(c, 400, "Password cannot be an empty string");
    return err;
}

static enum err signup_hash(struct cdi_call *c, struct store_tx *tx)
{
    struct signup *s = c->state;
    (void)tx;
    return make_hash(c, "password", &s->hash);
}

static enum err signup_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct signup *s = c->state;
    struct login_method m = {.recipe = RECIPE, .email = s->email, .password_hash = s->hash};
    struct json *reply = NULL;
    enum err err = user_create(c, tx, &m);
    if (err == ERR_EXISTS)
        return cdi_status(c, "EMAIL_ALREADY_EXISTS_ERROR");
    if (err == ERR_OK)
        err = user_seen(c, tx, m.recipe_user_id);
    if (err == ERR_OK)
        err = user_reply(c, tx, m.recipe_user_id, &reply);
    return err ? err : cdi_ok(c, reply);
}

/* --- sign in ---------------------------------------------------------------------------------- */
struct signin {
    struct str email;
    struct login_method m; /* nothing in it: there is no such user here */
    struct str new_hash;   /* of the same password, when the old one is dated */
};

static enum err signin_check(struct cdi_call *c, struct store_tx *tx)
{
    struct signin *s = ARENA_NEW(c->arena, struct signin);
    (void)tx;
    c->state = s;
    return s ? read_email(c, &s->email) : ERR_NOMEM;
}

static enum err signin_find(struct cdi_call *c, struct store_tx *tx)
{
    struct signin *s = c->state;
    enum err err = user_find(c, tx, RECIPE, s->email, &s->m);
    if (err == ERR_NOTFOUND)
        s->m = (struct login_method){0};
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static enum err signin_verify(struct cdi_call *c, struct store_tx *tx)
{
    struct signin *s = c->state;
    struct str password = cdi_str(c, "password");
    (void)tx;
    enum err err = password_verify(c->config, password, s->m.password_hash);
    if (err == ERR_DENIED)
        return cdi_status(c, "WRONG_CREDENTIALS_ERROR");
    if (err == ERR_OK && password_is_dated(c->config, s->m.password_hash))
        err = password_hash(c->arena, c->config, password, &s->new_hash);
    return err;
}

static enum err signin_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct signin *s = c->state;
    struct json *reply = NULL;
    enum err err = ERR_OK;
    if (s->new_hash.n > 0)
        err = user_swap_password(c, tx, s->m.recipe_user_id, s->m.password_hash, s->new_hash);
    if (err == ERR_OK)
        err = user_seen(c, tx, s->m.external_user_id.n ? s->m.external_user_id : s->m.user_id);
    if (err == ERR_OK)
        err = user_reply(c, tx, s->m.recipe_user_id, &reply);
    if (err == ERR_NOTFOUND) /* deleted since it was found */
        return cdi_status(c, "WRONG_CREDENTIALS_ERROR");
    return err ? err : cdi_ok(c, reply);
}

/* --- changing --------------------------------------------------------------------------------- */
struct change {
    struct str email, hash; /* "" = stays */
};

static enum err change_check(struct cdi_call *c, struct store_tx *tx)
{
    struct change *s = ARENA_NEW(c->arena, struct change);
    struct login_method m;
    c->state = s;
    if (s == NULL)
        return ERR_NOMEM;
    if (cdi_json(c, "email") == NULL && cdi_json(c, "password") == NULL)
        return cdi_fail(c, 400, "You have to provide either email or password.");
    enum err err = cdi_json(c, "email") ? read_email(c, &s->email) : ERR_OK;
    if (err == ERR_OK)
        err = user_method(c, tx, cdi_str(c, "recipeUserId"), &m);
    if (err == ERR_NOTFOUND || (err == ERR_OK && !str_eq(m.recipe, RECIPE)))
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    return err;
}

static enum err change_hash(struct cdi_call *c, struct store_tx *tx)
{
    struct change *s = c->state;
    (void)tx;
    return cdi_json(c, "password") ? make_hash(c, "password", &s->hash) : ERR_OK;
}

/* A token that was mailed for the old password, or to the old address, must not open the new. */
static enum err end_resets(struct cdi_call *c, struct store_tx *tx, const struct login_method *m)
{
    struct one_time t = {.use = ONE_TIME_RESET, .user_id = m->recipe_user_id};
    enum err err = one_time_end(c, tx, &t);
    t.user_id = m->user_id;
    return err == ERR_OK && !str_eq(m->user_id, m->recipe_user_id) ? one_time_end(c, tx, &t) : err;
}

static enum err change_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct change *s = c->state;
    struct login_method m;
    enum err err = user_method(c, tx, cdi_str(c, "recipeUserId"), &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    if (err == ERR_OK && s->email.n > 0)
        err = user_set_email(c, tx, &m, s->email);
    if (err == ERR_EXISTS)
        return cdi_status(c, "EMAIL_ALREADY_EXISTS_ERROR");
    if (err == ERR_DENIED)
        return cdi_status_why(c, "EMAIL_CHANGE_NOT_ALLOWED_ERROR", "reason",
                              "New email is associated with another primary user ID");
    if (err == ERR_OK && s->hash.n > 0)
        err = user_set_password(c, tx, m.recipe_user_id, s->hash);
    if (err == ERR_OK && (s->hash.n > 0 || !str_eq(s->email, m.email)))
        err = end_resets(c, tx, &m);
    return err ? err : cdi_status(c, "OK");
}

/* --- reset tokens ----------------------------------------------------------------------------- */
static enum err reset_make(struct cdi_call *c, struct store_tx *tx)
{
    struct user *u;
    struct one_time t = {.use = ONE_TIME_RESET, .email = cdi_str(c, "email")};
    struct str token;
    enum err err = user_load(c, tx, cdi_str(c, "userId"), &u);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    if (err == ERR_OK)
        err = user_internal_id(c, tx, cdi_str(c, "userId"), &t.user_id);
    if (err == ERR_OK)
        err = one_time_make(c, tx, &t, c->config->password_reset_ms, &token);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("token"), json_new_str(c->arena, token));
    return err ? err : cdi_ok(c, reply);
}

static enum err reply_user_email(struct cdi_call *c, struct str user_id, struct str email)
{
    struct json *reply = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, reply, STR("userId"), json_new_str(c->arena, user_id));
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("email"), json_new_str(c->arena, email));
    return err ? err : cdi_ok(c, reply);
}

static enum err reset_take(struct cdi_call *c, struct store_tx *tx)
{
    struct one_time t = {.use = ONE_TIME_RESET};
    struct str shown;
    enum err err = one_time_take(c, tx, cdi_str(c, "token"), &t);
    if (err == ERR_NOTFOUND || err == ERR_EXPIRED)
        return cdi_status(c, "RESET_PASSWORD_INVALID_TOKEN_ERROR");
    if (err == ERR_OK)
        err = user_external_id(c, tx, t.user_id, &shown);
    return err ? err : reply_user_email(c, shown, t.email);
}

/* The older way to spend a token: with the new password, in one call. */
struct reset {
    struct str hash;
};

static enum err reset_check(struct cdi_call *c, struct store_tx *tx)
{
    struct one_time t = {.use = ONE_TIME_RESET};
    c->state = ARENA_NEW(c->arena, struct reset);
    if (c->state == NULL)
        return ERR_NOMEM;
    if (!str_eqz(cdi_str(c, "method"), "token"))
        return cdi_fail(c, 400, "Unsupported method for password reset");
    if (cdi_str(c, "newPassword").n == 0)
        return cdi_fail(c, 400, "Password cannot be an empty string");
    enum err err = one_time_find(c, tx, cdi_str(c, "token"), &t);
    return err == ERR_NOTFOUND || err == ERR_EXPIRED
               ? cdi_status(c, "RESET_PASSWORD_INVALID_TOKEN_ERROR")
               : err;
}

static enum err reset_hash(struct cdi_call *c, struct store_tx *tx)
{
    struct reset *s = c->state;
    (void)tx;
    return make_hash(c, "newPassword", &s->hash);
}

/* The method whose password a token changes: the one that it was made for, or that of its user with
 * its e-mail. ERR_NOTFOUND. */
static enum err reset_method(struct cdi_call *c, struct store_tx *tx, const struct one_time *t,
                             struct login_method *out)
{
    struct user *u = NULL;
    enum err err = user_load(c, tx, t->user_id, &u);
    const struct login_method *of_email = NULL;
    for (size_t i = 0; err == ERR_OK && i < u->n; i++) {
        const struct login_method *m = &u->methods[i];
        if (!str_eq(m->recipe, RECIPE))
            continue;
        if (str_eq(m->recipe_user_id, t->user_id)) {
            *out = *m;
            return ERR_OK;
        }
        if (str_eq(m->email, t->email))
            of_email = m;
    }
    if (of_email)
        *out = *of_email;
    return err == ERR_OK && of_email == NULL ? ERR_NOTFOUND : err;
}

static enum err reset_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct reset *s = c->state;
    struct one_time t = {.use = ONE_TIME_RESET};
    struct login_method m;
    struct str shown;
    enum err err = one_time_take(c, tx, cdi_str(c, "token"), &t);
    if (err == ERR_OK)
        err = reset_method(c, tx, &t, &m);
    if (err == ERR_NOTFOUND || err == ERR_EXPIRED)
        return cdi_status(c, "RESET_PASSWORD_INVALID_TOKEN_ERROR");
    if (err == ERR_OK)
        err = user_set_password(c, tx, m.recipe_user_id, s->hash);
    if (err == ERR_OK)
        err = end_resets(c, tx, &m);
    if (err == ERR_OK)
        err = user_external_id(c, tx, t.user_id, &shown);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("userId"), json_new_str(c->arena, shown));
    return err ? err : cdi_ok(c, reply);
}

enum err emailpassword__forget(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id)
{
    const struct one_time t = {.use = ONE_TIME_RESET, .user_id = recipe_user_id};
    return one_time_end(c, tx, &t);
}

/* --- import ----------------------------------------------------------------------------------- */
static enum err import_check(struct cdi_call *c, struct store_tx *tx)
{
    struct signup *s = ARENA_NEW(c->arena, struct signup);
    struct str alg = cdi_trim(cdi_str(c, "hashingAlgorithm"));
    struct errinfo e;
    (void)tx;
    c->state = s;
    enum err err = s ? read_email(c, &s->email) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    s->hash = cdi_trim(cdi_str(c, "passwordHash"));
    if (s->hash.n == 0)
        return cdi_fail(c, 400, "Password hash cannot be an empty string");
    if (cdi_json(c, "hashingAlgorithm") && alg.n == 0)
        return cdi_fail(c, 400, "Hashing Algorithm cannot be an empty string");
    err = password_check_import(c->config, alg, s->hash, &e);
    if (err == ERR_INVALID || err == ERR_UNSUPPORTED)
        return cdi_fail(c, 400, "%s", e.text);
    return err == ERR_UNAVAILABLE ? cdi_fail(c, 500, "%s", e.text) : err;
}

/* For a user that is there already: another hash for the same e-mail. */
static enum err import_again(struct cdi_call *c, struct store_tx *tx, struct login_method *m)
{
    const struct signup *s = c->state;
    enum err err = user_find(c, tx, RECIPE, s->email, m);
    if (err == ERR_OK)
        err = user_set_password(c, tx, m->recipe_user_id, s->hash);
    return err ? err : end_resets(c, tx, m);
}

static enum err import_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct signup *s = c->state;
    struct login_method m = {.recipe = RECIPE, .email = s->email, .password_hash = s->hash};
    struct user *u = NULL;
    enum err err = user_create(c, tx, &m);
    bool again = err == ERR_EXISTS;
    if (again)
        err = import_again(c, tx, &m);
    if (err == ERR_OK)
        err = user_load(c, tx, m.recipe_user_id, &u);
    if (err != ERR_OK)
        return err;
    struct json *reply = cdi_reply(c, "OK");
    err = json_set(c->arena, reply, STR("user"), user_json(c, u));
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("didUserAlreadyExist"), json_new_bool(c->arena, again));
    return err ? err : cdi_ok(c, reply);
}

static const struct cdi_op ops[] = {
    {HTTP_POST,
     "/recipe/signup",
     CDI_TENANT,
     0,
     "email:s password:s",
     {{CDI_NOW, signup_check}, {CDI_HASH, signup_hash}, {CDI_WRITE, signup_write}},
     NULL},
    {HTTP_POST,
     "/recipe/signin",
     CDI_TENANT,
     0,
     "email:s password:s",
     {{CDI_NOW, signin_check},
      {CDI_READ, signin_find},
      {CDI_HASH, signin_verify},
      {CDI_WRITE, signin_write}},
     NULL},
    {HTTP_PUT,
     "/recipe/user",
     CDI_APP,
     0,
     "recipeUserId:s email:s? password:s?",
     {{CDI_READ, change_check}, {CDI_HASH, change_hash}, {CDI_WRITE, change_write}},
     NULL},
    {HTTP_POST,
     "/recipe/user/password/reset/token",
     CDI_TENANT,
     0,
     "userId:s email:s",
     {{CDI_WRITE, reset_make}},
     NULL},
    {HTTP_POST,
     "/recipe/user/password/reset/token/consume",
     CDI_TENANT,
     0,
     "token:s",
     {{CDI_WRITE, reset_take}},
     NULL},
    {HTTP_POST,
     "/recipe/user/password/reset",
     CDI_TENANT,
     0,
     "method:s token:s newPassword:s",
     {{CDI_READ, reset_check}, {CDI_HASH, reset_hash}, {CDI_WRITE, reset_write}},
     NULL},
    {HTTP_POST,
     "/recipe/user/passwordhash/import",
     CDI_TENANT,
     0,
     "email:s passwordHash:s hashingAlgorithm:s?",
     {{CDI_NOW, import_check}, {CDI_WRITE, import_write}},
     NULL},
};
const struct cdi_table emailpassword__table = {ops, COUNTOF(ops)};
