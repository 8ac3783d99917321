/* SPDX-License-Identifier: Apache-2.0
 *
 * One event, one line: "warn http: text key=value". Invariant: the line holds no control byte, so a
 * value that a stranger chose can neither end it nor colour the terminal. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base_int.h"

#define TEXT_BYTES 1024
#define HEAD_BYTES 64

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static void to_stderr(void *arg, enum log_level level, struct str line)
{
    (void)arg;
    (void)level;
    fprintf(stderr, "%.*s\n", STR_ARG(line));
}

static struct log_sink sink = {to_stderr, NULL};
static atomic_int most = LOG_INFO;

void log_set_sink(struct log_sink s)
{
    sink = s.line ? s : (struct log_sink){to_stderr, NULL};
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&most, (int)level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    char line[HEAD_BYTES + TEXT_BYTES + 1];
    if ((int)level > atomic_load_explicit(&most, memory_order_relaxed))
        return;
    int head = snprintf(line, HEAD_BYTES, "%s %s: ", level_names[level], room);
    size_t at = head < 0 ? 0 : head < HEAD_BYTES ? (size_t)head : HEAD_BYTES - 1;
    va_list args;
    va_start(args, fmt);
    int text = vsnprintf(line + at, TEXT_BYTES + 1, fmt, args);
    va_end(args);
    if (text > 0)
        at += text < TEXT_BYTES ? (size_t)text : TEXT_BYTES;
    sink.line(sink.arg, level, str_of(line, str__printable(line, at)));
}
