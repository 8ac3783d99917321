/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard and the body decoder, attack by attack (docs/internals/http.md): what is believed, and
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
    assert_true(http__head_plausible(STR("")));
    assert_true(http__head_plausible(STR("GET / HTTP/1.1\r")));
    assert_true(http__head_plausible(STR("GET / HTTP/1.1\r\nHost: a\r\n\r")));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\nHost: a\n")));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\r\nHost: a\n")));
    assert_false(http__head_plausible(STR("GET / HTTP/1.1\rHost")));
    assert_false(http__head_plausible(STR("\x16\x03\x01"))); /* a TLS ClientHello */
    assert_false(http__head_plausible(STR("\n")));
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

/* --- bodies --------------------------------------------------------------------------------- */

struct decoded {
    struct buf data;
    enum err err;
    bool complete;
    size_t used;
};

static void add(void *arg, struct str data)
{
    buf_add(arg, data);
}

static struct decoded decode(struct str in, size_t piece, uint64_t max)
{
    struct http__body b;
    struct decoded d = {.data = BUF_INIT(MIB(1))};
    http__body_init(&b, HTTP_CHUNKED, 0, max);
    while (d.used < in.n && !d.err && !d.complete) {
        size_t used;
        d.err = http__body_feed(&b, str_sub(in, d.used, piece), &used, add, &d.data, &d.complete);
        d.used += used;
    }
    return d;
}

static void chunked_is(const char *in, const char *data, size_t used)
{
    for (size_t piece = 1; piece <= strlen(in); piece++) {
        struct decoded d = decode(str_c(in), piece, 100);
        assert_int_equal(d.err, ERR_OK);
        assert_true(d.complete);
        assert_int_equal(d.used, used);
        assert_string_equal(buf_cstr(&d.data), data);
        buf_fini(&d.data);
    }
}

static void chunked_fails(struct str in, enum err err)
{
    for (size_t piece = 1; piece <= in.n; piece++) {
        struct decoded d = decode(in, piece, 100);
        if (d.err != err)
            fail_msg("%.*s by %zu: %s", STR_ARG(in), piece, err_text(d.err));
        assert_false(d.complete);
        buf_fini(&d.data);
    }
}

static void a_chunked_body_is_decoded_however_it_is_cut(void **state)
{
    (void)state;
    chunked_is("0\r\n\r\n", "", 5);
    chunked_is("5\r\nhello\r\n0\r\n\r\n", "hello", 15);
    chunked_is("1\r\na\r\n0000A\r\n0123456789\r\n0\r\n\r\nGET", "a0123456789", 30);
    chunked_is("3;name=value;q=\"x\"\r\nabc\r\n0;last\r\n\r\n", "abc", 35);
}

static void attack_5_a_chunk_size_is_hex_digits_and_crlf(void **state)
{
    (void)state;
    static const struct str bad[] = {
        L("0x5\r\nhello\r\n0\r\n\r\n"),
        L("5_0\r\n"),
        L(" 5\r\nhello"),
        L("5 \r\nhello"),
        L("5\t\r\nhello"),
        L("-1\r\n"),
        L("+5\r\nhello"),
        L("\r\n"),
        L("fffffffffffffffff\r\n"),
        L("10000000000000005\r\nhello"),
        L("5;e=\r\rhello"),
        L("5\nhello\r\n0\r\n\r\n"),
        L("5\rXhello"),
        L("5\r\nhello0\r\n\r\n"),
        L("5\r\nhelloXX0\r\n\r\n"),
        L("5\r\nhello\n0\r\n\r\n"),
        L("5\r\nhello\rX"),
        L("5\r\nhello!\r\n"),
        L("0\r\n("),
        L("0\r\n\n"),
        L("0\n\n"),
        L("5;e\0\r\nhello"),
        L(";e\r\n"),
        L("5;\r\nhello"),
        L("5; e\r\nhello"),
        L("g\r\n"),
    };
    for (size_t i = 0; i < COUNTOF(bad); i++)
        chunked_fails(bad[i], ERR_SYNTAX);
    chunked_fails(STR("65\r\n"), ERR_LIMIT);
    chunked_fails(STR("64\r\n"), ERR_OK);
}

static void attack_5_extensions_beyond_4_kib_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(MIB(1));
    for (size_t i = 0; i <= LIMIT_CHUNK_EXTENSIONS / 16; i++)
        buf_addz(&b, "1;3456789012345\r\nx\r\n");
    buf_addz(&b, "0\r\n\r\n");
    struct decoded d = decode(buf_str(&b), SIZE_MAX, MIB(1));
    assert_int_equal(d.err, ERR_OK);
    buf_fini(&d.data);
    buf_reset(&b);
    for (size_t i = 0; i <= LIMIT_CHUNK_EXTENSIONS / 14; i++)
        buf_addz(&b, "1;3456789012345\r\nx\r\n");
    d = decode(buf_str(&b), SIZE_MAX, MIB(1));
    assert_int_equal(d.err, ERR_SYNTAX);
    buf_fini(&d.data);
    buf_fini(&b);
}

static void attack_20_trailers_are_checked_and_dropped(void **state)
{
    (void)state;
    chunked_is("1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: b\r\n\r\n", "a",
               61);
    chunked_fails(STR("0\r\nA: b\r\n c\r\n\r\n"), ERR_SYNTAX); /* what llhttp lets pass */
    chunked_fails(STR("0\r\nA : b\r\n\r\n"), ERR_SYNTAX);
    chunked_fails(STR("0\r\nA: b\n\r\n"), ERR_SYNTAX);
    chunked_fails(STR("0\r\nA\r\n\r\n"), ERR_SYNTAX);
    chunked_fails(STR("0\r\n: b\r\n\r\n"), ERR_SYNTAX);
}

static void a_length_ends_the_body(void **state)
{
    (void)state;
    struct http__body b;
    struct buf data = BUF_INIT(100);
    size_t used;
    bool complete;
    http__body_init(&b, HTTP_BY_LENGTH, 5, 100);
    assert_int_equal(http__body_feed(&b, STR("hel"), &used, add, &data, &complete), ERR_OK);
    assert_false(complete);
    assert_int_equal(http__body_feed(&b, STR("loGET"), &used, add, &data, &complete), ERR_OK);
    assert_true(complete);
    assert_int_equal(used, 2);
    assert_string_equal(buf_cstr(&data), "hello");
    http__body_init(&b, HTTP_UNTIL_CLOSE, 0, 4);
    assert_int_equal(http__body_feed(&b, STR("hello"), &used, NULL, NULL, &complete), ERR_LIMIT);
    assert_int_equal(http__body_feed(&b, STR(""), &used, NULL, NULL, &complete), ERR_LIMIT);
    http__body_init(&b, HTTP_NO_BODY, 0, 4);
    assert_int_equal(http__body_feed(&b, STR("GET"), &used, NULL, NULL, &complete), ERR_OK);
    assert_true(complete);
    assert_int_equal(used, 0);
    buf_fini(&data);
}

/* --- answers -------------------------------------------------------------------------------- */

static enum err answer(struct str head, bool to_head, struct http_response *rs, bool *keep)
{
    struct arena *a = arena_new(4096, MIB(1));
    const char *why = NULL;
    unsigned minor;
    enum err err = http__parse_response_head(a, head, 200, to_head, rs, &minor, keep, &why);
    if (err)
        assert_non_null(why);
    arena_free(a); /* what is looked at below is not in it */
    return err;
}

static void an_answers_framing_and_life_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool to_head;
        enum http_framing framing;
        uint64_t length;
        bool keep;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, HTTP_BY_LENGTH, 3, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, HTTP_BY_LENGTH, 0, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, HTTP_NO_BODY, 3, true},
        {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", false, HTTP_CHUNKED, 0, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, HTTP_NO_BODY, 0, true},
        {"HTTP/1.1 200 OK\r\n\r\n", false, HTTP_UNTIL_CLOSE, 0, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, HTTP_NO_BODY, 0, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, HTTP_NO_BODY, 9, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", false, HTTP_NO_BODY, 0, true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", false, HTTP_BY_LENGTH,
         1, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", false, HTTP_BY_LENGTH, 1, false},
        {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n", false,
         HTTP_BY_LENGTH, 1, true},
        {"HTTP/1.1 299\r\nContent-Length: 1\r\n\r\n", false, HTTP_BY_LENGTH, 1, true},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct http_response rs;
        bool keep;
        if (answer(str_c(rows[i].head), rows[i].to_head, &rs, &keep))
            fail_msg("%s was not believed", rows[i].head);
        assert_int_equal(rs.framing, rows[i].framing);
        assert_int_equal(rs.length, rows[i].length);
        assert_int_equal(keep, rows[i].keep);
    }
}

static void attack_25_an_answer_with_two_meanings_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "hello\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct http_response rs;
        bool keep;
        if (answer(str_c(bad[i]), false, &rs, &keep) != ERR_SYNTAX)
            fail_msg("%s was believed", bad[i]);
    }
    struct arena *a = arena_new(4096, MIB(1));
    struct http_response rs;
    unsigned minor;
    bool keep;
    const char *why;
    assert_int_equal(http__parse_response_head(a, STR("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n"), 1,
                                               false, &rs, &minor, &keep, &why),
                     ERR_LIMIT);
    arena_free(a);
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
        cmocka_unit_test(a_chunked_body_is_decoded_however_it_is_cut),
        cmocka_unit_test(attack_5_a_chunk_size_is_hex_digits_and_crlf),
        cmocka_unit_test(attack_5_extensions_beyond_4_kib_are_refused),
        cmocka_unit_test(attack_20_trailers_are_checked_and_dropped),
        cmocka_unit_test(a_length_ends_the_body),
        cmocka_unit_test(an_answers_framing_and_life_are_read),
        cmocka_unit_test(attack_25_an_answer_with_two_meanings_is_refused),
        cmocka_unit_test(out_of_memory_is_503_and_never_a_belief),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
