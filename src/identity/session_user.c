/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a session is. It is kept under the id of the login method that opened it, as the app knows
 * that id; the user behind it, which linking may change, is looked up anew each time. */
#include "session_ops_int.h"
#include "user_int.h"

/* An id of no user is fine: the app may keep its users elsewhere. */
static enum err find(struct cdi_call *c, struct store_tx *tx, struct str id, struct user **out)
{
    enum err err = user_load(c, tx, id, out);
    if (err == ERR_NOTFOUND)
        *out = NULL;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err session__user(struct cdi_call *c, struct store_tx *tx, struct str id, struct str *recipe,
                       struct str *primary)
{
    struct user *u = NULL;
    enum err err = find(c, tx, id, &u);
    *recipe = *primary = id;
    if (err != ERR_OK || u == NULL)
        return err;
    *primary = user_shown_id(u);
    for (size_t i = 0; i < u->n; i++)
        if (user_is_method(&u->methods[i], id))
            *recipe = user_shown_method_id(&u->methods[i]);
    return ERR_OK;
}

enum err session__accounts(struct cdi_call *c, struct store_tx *tx, struct str id, bool linked,
                           struct json **out)
{
    struct user *u = NULL;
    enum err err = find(c, tx, id, &u);
    if (err != ERR_OK)
        return err;
    *out = json_new_array(c->arena, u ? u->n : 1);
    if (*out == NULL)
        return ERR_NOMEM;
    bool found = false;
    for (size_t i = 0; u && err == ERR_OK && i < u->n; i++) {
        if (!linked && !user_is_method(&u->methods[i], id))
            continue;
        found |= user_is_method(&u->methods[i], id);
        err =
            json_push(c->arena, *out, json_new_str(c->arena, user_shown_method_id(&u->methods[i])));
    }
    if (err == ERR_OK && !found) /* of nobody, or of a primary user whose own method is gone */
        err = json_push(c->arena, *out, json_new_str(c->arena, u ? user_shown_id(u) : id));
    return err;
}
