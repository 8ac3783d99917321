/* SPDX-License-Identifier: Apache-2.0
 *
 * Users of the dashboard and their sessions call by call, each with every allocation failing
 * first. */
#include "call_fixture.h"

#define DASHBOARD "/recipe/dashboard"
#define OK "{\"status\":\"OK\"}"
#define NO_SESSION "{\"status\":\"INVALID_SESSION_ERROR\"}"
#define NOT_THEIRS "{\"status\":\"INVALID_CREDENTIALS_ERROR\"}"
#define SIGN_IN(email, password) "{\"email\":\"" email "\",\"password\":\"" password "\"}"

static int start_cheap(void **state)
{
    int rc = start_core(state);
    if (rc == 0)
        core->base.bcrypt_rounds = 4;
    return rc;
}

static const struct json *read_answer(const char *what, const char *input)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(answers, str_c(answer(what, input)), MIB(1), &v, NULL), ERR_OK);
    return v;
}

/* {"sessionId": "..."} of a new session. */
static const char *session(const char *input)
{
    const struct json *v = read_answer("POST " DASHBOARD "/signin", input);
    AUTO_BUF out = BUF_INIT(KIB(1));
    struct str id = json_str_or(json_get(v, "sessionId"), STR(""));
    assert_int_equal(id.n, 36);
    buf_addf(&out, "{\"sessionId\":\"%.*s\"}", STR_ARG(id));
    return arena_cstr(answers, buf_str(&out));
}

static void make(void)
{
    says("POST " DASHBOARD "/user", SIGN_IN(" Ada@x.example ", "pass word 1"), OK);
}

static void whoever_has_the_password_gets_a_session(void **state)
{
    (void)state;
    make();
    says("POST " DASHBOARD "/user", SIGN_IN("ada@X.example", "pass word 2"),
         "{\"status\":\"EMAIL_ALREADY_EXISTS_ERROR\"}");
    says("POST " DASHBOARD "/signin", SIGN_IN("ada@x.example", "pass word 2"), NOT_THEIRS);
    says("POST " DASHBOARD "/signin", SIGN_IN("bob@x.example", "pass word 1"), NOT_THEIRS);
    const char *mine = session(SIGN_IN("ADA@x.example", "pass word 1"));
    says("POST " DASHBOARD "/session/verify", mine,
         "{\"status\":\"OK\",\"email\":\"ada@x.example\"}");
    says("POST " DASHBOARD "/session/verify", "{\"sessionId\":\"none\"}", NO_SESSION);
    says("DELETE " DASHBOARD "/session", mine, OK);
    says("POST " DASHBOARD "/session/verify", mine, NO_SESSION);
}

static void a_change_ends_the_sessions(void **state)
{
    (void)state;
    make();
    const char *mine = session(SIGN_IN("ada@x.example", "pass word 1"));
    answer("PUT " DASHBOARD "/user",
           "{\"email\":\"ada@x.example\",\"newEmail\":\"a@x.example\",\"newPassword\":\"other "
           "word 2\"}");
    says("POST " DASHBOARD "/session/verify", mine, NO_SESSION);
    says("POST " DASHBOARD "/signin", SIGN_IN("ada@x.example", "pass word 1"), NOT_THEIRS);
    says("POST " DASHBOARD "/signin", SIGN_IN("a@x.example", "pass word 1"), NOT_THEIRS);
    mine = session(SIGN_IN("a@x.example", "other word 2"));
    says("DELETE " DASHBOARD "/user", "{\"email\":\"a@x.example\"}",
         "{\"status\":\"OK\",\"didUserExist\":true}");
    says("POST " DASHBOARD "/session/verify", mine, NO_SESSION);
    says("DELETE " DASHBOARD "/user", "{\"email\":\"a@x.example\"}",
         "{\"status\":\"OK\",\"didUserExist\":false}");
    says("GET " DASHBOARD "/users", "", "{\"status\":\"OK\",\"users\":[]}");
    says("PUT " DASHBOARD "/user", "{\"userId\":\"none\",\"newEmail\":\"a@x.example\"}",
         "{\"status\":\"UNKNOWN_USER_ERROR\"}");
}

static void what_is_weak_or_no_address(void **state)
{
    (void)state;
#define INVALID "{\"status\":\"INVALID_EMAIL_ERROR\"}"
    static const char *const bad[] = {
        "a",      "a@",    "@x.example", "a@x",           "a@.example",
        "a@x..e", "a@x.e", "a@x.ex1",    "a@x y.example", "a@x.example."};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        AUTO_BUF in = BUF_INIT(KIB(1));
        buf_addf(&in, SIGN_IN("%s", "pass word 1"), bad[i]);
        says("POST " DASHBOARD "/user", buf_cstr(&in), INVALID);
    }
#define WEAK(why) "{\"status\":\"PASSWORD_WEAK_ERROR\",\"message\":\"" why "\"}"
    says("POST " DASHBOARD "/user", SIGN_IN("a@x.example", "short 1"),
         WEAK("Password must contain at least 8 characters, including a number"));
    says("POST " DASHBOARD "/user", SIGN_IN("a@x.example", "12345678"),
         WEAK("Password must contain at least one alphabet"));
    says("POST " DASHBOARD "/user", SIGN_IN("a@x.example", "no number"),
         WEAK("Password must contain at least one number"));
    says("POST " DASHBOARD "/user", SIGN_IN(" ", "pass word 1"),
         "400 Field name email cannot be an empty String");
    says("PUT " DASHBOARD "/user", "{}", "400 Either field email or userId must be present");
    says("POST " DASHBOARD "/user", SIGN_IN("a-b.c+d@x-1.sub.example", "pass word 1"), OK);
}

static void settings_are_shown_but_no_secret(void **state)
{
    (void)state;
    const struct json *list =
        json_get(read_answer("GET " DASHBOARD "/tenant/core-config", ""), "config");
    bool rounds = false;
    assert_non_null(list);
    assert_true(list->n > 15);
    for (size_t i = 0; i < list->n; i++) {
        struct str key = json_str_or(json_get(list->items[i], "key"), STR(""));
        int64_t value = 0, otherwise = 0;
        assert_false(str_eqz(key, "api_keys"));
        assert_false(str_eqz(key, "firebase_password_hashing_signer_key"));
        if (!str_eqz(key, "bcrypt_log_rounds"))
            continue;
        rounds = json_int(json_get(list->items[i], "value"), &value) &&
                 json_int(json_get(list->items[i], "defaultValue"), &otherwise);
        assert_int_equal(value, 4);
        assert_int_equal(otherwise, 11);
    }
    assert_true(rounds);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start_cheap, stop_core)
    const struct CMUnitTest tests[] = {
        TEST(whoever_has_the_password_gets_a_session),
        TEST(a_change_ends_the_sessions),
        TEST(what_is_weak_or_no_address),
        TEST(settings_are_shown_but_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
