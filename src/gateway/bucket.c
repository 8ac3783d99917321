/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets, and the table that keeps them while configurations come and go: a bucket whose
 * identity and rule are unchanged goes on with the tokens it has. Invariant: no bucket ever gives
 * more than burst + rate * t tokens in any t seconds, whatever threads ask. */
#include "base/mem.h"
#include "usage_int.h"

void bucket__init(struct bucket *b, struct throttle rule)
{
    b->rule = rule;
    /* A bucket that is not refilled counts its tokens on a clock that stands still (bucket_clock).
     */
    double ticks = rule.rate > 0 ? (double)BUCKET_TICKS_PER_S / rule.rate : 1;
    b->interval = (uint64_t)ticks;
    if ((double)b->interval < ticks)
        b->interval++; /* never faster than the rate */
    b->depth = rule.burst * b->interval;
    atomic_init(&b->full_at, 0);
}

static uint64_t bucket_clock(const struct bucket *b, uint64_t now)
{
    return b->rule.rate > 0 ? now : 0;
}

bool bucket__take(struct bucket *b, uint64_t now, uint64_t *taken)
{
    uint64_t full_at = atomic_load_explicit(&b->full_at, memory_order_relaxed);
    now = bucket_clock(b, now);
    do {
        uint64_t from = full_at > now ? full_at : now;
        *taken = from + b->interval;
        if (*taken - now > b->depth)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->full_at, &full_at, *taken,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void bucket__give_back(struct bucket *b, uint64_t now, uint64_t taken)
{
    /* Before `taken` no bucket was full since the take, so the token is still missing. After it the
     * bucket may have been full and begun anew: a token more would be one too many. */
    if (bucket_clock(b, now) <= taken)
        atomic_fetch_sub_explicit(&b->full_at, b->interval, memory_order_relaxed);
}

uint64_t bucket__wait(const struct bucket *b, uint64_t now)
{
    uint64_t full_at = atomic_load_explicit(&b->full_at, memory_order_relaxed);
    now = bucket_clock(b, now);
    uint64_t after = (full_at > now ? full_at - now : 0) + b->interval;
    if (after <= b->depth)
        return 0;
    return b->rule.rate > 0 && b->depth > 0 ? after - b->depth : UINT64_MAX;
}

/* --- the table -------------------------------------------------------------------------------- */
uint64_t usage__now(const struct usage *u)
{
    return (uint64_t)(clock_mono_us(u->clock) - u->started_us) * BUCKET_TICKS_PER_US;
}

static bool same_rule(struct throttle a, struct throttle b)
{
    return !(a.rate < b.rate) && !(a.rate > b.rate) && a.burst == b.burst;
}

static struct bucket *make_bucket(struct str identity, struct throttle rule)
{
    struct bucket *b = mem_alloc(sizeof *b + identity.n);
    if (b == NULL)
        return NULL;
    bucket__init(b, rule);
    if (identity.n > 0)
        memcpy(b->identity_at, identity.p, identity.n);
    b->identity = str_of(b->identity_at, identity.n);
    return b;
}

enum err usage__bucket(struct usage *u, struct str identity, struct throttle rule,
                       struct bucket **out)
{
    struct bucket *b = map_get(&u->buckets, identity);
    *out = NULL;
    if (b == NULL) {
        b = make_bucket(identity, rule);
        if (b == NULL)
            return ERR_NOMEM;
        if (map_put(&u->buckets, b->identity, b, NULL) != ERR_OK) {
            mem_free(b);
            return ERR_NOMEM;
        }
    }
    ASSERT(same_rule(b->rule, rule)); /* the rule is part of the identity */
    b->holders++;
    *out = b;
    return ERR_OK;
}

void usage__drop(struct usage *u, struct bucket *b)
{
    if (b == NULL)
        return;
    ASSERT(b->holders > 0);
    if (--b->holders > 0)
        return;
    map_del(&u->buckets, b->identity);
    mem_free(b);
}

size_t usage__bucket_count(const struct usage *u)
{
    return u->buckets.count;
}
