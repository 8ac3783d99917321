/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections: kept, reused, given up. What may be sent twice is, once, and nothing else. */
#include <limits.h>

#include "client_bench.h"

static void a_connection_is_reused(void **state)
{
    (void)state;
    struct bench b;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    for (int i = 0; i < 100; i++)
        expect_ok(&b, to, true);
    assert_int_equal(atomic_load(&to->accepted), 1);
    assert_int_equal(atomic_load(&to->requests), 101);
    bench_close(&b);
    backend_stop(to);
}

/* Starts a second call from inside the first one's `done`. */
struct chain {
    struct bench *b;
    struct http_call_options o;
    struct record second;
    unsigned dones;
};

static void chain_done(void *arg, enum err how, const char *why)
{
    struct chain *c = arg;
    (void)why;
    assert_int_equal(how, ERR_OK);
    c->dones++;
    start(c->b, &c->second, &c->o);
    assert_true(http_call_reused(c->second.call));
}

static void done_may_start_the_next_call_on_the_same_connection(void **state)
{
    (void)state;
    static const struct http_call_events events = {.done = chain_done};
    struct bench b;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    struct chain c = {.b = &b, .o = options(to, "GET")};
    struct http_call *first;
    assert_int_equal(http_call_start(b.client, &c.o, &events, &c, &first), ERR_OK);
    while (c.dones == 0 || c.second.dones == 0)
        bench_turn(&b);
    assert_int_equal(c.dones, 1);
    assert_int_equal(c.second.how, ERR_OK);
    end(&c.second);
    assert_int_equal(atomic_load(&to->accepted), 1);
    bench_close(&b);
    backend_stop(to);
}

/* Which connections may answer, a bit each: so calls are under way at the same time. */
static atomic_uint go;

static void serve_when_told(struct peer *p)
{
    while (peer_head(p, NULL, 0)) {
        while (!(atomic_load(&go) >> p->index & 1))
            usleep(1000);
        char answer[128];
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 200 OK\r\nX-Type: %d\r\nContent-Length: 2\r\n\r\nok", p->index);
        peer_say(p, answer);
    }
}

static void no_more_than_the_cap_lie_idle(void **state)
{
    (void)state;
    struct bench b;
    struct record r[5];
    struct backend *to = backend_start(serve_when_told, NULL);
    bench_open(&b, &(struct http_client_options){.idle_per_origin = 2});
    struct http_call_options o = options(to, "GET");
    for (int round = 0; round < 2; round++) {
        int reused = 0;
        atomic_store(&go, 0);
        for (int i = 0; i < 5; i++)
            start(&b, &r[i], &o);
        bench_wait(&b, 20);
        atomic_store(&go, UINT_MAX);
        for (int i = 0; i < 5; i++) {
            finish(&b, &r[i]);
            assert_int_equal(r[i].how, ERR_OK);
            reused += r[i].reused;
            end(&r[i]);
        }
        assert_int_equal(reused, round ? 2 : 0);
    }
    bench_close(&b);
    backend_stop(to);
}

static void the_newest_connection_is_reused_first(void **state)
{
    (void)state;
    struct bench b;
    struct record r[3];
    struct backend *to = backend_start(serve_when_told, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    for (unsigned last = 0; last < 2; last++) {
        atomic_store(&go, 0);
        start(&b, &r[0], &o);
        start(&b, &r[1], &o);
        bench_wait(&b, 20);
        atomic_store(&go, last ? 1 : 2);
        while (r[0].dones + r[1].dones == 0)
            bench_turn(&b);
        atomic_store(&go, 3);
        finish(&b, &r[0]);
        finish(&b, &r[1]);
        call(&b, &r[2], &o);
        assert_true(r[2].reused);
        assert_string_equal(r[2].type, last ? "1" : "0");
        for (int i = 0; i < 3; i++)
            end(&r[i]);
    }
    assert_int_equal(atomic_load(&to->accepted), 2);
    bench_close(&b);
    backend_stop(to);
}

static void an_idle_connection_is_closed_in_time(void **state)
{
    (void)state;
    struct bench b;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, &(struct http_client_options){.idle_ms = 40});
    expect_ok(&b, to, false);
    expect_ok(&b, to, true);
    bench_wait(&b, 120);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

/* Answers one request per connection and closes it, without saying so. */
static void serve_once(struct peer *p)
{
    if (peer_head(p, NULL, 0))
        peer_say(p, OK_ANSWER);
}

static void an_idle_connection_that_ends_is_forgotten(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_once, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    bench_wait(&b, 50); /* the loop sees the end */
    struct http_call_options o = options(to, "POST");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    assert_false(r.reused);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* --- stale connections ---------------------------------------------------------------------- */

/* Answers one request; the second of a connection is read and answered by closing. */
static void serve_one_then_close(struct peer *p)
{
    if (!peer_head(p, NULL, 0))
        return;
    peer_say(p, OK_ANSWER);
    if (p->index == 0)
        peer_head(p, NULL, 0);
    else
        serve_ok(p);
}

static void stale(const char *method, enum http_framing framing, struct str body, enum err how,
                  int requests)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_one_then_close, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct http_call_options o = options(to, method);
    o.framing = framing;
    o.length = body.n;
    start(&b, &r, &o);
    assert_true(http_call_reused(r.call));
    if (body.n)
        (void)http_call_write(r.call, body);
    finish(&b, &r);
    if (r.how != how)
        fail_msg("%s: %s (%s)", method, err_text(r.how), r.why);
    assert_false(how == ERR_OK && r.reused);
    assert_int_equal(atomic_load(&to->requests), requests);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void a_get_on_a_stale_connection_is_sent_again(void **state)
{
    (void)state;
    stale("GET", HTTP_NO_BODY, STR_NONE, ERR_OK, 3);
    stale("DELETE", HTTP_NO_BODY, STR_NONE, ERR_OK, 3);
    stale("PUT", HTTP_BY_LENGTH, STR_NONE, ERR_OK, 3);
}

static void a_post_on_a_stale_connection_is_never_sent_again(void **state)
{
    (void)state;
    stale("POST", HTTP_NO_BODY, STR_NONE, ERR_IO, 2);
    stale("PATCH", HTTP_NO_BODY, STR_NONE, ERR_IO, 2);
    stale("POST", HTTP_BY_LENGTH, STR("body"), ERR_IO, 2);
    stale("REPORT", HTTP_NO_BODY, STR_NONE, ERR_IO, 2);
}

static void a_body_on_a_stale_connection_is_never_sent_again(void **state)
{
    (void)state;
    stale("PUT", HTTP_BY_LENGTH, STR("body"), ERR_IO, 2);
    stale("GET", HTTP_CHUNKED, STR("body"), ERR_IO, 2);
}

static void serve_never(struct peer *p)
{
    peer_head(p, NULL, 0);
    if (p->index == 0) {
        peer_say(p, OK_ANSWER);
        peer_head(p, NULL, 0);
    }
}

static void it_is_sent_again_only_once(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_never, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct http_call_options o = options(to, "GET");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_IO);
    assert_int_equal(atomic_load(&to->requests), 3);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void serve_a_byte_then_close(struct peer *p)
{
    peer_head(p, NULL, 0);
    peer_say(p, OK_ANSWER);
    peer_head(p, NULL, 0);
    peer_say(p, "H");
}

static void after_a_byte_of_an_answer_it_is_not_sent_again(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_a_byte_then_close, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct http_call_options o = options(to, "GET");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_IO);
    assert_int_equal(atomic_load(&to->requests), 2);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* The end of the connection lies unread when the call starts. */
static void a_post_looks_for_the_end_before_it_speaks(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_once, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    usleep(50000);
    struct http_call_options o = options(to, "POST");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    assert_false(r.reused);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* Its idle connection ends, or speaks, when told. */
static void serve_until_told(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_head(p, NULL, 0);
    peer_say(p, OK_ANSWER);
    while (!atomic_load(&go))
        usleep(1000);
    if (p->b->arg)
        peer_say(p, p->b->arg);
}

struct late {
    struct bench *b;
    struct record r;
    struct http_call_options o;
    bool started;
};

/* Between the turn's idle part and its look at sockets: the head is still held back when the
 * connection goes bad. */
static void start_and_nap(uv_prepare_t *prepare)
{
    struct late *l = prepare->data;
    start(l->b, &l->r, &l->o);
    l->started = true;
    assert_true(http_call_reused(l->r.call));
    atomic_store(&go, 1);
    usleep(50000);
    uv_close((uv_handle_t *)prepare, NULL);
}

static void held_until(const char *last_words)
{
    struct bench b;
    struct backend *to = backend_start(serve_until_told, last_words);
    uv_prepare_t prepare;
    atomic_store(&go, 0);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    struct late l = {.b = &b, .o = options(to, "POST")};
    l.o.framing = HTTP_BY_LENGTH;
    l.o.length = 4;
    uv_prepare_init(loop_uv(b.loop), &prepare);
    prepare.data = &l;
    uv_prepare_start(&prepare, start_and_nap);
    while (!l.started)
        bench_turn(&b);
    (void)http_call_write(l.r.call, STR("body"));
    finish(&b, &l.r);
    assert_int_equal(l.r.how, ERR_OK);
    assert_string_equal(l.r.body.p, "ok");
    assert_false(l.r.reused);
    end(&l.r);
    bench_close(&b);
    backend_stop(to);
}

static void a_held_connection_that_goes_bad_is_replaced(void **state)
{
    (void)state;
    held_until(NULL);
    held_until("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_reused),
        cmocka_unit_test(done_may_start_the_next_call_on_the_same_connection),
        cmocka_unit_test(no_more_than_the_cap_lie_idle),
        cmocka_unit_test(the_newest_connection_is_reused_first),
        cmocka_unit_test(an_idle_connection_is_closed_in_time),
        cmocka_unit_test(an_idle_connection_that_ends_is_forgotten),
        cmocka_unit_test(a_get_on_a_stale_connection_is_sent_again),
        cmocka_unit_test(a_post_on_a_stale_connection_is_never_sent_again),
        cmocka_unit_test(a_body_on_a_stale_connection_is_never_sent_again),
        cmocka_unit_test(it_is_sent_again_only_once),
        cmocka_unit_test(after_a_byte_of_an_answer_it_is_not_sent_again),
        cmocka_unit_test(a_post_looks_for_the_end_before_it_speaks),
        cmocka_unit_test(a_held_connection_that_goes_bad_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
