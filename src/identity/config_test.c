/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings of the core: defaults, units, inheritance, and what is refused in which words. */
#include "config_int.h"
#include "lib/fault.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(KIB(4), MIB(1));
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    const struct json *v;
    assert_int_equal(json_parse(arena, str_c(text), MIB(1), &v, NULL), ERR_OK);
    return v;
}

static struct core_config reads(const struct core_config *base, const char *text)
{
    struct core_config c;
    struct errinfo e = {0};
    if (core_config_read(arena, base, text ? parse(text) : NULL, &c, &e) != ERR_OK)
        fail_msg("%s: %s", text, e.text);
    return c;
}

static void refuses(const char *text, const char *why)
{
    struct core_config c;
    struct errinfo e = {0};
    assert_int_equal(core_config_read(arena, NULL, parse(text), &c, &e), ERR_INVALID);
    assert_string_equal(e.text, why);
}

static void defaults_are_those_of_the_core(void **state)
{
    (void)state;
    struct core_config c = reads(NULL, NULL);
    assert_int_equal(c.access_token_validity_s, 3600);
    assert_int_equal(c.refresh_token_validity_s, 144000 * 60);
    assert_int_equal(c.signing_key_interval_ms, INT64_C(168) * 3600000);
    assert_true(c.signing_key_dynamic);
    assert_false(c.blacklisting);
    assert_int_equal(c.jitter_percent, 0);
    assert_int_equal(c.rotation_grace_ms, 30000);
    assert_int_equal(c.password_reset_ms, 3600000);
    assert_int_equal(c.email_verification_ms, 86400000);
    assert_int_equal(c.code_lifetime_ms, 900000);
    assert_int_equal(c.code_max_attempts, 5);
    assert_int_equal(c.totp_max_attempts, 5);
    assert_int_equal(c.totp_cooldown_s, 900);
    assert_int_equal(c.password_alg, PASSWORD_BCRYPT);
    assert_int_equal(c.bcrypt_rounds, 11);
    assert_int_equal(c.argon2_iterations, 1);
    assert_int_equal(c.argon2_memory_kib, 87795);
    assert_int_equal(c.argon2_parallelism, 2);
    assert_int_equal(c.api_key_count, 0);
    assert_null(c.ip_allow_pattern);
    assert_true(str_eqz(c.base_path, ""));
}

static void numbers_may_be_quoted_and_have_units(void **state)
{
    (void)state;
    struct core_config c =
        reads(NULL, "{\"access_token_dynamic_signing_key_update_interval\":\"0.001\","
                    "\"access_token_validity\":\"20\",\"refresh_token_validity\":2.5,"
                    "\"access_token_validity_jitter\":0.05,\"access_token_signing_key_dynamic\":"
                    "\"False\",\"refresh_token_rotation_grace_period\":0,"
                    "\"passwordless_code_lifetime\":null}");
    assert_int_equal(c.signing_key_interval_ms, 3600);
    assert_int_equal(c.access_token_validity_s, 20);
    assert_int_equal(c.refresh_token_validity_s, 150);
    assert_int_equal(c.jitter_percent, 5);
    assert_false(c.signing_key_dynamic);
    assert_int_equal(c.rotation_grace_ms, 0);
    assert_int_equal(c.code_lifetime_ms, 900000);
    c = reads(NULL, "{\"access_token_signing_key_update_interval\":2}");
    assert_int_equal(c.signing_key_interval_ms, 7200000);
}

static void a_tenant_adds_to_its_app(void **state)
{
    (void)state;
    struct core_config app =
        reads(NULL, "{\"api_keys\":\"aaaaaaaaaaaaaaaaaaaa, BBBBBBBBBB=BBBBBBBB-1\","
                    "\"access_token_validity\":7,\"ip_deny_regex\":\"10\\\\..*\",\"base_path\":"
                    "\"some/path/\"}");
    struct core_config c = reads(&app, "{\"password_hashing_alg\":\"argon2\",\"unheard_of\":1}");
    assert_int_equal(c.api_key_count, 2);
    assert_true(str_eqz(c.api_keys[1], "BBBBBBBBBB=BBBBBBBB-1"));
    assert_int_equal(c.access_token_validity_s, 7);
    assert_int_equal(c.password_alg, PASSWORD_ARGON2);
    assert_true(str_eqz(c.base_path, "/some/path"));
    assert_int_equal(pattern_match(c.ip_deny_pattern, STR("10.0.0.1")), ERR_OK);
    assert_int_equal(pattern_match(c.ip_deny_pattern, STR("127.0.0.1")), ERR_NOTFOUND);
    assert_ptr_not_equal(c.api_keys[0].p, app.api_keys[0].p);
    assert_string_equal(core_config_differs(&app, &c), "password_hashing_alg");
    c = reads(&app, "{\"totp_max_attempts\":2,\"access_token_validity\":\"7\"}");
    assert_null(core_config_differs(&app, &c));
    c = reads(&app, "{\"api_keys\":\"aaaaaaaaaaaaaaaaaaaa\"}");
    assert_string_equal(core_config_differs(&app, &c), "api_keys");
    c = reads(&app, "{\"firebase_password_hashing_signer_key\":\"eA==\"}");
    assert_string_equal(core_config_differs(&app, &c), "firebase_password_hashing_signer_key");
    c = reads(&app, "{\"access_token_blacklisting\":true}");
    assert_string_equal(core_config_differs(&app, &c), "access_token_blacklisting");
}

static void each_refusal_has_the_cores_words(void **state)
{
    (void)state;
    refuses("{\"access_token_validity\":0}",
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive.");
    refuses("{\"access_token_validity\":\"abc\"}", "'access_token_validity' must be of type long");
    refuses("{\"access_token_validity\":1.5}", "'access_token_validity' must be of type long");
    refuses("{\"access_token_validity\":true}", "'access_token_validity' must be of type long");
    refuses("{\"refresh_token_validity\":\"x\"}",
            "'refresh_token_validity' must be of type double");
    refuses("{\"refresh_token_validity\":1,\"access_token_validity\":60}",
            "'refresh_token_validity' must be strictly greater than 'access_token_validity'.");
    refuses("{\"access_token_validity_jitter\":0.3}",
            "'access_token_validity_jitter' must be between 0 and 0.25 inclusive.");
    refuses("{\"refresh_token_rotation_grace_period\":301}",
            "'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive.");
    refuses("{\"access_token_dynamic_signing_key_update_interval\":0}",
            "'access_token_dynamic_signing_key_update_interval' must be > 0");
    refuses("{\"passwordless_code_lifetime\":0}", "'passwordless_code_lifetime' must be > 0");
    refuses("{\"totp_max_attempts\":-1}", "'totp_max_attempts' must be between 1 and 10000");
    refuses("{\"totp_max_attempts\":10001}", "'totp_max_attempts' must be between 1 and 10000");
    refuses("{\"password_hashing_alg\":\"MD5\"}",
            "'password_hashing_alg' must be one of 'ARGON2' or 'BCRYPT'");
    refuses("{\"bcrypt_log_rounds\":31}", "'bcrypt_log_rounds' must be between 4 and 20");
    refuses("{\"argon2_memory_kb\":4194304}", "'argon2_memory_kb' must be between 512 and 1048576");
    refuses("{\"api_keys\":\"short\"}",
            "One of the API keys is too short. Please use at least 20 characters");
    refuses("{\"api_keys\":\"aaaaaaaaaaaaaaaaaaaa,\"}",
            "One of the API keys is too short. Please use at least 20 characters");
    refuses("{\"api_keys\":\"aaaaaaaaaaaaaaaaaaa_\"}",
            "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including "
            "capitals)");
    refuses("{\"access_token_blacklisting\":\"yes\"}",
            "'access_token_blacklisting' must be of type boolean");
    refuses("{\"ip_allow_regex\":\"(\"}",
            "Provided regular expression is invalid for ip_allow_regex config");
    refuses("{\"ip_allow_regex\":1}", "'ip_allow_regex' must be of type String");
    refuses("{\"base_path\":\"/a b\"}", "Invalid characters in base_path config");
    refuses("{\"access_token_validity\":1e300}",
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive.");
}

static void too_many_keys_are_refused(void **state)
{
    (void)state;
    AUTO_BUF text = BUF_INIT(KIB(4));
    buf_addz(&text, "{\"api_keys\":\"aaaaaaaaaaaaaaaaaaaa");
    for (int i = 0; i < LIMIT_CORE_API_KEYS; i++)
        buf_addz(&text, ",aaaaaaaaaaaaaaaaaaaa");
    buf_addz(&text, "\"}");
    refuses(buf_cstr(&text), "'api_keys' must be at most 16 keys");
}

static void names_of_the_core_are_known(void **state)
{
    (void)state;
    assert_true(core_config_knows(STR("access_token_validity")));
    assert_true(core_config_knows(STR("log_level")));
    assert_true(core_config_knows(STR("postgresql_connection_uri")));
    assert_false(core_config_knows(STR("access_token_validity ")));
    assert_false(core_config_knows(STR("")));
}

static enum err in_a_fresh_arena(void *arg)
{
    struct arena *a = arena_new(256, MIB(1));
    struct core_config c;
    enum err err = a ? core_config_read(a, NULL, arg, &c, NULL) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    struct json settings = *parse("{\"access_token_validity\":\"20\",\"ip_allow_regex\":\"a+\","
                                  "\"api_keys\":\"aaaaaaaaaaaaaaaaaaaa\",\"base_path\":\"x\"}");
    fault_each(in_a_fresh_arena, &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_those_of_the_core, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_may_be_quoted_and_have_units, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_tenant_adds_to_its_app, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_refusal_has_the_cores_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_keys_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_the_core_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_may_run_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
