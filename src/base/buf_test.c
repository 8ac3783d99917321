/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing buffers: appending, maximum, sticky errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lib/fault.h"

static void appends_are_joined(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(1000);
    buf_add(&b, STR("a"));
    buf_addz(&b, "bc");
    buf_addc(&b, 'd');
    buf_addf(&b, "-%d-", 42);
    buf_addu(&b, 0);
    buf_addu(&b, UINT64_MAX);
    buf_add(&b, STR_NONE);
    buf_addz(&b, NULL);
    assert_string_equal(buf_cstr(&b), "abcd-42-018446744073709551615");
    assert_int_equal(b.err, ERR_OK);
}

static void a_long_format_grows_the_buffer(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(1000);
    buf_addf(&b, "%0500d", 1);
    assert_int_equal(b.n, 500);
    assert_int_equal(b.p[499], '1');
}

static void the_maximum_is_exact_and_sticky(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(5);
    buf_addz(&b, "12345");
    assert_int_equal(b.err, ERR_OK);
    assert_string_equal(buf_cstr(&b), "12345");
    buf_addc(&b, '6');
    assert_int_equal(b.err, ERR_LIMIT);
    assert_int_equal(b.n, 5);
    assert_string_equal(buf_cstr(&b), "");
    buf_reset(&b);
    buf_addz(&b, "ok");
    assert_string_equal(buf_cstr(&b), "ok");
    buf_addf(&b, "%s", "toolong");
    assert_int_equal(b.err, ERR_LIMIT);
    assert_null(buf_reserve(&b, 1));
}

static void a_reservation_is_claimed_by_the_caller(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(100);
    char *room = buf_reserve(&b, 10);
    memcpy(room, "hello", 5);
    b.n += 5;
    assert_true(str_eqz(buf_str(&b), "hello"));
    assert_non_null(buf_reserve(&b, 95));
    assert_null(buf_reserve(&b, 96));
    assert_int_equal(b.err, ERR_LIMIT);
}

static void consuming_keeps_the_rest(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(100);
    buf_consume(&b, 3);
    buf_addz(&b, "hello world");
    buf_consume(&b, 6);
    assert_string_equal(buf_cstr(&b), "world");
    buf_consume(&b, 99);
    assert_string_equal(buf_cstr(&b), "");
}

static void an_empty_buffer_is_an_empty_text(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(0);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_str(&b).n, 0);
    buf_addc(&b, 'x');
    assert_int_equal(b.err, ERR_LIMIT);
}

static void a_buffer_may_be_used_after_fini(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    buf_addz(&b, "x");
    buf_fini(&b);
    buf_addz(&b, "y");
    assert_string_equal(buf_cstr(&b), "y");
    buf_fini(&b);
}

static enum err fill(void *arg)
{
    (void)arg;
    AUTO_BUF b = BUF_INIT(100000);
    buf_addz(&b, "start");
    for (int i = 0; i < 300; i++)
        buf_addf(&b, "%d,", i);
    if (buf_reserve(&b, 5000))
        b.n += 0;
    return b.err;
}

static void what_steers_a_terminal_becomes_question_marks(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    buf_addz(
        &b,
        "a\nb\tc\x1b\x7f\xc2\x9b\xc2\xa0\xe2\x80\xa7\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xaa\xe2\x80");
    buf_printable(&b, 2);
    assert_string_equal(buf_cstr(&b), "a\nb\tc????\xc2\xa0\xe2\x80\xa7??????\xe2\x81\xaa\xe2\x80");
    buf_fini(&b);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(fill, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_are_joined),
        cmocka_unit_test(a_long_format_grows_the_buffer),
        cmocka_unit_test(the_maximum_is_exact_and_sticky),
        cmocka_unit_test(a_reservation_is_claimed_by_the_caller),
        cmocka_unit_test(consuming_keeps_the_rest),
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(a_buffer_may_be_used_after_fini),
        cmocka_unit_test(what_steers_a_terminal_becomes_question_marks),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
