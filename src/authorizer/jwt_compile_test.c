/* SPDX-License-Identifier: Apache-2.0
 *
 * Definitions of JWT authorizers, user pools and introspection, judged without a daemon: what is
 * taken, what is refused by name, and that running out of memory is neither. */
#include "introspect_int.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/fault.h"

#define ONE "\"jwtConfiguration\":{\"issuer\":\"https://id.example/\",\"audience\":[\"api\"]}"
#define POOL(id) "\"providerARNs\":[\"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/" id "\"]"

static const struct auth_user_pool pools[] = {
    {STR_INIT("arn:aws:cognito-idp:eu-west-1:123456789012:userpool/Mine"),
     STR_INIT("http://127.0.0.1:9000")}};

static enum err compile(const struct authorizer_kind *kind, const char *spec, bool http_api,
                        struct arena *a, void **conf, struct errinfo *e)
{
    const struct authorizer_env env = {
        .http_api = http_api, .file = STR("t.yaml"), .pools = pools, .pool_count = COUNTOF(pools)};
    const struct json *tree = NULL;
    *conf = NULL;
    enum err err = json_parse(a, str_c(spec), KIB(64), &tree, e);
    return err ? err : kind->compile(a, tree, &env, conf, e);
}

static const struct jwt_conf *taken(const struct authorizer_kind *kind, const char *spec,
                                    bool http_api, struct arena *a)
{
    struct errinfo e = {0};
    void *conf;
    if (compile(kind, spec, http_api, a, &conf, &e) != ERR_OK)
        fail_msg("%s: %s", spec, e.text);
    return conf;
}

static void refused(const struct authorizer_kind *kind, const char *spec, bool http_api,
                    const char *word)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct errinfo e = {0};
    void *conf;
    if (compile(kind, spec, http_api, a, &conf, &e) == ERR_OK)
        fail_msg("%s was taken", spec);
    if (strstr(e.text, word) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", e.text, word);
    if (conf && kind->fini)
        kind->fini(conf);
    arena_free(a);
}

static void an_issuer_has_what_aws_asks_for(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    const struct jwt_conf *j = taken(&authorizer__jwt, "{" ONE "}", true, a);
    assert_int_equal(j->n, 1);
    assert_true(str_eqz(j->issuer[0].issuer, "https://id.example/"));
    const struct jwt_checker *k = &j->issuer[0].checker;
    assert_int_equal(k->algs, JWS_AWS);
    assert_true(k->require_exp && k->require_kid && k->client_id);
    assert_int_equal(k->issuers_n, 1);
    assert_true(str_eq(k->issuers[0], j->issuer[0].issuer));
    assert_int_equal(k->audiences_n, 1);
    assert_true(k->skew_s == 0);
    assert_true(j->bearer.challenges && str_eqz(j->bearer.name, "Authorization"));
    assert_true(authorizer__jwt.reads_header(j, STR("authorization")));
    assert_false(authorizer__jwt.reads_header(j, STR("Cookie")));
    j = taken(&authorizer__jwt, "{" ONE ",\"identitySource\":[\"$request.querystring.t\"]}", true,
              a);
    assert_false(authorizer__jwt.reads_header(j, STR("t")));
    arena_free(a);
}

static void our_extensions_reach_each_issuer(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    const struct jwt_conf *j =
        taken(&authorizer__jwt,
              "{\"identitySource\":\"method.request.header.X-Token\",\"x-ropeline-issuers\":[{"
              "\"issuer\":\"https://a\",\"audience\":\"x\"},{\"issuer\":\"https://b\","
              "\"audience\":[\"y\",\"z\"]}],\"x-ropeline-algorithms\":[\"ES256\"],"
              "\"x-ropeline-typ\":\"at+jwt\",\"x-ropeline-clock-skew\":5,"
              "\"x-ropeline-max-life\":3600}",
              false, a);
    assert_int_equal(j->n, 2);
    for (size_t i = 0; i < j->n; i++) {
        assert_int_equal(j->issuer[i].checker.algs, JWS_BIT(JWS_ES256));
        assert_true(str_eqz(j->issuer[i].checker.typ, "at+jwt"));
        assert_true(j->issuer[i].checker.skew_s == 5 && j->issuer[i].checker.max_life_s == 3600);
    }
    assert_false(j->bearer.challenges);
    arena_free(a);
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } rows[] = {
        {"{}", "issuers"},
        {"{\"jwtConfiguration\":{\"issuer\":\"https://a\"}}", "no audience"},
        {"{\"jwtConfiguration\":{\"issuer\":\"https://a\",\"audience\":[]}}", "no audience"},
        {"{\"jwtConfiguration\":{\"issuer\":\"https://a\",\"audience\":[7]}}", "texts"},
        {"{\"jwtConfiguration\":{\"issuer\":7,\"audience\":\"a\"}}", "issuer"},
        {"{\"jwtConfiguration\":{\"audience\":\"a\"}}", "issuer is missing"},
        {"{\"jwtConfiguration\":{\"issuer\":\"file:///etc\",\"audience\":\"a\"}}", "URL"},
        {"{\"jwtConfiguration\":{\"issuer\":\"https://a@b\",\"audience\":\"a\"}}", "URL"},
        {"{\"jwtConfiguration\":{\"issuer\":\"https://a?b\",\"audience\":\"a\"}}", "URL"},
        {"{" ONE ",\"x-ropeline-issuers\":[]}", "list"},
        {"{" ONE ",\"x-ropeline-issuers\":[{\"issuer\":\"https://id.example/\",\"audience\":"
         "\"b\"}]}",
         "twice"},
        {"{" ONE ",\"x-ropeline-algorithms\":[]}", "x-ropeline-algorithms"},
        {"{" ONE ",\"x-ropeline-algorithms\":[\"none\"]}", "x-ropeline-algorithms"},
        {"{" ONE ",\"x-ropeline-algorithms\":[\"RS256\",\"HS256\"]}", "x-ropeline-algorithms"},
        {"{" ONE ",\"x-ropeline-algorithms\":[\"HS256\"]}", "never fetched"},
        {"{" ONE ",\"x-ropeline-clock-skew\":61}", "x-ropeline-clock-skew"},
        {"{" ONE ",\"x-ropeline-clock-skew\":-1}", "x-ropeline-clock-skew"},
        {"{" ONE ",\"identitySource\":[\"$context.routeKey\"]}", "$request.header"},
        {"{" ONE ",\"x-ropeline-keys\":\"none.json\"}", "none.json"},
        {"{" ONE ",\"x-ropeline-keys\":[]}", "1 to"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"state\":\"active\"}}", "state"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"status\":\"gone\"}}", "status"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"status\":\"retiring\"}}", "until"},
        {"{\"x-ropeline-issuers\":[{\"issuer\":\"a\",\"audience\":\"b\"}],\"x-ropeline-keys\":"
         "\"x\"}",
         "keys of its own"},
        {"{" ONE ",\"x-ropeline-keys\":[7]}", "a key file is"},
        {"{" ONE ",\"x-ropeline-keys\":[{\"status\":\"active\"}]}", "file"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":7}}", "file"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"kid\":7}}", "kid"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"status\":\"retired\",\"until\":-1}}",
         "seconds since 1970"},
        {"{" ONE ",\"x-ropeline-keys\":{\"file\":\"a\",\"status\":\"retired\",\"until\":\"x\"}}",
         "seconds since 1970"},
        {"{\"x-ropeline-issuers\":[7]}", "{issuer, audience}"},
        {"{\"x-ropeline-issuers\":{}}", "list"},
        {"{\"jwtConfiguration\":7}", "{issuer, audience}"},
        {"{" ONE ",\"x-ropeline-typ\":7}", "x-ropeline-typ"},
        {"{" ONE ",\"x-ropeline-max-life\":\"x\"}", "x-ropeline-max-life"},
        {"{" ONE ",\"x-ropeline-clock-skew\":\"x\"}", "x-ropeline-clock-skew"},
        {"{" ONE ",\"x-ropeline-algorithms\":7}", "x-ropeline-algorithms"},
        {"{" ONE ",\"identitySource\":7}", "$request.header"},
        {"{" ONE ",\"identitySource\":[]}", "$request.header"},
        {"{" ONE ",\"identitySource\":[\"$request.header.a b\"]}", "$request.header"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        refused(&authorizer__jwt, rows[i].spec, true, rows[i].word);
}

static void a_pool_has_its_issuer_from_the_map_or_from_aws(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    const struct jwt_conf *j =
        taken(&authorizer__user_pools, "{" POOL("eu-west-1_aB3cD4eFg") "}", false, a);
    assert_true(str_eqz(j->issuer[0].issuer,
                        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3cD4eFg"));
    assert_int_equal(j->issuer[0].checker.audiences_n, 0);
    j = taken(&authorizer__user_pools, "{" POOL("Mine") "}", false, a);
    assert_true(str_eqz(j->issuer[0].issuer, "http://127.0.0.1:9000"));
    refused(&authorizer__user_pools, "{\"providerARNs\":[\"arn:aws:s3:::x\"]}", false, "no issuer");
    refused(&authorizer__user_pools, "{\"providerARNs\":[]}", false, "issuers");
    refused(&authorizer__user_pools, "{" POOL("Mine") ",\"identityValidationExpression\":\"(\"}",
            false, "identityValidationExpression");
    arena_free(a);
}

static void introspection_never_takes_a_secret_from_the_document(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    const void *conf =
        taken(&authorizer__introspection,
              "{\"x-ropeline-introspection\":{\"endpoint\":\"https://a/i\",\"clientId\":\"c\","
              "\"clientSecretEnv\":\"X\"}}",
              false, a);
    assert_true(authorizer__introspection.reads_header(conf, STR("AUTHORIZATION")));
    assert_false(authorizer__introspection.reads_header(conf, STR("Cookie")));
    refused(&authorizer__introspection,
            "{\"x-ropeline-introspection\":{\"endpoint\":\"https://a/i\",\"clientId\":\"c\","
            "\"clientSecret\":\"s\"}}",
            false, "stands in no document");
    refused(&authorizer__introspection, "{\"x-ropeline-introspection\":{\"clientId\":\"c\"}}",
            false, "endpoint");
    refused(&authorizer__introspection,
            "{\"x-ropeline-introspection\":{\"endpoint\":\"ftp://a\",\"clientId\":\"c\"}}", false,
            "URL");
    arena_free(a);
}

/* What a token says of its bearer: one principal, scopes as whole words from both claims. */
static void claims_become_a_principal_and_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *principal;
        size_t scopes;
    } rows[] = {
        {"{}", "", 0},
        {"{\"sub\":\"s\",\"client_id\":\"c\"}", "s", 0},
        {"{\"username\":\"u\",\"client_id\":\"c\"}", "u", 0},
        {"{\"client_id\":\"c\",\"scope\":\" a  b \"}", "c", 2},
        {"{\"scope\":\"a b\",\"scp\":[\"c\",\"\",7]}", "", 3},
        {"{\"scp\":\"a b\"}", "", 2},
        {"{\"scope\":7,\"scp\":{}}", "", 0},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(4), MIB(1));
        const struct json *tree = NULL;
        struct auth_result *r = NULL;
        const struct str *scopes;
        assert_int_equal(json_parse(a, str_c(rows[i].claims), KIB(4), &tree, NULL), ERR_OK);
        assert_int_equal(auth__claims_result(a, tree, true, &r), ERR_OK);
        if (!str_eqz(auth_principal(r), rows[i].principal) ||
            auth_scopes(r, &scopes) != rows[i].scopes)
            fail_msg("%s: \"%.*s\", %zu scopes", rows[i].claims, STR_ARG(auth_principal(r)),
                     auth_scopes(r, &scopes));
        arena_free(a);
    }
}

static enum err claims_once(void *arg)
{
    struct arena *a = arena_new(64, MIB(1));
    struct auth_result *r = NULL;
    enum err err = a ? auth__claims_result(a, arg, true, &r) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void claims_survive_failing_allocations(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct json *claims = json_new_object(a, 1);
    assert_int_equal(json_set(a, claims, STR("scope"), json_new_str(a, STR("a b"))), ERR_OK);
    fault_each(claims_once, claims);
    arena_free(a);
}

static enum err compile_all(void *arg)
{
    static const char many[] =
        "{\"x-ropeline-issuers\":[{\"issuer\":\"https://a\",\"audience\":"
        "[\"x\",\"y\"]},{\"issuer\":\"https://b\",\"audience\":\"z\"}],"
        "\"x-ropeline-typ\":\"at+jwt\",\"x-ropeline-algorithms\":[\"ES256\"]}";
    struct arena *a = arena_new(KIB(1), MIB(1));
    void *conf;
    (void)arg;
    enum err err = a ? compile(&authorizer__jwt, many, false, a, &conf, NULL) : ERR_NOMEM;
    if (err == ERR_OK)
        err = compile(&authorizer__user_pools, "{" POOL("Mine") "}", false, a, &conf, NULL);
    arena_free(a);
    return err;
}

static void compiling_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(compile_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_issuer_has_what_aws_asks_for),
        cmocka_unit_test(our_extensions_reach_each_issuer),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(a_pool_has_its_issuer_from_the_map_or_from_aws),
        cmocka_unit_test(introspection_never_takes_a_secret_from_the_document),
        cmocka_unit_test(claims_become_a_principal_and_scopes),
        cmocka_unit_test(claims_survive_failing_allocations),
        cmocka_unit_test(compiling_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
