/* SPDX-License-Identifier: Apache-2.0
 *
 * The rig of server_test.c: a server on a loop whose clock the test moves, a handler with a mode,
 * and a raw client socket on the same thread. */
#ifndef ROPELINE_HTTP_SERVER_TEST_H
#define ROPELINE_HTTP_SERVER_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "lib/fault.h"
#include "server_int.h"

#define PATIENCE 2000 /* turns of at most 5 ms before a test gives up */
#define LARGE_BYTES MIB(8)
#define FLOOD_BYTES MIB(4)

enum mode { OK, ECHO_BODY, ECHO_TARGET, PEER, HOLD, LARGE, STREAM, SHORT, FLOOD, ABORT };

struct rig {
    struct run *run;
    struct http_server *server;
    struct http_counters counters;
    struct clock clock;
    int64_t now_us;
    uv_timer_t tick; /* so that no turn waits for long */
    int port;
    /* the client */
    int fd;
    struct buf got;
    bool closed;
    int read_error;
    /* the handler */
    enum mode mode;
    unsigned status;
    struct http_header extra;
    unsigned requests, gone, drains, done, drained, adopted_closed;
    enum err done_how;
    size_t headers_last, flood_left;
    struct buf seen, body;
    struct http_exchange *held;
    char *large;
};

/* --- the handler ----------------------------------------------------------------------------- */

static void respond(struct rig *r, struct http_exchange *x, unsigned status, struct str body)
{
    struct http_response rs = {.status = status};
    if (r->extra.name.p)
        (void)!http_add(http_exchange_arena(x), &rs.headers, r->extra.name, r->extra.value);
    http_respond(x, &rs, body);
}

static void flood(struct rig *r)
{
    while (r->flood_left > 0) {
        size_t n = r->flood_left < 30000 ? r->flood_left : 30000;
        r->flood_left -= n;
        if (!http_respond_write(r->held, str_of(r->large, n)))
            return;
    }
    http_respond_end(r->held);
}

static void on_data(void *arg, struct str data)
{
    struct rig *r = arg;
    buf_add(&r->body, data);
}

static void on_end(void *arg, enum err how)
{
    struct rig *r = arg;
    if (how)
        buf_addf(&r->seen, "end %s\n", err_text(how));
    else if (r->body.n && r->body.n < 100)
        buf_addf(&r->seen, "body %s\n", buf_cstr(&r->body));
    respond(r, r->held, how ? 400 : r->status, STR("end"));
}

static void on_drain(void *arg)
{
    struct rig *r = arg;
    r->drains++;
    flood(r);
}

static void on_gone(void *arg)
{
    struct rig *r = arg;
    r->gone++;
    if (r->mode == FLOOD)
        http_respond_abort(r->held);
}

static void on_done(void *arg, enum err how)
{
    struct rig *r = arg;
    r->done++;
    r->done_how = how;
}

static void stream(struct http_exchange *x, enum http_framing framing, uint64_t length)
{
    struct http_response rs = {.status = 200, .framing = framing, .length = length};
    http_respond_begin(x, &rs);
}

static void on_request(void *arg, struct http_exchange *x)
{
    static const struct http_exchange_events events = {on_data, on_end, on_drain, on_gone, on_done};
    struct rig *r = arg;
    const struct http_request *rq = http_exchange_request(x);
    r->requests++;
    r->headers_last = rq->headers.n;
    r->held = x;
    if (r->seen.n < KIB(64))
        buf_addf(&r->seen, "%.*s %.*s %.*s\n", STR_ARG(rq->method_text), STR_ARG(rq->target),
                 STR_ARG(rq->host));
    buf_reset(&r->body);
    http_exchange_watch(x, &events, r);
    switch (r->mode) {
    case OK:
        respond(r, x, r->status, STR("ok"));
        break;
    case ECHO_BODY:
        http_body_start(x);
        assert_int_equal(r->body.n, 0); /* data never comes from inside the call */
        break;
    case ECHO_TARGET:
        respond(r, x, r->status, rq->target);
        break;
    case PEER:
        assert_true(http_exchange_peer_port(x) > 0);
        respond(r, x, r->status, http_exchange_peer_ip(x));
        break;
    case HOLD:
        break;
    case LARGE:
        respond(r, x, r->status, str_of(r->large, LARGE_BYTES));
        break;
    case STREAM:
        stream(x, HTTP_CHUNKED, 0);
        assert_true(http_respond_write(x, STR("one")));
        assert_true(http_respond_write(x, STR("two")));
        http_respond_end(x);
        break;
    case SHORT:
        stream(x, HTTP_BY_LENGTH, 20);
        assert_true(http_respond_write(x, STR("hello world")));
        http_respond_end(x);
        break;
    case FLOOD:
        stream(x, HTTP_BY_LENGTH, FLOOD_BYTES);
        flood(r);
        break;
    case ABORT:
        stream(x, HTTP_CHUNKED, 0);
        assert_true(http_respond_write(x, STR("one")));
        http_respond_abort(x);
        break;
    }
}

/* --- turning the loop ------------------------------------------------------------------------ */

static uv_loop_t *uv_of(struct rig *r)
{
    return loop_uv(run_control(r->run));
}

static void turn(struct rig *r)
{
    uv_run(uv_of(r), UV_RUN_NOWAIT);
    uv_run(uv_of(r), UV_RUN_NOWAIT);
}

/* Moves the clock and lets the wheel look at it. */
static void pass(struct rig *r, int64_t ms)
{
    r->now_us += ms * 1000;
    for (unsigned i = 0; i < 12; i++)
        uv_run(uv_of(r), UV_RUN_ONCE);
}

static void receive(struct rig *r)
{
    char bytes[65536];
    while (r->fd >= 0 && !r->closed) {
        ssize_t n = read(r->fd, bytes, sizeof(bytes));
        if (n > 0) {
            buf_add(&r->got, str_of(bytes, (size_t)n));
        } else if (n == 0 || errno != EAGAIN) {
            r->closed = true;
            r->read_error = n ? errno : 0;
        } else {
            return;
        }
    }
}

static bool lived(struct rig *r, unsigned *turns)
{
    uv_run(uv_of(r), UV_RUN_ONCE);
    receive(r);
    return ++*turns < PATIENCE;
}

#define WAIT_FOR(r, condition)                                                            \
    do {                                                                                  \
        unsigned turns_ = 0;                                                              \
        while (!(condition) && lived((r), &turns_))                                       \
            ;                                                                             \
        if (!(condition))                                                                 \
            fail_msg("%s never came; got: %s\nseen: %s", #condition, buf_cstr(&(r)->got), \
                     buf_cstr(&(r)->seen));                                               \
    } while (0)

static bool contains(struct rig *r, const char *text)
{
    return str_find(buf_str(&r->got), str_c(text)) != SIZE_MAX;
}

static void wait_contains(struct rig *r, const char *text)
{
    WAIT_FOR(r, contains(r, text));
}

static void wait_seen(struct rig *r, unsigned requests)
{
    WAIT_FOR(r, r->requests >= requests);
}

static void wait_gone(struct rig *r)
{
    WAIT_FOR(r, r->gone > 0);
}

/* A whole head has come, and it begins so. */
static void assert_answer(struct rig *r, const char *prefix)
{
    WAIT_FOR(r, contains(r, "\r\n\r\n"));
    if (!str_starts(buf_str(&r->got), str_c(prefix)))
        fail_msg("not %s but %s", prefix, buf_cstr(&r->got));
}

static void assert_contains(struct rig *r, const char *text)
{
    if (!contains(r, text))
        fail_msg("no \"%s\" in %s", text, buf_cstr(&r->got));
}

static void assert_lacks(struct rig *r, const char *text)
{
    if (contains(r, text))
        fail_msg("\"%s\" in %s", text, buf_cstr(&r->got));
}

static void assert_ends(struct rig *r, const char *text)
{
    if (!str_ends(buf_str(&r->got), str_c(text)))
        fail_msg("\"%s\" does not end %s", text, buf_cstr(&r->got));
}

static void assert_seen(struct rig *r, const char *text)
{
    assert_string_equal(buf_cstr(&r->seen), text);
}

static void assert_closed(struct rig *r)
{
    WAIT_FOR(r, r->closed);
}

static void assert_open(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        turn(r);
    receive(r);
    assert_false(r->closed);
}

/* --- the client ------------------------------------------------------------------------------ */

static size_t send_some(struct rig *r, struct str s)
{
    ssize_t n = s.n ? send(r->fd, s.p, s.n, MSG_NOSIGNAL) : 0;
    return n > 0 ? (size_t)n : 0;
}

static void send_bytes(struct rig *r, struct str s)
{
    assert_int_equal(send_some(r, s), s.n);
}

/* What fits: the server may have closed already. */
static void send_text(struct rig *r, const char *text)
{
    (void)send_some(r, str_c(text));
}

static void send_zeros(struct rig *r, size_t n)
{
    static const char zeros[4096];
    for (unsigned turns = 0; n > 0 && turns < PATIENCE; turns++) {
        n -= send_some(r, str_of(zeros, n < sizeof(zeros) ? n : sizeof(zeros)));
        turn(r);
        receive(r);
        if (r->closed)
            return;
    }
}

static void forget(struct rig *r)
{
    buf_reset(&r->got);
    r->closed = false;
    r->read_error = 0;
}

static void hang_up(struct rig *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

static void on_adopted_closed(void *arg)
{
    struct rig *r = arg;
    r->adopted_closed++;
}

static void reconnect(struct rig *r)
{
    int pair[2];
    hang_up(r);
    turn(r);
    forget(r);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    r->fd = pair[0];
    assert_int_equal(http_server_adopt(r->server, pair[1], on_adopted_closed, r), ERR_OK);
}

static int other_connection(struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)r->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void reconnect_tcp(struct rig *r)
{
    hang_up(r);
    turn(r);
    forget(r);
    r->fd = other_connection(r);
}

static struct http__conn *conn_of(struct rig *r)
{
    assert_non_null(r->server->conns);
    return r->server->conns;
}

static void answer_held(struct rig *r)
{
    respond(r, r->held, r->status, STR("ok"));
}

static void read_held_body(struct rig *r)
{
    http_body_start(r->held);
}

/* --- up and down ----------------------------------------------------------------------------- */

static int64_t fake_wall(void *arg)
{
    struct rig *r = arg;
    return INT64_C(1763793296000000) + r->now_us;
}

static int64_t fake_mono(void *arg)
{
    struct rig *r = arg;
    return r->now_us;
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

static void on_drained(void *arg)
{
    struct rig *r = arg;
    r->drained++;
}

static void drain(struct rig *r, int64_t ms)
{
    http_server_drain(r->server, ms, on_drained, r);
    assert_int_equal(r->drained, 0);
}

static void listen_loopback(struct rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(http_server_listen(r->server, fd), ERR_OK);
}

static int rig_up(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));
    assert_non_null(r);
    signal(SIGPIPE, SIG_IGN); /* as main does */
    r->now_us = 1000000;
    r->clock = (struct clock){fake_wall, fake_mono, r};
    r->fd = -1;
    r->status = 200;
    r->flood_left = FLOOD_BYTES;
    r->got = BUF_INIT(MIB(16));
    r->seen = BUF_INIT(MIB(1));
    r->body = BUF_INIT(MIB(16));
    r->large = mem_alloc(LARGE_BYTES);
    assert_non_null(r->large);
    struct run_options ro = {.workers = 1, .clock = &r->clock};
    assert_int_equal(run_new(&ro, &r->run), ERR_OK);
    struct http_server_options o = {.request = on_request, .arg = r, .counters = &r->counters};
    assert_int_equal(http_server_new(run_control(r->run), &o, &r->server), ERR_OK);
    uv_timer_init(uv_of(r), &r->tick);
    uv_timer_start(&r->tick, on_tick, 5, 5);
    listen_loopback(r);
    reconnect(r);
    *state = r;
    return 0;
}

static int rig_down(void **state)
{
    struct rig *r = *state;
    hang_up(r);
    turn(r);
    if (!r->server->draining)
        http_server_drain(r->server, 1000, on_drained, r);
    turn(r);
    if (!r->drained)
        pass(r, 1100);
    WAIT_FOR(r, r->drained > 0);
    http_server_free(r->server);
    uv_close((uv_handle_t *)&r->tick, NULL);
    turn(r);
    run_free(r->run);
    buf_fini(&r->got);
    buf_fini(&r->seen);
    buf_fini(&r->body);
    mem_free(r->large);
    mem_free(r);
    return 0;
}

#endif
