/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading JSON, looking into the tree, building trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/limits.h"
#include "lib/fault.h"

#define ARENA_CAP MIB(8)
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(KIB(4), ARENA_CAP);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    const struct json *v;
    struct errinfo e = {0};
    if (json_parse(arena, str_c(text), MIB(1), &v, &e) != ERR_OK)
        fail_msg("%s: %u:%u %s", text, e.line, e.col, e.text);
    return v;
}

static enum err refuse(struct str text, struct errinfo *e)
{
    const struct json *v = parse("1");
    *e = (struct errinfo){0};
    enum err err = json_parse(arena, text, MIB(1), &v, e);
    assert_null(v);
    assert_int_equal(err, e->code);
    return err;
}

static void every_type_is_read(void **state)
{
    (void)state;
    const struct json *v = parse("{\"s\":\"x\",\"i\":-7,\"r\":1.5,\"t\":true,\"f\":false,"
                                 "\"n\":null,\"a\":[1,2],\"o\":{}}");
    int64_t i = 0;
    assert_int_equal(v->n, 8);
    assert_true(str_eqz(json_str_or(json_get(v, "s"), STR("-")), "x"));
    assert_true(json_int(json_get(v, "i"), &i) && i == -7);
    assert_true(json_get(v, "r")->real > 1.4 && json_get(v, "r")->real < 1.6);
    assert_false(json_get(v, "r")->is_int);
    assert_true(json_bool_or(json_get(v, "t"), false));
    assert_false(json_bool_or(json_get(v, "f"), true));
    assert_true(json_is_bool(json_get(v, "f")));
    assert_true(json_is(json_get(v, "n"), JSON_NULL));
    assert_true(json_int(json_at(json_get(v, "a"), 1), &i) && i == 2);
    assert_int_equal(json_get(v, "o")->n, 0);
    assert_int_equal(v->line, 0);
}

static void members_keep_their_order(void **state)
{
    (void)state;
    const struct json *v = parse("{\"z\":1,\"a\":2,\"m\":3}");
    assert_true(str_eqz(v->members[0].key, "z"));
    assert_true(str_eqz(v->members[1].key, "a"));
    assert_true(str_eqz(v->members[2].key, "m"));
}

static void the_top_may_be_any_value(void **state)
{
    (void)state;
    assert_true(json_is(parse("null"), JSON_NULL));
    assert_true(json_is(parse(" \"x\" \n"), JSON_STRING));
    assert_true(json_is(parse("12"), JSON_NUMBER));
}

static void lookups_accept_anything(void **state)
{
    (void)state;
    const struct json *v = parse("[\"a\",5]");
    struct str s = STR("same");
    int64_t i = 9;
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(v, "a"));
    assert_null(json_get(json_get(v, "a"), "b"));
    assert_null(json_at(v, 2));
    assert_null(json_at(NULL, 0));
    assert_false(json_is(NULL, JSON_NULL));
    assert_false(json_str(json_at(v, 1), &s));
    assert_false(json_str(NULL, &s));
    assert_true(str_eqz(s, "same"));
    assert_false(json_int(json_at(v, 0), &i));
    assert_int_equal(i, 9);
    assert_true(json_bool_or(json_at(v, 0), true));
    assert_string_equal(json_type_name(JSON_TRUE), "boolean");
    assert_string_equal(json_type_name(JSON_OBJECT), "object");
}

static void escapes_become_bytes(void **state)
{
    (void)state;
    assert_true(
        str_eqz(parse("\"\\u00e9\\n\\/\\ud83d\\ude00\"")->s, "\xc3\xa9\n/\xf0\x9f\x98\x80"));
    assert_true(str_eq(parse("\"a\\u0000b\"")->s, STR("a\0b")));
}

static void malformed_text_is_placed(void **state)
{
    (void)state;
    struct errinfo e;
    assert_int_equal(refuse(STR("{\n  \"a\": x\n}"), &e), ERR_SYNTAX);
    assert_int_equal(e.line, 2);
    assert_true(e.col > 0);
    assert_true(strlen(e.text) > 0);
}

static void loose_json_is_refused(void **state)
{
    (void)state;
    static const struct str texts[] = {
        STR_INIT(""),
        STR_INIT(" "),
        STR_INIT("{\"a\":1,\"a\":2}"),
        STR_INIT("{\"a\":1,\"\\u0061\":2}"),
        STR_INIT("{\"a\\u0000\":1}"),
        STR_INIT("[1]x"),
        STR_INIT("[1] [2]"),
        STR_INIT("[1,]"),
        STR_INIT("{'a':1}"),
        STR_INIT("[NaN]"),
        STR_INIT("[1e999]"),
        STR_INIT("\"\xff\""),
        STR_INIT("\"\\ud800\""),
        STR_INIT("12\0"),
        STR_INIT("[1\0]"),
        STR_INIT("\"unfinished\\"),
        STR_INIT("\xef\xbb\xbf{}"),
        STR_INIT("/* */ {}"),
    };
    struct errinfo e;
    for (size_t i = 0; i < COUNTOF(texts); i++)
        if (refuse(texts[i], &e) != ERR_SYNTAX)
            fail_msg("accepted case %zu", i);
    const struct json *v;
    assert_int_equal(json_parse(arena, STR_NONE, 10, &v, NULL), ERR_SYNTAX);
}

/* `depth` arrays, one inside the other; brackets in strings do not count. */
static struct str nested(size_t depth)
{
    AUTO_BUF b = BUF_INIT(1000);
    for (size_t i = 0; i < depth; i++)
        buf_addc(&b, '[');
    buf_addz(&b, "\"[[[[\\\"[[\"");
    for (size_t i = 0; i < depth; i++)
        buf_addc(&b, ']');
    return arena_str(arena, buf_str(&b));
}

static void depth_is_capped(void **state)
{
    (void)state;
    const struct json *v;
    struct errinfo e;
    assert_int_equal(json_parse(arena, nested(LIMIT_JSON_DEPTH), 1000, &v, NULL), ERR_OK);
    assert_int_equal(refuse(nested(LIMIT_JSON_DEPTH + 1), &e), ERR_LIMIT);
    assert_int_equal(e.line, 1);
    assert_int_equal(e.col, LIMIT_JSON_DEPTH + 1);
}

static void bytes_are_capped(void **state)
{
    (void)state;
    const struct json *v;
    assert_int_equal(json_parse(arena, STR("[12]"), 4, &v, NULL), ERR_OK);
    assert_int_equal(json_parse(arena, STR("[12]"), 3, &v, NULL), ERR_LIMIT);
}

static void values_are_capped_by_the_arena(void **state)
{
    (void)state;
    const struct json *v;
    AUTO_BUF b = BUF_INIT(MIB(1));
    buf_addz(&b, "[0");
    for (size_t i = 0; i < 50000; i++)
        buf_addz(&b, ",0");
    buf_addz(&b, "]");
    struct arena *small = arena_new(0, MIB(1));
    assert_int_equal(json_parse(small, buf_str(&b), MIB(1), &v, NULL), ERR_LIMIT);
    arena_free(small);
    assert_int_equal(json_parse(arena, buf_str(&b), MIB(1), &v, NULL), ERR_OK);
    assert_int_equal(v->n, 50001);
}

static void integers_are_exact_up_to_64_bits(void **state)
{
    (void)state;
    int64_t i;
    assert_true(json_int(parse("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(json_int(parse("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_eqz(parse("-9223372036854775808")->s, "-9223372036854775808"));
}

static void larger_integers_are_reals(void **state)
{
    (void)state;
    int64_t i;
    const struct json *v = parse("[18446744073709551616, 7, 1.5, 9223372036854775807, -99e2,"
                                 "\"99999999999999999999\"]");
    assert_false(json_int(json_at(v, 0), &i));
    assert_true(str_eqz(json_at(v, 0)->s, "18446744073709552000"));
    assert_true(json_int(json_at(v, 1), &i) && i == 7);
    assert_false(json_int(json_at(v, 2), &i));
    assert_true(json_int(json_at(v, 3), &i) && i == INT64_MAX);
    assert_true(str_eqz(json_at(v, 5)->s, "99999999999999999999"));
    assert_true(str_eqz(parse("-9223372036854775809")->s, "-9223372036854776000"));
}

static void a_text_with_a_huge_integer_is_read_as_strictly(void **state)
{
    (void)state;
    struct errinfo e;
    assert_int_equal(refuse(STR("[99999999999999999999, 01]"), &e), ERR_SYNTAX);
    assert_int_equal(refuse(STR("[099999999999999999999]"), &e), ERR_SYNTAX);
    assert_int_equal(refuse(STR("[99999999999999999999e]"), &e), ERR_SYNTAX);
    assert_int_equal(refuse(STR("[--99999999999999999999]"), &e), ERR_SYNTAX);
    assert_int_equal(refuse(STR("[99999999999999999999\"x\"]"), &e), ERR_SYNTAX);
    assert_int_equal(refuse(STR("[99999999999999999999, \"open"), &e), ERR_SYNTAX);
}

static void reals_are_written_like_javascript(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"0.0", "0"},
        {"-0.0", "0"},
        {"1.0", "1"},
        {"0.1", "0.1"},
        {"-1.50", "-1.5"},
        {"1e2", "100"},
        {"123456.789", "123456.789"},
        {"1e20", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"1.5e300", "1.5e+300"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"1.25e-9", "1.25e-9"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"123456789012345.6", "123456789012345.6"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++)
        assert_string_equal(parse(cases[i].text)->s.p, cases[i].want);
}

static void trees_are_built(void **state)
{
    (void)state;
    struct json *list = json_new_array(arena, 0), *object = json_new_object(arena, 1);
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(json_push(arena, list, json_new_int(arena, i)), ERR_OK);
    assert_int_equal(json_set(arena, object, STR("list"), list), ERR_OK);
    assert_int_equal(json_set(arena, object, STR("s"), json_new_str(arena, STR("old"))), ERR_OK);
    assert_int_equal(json_set(arena, object, STR("s"), json_new_str(arena, STR("new"))), ERR_OK);
    assert_int_equal(json_set(arena, object, STR("b"), json_new_bool(arena, true)), ERR_OK);
    assert_int_equal(json_set(arena, object, STR("n"), json_new_null(arena)), ERR_OK);
    assert_int_equal(object->n, 4);
    assert_true(str_eqz(json_get(object, "s")->s, "new"));
    int64_t i;
    assert_true(json_int(json_at(json_get(object, "list"), 19), &i) && i == 19);
}

static void builders_copy_what_they_get(void **state)
{
    (void)state;
    char key[] = "key", value[] = "value";
    struct json *object = json_new_object(arena, 1);
    assert_int_equal(json_set(arena, object, str_c(key), json_new_str(arena, str_c(value))),
                     ERR_OK);
    key[0] = value[0] = 'X';
    assert_true(str_eqz(json_get(object, "key")->s, "value"));
}

static void null_spreads_through_builders(void **state)
{
    (void)state;
    struct json *list = json_new_array(arena, 0);
    assert_int_equal(json_push(arena, list, NULL), ERR_NOMEM);
    assert_int_equal(json_push(arena, NULL, list), ERR_NOMEM);
    assert_int_equal(json_set(arena, NULL, STR("x"), list), ERR_NOMEM);
    assert_int_equal(json_set(arena, json_new_object(arena, 0), STR("x"), NULL), ERR_NOMEM);
}

static enum err read_one(void *arg)
{
    (void)arg;
    const struct json *v;
    struct errinfo e = {0};
    struct arena *a = arena_new(0, MIB(1));
    if (!a)
        return ERR_NOMEM;
    enum err err = json_parse(a,
                              STR("{\"a\":[1,2.5,\"text\",true,null,{\"b\":\"\\u00e9\"}, "
                                  "99999999999999999999],\"c\":{\"d\":[]}}"),
                              1000, &v, &e);
    assert_true(err == ERR_OK ? v != NULL : v == NULL && e.code == err);
    arena_free(a);
    return err;
}

static void reading_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(read_one, NULL);
}

/* Long keys, strings and numbers make the parser's own buffers grow. */
static void nothing_is_left_out_when_memory_is_short(void **state)
{
    (void)state;
    char text[100];
    for (size_t n = 8; n < 70; n++) {
        memset(text, 'a', n);
        text[0] = text[n - 1] = '"';
        FAULT_EACH
        {
            const struct json *v;
            arena_reset(arena);
            enum err err = json_parse(arena, str_of(text, n), 1000, &v, NULL);
            assert_int_equal(err, fault_hit() ? ERR_NOMEM : ERR_OK);
            if (v)
                assert_true(str_eq(v->s, str_of(text + 1, n - 2)));
        }
    }
}

static enum err build_one(void *arg)
{
    (void)arg;
    struct arena *a = arena_new(0, MIB(1));
    if (!a)
        return ERR_NOMEM;
    struct json *o = json_new_object(a, 0), *list = json_new_array(a, 0);
    enum err err = ERR_OK;
    for (int64_t i = 0; err == ERR_OK && i < 100; i++)
        err = json_push(a, list, json_new_int(a, i));
    if (err == ERR_OK)
        err = json_set(a, o, STR("list"), list);
    if (err == ERR_OK)
        err = json_set(a, o, STR("s"), json_new_str(a, STR("x")));
    arena_free(a);
    return err;
}

static void building_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(build_one, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(members_keep_their_order),
        cmocka_unit_test(the_top_may_be_any_value),
        cmocka_unit_test(lookups_accept_anything),
        cmocka_unit_test(escapes_become_bytes),
        cmocka_unit_test(malformed_text_is_placed),
        cmocka_unit_test(loose_json_is_refused),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(bytes_are_capped),
        cmocka_unit_test(values_are_capped_by_the_arena),
        cmocka_unit_test(integers_are_exact_up_to_64_bits),
        cmocka_unit_test(larger_integers_are_reals),
        cmocka_unit_test(a_text_with_a_huge_integer_is_read_as_strictly),
        cmocka_unit_test(reals_are_written_like_javascript),
        cmocka_unit_test(trees_are_built),
        cmocka_unit_test(builders_copy_what_they_get),
        cmocka_unit_test(null_spreads_through_builders),
        cmocka_unit_test(reading_survives_failing_allocations),
        cmocka_unit_test(nothing_is_left_out_when_memory_is_short),
        cmocka_unit_test(building_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
