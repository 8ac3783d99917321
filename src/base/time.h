/* SPDX-License-Identifier: Apache-2.0
 *
 * Time comes in through struct clock so that tests can move it. Formats for people and protocols.
 */
#ifndef ROPELINE_BASE_TIME_H
#define ROPELINE_BASE_TIME_H

#include <stdint.h>

#include "base/buf.h"

struct clock {
    int64_t (*wall_us)(void *arg); /* microseconds since the epoch */
    int64_t (*mono_us)(void *arg); /* microseconds, never goes back */
    void *arg;
};
extern const struct clock clock_system;
static inline int64_t clock_wall_us(const struct clock *c)
{
    return c->wall_us(c->arg);
}
static inline int64_t clock_mono_us(const struct clock *c)
{
    return c->mono_us(c->arg);
}

#define TIME_TEXT 40 /* enough for each format below, NUL included */
/* 2026-11-22T07:00:00.123Z (RFC 3339) */
void time_rfc3339(int64_t wall_us, char out[TIME_TEXT]);
/* Sun, 22 Nov 2026 07:00:00 GMT (RFC 9110 5.6.7) */
void time_http(int64_t wall_us, char out[TIME_TEXT]);
/* 22/Nov/2026:07:00:00 +0000 (common log format, $context.requestTime) */
void time_clf(int64_t wall_us, char out[TIME_TEXT]);

#endif
