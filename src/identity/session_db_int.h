/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions in the store: the table session_info, and what may be done to a row in a transaction.
 * A user is kept under the id that its app knows. A row whose time has passed is absent everywhere,
 * also before the job that deletes it has come. */
#ifndef ROPELINE_IDENTITY_SESSION_DB_INT_H
#define ROPELINE_IDENTITY_SESSION_DB_INT_H

#include "cdi_int.h"
#include "session_int.h"

extern const char session_db__schema[];

/* A fresh handle for the call's tenant: nobody can guess it (122 random bits). NONE = no memory. */
struct str session__new_handle(struct cdi_call *c);
enum err session__insert(struct cdi_call *c, struct store_tx *tx,
                         const struct session_row *row) MUSTCHECK;
/* A session of the call's app, in whichever tenant. `locks`: nobody else changes it until the
 * transaction ends. ERR_NOTFOUND: there is none, or its time has passed. */
enum err session__load(struct cdi_call *c, struct store_tx *tx, struct str handle, bool locks,
                       struct session_row *out) MUSTCHECK;
/* What session_apply changed, and static_key. */
enum err session__save(struct cdi_call *c, struct store_tx *tx,
                       const struct session_row *row) MUSTCHECK;
/* ERR_NOTFOUND, as session__load. */
enum err session__set_data(struct cdi_call *c, struct store_tx *tx, struct str handle,
                           struct str data) MUSTCHECK;
enum err session__set_payload(struct cdi_call *c, struct store_tx *tx, struct str handle,
                              struct str payload) MUSTCHECK;
/* The handles of a user (one id) in a tenant, or in all with STR_NONE: appended to `out`. */
enum err session__handles(struct cdi_call *c, struct store_tx *tx, struct str user,
                          struct str tenant, struct json *out) MUSTCHECK;
/* Ends a session, and tells all who must know. `*was`: there was one. */
enum err session__revoke(struct cdi_call *c, struct store_tx *tx, struct str handle,
                         bool *was) MUSTCHECK;
/* The same for all of a user (one id) in a tenant, or in all with STR_NONE; their handles are
 * appended to `out` (may be NULL). */
enum err session__revoke_user(struct cdi_call *c, struct store_tx *tx, struct str user,
                              struct str tenant, struct json *out) MUSTCHECK;
/* For user_recipes.c. */
enum err session__forget_user(struct cdi_call *c, struct store_tx *tx, struct str user) MUSTCHECK;
enum err session__uses_user(struct cdi_call *c, struct store_tx *tx, struct str user,
                            bool *out) MUSTCHECK;
enum err session__rename_user(struct cdi_call *c, struct store_tx *tx, struct str user,
                              struct str to) MUSTCHECK;
/* Deletes up to SESSION_PURGE rows of any app whose time has passed at `now_ms`; *more: there may
 * be more of them. */
#define SESSION_PURGE 1000
enum err session__purge(struct store_tx *tx, int64_t now_ms, bool *more) MUSTCHECK;

#endif
