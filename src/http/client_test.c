/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls from end to end: the bytes that a backend gets, the answer that the caller gets, and each
 * way to end one before its time. */
#include "client_bench.h"

/* --- the request as bytes ------------------------------------------------------------------- */

static char seen_head[4096];

static void serve_and_keep_head(struct peer *p)
{
    while (peer_head(p, seen_head, sizeof seen_head)) {
        const char *length = strstr(seen_head, "Content-Length: ");
        uint64_t n = 0;
        if (length)
            (void)str_u64(str_cut(str_c(length + 16), '\r', &(struct str){0}), &n);
        if (peer_body(p, (size_t)n))
            peer_say(p, "HTTP/1.1 200 OK\r\nX-Type: t\r\nContent-Length: 2\r\n\r\nok");
    }
}

static void expect_head(const char *method, enum http_framing framing, uint64_t length,
                        const char *wanted)
{
    static struct http_header headers[] = {
        {{"host", 4}, {"b.test", 6}}, {{"X-Empty", 7}, {NULL, 0}}, {{"X-Latin", 7}, {"\xe9", 1}}};
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_and_keep_head, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, method);
    o.headers = (struct http_headers){headers, COUNTOF(headers), COUNTOF(headers)};
    o.framing = framing;
    o.length = length;
    start(&b, &r, &o);
    if (length)
        assert_true(http_call_write(r.call, STR("body!")));
    finish(&b, &r);
    assert_int_equal(r.how, ERR_OK);
    assert_string_equal(seen_head, wanted);
    assert_string_equal(r.type, "t");
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

#define HEADERS "host: b.test\r\nX-Empty: \r\nX-Latin: \xe9\r\n"

static void the_head_is_written_as_given(void **state)
{
    (void)state;
    expect_head("GET", HTTP_NO_BODY, 0, "GET /pets?x=1 HTTP/1.1\r\n" HEADERS "\r\n");
    expect_head("DELETE", HTTP_NO_BODY, 0, "DELETE /pets?x=1 HTTP/1.1\r\n" HEADERS "\r\n");
    expect_head("REPORT", HTTP_NO_BODY, 0, "REPORT /pets?x=1 HTTP/1.1\r\n" HEADERS "\r\n");
}

static void a_missing_body_is_said_where_one_is_expected(void **state)
{
    (void)state;
    expect_head("POST", HTTP_NO_BODY, 0,
                "POST /pets?x=1 HTTP/1.1\r\n" HEADERS "Content-Length: 0\r\n\r\n");
    expect_head("PUT", HTTP_NO_BODY, 0,
                "PUT /pets?x=1 HTTP/1.1\r\n" HEADERS "Content-Length: 0\r\n\r\n");
    expect_head("PATCH", HTTP_BY_LENGTH, 0,
                "PATCH /pets?x=1 HTTP/1.1\r\n" HEADERS "Content-Length: 0\r\n\r\n");
    expect_head("POST", HTTP_BY_LENGTH, 5,
                "POST /pets?x=1 HTTP/1.1\r\n" HEADERS "Content-Length: 5\r\n\r\n");
}

static void what_could_split_a_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *name, *value;
        size_t value_n;
    } bad[] = {
        {"GET /x HTTP/1.1\r\n", "/", "A", "b", 1},
        {"GET ", "/", "A", "b", 1},
        {"", "/", "A", "b", 1},
        {"CONNECT", "/", "A", "b", 1},
        {"G\x80T", "/", "A", "b", 1},
        {"GET", "", "A", "b", 1},
        {"GET", "x", "A", "b", 1},
        {"GET", "http://h/", "A", "b", 1},
        {"GET", "*", "A", "b", 1},
        {"GET", "/a b", "A", "b", 1},
        {"GET", "/a\r\nX: y", "A", "b", 1},
        {"GET", "/a\tb", "A", "b", 1},
        {"GET", "/a#b", "A", "b", 1},
        {"GET", "/\xc3\xa9", "A", "b", 1},
        {"GET", "/\x7f", "A", "b", 1},
        {"GET", "/", "", "b", 1},
        {"GET", "/", "A ", "b", 1},
        {"GET", "/", "A:", "b", 1},
        {"GET", "/", "A\r\nB", "b", 1},
        {"GET", "/", "\xc3\xa9", "b", 1},
        {"GET", "/", "A", "b\r\nC: d", 7},
        {"GET", "/", "A", "b\nC: d", 6},
        {"GET", "/", "A", "b\r", 2},
        {"GET", "/", "A", "b\0c", 3},
        {"GET", "/", "A", "b\x7f", 2},
        {"GET", "/", "Content-Length", "0", 1},
        {"GET", "/", "transfer-encoding", "chunked", 7},
        {"GET", "/", "Transfer-Encoding", "identity", 8},
        {"GET", "/", "UPGRADE", "h2c", 3},
        {"GET", "/", "Host", "second.test", 11},
    };
    struct bench b;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct http_call *made = NULL;
        struct http_header h[] = {host_only[0],
                                  {str_c(bad[i].name), str_of(bad[i].value, bad[i].value_n)}};
        struct http_call_options o = options(to, bad[i].method);
        o.target = str_c(bad[i].target);
        o.headers = (struct http_headers){h, 2, 2};
        if (http_call_start(b.client, &o, &record_events, NULL, &made) != ERR_INVALID || made)
            fail_msg("row %zu was not refused", i);
    }
    struct http_call_options o = options(to, "GET");
    struct http_call *made;
    o.headers.n = 0; /* no Host */
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    o = options(to, "GET");
    o.framing = HTTP_UNTIL_CLOSE;
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    o = options(to, "GET");
    o.target = STR("/a\0b");
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    bench_close(&b);
    assert_int_equal(atomic_load(&to->accepted), 0);
    backend_stop(to);
}

static void origins_that_could_be_cut_short_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        size_t n;
        uint16_t port;
    } bad[] = {{"", 0, 80}, {"a b", 3, 80}, {"a\0b", 3, 80}, {"a\n", 2, 80}, {"/tmp/a\0b", 8, 0}};
    char name[300];
    struct bench b;
    struct http_call *made;
    memset(name, 'a', sizeof name);
    bench_open(&b, NULL);
    struct http_call_options o = {.method = STR("GET"), .target = STR("/")};
    o.headers = (struct http_headers){host_only, 1, 1};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        o.origin = (struct http_origin){.host = str_of(bad[i].host, bad[i].n), .port = bad[i].port};
        assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    }
    o.origin = (struct http_origin){.host = str_of(name, 256), .port = 80};
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    o.origin =
        (struct http_origin){.host = str_of(name, 108), .port = 0}; /* longer than sun_path */
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &made), ERR_INVALID);
    bench_close(&b);
}

/* --- ends before their time ----------------------------------------------------------------- */

/* Sends the head and half of the body, then waits for the client to go. */
static void serve_half(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_head(p, NULL, 0);
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!");
    peer_wait_end(p);
}

static void serve_silence(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_wait_end(p);
}

enum phase { SENT, UPLOADING, AT_HEAD, AT_DATA, PAUSED, PHASES };

static void cancel_in(enum phase phase)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(phase >= AT_HEAD ? serve_half : serve_silence, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, phase == UPLOADING ? "POST" : "GET");
    o.framing = phase == UPLOADING ? HTTP_CHUNKED : HTTP_NO_BODY;
    start(&b, &r, &o);
    r.cancel_at_head = phase == AT_HEAD;
    r.cancel_at_data = phase == AT_DATA;
    r.pause_each = phase == PAUSED;
    if (phase == UPLOADING)
        (void)http_call_write(r.call, STR("some"));
    if (phase == SENT || phase == UPLOADING)
        bench_wait(&b, 20);
    while (phase == PAUSED && r.chunks == 0)
        bench_turn(&b);
    if (phase != AT_HEAD && phase != AT_DATA) {
        http_call_cancel(r.call);
        http_call_cancel(r.call); /* twice is once */
        http_call_pause(r.call);
        http_call_resume(r.call);
        (void)http_call_write(r.call, STR("late"));
        http_call_end(r.call);
        assert_int_equal(r.dones, 0);
    }
    finish(&b, &r);
    assert_int_equal(r.how, ERR_CANCELLED);
    assert_int_equal(r.chunks, phase >= AT_DATA);
    end(&r);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

static void a_call_can_be_cancelled_once_it_is_sent(void **state)
{
    (void)state;
    for (enum phase p = 0; p < PHASES; p++)
        cancel_in(p);
}

/* At once, while connecting, and while the name is looked up. */
static void a_call_can_be_cancelled_before_it_is_sent(void **state)
{
    (void)state;
    struct bench b;
    struct record r[2];
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    for (int turns = 0; turns < 2; turns++) {
        start(&b, &r[turns], &o);
        if (turns)
            uv_run(loop_uv(b.loop), UV_RUN_NOWAIT);
        http_call_cancel(r[turns].call);
        finish(&b, &r[turns]);
        assert_int_equal(r[turns].how, ERR_CANCELLED);
        end(&r[turns]);
    }
    o.origin.host = STR("localhost");
    start(&b, &r[0], &o);
    uv_run(loop_uv(b.loop), UV_RUN_NOWAIT);
    http_call_cancel(r[0].call);
    finish(&b, &r[0]);
    assert_int_equal(r[0].how, ERR_CANCELLED);
    end(&r[0]);
    bench_close(&b);
    backend_stop(to);
}

static void a_held_call_can_be_cancelled(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct http_call_options o = options(to, "POST");
    o.framing = HTTP_CHUNKED;
    start(&b, &r, &o);
    assert_true(http_call_reused(r.call));
    http_call_cancel(r.call);
    finish(&b, &r);
    assert_int_equal(r.how, ERR_CANCELLED);
    end(&r);
    expect_ok(&b, to, false); /* what was reserved for it is gone */
    bench_close(&b);
    backend_stop(to);
}

static void closing_the_client_cancels_its_calls(void **state)
{
    (void)state;
    struct bench b;
    struct record r[3];
    struct backend *to = backend_start(serve_silence, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    start(&b, &r[0], &o);
    bench_wait(&b, 20);
    start(&b, &r[1], &o);
    o.origin.host = STR("localhost");
    start(&b, &r[2], &o);
    uv_run(loop_uv(b.loop), UV_RUN_NOWAIT);
    http_client_close(b.client, bench_on_closed, &b);
    struct http_call *none;
    assert_int_equal(http_call_start(b.client, &o, &record_events, NULL, &none), ERR_CLOSED);
    assert_false(b.closed);
    while (!b.closed)
        bench_turn(&b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].dones, 1);
        assert_int_equal(r[i].how, ERR_CANCELLED);
        end(&r[i]);
    }
    bench_close(&b);
    backend_stop(to);
}

static void a_client_without_work_closes(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, NULL);
    bench_close(&b);
}

/* --- time ----------------------------------------------------------------------------------- */

static void a_silent_backend_times_out(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_silence, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    o.timeout_ms = 50;
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_TIMEOUT);
    assert_int_equal(r.heads, 0);
    end(&r);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

static void a_backend_that_stops_in_the_body_times_out(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_half, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    o.idle_ms = 50;
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_TIMEOUT);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "half!");
    end(&r);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

static void a_paused_call_does_not_time_out(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_half, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    o.idle_ms = 50;
    start(&b, &r, &o);
    r.pause_each = true;
    while (r.chunks == 0)
        bench_turn(&b);
    bench_wait(&b, 150);
    assert_int_equal(r.dones, 0);
    http_call_resume(r.call);
    finish(&b, &r);
    assert_int_equal(r.how, ERR_TIMEOUT);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* --- memory --------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct backend *to = backend_start(serve_ok, NULL);
    struct bench b;
    bench_open(&b, NULL);
    for (long n = 0, hit = 1; hit; n++) {
        struct record r = {.body = BUF_INIT(MIB(1))};
        struct http_call_options o = options(to, "GET");
        struct http_client *client = NULL;
        bool closed = false;
        struct bench mine = b;
        mem_fault(n, 1);
        enum err err = http_client_new(b.loop, NULL, &client);
        if (err == ERR_OK)
            err = http_call_start(client, &o, &record_events, &r, &r.call);
        while (err == ERR_OK && r.dones == 0)
            bench_turn(&b);
        hit = mem_fault_hits();
        mem_fault(-1, 0);
        if (r.dones)
            err = r.how;
        assert_true(hit ? err == ERR_NOMEM || r.body.err : err == ERR_OK);
        mine.closed = false;
        if (client)
            http_client_close(client, bench_on_closed, &mine);
        for (closed = !client; !closed; closed = mine.closed)
            bench_turn(&b);
        http_client_free(client);
        end(&r);
        assert_true(n < 25);
    }
    bench_close(&b);
    backend_stop(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_is_written_as_given),
        cmocka_unit_test(a_missing_body_is_said_where_one_is_expected),
        cmocka_unit_test(what_could_split_a_message_is_refused),
        cmocka_unit_test(origins_that_could_be_cut_short_are_refused),
        cmocka_unit_test(a_call_can_be_cancelled_once_it_is_sent),
        cmocka_unit_test(a_call_can_be_cancelled_before_it_is_sent),
        cmocka_unit_test(a_held_call_can_be_cancelled),
        cmocka_unit_test(closing_the_client_cancels_its_calls),
        cmocka_unit_test(a_client_without_work_closes),
        cmocka_unit_test(a_silent_backend_times_out),
        cmocka_unit_test(a_backend_that_stops_in_the_body_times_out),
        cmocka_unit_test(a_paused_call_does_not_time_out),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
