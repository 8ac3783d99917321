/* SPDX-License-Identifier: Apache-2.0
 *
 * Header lists, list values, and which bytes names and values may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_int.h"
#include "lib/fault.h"

static enum err add_forty(void *arg)
{
    struct http_headers h = {.n = 0};
    struct arena *a = arena_new(64, 1 << 20);
    enum err err = a ? ERR_OK : ERR_NOMEM;
    (void)arg;
    for (unsigned i = 0; i < 40 && !err; i++)
        err = http_add(a, &h, STR("A"), STR("b"));
    assert_int_equal(h.n, err ? h.n : 40);
    arena_free(a);
    return err;
}

static void headers_are_found_in_any_case_and_removed_everywhere(void **state)
{
    (void)state;
    struct arena *a = arena_new(1024, 1 << 20);
    struct http_headers h = {.n = 0};
    assert_int_equal(http_add(a, &h, STR("X-A"), STR("1")), ERR_OK);
    assert_int_equal(http_add(a, &h, STR("B"), STR("2")), ERR_OK);
    assert_int_equal(http_add(a, &h, STR("x-a"), STR("3")), ERR_OK);
    assert_true(str_eqz(http_value(&h, STR("x-A")), "1"));
    assert_null(http_find(&h, STR("X")));
    assert_null(http_value(&h, STR("C")).p);
    http_remove(&h, STR("X-a"));
    assert_int_equal(h.n, 1);
    assert_true(str_eqz(h.v[0].name, "B"));
    arena_free(a);
}

static void adding_headers_survives_out_of_memory(void **state)
{
    (void)state;
    fault_each(add_forty, NULL);
}

static void a_list_value_holds_its_tokens(void **state)
{
    (void)state;
    assert_true(http_list_has(STR("close"), STR("close")));
    assert_true(http_list_has(STR("a, Close ,b"), STR("close")));
    assert_true(http_list_has(STR("a,,\tclose"), STR("close")));
    assert_false(http_list_has(STR("closed"), STR("close")));
    assert_false(http_list_has(STR("a close"), STR("close")));
    assert_false(http_list_has(STR_NONE, STR("close")));
}

static void tokens_and_values_hold_what_the_rfc_says(void **state)
{
    (void)state;
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;
        bool visible = (c >= 0x20 && c < 0x7f) || c >= 0x80 || c == '\t';
        assert_int_equal(http_is_token(str_of(&byte, 1)), c && strchr(token, (int)c) != NULL);
        char value[3] = {'a', byte, 'b'};
        assert_int_equal(http_is_field_value(str_of(value, 3)), visible);
    }
    assert_false(http_is_token(STR("")));
    assert_true(http_is_field_value(STR("")));
    assert_false(http_is_field_value(STR(" a")));
    assert_false(http_is_field_value(STR("a\t")));
}

static void methods_have_names_and_names_methods(void **state)
{
    (void)state;
    for (int m = 0; m < HTTP_OTHER; m++)
        assert_int_equal(http_method_of(http_method_name((enum http_method)m)), m);
    assert_int_equal(http_method_of(STR("get")), HTTP_OTHER);
    assert_int_equal(http_method_of(STR("")), HTTP_OTHER);
    assert_true(str_eqz(http_method_name(HTTP_OTHER), ""));
    assert_string_equal(http_reason(404), "Not Found");
    assert_string_equal(http_reason(299), "");
}

static void a_field_value_is_judged_byte_by_byte_wherever_it_begins(void **state)
{
    (void)state;
    char text[40];
    for (unsigned byte = 0; byte < 256; byte++) {
        bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        for (size_t n = 3; n <= sizeof text; n++)
            for (size_t at = 1; at + 1 < n; at++) { /* not at an end: blanks there are refused */
                memset(text, 'a', n);
                text[at] = (char)byte;
                assert_int_equal(http_is_field_value(str_of(text, n)), allowed);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_value_is_judged_byte_by_byte_wherever_it_begins),
        cmocka_unit_test(headers_are_found_in_any_case_and_removed_everywhere),
        cmocka_unit_test(adding_headers_survives_out_of_memory),
        cmocka_unit_test(a_list_value_holds_its_tokens),
        cmocka_unit_test(tokens_and_values_hold_what_the_rfc_says),
        cmocka_unit_test(methods_have_names_and_names_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
