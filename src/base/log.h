/* SPDX-License-Identifier: Apache-2.0
 *
 * One structured line per event: level, room, message, key=value pairs. Where the line goes is
 * decided by the sink that main fills; before that it goes to stderr. Never pass a secret, a token
 * or a header value to it. Thread-safe. */
#ifndef ROPELINE_BASE_LOG_H
#define ROPELINE_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_sink {
    void (*line)(void *arg, enum log_level level, struct str line); /* no newline at its end */
    void *arg;
};

void log_set_sink(struct log_sink sink); /* once, before threads start */
void log_set_level(enum log_level level);
/* `room` is the name of the calling room ("http"). The text is cut at 1 KiB; control bytes are
 * replaced, so a hostile value cannot forge a line. */
void log_line(enum log_level level, const char *room, const char *fmt, ...) PRINTF(3, 4);

#define log_error(room, ...) log_line(LOG_ERROR, room, __VA_ARGS__)
#define log_warn(room, ...) log_line(LOG_WARN, room, __VA_ARGS__)
#define log_info(room, ...) log_line(LOG_INFO, room, __VA_ARGS__)
#define log_debug(room, ...) log_line(LOG_DEBUG, room, __VA_ARGS__)

#endif
