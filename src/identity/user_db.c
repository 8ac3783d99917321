/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of users, and how a user is found. One row of login_method for each way in; linked
 * ones share primary_id, a lone one is its own. login_tenant has one row for each key of a method
 * in each of its tenants, so that the database itself keeps a key unique there; it repeats what
 * pages of users are sorted by. */
#include "user_db_int.h"

const char user_db__schema[] =
    "CREATE TABLE login_method (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "primary_id TEXT NOT NULL, is_primary BIGINT NOT NULL, recipe TEXT NOT NULL, "
    "email TEXT NOT NULL, email_domain TEXT NOT NULL, phone TEXT NOT NULL, "
    "third_party_id TEXT NOT NULL, third_party_user_id TEXT NOT NULL, "
    "password_hash TEXT NOT NULL, time_joined BIGINT NOT NULL, group_joined BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, user_id));"
    "CREATE INDEX login_method_primary ON login_method (app_id, primary_id);"
    "CREATE INDEX login_method_email ON login_method (app_id, email);"
    "CREATE INDEX login_method_phone ON login_method (app_id, phone);"
    "CREATE INDEX login_method_third_party ON login_method "
    "(app_id, third_party_id, third_party_user_id);"
    "CREATE TABLE login_tenant (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, "
    "recipe TEXT NOT NULL, login_key TEXT NOT NULL, user_id TEXT NOT NULL, "
    "primary_id TEXT NOT NULL, group_joined BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, tenant_id, recipe, login_key));"
    "CREATE INDEX login_tenant_user ON login_tenant (app_id, user_id, tenant_id);"
    "CREATE INDEX login_tenant_primary ON login_tenant (app_id, primary_id, tenant_id);"
    "CREATE INDEX login_tenant_page ON login_tenant "
    "(app_id, tenant_id, group_joined, primary_id);"
    "CREATE TABLE user_mapping (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "external_id TEXT NOT NULL, info TEXT, PRIMARY KEY (app_id, user_id), "
    "UNIQUE (app_id, external_id));"
    "CREATE TABLE email_verified (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "email TEXT NOT NULL, PRIMARY KEY (app_id, user_id, email));"
    "CREATE TABLE user_active (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "last_active BIGINT NOT NULL, PRIMARY KEY (app_id, user_id));"
    "CREATE INDEX user_active_time ON user_active (app_id, last_active);"
    "CREATE TABLE user_linking (app_id TEXT NOT NULL, turns BIGINT NOT NULL, "
    "PRIMARY KEY (app_id))";

/* A row for each method and tenant. email_verified is kept under what the app knows. */
#define SELECT_METHODS                                                                             \
    "SELECT m.user_id, m.primary_id, m.is_primary, m.recipe, m.email, m.phone, m.third_party_id, " \
    "m.third_party_user_id, m.password_hash, m.time_joined, x.external_id, y.external_id, "        \
    "v.email, t.tenant_id FROM login_method m "                                                    \
    "LEFT JOIN user_mapping x ON x.app_id = m.app_id AND x.user_id = m.user_id "                   \
    "LEFT JOIN user_mapping y ON y.app_id = m.app_id AND y.user_id = m.primary_id "                \
    "LEFT JOIN email_verified v ON v.app_id = m.app_id AND v.email = m.email "                     \
    "AND v.user_id = COALESCE(x.external_id, m.user_id) "                                          \
    "LEFT JOIN login_tenant t ON t.app_id = m.app_id AND t.user_id = m.user_id "
#define IN_ORDER " ORDER BY m.time_joined, m.user_id, t.tenant_id"

static const struct stmt STMT_user =
    SQL(SELECT_METHODS "WHERE m.app_id = $1 AND m.primary_id = $2" IN_ORDER);
static const struct stmt STMT_method =
    SQL(SELECT_METHODS "WHERE m.app_id = $1 AND m.user_id = $2" IN_ORDER);
static const struct stmt STMT_by_key =
    SQL(SELECT_METHODS "WHERE m.app_id = $1 AND m.user_id = (SELECT k.user_id FROM login_tenant k "
                       "WHERE k.app_id = $1 AND k.tenant_id = $2 AND k.recipe = $3 "
                       "AND k.login_key = $4)" IN_ORDER);
/* Internal ids first: the primary of a method, a primary whose own method is gone, a mapping. */
static const struct stmt STMT_primary_of =
    SQL("SELECT m.primary_id, 1 AS turn FROM login_method m "
        "WHERE m.app_id = $1 AND m.user_id = $2 "
        "UNION ALL SELECT p.primary_id, 2 FROM login_method p "
        "WHERE p.app_id = $1 AND p.primary_id = $2 "
        "UNION ALL SELECT COALESCE(n.primary_id, x.user_id), 3 FROM user_mapping x "
        "LEFT JOIN login_method n ON n.app_id = x.app_id AND n.user_id = x.user_id "
        "WHERE x.app_id = $1 AND x.external_id = $2 ORDER BY turn LIMIT 1");
static const struct stmt STMT_internal =
    SQL("SELECT x.user_id FROM user_mapping x WHERE x.app_id = $1 AND x.external_id = $2 "
        "AND NOT EXISTS (SELECT 1 FROM login_method m WHERE m.app_id = $1 AND m.user_id = $2)");
static const struct stmt STMT_external =
    SQL("SELECT external_id FROM user_mapping WHERE app_id = $1 AND user_id = $2");

/* --- reading ---------------------------------------------------------------------------------- */
struct reading {
    struct arena *arena;
    struct login_method *methods;
    size_t n, cap;
    struct str *tenants; /* of the newest method */
    size_t tenant_cap;
};

static enum err copy(struct arena *a, struct str *to, const struct store_value *v)
{
    *to = STR_NONE;
    if (v->type != STORE_TEXT || v->s.n == 0)
        return ERR_OK;
    *to = arena_str(a, v->s);
    return to->p ? ERR_OK : ERR_NOMEM;
}

static enum err begin_method(struct reading *r, const struct store_value *v)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 1;
        struct login_method *grown = ARENA_ARRAY(r->arena, cap, struct login_method);
        if (grown == NULL)
            return ERR_NOMEM;
        if (r->n)
            memcpy(grown, r->methods, r->n * sizeof *grown);
        r->methods = grown;
        r->cap = cap;
    }
    struct login_method *m = &r->methods[r->n++];
    *m = (struct login_method){.is_primary = v[2].i != 0, .time_joined_ms = v[9].i};
    struct {
        struct str *to;
        size_t column;
    } texts[] = {{&m->recipe_user_id, 0},
                 {&m->user_id, 1},
                 {&m->recipe, 3},
                 {&m->email, 4},
                 {&m->phone, 5},
                 {&m->third_party_id, 6},
                 {&m->third_party_user_id, 7},
                 {&m->password_hash, 8},
                 {&m->external_id, 10},
                 {&m->external_user_id, 11}};
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNTOF(texts) && err == ERR_OK; i++)
        err = copy(r->arena, texts[i].to, &v[texts[i].column]);
    /* A phone number was proven when its code was entered. */
    m->verified = m->email.n > 0 ? v[12].type == STORE_TEXT : m->phone.n > 0;
    r->tenants = NULL;
    r->tenant_cap = 0;
    return err;
}

/* A method with two keys has two rows in each tenant; they stand one after the other. */
static enum err add_tenant(struct reading *r, const struct store_value *v)
{
    struct login_method *m = &r->methods[r->n - 1];
    size_t n = m->tenant_count;
    if (v->type != STORE_TEXT || (n > 0 && str_eq(r->tenants[n - 1], v->s)))
        return ERR_OK;
    if (n == r->tenant_cap) {
        size_t cap = n ? 2 * n : 2;
        struct str *grown = ARENA_ARRAY(r->arena, cap, struct str);
        if (grown == NULL)
            return ERR_NOMEM;
        if (n)
            memcpy(grown, r->tenants, n * sizeof *grown);
        r->tenants = grown;
        r->tenant_cap = cap;
        m->tenants = grown;
    }
    m->tenant_count++;
    return copy(r->arena, &r->tenants[n], v);
}

static enum err take_method(void *arg, const struct store_value *v, size_t n)
{
    struct reading *r = arg;
    ASSERT(n == 14);
    enum err err = ERR_OK;
    if (r->n == 0 || !str_eq(r->methods[r->n - 1].recipe_user_id, v[0].s))
        err = begin_method(r, v);
    return err ? err : add_tenant(r, &v[13]);
}

static enum err read_methods(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                             const struct store_value *args, size_t n, struct reading *out)
{
    *out = (struct reading){.arena = c->arena};
    enum err err = store_run(tx, stmt, args, n, take_method, out);
    return err ? err : out->n ? ERR_OK : ERR_NOTFOUND;
}

/* --- finding ---------------------------------------------------------------------------------- */
enum err user__load_primary(struct cdi_call *c, struct store_tx *tx, struct str primary_id,
                            struct user **out)
{
    struct reading r;
    *out = NULL;
    enum err err = read_methods(c, tx, &STMT_user, ARGS(STORE_S(c->app), STORE_S(primary_id)), &r);
    if (err != ERR_OK)
        return err;
    struct user *u = ARENA_NEW(c->arena, struct user);
    if (u == NULL)
        return ERR_NOMEM;
    *u = (struct user){.id = r.methods[0].user_id,
                       .external_id = r.methods[0].external_user_id,
                       .is_primary = r.methods[0].is_primary,
                       .time_joined_ms = r.methods[0].time_joined_ms,
                       .methods = r.methods,
                       .n = r.n};
    *out = u;
    return ERR_OK;
}

enum err user_load(struct cdi_call *c, struct store_tx *tx, struct str id, struct user **out)
{
    struct store_value v[2];
    *out = NULL;
    enum err err =
        cdi_row(c, tx, &STMT_primary_of, ARGS(STORE_S(c->app), STORE_S(id)), v, COUNTOF(v));
    return err ? err : user__load_primary(c, tx, v[0].s, out);
}

enum err user_find(struct cdi_call *c, struct store_tx *tx, struct str recipe, struct str key,
                   struct login_method *out)
{
    struct reading r;
    *out = (struct login_method){0};
    enum err err =
        read_methods(c, tx, &STMT_by_key,
                     ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(recipe), STORE_S(key)), &r);
    if (err == ERR_OK)
        *out = r.methods[0];
    return err;
}

enum err user_method(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                     struct login_method *out)
{
    struct reading r;
    struct str id;
    *out = (struct login_method){0};
    enum err err = user_internal_id(c, tx, recipe_user_id, &id);
    if (err == ERR_OK)
        err = read_methods(c, tx, &STMT_method, ARGS(STORE_S(c->app), STORE_S(id)), &r);
    if (err == ERR_OK)
        *out = r.methods[0];
    return err;
}

/* --- ids -------------------------------------------------------------------------------------- */
static enum err other_id(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                         struct str id, struct str *out)
{
    struct store_value v[1];
    *out = id;
    enum err err = cdi_row(c, tx, stmt, ARGS(STORE_S(c->app), STORE_S(id)), v, COUNTOF(v));
    if (err == ERR_OK)
        *out = v[0].s;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err user_internal_id(struct cdi_call *c, struct store_tx *tx, struct str id, struct str *out)
{
    return other_id(c, tx, &STMT_internal, id, out);
}

enum err user_external_id(struct cdi_call *c, struct store_tx *tx, struct str id, struct str *out)
{
    return other_id(c, tx, &STMT_external, id, out);
}
