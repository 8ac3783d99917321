/* SPDX-License-Identifier: Apache-2.0
 *
 * The near side for the client's tests: a loop with a client, driven by the test's own thread, and
 * a record of everything that a call was told. */
#ifndef ROPELINE_HTTP_CLIENT_BENCH_H
#define ROPELINE_HTTP_CLIENT_BENCH_H

#include "client_backend.h"

struct bench {
    struct run *run;
    struct loop *loop;
    struct http_client *client;
    bool closed;
};

static inline void bench_on_closed(void *arg)
{
    ((struct bench *)arg)->closed = true;
}

static inline void bench_open(struct bench *b, const struct http_client_options *o)
{
    *b = (struct bench){.run = NULL};
    signal(SIGPIPE, SIG_IGN);
    alarm(100); /* a test that hangs ends here */
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &b->run), ERR_OK);
    b->loop = run_control(b->run);
    assert_int_equal(http_client_new(b->loop, o, &b->client), ERR_OK);
}

static inline void bench_turn(struct bench *b)
{
    uv_run(loop_uv(b->loop), UV_RUN_ONCE);
}

static inline void bench_close(struct bench *b)
{
    if (!b->closed)
        http_client_close(b->client, bench_on_closed, b);
    while (!b->closed)
        bench_turn(b);
    http_client_free(b->client);
    run_free(b->run);
    alarm(0);
}

/* Lets the loop run for about `ms`. */
static inline void bench_wait(struct bench *b, int64_t ms)
{
    int64_t end = clock_mono_us(&clock_system) + ms * 1000;
    while (clock_mono_us(&clock_system) < end) {
        uv_run(loop_uv(b->loop), UV_RUN_NOWAIT);
        usleep(2000);
    }
}

/* --- a call and what it was told ------------------------------------------------------------ */

struct record {
    struct http_call *call;
    unsigned status, heads, chunks, drains, dones;
    size_t headers;
    char type[64]; /* the answer's X-Type */
    struct buf body;
    uint64_t bytes; /* of the body, also where it is not kept */
    enum err how;
    char why[128];
    bool reused, drop, pause_each;
    bool cancel_at_head, cancel_at_data;
};

static inline void record_head(void *arg, const struct http_response *rs)
{
    struct record *r = arg;
    r->heads++;
    r->status = rs->status;
    r->headers = rs->headers.n;
    struct str type = http_value(&rs->headers, STR("x-type"));
    snprintf(r->type, sizeof r->type, "%.*s", STR_ARG(type));
    assert_int_equal(r->dones, 0);
    if (r->cancel_at_head)
        http_call_cancel(r->call);
}

static inline void record_data(void *arg, struct str chunk)
{
    struct record *r = arg;
    assert_true(r->heads == 1 && r->dones == 0 && chunk.n > 0);
    r->chunks++;
    r->bytes += chunk.n;
    if (!r->drop)
        buf_add(&r->body, chunk);
    if (r->pause_each)
        http_call_pause(r->call);
    if (r->cancel_at_data)
        http_call_cancel(r->call);
}

static inline void record_drain(void *arg)
{
    ((struct record *)arg)->drains++;
}

static inline void record_done(void *arg, enum err how, const char *why)
{
    struct record *r = arg;
    r->dones++;
    r->how = how;
    assert_non_null(why);
    snprintf(r->why, sizeof r->why, "%s", why);
    if (r->call)
        r->reused = http_call_reused(r->call);
    r->call = NULL;
}

static const struct http_call_events record_events = {record_head, record_data, record_drain,
                                                      record_done};
static struct http_header host_only[] = {{{"Host", 4}, {"b.test", 6}}};

static inline struct http_call_options options(const struct backend *b, const char *method)
{
    return (struct http_call_options){
        .origin = {b->port ? STR("127.0.0.1") : str_c(b->path), b->port},
        .method = str_c(method),
        .target = STR("/pets?x=1"),
        .headers = {host_only, 1, 1},
        .timeout_ms = 20000,
    };
}

static inline void start(struct bench *b, struct record *r, const struct http_call_options *o)
{
    *r = (struct record){.body = BUF_INIT(MIB(32))};
    assert_int_equal(http_call_start(b->client, o, &record_events, r, &r->call), ERR_OK);
    assert_int_equal(r->dones, 0);
}

static inline void finish(struct bench *b, struct record *r)
{
    while (r->dones == 0)
        bench_turn(b);
    assert_int_equal(r->dones, 1);
    buf_addc(&r->body, '\0');
    r->body.n--;
}

static inline void end(struct record *r)
{
    buf_fini(&r->body);
}

/* One whole call. */
static inline void call(struct bench *b, struct record *r, const struct http_call_options *o)
{
    start(b, r, o);
    finish(b, r);
}

/* A GET that must be answered 200 "ok", on a fresh connection or a pooled one. */
static inline void expect_ok(struct bench *b, const struct backend *to, bool reused)
{
    struct record r;
    struct http_call_options o = options(to, "GET");
    call(b, &r, &o);
    if (r.how != ERR_OK)
        fail_msg("%s: %s", err_text(r.how), r.why);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "ok");
    assert_int_equal(r.reused, reused);
    end(&r);
}

#endif
