/* SPDX-License-Identifier: Apache-2.0
 *
 * Ref, GetAtt, Sub, Join, parameters: what they resolve to, seen through a stage variable, and what
 * is said when they cannot be. */
#include "import_test.h"

#define PARAMETERS                                                                            \
    "Parameters: {P: {Type: String, Default: pet}, N: {Type: Number, Default: 7}, L: {Type: " \
    "CommaDelimitedList, Default: 'a, b,c'}, Empty: {Type: String}, Ssm: {Type: "             \
    "'AWS::SSM::Parameter::Value<String>', Default: /a/b}}\n"
#define TEMPLATE(value)                                                                        \
    PARAMETERS                                                                                 \
    "Resources:\n  Fn: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Sub "     \
    "'${AWS::StackName}-fn', Handler: a.b, Runtime: nodejs20.x, CodeUri: .}}\n"                \
    "  Db: {Type: AWS::DynamoDB::Table}\n"                                                     \
    "  Api: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref P, Tags: {_custom_id_: " \
    "api}, Variables: {v: " value "}}}\n"

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

static void pseudo_parameters_are_known(void **state)
{
    (void)state;
    resolves("!Ref AWS::Region", "eu-west-1");
    resolves("!Ref AWS::AccountId", "111122223333");
    resolves("!Ref AWS::Partition", "aws");
    resolves("!Ref AWS::URLSuffix", "amazonaws.com");
    resolves("!Ref AWS::StackName", "ropeline");
    fails("!Ref AWS::NotificationARNs", "nothing in this document is named AWS::NotificationARNs");
}

static void ref_gives_what_cloudformation_gives(void **state)
{
    (void)state;
    resolves("!Ref P", "pet");
    resolves("!Ref N", "7");
    resolves("!Ref Fn", "ropeline-fn");
    resolves("!Ref Api", "api");
    resolves("!Ref Api.Stage", "pet");
    resolves("{Ref: P}", "pet");
    fails("!Ref Nobody", "nothing in this document is named Nobody");
    fails("!Ref Db", "what Ref Db gives (AWS::DynamoDB::Table) is only known on AWS");
    fails("!Ref Empty", "--param Empty=");
    fails("!Ref Ssm", "is read from SSM");
    fails("{Ref: [P]}", "Ref needs the name");
    fails("!Ref L", "must be text, not array");
}

static void getatt_gives_arns_of_functions(void **state)
{
#define ARN "arn:aws:lambda:eu-west-1:111122223333:function:ropeline-fn"
    (void)state;
    resolves("!GetAtt Fn.Arn", ARN);
    resolves("{Fn::GetAtt: [Fn, Arn]}", ARN);
    resolves("{Fn::GetAtt: Fn.Arn}", ARN);
    fails("!GetAtt Fn.Name", "Name of Fn (AWS::Serverless::Function) is only known on AWS");
    fails("!GetAtt Nobody.Arn", "--function Nobody=DIR:HANDLER");
    fails("{Fn::GetAtt: [Fn]}", "Fn::GetAtt needs [name, attribute]");
}

static void sub_replaces_names(void **state)
{
    (void)state;
    resolves("!Sub '${P}-${ N }-${AWS::Region}'", "pet-7-eu-west-1");
    resolves("!Sub 'a${!P}b${Fn.Arn}'", "a${P}b" ARN);
    resolves("!Sub plain", "plain");
    resolves("{Fn::Sub: ['${x}/${P}', {x: !Ref N}]}", "7/pet");
    resolves("{Fn::Sub: ['${P}', {P: own}]}", "own");
    fails("!Sub '${Nobody}'", "named Nobody");
    fails("!Sub '${Db.Arn}'", "Arn of Db (AWS::DynamoDB::Table)");
    fails("!Sub '${P'", "without its }");
    fails("!Sub '${L}'", "is no text");
    fails("{Fn::Sub: [a]}", "Fn::Sub needs a text");
}

static void join_puts_values_together(void **state)
{
    (void)state;
    resolves("!Join ['-', [a, !Ref P, 1, true]]", "a-pet-1-true");
    resolves("!Join ['', []]", "");
    resolves("!Join [';', !Ref L]", "a;b;c");
    resolves("!Join ['-', [a, !Ref AWS::NoValue, b]]", "a-b");
    fails("!Join ['-', [!Ref Nobody]]", "named Nobody");
    fails("!Join ['-', [[a]]]", "value 1 of Fn::Join is no text");
    fails("!Join ['-']", "Fn::Join needs");
}

static void later_functions_are_refused_by_name(void **state)
{
    static const char *const calls[] = {"ImportValue", "Cidr", "Length", "Transform"};
    char value[64], words[64];
    (void)state;
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        snprintf(value, sizeof value, "{Fn::%s: [a, b]}", calls[i]);
        snprintf(words, sizeof words, "Fn::%s is only known on AWS", calls[i]);
        fails(value, words);
    }
    fails("'{{resolve:ssm:x}}'", "{{resolve:...}} is looked up by CloudFormation");
}

static void no_value_takes_its_property_away(void **state)
{
    (void)state;
    struct loaded l =
        accepted("Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: "
                 "x, Name: !Ref AWS::NoValue, Auth: !Ref AWS::NoValue}}\n");
    assert_str(l.model.apis->name, "Api");
    unload(&l);
}

static void what_nobody_reads_need_not_resolve(void **state)
{
    (void)state;
    struct loaded l =
        accepted("Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: "
                 "x, Description: !If [a, b, c], Models: {a: !ImportValue b}}}\n"
                 "Outputs: {a: {Value: !GetAtt Gone.Arn}}\n");
    unload(&l);
}

static void names_that_lead_to_themselves_are_told(void **state)
{
    (void)state;
    accepts_saying(
        "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Ref F, "
        "Handler: a.b, Runtime: nodejs20.x, CodeUri: .}}\n",
        IMPORT_WARNING, 2, "the function is called F here");
    refuses("Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: x, Tags: "
            "{_custom_id_: !Sub '${Api}'}}}\n",
            2, "_custom_id_: Api leads to itself");
}

static void long_chains_of_names_end(void **state)
{
    AUTO_BUF b = BUF_INIT(MIB(4));
    (void)state;
    buf_addz(&b, "Resources:\n");
    for (int i = 0; i < 20000; i++)
        buf_addf(&b,
                 "  F%d: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Ref F%d}}\n",
                 i, i + 1);
    struct loaded l = load(buf_cstr(&b));
    assert_int_equal(l.err, ERR_INVALID);
    unload(&l);
}

static void text_cannot_grow_without_end(void **state)
{
    AUTO_BUF b = BUF_INIT(MIB(1));
    (void)state;
    buf_addz(&b, "Resources:\n  F0: {Type: AWS::Lambda::Function, Properties: {FunctionName: "
                 "aaaaaaaaaaaaaaaa}}\n");
    for (int i = 1; i < 40; i++)
        buf_addf(&b,
                 "  F%d: {Type: AWS::Lambda::Function, Properties: {FunctionName: !Sub "
                 "'${F%d}${F%d}'}}\n",
                 i, i - 1, i - 1);
    struct loaded l = load(buf_cstr(&b));
    expect(&l, IMPORT_WARNING, 0, "the text becomes longer than");
    unload(&l);
}

/* --- parameters ----------------------------------------------------------------------------------
 */

static struct loaded load_param(const char *name, const char *value, const char *text)
{
    struct import_options o = plain_options();
    const struct import_parameter p = {str_c(name), str_c(value)};
    o.parameters = &p;
    o.parameter_count = 1;
    return load_with(&o, text);
}

static void param_overrides_defaults_and_gives_what_is_missing(void **state)
{
    (void)state;
    struct loaded l = load_param("P", "dog", TEMPLATE("!Ref P"));
    assert_int_equal(l.err, ERR_OK);
    assert_str(l.model.apis->variables->value, "dog");
    unload(&l);
    l = load_param("Empty", "given", TEMPLATE("!Ref Empty"));
    assert_int_equal(l.err, ERR_OK);
    assert_str(l.model.apis->variables->value, "given");
    unload(&l);
    l = load_param("Ssm", "found", TEMPLATE("!Ref Ssm"));
    assert_int_equal(l.err, ERR_OK);
    unload(&l);
}

static void allowed_values_are_kept_to(void **state)
{
    (void)state;
    refuses("Parameters:\n  P: {Type: String, Default: c, AllowedValues: [a, 1]}\nResources: {}\n",
            2, "is not one of its AllowedValues");
    const char *text =
        "Parameters:\n  P: {Type: String, Default: a, AllowedValues: [a, 1]}\nResources: {}\n";
    struct loaded l = load_param("P", "1", text);
    assert_int_equal(l.err, ERR_OK);
    unload(&l);
    l = load_param("P", "hunter2", text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, 2, "is not one of its AllowedValues");
    assert_null(finding(&l, IMPORT_ERROR, 0, "hunter2"));
    unload(&l);
}

static void a_param_that_nobody_declares_is_refused(void **state)
{
    (void)state;
    struct loaded l = load_param("Q", "x", TEMPLATE("!Ref P"));
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, 0, "--param Q: the template declares no such parameter");
    unload(&l);
    l = load_param("Q", "x", "swagger: '2.0'\n");
    assert_int_equal(l.err, ERR_INVALID);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pseudo_parameters_are_known),
        cmocka_unit_test(ref_gives_what_cloudformation_gives),
        cmocka_unit_test(getatt_gives_arns_of_functions),
        cmocka_unit_test(sub_replaces_names),
        cmocka_unit_test(join_puts_values_together),
        cmocka_unit_test(later_functions_are_refused_by_name),
        cmocka_unit_test(no_value_takes_its_property_away),
        cmocka_unit_test(what_nobody_reads_need_not_resolve),
        cmocka_unit_test(names_that_lead_to_themselves_are_told),
        cmocka_unit_test(long_chains_of_names_end),
        cmocka_unit_test(text_cannot_grow_without_end),
        cmocka_unit_test(param_overrides_defaults_and_gives_what_is_missing),
        cmocka_unit_test(allowed_values_are_kept_to),
        cmocka_unit_test(a_param_that_nobody_declares_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
