/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an HTTP/1.1 request, or answer, with its body: however they are cut into reads, the
 * verdict and the bytes of the body are the same. */
#include "base/buf.h"
#include "base/limits.h"
#include "http/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    unsigned head; /* 0: believed */
    enum http_framing framing;
    enum err body;
    bool complete;
    size_t used;
    struct buf data;
};

static void add(void *arg, struct str data)
{
    buf_add(arg, data);
}

static void body(struct str in, size_t piece, uint64_t length, struct outcome *o)
{
    struct http__body b;
    size_t used;
    http__body_init(&b, o->framing, length, KIB(64));
    while (o->used < in.n && !o->body && !o->complete) {
        o->body =
            http__body_feed(&b, str_sub(in, o->used, piece), &used, add, &o->data, &o->complete);
        o->used += used;
    }
    ASSERT(o->used <= in.n && o->data.n <= KIB(64));
}

/* Reads `in` in pieces: the head is looked for again with each, as a connection does. */
static struct outcome read_by(struct str in, size_t piece, bool answer)
{
    static const struct http__head_limits max = {LIMIT_REQUEST_LINE, LIMIT_REQUEST_HEAD,
                                                 LIMIT_REQUEST_HEADERS, false};
    struct outcome o = {.head = 999, .data = BUF_INIT(KIB(64))};
    struct arena *a = arena_new(KIB(16), MIB(4));
    const char *why = NULL;
    struct http_request rq;
    struct http_response rs;
    unsigned minor;
    bool keep;
    size_t n = 0, end = 0;
    while (n < in.n && !end) {
        size_t more = piece < in.n - n ? piece : in.n - n;
        end = http__head_end(str_sub(in, 0, n + more), n);
        n += more;
    }
    struct str head = str_sub(in, 0, end);
    if (end && answer)
        o.head = http__parse_response_head(a, head, 200, false, &rs, &minor, &keep, &why);
    else if (end)
        o.head = http__parse_request_head(a, head, &max, &rq, &why);
    ASSERT(!end || !o.head || why);
    if (end && !o.head) {
        ASSERT(answer ||
               (http__head_plausible(head, 0) && rq.target.p[0] == '/' && rq.host.n < 300));
        o.framing = answer ? rs.framing : rq.framing;
        body(str_from(in, end), piece, answer ? rs.length : rq.length, &o);
    }
    arena_free(a);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    for (int answer = 0; answer < 2; answer++) {
        struct outcome whole = read_by(in, SIZE_MAX, answer);
        for (size_t piece = 1; piece < 4; piece++) {
            struct outcome cut = read_by(in, piece, answer);
            ASSERT(cut.head == whole.head && cut.framing == whole.framing);
            ASSERT(cut.body == whole.body && cut.complete == whole.complete);
            ASSERT(whole.body || cut.used == whole.used);
            ASSERT(str_eq(buf_str(&cut.data), buf_str(&whole.data)));
            buf_fini(&cut.data);
        }
        buf_fini(&whole.data);
    }
    return 0;
}
