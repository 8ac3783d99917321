/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a call, from http_call_start to its one `done`. An answer that ends well is told at
 * once; every other end waits for the next turn of the loop, so a caller may cancel, or start
 * something that fails, anywhere. */
#include "http/http_client_int.h"

static void on_timeout(struct timer *t)
{
    struct http_call *call = CONTAINER_OF(t, struct http_call, timer);
    if (!call->head_seen)
        call__end(call, ERR_TIMEOUT, "the backend did not answer in time");
    else
        call__end(call, ERR_TIMEOUT, "the backend stopped in the middle of its answer");
}

void call__await(struct http_call *call)
{
    timer_start(call->client->loop, &call->timer,
                call->head_seen ? call->o.idle_ms : call->o.timeout_ms, on_timeout);
}

/* The call is gone after this. */
static void deliver(struct http_call *call)
{
    struct http_client *c = call->client;
    struct http__origin *o = call->origin;
    call->e.done(call->arg, call->how, call->why);
    client__call_free(call);
    o->calls--;
    pool__rest(o);
    client__settle(c);
}

void call__end(struct http_call *call, enum err how, const char *why)
{
    if (call->state == CALL_ENDED)
        return;
    call->state = CALL_ENDED;
    call->how = how;
    call->why = why;
    timer_stop(&call->timer);
    pool__unwait(call);
    if (call->conn)
        conn__close(call->conn);
    call->conn = NULL;
    client__defer(call);
}

void call__finish(struct http_call *call)
{
    call->state = CALL_ENDED;
    call->how = ERR_OK;
    call->why = "";
    if (!call->deferred)
        deliver(call);
}

void call__step(struct http_call *call)
{
    switch (call->state) {
    case CALL_WAITING:
        pool__connect(call);
        break;
    case CALL_HELD:
        call__send_head(call);
        break;
    case CALL_SENT:
        call__held(call);
        break;
    case CALL_ENDED:
        deliver(call);
        break;
    }
}

void call__connected(struct http_call *call, struct http__conn *conn)
{
    /* Behind a handshake there may lie a ticket. */
    enum conn_sound sound = conn->tls ? SOUND_NONE : conn__listen(conn);
    if (sound == SOUND_BYTES)
        call__end(call, ERR_SYNTAX, "the backend answered before it was asked");
    else if (sound == SOUND_END)
        call__end(call, ERR_IO, "the backend closed the connection without an answer");
    else if (!conn__resume(conn))
        call__end(call, ERR_UNAVAILABLE, "cannot read from the connection");
    else
        call__send_head(call);
}

void call__retry(struct http_call *call)
{
    conn__close(call->conn);
    call->conn = NULL;
    call->reused = false;
    call->state = CALL_WAITING;
    client__defer(call);
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static bool has_body(const struct http_call_options *o)
{
    return o->framing == HTTP_CHUNKED || (o->framing == HTTP_BY_LENGTH && o->length > 0);
}

static bool is_idempotent(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS || m == HTTP_PUT ||
           m == HTTP_DELETE; /* RFC 9110 9.2.2 */
}

/* On a pooled connection the head goes out when this turn's input is read, with the first of the
 * body if that has come: heads of one turn leave together, so a backend on another core is woken
 * once for all of them, which is worth a tenth of what a verified token costs. */
static void begin(struct http_call *call)
{
    struct http__conn *conn = pool__take(call->origin, !call->can_retry);
    call__await(call);
    call->state = CALL_WAITING;
    if (!conn) {
        client__defer(call);
        return;
    }
    conn->call = call;
    call->conn = conn;
    call->reused = true;
    call->state = CALL_HELD;
    client__defer(call);
}

enum err http_call_start(struct http_client *c, const struct http_call_options *o,
                         const struct http_call_events *e, void *arg, struct http_call **out)
{
    struct http__origin *origin;
    size_t head_size;
    *out = NULL;
    ASSERT(loop_is_current(c->loop) && e->done);
    if (c->closing)
        return ERR_CLOSED;
    enum err err = call__check(o, &head_size);
    if (err == ERR_OK)
        err = pool__origin(c, &o->origin, &origin);
    if (err != ERR_OK)
        return err;
    struct http_call *call = client__call_new(c);
    if (!call) {
        pool__rest(origin);
        return ERR_NOMEM;
    }
    origin->calls++;
    call->origin = origin;
    call->o = *o;
    call->o.timeout_ms = or_default(o->timeout_ms, TIMEOUT_INTEGRATION_MS);
    call->o.idle_ms = or_default(o->idle_ms, call->o.timeout_ms);
    call->e = *e;
    call->arg = arg;
    call->head_size = head_size;
    call->method = http_method_of(o->method);
    call->body_left = o->framing == HTTP_BY_LENGTH ? o->length : 0;
    call->body_done = !has_body(o);
    call->can_retry = call->body_done && is_idempotent(call->method);
    begin(call);
    *out = call;
    return ERR_OK;
}

void http_call_pause(struct http_call *call)
{
    if (call->paused || call->state == CALL_ENDED)
        return;
    call->paused = true;
    if (!call->head_seen)
        return;
    timer_stop(&call->timer); /* it is not the backend that is slow */
    if (call->conn)
        conn__pause(call->conn);
}

void http_call_resume(struct http_call *call)
{
    if (!call->paused || call->state == CALL_ENDED)
        return;
    call->paused = false;
    if (call->hold.n > 0)
        client__defer(call);
    else if (call->head_seen)
        call__read_on(call);
}

void http_call_cancel(struct http_call *call)
{
    call__end(call, ERR_CANCELLED, "cancelled");
}

bool http_call_reused(const struct http_call *call)
{
    return call->reused;
}
