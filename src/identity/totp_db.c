/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of authenticator devices and of tries. Users are named as the app names them. Secrets
 * are sealed: who reads the database can make no code. */
#include "totp_int.h"

#include "identity_int.h"
#include "schema_int.h"
#include "seal_int.h"

const char totp_db__schema[] =
    "CREATE TABLE totp_device (app_id TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL, "
    "secret TEXT NOT NULL, period_s BIGINT NOT NULL, skew BIGINT NOT NULL, "
    "verified BIGINT NOT NULL, created_ms BIGINT NOT NULL, PRIMARY KEY (app_id, user_id, name));"
    "CREATE TABLE totp_try (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "at_ms BIGINT NOT NULL, code TEXT NOT NULL, valid BIGINT NOT NULL, "
    "expires_ms BIGINT NOT NULL, PRIMARY KEY (app_id, tenant_id, user_id, at_ms))";

#define OF_USER "WHERE app_id = $1 AND user_id = $2"
#define SELECT_DEVICES                                                        \
    "SELECT name, secret, period_s, skew, verified FROM totp_device " OF_USER \
    " ORDER BY created_ms, name"
static const struct stmt STMT_devices = SQL(SELECT_DEVICES);
static const struct stmt STMT_lock = SQL_LOCKING(SELECT_DEVICES);
static const struct stmt STMT_add =
    SQL("INSERT INTO totp_device (app_id, user_id, name, secret, period_s, skew, verified, "
        "created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
static const struct stmt STMT_replace =
    SQL("DELETE FROM totp_device " OF_USER " AND name = $3 AND verified = 0");
static const struct stmt STMT_rename =
    SQL("UPDATE totp_device SET name = $1 WHERE app_id = $2 AND user_id = $3 AND name = $4");
static const struct stmt STMT_remove = SQL("DELETE FROM totp_device " OF_USER " AND name = $3");
static const struct stmt STMT_verify =
    SQL("UPDATE totp_device SET verified = 1 " OF_USER " AND name = $3");
static const struct stmt STMT_any = SQL("SELECT name FROM totp_device " OF_USER " LIMIT 1");
static const struct stmt STMT_forget = SQL("DELETE FROM totp_device " OF_USER);
static const struct stmt STMT_forget_tries = SQL("DELETE FROM totp_try " OF_USER);

#define TRIES_OF "WHERE app_id = $1 AND tenant_id = $2 AND user_id = $3"
static const struct stmt STMT_tries =
    SQL("SELECT at_ms, expires_ms, code, valid FROM totp_try " TRIES_OF
        " ORDER BY at_ms DESC LIMIT $4");
static const struct stmt STMT_was_used =
    SQL("SELECT at_ms FROM totp_try " TRIES_OF
        " AND code = $4 AND valid = 1 AND expires_ms > $5 LIMIT 1");
static const struct stmt STMT_note =
    SQL("INSERT INTO totp_try (app_id, tenant_id, user_id, at_ms, code, valid, expires_ms) "
        "SELECT $1, $2, $3, CASE WHEN m.latest >= $4 THEN m.latest + 1 ELSE $4 END, $5, $6, $7 "
        "FROM (SELECT COALESCE(MAX(at_ms), 0) AS latest FROM totp_try WHERE app_id = $1 AND "
        "tenant_id = $2 AND user_id = $3) m");
static const struct stmt STMT_drop_old =
    SQL("DELETE FROM totp_try " TRIES_OF " AND expires_ms < $4 AND at_ms < $5");

/* --- secrets ------------------------------------------------------------------------------------
 */
/* Bound to the app; its user may get another id. */
static enum err place_of(struct cdi_call *c, struct str *out)
{
    *out = arena_fmt(c->arena, "totp/%.*s", STR_ARG(c->app));
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err hide(struct cdi_call *c, struct str secret, struct str *out)
{
    struct str place;
    enum err err = place_of(c, &place);
    return err ? err : seal(c->identity->sealer, place, secret, c->arena, out);
}

static enum err show(struct cdi_call *c, struct str sealed, struct str *out)
{
    struct str place;
    enum err err = place_of(c, &place);
    err = err ? err : unseal(c->identity->sealer, place, sealed, c->arena, out);
    return err == ERR_INVALID ? ERR_INTERNAL : err;
}

/* --- devices ------------------------------------------------------------------------------------
 */
struct reading {
    struct cdi_call *call;
    struct totp_device *devices;
    size_t n;
};

static enum err take_device(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    ASSERT(n == 5);
    if (r->n == LIMIT_TOTP_DEVICES)
        return ERR_LIMIT;
    struct totp_device *d = &r->devices[r->n++];
    *d = (struct totp_device){.name = arena_str(r->call->arena, v[0].s),
                              .period_s = v[2].i,
                              .skew = v[3].i,
                              .verified = v[4].i != 0};
    return d->name.p ? show(r->call, v[1].s, &d->secret) : ERR_NOMEM;
}

enum err totp_devices(struct cdi_call *c, struct store_tx *tx, struct str user, bool lock,
                      struct totp_device **out, size_t *n)
{
    struct reading r = {.call = c,
                        .devices = ARENA_ARRAY(c->arena, LIMIT_TOTP_DEVICES, struct totp_device)};
    enum err err = r.devices ? store_run(tx, lock ? &STMT_lock : &STMT_devices,
                                         ARGS(STORE_S(c->app), STORE_S(user)), take_device, &r)
                             : ERR_NOMEM;
    *out = r.devices;
    *n = r.n;
    return err;
}

static enum err run(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                    struct str user, struct str name)
{
    return store_run(tx, stmt, ARGS(STORE_S(c->app), STORE_S(user), STORE_S(name)), NULL, NULL);
}

enum err totp_add(struct cdi_call *c, struct store_tx *tx, struct str user,
                  const struct totp_device *d)
{
    struct totp_device *devices;
    struct str sealed;
    size_t n;
    enum err err = run(c, tx, &STMT_replace, user, d->name);
    err = err ? err : totp_devices(c, tx, user, true, &devices, &n);
    if (err == ERR_OK && n == LIMIT_TOTP_DEVICES)
        return ERR_EXISTS;
    err = err ? err : hide(c, d->secret, &sealed);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_add,
                        ARGS(STORE_S(c->app), STORE_S(user), STORE_S(d->name), STORE_S(sealed),
                             STORE_I(d->period_s), STORE_I(d->skew), STORE_I(d->verified),
                             STORE_I(c->now_ms)),
                        NULL, NULL);
    return err == ERR_CONFLICT ? ERR_EXISTS : err;
}

enum err totp_rename(struct cdi_call *c, struct store_tx *tx, struct str user, struct str from,
                     struct str to)
{
    enum err err =
        store_run(tx, &STMT_rename,
                  ARGS(STORE_S(to), STORE_S(c->app), STORE_S(user), STORE_S(from)), NULL, NULL);
    if (err == ERR_CONFLICT)
        return ERR_EXISTS;
    return err ? err : store_changed(tx) > 0 ? ERR_OK : ERR_NOTFOUND;
}

enum err totp_remove(struct cdi_call *c, struct store_tx *tx, struct str user, struct str name,
                     bool *did)
{
    struct store_value other;
    const struct store_value who[] = {STORE_S(c->app), STORE_S(user)};
    enum err err = run(c, tx, &STMT_remove, user, name);
    *did = err == ERR_OK && store_changed(tx) > 0;
    if (err != ERR_OK || !*did)
        return err;
    err = cdi_row(c, tx, &STMT_any, who, COUNTOF(who), &other, 1);
    if (err == ERR_NOTFOUND) /* that was the last: its tries go, too */
        err = store_run(tx, &STMT_forget_tries, who, COUNTOF(who), NULL, NULL);
    return err;
}

enum err totp_set_verified(struct cdi_call *c, struct store_tx *tx, struct str user,
                           struct str name)
{
    return run(c, tx, &STMT_verify, user, name);
}

/* --- tries --------------------------------------------------------------------------------------
 */
struct tries {
    struct arena *arena;
    struct totp_try *out;
    size_t n, most;
};

static enum err take_try(void *arg, const struct store_value *v, size_t n)
{
    struct tries *t = arg;
    ASSERT(n == 4 && t->n < t->most);
    t->out[t->n++] = (struct totp_try){.at_ms = v[0].i,
                                       .expires_ms = v[1].i,
                                       .code = arena_str(t->arena, v[2].s),
                                       .valid = v[3].i != 0};
    return t->out[t->n - 1].code.p ? ERR_OK : ERR_NOMEM;
}

enum err totp_tries(struct cdi_call *c, struct store_tx *tx, struct str user, size_t most,
                    struct totp_try **out, size_t *n)
{
    struct tries t = {c->arena, ARENA_ARRAY(c->arena, most, struct totp_try), 0, most};
    enum err err = t.out ? store_run(tx, &STMT_tries,
                                     ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(user),
                                          STORE_I((int64_t)most)),
                                     take_try, &t)
                         : ERR_NOMEM;
    *out = t.out;
    *n = t.n;
    return err;
}

enum err totp_was_used(struct cdi_call *c, struct store_tx *tx, struct str user, struct str code,
                       bool *used)
{
    struct store_value at;
    enum err err = cdi_row(
        c, tx, &STMT_was_used,
        ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(user), STORE_S(code), STORE_I(c->now_ms)),
        &at, 1);
    *used = err != ERR_NOTFOUND;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err totp_note_try(struct cdi_call *c, struct store_tx *tx, struct str user,
                       const struct totp_try *t)
{
    const struct store_value app = STORE_S(c->app), tenant = STORE_S(c->tenant);
    enum err err = store_run(tx, &STMT_note,
                             ARGS(app, tenant, STORE_S(user), STORE_I(t->at_ms), STORE_S(t->code),
                                  STORE_I(t->valid), STORE_I(t->expires_ms)),
                             NULL, NULL);
    /* A run of failures is judged from its latest, which may itself be one cooldown old. */
    int64_t old = c->now_ms - 2 * 1000 * c->config->totp_cooldown_s;
    if (err == ERR_OK)
        err = store_run(tx, &STMT_drop_old,
                        ARGS(app, tenant, STORE_S(user), STORE_I(c->now_ms), STORE_I(old)), NULL,
                        NULL);
    return err;
}

/* --- for the users' sake ------------------------------------------------------------------------
 */
enum err totp__forget(struct cdi_call *c, struct store_tx *tx, struct str id)
{
    const struct store_value who[] = {STORE_S(c->app), STORE_S(id)};
    enum err err = store_run(tx, &STMT_forget, who, COUNTOF(who), NULL, NULL);
    return err ? err : store_run(tx, &STMT_forget_tries, who, COUNTOF(who), NULL, NULL);
}

enum err totp__uses(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out)
{
    struct store_value name;
    enum err err = cdi_row(c, tx, &STMT_any, ARGS(STORE_S(c->app), STORE_S(id)), &name, 1);
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}
