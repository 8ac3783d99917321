/* SPDX-License-Identifier: Apache-2.0
 *
 * What the recipes keep of a user: one row for each that has such tables. Invariant: a user that is
 * removed leaves nothing behind in any of them. */
#include "user_recipes_int.h"

const struct user_recipe user__recipes[] = {
    {"UserMetadata", metadata__forget_user, metadata__uses_user, NULL},
    {"UserRoles", roles__forget_user, roles__uses_user, NULL},
    {"Session", session__forget_user, session__uses_user, session__rename_user},
    {"EmailVerification", email_verification__forget, email_verification__uses,
     email_verification__rename},
    {"TOTP", totp__forget, totp__uses, NULL},
};
const size_t user__recipe_count = COUNTOF(user__recipes);

enum err (*const user__method_forgetters[])(struct cdi_call *c, struct store_tx *tx,
                                            struct str recipe_user_id) = {
    user__forget_method,
    emailpassword__forget,
};
const size_t user__method_forgetter_count = COUNTOF(user__method_forgetters);
