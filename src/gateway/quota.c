/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting against a quota: one compare-and-swap, exact for any number of threads. Invariants: a
 * count never passes the rule's limit nor what the database has reserved; a period never goes back,
 * whatever the clock does. */
#include "usage_int.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)

static uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

enum quota_answer quota__take(struct quota *q, const struct quota_rule *rule, uint64_t period_now,
                              uint64_t *out)
{
    uint64_t used = atomic_load_explicit(&q->used, memory_order_relaxed), next;
    do {
        uint64_t stored = atomic_load_explicit(&q->stored, memory_order_relaxed);
        uint64_t period = max_of(period_now, max_of(QUOTA_PERIOD(used), QUOTA_PERIOD(stored)));
        uint64_t n = QUOTA_PERIOD(used) == period ? QUOTA_COUNT(used) : 0;
        if (used == 0 && stored == 0 && rule->offset > 0) { /* its first period */
            atomic_compare_exchange_strong(&q->used, &used, QUOTA_OF(period, rule->offset));
            used = atomic_load(&q->used);
            n = QUOTA_COUNT(used);
            period = QUOTA_PERIOD(used);
        }
        next = QUOTA_OF(period, n + 1);
        if (n >= rule->limit) {
            *out = period;
            return QUOTA_USED_UP;
        }
        if (next > stored) { /* also when `stored` is of an earlier period */
            *out = QUOTA_OF(period, n);
            return QUOTA_WAIT;
        }
    } while (!atomic_compare_exchange_weak_explicit(&q->used, &used, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    *out = QUOTA_COUNT(next);
    return QUOTA_TAKEN;
}

/* --- periods ---------------------------------------------------------------------------------- */
/* Days since 1970-01-01 of the first of a month, counted in months since January of year 0, by the
 * Gregorian calendar. A year is taken to begin in March, so that its odd day is the last. */
static int64_t first_of_month(int64_t months)
{
    int64_t y = months / 12, m = months % 12; /* m: 0 = January */
    y -= m < 2;
    int64_t from_march = (m + 10) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 - 719468;
}

static int64_t month_of(int64_t days)
{
    /* A month has 30.436875 days on average: the guess is at most one too high or low. */
    int64_t months = 1970 * 12 + days * 10000 / 304369;
    while (first_of_month(months + 1) <= days)
        months++;
    while (first_of_month(months) > days)
        months--;
    return months;
}

/* 1970-01-01 was a Thursday; weeks begin on Monday. */
uint64_t quota__period(enum quota_period p, int64_t wall_us)
{
    int64_t days = wall_us > 0 ? wall_us / US_PER_DAY : 0;
    if (p == QUOTA_MONTH)
        return (uint64_t)month_of(days);
    return (uint64_t)(p == QUOTA_WEEK ? (days + 3) / 7 : days);
}

int64_t quota__period_begins_us(enum quota_period p, uint64_t period)
{
    int64_t n = (int64_t)period;
    int64_t days = p == QUOTA_MONTH ? first_of_month(n) : p == QUOTA_WEEK ? 7 * n - 3 : n;
    return days * US_PER_DAY;
}

const char *quota__period_name(enum quota_period p)
{
    static const char *const names[] = {"DAY", "WEEK", "MONTH"};
    return names[p];
}
