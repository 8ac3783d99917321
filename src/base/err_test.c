/* SPDX-License-Identifier: Apache-2.0
 *
 * Error codes as words and the note for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"

static void every_code_has_a_text(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++)
        assert_true(strlen(err_text((enum err)i)) > 0);
    assert_string_equal(err_text(ERR_NOMEM), "out of memory");
    assert_string_equal(err_text((enum err)9999), "unknown error");
}

static void set_keeps_the_place(void **state)
{
    (void)state;
    struct errinfo e = {.file = "t.yaml", .line = 7, .col = 3};
    assert_int_equal(errinfo_set(&e, ERR_INVALID, "no %s", "name"), ERR_INVALID);
    assert_string_equal(e.text, "no name");
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(e.line, 7);
    assert_int_equal(e.col, 3);
    assert_string_equal(e.file, "t.yaml");
}

static void at_places_the_error(void **state)
{
    (void)state;
    struct errinfo e = {.file = "t.yaml"};
    assert_int_equal(errinfo_at(&e, ERR_SYNTAX, 2, 5, "odd"), ERR_SYNTAX);
    assert_int_equal(e.line, 2);
    assert_int_equal(e.col, 5);
    assert_string_equal(e.file, "t.yaml");
}

static void a_note_may_be_missing(void **state)
{
    (void)state;
    assert_int_equal(errinfo_set(NULL, ERR_LIMIT, "x"), ERR_LIMIT);
    assert_int_equal(errinfo_at(NULL, ERR_LIMIT, 1, 1, "x"), ERR_LIMIT);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct errinfo e = {0};
    char text[400];
    memset(text, 'a', sizeof text);
    memcpy(text + 254, "\xc3\xa9", 2); /* only its first byte fits */
    text[399] = '\0';
    (void)errinfo_set(&e, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(e.text), 254);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct errinfo e = {0};
    (void)errinfo_set(&e, ERR_INVALID,
                      "a\x1b[2Jb\nc\xc2\x9b"
                      "d\xff");
    assert_string_equal(e.text, "a?[2Jb?c??d?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_text),
        cmocka_unit_test(set_keeps_the_place),
        cmocka_unit_test(at_places_the_error),
        cmocka_unit_test(a_note_may_be_missing),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
