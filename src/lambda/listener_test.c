/* SPDX-License-Identifier: Apache-2.0
 *
 * A Runtime API at an address: who is heard there, what its connections may do, and how it ends.
 * The test's process is the environment's. */
#include "lambda_talk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/wait.h>

/* A connection to the child's Runtime API; -1: none listens there. */
static int dial(const struct child *c)
{
    char host[32];
    struct sockaddr_in at = {.sin_family = AF_INET};
    snprintf(host, sizeof host, "%s", c->api);
    char *colon = strchr(host, ':');
    assert_non_null(colon);
    *colon = '\0';
    at.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, host, &at.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The child's connection for `say` and `hear`; the one before is closed. */
static void redial(struct child *c)
{
    if (c->fds[3] >= 0)
        close(c->fds[3]);
    c->fds[3] = dial(c);
    assert_true(c->fds[3] >= 0);
}

static struct child *spawned(size_t n)
{
    for (int i = 0; i < 100 && bench.spawned <= n; i++)
        bench_turn();
    assert_true(bench.spawned > n);
    return &bench.children[n];
}

static void answer(struct child *c, struct call *call, const char *body)
{
    post(c, call->i.request_id, "response", "", body);
    assert_heard(c, "202 Accepted", "OK");
    assert_string_equal(call_end(call, LAMBDA_OK), body);
}

/* So many environments wait in GET next. */
static void until_idle(size_t count)
{
    for (int i = 0; i < 5000 && bench.function->envs[ENV_IDLE].n != count; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(bench.function->envs[ENV_IDLE].n, count);
}

static void one_connection_serves_and_so_does_one_for_each_request(void **state)
{
    (void)state;
    function_warm(bench.function);
    struct child *c = spawned(0);
    redial(c);
    for (int i = 0; i < 4; i++) {
        struct call call = {.i = {.queue = true}};
        say(c, NEXT);
        until_idle(1);
        call_start(&call, "{}");
        assert_heard(c, "200 OK", "\r\n\r\n{}");
        if (i > 1)
            redial(c);
        answer(c, &call, "x");
        if (i % 2)
            redial(c);
    }
    assert_int_equal(bench.spawned, 1);
}

static void two_environments_have_two_addresses(void **state)
{
    struct call calls[2] = {{.i = {.queue = true}}, {.i = {.queue = true}}};
    (void)state;
    call_start(&calls[0], "1");
    call_start(&calls[1], "2");
    for (size_t i = 0; i < 2; i++) {
        struct child *c = spawned(i);
        redial(c);
        say(c, NEXT);
        assert_heard(c, "200 OK", i ? "\r\n\r\n2" : "\r\n\r\n1");
        answer(c, &calls[i], "x");
    }
    char *one = strchr(bench.children[0].api, ':'), *two = strchr(bench.children[1].api, ':');
    assert_true(str_starts(str_c(bench.children[0].api), STR("127.")));
    assert_false(str_starts(str_c(bench.children[0].api), STR("127.0.")));
    *one = *two = '\0';
    assert_string_not_equal(bench.children[0].api, bench.children[1].api);
}

/* It reads the first event slowly, and asks for the next one on another connection meanwhile. */
static void an_event_that_is_still_being_sent_is_left_alone_by_the_next(void **state)
{
    const size_t size = 6000000;
    struct call first = {.i = {.queue = true}}, second = {.i = {.queue = true}};
    char *event = malloc(size + 1), text[KIB(64)];
    size_t seen = 0;
    (void)state;
    assert_non_null(event);
    memset(event, 'a', size);
    event[size] = '\0';
    call_start(&first, event);
    free(event);
    struct child *c = spawned(0);
    redial(c);
    const int little = 65536; /* and so some of it waits on our side */
    assert_int_equal(setsockopt(c->fds[3], SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    say(c, NEXT);
    bench_turns(50);
    int slow = c->fds[3];
    c->fds[3] = -1;
    redial(c);
    answer(c, &first, "x");
    say(c, NEXT);
    bench_turns(20);
    call_start(&second, "{}");
    assert_heard(c, "200 OK", "\r\n\r\n{}");
    struct pollfd readable = {.fd = slow, .events = POLLIN};
    for (int i = 0; i < 20000 && seen < size && poll(&readable, 1, 5) >= 0; i++) {
        ssize_t n = recv(slow, text, sizeof text, MSG_DONTWAIT);
        const char *body = n > 0 && seen == 0 ? memmem(text, (size_t)n, "\r\n\r\n", 4) : text - 4;
        for (ssize_t at = n > 0 ? body + 4 - text : 0; at < n; at++, seen++)
            assert_int_equal(text[at], 'a');
        bench_turn();
    }
    assert_int_equal(seen, size);
    close(slow);
    answer(c, &second, "y");
}

static void a_stranger_hears_nothing(void **state)
{
    struct call call = {.i = {.queue = true}};
    int status = -1;
    (void)state;
    call_start(&call, "{}");
    struct child *c = spawned(0);
    pid_t stranger = fork();
    assert_true(stranger >= 0);
    if (stranger == 0) {
        char text[16];
        int fd = setsid() < 0 ? -1 : dial(c); /* else it might be of our session, and no stranger */
        if (fd < 0)
            _exit(1);
        (void)!write(fd, NEXT, strlen(NEXT)); /* it may be cut off already */
        _exit(read(fd, text, sizeof text) <= 0 ? 0 : 1);
    }
    while (waitpid(stranger, &status, WNOHANG) == 0) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(status, 0);
    redial(c);
    say(c, NEXT);
    assert_heard(c, "200 OK", "{}");
    answer(c, &call, "x");
}

static void who_gave_up_asks_again_and_nobody_else_may(void **state)
{
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    (void)state;
    call_start(&call, "1");
    struct child *c = spawned(0);
    redial(c);
    say(c, NEXT);
    assert_heard(c, "200 OK", "1");
    answer(c, &call, "x");
    say(c, NEXT);
    until_idle(1);
    int second = dial(c);
    struct child other = {.fds = {[3] = second}};
    say(&other, NEXT);
    assert_heard(&other, "403 Forbidden", "State transition from Ready to Ready failed");
    close(second);
    redial(c); /* what waited there is gone */
    until_idle(0);
    call_start(&next, "2");
    bench_turns(5);
    say(c, NEXT);
    assert_heard(c, "200 OK", "2");
    answer(c, &next, "y");
    assert_int_equal(bench.spawned, 2); /* for the caller who came meanwhile */
}

/* What is said of one event never becomes the answer to the next. */
static void a_slow_answer_that_another_has_overtaken_is_none(void **state)
{
    char head[256];
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    (void)state;
    function_warm(bench.function);
    struct child *c = spawned(0);
    redial(c);
    say(c, NEXT);
    until_idle(1);
    call_start(&call, "1");
    assert_heard(c, "200 OK", "\r\n\r\n1");
    struct child slow = {.fds = {[3] = dial(c)}}, third = {.fds = {[3] = dial(c)}};
    snprintf(head, sizeof head,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nContent-Length: 8\r\n\r\n"
             "for",
             call.i.request_id);
    say(&slow, head);
    for (int i = 0; i < 5000 && bench.function->envs[ENV_BUSY].first->posts == 0; i++) {
        bench_turn();
        usleep(1000);
    }
    say(&third, head);
    for (int i = 0; i < 5000 && bench.function->envs[ENV_BUSY].first->posts == 1; i++) {
        bench_turn();
        usleep(1000);
    }
    post(c, call.i.request_id, "response", "", "more"); /* two are on their way */
    assert_heard(c, "403 Forbidden", "InvalidStateTransition");
    say(&third, " one");
    say(&third, "!");
    assert_heard(&third, "202 Accepted", "OK");
    assert_string_equal(call_end(&call, LAMBDA_OK), "for one!");
    say(c, NEXT);
    until_idle(1);
    call_start(&next, "2");
    assert_heard(c, "200 OK", "\r\n\r\n2");
    say(&slow, " two!");
    assert_heard(&slow, "403 Forbidden", "InvalidStateTransition");
    assert_false(next.over);
    answer(c, &next, "right");
    close(slow.fds[3]);
    close(third.fds[3]);
}

/* Begins to answer on a connection of its own, which it returns. */
static struct child half_an_answer(const struct child *c, const struct call *call)
{
    char text[256];
    struct child half = {.fds = {[3] = dial(c)}};
    snprintf(text, sizeof text,
             "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
             "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
             "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
             call->i.request_id);
    say(&half, text);
    for (int i = 0; i < 5000 && bench.function->envs[ENV_BUSY].first->posts == 0; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(bench.function->envs[ENV_BUSY].first->posts, 1);
    return half;
}

/* It asks for the next event, and is not told yet. */
static void ask_early(struct child *c)
{
    const struct environment *env = bench.function->envs[ENV_BUSY].first;
    say(c, NEXT);
    for (int i = 0; i < 5000 && !env->held; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_non_null(env->held);
}

/* Clients that stream do not wait for what we say of their answer, and ask on another connection.
 */
static void who_asks_before_its_answer_is_whole_gets_the_next_event(void **state)
{
    struct call call = {.i = {.queue = true}}, next = {.i = {.queue = true}};
    (void)state;
    function_warm(bench.function);
    struct child *c = spawned(0);
    redial(c);
    say(c, NEXT);
    until_idle(1);
    call_start(&call, "1");
    assert_heard(c, "200 OK", "\r\n\r\n1");
    ask_early(c); /* and nothing is on its way */
    assert_heard(c, "403 Forbidden", "State transition from Running to Ready failed");
    struct child broken = half_an_answer(c, &call);
    ask_early(c);
    struct child third = {.fds = {[3] = dial(c)}};
    say(&third, NEXT); /* one is enough */
    assert_heard(&third, "403 Forbidden", "InvalidStateTransition");
    shutdown(broken.fds[3], SHUT_WR); /* then it was none, and there is no next event */
    assert_heard(&broken, "400 Bad Request", "TruncatedHTTPRequest");
    assert_heard(c, "403 Forbidden", "State transition from Running to Ready failed");
    struct child whole = half_an_answer(c, &call);
    ask_early(c);
    assert_false(call.over);
    say(&whole, "0\r\n\r\n");
    assert_heard(&whole, "202 Accepted", "OK");
    assert_string_equal(call_end(&call, LAMBDA_OK), "half");
    until_idle(1);
    call_start(&next, "2");
    assert_heard(c, "200 OK", "\r\n\r\n2");
    answer(c, &next, "x");
    assert_int_equal(bench.spawned, 1);
    close(broken.fds[3]);
    close(third.fds[3]);
    close(whole.fds[3]);
}

static void a_process_that_ends_takes_its_address_along(void **state)
{
    struct call call = {.i = {.queue = true}};
    (void)state;
    call_start(&call, "{}");
    struct child *c = spawned(0);
    redial(c);
    say(c, NEXT);
    hear(c);
    child_end(c, (struct child_exit){.status = 3});
    assert_non_null(strstr(call_end(&call, LAMBDA_FUNCTION_ERROR), "exit status 3"));
    int fd;
    for (int i = 0; (fd = dial(c)) >= 0 && i < 1000; i++) {
        close(fd);
        bench_turns(1);
        usleep(1000);
    }
    assert_int_equal(fd, -1);
}

static void an_environment_in_its_own_time_has_no_connection_yet(void **state)
{
    struct call call = {.i = {.queue = true}};
    (void)state;
    bench_options.pid = 0; /* the keeper has not said which process it is */
    call_start(&call, "{}");
    struct child *c = spawned(0);
    redial(c);
    say(c, NEXT);
    bench_turns(20);
    bench_options.pid = getpid();
    assert_heard(c, "200 OK", "{}");
    answer(c, &call, "x");
}

static void answer_by_address(struct call *call, struct child *c)
{
    struct pollfd readable = {.fd = dial(c), .events = POLLIN};
    if (readable.fd < 0)
        return;
    if (send(readable.fd, NEXT, strlen(NEXT), MSG_NOSIGNAL) > 0) {
        for (int i = 0; i < 50 && poll(&readable, 1, 1) == 0; i++)
            bench_turns(2);
        post_answer(readable.fd, call);
    }
    close(readable.fd);
}

static void whatever_fails_the_caller_hears_exactly_once(void **state)
{
    (void)state;
    live_with_faults(answer_by_address);
}

static int open_custom(void **state)
{
    bench_options = (struct bench_options){.pid = getpid(), .custom = true};
    return bench_open(state);
}

static int dirs_custom(void **state)
{
    bench_options = (struct bench_options){.pid = getpid(), .custom = true};
    return bench_dirs(state);
}

#define CUSTOM_TEST(f) cmocka_unit_test_setup_teardown(f, open_custom, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CUSTOM_TEST(one_connection_serves_and_so_does_one_for_each_request),
        CUSTOM_TEST(two_environments_have_two_addresses),
        CUSTOM_TEST(an_event_that_is_still_being_sent_is_left_alone_by_the_next),
        CUSTOM_TEST(a_stranger_hears_nothing),
        CUSTOM_TEST(who_gave_up_asks_again_and_nobody_else_may),
        CUSTOM_TEST(a_slow_answer_that_another_has_overtaken_is_none),
        CUSTOM_TEST(who_asks_before_its_answer_is_whole_gets_the_next_event),
        CUSTOM_TEST(a_process_that_ends_takes_its_address_along),
        CUSTOM_TEST(an_environment_in_its_own_time_has_no_connection_yet),
        cmocka_unit_test_setup_teardown(whatever_fails_the_caller_hears_exactly_once, dirs_custom,
                                        bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
