/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions behind the rows of user_recipes.c, by the files that own the tables. */
#ifndef ROPELINE_IDENTITY_USER_RECIPES_INT_H
#define ROPELINE_IDENTITY_USER_RECIPES_INT_H

#include "emailpassword_int.h"
#include "session_db_int.h"
#include "totp_int.h"
#include "user_int.h"

/* --- metadata.c ---------------------------------------------------------------------------------
 */
enum err metadata__forget_user(struct cdi_call *c, struct store_tx *tx, struct str id) MUSTCHECK;
enum err metadata__uses_user(struct cdi_call *c, struct store_tx *tx, struct str id,
                             bool *out) MUSTCHECK;
/* --- roles.c ------------------------------------------------------------------------------------
 */
enum err roles__forget_user(struct cdi_call *c, struct store_tx *tx, struct str id) MUSTCHECK;
enum err roles__uses_user(struct cdi_call *c, struct store_tx *tx, struct str id,
                          bool *out) MUSTCHECK;
/* --- user_remove.c ------------------------------------------------------------------------------
 */
/* That it was active, under its internal id or the one that the app knew. */
enum err user__forget_method(struct cdi_call *c, struct store_tx *tx, struct str id) MUSTCHECK;
/* Deletes one login method of a user and all that was kept under its id. `left`: how many methods
 * the user still has; the id of a primary user goes with the last one. */
enum err user__remove_method(struct cdi_call *c, struct store_tx *tx, const struct user *u,
                             const struct login_method *m, size_t left) MUSTCHECK;

#endif
