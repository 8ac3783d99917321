/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbered steps of the identity tables: one row for each file that owns some, appended only.
 */
#include "schema_int.h"

#include "change_int.h"
#include "keys_int.h"
#include "session_db_int.h"
#include "tenant_int.h"
#include "user_db_int.h"

const struct migration identity__migrations[] = {
    {tenant__schema},          {change__schema},  {user_db__schema},
    {tenant_provider__schema}, {keys_db__schema},
};
const size_t identity__migration_count = COUNTOF(identity__migrations);
