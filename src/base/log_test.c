/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines: shape, level, and that nobody can forge one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

static char last[4096];
static enum log_level last_level;
static int lines;

static void keep(void *arg, enum log_level level, struct str line)
{
    assert_ptr_equal(arg, &lines);
    assert_true(line.n < sizeof last);
    memcpy(last, line.p, line.n);
    last[line.n] = '\0';
    last_level = level;
    lines++;
}

static void listen(void)
{
    lines = 0;
    log_set_level(LOG_DEBUG);
    log_set_sink((struct log_sink){keep, &lines});
}

static void a_line_has_level_room_and_text(void **state)
{
    (void)state;
    listen();
    log_warn("http", "closed peer=%s n=%d", "::1", 3);
    assert_string_equal(last, "warn http: closed peer=::1 n=3");
    assert_int_equal(last_level, LOG_WARN);
    assert_int_equal(lines, 1);
}

static void lines_above_the_level_are_dropped(void **state)
{
    (void)state;
    listen();
    log_set_level(LOG_WARN);
    log_info("x", "no");
    log_debug("x", "no");
    assert_int_equal(lines, 0);
    log_error("x", "yes");
    assert_int_equal(lines, 1);
}

static void a_hostile_value_cannot_forge_a_line(void **state)
{
    (void)state;
    listen();
    log_info("x", "path=%s", "/a\nerror x: forged\r\t\x1b[31m\x7f\xc2\x9b\xff\xe2\x80\xae");
    assert_string_equal(last, "info x: path=/a?error x: forged???[31m???????");
}

static void utf8_stays(void **state)
{
    (void)state;
    listen();
    log_info("x", "%s", "caf\xc3\xa9 \xe2\x82\xac");
    assert_string_equal(last, "info x: caf\xc3\xa9 \xe2\x82\xac");
}

static void a_long_text_is_cut_at_1_kib(void **state)
{
    (void)state;
    char text[3000];
    listen();
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    log_info("x", "%s", text);
    assert_int_equal(strlen(last), strlen("info x: ") + 1024);
}

static void a_missing_sink_means_stderr(void **state)
{
    (void)state;
    listen();
    log_set_sink((struct log_sink){0});
    log_error("base", "this line belongs to a test");
    assert_int_equal(lines, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_room_and_text),
        cmocka_unit_test(lines_above_the_level_are_dropped),
        cmocka_unit_test(a_hostile_value_cannot_forge_a_line),
        cmocka_unit_test(utf8_stays),
        cmocka_unit_test(a_long_text_is_cut_at_1_kib),
        cmocka_unit_test(a_missing_sink_means_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
