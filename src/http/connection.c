/* SPDX-License-Identifier: Apache-2.0
 *
 * One client connection: it reads requests in order, hands each to the handler, and does not begin
 * the next before the last byte of the former's answer is with the kernel. What it does not
 * understand it answers once and ends. Between requests it holds no buffer. */
#include "base/limits.h"
#include "base/log.h"
#include "server_int.h"

static void on_timer(struct timer *t);

static void arm(struct http__conn *c, int64_t ms)
{
    if (ms < 0)
        timer_stop(&c->timer);
    else
        timer_start(c->server->loop, &c->timer, ms, on_timer);
}

static void enter(struct http__conn *c, enum conn_state state, int64_t deadline_ms)
{
    c->state = state;
    arm(c, deadline_ms);
}

static int64_t mono_us(const struct http__conn *c)
{
    return clock_mono_us(run_clock(loop_run(c->server->loop)));
}

/* --- ends ----------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct http__conn *c = h->data;
    struct http_server *s = c->server;
    c->handle_closed = true;
    s->handles--;
    http__conn_settle(c);
    http__server_check(s);
}

void http__conn_close(struct http__conn *c, bool reset)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    if (!reset)
        (void)http__conn_say_end(c);
    timer_stop(&c->timer);
    timer_stop(&c->write_timer);
    if (!reset || !c->is_tcp || uv_tcp_close_reset(&c->h.tcp, on_closed) != 0)
        uv_close(&c->h.handle, on_closed);
}

static void on_shutdown(uv_shutdown_t *rq, int status)
{
    (void)rq;
    (void)status; /* the client's close or our timer ends it either way */
}

/* Shuts our side once everything is written, and lets the client close first: a close with unread
 * input would be a reset, and the client might lose the answer. */
void http__conn_linger(struct http__conn *c)
{
    if (c->eof && http__out_empty(c)) {
        http__conn_close(c, false);
        return;
    }
    if (c->state != CONN_LINGER) {
        c->drop_left = LIMIT_LINGER_BYTES;
        enter(c, CONN_LINGER, -1);
    }
    if (c->shut || !http__out_empty(c) || !http__conn_say_end(c))
        return;
    c->shut = true;
    http__out_fini(c);
    if (uv_shutdown(&c->req.shutdown, &c->h.stream, on_shutdown) != 0)
        http__conn_close(c, false);
    else
        arm(c, TIMEOUT_LINGER_MS);
}

/* --- exchanges ------------------------------------------------------------------------------ */

static void body_ended(struct http_exchange *x, enum err how)
{
    x->body_over = true;
    if (x->events.end)
        x->events.end(x->arg, how);
}

static void exchange_over(struct http__conn *c, enum err how)
{
    struct http_exchange *x = c->x;
    struct arena *a = x->arena;
    if (x->events.done)
        x->events.done(x->arg, how);
    c->body.trailers = NULL;
    buf_fini(&x->trailers);
    c->x = NULL;
    http__arena_give(c->server, a);
}

static void tell_gone(struct http_exchange *x)
{
    if (x->ended || x->gone_told)
        return;
    x->gone_told = true;
    if (x->events.gone)
        x->events.gone(x->arg);
}

void http__conn_settle(struct http__conn *c)
{
    struct http_exchange *x = c->x;
    if (x) {
        c->busy = true;
        if (!x->ended && x->body_started && !x->body_over)
            body_ended(x, ERR_CLOSED);
        tell_gone(x);
        if (x->ended && !c->write_busy)
            exchange_over(c, x->cancelled ? ERR_CANCELLED : ERR_CLOSED);
        c->busy = false;
    }
    if (c->x || !c->handle_closed || c->soon || c->write_busy)
        return;
    buf_fini(&c->in);
    http__out_fini(c);
    http__conn_left(c);
}

void http__conn_await(struct http__conn *c)
{
    http__out_fini(c);
    c->crlf_skipped = false;
    if (c->server->draining)
        http__conn_close(c, false);
    else
        enter(c, CONN_IDLE, c->server->o.keepalive_ms);
}

/* Ends an exchange whose answer is out, and says what the connection does next. `more`: bytes of a
 * later request are here. */
static void next_request(struct http__conn *c, bool more)
{
    bool keep = c->x->keep && !c->server->draining, whole = c->body.complete && !c->poisoned;
    exchange_over(c, ERR_OK);
    if (c->state == CONN_CLOSED)
        return;
    if (keep && whole) {
        http__conn_await(c);
    } else if (keep && !c->poisoned) {
        c->drop_left = LIMIT_DRAIN_BYTES;
        enter(c, CONN_DRAIN, c->server->o.body_idle_ms);
    } else if (whole && !more) {
        http__conn_close(c, false);
    } else {
        http__conn_linger(c);
    }
}

/* --- heads ---------------------------------------------------------------------------------- */

void http__conn_refuse(struct http__conn *c, unsigned status, const char *why, struct arena *a)
{
    struct http_server *s = c->server;
    struct http_response rs = {.status = status};
    struct str body = STR("");
    char length[40];
    HTTP_COUNT(s, refused, 1);
    c->poisoned = true;
    if (s->o.refusal) {
        s->o.refusal(s->o.arg, status, why, a, &rs, &body);
    } else {
        body = arena_fmt(a, "{\"message\":\"%s\"}", why);
        if (http_add(a, &rs.headers, STR("Content-Type"), STR("application/json")))
            body = STR("");
    }
    int n = snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body.n);
    if (http__head_write(&c->out, s, &rs, str_of(length, (size_t)n), STR("Connection: close\r\n")))
        buf_add(&c->out, body);
    if (c->out.err)
        http__conn_close(c, false);
    http__out_flush(c);
    if (c->state != CONN_CLOSED)
        http__conn_linger(c);
}

/* As http__conn_refuse, with an arena of its own. */
static void refuse(struct http__conn *c, unsigned status, const char *why)
{
    struct arena *a = http__arena_take(c->server);
    if (!a) {
        http__conn_close(c, false);
        return;
    }
    http__conn_refuse(c, status, why, a);
    http__arena_give(c->server, a);
}

/* The rules that are about serving, not about reading. */
static unsigned unwanted(const struct http__conn *c, struct http_exchange *x, const char **why)
{
    const struct http_request *rq = &x->request;
    const struct http_header *expect = http_find(&rq->headers, STR("Expect"));
    if (expect && rq->minor > 0) {
        *why = "only `Expect: 100-continue` can be met";
        if (!str_ieq(expect->value, STR("100-continue")))
            return 417;
        x->expects = rq->framing != HTTP_NO_BODY;
    }
    *why = "the request body is too large";
    return rq->framing == HTTP_BY_LENGTH && rq->length > c->server->o.body_max ? 413 : 0;
}

/* A whole head: from here on there is an exchange, or a refusal. */
static void begin_exchange(struct http__conn *c, struct str head)
{
    struct http_server *s = c->server;
    const char *why = "out of memory";
    unsigned status = 503;
    struct arena *a = http__arena_take(s);
    if (!a) {
        http__conn_close(c, false);
        return;
    }
    struct http_exchange *x = ARENA_NEW(a, struct http_exchange);
    struct str copy = arena_str(a, head);
    if (x && copy.p)
        status = http__parse_request_head(a, copy, &s->limits, &x->request, &why);
    if (!status)
        status = unwanted(c, x, &why);
    if (status) {
        http__conn_refuse(c, status, why, a);
        http__arena_give(s, a);
        return;
    }
    x->conn = c;
    x->arena = a;
    x->began_us = c->began_us;
    x->keep = http__keep_alive(&x->request.headers, x->request.minor);
    http__body_init(&c->body, x->request.framing, x->request.length, s->o.body_max);
    x->trailers = BUF_INIT(s->o.trailers_max);
    if (s->o.trailers_max > 0)
        c->body.trailers = &x->trailers;
    c->x = x;
    enter(c, CONN_EXCHANGE, -1);
    HTTP_COUNT(s, requests, 1);
    s->o.request(s->o.arg, x);
}

/* Why the part of a head that is here can never become a good one; 0: it can. */
static unsigned hopeless(const struct http__conn *c, struct str in, const char **why)
{
    const struct http__head_limits *max = &c->server->limits;
    size_t line = str_chr(in, '\r', 0);
    *why = "the request is not HTTP/1.1";
    if (!http__head_plausible(in, c->scanned))
        return 400;
    *why = "the request line is too long";
    if ((line == SIZE_MAX ? in.n : line) > max->line_max)
        return 414;
    *why = "the header lines are too long";
    return line != SIZE_MAX && in.n - line > max->head_max + 4 ? 431 : 0;
}

/* Takes a head, or one empty line before it, from `in`; *used is 0 when nothing could be taken. */
static void take_head(struct http__conn *c, struct str in, size_t *used)
{
    const char *why;
    if (in.n == 0) {
        if (c->eof)
            http__conn_close(c, false);
        return;
    }
    if (c->state == CONN_IDLE) {
        c->began_us = mono_us(c);
        c->scanned = 0;
    }
    if (!c->crlf_skipped && in.p[0] == '\r' && (in.n == 1 || in.p[1] == '\n')) {
        c->crlf_skipped = in.n > 1;
        *used = in.n > 1 ? 2 : 0;
    } else if ((*used = http__head_end(in, c->scanned)) > 0) {
        c->scanned = 0;
        c->unread = in.n - *used;
        begin_exchange(c, str_sub(in, 0, *used));
        return;
    } else {
        unsigned status = hopeless(c, in, &why);
        c->scanned = in.n;
        if (status) {
            *used = in.n;
            refuse(c, status, why);
            return;
        }
    }
    if (c->state == CONN_IDLE)
        enter(c, CONN_HEAD, c->server->o.head_timeout_ms);
    if (*used == 0 && c->eof)
        http__conn_close(c, false);
}

/* --- bodies --------------------------------------------------------------------------------- */

static void on_data(void *arg, struct str data)
{
    struct http_exchange *x = arg;
    if (x->events.data)
        x->events.data(x->arg, data);
    /* Whatever the handler did now, it may not want the next piece. */
    x->conn->body.hold = true;
}

static bool wants_body(const struct http_exchange *x)
{
    return x->body_started && !x->body_paused && !x->body_over && !x->ended;
}

/* Hands on body bytes, and the news that there are no more. False: nothing happened. */
static bool take_body(struct http__conn *c, struct str in, size_t *used)
{
    struct http_exchange *x = c->x;
    bool complete = c->body.complete;
    enum err err = ERR_OK;
    *used = 0;
    if (!wants_body(x))
        return false;
    c->unread = in.n;
    if (!complete && in.n > 0) {
        x->expects = false;
        err = http__body_feed(&c->body, in, used, on_data, x, &complete);
        if (c->state == CONN_CLOSED || x->ended)
            return true;
    }
    if (err) {
        c->poisoned = true;
        timer_stop(&c->timer);
        body_ended(x, err);
    } else if (complete) {
        timer_stop(&c->timer);
        body_ended(x, ERR_OK);
    } else if (c->eof && *used == in.n) {
        c->poisoned = true;
        body_ended(x, ERR_CLOSED);
    } else {
        return *used > 0;
    }
    return true;
}

static void drop_body(struct http__conn *c, struct str in, size_t *used)
{
    bool complete = false;
    enum err err = http__body_feed(&c->body, in, used, NULL, NULL, &complete);
    c->drop_left -= *used < c->drop_left ? *used : c->drop_left;
    if (complete) {
        http__conn_await(c);
    } else if (err || c->drop_left == 0 || c->eof) {
        c->poisoned = true;
        http__conn_linger(c);
    }
}

/* --- the pump ------------------------------------------------------------------------------- */

/* One step with the bytes that are left; false: no step is possible now. */
static bool step(struct http__conn *c, struct str in, size_t *used)
{
    *used = 0;
    switch (c->state) {
    case CONN_HANDSHAKE:
        if (c->eof)
            http__conn_handshake_failed(c);
        return false;
    case CONN_IDLE:
    case CONN_HEAD:
        take_head(c, in, used);
        return *used > 0;
    case CONN_EXCHANGE:
        if (c->poisoned)
            *used = in.n;
        else if (take_body(c, in, used))
            return true;
        if (!c->x->ended)
            return false;
        http__out_flush(c);
        if (c->state == CONN_CLOSED || !http__out_empty(c))
            return false;
        next_request(c, in.n > 0);
        return true;
    case CONN_DRAIN:
        drop_body(c, in, used);
        return *used > 0 && c->state == CONN_IDLE;
    case CONN_LINGER:
        *used = in.n;
        c->drop_left -= in.n < c->drop_left ? in.n : c->drop_left;
        if (c->eof || c->drop_left == 0)
            http__conn_close(c, false);
        else
            http__conn_linger(c);
        return false;
    case CONN_CLOSED:
        *used = in.n;
    }
    return false;
}

static size_t consume(struct http__conn *c, struct str in)
{
    size_t at = 0, used;
    while (step(c, str_from(in, at), &used))
        at += used;
    return at + used;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b);

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    struct http__conn *c = h->data;
    (void)suggested;
    *b = loop_read_buffer(c->server->loop);
}

/* Input that nobody takes yet is kept up to the size of one head; then the client has to wait. */
static void set_reading(struct http__conn *c)
{
    const struct http__head_limits *max = &c->server->limits;
    bool want = !c->eof && c->in.n <= max->line_max + max->head_max;
    if (want == c->reading)
        return;
    c->reading = want;
    if (!want)
        uv_read_stop(&c->h.stream);
    else if (uv_read_start(&c->h.stream, on_alloc, on_read) != 0)
        http__conn_close(c, false);
}

/* Bytes that stay are kept in c->in; fresh ones are used where they lie if none were waiting. */
static void take_input(struct http__conn *c, struct str fresh)
{
    if (c->in.n == 0) {
        size_t used = consume(c, fresh);
        if (c->state != CONN_CLOSED && used < fresh.n)
            buf_add(&c->in, str_from(fresh, used));
    } else {
        buf_add(&c->in, fresh);
        if (!c->in.err) {
            size_t used = consume(c, buf_str(&c->in));
            if (c->state != CONN_CLOSED)
                buf_consume(&c->in, used);
        }
    }
    if (c->in.err)
        http__conn_close(c, false);
    else if (c->in.n == 0)
        buf_fini(&c->in);
}

/* While a body is awaited its idle time runs; it does not run while the handler holds it back. */
static void watch_body(struct http__conn *c, bool moved)
{
    bool waits = wants_body(c->x) && !c->body.complete;
    if (!waits)
        timer_stop(&c->timer);
    else if (moved || !c->timer.loop)
        arm(c, c->server->o.body_idle_ms);
}

/* What the handler is owed besides data: room to write again, and the client's going. */
static void tell(struct http__conn *c, bool moved)
{
    struct http_exchange *x = c->x;
    if (x->choked && http__out_empty(c)) {
        x->choked = false;
        if (x->events.drain)
            x->events.drain(x->arg);
    }
    if (c->eof)
        tell_gone(x);
    watch_body(c, moved);
}

void http__conn_pump(struct http__conn *c, struct str fresh)
{
    ASSERT(!c->busy);
    c->busy = true;
    if (c->state != CONN_CLOSED)
        take_input(c, fresh);
    c->unread = 0;
    http__out_flush(c);
    c->again = false;
    if (c->state == CONN_EXCHANGE && !c->x->ended)
        tell(c, fresh.n > 0);
    if (c->state != CONN_CLOSED)
        set_reading(c);
    c->busy = false;
    if (c->state == CONN_CLOSED)
        http__conn_settle(c);
    else if (c->again)
        http__soon(c);
}

/* --- events --------------------------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct http__conn *c = stream->data;
    struct str in = STR_NONE;
    if (n == 0 || c->state == CONN_CLOSED)
        return;
    if (n > 0) {
        in = str_of(b->base, (size_t)n);
        HTTP_COUNT(c->server, bytes_in, in.n);
        if (c->tls)
            in = http__conn_decrypt(c, in);
    } else if (n == UV_EOF) {
        c->eof = true;
    } else {
        http__conn_close(c, false);
    }
    http__conn_pump(c, in);
}

static void on_timer(struct timer *t)
{
    struct http__conn *c = CONTAINER_OF(t, struct http__conn, timer);
    switch (c->state) {
    case CONN_HEAD:
        c->busy = true;
        refuse(c, 408, "the request did not come in time");
        c->busy = false;
        break;
    case CONN_EXCHANGE:
        if (!wants_body(c->x))
            break;
        c->poisoned = true;
        c->busy = true;
        body_ended(c->x, ERR_TIMEOUT);
        c->busy = false;
        break;
    case CONN_DRAIN:
        c->poisoned = true;
        http__conn_linger(c);
        break;
    case CONN_HANDSHAKE:
        http__conn_handshake_failed(c);
        break;
    case CONN_IDLE:
    case CONN_LINGER:
    case CONN_CLOSED:
        http__conn_close(c, false);
        break;
    }
    http__conn_pump(c, STR_NONE);
}

void http__conn_begin(struct http__conn *c)
{
    struct http_server *s = c->server;
    c->in = BUF_INIT(s->o.line_max + s->o.head_max + TLS_PLAIN_BYTES);
    c->out = BUF_INIT(LIMIT_ANSWER_QUEUE);
    c->sending = BUF_INIT(LIMIT_ANSWER_QUEUE);
    if (c->tls)
        enter(c, CONN_HANDSHAKE, TIMEOUT_TLS_HANDSHAKE_MS);
    else
        enter(c, CONN_IDLE, s->o.keepalive_ms);
    set_reading(c);
    if (c->state == CONN_CLOSED)
        http__conn_settle(c);
}
