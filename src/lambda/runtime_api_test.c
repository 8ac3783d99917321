/* SPDX-License-Identifier: Apache-2.0
 *
 * The Runtime API word by word: what a runtime hears, and what its caller gets. */
#include "lambda_talk.h"

static void an_event_comes_with_its_headers(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true,
                              .trace_header = STR("Root=1-a;Sampled=1"),
                              .client_context = STR("{\"a\":1}")}};
    char id[80];
    call_start(&call, "{\"a\":1}");
    struct child *c = ready(0);
    const char *text = hear(c);
    snprintf(id, sizeof id, "Lambda-Runtime-Aws-Request-Id: %s\r\n", call.i.request_id);
    const char *const parts[] = {
        "HTTP/1.1 200 OK\r\n",
        "Content-Type: application/json\r\n",
        id,
        "Lambda-Runtime-Deadline-Ms: ",
        "Lambda-Runtime-Invoked-Function-Arn: "
        "arn:aws:lambda:eu-west-1:123456789012:function:Fn\r\n",
        "Lambda-Runtime-Trace-Id: Root=1-a;Sampled=1\r\n",
        "Lambda-Runtime-Client-Context: {\"a\":1}\r\n",
        "Content-Length: 7\r\n",
        "\r\n\r\n{\"a\":1}",
    };
    for (size_t i = 0; i < COUNTOF(parts); i++)
        assert_non_null(strstr(text, parts[i]));
    int64_t due = strtoll(strstr(text, "Deadline-Ms: ") + 13, NULL, 10);
    int64_t left = due - clock_wall_us(&clock_system) / 1000;
    assert_true(left > 1000 && left <= 2001);
    post(c, call.i.request_id, "response", "", "[true]");
    assert_heard(c, "202 Accepted", "\r\n\r\n{\"status\":\"OK\"}\n");
    assert_string_equal(call_end(&call, LAMBDA_OK), "[true]");
}

static void answer_and_next_may_come_in_one_piece(void **state)
{
    (void)state;
    char both[512];
    struct call first = {.i = {.queue = true}}, second = {.i = {.queue = true}};
    call_start(&first, "1");
    struct child *c = ready(0);
    assert_heard(c, "200 OK", "\r\n\r\n1");
    snprintf(both, sizeof both,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
             "x" NEXT,
             first.i.request_id);
    say(c, both);
    assert_heard(c, "202 Accepted", "OK");
    call_end(&first, LAMBDA_OK);
    call_start(&second, "2");
    assert_heard(c, "200 OK", "\r\n\r\n2");
    assert_int_equal(bench.spawned, 1);
    post(c, second.i.request_id, "response", "", "y");
    assert_string_equal(call_end(&second, LAMBDA_OK), "y");
    assert_false(second.i.cold);
}

static void a_chunked_answer_with_trailers_is_whole(void **state)
{
    (void)state;
    char text[512];
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    snprintf(text, sizeof text,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
             "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
             "Trailer: Lambda-Runtime-Function-Error-Type\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n2\r\nde\r\n0\r\nLambda-Runtime-Function-Error-Type: \r\n\r\n",
             call.i.request_id);
    say(c, text);
    assert_heard(c, "202 Accepted", "OK");
    assert_string_equal(call_end(&call, LAMBDA_OK), "abcde");
}

static void an_error_passes_as_it_is_even_with_an_enormous_header(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    AUTO_BUF headers = BUF_INIT(MIB(2));
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    buf_addf(&headers,
             "POST /2018-06-01/runtime/invocation/%s/error HTTP/1.1\r\n"
             "Lambda-Runtime-Function-XRay-Error-Cause: {\"x\":\"",
             call.i.request_id);
    char *room = buf_reserve(&headers, MIB(1));
    assert_non_null(room);
    memset(room, 'c', MIB(1));
    headers.n += MIB(1);
    buf_addz(&headers, "\"}\r\nContent-Length: 21\r\n\r\n{\"errorMessage\":\"no\"}");
    say(c, buf_cstr(&headers));
    assert_heard(c, "202 Accepted", "OK");
    assert_string_equal(call_end(&call, LAMBDA_FUNCTION_ERROR), "{\"errorMessage\":\"no\"}");
}

static void an_answer_to_another_event_is_refused(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    post(c, "8f507cfc-0000-4697-b07a-ac58fc914c95", "response", "", "x");
    assert_heard(c, "400 Bad Request",
                 "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}");
    assert_false(call.over);
    post(c, call.i.request_id, "response", "", "y");
    assert_heard(c, "202 Accepted", "OK");
    assert_string_equal(call_end(&call, LAMBDA_OK), "y");
    post(c, call.i.request_id, "response", "", "again");
    assert_heard(c, "403 Forbidden", "InvalidStateTransition");
}

static void an_answer_before_any_event_is_refused(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    bench_turns(3);
    struct child *c = &bench.children[0];
    post(c, call.i.request_id, "response", "", "x");
    assert_heard(c, "403 Forbidden", "State transition from Started to InvocationResponse failed");
    ready(0);
    assert_heard(c, "200 OK", "{}");
    say(c, NEXT);
    assert_heard(c, "403 Forbidden", "State transition from Running to Ready failed");
    say(c, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    assert_heard(c, "403 Forbidden", "State transition from Running to InitError failed");
    post(c, call.i.request_id, "response", "", "x");
    call_end(&call, LAMBDA_OK);
}

static void an_unknown_response_mode_ends_the_invocation(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    post(c, call.i.request_id, "response", "Lambda-Runtime-Function-Response-Mode: odd\r\n", "x");
    assert_heard(c, "400 Bad Request", "InvalidFunctionResponseMode");
    assert_non_null(
        strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "\"Runtime.InvalidResponseModeHeader\""));
}

static void too_large_by_chunks_is_413_and_the_environment_goes_on(void **state)
{
    (void)state;
    static char chunk[KIB(64) + 16];
    char text[256];
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    snprintf(text, sizeof text,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
             "Transfer-Encoding: chunked\r\n\r\n",
             call.i.request_id);
    say(c, text);
    int head = snprintf(chunk, sizeof chunk, "10000\r\n");
    memset(chunk + head, 'z', KIB(64));
    memcpy(chunk + head + KIB(64), "\r\n", 3);
    for (size_t sent = 0; sent <= LIMIT_INVOKE_PAYLOAD; sent += KIB(64))
        say(c, chunk);
    say(c, "0\r\n\r\n");
    assert_heard(c, "413 ", "Exceeded maximum allowed payload size (6291556 bytes).");
    assert_non_null(
        strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "Function.ResponseSizeTooLarge"));
    say(c, NEXT);
    call_start(&next, "5");
    assert_heard(c, "200 OK", "\r\n\r\n5");
    assert_int_equal(bench.spawned, 1);
    post(c, next.i.request_id, "response", "", "x");
    call_end(&next, LAMBDA_OK);
}

static void other_apis_are_not_there_and_ping_is(void **state)
{
    (void)state;
    function_warm(bench.function);
    struct child *c = &bench.children[0];
    say(c, "GET /2018-06-01/ping HTTP/1.1\r\n\r\n");
    assert_heard(c, "200 OK", "pong");
    say(c, "POST /2020-01-01/extension/register HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    assert_heard(c, "404 Not Found", "errorType");
    say(c, "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n");
    assert_heard(c, "403 Forbidden", "State transition from Started to RestoreReady failed");
    say(c, "POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_heard(c, "404 Not Found", "errorType");
}

static void what_is_no_http_ends_the_environment(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    say(c, "rubbish\r\n\r\n");
    assert_heard(c, "400 ", "errorMessage");
    child_end(c, (struct child_exit){.status = 1});
    assert_non_null(strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "exit status 1"));
}

static void frames_and_lines_of_an_invocation_are_its_log(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    AUTO_BUF out = BUF_INIT(KIB(64));
    static const char frame[] = "\xa5\x5a\x00\x03\x00\x00\x00\x05\0\0\0\0\0\0\0\1frame";
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    assert_int_equal(write(c->fds[4], frame, 21), 21);
    assert_int_equal(write(c->fds[1], "out\n", 4), 4);
    assert_int_equal(write(c->fds[2], "err", 3), 3);
    post(c, call.i.request_id, "response", "", "1");
    call_end(&call, LAMBDA_OK);
    assert_int_equal(lambda_recall(bench.lambda, str_c(call.i.request_id), &out), ERR_OK);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "\"frame\",\"out\",\"err\",\"END RequestId: "));
    assert_null(strstr(text, "INIT_START"));
    assert_int_equal(lambda_recall(bench.lambda, STR("unknown"), &out), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(an_event_comes_with_its_headers),
        BENCH_TEST(answer_and_next_may_come_in_one_piece),
        BENCH_TEST(a_chunked_answer_with_trailers_is_whole),
        BENCH_TEST(an_error_passes_as_it_is_even_with_an_enormous_header),
        BENCH_TEST(an_answer_to_another_event_is_refused),
        BENCH_TEST(an_answer_before_any_event_is_refused),
        BENCH_TEST(an_unknown_response_mode_ends_the_invocation),
        BENCH_TEST(too_large_by_chunks_is_413_and_the_environment_goes_on),
        BENCH_TEST(other_apis_are_not_there_and_ping_is),
        BENCH_TEST(what_is_no_http_ends_the_environment),
        BENCH_TEST(frames_and_lines_of_an_invocation_are_its_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
