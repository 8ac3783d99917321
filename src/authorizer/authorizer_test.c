/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiling authorizers: what is refused by name, and that no two configurations share the digest
 * that every key of the cache begins with. */
#include "authorizer_int.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "lib/fault.h"

#define ARN "arn:aws:lambda:us-east-1:123456789012:function:guard"
#define URI                                                                                  \
    "\"authorizerUri\":\"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" ARN \
    "/invocations\""
#define TOKEN "\"name\":\"z\",\"type\":\"TOKEN\"," URI
#define REQUEST "\"name\":\"z\",\"authorizerType\":\"REQUEST\"," URI

static struct arena *memory;
static struct function *guard;

static struct function *find(void *arg, struct str arn)
{
    (void)arg;
    return str_eqz(arn, ARN) ? guard : NULL;
}

static enum err compile(struct arena *a, const char *spec, struct authorizer_env env,
                        struct authorizer **out, struct errinfo *e)
{
    const struct json *tree = NULL;
    env.function = find;
    enum err err = json_parse(a, str_c(spec), KIB(64), &tree, e);
    return err ? err : authorizer_compile(a, tree, &env, out, e);
}

static const struct authorizer_env rest = {.api_id = STR_INIT("api"), .stage = STR_INIT("dev")};
static const struct authorizer_env http = {
    .api_id = STR_INIT("api"), .stage = STR_INIT("dev"), .http_api = true};

static void what_cannot_be_meant_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        bool http_api;
        const char *spec, *word;
    } rows[] = {
        {false, "{\"name\":\"z\",\"type\":\"NONSENSE\"}", "NONSENSE"},
        {true, "{\"name\":\"z\",\"authorizerType\":\"TOKEN\"," URI "}", "TOKEN"},
        {false, "{\"name\":\"z\",\"type\":\"JWT\"}", "JWT"},
        {false, "{\"name\":\"z\"}", "type"},
        {false, "{\"name\":\"z\",\"type\":\"TOKEN\"}", "authorizerUri"},
        {false, "{\"name\":\"z\",\"type\":\"TOKEN\",\"authorizerUri\":\"http://a\"}",
         "authorizerUri"},
        {false,
         "{\"name\":\"z\",\"type\":\"TOKEN\",\"authorizerUri\":\"arn:aws:apigateway:us-east-1:"
         "lambda:"
         "path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:gone/"
         "invocations\"}",
         "gone"},
        {false, "{" TOKEN ",\"authorizerResultTtlInSeconds\":3601}", "3600"},
        {false, "{" TOKEN ",\"authorizerResultTtlInSeconds\":-1}", "3600"},
        {false, "{" TOKEN ",\"authorizerResultTtlInSeconds\":1.5}", "3600"},
        {false, "{" TOKEN ",\"authorizerResultTtlInSeconds\":\"60\"}", "3600"},
        {false, "{" TOKEN ",\"identitySource\":\"method.request.querystring.t\"}",
         "identitySource"},
        {false, "{" TOKEN ",\"identitySource\":\"method.request.header.a b\"}", "identitySource"},
        {false, "{" TOKEN ",\"identityValidationExpression\":\"(\"}", "does not compile"},
        {true,
         "{" REQUEST ",\"authorizerPayloadFormatVersion\":\"1.0\",\"enableSimpleResponses\":true}",
         "2.0"},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct arena *a = arena_new(KIB(16), MIB(1));
        struct authorizer *z = NULL;
        struct errinfo e = {0};
        enum err err = compile(a, rows[i].spec, rows[i].http_api ? http : rest, &z, &e);
        if (err == ERR_OK || z || strstr(e.text, rows[i].word) == NULL)
            fail_msg("%s: \"%s\"", rows[i].spec, e.text);
        arena_free(a);
    }
}

static struct authorizer *made(const char *spec, struct authorizer_env env)
{
    struct authorizer *z = NULL;
    struct errinfo e = {0};
    if (compile(memory, spec, env, &z, &e) != ERR_OK)
        fail_msg("%s: %s", spec, e.text);
    return z;
}

static void defaults_are_those_of_aws(void **state)
{
    (void)state;
    struct authorizer *z = made("{" TOKEN "}", rest);
    assert_int_equal(authorizer_ttl_s(z), 300);
    assert_true(z->coalesce && z->function == guard && z->shape == SHAPE_REST);
    assert_true(authorizer_reads_header(z, STR("AUTHORIZATION")));
    assert_false(authorizer_reads_header(z, STR("Cookie")));
    z = made("{" REQUEST ",\"authorizerPayloadFormatVersion\":\"2.0\",\"identitySource\":["
             "\"$context.routeKey\",\"$request.header.X-A\"]}",
             http);
    assert_int_equal(authorizer_ttl_s(z), 0);
    assert_int_equal(z->shape, SHAPE_POLICY);
    assert_true(authorizer_reads_header(z, STR("x-a")));
    assert_false(authorizer_reads_header(z, STR("routeKey")));
    z = made("{" REQUEST ",\"authorizerPayloadFormatVersion\":\"2.0\",\"coalesce\":false,"
             "\"enableSimpleResponses\":true}",
             http);
    assert_int_equal(z->shape, SHAPE_SIMPLE);
    assert_false(z->coalesce);
    z = made("{" REQUEST ",\"authorizerPayloadFormatVersion\":\"1.0\"}", http);
    assert_int_equal(z->shape, SHAPE_1_0);
}

/* Attack catalogue (c) 2: another authorizer, API, stage or definition. */
static void no_two_configurations_share_a_digest(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        struct authorizer_env env;
    } rows[] = {
        {"{" TOKEN "}", {.api_id = STR_INIT("api"), .stage = STR_INIT("dev")}},
        {"{" TOKEN "}", {.api_id = STR_INIT("api"), .stage = STR_INIT("prod")}},
        {"{" TOKEN "}", {.api_id = STR_INIT("other"), .stage = STR_INIT("dev")}},
        {"{" TOKEN "}", {.api_id = STR_INIT("apid"), .stage = STR_INIT("ev")}},
        {"{" TOKEN "}", {.api_id = STR_INIT("api\n3:dev"), .stage = STR_INIT("")}},
        {"{" TOKEN ",\"authorizerResultTtlInSeconds\":60}",
         {.api_id = STR_INIT("api"), .stage = STR_INIT("dev")}},
        {"{" TOKEN ",\"identitySource\":\"method.request.header.X\"}",
         {.api_id = STR_INIT("api"), .stage = STR_INIT("dev")}},
        {"{\"name\":\"y\",\"type\":\"TOKEN\"," URI "}",
         {.api_id = STR_INIT("api"), .stage = STR_INIT("dev")}},
    };
    const struct authorizer *z[COUNTOF(rows)];
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        z[i] = made(rows[i].spec, rows[i].env);
        assert_memory_equal(z[i]->digest, made(rows[i].spec, rows[i].env)->digest, SHA256_BYTES);
        for (size_t k = 0; k < i; k++)
            if (memcmp(z[i]->digest, z[k]->digest, SHA256_BYTES) == 0)
                fail_msg("rows %zu and %zu share a digest", k, i);
    }
}

static enum err compile_once(void *arg)
{
    struct arena *a = arena_new(KIB(1), MIB(1));
    struct authorizer *z = NULL;
    (void)arg;
    enum err err = a ? compile(a, "{" TOKEN ",\"identityValidationExpression\":\"^Bearer .+$\"}",
                               rest, &z, NULL)
                     : ERR_NOMEM;
    authorizer_fini(z);
    arena_free(a);
    return err;
}

static void compiling_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(compile_once, NULL);
}

static int set_up(void **state)
{
    (void)state;
    struct function_spec spec = {.name = STR("guard"), .arn = STR(ARN)};
    memory = arena_new(KIB(64), MIB(4));
    guard = memory ? function_described(memory, &spec) : NULL;
    return guard ? 0 : -1;
}
static int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_meant_is_refused_by_name),
        cmocka_unit_test(defaults_are_those_of_aws),
        cmocka_unit_test(no_two_configurations_share_a_digest),
        cmocka_unit_test(compiling_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
