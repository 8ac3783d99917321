/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as the recipes see them: a user is one or more login methods; each method belongs to one
 * recipe and to any number of tenants of its app, and its key (e-mail, phone, provider and id) is
 * unique within a recipe and tenant. A linked method points to the primary user. */
#ifndef ROPELINE_IDENTITY_USER_INT_H
#define ROPELINE_IDENTITY_USER_INT_H

#include "cdi_int.h"

struct login_method {
    struct str recipe; /* "emailpassword", "thirdparty", "passwordless" */
    struct str recipe_user_id;
    struct str user_id; /* of the user that it belongs to: its own, or the primary user's */
    bool is_primary;    /* whether that user is a primary user */
    struct str email, phone, third_party_id, third_party_user_id; /* "" = none */
    struct str password_hash;
    int64_t time_joined_ms;
    bool verified;
    const struct str *tenants;
    size_t tenant_count;
};
struct user {
    struct str id;
    bool is_primary;
    int64_t time_joined_ms;       /* the earliest of its methods */
    struct login_method *methods; /* oldest first */
    size_t n;
};

/* Makes a user of one method in the call's tenant. m->recipe_user_id is made when it is "".
 * ERR_EXISTS: the key is taken in this tenant. */
enum err user_create(struct cdi_call *c, struct store_tx *tx, struct login_method *m) MUSTCHECK;
/* By its own id, the id of a method, or the external id of either. ERR_NOTFOUND. */
enum err user_load(struct cdi_call *c, struct store_tx *tx, struct str id,
                   struct user **out) MUSTCHECK;
/* The method with this key in the call's tenant. For thirdparty `key` is user_third_party_key.
 * ERR_NOTFOUND. */
enum err user_find(struct cdi_call *c, struct store_tx *tx, struct str recipe, struct str key,
                   struct login_method *out) MUSTCHECK;
struct str user_third_party_key(struct arena *a, struct str provider, struct str id);
/* One method of a user by its id (or its external id). ERR_NOTFOUND. */
enum err user_method(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                     struct login_method *out) MUSTCHECK;
/* Changes the e-mail (and so the key) of a method in all its tenants. ERR_EXISTS: taken in one. */
enum err user_set_email(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str email) MUSTCHECK;
enum err user_set_phone(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                        struct str phone) MUSTCHECK;
enum err user_set_password(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                           struct str hash) MUSTCHECK;
/* The object of specs/identity-core.md 2.4, ids as the app knows them (external when mapped);
 * NULL = no memory. user_load has filled in the external ids already. */
struct json *user_json(struct cdi_call *c, const struct user *u);
/* {"status":"OK","user":...,"recipeUserId":...} + members that the caller sets. */
struct json *user_reply(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id);
/* Internal id of what may be an external one; `id` itself when there is no mapping. */
enum err user_internal_id(struct cdi_call *c, struct store_tx *tx, struct str id,
                          struct str *out) MUSTCHECK;
enum err user_external_id(struct cdi_call *c, struct store_tx *tx, struct str id,
                          struct str *out) MUSTCHECK;
/* Trimmed and in its one normal form (lower case); "" when it is not UTF-8 or has control bytes. */
struct str user_normal_email(struct arena *a, struct str email);

#endif
