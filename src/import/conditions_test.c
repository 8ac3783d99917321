/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions and what takes values out of lists and maps, seen through a stage variable; and bare
 * documents that lack what they name. */
#include "openapi_test.h"

#define TEMPLATE(value)                                                                           \
    "Parameters: {Env: {Type: String, Default: dev}, Unknown: {Type: String}, L: {Type: "         \
    "CommaDelimitedList, Default: 'a, b'}}\n"                                                     \
    "Mappings: {M: {dev: {size: small, list: [x, y]}}}\n"                                         \
    "Conditions: {Dev: !Equals [!Ref Env, dev], Prod: !Not [{Condition: Dev}], Maybe: !Equals "   \
    "[!Ref Unknown, a], Loop: {Condition: Loop}, Any: !Or [{Condition: Maybe}, {Condition: "      \
    "Dev}], None: !And [{Condition: Maybe}, {Condition: Prod}], Both: !And [{Condition: Maybe}, " \
    "{Condition: Dev}]}\n"                                                                        \
    "Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: p, Variables: "      \
    "{v: " value "}}}\n"

static void resolves(const char *value, const char *expected)
{
    char text[2048];
    snprintf(text, sizeof text, TEMPLATE("%s"), value);
    struct loaded l = accepted(text);
    assert_str(l.model.apis->variables->value, expected);
    unload(&l);
}

static void fails(const char *value, const char *words)
{
    char text[2048];
    snprintf(text, sizeof text, TEMPLATE("%s"), value);
    refuses(text, 5, words);
}

static void a_condition_chooses_a_value(void **state)
{
    (void)state;
    resolves("!If [Dev, a, b]", "a");
    resolves("!If [Prod, a, !If [Dev, c, d]]", "c");
    resolves("!If [Any, a, b]", "a");  /* one that is true is enough */
    resolves("!If [None, a, b]", "b"); /* and one that is false */
    fails("!If [Both, a, b]", "the condition Both is not known here");
    fails("!If [Maybe, a, b]", "parameter Unknown has no usable Default");
    fails("!If [Loop, a, b]", "the condition Loop leads to itself");
    fails("!If [Gone, a, b]", "there is no condition Gone");
    fails("!If [Dev, a]", "Fn::If needs");
}

static void no_value_takes_the_property_away(void **state)
{
    (void)state;
    struct loaded l = accepted(TEMPLATE("!If [Prod, a, !Ref AWS::NoValue]"));
    assert_null(l.model.apis->variables);
    unload(&l);
}

static void lists_and_maps_give_their_values(void **state)
{
    (void)state;
    resolves("!FindInMap [M, !Ref Env, size]", "small");
    resolves("!Select [1, !FindInMap [M, dev, list]]", "y");
    resolves("!Select ['0', !Ref L]", "a");
    resolves("!Select [2, !Split ['|', 'a|b|c']]", "c");
    resolves("!Join ['-', !Split ['ab', 'xabyab']]", "x-y-");
    resolves("!Select [0, !GetAZs '']", "eu-west-1a");
    resolves("{Fn::Base64: abc}", "YWJj");
    resolves("{Fn::FindInMap: [M, gone, size, {DefaultValue: none}]}", "none");
    fails("!FindInMap [M, gone, size]", "Mappings has no M, gone, size");
    fails("!Select [2, !Ref L]", "the list has no item 2");
    fails("!Select [-1, !Ref L]", "the list has no item -1");
    fails("!Split ['', abc]", "Fn::Split needs");
}

#define BARE                                                                             \
    HEAD "paths:\n  /a: {Fn::If: [Cond, {get: {" BACKEND "}}, {Ref: 'AWS::NoValue'}]}\n" \
         "  /b: {get: {" BACKEND "}}\n"

static void a_bare_document_is_judged_for_both_outcomes(void **state)
{
    struct import_parameter p = {STR("Cond"), STR("false")};
    struct import_options o = plain_options();
    (void)state;
    accepts_saying(BARE, IMPORT_WARNING, 1, "the condition Cond is not in this document");
    refuses(HEAD "paths:\n  /a: {Fn::If: [Cond, {get: {" BACKEND "}}, {get: 5}]}\n", 4,
            "an operation must be an object");
    o.require_code = true;
    struct loaded l = load_with(&o, BARE);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, 4, "give its outcome with --param");
    unload(&l);
    o.parameters = &p;
    o.parameter_count = 1;
    l = load_with(&o, BARE);
    assert_int_equal(l.err, ERR_OK);
    assert_null(l.model.apis->methods->next);
    unload(&l);
    p.name = STR("Other");
    l = load_with(&o, BARE);
    expect(&l, IMPORT_ERROR, 0, "--param Other: nothing in this document asks for it");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_chooses_a_value),
        cmocka_unit_test(no_value_takes_the_property_away),
        cmocka_unit_test(lists_and_maps_give_their_values),
        cmocka_unit_test(a_bare_document_is_judged_for_both_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
