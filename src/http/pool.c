/* SPDX-License-Identifier: Apache-2.0
 *
 * One origin per backend: its idle connections, the newest reused first, and its addresses. A
 * connection lies here only after an answer that was understood to its last byte, and still reads:
 * whatever comes on it, bytes or the end, closes it. */
#include <sys/un.h>

#include "base/mem.h"
#include "http/http_client_int.h"

#define HOST_MAX 255
#define KEY_TAIL 4 /* a NUL, the port, TLS or not */

static size_t make_key(char *to, const struct http_origin *where)
{
    memcpy(to, where->host.p, where->host.n);
    to[where->host.n] = '\0';
    to[where->host.n + 1] = (char)(where->port >> 8);
    to[where->host.n + 2] = (char)where->port;
    to[where->host.n + 3] = (char)(where->tls + 2 * where->insecure);
    return where->host.n + KEY_TAIL;
}

/* What could be cut short or read otherwise by the resolver is refused. */
static bool is_host(const struct http_origin *where)
{
    size_t max = where->port ? HOST_MAX : sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (where->host.n == 0 || where->host.n > max)
        return false;
    for (size_t i = 0; i < where->host.n; i++)
        if ((unsigned char)where->host.p[i] <= ' ' || where->host.p[i] == 0x7f)
            return false;
    return true;
}

static void know_addresses(struct http__origin *o)
{
    bool known = o->port == 0 || uv_ip4_addr(o->text, o->port, &o->address[0].v4) == 0 ||
                 uv_ip6_addr(o->text, o->port, &o->address[0].v6) == 0;
    o->addresses = known;
    o->addresses_until_ms = known ? INT64_MAX : 0;
}

enum err pool__origin(struct http_client *c, const struct http_origin *where,
                      struct http__origin **out)
{
    char key[HOST_MAX + KEY_TAIL];
    if (!is_host(where))
        return ERR_INVALID;
    size_t n = make_key(key, where);
    struct http__origin *o = map_get(&c->origins, str_of(key, n));
    if (!o) {
        o = mem_alloc(sizeof *o + n);
        if (!o)
            return ERR_NOMEM;
        o->client = c;
        o->port = where->port;
        o->tls = where->tls;
        o->insecure = where->insecure;
        memcpy(o->text, key, n);
        o->key = str_of(o->text, n);
        know_addresses(o);
        enum err e = map_put(&c->origins, o->key, o, NULL);
        if (e) {
            mem_free(o);
            return e;
        }
    }
    timer_stop(&o->linger);
    *out = o;
    return ERR_OK;
}

void pool__free(struct http__origin *o)
{
    timer_stop(&o->linger);
    SSL_SESSION_free(o->session);
    mem_free(o);
}

static void on_linger(struct timer *t)
{
    struct http__origin *o = CONTAINER_OF(t, struct http__origin, linger);
    map_del(&o->client->origins, o->key);
    pool__free(o);
}

void pool__rest(struct http__origin *o)
{
    if (o->calls == 0 && o->conns == 0 && !o->resolving)
        timer_start(o->client->loop, &o->linger, TIMEOUT_ADDRESS_CACHE_MS, on_linger);
}

struct http__conn *pool__take(struct http__origin *o, bool checked)
{
    struct http__conn *conn;
    while ((conn = o->idle)) {
        if (checked && conn__listen(conn) != SOUND_NONE) {
            conn__close(conn);
            continue;
        }
        conn__unlink(conn);
        timer_stop(&conn->timer);
        conn->state = CONN_BUSY;
        conn->reused = true;
        return conn;
    }
    return NULL;
}

static void on_idle_too_long(struct timer *t)
{
    conn__close(CONTAINER_OF(t, struct http__conn, timer));
}

void pool__give(struct http__conn *conn)
{
    struct http__origin *o = conn->origin;
    struct http_client *c = o->client;
    if (c->closing || o->idle_count >= c->o.idle_per_origin || !conn__resume(conn)) {
        conn__close(conn);
        return;
    }
    buf_fini(&conn->out);
    buf_fini(&conn->flight);
    conn->state = CONN_IDLE;
    conn->prev = NULL;
    conn->next = o->idle;
    if (conn->next)
        conn->next->prev = conn;
    o->idle = conn;
    o->idle_count++;
    timer_start(c->loop, &conn->timer, c->o.idle_ms, on_idle_too_long);
}

void pool__close_idle(struct http__origin *o)
{
    while (o->idle)
        conn__close(o->idle);
    if (o->resolving) /* if it runs already, its callback comes all the same */
        uv_cancel((uv_req_t *)&o->resolve);
}
