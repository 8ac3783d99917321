/* SPDX-License-Identifier: Apache-2.0
 *
 * The server over real sockets, request by request and attack by attack: raw bytes in, what the
 * handler saw and the raw bytes out. */
#include "server_rig.h"

/* --- what a request looks like to the handler ------------------------------------------------ */

static void a_request_is_handed_on_and_answered(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET /a?b=c HTTP/1.1\r\nHost: Example.com\r\nX: y\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\nDate: ");
    assert_seen(r, "GET /a?b=c example.com\n");
    assert_contains(r, "\r\nContent-Length: 2\r\n\r\nok");
    assert_lacks(r, "Connection:");
    assert_open(r);
}

static void bytes_one_by_one_are_the_same_request(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    struct str in = STR("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3;x\r\nabc\r\n0\r\nT: u\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t i = 0; i < in.n; i++) {
        send_bytes(r, str_sub(in, i, 1));
        turn(r);
    }
    wait_seen(r, 2);
    assert_seen(r, "POST /a a\nbody abc\nGET /b a\n");
}

static void keep_alive_is_the_default_of_1_1_and_the_wish_of_1_0(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *head;
        const char *connection;
        bool open;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", NULL, true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "Connection: close\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "Connection: close\r\n",
         false},
        {"GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive\r\n", true},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        reconnect(r);
        send_text(r, rows[i].head);
        assert_answer(r, "HTTP/1.1 200 OK\r\n");
        if (rows[i].connection)
            assert_contains(r, rows[i].connection);
        else
            assert_lacks(r, "Connection:");
        if (rows[i].open)
            assert_open(r);
        else
            assert_closed(r);
    }
}

static void head_204_and_304_have_no_body(void **state)
{
    struct rig *r = *state;
    send_text(r, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_contains(r, "Content-Length: 2\r\n");
    assert_ends(r, "\r\n\r\n");
    static const unsigned codes[] = {204, 304};
    for (size_t i = 0; i < COUNTOF(codes); i++) {
        forget(r);
        r->status = codes[i];
        send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_answer(r, codes[i] == 204 ? "HTTP/1.1 204 No Content\r\n"
                                         : "HTTP/1.1 304 Not Modified\r\n");
        assert_lacks(r, "Content-Length");
        assert_ends(r, "\r\n\r\n");
        assert_open(r);
    }
}

static void the_peer_is_known_over_tcp(void **state)
{
    struct rig *r = *state;
    r->mode = PEER;
    reconnect_tcp(r);
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_ends(r, "\r\n\r\n127.0.0.1");
}

/* --- one request in, one request out --------------------------------------------------------- */

static void refused_once(struct rig *r, struct str in, const char *status_line)
{
    reconnect(r);
    send_bytes(r, in);
    assert_answer(r, status_line);
    assert_contains(r, "Connection: close\r\n");
    assert_closed(r);
    assert_int_equal(r->requests, 0);
}

static void attacks_1_to_12_are_answered_once_and_the_connection_ends(void **state)
{
    struct rig *r = *state;
#define REFUSED(status, text) refused_once(r, STR(text), "HTTP/1.1 " status)
    REFUSED("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("400", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"
                   "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("400", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\n"
                   "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("400", "GET / HTTP/1.1\nHost: a\n\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("400", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n");
    REFUSED("400", "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n");
    REFUSED("400", "GET / HTTP/1.1\r\n\r\n");
    REFUSED("400", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("405", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    REFUSED("501", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n");
    REFUSED("505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    REFUSED("400", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    REFUSED("400", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
#undef REFUSED
}

static void endless_lines_and_heads_are_refused_before_they_end(void **state)
{
    struct rig *r = *state;
    struct buf b = BUF_INIT(MIB(1));
    buf_addz(&b, "GET /");
    while (b.n <= LIMIT_REQUEST_LINE)
        buf_addc(&b, 'a');
    refused_once(r, buf_str(&b), "HTTP/1.1 414 URI Too Long\r\n");
    buf_reset(&b);
    buf_addz(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (b.n <= LIMIT_REQUEST_HEAD + 20)
        buf_addc(&b, 'a');
    refused_once(r, buf_str(&b), "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    buf_fini(&b);
}

static void attack_3_the_body_of_an_answered_request_is_never_a_request(void **state)
{
    struct rig *r = *state;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n"); /* before the body */
    send_text(r, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n...GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "POST /a a\nGET /b a\n");
    assert_open(r);
}

static void attack_3_a_large_unwanted_body_ends_the_connection(void **state)
{
    struct rig *r = *state;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_contains(r, "Connection: close\r\n");
    send_text(r, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_closed(r);
    assert_int_equal(r->requests, 1);
}

static void attack_3_a_chunked_unwanted_body_is_dropped_within_limits(void **state)
{
    struct rig *r = *state;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    send_text(r, "5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "POST /a a\nGET /b a\n");
    send_text(r, "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n");
    wait_seen(r, 3);
    send_zeros(r, LIMIT_DRAIN_BYTES + 1000);
    assert_closed(r);
}

static void attack_5_a_broken_chunk_ends_body_and_connection(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0_2e\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 400 Bad Request\r\n");
    assert_contains(r, "Connection: close\r\n");
    assert_closed(r);
    assert_seen(r, "POST /a a\nend malformed input\n");
}

static void attack_13_one_empty_line_is_forgiven(void **state)
{
    struct rig *r = *state;
    send_text(r, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "GET / a\nGET /b a\n");
}

static void attack_13_garbage_after_a_request_is_refused_after_its_answer(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n\x01garbage");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_contains(r, "okHTTP/1.1 400 Bad Request\r\n");
    assert_closed(r);
    assert_int_equal(r->requests, 1);
}

static void attack_13_pipelined_requests_are_answered_in_order(void **state)
{
    struct rig *r = *state;
    enum { COUNT = 10000 };
    r->mode = ECHO_TARGET;
    struct buf in = BUF_INIT(MIB(2));
    for (unsigned i = 0; i < COUNT; i++)
        buf_addf(&in, "GET /%u. HTTP/1.1\r\nHost: a\r\n\r\n", i);
    size_t sent = 0, at = 0;
    for (unsigned i = 0; i < COUNT;) {
        sent += send_some(r, str_from(buf_str(&in), sent));
        turn(r);
        receive(r);
        char want[32];
        int n = snprintf(want, sizeof(want), "\r\n\r\n/%u.", i);
        size_t found = str_find(str_from(buf_str(&r->got), at), str_of(want, (size_t)n));
        if (found != SIZE_MAX) {
            at += found;
            i++;
        }
        assert_false(r->closed);
    }
    assert_int_equal(r->requests, COUNT);
    buf_fini(&in);
}

static void attack_13_a_pending_exchange_bounds_what_is_read(void **state)
{
    struct rig *r = *state;
    r->mode = HOLD;
    send_text(r, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    struct buf in = BUF_INIT(MIB(4));
    for (unsigned i = 0; i < 100000; i++)
        buf_addz(&in, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t sent = 0;
    for (unsigned i = 0; i < 200; i++) {
        sent += send_some(r, str_from(buf_str(&in), sent));
        turn(r);
    }
    assert_int_equal(r->requests, 1);
    assert_true(conn_of(r)->in.n <= LIMIT_REQUEST_LINE + LIMIT_REQUEST_HEAD + LIMIT_READ_BUFFER);
    r->mode = OK;
    answer_held(r);
    wait_seen(r, 2);
    buf_fini(&in);
}

static void attack_19_upgrade_headers_change_nothing(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                 "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
                 "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "GET /a a\nGET /b a\n");
}

static void attack_20_trailers_are_not_headers(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "1\r\nx\r\n0\r\nContent-Length: 100\r\nHost: evil\r\nAuthorization: y\r\n\r\n"
                 "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "POST /a a\nbody x\nGET /b a\n");
    assert_int_equal(r->headers_last, 1);
}

/* --- 100-continue ---------------------------------------------------------------------------- */

#define EXPECTING "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

static void attack_21_continue_is_sent_when_the_body_is_wanted(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, EXPECTING);
    assert_answer(r, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_ends(r, "100 Continue\r\n\r\n");
    send_text(r, "hi");
    wait_contains(r, "Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
    assert_seen(r, "POST / a\nbody hi\n");
    assert_open(r);
}

static void attack_21_continue_is_not_sent_when_the_body_is_here(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, EXPECTING "hi");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_seen(r, "POST / a\nbody hi\n");
}

static void attack_21_an_early_answer_to_who_waits_closes(void **state)
{
    struct rig *r = *state;
    r->status = 401;
    send_text(r, EXPECTING);
    assert_answer(r, "HTTP/1.1 401 Unauthorized\r\n");
    assert_contains(r, "Connection: close\r\n");
    send_text(r, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_closed(r);
    assert_int_equal(r->requests, 1);
}

static void attack_21_another_expectation_is_417(void **state)
{
    struct rig *r = *state;
    refused_once(r, STR("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"),
                 "HTTP/1.1 417 Expectation Failed\r\n");
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void attack_22_a_body_above_the_limit_is_413_before_the_handler(void **state)
{
    struct rig *r = *state;
    refused_once(r, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n"),
                 "HTTP/1.1 413 Content Too Large\r\n");
}

static void attack_22_a_chunked_body_above_the_limit_ends_with_limit(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA00001\r\n");
    assert_answer(r, "HTTP/1.1 400 Bad Request\r\n");
    assert_seen(r, "POST / a\nend a limit was exceeded\n");
    assert_closed(r);
}

static void attack_22_bytes_behind_the_length_are_the_next_request(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n"
                 "Host: a\r\n\r\n");
    wait_seen(r, 2);
    assert_seen(r, "POST /a a\nbody hi\nGET /b a\n");
}

static void attack_22_a_body_that_stops_coming_ends_with_timeout(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi");
    wait_seen(r, 1);
    pass(r, TIMEOUT_BODY_IDLE_MS - 100);
    assert_seen(r, "POST / a\n");
    pass(r, 200);
    assert_answer(r, "HTTP/1.1 400 Bad Request\r\n");
    assert_seen(r, "POST / a\nend timed out\n");
    assert_closed(r);
}

static void a_body_is_held_back_until_it_is_wanted(void **state)
{
    struct rig *r = *state;
    r->mode = HOLD;
    send_text(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    wait_seen(r, 1);
    struct buf in = BUF_INIT(MIB(1));
    for (size_t i = 0; i < 1000000; i++)
        buf_addc(&in, (char)('a' + i % 26));
    size_t sent = 0;
    for (unsigned i = 0; i < 50; i++) {
        sent += send_some(r, str_from(buf_str(&in), sent));
        turn(r);
    }
    assert_true(conn_of(r)->in.n <= LIMIT_REQUEST_LINE + LIMIT_REQUEST_HEAD + LIMIT_READ_BUFFER);
    read_held_body(r);
    for (unsigned i = 0; i < 2000 && r->body.n < in.n; i++) {
        sent += send_some(r, str_from(buf_str(&in), sent));
        if (i % 7 == 3)
            http_body_pause(r->held);
        if (i % 7 == 5)
            http_body_resume(r->held);
        turn(r);
    }
    assert_true(str_eq(buf_str(&r->body), buf_str(&in)));
    wait_contains(r, "HTTP/1.1 200 OK\r\n");
    assert_open(r);
    buf_fini(&in);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_is_handed_on_and_answered),
        T(bytes_one_by_one_are_the_same_request),
        T(keep_alive_is_the_default_of_1_1_and_the_wish_of_1_0),
        T(head_204_and_304_have_no_body),
        T(the_peer_is_known_over_tcp),
        T(attacks_1_to_12_are_answered_once_and_the_connection_ends),
        T(endless_lines_and_heads_are_refused_before_they_end),
        T(attack_3_the_body_of_an_answered_request_is_never_a_request),
        T(attack_3_a_large_unwanted_body_ends_the_connection),
        T(attack_3_a_chunked_unwanted_body_is_dropped_within_limits),
        T(attack_5_a_broken_chunk_ends_body_and_connection),
        T(attack_13_one_empty_line_is_forgiven),
        T(attack_13_garbage_after_a_request_is_refused_after_its_answer),
        T(attack_13_pipelined_requests_are_answered_in_order),
        T(attack_13_a_pending_exchange_bounds_what_is_read),
        T(attack_19_upgrade_headers_change_nothing),
        T(attack_20_trailers_are_not_headers),
        T(attack_21_continue_is_sent_when_the_body_is_wanted),
        T(attack_21_continue_is_not_sent_when_the_body_is_here),
        T(attack_21_an_early_answer_to_who_waits_closes),
        T(attack_21_another_expectation_is_417),
        T(attack_22_a_body_above_the_limit_is_413_before_the_handler),
        T(attack_22_a_chunked_body_above_the_limit_ends_with_limit),
        T(attack_22_bytes_behind_the_length_are_the_next_request),
        T(attack_22_a_body_that_stops_coming_ends_with_timeout),
        T(a_body_is_held_back_until_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
