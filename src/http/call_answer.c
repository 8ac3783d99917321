/* SPDX-License-Identifier: Apache-2.0
 *
 * A call's answer: interim heads are dropped, the final one is told, the body is handed on from the
 * loop's read buffer as it lies there. Only an answer understood to its last byte, to a request
 * that was sent to its last byte, leaves a connection that may be used again. */
#include "http/http_client_int.h"

/* --- the head ------------------------------------------------------------------------------- */

/* Index behind the empty line, or 0 while it has not come. What no HTTP/1 server would say is found
 * at once, not when the backend has nothing more to say: a bare LF, something else than HTTP/1. */
static enum err head_end(struct http_call *call, struct str in, size_t *end)
{
    static const char version[] = "HTTP/1.";
    size_t n = in.n < sizeof version - 1 ? in.n : sizeof version - 1;
    *end = 0;
    if (memcmp(in.p, version, n) != 0)
        return ERR_SYNTAX;
    for (;;) {
        size_t at = str_chr(in, '\n', call->line);
        if (at == SIZE_MAX)
            return ERR_OK;
        if (at == call->line || in.p[at - 1] != '\r')
            return ERR_SYNTAX;
        if (at == call->line + 1) {
            *end = at + 1;
            return ERR_OK;
        }
        call->line = at + 1;
    }
}

/* Moves a whole head out of *in (and what came before) into the arena; *head stays empty while
 * there is none. */
static enum err take_head(struct http_call *call, struct str *in, struct str *head)
{
    size_t max = call->client->o.head_max, before = call->partial.n, end;
    struct str all = *in;
    *head = STR_NONE;
    if (before > 0) {
        buf_add(&call->partial, str_sub(*in, 0, max + 1 - before));
        if (call->partial.err)
            return call->partial.err;
        all = buf_str(&call->partial);
    }
    enum err err = head_end(call, all, &end);
    if (err)
        return err;
    if (end > max || (end == 0 && all.n > max))
        return ERR_LIMIT;
    if (end > 0) {
        *head = arena_str(call->arena, str_sub(all, 0, end));
        *in = str_from(*in, end - before);
        buf_reset(&call->partial);
        call->line = 0;
        return head->p ? ERR_OK : ERR_NOMEM;
    }
    if (before == 0)
        buf_add(&call->partial, *in);
    *in = STR_NONE;
    return call->partial.err;
}

static const char *head_fault(enum err err)
{
    if (err == ERR_LIMIT)
        return "the head of the answer is too large";
    return err == ERR_NOMEM ? "out of memory" : "the answer is not HTTP/1.1";
}

/* Reads one head. False: there is none yet, or the call has ended. */
static bool read_head(struct http_call *call, struct str *in)
{
    struct str head;
    unsigned minor;
    const char *why = NULL;
    enum err err = take_head(call, in, &head);
    if (err == ERR_OK && head.n == 0)
        return false;
    if (err == ERR_OK)
        err = http__parse_response_head(call->arena, head, call->client->o.headers_max,
                                        call->method == HTTP_HEAD, &call->rs, &minor,
                                        &call->keep_alive, &why);
    if (err == ERR_OK && call->rs.status == 101) {
        err = ERR_SYNTAX; /* nobody asked for it: Upgrade is never sent */
        why = "the backend switched protocols";
    } else if (err == ERR_OK && call->rs.status < 200) {
        arena_reset(call->arena);
        if (++call->interim <= LIMIT_RESPONSE_INTERIM)
            return true;
        err = ERR_LIMIT;
        why = "too many interim answers";
    }
    if (err) {
        call__end(call, err, why ? why : head_fault(err));
        return false;
    }
    call->head_seen = true;
    return true;
}

/* --- the body ------------------------------------------------------------------------------- */

static void on_data(void *arg, struct str chunk)
{
    struct http_call *call = arg;
    if (call->state == CALL_ENDED || chunk.n == 0)
        return;
    if (call->paused || call->hold.n > 0) {
        buf_add(&call->hold, chunk); /* at most the rest of one read */
        if (call->hold.err)
            call__end(call, ERR_NOMEM, "out of memory");
    } else if (call->e.data) {
        call->e.data(call->arg, chunk);
    }
}

/* `clean`: nothing came behind the answer. */
static void complete(struct http_call *call, bool clean)
{
    struct http__conn *conn = call->conn;
    timer_stop(&call->timer);
    call->complete = true;
    call->conn = NULL;
    conn->call = NULL;
    if (clean && call->keep_alive && call->rs.framing != HTTP_UNTIL_CLOSE && call->body_done &&
        !conn->writing && !conn->broken)
        pool__give(conn);
    else
        conn__close(conn);
    if (call->hold.n == 0)
        call__finish(call);
}

static bool has_no_body(const struct http_response *rs)
{
    return rs->framing == HTTP_NO_BODY || (rs->framing == HTTP_BY_LENGTH && rs->length == 0);
}

static void read_body(struct http_call *call, struct str in)
{
    size_t used = 0;
    bool whole = has_no_body(&call->rs);
    enum err err = ERR_OK;
    if (!whole && in.n > 0)
        err = http__body_feed(&call->body, in, &used, on_data, call, &whole);
    if (call->state == CALL_ENDED)
        return;
    if (err)
        call__end(call, err, "the body of the answer is malformed");
    else if (whole)
        complete(call, used == in.n);
    else
        call__read_on(call);
}

void call__read(struct http_call *call, struct str in)
{
    if (call->state == CALL_HELD) { /* the pooled connection went bad before it was used */
        call__retry(call);
        return;
    }
    call->answered = true;
    if (!call->head_seen) {
        bool more = true;
        while (more && !call->head_seen)
            more = in.n > 0 && read_head(call, &in);
        if (!call->head_seen)
            return;
        http__body_init(&call->body, call->rs.framing, call->rs.length, UINT64_MAX);
        if (call->e.head)
            call->e.head(call->arg, &call->rs);
        if (call->state == CALL_ENDED)
            return;
    }
    read_body(call, in);
}

void call__read_end(struct http_call *call, int status)
{
    bool until_close = call->head_seen && call->rs.framing == HTTP_UNTIL_CLOSE;
    if (call->state == CALL_HELD) {
        call__retry(call);
    } else if (until_close && status == UV_EOF) {
        complete(call, false);
    } else if (call->can_retry && call->reused && !call->answered) {
        call->can_retry = false;
        call__retry(call);
    } else {
        call__end(call, ERR_IO,
                  call->answered ? "the backend broke off its answer"
                                 : "the backend closed the connection without an answer");
    }
}

void call__read_on(struct http_call *call)
{
    if (call->paused || call->hold.n > 0 || !call->conn)
        return;
    if (!conn__resume(call->conn))
        call__end(call, ERR_IO, "cannot read from the connection");
    else
        call__await(call);
}

void call__held(struct http_call *call)
{
    struct buf held = call->hold;
    if (call->paused || held.n == 0)
        return;
    call->hold = BUF_INIT(TLS_PLAIN_BYTES);
    if (call->e.data)
        call->e.data(call->arg, buf_str(&held));
    buf_fini(&held);
    if (call->state == CALL_ENDED)
        return;
    if (call->complete)
        call__finish(call);
    else
        call__read_on(call);
}
