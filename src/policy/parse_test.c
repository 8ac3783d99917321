/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar: what a policy document may contain, and that everything else is refused with a text
 * that names the statement and the element. */
#include "policy_test.h"

#define REST "'Action':'execute-api:Invoke','Resource':'*'"

static void a_statement_may_be_an_object_or_a_list(void **state)
{
    (void)state;
    assert_int_equal(invoked("{'Statement':" ALLOW("*") "}", METHOD_ARN("GET/")), DECISION_ALLOW);
    assert_int_equal(invoked("{'Statement':[" ALLOW("*") "]}", METHOD_ARN("GET/")), DECISION_ALLOW);
}

static void an_empty_statement_list_denies_implicitly(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(""), METHOD_ARN("GET/")), DECISION_IMPLICIT_DENY);
}

static void trap_5_element_names_in_lower_case_are_refused(void **state)
{
    (void)state;
    assert_refused(POLICY("{'effect':'Allow'," REST "}"), ERR_INVALID, "statement 1: unknown");
    assert_refused(POLICY("{'Effect':'Allow','action':'*','Resource':'*'}"), ERR_INVALID,
                   "\"action\"");
    assert_refused(POLICY("{'Effect':'Allow','Action':'*','resource':'*'}"), ERR_INVALID,
                   "\"resource\"");
    assert_refused("{'version':'2012-10-17','Statement':[]}", ERR_INVALID, "\"version\"");
    assert_refused("{'statement':[]}", ERR_INVALID, "\"statement\"");
}

static void the_value_of_effect_is_read_in_any_letter_case(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY("{'Effect':'allow'," REST "}"), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY("{'Effect':'ALLOW'," REST "}"), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY("{'Effect':'deny'," REST "}"), "arn"), DECISION_EXPLICIT_DENY);
}

static void any_other_effect_is_refused(void **state)
{
    (void)state;
    assert_refused(POLICY("{" REST "}"), ERR_INVALID, "statement 1: Effect is missing");
    assert_refused(POLICY("{'Effect':'Permit'," REST "}"), ERR_INVALID, "Effect must be");
    assert_refused(POLICY("{'Effect':''," REST "}"), ERR_INVALID, "Effect must be");
    assert_refused(POLICY("{'Effect':'Allow '," REST "}"), ERR_INVALID, "Effect must be");
    assert_refused(POLICY("{'Effect':true," REST "}"), ERR_INVALID, "Effect must be");
    assert_refused(POLICY("{'Effect':['Allow']," REST "}"), ERR_INVALID, "Effect must be");
}

static void exactly_one_of_each_pair_is_needed(void **state)
{
    (void)state;
    assert_refused(POLICY("{'Effect':'Allow','Resource':'*'}"), ERR_INVALID,
                   "statement 1: has neither Action nor NotAction");
    assert_refused(POLICY("{'Effect':'Allow','NotAction':'*'," REST "}"), ERR_INVALID,
                   "has both Action and NotAction");
    assert_refused(POLICY("{'Effect':'Allow','Action':'*'}"), ERR_INVALID,
                   "has neither Resource nor NotResource");
    assert_refused(POLICY("{'Effect':'Allow','NotResource':'*'," REST "}"), ERR_INVALID,
                   "has both Resource and NotResource");
}

static void an_error_names_the_statement_counted_from_one(void **state)
{
    (void)state;
    assert_refused(POLICY(ALLOW("*") "," ALLOW("*") ",{'Effect':'Allow','Action':'*'}"),
                   ERR_INVALID, "statement 3: has neither");
}

static void wrong_types_are_refused(void **state)
{
    (void)state;
    assert_refused("[]", ERR_INVALID, "must be an object");
    assert_refused("'allow'", ERR_INVALID, "must be an object");
    assert_refused("null", ERR_INVALID, "must be an object");
    assert_refused("{}", ERR_INVALID, "Statement is missing");
    assert_refused("{'Statement':null}", ERR_INVALID, "Statement must be");
    assert_refused("{'Statement':'x'}", ERR_INVALID, "Statement must be");
    assert_refused("{'Statement':[null]}", ERR_INVALID, "statement 1: must be an object");
    assert_refused("{'Statement':[[]]}", ERR_INVALID, "statement 1: must be an object");
    assert_refused("{'Id':1,'Statement':[]}", ERR_INVALID, "Id must be a string");
    assert_refused(POLICY("{'Sid':1,'Effect':'Allow'," REST "}"), ERR_INVALID,
                   "Sid must be a string");
    assert_refused(POLICY("{'Effect':'Allow','Action':1,'Resource':'*'}"), ERR_INVALID,
                   "Action must be a string or a list");
    assert_refused(POLICY("{'Effect':'Allow','Action':null,'Resource':'*'}"), ERR_INVALID,
                   "Action must be a string or a list");
    assert_refused(POLICY("{'Effect':'Allow','Action':'*','NotResource':{}}"), ERR_INVALID,
                   "NotResource must be a string or a list");
    assert_refused(POLICY("{'Effect':'Allow','Action':'*','Resource':['*',null]}"), ERR_INVALID,
                   "Resource contains a null");
}

static void empty_lists_are_refused(void **state)
{
    (void)state;
    assert_refused(POLICY("{'Effect':'Allow','Action':[],'Resource':'*'}"), ERR_INVALID,
                   "Action is an empty list");
    assert_refused(POLICY("{'Effect':'Allow','Action':'*','NotResource':[]}"), ERR_INVALID,
                   "NotResource is an empty list");
}

static void an_empty_resource_is_accepted_and_matches_no_method(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("")), METHOD_ARN("GET/")), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY("")), METHOD_ARN("GET/")), DECISION_IMPLICIT_DENY);
}

static void only_two_versions_exist(void **state)
{
    (void)state;
    assert_int_equal(invoked("{'Version':'2008-10-17','Statement':" ALLOW("*") "}", "arn"),
                     DECISION_ALLOW);
    assert_refused("{'Version':'2012-10-18','Statement':[]}", ERR_INVALID, "Version must be");
    assert_refused("{'Version':20121017,'Statement':[]}", ERR_INVALID, "Version must be");
    assert_refused("{'Version':null,'Statement':[]}", ERR_INVALID, "Version must be");
    assert_refused("{'Version':'','Statement':[]}", ERR_INVALID, "Version must be");
}

static void id_sid_and_principal_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        invoked("{'Id':'x','Statement':[{'Sid':'a','Principal':{'AWS':'*'},'Effect':'Allow'," REST
                "},{'Sid':'a','Principal':'*','Effect':'Allow'," REST "}]}",
                "arn"),
        DECISION_ALLOW);
}

static void a_condition_is_an_object(void **state)
{
    (void)state;
    assert_refused(POLICY("{'Effect':'Allow','Condition':[]," REST "}"), ERR_INVALID,
                   "Condition must be an object");
    assert_refused(POLICY(ALLOW("*") ",{'Effect':'Allow','Condition':null," REST "}"), ERR_INVALID,
                   "statement 2: Condition must be an object");
    assert_int_equal(invoked(POLICY("{'Effect':'Allow','Condition':{}," REST "}"), "arn"),
                     DECISION_ALLOW); /* demands nothing */
}

static void unknown_elements_are_refused(void **state)
{
    (void)state;
    assert_refused("{'Statement':[],'Comment':'x'}", ERR_INVALID,
                   "\"Comment\" in the policy document");
    assert_refused(POLICY("{'Effect':'Allow','NotPrincipal':'*'," REST "}"), ERR_INVALID,
                   "\"NotPrincipal\"");
}

/* The parser of JSON refuses duplicates; a tree that was built otherwise is checked here. */
static void an_element_given_twice_is_refused(void **state)
{
    struct json effect = {.type = JSON_STRING, .s = STR("Allow")};
    struct json_member members[] = {{STR("Effect"), 0, 0, &effect}, {STR("Effect"), 0, 0, &effect}};
    struct json statement = {.type = JSON_OBJECT, .n = 2, .members = members};
    struct json_member top[] = {{STR("Statement"), 0, 0, &statement}};
    struct json document = {.type = JSON_OBJECT, .n = 1, .members = top};
    struct policy *p = NULL;
    struct errinfo e = {0};

    (void)state;
    assert_int_equal(policy_compile(&document, &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "repeated element \"Effect\""));
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    struct json text = {.type = JSON_STRING, .s = STR("arn:\xff")};
    struct json effect = {.type = JSON_STRING, .s = STR("Allow")};
    struct json_member members[] = {{STR("Effect"), 0, 0, &effect},
                                    {STR("Action"), 0, 0, &text},
                                    {STR("Resource"), 0, 0, &text}};
    struct json statement = {.type = JSON_OBJECT, .n = 3, .members = members};
    struct json_member top[] = {{STR("Statement"), 0, 0, &statement}};
    struct json document = {.type = JSON_OBJECT, .n = 1, .members = top};
    struct policy *p = NULL;

    (void)state;
    assert_int_equal(policy_compile(&document, &p, NULL), ERR_INVALID);
    assert_null(p);
}

static void a_place_in_the_file_is_passed_on(void **state)
{
    struct json statement = {.type = JSON_NULL, .line = 7, .col = 3};
    const struct json *items[] = {&statement};
    struct json list = {.type = JSON_ARRAY, .n = 1, .items = items};
    struct json_member top[] = {{STR("Statement"), 0, 0, &list}};
    struct json document = {.type = JSON_OBJECT, .n = 1, .members = top};
    struct policy *p = NULL;
    struct errinfo e = {0};

    (void)state;
    assert_int_equal(policy_compile(&document, &p, &e), ERR_INVALID);
    assert_int_equal(e.line, 7);
    assert_int_equal(e.col, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_may_be_an_object_or_a_list),
        cmocka_unit_test(an_empty_statement_list_denies_implicitly),
        cmocka_unit_test(trap_5_element_names_in_lower_case_are_refused),
        cmocka_unit_test(the_value_of_effect_is_read_in_any_letter_case),
        cmocka_unit_test(any_other_effect_is_refused),
        cmocka_unit_test(exactly_one_of_each_pair_is_needed),
        cmocka_unit_test(an_error_names_the_statement_counted_from_one),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(empty_lists_are_refused),
        cmocka_unit_test(an_empty_resource_is_accepted_and_matches_no_method),
        cmocka_unit_test(only_two_versions_exist),
        cmocka_unit_test(id_sid_and_principal_change_nothing),
        cmocka_unit_test(a_condition_is_an_object),
        cmocka_unit_test(unknown_elements_are_refused),
        cmocka_unit_test(an_element_given_twice_is_refused),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(a_place_in_the_file_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
