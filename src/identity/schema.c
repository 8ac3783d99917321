/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbered steps of the identity tables: one row for each file that owns some, appended only.
 */
#include "schema_int.h"

#include "change_int.h"
#include "dashboard_int.h"
#include "identity/identity.h"
#include "keys_int.h"
#include "metadata_int.h"
#include "one_time_int.h"
#include "passwordless_int.h"
#include "roles_int.h"
#include "session_db_int.h"
#include "tenant_int.h"
#include "totp_int.h"
#include "user_db_int.h"

const struct migration identity__migrations[] = {
    {tenant__schema},
    {change__schema},
    {user_db__schema},
    {tenant_provider__schema},
    {keys_db__schema},
    {session_db__schema},
    {roles__schema},
    {metadata__schema},
    {one_time__schema},
    {passwordless_db__schema},
    {totp_db__schema},
    {dashboard__schema},
    {dashboard_session__schema},
};
const size_t identity__migration_count = COUNTOF(identity__migrations);

size_t identity_schema_steps(void)
{
    return identity__migration_count;
}
