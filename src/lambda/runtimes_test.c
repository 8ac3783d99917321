/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of runtimes: names, and what is said of those that have no row. */
#include "lib/fault.h"

#include "base/limits.h"
#include "lambda/runtime.h"

static void names_are_read(void **state)
{
    static const struct {
        const char *text;
        struct runtime_name name;
    } good[] = {
        {"nodejs20.x", {RUNTIME_NODE, 20, 0}},       {"nodejs6.x", {RUNTIME_NODE, 6, 0}},
        {"python3.11", {RUNTIME_PYTHON, 3, 11}},     {"python3.9", {RUNTIME_PYTHON, 3, 9}},
        {"provided", {RUNTIME_CUSTOM, 0, 0}},        {"provided.al2", {RUNTIME_CUSTOM, 0, 0}},
        {"provided.al2023", {RUNTIME_CUSTOM, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(good); i++) {
        struct runtime_name name = {0};
        assert_int_equal(runtime_parse(str_c(good[i].text), &name, NULL), ERR_OK);
        assert_int_equal(name.kind, good[i].name.kind);
        assert_int_equal(name.major, good[i].name.major);
        assert_int_equal(name.minor, good[i].name.minor);
    }
}

static void others_are_refused_by_their_name(void **state)
{
    static const char *const bad[] = {
        "nodejs",
        "nodejs.x",
        "nodejs20",
        "nodejs20.x ",
        "nodejs-1.x",
        "nodejs0.x",
        "python2.7",
        "python3",
        "python3.",
        "python3.x",
        "python",
        "provided.al2024x",
        "providedal",
        "java21",
        "dotnet8",
        "ruby3.3",
        "go1.x",
        "rust",
        "nodejs99999999999999999999.x",
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct errinfo e = {0};
        assert_int_equal(runtime_parse(str_c(bad[i]), NULL, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.text, bad[i]));
    }
    struct errinfo e = {0};
    assert_int_equal(runtime_parse(STR(""), NULL, &e), ERR_INVALID);
    assert_int_equal(runtime_parse(STR("go1.x"), NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "provided.al2023 with a bootstrap binary"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(others_are_refused_by_their_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
