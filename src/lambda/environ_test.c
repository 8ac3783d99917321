/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables a function gets, and which a template may not set. */
#include "lib/fault.h"

#include "base/limits.h"
#include "lambda_text.h"

static struct function_spec spec = {
    .name = {"Auth", 4},
    .code_dir = {"/code", 5},
    .handler = {"index.handler", 13},
    .runtime = {"nodejs20.x", 10},
    .version = {"$LATEST", 7},
    .memory_mb = 256,
    .logging = {.group = {"/aws/lambda/Auth", 16}, .application_level = DETAIL_INFO},
};

static struct lambda__facts facts_of(const struct function_spec *s)
{
    return (struct lambda__facts){
        .spec = s,
        .runtime = {RUNTIME_NODE, 20, 0},
        .handler = s->handler,
        .opt = STR("/opt"),
        .region = STR("eu-west-1"),
        .runtime_dir = STR("/state/runtime/x"),
        .log_stream = STR("2026/11/22/[$LATEST]00"),
        .tmp_dir = STR("/state/tmp/e"),
        .key_id = STR("ASIA"),
        .key_secret = STR("secret"),
        .key_token = STR("token"),
    };
}

static const char *value_in(const char *const *env, const char *name)
{
    const char *found = NULL;
    for (; *env; env++) {
        if (strncmp(*env, name, strlen(name)) == 0 && (*env)[strlen(name)] == '=') {
            assert_null(found);
            found = *env + strlen(name) + 1;
        }
    }
    return found;
}

static void the_documented_variables_are_there_and_no_api_address(void **state)
{
    static const char *const pairs[][2] = {
        {"_HANDLER", "index.handler"},
        {"_LAMBDA_TELEMETRY_LOG_FD", "4"},
        {"AWS_REGION", "eu-west-1"},
        {"AWS_DEFAULT_REGION", "eu-west-1"},
        {"AWS_EXECUTION_ENV", "AWS_Lambda_nodejs20.x"},
        {"AWS_LAMBDA_FUNCTION_NAME", "Auth"},
        {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"},
        {"AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"},
        {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
        {"AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/Auth"},
        {"AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]00"},
        {"AWS_LAMBDA_LOG_FORMAT", "Text"},
        {"AWS_SECRET_ACCESS_KEY", "secret"},
        {"LAMBDA_TASK_ROOT", "/code"},
        {"LAMBDA_RUNTIME_DIR", "/state/runtime/x"},
        {"TMPDIR", "/state/tmp/e"},
        {"TZ", ":UTC"},
        {"NODE_PATH", "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:"
                      "/state/runtime/x/node_modules:/code"},
    };
    (void)state;
    struct lambda__facts facts = facts_of(&spec);
    struct arena *a = arena_new(KIB(8), KIB(64));
    const char *const *env = lambda__environ(a, &facts);
    assert_non_null(env);
    for (size_t i = 0; i < COUNTOF(pairs); i++) {
        const char *value = value_in(env, pairs[i][0]);
        assert_non_null(value);
        assert_string_equal(value, pairs[i][1]);
    }
    assert_null(value_in(env, "AWS_LAMBDA_RUNTIME_API"));
    assert_null(value_in(env, "_X_AMZN_TRACE_ID"));
    assert_null(value_in(env, "HOME"));
    assert_null(value_in(env, "AWS_LAMBDA_LOG_LEVEL"));
    arena_free(a);
}

static void the_log_level_is_told_to_who_logs_in_json(void **state)
{
    (void)state;
    struct function_spec s = spec;
    s.logging.json = true;
    s.logging.application_level = DETAIL_FATAL;
    struct lambda__facts facts = facts_of(&s);
    struct arena *a = arena_new(KIB(8), KIB(64));
    const char *const *env = lambda__environ(a, &facts);
    assert_non_null(env);
    assert_string_equal(value_in(env, "AWS_LAMBDA_LOG_FORMAT"), "JSON");
    assert_string_equal(value_in(env, "AWS_LAMBDA_LOG_LEVEL"), "FATAL");
    arena_free(a);
}

static void each_kind_of_runtime_gets_its_own(void **state)
{
    static const char *const names[] = {"AWS_EXECUTION_ENV", "NODE_PATH", "PYTHONPATH"};
    static const struct {
        const char *runtime;
        struct runtime_name name;
        const char *values[COUNTOF(names)];
    } rows[] = {
        {"python3.11",
         {RUNTIME_PYTHON, 3, 11},
         {"AWS_Lambda_python3.11", NULL, "/opt/python/lib/python3.11/site-packages:/opt/python"}},
        {"provided.al2023", {RUNTIME_CUSTOM, 0, 0}, {NULL, NULL, NULL}},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct function_spec s = spec;
        s.runtime = str_c(rows[i].runtime);
        struct lambda__facts facts = facts_of(&s);
        facts.runtime = rows[i].name;
        struct arena *a = arena_new(KIB(8), KIB(64));
        const char *const *env = lambda__environ(a, &facts);
        assert_non_null(env);
        for (size_t k = 0; k < COUNTOF(names); k++) {
            const char *value = value_in(env, names[k]);
            if (rows[i].values[k])
                assert_string_equal(value, rows[i].values[k]);
            else
                assert_null(value);
        }
        arena_free(a);
    }
}

static void a_template_overrides_defaults_and_adds_its_own(void **state)
{
    struct function_env own[] = {{STR("TZ"), STR(":Asia/Tokyo")},
                                 {STR("NODE_OPTIONS"), STR("--no-warnings")},
                                 {STR("WORD"), STR("{handler}")}};
    (void)state;
    struct function_spec s = spec;
    s.env = own;
    s.env_count = COUNTOF(own);
    struct lambda__facts facts = facts_of(&s);
    struct arena *a = arena_new(KIB(8), KIB(64));
    assert_int_equal(lambda__environ_check(&s, NULL), ERR_OK);
    const char *const *env = lambda__environ(a, &facts);
    assert_non_null(env);
    assert_string_equal(value_in(env, "TZ"), ":Asia/Tokyo");
    assert_string_equal(value_in(env, "NODE_OPTIONS"), "--no-warnings");
    assert_string_equal(value_in(env, "WORD"), "{handler}");
    arena_free(a);
}

static void reserved_and_malformed_names_are_refused_by_name(void **state)
{
    static const char *const names[] = {
        "_HANDLER",
        "AWS_REGION",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_SESSION_TOKEN",
        "_X_AMZN_TRACE_ID",
        "_ANYTHING",
        "1ST",
        "A",
        "WITH-HYPHEN",
        "",
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        struct errinfo e = {0};
        struct function_env one = {str_c(names[i]), STR("x")};
        struct function_spec s = spec;
        s.env = &one;
        s.env_count = 1;
        assert_int_equal(lambda__environ_check(&s, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, names[i]));
    }
}

static void four_kilobytes_are_the_most(void **state)
{
    static char text[LIMIT_FUNCTION_ENV_BYTES];
    (void)state;
    memset(text, 'x', sizeof text);
    struct function_env one = {STR("NAME"), str_of(text, sizeof text - 4)};
    struct function_spec s = spec;
    s.env = &one;
    s.env_count = 1;
    assert_int_equal(lambda__environ_check(&s, NULL), ERR_OK);
    one.value.n++;
    assert_int_equal(lambda__environ_check(&s, NULL), ERR_INVALID);
    one.value = STR("a\0b");
    assert_int_equal(lambda__environ_check(&s, NULL), ERR_INVALID);
}

static void credentials_look_like_those_of_aws_and_differ(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(8), KIB(64));
    struct lambda__facts one = {0}, two = {0};
    assert_int_equal(lambda__credentials(a, &one), ERR_OK);
    assert_int_equal(lambda__credentials(a, &two), ERR_OK);
    assert_int_equal(one.key_id.n, 20);
    assert_int_equal(one.key_secret.n, 40);
    assert_true(str_starts(one.key_id, STR("ASIA")));
    assert_false(str_eq(one.key_id, two.key_id));
    assert_false(str_eq(one.key_secret, two.key_secret));
    assert_false(str_eq(one.key_token, two.key_token));
    arena_free(a);
}

static enum err build(void *arg)
{
    struct lambda__facts facts = facts_of(&spec);
    (void)arg;
    struct arena *a = arena_new(256, KIB(64));
    if (!a)
        return ERR_NOMEM;
    enum err err = lambda__credentials(a, &facts);
    if (err == ERR_OK)
        err = lambda__environ(a, &facts) ? ERR_OK : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void out_of_memory_gives_no_environment(void **state)
{
    (void)state;
    fault_each(build, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_variables_are_there_and_no_api_address),
        cmocka_unit_test(each_kind_of_runtime_gets_its_own),
        cmocka_unit_test(the_log_level_is_told_to_who_logs_in_json),
        cmocka_unit_test(a_template_overrides_defaults_and_adds_its_own),
        cmocka_unit_test(reserved_and_malformed_names_are_refused_by_name),
        cmocka_unit_test(four_kilobytes_are_the_most),
        cmocka_unit_test(credentials_look_like_those_of_aws_and_differ),
        cmocka_unit_test(out_of_memory_gives_no_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
