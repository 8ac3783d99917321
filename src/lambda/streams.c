/* SPDX-License-Identifier: Apache-2.0
 *
 * The three pipes that a function writes its log into. They are read when they have something, and
 * once more before an invocation is closed, so that its lines stand between its START and END. One
 * environment that never stops writing gets one read a turn, like everybody. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "environment_int.h"

#define DRAIN_READS 16 /* 1 MiB: more than any pipe holds */
#define FLOOD_PAUSE_MS 16
#define FLOOD_PIPE_BYTES (1 << 20)
#define CLOCK_TRUST_US (60000000L) /* a frame's own time is believed when it is about now */

static void on_line(void *arg, struct str line)
{
    struct environment *env = arg;
    lambda__log_application(env, 0, loop_wall_us(env->function->lambda->o.control), line);
}

static void on_frame(void *arg, const struct lambda__frame *f)
{
    struct environment *env = arg;
    int64_t now = loop_wall_us(env->function->lambda->o.control), us = f->wall_us;
    if (us > now + CLOCK_TRUST_US || us < now - CLOCK_TRUST_US)
        us = now;
    lambda__log_application(env, f->level, us, f->text);
}

static void feed(struct log_source *s, struct str in)
{
    struct environment *env = s->env;
    if (s == &env->sources[SOURCE_FRAMES] && !s->frames.broken) {
        size_t used = lambda__frames_feed(&s->frames, in, on_frame, env);
        if (!s->frames.broken)
            return;
        log_warn("lambda", "%.*s: what it wrote to descriptor 4 is not a log frame",
                 STR_ARG(env->function->spec.name));
        lambda__lines_feed(&s->lines, str_of(s->frames.head, FRAME_HEAD), on_line, env);
        in = str_from(in, used);
    }
    lambda__lines_feed(&s->lines, in, on_line, env);
}

/* The descriptor stays open until libuv has let go of it: its number could be another's by then. */
static void source_over(struct log_source *s)
{
    uv_poll_stop(&s->poll);
    timer_stop(&s->pause);
    s->over = true;
}

/* True: there may be more. */
static bool read_once(struct log_source *s)
{
    char *bytes = s->env->function->lambda->log_bytes;
    ssize_t n = read(s->fd, bytes, LOG_READ_BYTES);
    if (n > 0)
        feed(s, str_of(bytes, (size_t)n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        source_over(s);
    return n == LOG_READ_BYTES;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void read_again(struct timer *t)
{
    struct log_source *s = CONTAINER_OF(t, struct log_source, pause);
    if (!s->over && uv_poll_start(&s->poll, UV_READABLE, on_poll) != 0)
        source_over(s);
}

/* Who writes without end is read now and then, much at a time: to drop it all at once would keep us
 * busy, and to drop it slowly would hold the function up. */
static void read_flood(struct log_source *s)
{
    if (!s->wide)
        (void)!fcntl(s->fd, F_SETPIPE_SZ, FLOOD_PIPE_BYTES); /* where the kernel has that much */
    s->wide = true;
    for (int reads = 1; !s->over && reads < DRAIN_READS && read_once(s);)
        reads++;
    if (s->over)
        return;
    uv_poll_stop(&s->poll);
    timer_start(s->env->function->lambda->o.control, &s->pause, FLOOD_PAUSE_MS, read_again);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct log_source *s = CONTAINER_OF(poll, struct log_source, poll);
    (void)events;
    if (status < 0) {
        source_over(s);
        return;
    }
    read_once(s);
    if (!s->over && lambda__log_floods(s->env))
        read_flood(s);
}

enum err lambda__source_open(struct environment *env, enum source_kind kind, int fd)
{
    struct log_source *s = &env->sources[kind];
    uv_loop_t *uv = loop_uv(env->function->lambda->o.control);
    lambda__frames_init(&s->frames);
    lambda__lines_init(&s->lines);
    s->env = env;
    if (uv_poll_init(uv, &s->poll, fd) != 0) /* it makes the descriptor non-blocking, too */
        return ERR_IO;
    int rc = uv_poll_start(&s->poll, UV_READABLE, on_poll);
    ASSERT(rc == 0);
    s->fd = fd;
    env->polls++;
    return ERR_OK;
}

void lambda__sources_drain(struct environment *env, bool end)
{
    for (size_t i = 0; i < SOURCES; i++) {
        struct log_source *s = &env->sources[i];
        if (s->fd < 0)
            continue;
        for (int reads = 0; !s->over && reads < DRAIN_READS && read_once(s);)
            reads++;
        if (end)
            lambda__lines_flush(&s->lines, on_line, env);
    }
}

static void on_closed(uv_handle_t *poll)
{
    struct log_source *s = CONTAINER_OF((uv_poll_t *)poll, struct log_source, poll);
    struct environment *env = s->env;
    lambda__frames_fini(&s->frames);
    lambda__lines_fini(&s->lines);
    close(s->fd);
    env->polls--;
    lambda__env_maybe_free(env);
}

void lambda__sources_close(struct environment *env)
{
    for (size_t i = 0; i < SOURCES; i++) {
        struct log_source *s = &env->sources[i];
        if (s->fd < 0 || uv_is_closing((uv_handle_t *)&s->poll))
            continue;
        lambda__frames_flush(&s->frames, on_frame, env);
        s->over = true;
        timer_stop(&s->pause);
        uv_close((uv_handle_t *)&s->poll, on_closed);
    }
}
