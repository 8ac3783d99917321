/* SPDX-License-Identifier: Apache-2.0
 *
 * A server of one loop: its listeners, the connections they make, and its end. It is finished when
 * no handle is open; its memory goes when no exchange is left either. */
#include <sys/socket.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "server_int.h"

#define BACKLOG 1024
#define ACCEPT_RETRY_MS 100
#define HANDLES_OF_SERVER 2 /* check and idle */

/* --- arenas and the date ------------------------------------------------------------------- */

struct arena *http__arena_take(struct http_server *s)
{
    if (s->spare_n > 0)
        return s->spare[--s->spare_n];
    return arena_new(ARENA_FIRST, s->o.arena_max);
}

void http__arena_give(struct http_server *s, struct arena *a)
{
    if (s->spare_n == ARENAS_SPARE || s->finished) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    s->spare[s->spare_n++] = a;
}

struct str http__date_line(struct http_server *s)
{
    int64_t wall_us = loop_wall_us(s->loop);
    int64_t second = wall_us / 1000000;
    if (s->date_n == 0 || s->date_s != second) {
        char text[TIME_TEXT];
        time_http(wall_us, text);
        size_t n = strlen(text);
        ASSERT(6 + n + 2 <= sizeof(s->date));
        memcpy(s->date, "Date: ", 6);
        memcpy(s->date + 6, text, n);
        memcpy(s->date + 6 + n, "\r\n", 2);
        s->date_n = 6 + n + 2;
        s->date_s = second;
    }
    return str_of(s->date, s->date_n);
}

/* --- what is pumped later in this turn ------------------------------------------------------ */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all that is wanted */
}

/* After the I/O callbacks of a turn. What they add while we are here waits for the next turn. */
static void on_check(uv_check_t *check)
{
    struct http_server *s = check->data;
    struct http__conn *c = s->soon_first;
    s->soon_first = s->soon_last = NULL;
    while (c) {
        struct http__conn *next = c->soon_next;
        c->soon = false;
        http__conn_pump(c, STR_NONE);
        c = next;
    }
    if (s->soon_first || s->finished)
        return;
    uv_idle_stop(&s->idle);
    http__server_check(s);
}

void http__soon(struct http__conn *c)
{
    struct http_server *s = c->server;
    if (c->busy)
        c->again = true;
    if (c->busy || c->soon)
        return;
    if (s->finished) {
        http__conn_pump(c, STR_NONE);
        return;
    }
    c->soon = true;
    c->soon_next = NULL;
    if (s->soon_last) {
        s->soon_last->soon_next = c;
    } else {
        s->soon_first = c;
        uv_idle_start(&s->idle, on_idle);
    }
    s->soon_last = c;
}

/* --- connections ---------------------------------------------------------------------------- */

static struct http__conn *conn_new(struct http_server *s, bool is_tcp)
{
    struct http__conn *c = mem_alloc(sizeof(*c));
    if (!c)
        return NULL;
    c->server = s;
    c->is_tcp = is_tcp;
    uv_loop_t *uv = loop_uv(s->loop);
    int rc = is_tcp ? uv_tcp_init(uv, &c->h.tcp) : uv_pipe_init(uv, &c->h.pipe, 0);
    ASSERT(rc == 0);
    c->h.handle.data = c;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->conn_count++;
    s->handles++;
    HTTP_COUNT(s, connections_opened, 1);
    HTTP_COUNT(s, connections_open, 1);
    return c;
}

void http__conn_left(struct http__conn *c)
{
    struct http_server *s = c->server;
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    s->conn_count--;
    HTTP_COUNT(s, connections_open, (uint64_t)-1);
    void (*closed)(void *) = c->closed;
    void *arg = c->adopt_arg;
    http__tls_free(c->tls);
    mem_free(c);
    if (closed)
        closed(arg);
    http__server_check(s);
}

static void shed(struct http__conn *c)
{
    static char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                         "Content-Length: 34\r\nConnection: close\r\n\r\n"
                         "{\"message\":\"too many connections\"}";
    uv_buf_t b = uv_buf_init(text, sizeof(text) - 1);
    if (!c->tls) /* to others it would be no answer */
        (void)uv_try_write(&c->h.stream, &b, 1);
    HTTP_COUNT(c->server, refused, 1);
    http__conn_close(c, false);
}

static void accept_one(struct http__listener *l);

static void on_retry(struct timer *t)
{
    accept_one(CONTAINER_OF(t, struct http__listener, retry));
}

static bool is_admitted(struct http_server *s, struct http__conn *c)
{
    uv_os_fd_t fd;
    return !s->o.admit ||
           (uv_fileno((uv_handle_t *)&c->h.stream, &fd) == 0 && s->o.admit(s->o.arg, fd));
}

/* libuv holds the new descriptor, and its listening back, until it is accepted. */
static void accept_one(struct http__listener *l)
{
    struct http_server *s = l->server;
    struct http__conn *c = conn_new(s, l->is_tcp);
    if (!c) {
        timer_start(s->loop, &l->retry, ACCEPT_RETRY_MS, on_retry);
        return;
    }
    if (l->is_tls)
        c->tls = http__tls_accept(s->tls);
    if (uv_accept(&l->h.stream, &c->h.stream) != 0 || (l->is_tls && !c->tls)) {
        http__conn_close(c, false);
    } else if (!is_admitted(s, c)) {
        http__conn_close(c, false);
    } else if (s->conn_count > s->o.connections_max) {
        shed(c);
    } else {
        if (c->is_tcp)
            (void)uv_tcp_nodelay(&c->h.tcp, 1);
        http__conn_begin(c);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        accept_one(stream->data);
    else
        log_warn("http", "accept failed: %s", uv_strerror(status));
}

/* 1 TCP, 0 unix, -1 neither. */
static int family_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return -1;
    if (at.ss_family == AF_INET || at.ss_family == AF_INET6)
        return 1;
    return at.ss_family == AF_UNIX ? 0 : -1;
}

enum err http_server_adopt(struct http_server *s, int fd, void (*closed)(void *arg), void *arg)
{
    ASSERT(loop_is_current(s->loop));
    int family = family_of(fd);
    if (family < 0)
        return ERR_INVALID;
    struct http__conn *c = conn_new(s, family == 1);
    if (!c)
        return ERR_NOMEM;
    int rc = c->is_tcp ? uv_tcp_open(&c->h.tcp, fd) : uv_pipe_open(&c->h.pipe, fd);
    if (rc != 0) {
        http__conn_close(c, false);
        return ERR_IO;
    }
    c->closed = closed;
    c->adopt_arg = arg;
    http__conn_begin(c);
    return ERR_OK;
}

/* --- listeners ------------------------------------------------------------------------------ */

static void on_listener_closed(uv_handle_t *h)
{
    struct http__listener *l = h->data;
    struct http_server *s = l->server;
    mem_free(l);
    s->handles--;
    http__server_check(s);
}

static void listener_close(struct http__listener *l)
{
    timer_stop(&l->retry);
    uv_close(&l->h.handle, on_listener_closed);
}

static enum err listen_on(struct http_server *s, int fd, bool is_tls)
{
    ASSERT(loop_is_current(s->loop));
    int family = family_of(fd);
    if (family < 0)
        return ERR_INVALID;
    struct http__listener *l = mem_alloc(sizeof(*l));
    if (!l)
        return ERR_NOMEM;
    l->server = s;
    l->is_tcp = family == 1;
    l->is_tls = is_tls;
    uv_loop_t *uv = loop_uv(s->loop);
    int rc = l->is_tcp ? uv_tcp_init(uv, &l->h.tcp) : uv_pipe_init(uv, &l->h.pipe, 0);
    ASSERT(rc == 0);
    l->h.handle.data = l;
    s->handles++;
    rc = l->is_tcp ? uv_tcp_open(&l->h.tcp, fd) : uv_pipe_open(&l->h.pipe, fd);
    if (rc == 0)
        rc = uv_listen(&l->h.stream, BACKLOG, on_connection);
    if (rc != 0) {
        listener_close(l);
        return ERR_IO;
    }
    l->next = s->listeners;
    s->listeners = l;
    return ERR_OK;
}

enum err http_server_listen(struct http_server *s, int fd)
{
    return listen_on(s, fd, false);
}

enum err http_server_listen_tls(struct http_server *s, int fd)
{
    ASSERT(s->tls != NULL);
    if (!s->plain)
        s->plain = mem_alloc(TLS_PLAIN_BYTES);
    if (!s->joined)
        s->joined = mem_alloc(TLS_JOINED_BYTES);
    return s->plain && s->joined ? listen_on(s, fd, true) : ERR_NOMEM;
}

void http_server_set_tls(struct http_server *s, struct http_tls *t)
{
    ASSERT(loop_is_current(s->loop));
    struct http_tls *former = s->tls;
    s->tls = http_tls_ref(t);
    http_tls_unref(former);
}

/* --- life ----------------------------------------------------------------------------------- */

static int64_t time_or(int64_t ms, int64_t fallback)
{
    return ms == 0 ? fallback : ms;
}

static struct http_server_options with_defaults(const struct http_server_options *given)
{
    struct http_server_options o = *given;
    o.head_max = o.head_max ? o.head_max : LIMIT_REQUEST_HEAD;
    o.headers_max = o.headers_max ? o.headers_max : LIMIT_REQUEST_HEADERS;
    o.line_max = o.line_max ? o.line_max : LIMIT_REQUEST_LINE;
    o.body_max = o.body_max ? o.body_max : LIMIT_REQUEST_BODY;
    o.arena_max = o.arena_max ? o.arena_max : LIMIT_REQUEST_ARENA;
    o.connections_max = o.connections_max ? o.connections_max : LIMIT_CONNECTIONS_PER_WORKER;
    o.head_timeout_ms = time_or(o.head_timeout_ms, TIMEOUT_HEAD_MS);
    o.body_idle_ms = time_or(o.body_idle_ms, TIMEOUT_BODY_IDLE_MS);
    o.write_idle_ms = time_or(o.write_idle_ms, TIMEOUT_WRITE_IDLE_MS);
    o.keepalive_ms = time_or(o.keepalive_ms, TIMEOUT_KEEPALIVE_MS);
    return o;
}

enum err http_server_new(struct loop *l, const struct http_server_options *o,
                         struct http_server **out)
{
    *out = NULL;
    ASSERT(o->request != NULL);
    struct http_server *s = mem_alloc(sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    s->loop = l;
    s->o = with_defaults(o);
    s->limits = (struct http__head_limits){.line_max = s->o.line_max,
                                           .head_max = s->o.head_max,
                                           .headers_max = s->o.headers_max,
                                           .host_optional = s->o.host_optional};
    s->head = BUF_INIT(LIMIT_ANSWER_HEAD);
    int rc = uv_check_init(loop_uv(l), &s->check) | uv_idle_init(loop_uv(l), &s->idle);
    ASSERT(rc == 0);
    s->check.data = s;
    s->idle.data = s;
    uv_check_start(&s->check, on_check);
    uv_unref((uv_handle_t *)&s->check);
    s->handles = HANDLES_OF_SERVER;
    *out = s;
    return ERR_OK;
}

static void release(struct http_server *s)
{
    while (s->spare_n > 0)
        arena_free(s->spare[--s->spare_n]);
    buf_fini(&s->head);
    http_tls_unref(s->tls);
    mem_free(s->plain);
    mem_free(s->joined);
    mem_free(s);
}

static void on_own_closed(uv_handle_t *h)
{
    struct http_server *s = h->data;
    if (--s->handles > 0)
        return;
    if (s->drained)
        s->drained(s->drained_arg);
}

/* Called whenever something has gone. While the time of grace lasts, exchanges are waited for;
 * after it only handles are. */
void http__server_check(struct http_server *s)
{
    if (s->finished) {
        if (s->freed && s->conn_count == 0)
            release(s);
        return;
    }
    if (!s->draining || s->handles > HANDLES_OF_SERVER || (s->conn_count > 0 && !s->cut) ||
        s->soon_first)
        return;
    s->finished = true;
    timer_stop(&s->drain_timer);
    uv_close((uv_handle_t *)&s->check, on_own_closed);
    uv_close((uv_handle_t *)&s->idle, on_own_closed);
}

static void on_drain_time(struct timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, drain_timer);
    s->cut = true;
    for (struct http__conn *c = s->conns; c; c = c->next) {
        http__conn_close(c, false);
        http__soon(c);
    }
    http__server_check(s);
}

void http_server_drain(struct http_server *s, int64_t ms, void (*drained)(void *arg), void *arg)
{
    ASSERT(loop_is_current(s->loop) && !s->draining);
    s->draining = true;
    s->drained = drained;
    s->drained_arg = arg;
    while (s->listeners) {
        struct http__listener *l = s->listeners;
        s->listeners = l->next;
        listener_close(l);
    }
    for (struct http__conn *c = s->conns; c; c = c->next)
        if (c->state == CONN_IDLE || c->state == CONN_DRAIN || c->state == CONN_HANDSHAKE)
            http__conn_close(c, false); /* its answer, if it had one, is out */
    timer_start(s->loop, &s->drain_timer, ms, on_drain_time);
    http__server_check(s);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    ASSERT(s->finished);
    s->freed = true;
    if (s->conn_count == 0)
        release(s);
}
