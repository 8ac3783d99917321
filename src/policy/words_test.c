/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person reads of a verdict: a line for each statement, and the edit that would change it.
 */
#include "policy_test.h"

struct served {
    struct str ip;
};

static size_t serve(void *arg, struct str key, const struct str **values)
{
    struct served *s = arg;

    *values = &s->ip;
    return str_ieq(key, STR("aws:SourceIp")) && s->ip.p ? 1 : 0;
}

static struct served from_home = {STR_INIT("203.0.113.9")};
static const struct policy_context context = {serve, &from_home};

static struct policy_request invoke(const char *resource)
{
    return (struct policy_request){
        .action = STR("execute-api:Invoke"), .resource = str_c(resource), .context = &context};
}

/* The words of each statement, and of the nearest one, must contain `wanted`. */
static void assert_row(const char *text, size_t row, const char *resource, const char *wanted)
{
    struct policy *p = compiled(text);
    struct policy_request rq = invoke(resource);
    struct policy_trace t;
    AUTO_BUF words = BUF_INIT(KIB(8));

    (void)policy_evaluate(p, &rq, &t);
    assert_true(row < t.rows);
    policy_row_words(&words, row + 1, &t.row[row], &rq);
    assert_string_equal(buf_cstr(&words), wanted);
    policy_free(p);
}

static void assert_change(const char *text, const char *resource, const char *wanted)
{
    struct policy *p = compiled(text);
    struct policy_request rq = invoke(resource);
    struct policy_nearest nearest;
    AUTO_BUF words = BUF_INIT(KIB(8));

    assert_int_equal(policy_evaluate(p, &rq, NULL), DECISION_IMPLICIT_DENY);
    policy_nearest(p, &rq, &nearest);
    policy_nearest_words(&words, &nearest, &rq);
    assert_string_equal(buf_cstr(&words), wanted);
    policy_free(p);
}

#define ON(condition) \
    "{'Effect':'Allow','Action':'execute-api:Invoke','Resource':'*','Condition':" condition "}"
#define LAST(path) "arn:aws:execute-api:*:*:api/dev/GET/" path

static void a_row_tells_what_matched_or_what_did_not(void **state)
{
    (void)state;
    assert_row(POLICY(ALLOW("*")), 0, METHOD_ARN("GET/a"), "1 Allow * matches");
    assert_row(POLICY(DENY("x") "," DENY(METHOD_ARN("GET/*"))), 1, METHOD_ARN("GET/a"),
               "2 Deny " METHOD_ARN("GET/*") " matches");
    assert_row(POLICY(ALLOW(METHOD_ARN("GET/b"))), 0, METHOD_ARN("GET/a"),
               "1 Allow " METHOD_ARN("GET/b") " does not match; they agree up to \"" METHOD_ARN(
                   "GET/") "\"");
    assert_row(POLICY("{'Effect':'Allow','Action':'s3:*','Resource':'*'}"), 0, "x",
               "1 Allow: Action does not match execute-api:Invoke");
    assert_row(POLICY("{'Effect':'Allow','Action':'*','NotResource':'x*'}"), 0, "xy",
               "1 Allow NotResource x* excludes it");
    assert_row(POLICY("{'Effect':'Allow','Action':'*','NotResource':'x*'}"), 0, "y",
               "1 Allow by NotResource matches");
    assert_row(POLICY(ALLOW(LAST("${aws:username}"))), 0, "y",
               "1 Allow " LAST("${aws:username}") ": ${aws:username} has no value in this request");
}

static void a_row_tells_which_condition_failed(void **state)
{
    (void)state;
    assert_row(POLICY(ON("{'IpAddress':{'aws:SourceIp':'10.0.0.0/8'}}")), 0, "x",
               "1 Allow: Condition IpAddress aws:SourceIp: 203.0.113.9 is not in 10.0.0.0/8");
    assert_row(POLICY(ON("{'IpAddress':{'aws:SourceIp':['10.0.0.0/8','::1','::2']}}")), 0, "x",
               "1 Allow: Condition IpAddress aws:SourceIp: 203.0.113.9 is not in 10.0.0.0/8 and 2 "
               "more");
    assert_row(POLICY(ON("{'NotIpAddress':{'aws:SourceIp':'203.0.113.0/24'}}")), 0, "x",
               "1 Allow: Condition NotIpAddress aws:SourceIp: 203.0.113.9 is in 203.0.113.0/24");
    assert_row(POLICY(ON("{'StringLike':{'aws:SourceIp':'10.*'}}")), 0, "x",
               "1 Allow: Condition StringLike aws:SourceIp: 203.0.113.9 fails against 10.*");
    assert_row(POLICY(ON("{'StringEquals':{'aws:SourceVpc':'vpc-1'}}")), 0, "x",
               "1 Allow: Condition StringEquals aws:SourceVpc: the request has no such key");
    assert_row(POLICY(ON("{'Null':{'aws:SourceVpc':'false'}}")), 0, "x",
               "1 Allow: Condition Null aws:SourceVpc: the request has no such key");
    assert_row(POLICY(ON("{'Null':{'aws:SourceIp':'true'}}")), 0, "x",
               "1 Allow: Condition Null aws:SourceIp: the request has this key");
}

static void the_nearest_statement_is_named_with_its_edit(void **state)
{
    (void)state;
    assert_change(POLICY(""), "x",
                  "no statement allows anything: add Effect Allow, Action execute-api:Invoke, "
                  "Resource x");
    assert_change(POLICY(DENY("y")), "x",
                  "no statement allows anything: add Effect Allow, Action execute-api:Invoke, "
                  "Resource x");
    /* furthest of several; a wildcard no wider than one method */
    assert_change(POLICY(ALLOW("y") "," ALLOW(METHOD_ARN("GET/pets/1"))), METHOD_ARN("GET/pets/2"),
                  "let statement 2 name the Resource " METHOD_ARN("GET/pets/*"));
    assert_change(POLICY(ALLOW(METHOD_ARN("GET/pets/1")) "," ALLOW("y")), METHOD_ARN("GET/pets/2"),
                  "let statement 1 name the Resource " METHOD_ARN("GET/pets/*"));
    assert_change(POLICY(ALLOW(METHOD_ARN("GET/users"))), METHOD_ARN("GET/pets"),
                  "let statement 1 name the Resource " METHOD_ARN("GET/pets"));
    assert_change(POLICY(ALLOW(METHOD_ARN("POST/pets"))), METHOD_ARN("GET/pets/2"),
                  "let statement 1 name the Resource " METHOD_ARN("GET/pets/2"));
    assert_change(POLICY(ALLOW("a/b/cx")), "a/b/cy", "let statement 1 name the Resource a/b/cy");
    assert_change(POLICY(ALLOW("x")), "a/b", "let statement 1 name the Resource a/b");
    assert_change(POLICY("{'Effect':'Allow','Action':'s3:*','Resource':'*'}"), "x",
                  "let statement 1 name the Action execute-api:Invoke");
    assert_change(POLICY("{'Effect':'Allow','Action':'*','NotResource':'x'}"), "x",
                  "take x out of NotResource of statement 1");
    assert_change(POLICY(ALLOW(LAST("${aws:username}"))), "x",
                  "statement 1 needs a value for ${aws:username}, or a default: ${aws:username, "
                  "'text'}");
    assert_change(POLICY(ALLOW(LAST("${x}"))), "x",
                  "statement 1 needs a value for ${x}, or a default: ${x, 'text'}");
    assert_change(POLICY(ON("{'IpAddress':{'aws:SourceIp':'10.0.0.0/8'}}")), "x",
                  "change in statement 1: Condition IpAddress aws:SourceIp: 203.0.113.9 is not in "
                  "10.0.0.0/8");
}

static void fewer_failures_are_nearer(void **state)
{
    (void)state;
    assert_change(POLICY(ALLOW("a/1") "," ALLOW("a/2")), "a/3",
                  "let statement 1 name the Resource a/3"); /* of equals the first */
    assert_change(
        POLICY(
            "{'Effect':'Allow','Action':'s3:*','Resource':'y'},"
            "{'Effect':'Allow','Action':'s3:*','Resource':'*'},"
            "{'Effect':'Allow','Action':'s3:*','Resource':'y','Condition':{'Null':{'a':'false'}}}"),
        "x", "let statement 2 name the Action execute-api:Invoke");
    assert_change(POLICY("{'Effect':'Allow','Action':'s3:*','Resource':'y'}"), "x",
                  "let statement 1 name the Action execute-api:Invoke (1 more of its elements do "
                  "not match)");
}

static void a_principal_is_named_too(void **state)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    const struct json *document;
    struct policy_home home = {STR("aws"), STR("r"), STR("1"), STR("api")};
    struct policy_request rq = invoke("x");
    struct policy_nearest nearest;
    struct policy_trace t;
    struct policy *p;
    AUTO_BUF words = BUF_INIT(KIB(4));

    (void)state;
    assert_non_null(a);
    assert_int_equal(json_parse(a,
                                STR("{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"
                                    "\"111122223333\"},\"Action\":\"*\",\"Resource\":\"*\"}}"),
                                KIB(1), &document, NULL),
                     ERR_OK);
    assert_int_equal(policy_compile_resource(document, &home, &p, NULL), ERR_OK);
    assert_int_equal(policy_evaluate(p, &rq, &t), DECISION_IMPLICIT_DENY);
    policy_row_words(&words, 1, &t.row[0], &rq);
    assert_string_equal(buf_cstr(&words),
                        "1 Allow: Principal does not include an anonymous caller");
    buf_reset(&words);
    policy_nearest(p, &rq, &nearest);
    assert_int_equal(nearest.part, POLICY_PRINCIPAL);
    policy_nearest_words(&words, &nearest, &rq);
    assert_string_equal(buf_cstr(&words), "let statement 1 have Principal \"*\"");
    rq.principal = STR("arn:aws:iam::2:user/b");
    assert_int_equal(policy_evaluate(p, &rq, &t), DECISION_IMPLICIT_DENY);
    buf_reset(&words);
    policy_row_words(&words, 1, &t.row[0], &rq);
    assert_string_equal(buf_cstr(&words), "1 Allow: Principal does not include the caller");
    policy_free(p);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_tells_what_matched_or_what_did_not),
        cmocka_unit_test(a_row_tells_which_condition_failed),
        cmocka_unit_test(the_nearest_statement_is_named_with_its_edit),
        cmocka_unit_test(fewer_failures_are_nearer),
        cmocka_unit_test(a_principal_is_named_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
