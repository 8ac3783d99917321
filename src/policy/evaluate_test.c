/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict: what allows, what denies, and that neither order nor company of the statements
 * matters. Names with "trap" are known mistakes of gateways and their emulators. */
#include "policy_test.h"

#include "lib/prop.h"

#define ACTION(action) "{'Effect':'Allow','Action':" action ",'Resource':'*'}"

static void nothing_that_matches_is_an_implicit_deny(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("arn:other")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY("arn:other")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("*")), ""), DECISION_ALLOW);
}

static void trap_10_an_empty_path_is_matched_by_a_star(void **state)
{
    (void)state;
    assert_int_equal(
        invoked(POLICY(ALLOW("arn:aws:execute-api:*:*:*/prod/*/*")), METHOD_ARN("GET/")),
        DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/"))), METHOD_ARN("GET/")),
                     DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET"))), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
}

static void trap_11_a_colon_in_the_path_does_not_break_the_arn(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/a:b:c"))), METHOD_ARN("GET/a:b:c")),
                     DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/*"))), METHOD_ARN("GET/a:b:c")),
                     DECISION_ALLOW);
    assert_int_equal(
        invoked(POLICY(ALLOW("arn:aws:execute-api:*:*:*/prod/GET/a")), METHOD_ARN("GET/a:b")),
        DECISION_IMPLICIT_DENY);
}

static void trap_12_a_question_mark_is_one_character_of_a_path(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/x?"))), METHOD_ARN("GET/x7")),
                     DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/x?"))), METHOD_ARN("GET/x")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("*/api/*/GET/x?")), "arn:1/api/prod/GET/xy"),
                     DECISION_ALLOW);
}

static void trap_13_a_star_spans_slashes_and_colons(void **state)
{
    static const char *const wide[] = {"*",
                                       "arn:aws:execute-api:*",
                                       "arn:aws:execute-api:**",
                                       "arn:aws:execute-api:eu-west-1:*",
                                       "arn:aws:execute-api:*:*:*",
                                       "arn:*:execute-api:*:*:a1b2c3d4e5/*/GET/*",
                                       "arn:aws:execute-api:*:111122223333:*/prod/*/pets/*/toys",
                                       "*toys"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNTOF(wide); i++) {
        (void)snprintf(text, sizeof text, POLICY(ALLOW("%s")), wide[i]);
        assert_int_equal(invoked(text, METHOD_ARN("GET/pets/1/2:3/toys")), DECISION_ALLOW);
    }
    assert_int_equal(invoked(POLICY(ALLOW("arn:aws:execute-api:us-east-1:*")), METHOD_ARN("GET/")),
                     DECISION_IMPLICIT_DENY);
}

static void trap_14_a_resource_is_no_prefix(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/users"))), METHOD_ARN("GET/users/1")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/users"))), METHOD_ARN("GET/users/")),
                     DECISION_IMPLICIT_DENY);
}

static void trap_15_a_deny_in_the_second_statement_counts(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW("*") "," DENY(METHOD_ARN("*"))), METHOD_ARN("GET/")),
                     DECISION_EXPLICIT_DENY);
    assert_int_equal(invoked(POLICY(DENY(METHOD_ARN("*")) "," ALLOW("*")), METHOD_ARN("GET/")),
                     DECISION_EXPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW("*") "," ALLOW("x") "," DENY("x") "," DENY("*")), "y"),
                     DECISION_EXPLICIT_DENY);
}

static void trap_16_a_path_parameter_is_part_of_the_resource(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/users/42"))), METHOD_ARN("GET/users/42")),
                     DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/users/42"))), METHOD_ARN("GET/users/43")),
                     DECISION_IMPLICIT_DENY);
}

static void trap_21_actions_may_be_a_star_or_a_list(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ACTION("'*'")), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ACTION("['s3:GetObject','execute-api:Invoke']")), "arn"),
                     DECISION_ALLOW);
    assert_int_equal(
        invoked(POLICY("{'Effect':'Allow','Action':'*','Resource':['a','arn']}"), "arn"),
        DECISION_ALLOW);
}

static void trap_47_a_template_of_a_path_matches_no_request(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/{proxy+}"))), METHOD_ARN("GET/pets/1")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(
        invoked(POLICY(ALLOW(METHOD_ARN("GET/users/{id}"))), METHOD_ARN("GET/users/42")),
        DECISION_IMPLICIT_DENY);
}

static void actions_are_matched_without_regard_to_letter_case(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ACTION("'EXECUTE-API:invoke'")), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ACTION("'execute-api:*'")), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ACTION("'execute-API:inv*'")), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ACTION("'execute-api:?NVOKE'")), "arn"), DECISION_ALLOW);
    assert_int_equal(invoked(POLICY(ACTION("'execute-api:InvalidateCache'")), "arn"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ACTION("'execute-api:ManageConnections'")), "arn"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ACTION("'execute-api'")), "arn"), DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ACTION("''")), "arn"), DECISION_IMPLICIT_DENY);
}

static void resources_are_matched_with_regard_to_letter_case(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("GET/Users"))), METHOD_ARN("GET/users")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(invoked(POLICY(ALLOW(METHOD_ARN("get/users"))), METHOD_ARN("GET/users")),
                     DECISION_IMPLICIT_DENY);
}

static void not_action_is_the_complement(void **state)
{
    const char *text =
        POLICY("{'Effect':'Allow','NotAction':['s3:*','execute-api:Manage*'],'Resource':'*'}");

    (void)state;
    assert_int_equal(judged(text, "execute-api:Invoke", "arn"), DECISION_ALLOW);
    assert_int_equal(judged(text, "execute-api:ManageConnections", "arn"), DECISION_IMPLICIT_DENY);
    assert_int_equal(judged(text, "S3:GetObject", "arn"), DECISION_IMPLICIT_DENY);
}

static void not_resource_is_the_complement(void **state)
{
    const char *text =
        POLICY(ALLOW("*") ",{'Effect':'Deny','Action':'*','NotResource':['" METHOD_ARN(
            "GET/*") "','" METHOD_ARN("HEAD/*") "']}");

    (void)state;
    assert_int_equal(invoked(text, METHOD_ARN("GET/a")), DECISION_ALLOW);
    assert_int_equal(invoked(text, METHOD_ARN("HEAD/a")), DECISION_ALLOW);
    assert_int_equal(invoked(text, METHOD_ARN("POST/a")), DECISION_EXPLICIT_DENY);
    text = POLICY("{'Effect':'Allow','Action':'*','NotResource':'arn:aws:s3:::bucket'}");
    assert_int_equal(invoked(text, METHOD_ARN("GET/a")), DECISION_ALLOW); /* wide, as on AWS */
}

static void runs_of_equal_actions_do_not_leak_into_others(void **state)
{
    (void)state;
    assert_int_equal(invoked(POLICY("{'Effect':'Allow','Action':'s3:*','Resource':'a'},"
                                    "{'Effect':'Allow','Action':'s3:*','Resource':'arn'},"
                                    "{'Effect':'Allow','NotAction':'s3:*','Resource':'b'},"
                                    "{'Effect':'Allow','Action':['s3:*','x'],'Resource':'arn'},"
                                    "{'Effect':'Deny','NotAction':'s3:*','Resource':'c'}"),
                             "arn"),
                     DECISION_IMPLICIT_DENY);
}

static void decisions_have_names(void **state)
{
    (void)state;
    assert_string_equal(decision_name(DECISION_ALLOW), "ALLOW");
    assert_string_equal(decision_name(DECISION_EXPLICIT_DENY), "EXPLICIT_DENY");
    assert_string_equal(decision_name(DECISION_IMPLICIT_DENY), "IMPLICIT_DENY");
}

static void the_trace_tells_what_each_statement_saw(void **state)
{
    struct policy *p = compiled(POLICY(
        "{'Effect':'Allow','Action':'s3:*','Resource':'*'},"
        "{'Effect':'Allow','Action':'*','Resource':['" METHOD_ARN("POST/a") "','" METHOD_ARN(
            "GET/b") "','x']},"
                     "{'Effect':'Deny','Action':'*','NotResource':['x','" METHOD_ARN("*/a") "']}"));
    struct policy_request rq = {.action = STR("execute-api:Invoke"),
                                .resource = STR(METHOD_ARN("GET/a"))};
    struct policy_trace t;

    (void)state;
    assert_int_equal(policy_evaluate(p, &rq, &t), DECISION_IMPLICIT_DENY);
    assert_int_equal(t.statements, 3);
    assert_int_equal(t.rows, 3);
    assert_false(t.row[0].deny || t.row[0].action_matched || t.row[0].inverted);
    assert_true(t.row[0].resource_matched);
    assert_true(str_eqz(t.row[0].pattern, "*"));
    assert_true(t.row[1].action_matched && !t.row[1].resource_matched);
    assert_true(str_eqz(t.row[1].pattern, METHOD_ARN("GET/b")));
    assert_int_equal(t.row[1].agreed, strlen(METHOD_ARN("GET/")));
    assert_true(t.row[2].deny && t.row[2].inverted && !t.row[2].resource_matched);
    assert_true(str_eqz(t.row[2].pattern, METHOD_ARN("*/a")));
    assert_int_equal(t.row[2].agreed, rq.resource.n);
    policy_free(p);
}

static void a_trace_has_a_row_for_each_of_the_first_statements(void **state)
{
    struct policy *p =
        compiled(POLICY(DENY("*") "," ALLOW("1") "," ALLOW("2") "," ALLOW("3") "," ALLOW(
            "4") "," ALLOW("5") "," ALLOW("6") "," ALLOW("7") "," ALLOW("8") "," ALLOW("9")));
    struct policy_request rq = {.action = STR("execute-api:Invoke"), .resource = STR("7")};
    struct policy_trace t;

    (void)state;
    assert_int_equal(policy_evaluate(p, &rq, &t), DECISION_EXPLICIT_DENY);
    assert_int_equal(t.statements, 10);
    assert_int_equal(t.rows, POLICY_TRACE_ROWS);
    assert_true(t.row[7].resource_matched); /* though the verdict stood after the first */
    policy_free(p);
}

static void a_deny_behind_the_traced_rows_counts(void **state)
{
    (void)state;
    assert_int_equal(
        invoked(POLICY(ALLOW("*") "," ALLOW("*") "," ALLOW("*") "," ALLOW("*") "," ALLOW(
                    "*") "," ALLOW("*") "," ALLOW("*") "," ALLOW("*") "," ALLOW("*") "," DENY("*")),
                "arn"),
        DECISION_EXPLICIT_DENY);
}

/* Random policies of short patterns, so that everything often matches. */
#define DRAWN_STATEMENTS 12
struct drawn {
    size_t n;
    char statement[DRAWN_STATEMENTS][128];
};

static void draw_policy(struct prop *g, struct drawn *d)
{
    static const char *const actions[] = {"x:Get", "x:*", "*", "x:g?t", "y:Get"};

    d->n = prop_below(g, DRAWN_STATEMENTS);
    for (size_t i = 0; i < d->n; i++) {
        char resource[8];
        prop_text(g, "ab*?", 4, resource);
        (void)snprintf(d->statement[i], sizeof d->statement[i],
                       "{'Effect':'%s','%sAction':'%s','%sResource':'%s'}",
                       prop_chance(g, 4) ? "Deny" : "Allow", prop_chance(g, 6) ? "Not" : "",
                       actions[prop_below(g, COUNTOF(actions))], prop_chance(g, 6) ? "Not" : "",
                       resource);
    }
}

static enum decision judge_drawn(struct prop *g, const struct drawn *d, const char *resource)
{
    struct buf b = BUF_INIT(KIB(8));
    enum decision verdict;

    buf_addz(&b, "{'Statement':[");
    for (size_t i = 0; i < d->n; i++)
        buf_addf(&b, "%s%s", i ? "," : "", d->statement[i]);
    buf_addz(&b, "]}");
    verdict = judged(buf_cstr(&b), "x:Get", resource);
    prop_note(g, "%s on %s: %s", buf_cstr(&b), resource, decision_name(verdict));
    buf_fini(&b);
    return verdict;
}

static bool order_does_not_matter(struct prop *g)
{
    struct drawn d;
    char resource[8];
    enum decision before;

    draw_policy(g, &d);
    prop_text(g, "ab", 4, resource);
    before = judge_drawn(g, &d, resource);
    for (size_t i = d.n; i > 1; i--) {
        size_t j = prop_below(g, (uint32_t)i);
        char tmp[sizeof d.statement[0]];
        memcpy(tmp, d.statement[j], sizeof tmp);
        memmove(d.statement[j], d.statement[i - 1], sizeof tmp);
        memcpy(d.statement[i - 1], tmp, sizeof tmp);
    }
    return judge_drawn(g, &d, resource) == before;
}

static void property_order_does_not_matter(void **state)
{
    (void)state;
    assert_true(prop_holds("order does not matter", order_does_not_matter, 3000));
}

/* A statement more, and it denies: an allow may go, none may come. */
static bool a_deny_never_allows(struct prop *g)
{
    struct drawn d;
    char resource[8], denied[8];
    enum decision before, after;

    draw_policy(g, &d);
    prop_text(g, "ab", 4, resource);
    prop_text(g, "ab*?", 4, denied);
    before = judge_drawn(g, &d, resource);
    (void)snprintf(d.statement[d.n++], sizeof d.statement[0],
                   "{'Effect':'Deny','Action':'*','%sResource':'%s'}",
                   prop_chance(g, 3) ? "Not" : "", denied);
    after = judge_drawn(g, &d, resource);
    return after == before || after == DECISION_EXPLICIT_DENY;
}

static void property_a_deny_never_allows(void **state)
{
    (void)state;
    assert_true(prop_holds("a deny never allows", a_deny_never_allows, 3000));
}

/* The verdict by its definition, from what each statement says when it stands alone. */
static bool verdict_is_as_defined(struct prop *g)
{
    struct drawn d, one;
    char resource[8];
    enum decision expected = DECISION_IMPLICIT_DENY;

    draw_policy(g, &d);
    prop_text(g, "ab", 4, resource);
    for (size_t i = 0; i < d.n; i++) {
        enum decision alone;
        one.n = 1;
        memcpy(one.statement[0], d.statement[i], sizeof d.statement[i]);
        alone = judge_drawn(g, &one, resource);
        if (alone == DECISION_EXPLICIT_DENY ||
            (alone == DECISION_ALLOW && expected == DECISION_IMPLICIT_DENY))
            expected = alone;
    }
    return judge_drawn(g, &d, resource) == expected;
}

static void property_the_verdict_is_as_defined(void **state)
{
    (void)state;
    assert_true(prop_holds("the verdict is as defined", verdict_is_as_defined, 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_matches_is_an_implicit_deny),
        cmocka_unit_test(trap_10_an_empty_path_is_matched_by_a_star),
        cmocka_unit_test(trap_11_a_colon_in_the_path_does_not_break_the_arn),
        cmocka_unit_test(trap_12_a_question_mark_is_one_character_of_a_path),
        cmocka_unit_test(trap_13_a_star_spans_slashes_and_colons),
        cmocka_unit_test(trap_14_a_resource_is_no_prefix),
        cmocka_unit_test(trap_15_a_deny_in_the_second_statement_counts),
        cmocka_unit_test(trap_16_a_path_parameter_is_part_of_the_resource),
        cmocka_unit_test(trap_21_actions_may_be_a_star_or_a_list),
        cmocka_unit_test(trap_47_a_template_of_a_path_matches_no_request),
        cmocka_unit_test(actions_are_matched_without_regard_to_letter_case),
        cmocka_unit_test(resources_are_matched_with_regard_to_letter_case),
        cmocka_unit_test(not_action_is_the_complement),
        cmocka_unit_test(not_resource_is_the_complement),
        cmocka_unit_test(runs_of_equal_actions_do_not_leak_into_others),
        cmocka_unit_test(decisions_have_names),
        cmocka_unit_test(the_trace_tells_what_each_statement_saw),
        cmocka_unit_test(a_trace_has_a_row_for_each_of_the_first_statements),
        cmocka_unit_test(a_deny_behind_the_traced_rows_counts),
        cmocka_unit_test(property_order_does_not_matter),
        cmocka_unit_test(property_a_deny_never_allows),
        cmocka_unit_test(property_the_verdict_is_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
