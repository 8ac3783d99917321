/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiled form: what `${...}` and incomplete ARNs become, the caps, and that running out of
 * memory is an error and nothing else. */
#include "policy_test.h"

#include "lib/fault.h"

#define V2008(statement) "{'Version':'2008-10-17','Statement':" statement "}"
#define NOT_RESOURCE(effect, resource) \
    "{'Effect':'" effect "','Action':'*','NotResource':'" resource "'}"

static void trap_55_without_a_version_variables_are_literal(void **state)
{
    (void)state;
    assert_int_equal(invoked("{'Statement':" ALLOW("a/${aws:SourceIp}") "}", "a/${aws:SourceIp}"),
                     DECISION_ALLOW);
    assert_int_equal(invoked("{'Statement':" ALLOW("a/${aws:SourceIp}") "}", "a/10.0.0.1"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(V2008(ALLOW("a/${b")), "a/${b"), DECISION_ALLOW);
    assert_int_equal(invoked(V2008(ALLOW("a/${*}")), "a/${x}"), DECISION_ALLOW); /* a real star */
}

#define SIX(last) "arn:aws:execute-api:*:*:" last

static void a_malformed_variable_is_refused(void **state)
{
    static const char *const malformed[] = {"${}",      "${**}",    "${a b}",     "${a, b}",
                                            "${a,}",    "${a, 'b}", "${a, 'b'x}", "${a'b'}",
                                            "${a${b}}", "${ a}",    "${'a'}",     "${a,'b',}"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNTOF(malformed); i++) {
        struct policy *p = NULL;
        struct errinfo e = {0};
        struct json effect = {.type = JSON_STRING, .s = STR("Allow")};
        struct json any = {.type = JSON_STRING, .s = STR("*")};
        struct json version = {.type = JSON_STRING, .s = STR("2012-10-17")};
        (void)snprintf(text, sizeof text, SIX("x/%s"), malformed[i]);
        struct json resource = {.type = JSON_STRING, .s = str_c(text)};
        struct json_member members[] = {{STR("Effect"), 0, 0, &effect},
                                        {STR("Action"), 0, 0, &any},
                                        {STR("Resource"), 0, 0, &resource}};
        struct json statement = {.type = JSON_OBJECT, .n = 3, .members = members};
        struct json_member top[] = {{STR("Version"), 0, 0, &version},
                                    {STR("Statement"), 0, 0, &statement}};
        struct json document = {.type = JSON_OBJECT, .n = 2, .members = top};
        if (policy_compile(&document, &p, &e) != ERR_INVALID)
            fail_msg("%s was taken", text);
        assert_non_null(strstr(e.text, "statement 1: a malformed policy variable"));
    }
    assert_refused(POLICY(ALLOW("a${b")), ERR_INVALID, "without \"}\"");
    assert_refused(POLICY(ALLOW("a${")), ERR_INVALID, "without \"}\"");
}

static void a_variable_has_its_place_in_the_last_part_of_a_resource(void **state)
{
    (void)state;
    assert_refused(POLICY(ALLOW("*") "," DENY("a/${aws:SourceIp}/*")), ERR_INVALID,
                   "statement 2: a policy variable has its place in the last part of a Resource: "
                   "\"a/${aws:SourceIp}/*\"");
    assert_refused(POLICY(ALLOW("arn:aws:execute-api:*:${a}:x")), ERR_INVALID, "last part");
    assert_refused(POLICY(ALLOW("${aws:SourceArn}")), ERR_INVALID, "last part");
    assert_refused(POLICY("{'Effect':'Allow','Action':'${x}','Resource':'*'}"), ERR_INVALID,
                   "last part");
    assert_refused(POLICY(ALLOW(SIX("${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}"
                                    "${a}${a}"))),
                   ERR_INVALID, "more policy variables");
}

static void escaped_wildcards_are_literal_characters(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("a${*}b")), "a*b"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW("a${*}b")), "axb"), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("a${?}b")), "a?b"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW("a${?}b")), "axb"), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("a${$}{b}")), "a${b}"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW("?${*}*${?}")), "x*yz?"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW("?${*}*${?}")), "xxyz?"), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("*${*}")), "x\xff"), DECISION_IMPLICIT_DENY);
}

static void an_incomplete_arn_is_completed_where_that_denies(void **state)
{
    static const char *const covering[] = {"arn:aws:execute-api", "arn:aws:execute-api:eu-west-1",
                                           "arn:aws:execute-api:eu-west-1:111122223333",
                                           "arn:aws:execute-api:*:111122223333"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNTOF(covering); i++) {
        (void)snprintf(text, sizeof text, POLICY(DENY("%s")), covering[i]);
        assert_int_equal(invoked(text, METHOD_ARN("GET/a:b")), DECISION_EXPLICIT_DENY);
        (void)snprintf(text, sizeof text, POLICY(NOT_RESOURCE("Allow", "%s")), covering[i]);
        assert_int_equal(invoked(text, METHOD_ARN("GET/a:b")), DECISION_IMPLICIT_DENY);
    }
    assert_int_equal(invoked(POLICY(DENY("arn:aws:sqs")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY("arn:aws:execute-api:us-east-1")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY("execute-api")), "execute-api:a"), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY("arn:a:b:c:d:e")), "arn:a:b:c:d:e:f"),
                     DECISION_IMPLICIT_DENY); /* it is complete */
    assert_int_equal(invoked(POLICY(DENY("arn:*:list")), METHOD_ARN("GET/books:list")),
                     DECISION_EXPLICIT_DENY); /* the literal reading holds too */
    assert_int_equal(invoked(POLICY(DENY("arn:aws:x${*}")), "arn:aws:x*:1:2:3"),
                     DECISION_EXPLICIT_DENY);
}

static void an_incomplete_arn_stays_literal_where_completing_would_permit(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("arn:aws:execute-api")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("*") "," NOT_RESOURCE("Deny", "arn:aws:execute-api")),
                             METHOD_ARN("GET/")),
                     DECISION_EXPLICIT_DENY);
}

static void an_arn_with_a_slash_is_complete_however_few_colons_it_has(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("arn:aws:*/prod/GET/x")), METHOD_ARN("GET/x")),
                     DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW("arn:aws:*/prod/GET/x")), METHOD_ARN("GET/x:1:2:3")),
                     DECISION_IMPLICIT_DENY);
}

static void the_trace_shows_patterns_as_written(void **state)
{
    struct policy *p = compiled(POLICY(DENY("arn:aws:execute-api") "," ALLOW("a${*}")));
    struct policy_request rq = {.action = STR("execute-api:Invoke"),
                                .resource = STR(METHOD_ARN("GET/"))};
    struct policy_trace trace;

    (void)state;
    assert_int_equal(policy_evaluate(p, &rq, &trace), DECISION_EXPLICIT_DENY);
    assert_true(str_eqz(trace.row[0].pattern, "arn:aws:execute-api"));
    assert_true(str_eqz(trace.row[1].pattern, "a${*}"));
    assert_int_equal(trace.row[1].agreed, 1);
    policy_free(p);
}

static void a_pattern_of_512_bytes_is_the_longest(void **state)
{
    char text[2048], pattern[LIMIT_POLICY_RESOURCE + 2];

    (void)state;
    memset(pattern, 'a', sizeof pattern);
    pattern[LIMIT_POLICY_RESOURCE] = '\0';
    (void)snprintf(text, sizeof text, POLICY(ALLOW("%s")), pattern);
    assert_int_equal(invoked(text, pattern), DECISION_ALLOW);
    memcpy(pattern, "arn:", 4); /* completed, it is longer than any that is written */
    (void)snprintf(text, sizeof text, POLICY(DENY("%s")), pattern);
    assert_int_equal(invoked(text, pattern), DECISION_EXPLICIT_DENY);
    assert_int_equal(invoked(text, METHOD_ARN("GET/")), DECISION_IMPLICIT_DENY);
    pattern[LIMIT_POLICY_RESOURCE] = 'a';
    pattern[LIMIT_POLICY_RESOURCE + 1] = '\0';
    (void)snprintf(text, sizeof text, POLICY(DENY("%s")), pattern);
    assert_refused(text, ERR_INVALID, "Resource is longer than 512 bytes");
}

static char *policy_of_n(size_t n)
{
    struct buf b = BUF_INIT(MIB(1));

    buf_addz(&b, "{'Statement':[");
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s" ALLOW("arn:%zu"), i ? "," : "", i);
    buf_addz(&b, "]}");
    buf_addc(&b, '\0');
    assert_int_equal(b.err, ERR_OK);
    return b.p;
}

static void statements_are_limited(void **state)
{
    char *text = policy_of_n(LIMIT_POLICY_STATEMENTS);
    struct policy *p = compiled(text);

    (void)state;
    assert_int_equal(policy_statements(p), LIMIT_POLICY_STATEMENTS);
    policy_free(p);
    mem_free(text);
    text = policy_of_n(LIMIT_POLICY_STATEMENTS + 1);
    assert_refused(text, ERR_LIMIT, "1025 statements");
    mem_free(text);
}

static void the_size_is_told(void **state)
{
    struct policy *small = compiled(POLICY(ALLOW("*")));
    struct policy *large =
        compiled(POLICY(ALLOW("*") "," ALLOW("arn:aws:execute-api:*/*/GET/pets")));

    (void)state;
    assert_true(policy_bytes(small) > 0);
    assert_true(policy_bytes(large) >=
                policy_bytes(small) + strlen("arn:aws:execute-api:*/*/GET/pets"));
    policy_free(small);
    policy_free(large);
    policy_free(NULL);
}

static enum err compile_and_free(void *document)
{
    struct errinfo e = {0};
    struct policy *p = NULL;
    enum err err = policy_compile(document, &p, &e);

    assert_int_equal(e.code, err);
    assert_int_equal(!p, err != ERR_OK);
    policy_free(p);
    return err;
}

static void running_out_of_memory_is_an_error(void **state)
{
    struct json effect = {.type = JSON_STRING, .s = STR("Allow")};
    struct json star = {.type = JSON_STRING, .s = STR("*")};
    struct json_member members[] = {{STR("Effect"), 0, 0, &effect},
                                    {STR("Action"), 0, 0, &star},
                                    {STR("Resource"), 0, 0, &star}};
    struct json statement = {.type = JSON_OBJECT, .n = 3, .members = members};
    const struct json *items[200]; /* more than the first block of the arena holds */
    struct json list = {.type = JSON_ARRAY, .n = COUNTOF(items), .items = items};
    struct json_member top[] = {{STR("Statement"), 0, 0, &list}};
    struct json document = {.type = JSON_OBJECT, .n = 1, .members = top};

    (void)state;
    for (size_t i = 0; i < COUNTOF(items); i++)
        items[i] = &statement;
    fault_each(compile_and_free, &document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_55_without_a_version_variables_are_literal),
        cmocka_unit_test(a_malformed_variable_is_refused),
        cmocka_unit_test(a_variable_has_its_place_in_the_last_part_of_a_resource),
        cmocka_unit_test(escaped_wildcards_are_literal_characters),
        cmocka_unit_test(an_incomplete_arn_is_completed_where_that_denies),
        cmocka_unit_test(an_incomplete_arn_stays_literal_where_completing_would_permit),
        cmocka_unit_test(an_arn_with_a_slash_is_complete_however_few_colons_it_has),
        cmocka_unit_test(the_trace_shows_patterns_as_written),
        cmocka_unit_test(a_pattern_of_512_bytes_is_the_longest),
        cmocka_unit_test(statements_are_limited),
        cmocka_unit_test(the_size_is_told),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
