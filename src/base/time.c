/* SPDX-License-Identifier: Apache-2.0
 *
 * The clocks of the system and the three ways in which we write a moment. Invariant: no locale and
 * no time zone has a say; everything is UTC in English. */
#include "base/time.h"

#include <time.h>

#define SECOND_US 1000000

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    ASSERT(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

static int64_t wall_us(void *arg)
{
    (void)arg;
    return read_us(CLOCK_REALTIME);
}

static int64_t mono_us(void *arg)
{
    (void)arg;
    return read_us(CLOCK_MONOTONIC);
}

const struct clock clock_system = {wall_us, mono_us, NULL};

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* The formats know four digits of a year: moments outside are written as the nearest one inside. */
#define FIRST_SECOND (-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_SECOND 253402300799    /* 9999-12-31T23:59:59Z */

/* The calendar date, and the microseconds since its second began. */
static struct tm split(int64_t us, int *fraction)
{
    int64_t rest = us % SECOND_US;
    if (rest < 0)
        rest += SECOND_US;
    time_t seconds = (time_t)(us / SECOND_US - (us < 0 && rest > 0));
    if (seconds < FIRST_SECOND)
        seconds = FIRST_SECOND;
    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    struct tm tm;
    ASSERT(gmtime_r(&seconds, &tm) != NULL);
    *fraction = (int)rest;
    return tm;
}

/* These are written once or more for each request: digits by hand, not by printf. Each returns the
 * place behind what it wrote. */
static char *put_number(char *to, int value, int digits)
{
    for (int i = digits; i > 0; i--, value /= 10)
        to[i - 1] = (char)('0' + value % 10);
    return to + digits;
}

static char *put_name(char *to, const char *names, int which)
{
    memcpy(to, names + (size_t)which * 3, 3);
    return to + 3;
}

static char *put_clock(char *to, const struct tm *tm)
{
    to = put_number(to, tm->tm_hour, 2);
    *to++ = ':';
    to = put_number(to, tm->tm_min, 2);
    *to++ = ':';
    return put_number(to, tm->tm_sec, 2);
}

static char *put_part(char *to, int first, int digits, char separator)
{
    to = put_number(to, first, digits);
    *to++ = separator;
    return to;
}

void time_rfc3339(int64_t us, char out[TIME_TEXT])
{
    int fraction;
    struct tm tm = split(us, &fraction);
    char *to = put_part(out, tm.tm_year + 1900, 4, '-');
    to = put_part(to, tm.tm_mon + 1, 2, '-');
    to = put_part(to, tm.tm_mday, 2, 'T');
    to = put_clock(to, &tm);
    *to++ = '.';
    to = put_number(to, fraction / 1000, 3);
    memcpy(to, "Z", 2);
}

void time_http(int64_t us, char out[TIME_TEXT])
{
    int fraction;
    struct tm tm = split(us, &fraction);
    char *to = put_name(out, days, tm.tm_wday);
    memcpy(to, ", ", 2);
    to = put_part(to + 2, tm.tm_mday, 2, ' ');
    to = put_name(to, months, tm.tm_mon);
    *to++ = ' ';
    to = put_part(to, tm.tm_year + 1900, 4, ' ');
    to = put_clock(to, &tm);
    memcpy(to, " GMT", 5);
}

void time_clf(int64_t us, char out[TIME_TEXT])
{
    int fraction;
    struct tm tm = split(us, &fraction);
    char *to = put_part(out, tm.tm_mday, 2, '/');
    to = put_name(to, months, tm.tm_mon);
    *to++ = '/';
    to = put_part(to, tm.tm_year + 1900, 4, ':');
    to = put_clock(to, &tm);
    memcpy(to, " +0000", 7);
}
