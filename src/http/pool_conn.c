/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to a backend as bytes: one write in flight, the rest queued behind it; bytes that
 * come go to the call that holds it. It reads from connect to close, except while a call pauses. */
#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "http/http_client_int.h"

struct http__conn *conn__new(struct http__origin *o)
{
    struct http_client *c = o->client;
    struct http__conn *conn = mem_alloc(sizeof *conn);
    if (!conn)
        return NULL;
    int rc = o->port ? uv_tcp_init(loop_uv(c->loop), &conn->u.tcp)
                     : uv_pipe_init(loop_uv(c->loop), &conn->u.pipe, 0);
    if (rc < 0) {
        mem_free(conn);
        return NULL;
    }
    conn->origin = o;
    conn->out = conn->flight = BUF_INIT(LIMIT_REQUEST_BODY + LIMIT_STREAM_BUFFER);
    o->conns++;
    c->conns++;
    return conn;
}

static void on_closed(uv_handle_t *handle)
{
    struct http__conn *conn = CONTAINER_OF(handle, struct http__conn, u.handle);
    struct http__origin *o = conn->origin;
    struct http_client *c = o->client;
    buf_fini(&conn->out);
    buf_fini(&conn->flight);
    mem_free(conn);
    o->conns--;
    c->conns--;
    pool__rest(o);
    client__settle(c);
}

void conn__unlink(struct http__conn *conn)
{
    if (conn->next)
        conn->next->prev = conn->prev;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->origin->idle = conn->next;
    conn->origin->idle_count--;
}

void conn__close(struct http__conn *conn)
{
    if (conn->state == CONN_CLOSING)
        return;
    if (conn->state == CONN_IDLE)
        conn__unlink(conn);
    timer_stop(&conn->timer);
    conn->state = CONN_CLOSING;
    conn->call = NULL;
    uv_close(&conn->u.handle, on_closed);
}

/* --- reading -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *to)
{
    struct http__conn *conn = CONTAINER_OF(handle, struct http__conn, u.handle);
    (void)suggested;
    *to = loop_read_buffer(conn->origin->client->loop);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *from)
{
    struct http__conn *conn = CONTAINER_OF(stream, struct http__conn, u.stream);
    if (n == 0 || conn->state == CONN_CLOSING)
        return;
    if (!conn->call) { /* the end, or bytes that nobody asked for */
        conn__close(conn);
        return;
    }
    conn->in_read = true;
    if (n > 0)
        call__read(conn->call, str_of(from->base, (size_t)n));
    else
        call__read_end(conn->call, (int)n);
    conn->in_read = false;
    struct http_call *call = conn->call;
    if (call && call->head_seen && (call->paused || call->hold.n > 0))
        conn__pause(conn);
}

void conn__pause(struct http__conn *conn)
{
    if (conn->in_read || !conn->reading) /* on_read looks again at its end */
        return;
    uv_read_stop(&conn->u.stream);
    conn->reading = false;
}

bool conn__resume(struct http__conn *conn)
{
    if (!conn->reading)
        conn->reading = uv_read_start(&conn->u.stream, on_alloc, on_read) == 0;
    return conn->reading;
}

enum conn_sound conn__listen(struct http__conn *conn)
{
    char byte;
    int fd;
    if (uv_fileno(&conn->u.handle, &fd) != 0)
        return SOUND_END;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        return SOUND_BYTES;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SOUND_NONE : SOUND_END;
}

/* --- writing -------------------------------------------------------------------------------- */

/* The backend reads no more. Its answer may have come before: the read side tells. */
static void broken(struct http__conn *conn)
{
    conn->broken = true;
    buf_reset(&conn->out);
}

static void flush(struct http__conn *conn);

static void on_written(uv_write_t *req, int status)
{
    struct http__conn *conn = CONTAINER_OF(req, struct http__conn, write);
    conn->writing = false;
    buf_reset(&conn->flight);
    if (conn->state == CONN_CLOSING)
        return;
    if (status < 0)
        broken(conn);
    else if (conn->out.n > 0)
        flush(conn);
    else if (conn->call)
        call__drained(conn->call);
}

static void flush(struct http__conn *conn)
{
    struct buf full = conn->out;
    conn->out = conn->flight;
    conn->flight = full;
    uv_buf_t b = uv_buf_init(full.p, (unsigned)full.n);
    conn->writing = uv_write(&conn->write, &conn->u.stream, &b, 1, on_written) == 0;
    if (!conn->writing)
        broken(conn);
}

enum err conn__send(struct http__conn *conn, const uv_buf_t *v, unsigned n)
{
    size_t sent = 0;
    if (conn->broken)
        return ERR_OK;
    if (!conn->writing) {
        int rc = uv_try_write(&conn->u.stream, v, n);
        if (rc < 0 && rc != UV_EAGAIN) {
            broken(conn);
            return ERR_OK;
        }
        sent = rc < 0 ? 0 : (size_t)rc;
    }
    for (unsigned i = 0; i < n; i++) {
        size_t skip = sent < v[i].len ? sent : v[i].len;
        buf_add(&conn->out, str_of(v[i].base + skip, v[i].len - skip));
        sent -= skip;
    }
    if (conn->out.err)
        return conn->out.err;
    if (conn->out.n > 0 && !conn->writing)
        flush(conn);
    return ERR_OK;
}
