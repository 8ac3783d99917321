/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files that own the tables of users (schema in user_db.c). */
#ifndef ROPELINE_IDENTITY_USER_DB_INT_H
#define ROPELINE_IDENTITY_USER_DB_INT_H

#include "schema_int.h"
#include "user_int.h"

/* A user by its internal id alone. ERR_NOTFOUND. */
enum err user__load_primary(struct cdi_call *c, struct store_tx *tx, struct str primary_id,
                            struct user **out) MUSTCHECK;
/* Deletes one login method; the others of its user go on. */
enum err user__delete_method(struct cdi_call *c, struct store_tx *tx,
                             const struct login_method *m) MUSTCHECK;
/* Puts a method under a primary user (its own id: alone), and says whether that is a primary user.
 * The times of both groups follow. */
enum err user__set_primary(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           struct str primary_id, bool is_primary) MUSTCHECK;
/* In a writing phase: nobody else in this app links, unlinks or changes what a primary user is
 * known by until it ends. */
enum err user__lock_linking(struct cdi_call *c, struct store_tx *tx) MUSTCHECK;
struct user_conflict {
    struct str primary_id; /* internal, of the primary user that has it already; "" = nobody */
    const char *why;       /* the core's words, static */
};
/* Whether a primary user other than `self` has account info (e-mail, phone, third party) of `self`
 * or `joining` (each may be NULL) in one of their tenants, or in `tenant` unless it is "". Whoever
 * writes by the answer holds user__lock_linking. (linking_check.c) */
enum err user__conflict(struct cdi_call *c, struct store_tx *tx, const struct user *self,
                        const struct login_method *joining, struct str tenant,
                        struct user_conflict *out) MUSTCHECK;

extern const char user_db__schema[];

#endif
