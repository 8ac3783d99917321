/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing login methods. What login_tenant repeats of a method (its keys, its user, the time by
 * which pages are sorted) is changed in the same transaction as the method; a key that is taken is
 * found by the table's own constraint, so that two sign-ups at once cannot both win. */
#include "base/crypt.h"
#include "user_db_int.h"

static const struct stmt STMT_add_method =
    SQL("INSERT INTO login_method (app_id, user_id, primary_id, is_primary, recipe, email, "
        "email_domain, phone, third_party_id, third_party_user_id, password_hash, time_joined, "
        "group_joined) VALUES ($1, $2, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $10)");
static const struct stmt STMT_add_key =
    SQL("INSERT INTO login_tenant (app_id, tenant_id, recipe, login_key, user_id, primary_id, "
        "group_joined) SELECT $1, $2, $3, $4, m.user_id, m.primary_id, m.group_joined "
        "FROM login_method m WHERE m.app_id = $1 AND m.user_id = $5");
static const struct stmt STMT_drop_key =
    SQL("DELETE FROM login_tenant WHERE app_id = $1 AND user_id = $2 AND login_key = $3");
static const struct stmt STMT_change_key = SQL(
    "UPDATE login_tenant SET login_key = $1 WHERE app_id = $2 AND user_id = $3 AND login_key = $4");
static const struct stmt STMT_leave =
    SQL("DELETE FROM login_tenant WHERE app_id = $1 AND user_id = $2 AND tenant_id = $3");
static const struct stmt STMT_set_email =
    SQL("UPDATE login_method SET email = $1, email_domain = $2 WHERE app_id = $3 AND user_id = $4");
static const struct stmt STMT_set_phone =
    SQL("UPDATE login_method SET phone = $1 WHERE app_id = $2 AND user_id = $3");
static const struct stmt STMT_set_password =
    SQL("UPDATE login_method SET password_hash = $1 WHERE app_id = $2 AND user_id = $3");
static const struct stmt STMT_swap_password =
    SQL("UPDATE login_method SET password_hash = $1 WHERE app_id = $2 AND user_id = $3 "
        "AND password_hash = $4");
static const struct stmt STMT_set_primary = SQL(
    "UPDATE login_method SET primary_id = $1, is_primary = $2 WHERE app_id = $3 AND user_id = $4");
static const struct stmt STMT_set_primary_of_keys =
    SQL("UPDATE login_tenant SET primary_id = $1 WHERE app_id = $2 AND user_id = $3");
/* The earliest time of a group, in all its rows. */
static const struct stmt STMT_regroup =
    SQL("UPDATE login_method SET group_joined = (SELECT MIN(o.time_joined) FROM login_method o "
        "WHERE o.app_id = $1 AND o.primary_id = $2) WHERE app_id = $1 AND primary_id = $2");
static const struct stmt STMT_regroup_keys =
    SQL("UPDATE login_tenant SET group_joined = (SELECT MIN(o.time_joined) FROM login_method o "
        "WHERE o.app_id = $1 AND o.primary_id = $2) WHERE app_id = $1 AND primary_id = $2");
static const struct stmt STMT_delete_method =
    SQL("DELETE FROM login_method WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_delete_keys =
    SQL("DELETE FROM login_tenant WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_lock_linking = SQL(
    "INSERT INTO user_linking (app_id, turns) VALUES ($1, 1) ON CONFLICT (app_id) DO UPDATE SET "
    "turns = user_linking.turns + 1");
static const struct stmt STMT_seen =
    SQL("INSERT INTO user_active (app_id, user_id, last_active) VALUES ($1, $2, $3) "
        "ON CONFLICT (app_id, user_id) DO UPDATE SET last_active = excluded.last_active "
        "WHERE user_active.last_active < excluded.last_active");

static struct str domain_of(struct str email)
{
    size_t at = str_rchr(email, '@');
    return at == SIZE_MAX ? STR_NONE : str_from(email, at + 1);
}

/* --- keys ------------------------------------------------------------------------------------- */
/* Whether e-mail and phone are what it is found by. */
static bool has_key(const struct login_method *m)
{
    return !str_eqz(m->recipe, "thirdparty");
}

static enum err add_key(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str tenant, struct str key)
{
    enum err err = store_run(tx, &STMT_add_key,
                             ARGS(STORE_S(c->app), STORE_S(tenant), STORE_S(m->recipe),
                                  STORE_S(key), STORE_S(m->recipe_user_id)),
                             NULL, NULL);
    return err == ERR_CONFLICT ? ERR_EXISTS : err;
}

/* All keys of a method in one tenant: what is tried first decides what is said to be taken. */
static enum err add_keys(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                         struct str tenant)
{
    if (!has_key(m)) {
        struct str key = user_third_party_key(c->arena, m->third_party_id, m->third_party_user_id);
        return key.p ? add_key(c, tx, m, tenant, key) : ERR_NOMEM;
    }
    enum err err = m->email.n ? add_key(c, tx, m, tenant, m->email) : ERR_OK;
    if (err == ERR_OK && m->phone.n)
        err = add_key(c, tx, m, tenant, m->phone);
    if (err != ERR_EXISTS)
        return err;
    bool was;
    err = user_leave_tenant(c, tx, m, tenant, &was);
    return err ? err : ERR_EXISTS;
}

static enum err drop_key(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                         struct str key)
{
    return store_run(tx, &STMT_drop_key,
                     ARGS(STORE_S(c->app), STORE_S(m->recipe_user_id), STORE_S(key)), NULL, NULL);
}

static enum err add_everywhere(struct cdi_call *c, struct store_tx *tx,
                               const struct login_method *m, struct str key)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < m->tenant_count && err == ERR_OK; i++)
        err = add_key(c, tx, m, m->tenants[i], key);
    if (err != ERR_EXISTS)
        return err;
    err = drop_key(c, tx, m, key);
    return err ? err : ERR_EXISTS;
}

/* One key of a method becomes another in all its tenants; "" on either side: it had or has none. */
static enum err change_key(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str from, struct str to)
{
    if (!has_key(m))
        return ERR_OK;
    if (from.n == 0)
        return add_everywhere(c, tx, m, to);
    if (to.n == 0)
        return drop_key(c, tx, m, from);
    enum err err = store_run(
        tx, &STMT_change_key,
        ARGS(STORE_S(to), STORE_S(c->app), STORE_S(m->recipe_user_id), STORE_S(from)), NULL, NULL);
    return err == ERR_CONFLICT ? ERR_EXISTS : err;
}

/* --- one method ------------------------------------------------------------------------------- */
static enum err make_id(struct cdi_call *c, struct login_method *m)
{
    char id[37];
    if (m->recipe_user_id.n)
        return ERR_OK;
    crypt_uuid(id);
    m->recipe_user_id = arena_str(c->arena, str_c(id));
    return m->recipe_user_id.p ? ERR_OK : ERR_NOMEM;
}

enum err user_create(struct cdi_call *c, struct store_tx *tx, struct login_method *m)
{
    struct str *tenant = ARENA_NEW(c->arena, struct str);
    enum err err = tenant ? make_id(c, m) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    *tenant = c->tenant;
    if (m->time_joined_ms == 0)
        m->time_joined_ms = c->now_ms;
    err = store_run(tx, &STMT_add_method,
                    ARGS(STORE_S(c->app), STORE_S(m->recipe_user_id), STORE_S(m->recipe),
                         STORE_S(m->email), STORE_S(domain_of(m->email)), STORE_S(m->phone),
                         STORE_S(m->third_party_id), STORE_S(m->third_party_user_id),
                         STORE_S(m->password_hash), STORE_I(m->time_joined_ms)),
                    NULL, NULL);
    if (err == ERR_OK)
        err = add_keys(c, tx, m, c->tenant);
    m->user_id = m->recipe_user_id;
    m->is_primary = false;
    m->tenants = tenant;
    m->tenant_count = 1;
    if (err != ERR_EXISTS)
        return err;
    /* The call may go on and be committed: nothing of this method stays. */
    err = user__delete_method(c, tx, m);
    return err ? err : ERR_EXISTS;
}

/* A primary user must stay the only one of its tenants that is known by an e-mail or number. */
static enum err may_change(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str email, struct str phone)
{
    struct user *u = NULL;
    struct user_conflict conflict;
    if (!m->is_primary)
        return ERR_OK;
    enum err err = user__lock_linking(c, tx);
    if (err == ERR_OK)
        err = user__load_primary(c, tx, m->user_id, &u);
    if (err != ERR_OK)
        return err;
    struct login_method changed = *m;
    changed.email = email;
    changed.phone = phone;
    changed.third_party_id = STR_NONE; /* stays what it is */
    err = user__conflict(c, tx, u, &changed, STR_NONE, &conflict);
    return err ? err : conflict.primary_id.n ? ERR_DENIED : ERR_OK;
}

enum err user_set_email(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str email)
{
    if (str_eq(m->email, email))
        return ERR_OK;
    enum err err = may_change(c, tx, m, email, STR_NONE);
    if (err == ERR_OK)
        err = change_key(c, tx, m, m->email, email);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_set_email,
                        ARGS(STORE_S(email), STORE_S(domain_of(email)), STORE_S(c->app),
                             STORE_S(m->recipe_user_id)),
                        NULL, NULL);
    return err;
}

enum err user_set_phone(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str phone)
{
    if (str_eq(m->phone, phone))
        return ERR_OK;
    enum err err = may_change(c, tx, m, STR_NONE, phone);
    if (err == ERR_OK)
        err = change_key(c, tx, m, m->phone, phone);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_set_phone,
                        ARGS(STORE_S(phone), STORE_S(c->app), STORE_S(m->recipe_user_id)), NULL,
                        NULL);
    return err;
}

enum err user_set_password(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                           struct str hash)
{
    return store_run(tx, &STMT_set_password,
                     ARGS(STORE_S(hash), STORE_S(c->app), STORE_S(recipe_user_id)), NULL, NULL);
}

enum err user_swap_password(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                            struct str old, struct str hash)
{
    return store_run(tx, &STMT_swap_password,
                     ARGS(STORE_S(hash), STORE_S(c->app), STORE_S(recipe_user_id), STORE_S(old)),
                     NULL, NULL);
}

/* --- tenants ---------------------------------------------------------------------------------- */
static bool is_in(const struct login_method *m, struct str tenant)
{
    for (size_t i = 0; i < m->tenant_count; i++)
        if (str_eq(m->tenants[i], tenant))
            return true;
    return false;
}

enum err user_join_tenant(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                          struct str tenant, bool *was, const char **why)
{
    struct user *u = NULL;
    struct user_conflict conflict = {0};
    *why = "";
    *was = is_in(m, tenant);
    if (*was)
        return ERR_OK;
    if (m->is_primary) {
        enum err err = user__lock_linking(c, tx);
        if (err == ERR_OK)
            err = user__load_primary(c, tx, m->user_id, &u);
        if (err == ERR_OK)
            err = user__conflict(c, tx, u, NULL, tenant, &conflict);
        if (err != ERR_OK)
            return err;
        *why = conflict.why;
        if (conflict.primary_id.n)
            return ERR_DENIED;
    }
    return add_keys(c, tx, m, tenant);
}

enum err user_leave_tenant(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str tenant, bool *was)
{
    *was = is_in(m, tenant);
    return store_run(tx, &STMT_leave,
                     ARGS(STORE_S(c->app), STORE_S(m->recipe_user_id), STORE_S(tenant)), NULL,
                     NULL);
}

/* --- groups ----------------------------------------------------------------------------------- */
static enum err regroup(struct cdi_call *c, struct store_tx *tx, struct str primary_id)
{
    enum err err =
        store_run(tx, &STMT_regroup, ARGS(STORE_S(c->app), STORE_S(primary_id)), NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_regroup_keys, ARGS(STORE_S(c->app), STORE_S(primary_id)), NULL,
                        NULL);
    return err;
}

enum err user__set_primary(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str primary_id, bool is_primary)
{
    enum err err = store_run(
        tx, &STMT_set_primary,
        ARGS(STORE_S(primary_id), STORE_I(is_primary), STORE_S(c->app), STORE_S(m->recipe_user_id)),
        NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_set_primary_of_keys,
                        ARGS(STORE_S(primary_id), STORE_S(c->app), STORE_S(m->recipe_user_id)),
                        NULL, NULL);
    if (err == ERR_OK)
        err = regroup(c, tx, primary_id);
    if (err == ERR_OK && !str_eq(m->user_id, primary_id))
        err = regroup(c, tx, m->user_id);
    return err;
}

enum err user__delete_method(struct cdi_call *c, struct store_tx *tx, const struct login_method *m)
{
    enum err err = store_run(tx, &STMT_delete_keys,
                             ARGS(STORE_S(c->app), STORE_S(m->recipe_user_id)), NULL, NULL);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_delete_method, ARGS(STORE_S(c->app), STORE_S(m->recipe_user_id)),
                        NULL, NULL);
    if (err == ERR_OK && m->is_primary)
        err = regroup(c, tx, m->user_id);
    return err;
}

enum err user__lock_linking(struct cdi_call *c, struct store_tx *tx)
{
    return store_run(tx, &STMT_lock_linking, ARGS(STORE_S(c->app)), NULL, NULL);
}

enum err user_seen(struct cdi_call *c, struct store_tx *tx, struct str id)
{
    return store_run(tx, &STMT_seen, ARGS(STORE_S(c->app), STORE_S(id), STORE_I(c->now_ms)), NULL,
                     NULL);
}
