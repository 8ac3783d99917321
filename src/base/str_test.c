/* SPDX-License-Identifier: Apache-2.0
 *
 * Borrowed bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void equality_compares_bytes_and_length(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), str_c("abc")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eqz(STR("abc"), "abc"));
    assert_true(str_eqz(STR_NONE, NULL));
}

static void case_is_ignored_for_ascii_only(void **state)
{
    (void)state;
    assert_true(str_ieq(STR("Content-Type"), STR("cONTENT-tYPE")));
    assert_false(str_ieq(STR("@"), STR("`")));
    assert_false(str_ieq(STR("["), STR("{")));
    assert_false(str_ieq(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_false(str_ieq(STR("ab"), STR("abc")));
}

static void order_is_bytewise(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("\xff")) < 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
}

static void beginnings_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts(STR("Bearer x"), STR("Bearer ")));
    assert_false(str_starts(STR("Bear"), STR("Bearer")));
    assert_true(str_istarts(STR("bEARER x"), STR("Bearer ")));
    assert_true(str_ends(STR("a.json"), STR(".json")));
    assert_false(str_ends(STR("json"), STR(".json")));
    assert_true(str_starts(STR_NONE, STR("")));
}

static void parts_are_clamped(void **state)
{
    (void)state;
    assert_true(str_eqz(str_sub(STR("hello"), 1, 3), "ell"));
    assert_true(str_eqz(str_sub(STR("hello"), 3, 99), "lo"));
    assert_int_equal(str_sub(STR("hello"), 9, 1).n, 0);
    assert_int_equal(str_from(STR_NONE, 3).n, 0);
    assert_null(str_from(STR_NONE, 3).p);
}

static void searching(void **state)
{
    (void)state;
    assert_int_equal(str_chr(STR("a.b.c"), '.', 0), 1);
    assert_int_equal(str_chr(STR("a.b.c"), '.', 2), 3);
    assert_true(str_chr(STR("abc"), '.', 0) == SIZE_MAX);
    assert_true(str_chr(STR("abc"), 'a', 99) == SIZE_MAX);
    assert_int_equal(str_rchr(STR("a.b.c"), '.'), 3);
    assert_true(str_rchr(STR_NONE, '.') == SIZE_MAX);
    assert_int_equal(str_find(STR("hello"), STR("llo")), 2);
    assert_int_equal(str_find(STR("hello"), STR("")), 0);
    assert_true(str_find(STR("lo"), STR("hello")) == SIZE_MAX);
}

static void trimming_takes_blanks_and_tabs(void **state)
{
    (void)state;
    assert_true(str_eqz(str_trim(STR(" \t a b\t ")), "a b"));
    assert_true(str_eqz(str_trim(STR(" \t ")), ""));
    assert_true(str_eqz(str_trim(STR("\n x")), "\n x"));
}

static void cutting_walks_through_a_list(void **state)
{
    (void)state;
    struct str rest = STR("a,,b"), part = str_cut(rest, ',', &rest);
    assert_true(str_eqz(part, "a"));
    part = str_cut(rest, ',', &rest);
    assert_int_equal(part.n, 0);
    part = str_cut(rest, ',', &rest);
    assert_true(str_eqz(part, "b"));
    assert_null(rest.p);
    part = str_cut(STR("x,"), ',', &rest);
    assert_non_null(rest.p);
    assert_int_equal(rest.n, 0);
}

static void numbers_are_digits_only(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(str_u64(STR("0"), &n) && n == 0);
    assert_true(str_u64(STR("18446744073709551615"), &n) && n == UINT64_MAX);
    n = 7;
    assert_false(str_u64(STR("18446744073709551616"), &n));
    assert_false(str_u64(STR(""), &n));
    assert_false(str_u64(STR("+1"), &n));
    assert_false(str_u64(STR("-1"), &n));
    assert_false(str_u64(STR(" 1"), &n));
    assert_false(str_u64(STR("1a"), &n));
    assert_int_equal(n, 7);
}

static void utf8_is_checked_strictly(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool good;
    } cases[] = {
        {STR_INIT("plain"), true},
        {STR_INIT(""), true},
        {STR_INIT("\0"), true},
        {STR_INIT("\xc3\xa9"), true},
        {STR_INIT("\xe2\x82\xac"), true},
        {STR_INIT("\xf0\x9f\x98\x80"), true},
        {STR_INIT("\xf4\x8f\xbf\xbf"), true},
        {STR_INIT("\xc3"), false},                 /* cut off */
        {STR_INIT("\xa9"), false},                 /* no beginning */
        {STR_INIT("\xc0\xaf"), false},             /* overlong */
        {STR_INIT("\xe0\x80\xaf"), false},         /* overlong */
        {STR_INIT("\xf0\x8f\xbf\xbf"), false},     /* overlong */
        {STR_INIT("\xed\xa0\x80"), false},         /* surrogate */
        {STR_INIT("\xf4\x90\x80\x80"), false},     /* above U+10FFFF */
        {STR_INIT("\xf8\x88\x80\x80\x80"), false}, /* five bytes */
        {STR_INIT("a\xe2\x82z"), false},
        {STR_INIT("\xff"), false},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++)
        if (str_is_utf8(cases[i].text) != cases[i].good)
            fail_msg("case %zu", i);
}

static void utf8_is_judged_wherever_a_sequence_begins(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"\xc3\xa9", true},
                 {"\xe2\x82\xac", true},
                 {"\xf0\x9f\x98\x80", true},
                 {"\x80", false},
                 {"\xc3", false},
                 {"\xed\xa0\x80", false},
                 {"\xf5\x80\x80\x80", false},
                 {"\xc0\x80", false}};
    char text[40];
    for (size_t k = 0; k < COUNTOF(cases); k++)
        for (size_t at = 0; at < 24; at++) {
            size_t n = strlen(cases[k].text);
            memset(text, 'a', sizeof text);
            memcpy(text + at, cases[k].text, n);
            assert_int_equal(str_is_utf8(str_of(text, sizeof text)), cases[k].good);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_judged_wherever_a_sequence_begins),
        cmocka_unit_test(equality_compares_bytes_and_length),
        cmocka_unit_test(case_is_ignored_for_ascii_only),
        cmocka_unit_test(order_is_bytewise),
        cmocka_unit_test(beginnings_and_ends),
        cmocka_unit_test(parts_are_clamped),
        cmocka_unit_test(searching),
        cmocka_unit_test(trimming_takes_blanks_and_tabs),
        cmocka_unit_test(cutting_walks_through_a_list),
        cmocka_unit_test(numbers_are_digits_only),
        cmocka_unit_test(utf8_is_checked_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
