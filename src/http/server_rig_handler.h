/* SPDX-License-Identifier: Apache-2.0
 *
 * The handler of the server tests: what it does is a mode, what it saw is kept as text. */
#ifndef ROPELINE_HTTP_SERVER_RIG_HANDLER_H
#define ROPELINE_HTTP_SERVER_RIG_HANDLER_H

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

static inline void respond(struct rig *r, struct http_exchange *x, unsigned status, struct str body)
{
    struct http_response rs = {.status = status};
    if (r->extra.name.p)
        (void)!http_add(http_exchange_arena(x), &rs.headers, r->extra.name, r->extra.value);
    http_respond(x, &rs, body);
}

static inline void flood(struct rig *r)
{
    while (r->flood_left > 0) {
        size_t n = r->flood_left < 30000 ? r->flood_left : 30000;
        r->flood_left -= n;
        if (!http_respond_write(r->held, str_of(r->large, n)))
            return;
    }
    http_respond_end(r->held);
}

static inline void on_data(void *arg, struct str data)
{
    struct rig *r = arg;
    buf_add(&r->body, data);
}

static inline void on_end(void *arg, enum err how)
{
    struct rig *r = arg;
    if (how)
        buf_addf(&r->seen, "end %s\n", err_text(how));
    else if (r->body.n && r->body.n < 100)
        buf_addf(&r->seen, "body %s\n", buf_cstr(&r->body));
    respond(r, r->held, how ? 400 : r->status, STR("end"));
}

static inline void on_drain(void *arg)
{
    struct rig *r = arg;
    r->drains++;
    flood(r);
}

static inline void on_gone(void *arg)
{
    struct rig *r = arg;
    r->gone++;
    if (r->mode == FLOOD)
        http_respond_abort(r->held);
}

static inline void on_done(void *arg, enum err how)
{
    struct rig *r = arg;
    r->done++;
    r->done_how = how;
}

static inline void stream(struct http_exchange *x, enum http_framing framing, uint64_t length)
{
    struct http_response rs = {.status = 200, .framing = framing, .length = length};
    http_respond_begin(x, &rs);
}

static inline void on_request(void *arg, struct http_exchange *x)
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

#endif
