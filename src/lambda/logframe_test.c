/* SPDX-License-Identifier: Apache-2.0
 *
 * Log frames and lines: what comes out, however the bytes are cut, and what a writer that keeps no
 * rules can do. */
#include "lib/fault.h"

#include <stdlib.h>

#include "base/limits.h"
#include "lambda_text.h"

struct seen {
    size_t n;
    unsigned level;
    bool json;
    int64_t us;
    size_t longest;
    struct buf all; /* each text and a '|' */
};

static void see_line(void *arg, struct str line)
{
    struct seen *s = arg;
    s->n++;
    s->longest = line.n > s->longest ? line.n : s->longest;
    buf_add(&s->all, line);
    buf_addc(&s->all, '|');
}

static void see_frame(void *arg, const struct lambda__frame *f)
{
    struct seen *s = arg;
    s->level = f->level;
    s->json = f->json;
    s->us = f->wall_us;
    see_line(arg, f->text);
}

static void add_frame(struct buf *b, uint32_t type, uint32_t length, uint64_t us, const char *text)
{
    unsigned char head[FRAME_HEAD];
    for (int i = 0; i < 4; i++) {
        head[i] = (unsigned char)(type >> (24 - 8 * i));
        head[4 + i] = (unsigned char)(length >> (24 - 8 * i));
    }
    for (int i = 0; i < 8; i++)
        head[8 + i] = (unsigned char)(us >> (56 - 8 * i));
    buf_add(b, str_of(head, sizeof head));
    buf_addz(b, text);
}

static void a_frame_is_one_event_with_its_level_and_time(void **state)
{
    (void)state;
    struct lambda__frames d;
    struct seen s = {.all = BUF_INIT(KIB(1))};
    AUTO_BUF in = BUF_INIT(KIB(1));
    lambda__frames_init(&d);
    add_frame(&in, 0xa55a0003 | 0x14, 9, 1234567, "two\nlines");
    assert_int_equal(lambda__frames_feed(&d, buf_str(&in), see_frame, &s), in.n);
    assert_string_equal(buf_cstr(&s.all), "two\nlines|");
    assert_int_equal(s.level, 0x14);
    assert_false(s.json);
    assert_int_equal(s.us, 1234567);
    buf_reset(&in);
    add_frame(&in, 0xa55a0002 | 0x0c, 0, UINT64_MAX, "");
    assert_int_equal(lambda__frames_feed(&d, buf_str(&in), see_frame, &s), in.n);
    assert_int_equal(s.n, 2);
    assert_true(s.json);
    assert_true(s.us > 0);
    buf_fini(&s.all);
    lambda__frames_fini(&d);
}

static void frames_are_the_same_however_they_are_cut(void **state)
{
    (void)state;
    AUTO_BUF in = BUF_INIT(KIB(1));
    add_frame(&in, 0xa55a0003, 5, 1, "first");
    add_frame(&in, 0xa55a0003, 0, 1, "");
    add_frame(&in, 0xa55a0002, 6, 1, "second");
    for (size_t step = 1; step <= in.n; step++) {
        struct lambda__frames d;
        struct seen s = {.all = BUF_INIT(KIB(1))};
        lambda__frames_init(&d);
        for (size_t at = 0; at < in.n; at += step)
            lambda__frames_feed(&d, str_sub(buf_str(&in), at, step), see_frame, &s);
        assert_string_equal(buf_cstr(&s.all), "first||second|");
        buf_fini(&s.all);
        lambda__frames_fini(&d);
    }
}

static void a_frame_without_end_costs_no_more_than_a_line(void **state)
{
    (void)state;
    static char chunk[KIB(64)];
    struct lambda__frames d;
    struct seen s = {.all = BUF_INIT(MIB(1))};
    AUTO_BUF in = BUF_INIT(KIB(1));
    memset(chunk, 'x', sizeof chunk);
    lambda__frames_init(&d);
    add_frame(&in, 0xa55a0003, (uint32_t)MIB(8), 1, "");
    lambda__frames_feed(&d, buf_str(&in), see_frame, &s);
    for (size_t i = 0; i < MIB(8) / sizeof chunk; i++) {
        lambda__frames_feed(&d, str_of(chunk, sizeof chunk), see_frame, &s);
        assert_true(d.text.cap <= LIMIT_LOG_LINE + 1);
    }
    assert_int_equal(s.n, 1);
    assert_int_equal(s.longest, LIMIT_LOG_LINE);
    buf_fini(&s.all);
    lambda__frames_fini(&d);
}

static void what_is_no_frame_is_left_for_the_caller(void **state)
{
    (void)state;
    struct lambda__frames d;
    struct seen s = {.all = BUF_INIT(KIB(1))};
    AUTO_BUF in = BUF_INIT(KIB(1));
    lambda__frames_init(&d);
    add_frame(&in, 0xa55a0003, 2, 1, "ok");
    size_t good = in.n;
    buf_addz(&in, "plain text that is no frame\n");
    size_t used = lambda__frames_feed(&d, str_sub(buf_str(&in), 0, good + 3), see_frame, &s);
    assert_int_equal(used, good + 3);
    used = lambda__frames_feed(&d, str_from(buf_str(&in), good + 3), see_frame, &s);
    assert_true(d.broken);
    assert_memory_equal(d.head, "plain text that ", FRAME_HEAD);
    assert_int_equal(used, FRAME_HEAD - 3);
    lambda__frames_flush(&d, see_frame, &s);
    assert_string_equal(buf_cstr(&s.all), "ok|");
    buf_fini(&s.all);
    lambda__frames_fini(&d);
}

static void an_unfinished_frame_is_flushed(void **state)
{
    (void)state;
    struct lambda__frames d;
    struct seen s = {.all = BUF_INIT(KIB(1))};
    AUTO_BUF in = BUF_INIT(KIB(1));
    lambda__frames_init(&d);
    add_frame(&in, 0xa55a0003, 100, 1, "killed in the mid");
    lambda__frames_feed(&d, buf_str(&in), see_frame, &s);
    assert_int_equal(s.n, 0);
    lambda__frames_flush(&d, see_frame, &s);
    assert_string_equal(buf_cstr(&s.all), "killed in the mid|");
    lambda__frames_flush(&d, see_frame, &s);
    assert_int_equal(s.n, 1);
    buf_fini(&s.all);
    lambda__frames_fini(&d);
}

static void lines_end_in_lf_or_crlf(void **state)
{
    static const char text[] = "one\ntwo\r\n\nfour";
    (void)state;
    for (size_t step = 1; step < sizeof text; step++) {
        struct lambda__lines l;
        struct seen s = {.all = BUF_INIT(KIB(1))};
        lambda__lines_init(&l);
        for (size_t at = 0; at < sizeof text - 1; at += step)
            lambda__lines_feed(&l, str_sub(str_c(text), at, step), see_line, &s);
        assert_string_equal(buf_cstr(&s.all), "one|two||");
        lambda__lines_flush(&l, see_line, &s);
        lambda__lines_flush(&l, see_line, &s);
        assert_string_equal(buf_cstr(&s.all), "one|two||four|");
        buf_fini(&s.all);
        lambda__lines_fini(&l);
    }
}

static void a_line_without_end_comes_in_pieces(void **state)
{
    (void)state;
    static char chunk[100000];
    struct lambda__lines l;
    struct seen s = {.all = BUF_INIT(MIB(2))};
    memset(chunk, 'y', sizeof chunk);
    lambda__lines_init(&l);
    for (int i = 0; i < 10; i++)
        lambda__lines_feed(&l, str_of(chunk, sizeof chunk), see_line, &s);
    lambda__lines_feed(&l, STR("\n"), see_line, &s);
    assert_int_equal(s.longest, LIMIT_LOG_LINE);
    assert_int_equal(s.n, 1000000 / LIMIT_LOG_LINE + 1);
    assert_int_equal(s.all.n, 1000000 + s.n);
    buf_fini(&s.all);
    lambda__lines_fini(&l);
}

/* An event may be lost when there is no memory for it, never more than that. */
static void out_of_memory_loses_text_and_nothing_else(void **state)
{
    (void)state;
    AUTO_BUF in = BUF_INIT(KIB(1));
    add_frame(&in, 0xa55a0003, 5, 1, "first");
    add_frame(&in, 0xa55a0003, 6, 1, "second");
    FAULT_EACH
    {
        struct lambda__frames d;
        struct lambda__lines l;
        struct seen s = {.all = BUF_INIT(0)};
        lambda__frames_init(&d);
        lambda__lines_init(&l);
        for (size_t at = 0; at < in.n; at += 7)
            lambda__frames_feed(&d, str_sub(buf_str(&in), at, 7), see_frame, &s);
        for (size_t at = 0; at < 2; at++)
            lambda__lines_feed(&l, STR("half"), see_line, &s);
        lambda__lines_feed(&l, STR("\n"), see_line, &s);
        assert_true(s.n >= 3);
        lambda__frames_fini(&d);
        lambda__lines_fini(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_one_event_with_its_level_and_time),
        cmocka_unit_test(frames_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_frame_without_end_costs_no_more_than_a_line),
        cmocka_unit_test(what_is_no_frame_is_left_for_the_caller),
        cmocka_unit_test(an_unfinished_frame_is_flushed),
        cmocka_unit_test(lines_end_in_lf_or_crlf),
        cmocka_unit_test(a_line_without_end_comes_in_pieces),
        cmocka_unit_test(out_of_memory_loses_text_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
