/* SPDX-License-Identifier: Apache-2.0
 *
 * Getting to a backend: by address, by name, by path; and what is said when nobody is there. */
#include <sys/un.h>

#include "client_bench.h"
#include "http/http_client_int.h"

static void a_closed_port_is_unavailable(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    uint16_t port;
    close(backend_socket(&port, 1));
    bench_open(&b, NULL);
    struct http_call_options o = {.origin = {STR("127.0.0.1"), port}, .method = STR("GET")};
    o.target = STR("/");
    o.headers = (struct http_headers){host_only, 1, 1};
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_UNAVAILABLE);
    assert_string_equal(r.why, "connection refused");
    end(&r);
    o.origin.host = STR("localhost");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_UNAVAILABLE);
    assert_string_equal(r.why, "connection refused");
    end(&r);
    o.origin = (struct http_origin){.host = STR("/nowhere/socket"), .port = 0};
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_UNAVAILABLE);
    assert_string_equal(r.why, "no such file or directory");
    end(&r);
    bench_close(&b);
}

static void an_unknown_host_is_not_found(void **state)
{
    (void)state;
    struct bench b;
    struct record r[2];
    bench_open(&b, NULL);
    struct http_call_options o = {.origin = {STR("a..b"), 80}, .method = STR("GET")};
    o.target = STR("/");
    o.headers = (struct http_headers){host_only, 1, 1};
    start(&b, &r[0], &o);
    start(&b, &r[1], &o); /* one look-up serves both */
    for (int i = 0; i < 2; i++) {
        finish(&b, &r[i]);
        assert_int_equal(r[i].how, ERR_UNAVAILABLE);
        assert_string_equal(r[i].why, "host not found");
        end(&r[i]);
    }
    bench_close(&b);
}

static void a_name_is_looked_up(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    struct backend *to = backend_start(serve_ok, NULL);
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    o.origin.host = STR("localhost");
    for (int i = 0; i < 2; i++) {
        call(&b, &r, &o);
        assert_int_equal(r.how, ERR_OK);
        assert_int_equal(r.reused, i);
        end(&r);
    }
    expect_ok(&b, to, false); /* another spelling is another origin */
    bench_close(&b);
    backend_stop(to);
}

static int unix_socket(char path[64])
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static int serial;
    snprintf(path, 64, "/tmp/ropeline-client-test-%d-%d", (int)getpid(), serial++);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void a_unix_socket_is_an_origin(void **state)
{
    (void)state;
    struct bench b;
    char path[64];
    int fd = unix_socket(path);
    struct backend *to = backend_start_on(fd, 0, serve_ok, NULL);
    memcpy(to->path, path, sizeof path);
    bench_open(&b, NULL);
    expect_ok(&b, to, false);
    expect_ok(&b, to, true);
    bench_close(&b);
    backend_stop(to);
}

static void ipv6_is_an_origin(void **state)
{
    (void)state;
    struct bench b;
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
        skip(); /* a machine without IPv6 */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(listen(fd, 4), 0);
    struct backend *to = backend_start_on(fd, ntohs(at.sin6_port), serve_ok, NULL);
    struct record r;
    bench_open(&b, NULL);
    struct http_call_options o = options(to, "GET");
    o.origin.host = STR("::1");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static void the_next_address_is_tried_when_one_refuses(void **state)
{
    (void)state;
    struct bench b;
    struct backend *to = backend_start(serve_ok, NULL);
    struct http__origin *o;
    struct record r;
    uint16_t closed;
    close(backend_socket(&closed, 1));
    bench_open(&b, NULL);
    struct http_call_options call_options = options(to, "POST");
    call_options.origin.host = STR("two.addresses.test");
    assert_int_equal(pool__origin(b.client, &call_options.origin, &o), ERR_OK);
    assert_int_equal(uv_ip4_addr("127.0.0.1", closed, &o->address[0].v4), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", to->port, &o->address[1].v4), 0);
    o->addresses = 2;
    o->addresses_until_ms = INT64_MAX;
    call(&b, &r, &call_options);
    assert_int_equal(r.how, ERR_OK);
    end(&r);
    o->addresses = 1;
    pool__close_idle(o);
    call(&b, &r, &call_options);
    assert_int_equal(r.how, ERR_UNAVAILABLE);
    assert_string_equal(r.why, "connection refused");
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

static _Atomic int64_t test_us = 1000000000;

static int64_t test_clock_us(void *arg)
{
    (void)arg;
    return atomic_load(&test_us);
}

static void after_a_while_without_calls_nothing_is_kept(void **state)
{
    (void)state;
    static const struct clock clock = {test_clock_us, test_clock_us, NULL};
    struct bench b = {.run = NULL};
    struct record r;
    struct backend *to = backend_start(serve_ok, NULL);
    assert_int_equal(run_new(&(struct run_options){.workers = 1, .clock = &clock}, &b.run), ERR_OK);
    b.loop = run_control(b.run);
    assert_int_equal(http_client_new(b.loop, NULL, &b.client), ERR_OK);
    struct http_call_options o = options(to, "GET");
    o.origin.host = STR("localhost");
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    end(&r);
    assert_int_equal(b.client->conns, 1);
    atomic_fetch_add(&test_us, (TIMEOUT_POOL_IDLE_MS + 100) * INT64_C(1000));
    while (b.client->conns > 0)
        bench_turn(&b);
    assert_int_equal(b.client->origins.count, 1);
    atomic_fetch_add(&test_us, (TIMEOUT_ADDRESS_CACHE_MS + 100) * INT64_C(1000));
    while (b.client->origins.count > 0)
        bench_turn(&b);
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_OK);
    assert_false(r.reused);
    end(&r);
    bench_close(&b);
    backend_stop(to);
}

/* A listener whose queue is full drops what comes: nobody says no. */
static void connecting_times_out(void **state)
{
    (void)state;
    struct bench b;
    struct record r;
    uint16_t port;
    int fd = backend_socket(&port, 0), filler[4];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < COUNTOF(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filler[i], (struct sockaddr *)&at, sizeof at);
    }
    bench_open(&b, &(struct http_client_options){.connect_ms = 60});
    struct http_call_options o = {.origin = {STR("127.0.0.1"), port}, .method = STR("GET")};
    o.target = STR("/");
    o.headers = (struct http_headers){host_only, 1, 1};
    call(&b, &r, &o);
    assert_int_equal(r.how, ERR_TIMEOUT);
    assert_string_equal(r.why, "connect timed out");
    end(&r);
    bench_close(&b);
    for (size_t i = 0; i < COUNTOF(filler); i++)
        close(filler[i]);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_port_is_unavailable),
        cmocka_unit_test(an_unknown_host_is_not_found),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(a_unix_socket_is_an_origin),
        cmocka_unit_test(ipv6_is_an_origin),
        cmocka_unit_test(the_next_address_is_tried_when_one_refuses),
        cmocka_unit_test(after_a_while_without_calls_nothing_is_kept),
        cmocka_unit_test(connecting_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
