/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard of request heads, attack by attack (docs/internals/http.md): what is believed, and
 * what is refused with which status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "http_int.h"
#include "lib/fault.h"

static const struct http__head_limits limits = {.line_max = LIMIT_REQUEST_LINE,
                                                .head_max = LIMIT_REQUEST_HEAD,
                                                .headers_max = LIMIT_REQUEST_HEADERS};

struct parsed {
    struct arena *a;
    struct http_request rq;
    const char *why;
    unsigned status;
};

static struct parsed parse(struct str head)
{
    struct parsed p = {.a = arena_new(4096, MIB(1))};
    assert_non_null(p.a);
    p.status = http__parse_request_head(p.a, head, &limits, &p.rq, &p.why);
    if (p.status)
        assert_non_null(p.why);
    return p;
}

static unsigned status_of(struct str head)
{
    struct parsed p = parse(head);
    arena_free(p.a);
    return p.status;
}

/* "GET / HTTP/1.1", Host and these lines. */
static unsigned with_lines(struct str lines)
{
    struct buf b = BUF_INIT(MIB(1));
    buf_addz(&b, "POST / HTTP/1.1\r\nHost: a\r\n");
    buf_add(&b, lines);
    buf_addz(&b, "\r\n");
    unsigned status = status_of(buf_str(&b));
    buf_fini(&b);
    return status;
}

static void refused(const struct str *lines, size_t n, unsigned status)
{
    for (size_t i = 0; i < n; i++) {
        unsigned got = with_lines(lines[i]);
        if (got != status)
            fail_msg("\"%.*s\": %u, not %u", STR_ARG(lines[i]), got, status);
    }
}

#define REFUSED(status, ...)                              \
    do {                                                  \
        static const struct str lines_[] = {__VA_ARGS__}; \
        refused(lines_, COUNTOF(lines_), status);         \
    } while (0)
#define L(text)                      \
    {                                \
        "" text "", sizeof(text) - 1 \
    }

static unsigned whole(const char *head)
{
    return status_of(str_c(head));
}

static void a_plain_request_is_read_as_it_is(void **state)
{
    (void)state;
    struct parsed p =
        parse(STR("GET /a/b?x=1&y HTTP/1.1\r\nHost: Example.COM:8080\r\nX-A:  v 1 \t\r\n"
                  "Empty:\r\nObs: \xc3\xa9\r\n\r\n"));
    assert_int_equal(p.status, 0);
    assert_int_equal(p.rq.method, HTTP_GET);
    assert_true(str_eqz(p.rq.method_text, "GET"));
    assert_true(str_eqz(p.rq.target, "/a/b?x=1&y"));
    assert_true(str_eqz(p.rq.raw_path, "/a/b"));
    assert_true(str_eqz(p.rq.query, "x=1&y"));
    assert_true(str_eqz(p.rq.host, "example.com:8080"));
    assert_int_equal(p.rq.minor, 1);
    assert_int_equal(p.rq.framing, HTTP_NO_BODY);
    assert_int_equal(p.rq.headers.n, 4);
    assert_true(str_eqz(http_value(&p.rq.headers, STR("x-a")), "v 1"));
    assert_true(str_eqz(http_value(&p.rq.headers, STR("empty")), ""));
    assert_true(str_eqz(http_value(&p.rq.headers, STR("OBS")), "\xc3\xa9"));
    arena_free(p.a);
}

static void framing_is_none_by_length_or_chunked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum http_framing framing;
        uint64_t length;
    } rows[] = {
        {"", HTTP_NO_BODY, 0},
        {"Content-Length: 0\r\n", HTTP_NO_BODY, 0},
        {"Content-Length: 5\r\n", HTTP_BY_LENGTH, 5},
        {"content-length:05\r\n", HTTP_BY_LENGTH, 5},
        {"Content-Length: 9223372036854775807\r\n", HTTP_BY_LENGTH, INT64_MAX},
        {"Transfer-Encoding: chunked\r\n", HTTP_CHUNKED, 0},
        {"transfer-encoding:CHUNKED  \r\n", HTTP_CHUNKED, 0},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char head[200];
        snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].line);
        struct parsed p = parse(str_c(head));
        assert_int_equal(p.status, 0);
        assert_int_equal(p.rq.framing, rows[i].framing);
        assert_int_equal(p.rq.length, rows[i].length);
        arena_free(p.a);
    }
}

static void attack_1_length_and_coding_together_are_refused(void **state)
{
    (void)state;
    REFUSED(400, L("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            L("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
            L("Transfer-Encoding: x\r\nContent-Length: 5\r\n"));
}

static void attack_2_a_coding_other_than_chunked_once_is_refused(void **state)
{
    (void)state;
    REFUSED(400, L("Transfer-Encoding: chunked, chunked\r\n"),
            L("Transfer-Encoding: chunked;x\r\n"), L("Transfer-Encoding: ,chunked\r\n"),
            L("Transfer-Encoding: chunked,\r\n"), L("Transfer-Encoding: identity\r\n"),
            L("Transfer-Encoding: gzip, chunked\r\n"),
            L("Transfer-Encoding: chunked, identity\r\n"), L("Transfer-Encoding: xchunked\r\n"),
            L("Transfer-Encoding: \"chunked\"\r\n"),
            L("Transfer-Encoding: \x0b"
              "chunked\r\n"),
            L("Transfer-Encoding: \xa0"
              "chunked\r\n"),
            L("Transfer-Encoding : chunked\r\n"), L("Transfer-Encoding\t: chunked\r\n"),
            L("Transfer-Encoding:\tchunked\r\n"), L("Transfer-Encoding: chunked\t\r\n"),
            L("Transfer-Encoding:\r\n chunked\r\n"), L("Transfer-Encoding: chun\0ked\r\n"),
            L("Transfer-Encoding:\r\n"),
            L("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            L("Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n"));
    assert_int_equal(whole("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     400);
    /* On GET it is a body like any other. */
    assert_int_equal(whole("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
}

static void attack_4_a_length_is_digits_once(void **state)
{
    (void)state;
    REFUSED(
        400, L("Content-Length: +5\r\n"), L("Content-Length: -1\r\n"), L("Content-Length: 0x5\r\n"),
        L("Content-Length: 5 5\r\n"), L("Content-Length: 5,5\r\n"), L("Content-Length: 5, 6\r\n"),
        L("Content-Length:\r\n"), L("Content-Length: \r\n"), L("Content-Length: 1_0\r\n"),
        L("Content-Length: 5.0\r\n"), L("Content-Length: 99999999999999999999\r\n"),
        L("Content-Length: 9223372036854775808\r\n"), L("Content-Length: 18446744073709551616\r\n"),
        L("Content-Length: 18446744073709551621\r\n"), L("Content-Length:\t5\r\n"),
        L("Content-Length: 5\r\nContent-Length: 5\r\n"),
        L("Content-Length: 5\r\ncontent-length: 6\r\n"));
}

static void attack_6_only_crlf_ends_a_line(void **state)
{
    (void)state;
    REFUSED(400, L("A: b\n"), L("A: b\nC: d\r\n"), L("A: b\r"), L("A: b\rC: d\r\n"),
            L("A: b\r\r\n"), L("A: b\n\r\n"), L("A: b\0\r\n"), L("A\0: b\r\n"), L("\nA: b\r\n"),
            L("A:\r b\r\n"));
    assert_int_equal(whole("GET / HTTP/1.1\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(status_of(STR("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n")), 400);
}

static void attack_6_a_partial_head_with_a_bare_line_end_is_hopeless(void **state)
{
    (void)state;
    assert_true(http__head_plausible(STR(""), 0));
    assert_true(http__head_plausible(STR("GET / HTTP/1.1\r"), 0));
    assert_true(http__head_plausible(STR("GET / HTTP/1.1\r\nHost: a\r\n\r"), 0));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\nHost: a\n"), 0));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\r\nHost: a\n"), 0));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\rHost"), 0));
    assert_false(http__head_plausible(STR("\x16\x03\x01"), 0)); /* a TLS ClientHello */
    assert_false(http__head_plausible(STR("\n"), 0));
    /* Looked at in pieces. */
    assert_true(http__head_plausible(STR("GET /\r\n"), 6));
    assert_false(http__head_plausible(STR("GET /\rX"), 6));
    assert_false(http__head_plausible(STR("GET /\n"), 5));
}

static void attack_7_folds_and_broken_names_are_refused(void **state)
{
    (void)state;
    REFUSED(400, L(" A: b\r\n"), L("\tA: b\r\n"), L("A: b\r\n c\r\n"), L("A: b\r\n\tc: d\r\n"),
            L("A\r\n"), L("A b\r\n"), L(": b\r\n"), L(":\r\n"), L("A : b\r\n"), L("A\t: b\r\n"),
            L("A B: c\r\n"), L("A\xa0: b\r\n"),
            L("\xef"
              "A: b\r\n"),
            L("A(: b\r\n"), L("\"A\": b\r\n"), L("A/B: c\r\n"), L("A@: b\r\n"), L("A[: b\r\n"),
            L("Content-Length\x85: 10\r\n"));
}

static void attack_8_control_bytes_in_values_are_refused(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char line[] = "A: x?y\r\n";
        line[4] = (char)c;
        bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        unsigned got = with_lines(STR("A: x?y\r\n")); /* the row itself is fine */
        assert_int_equal(got, 0);
        got = with_lines(str_of(line, sizeof(line) - 1));
        if (got != (control ? 400u : 0u))
            fail_msg("byte 0x%02x: %u", c, got);
    }
}

static unsigned with_host(const char *host)
{
    char head[400];
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    return whole(head);
}

static void attack_9_exactly_one_well_formed_host(void **state)
{
    (void)state;
    static const char *const good[] = {"a",         "a.b-c_d.example", "127.0.0.1:80", "[::1]",
                                       "[::1]:443", "A.Example",       "a:1",          "a:65535"};
    static const char *const bad[] = {
        "",        " ",        "a,b",      "u@a",      "u:p@a",   "a/b",     "a b", "[::1",
        "[]",      "[::1]x",   "[::1]:",   "::1",      "a:99999", "a:0",     "a:",  "a:+1",
        "a:80:80", "a.",       ".a",       "a..b",     "a.:80",   "a%41",    "a?b", "a#b",
        "a\\b",    "http://a", "a:000080", "\xc3\xa9", "a\tb",    "[::1%lo]"};
    for (size_t i = 0; i < COUNTOF(good); i++)
        assert_int_equal(with_host(good[i]), 0);
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (with_host(bad[i]) != 400)
            fail_msg("Host: %s was believed", bad[i]);
    assert_int_equal(whole("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(whole("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"), 400);
    assert_int_equal(whole("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("GET / HTTP/1.0\r\n\r\n"), 0);
}

static void a_server_may_do_without_host(void **state)
{
    (void)state;
    struct http__head_limits lax = limits;
    lax.host_optional = true;
    struct arena *a = arena_new(4096, MIB(1));
    struct http_request rq;
    const char *why;
    assert_int_equal(http__parse_request_head(a, STR("GET /x HTTP/1.1\r\n\r\n"), &lax, &rq, &why),
                     0);
    assert_int_equal(rq.host.n, 0);
    assert_int_equal(
        http__parse_request_head(a, STR("GET /x HTTP/1.1\r\nHost: a b\r\n\r\n"), &lax, &rq, &why),
        400);
    arena_free(a);
}

static void attack_10_only_origin_form_reaches_the_handler(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        unsigned status;
    } rows[] = {
        {"http://a/x", 0},
        {"HTTP://A/x", 0},
        {"http://a", 0},
        {"http://b/x", 400},
        {"http://a:80/x", 400},
        {"http://u@a/x", 400},
        {"http:///x", 400},
        {"http://a?x", 400},
        {"https://a/x", 400},
        {"http:/a/x", 400},
        {"a/x", 400},
        {"a:80", 400},
        {"*", 400},
        {"?x", 400},
        {"/x#y", 400},
        {"/\xc3\xa9", 400},
        {"/a b", 400},
        {"", 400},
        {"ftp://a/x", 400},
        {"//b/x", 0},
        {"/\x7f", 400},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char head[200];
        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].target);
        unsigned got = whole(head);
        if (got != rows[i].status)
            fail_msg("%s: %u", rows[i].target, got);
    }
    assert_int_equal(whole("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 405);
    assert_int_equal(whole("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_int_equal(whole("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    struct parsed p = parse(STR("GET http://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(str_eqz(p.rq.target, "/x?y"));
    assert_true(str_eqz(p.rq.raw_path, "/x"));
    arena_free(p.a);
}

static void attack_11_methods_are_tokens_and_case_matters(void **state)
{
    (void)state;
    assert_int_equal(whole("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(whole("FOO / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(whole("GETX / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    assert_int_equal(whole("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("G=\"T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(whole("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    char head[1100];
    memset(head, 'A', 1000);
    snprintf(head + 1000, 100, " / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(whole(head), 501);
    struct parsed p = parse(STR("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(p.status, 0);
    assert_int_equal(p.rq.method, HTTP_OTHER);
    arena_free(p.a);
}

static void attack_12_only_http_1_0_and_1_1(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned status;
    } rows[] = {{"GET / HTTP/1.2", 505},
                {"GET / HTTP/2.0", 505},
                {"GET / HTTP/0.9", 505},
                {"PRI * HTTP/2.0", 505},
                {"GET / HTTP/1.1 ", 400},
                {"GET / http/1.1", 400},
                {"GET / HTTP/1.32", 400},
                {"GET /", 400},
                {"GET / ", 400},
                {"GET / HTTP/1,1", 400},
                {"GET / HTTP/1", 400},
                {"GET / HTTP/ 1.1", 400},
                {"GET / HTTP/11", 400},
                {"GET / XTTP/1.1", 400},
                {"GET", 400},
                {"", 400},
                {"GET / ICE/1.0", 400}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char head[100];
        snprintf(head, sizeof(head), "%s\r\nHost: a\r\n\r\n", rows[i].line);
        unsigned got = whole(head);
        if (got != rows[i].status)
            fail_msg("%s: %u", rows[i].line, got);
    }
}

static void sizes_are_capped(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(MIB(1));
    buf_addz(&b, "GET /");
    for (size_t i = 0; i < LIMIT_REQUEST_LINE; i++)
        buf_addc(&b, 'a');
    buf_addz(&b, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(status_of(buf_str(&b)), 414);
    buf_reset(&b);
    buf_addz(&b, "A: ");
    for (size_t i = 0; i < LIMIT_REQUEST_HEAD; i++)
        buf_addc(&b, 'a');
    buf_addz(&b, "\r\n");
    assert_int_equal(with_lines(buf_str(&b)), 431);
    buf_reset(&b);
    for (size_t i = 0; i < LIMIT_REQUEST_HEADERS; i++)
        buf_addz(&b, "A: b\r\n");
    assert_int_equal(with_lines(buf_str(&b)), 431);
    buf_consume(&b, 6);
    assert_int_equal(with_lines(buf_str(&b)), 0);
    buf_fini(&b);
}

static void llhttp_is_strict_and_is_asked(void **state)
{
    (void)state;
    struct http__head_facts f = {.method = STR("GET"), .target_n = 1, .minor = 1, .fields = 1};
    struct str good = STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(http__llhttp_head(good, &f), OPINION_AGREES);
    /* A loose build reads this as Host. */
    assert_int_equal(http__llhttp_head(STR("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), &f),
                     OPINION_DIFFERS);
    f.fields = 2;
    assert_int_equal(http__llhttp_head(good, &f), OPINION_DIFFERS);
    f.fields = 1;
    f.chunked = true;
    assert_int_equal(http__llhttp_head(good, &f), OPINION_DIFFERS);
    f.chunked = false;
    f.target_n = 2;
    assert_int_equal(http__llhttp_head(good, &f), OPINION_DIFFERS);
    f.target_n = 1;
    assert_int_equal(http__llhttp_head(STR("GET / HTTP/1.1\r\nHost: a\r\n\r\nx"), &f),
                     OPINION_DIFFERS);
}

static void the_end_of_a_head_is_found_in_pieces(void **state)
{
    (void)state;
    struct str in = STR("GET / HTTP/1.1\r\nA: b\r\n\r\nrest");
    for (size_t from = 0; from < in.n - 4; from++)
        for (size_t n = from; n <= in.n; n++)
            assert_int_equal(http__head_end(str_sub(in, 0, n), from < 24 ? from : 23),
                             n >= 24 ? 24 : 0);
}

static void out_of_memory_is_503_and_never_a_belief(void **state)
{
    (void)state;
    FAULT_EACH
    {
        struct arena *a = arena_new(64, MIB(1));
        if (a) {
            struct http_request rq;
            const char *why = NULL;
            unsigned status = http__parse_request_head(
                a, STR("GET / HTTP/1.1\r\nHost: A\r\nB: c\r\n\r\n"), &limits, &rq, &why);
            assert_int_equal(status, fault_hit() ? 503 : 0);
        }
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_read_as_it_is),
        cmocka_unit_test(framing_is_none_by_length_or_chunked),
        cmocka_unit_test(attack_1_length_and_coding_together_are_refused),
        cmocka_unit_test(attack_2_a_coding_other_than_chunked_once_is_refused),
        cmocka_unit_test(attack_4_a_length_is_digits_once),
        cmocka_unit_test(attack_6_only_crlf_ends_a_line),
        cmocka_unit_test(attack_6_a_partial_head_with_a_bare_line_end_is_hopeless),
        cmocka_unit_test(attack_7_folds_and_broken_names_are_refused),
        cmocka_unit_test(attack_8_control_bytes_in_values_are_refused),
        cmocka_unit_test(attack_9_exactly_one_well_formed_host),
        cmocka_unit_test(a_server_may_do_without_host),
        cmocka_unit_test(attack_10_only_origin_form_reaches_the_handler),
        cmocka_unit_test(attack_11_methods_are_tokens_and_case_matters),
        cmocka_unit_test(attack_12_only_http_1_0_and_1_1),
        cmocka_unit_test(sizes_are_capped),
        cmocka_unit_test(llhttp_is_strict_and_is_asked),
        cmocka_unit_test(the_end_of_a_head_is_found_in_pieces),
        cmocka_unit_test(out_of_memory_is_503_and_never_a_belief),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
