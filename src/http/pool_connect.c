/* SPDX-License-Identifier: Apache-2.0
 *
 * From an origin to a connection that stands: the name is looked up once for all who wait, then
 * each address is tried in the resolver's order until one answers. */
#include "http/http_client_int.h"

static void try_address(struct http_call *call, enum err how, const char *why);

/* --- one address ---------------------------------------------------------------------------- */

static void address_failed(struct http__conn *conn, enum err how, const char *why)
{
    struct http_call *call = conn->call;
    call->conn = NULL;
    conn__close(conn);
    try_address(call, how, why);
}

static void on_connect_timeout(struct timer *t)
{
    address_failed(CONTAINER_OF(t, struct http__conn, timer), ERR_TIMEOUT, "connect timed out");
}

static void on_shake_timeout(struct timer *t)
{
    address_failed(CONTAINER_OF(t, struct http__conn, timer), ERR_TIMEOUT,
                   "the TLS handshake timed out");
}

static void on_connect(uv_connect_t *req, int status)
{
    struct http__conn *conn = CONTAINER_OF(req, struct http__conn, connect);
    if (conn->state == CONN_CLOSING)
        return;
    timer_stop(&conn->timer);
    if (status == 0 && conn->origin->port)
        status = uv_tcp_nodelay(&conn->u.tcp, 1);
    if (status < 0) {
        address_failed(conn, ERR_UNAVAILABLE, uv_strerror(status));
        return;
    }
    if (!conn->origin->tls) {
        conn->state = CONN_BUSY;
        call__connected(conn->call, conn);
        return;
    }
    timer_start(conn->origin->client->loop, &conn->timer, TIMEOUT_TLS_HANDSHAKE_MS,
                on_shake_timeout);
    if (conn__shake(conn) != ERR_OK)
        address_failed(conn, ERR_NOMEM, "out of memory");
}

void pool__shaken(struct http__conn *conn, bool good)
{
    struct http__origin *o = conn->origin;
    timer_stop(&conn->timer);
    if (!good) {
        http__tls_why(conn->tls, o->why, sizeof o->why);
        address_failed(conn, ERR_IO, o->why);
        return;
    }
    conn->state = CONN_BUSY;
    call__connected(conn->call, conn);
}

/* `how` and `why`: what became of the address before. */
static void try_address(struct http_call *call, enum err how, const char *why)
{
    struct http__origin *o = call->origin;
    if (call->address >= o->addresses) {
        call__end(call, how, why);
        return;
    }
    struct http__conn *conn = conn__new(o);
    if (!conn) {
        call__end(call, ERR_NOMEM, "out of memory");
        return;
    }
    int rc = 0;
    conn->call = call;
    call->conn = conn;
    timer_start(o->client->loop, &conn->timer, o->client->o.connect_ms, on_connect_timeout);
    unsigned at = call->address++;
    if (o->port)
        rc = uv_tcp_connect(&conn->connect, &conn->u.tcp, &o->address[at].any, on_connect);
    else
        uv_pipe_connect(&conn->connect, &conn->u.pipe, o->text, on_connect);
    if (rc < 0)
        address_failed(conn, ERR_UNAVAILABLE, uv_strerror(rc));
}

/* --- the name ------------------------------------------------------------------------------- */

static void keep_addresses(struct http__origin *o, const struct addrinfo *list)
{
    o->addresses = 0;
    for (; list && o->addresses < LIMIT_ORIGIN_ADDRESSES; list = list->ai_next) {
        union http__address *to = &o->address[o->addresses];
        if (list->ai_family != AF_INET && list->ai_family != AF_INET6)
            continue;
        memcpy(to, list->ai_addr, list->ai_family == AF_INET ? sizeof to->v4 : sizeof to->v6);
        o->addresses++;
        if (list->ai_family == AF_INET)
            to->v4.sin_port = htons(o->port);
        else
            to->v6.sin6_port = htons(o->port);
    }
    o->addresses_until_ms = loop_now_ms(o->client->loop) + TIMEOUT_ADDRESS_CACHE_MS;
}

static void wake_waiting(struct http__origin *o)
{
    struct http_call *call;
    while ((call = o->waiting)) {
        pool__unwait(call);
        try_address(call, ERR_UNAVAILABLE, "host not found");
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct http__origin *o = CONTAINER_OF(req, struct http__origin, resolve);
    struct http_client *c = o->client;
    o->resolving = false;
    c->resolving--;
    if (status == 0)
        keep_addresses(o, list);
    uv_freeaddrinfo(list);
    if (status != 0)
        o->addresses = 0;
    wake_waiting(o);
    pool__rest(o);
    client__settle(c);
}

static void resolve(struct http__origin *o)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct http_client *c = o->client;
    if (uv_getaddrinfo(loop_uv(c->loop), &o->resolve, on_resolved, o->text, NULL, &hints) != 0) {
        o->addresses = 0;
        wake_waiting(o);
        return;
    }
    o->resolving = true;
    c->resolving++;
}

void pool__unwait(struct http_call *call)
{
    if (!call->waiting)
        return;
    struct http_call **at = &call->origin->waiting;
    while (*at != call)
        at = &(*at)->waiting_next;
    *at = call->waiting_next;
    call->waiting = false;
}

void pool__connect(struct http_call *call)
{
    struct http__origin *o = call->origin;
    call->address = 0;
    if (!o->resolving && loop_now_ms(o->client->loop) < o->addresses_until_ms) {
        try_address(call, ERR_UNAVAILABLE, "host not found");
        return;
    }
    struct http_call **at = &o->waiting;
    while (*at)
        at = &(*at)->waiting_next;
    call->waiting_next = NULL;
    call->waiting = true;
    *at = call;
    if (!o->resolving)
        resolve(o);
}
