/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a backend sends to a call: however they are cut into reads, and whether the
 * caller pauses or not, it is told the same answer, once, and the connection has the same fate. */
#include "base/limits.h"
#include "http/http_client_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    struct http_call *call;
    unsigned heads, dones, status;
    enum err how;
    struct buf body;
    bool pause, reusable;
};

static void on_head(void *arg, const struct http_response *rs)
{
    struct told *t = arg;
    t->heads++;
    t->status = rs->status;
    ASSERT(rs->status >= 200 && rs->status != 101 && t->heads == 1 && t->dones == 0);
}

static void on_data(void *arg, struct str chunk)
{
    struct told *t = arg;
    ASSERT(t->heads == 1 && t->dones == 0 && chunk.n > 0);
    buf_add(&t->body, chunk);
    if (t->pause)
        http_call_pause(t->call);
}

static void on_done(void *arg, enum err how, const char *why)
{
    struct told *t = arg;
    t->dones++;
    t->how = how;
    t->call = NULL;
    ASSERT(why && t->dones == 1 && (how != ERR_OK || t->heads == 1));
}

static struct http_client *client(void)
{
    static struct run *run;
    static struct http_client *c;
    if (!run) {
        ASSERT(run_new(&(struct run_options){.workers = 1}, &run) == ERR_OK);
        ASSERT(http_client_new(run_control(run), NULL, &c) == ERR_OK);
    }
    return c;
}

/* A call whose request was just sent, on a connection whose bytes come from here. */
static struct http__conn *sent(struct told *t, bool head)
{
    static const struct http_call_events events = {on_head, on_data, NULL, on_done};
    const struct http_origin where = {.host = STR("/fuzz")};
    struct http__origin *o;
    ASSERT(pool__origin(client(), &where, &o) == ERR_OK);
    struct http_call *call = client__call_new(client());
    struct http__conn *conn = conn__new(o);
    ASSERT(call && conn);
    o->calls++;
    call->origin = o;
    call->conn = conn;
    call->e = events;
    call->arg = t;
    call->o.idle_ms = 1000000;
    call->state = CALL_SENT;
    call->method = head ? HTTP_HEAD : HTTP_GET;
    call->body_done = true;
    conn->call = t->call = call;
    conn->state = CONN_BUSY;
    conn->reading = true;
    return conn;
}

static struct told read_by(struct str in, size_t piece, bool head, bool pause)
{
    struct told t = {.pause = pause, .body = BUF_INIT(MIB(16))};
    struct http__conn *conn = sent(&t, head);
    struct http__origin *o = conn->origin;
    uv_loop_t *uv = loop_uv(client()->loop);
    while (in.n > 0 && t.call && t.call->conn) { /* then `conn` is still there */
        struct str part = str_sub(in, 0, piece);
        in = str_from(in, piece);
        conn->in_read = true;
        call__read(t.call, part);
        conn->in_read = false;
        for (int i = 0; i < 2 && t.call; i++) { /* what was held back may be told between reads */
            http_call_resume(t.call);
            if (t.call && t.call->deferred && t.call->state == CALL_SENT)
                uv_run(uv, UV_RUN_NOWAIT);
        }
    }
    if (t.call && t.call->conn)
        call__read_end(t.call, UV_EOF);
    t.reusable = o->idle && in.n == 0;
    pool__close_idle(o);
    while (t.dones == 0) {
        if (t.call)
            http_call_resume(t.call);
        uv_run(uv, UV_RUN_NOWAIT);
    }
    while (o->conns > 0)
        uv_run(uv, UV_RUN_NOWAIT);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    if (size > KIB(64)) /* one read */
        return 0;
    for (int head = 0; head < 2; head++) {
        struct told whole = read_by(in, SIZE_MAX, head, false);
        for (unsigned way = 1; way < 4; way++) {
            struct told cut = read_by(in, way == 3 ? SIZE_MAX : 2 * way - 1, head, way > 1);
            ASSERT((cut.how == ERR_OK) == (whole.how == ERR_OK));
            ASSERT(cut.heads == whole.heads && cut.status == whole.status);
            ASSERT(cut.reusable == whole.reusable);
            ASSERT(whole.how || str_eq(buf_str(&cut.body), buf_str(&whole.body)));
            buf_fini(&cut.body);
        }
        buf_fini(&whole.body);
    }
    return 0;
}
