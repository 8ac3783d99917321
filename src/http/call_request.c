/* SPDX-License-Identifier: Apache-2.0
 *
 * A call's request as bytes. Last line of defence: a method, target or header that could end the
 * message early, or say its length in a second way, never reaches a backend, and a body is exactly
 * as long as its head says or the connection is cut. */
#include "http/http_client_int.h"

static bool is_method(struct str s)
{
    return http_is_token(s) && !str_eq(s, STR("CONNECT")); /* its answer has no body: a tunnel */
}

static bool is_target(struct str s)
{
    if (s.n == 0 || s.p[0] != '/')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return true;
}

/* Headers that this file writes itself, and the one that would turn the connection into something
 * else than HTTP/1.1. */
static bool is_reserved(struct str name)
{
    switch (name.n) {
    case 7:
        return str_ieq(name, STR("Upgrade"));
    case 14:
        return str_ieq(name, STR("Content-Length"));
    case 17:
        return str_ieq(name, STR("Transfer-Encoding"));
    default:
        return false;
    }
}

#define LENGTH_LINE_MAX 48 /* "Transfer-Encoding: chunked", "Content-Length: " and 20 digits */

enum err call__check(const struct http_call_options *o, size_t *head_size)
{
    size_t size = o->method.n + o->target.n + sizeof "  HTTP/1.1\r\n\r\n" + LENGTH_LINE_MAX;
    size_t hosts = 0;
    if (!is_method(o->method) || !is_target(o->target) || o->framing == HTTP_UNTIL_CLOSE)
        return ERR_INVALID;
    for (size_t i = 0; i < o->headers.n; i++) {
        struct http_header h = o->headers.v[i];
        if (!http_is_token(h.name) || !http_is_field_value(h.value) || is_reserved(h.name))
            return ERR_INVALID;
        hosts += h.name.n == 4 && str_ieq(h.name, STR("Host"));
        size += h.name.n + h.value.n + sizeof ": \r\n";
    }
    *head_size = size;
    return hosts == 1 ? ERR_OK : ERR_INVALID; /* RFC 9112 3.2 */
}

static char *put(char *to, struct str s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static void put_length(struct buf *b, const struct http_call *call)
{
    enum http_method m = call->method;
    if (call->o.framing == HTTP_CHUNKED) {
        buf_addz(b, "Transfer-Encoding: chunked\r\n");
    } else if (call->o.framing == HTTP_BY_LENGTH) {
        buf_addz(b, "Content-Length: ");
        buf_addu(b, call->o.length);
        buf_addz(b, "\r\n");
    } else if (m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH) { /* RFC 9110 8.6 */
        buf_addz(b, "Content-Length: 0\r\n");
    }
    buf_addz(b, "\r\n");
}

static enum err put_head(struct buf *b, const struct http_call *call)
{
    buf_reset(b);
    char *to = buf_reserve(b, call->head_size);
    if (!to)
        return b->err;
    char *from = to;
    to = put(to, call->o.method);
    *to++ = ' ';
    to = put(to, call->o.target);
    to = put(to, STR(" HTTP/1.1\r\n"));
    for (size_t i = 0; i < call->o.headers.n; i++) {
        to = put(to, call->o.headers.v[i].name);
        to = put(to, STR(": "));
        to = put(to, call->o.headers.v[i].value);
        to = put(to, STR("\r\n"));
    }
    b->n = (size_t)(to - from);
    put_length(b, call);
    return b->err;
}

/* Where the bytes go depends on how far the call is. v[0] is free for the head. */
static void transmit(struct http_call *call, uv_buf_t *v, unsigned n)
{
    enum err err = ERR_OK;
    if (call->state == CALL_WAITING) {
        for (unsigned i = 1; i < n; i++)
            buf_add(&call->pending, str_of(v[i].base, v[i].len));
        err = call->pending.err;
    } else if (call->state == CALL_HELD) {
        struct buf *head = &call->client->head;
        err = put_head(head, call);
        v[0] = uv_buf_init(head->p, (unsigned)head->n);
        call->state = CALL_SENT;
        if (err == ERR_OK)
            err = conn__send(call->conn, v, n);
    } else if (call->conn) { /* else the answer was complete before the request */
        err = conn__send(call->conn, v + 1, n - 1);
    }
    if (err)
        call__end(call, err, "the request is too large to be queued");
}

void call__send_head(struct http_call *call)
{
    uv_buf_t v[2] = {{NULL, 0}, uv_buf_init(call->pending.p, (unsigned)call->pending.n)};
    call->state = CALL_HELD;
    transmit(call, v, call->pending.n > 0 ? 2 : 1);
    buf_fini(&call->pending);
    if (call->conn && !call->conn->writing)
        call__drained(call);
}

void call__drained(struct http_call *call)
{
    if (!call->want_drain)
        return;
    call->want_drain = false;
    if (call->e.drain)
        call->e.drain(call->arg);
}

/* The size line of a chunk (RFC 9112 7.1). */
static uv_buf_t chunk_line(char line[static 20], size_t n)
{
    char *end = line + 20, *at = end;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n > 0);
    return uv_buf_init(at, (unsigned)(end - at));
}

/* False: more than the head announced. */
static bool count(struct http_call *call, size_t n)
{
    if (call->body_done)
        return false;
    if (call->o.framing == HTTP_CHUNKED)
        return true;
    if (n > call->body_left)
        return false;
    call->body_left -= n;
    call->body_done = call->body_left == 0;
    return true;
}

static bool has_room(struct http_call *call)
{
    size_t queued = call->pending.n;
    if (call->conn)
        queued += call->conn->out.n + call->conn->flight.n;
    if (queued > LIMIT_STREAM_BUFFER)
        call->want_drain = true;
    return !call->want_drain;
}

bool http_call_write(struct http_call *call, struct str chunk)
{
    char line[20];
    char crlf[] = "\r\n";
    /* libuv does not write through the pointer; its type cannot say so. */
    uv_buf_t body = {(char *)(uintptr_t)chunk.p, chunk.n};
    if (call->state == CALL_ENDED)
        return true;
    if (chunk.n == 0)
        return has_room(call);
    if (!count(call, chunk.n)) {
        call__end(call, ERR_INVALID, "the request body is longer than announced");
        return true;
    }
    if (call->o.framing == HTTP_CHUNKED) {
        uv_buf_t v[4] = {{NULL, 0}, chunk_line(line, chunk.n), body, uv_buf_init(crlf, 2)};
        transmit(call, v, 4);
    } else {
        uv_buf_t v[2] = {{NULL, 0}, body};
        transmit(call, v, 2);
    }
    return call->state == CALL_ENDED || has_room(call);
}

void http_call_end(struct http_call *call)
{
    char last[] = "0\r\n\r\n";
    uv_buf_t v[2] = {{NULL, 0}, uv_buf_init(last, 5)};
    if (call->state == CALL_ENDED || call->body_done)
        return;
    if (call->o.framing != HTTP_CHUNKED) {
        call__end(call, ERR_INVALID, "the request body is shorter than announced");
        return;
    }
    call->body_done = true;
    transmit(call, v, 2);
}
