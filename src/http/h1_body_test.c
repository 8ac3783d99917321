/* SPDX-License-Identifier: Apache-2.0
 *
 * The body decoder and the heads of answers: what is believed, what is refused, and that it does
 * not matter how the bytes were cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "http_int.h"

#define L(text)                      \
    {                                \
        "" text "", sizeof(text) - 1 \
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

static void trailers_are_kept_only_where_asked_for_and_within_a_cap(void **state)
{
    (void)state;
    struct http__body b;
    struct buf kept = BUF_INIT(16);
    struct str in = STR("0\r\nA: b\r\nC: d\r\n\r\n");
    size_t used;
    bool complete;
    http__body_init(&b, HTTP_CHUNKED, 0, 100);
    b.trailers = &kept;
    assert_int_equal(http__body_feed(&b, in, &used, NULL, NULL, &complete), ERR_OK);
    assert_true(complete);
    assert_string_equal(buf_cstr(&kept), "A: b\nC: d\n");
    buf_fini(&kept);
    kept = BUF_INIT(4);
    http__body_init(&b, HTTP_CHUNKED, 0, 100);
    b.trailers = &kept;
    assert_int_equal(http__body_feed(&b, in, &used, NULL, NULL, &complete), ERR_SYNTAX);
    buf_fini(&kept);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunked_body_is_decoded_however_it_is_cut),
        cmocka_unit_test(attack_5_a_chunk_size_is_hex_digits_and_crlf),
        cmocka_unit_test(attack_5_extensions_beyond_4_kib_are_refused),
        cmocka_unit_test(attack_20_trailers_are_checked_and_dropped),
        cmocka_unit_test(trailers_are_kept_only_where_asked_for_and_within_a_cap),
        cmocka_unit_test(a_length_ends_the_body),
        cmocka_unit_test(an_answers_framing_and_life_are_read),
        cmocka_unit_test(attack_25_an_answer_with_two_meanings_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
