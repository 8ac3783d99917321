/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes on the log descriptor: cut into pieces of the size that the first byte says, or whole,
 * they must give the same events, none longer than LIMIT_LOG_LINE. The same for lines. */
#include "base/limits.h"
#include "base/map.h"
#include "lambda/lambda_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    size_t events;
    uint64_t hash;
};

static void add_line(void *arg, struct str line)
{
    struct sum *s = arg;
    ASSERT(line.n <= LIMIT_LOG_LINE);
    s->events++;
    s->hash = s->hash * 31 + map_hash(line);
}

static void add_frame(void *arg, const struct lambda__frame *f)
{
    ASSERT(f->wall_us >= 0 && (f->level & ~0x1cu) == 0);
    add_line(arg, f->text);
}

static struct sum frames(struct str in, size_t step, size_t *used)
{
    struct sum s = {0};
    struct lambda__frames d;
    lambda__frames_init(&d);
    for (*used = 0; *used < in.n && !d.broken;)
        *used += lambda__frames_feed(&d, str_sub(in, *used, step), add_frame, &s);
    lambda__frames_flush(&d, add_frame, &s);
    lambda__frames_fini(&d);
    return s;
}

static struct sum lines(struct str in, size_t step)
{
    struct sum s = {0};
    struct lambda__lines l;
    lambda__lines_init(&l);
    for (size_t at = 0; at < in.n; at += step)
        lambda__lines_feed(&l, str_sub(in, at, step), add_line, &s);
    lambda__lines_flush(&l, add_line, &s);
    lambda__lines_fini(&l);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = data[0] + 1u, used, used_whole;
    struct str in = str_of(data + 1, size - 1);
    struct sum cut = frames(in, step, &used), whole = frames(in, SIZE_MAX, &used_whole);
    ASSERT(used == used_whole && cut.events == whole.events && cut.hash == whole.hash);
    cut = lines(in, step);
    whole = lines(in, in.n + 1);
    ASSERT(cut.events == whole.events && cut.hash == whole.hash);
    return 0;
}
