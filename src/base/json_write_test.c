/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing JSON: escapes, layout, and that what is written is always valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/limits.h"
#include "lib/fault.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(KIB(4), MIB(8));
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *parse(struct str text)
{
    const struct json *v;
    assert_int_equal(json_parse(arena, text, MIB(1), &v, NULL), ERR_OK);
    return v;
}

static void writes(const char *text, const char *want)
{
    AUTO_BUF b = BUF_INIT(MIB(1));
    json_write(&b, parse(str_c(text)));
    assert_string_equal(buf_cstr(&b), want);
}

static void compact_text_has_no_blanks(void **state)
{
    (void)state;
    writes(" { \"a\" : [ 1 , true , null , false ] , \"b\" : { } , \"c\" : [ ] } ",
           "{\"a\":[1,true,null,false],\"b\":{},\"c\":[]}");
    writes("\"x\"", "\"x\"");
    writes("-12", "-12");
    writes("1.50", "1.5");
}

static void writes_str(struct str s, const char *want)
{
    AUTO_BUF b = BUF_INIT(1000);
    json_write_str(&b, s);
    assert_string_equal(buf_cstr(&b), want);
}

static void strings_are_escaped_as_demanded_and_no_more(void **state)
{
    (void)state;
    writes_str(STR(""), "\"\"");
    writes_str(STR_NONE, "\"\"");
    writes_str(STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    writes_str(STR("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    writes_str(STR("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
    writes_str(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
               "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
    (void)state;
    writes_str(STR("a\xff"
                   "b"),
               "\"a\xef\xbf\xbd"
               "b\"");
    writes_str(STR("\xc3"), "\"\xef\xbf\xbd\"");
    writes_str(STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void every_byte_makes_valid_json(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(1000);
    for (int c = 0; c < 256; c++) {
        char text[3] = {'x', (char)c, 'y'};
        buf_reset(&b);
        json_write_str(&b, str_of(text, sizeof text));
        const struct json *v = parse(buf_str(&b));
        if (c < 0x80)
            assert_true(str_eq(v->s, str_of(text, sizeof text)));
    }
}

static void people_get_lines(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(1000);
    json_write_pretty(&b, parse(STR("{\"a\":[1,{}],\"b\":{\"c\":[]}}")));
    assert_string_equal(buf_cstr(&b), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n"
                                      "    \"c\": []\n  }\n}");
}

static void numbers_that_are_not_json_are_rewritten(void **state)
{
    (void)state;
    static const struct {
        struct json v;
        const char *want;
    } cases[] = {
        {{.type = JSON_NUMBER, .s = STR_INIT("0x1F"), .is_int = true, .i = 31, .real = 31}, "31"},
        {{.type = JSON_NUMBER, .s = STR_INIT("007"), .is_int = true, .i = 7, .real = 7}, "7"},
        {{.type = JSON_NUMBER, .s = STR_INIT("-08"), .is_int = true, .i = -8, .real = -8}, "-8"},
        {{.type = JSON_NUMBER, .s = STR_INIT(".5"), .real = 0.5}, "0.5"},
        {{.type = JSON_NUMBER, .s = STR_INIT("1."), .real = 1}, "1"},
        {{.type = JSON_NUMBER, .s = STR_INIT("1e"), .real = 1}, "1"},
        {{.type = JSON_NUMBER, .s = STR_INIT("1.0"), .real = 1}, "1.0"},
        {{.type = JSON_NUMBER, .s = STR_INIT("1E+2"), .real = 100}, "1E+2"},
        {{.type = JSON_NUMBER, .is_int = true, .i = INT64_MIN}, "-9223372036854775808"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        AUTO_BUF b = BUF_INIT(100);
        json_write(&b, &cases[i].v);
        assert_string_equal(buf_cstr(&b), cases[i].want);
    }
}

static void a_missing_tree_is_an_error(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(100);
    json_write(&b, NULL);
    assert_int_equal(b.err, ERR_NOMEM);
}

static void the_maximum_of_the_buffer_holds(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(8);
    json_write(&b, parse(STR("[1,2,3,4,5]")));
    assert_int_equal(b.err, ERR_LIMIT);
}

static enum err write_one(void *arg)
{
    AUTO_BUF b = BUF_INIT(10000);
    json_write_pretty(&b, arg);
    return b.err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    struct json *list = json_new_array(arena, 0);
    for (int64_t i = 0; i < 200; i++)
        assert_int_equal(json_push(arena, list, json_new_int(arena, i)), ERR_OK);
    fault_each(write_one, list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_text_has_no_blanks),
        cmocka_unit_test(strings_are_escaped_as_demanded_and_no_more),
        cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
        cmocka_unit_test(every_byte_makes_valid_json),
        cmocka_unit_test(people_get_lines),
        cmocka_unit_test(numbers_that_are_not_json_are_rewritten),
        cmocka_unit_test(a_missing_tree_is_an_error),
        cmocka_unit_test(the_maximum_of_the_buffer_holds),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
