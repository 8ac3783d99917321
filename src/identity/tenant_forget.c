/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes with an app or a tenant: one row for each table that has an app_id. Invariant: an app
 * that is made again under a former name finds nothing of the former one. (The table of changes
 * stays: other nodes have yet to read it.) */
#include "tenant_int.h"

#define APP_ROWS(table)                                          \
    {                                                            \
#table, SQL("DELETE FROM " #table " WHERE app_id = $1"), \
        {                                                        \
            NULL, false                                          \
        }                                                        \
    }
#define TENANT_ROWS(table)                                                     \
    {                                                                          \
#table, SQL("DELETE FROM " #table " WHERE app_id = $1"),               \
            SQL("DELETE FROM " #table " WHERE app_id = $1 AND tenant_id = $2") \
    }

const struct tenant_table tenant__tables[] = {
    TENANT_ROWS(third_party_config),
    TENANT_ROWS(login_tenant),
    APP_ROWS(login_method),
    APP_ROWS(user_mapping),
    APP_ROWS(email_verified),
    APP_ROWS(user_active),
    APP_ROWS(user_linking),
    APP_ROWS(signing_key),
    APP_ROWS(refresh_key),
    TENANT_ROWS(session_info),
    APP_ROWS(app_role),
    APP_ROWS(role_permission),
    TENANT_ROWS(user_role),
    APP_ROWS(user_metadata),
    TENANT_ROWS(one_time_token),
    TENANT_ROWS(passwordless_code),
    TENANT_ROWS(passwordless_device),
    APP_ROWS(totp_device),
    TENANT_ROWS(totp_try),
    APP_ROWS(dashboard_user),
    APP_ROWS(dashboard_session),
    TENANT_ROWS(tenant),
};
const size_t tenant__table_count = COUNTOF(tenant__tables);

enum err tenant__forget(struct store_tx *tx, struct str app, struct str tenant)
{
    const struct store_value args[] = {STORE_S(app), STORE_S(tenant)};
    bool whole_app = tenant.p == NULL;
    enum err err = ERR_OK;
    for (size_t i = 0; i < tenant__table_count && err == ERR_OK; i++) {
        const struct tenant_table *t = &tenant__tables[i];
        if (whole_app)
            err = store_run(tx, &t->of_app, args, 1, NULL, NULL);
        else if (t->of_tenant.sql)
            err = store_run(tx, &t->of_tenant, args, 2, NULL, NULL);
    }
    return err;
}
