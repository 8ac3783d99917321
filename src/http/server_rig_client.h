/* SPDX-License-Identifier: Apache-2.0
 *
 * The raw client of the server tests, on the same thread as the loop: it sends, turns the loop, and
 * looks at what came back. */
#ifndef ROPELINE_HTTP_SERVER_RIG_CLIENT_H
#define ROPELINE_HTTP_SERVER_RIG_CLIENT_H

#include "server_rig_handler.h"

/* --- turning the loop ------------------------------------------------------------------------ */

static inline uv_loop_t *uv_of(struct rig *r)
{
    return loop_uv(run_control(r->run));
}

static inline void turn(struct rig *r)
{
    uv_run(uv_of(r), UV_RUN_NOWAIT);
    uv_run(uv_of(r), UV_RUN_NOWAIT);
}

/* Moves the clock and lets the wheel look at it. */
static inline void pass(struct rig *r, int64_t ms)
{
    r->now_us += ms * 1000;
    for (unsigned i = 0; i < 12; i++)
        uv_run(uv_of(r), UV_RUN_ONCE);
}

static inline void receive(struct rig *r)
{
    char bytes[65536];
    while (r->fd >= 0 && !r->closed) {
        ssize_t n = read(r->fd, bytes, sizeof(bytes));
        if (n > 0) {
            buf_add(&r->got, str_of(bytes, (size_t)n));
        } else if (n == 0 || errno != EAGAIN) {
            r->closed = true;
            r->read_error = n ? errno : 0;
        } else {
            return;
        }
    }
}

static inline bool lived(struct rig *r, unsigned *turns)
{
    uv_run(uv_of(r), UV_RUN_ONCE);
    receive(r);
    return ++*turns < PATIENCE;
}

#define WAIT_FOR(r, condition)                                                            \
    do {                                                                                  \
        unsigned turns_ = 0;                                                              \
        while (!(condition) && lived((r), &turns_))                                       \
            ;                                                                             \
        if (!(condition))                                                                 \
            fail_msg("%s never came; got: %s\nseen: %s", #condition, buf_cstr(&(r)->got), \
                     buf_cstr(&(r)->seen));                                               \
    } while (0)

static inline bool contains(struct rig *r, const char *text)
{
    return str_find(buf_str(&r->got), str_c(text)) != SIZE_MAX;
}

static inline void wait_contains(struct rig *r, const char *text)
{
    WAIT_FOR(r, contains(r, text));
}

static inline void wait_seen(struct rig *r, unsigned requests)
{
    WAIT_FOR(r, r->requests >= requests);
}

static inline void wait_gone(struct rig *r)
{
    WAIT_FOR(r, r->gone > 0);
}

/* A whole head has come, and it begins so. */
static inline void assert_answer(struct rig *r, const char *prefix)
{
    WAIT_FOR(r, contains(r, "\r\n\r\n"));
    if (!str_starts(buf_str(&r->got), str_c(prefix)))
        fail_msg("not %s but %s", prefix, buf_cstr(&r->got));
}

static inline void assert_contains(struct rig *r, const char *text)
{
    if (!contains(r, text))
        fail_msg("no \"%s\" in %s", text, buf_cstr(&r->got));
}

static inline void assert_lacks(struct rig *r, const char *text)
{
    if (contains(r, text))
        fail_msg("\"%s\" in %s", text, buf_cstr(&r->got));
}

static inline void assert_ends(struct rig *r, const char *text)
{
    if (!str_ends(buf_str(&r->got), str_c(text)))
        fail_msg("\"%s\" does not end %s", text, buf_cstr(&r->got));
}

static inline void assert_seen(struct rig *r, const char *text)
{
    assert_string_equal(buf_cstr(&r->seen), text);
}

static inline void assert_closed(struct rig *r)
{
    WAIT_FOR(r, r->closed);
}

static inline void assert_open(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        turn(r);
    receive(r);
    assert_false(r->closed);
}

/* --- the client ------------------------------------------------------------------------------ */

static inline size_t send_some(struct rig *r, struct str s)
{
    ssize_t n = s.n ? send(r->fd, s.p, s.n, MSG_NOSIGNAL) : 0;
    return n > 0 ? (size_t)n : 0;
}

static inline void send_bytes(struct rig *r, struct str s)
{
    assert_int_equal(send_some(r, s), s.n);
}

/* What fits: the server may have closed already. */
static inline void send_text(struct rig *r, const char *text)
{
    (void)send_some(r, str_c(text));
}

static inline void send_zeros(struct rig *r, size_t n)
{
    static const char zeros[4096];
    for (unsigned turns = 0; n > 0 && turns < PATIENCE; turns++) {
        n -= send_some(r, str_of(zeros, n < sizeof(zeros) ? n : sizeof(zeros)));
        turn(r);
        receive(r);
        if (r->closed)
            return;
    }
}

static inline void forget(struct rig *r)
{
    buf_reset(&r->got);
    r->closed = false;
    r->read_error = 0;
}

static inline void hang_up(struct rig *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

#endif
