/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the room say to it: calls on one side, HTTP from a runtime on the other. */
#ifndef ROPELINE_LAMBDA_LAMBDA_TALK_H
#define ROPELINE_LAMBDA_LAMBDA_TALK_H

#include "lambda_bench.h"

/* --- the caller's side ------------------------------------------------------------------------ */

struct call {
    struct lambda_invocation i;
    bool over;
    int dones;
};

static inline void call_done(struct lambda_invocation *i)
{
    struct call *c = CONTAINER_OF(i, struct call, i);
    c->over = true;
    c->dones++;
}

static inline void call_start(struct call *c, const char *event)
{
    c->i.function = bench.function;
    c->i.payload = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    buf_addz(&c->i.payload, event);
    c->i.reply = run_control(bench.run);
    c->i.done = call_done;
    lambda_invoke(bench.lambda, &c->i);
}

/* Waits for its end; the answer until the next call of this. */
static inline const char *call_end(struct call *c, enum lambda_outcome outcome)
{
    assert_true(bench_until(&c->over));
    snprintf(bench.text, sizeof bench.text, "%.*s", STR_ARG(buf_str(&c->i.answer)));
    if (c->i.outcome != outcome || c->dones != 1)
        fail_msg("%s: %s", lambda_outcome_name(c->i.outcome), bench.text);
    lambda_invocation_fini(&c->i);
    return bench.text;
}

/* --- the runtime's side ----------------------------------------------------------------------- */

static inline void say(struct child *c, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t put = send(c->fds[3], text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        bench_turn();
        if (put < 0 && errno != EAGAIN)
            fail_msg("the connection is gone");
        text += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
}

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"

/* One whole reply (head and body), or what came when the connection ended or nothing more came. */
static inline const char *hear(struct child *c)
{
    size_t n = 0, want = SIZE_MAX;
    memset(bench.text, 0, sizeof bench.text);
    for (int i = 0; i < 500 && n < want; i++) {
        bench_turn();
        ssize_t got =
            recv(c->fds[3], bench.text + n, want == SIZE_MAX ? 1 : want - n, MSG_DONTWAIT);
        if (got == 0)
            break;
        n += got > 0 ? (size_t)got : 0;
        if (got < 0)
            usleep(500);
        else
            i = 0;
        const char *end = strstr(bench.text, "\r\n\r\n");
        const char *length = strstr(bench.text, "Content-Length: ");
        if (want == SIZE_MAX && end)
            want = (size_t)(end + 4 - bench.text) + (length ? strtoul(length + 16, NULL, 10) : 0);
    }
    return bench.text;
}

static inline void assert_heard(struct child *c, const char *status, const char *part)
{
    const char *text = hear(c);
    if (strncmp(text, "HTTP/1.1 ", 9) != 0 || !strstr(text, status) || !strstr(text, part))
        fail_msg("expected %s with %s, heard:\n%s", status, part, text);
}

/* POST about the event of `call`. */
static inline void post(struct child *c, const char *id, const char *what, const char *headers,
                        const char *body)
{
    char head[1024];
    snprintf(head, sizeof head,
             "POST /2018-06-01/runtime/invocation/%s/%s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n",
             id, what, headers, strlen(body));
    say(c, head);
    say(c, body);
}

/* Child number n once it was asked for, having asked for its event. */
static inline struct child *ready(size_t n)
{
    for (int i = 0; i < 100 && bench.spawned <= n; i++)
        bench_turn();
    assert_true(bench.spawned > n);
    say(&bench.children[n], NEXT);
    bench_turns(3);
    return &bench.children[n];
}

/* --- a whole life in which allocations fail -----------------------------------------------------
 */

static inline void post_answer(int fd, const struct call *call)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n"
                     "Content-Length: 1\r\n\r\nx" NEXT,
                     call->i.request_id);
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
    bench_turns(5);
}

/* Each allocation fails in turn: the caller hears once, and closing ends it all. `play` is the
 * runtime of the environment that was started, if one was; what it opened is closed by itself. */
static inline void live_with_faults(void (*play)(struct call *call, struct child *c))
{
    bool hit = true;
    for (long round = 0; hit; round++) {
        struct call call = {.i = {.queue = true}};
        bool called = false;
        bench.spawned = 0;
        bench.closed = false;
        mem_fault(round / 2, round % 2);
        enum err err = bench_lambda();
        if (err == ERR_OK)
            err = bench_function();
        if (err == ERR_OK) {
            called = true;
            call_start(&call, "{}");
            for (int i = 0; i < 20 && bench.spawned == 0 && !call.over; i++)
                bench_turn();
        }
        if (bench.spawned > 0)
            play(&call, &bench.children[0]);
        mem_fault(-1, 0);
        hit = mem_fault_hits() > 0;
        if (bench.lambda)
            bench_shut();
        bench_turns(2);
        assert_int_equal(call.dones, called);
        if (!hit && (!called || call.i.outcome != LAMBDA_OK))
            fail_msg("round %ld: no fault, and yet %s", round, lambda_outcome_name(call.i.outcome));
        lambda_invocation_fini(&call.i);
    }
}

#endif
