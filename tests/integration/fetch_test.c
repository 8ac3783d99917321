/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetches against real servers, good and bad ones: whatever they answer, a fetch ends once, in time
 * and within its bytes, and says what happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/time.h"
#include "http/fetch.h"

static FILE *servers;
static int servers_stdin;
static char dir[] = "/tmp/fetch_test.XXXXXX";
static struct {
    char name[16];
    int port;
} ports[16];
static struct cidr loopback[2];
static struct run *run;
static struct fetcher *fetcher;
static bool closed;

struct told {
    struct fetch *fetch;
    unsigned times;
    enum err err;
    unsigned status;
    char type[64], why[256];
    struct buf body;
    int64_t ms;
};

static void on_done(void *arg, const struct fetch_result *r)
{
    struct told *t = arg;
    t->times++;
    t->err = r->err;
    t->status = r->status;
    snprintf(t->type, sizeof t->type, "%.*s", STR_ARG(r->content_type));
    snprintf(t->why, sizeof t->why, "%s", r->why);
    buf_add(&t->body, r->body);
}

static void turn(void)
{
    uv_run(loop_uv(run_control(run)), UV_RUN_ONCE);
}

static int port_of(const char *name)
{
    for (size_t i = 0; i < COUNTOF(ports); i++)
        if (str_eqz(str_c(name), ports[i].name))
            return ports[i].port;
    fail_msg("no server %s", name);
    return 0;
}

static struct told fetch_with(struct fetch_options o)
{
    struct told t = {.body = BUF_INIT(MIB(8))};
    int64_t began = clock_mono_us(&clock_system);
    assert_int_equal(fetch_start(fetcher, &o, on_done, &t, &t.fetch), ERR_OK);
    assert_int_equal(t.times, 0);
    while (t.times == 0)
        turn();
    t.ms = (clock_mono_us(&clock_system) - began) / 1000;
    for (int i = 0; i < 3; i++)
        uv_run(loop_uv(run_control(run)), UV_RUN_NOWAIT);
    assert_int_equal(t.times, 1);
    return t;
}

static const char *url_of(const char *server, const char *path)
{
    static char url[256];
    static const char *const tls[] = {"https", "expired", "otherhost", "unknown", "tls11"};
    const char *scheme = "http";
    for (size_t i = 0; i < COUNTOF(tls); i++)
        if (str_eqz(str_c(server), tls[i]))
            scheme = "https";
    snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", scheme, port_of(server), path);
    return url;
}

static struct told get(const char *server, const char *path)
{
    return fetch_with((struct fetch_options){.url = str_c(url_of(server, path))});
}

static void expect_why(struct told t, enum err err, const char *why)
{
    if (t.err != err || !str_eqz(str_c(t.why), why))
        fail_msg("not %s, \"%s\", but %s, \"%s\"", err_text(err), why, err_text(t.err), t.why);
    assert_int_equal(t.status, 0);
    assert_int_equal(t.body.n, 0);
}

static void expect_body(struct told *t, unsigned status, const char *type, const char *body)
{
    if (t->err != ERR_OK)
        fail_msg("%s", t->why);
    assert_int_equal(t->status, status);
    assert_string_equal(t->type, type);
    assert_string_equal(buf_cstr(&t->body), body);
    assert_string_equal(t->why, "");
    buf_fini(&t->body);
}

/* --- what comes whole ----------------------------------------------------------------------- */

static void an_answer_comes_whole(void **state)
{
    (void)state;
    struct told t = get("http", "/keys");
    expect_body(&t, 200, "application/json", "{\"keys\":[]}");
    t = get("https", "/keys");
    expect_body(&t, 200, "application/json", "{\"keys\":[]}");
    t = get("https", "/keys"); /* over the connection that is there */
    expect_body(&t, 200, "application/json", "{\"keys\":[]}");
    t = get("https", "/html");
    expect_body(&t, 200, "text/html; charset=utf-8", "<html></html>");
    t = get("https", "/empty");
    expect_body(&t, 200, "", "");
    t = get("https", "/gone");
    expect_body(&t, 410, "application/json", "{}");
}

static void contains(struct told *t, const char *part)
{
    if (str_find(buf_str(&t->body), str_c(part)) == SIZE_MAX)
        fail_msg("no %s in %s", part, buf_cstr(&t->body));
}

static void the_request_says_what_it_was_told_to_say(void **state)
{
    (void)state;
    struct told t =
        fetch_with((struct fetch_options){.url = str_c(url_of("https", "/introspect?a=b#c")),
                                          .form = STR("token=abc&x=%20"),
                                          .authorization = STR("Basic dTpw"),
                                          .accept = STR("application/json")});
    assert_int_equal(t.err, ERR_OK);
    contains(&t, "\"method\":\"POST\",\"url\":\"/introspect?a=b\"");
    contains(&t, "\"authorization\":\"Basic dTpw\"");
    contains(&t, "\"accept\":\"application/json\"");
    contains(&t, "\"content-type\":\"application/x-www-form-urlencoded\"");
    contains(&t, "\"body\":\"token=abc&x=%20\"");
    assert_int_equal(str_find(buf_str(&t.body), STR("accept-encoding")), SIZE_MAX);
    assert_int_equal(str_find(buf_str(&t.body), STR("expect")), SIZE_MAX);
    buf_fini(&t.body);
    t = get("http", "/cookie");
    buf_fini(&t.body);
    t = get("http", "/plain");
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(str_find(buf_str(&t.body), STR("cookie\"")), SIZE_MAX);
    contains(&t, "\"method\":\"GET\"");
    buf_fini(&t.body);
}

static void a_redirect_is_an_answer(void **state)
{
    static const char *const paths[] = {"/to-file", "/to-10", "/to-v6", "/to-ftp"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(paths); i++) {
        struct told t = get("https", paths[i]);
        expect_body(&t, 302, "", "moved");
    }
}

/* --- what is too much ----------------------------------------------------------------------- */

static void a_long_answer_is_cut(void **state)
{
    (void)state;
    expect_why(get("http", "/large"), ERR_LIMIT, "longer than 150000 bytes");
    expect_why(get("https", "/large-chunked"), ERR_LIMIT, "longer than 150000 bytes");
    expect_why(get("heads", "/"), ERR_LIMIT, "longer than 65536 bytes");
    struct fetch_options o = {.url = str_c(url_of("http", "/just")), .bytes_max = 1000};
    struct told t = fetch_with(o);
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(t.body.n, 1000);
    buf_fini(&t.body);
    o.bytes_max = 999;
    expect_why(fetch_with(o), ERR_LIMIT, "longer than 999 bytes");
}

static void a_compressed_answer_is_not_inflated(void **state)
{
    (void)state;
    expect_why(get("http", "/bomb"), ERR_SYNTAX,
               "the answer is compressed (gzip), which was not asked for");
}

static void a_slow_answer_ends_at_its_deadline(void **state)
{
    static const char *const paths[] = {"/drip", "/never"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(paths); i++) {
        struct told t = fetch_with(
            (struct fetch_options){.url = str_c(url_of("https", paths[i])), .timeout_ms = 300});
        expect_why(t, ERR_TIMEOUT, "timed out after 300 ms");
        assert_in_range(t.ms, 290, 1500);
    }
}

/* --- what is wrong -------------------------------------------------------------------------- */

static void a_certificate_must_be_good(void **state)
{
    (void)state;
    expect_why(get("expired", "/keys"), ERR_UNAVAILABLE, "TLS: certificate has expired");
    expect_why(get("otherhost", "/keys"), ERR_UNAVAILABLE,
               "TLS: the certificate is not for this host");
    expect_why(get("unknown", "/keys"), ERR_UNAVAILABLE,
               "TLS: unable to get local issuer certificate");
    struct told t = get("tls11", "/keys");
    assert_int_equal(t.err, ERR_UNAVAILABLE);
    assert_true(str_starts(str_c(t.why), STR("TLS: ")));
}

static void what_is_not_http_is_an_error(void **state)
{
    (void)state;
    expect_why(get("nonsense", "/"), ERR_SYNTAX, "the answer is not HTTP");
    expect_why(get("half", "/"), ERR_IO, "the answer broke off");
    expect_why(get("silent", "/"), ERR_IO, "the connection was closed without an answer");
    expect_why(fetch_with((struct fetch_options){.url = STR("http://127.0.0.1:1/")}),
               ERR_UNAVAILABLE, "connection refused");
    expect_why(fetch_with((struct fetch_options){.url = STR("https://nowhere.invalid/")}),
               ERR_UNAVAILABLE, "host not found");
}

static void only_http_and_https_are_fetched(void **state)
{
    static const char *const bad[] = {
        "", "localhost", "http:///keys", "http://a b/", "http://a/\r\nX: y", "https://a\\@b/",
    };
    static const char *const schemes[] = {"file://localhost/etc/passwd", "ftp://localhost/x",
                                          "gopher://localhost:70/x"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct told t = fetch_with((struct fetch_options){.url = str_c(bad[i])});
        expect_why(t, ERR_INVALID, "this is no URL");
    }
    for (size_t i = 0; i < COUNTOF(schemes); i++)
        expect_why(fetch_with((struct fetch_options){.url = str_c(schemes[i])}), ERR_INVALID,
                   "only http and https are fetched");
    expect_why(fetch_with((struct fetch_options){.url = STR("https://u:p@localhost/")}),
               ERR_INVALID, "a URL with user information is not fetched");
    expect_why(fetch_with((struct fetch_options){.url = STR("http://localhost/"),
                                                 .authorization = STR("a\r\nb: c")}),
               ERR_INVALID, "a header that cannot be sent");
}

static void addresses_inside_are_not_reached(void **state)
{
    static const struct {
        const char *url, *why;
    } inside[] = {
        {"https://10.0.0.1/", "address 10.0.0.1 is not allowed by fetch.allow"},
        {"https://0x0a000001/", "address 10.0.0.1 is not allowed by fetch.allow"},
        {"https://167772161/", "address 10.0.0.1 is not allowed by fetch.allow"},
        {"https://169.254.169.254/latest/",
         "address 169.254.169.254 is not allowed by fetch.allow"},
        {"https://[fd00::1]/", "address fd00::1 is not allowed by fetch.allow"},
        {"https://[::ffff:10.0.0.1]/", "address ::ffff:10.0.0.1 is not allowed by fetch.allow"},
        {"https://[64:ff9b::a00:1]/", "address 64:ff9b::a00:1 is not allowed by fetch.allow"},
        {"http://192.0.2.1/", "plain http to address 192.0.2.1 is not allowed by fetch.allow"},
        {"http://8.8.8.8/", "plain http to address 8.8.8.8 is not allowed by fetch.allow"},
        {"https://0.0.0.0/", "address 0.0.0.0 is not allowed by fetch.allow"},
        {"https://[::]/", "address :: is not allowed by fetch.allow"},
        {"https://224.0.0.1/", "address 224.0.0.1 is not allowed by fetch.allow"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(inside); i++)
        expect_why(fetch_with((struct fetch_options){.url = str_c(inside[i].url)}), ERR_DENIED,
                   inside[i].why);
}

/* --- many ------------------------------------------------------------------------------------- */

static void a_cancelled_fetch_says_so_once(void **state)
{
    struct told t[3] = {0};
    struct fetch_options o = {.url = str_c(url_of("http", "/never"))};
    (void)state;
    for (size_t i = 0; i < COUNTOF(t); i++)
        assert_int_equal(fetch_start(fetcher, &o, on_done, &t[i], &t[i].fetch), ERR_OK);
    fetch_cancel(t[0].fetch);
    fetch_cancel(t[0].fetch);
    assert_int_equal(t[0].times, 0);
    while (t[0].times == 0)
        turn();
    expect_why(t[0], ERR_CANCELLED, "cancelled");
    fetch_cancel(t[1].fetch); /* while its request is under way */
    while (t[1].times == 0 || t[2].times == 0)
        turn();
    expect_why(t[1], ERR_CANCELLED, "cancelled");
    expect_why(t[2], ERR_TIMEOUT, "timed out after 1500 ms");
}

#define MANY (3 * LIMIT_FETCHES)
static void more_than_may_run_wait_in_order(void **state)
{
    static struct told t[MANY];
    struct fetch_options o = {.url = str_c(url_of("http", "/keys")), .timeout_ms = 10000};
    unsigned over = 0;
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(fetch_start(fetcher, &o, on_done, &t[i], &t[i].fetch), ERR_OK);
    while (over < MANY) {
        turn();
        over = 0;
        for (size_t i = 0; i < MANY; i++)
            over += t[i].times;
    }
    for (size_t i = 0; i < MANY; i++) {
        t[i].body.max = MIB(1);
        assert_int_equal(t[i].err, ERR_OK);
        assert_int_equal(t[i].times, 1);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void closing_cancels_what_runs(void **state)
{
    struct told t[LIMIT_FETCHES + 2] = {0};
    struct fetch_options o = {.url = str_c(url_of("https", "/never"))};
    (void)state;
    for (size_t i = 0; i < COUNTOF(t); i++)
        assert_int_equal(fetch_start(fetcher, &o, on_done, &t[i], &t[i].fetch), ERR_OK);
    for (int i = 0; i < 20; i++)
        uv_run(loop_uv(run_control(run)), UV_RUN_NOWAIT);
    fetcher_close(fetcher, on_closed, &closed);
    struct fetch *none;
    assert_int_equal(fetch_start(fetcher, &o, on_done, &t[0], &none), ERR_CLOSED);
    while (!closed)
        turn();
    for (size_t i = 0; i < COUNTOF(t); i++) {
        assert_int_equal(t[i].times, 1);
        assert_int_equal(t[i].err, ERR_CANCELLED);
    }
}

/* --- up and down ------------------------------------------------------------------------------ */

static int up(void **state)
{
    char line[128];
    size_t n = 0;
    int pipes[2];
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir) || pipe(pipes) != 0)
        return -1;
    AUTO_BUF command = BUF_INIT(KIB(1));
    buf_addf(&command, "exec node %s/fetch_server.mjs %s <&%d", getenv("TEST_DIR"), dir, pipes[0]);
    servers_stdin = pipes[1];
    fcntl(pipes[1], F_SETFD, FD_CLOEXEC);
    servers = popen(buf_cstr(&command), "r");
    close(pipes[0]);
    while (fgets(line, sizeof line, servers) && strcmp(line, "ready\n") != 0)
        if (n < COUNTOF(ports) && sscanf(line, "%15s %d", ports[n].name, &ports[n].port) == 2)
            n++;
    buf_reset(&command);
    buf_addf(&command, "%s/ca.pem", dir);
    setenv("SSL_CERT_FILE", buf_cstr(&command), 1);
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct fetcher_options o = {.allow = loopback, .allow_count = 2};
    return run_new(&(struct run_options){.workers = 1}, &run) != ERR_OK ||
           cidr_parse(STR("127.0.0.0/8"), &loopback[0]) != ERR_OK ||
           cidr_parse(STR("::1"), &loopback[1]) != ERR_OK ||
           fetcher_new(run_control(run), &o, &fetcher) != ERR_OK;
}

static int down(void **state)
{
    (void)state;
    fetcher_free(fetcher);
    run_free(run);
    close(servers_stdin);
    pclose(servers);
    AUTO_BUF command = BUF_INIT(KIB(1));
    buf_addf(&command, "rm -rf %s", dir);
    return system(buf_cstr(&command));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_whole),
        cmocka_unit_test(the_request_says_what_it_was_told_to_say),
        cmocka_unit_test(a_redirect_is_an_answer),
        cmocka_unit_test(a_long_answer_is_cut),
        cmocka_unit_test(a_compressed_answer_is_not_inflated),
        cmocka_unit_test(a_slow_answer_ends_at_its_deadline),
        cmocka_unit_test(a_certificate_must_be_good),
        cmocka_unit_test(what_is_not_http_is_an_error),
        cmocka_unit_test(only_http_and_https_are_fetched),
        cmocka_unit_test(addresses_inside_are_not_reached),
        cmocka_unit_test(a_cancelled_fetch_says_so_once),
        cmocka_unit_test(more_than_may_run_wait_in_order),
        cmocka_unit_test(closing_cancels_what_runs),
    };
    return cmocka_run_group_tests(tests, up, down);
}
