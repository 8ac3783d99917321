/* SPDX-License-Identifier: Apache-2.0
 *
 * A server connection with TLS in it: what was read is decrypted before the pump sees it, what is
 * to be written is encrypted a stretch at a time, when the former one is with the socket. A peer
 * has five seconds and LIMIT_TLS_HANDSHAKE bytes to become one that speaks TLS. */
#include "server_int.h"

/* What the socket takes of the ciphertext; true when nothing is left. */
static bool offer(struct http__conn *c)
{
    struct http__tls *t = c->tls;
    if (t->out.n == 0)
        return true;
    uv_buf_t b = uv_buf_init(t->out.p, (unsigned)t->out.n);
    int rc = uv_try_write(&c->h.stream, &b, 1);
    if (rc > 0) {
        HTTP_COUNT(c->server, bytes_out, (uint64_t)rc);
        buf_consume(&t->out, (size_t)rc);
    }
    if (rc < 0 && rc != UV_EAGAIN)
        http__conn_close(c, false);
    if (t->out.n == 0 && c->state == CONN_IDLE)
        buf_fini(&t->out);
    return t->out.n == 0 && c->state != CONN_CLOSED;
}

/* One stretch of the pieces from byte `at` on; how many bytes it took. Small pieces share a record:
 * a head and its body are one answer. */
static size_t encrypt(struct http__conn *c, const uv_buf_t *v, unsigned n, size_t at)
{
    char *to = c->server->joined;
    size_t room = TLS_STRETCH, joined = 0;
    unsigned i = 0;
    while (i < n && at >= v[i].len)
        at -= v[i++].len;
    if (i == n)
        return 0;
    if (i + 1 == n || v[i].len - at > TLS_JOINED_BYTES) {
        struct str piece = str_sub(str_of(v[i].base, v[i].len), at, room);
        http__tls_write(c->tls, piece);
        return piece.n;
    }
    for (; i < n && joined < TLS_JOINED_BYTES; i++, at = 0) {
        struct str piece = str_sub(str_of(v[i].base, v[i].len), at, TLS_JOINED_BYTES - joined);
        memcpy(to + joined, piece.p, piece.n);
        joined += piece.n;
    }
    http__tls_write(c->tls, str_of(to, joined));
    return joined;
}

size_t http__conn_encrypt(struct http__conn *c, const uv_buf_t *v, unsigned n)
{
    size_t took = 0, part;
    while (offer(c) && c->tls->ready && (part = encrypt(c, v, n, took)) > 0)
        took += part;
    if (c->tls->broken)
        http__conn_close(c, true);
    return took;
}

/* --- reading -------------------------------------------------------------------------------- */

static void handshake_over(struct http__conn *c, bool good)
{
    struct http_server *s = c->server;
    if (s->o.handshake)
        s->o.handshake(s->o.arg, good);
    if (good) {
        http__conn_await(c);
        return;
    }
    c->tls->broken = true;
    (void)offer(c); /* an alert says why */
    http__conn_close(c, false);
}

struct str http__conn_decrypt(struct http__conn *c, struct str in)
{
    struct http__tls *t = c->tls;
    size_t n = http__tls_read(t, in, c->server->plain);
    if (c->state == CONN_HANDSHAKE) {
        bool hopeless = t->broken || t->ended || t->received > LIMIT_TLS_HANDSHAKE;
        if (t->ready || hopeless) /* what came behind the handshake is not its affair */
            handshake_over(c, t->ready);
    }
    if (t->broken && c->state != CONN_CLOSED) {
        (void)offer(c);
        http__conn_close(c, false);
    }
    if (t->ended)
        c->eof = true;
    return str_of(c->server->plain, n);
}

void http__conn_handshake_failed(struct http__conn *c)
{
    handshake_over(c, false);
}

/* --- the end -------------------------------------------------------------------------------- */

bool http__conn_say_end(struct http__conn *c)
{
    if (!c->tls)
        return true;
    http__tls_end(c->tls);
    return c->write_busy ? c->tls->out.n == 0 : offer(c);
}
