/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles and permissions (specs/identity-core.md 2.2): both belong to an app, who has a role to a
 * tenant of it. A user need not exist. Invariant: nobody has a role that does not exist: a role is
 * locked while it is given, and goes with all who have it. */
#include "ops_int.h"
#include "roles_int.h"
#include "user_recipes_int.h"

const char roles__schema[] =
    "CREATE TABLE app_role (app_id TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (app_id, role));"
    "CREATE TABLE role_permission (app_id TEXT NOT NULL, role TEXT NOT NULL, "
    "permission TEXT NOT NULL, PRIMARY KEY (app_id, role, permission));"
    "CREATE INDEX role_permission_permission ON role_permission (app_id, permission);"
    "CREATE TABLE user_role (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, "
    "user_id TEXT NOT NULL, role TEXT NOT NULL, "
    "PRIMARY KEY (app_id, tenant_id, user_id, role));"
    "CREATE INDEX user_role_role ON user_role (app_id, role, tenant_id);"
    "CREATE INDEX user_role_user ON user_role (app_id, user_id)";

static const struct stmt STMT_roles =
    SQL("SELECT role FROM app_role WHERE app_id = $1 ORDER BY role");
static const struct stmt STMT_role = SQL("SELECT 1 FROM app_role WHERE app_id = $1 AND role = $2");
static const struct stmt STMT_lock_role =
    SQL_LOCKING("SELECT 1 FROM app_role WHERE app_id = $1 AND role = $2");
static const struct stmt STMT_add_role =
    SQL("INSERT INTO app_role (app_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING");
static const struct stmt STMT_drop_role =
    SQL("DELETE FROM app_role WHERE app_id = $1 AND role = $2");
static const struct stmt STMT_drop_from_users =
    SQL("DELETE FROM user_role WHERE app_id = $1 AND role = $2");
static const struct stmt STMT_add_permission =
    SQL("INSERT INTO role_permission (app_id, role, permission) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING");
static const struct stmt STMT_drop_permission =
    SQL("DELETE FROM role_permission WHERE app_id = $1 AND role = $2 AND permission = $3");
static const struct stmt STMT_drop_permissions =
    SQL("DELETE FROM role_permission WHERE app_id = $1 AND role = $2");
/* One question for a role and what it permits: no row, no role. */
static const struct stmt STMT_permissions =
    SQL("SELECT p.permission FROM app_role r LEFT JOIN role_permission p "
        "ON p.app_id = r.app_id AND p.role = r.role WHERE r.app_id = $1 AND r.role = $2 "
        "ORDER BY p.permission");
static const struct stmt STMT_roles_with =
    SQL("SELECT role FROM role_permission WHERE app_id = $1 AND permission = $2 ORDER BY role");
static const struct stmt STMT_give =
    SQL("INSERT INTO user_role (app_id, tenant_id, user_id, role) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING");
static const struct stmt STMT_take = SQL(
    "DELETE FROM user_role WHERE app_id = $1 AND tenant_id = $2 AND user_id = $3 AND role = $4");
static const struct stmt STMT_of_user =
    SQL("SELECT role FROM user_role WHERE app_id = $1 AND tenant_id = $2 AND user_id = $3 "
        "ORDER BY role");
static const struct stmt STMT_users =
    SQL("SELECT user_id FROM user_role WHERE app_id = $1 AND role = $2 AND tenant_id = $3 "
        "ORDER BY user_id");
static const struct stmt STMT_uses =
    SQL("SELECT 1 FROM user_role WHERE app_id = $1 AND user_id = $2 LIMIT 1");
static const struct stmt STMT_forget =
    SQL("DELETE FROM user_role WHERE app_id = $1 AND user_id = $2");

/* --- input ------------------------------------------------------------------------------------ */
static enum err read_name(struct cdi_call *c, const char *field, struct str *out)
{
    *out = cdi_trim(cdi_str(c, field));
    if (out->n == 0)
        return cdi_fail(c, 400, "Field name '%s' cannot be an empty String", field);
    if (out->n > LIMIT_ROLE_NAME)
        return cdi_fail(c, 400, "Field name '%s' cannot be longer than %d bytes", field,
                        LIMIT_ROLE_NAME);
    return ERR_OK;
}

/* Trimmed, into a list of our own; *out NULL when the field is absent. */
static enum err read_permissions(struct cdi_call *c, struct str **out, size_t *n)
{
    const struct json *list = cdi_json(c, "permissions");
    *out = NULL;
    *n = 0;
    if (list == NULL)
        return ERR_OK;
    if (list->n > LIMIT_PERMISSIONS)
        return cdi_fail(c, 400, "Field name 'permissions' cannot have more than %d members",
                        LIMIT_PERMISSIONS);
    struct str *all = ARENA_ARRAY(c->arena, list->n, struct str);
    if (all == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < list->n; i++) {
        if (!json_str(list->items[i], &all[i]))
            return cdi_fail(c, 400, "Field name 'permissions' is invalid in JSON input");
        all[i] = cdi_trim(all[i]);
        if (all[i].n == 0)
            return cdi_fail(c, 400, "Field name 'permissions' cannot contain an empty string");
        if (all[i].n > LIMIT_ROLE_NAME)
            return cdi_fail(c, 400, "Field name 'permissions' cannot contain more than %d bytes",
                            LIMIT_ROLE_NAME);
    }
    *out = all;
    *n = list->n;
    return ERR_OK;
}

static enum err exists(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                       struct str role, bool *out)
{
    struct store_value v[1];
    enum err err = cdi_row(c, tx, stmt, ARGS(STORE_S(c->app), STORE_S(role)), v, COUNTOF(v));
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

/* --- answers ---------------------------------------------------------------------------------- */
static enum err answer_bool(struct cdi_call *c, const char *name, bool value)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, o, str_c(name), json_new_bool(c->arena, value));
    return err ? err : cdi_ok(c, o);
}

static enum err answer_list(struct cdi_call *c, const char *name, const struct json *list)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, o, str_c(name), list);
    return err ? err : cdi_ok(c, o);
}

static enum err answer_strings(struct cdi_call *c, struct store_tx *tx, const char *name,
                               const struct stmt *stmt, const struct store_value *args, size_t n)
{
    struct json *list;
    enum err err = cdi_strings(c, tx, stmt, args, n, &list);
    return err ? err : answer_list(c, name, list);
}

/* --- roles ------------------------------------------------------------------------------------ */
static enum err create_role(struct cdi_call *c, struct store_tx *tx)
{
    struct str role, *permissions;
    size_t n;
    enum err err = read_name(c, "role", &role);
    if (err == ERR_OK)
        err = read_permissions(c, &permissions, &n);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_add_role, ARGS(STORE_S(c->app), STORE_S(role)), NULL, NULL);
    if (err != ERR_OK)
        return err;
    bool created = store_changed(tx) > 0, more = false;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        err = store_run(tx, &STMT_add_permission,
                        ARGS(STORE_S(c->app), STORE_S(role), STORE_S(permissions[i])), NULL, NULL);
        more |= err == ERR_OK && store_changed(tx) > 0;
    }
    if (err == ERR_OK && more)
        err = cdi_changed(c, tx, IDENTITY_ROLE, role, STR_NONE);
    return err ? err : answer_bool(c, "createdNewRole", created);
}

static enum err remove_role(struct cdi_call *c, struct store_tx *tx)
{
    struct str role;
    enum err err = read_name(c, "role", &role);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_drop_role, ARGS(STORE_S(c->app), STORE_S(role)), NULL, NULL);
    if (err != ERR_OK)
        return err;
    bool did_exist = store_changed(tx) > 0;
    if (did_exist)
        err =
            store_run(tx, &STMT_drop_permissions, ARGS(STORE_S(c->app), STORE_S(role)), NULL, NULL);
    if (did_exist && err == ERR_OK)
        err =
            store_run(tx, &STMT_drop_from_users, ARGS(STORE_S(c->app), STORE_S(role)), NULL, NULL);
    if (did_exist && err == ERR_OK)
        err = cdi_changed(c, tx, IDENTITY_ROLE, role, STR_NONE);
    return err ? err : answer_bool(c, "didRoleExist", did_exist);
}

static enum err all_roles(struct cdi_call *c, struct store_tx *tx)
{
    return answer_strings(c, tx, "roles", &STMT_roles, ARGS(STORE_S(c->app)));
}

/* --- permissions ------------------------------------------------------------------------------ */
struct permissions {
    struct arena *arena;
    struct json *list;
    bool found;
};

static enum err take_permission(void *arg, const struct store_value *v, size_t n)
{
    struct permissions *p = arg;
    (void)n;
    p->found = true;
    if (v[0].type != STORE_TEXT)
        return ERR_OK; /* a role that permits nothing */
    return json_push(p->arena, p->list, json_new_str(p->arena, v[0].s));
}

static enum err permissions_of_role(struct cdi_call *c, struct store_tx *tx)
{
    struct permissions p = {c->arena, json_new_array(c->arena, 8), false};
    struct str role;
    enum err err = read_name(c, "role", &role);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_permissions, ARGS(STORE_S(c->app), STORE_S(role)),
                        take_permission, &p);
    if (err != ERR_OK)
        return err;
    return p.found ? answer_list(c, "permissions", p.list) : cdi_status(c, "UNKNOWN_ROLE_ERROR");
}

static enum err remove_permissions(struct cdi_call *c, struct store_tx *tx)
{
    struct str role, *permissions;
    size_t n;
    bool known, fewer = false;
    enum err err = read_name(c, "role", &role);
    if (err == ERR_OK)
        err = read_permissions(c, &permissions, &n);
    if (err == ERR_OK)
        err = exists(c, tx, &STMT_lock_role, role, &known);
    if (err != ERR_OK)
        return err;
    if (!known)
        return cdi_status(c, "UNKNOWN_ROLE_ERROR");
    if (permissions == NULL) {
        err =
            store_run(tx, &STMT_drop_permissions, ARGS(STORE_S(c->app), STORE_S(role)), NULL, NULL);
        fewer = err == ERR_OK && store_changed(tx) > 0;
    }
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        err = store_run(tx, &STMT_drop_permission,
                        ARGS(STORE_S(c->app), STORE_S(role), STORE_S(permissions[i])), NULL, NULL);
        fewer |= err == ERR_OK && store_changed(tx) > 0;
    }
    if (err == ERR_OK && fewer)
        err = cdi_changed(c, tx, IDENTITY_ROLE, role, STR_NONE);
    return err ? err : cdi_status(c, "OK");
}

static enum err roles_with_permission(struct cdi_call *c, struct store_tx *tx)
{
    struct str permission;
    enum err err = read_name(c, "permission", &permission);
    return err ? err
               : answer_strings(c, tx, "roles", &STMT_roles_with,
                                ARGS(STORE_S(c->app), STORE_S(permission)));
}

/* --- who has a role --------------------------------------------------------------------------- */
/* The role that the call is about, if it exists. */
static enum err known_role(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                           struct str *role, bool *known)
{
    enum err err = read_name(c, "role", role);
    return err ? err : exists(c, tx, stmt, *role, known);
}

static enum err give_role(struct cdi_call *c, struct store_tx *tx)
{
    struct str role, user = cdi_str(c, "userId");
    bool known, had;
    enum err err = known_role(c, tx, &STMT_lock_role, &role, &known);
    if (err == ERR_OK && user.n > LIMIT_USER_ID)
        err = cdi_fail(c, 400, "Field name 'userId' cannot be longer than %d bytes", LIMIT_USER_ID);
    if (err == ERR_OK && !known)
        return cdi_status(c, "UNKNOWN_ROLE_ERROR");
    if (err == ERR_OK)
        err = store_run(tx, &STMT_give,
                        ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(user), STORE_S(role)),
                        NULL, NULL);
    if (err != ERR_OK)
        return err;
    had = store_changed(tx) == 0;
    if (!had)
        err = cdi_changed(c, tx, IDENTITY_ROLES_OF_USER, user, user);
    return err ? err : answer_bool(c, "didUserAlreadyHaveRole", had);
}

static enum err take_role(struct cdi_call *c, struct store_tx *tx)
{
    struct str role, user = cdi_str(c, "userId");
    bool known, had;
    enum err err = known_role(c, tx, &STMT_role, &role, &known);
    if (err == ERR_OK && !known)
        return cdi_status(c, "UNKNOWN_ROLE_ERROR");
    if (err == ERR_OK)
        err = store_run(tx, &STMT_take,
                        ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(user), STORE_S(role)),
                        NULL, NULL);
    if (err != ERR_OK)
        return err;
    had = store_changed(tx) > 0;
    if (had)
        err = cdi_changed(c, tx, IDENTITY_ROLES_OF_USER, user, user);
    return err ? err : answer_bool(c, "didUserHaveRole", had);
}

static enum err roles_of_user(struct cdi_call *c, struct store_tx *tx)
{
    return answer_strings(c, tx, "roles", &STMT_of_user,
                          ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(cdi_str(c, "userId"))));
}

static enum err users_with_role(struct cdi_call *c, struct store_tx *tx)
{
    struct str role;
    bool known;
    enum err err = known_role(c, tx, &STMT_role, &role, &known);
    if (err != ERR_OK)
        return err;
    return known ? answer_strings(c, tx, "users", &STMT_users,
                                  ARGS(STORE_S(c->app), STORE_S(role), STORE_S(c->tenant)))
                 : cdi_status(c, "UNKNOWN_ROLE_ERROR");
}

/* --- of a user -------------------------------------------------------------------------------- */
enum err roles__forget_user(struct cdi_call *c, struct store_tx *tx, struct str id)
{
    enum err err = store_run(tx, &STMT_forget, ARGS(STORE_S(c->app), STORE_S(id)), NULL, NULL);
    if (err == ERR_OK && store_changed(tx) > 0)
        err = cdi_changed(c, tx, IDENTITY_ROLES_OF_USER, id, id);
    return err;
}

enum err roles__uses_user(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out)
{
    return exists(c, tx, &STMT_uses, id, out);
}

#define ROLE "role:s"
#define ROLE_OF_USER "userId:s role:s"
static const struct cdi_op ops[] = {
    {HTTP_PUT, "/recipe/role", CDI_APP, 0, "role:s permissions:a?", {{CDI_WRITE, create_role}}, 0},
    {HTTP_POST, "/recipe/role/remove", CDI_APP, 0, ROLE, {{CDI_WRITE, remove_role}}, NULL},
    {HTTP_GET, "/recipe/roles", CDI_APP, 0, NULL, {{CDI_READ, all_roles}}, NULL},
    {HTTP_GET, "/recipe/role/permissions", CDI_APP, 0, ROLE, {{CDI_READ, permissions_of_role}}, 0},
    {HTTP_POST,
     "/recipe/role/permissions/remove",
     CDI_APP,
     0,
     "role:s permissions:a?",
     {{CDI_WRITE, remove_permissions}},
     NULL},
    {HTTP_GET,
     "/recipe/permission/roles",
     CDI_APP,
     0,
     "permission:s",
     {{CDI_READ, roles_with_permission}},
     NULL},
    {HTTP_PUT, "/recipe/user/role", CDI_TENANT, 0, ROLE_OF_USER, {{CDI_WRITE, give_role}}, NULL},
    {HTTP_POST,
     "/recipe/user/role/remove",
     CDI_TENANT,
     0,
     ROLE_OF_USER,
     {{CDI_WRITE, take_role}},
     NULL},
    {HTTP_GET, "/recipe/user/roles", CDI_TENANT, 0, "userId:s", {{CDI_READ, roles_of_user}}, NULL},
    {HTTP_GET, "/recipe/role/users", CDI_TENANT, 0, ROLE, {{CDI_READ, users_with_role}}, NULL},
};
const struct cdi_table roles__table = {ops, COUNTOF(ops)};
