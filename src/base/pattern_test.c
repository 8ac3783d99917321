/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions match whole values, within bounds. */
#include "base/pattern.h"

#include "base/limits.h"
#include "lib/fault.h"

static enum err match(const char *pattern, struct str value)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct pattern *p = NULL;
    struct errinfo e = {0};
    if (pattern_compile(a, str_c(pattern), &p, &e) != ERR_OK)
        fail_msg("%s %s", pattern, e.text);
    enum err err = pattern_match(p, value);
    arena_free(a);
    return err;
}

static void only_the_whole_value_matches(void **state)
{
    (void)state;
    assert_int_equal(match("4\\d{2}", STR("404")), ERR_OK);
    assert_int_equal(match("4\\d{2}", STR("4040")), ERR_NOTFOUND);
    assert_int_equal(match("4\\d{2}", STR("1404")), ERR_NOTFOUND);
    assert_int_equal(match("4\\d{2}|5..", STR("404")), ERR_OK);
    assert_int_equal(match("4|404", STR("404")), ERR_OK);
    assert_int_equal(match("200", STR("200\n")), ERR_NOTFOUND);
    assert_int_equal(match("", STR("")), ERR_OK);
    assert_int_equal(match("", STR_NONE), ERR_OK);
    assert_int_equal(match(".*", STR("a\nb")), ERR_NOTFOUND);
}

static void what_runs_away_is_no_answer(void **state)
{
    (void)state;
    assert_int_equal(match("(a+)+[bd]", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac")),
                     ERR_LIMIT);
    assert_int_equal(match(".*", STR("\xff")), ERR_LIMIT);
}

static void a_broken_expression_says_where(void **state)
{
    (void)state;
    static const char *const rows[] = {"(", "[a", "*", "a{2,1}", "\\C", "(?<n>a)(?<n>b)"};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(4), MIB(1));
        struct pattern *p = NULL;
        struct errinfo e = {0};
        assert_int_equal(pattern_compile(a, str_c(rows[i]), &p, &e), ERR_INVALID);
        assert_null(p);
        assert_non_null(strstr(e.text, "at its character"));
        arena_free(a);
    }
}

static enum err compile_under_fault(void *arg)
{
    (void)arg;
    struct arena *a = arena_new(64, MIB(1));
    struct pattern *p = NULL;
    enum err err = a ? pattern_compile(a, STR("(2|3)\\d\\d"), &p, NULL) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void compiling_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(compile_under_fault, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_whole_value_matches),
        cmocka_unit_test(what_runs_away_is_no_answer),
        cmocka_unit_test(a_broken_expression_says_where),
        cmocka_unit_test(compiling_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
