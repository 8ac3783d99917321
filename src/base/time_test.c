/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks and formats of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "base/time.h"

#define SECOND INT64_C(1000000)

static void the_three_formats(void **state)
{
    (void)state;
    char out[TIME_TEXT];
    int64_t t = INT64_C(1795330800) * SECOND + 123999;
    time_rfc3339(t, out);
    assert_string_equal(out, "2026-11-22T07:00:00.123Z");
    time_http(t, out);
    assert_string_equal(out, "Sun, 22 Nov 2026 07:00:00 GMT");
    time_clf(t, out);
    assert_string_equal(out, "22/Nov/2026:07:00:00 +0000");
}

static void the_epoch_and_before(void **state)
{
    (void)state;
    char out[TIME_TEXT];
    time_http(0, out);
    assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    time_rfc3339(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void leap_days_exist(void **state)
{
    (void)state;
    char out[TIME_TEXT];
    time_rfc3339(INT64_C(1709164800) * SECOND, out);
    assert_string_equal(out, "2024-02-29T00:00:00.000Z");
}

static void moments_outside_four_digits_are_clamped(void **state)
{
    (void)state;
    char out[TIME_TEXT];
    time_clf(INT64_MAX, out);
    assert_string_equal(out, "31/Dec/9999:23:59:59 +0000");
    time_clf(INT64_MIN, out);
    assert_string_equal(out, "01/Jan/0000:00:00:00 +0000");
}

static void formats_agree_with_the_c_library(void **state)
{
    (void)state;
    char ours[TIME_TEXT], theirs[TIME_TEXT];
    for (int64_t s = -2000000000; s < 40000000000; s += 98765432) {
        time_t t = (time_t)s;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_not_equal(strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &tm), 0);
        time_http(s * SECOND, ours);
        assert_string_equal(ours, theirs);
    }
}

static void the_system_clock_moves_forward(void **state)
{
    (void)state;
    int64_t a = clock_mono_us(&clock_system), b = clock_mono_us(&clock_system);
    assert_true(b >= a);
    assert_true(clock_wall_us(&clock_system) > INT64_C(1600000000) * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_formats),
        cmocka_unit_test(the_epoch_and_before),
        cmocka_unit_test(leap_days_exist),
        cmocka_unit_test(moments_outside_four_digits_are_clamped),
        cmocka_unit_test(formats_agree_with_the_c_library),
        cmocka_unit_test(the_system_clock_moves_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
