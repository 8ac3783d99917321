/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at sessions, ending them, and changing what is kept with them (specs/identity-core.md
 * 2.1). No token is made here. */
#include "ops_int.h"
#include "session_ops_int.h"

static enum err no_session(struct cdi_call *c)
{
    return cdi_status_why(c, "UNAUTHORISED", "message", "Session does not exist.");
}

/* --- GET /recipe/session -----------------------------------------------------------------------
 */
static enum err get_session(struct cdi_call *c, struct store_tx *tx)
{
    struct session_row row;
    struct str recipe, primary;
    const struct json *data = NULL, *payload = NULL;
    struct json *o = cdi_reply(c, "OK");
    enum err err = session__load(c, tx, cdi_str(c, "sessionHandle"), false, &row);
    if (err == ERR_NOTFOUND)
        return no_session(c);
    if (err == ERR_OK)
        err = session__user(c, tx, row.user_id, &recipe, &primary);
    if (err == ERR_OK)
        err = session__payload(c, row.data, &data);
    if (err == ERR_OK)
        err = session__payload(c, row.payload, &payload);
    if (err != ERR_OK)
        return err;
    const struct {
        const char *name;
        const struct json *value;
    } members[] = {
        {"sessionHandle", json_new_str(c->arena, row.handle)},
        {"userId", json_new_str(c->arena, primary)},
        {"recipeUserId", json_new_str(c->arena, row.user_id)},
        {"userDataInDatabase", data},
        {"userDataInJWT", payload},
        {"expiry", json_new_int(c->arena, row.expires_ms)},
        {"timeCreated", json_new_int(c->arena, row.created_ms)},
        {"tenantId", json_new_str(c->arena, row.tenant)},
    };
    for (size_t i = 0; err == ERR_OK && i < COUNTOF(members); i++)
        err = o ? json_set(c->arena, o, str_c(members[i].name), members[i].value) : ERR_NOMEM;
    return err ? err : cdi_ok(c, o);
}

/* --- POST /recipe/session/remove ----------------------------------------------------------------
 */
static enum err remove_check(struct cdi_call *c, struct store_tx *none)
{
    const struct json *handles = cdi_json(c, "sessionHandles");
    (void)none;
    if ((handles != NULL) == (cdi_json(c, "userId") != NULL))
        return cdi_fail(c, 400, "Invalid JSON input - use one of userId or sessionHandles array");
    for (size_t i = 0; handles && i < handles->n; i++)
        if (!json_is(handles->items[i], JSON_STRING))
            return cdi_fail(c, 400, "Field name 'sessionHandles' is invalid in JSON input");
    return ERR_OK;
}

static enum err remove_listed(struct cdi_call *c, struct store_tx *tx, const struct json *handles,
                              struct json *revoked)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < handles->n; i++) {
        bool was = false;
        err = session__revoke(c, tx, handles->items[i]->s, &was);
        if (err == ERR_OK && was)
            err = json_push(c->arena, revoked, handles->items[i]);
    }
    return err;
}

static enum err remove_write(struct cdi_call *c, struct store_tx *tx)
{
    const struct json *handles = cdi_json(c, "sessionHandles");
    struct json *reply = cdi_reply(c, "OK"), *revoked = json_new_array(c->arena, 4), *ids = NULL;
    enum err err = reply && revoked ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK && handles)
        err = remove_listed(c, tx, handles, revoked);
    else if (err == ERR_OK)
        err = session__accounts(c, tx, cdi_str(c, "userId"),
                                cdi_bool(c, "revokeSessionsForLinkedAccounts", true), &ids);
    struct str tenant = cdi_bool(c, "revokeAcrossAllTenants", true) ? STR_NONE : c->tenant;
    for (size_t i = 0; err == ERR_OK && ids && i < ids->n; i++)
        err = session__revoke_user(c, tx, ids->items[i]->s, tenant, revoked);
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("sessionHandlesRevoked"), revoked);
    return err ? err : cdi_ok(c, reply);
}

/* --- GET /recipe/session/user -------------------------------------------------------------------
 */
static bool is_true(const struct cdi_call *c, const char *name)
{
    return cdi_json(c, name) == NULL || str_ieq(cdi_str(c, name), STR("true"));
}

static enum err list_user(struct cdi_call *c, struct store_tx *tx)
{
    struct json *reply = cdi_reply(c, "OK"), *handles = json_new_array(c->arena, 4), *ids = NULL;
    struct str tenant = is_true(c, "fetchAcrossAllTenants") ? STR_NONE : c->tenant;
    enum err err = reply && handles
                       ? session__accounts(c, tx, cdi_str(c, "userId"),
                                           is_true(c, "fetchSessionsForAllLinkedAccounts"), &ids)
                       : ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < ids->n; i++)
        err = session__handles(c, tx, ids->items[i]->s, tenant, handles);
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("sessionHandles"), handles);
    return err ? err : cdi_ok(c, reply);
}

/* --- PUT /recipe/session/data, PUT /recipe/jwt/data ---------------------------------------------
 */
static enum err put_data(struct cdi_call *c, struct store_tx *tx)
{
    struct str text;
    enum err err =
        session__text(c, cdi_json(c, "userDataInDatabase"), LIMIT_SESSION_PAYLOAD, &text);
    if (err == ERR_OK)
        err = session__set_data(c, tx, cdi_str(c, "sessionHandle"), text);
    if (err == ERR_NOTFOUND)
        return no_session(c);
    return err ? err : cdi_status(c, "OK");
}

static enum err check_jwt_data(struct cdi_call *c, struct store_tx *none)
{
    (void)none;
    return session__check_payload(c, cdi_json(c, "userDataInJWT"));
}

static enum err put_jwt_data(struct cdi_call *c, struct store_tx *tx)
{
    struct str text;
    enum err err = session__text(c, cdi_json(c, "userDataInJWT"), LIMIT_TOKEN_PAYLOAD, &text);
    if (err == ERR_OK)
        err = session__set_payload(c, tx, cdi_str(c, "sessionHandle"), text);
    if (err == ERR_NOTFOUND)
        return no_session(c);
    return err ? err : cdi_status(c, "OK");
}

static const struct cdi_op ops[] = {
    {HTTP_GET, "/recipe/session", CDI_APP, 0, "sessionHandle:s", {{CDI_READ, get_session}}, NULL},
    {HTTP_POST,
     "/recipe/session/remove",
     CDI_TENANT,
     0,
     "userId:s? sessionHandles:a? revokeSessionsForLinkedAccounts:b? revokeAcrossAllTenants:b?",
     {{CDI_NOW, remove_check}, {CDI_WRITE, remove_write}},
     NULL},
    {HTTP_GET,
     "/recipe/session/user",
     CDI_TENANT,
     0,
     "userId:s fetchSessionsForAllLinkedAccounts:s? fetchAcrossAllTenants:s?",
     {{CDI_READ, list_user}},
     NULL},
    {HTTP_PUT,
     "/recipe/session/data",
     CDI_APP,
     0,
     "sessionHandle:s userDataInDatabase:o",
     {{CDI_WRITE, put_data}},
     NULL},
    {HTTP_PUT,
     "/recipe/jwt/data",
     CDI_APP,
     0,
     "sessionHandle:s userDataInJWT:o",
     {{CDI_NOW, check_jwt_data}, {CDI_WRITE, put_jwt_data}},
     NULL},
};
const struct cdi_table session_data__table = {ops, COUNTOF(ops)};
