/* SPDX-License-Identifier: Apache-2.0
 *
 * The rig of the server tests: a server on a loop whose clock the test moves, a handler with a
 * mode, and a raw client socket. */
#ifndef ROPELINE_HTTP_SERVER_RIG_H
#define ROPELINE_HTTP_SERVER_RIG_H

#include "server_rig_client.h"

/* --- connections ----------------------------------------------------------------------------- */

static inline void on_adopted_closed(void *arg)
{
    struct rig *r = arg;
    r->adopted_closed++;
}

static inline void reconnect(struct rig *r)
{
    int pair[2];
    hang_up(r);
    turn(r);
    forget(r);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    r->fd = pair[0];
    assert_int_equal(http_server_adopt(r->server, pair[1], on_adopted_closed, r), ERR_OK);
}

static inline int other_connection(struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)r->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void reconnect_tcp(struct rig *r)
{
    hang_up(r);
    turn(r);
    forget(r);
    r->fd = other_connection(r);
}

static inline struct http__conn *conn_of(struct rig *r)
{
    assert_non_null(r->server->conns);
    return r->server->conns;
}

static inline void answer_held(struct rig *r)
{
    respond(r, r->held, r->status, STR("ok"));
}

static inline void read_held_body(struct rig *r)
{
    http_body_start(r->held);
}

/* --- up and down ----------------------------------------------------------------------------- */

static inline int64_t fake_wall(void *arg)
{
    struct rig *r = arg;
    return INT64_C(1763793296000000) + r->now_us;
}

static inline int64_t fake_mono(void *arg)
{
    struct rig *r = arg;
    return r->now_us;
}

static inline void on_tick(uv_timer_t *t)
{
    (void)t;
}

static inline void on_drained(void *arg)
{
    struct rig *r = arg;
    r->drained++;
}

static inline void drain(struct rig *r, int64_t ms)
{
    http_server_drain(r->server, ms, on_drained, r);
    assert_int_equal(r->drained, 0);
}

static inline void listen_loopback(struct rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    r->port = ntohs(at.sin_port);
    assert_int_equal(http_server_listen(r->server, fd), ERR_OK);
}

static inline int rig_up(void **state)
{
    struct rig *r = mem_alloc(sizeof(*r));
    assert_non_null(r);
    signal(SIGPIPE, SIG_IGN); /* as main does */
    r->now_us = 1000000;
    r->clock = (struct clock){fake_wall, fake_mono, r};
    r->fd = -1;
    r->status = 200;
    r->flood_left = FLOOD_BYTES;
    r->got = BUF_INIT(MIB(16));
    r->seen = BUF_INIT(MIB(1));
    r->body = BUF_INIT(MIB(16));
    r->large = mem_alloc(LARGE_BYTES);
    assert_non_null(r->large);
    struct run_options ro = {.workers = 1, .clock = &r->clock};
    assert_int_equal(run_new(&ro, &r->run), ERR_OK);
    struct http_server_options o = {.request = on_request, .arg = r, .counters = &r->counters};
    assert_int_equal(http_server_new(run_control(r->run), &o, &r->server), ERR_OK);
    uv_timer_init(uv_of(r), &r->tick);
    uv_timer_start(&r->tick, on_tick, 5, 5);
    listen_loopback(r);
    reconnect(r);
    *state = r;
    return 0;
}

static inline int rig_down(void **state)
{
    struct rig *r = *state;
    hang_up(r);
    turn(r);
    if (!r->server->draining)
        http_server_drain(r->server, 1000, on_drained, r);
    turn(r);
    if (!r->drained)
        pass(r, 1100);
    WAIT_FOR(r, r->drained > 0);
    http_server_free(r->server);
    uv_close((uv_handle_t *)&r->tick, NULL);
    turn(r);
    run_free(r->run);
    buf_fini(&r->got);
    buf_fini(&r->seen);
    buf_fini(&r->body);
    mem_free(r->large);
    mem_free(r);
    return 0;
}

#endif
