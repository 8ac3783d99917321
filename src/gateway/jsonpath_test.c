/* SPDX-License-Identifier: Apache-2.0
 *
 * Which paths a mapping may have, and what they find. */
#include "base/limits.h"
#include "lib/fault.h"
#include "mapping_int.h"

static void only_members_and_indexes_are_paths(void **state)
{
    (void)state;
    static const char *const good[] = {"",     ".a",     ".a.b", "[0]", ".a[1].b['c d']",
                                       "['']", ".$a-b_c"};
    static const char *const bad[] = {"a",
                                      ".",
                                      "..a",
                                      ".a.",
                                      ".*",
                                      "[*]",
                                      "[?(@.a)]",
                                      "[",
                                      "[a]",
                                      "['a'",
                                      "['a",
                                      "[1:2]",
                                      "[-1]",
                                      "[]",
                                      "[0",
                                      ".a[0]b",
                                      "[99999999999999999999]",
                                      ".a b",
                                      "['a']x"};
    for (size_t i = 0; i < COUNTOF(good); i++)
        if (!jsonpath__is_valid(str_c(good[i])))
            fail_msg("%s is a path", good[i]);
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (jsonpath__is_valid(str_c(bad[i])))
            fail_msg("%s is no path", bad[i]);
}

static void values_are_read_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value;
    } rows[] = {
        {".s", "text"},    {".n", "-1.5"},
        {".t", "true"},    {".o", "{\"k\":[1,null]}"},
        {".o.k[0]", "1"},  {".o['k'][0]", "1"},
        {".null", NULL},   {".o.k[1]", NULL},
        {".o.k[2]", NULL}, {".absent", NULL},
        {".s.x", NULL},    {"[0]", NULL},
        {".empty", ""},    {".o.k[18446744073709551615]", NULL},
    };
    const char *text = "{\"s\":\"text\",\"n\":-1.5,\"t\":true,\"o\":{\"k\":[1,null]},\"null\":null,"
                       "\"empty\":\"\"}";
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(4), MIB(1));
        struct str out = STR_NONE;
        bool found = jsonpath__read(a, str_c(text), str_c(rows[i].path), &out);
        if (found != (rows[i].value != NULL) || (found && !str_eqz(out, rows[i].value)))
            fail_msg("%s: %.*s", rows[i].path, STR_ARG(out));
        arena_free(a);
    }
}

static void what_is_no_json_or_too_long_has_no_values(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct str out;
    assert_false(jsonpath__read(a, STR("a=1"), STR(".a"), &out));
    assert_false(jsonpath__read(a, STR(""), STR(".a"), &out));
    assert_false(jsonpath__read(a, STR_NONE, STR(""), &out));
    assert_true(jsonpath__read(a, STR("a=1"), STR(""), &out));
    assert_true(str_eqz(out, "a=1"));
    char *big = arena_alloc(a, LIMIT_MAPPED_BODY + 1);
    memset(big, ' ', LIMIT_MAPPED_BODY + 1);
    big[0] = '1';
    assert_false(jsonpath__read(a, str_of(big, LIMIT_MAPPED_BODY + 1), STR(".a"), &out));
    arena_free(a);
}

static void failing_allocations_leave_no_value(void **state)
{
    (void)state;
    FAULT_EACH
    {
        struct arena *a = arena_new(64, MIB(1));
        struct str out;
        if (a && jsonpath__read(a, STR("{\"a\":{\"b\":1}}"), STR(".a"), &out))
            assert_true(str_eqz(out, "{\"b\":1}"));
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_members_and_indexes_are_paths),
        cmocka_unit_test(values_are_read_as_text),
        cmocka_unit_test(what_is_no_json_or_too_long_has_no_values),
        cmocka_unit_test(failing_allocations_leave_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
