/* SPDX-License-Identifier: Apache-2.0
 *
 * A transaction of the session recipe that is undone and runs again after another one came between,
 * as on a server with several nodes: what the first run made is nobody's. */
#include "call_fixture.h"

/* With all memory: a key takes too long to be made for each allocation. */
static const struct json *call(const char *what, const char *input)
{
    AUTO_BUF out = BUF_INIT(MIB(1));
    const struct json *reply = NULL;
    bool hit;
    assert_int_equal(attempt(what, input, -1, &hit, &out), ERR_OK);
    assert_int_equal(json_parse_kept(answers, arena_str(answers, buf_str(&out)), MIB(1), &reply),
                     ERR_OK);
    assert_string_equal(arena_cstr(answers, json_str_or(json_get(reply, "status"), STR(""))), "OK");
    return reply;
}

static const char *token(const struct json *reply, const char *name)
{
    struct str text = json_str_or(json_get(json_get(reply, name), "token"), STR(""));
    return arena_cstr(answers, text);
}

static const char *fill(const char *format, const char *text)
{
    AUTO_BUF out = BUF_INIT(MIB(1));
    struct str rest, head = str_cut(str_c(format), '%', &rest);
    buf_add(&out, head);
    buf_addz(&out, text);
    buf_add(&out, rest);
    return arena_cstr(answers, buf_str(&out));
}

#define CREATE                                                                  \
    "{\"userId\":\"ana\",\"enableAntiCsrf\":false,\"userDataInJWT\":{\"a\":1}," \
    "\"userDataInDatabase\":{}}"
#define REFRESH "{\"refreshToken\":\"%\",\"enableAntiCsrf\":false,\"useDynamicSigningKey\":true}"
#define VERIFY                                                                   \
    "{\"accessToken\":\"%\",\"doAntiCsrfCheck\":false,\"enableAntiCsrf\":false," \
    "\"checkDatabase\":false}"

static enum err undone(struct store_job *j, struct store_tx *tx)
{
    enum err err = in_transaction(j, tx);
    return err ? err : ERR_CANCELLED;
}

static void a_fork_that_lost_while_its_verification_ran_gets_no_token(void **state)
{
    (void)state;
    const char *first = fill(REFRESH, token(call("POST /recipe/session", CREATE), "refreshToken"));
    const struct json *one = call("POST /recipe/session/refresh", first);
    const struct json *other = call("POST /recipe/session/refresh", first);
    const char *verify = fill(VERIFY, token(one, "accessToken"));
    struct attempt t = {.input = str_c(verify), .round = -1};
    t.call = new_call(answers);
    find_op(&t, "POST /recipe/session/verify");
    while (t.call.op->phases[t.phase].where != CDI_WRITE) {
        run_next(&t, in_transaction);
        assert_int_equal(t.err, ERR_OK);
        assert_false(t.call.answered);
        t.phase++;
    }
    run_next(&t, undone); /* it would have been the one that goes on */
    assert_int_equal(t.err, ERR_CANCELLED);
    const struct json *won =
        call("POST /recipe/session/verify", fill(VERIFY, token(other, "accessToken")));
    assert_true(str_c(token(won, "accessToken")).n > 0);
    run_attempt(&t);
    assert_int_equal(t.err, ERR_OK);
    assert_true(str_eqz(json_str_or(json_get(t.call.out, "status"), STR("")), "OK"));
    assert_null(json_get(t.call.out, "accessToken"));
    cdi__end(&t.call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_that_lost_while_its_verification_ran_gets_no_token),
    };
    return cmocka_run_group_tests(tests, start_core, stop_core);
}
