/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function writes becomes log events here: frames from descriptor 4, lines from stdout and
 * stderr. The writer is not trusted: at most LIMIT_LOG_LINE bytes are held whatever length it
 * announces, and once it writes something else than a frame nothing is read as a frame again. */
#include "base/limits.h"
#include "lambda_text.h"

#define TYPE_MASK 0xffffffe3u /* the bits of the level are free */
#define TYPE_JSON 0xa55a0002u
#define TYPE_TEXT 0xa55a0003u
#define LEVEL_MASK 0x1cu

static uint64_t big_endian(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

void lambda__frames_init(struct lambda__frames *d)
{
    *d = (struct lambda__frames){.text = BUF_INIT(LIMIT_LOG_LINE)};
}

void lambda__frames_fini(struct lambda__frames *d)
{
    buf_fini(&d->text);
}

static bool head_is_frame(const unsigned char head[FRAME_HEAD])
{
    uint32_t type = (uint32_t)big_endian(head, 4) & TYPE_MASK;
    return type == TYPE_JSON || type == TYPE_TEXT;
}

/* The frame is complete: `text` is all that was kept of it. */
static void emit(struct lambda__frames *d, struct str text, lambda__frame_fn event, void *arg)
{
    uint32_t type = (uint32_t)big_endian(d->head, 4);
    uint64_t us = big_endian(d->head + 8, 8);
    struct lambda__frame f = {
        .json = (type & TYPE_MASK) == TYPE_JSON,
        .level = type & LEVEL_MASK,
        .wall_us = us > INT64_MAX ? INT64_MAX : (int64_t)us,
        .text = str_sub(text, 0, LIMIT_LOG_LINE),
    };
    event(arg, &f);
    d->have = 0;
    d->left = 0;
    buf_reset(&d->text);
}

static void keep(struct lambda__frames *d, struct str s)
{
    buf_add(&d->text, str_sub(s, 0, LIMIT_LOG_LINE - d->text.n));
}

size_t lambda__frames_feed(struct lambda__frames *d, struct str in, lambda__frame_fn event,
                           void *arg)
{
    size_t at = 0;
    while (at < in.n && !d->broken) {
        if (d->have < FRAME_HEAD) {
            size_t n = str_sub(in, at, FRAME_HEAD - d->have).n;
            memcpy(d->head + d->have, in.p + at, n);
            d->have += n;
            at += n;
            if (d->have < FRAME_HEAD)
                break;
            if (!head_is_frame(d->head)) {
                d->broken = true;
                return at;
            }
            d->left = big_endian(d->head + 4, 4);
        }
        struct str piece = str_sub(in, at, d->left);
        at += piece.n;
        d->left -= piece.n;
        if (d->left > 0)
            keep(d, piece);
        else if (d->text.n == 0 && d->text.err == ERR_OK)
            emit(d, piece, event, arg); /* the usual case: in one piece, nothing is copied */
        else {
            keep(d, piece);
            emit(d, buf_str(&d->text), event, arg);
        }
    }
    return at;
}

void lambda__frames_flush(struct lambda__frames *d, lambda__frame_fn event, void *arg)
{
    if (d->have == FRAME_HEAD && !d->broken)
        emit(d, buf_str(&d->text), event, arg);
}

void lambda__lines_init(struct lambda__lines *l)
{
    l->part = BUF_INIT(LIMIT_LOG_LINE);
}

void lambda__lines_fini(struct lambda__lines *l)
{
    buf_fini(&l->part);
}

static void emit_line(struct lambda__lines *l, struct str s, lambda__line_fn line, void *arg)
{
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    line(arg, s);
    buf_reset(&l->part);
}

void lambda__lines_feed(struct lambda__lines *l, struct str in, lambda__line_fn line, void *arg)
{
    while (in.n > 0) {
        size_t end = str_chr(in, '\n', 0), room = LIMIT_LOG_LINE - l->part.n;
        bool whole = end <= room; /* SIZE_MAX, no end, never is */
        struct str piece = str_sub(in, 0, whole ? end : room);
        in = str_from(in, whole ? end + 1 : piece.n);
        if (l->part.n == 0 && whole) {
            emit_line(l, piece, line, arg);
            continue;
        }
        buf_add(&l->part, piece);
        if (whole || l->part.n >= LIMIT_LOG_LINE || l->part.err != ERR_OK)
            emit_line(l, buf_str(&l->part), line, arg);
    }
}

void lambda__lines_flush(struct lambda__lines *l, lambda__line_fn line, void *arg)
{
    if (l->part.n > 0)
        emit_line(l, buf_str(&l->part), line, arg);
}
