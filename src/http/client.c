/* SPDX-License-Identifier: Apache-2.0
 *
 * The client of one loop: its calls, what they left for the next turn of the loop, and its end.
 * Invariant: `closed` comes after the last call, connection and look-up, and never at once. */
#include "base/mem.h"
#include "http/http_client_int.h"

#define SPARE_CALLS 256
#define CALL_ARENA KIB(4)

/* What is deferred meanwhile waits for the turn after this one. */
static void on_idle(uv_idle_t *idle)
{
    struct http_client *c = idle->data;
    struct http_call *call = c->deferred;
    c->deferred = NULL;
    c->deferred_end = &c->deferred;
    while (call) {
        struct http_call *next = call->deferred_next;
        call->deferred = false;
        call__step(call);
        call = next;
    }
    if (!c->deferred)
        uv_idle_stop(idle);
    client__settle(c);
}

void client__defer(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->deferred)
        return;
    call->deferred = true;
    call->deferred_next = NULL;
    *c->deferred_end = call;
    c->deferred_end = &call->deferred_next;
    uv_idle_start(&c->idle, on_idle);
}

/* Room for the longest head, its headers as they grow by doubling, and what the parser adds. */
static size_t arena_cap(const struct http_client *c)
{
    return CALL_ARENA + 2 * c->o.head_max + 4 * c->o.headers_max * sizeof(struct http_header);
}

struct http_call *client__call_new(struct http_client *c)
{
    struct http_call *call = c->spare;
    struct arena *arena = NULL;
    if (call) {
        c->spare = call->next;
        c->spares--;
        arena = call->arena;
    } else {
        call = mem_alloc(sizeof *call);
        arena = call ? arena_new(CALL_ARENA, arena_cap(c)) : NULL;
        if (!arena) {
            mem_free(call);
            return NULL;
        }
    }
    *call = (struct http_call){.client = c, .arena = arena};
    call->pending = BUF_INIT(LIMIT_REQUEST_BODY + LIMIT_STREAM_BUFFER);
    call->partial = BUF_INIT(c->o.head_max + 1);
    call->hold = BUF_INIT(TLS_PLAIN_BYTES);
    call->next = c->live;
    if (call->next)
        call->next->prev = call;
    c->live = call;
    c->calls++;
    return call;
}

static void call_destroy(struct http_call *call)
{
    arena_free(call->arena);
    mem_free(call);
}

void client__call_free(struct http_call *call)
{
    struct http_client *c = call->client;
    if (call->next)
        call->next->prev = call->prev;
    if (call->prev)
        call->prev->next = call->next;
    else
        c->live = call->next;
    c->calls--;
    buf_fini(&call->pending);
    buf_fini(&call->partial);
    buf_fini(&call->hold);
    arena_reset(call->arena);
    if (c->spares == SPARE_CALLS) {
        call_destroy(call);
        return;
    }
    call->next = c->spare;
    c->spare = call;
    c->spares++;
}

enum err http_client_new(struct loop *l, const struct http_client_options *o,
                         struct http_client **out)
{
    static const struct http_client_options none;
    *out = NULL;
    if (!o)
        o = &none;
    struct http_client *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NOMEM;
    c->loop = l;
    c->o = (struct http_client_options){
        .head_max = o->head_max ? o->head_max : LIMIT_RESPONSE_HEAD,
        .headers_max = o->headers_max ? o->headers_max : LIMIT_RESPONSE_HEADERS,
        .idle_per_origin = o->idle_per_origin ? o->idle_per_origin : LIMIT_POOL_IDLE_PER_ORIGIN,
        .connect_ms = o->connect_ms ? o->connect_ms : TIMEOUT_CONNECT_MS,
        .idle_ms = o->idle_ms ? o->idle_ms : TIMEOUT_POOL_IDLE_MS,
    };
    c->head = BUF_INIT(LIMIT_REQUEST_ARENA);
    c->deferred_end = &c->deferred;
    uv_idle_init(loop_uv(l), &c->idle); /* cannot fail */
    c->idle.data = c;
    *out = c;
    return ERR_OK;
}

static void on_ended(uv_handle_t *idle)
{
    struct http_client *c = idle->data;
    c->ended = true;
    if (c->closed)
        c->closed(c->closed_arg);
}

void client__settle(struct http_client *c)
{
    if (!c->closing || c->ending || c->calls || c->conns || c->resolving)
        return;
    c->ending = true;
    uv_close((uv_handle_t *)&c->idle, on_ended);
}

void http_client_close(struct http_client *c, void (*closed)(void *arg), void *arg)
{
    size_t at = 0;
    struct str key;
    void *origin;
    ASSERT(loop_is_current(c->loop) && !c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    for (struct http_call *call = c->live; call; call = call->next)
        call__end(call, ERR_CANCELLED, "the client was closed");
    while (map_next(&c->origins, &at, &key, &origin))
        pool__close_idle(origin);
    uv_idle_start(&c->idle, on_idle);
}

void http_client_free(struct http_client *c)
{
    size_t at = 0;
    struct str key;
    void *origin;
    if (!c)
        return;
    ASSERT(c->ended);
    while (map_next(&c->origins, &at, &key, &origin))
        pool__free(origin);
    map_fini(&c->origins);
    while (c->spare) {
        struct http_call *call = c->spare;
        c->spare = call->next;
        call_destroy(call);
    }
    buf_fini(&c->head);
    mem_free(c->plain);
    mem_free(c);
}
