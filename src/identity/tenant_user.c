/* SPDX-License-Identifier: Apache-2.0
 *
 * Letting a login method into one more tenant of its app, and out of it again
 * (specs/identity-core.md 2.9). */
#include "identity_int.h"
#include "ops_int.h"
#include "user_int.h"

/* By its own id or the app's. ERR_NOTFOUND: answered. */
static enum err find(struct cdi_call *c, struct store_tx *tx, struct login_method *out)
{
    struct str id = cdi_trim(cdi_str(c, "recipeUserId"));
    if (id.n == 0)
        return cdi_fail(c, 400, "Field name 'userId' cannot be an empty String");
    return user_method(c, tx, id, out);
}

/* Answers which key of the method is another's there; what has been written of it is undone. */
static enum err refuse_taken(struct cdi_call *c, struct store_tx *tx, const struct login_method *m)
{
    struct login_method other;
    const char *status = "THIRD_PARTY_USER_ALREADY_EXISTS_ERROR";
    enum err err = ERR_OK;
    if (!str_eqz(m->recipe, "thirdparty")) {
        err = m->email.n > 0 ? user_find(c, tx, m->recipe, m->email, &other) : ERR_NOTFOUND;
        bool by_email = err == ERR_OK && !str_eq(other.recipe_user_id, m->recipe_user_id);
        status = by_email ? "EMAIL_ALREADY_EXISTS_ERROR" : "PHONE_NUMBER_ALREADY_EXISTS_ERROR";
    }
    err = err == ERR_OK || err == ERR_NOTFOUND ? cdi_status(c, status) : err;
    return err ? err : ERR_CANCELLED;
}

static enum err reply(struct cdi_call *c, const char *member, bool value)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, o, str_c(member), json_new_bool(c->arena, value));
    return err ? err : cdi_ok(c, o);
}

static enum err join(struct cdi_call *c, struct store_tx *tx)
{
    struct login_method m = {0};
    const char *why = NULL;
    bool was = false;
    enum err err = find(c, tx, &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    err = err ? err : user_join_tenant(c, tx, &m, c->tenant, &was, &why);
    if (err == ERR_EXISTS)
        return refuse_taken(c, tx, &m);
    if (err == ERR_DENIED)
        return cdi_status_why(c, "ASSOCIATION_NOT_ALLOWED_ERROR", "reason", why);
    return err ? err : reply(c, "wasAlreadyAssociated", was);
}

static enum err leave(struct cdi_call *c, struct store_tx *tx)
{
    struct login_method m = {0};
    bool was = false;
    enum err err = find(c, tx, &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    err = err ? err : user_leave_tenant(c, tx, &m, c->tenant, &was);
    return err ? err : reply(c, "wasAssociated", was);
}

#define USER "/recipe/multitenancy/tenant/user"
static const struct cdi_op ops[] = {
    {HTTP_POST, USER, CDI_TENANT, 0, "recipeUserId:s", {{CDI_WRITE, join}}, NULL},
    {HTTP_POST, USER "/remove", CDI_TENANT, 0, "recipeUserId:s", {{CDI_WRITE, leave}}, NULL},
};
const struct cdi_table tenant_user__table = {ops, COUNTOF(ops)};
