/* SPDX-License-Identifier: Apache-2.0
 *
 * Apps and tenants as the SDK reads them: at each first factor, and before each third-party log-in
 * (specs/identity-core.md 2.9). */
#include "identity_int.h"
#include "ops_int.h"
#include "tenant_int.h"

#define COLUMNS "SELECT app_id, tenant_id, core_config, first_factors, second_factors FROM tenant "
static const struct stmt STMT_one = SQL(COLUMNS "WHERE app_id = $1 AND tenant_id = $2");
static const struct stmt STMT_of_app =
    SQL(COLUMNS "WHERE app_id = $1 ORDER BY created_ms, tenant_id");
static const struct stmt STMT_all = SQL(COLUMNS "ORDER BY app_id, created_ms, tenant_id");
static const struct stmt STMT_providers =
    SQL("SELECT config FROM third_party_config WHERE app_id = $1 AND tenant_id = $2 ORDER BY "
        "created_ms, third_party_id");

struct listed {
    struct str app, id;
    struct json *object;
};
struct listing {
    struct arena *arena;
    struct listed *tenants;
    size_t n, cap;
};

static enum err set_json(struct arena *a, struct json *o, const char *name,
                         const struct store_value *v)
{
    const struct json *parsed = NULL;
    if (v->type != STORE_TEXT)
        return ERR_OK;
    enum err err = json_parse(a, v->s, LIMIT_CDI_BODY, &parsed, NULL);
    return err ? err : json_set(a, o, str_c(name), parsed);
}

static struct listed *add(struct listing *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        struct listed *grown = ARENA_ARRAY(l->arena, cap, struct listed);
        if (grown == NULL)
            return NULL;
        if (l->n > 0)
            memcpy(grown, l->tenants, l->n * sizeof *grown);
        l->tenants = grown;
        l->cap = cap;
    }
    return &l->tenants[l->n++];
}

static enum err take_tenant(void *arg, const struct store_value *v, size_t n)
{
    struct listing *l = arg;
    ASSERT(n == 5);
    if (l->n == LIMIT_CDI_LIST)
        return ERR_LIMIT;
    struct listed *t = add(l);
    if (t == NULL)
        return ERR_NOMEM;
    *t = (struct listed){arena_str(l->arena, v[0].s), arena_str(l->arena, v[1].s),
                         json_new_object(l->arena, 6)};
    if (t->app.p == NULL || t->id.p == NULL || t->object == NULL)
        return ERR_NOMEM;
    enum err err = json_set(l->arena, t->object, STR("tenantId"), json_new_str(l->arena, t->id));
    err = err ? err : set_json(l->arena, t->object, "firstFactors", &v[3]);
    err = err ? err : set_json(l->arena, t->object, "requiredSecondaryFactors", &v[4]);
    return err ? err : set_json(l->arena, t->object, "coreConfig", &v[2]);
}

struct providers {
    struct arena *arena;
    struct json *list;
};

static enum err take_provider(void *arg, const struct store_value *v, size_t n)
{
    struct providers *p = arg;
    const struct json *one;
    ASSERT(n == 1);
    enum err err = json_parse(p->arena, v[0].s, LIMIT_CDI_BODY, &one, NULL);
    return err ? err : json_push(p->arena, p->list, one);
}

static enum err add_providers(struct cdi_call *c, struct store_tx *tx, const struct listed *t)
{
    struct providers p = {c->arena, json_new_array(c->arena, 2)};
    struct json *third_party = json_new_object(c->arena, 1);
    if (p.list == NULL || third_party == NULL)
        return ERR_NOMEM;
    enum err err =
        store_run(tx, &STMT_providers, ARGS(STORE_S(t->app), STORE_S(t->id)), take_provider, &p);
    err = err ? err : json_set(c->arena, third_party, STR("providers"), p.list);
    return err ? err : json_set(c->arena, t->object, STR("thirdParty"), third_party);
}

static enum err read_all(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                         const struct store_value *args, size_t n, struct listing *out)
{
    *out = (struct listing){.arena = c->arena};
    enum err err = store_run(tx, stmt, args, n, take_tenant, out);
    for (size_t i = 0; i < out->n && err == ERR_OK; i++)
        err = add_providers(c, tx, &out->tenants[i]);
    return err;
}

static enum err get_tenant(struct cdi_call *c, struct store_tx *tx)
{
    struct listing l;
    enum err err = read_all(c, tx, &STMT_one, ARGS(STORE_S(c->app), STORE_S(c->tenant)), &l);
    if (err == ERR_OK && l.n == 0)
        return cdi_status(c, "TENANT_NOT_FOUND_ERROR");
    if (err == ERR_OK)
        err = json_set(c->arena, l.tenants[0].object, STR("status"),
                       json_new_str(c->arena, STR("OK")));
    return err ? err : cdi_ok(c, l.tenants[0].object);
}

static enum err list_tenants(struct cdi_call *c, struct store_tx *tx)
{
    struct listing l;
    enum err err = read_all(c, tx, &STMT_of_app, ARGS(STORE_S(c->app)), &l);
    struct json *list = json_new_array(c->arena, 8);
    for (size_t i = 0; err == ERR_OK && i < l.n; i++)
        err = json_push(c->arena, list, l.tenants[i].object);
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, reply, STR("tenants"), list);
    return err ? err : cdi_ok(c, reply);
}

/* Tenants of one app stand together. */
static enum err list_apps(struct cdi_call *c, struct store_tx *tx)
{
    struct listing l;
    struct json *apps = json_new_array(c->arena, 8), *tenants = NULL;
    enum err err = apps ? read_all(c, tx, &STMT_all, NULL, 0, &l) : ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < l.n; i++) {
        if (i == 0 || !str_eq(l.tenants[i].app, l.tenants[i - 1].app)) {
            struct json *app = json_new_object(c->arena, 2);
            tenants = json_new_array(c->arena, 2);
            err = json_set(c->arena, app, STR("appId"), json_new_str(c->arena, l.tenants[i].app));
            err = err ? err : json_set(c->arena, app, STR("tenants"), tenants);
            err = err ? err : json_push(c->arena, apps, app);
        }
        err = err ? err : json_push(c->arena, tenants, l.tenants[i].object);
    }
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, reply, STR("apps"), apps);
    return err ? err : cdi_ok(c, reply);
}

static const struct cdi_op ops[] = {
    {HTTP_GET,
     "/recipe/multitenancy/tenant/v2",
     CDI_TENANT,
     CDI_ANY_TENANT,
     NULL,
     {{CDI_READ, get_tenant}},
     NULL},
    {HTTP_GET,
     "/recipe/multitenancy/tenant/list/v2",
     CDI_APP,
     0,
     NULL,
     {{CDI_READ, list_tenants}},
     NULL},
    {HTTP_GET,
     "/recipe/multitenancy/app/list/v2",
     CDI_APP,
     CDI_BASE_APP,
     NULL,
     {{CDI_READ, list_apps}},
     NULL},
};
const struct cdi_table tenant_read__table = {ops, COUNTOF(ops)};
