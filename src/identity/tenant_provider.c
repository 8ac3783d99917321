/* SPDX-License-Identifier: Apache-2.0
 *
 * Third-party providers of a tenant, kept as they were given (specs/identity-core.md 2.8): the SDK
 * alone knows what they mean, and talks to the provider itself. */
#include "identity_int.h"
#include "ops_int.h"
#include "tenant_int.h"

const char tenant_provider__schema[] =
    "CREATE TABLE third_party_config (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, "
    "third_party_id TEXT NOT NULL, config TEXT NOT NULL, created_ms BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, tenant_id, third_party_id))";

static const struct stmt STMT_insert =
    SQL("INSERT INTO third_party_config (app_id, tenant_id, third_party_id, config, created_ms) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (app_id, tenant_id, third_party_id) DO NOTHING");
static const struct stmt STMT_update =
    SQL("UPDATE third_party_config SET config = $1 WHERE app_id = $2 AND tenant_id = $3 AND "
        "third_party_id = $4");
static const struct stmt STMT_delete =
    SQL("DELETE FROM third_party_config WHERE app_id = $1 AND tenant_id = $2 AND third_party_id = "
        "$3");

/* --- judging ------------------------------------------------------------------------------------
 */
/* What providers of a family must have in `additionalConfig`: those whose id begins with it. */
static const struct need {
    const char *family, *names[3];
    bool always; /* not only when it is there */
    const char *words;
} needs[] = {
    {"apple",
     {"keyId", "teamId", "privateKey"},
     true,
     "a non empty string value must be specified for keyId, teamId and privateKey in the "
     "additionalConfig for Apple provider"},
    {"google-workspaces", {"hd"}, false, "hd in additionalConfig must be a non empty string value"},
    {"boxy-saml",
     {"boxyURL"},
     false,
     "a non empty string value must be specified for boxyURL in the additionalConfig for Boxy SAML "
     "provider"},
};

static const char *judge_extras(struct str id, const struct json *client)
{
    for (size_t i = 0; i < COUNTOF(needs); i++) {
        const struct need *need = &needs[i];
        if (!str_starts(id, str_c(need->family)))
            continue;
        for (size_t k = 0; k < COUNTOF(need->names) && need->names[k]; k++) {
            const struct json *v = json_get(json_get(client, "additionalConfig"), need->names[k]);
            if ((need->always || v) && (!json_is(v, JSON_STRING) || v->s.n == 0))
                return need->words;
        }
        return NULL;
    }
    return NULL;
}

static const char *judge_client(struct str id, const struct json *client)
{
    const struct json *scope = json_get(client, "scope");
    if (!json_is(json_get(client, "clientId"), JSON_STRING))
        return "clientId cannot be null";
    for (size_t i = 0; json_is(scope, JSON_ARRAY) && i < scope->n; i++)
        if (scope->items[i]->type == JSON_NULL)
            return "scope array cannot contain a null";
    return judge_extras(id, client);
}

static const char *judge(struct str id, const struct json *config)
{
    const struct json *clients = json_get(config, "clients");
    if (id.n == 0)
        return "thirdPartyId cannot be null or empty";
    if (json_is(clients, JSON_ARRAY) && clients->n > LIMIT_PROVIDER_CLIENTS)
        return "the clients list is too long";
    for (size_t i = 0; json_is(clients, JSON_ARRAY) && i < clients->n; i++) {
        struct str type = json_str_or(json_get(clients->items[i], "clientType"), STR_NONE);
        for (size_t k = 0; k < i; k++)
            if (str_eq(type, json_str_or(json_get(clients->items[k], "clientType"), STR_NONE)))
                return "Duplicate clientType was specified in the clients list.";
        const char *wrong = judge_client(id, clients->items[i]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* --- the calls ----------------------------------------------------------------------------------
 */
/* As it was given, but for blanks around its id. */
static enum err write_config(struct cdi_call *c, const struct json *config, struct str id,
                             struct str *out)
{
    AUTO_BUF text = BUF_INIT(LIMIT_CDI_BODY);
    struct json *trimmed = json_new_object(c->arena, config->n);
    enum err err = trimmed ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < config->n && err == ERR_OK; i++)
        err = json_set(c->arena, trimmed, config->members[i].key, config->members[i].value);
    err = err ? err : json_set(c->arena, trimmed, STR("thirdPartyId"), json_new_str(c->arena, id));
    if (err != ERR_OK)
        return err;
    json_write(&text, trimmed);
    *out = text.err ? STR_NONE : arena_str(c->arena, buf_str(&text));
    return out->p ? ERR_OK : text.err ? text.err : ERR_NOMEM;
}

static enum err put(struct cdi_call *c, struct store_tx *tx)
{
    const struct json *config = cdi_json(c, "config");
    const struct json *given = json_get(config, "thirdPartyId");
    struct str id, text;
    if (!json_is(given, JSON_STRING))
        return cdi_fail(c, 400, "Field name 'thirdPartyId' is invalid in JSON input");
    id = cdi_trim(given->s);
    if (id.n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'thirdPartyId' is invalid in JSON input");
    const char *wrong = cdi_bool(c, "skipValidation", false) ? NULL : judge(id, config);
    if (wrong)
        return cdi_fail(c, 400, "Invalid third party config: %s", wrong);
    enum err err = write_config(c, config, id, &text);
    const struct store_value app = STORE_S(c->app), tenant = STORE_S(c->tenant);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_insert,
                        ARGS(app, tenant, STORE_S(id), STORE_S(text), STORE_I(c->now_ms)), NULL,
                        NULL);
    bool created = err == ERR_OK && store_changed(tx) > 0;
    if (err == ERR_OK && !created)
        err =
            store_run(tx, &STMT_update, ARGS(STORE_S(text), app, tenant, STORE_S(id)), NULL, NULL);
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    err =
        err ? err : json_set(c->arena, reply, STR("createdNew"), json_new_bool(c->arena, created));
    return err ? err : cdi_ok(c, reply);
}

static enum err take_away(struct cdi_call *c, struct store_tx *tx)
{
    struct str id = cdi_trim(cdi_str(c, "thirdPartyId"));
    enum err err = store_run(tx, &STMT_delete,
                             ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(id)), NULL, NULL);
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("didConfigExist"),
                       json_new_bool(c->arena, store_changed(tx) > 0));
    return err ? err : cdi_ok(c, reply);
}

#define CONFIG "/recipe/multitenancy/config/thirdparty"
static const struct cdi_op ops[] = {
    {HTTP_PUT, CONFIG, CDI_TENANT, 0, "config:o skipValidation:b?", {{CDI_WRITE, put}}, NULL},
    {HTTP_POST, CONFIG "/remove", CDI_TENANT, 0, "thirdPartyId:s", {{CDI_WRITE, take_away}}, NULL},
};
const struct cdi_table tenant_provider__table = {ops, COUNTOF(ops)};
