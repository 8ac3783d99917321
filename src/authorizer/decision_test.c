/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function may answer (specs 1.6), one shape a test. */
#include "authorizer_int.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

#define POLICY                                                                   \
    "\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{\"Action\":" \
    "\"execute-api:Invoke\",\"Effect\":\"Allow\",\"Resource\":\"*\"}]}"

static enum err parse(const char *answer, struct auth_result **r, struct errinfo *why)
{
    return auth__result_parse(str_c(answer), SHAPE_REST, r, why);
}

static void refused(const char *answer)
{
    struct auth_result *r = NULL;
    struct errinfo why = {0};
    assert_int_not_equal(parse(answer, &r, &why), ERR_OK);
    assert_null(r);
    assert_true(why.text[0] != '\0');
}

static void a_plain_answer_is_taken(void **state)
{
    (void)state;
    struct auth_result *r = NULL;
    assert_int_equal(parse("{\"principalId\":\"user|42\"," POLICY "}", &r, NULL), ERR_OK);
    assert_true(str_eqz(auth_principal(r), "user|42"));
    assert_int_equal(auth_context_count(r), 0);
    auth__result_unref(r);
}

static void context_values_become_strings(void **state)
{
    (void)state;
    struct auth_result *r = NULL;
    assert_int_equal(parse("{\"principalId\":\"u\"," POLICY ",\"context\":{\"s\":\"blue\",\"n\":3,"
                           "\"f\":1.5,\"b\":true,\"c\":false,\"z\":null}}",
                           &r, NULL),
                     ERR_OK);
    assert_true(str_eqz(auth_context_find(r, STR("s"))->text, "blue"));
    assert_true(str_eqz(auth_context_find(r, STR("n"))->text, "3"));
    assert_true(str_eqz(auth_context_find(r, STR("f"))->text, "1.5"));
    assert_true(str_eqz(auth_context_find(r, STR("b"))->text, "true"));
    assert_true(str_eqz(auth_context_find(r, STR("c"))->text, "false"));
    assert_true(auth_context_find(r, STR("z"))->null);
    assert_null(auth_context_find(r, STR("S")));
    auth__result_unref(r);
}

static void objects_and_arrays_in_context_are_refused(void **state)
{
    (void)state; /* trap 6 */
    refused("{\"principalId\":\"u\"," POLICY ",\"context\":{\"a\":[1]}}");
    refused("{\"principalId\":\"u\"," POLICY ",\"context\":{\"a\":{}}}");
    refused("{\"principalId\":\"u\"," POLICY ",\"context\":\"text\"}");
    refused("{\"principalId\":\"u\"," POLICY ",\"context\":[]}");
}

static void the_principal_must_be_a_string(void **state)
{
    (void)state;
    struct auth_result *r = NULL;
    refused("{" POLICY "}");
    refused("{\"principalId\":7," POLICY "}");
    refused("{\"principalId\":null," POLICY "}");
    assert_int_equal(parse("{\"principalId\":\"\"," POLICY "}", &r, NULL), ERR_OK);
    auth__result_unref(r);
}

static void what_is_no_policy_is_refused(void **state)
{
    (void)state; /* traps 4 and 5 */
    refused("{\"statusCode\":401}");
    refused("null");
    refused("\"Allow\"");
    refused("");
    refused("{");
    refused("{\"principalId\":\"u\"}");
    refused("{\"principalId\":\"u\",\"policyDocument\":null}");
    refused("{\"principalId\":\"u\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{"
            "\"action\":\"execute-api:Invoke\",\"effect\":\"Allow\",\"resource\":\"*\"}]}}");
}

/* Answers of HTTP APIs: specs 3.4, traps 22 and 23. */
static void each_shape_takes_its_own_answers(void **state)
{
    (void)state;
    static const struct {
        enum auth_shape shape;
        const char *answer;
        bool taken, allowed;
    } rows[] = {
        {SHAPE_SIMPLE, "{\"isAuthorized\":true}", true, true},
        {SHAPE_SIMPLE, "{\"isAuthorized\":false,\"context\":{\"a\":[1]}}", true, false},
        {SHAPE_SIMPLE, "{\"isAuthorized\":\"true\"}", false, false},
        {SHAPE_SIMPLE, "{\"isAuthorized\":1}", false, false},
        {SHAPE_SIMPLE, "{" POLICY "}", false, false},
        {SHAPE_SIMPLE, "{\"isAuthorized\":true,\"context\":[]}", false, false},
        {SHAPE_POLICY, "{" POLICY ",\"context\":{\"a\":{\"b\":1}}}", true, false},
        {SHAPE_POLICY, "{\"isAuthorized\":true}", false, false},
        {SHAPE_1_0, "{\"principalId\":\"u\"," POLICY ",\"context\":{\"a\":1}}", true, false},
        {SHAPE_1_0, "{" POLICY "}", false, false},
        {SHAPE_1_0, "{\"principalId\":\"u\"," POLICY ",\"context\":{\"a\":[]}}", false, false},
        {SHAPE_1_0, "{\"principalId\":\"u\",\"isAuthorized\":true}", false, false},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct auth_result *r = NULL;
        struct errinfo why = {0};
        enum err err = auth__result_parse(str_c(rows[i].answer), rows[i].shape, &r, &why);
        if ((err == ERR_OK) != rows[i].taken || (r && r->allowed != rows[i].allowed))
            fail_msg("%s: %s", rows[i].answer, why.text);
        const struct json *context = r ? auth_context_json(r) : NULL;
        if (r && strstr(rows[i].answer, "context"))
            assert_false(json_is(json_get(context, "a"), JSON_STRING)); /* its own type */
        auth__result_unref(r);
    }
}

static void running_out_of_memory_refuses(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct auth_result *r = NULL;
        mem_fault(n, 1);
        enum err err =
            parse("{\"principalId\":\"u\"," POLICY ",\"context\":{\"a\":\"b\"}}", &r, NULL);
        bool hit = mem_fault_hits() > 0;
        mem_fault(-1, 0);
        assert_true(err == ERR_OK ? r != NULL : r == NULL);
        auth__result_unref(r);
        if (!hit)
            break;
        assert_int_not_equal(err, ERR_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_answer_is_taken),
        cmocka_unit_test(context_values_become_strings),
        cmocka_unit_test(objects_and_arrays_in_context_are_refused),
        cmocka_unit_test(the_principal_must_be_a_string),
        cmocka_unit_test(what_is_no_policy_is_refused),
        cmocka_unit_test(each_shape_takes_its_own_answers),
        cmocka_unit_test(running_out_of_memory_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
