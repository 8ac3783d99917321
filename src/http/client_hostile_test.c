/* SPDX-License-Identifier: Apache-2.0
 *
 * Backends that answer nonsense: the call ends with an error, or with the one answer that is beyond
 * doubt, and the connection is never used again, so that no caller gets another's answer. */
#include "client_bench.h"

#define H "HTTP/1.1 200 OK\r\n"
#define BODY "\r\nok"

static const struct hostile {
    const char *name, *method, *answer;
    enum err how;
    bool closes; /* the backend closes behind it; else it waits for the client to */
} hostile[] = {
    {"an answer of HTTP/0.9", "GET", "<html>ok</html>", ERR_SYNTAX, false},
    {"another protocol", "GET", "SSH-2.0-x\r\n\r\n", ERR_SYNTAX, false},
    {"HTTP/2.0 in a status line", "GET", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n" BODY,
     ERR_SYNTAX, false},
    {"HTTP/1.2", "GET", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"a lower-case version", "GET", "http/1.1 200 OK\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX,
     false},
    {"a status of two digits", "GET", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX,
     false},
    {"a status of four digits", "GET", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX,
     false},
    {"status 099", "GET", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"an empty line first", "GET", "\r\n" H "Content-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"two equal lengths", "GET", H "Content-Length: 2\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX,
     false},
    {"two lengths", "GET", H "Content-Length: 2\r\nContent-Length: 3\r\n" BODY, ERR_SYNTAX, false},
    {"a list of lengths", "GET", H "Content-Length: 2, 2\r\n" BODY, ERR_SYNTAX, false},
    {"a signed length", "GET", H "Content-Length: +2\r\n" BODY, ERR_SYNTAX, false},
    {"a negative length", "GET", H "Content-Length: -2\r\n" BODY, ERR_SYNTAX, false},
    {"a length of 20 digits", "GET", H "Content-Length: 18446744073709551618\r\n" BODY, ERR_SYNTAX,
     false},
    {"length and chunked", "GET",
     H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ERR_SYNTAX,
     false},
    {"chunked twice", "GET", H "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
     ERR_SYNTAX, false},
    {"another coding", "GET", H "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
     ERR_SYNTAX, false},
    {"chunked in HTTP/1.0", "GET",
     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ERR_SYNTAX,
     false},
    {"bare line feeds", "GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", ERR_SYNTAX, false},
    {"one bare line feed", "GET", H "A: b\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"a bare carriage return", "GET", H "A: b\rc\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"a folded header", "GET", H "A: b\r\n c\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"a blank before the colon", "GET", H "Content-Length : 2\r\n" BODY, ERR_SYNTAX, false},
    {"a header without a colon", "GET", H "Content-Length\r\n" BODY, ERR_SYNTAX, false},
    {"a header without a name", "GET", H ": 2\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX, false},
    {"a control byte in a value", "GET", H "A: \x01\r\nContent-Length: 2\r\n" BODY, ERR_SYNTAX,
     false},
    {"a switch of protocols", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
     ERR_SYNTAX, false},
    {"a chunk size with a sign", "GET", H "Transfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
     ERR_SYNTAX, false},
    {"a chunk longer than its size", "GET",
     H "Transfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", ERR_SYNTAX, false},
    {"a chunk size that overflows", "GET",
     H "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", ERR_SYNTAX, false},
    {"bare line feeds in chunked", "GET", H "Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
     ERR_SYNTAX, false},
    {"nothing at all", "GET", "", ERR_IO, true},
    {"half a status line", "GET", "HTTP/1.1 2", ERR_IO, true},
    {"half a head", "GET", H "Content-Length: 2\r\n", ERR_IO, true},
    {"half a body", "GET", H "Content-Length: 2\r\n\r\no", ERR_IO, true},
    {"a head and no body", "GET", H "Content-Length: 2\r\n\r\n", ERR_IO, true},
    {"a chunked body without its end", "GET", H "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
     ERR_IO, true},
    {"an interim answer and the end", "GET", "HTTP/1.1 100 Continue\r\n\r\n", ERR_IO, true},
    /* the answer is whole; what follows it is not believed */
    {"bytes behind the answer", "GET", OK_ANSWER "x", ERR_OK, false},
    {"a second answer behind the first", "GET",
     OK_ANSWER "HTTP/1.1 200 OK\r\n"
               "Content-Length: 6\r\n\r\nstolen",
     ERR_OK, false},
    {"bytes behind the last chunk", "GET",
     H "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx", ERR_OK, false},
    {"HEAD with a body", "HEAD", OK_ANSWER, ERR_OK, false},
    {"204 with a body", "GET", "HTTP/1.1 204 No Content\r\n\r\nok", ERR_OK, false},
    {"304 with a body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", ERR_OK,
     false},
    {"a body until the end of the connection", "GET", H "\r\nok", ERR_OK, true},
    {"Connection: close", "GET", H "Connection: close\r\nContent-Length: 2\r\n" BODY, ERR_OK,
     false},
    {"HTTP/1.0 without keep-alive", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n" BODY, ERR_OK,
     false},
};

/* The first connection is hostile, the others are not. */
static void serve_hostile(struct peer *p)
{
    const struct hostile *h = p->b->arg;
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_head(p, NULL, 0);
    peer_say(p, h->answer);
    if (!h->closes)
        peer_wait_end(p);
}

static void check(const struct hostile *h)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_hostile, h);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, h->method);
    call(&b, &r, &o);
    if (r.how != h->how)
        fail_msg("%s: %s (%s)", h->name, err_text(r.how), r.why);
    assert_true(r.how == ERR_OK || r.why[0]);
    if (r.how == ERR_SYNTAX && r.heads == 0)
        assert_int_equal(r.body.n, 0);
    if (r.how == ERR_OK)
        assert_true(r.heads == 1 && (r.body.n == 0 || strcmp(r.body.p, "ok") == 0));
    end(&r);
    expect_ok(&b, to, false);
    assert_int_equal(atomic_load(&to->accepted), 2);
    bench_close(&b);
    backend_stop(to);
}

static void no_hostile_connection_is_used_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(hostile); i++)
        check(&hostile[i]);
}

/* The same answers, a byte at a time. */
static void serve_hostile_slowly(struct peer *p)
{
    const struct hostile *h = p->b->arg;
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    int on = 1;
    setsockopt(p->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    peer_head(p, NULL, 0);
    for (const char *c = h->answer; *c; c++) {
        peer_send(p, c, 1);
        usleep(200);
    }
    if (!h->closes)
        peer_wait_end(p);
}

static void answers_in_pieces_get_the_same_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(hostile); i++) {
        struct bench b;
        struct record r;
        struct backend *to = backend_start(serve_hostile_slowly, &hostile[i]);
        bench_open(&b, NULL);
        struct http_call_options o = options(to, hostile[i].method);
        call(&b, &r, &o);
        if (r.how != hostile[i].how)
            fail_msg("%s: %s (%s)", hostile[i].name, err_text(r.how), r.why);
        end(&r);
        if (r.how == ERR_OK)
            bench_wait(&b, 20); /* what follows the answer comes later here */
        expect_ok(&b, to, false);
        bench_close(&b);
        backend_stop(to);
    }
}

/* --- what is too much ----------------------------------------------------------------------- */

struct flood {
    const char *first, *again, *last;
    int times;
};

static void serve_flood(struct peer *p)
{
    const struct flood *f = p->b->arg;
    peer_head(p, NULL, 0);
    peer_say(p, f->first);
    for (int i = 0; i < f->times; i++)
        peer_say(p, f->again);
    peer_say(p, f->last);
    peer_wait_end(p);
}

static void flooded(const struct flood *f, enum err how)
{
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_flood, f);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    call(&b, &r, &o);
    if (r.how != how)
        fail_msg("%s: %s", err_text(r.how), r.why);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void a_huge_head_is_cut_off(void **state)
{
    (void)state;
    flooded(&(struct flood){H, "A: 0123456789012345678901234567890123456789\r\n",
                            "Content-Length: 0\r\n\r\n", 200000},
            ERR_LIMIT);
    flooded(&(struct flood){H "A: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", 200000},
            ERR_LIMIT);
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    flooded(&(struct flood){H, "A:b\r\n", "Content-Length: 0\r\n\r\n", 199}, ERR_OK);
    flooded(&(struct flood){H, "A:b\r\n", "Content-Length: 0\r\n\r\n", 201}, ERR_LIMIT);
}

static void a_flood_of_interim_answers_is_cut_off(void **state)
{
    (void)state;
    const char *interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    flooded(&(struct flood){"", interim, OK_ANSWER, LIMIT_RESPONSE_INTERIM}, ERR_OK);
    flooded(&(struct flood){"", interim, OK_ANSWER, LIMIT_RESPONSE_INTERIM + 1}, ERR_LIMIT);
    flooded(&(struct flood){"", interim, OK_ANSWER, 10000}, ERR_LIMIT);
}

static void endless_chunk_extensions_are_cut_off(void **state)
{
    (void)state;
    flooded(&(struct flood){H "Transfer-Encoding: chunked\r\n\r\n", "1;aaaaaaaaaaaaaaa\r\nx\r\n",
                            "0\r\n\r\n", 100000},
            ERR_SYNTAX);
}

/* --- answers at the wrong time -------------------------------------------------------------- */

static void serve_before_asked(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_say(p, OK_ANSWER);
    peer_wait_end(p);
}

/* Runs between the turn's idle part, where a call begins to connect, and its look at sockets. */
static void nap(uv_prepare_t *prepare)
{
    usleep(50000);
    uv_close((uv_handle_t *)prepare, NULL);
}

static void an_answer_before_the_request_is_not_one(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_before_asked, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    start(&b, &r, &o);
    uv_prepare_t prepare;
    uv_prepare_init(loop_uv(b.loop), &prepare);
    uv_prepare_start(&prepare, nap);
    finish(&b, &r);
    assert_int_equal(r.how, ERR_SYNTAX);
    assert_int_equal(r.heads, 0);
    end(&r);
    expect_ok(&b, to, false);
    bench_close(&b);
    backend_stop(to);
}

static void serve_stray(struct peer *p)
{
    if (p->index > 0) {
        serve_ok(p);
        return;
    }
    peer_head(p, NULL, 0);
    peer_say(p, OK_ANSWER);
    usleep(30000);
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen");
    peer_wait_end(p);
}

static void bytes_on_an_idle_connection_close_it(void **state)
{
    (void)state;
    struct bench b;
    struct backend *to = backend_start(serve_stray, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    bench_wait(&b, 80);
    expect_ok(&b, to, false);
    expect_ok(&b, to, true);
    assert_int_equal(atomic_load(&to->accepted), 2);
    bench_close(&b);
    backend_stop(to);
}

/* The loop is busy while the stray bytes come: what cannot be repeated looks before it speaks. */
static void unread_bytes_on_an_idle_connection_do_not_answer_a_post(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_stray, NULL);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    usleep(80000);
    struct http_call_options o = options(to, "POST");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    assert_string_equal(r.body.p, "ok");
    assert_false(r.reused);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void interim_answers_are_not_told(void **state)
{
    (void)state;
    flooded(&(struct flood){"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", "",
                            OK_ANSWER, 0},
            ERR_OK);
}

/* --- no caller gets another's answer -------------------------------------------------------- */

#define CROSS_CALLS 1000
#define CROSS_AT_ONCE 8

static unsigned mood_of(unsigned id)
{
    return (id * 2654435761u) >> 16 & 15;
}

/* Answers each request with its own id, and often misbehaves. */
static void serve_in_moods(struct peer *p)
{
    char head[512], id[16], answer[256];
    while (peer_head(p, head, sizeof head)) {
        uint64_t n = 0;
        (void)str_u64(str_cut(str_c(head + strlen("GET /id/")), ' ', &(struct str){0}), &n);
        unsigned mood = mood_of((unsigned)n);
        snprintf(id, sizeof id, "%06u", (unsigned)n);
        if (mood == 1) /* no answer */
            return;
        if (mood == 4)
            snprintf(answer, sizeof answer,
                     H "Transfer-Encoding: chunked\r\n\r\n6\r\n%s\r\n0\r\n\r\n", id);
        else
            snprintf(answer, sizeof answer, "%s" H "%sContent-Length: 6\r\n\r\n%s%s",
                     mood == 5 ? "HTTP/1.1 103 Early Hints\r\n\r\n" : "",
                     mood == 3 ? "Connection: close\r\n" : "", id,
                     mood == 0 ? H "Content-Length: 6\r\n\r\nstolen" : "");
        if (mood == 2 || mood == 6) { /* in two pieces, or only the first */
            peer_send(p, answer, 30);
            if (mood == 2)
                return;
            usleep(100);
            peer_say(p, answer + 30);
        } else {
            peer_say(p, answer);
        }
    }
}

struct crossing {
    struct bench *b;
    const struct backend *to;
    unsigned started, ended, ok;
};

struct cross_call {
    struct crossing *c;
    struct http_call *call;
    unsigned id;
    char target[32];
    struct buf body;
};

static void cross_start(struct cross_call *x);

static void cross_data(void *arg, struct str chunk)
{
    buf_add(&((struct cross_call *)arg)->body, chunk);
}

static void cross_done(void *arg, enum err how, const char *why)
{
    struct cross_call *x = arg;
    unsigned mood = mood_of(x->id);
    char id[16];
    snprintf(id, sizeof id, "%06u", x->id);
    if (how != (mood == 1 || mood == 2 ? ERR_IO : ERR_OK))
        fail_msg("call %u: %s (%s)", x->id, err_text(how), why);
    if (how == ERR_OK && !str_eqz(buf_str(&x->body), id))
        fail_msg("call %u got %.*s", x->id, STR_ARG(buf_str(&x->body)));
    x->c->ok += how == ERR_OK;
    x->c->ended++;
    buf_reset(&x->body);
    if (x->c->started < CROSS_CALLS)
        cross_start(x);
}

static void cross_start(struct cross_call *x)
{
    static const struct http_call_events events = {.data = cross_data, .done = cross_done};
    struct http_call_options o = options(x->c->to, "GET");
    x->id = x->c->started++;
    snprintf(x->target, sizeof x->target, "/id/%u", x->id);
    o.target = str_c(x->target);
    assert_int_equal(http_call_start(x->c->b->client, &o, &events, x, &x->call), ERR_OK);
}

static void no_call_gets_the_answer_of_another(void **state)
{
    (void)state;
    struct bench b;
    struct backend *to = backend_start(serve_in_moods, NULL);
    struct crossing c = {.b = &b, .to = to};
    struct cross_call x[CROSS_AT_ONCE];
    bench_open(&b, NULL);
    for (int i = 0; i < CROSS_AT_ONCE; i++) {
        x[i] = (struct cross_call){.c = &c, .body = BUF_INIT(KIB(1))};
        cross_start(&x[i]);
    }
    while (c.ended < CROSS_CALLS)
        bench_turn(&b);
    assert_true(c.ok > CROSS_CALLS / 2);
    for (int i = 0; i < CROSS_AT_ONCE; i++)
        buf_fini(&x[i].body);
    bench_close(&b);
    backend_stop(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_hostile_connection_is_used_again),
        cmocka_unit_test(answers_in_pieces_get_the_same_verdict),
        cmocka_unit_test(a_huge_head_is_cut_off),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(a_flood_of_interim_answers_is_cut_off),
        cmocka_unit_test(endless_chunk_extensions_are_cut_off),
        cmocka_unit_test(an_answer_before_the_request_is_not_one),
        cmocka_unit_test(bytes_on_an_idle_connection_close_it),
        cmocka_unit_test(unread_bytes_on_an_idle_connection_do_not_answer_a_post),
        cmocka_unit_test(interim_answers_are_not_told),
        cmocka_unit_test(no_call_gets_the_answer_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
