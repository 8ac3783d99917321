/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as the recipes see them: a user is one or more login methods; each method belongs to one
 * recipe and to any number of tenants of its app, and its key (e-mail, phone, provider and id) is
 * unique within a recipe and tenant. A linked method points to the primary user.
 * Ids: a login method and a user have an internal id (UUID), and an external one when the app has
 * mapped it. The app knows the external one; sessions, roles, metadata, e-mail verification and
 * TOTP are kept under what the app knows, login methods and reset tokens under the internal id. */
#ifndef ROPELINE_IDENTITY_USER_INT_H
#define ROPELINE_IDENTITY_USER_INT_H

#include "cdi_int.h"

struct login_method {
    struct str recipe;         /* "emailpassword", "thirdparty", "passwordless" */
    struct str recipe_user_id; /* internal */
    struct str user_id;        /* internal, of the user that it belongs to: its own, or the primary
                                  user's */
    struct str external_id;    /* of recipe_user_id; "" = not mapped */
    struct str external_user_id; /* of user_id; "" = not mapped */
    bool is_primary;             /* whether that user is a primary user */
    struct str email, phone, third_party_id, third_party_user_id; /* "" = none */
    struct str password_hash;
    int64_t time_joined_ms;
    bool verified;
    const struct str *tenants; /* sorted */
    size_t tenant_count;
};
struct user {
    struct str id;          /* internal */
    struct str external_id; /* "" = not mapped */
    bool is_primary;
    int64_t time_joined_ms;       /* the earliest of its methods */
    struct login_method *methods; /* oldest first */
    size_t n;
};

/* As the app knows them. */
struct str user_shown_id(const struct user *u);
struct str user_shown_method_id(const struct login_method *m);
/* Whether `id` is the method's own, or what the app calls it. */
bool user_is_method(const struct login_method *m, struct str id);

/* --- finding (user_db.c) ------------------------------------------------------------------------
 */
/* By its own id, the id of a method, or the external id of either; an internal id goes before an
 * external one. ERR_NOTFOUND. */
enum err user_load(struct cdi_call *c, struct store_tx *tx, struct str id,
                   struct user **out) MUSTCHECK;
/* The method with this key in the call's tenant: e-mail, phone, or user_third_party_key.
 * ERR_NOTFOUND. */
enum err user_find(struct cdi_call *c, struct store_tx *tx, struct str recipe, struct str key,
                   struct login_method *out) MUSTCHECK;
struct str user_third_party_key(struct arena *a, struct str provider, struct str id);
/* One method of a user by its id (or its external id). ERR_NOTFOUND. */
enum err user_method(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                     struct login_method *out) MUSTCHECK;
/* Internal id of what may be an external one; `id` itself when there is no mapping. */
enum err user_internal_id(struct cdi_call *c, struct store_tx *tx, struct str id,
                          struct str *out) MUSTCHECK;
enum err user_external_id(struct cdi_call *c, struct store_tx *tx, struct str id,
                          struct str *out) MUSTCHECK;

/* --- changing (user_write.c); all of them take internal ids --------------------------------------
 */
/* Makes a user of one method in the call's tenant. m->recipe_user_id is made when it is "",
 * m->time_joined_ms is now when it is 0; m->user_id and tenants are filled in. ERR_EXISTS: the key
 * is taken in this tenant. */
enum err user_create(struct cdi_call *c, struct store_tx *tx, struct login_method *m) MUSTCHECK;
/* Changes the e-mail (and so the key) of a method in all its tenants, "" takes it away. ERR_EXISTS:
 * taken in one of them. ERR_DENIED: the method is of a primary user, and another primary user of
 * one of its tenants has this e-mail (EMAIL_CHANGE_NOT_ALLOWED_ERROR). Nothing is written then. */
enum err user_set_email(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str email) MUSTCHECK;
enum err user_set_phone(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str phone) MUSTCHECK;
enum err user_set_password(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                           struct str hash) MUSTCHECK;
/* The same unless it is no longer `old`. */
enum err user_swap_password(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                            struct str old, struct str hash) MUSTCHECK;
/* Lets a method into one more tenant of its app, or out. `*was`: it was in there already.
 * ERR_EXISTS: its key is taken there. ERR_DENIED: another primary user there has account info of
 * its user (ASSOCIATION_NOT_ALLOWED_ERROR); `why` (static) says which. */
enum err user_join_tenant(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                          struct str tenant, bool *was, const char **why) MUSTCHECK;
enum err user_leave_tenant(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str tenant, bool *was) MUSTCHECK;
/* Signed in or refreshed a session: counts as active from now. `id` as the app knows it. */
enum err user_seen(struct cdi_call *c, struct store_tx *tx, struct str id) MUSTCHECK;

/* --- as JSON (user.c)
 * -----------------------------------------------------------------------------
 */
/* The object of specs/identity-core.md 2.4, ids as the app knows them; NULL = no memory. */
struct json *user_json(struct cdi_call *c, const struct user *u);
/* {"status":"OK","user":...,"recipeUserId":...} + members that the caller sets; by any id of the
 * method. */
enum err user_reply(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                    struct json **out) MUSTCHECK;
/* Trimmed and in its one normal form (lower case: Latin, Greek, Cyrillic, Armenian). *out is ""
 * when it is not UTF-8, has control bytes or is longer than LIMIT_EMAIL. ERR_NOMEM. */
enum err user_normal_email(struct arena *a, struct str email, struct str *out) MUSTCHECK;
/* Trimmed, without the blanks, hyphens, dots and brackets that people write into "+49 (30) 1234".
 */
enum err user_normal_phone(struct arena *a, struct str phone, struct str *out) MUSTCHECK;

/* --- what other recipes keep of a user (user_recipes.c)
 * -------------------------------------------
 */
/* One row for each recipe that has tables of users, in the order in which "UserId is already in
 * use" names them. */
struct user_recipe {
    const char *name; /* "UserMetadata" */
    /* Deletes all it has of `id`, as the app knows it, in all tenants of the call's app. */
    enum err (*forget)(struct cdi_call *c, struct store_tx *tx, struct str id);
    enum err (*uses)(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out);
    /* A mapping does not fail because of this recipe alone: it takes the new id. NULL = it does. */
    enum err (*rename)(struct cdi_call *c, struct store_tx *tx, struct str id, struct str to);
};
extern const struct user_recipe user__recipes[];
extern const size_t user__recipe_count;
/* What is kept under the internal id of a method alone (password reset tokens): the same. */
extern enum err (*const user__method_forgetters[])(struct cdi_call *c, struct store_tx *tx,
                                                   struct str recipe_user_id);
extern const size_t user__method_forgetter_count;

#endif
