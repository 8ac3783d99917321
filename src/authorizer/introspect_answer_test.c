/* SPDX-License-Identifier: Apache-2.0
 *
 * What an issuer may answer about an opaque token (RFC 7662 2.2), one answer a row. */
#include "introspect_int.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/fault.h"

#define NOW 1700000000

static const struct str audience = STR_INIT("api");
static const struct introspect_conf plain;
static const struct introspect_conf strict = {
    .issuer = STR_INIT("https://me"), .audiences = &audience, .audiences_n = 1};

static enum err judge(const struct introspect_conf *n, const char *answer, struct auth_result **r)
{
    struct errinfo why = {0};
    return introspect__judge(n, str_c(answer), NOW, 5000, STR("z"), r, &why);
}

static void an_active_token_allows_with_its_claims(void **state)
{
    (void)state;
    struct auth_result *r;
    const struct str *scopes;
    assert_int_equal(judge(&strict,
                           "{\"active\":true,\"sub\":\"ana\",\"scope\":\"read  write\",\"iss\":"
                           "\"https://me\",\"aud\":[\"x\",\"api\"],\"exp\":1700000010,"
                           "\"token_type\":\"bearer\"}",
                           &r),
                     ERR_OK);
    assert_true(r->allowed && !r->inactive);
    assert_true(str_eqz(auth_principal(r), "ana"));
    assert_int_equal(auth_scopes(r, &scopes), 2);
    assert_true(str_eqz(scopes[1], "write"));
    assert_int_equal(r->expires_ms, 15000);
    assert_true(str_eqz(json_str_or(json_get(auth_claims(r), "sub"), STR("")), "ana"));
    auth__result_unref(r);
}

static void an_inactive_one_refuses(void **state)
{
    (void)state;
    struct auth_result *r;
    assert_int_equal(judge(&plain, "{\"active\":false,\"exp\":1}", &r), ERR_OK);
    assert_true(!r->allowed && r->inactive);
    auth__result_unref(r);
}

static void anything_else_is_no_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "",
        "null",
        "[]",
        "true",
        "{}",
        "{\"active\":\"true\"}",
        "{\"active\":1}",
        "{\"active\":null}",
        "{\"active\":[true]}",
        "{\"active\":true}{}",
        "{\"active\":true,\"active\":true}",
        "{\"active\":true,\"exp\":1700000000}",
        "{\"active\":true,\"exp\":1699999999.5}",
        "{\"active\":true,\"exp\":\"1800000000\"}",
        "{\"active\":true,\"exp\":-1}",
        "{\"active\":true,\"exp\":1e300}",
        "{\"active\":true,\"exp\":null}",
        "{\"active\":true,\"nbf\":1700000001}",
        "{\"active\":true,\"nbf\":{}}",
        "{\"active\":true,\"token_type\":\"DPoP\"}",
        "{\"active\":true,\"token_type\":7}",
        "{\"active\":true,\"cnf\":{}}",
    };
    static const char *const others[] = {
        "{\"active\":true}",
        "{\"active\":true,\"iss\":\"https://me\"}",
        "{\"active\":true,\"iss\":\"https://me/\",\"aud\":\"api\"}",
        "{\"active\":true,\"iss\":[\"https://me\"],\"aud\":\"api\"}",
        "{\"active\":true,\"iss\":\"https://me\",\"aud\":\"apis\"}",
        "{\"active\":true,\"iss\":\"https://me\",\"aud\":[]}",
        "{\"active\":true,\"iss\":\"https://me\",\"aud\":[[\"api\"]]}",
        "{\"active\":true,\"iss\":\"https://me\",\"aud\":{\"api\":1}}",
    };
    struct auth_result *r;
    for (size_t i = 0; i < COUNTOF(answers); i++)
        if (judge(&plain, answers[i], &r) == ERR_OK || r)
            fail_msg("taken: %s", answers[i]);
    for (size_t i = 0; i < COUNTOF(others); i++)
        if (judge(&strict, others[i], &r) == ERR_OK || r)
            fail_msg("taken: %s", others[i]);
}

static void forms_are_encoded_whole(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(KIB(1));
    introspect__encode(&b, STR("aZ9-._~ &=%+/\n\xc3\xa9"));
    assert_true(str_eqz(buf_str(&b), "aZ9-._%7E%20%26%3D%25%2B%2F%0A%C3%A9"));
}

static enum err judge_once(void *arg)
{
    struct auth_result *r;
    (void)arg;
    enum err err = judge(&plain, "{\"active\":true,\"sub\":\"ana\",\"scope\":\"a b\"}", &r);
    if ((err == ERR_OK) != (r != NULL))
        return ERR_INTERNAL;
    auth__result_unref(r);
    return err;
}

static void judging_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(judge_once, NULL);
}

/* --- the definition's secret ------------------------------------------------------------------
 */
static enum err with_secret(const char *source, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(16), MIB(1));
    struct issuers *issuers = NULL;
    assert_int_equal(issuers_new(NULL, NULL, &issuers), ERR_OK);
    const struct authorizer_env env = {
        .file = STR("template.yaml"), .http_api = true, .issuers = issuers};
    const struct json *tree = NULL;
    void *conf = NULL;
    char spec[400];
    snprintf(
        spec, sizeof spec,
        "{\"name\":\"z\",\"authorizerType\":\"JWT\",\"identitySource\":[\"$request.header.A\"],"
        "\"x-ropeline-introspection\":{\"endpoint\":\"https://me/introspect\","
        "\"clientId\":\"c\"%s}}",
        source);
    enum err err = json_parse(a, str_c(spec), KIB(8), &tree, e);
    if (err == ERR_OK)
        err = introspect__compile(a, tree, &env, &conf, e);
    if (conf)
        introspect__fini(conf);
    issuers_free(issuers);
    arena_free(a);
    return err;
}

static void write_file(const char *path, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc('s', f);
    fputs("\r\n", f);
    assert_int_equal(fclose(f), 0);
}

static void the_secret_comes_from_a_variable_or_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/ropeline-secret-XXXXXX", source[120];
    int fd = mkstemp(path);
    struct errinfo e = {0};
    assert_true(fd >= 0);
    close(fd);
    snprintf(source, sizeof source, ",\"clientSecretFile\":\"%s\"", path);
    write_file(path, 12);
    assert_int_equal(with_secret(source, &e), ERR_OK);
    write_file(path, LIMIT_CLIENT_SECRET + 1);
    assert_int_equal(with_secret(source, &e), ERR_INVALID);
    write_file(path, 0);
    assert_int_equal(with_secret(source, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "clientSecretFile"));
    unlink(path);
    assert_int_equal(with_secret(source, &e), ERR_IO);
    assert_int_equal(with_secret(",\"clientSecretFile\":\"/tmp\"", &e), ERR_IO);
    assert_int_equal(with_secret(",\"clientSecretEnv\":\"ROPELINE_TEST_UNSET\"", &e), ERR_NOTFOUND);
    assert_int_equal(setenv("ROPELINE_TEST_SET", "s3cret", 1), 0);
    assert_int_equal(with_secret(",\"clientSecretEnv\":\"ROPELINE_TEST_SET\"", &e), ERR_OK);
    assert_int_equal(with_secret("", &e), ERR_INVALID);
    assert_int_equal(with_secret(",\"clientSecretEnv\":7", &e), ERR_INVALID);
    snprintf(source, sizeof source, ",\"clientSecretEnv\":\"A\",\"clientSecretFile\":\"b\"");
    assert_int_equal(with_secret(source, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_secret_comes_from_a_variable_or_a_file),
        cmocka_unit_test(an_active_token_allows_with_its_claims),
        cmocka_unit_test(an_inactive_one_refuses),
        cmocka_unit_test(anything_else_is_no_answer),
        cmocka_unit_test(forms_are_encoded_whole),
        cmocka_unit_test(judging_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
