/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables in Resource: what they stand for is literal and stays where it stands, whatever it is;
 * and templates without variables match exactly what patterns match. */
#include "policy_test.h"

#include "lib/prop.h"
#include "policy/pattern_int.h"

#define R(last) "arn:aws:execute-api:*:*:api/dev/GET/" last
#define ASKED(last) "arn:aws:execute-api:r:1:api/dev/GET/" last

struct served {
    const char *user, *other;
    struct str values[2];
};

static size_t serve(void *arg, struct str key, const struct str **values)
{
    struct served *s = arg;
    const char *value = str_ieq(key, STR("aws:username")) ? s->user
                        : str_ieq(key, STR("aws:other"))  ? s->other
                                                          : NULL;

    if (str_ieq(key, STR("aws:two"))) {
        s->values[0] = s->values[1] = STR("a");
        *values = s->values;
        return 2;
    }
    if (!value)
        return 0;
    size_t at = value == s->other;
    s->values[at] = str_c(value);
    *values = &s->values[at];
    return 1;
}

static enum decision asked(const char *statements, const char *resource, const char *user,
                           struct policy_trace *trace)
{
    struct policy *p = compiled(statements);
    struct served s = {.user = user, .other = "b"};
    struct policy_context context = {serve, &s};
    struct policy_request rq = {
        .action = STR("x:y"), .resource = str_c(resource), .context = &context};
    enum decision d = policy_evaluate(p, &rq, NULL);
    struct policy_trace t;

    assert_int_equal(policy_evaluate(p, &rq, &t), d);
    if (trace) /* what it borrows is compared at once */
        *trace = t;
    policy_free(p);
    return d;
}

#define ANY_ACTION(effect, element, resource) \
    "{'Effect':'" effect "','Action':'*','" element "':'" resource "'}"
#define ASSERT_RESOURCE(pattern, resource, user, allows)                                         \
    assert_int_equal(                                                                            \
        asked(POLICY(ANY_ACTION("Allow", "Resource", R(pattern))), ASKED(resource), user, NULL), \
        (allows) ? DECISION_ALLOW : DECISION_IMPLICIT_DENY)

static void a_variable_stands_for_its_value(void **state)
{
    (void)state;
    ASSERT_RESOURCE("${aws:username}", "ana", "ana", true);
    ASSERT_RESOURCE("${aws:username}", "bob", "ana", false);
    ASSERT_RESOURCE("${aws:username}", "anab", "ana", false);
    ASSERT_RESOURCE("${aws:username}", "an", "ana", false);
    ASSERT_RESOURCE("${AWS:UserName}/*", "ana/x/y", "ana", true);
    ASSERT_RESOURCE("*/${aws:username}", "x/y/ana", "ana", true);
    ASSERT_RESOURCE("*/${aws:username}", "x/y/ana/z", "ana", false);
    ASSERT_RESOURCE("*/${aws:username}/*", "ana/ana/ana/", "ana", true);
    ASSERT_RESOURCE("a${aws:username}b${aws:other}c", "aanabbc", "ana", true);
    ASSERT_RESOURCE("a${aws:username}b", "ab", "", true);
    ASSERT_RESOURCE("*${aws:username}?b*", "xyb", "", true);
    ASSERT_RESOURCE("?${aws:username}?",
                    "\xc3\xa9"
                    "ana"
                    "\xe6\x97\xa5",
                    "ana", true);
    ASSERT_RESOURCE("*${aws:username}?",
                    "x"
                    "ana"
                    "\xe6\x97\xa5",
                    "ana", true);
    ASSERT_RESOURCE("*?${aws:username}*${aws:other}", "xanazb", "ana", true);
    ASSERT_RESOURCE("*?${aws:username}*${aws:other}", "anazb", "ana", false);
    ASSERT_RESOURCE("*a${aws:username}z*", "aaab/aaz", "a", true); /* not the first place */
    ASSERT_RESOURCE("*a${aws:username}z*", "aaab/aab", "a", false);
    ASSERT_RESOURCE("*${aws:username}*${aws:username}", "aa", "aa", false); /* no overlap */
    ASSERT_RESOURCE("${aws:username}*${aws:username}", "aba", "ab", false);
    ASSERT_RESOURCE("*${aws:username}x*", "abc", "", false);
    ASSERT_RESOURCE("*??${aws:username}*", "x", "", false);
    ASSERT_RESOURCE("*?${aws:username}?*", "xy", "", true);
}

static void bytes_that_are_no_character_count_one_by_one(void **state)
{
    static const char *const odd[] = {"\xf5\x80\x80\x80",
                                      "\xff\xff\xff\xff",
                                      "\xe0\x80\x80"
                                      "a",
                                      "\xed\xa0\x80"
                                      "a",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xc1\xbf"
                                      "ab",
                                      "\x80\xbf"
                                      "ab",
                                      "\xe6\x97"
                                      "ab"};

    (void)state;
    assert_true(policy_glob(STR("??"), str_of("\xe6\x97\xa5", 2), false, NULL)); /* cut */
    for (size_t i = 0; i < COUNTOF(odd); i++) {
        assert_true(policy_glob(STR("????"), str_c(odd[i]), false, NULL));
        assert_false(policy_glob(STR("???"), str_c(odd[i]), false, NULL));
    }
    assert_true(policy_glob(
        STR("????"), STR("\xc2\x80\xe0\xa0\x80\xf4\x8f\xbf\xbf\xf0\x90\x80\x80"), false, NULL));
}

static void a_value_is_never_read_as_a_pattern(void **state)
{
    (void)state;
    ASSERT_RESOURCE("${aws:username}", "anything", "*", false);
    ASSERT_RESOURCE("${aws:username}", "*", "*", true);
    ASSERT_RESOURCE("${aws:username}", "a", "?", false);
    ASSERT_RESOURCE("${aws:username}", "b", "${aws:other}", false);
    ASSERT_RESOURCE("${aws:username}", "${aws:other}", "${aws:other}", true);
    ASSERT_RESOURCE("${aws:username}", "x", "\xff", false);    /* the byte of our own wildcards */
    ASSERT_RESOURCE("${aws:username}", "\xff", "\xff", false); /* no text: no value */
}

static void a_variable_without_one_value_matches_nothing(void **state)
{
    (void)state;
    ASSERT_RESOURCE("${aws:username}", "", NULL, false);
    ASSERT_RESOURCE("*${aws:username}*", "x", NULL, false);
    ASSERT_RESOURCE("${aws:two}", "a", NULL, false);
    ASSERT_RESOURCE("${aws:two, `d`}", "d", NULL, false); /* it has values, but which? */
    struct policy *p = compiled(POLICY(ANY_ACTION("Allow", "Resource", R("${aws:username}"))));
    struct policy_request rq = {.action = STR("x:y"), .resource = STR(ASKED(""))};
    assert_int_equal(policy_evaluate(p, &rq, NULL), DECISION_IMPLICIT_DENY); /* no context at all */
    policy_free(p);
    /* among others */
    assert_int_equal(asked(POLICY("{'Effect':'Allow','Action':'*','Resource':['" R(
                               "${aws:username}") "','" R("x") "']}"),
                           ASKED("x"), NULL, NULL),
                     DECISION_ALLOW);
}

static void an_unresolved_not_resource_permits_no_more(void **state)
{
    (void)state;
    assert_int_equal(asked(POLICY(ANY_ACTION("Allow", "NotResource", R("${aws:username}"))),
                           ASKED("x"), "ana", NULL),
                     DECISION_ALLOW);
    assert_int_equal(asked(POLICY(ANY_ACTION("Allow", "NotResource", R("${aws:username}"))),
                           ASKED("ana"), "ana", NULL),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(asked(POLICY(ANY_ACTION("Allow", "NotResource", R("${aws:username}"))),
                           ASKED("x"), NULL, NULL),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(asked(POLICY(ANY_ACTION("Deny", "NotResource", R("${aws:username}"))),
                           ASKED("x"), NULL, NULL),
                     DECISION_EXPLICIT_DENY);
    assert_int_equal(asked(POLICY(ANY_ACTION("Deny", "NotResource", R("${aws:username}"))),
                           ASKED("ana"), "ana", NULL),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(
        asked(POLICY(ANY_ACTION("Deny", "Resource", R("${aws:username}"))), ASKED("x"), NULL, NULL),
        DECISION_IMPLICIT_DENY);
}

static void the_trace_tells_how_far_and_what_is_missing(void **state)
{
    struct policy_trace t;

    (void)state;
    (void)asked(POLICY(ANY_ACTION("Allow", "Resource", R("${aws:username}/a"))), ASKED("ana/b"),
                "ana", &t);
    assert_int_equal(t.row[0].agreed, strlen(ASKED("ana/")));
    assert_int_equal(t.row[0].unresolved.n, 0);
    (void)asked(POLICY(ANY_ACTION("Allow", "Resource", R("*/${aws:username}/*/z"))),
                ASKED("x/ana/y/b"), "ana", &t);
    assert_int_equal(t.row[0].agreed, strlen(ASKED("x/ana/y/")));
    (void)asked(POLICY(ANY_ACTION("Allow", "Resource", R("*/${aws:username}/xy*"))), ASKED("/a/xz"),
                "a", &t);
    assert_int_equal(t.row[0].agreed, strlen(ASKED("/a/x"))); /* and not what comes later */
    (void)asked(POLICY(ANY_ACTION("Allow", "Resource", R("${aws:username}"))), ASKED("\xc3\xa8"),
                "\xc3\xa9", &t);
    assert_int_equal(t.row[0].agreed, strlen(ASKED(""))); /* not half a character */
    (void)asked(POLICY(ANY_ACTION("Allow", "Resource", R("${aws:username}"))), ASKED("ana"), "ana",
                &t);
    assert_int_equal(t.row[0].agreed, strlen(ASKED("ana")));
}

static void a_long_value_costs_little(void **state)
{
    static char user[9001], path[9100];
    char text[256];

    (void)state;
    memset(user, 'a', sizeof user - 1);
    (void)snprintf(path, sizeof path, "%s%s", ASKED(""), user);
    (void)snprintf(text, sizeof text, POLICY("{'Effect':'Allow','Action':'*','Resource':'%s'}"),
                   R("*${aws:username}b*a${aws:username}*"));
    assert_int_equal(asked(text, path, user, NULL), DECISION_IMPLICIT_DENY);
}

/* The same pattern, judged as a template and as a pattern. */
static bool templates_match_as_patterns(struct prop *g)
{
    static const char *const atoms[] = {"a", "b", "*", "?", "\xc3\xa9", ":", "/"};
    static const char *const letters[] = {"a", "b", "\xc3\xa9", ":", "/", "\xff", "*"};
    char pattern[64] = "", text[64] = "";
    struct policy__segment segments[16];
    struct policy__template t = {segments, 0};
    struct policy__resolved r;
    size_t furthest = 0;
    const char *why;
    bool one, two;

    for (size_t n = prop_below(g, 9); n > 0; n--) {
        size_t at = strlen(pattern);
        (void)snprintf(pattern + at, sizeof pattern - at, "%s",
                       atoms[prop_below(g, COUNTOF(atoms))]);
    }
    for (size_t n = prop_below(g, 9); n > 0; n--) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, "%s", letters[prop_below(g, COUNTOF(letters))]);
    }
    for (struct str rest = str_c(pattern); rest.n > 0; t.n++)
        if (!policy__segment_take(&rest, true, true, &segments[t.n], &why))
            return false;
    one = policy__template_glob(&t, &r, str_c(text), &furthest);
    two = policy_glob(str_c(pattern), str_c(text), false, NULL);
    prop_note(g, "%s on %s: template %d, pattern %d", pattern, text, one, two);
    return one == two && furthest <= strlen(text);
}

static void property_templates_match_as_patterns(void **state)
{
    (void)state;
    assert_true(prop_holds("templates match as patterns", templates_match_as_patterns, 30000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_stands_for_its_value),
        cmocka_unit_test(bytes_that_are_no_character_count_one_by_one),
        cmocka_unit_test(a_value_is_never_read_as_a_pattern),
        cmocka_unit_test(a_variable_without_one_value_matches_nothing),
        cmocka_unit_test(an_unresolved_not_resource_permits_no_more),
        cmocka_unit_test(the_trace_tells_how_far_and_what_is_missing),
        cmocka_unit_test(a_long_value_costs_little),
        cmocka_unit_test(property_templates_match_as_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
