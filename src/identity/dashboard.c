/* SPDX-License-Identifier: Apache-2.0
 *
 * People who may open SuperTokens' dashboard (specs/identity-core.md 2.11): made, changed, removed
 * and listed by whoever has the core's key. Invariant: whoever is changed or removed has no session
 * left. */
#include "dashboard_int.h"

#include "base/crypt.h"
#include "ops_int.h"
#include "password_int.h"
#include "schema_int.h"
#include "user_int.h"

const char dashboard__schema[] =
    "CREATE TABLE dashboard_user (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "email TEXT NOT NULL, password_hash TEXT NOT NULL, joined_ms BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, user_id), UNIQUE (app_id, email))";

#define SELECT_USER "SELECT user_id, email, password_hash, joined_ms FROM dashboard_user "
static const struct stmt STMT_find = SQL(SELECT_USER "WHERE app_id = $1 AND email = $2");
static const struct stmt STMT_get = SQL(SELECT_USER "WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_list =
    SQL("SELECT user_id, email, joined_ms FROM dashboard_user WHERE app_id = $1 "
        "ORDER BY joined_ms, user_id");
static const struct stmt STMT_count = SQL("SELECT COUNT(*) FROM dashboard_user WHERE app_id = $1");
static const struct stmt STMT_add =
    SQL("INSERT INTO dashboard_user (app_id, user_id, email, password_hash, joined_ms) "
        "VALUES ($1, $2, $3, $4, $5)");
static const struct stmt STMT_change =
    SQL("UPDATE dashboard_user SET email = $1, password_hash = $2 WHERE app_id = $3 AND "
        "user_id = $4");
static const struct stmt STMT_remove =
    SQL("DELETE FROM dashboard_user WHERE app_id = $1 AND user_id = $2");

/* --- the table ----------------------------------------------------------------------------------
 */
static enum err load(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                     struct str key, struct dashboard_user *out)
{
    struct store_value v[4];
    enum err err = cdi_row(c, tx, stmt, ARGS(STORE_S(c->app), STORE_S(key)), v, COUNTOF(v));
    if (err == ERR_OK)
        *out = (struct dashboard_user){v[0].s, v[1].s, v[2].s, v[3].i};
    return err;
}

enum err dashboard_find(struct cdi_call *c, struct store_tx *tx, struct str email,
                        struct dashboard_user *out)
{
    return load(c, tx, &STMT_find, email, out);
}

enum err dashboard_field(struct cdi_call *c, const char *name, struct str *out)
{
    *out = cdi_trim(cdi_str(c, name));
    return out->n > 0 ? ERR_OK : cdi_fail(c, 400, "Field name %s cannot be an empty String", name);
}

/* --- what is asked of an e-mail and a password --------------------------------------------------
 */
/* name@host.tld, whatever the name is. */
static bool is_address(struct str s)
{
    size_t at = s.n;
    while (at > 0 && s.p[at - 1] != '@')
        at--;
    struct str host = str_from(s, at);
    size_t label = 0, labels = 0;
    bool letters = true; /* the last label is nothing else */
    if (at < 2)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '.' ? label == 0 : !letter && c != '-' && !(c >= '0' && c <= '9'))
            return false;
        labels += c == '.';
        letters = c == '.' || (letters && letter);
        label = c == '.' ? 0 : label + 1;
    }
    return labels > 0 && label >= 2 && letters;
}

/* Answers when there cannot be such an e-mail. */
static enum err read_email(struct cdi_call *c, const char *name, struct str *out)
{
    struct str text;
    enum err err = dashboard_field(c, name, &text);
    err = err ? err : user_normal_email(c->arena, text, out);
    return err == ERR_OK && !is_address(*out) ? cdi_status(c, "INVALID_EMAIL_ERROR") : err;
}

static const char *weakness(struct str password)
{
    bool letter = false, digit = false;
    if (password.n < 8)
        return "Password must contain at least 8 characters, including a number";
    if (password.n >= 100)
        return "Password's length must be lesser than 100 characters";
    for (size_t i = 0; i < password.n; i++) {
        char ch = password.p[i];
        letter |= (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        digit |= ch >= '0' && ch <= '9';
    }
    return !letter  ? "Password must contain at least one alphabet"
           : !digit ? "Password must contain at least one number"
                    : NULL;
}

static enum err read_password(struct cdi_call *c, const char *name, struct str *out)
{
    enum err err = dashboard_field(c, name, out);
    const char *why = err ? NULL : weakness(*out);
    return why ? cdi_status_why(c, "PASSWORD_WEAK_ERROR", "message", why) : err;
}

/* --- making and changing ------------------------------------------------------------------------
 */
struct change {
    struct str email, password, hash; /* "" = stays */
};

static enum err make_check(struct cdi_call *c, struct store_tx *tx)
{
    struct change *s = ARENA_NEW(c->arena, struct change);
    (void)tx;
    c->state = s;
    enum err err = s ? read_email(c, "email", &s->email) : ERR_NOMEM;
    return err || c->answered ? err : read_password(c, "password", &s->password);
}

static enum err change_check(struct cdi_call *c, struct store_tx *tx)
{
    struct change *s = ARENA_NEW(c->arena, struct change);
    (void)tx;
    c->state = s;
    enum err err = s ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK && cdi_json(c, "newEmail"))
        err = read_email(c, "newEmail", &s->email);
    if (err == ERR_OK && !c->answered && cdi_json(c, "newPassword"))
        err = read_password(c, "newPassword", &s->password);
    return err;
}

static enum err hash(struct cdi_call *c, struct store_tx *tx)
{
    struct change *s = c->state;
    (void)tx;
    return s->password.n > 0 ? password_hash(c->arena, c->config, s->password, &s->hash) : ERR_OK;
}

static enum err make_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct change *s = c->state;
    struct store_value there;
    char id[37];
    enum err err = cdi_row(c, tx, &STMT_count, ARGS(STORE_S(c->app)), &there, 1);
    if (err == ERR_OK && there.i >= LIMIT_DASHBOARD_USERS)
        return cdi_fail(c, 400, "there are %d users of the dashboard", LIMIT_DASHBOARD_USERS);
    crypt_uuid(id);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_add,
                        ARGS(STORE_S(c->app), STORE_S(str_c(id)), STORE_S(s->email),
                             STORE_S(s->hash), STORE_I(c->now_ms)),
                        NULL, NULL);
    if (err == ERR_CONFLICT)
        return cdi_status(c, "EMAIL_ALREADY_EXISTS_ERROR");
    return err ? err : cdi_status(c, "OK");
}

/* Whom the call names, by `userId` or `email`. ERR_NOTFOUND: nobody. */
static enum err who(struct cdi_call *c, struct store_tx *tx, struct dashboard_user *out)
{
    struct str key;
    bool by_id = cdi_json(c, "userId") != NULL;
    enum err err = dashboard_field(c, by_id ? "userId" : "email", &key);
    if (err == ERR_OK && !by_id)
        err = user_normal_email(c->arena, key, &key);
    return err ? err : load(c, tx, by_id ? &STMT_get : &STMT_find, key, out);
}

static enum err add_user(struct cdi_call *c, struct json *o, struct str id, struct str email,
                         int64_t joined_ms)
{
    struct arena *a = c->arena;
    enum err err = json_set(a, o, STR("userId"), json_new_str(a, id));
    err = err ? err : json_set(a, o, STR("email"), json_new_str(a, email));
    return err ? err : json_set(a, o, STR("timeJoined"), json_new_int(a, joined_ms));
}

static enum err change_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct change *s = c->state;
    struct dashboard_user u;
    if (cdi_json(c, "userId") == NULL && cdi_json(c, "email") == NULL)
        return cdi_fail(c, 400, "Either field email or userId must be present");
    enum err err = who(c, tx, &u);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ERROR");
    if (err == ERR_OK) {
        u.email = s->email.n > 0 ? s->email : u.email;
        u.password_hash = s->hash.n > 0 ? s->hash : u.password_hash;
        err = store_run(
            tx, &STMT_change,
            ARGS(STORE_S(u.email), STORE_S(u.password_hash), STORE_S(c->app), STORE_S(u.id)), NULL,
            NULL);
    }
    if (err == ERR_CONFLICT)
        return cdi_status(c, "EMAIL_ALREADY_EXISTS_ERROR");
    err = err ? err : dashboard_end_sessions(c, tx, u.id);
    struct json *reply = err ? NULL : cdi_reply(c, "OK"), *o = json_new_object(c->arena, 3);
    err = err ? err : add_user(c, o, u.id, u.email, u.joined_ms);
    err = err ? err : json_set(c->arena, reply, STR("user"), o);
    return err ? err : cdi_ok(c, reply);
}

/* --- removing and listing -----------------------------------------------------------------------
 */
static enum err remove_user(struct cdi_call *c, struct store_tx *tx)
{
    struct dashboard_user u;
    bool named = cdi_json(c, "userId") || cdi_json(c, "email");
    enum err err = named ? who(c, tx, &u) : ERR_NOTFOUND;
    bool did = err == ERR_OK;
    if (did)
        err = store_run(tx, &STMT_remove, ARGS(STORE_S(c->app), STORE_S(u.id)), NULL, NULL);
    if (did && err == ERR_OK)
        err = dashboard_end_sessions(c, tx, u.id);
    if (err != ERR_OK && err != ERR_NOTFOUND)
        return err;
    struct json *o = cdi_reply(c, "OK");
    err = json_set(c->arena, o, STR("didUserExist"), json_new_bool(c->arena, did));
    return err ? err : cdi_ok(c, o);
}

struct listing {
    struct cdi_call *call;
    struct json *users;
};

static enum err take_user(void *arg, const struct store_value *v, size_t n)
{
    struct listing *l = arg;
    struct json *o = json_new_object(l->call->arena, 3);
    ASSERT(n == 3);
    enum err err = add_user(l->call, o, v[0].s, v[1].s, v[2].i);
    return err ? err : json_push(l->call->arena, l->users, o);
}

static enum err list(struct cdi_call *c, struct store_tx *tx)
{
    struct listing l = {c, json_new_array(c->arena, 4)};
    enum err err =
        l.users ? store_run(tx, &STMT_list, ARGS(STORE_S(c->app)), take_user, &l) : ERR_NOMEM;
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, o, STR("users"), l.users);
    return err ? err : cdi_ok(c, o);
}

#define USER "/recipe/dashboard/user"
static const struct cdi_op ops[] = {
    {HTTP_POST,
     USER,
     CDI_APP,
     0,
     "email:s password:s",
     {{CDI_NOW, make_check}, {CDI_HASH, hash}, {CDI_WRITE, make_write}},
     NULL},
    {HTTP_PUT,
     USER,
     CDI_APP,
     0,
     "userId:s? email:s? newEmail:s? newPassword:s?",
     {{CDI_NOW, change_check}, {CDI_HASH, hash}, {CDI_WRITE, change_write}},
     NULL},
    {HTTP_DELETE, USER, CDI_APP, 0, "userId:s? email:s?", {{CDI_WRITE, remove_user}}, NULL},
    {HTTP_GET, USER "s", CDI_APP, 0, NULL, {{CDI_READ, list}}, NULL},
};
const struct cdi_table dashboard__table = {ops, COUNTOF(ops)};
