/* SPDX-License-Identifier: Apache-2.0
 *
 * Account linking (specs/identity-core.md 2.11): a user becomes a primary user, and others' login
 * methods come under its id. Invariant: who is known by what (linking_check.c) is judged and
 * written in one turn of the app's lock. */
#include "ops_int.h"
#include "user_db_int.h"
#include "user_recipes_int.h"

/* --- answers ------------------------------------------------------------------------------------
 */
static enum err unknown(struct cdi_call *c)
{
    return cdi_fail(c, 400, "Unknown user ID provided");
}

/* {"status":"OK",name:value,"user":...}; the user as it is now, unless it is NULL. */
static enum err answer(struct cdi_call *c, struct store_tx *tx, const char *name, bool value,
                       const struct user *of)
{
    struct json *o = cdi_reply(c, "OK");
    struct user *u = NULL;
    enum err err =
        o ? json_set(c->arena, o, str_c(name), json_new_bool(c->arena, value)) : ERR_NOMEM;
    if (err == ERR_OK && of)
        err = user__load_primary(c, tx, of->id, &u);
    if (err == ERR_OK && of)
        err = json_set(c->arena, o, STR("user"), user_json(c, u));
    return err ? err : cdi_ok(c, o);
}

/* Another user is in the way: `shown` as the app knows it, `user` unless it is NULL. */
static enum err refuse(struct cdi_call *c, const char *status, struct str shown, const char *why,
                       const struct user *user)
{
    struct json *o = cdi_reply(c, status);
    enum err err =
        o ? json_set(c->arena, o, STR("primaryUserId"), json_new_str(c->arena, shown)) : ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("description"), json_new_str(c->arena, str_c(why)));
    if (err == ERR_OK && user)
        err = json_set(c->arena, o, STR("user"), user_json(c, user));
    return err ? err : cdi_ok(c, o);
}

/* Answers unless nobody else has what `self` and `joining` are known by. */
static enum err check_known_by(struct cdi_call *c, struct store_tx *tx, const struct user *self,
                               const struct login_method *joining)
{
    struct user_conflict conflict;
    struct str shown;
    enum err err = user__conflict(c, tx, self, joining, STR_NONE, &conflict);
    if (err != ERR_OK || conflict.primary_id.n == 0)
        return err;
    err = user_external_id(c, tx, conflict.primary_id, &shown);
    return err ? err
               : refuse(c, "ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR",
                        shown, conflict.why, NULL);
}

static bool is_id_of(const struct user *u, struct str id)
{
    return str_eq(u->id, id) || str_eq(u->external_id, id);
}

/* --- primary users ------------------------------------------------------------------------------
 */
/* Answers unless the user may become one: *out. */
static enum err judge_primary(struct cdi_call *c, struct store_tx *tx, bool show, struct user **out)
{
    struct str id = cdi_str(c, "recipeUserId");
    enum err err = user_load(c, tx, id, out);
    if (err == ERR_NOTFOUND)
        return unknown(c);
    if (err != ERR_OK)
        return err;
    if (!(*out)->is_primary)
        return check_known_by(c, tx, *out, NULL);
    if (!is_id_of(*out, id))
        return refuse(c, "RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR",
                      user_shown_id(*out), "This user ID is already linked to another user ID",
                      NULL);
    return answer(c, tx, "wasAlreadyAPrimaryUser", true, show ? *out : NULL);
}

static enum err can_be_primary(struct cdi_call *c, struct store_tx *tx)
{
    struct user *u;
    enum err err = judge_primary(c, tx, false, &u);
    if (err != ERR_OK || c->answered)
        return err;
    return answer(c, tx, "wasAlreadyAPrimaryUser", false, NULL);
}

static enum err make_primary(struct cdi_call *c, struct store_tx *tx)
{
    struct user *u;
    enum err err = user__lock_linking(c, tx);
    if (err == ERR_OK)
        err = judge_primary(c, tx, true, &u);
    if (err != ERR_OK || c->answered)
        return err;
    err = user__set_primary(c, tx, &u->methods[0], u->id, true);
    return err ? err : answer(c, tx, "wasAlreadyAPrimaryUser", false, u);
}

/* --- links --------------------------------------------------------------------------------------
 */
struct pair {
    struct user *primary, *joining;
};

/* Answers unless the two may be linked. */
static enum err judge_link(struct cdi_call *c, struct store_tx *tx, bool show, struct pair *out)
{
    enum err err = user_load(c, tx, cdi_str(c, "primaryUserId"), &out->primary);
    if (err == ERR_NOTFOUND)
        return unknown(c);
    if (err == ERR_OK && !out->primary->is_primary)
        return cdi_status(c, "INPUT_USER_IS_NOT_A_PRIMARY_USER");
    if (err == ERR_OK)
        err = user_load(c, tx, cdi_str(c, "recipeUserId"), &out->joining);
    if (err == ERR_NOTFOUND)
        return unknown(c);
    if (err != ERR_OK)
        return err;
    if (!out->joining->is_primary) /* so it has one method */
        return check_known_by(c, tx, out->primary, &out->joining->methods[0]);
    if (str_eq(out->joining->id, out->primary->id))
        return answer(c, tx, "accountsAlreadyLinked", true, show ? out->primary : NULL);
    return refuse(c, "RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR",
                  user_shown_id(out->joining),
                  "The input recipe user ID is already linked to another user ID",
                  show ? out->joining : NULL);
}

static enum err can_link(struct cdi_call *c, struct store_tx *tx)
{
    struct pair p;
    enum err err = judge_link(c, tx, false, &p);
    if (err != ERR_OK || c->answered)
        return err;
    return answer(c, tx, "accountsAlreadyLinked", false, NULL);
}

/* Whoever is signed in with it signs in again: its tokens name another user from now on. */
static enum err end_sessions(struct cdi_call *c, struct store_tx *tx, const struct login_method *m)
{
    return session__forget_user(c, tx, user_shown_method_id(m));
}

static enum err link_users(struct cdi_call *c, struct store_tx *tx)
{
    struct pair p;
    enum err err = user__lock_linking(c, tx);
    if (err == ERR_OK)
        err = judge_link(c, tx, true, &p);
    if (err != ERR_OK || c->answered)
        return err;
    if (p.primary->n >= LIMIT_LOGIN_METHODS)
        return cdi_fail(c, 400, "a user cannot have more than %d login methods",
                        LIMIT_LOGIN_METHODS);
    const struct login_method *m = &p.joining->methods[0];
    err = user__set_primary(c, tx, m, p.primary->id, true);
    if (err == ERR_OK)
        err = end_sessions(c, tx, m);
    /* Active is the user that it belongs to. */
    if (err == ERR_OK)
        err = user__forget_method(c, tx, m->recipe_user_id);
    if (err == ERR_OK)
        err = user__forget_method(c, tx, user_shown_method_id(m));
    return err ? err : answer(c, tx, "accountsAlreadyLinked", false, p.primary);
}

/* --- unlinking ----------------------------------------------------------------------------------
 */
static enum err answer_unlinked(struct cdi_call *c, bool deleted, bool was_linked)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err =
        o ? json_set(c->arena, o, STR("wasRecipeUserDeleted"), json_new_bool(c->arena, deleted))
          : ERR_NOMEM;
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("wasLinked"), json_new_bool(c->arena, was_linked));
    return err ? err : cdi_ok(c, o);
}

static enum err unlink_user(struct cdi_call *c, struct store_tx *tx)
{
    struct str id = cdi_str(c, "recipeUserId");
    struct login_method m;
    struct user *u = NULL;
    enum err err = user__lock_linking(c, tx);
    if (err == ERR_OK)
        err = user_method(c, tx, id, &m);
    if (err == ERR_NOTFOUND)
        return unknown(c);
    if (err == ERR_OK && !m.is_primary)
        return answer_unlinked(c, false, false);
    if (err == ERR_OK)
        err = user__load_primary(c, tx, m.user_id, &u);
    if (err != ERR_OK)
        return err;
    /* Two users of one id cannot be: the method whose id the others go by is deleted. */
    bool deleted = str_eq(m.recipe_user_id, u->id) && u->n > 1;
    err = deleted ? user__remove_method(c, tx, u, &m, u->n - 1)
                  : user__set_primary(c, tx, &m, m.recipe_user_id, false);
    if (err == ERR_OK)
        err = end_sessions(c, tx, &m);
    return err ? err : answer_unlinked(c, deleted, true);
}

#define USER "/recipe/accountlinking/user"
#define LINK "recipeUserId:s primaryUserId:s"
static const struct cdi_op ops[] = {
    {HTTP_GET,
     USER "/primary/check",
     CDI_APP,
     0,
     "recipeUserId:s",
     {{CDI_READ, can_be_primary}},
     NULL},
    {HTTP_POST, USER "/primary", CDI_APP, 0, "recipeUserId:s", {{CDI_WRITE, make_primary}}, NULL},
    {HTTP_GET, USER "/link/check", CDI_APP, 0, LINK, {{CDI_READ, can_link}}, NULL},
    {HTTP_POST, USER "/link", CDI_APP, 0, LINK, {{CDI_WRITE, link_users}}, NULL},
    {HTTP_POST, USER "/unlink", CDI_APP, 0, "recipeUserId:s", {{CDI_WRITE, unlink_user}}, NULL},
};
const struct cdi_table linking__table = {ops, COUNTOF(ops)};
