/* SPDX-License-Identifier: Apache-2.0
 *
 * The writing side of a connection: try the socket first, queue what it does not take, have one
 * write under way at most. Queued are copied bytes (`out`) and, behind them, one borrowed run
 * (`rest`): the body of a whole answer. */
#include "base/limits.h"
#include "server_int.h"

static void on_write_timer(struct timer *t)
{
    struct http__conn *c = CONTAINER_OF(t, struct http__conn, write_timer);
    size_t left = uv_stream_get_write_queue_size(&c->h.stream);
    if (left < c->write_mark) { /* slow, but it reads */
        c->write_mark = left;
        timer_start(c->server->loop, t, c->server->o.write_idle_ms, on_write_timer);
        return;
    }
    http__conn_close(c, true);
    http__conn_pump(c, STR_NONE);
}

static void on_written(uv_write_t *rq, int status)
{
    struct http__conn *c = rq->data;
    c->write_busy = false;
    timer_stop(&c->write_timer);
    buf_reset(&c->sending);
    if (status < 0)
        http__conn_close(c, false);
    http__conn_pump(c, STR_NONE);
}

/* Bytes that the socket took of these, 0 if it is full; a broken connection is closed. */
static size_t try_write(struct http__conn *c, const uv_buf_t *v, unsigned n)
{
    if (c->tls)
        return http__conn_encrypt(c, v, n);
    int rc = uv_try_write(&c->h.stream, v, n);
    if (rc == UV_EAGAIN)
        return 0;
    if (rc < 0) {
        http__conn_close(c, false);
        return 0;
    }
    HTTP_COUNT(c->server, bytes_out, (uint64_t)rc);
    return (size_t)rc;
}

static unsigned gather(struct str a, struct str b, uv_buf_t v[2])
{
    unsigned n = 0;
    struct str parts[2] = {a, b};
    for (size_t i = 0; i < COUNTOF(parts); i++)
        if (parts[i].n) /* libuv only reads what it writes, but its type is not const */
            v[n++] = uv_buf_init((char *)(uintptr_t)parts[i].p, (unsigned)parts[i].n);
    return n;
}

/* What is given to libuv next: all that is queued, or the ciphertext of its beginning. */
static unsigned take_queued(struct http__conn *c, uv_buf_t v[2])
{
    struct buf *from = c->tls ? &c->tls->out : &c->out, empty = c->sending;
    c->sending = *from;
    *from = empty;
    if (c->tls)
        return gather(buf_str(&c->sending), STR_NONE, v);
    unsigned n = gather(buf_str(&c->sending), c->rest, v);
    c->rest = STR_NONE;
    return n;
}

/* Gives it to libuv, which calls back when all of it is written. */
static void write_queued(struct http__conn *c)
{
    uv_buf_t v[2];
    unsigned n = take_queued(c, v);
    for (unsigned i = 0; i < n; i++)
        HTTP_COUNT(c->server, bytes_out, v[i].len);
    c->req.write.data = c;
    if (uv_write(&c->req.write, &c->h.stream, v, n, on_written) != 0) {
        http__conn_close(c, false);
        return;
    }
    c->write_busy = true;
    c->write_mark = uv_stream_get_write_queue_size(&c->h.stream);
    if (c->server->o.write_idle_ms >= 0)
        timer_start(c->server->loop, &c->write_timer, c->server->o.write_idle_ms, on_write_timer);
}

/* One try at the socket with `out` and a piece behind it; returns what it did not take of the
 * piece. */
static struct str try_queued(struct http__conn *c, struct str piece)
{
    uv_buf_t v[2];
    unsigned n = gather(buf_str(&c->out), piece, v);
    size_t took = n || c->tls ? try_write(c, v, n) : 0;
    size_t of_out = took < c->out.n ? took : c->out.n;
    buf_consume(&c->out, of_out);
    return str_from(piece, took - of_out);
}

void http__out_flush(struct http__conn *c)
{
    if (c->state == CONN_CLOSED || c->write_busy)
        return;
    c->rest = try_queued(c, c->rest);
    if (c->state == CONN_CLOSED)
        return;
    if (c->tls ? c->tls->out.n > 0 : c->out.n + c->rest.n > 0)
        write_queued(c);
}

void http__out_large(struct http__conn *c, struct str piece)
{
    if (!c->write_busy && !c->out.err)
        piece = try_queued(c, piece);
    buf_add(&c->out, piece);
}

void http__out_whole(struct http__conn *c, struct str head, struct str body)
{
    ASSERT(c->rest.n == 0);
    size_t took = 0;
    if (http__out_empty(c)) {
        uv_buf_t v[2];
        unsigned n = gather(head, body, v);
        took = try_write(c, v, n);
        if (c->state == CONN_CLOSED)
            return;
    }
    size_t of_head = took < head.n ? took : head.n;
    buf_add(&c->out, str_from(head, of_head));
    c->rest = str_from(body, took - of_head);
    if (c->out.err)
        http__conn_close(c, true);
}

size_t http__out_queued(const struct http__conn *c)
{
    size_t under_way = c->write_busy ? uv_stream_get_write_queue_size(&c->h.stream) : 0;
    return c->out.n + c->rest.n + under_way + (c->tls ? c->tls->out.n : 0);
}

void http__out_fini(struct http__conn *c)
{
    if (c->write_busy)
        return;
    buf_fini(&c->out);
    buf_fini(&c->sending);
    if (c->tls && c->tls->out.n == 0)
        buf_fini(&c->tls->out);
}
