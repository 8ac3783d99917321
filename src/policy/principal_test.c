/* SPDX-License-Identifier: Apache-2.0
 *
 * Resource policies: of whom a statement speaks, the short form of a resource, what is refused, and
 * how two verdicts become one. */
#include "policy_test.h"

#include "lib/fault.h"

#define ANA "arn:aws:iam::111122223333:user/ana"
#define SAYS(effect, principal, resource)                                   \
    "{'Version':'2012-10-17','Statement':{'Effect':'" effect "'," principal \
    ",'Action':'*','Resource':"                                             \
    "'" resource "'}}"

static const struct policy_home home = {STR_INIT("aws"), STR_INIT("eu-west-1"),
                                        STR_INIT("111122223333"), STR_INIT("a1b2c3d4e5")};

/* The document in an arena of its own: *a is for the caller to free. */
static const struct json *parsed(const char *text, struct arena **a)
{
    const struct json *document = NULL;
    size_t n = strlen(text);
    char *quoted;

    *a = arena_new(KIB(4), MIB(4));
    assert_non_null(*a);
    quoted = arena_cstr(*a, str_of(text, n));
    assert_non_null(quoted);
    for (size_t i = 0; i < n; i++)
        quoted[i] = quoted[i] == '\'' ? '"' : quoted[i] == '`' ? '\'' : quoted[i];
    assert_int_equal(json_parse(*a, str_of(quoted, n), MIB(1), &document, NULL), ERR_OK);
    return document;
}

static enum err compile_resource(const char *text, struct policy **out, struct errinfo *e)
{
    struct arena *a;
    const struct json *document = parsed(text, &a);
    enum err err = policy_compile_resource(document, &home, out, e);

    arena_free(a);
    return err;
}

static enum decision decide(const char *text, const char *caller, const char *resource)
{
    struct policy *p = NULL;
    struct errinfo e = {0};
    struct policy_request rq = {.action = STR("execute-api:Invoke"),
                                .resource = str_c(resource),
                                .principal = str_c(caller)};
    struct policy_trace trace;

    if (compile_resource(text, &p, &e))
        fail_msg("refused: %s", e.text);
    enum decision d = policy_evaluate(p, &rq, NULL);
    assert_int_equal(policy_evaluate(p, &rq, &trace), d);
    if (trace.row[0].action_matched && trace.row[0].resource_matched)
        assert_int_equal(trace.row[0].principal_matched, d != DECISION_IMPLICIT_DENY);
    policy_free(p);
    return d;
}

static void refused(const char *text, enum err code, const char *words)
{
    struct policy *p = NULL;
    struct errinfo e = {0};

    assert_int_equal(compile_resource(text, &p, &e), code);
    assert_null(p);
    if (!strstr(e.text, words))
        fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void a_star_is_everybody(void **state)
{
    (void)state;
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "*"), "", "x"), DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':{'AWS':'*'}", "*"), "", "x"),
                     DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':{'AWS':['" ANA "','*']}", "*"), "", "x"),
                     DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "*"), ANA, "x"), DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Deny", "'Principal':'*'", "*"), "", "x"), DECISION_EXPLICIT_DENY);
}

static void others_are_met_by_their_own_name(void **state)
{
    (void)state;
    assert_int_equal(decide(SAYS("Allow", "'Principal':{'AWS':'" ANA "'}", "*"), ANA, "x"),
                     DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':{'AWS':'" ANA "'}", "*"), ANA "x", "x"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(decide(SAYS("Allow", "'Principal':{'AWS':'" ANA "'}", "*"), "", "x"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(
        decide(SAYS("Allow", "'Principal':{'Service':'x.amazonaws.com','AWS':['" ANA "']}", "*"),
               ANA, "x"),
        DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow",
                                 "'Principal':{'Service':['*'],'Federated':'*',"
                                 "'CanonicalUser':'*'}",
                                 "*"),
                            "", "x"),
                     DECISION_IMPLICIT_DENY);
}

static void an_account_denies_but_does_not_allow(void **state)
{
    static const char *const accounts[] = {"111122223333", "arn:aws:iam::111122223333:root"};
    char text[512];

    (void)state;
    for (size_t i = 0; i < COUNTOF(accounts); i++) {
        (void)snprintf(text, sizeof text, SAYS("Deny", "'Principal':{'AWS':'%s'}", "*"),
                       accounts[i]);
        assert_int_equal(decide(text, ANA, "x"), DECISION_EXPLICIT_DENY);
        assert_int_equal(decide(text, "arn:aws:iam::999999999999:user/ana", "x"),
                         DECISION_IMPLICIT_DENY);
        assert_int_equal(decide(text, "", "x"), DECISION_IMPLICIT_DENY);
        (void)snprintf(text, sizeof text, SAYS("Allow", "'Principal':{'AWS':'%s'}", "*"),
                       accounts[i]);
        assert_int_equal(decide(text, ANA, "x"), DECISION_IMPLICIT_DENY);
    }
    /* a role called root is no account */
    assert_int_equal(
        decide(SAYS("Deny", "'Principal':{'AWS':'arn:aws:s3::111122223333:root'}", "*"), ANA, "x"),
        DECISION_IMPLICIT_DENY);
}

static void not_principal_denies_all_others(void **state)
{
    (void)state;
    assert_int_equal(decide(SAYS("Deny", "'NotPrincipal':{'AWS':'" ANA "'}", "*"), ANA, "x"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(decide(SAYS("Deny", "'NotPrincipal':{'AWS':'" ANA "'}", "*"), "", "x"),
                     DECISION_EXPLICIT_DENY);
    assert_int_equal(decide(SAYS("Deny", "'NotPrincipal':{'AWS':'111122223333'}", "*"), ANA, "x"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(decide(SAYS("Deny", "'NotPrincipal':'*'", "*"), "", "x"),
                     DECISION_IMPLICIT_DENY);
}

static void the_short_form_is_completed(void **state)
{
    (void)state;
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "execute-api:/prod/GET/*"), "",
                            METHOD_ARN("GET/a/b")),
                     DECISION_ALLOW);
    assert_int_equal(
        decide(SAYS("Allow", "'Principal':'*'", "execute-api:/*"), "", METHOD_ARN("POST/")),
        DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "execute-api:/prod/GET/a"), "",
                            METHOD_ARN("GET/ab")),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "execute-api:/*"), "",
                            "arn:aws:execute-api:eu-west-1:111122223333:otherapi00/prod/GET/a"),
                     DECISION_IMPLICIT_DENY);
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "arn:aws:execute-api:*:*:*/prod/*"),
                            "", METHOD_ARN("GET/a")),
                     DECISION_ALLOW);
    assert_int_equal(decide(SAYS("Allow", "'Principal':'*'", "execute-api:/prod/GET/${x, `a`}"), "",
                            METHOD_ARN("GET/a")),
                     DECISION_ALLOW);
}

static void the_short_form_is_shown_as_written(void **state)
{
    struct policy *p = NULL;
    struct policy_request rq = {.action = STR("execute-api:Invoke"),
                                .resource = STR(METHOD_ARN("GET/a"))};
    struct policy_ground ground;

    (void)state;
    assert_int_equal(
        compile_resource(SAYS("Allow", "'Principal':'*'", "execute-api:/prod/GET/*"), &p, NULL),
        ERR_OK);
    assert_int_equal(policy_decide(p, &rq, &ground, NULL), DECISION_ALLOW);
    assert_true(str_eqz(ground.pattern, "execute-api:/prod/GET/*"));
    policy_free(p);
}

static void what_is_no_resource_policy_is_refused(void **state)
{
    static const struct {
        const char *principal, *words;
    } rows[] = {
        {"'Sid':''", "statement 1: has neither Principal nor NotPrincipal"},
        {"'Principal':'*','NotPrincipal':'*'", "has both Principal and NotPrincipal"},
        {"'NotPrincipal':'*'", "NotPrincipal is for Deny alone"},
        {"'Principal':'" ANA "'", "a principal must be \"*\" or an object"},
        {"'Principal':7", "a principal must be \"*\" or an object"},
        {"'Principal':['*']", "a principal must be \"*\" or an object"},
        {"'Principal':{}", "a principal must be \"*\" or an object"},
        {"'Principal':{'aws':'*'}", "unknown kind of principal \"aws\""},
        {"'Principal':{'AWS':[]}", "a principal must be a string or a list of strings"},
        {"'Principal':{'AWS':7}", "a principal must be a string or a list of strings"},
        {"'Principal':{'AWS':['*',7]}", "a principal must be a string or a list of strings"},
        {"'Principal':{'AWS':'ana'}", "\"ana\" is no principal"},
        {"'Principal':{'AWS':'1111222233334'}", "is no principal"},
        {"'Principal':{'AWS':'11112222333x'}", "is no principal"},
        {"'Principal':{'AWS':'arn:aws:iam::111122223333'}", "is no principal"},
        {"'Principal':{'AWS':'arn:aws:iam::111122223333:user/*'}", "is no principal"},
        {"'Principal':{'AWS':'arn:aws:iam::111122223333:user/a?a'}", "is no principal"},
        {"'Principal':{'AWS':'*x'}", "is no principal"},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        (void)snprintf(text, sizeof text, SAYS("Allow", "%s", "*"), rows[i].principal);
        refused(text, ERR_INVALID, rows[i].words);
    }
    refused(SAYS("Allow", "'Principal':'*'", "execute-api:*"), ERR_INVALID,
            "Resource \"execute-api:*\" is neither *, an ARN nor execute-api:/...");
    refused(SAYS("Allow", "'Principal':'*'", ""), ERR_INVALID, "is neither *");
    refused("7", ERR_INVALID, "must be an object");
}

static void lengths_are_limited(void **state)
{
    struct buf b = BUF_INIT(KIB(32));
    struct policy *p = NULL;
    const size_t around = strlen(SAYS("Allow", "'Sid':'','Principal':'*'", "*"));

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        buf_reset(&b);
        buf_addz(&b, "{'Version':'2012-10-17','Statement':{'Effect':'Allow','Sid':'");
        for (size_t i = around; i < LIMIT_RESOURCE_POLICY + extra; i++)
            buf_addc(&b, 'x');
        buf_addz(&b, "','Principal':'*','Action':'*','Resource':'*'}}");
        assert_int_equal(b.n, LIMIT_RESOURCE_POLICY + extra);
        if (extra == 0) {
            assert_int_equal(compile_resource(buf_cstr(&b), &p, NULL), ERR_OK);
            policy_free(p);
        } else {
            refused(buf_cstr(&b), ERR_LIMIT, "at most 8192 bytes");
        }
    }
    const char *long_prefix = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5";
    for (size_t extra = 0; extra < 2; extra++) {
        buf_reset(&b);
        buf_addz(&b, "{'Statement':{'Effect':'Allow','Principal':'*','Action':'*','Resource':'");
        buf_addz(&b, "execute-api:/");
        for (size_t n = strlen(long_prefix) + 1; n < LIMIT_POLICY_RESOURCE + extra; n++)
            buf_addc(&b, 'x');
        buf_addz(&b, "'}}");
        if (extra == 0) {
            assert_int_equal(compile_resource(buf_cstr(&b), &p, NULL), ERR_OK);
            policy_free(p);
        } else {
            refused(buf_cstr(&b), ERR_INVALID, "Resource is longer than 512 bytes");
        }
    }
    buf_fini(&b);
}

static void two_verdicts_become_one(void **state)
{
    (void)state;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            enum decision d = policy_combine((enum decision)a, (enum decision)b);
            enum decision wanted =
                a == DECISION_EXPLICIT_DENY || b == DECISION_EXPLICIT_DENY ? DECISION_EXPLICIT_DENY
                : a == DECISION_ALLOW || b == DECISION_ALLOW               ? DECISION_ALLOW
                                                                           : DECISION_IMPLICIT_DENY;
            assert_int_equal(d, wanted);
        }
}

static enum err compile_and_free(void *document)
{
    struct errinfo e = {0};
    struct policy *p = NULL;
    enum err err = policy_compile_resource(document, &home, &p, &e);

    assert_int_equal(e.code, err);
    assert_int_equal(!p, err != ERR_OK);
    policy_free(p);
    return err;
}

static void running_out_of_memory_is_an_error(void **state)
{
    struct arena *a;
    struct json document =
        *parsed(SAYS("Deny", "'NotPrincipal':{'AWS':['" ANA "']}", "execute-api:/prod/*"), &a);

    (void)state;
    fault_each(compile_and_free, &document);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_star_is_everybody),
        cmocka_unit_test(others_are_met_by_their_own_name),
        cmocka_unit_test(an_account_denies_but_does_not_allow),
        cmocka_unit_test(not_principal_denies_all_others),
        cmocka_unit_test(the_short_form_is_completed),
        cmocka_unit_test(the_short_form_is_shown_as_written),
        cmocka_unit_test(what_is_no_resource_policy_is_refused),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(two_verdicts_become_one),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
