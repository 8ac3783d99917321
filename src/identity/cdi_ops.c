/* SPDX-License-Identifier: Apache-2.0
 *
 * All operations of the core driver interface: one row for each recipe's table. */
#include "ops_int.h"

const struct cdi_table *const cdi__tables[] = {
    &jwt_ops__table,
    &keys_ops__table,
    &misc__table,
    &tenant_ops__table,
    &session__table,
    &session_data__table,
    &tenant_provider__table,
    &tenant_read__table,
    &tenant_user__table,
    &linking__table,
    &metadata__table,
    &roles__table,
    &user_mapping__table,
    &user_remove__table,
    &users__table,
    &emailpassword__table,
    &email_verification__table,
    &passwordless__table,
    &passwordless_user__table,
    &thirdparty__table,
    &totp__table,
    &dashboard__table,
    &dashboard_session__table,
};
const size_t cdi__table_count = COUNTOF(cdi__tables);
