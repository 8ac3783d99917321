/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets which environment, who waits, who is turned away, and that every caller hears exactly
 * once, whatever fails. */
#include "lambda_talk.h"

/* Answers the event that child `c` holds and leaves it without asking for another. */
static void answer(struct child *c, const struct call *call, const char *text)
{
    const char *heard = hear(c);
    if (!strstr(heard, call->i.request_id))
        fail_msg("not the event of this call:\n%s", heard);
    post(c, call->i.request_id, "response", "", text);
    assert_heard(c, "202 ", "OK");
}

static void start_all(struct call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        calls[i].i.queue = true;
        call_start(&calls[i], "{}");
    }
}

static void the_environment_used_last_is_used_next(void **state)
{
    (void)state;
    struct call calls[3] = {0};
    start_all(calls, 2);
    struct child *a = ready(0), *b = ready(1);
    answer(b, &calls[1], "b");
    answer(a, &calls[0], "a");
    say(b, NEXT);
    say(a, NEXT);
    bench_turns(3);
    start_all(calls + 2, 1);
    answer(a, &calls[2], "a");
    for (size_t i = 0; i < COUNTOF(calls); i++)
        call_end(&calls[i], LAMBDA_OK);
    assert_int_equal(bench.spawned, 2);
}

static void as_many_start_as_wait_and_whoever_is_first_is_served_first(void **state)
{
    (void)state;
    struct call calls[5] = {0};
    start_all(calls, COUNTOF(calls));
    bench_turns(3);
    assert_int_equal(bench.spawned, 3);
    struct child *late = ready(2); /* the third to start is the first to be there */
    answer(late, &calls[0], "0");
    say(late, NEXT);
    answer(late, &calls[1], "1");
    answer(ready(0), &calls[2], "2");
    answer(ready(1), &calls[3], "3");
    say(late, NEXT);
    answer(late, &calls[4], "4");
    for (size_t i = 0; i < COUNTOF(calls); i++)
        call_end(&calls[i], LAMBDA_OK);
}

static void what_no_header_can_hold_is_left_out(void **state)
{
    static char text[4000];
    (void)state;
    memset(text, 'x', sizeof text);
    struct call calls[2] = {0};
    calls[0].i.trace_header = STR("two\r\nlines");
    calls[1].i.trace_header = str_of(text, sizeof text);
    for (size_t i = 0; i < COUNTOF(calls); i++) {
        calls[i].i.client_context = calls[i].i.trace_header;
        call_start(&calls[i], "{}");
        struct child *c = ready(0);
        const char *heard = hear(c);
        assert_null(strstr(heard, "Trace"));
        assert_null(strstr(heard, "Client-Context"));
        post(c, calls[i].i.request_id, "response", "", "x");
        assert_heard(c, "202", "OK");
        call_end(&calls[i], LAMBDA_OK);
    }
}

static void the_queue_has_an_end(void **state)
{
    (void)state;
    static struct call calls[LIMIT_INVOKE_QUEUE + 1];
    struct call impatient = {0};
    memset(calls, 0, sizeof calls);
    start_all(calls, LIMIT_INVOKE_QUEUE);
    call_start(&impatient, "{}");
    call_end(&impatient, LAMBDA_THROTTLED);
    start_all(calls + LIMIT_INVOKE_QUEUE, 1);
    call_end(&calls[LIMIT_INVOKE_QUEUE], LAMBDA_THROTTLED);
    bench_shut();
    for (size_t i = 0; i < LIMIT_INVOKE_QUEUE; i++)
        call_end(&calls[i], LAMBDA_UNAVAILABLE);
}

static void who_cannot_wait_gets_what_can_be_started(void **state)
{
    (void)state;
    struct call calls[4] = {0};
    for (size_t i = 0; i < COUNTOF(calls); i++)
        call_start(&calls[i], "{}");
    call_end(&calls[3], LAMBDA_THROTTLED);
    for (size_t i = 0; i < 3; i++) {
        answer(ready(i), &calls[i], "x");
        call_end(&calls[i], LAMBDA_OK);
        assert_true(calls[i].i.cold);
    }
}

static void a_deadline_in_the_queue_ends_that_call_alone(void **state)
{
    (void)state;
    struct call calls[3] = {0};
    int64_t now = loop_now_ms(run_control(bench.run));
    calls[0].i.deadline_ms = now + 60000;
    calls[1].i.deadline_ms = now + 30;
    calls[2].i.deadline_ms = now - 1;
    start_all(calls, COUNTOF(calls));
    call_end(&calls[2], LAMBDA_DEADLINE);
    call_end(&calls[1], LAMBDA_DEADLINE);
    assert_false(calls[0].over);
    answer(ready(0), &calls[0], "x");
    call_end(&calls[0], LAMBDA_OK);
}

static void a_warmed_environment_is_not_cold(void **state)
{
    (void)state;
    function_warm(bench.function);
    function_warm(bench.function);
    assert_int_equal(bench.spawned, 1);
    struct child *c = ready(0);
    struct call call = {0};
    call_start(&call, "{}");
    answer(c, &call, "x");
    call_end(&call, LAMBDA_OK);
    assert_false(call.i.cold);
    assert_int_equal(call.i.init_us, 0);
}

static void what_cannot_be_started_is_unavailable(void **state)
{
    (void)state;
    struct call calls[3] = {0};
    bench.refuse = ERR_CLOSED;
    start_all(calls, COUNTOF(calls));
    for (size_t i = 0; i < COUNTOF(calls); i++)
        call_end(&calls[i], LAMBDA_UNAVAILABLE);
}

static void a_process_that_cannot_run_is_an_invalid_entrypoint(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    for (size_t i = 0; i < 2; i++) {
        while (bench.spawned <= i)
            bench_turn();
        child_end(&bench.children[i],
                  (struct child_exit){.err = ERR_IO, .os_error = ENOENT, .status = -1});
    }
    assert_non_null(strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "Runtime.InvalidEntrypoint"));
    assert_int_equal(bench.spawned, 2);
}

static void an_answer_counts_although_the_process_ends_at_once(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    char text[256];
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    int n = snprintf(text, sizeof text,
                     "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
                     "Content-Length: 4\r\n\r\nlast",
                     call.i.request_id);
    assert_int_equal(write(c->fds[3], text, (size_t)n), n);
    child_end(c, (struct child_exit){.status = 1});
    c->reaped = true; /* the news of its end overtakes what it wrote */
    c->done(c->arg, &c->how);
    assert_string_equal(call_end(&call, LAMBDA_OK), "last");
    call_start(&next, "{}");
    answer(ready(1), &next, "x");
    call_end(&next, LAMBDA_OK);
}

static void an_environment_that_hangs_up_is_given_time_and_then_killed(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    close(c->fds[3]);
    c->fds[3] = -1;
    bench_turns(20);
    assert_false(c->killed);
    assert_non_null(strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "signal: killed"));
    assert_true(c->killed);
}

static void a_timeout_kills_and_the_next_call_has_another_environment(void **state)
{
    (void)state;
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    call_start(&call, "{}");
    struct child *c = ready(0);
    hear(c);
    assert_non_null(
        strstr(call_end(&call, LAMBDA_TIMEOUT), "Error: Task timed out after 2.00 seconds\"}"));
    assert_true(c->killed);
    assert_true(call.i.duration_us >= 2000000);
    call_start(&next, "{}");
    answer(ready(1), &next, "x");
    call_end(&next, LAMBDA_OK);
}

static void a_dropped_function_finishes_what_it_has_begun(void **state)
{
    (void)state;
    struct call calls[2] = {0};
    start_all(calls, 2);
    struct child *busy = ready(0), *idle = ready(1);
    answer(idle, &calls[1], "x");
    say(idle, NEXT);
    call_end(&calls[1], LAMBDA_OK);
    function_unref(bench.function);
    bench.function = NULL;
    assert_true(idle->killed);
    assert_false(busy->killed);
    answer(busy, &calls[0], "done");
    assert_string_equal(call_end(&calls[0], LAMBDA_OK), "done");
    say(busy, NEXT);
    bench_turns(3);
    assert_true(busy->killed);
}

static void closing_ends_every_call_once(void **state)
{
    (void)state;
    struct call calls[5] = {0};
    start_all(calls, COUNTOF(calls));
    hear(ready(0));
    bench_shut();
    for (size_t i = 0; i < COUNTOF(calls); i++)
        call_end(&calls[i], LAMBDA_UNAVAILABLE);
    for (size_t i = 0; i < bench.spawned; i++)
        assert_true(bench.children[i].killed);
}

static void answer_once(struct call *call, struct child *c)
{
    if (send(c->fds[3], NEXT, strlen(NEXT), MSG_NOSIGNAL) < 0)
        return;
    bench_turns(5);
    post_answer(c->fds[3], call);
}

static void whatever_fails_the_caller_hears_exactly_once(void **state)
{
    (void)state;
    live_with_faults(answer_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(the_environment_used_last_is_used_next),
        BENCH_TEST(as_many_start_as_wait_and_whoever_is_first_is_served_first),
        BENCH_TEST(what_no_header_can_hold_is_left_out),
        BENCH_TEST(the_queue_has_an_end),
        BENCH_TEST(who_cannot_wait_gets_what_can_be_started),
        BENCH_TEST(a_deadline_in_the_queue_ends_that_call_alone),
        BENCH_TEST(a_warmed_environment_is_not_cold),
        BENCH_TEST(what_cannot_be_started_is_unavailable),
        BENCH_TEST(a_process_that_cannot_run_is_an_invalid_entrypoint),
        BENCH_TEST(an_answer_counts_although_the_process_ends_at_once),
        BENCH_TEST(an_environment_that_hangs_up_is_given_time_and_then_killed),
        BENCH_TEST(a_timeout_kills_and_the_next_call_has_another_environment),
        BENCH_TEST(a_dropped_function_finishes_what_it_has_begun),
        BENCH_TEST(closing_ends_every_call_once),
        cmocka_unit_test_setup_teardown(whatever_fails_the_caller_hears_exactly_once, bench_dirs,
                                        bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
