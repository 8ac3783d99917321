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
    conn->out = conn->flight = BUF_INIT(LIMIT_REQUEST_BODY + LIMIT_STREAM_BUFFER + KIB(64));
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
    http__tls_free(conn->tls);
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

/* As far as the socket takes it now: it is only manners. */
static void say_end(struct http__conn *conn)
{
    http__tls_end(conn->tls);
    struct buf *out = &conn->tls->out;
    uv_buf_t b = uv_buf_init(out->p, (unsigned)out->n);
    if (out->n > 0 && !conn->writing)
        (void)uv_try_write(&conn->u.stream, &b, 1);
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
    if (conn->tls)
        say_end(conn);
    uv_close(&conn->u.handle, on_closed);
}

static enum err flush_encrypted(struct http__conn *conn);

/* --- reading -------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *to)
{
    struct http__conn *conn = CONTAINER_OF(handle, struct http__conn, u.handle);
    (void)suggested;
    *to = loop_read_buffer(conn->origin->client->loop);
}

/* What has come, as the call may know it; `end`: 0 = more may come, else why not. */
static void hand_on(struct http__conn *conn, struct str in, int end)
{
    if (!conn->call) { /* the end, or bytes that nobody asked for */
        conn__close(conn);
        return;
    }
    conn->in_read = true;
    if (in.n > 0)
        call__read(conn->call, in);
    if (end && conn->call)
        call__read_end(conn->call, end);
    conn->in_read = false;
    struct http_call *call = conn->call;
    if (call && call->head_seen && (call->paused || call->hold.n > 0))
        conn__pause(conn);
}

/* A backend that only breaks off has not said that its answer is over. */
static void read_encrypted(struct http__conn *conn, struct str in, int end)
{
    struct http__tls *t = conn->tls;
    char *plain = conn->origin->client->plain;
    size_t n = in.n > 0 ? http__tls_read(t, in, plain) : 0;
    if (conn->state == CONN_HANDSHAKE) {
        if (t->ready || t->broken || t->ended || end)
            pool__shaken(conn, t->ready && n == 0); /* nothing was asked yet */
        else
            (void)flush_encrypted(conn);
        return;
    }
    if (end || t->broken)
        end = t->ended ? UV_EOF : UV_ECONNRESET;
    else if (t->ended)
        end = UV_EOF;
    else
        (void)flush_encrypted(conn); /* an answer to a key update */
    conn->broken = conn->broken || end;
    if (n > 0 || end)
        hand_on(conn, str_of(plain, n), end);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *from)
{
    struct http__conn *conn = CONTAINER_OF(stream, struct http__conn, u.stream);
    if (n == 0 || conn->state == CONN_CLOSING)
        return;
    struct str in = n > 0 ? str_of(from->base, (size_t)n) : STR_NONE;
    if (conn->tls)
        read_encrypted(conn, in, n > 0 ? 0 : (int)n);
    else
        hand_on(conn, in, n > 0 ? 0 : (int)n);
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

static enum err send_bytes(struct http__conn *conn, const uv_buf_t *v, unsigned n)
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

/* The ciphertext that waits. */
static enum err flush_encrypted(struct http__conn *conn)
{
    struct buf *out = &conn->tls->out;
    uv_buf_t b = uv_buf_init(out->p, (unsigned)out->n);
    enum err err = out->err;
    if (err == ERR_OK && out->n > 0)
        err = send_bytes(conn, &b, 1);
    buf_reset(out);
    return err;
}

static enum err send_encrypted(struct http__conn *conn, const uv_buf_t *v, unsigned n)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < n; i++)
        for (size_t at = 0; at < v[i].len && err == ERR_OK; at += TLS_STRETCH) {
            http__tls_write(conn->tls, str_sub(str_of(v[i].base, v[i].len), at, TLS_STRETCH));
            if (conn->tls->out.n > TLS_STRETCH)
                err = flush_encrypted(conn);
        }
    if (conn->tls->broken)
        broken(conn);
    return err ? err : flush_encrypted(conn);
}

enum err conn__send(struct http__conn *conn, const uv_buf_t *v, unsigned n)
{
    return conn->tls ? send_encrypted(conn, v, n) : send_bytes(conn, v, n);
}

enum err conn__shake(struct http__conn *conn)
{
    struct http__origin *o = conn->origin;
    struct http_client *c = o->client;
    if (!c->plain)
        c->plain = mem_alloc(TLS_PLAIN_BYTES);
    conn->tls = c->plain ? http__tls_connect(o->text, o->insecure, &o->session) : NULL;
    if (!conn->tls)
        return ERR_NOMEM;
    conn->state = CONN_HANDSHAKE;
    http__tls_begin(conn->tls);
    enum err err = flush_encrypted(conn);
    return err == ERR_OK && conn__resume(conn) ? ERR_OK : ERR_NOMEM;
}
