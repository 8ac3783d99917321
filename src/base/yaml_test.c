/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML as people write it for OpenAPI, SAM and CloudFormation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/yaml.h"
#include "lib/fault.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(KIB(4), MIB(64));
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
    if (yaml_parse(arena, str_c(text), MIB(6), &v, &e) != ERR_OK)
        fail_msg("%u:%u %s\n%s", e.line, e.col, e.text, text);
    return v;
}

/* The document as compact JSON is `want`. */
static void reads(const char *text, const char *want)
{
    AUTO_BUF b = BUF_INIT(MIB(1));
    json_write(&b, parse(text));
    assert_string_equal(buf_cstr(&b), want);
}

static struct errinfo refuse(const char *text, enum err want)
{
    struct errinfo e = {0};
    const struct json *v = parse("1");
    enum err err = yaml_parse(arena, str_c(text), MIB(6), &v, &e);
    if (err != want || e.code != want)
        fail_msg("got \"%s\" (%s) for\n%s", err_text(err), e.text, text);
    assert_null(v);
    return e;
}

static void block_and_flow_styles(void **state)
{
    (void)state;
    reads("a: 1\nb:\n  - x\n  - y: [1, {z: null}]\n",
          "{\"a\":1,\"b\":[\"x\",{\"y\":[1,{\"z\":null}]}]}");
    reads("text: |\n  one\n  two\nfolded: >-\n  three\n  four\n",
          "{\"text\":\"one\\ntwo\\n\",\"folded\":\"three four\"}");
    reads("# only a comment before\n---\nx\n...\n", "\"x\"");
    reads("---\n", "null");
}

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    reads("[null, Null, NULL, ~, true, True, TRUE, false, False, FALSE]",
          "[null,null,null,null,true,true,true,false,false,false]");
    reads("[0, -1, +2, 007, 0o17, 0x1F, 9223372036854775807]",
          "[0,-1,2,7,15,31,9223372036854775807]");
    reads("[1.0, .5, -1., 1e3, +1.5E-2]", "[1.0,0.5,-1,1e3,0.015]");
    reads("[18446744073709551616, 0xffffffffffffffff]",
          "[18446744073709551616,18446744073709552000]");
}

static void the_rest_stays_text(void **state)
{
    (void)state;
    reads("[yes, no, on, off, y, n, 2012-10-17, 1_000, 12:30:45, 1.2.3, 0b1, -0x1, +, -a, ., 0o8]",
          "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"2012-10-17\",\"1_000\",\"12:30:45\",\"1.2."
          "3\","
          "\"0b1\",\"-0x1\",\"+\",\"-a\",\".\",\"0o8\"]");
    reads("[.inf, .nan, 1e999, 12e4567]", "[\".inf\",\".nan\",\"1e999\",\"12e4567\"]");
    reads("['true', \"1\", 'null']", "[\"true\",\"1\",\"null\"]");
}

static void numbers_remember_how_they_were_written(void **state)
{
    (void)state;
    const struct json *v = parse("[012345678901, 1.10]");
    assert_true(str_eqz(json_at(v, 0)->s, "012345678901"));
    assert_true(json_at(v, 0)->i == INT64_C(12345678901));
    assert_true(str_eqz(json_at(v, 1)->s, "1.10"));
}

static void keys_are_text(void **state)
{
    (void)state;
    reads("200: ok\ntrue: x\nnull: y\n1.0: z\n",
          "{\"200\":\"ok\",\"true\":\"x\",\"null\":\"y\",\"1.0\":\"z\"}");
}

static void nodes_know_their_place(void **state)
{
    (void)state;
    const struct json *v = parse("a: 1\nb:\n  - x\n  - !Ref Y\nc: {\xc3\xa9: z}\n");
    assert_int_equal(v->line, 1);
    assert_int_equal(v->col, 1);
    assert_int_equal(v->members[1].line, 2);
    assert_int_equal(v->members[1].col, 1);
    const struct json *ref = json_at(json_get(v, "b"), 1);
    assert_int_equal(ref->line, 4);
    assert_int_equal(ref->col, 5);
    const struct json *z = json_get(json_get(v, "c"), "\xc3\xa9");
    assert_int_equal(z->line, 5);
    assert_int_equal(z->col, 8);
}

static void short_forms_become_long_forms(void **state)
{
    (void)state;
    reads("!Ref Name", "{\"Ref\":\"Name\"}");
    reads("!Condition IsProd", "{\"Condition\":\"IsProd\"}");
    reads("!Sub '${A}-x'", "{\"Fn::Sub\":\"${A}-x\"}");
    reads("!Join [',', [a, !Ref B]]", "{\"Fn::Join\":[\",\",[\"a\",{\"Ref\":\"B\"}]]}");
    reads("!If\n- C\n- 1\n- !Ref AWS::NoValue\n",
          "{\"Fn::If\":[\"C\",1,{\"Ref\":\"AWS::NoValue\"}]}");
    reads("!Transform {Name: 'AWS::Include', Parameters: {Location: s3}}",
          "{\"Fn::Transform\":{\"Name\":\"AWS::Include\",\"Parameters\":{\"Location\":\"s3\"}}}");
    reads("!GetAZs ''", "{\"Fn::GetAZs\":\"\"}");
    reads("[!Base64 x, !Select [0, [a]], !Split [a, b], !ImportValue v, !FindInMap [a, b, c]]",
          "[{\"Fn::Base64\":\"x\"},{\"Fn::Select\":[0,[\"a\"]]},{\"Fn::Split\":[\"a\",\"b\"]},"
          "{\"Fn::ImportValue\":\"v\"},{\"Fn::FindInMap\":[\"a\",\"b\",\"c\"]}]");
    reads("!And [!Not [!Equals [a, b]], !Or [!Condition c]]",
          "{\"Fn::And\":[{\"Fn::Not\":[{\"Fn::Equals\":[\"a\",\"b\"]}]},"
          "{\"Fn::Or\":[{\"Condition\":\"c\"}]}]}");
    reads("[!Cidr [a, 1, 2], !Length [a], !ToJsonString {a: 1}, !ForEach [x, [a], {}]]",
          "[{\"Fn::Cidr\":[\"a\",1,2]},{\"Fn::Length\":[\"a\"]},{\"Fn::ToJsonString\":{\"a\":1}},"
          "{\"Fn::ForEach\":[\"x\",[\"a\"],{}]}]");
}

static void arguments_of_short_forms_are_text(void **state)
{
    (void)state;
    reads("[!Ref 123, !Sub 1.10, !Ref true]",
          "[{\"Ref\":\"123\"},{\"Fn::Sub\":\"1.10\"},{\"Ref\":\"true\"}]");
}

static void getatt_is_split_at_its_first_dot(void **state)
{
    (void)state;
    reads("!GetAtt A.Arn", "{\"Fn::GetAtt\":[\"A\",\"Arn\"]}");
    reads("!GetAtt A.Outputs.Url", "{\"Fn::GetAtt\":[\"A\",\"Outputs.Url\"]}");
    reads("!GetAtt [A, Arn]", "{\"Fn::GetAtt\":[\"A\",\"Arn\"]}");
    refuse("!GetAtt A", ERR_SYNTAX);
    refuse("!GetAtt A.", ERR_SYNTAX);
    refuse("!GetAtt .Arn", ERR_SYNTAX);
}

static void yamls_own_tags_are_checked(void **state)
{
    (void)state;
    reads("[!!str 1, ! 2, !!int 3, !!int '4', !!float 1.5, !!bool true, !!null '', !!seq [], !!map "
          "{}]",
          "[\"1\",\"2\",3,4,1.5,true,null,[],{}]");
    refuse("!!int x", ERR_SYNTAX);
    refuse("!!seq {}", ERR_SYNTAX);
    refuse("!!str []", ERR_SYNTAX);
}

static void unknown_tags_are_named_and_placed(void **state)
{
    (void)state;
    struct errinfo e = refuse("a: 1\nb: !Magic x\n", ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "!Magic"));
    assert_int_equal(e.line, 2);
    assert_int_equal(e.col, 4);
    refuse("!!binary aGk=", ERR_UNSUPPORTED);
    refuse("!!python/object:os.system x", ERR_UNSUPPORTED);
}

static void aliases_repeat_their_anchor(void **state)
{
    (void)state;
    reads("a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}");
    reads("- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]");
    reads("a: &k key\n*k : v\n", "{\"a\":\"key\",\"key\":\"v\"}");
    refuse("*nobody", ERR_SYNTAX);
    refuse("&x [*x]", ERR_SYNTAX);
    refuse("a: &k []\n*k : v\n", ERR_SYNTAX);
}

static void a_bomb_of_aliases_is_refused(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(10000);
    buf_addz(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        buf_addf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_addf(&b, "%s*a%d", k ? "," : "", i - 1);
        buf_addz(&b, "]\n");
    }
    struct errinfo e = refuse(buf_cstr(&b), ERR_LIMIT);
    assert_int_equal(e.line, 6);
}

static void merge_keys_fill_in(void **state)
{
    (void)state;
    reads("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n",
          "{\"base\":{\"x\":1,\"y\":2},\"use\":{\"y\":3,\"x\":1}}");
    reads("- &a {x: 1}\n- &b {x: 2, y: 2}\n- <<: [*a, *b]\n  z: 3\n",
          "[{\"x\":1},{\"x\":2,\"y\":2},{\"z\":3,\"x\":1,\"y\":2}]");
    reads("'<<': 1", "{\"<<\":1}");
    refuse("<<: 1", ERR_SYNTAX);
    refuse("<<: [1]", ERR_SYNTAX);
    refuse("- &a {}\n- {<<: *a, <<: *a}\n", ERR_SYNTAX);
}

static void duplicate_keys_are_placed(void **state)
{
    (void)state;
    struct errinfo e = refuse("a: 1\nb: 2\na: 3\n", ERR_SYNTAX);
    assert_int_equal(e.line, 3);
    assert_int_equal(e.col, 1);
    assert_string_equal(e.text, "duplicate key \"a\"");
    refuse("{1: a, '1': b}", ERR_SYNTAX);
}

static void loose_documents_are_refused(void **state)
{
    (void)state;
    refuse("", ERR_SYNTAX);
    refuse("# nothing\n", ERR_SYNTAX);
    refuse("a: 1\n---\nb: 2\n", ERR_SYNTAX);
    refuse("a: [1\n", ERR_SYNTAX);
    refuse("a:\n\t- 1\n", ERR_SYNTAX);
    refuse("{[a]: 1}", ERR_SYNTAX);
    refuse("? {a: b}\n: 1\n", ERR_SYNTAX);
    refuse("!Ref a: 1", ERR_SYNTAX);
    refuse("\"a\\0b\": 1", ERR_SYNTAX);
    struct errinfo e = refuse("a: 1\nb: \xff\n", ERR_SYNTAX);
    assert_int_equal(e.line, 2);
    assert_int_equal(e.col, 4);
}

/* depth lists, one inside the other, in flow style */
static const char *nested(size_t depth, const char *inner)
{
    AUTO_BUF b = BUF_INIT(10000);
    for (size_t i = 0; i < depth; i++)
        buf_addc(&b, '[');
    buf_addz(&b, inner);
    for (size_t i = 0; i < depth; i++)
        buf_addc(&b, ']');
    return arena_cstr(arena, buf_str(&b));
}

static void depth_is_capped(void **state)
{
    (void)state;
    parse(nested(LIMIT_JSON_DEPTH, "x"));
    refuse(nested(LIMIT_JSON_DEPTH + 1, "x"), ERR_LIMIT);
    parse(nested(LIMIT_JSON_DEPTH - 1, "!Ref x"));
    refuse(nested(LIMIT_JSON_DEPTH, "!Ref x"), ERR_LIMIT);
    refuse(nested(LIMIT_JSON_DEPTH - 1, "!GetAtt a.b"), ERR_LIMIT);
    refuse(nested(5000, "x"), ERR_LIMIT);
}

static void aliases_do_not_escape_the_depth(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(10000);
    buf_addz(&b, "- &a [[[[[[[[[[x]]]]]]]]]]\n");
    buf_addf(&b, "- %s\n", nested(LIMIT_JSON_DEPTH - 11, "*a"));
    parse(buf_cstr(&b));
    buf_reset(&b);
    buf_addz(&b, "- &a [[[[[[[[[[x]]]]]]]]]]\n");
    buf_addf(&b, "- %s\n", nested(LIMIT_JSON_DEPTH - 10, "*a"));
    refuse(buf_cstr(&b), ERR_LIMIT);
}

static void bytes_are_capped(void **state)
{
    (void)state;
    const struct json *v;
    assert_int_equal(yaml_parse(arena, STR("[12]"), 4, &v, NULL), ERR_OK);
    assert_int_equal(yaml_parse(arena, STR("[12]"), 3, &v, NULL), ERR_LIMIT);
}

static void json_templates_are_read_with_places(void **state)
{
    (void)state;
    const struct json *v = parse("{\n\t\"a\":1,\n\t\"b\":\t[true, \"\\u00e9\\/\"]\n}\n");
    assert_int_equal(json_get(v, "b")->line, 3);
    assert_true(str_eqz(json_at(json_get(v, "b"), 1)->s, "\xc3\xa9/"));
}

static void json_that_is_not_yaml_is_read_too(void **state)
{
    (void)state;
    struct errinfo e = {.line = 77};
    const struct json *v;
    reads("\t{\"a\": \"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}");
    reads("\xef\xbb\xbf{\"a\": \"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}");
    reads("{\"a\": \"x\xe2\x80\xa8 y\"}", "{\"a\":\"x\xe2\x80\xa8 y\"}");
    assert_int_equal(yaml_parse(arena, STR("[\"\\ud83d\\ude00\"]"), 100, &v, &e), ERR_OK);
    assert_int_equal(e.code, ERR_OK);
    assert_int_equal(e.line, 77);
}

static enum err read_one(void *arg)
{
    (void)arg;
    const struct json *v;
    struct errinfo e = {0};
    struct arena *a = arena_new(0, MIB(1));
    if (!a)
        return ERR_NOMEM;
    enum err err = yaml_parse(a,
                              STR("a: &x {b: 1, c: !GetAtt d.e}\nf:\n  - *x\n  - <<: *x\n    g: 2\n"
                                  "h: [!Ref i, !!str 3, 'j', 1.5, null]\n"),
                              1000, &v, &e);
    assert_true(err == ERR_OK ? v != NULL : v == NULL && e.code == err);
    arena_free(a);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(read_one, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_and_flow_styles),
        cmocka_unit_test(plain_scalars_follow_the_core_schema),
        cmocka_unit_test(the_rest_stays_text),
        cmocka_unit_test(numbers_remember_how_they_were_written),
        cmocka_unit_test(keys_are_text),
        cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(short_forms_become_long_forms),
        cmocka_unit_test(arguments_of_short_forms_are_text),
        cmocka_unit_test(getatt_is_split_at_its_first_dot),
        cmocka_unit_test(yamls_own_tags_are_checked),
        cmocka_unit_test(unknown_tags_are_named_and_placed),
        cmocka_unit_test(aliases_repeat_their_anchor),
        cmocka_unit_test(a_bomb_of_aliases_is_refused),
        cmocka_unit_test(merge_keys_fill_in),
        cmocka_unit_test(duplicate_keys_are_placed),
        cmocka_unit_test(loose_documents_are_refused),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(aliases_do_not_escape_the_depth),
        cmocka_unit_test(bytes_are_capped),
        cmocka_unit_test(json_templates_are_read_with_places),
        cmocka_unit_test(json_that_is_not_yaml_is_read_too),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
