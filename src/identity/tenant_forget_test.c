/* SPDX-License-Identifier: Apache-2.0
 *
 * No table with rows of apps is left out when an app or a tenant is removed. */
#include "lib/fault.h"
#include "tenant_int.h"

static const struct tenant_table *find(struct str name)
{
    for (size_t i = 0; i < tenant__table_count; i++)
        if (str_eqz(name, tenant__tables[i].name))
            return &tenant__tables[i];
    return NULL;
}

/* `text` begins behind CREATE TABLE. */
static void check_table(struct str text)
{
    size_t end = str_find(text, STR("CREATE "));
    struct str name = str_sub(text, 0, str_chr(text, ' ', 0));
    struct str body = str_sub(text, 0, end == SIZE_MAX ? text.n : end);
    const struct tenant_table *t = find(name);
    if (str_eqz(name, "change") || str_find(body, STR("app_id ")) == SIZE_MAX)
        return;
    if (t == NULL)
        fail_msg("%.*s: give it a row in tenant_forget.c", STR_ARG(name));
    if (str_find(body, STR("tenant_id TEXT")) != SIZE_MAX && t->of_tenant.sql == NULL)
        fail_msg("%.*s: its row in tenant_forget.c must be TENANT_ROWS", STR_ARG(name));
}

static void each_table_of_apps_has_a_row(void **state)
{
    (void)state;
    size_t tables = 0;
    for (size_t i = 0; i < identity__migration_count; i++) {
        struct str text = str_c(identity__migrations[i].sql), create = STR("CREATE TABLE ");
        for (size_t at; (at = str_find(text, create)) != SIZE_MAX; tables++) {
            text = str_from(text, at + create.n);
            check_table(text);
        }
    }
    assert_true(tables > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_table_of_apps_has_a_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
