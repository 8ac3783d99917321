/* SPDX-License-Identifier: Apache-2.0
 *
 * Ids of the app's own for its users (specs/identity-core.md 2.5): from then on they are shown, and
 * what the recipes keep is kept under them. Invariant: an id that already has data of another
 * recipe is neither mapped nor set free, unless the caller forces it. */
#include "ops_int.h"
#include "user_int.h"

static const struct stmt STMT_by_internal =
    SQL("SELECT user_id, external_id, info FROM user_mapping WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_by_external = SQL(
    "SELECT user_id, external_id, info FROM user_mapping WHERE app_id = $1 AND external_id = $2");
static const struct stmt STMT_insert =
    SQL("INSERT INTO user_mapping (app_id, user_id, external_id, info) VALUES ($1, $2, $3, $4)");
static const struct stmt STMT_info =
    SQL("UPDATE user_mapping SET info = $1 WHERE app_id = $2 AND user_id = $3");
static const struct stmt STMT_delete =
    SQL("DELETE FROM user_mapping WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_is_user =
    SQL("SELECT user_id FROM login_method WHERE app_id = $1 AND (user_id = $2 OR primary_id = $2) "
        "LIMIT 1");

struct mapping {
    struct str internal, external;
    struct store_value info;
};

/* --- input -------------------------------------------------------------------------------------
 */
static enum err read_id(struct cdi_call *c, const char *name, struct str *out)
{
    *out = cdi_trim(cdi_str(c, name));
    if (out->n == 0)
        return cdi_fail(c, 400, "Field name '%s' cannot be an empty String", name);
    if (out->n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name '%s' must not be longer than %d", name, LIMIT_USER_ID);
    return ERR_OK;
}

/* null or absent is none; a text is kept as it is. */
static enum err read_info(struct cdi_call *c, struct store_value *out)
{
    const struct json *v = cdi_json(c, "externalUserIdInfo");
    *out = STORE_N;
    if (v == NULL || v->type == JSON_NULL)
        return ERR_OK;
    if (v->type != JSON_STRING)
        return cdi_fail(c, 400, "Field name 'externalUserIdInfo' is invalid in JSON input");
    struct str text = cdi_trim(v->s);
    if (text.n == 0)
        return cdi_fail(c, 400, "Field name 'externalUserIdInfo' cannot be an empty String");
    *out = STORE_S(text);
    return ERR_OK;
}

/* --- finding ------------------------------------------------------------------------------------
 */
static enum err find(struct cdi_call *c, struct store_tx *tx, const struct stmt *by, struct str id,
                     struct mapping *out)
{
    struct store_value v[3];
    *out = (struct mapping){.info = STORE_N};
    enum err err = cdi_row(c, tx, by, ARGS(STORE_S(c->app), STORE_S(id)), v, COUNTOF(v));
    if (err == ERR_OK)
        *out = (struct mapping){v[0].s, v[1].s, v[2]};
    return err;
}

/* By the kind of id that the caller says it is; the internal one first. */
static enum err find_any(struct cdi_call *c, struct store_tx *tx, struct str id,
                         struct mapping *out)
{
    struct str type = cdi_json(c, "userIdType") ? cdi_str(c, "userIdType") : STR("ANY");
    bool any = str_eqz(type, "ANY"), internal = str_eqz(type, "SUPERTOKENS");
    if (!any && !internal && !str_eqz(type, "EXTERNAL"))
        return cdi_fail(c, 400,
                        "Field name 'userIdType' should be one of 'SUPERTOKENS', 'EXTERNAL' or "
                        "'ANY'");
    enum err err = ERR_NOTFOUND;
    if (any || internal)
        err = find(c, tx, &STMT_by_internal, id, out);
    if (err == ERR_NOTFOUND && !internal)
        err = find(c, tx, &STMT_by_external, id, out);
    return err;
}

static enum err refuse_used(struct cdi_call *c, struct store_tx *tx, struct str id, bool renames)
{
    for (size_t i = 0; i < user__recipe_count; i++) {
        const struct user_recipe *r = &user__recipes[i];
        bool used = false;
        enum err err = renames && r->rename ? ERR_OK : r->uses(c, tx, id, &used);
        if (err != ERR_OK)
            return err;
        if (used)
            return cdi_fail(c, 400, "UserId is already in use in %s recipe", r->name);
    }
    return ERR_OK;
}

static enum err rename_in_recipes(struct cdi_call *c, struct store_tx *tx, struct str id,
                                  struct str to)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < user__recipe_count && err == ERR_OK; i++)
        if (user__recipes[i].rename)
            err = user__recipes[i].rename(c, tx, id, to);
    return err;
}

static enum err answer(struct cdi_call *c, const char *status, const char *a, bool is_a,
                       const char *b, bool is_b)
{
    struct json *o = cdi_reply(c, status);
    enum err err = o ? json_set(c->arena, o, str_c(a), json_new_bool(c->arena, is_a)) : ERR_NOMEM;
    if (err == ERR_OK && b)
        err = json_set(c->arena, o, str_c(b), json_new_bool(c->arena, is_b));
    return err ? err : cdi_ok(c, o);
}

/* --- the calls ----------------------------------------------------------------------------------
 */
static enum err is_user(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out)
{
    struct store_value v;
    enum err err = cdi_row(c, tx, &STMT_is_user, ARGS(STORE_S(c->app), STORE_S(id)), &v, 1);
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static enum err insert(struct cdi_call *c, struct store_tx *tx, struct str internal,
                       struct str external, struct store_value info)
{
    bool taken = false;
    enum err err = ERR_OK;
    if (!cdi_bool(c, "force", false)) {
        err = is_user(c, tx, external, &taken);
        if (err == ERR_OK && taken)
            return cdi_fail(c, 400,
                            "Cannot create a userId mapping where the externalId is also a "
                            "SuperTokens userID");
        err = err ? err : refuse_used(c, tx, internal, true);
    }
    err = err ? err : rename_in_recipes(c, tx, internal, external);
    err = err ? err
              : store_run(tx, &STMT_insert,
                          ARGS(STORE_S(c->app), STORE_S(internal), STORE_S(external), info), NULL,
                          NULL);
    return err ? err : cdi_status(c, "OK");
}

static enum err map_user(struct cdi_call *c, struct store_tx *tx)
{
    struct str internal, external;
    struct store_value info;
    struct mapping of_internal, of_external;
    bool known;
    enum err err = read_id(c, "superTokensUserId", &internal);
    err = err ? err : read_id(c, "externalUserId", &external);
    err = err ? err : read_info(c, &info);
    err = err ? err : is_user(c, tx, internal, &known);
    if (err != ERR_OK)
        return err;
    if (!known)
        return cdi_status(c, "UNKNOWN_SUPERTOKENS_USER_ID_ERROR");
    enum err a = find(c, tx, &STMT_by_internal, internal, &of_internal);
    enum err b = find(c, tx, &STMT_by_external, external, &of_external);
    if ((a != ERR_OK && a != ERR_NOTFOUND) || (b != ERR_OK && b != ERR_NOTFOUND))
        return a != ERR_OK && a != ERR_NOTFOUND ? a : b;
    if (a == ERR_OK || b == ERR_OK)
        return answer(c, "USER_ID_MAPPING_ALREADY_EXISTS_ERROR", "doesSuperTokensUserIdExist",
                      a == ERR_OK, "doesExternalUserIdExist", b == ERR_OK);
    return insert(c, tx, internal, external, info);
}

static enum err get_mapping(struct cdi_call *c, struct store_tx *tx)
{
    struct str id;
    struct mapping m = {0};
    enum err err = read_id(c, "userId", &id);
    err = err ? err : find_any(c, tx, id, &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_MAPPING_ERROR");
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    if (err == ERR_OK && o == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("superTokensUserId"), json_new_str(c->arena, m.internal));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("externalUserId"), json_new_str(c->arena, m.external));
    if (err == ERR_OK && m.info.type == STORE_TEXT)
        err = json_set(c->arena, o, STR("externalUserIdInfo"), json_new_str(c->arena, m.info.s));
    return err ? err : cdi_ok(c, o);
}

static enum err unmap_user(struct cdi_call *c, struct store_tx *tx)
{
    struct str id;
    struct mapping m = {0};
    enum err err = read_id(c, "userId", &id);
    err = err ? err : find_any(c, tx, id, &m);
    if (err == ERR_NOTFOUND)
        return answer(c, "OK", "didMappingExist", false, NULL, false);
    if (err == ERR_OK && !cdi_bool(c, "force", false))
        err = refuse_used(c, tx, m.external, true);
    err = err ? err : rename_in_recipes(c, tx, m.external, m.internal);
    err = err ? err
              : store_run(tx, &STMT_delete, ARGS(STORE_S(c->app), STORE_S(m.internal)), NULL, NULL);
    return err ? err : answer(c, "OK", "didMappingExist", true, NULL, false);
}

static enum err set_info(struct cdi_call *c, struct store_tx *tx)
{
    struct str id;
    struct mapping m = {0};
    struct store_value info;
    enum err err = read_id(c, "userId", &id);
    err = err ? err : read_info(c, &info);
    err = err ? err : find_any(c, tx, id, &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_MAPPING_ERROR");
    err = err ? err
              : store_run(tx, &STMT_info, ARGS(info, STORE_S(c->app), STORE_S(m.internal)), NULL,
                          NULL);
    return err ? err : cdi_status(c, "OK");
}

#define MAP "/recipe/userid/map"
static const struct cdi_op ops[] = {
    {HTTP_POST,
     MAP,
     CDI_APP,
     0,
     "superTokensUserId:s externalUserId:s externalUserIdInfo:v? force:b?",
     {{CDI_WRITE, map_user}},
     NULL},
    {HTTP_GET, MAP, CDI_APP, 0, "userId:s userIdType:s?", {{CDI_READ, get_mapping}}, NULL},
    {HTTP_POST,
     MAP "/remove",
     CDI_APP,
     0,
     "userId:s userIdType:s? force:b?",
     {{CDI_WRITE, unmap_user}},
     NULL},
    {HTTP_PUT,
     "/recipe/userid/external-user-id-info",
     CDI_APP,
     0,
     "userId:s userIdType:s? externalUserIdInfo:v?",
     {{CDI_WRITE, set_info}},
     NULL},
};
const struct cdi_table user_mapping__table = {ops, COUNTOF(ops)};
