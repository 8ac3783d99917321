/* SPDX-License-Identifier: Apache-2.0
 *
 * What the recipes of passwords and of verified e-mails do for the others. */
#ifndef ROPELINE_IDENTITY_EMAILPASSWORD_INT_H
#define ROPELINE_IDENTITY_EMAILPASSWORD_INT_H

#include "user_int.h"

/* For user__method_forgetters: the reset tokens of a method. */
enum err emailpassword__forget(struct cdi_call *c, struct store_tx *tx,
                               struct str recipe_user_id) MUSTCHECK;

/* An e-mail of a user (its id as the app knows it) counts as verified, or no more. */
enum err email_set_verified(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                            struct str email, bool verified) MUSTCHECK;
/* For the row of e-mail verification in user__recipes. */
enum err email_verification__forget(struct cdi_call *c, struct store_tx *tx,
                                    struct str shown_id) MUSTCHECK;
enum err email_verification__uses(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                                  bool *out) MUSTCHECK;
enum err email_verification__rename(struct cdi_call *c, struct store_tx *tx, struct str shown_id,
                                    struct str to) MUSTCHECK;

#endif
