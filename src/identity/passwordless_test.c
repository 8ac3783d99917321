/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes call by call, each with every allocation failing first: a try that the memory did not
 * suffice for is not counted, and uses nothing up. */
#include "call_fixture.h"

#define CODE "/recipe/signinup/code"
#define OK "{\"status\":\"OK\"}"
#define RESTART "{\"status\":\"RESTART_FLOW_ERROR\"}"

struct sent {
    const char *session, *device, *input, *link, *id;
};

static const char *member(const struct json *v, const char *name)
{
    const char *text = arena_cstr(answers, json_str_or(json_get(v, name), STR("")));
    assert_non_null(text);
    assert_true(*text);
    return text;
}

static struct sent make(const char *input)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(answers, str_c(answer("POST " CODE, input)), MIB(1), &v, NULL),
                     ERR_OK);
    return (struct sent){member(v, "preAuthSessionId"), member(v, "deviceId"),
                         member(v, "userInputCode"), member(v, "linkCode"), member(v, "codeId")};
}

static const char *filled(struct buf *text)
{
    const char *out = arena_cstr(answers, buf_str(text));
    assert_non_null(out);
    return out;
}

static const char *by_link(struct sent s)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    buf_addf(&in, "{\"preAuthSessionId\":\"%s\",\"linkCode\":\"%s\"}", s.session, s.link);
    return filled(&in);
}

static const char *by_hand(struct sent s, const char *input)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    buf_addf(&in, "{\"preAuthSessionId\":\"%s\",\"deviceId\":\"%s\",\"userInputCode\":\"%s\"}",
             s.session, s.device, input);
    return filled(&in);
}

static const char *wrong(int failed)
{
    AUTO_BUF out = BUF_INIT(KIB(1));
    buf_addf(&out,
             "{\"status\":\"INCORRECT_USER_INPUT_CODE_ERROR\",\"failedCodeInputAttemptCount\":%d,"
             "\"maximumCodeInputAttempts\":5}",
             failed);
    return filled(&out);
}

static bool made_user(const char *text, bool created)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(answers, str_c(text), MIB(1), &v, NULL), ERR_OK);
    return str_eqz(json_str_or(json_get(v, "status"), STR("")), "OK") &&
           json_bool_or(json_get(v, "createdNewUser"), !created) == created;
}

static void a_code_is_used_once(void **state)
{
    (void)state;
    struct sent s = make("{\"email\":\"ada@x.example\"}");
    assert_true(made_user(answer("POST " CODE "/consume", by_link(s)), true));
    says("POST " CODE "/consume", by_link(s), RESTART);
    says("POST " CODE "/consume", by_hand(s, s.input), RESTART);
    s = make("{\"email\":\"ada@x.example\"}");
    assert_true(made_user(answer("POST " CODE "/consume", by_hand(s, s.input)), false));
    says("GET /users/count", "", "{\"status\":\"OK\",\"count\":1}");
}

static void tries_count_once_each(void **state)
{
    (void)state;
    struct sent s = make("{\"phoneNumber\":\"+49301234\"}");
    for (int n = 1; n < 5; n++)
        says("POST " CODE "/consume", by_hand(s, "no"), wrong(n));
    says("POST " CODE "/check", by_hand(s, "no"), RESTART);
    says("POST " CODE "/consume", by_hand(s, s.input), RESTART);
    says("GET " CODE "s", "phoneNumber=%2B49301234", "{\"status\":\"OK\",\"devices\":[]}");
}

static void codes_are_listed_and_taken_back(void **state)
{
    (void)state;
    struct sent s = make("{\"email\":\"ada@x.example\",\"userInputCode\":\"one\"}");
    AUTO_BUF text = BUF_INIT(KIB(2));
    buf_addf(&text, "{\"deviceId\":\"%s\",\"userInputCode\":\"one\"}", s.device);
    says("POST " CODE, buf_cstr(&text), "{\"status\":\"USER_INPUT_CODE_ALREADY_USED_ERROR\"}");
    buf_reset(&text);
    buf_addf(&text,
             "{\"status\":\"OK\",\"devices\":[{\"preAuthSessionId\":\"%s\","
             "\"failedCodeInputAttemptCount\":0,\"email\":\"ada@x.example\",\"codes\":[{"
             "\"codeId\":\"%s\",\"timeCreated\":1000,\"codeLifetime\":900000}]}]}",
             s.session, s.id);
    says("GET " CODE "s", "email=ada@x.example", buf_cstr(&text));
    says("GET " CODE "s", "preAuthSessionId=", "{\"status\":\"OK\",\"devices\":[]}");
    buf_reset(&text);
    buf_addf(&text, "{\"codeId\":\"%s\"}", s.id);
    says("POST " CODE "/remove", buf_cstr(&text), OK);
    says("GET " CODE "s", "email=ada@x.example", "{\"status\":\"OK\",\"devices\":[]}");
    s = make("{\"email\":\"ada@x.example\"}");
    says("POST " CODE "s/remove", "{\"email\":\"ada@x.example\"}", OK);
    says("POST " CODE "/check", by_link(s), RESTART);
    says("GET " CODE "s", "",
         "400 Please provide exactly one of email, phoneNumber, deviceId or preAuthSessionId");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start_core, stop_core)
    const struct CMUnitTest tests[] = {
        TEST(a_code_is_used_once),
        TEST(tries_count_once_each),
        TEST(codes_are_listed_and_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
