/* SPDX-License-Identifier: Apache-2.0
 *
 * Making, changing and removing apps and tenants (specs/identity-core.md 2.9). An app is its tenant
 * "public". Invariant: what is stored has been judged as a whole: a tenant whose settings could not
 * be read is never written. */
#include "keys_int.h"
#include "ops_int.h"
#include "tenant_int.h"

static const struct stmt STMT_insert =
    SQL("INSERT INTO tenant (app_id, tenant_id, core_config, first_factors, created_ms) VALUES "
        "($1, $2, '{}', $3, $4) ON CONFLICT (app_id, tenant_id) DO NOTHING");
static const struct stmt STMT_find =
    SQL_LOCKING("SELECT core_config, first_factors, second_factors FROM tenant WHERE app_id = $1 "
                "AND tenant_id = $2");
static const struct stmt STMT_update =
    SQL("UPDATE tenant SET core_config = $1, first_factors = $2, second_factors = $3 WHERE app_id "
        "= $4 AND tenant_id = $5");
static const struct stmt STMT_others =
    SQL("SELECT tenant_id FROM tenant WHERE app_id = $1 AND tenant_id <> 'public' LIMIT 1");

/* --- ids ----------------------------------------------------------------------------------------
 */
static bool is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s.p[i]))
            return false;
    return s.n > 0;
}

/* Trimmed and in lower case. `what` is "appId" or "tenantId". */
static enum err read_id(struct cdi_call *c, const char *what, struct str *out)
{
    static const char *const reserved[] = {"recipe", "config", "users", "hello"};
    struct str given = cdi_trim(cdi_str(c, what));
    struct str id = *out = arena_lower(c->arena, given);
    if (given.n > 0 && id.p == NULL)
        return ERR_NOMEM;
    if (id.n == 0)
        return cdi_fail(c, 400, "%s should not be an empty String", what);
    for (size_t i = 0; i < COUNTOF(reserved) && what[0] == 't'; i++)
        if (str_eqz(id, reserved[i]))
            return cdi_fail(c, 400, "Cannot use '%s' as a tenantId", reserved[i]);
    if (str_starts(id, STR("appid-")))
        return cdi_fail(c, 400, "%s must not start with 'appid-'", what);
    if (!is_id(id))
        return cdi_fail(c, 400, "%s can only contain letters, numbers and hyphens", what);
    if (id.n > LIMIT_TENANT_ID)
        return cdi_fail(c, 400, "%s must not be longer than %d", what, LIMIT_TENANT_ID);
    return ERR_OK;
}

/* --- factors ------------------------------------------------------------------------------------
 */
static bool is_factor(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("_().-", s.p[i]) && !(s.p[i] >= '0' && s.p[i] <= '9') &&
            !((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z'))
            return false;
    return s.n > 0;
}

static bool has_twice(const struct json *list)
{
    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(list->items[i]->s, list->items[k]->s))
                return true;
    return false;
}

/* The list that was given instead of the stored one; null takes it away. */
static enum err read_factors(struct cdi_call *c, const char *name, const struct json **factors)
{
    const struct json *v = cdi_json(c, name);
    if (v == NULL)
        return ERR_OK;
    *factors = v->type == JSON_NULL ? NULL : v;
    if (v->type == JSON_NULL)
        return ERR_OK;
    if (v->type != JSON_ARRAY)
        return cdi_fail(c, 400, "Field name '%s' is invalid in JSON input", name);
    if (v->n > LIMIT_FACTORS)
        return cdi_fail(c, 400, "%s must not have more than %d values", name, LIMIT_FACTORS);
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->type != JSON_STRING)
            return cdi_fail(c, 400, "Field name '%s' is invalid in JSON input", name);
    if (has_twice(v))
        return cdi_fail(c, 400, "%s input should not contain duplicate values", name);
    for (size_t i = 0; i < v->n; i++)
        if (!is_factor(v->items[i]->s))
            return cdi_fail(c, 400, "%s should contain only 0-9,a-z,A-Z,_,.,- characters", name);
    return ERR_OK;
}

/* --- one tenant ---------------------------------------------------------------------------------
 */
struct tenant {
    struct str app, id;
    const struct json *config;         /* an object */
    const struct json *first, *second; /* arrays, NULL = not set */
};

static enum err parse(struct cdi_call *c, const struct store_value *v, const struct json **out)
{
    *out = NULL;
    return v->type == STORE_TEXT ? json_parse(c->arena, v->s, LIMIT_CDI_BODY, out, NULL) : ERR_OK;
}

static enum err find(struct cdi_call *c, struct store_tx *tx, struct str app, struct str id,
                     struct tenant *out)
{
    struct store_value v[3];
    enum err err = cdi_row(c, tx, &STMT_find, ARGS(STORE_S(app), STORE_S(id)), v, COUNTOF(v));
    *out = (struct tenant){.app = app, .id = id};
    err = err ? err : parse(c, &v[0], &out->config);
    err = err ? err : parse(c, &v[1], &out->first);
    return err ? err : parse(c, &v[2], &out->second);
}

static enum err write_list(struct cdi_call *c, const struct json *list, struct store_value *out)
{
    AUTO_BUF text = BUF_INIT(LIMIT_CDI_BODY);
    *out = STORE_N;
    if (list == NULL)
        return ERR_OK;
    json_write(&text, list);
    struct str own = text.err ? STR_NONE : arena_str(c->arena, buf_str(&text));
    *out = STORE_S(own);
    return own.p ? ERR_OK : text.err ? text.err : ERR_NOMEM;
}

static enum err update(struct cdi_call *c, struct store_tx *tx, const struct tenant *t)
{
    struct store_value config, first, second;
    enum err err = write_list(c, t->config, &config);
    err = err ? err : write_list(c, t->first, &first);
    err = err ? err : write_list(c, t->second, &second);
    return err ? err
               : store_run(tx, &STMT_update,
                           ARGS(config, first, second, STORE_S(t->app), STORE_S(t->id)), NULL,
                           NULL);
}

/* The stored settings with the given ones on top; null takes one away. */
static enum err merge(struct cdi_call *c, struct tenant *t)
{
    const struct json *given = cdi_json(c, "coreConfig");
    if (given == NULL)
        return ERR_OK;
    struct json *merged = json_new_object(c->arena, t->config->n + given->n);
    enum err err = merged ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < t->config->n && err == ERR_OK; i++)
        if (!json_is(json_gets(given, t->config->members[i].key), JSON_NULL))
            err =
                json_set(c->arena, merged, t->config->members[i].key, t->config->members[i].value);
    for (size_t i = 0; i < given->n && err == ERR_OK; i++)
        if (given->members[i].value->type != JSON_NULL)
            err = json_set(c->arena, merged, given->members[i].key, given->members[i].value);
    t->config = merged;
    return err;
}

/* Judges the settings as they will be, on top of those of the base app and of the tenant's own. */
static enum err judge(struct cdi_call *c, const struct tenant *app, const struct tenant *t,
                      struct core_config *out)
{
    struct errinfo e = {0};
    struct core_config of_app;
    bool is_app = app == NULL;
    if (str_eqz(t->app, "public") && is_app && t->config->n > 0)
        return cdi_fail(c, 400, "Cannot modify base config");
    for (size_t i = 0; i < t->config->n; i++)
        if (!core_config_knows(t->config->members[i].key))
            return cdi_fail(c, 400, "Invalid core config: Invalid config key: %.*s",
                            STR_ARG(t->config->members[i].key));
    enum err err = core_config_read(c->arena, &c->identity->base, is_app ? t->config : app->config,
                                    is_app ? out : &of_app, &e);
    if (err == ERR_OK && !is_app)
        err = core_config_read(c->arena, &of_app, t->config, out, &e);
    const char *differs = err == ERR_OK && !is_app ? core_config_differs(&of_app, out) : NULL;
    if (differs)
        err = errinfo_set(&e, ERR_INVALID,
                          "You cannot set different values for %s for the same appId", differs);
    return err == ERR_INVALID ? cdi_fail(c, 400, "Invalid core config: %s", e.text) : err;
}

static enum err tell(struct cdi_call *c, struct store_tx *tx, struct str app, struct str tenant)
{
    struct cdi_call as_app = *c;
    as_app.app = app;
    enum err err = cdi_changed(&as_app, tx, IDENTITY_TENANT, tenant, STR(""));
    c->changes = as_app.changes;
    return err;
}

static enum err put(struct cdi_call *c, struct store_tx *tx, struct str app_id, struct str id)
{
    bool is_app = str_eqz(id, "public");
    struct store_value first = is_app ? STORE_N : STORE_S(STR("[]"));
    struct tenant app, t;
    struct core_config config;
    enum err err = is_app ? ERR_OK : find(c, tx, app_id, STR("public"), &app);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_insert,
                        ARGS(STORE_S(app_id), STORE_S(id), first, STORE_I(c->now_ms)), NULL, NULL);
    bool created = err == ERR_OK && store_changed(tx) > 0;
    if (created && is_app)
        key_pool_expect(c->identity->key_pool);
    err = err ? err : find(c, tx, app_id, id, &t);
    err = err ? err : merge(c, &t);
    err = err ? err : read_factors(c, "firstFactors", &t.first);
    err = err ? err : read_factors(c, "requiredSecondaryFactors", &t.second);
    err = err ? err : judge(c, is_app ? NULL : &app, &t, &config);
    err = err ? err : update(c, tx, &t);
    err = err ? err : tell(c, tx, app_id, id);
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    err =
        err ? err : json_set(c->arena, reply, STR("createdNew"), json_new_bool(c->arena, created));
    return err ? err : cdi_ok(c, reply);
}

static enum err refuse_switches(struct cdi_call *c)
{
    static const struct {
        const char *field, *named;
    } old[] = {{"emailPasswordEnabled", "emailPasswordEnabled"},
               {"thirdPartyEnabled", "thirdParty"},
               {"passwordlessEnabled", "passwordless"}};
    for (size_t i = 0; i < COUNTOF(old); i++)
        if (cdi_json(c, old[i].field))
            return cdi_fail(c, 400, "%s is not a valid input for this API", old[i].named);
    return ERR_OK;
}

static enum err put_app(struct cdi_call *c, struct store_tx *tx)
{
    struct str app = STR("public");
    enum err err = cdi_json(c, "appId") ? read_id(c, "appId", &app) : ERR_OK;
    err = err ? err : refuse_switches(c);
    if (err == ERR_OK && !str_eqz(c->app, "public") && !str_eq(c->app, app))
        return cdi_fail(c, 403, "You must use the public or same app to add/update an app");
    return err ? err : put(c, tx, app, STR("public"));
}

static enum err put_tenant(struct cdi_call *c, struct store_tx *tx)
{
    struct str id = STR("public");
    enum err err = cdi_json(c, "tenantId") ? read_id(c, "tenantId", &id) : ERR_OK;
    err = err ? err : refuse_switches(c);
    if (err == ERR_OK && !str_eqz(c->tenant, "public") && !str_eq(c->tenant, id))
        return cdi_fail(c, 403, "You must use the public or same tenant to add/update a tenant");
    return err ? err : put(c, tx, c->app, id);
}

/* --- removing -----------------------------------------------------------------------------------
 */
static enum err reply_existed(struct cdi_call *c, bool did)
{
    struct json *reply = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, reply, STR("didExist"), json_new_bool(c->arena, did));
    return err ? err : cdi_ok(c, reply);
}

static enum err remove_tenant(struct cdi_call *c, struct store_tx *tx)
{
    struct str id;
    struct tenant t;
    enum err err = read_id(c, "tenantId", &id);
    if (err == ERR_OK && str_eqz(id, "public"))
        return cdi_fail(c, 403, "Cannot delete public tenant, use remove app API instead");
    err = err ? err : find(c, tx, c->app, id, &t);
    if (err == ERR_NOTFOUND)
        return reply_existed(c, false);
    err = err ? err : tenant__forget(tx, c->app, id);
    err = err ? err : tell(c, tx, c->app, id);
    return err ? err : reply_existed(c, true);
}

static enum err remove_app(struct cdi_call *c, struct store_tx *tx)
{
    struct str app;
    struct tenant t;
    struct store_value other;
    enum err err = read_id(c, "appId", &app);
    if (err == ERR_OK && str_eqz(app, "public"))
        return cdi_fail(c, 403,
                        "Cannot delete the public app, use remove connection uri domain API "
                        "instead");
    if (err == ERR_OK && !str_eqz(c->app, "public"))
        return cdi_fail(c, 403,
                        "Only the public tenantId and public appId is allowed to delete an "
                        "app");
    err = err ? err : find(c, tx, app, STR("public"), &t);
    if (err == ERR_NOTFOUND)
        return reply_existed(c, false);
    err = err ? err : cdi_row(c, tx, &STMT_others, ARGS(STORE_S(app)), &other, 1);
    if (err == ERR_OK)
        return cdi_fail(c, 403,
                        "Please delete all tenants except the public tenant for this app before "
                        "calling the delete API");
    err = err == ERR_NOTFOUND ? tenant__forget(tx, app, STR_NONE) : err;
    err = err ? err : tell(c, tx, app, STR("public"));
    return err ? err : reply_existed(c, true);
}

#define TENANT "/recipe/multitenancy/tenant"
#define PUT_FIELDS "coreConfig:o? firstFactors:v? requiredSecondaryFactors:v?"
static const struct cdi_op ops[] = {
    {HTTP_PUT,
     "/recipe/multitenancy/app/v2",
     CDI_APP,
     0,
     "appId:s? " PUT_FIELDS,
     {{CDI_WRITE, put_app}},
     NULL},
    {HTTP_POST,
     "/recipe/multitenancy/app/remove",
     CDI_APP,
     0,
     "appId:s",
     {{CDI_WRITE, remove_app}},
     NULL},
    {HTTP_PUT,
     TENANT "/v2",
     CDI_TENANT,
     0,
     "tenantId:s? " PUT_FIELDS,
     {{CDI_WRITE, put_tenant}},
     NULL},
    {HTTP_POST, TENANT "/remove", CDI_APP, 0, "tenantId:s", {{CDI_WRITE, remove_tenant}}, NULL},
};
const struct cdi_table tenant_ops__table = {ops, COUNTOF(ops)};
