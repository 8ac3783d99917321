/* SPDX-License-Identifier: Apache-2.0
 *
 * The server over real sockets, from the answer on: deadlines, streaming and back-pressure, clients
 * that go, and the server's own end. */
#include "server_rig.h"

/* --- deadlines ------------------------------------------------------------------------------- */

static void attack_23_a_slow_head_is_408(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n");
    turn(r);
    for (int i = 0; i < 11; i++) {
        pass(r, TIMEOUT_HEAD_MS / 10);
        if (!r->closed)
            send_text(r, "X: y\r\n"); /* progress does not help */
    }
    assert_answer(r, "HTTP/1.1 408 Request Timeout\r\n");
    assert_closed(r);
    assert_int_equal(r->requests, 0);
}

static void attack_23_a_client_that_does_not_read_is_cut(void **state)
{
    struct rig *r = *state;
    r->mode = LARGE;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    assert_int_equal(r->done, 0);
    pass(r, TIMEOUT_WRITE_IDLE_MS + 100); /* the kernel may have taken a little more */
    pass(r, TIMEOUT_WRITE_IDLE_MS + 100);
    assert_int_equal(r->done, 1);
    assert_int_equal(r->done_how, ERR_CLOSED);
}

static void an_idle_connection_is_closed_and_holds_no_buffer(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    struct http__conn *c = conn_of(r);
    assert_null(c->in.p);
    assert_null(c->out.p);
    assert_null(c->sending.p);
    assert_null(c->x);
    assert_true(sizeof(*c) < 2048);
    pass(r, TIMEOUT_KEEPALIVE_MS - 100);
    assert_open(r);
    pass(r, 200);
    assert_closed(r);
}

/* --- answers --------------------------------------------------------------------------------- */

static void attack_24_a_header_that_splits_the_answer_is_never_sent(void **state)
{
    struct rig *r = *state;
    const struct http_header bad[] = {
        {STR("A"), STR("b\r\nSet-Cookie: c")}, {STR("A"), STR("b\nc")}, {STR("A"), STR("b\0c")},
        {STR("A: b\r\nC"), STR("d")},          {STR(""), STR("d")},     {STR("A"), STR(" b")}};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        reconnect(r);
        r->extra = bad[i];
        send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_closed(r);
        assert_int_equal(r->got.n, 0);
        assert_int_equal(r->done_how, ERR_CANCELLED);
    }
}

static void framing_headers_of_the_handler_are_dropped(void **state)
{
    struct rig *r = *state;
    r->extra = (struct http_header){STR("transfer-ENCODING"), STR("chunked")};
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_lacks(r, "chunked");
}

static void a_streamed_answer_is_chunked_or_closes_for_1_0(void **state)
{
    struct rig *r = *state;
    r->mode = STREAM;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_contains(r, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    assert_contains(r, "Transfer-Encoding: chunked\r\n");
    assert_open(r);
    forget(r);
    send_text(r, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_ends(r, "\r\n\r\n");
    assert_open(r);
    forget(r);
    send_text(r, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    wait_contains(r, "Connection: close\r\n\r\nonetwo");
    assert_closed(r);
}

static void a_streamed_answer_that_is_short_of_its_length_is_cut(void **state)
{
    struct rig *r = *state;
    r->mode = SHORT;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_closed(r);
    assert_int_equal(r->done_how, ERR_CANCELLED);
    assert_lacks(r, "\r\n\r\nhello world");
}

static void a_streaming_source_is_told_when_to_pause_and_to_go_on(void **state)
{
    struct rig *r = *state;
    r->mode = FLOOD;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    turn(r);
    assert_true(r->flood_left > 0);
    assert_true(http__out_queued(conn_of(r)) < 2 * LIMIT_STREAM_BUFFER);
    size_t before = r->flood_left;
    for (unsigned i = 0; i < 5000 && !r->done; i++) {
        turn(r);
        receive(r);
    }
    assert_true(r->drains > 0);
    assert_true(before > 0);
    receive(r);
    size_t head = str_find(buf_str(&r->got), STR("\r\n\r\n"));
    assert_int_equal(r->got.n - head - 4, FLOOD_BYTES);
    assert_open(r);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct rig *r = *state;
    r->mode = LARGE;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (unsigned i = 0; i < 5000 && !r->done; i++) {
        turn(r);
        receive(r);
    }
    receive(r);
    size_t head = str_find(buf_str(&r->got), STR("\r\n\r\n"));
    assert_int_equal(r->got.n - head - 4, LARGE_BYTES);
    assert_int_equal(r->done_how, ERR_OK);
    assert_open(r);
}

/* --- the client goes ------------------------------------------------------------------------- */

static void a_vanished_client_is_noticed_while_the_handler_works(void **state)
{
    struct rig *r = *state;
    r->mode = HOLD;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    assert_false(http_exchange_client_gone(r->held));
    hang_up(r);
    wait_gone(r);
    assert_true(http_exchange_client_gone(r->held));
    assert_int_equal(r->done, 0);
    http_respond_abort(r->held);
    assert_int_equal(r->done, 0); /* never from inside a call */
    turn(r);
    assert_int_equal(r->done, 1);
}

static void a_client_that_only_shut_its_side_gets_its_answers(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(r->fd, SHUT_WR);
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_closed(r);
    assert_seen(r, "GET /1 a\nGET /2 a\n");
}

static void a_body_cut_off_by_the_client_ends_with_closed(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    send_text(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi");
    shutdown(r->fd, SHUT_WR);
    assert_answer(r, "HTTP/1.1 400 Bad Request\r\n");
    assert_seen(r, "POST / a\nend closed\n");
}

static void an_abort_resets_a_begun_answer(void **state)
{
    struct rig *r = *state;
    r->mode = ABORT;
    reconnect_tcp(r);
    send_text(r, "GET / HTTP/1.0\r\n\r\n");
    assert_closed(r);
    assert_int_equal(r->read_error, ECONNRESET);
}

/* --- the server's life ----------------------------------------------------------------------- */

static void a_drain_waits_for_the_exchange_and_closes_the_idle(void **state)
{
    struct rig *r = *state;
    r->mode = HOLD;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    int idle = other_connection(r);
    turn(r);
    drain(r, 5000);
    turn(r);
    assert_int_equal(r->drained, 0);
    char c;
    assert_int_equal(read(idle, &c, 1), 0);
    close(idle);
    answer_held(r);
    assert_answer(r, "HTTP/1.1 200 OK\r\n");
    assert_contains(r, "Connection: close\r\n");
    assert_closed(r);
    WAIT_FOR(r, r->drained == 1);
}

static void a_drain_cuts_what_is_left_after_its_time(void **state)
{
    struct rig *r = *state;
    r->mode = HOLD;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_seen(r, 1);
    drain(r, 5000);
    pass(r, 5100);
    assert_closed(r);
    assert_int_equal(r->gone, 1);
    for (unsigned i = 0; i < 5 && !r->drained; i++)
        turn(r);
    assert_int_equal(r->drained, 1);
    answer_held(r); /* the exchange outlived the server's end */
    assert_int_equal(r->done, 1);
}

static void too_many_connections_are_told_so(void **state)
{
    struct rig *r = *state;
    r->server->o.connections_max = 1;
    int fd = other_connection(r);
    char text[200] = "";
    for (unsigned i = 0; i < 100 && read(fd, text, sizeof(text) - 1) <= 0; i++)
        turn(r);
    close(fd);
    assert_true(str_starts(str_c(text), STR("HTTP/1.1 503 ")));
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 34);
}

static void counters_tell_what_happened(void **state)
{
    struct rig *r = *state;
    send_text(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n");
    assert_closed(r);
    hang_up(r);
    WAIT_FOR(r, r->adopted_closed == 1);
    assert_int_equal(r->counters.connections_opened, 1);
    assert_int_equal(r->counters.connections_open, 0);
    assert_int_equal(r->counters.requests, 1);
    assert_int_equal(r->counters.refused, 1);
    assert_int_equal(r->counters.bytes_in, 34);
    assert_int_equal(r->counters.bytes_out, r->got.n);
}

static void every_allocation_may_fail(void **state)
{
    struct rig *r = *state;
    r->mode = ECHO_BODY;
    FAULT_EACH
    {
        forget(r);
        r->requests = 0;
        int fd = other_connection(r);
        int before = r->fd;
        r->fd = fd;
        send_text(r, "POST / HTTP/1.1\r\nHost: A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
        for (unsigned i = 0; i < 10; i++)
            turn(r);
        send_text(r, "0\r\n\r\n");
        pass(r, 150); /* what could not be accepted is tried again */
        for (unsigned i = 0; i < 10; i++)
            turn(r);
        receive(r);
        if (!fault_hit())
            assert_contains(r, "HTTP/1.1 200 OK\r\n");
        close(fd);
        r->fd = before;
        r->closed = false;
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(attack_23_a_slow_head_is_408),
        T(attack_23_a_client_that_does_not_read_is_cut),
        T(an_idle_connection_is_closed_and_holds_no_buffer),
        T(attack_24_a_header_that_splits_the_answer_is_never_sent),
        T(framing_headers_of_the_handler_are_dropped),
        T(a_streamed_answer_is_chunked_or_closes_for_1_0),
        T(a_streamed_answer_that_is_short_of_its_length_is_cut),
        T(a_streaming_source_is_told_when_to_pause_and_to_go_on),
        T(a_large_answer_arrives_whole),
        T(a_vanished_client_is_noticed_while_the_handler_works),
        T(a_client_that_only_shut_its_side_gets_its_answers),
        T(a_body_cut_off_by_the_client_ends_with_closed),
        T(an_abort_resets_a_begun_answer),
        T(a_drain_waits_for_the_exchange_and_closes_the_idle),
        T(a_drain_cuts_what_is_left_after_its_time),
        T(too_many_connections_are_told_so),
        T(counters_tell_what_happened),
        T(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
