/* SPDX-License-Identifier: Apache-2.0
 *
 * Removing a user (specs/identity-core.md 2.5): its login methods, or one of them, and with each id
 * that is nobody's any more all that the recipes keep under it. */
#include "ops_int.h"
#include "user_db_int.h"
#include "user_recipes_int.h"

static const struct stmt STMT_not_active =
    SQL("DELETE FROM user_active WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_unmap =
    SQL("DELETE FROM user_mapping WHERE app_id = $1 AND user_id = $2");

enum err user__forget_method(struct cdi_call *c, struct store_tx *tx, struct str id)
{
    return store_run(tx, &STMT_not_active, ARGS(STORE_S(c->app), STORE_S(id)), NULL, NULL);
}

/* Under the id that the app knows, and under the internal one. */
static enum err forget_id(struct cdi_call *c, struct store_tx *tx, struct str shown,
                          struct str internal)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < user__recipe_count && err == ERR_OK; i++)
        err = user__recipes[i].forget(c, tx, shown);
    for (size_t i = 0; i < user__method_forgetter_count && err == ERR_OK; i++)
        err = user__method_forgetters[i](c, tx, internal);
    if (err == ERR_OK && !str_eq(shown, internal))
        err = user__forget_method(c, tx, shown);
    return err ? err
               : store_run(tx, &STMT_unmap, ARGS(STORE_S(c->app), STORE_S(internal)), NULL, NULL);
}

/* Others go on under its id: what the app keeps of them stays, what was signed in with it ends. */
static enum err forget_way_in(struct cdi_call *c, struct store_tx *tx, const struct login_method *m)
{
    enum err err = session__forget_user(c, tx, user_shown_method_id(m));
    for (size_t i = 0; i < user__method_forgetter_count && err == ERR_OK; i++)
        err = user__method_forgetters[i](c, tx, m->recipe_user_id);
    return err;
}

enum err user__remove_method(struct cdi_call *c, struct store_tx *tx, const struct user *u,
                             const struct login_method *m, size_t left)
{
    bool names_user = str_eq(m->recipe_user_id, u->id);
    enum err err = user__delete_method(c, tx, m);
    if (err == ERR_OK && names_user && left > 0)
        err = forget_way_in(c, tx, m);
    else if (err == ERR_OK)
        err = forget_id(c, tx, user_shown_method_id(m), m->recipe_user_id);
    if (err == ERR_OK && !names_user && left == 0)
        err = forget_id(c, tx, user_shown_id(u), u->id);
    return err;
}

static enum err remove_user(struct cdi_call *c, struct store_tx *tx)
{
    struct str id = cdi_str(c, "userId");
    bool all = cdi_bool(c, "removeAllLinkedAccounts", true);
    struct user *u;
    enum err err = user__lock_linking(c, tx);
    if (err == ERR_OK)
        err = user_load(c, tx, id, &u);
    if (err == ERR_NOTFOUND) { /* of a user that is kept elsewhere */
        err = forget_id(c, tx, id, id);
        return err ? err : cdi_status(c, "OK");
    }
    if (err != ERR_OK)
        return err;
    size_t left = u->n;
    for (size_t i = 0; i < u->n && err == ERR_OK; i++)
        if (all || user_is_method(&u->methods[i], id))
            err = user__remove_method(c, tx, u, &u->methods[i], --left);
    return err ? err : cdi_status(c, "OK");
}

static const struct cdi_op ops[] = {
    {HTTP_POST,
     "/user/remove",
     CDI_APP,
     0,
     "userId:s removeAllLinkedAccounts:b?",
     {{CDI_WRITE, remove_user}},
     NULL},
};
const struct cdi_table user_remove__table = {ops, COUNTOF(ops)};
