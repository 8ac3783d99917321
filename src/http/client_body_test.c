/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies both ways: whole, in order, as fast as the slower side, and never longer or shorter than
 * was said. */
#include "client_bench.h"

#define BIG (5 * 1024 * 1024)

/* Byte i of every test body: a piece that is lost, doubled or moved shows. */
static char pattern(uint64_t i)
{
    return (char)((i * 2654435761u) >> 16);
}

static void check_pattern(const struct buf *b, size_t n)
{
    assert_int_equal(b->n, n);
    for (size_t i = 0; i < n; i++)
        if (b->p[i] != pattern(i))
            fail_msg("byte %zu is wrong", i);
}

/* --- down ----------------------------------------------------------------------------------- */

static void send_pattern(struct peer *p, uint64_t from, size_t n)
{
    char part[8192];
    while (n > 0) {
        size_t k = n < sizeof part ? n : sizeof part;
        for (size_t i = 0; i < k; i++)
            part[i] = pattern(from + i);
        peer_send(p, part, k);
        from += k;
        n -= k;
    }
}

static void serve_big(struct peer *p)
{
    while (peer_head(p, NULL, 0)) {
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n");
        send_pattern(p, 0, BIG);
    }
}

static void serve_big_chunked(struct peer *p)
{
    while (peer_head(p, NULL, 0)) {
        char line[32];
        size_t n = 1;
        peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < BIG; at += n) {
            n = 1 + (n * 7 + 13) % 30000;
            n = n < BIG - at ? n : BIG - at;
            snprintf(line, sizeof line, "%zX;x=y\r\n", n);
            peer_say(p, line);
            send_pattern(p, at, n);
            peer_say(p, "\r\n");
        }
        peer_say(p, "0\r\nContent-Length: 3\r\n\r\n");
    }
}

static void serve_big_until_close(struct peer *p)
{
    peer_head(p, NULL, 0);
    peer_say(p, "HTTP/1.0 200 OK\r\n\r\n");
    send_pattern(p, 0, BIG);
}

/* `pause`: after each piece, for some turns of the loop. */
static void download(serve_fn *serve, bool pause, bool reusable)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    for (int round = 0; round < 2; round++) {
        start(&b, &r, &o);
        r.pause_each = pause;
        while (r.dones == 0) {
            unsigned before = r.chunks;
            bench_turn(&b);
            if (!pause || r.chunks == before || r.dones)
                continue;
            assert_int_equal(r.chunks, before + 1);
            for (int i = 0; i < 3; i++)
                uv_run(loop_uv(b.loop), UV_RUN_NOWAIT);
            assert_int_equal(r.chunks, before + 1);
            if (r.dones == 0)
                http_call_resume(r.call);
        }
        assert_int_equal(r.how, ERR_OK);
        assert_int_equal(r.reused, reusable && round == 1);
        check_pattern(&r.body, BIG);
        end(&r);
    }
    bench_close(&b);
    backend_stop(to);
}

static void a_big_answer_comes_whole(void **state)
{
    (void)state;
    download(serve_big, false, true);
    download(serve_big_chunked, false, true);
    download(serve_big_until_close, false, false);
}

static void nothing_is_told_while_paused(void **state)
{
    (void)state;
    download(serve_big, true, true);
    download(serve_big_chunked, true, true);
    download(serve_big_until_close, true, false);
}

/* The client must stop reading, not only stop telling: the backend cannot send it all. */
static atomic_size_t sent;

static void serve_counted(struct peer *p)
{
    char part[4096] = {0};
    peer_head(p, NULL, 0);
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    for (ssize_t n; (n = send(p->fd, part, sizeof part, MSG_NOSIGNAL)) > 0;)
        atomic_fetch_add(&sent, (size_t)n);
}

static void a_paused_call_holds_the_backend_back(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_counted, NULL);
    atomic_store(&sent, 0);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    start(&b, &r, &o);
    r.pause_each = true;
    size_t before = 1, after = 0;
    while (before != after) {
        before = atomic_load(&sent);
        bench_wait(&b, 100);
        after = atomic_load(&sent);
    }
    assert_true(after < MIB(50));
    assert_int_equal(r.chunks, 1);
    http_call_cancel(r.call);
    finish(&b, &r);
    assert_int_equal(r.how, ERR_CANCELLED);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* --- up ------------------------------------------------------------------------------------- */

/* Reads `n` bytes of pattern; false when they are not. */
static bool read_pattern(struct peer *p, uint64_t from, size_t n)
{
    while (n > 0) {
        if (p->n == 0 && !peer_read_more(p))
            return false;
        size_t k = p->n < n ? p->n : n;
        for (size_t i = 0; i < k; i++)
            if (p->seen[i] != pattern(from + i))
                return false;
        peer_take(p, k);
        from += k;
        n -= k;
    }
    return true;
}

/* Reads a chunk's size line. */
static bool read_size(struct peer *p, size_t *n)
{
    char *end;
    while (!(end = memmem(p->seen, p->n, "\r\n", 2)))
        if (!peer_read_more(p))
            return false;
    *n = 0;
    for (char *c = p->seen; c < end; c++)
        *n = *n * 16 + (size_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
    peer_take(p, (size_t)(end - p->seen) + 2);
    return true;
}

static bool read_chunked_pattern(struct peer *p, size_t wanted)
{
    size_t at = 0, n;
    while (read_size(p, &n) && n > 0) {
        if (!read_pattern(p, at, n) || !peer_body(p, 2))
            return false;
        at += n;
    }
    return at == wanted && peer_body(p, 2);
}

/* Set once the client was told to pause: until then the backend reads no body. */
static atomic_bool piled_up;

static void wait_until_piled_up(void)
{
    while (!atomic_load(&piled_up))
        usleep(1000);
}

static void serve_upload(struct peer *p)
{
    while (peer_head(p, NULL, 0)) {
        wait_until_piled_up();
        if (!read_pattern(p, 0, BIG))
            return;
        peer_say(p, OK_ANSWER);
    }
}

static void serve_chunked_upload(struct peer *p)
{
    while (peer_head(p, NULL, 0)) {
        wait_until_piled_up();
        if (!read_chunked_pattern(p, BIG))
            return;
        peer_say(p, OK_ANSWER);
    }
}

static void upload(serve_fn *serve, enum http_framing framing)
{
    static char part[50000];
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "PUT");
    o.framing = framing;
    o.length = BIG;
    for (int round = 0; round < 3; round++) {
        unsigned pauses = 0;
        atomic_store(&piled_up, false);
        start(&b, &r, &o);
        if (round == 2)
            bench_turn(&b); /* the head goes alone */
        for (size_t at = 0, n; at < BIG; at += n) {
            n = BIG - at < sizeof part ? BIG - at : sizeof part;
            for (size_t i = 0; i < n; i++)
                part[i] = pattern(at + i);
            bool room = http_call_write(r.call, str_of(part, n));
            if (!room)
                atomic_store(&piled_up, true);
            for (unsigned drains = r.drains; !room && r.drains == drains && r.dones == 0;)
                bench_turn(&b);
            pauses += !room;
        }
        http_call_end(r.call);
        finish(&b, &r);
        assert_int_equal(r.how, ERR_OK);
        assert_true(pauses > 0 && r.drains == pauses);
        assert_int_equal(r.reused, round > 0);
        end(&r);
    }
    bench_close(&b);
    backend_stop(to);
}

static void a_big_request_goes_whole_and_no_faster_than_it_is_read(void **state)
{
    (void)state;
    upload(serve_upload, HTTP_BY_LENGTH);
    upload(serve_chunked_upload, HTTP_CHUNKED);
}

static void one_write_of_everything_goes_whole(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_upload, NULL);
    char *all = mem_alloc(BIG);
    assert_non_null(all);
    for (size_t i = 0; i < BIG; i++)
        all[i] = pattern(i);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "POST");
    o.framing = HTTP_BY_LENGTH;
    o.length = BIG;
    for (int round = 0; round < 2; round++) {
        atomic_store(&piled_up, false);
        start(&b, &r, &o);
        assert_false(http_call_write(r.call, str_of(all, BIG)));
        atomic_store(&piled_up, true);
        memset(all, 'x', BIG); /* copied, where the socket did not take it */
        finish(&b, &r);
        assert_int_equal(r.how, ERR_OK);
        assert_int_equal(r.drains, 1);
        end(&r);
        for (size_t i = 0; i < BIG; i++)
            all[i] = pattern(i);
    }
    mem_free(all);
    bench_close(&b);
    backend_stop(to);
}

/* --- bodies that lie ------------------------------------------------------------------------ */

static void lie(enum http_framing framing, uint64_t length, struct str body, bool ended,
                enum err how)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct http_call_options o = options(to, "POST");
    o.framing = framing;
    o.length = length;
    start(&b, &r, &o);
    if (body.n)
        (void)http_call_write(r.call, body);
    if (ended)
        http_call_end(r.call);
    assert_int_equal(r.dones, 0);
    finish(&b, &r);
    assert_int_equal(r.how, how);
    end(&r);
    expect_ok(&b, to, how == ERR_OK);
    bench_close(&b);
    backend_stop(to);
}

static void a_body_of_another_length_cuts_the_connection(void **state)
{
    (void)state;
    lie(HTTP_BY_LENGTH, 4, STR("longer"), false, ERR_INVALID);
    lie(HTTP_BY_LENGTH, 10, STR("shorter"), true, ERR_INVALID);
    lie(HTTP_BY_LENGTH, 4, STR_NONE, true, ERR_INVALID);
    lie(HTTP_NO_BODY, 0, STR("x"), false, ERR_INVALID);
    lie(HTTP_NO_BODY, 0, STR_NONE, true, ERR_OK);
    lie(HTTP_BY_LENGTH, 0, STR_NONE, true, ERR_OK);
}

static void more_than_can_be_queued_ends_the_call(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_ok, NULL);
    struct str part = {mem_alloc(MIB(4)), MIB(4)};
    assert_non_null(part.p);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "POST");
    o.framing = HTTP_CHUNKED;
    start(&b, &r, &o);
    for (int i = 0; i < 3; i++) /* deaf to every false, before there is a connection */
        (void)http_call_write(r.call, part);
    finish(&b, &r);
    assert_int_equal(r.how, ERR_LIMIT);
    end(&r);
    mem_free((char *)(uintptr_t)part.p);
    bench_close(&b);
    backend_stop(to);
}

/* --- early answers -------------------------------------------------------------------------- */

static void serve_early(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_head(p, NULL, 0);
    peer_say(p, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    peer_wait_end(p);
}

static void an_early_answer_is_told_and_its_connection_closed(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_early, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "POST");
    o.framing = HTTP_BY_LENGTH;
    o.length = 1000;
    start(&b, &r, &o);
    (void)http_call_write(r.call, STR("some of it"));
    finish(&b, &r);
    assert_int_equal(r.how, ERR_OK);
    assert_int_equal(r.status, 413);
    assert_string_equal(r.body.p, "no");
    end(&r);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

/* Answers, then closes with the request unread: the kernel resets the connection. */
static void serve_early_and_reset(struct peer *p)
{
    peer_head(p, NULL, 0);
    peer_say(p, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    usleep(30000);
    shutdown(p->fd, SHUT_RD);
}

static void an_early_answer_is_told_while_the_request_is_stuck(void **state)
{
    (void)state;
    static char part[100000];
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_early_and_reset, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "POST");
    o.framing = HTTP_CHUNKED;
    start(&b, &r, &o);
    for (int i = 0; i < 50; i++)
        (void)http_call_write(r.call, str_of(part, sizeof part));
    finish(&b, &r);
    assert_int_equal(r.how, ERR_OK);
    assert_int_equal(r.status, 413);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* The answer is complete and paused; the rest of it comes with the resume. */
static void serve_chunks_at_once(struct peer *p)
{
    while (peer_head(p, NULL, 0))
        peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
}

static void what_came_while_paused_is_told_before_the_end(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_chunks_at_once, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    start(&b, &r, &o);
    r.pause_each = true;
    while (r.chunks == 0)
        bench_turn(&b);
    bench_wait(&b, 30);
    assert_int_equal(r.chunks, 1);
    assert_int_equal(r.dones, 0);
    http_call_resume(r.call);
    assert_int_equal(r.chunks, 1); /* not from inside resume */
    finish(&b, &r);
    assert_int_equal(r.how, ERR_OK);
    assert_string_equal(r.body.p, "abc");
    end(&r);
    start(&b, &r, &o); /* the connection was free all the while */
    assert_true(http_call_reused(r.call));
    finish(&b, &r);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void a_call_with_an_answer_held_back_can_be_cancelled(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_chunks_at_once, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    for (int resumed = 0; resumed < 2; resumed++) {
        start(&b, &r, &o);
        r.pause_each = true;
        while (r.chunks == 0)
            bench_turn(&b);
        if (resumed)
            http_call_resume(r.call);
        http_call_cancel(r.call);
        finish(&b, &r);
        assert_int_equal(r.how, ERR_CANCELLED);
        assert_int_equal(r.chunks, 1);
        end(&r);
    }
    bench_close(&b);
    backend_stop(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_big_answer_comes_whole),
        cmocka_unit_test(nothing_is_told_while_paused),
        cmocka_unit_test(a_paused_call_holds_the_backend_back),
        cmocka_unit_test(a_big_request_goes_whole_and_no_faster_than_it_is_read),
        cmocka_unit_test(one_write_of_everything_goes_whole),
        cmocka_unit_test(a_body_of_another_length_cuts_the_connection),
        cmocka_unit_test(more_than_can_be_queued_ends_the_call),
        cmocka_unit_test(an_early_answer_is_told_and_its_connection_closed),
        cmocka_unit_test(an_early_answer_is_told_while_the_request_is_stuck),
        cmocka_unit_test(what_came_while_paused_is_told_before_the_end),
        cmocka_unit_test(a_call_with_an_answer_held_back_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
