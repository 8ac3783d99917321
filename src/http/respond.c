/* SPDX-License-Identifier: Apache-2.0
 *
 * The handler's side of an exchange: what it may ask of the request, its body, and its answer. An
 * answer's head is checked once more before it is sent: whatever a function or a backend put into
 * a header, it cannot end the head early or claim a framing. */
#include <arpa/inet.h>

#include "base/limits.h"
#include "base/log.h"
#include "server_int.h"

/* Bodies up to this are copied behind what is queued; larger ones are tried at the socket first. */
#define COPY_MAX KIB(16)

/* --- heads ---------------------------------------------------------------------------------- */

/* Headers that say where a message ends or what becomes of the connection are ours alone. */
static bool is_ours(struct str name)
{
    static const struct str ours[] = {
        {"date", 4},
        {"connection", 10},
        {"keep-alive", 10},
        {"content-length", 14},
        {"transfer-encoding", 17},
        {"proxy-connection", 16},
    };
    for (size_t i = 0; i < COUNTOF(ours); i++)
        if (name.n == ours[i].n && str_ieq(name, ours[i]))
            return true;
    return false;
}

static char *put(char *to, struct str s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_status_line(char *to, unsigned status, struct str reason)
{
    to = put(to, STR("HTTP/1.1 "));
    *to++ = (char)('0' + status / 100);
    *to++ = (char)('0' + status / 10 % 10);
    *to++ = (char)('0' + status % 10);
    *to++ = ' ';
    to = put(to, reason);
    return put(to, STR("\r\n"));
}

bool http__head_write(struct buf *b, struct http_server *s, const struct http_response *rs,
                      struct str framing, struct str connection)
{
    struct str reason = str_c(http_reason(rs->status));
    struct str date = http__date_line(s);
    size_t need = 16 + reason.n + date.n + framing.n + connection.n + 2;
    if (rs->status < 200 || rs->status > 999)
        return false;
    for (size_t i = 0; i < rs->headers.n; i++) {
        const struct http_header *h = &rs->headers.v[i];
        if (!http_is_token(h->name) || !http_is_field_value(h->value))
            return false;
        need += h->name.n + h->value.n + 4;
    }
    char *start = buf_reserve(b, need);
    if (!start)
        return true; /* the sticky error says it */
    char *to = put(put_status_line(start, rs->status, reason), date);
    for (size_t i = 0; i < rs->headers.n; i++) {
        const struct http_header *h = &rs->headers.v[i];
        if (is_ours(h->name))
            continue;
        to = put(put(to, h->name), STR(": "));
        to = put(put(to, h->value), STR("\r\n"));
    }
    to = put(put(put(to, framing), connection), STR("\r\n"));
    b->n += (size_t)(to - start);
    return true;
}

#define LENGTH_LINE 48
static struct str length_line(char out[LENGTH_LINE], uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    char *to = put(out, STR("Content-Length: "));
    to = put(put(to, str_of(digits + i, sizeof(digits) - i)), STR("\r\n"));
    return str_of(out, (size_t)(to - out));
}

/* --- deciding on an answer ------------------------------------------------------------------ */

/* What is left of the request can be read and dropped, so that the next request is found. */
static bool can_drop_rest(const struct http_exchange *x)
{
    const struct http__conn *c = x->conn;
    if (c->poisoned)
        return false;
    if (c->body.complete)
        return true;
    /* A client that waits for 100 Continue may now send the body or leave it: nobody can tell. */
    if (x->expects)
        return false;
    return c->body.framing == HTTP_CHUNKED || c->body.left <= LIMIT_DRAIN_BYTES;
}

static struct str connection_line(const struct http_exchange *x)
{
    if (!x->keep)
        return STR("Connection: close\r\n");
    return x->request.minor == 0 ? STR("Connection: keep-alive\r\n") : STR("");
}

/* Settles framing and keep-alive; returns the framing line. */
static struct str plan(struct http_exchange *x, const struct http_response *rs,
                       char line[LENGTH_LINE])
{
    bool head = x->request.method == HTTP_HEAD;
    bool bare = rs->status == 204 || rs->status == 304;
    x->framing = rs->framing;
    x->left = rs->framing == HTTP_BY_LENGTH ? rs->length : 0;
    x->no_body = head || bare || rs->framing == HTTP_NO_BODY;
    if (x->framing == HTTP_CHUNKED && x->request.minor == 0)
        x->framing = HTTP_UNTIL_CLOSE;
    x->keep = x->keep && !x->conn->server->draining && can_drop_rest(x) &&
              (x->no_body || x->framing != HTTP_UNTIL_CLOSE);
    if (bare)
        return STR("");
    /* The answer to HEAD says what GET would have got, as far as it is known. */
    if (rs->framing == HTTP_BY_LENGTH || (head && rs->length > 0))
        return length_line(line, rs->length);
    if (rs->framing == HTTP_NO_BODY)
        return head ? STR("") : length_line(line, 0);
    return x->framing == HTTP_CHUNKED && !head ? STR("Transfer-Encoding: chunked\r\n") : STR("");
}

static bool is_cut(const struct http_exchange *x)
{
    return x->conn->state == CONN_CLOSED;
}

/* Closes the connection, by reset if a part of the answer may be out. The exchange lives on until
 * the handler ends it. */
static void cut(struct http_exchange *x)
{
    x->cancelled = true;
    http__conn_close(x->conn, x->begun);
}

static bool write_head(struct http_exchange *x, struct buf *b, const struct http_response *rs)
{
    char line[LENGTH_LINE];
    ASSERT(!x->begun && !x->ended);
    x->begun = true;
    if (is_cut(x))
        return false;
    struct str framing = plan(x, rs, line);
    bool good = http__head_write(b, x->conn->server, rs, framing, connection_line(x));
    if (!good)
        log_error("http", "an answer with status %u and a malformed header was not sent",
                  rs->status);
    if (!good || b->err)
        cut(x);
    return !x->cancelled;
}

/* --- answers -------------------------------------------------------------------------------- */

void http_respond(struct http_exchange *x, const struct http_response *rs, struct str body)
{
    struct http__conn *c = x->conn;
    struct http_response whole = *rs;
    whole.framing = HTTP_BY_LENGTH;
    whole.length = body.n;
    buf_reset(&c->server->head);
    if (write_head(x, &c->server->head, &whole))
        http__out_whole(c, buf_str(&c->server->head), x->no_body ? STR_NONE : body);
    x->ended = true;
    http__soon(c);
}

void http_respond_begin(struct http_exchange *x, const struct http_response *rs)
{
    /* Not flushed here: most first bytes of a body come in the same turn and share the write. */
    (void)write_head(x, &x->conn->out, rs);
    http__soon(x->conn);
}

static void queue_chunk(struct buf *out, struct str chunk, bool copy)
{
    static const char hex[] = "0123456789abcdef";
    char size[2 * sizeof(chunk.n)];
    size_t i = sizeof(size);
    for (size_t n = chunk.n; n; n >>= 4)
        size[--i] = hex[n & 15];
    buf_add(out, str_of(size + i, sizeof(size) - i));
    buf_addz(out, "\r\n");
    if (!copy)
        return;
    buf_add(out, chunk);
    buf_addz(out, "\r\n");
}

bool http_respond_write(struct http_exchange *x, struct str chunk)
{
    struct http__conn *c = x->conn;
    ASSERT(x->begun && !x->ended);
    if (is_cut(x) || x->no_body || chunk.n == 0)
        return true;
    bool large = chunk.n > COPY_MAX && !c->write_busy;
    if (x->framing == HTTP_BY_LENGTH && chunk.n > x->left) {
        log_error("http", "an answer was longer than it had said");
        cut(x);
    } else if (x->framing == HTTP_CHUNKED) {
        queue_chunk(&c->out, chunk, !large);
    } else if (!large) {
        buf_add(&c->out, chunk);
    }
    if (!is_cut(x) && large) {
        http__out_large(c, chunk);
        if (x->framing == HTTP_CHUNKED && !is_cut(x))
            buf_addz(&c->out, "\r\n");
    }
    if (x->framing == HTTP_BY_LENGTH && !x->cancelled)
        x->left -= chunk.n;
    if (c->out.err && !is_cut(x))
        cut(x);
    bool room = is_cut(x) || http__out_queued(c) <= LIMIT_STREAM_BUFFER;
    if (!room)
        x->choked = true;
    http__soon(c);
    return room;
}

void http_respond_end(struct http_exchange *x)
{
    struct http__conn *c = x->conn;
    ASSERT(x->begun && !x->ended);
    if (!is_cut(x) && !x->no_body) {
        if (x->framing == HTTP_CHUNKED)
            buf_addz(&c->out, "0\r\n\r\n");
        if (c->out.err || (x->framing == HTTP_BY_LENGTH && x->left > 0))
            cut(x);
    }
    x->ended = true;
    http__soon(c);
}

void http_respond_abort(struct http_exchange *x)
{
    ASSERT(!x->ended);
    cut(x);
    x->ended = true;
    http__soon(x->conn);
}

bool http_respond_begun(const struct http_exchange *x)
{
    return x->begun;
}

/* --- the request ---------------------------------------------------------------------------- */

const struct http_request *http_exchange_request(struct http_exchange *x)
{
    return &x->request;
}

struct arena *http_exchange_arena(struct http_exchange *x)
{
    return x->arena;
}

struct loop *http_exchange_loop(struct http_exchange *x)
{
    return x->conn->server->loop;
}

void *http_exchange_adopt_arg(struct http_exchange *x)
{
    return x->conn->adopt_arg;
}

int64_t http_exchange_began_us(struct http_exchange *x)
{
    return x->began_us;
}

struct str http_exchange_trailers(struct http_exchange *x)
{
    return x->trailers.err ? STR_NONE : buf_str(&x->trailers);
}

bool http_exchange_client_gone(const struct http_exchange *x)
{
    return x->conn->eof || is_cut(x);
}

static void ask_peer(struct http__conn *c)
{
    struct sockaddr_storage at;
    int n = sizeof(at);
    if (c->port || !c->is_tcp || c->state == CONN_CLOSED ||
        uv_tcp_getpeername(&c->h.tcp, (struct sockaddr *)&at, &n) != 0)
        return;
    if (at.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
        c->port = ntohs(v4->sin_port);
        (void)inet_ntop(AF_INET, &v4->sin_addr, c->ip, sizeof(c->ip));
        return;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
    c->port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        (void)inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->ip, sizeof(c->ip));
    else
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, c->ip, sizeof(c->ip));
}

struct str http_exchange_peer_ip(struct http_exchange *x)
{
    ask_peer(x->conn);
    return str_c(x->conn->ip);
}

unsigned http_exchange_peer_port(struct http_exchange *x)
{
    ask_peer(x->conn);
    return x->conn->port;
}

bool http_exchange_is_tls(const struct http_exchange *x)
{
    return x->conn->tls != NULL;
}

bool http_exchange_tls_serves(const struct http_exchange *x, struct str host)
{
    return !x->conn->tls || http__tls_serves(x->conn->tls, host);
}

struct str http_exchange_tls_name(const struct http_exchange *x)
{
    return x->conn->tls ? str_c(x->conn->tls->name) : STR("");
}

void http_exchange_watch(struct http_exchange *x, const struct http_exchange_events *e, void *arg)
{
    x->events = *e;
    x->arg = arg;
}

/* --- its body ------------------------------------------------------------------------------- */

void http_body_start(struct http_exchange *x)
{
    struct http__conn *c = x->conn;
    if (x->body_started || x->ended)
        return;
    x->body_started = true;
    bool arrived = c->busy ? c->unread > 0 : c->in.n > 0;
    if (x->expects && !arrived && !x->begun && !is_cut(x)) {
        buf_addz(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
        if (c->out.err)
            http__conn_close(c, false);
    }
    x->expects = false;
    http__soon(c);
}

void http_body_pause(struct http_exchange *x)
{
    x->body_paused = true;
}

void http_body_resume(struct http_exchange *x)
{
    x->body_paused = false;
    http__soon(x->conn);
}
