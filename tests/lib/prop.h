/* SPDX-License-Identifier: Apache-2.0
 *
 * Property tests: a property draws what it needs with prop_below() and says whether it held. Every
 * draw is one number in a list, so a failure can be made small without knowing what was drawn: drop
 * runs of numbers, lower numbers, and keep what still fails. Then the smallest failure is run once
 * more with `show` on, so that prop_note() prints the example, and the seed is printed:
 * PROP_SEED=n repeats a run, PROP_RUNS=n sets how many.
 *     static bool sorting_keeps_the_length(struct prop *g) { ... }
 *     assert_true(prop_holds("sorting keeps the length", sorting_keeps_the_length, 1000));
 */
#ifndef ROPELINE_TESTS_LIB_PROP_H
#define ROPELINE_TESTS_LIB_PROP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PROP_DRAWS 4096
#define PROP_SHRINKS 20000 /* tries, at most */

struct prop {
    uint64_t state; /* of the generator, while not replaying */
    bool replay, show;
    size_t n, at; /* draws recorded; next one to replay */
    uint32_t draw[PROP_DRAWS];
};
typedef bool prop_fn(struct prop *g);

/* SplitMix64: any seed will do. */
static inline uint64_t prop_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n-1; the simplest case should be 0, because shrinking goes there. */
static inline uint32_t prop_below(struct prop *g, uint32_t n)
{
    uint32_t value = 0;
    if (g->replay)
        value = g->at < g->n ? g->draw[g->at] % n : 0;
    else if (g->n < PROP_DRAWS)
        value = g->draw[g->n++] = (uint32_t)(prop_random(&g->state) >> 32) % n;
    g->at++;
    return value;
}

static inline bool prop_chance(struct prop *g, uint32_t one_in)
{
    return prop_below(g, one_in) == one_in - 1;
}

/* Up to `max` characters of `alphabet` and a NUL; returns how many. */
static inline size_t prop_text(struct prop *g, const char *alphabet, size_t max, char *out)
{
    size_t n = prop_below(g, (uint32_t)max + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[prop_below(g, (uint32_t)strlen(alphabet))];
    out[n] = '\0';
    return n;
}

/* Describes the example; silent but for the last run of a failure. */
__attribute__((format(printf, 2, 3))) static inline void prop_note(struct prop *g, const char *fmt,
                                                                   ...)
{
    va_list ap;
    if (!g->show)
        return;
    va_start(ap, fmt);
    fputs("#   ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static inline bool prop__fails(struct prop *g, prop_fn *fn)
{
    g->replay = true;
    g->at = 0;
    return !fn(g);
}

/* `next` takes the place of `g` when it still fails. */
static inline bool prop__keep(struct prop *g, struct prop *next, prop_fn *fn)
{
    bool fails = prop__fails(next, fn);
    if (fails)
        *g = *next;
    return fails;
}

static inline void prop__shrink(struct prop *g, prop_fn *fn)
{
    static struct prop next;
    size_t tries = 0;
    bool smaller = true;
    while (smaller && tries < PROP_SHRINKS) {
        smaller = false;
        for (size_t run = 64; run > 0; run /= 2)
            for (size_t i = 0; i + run <= g->n && tries < PROP_SHRINKS; tries++) {
                next = *g;
                memmove(next.draw + i, next.draw + i + run, (g->n - i - run) * sizeof *next.draw);
                next.n -= run;
                if (prop__keep(g, &next, fn))
                    smaller = true;
                else
                    i++;
            }
        for (size_t i = 0; i < g->n && tries < PROP_SHRINKS; i++)
            for (uint32_t by = g->draw[i]; by > 0 && tries < PROP_SHRINKS; by /= 2, tries++) {
                next = *g;
                next.draw[i] = by < g->draw[i] ? g->draw[i] - by : 0;
                smaller |= g->draw[i] > 0 && prop__keep(g, &next, fn);
            }
    }
}

static inline bool prop_holds(const char *name, prop_fn *fn, size_t runs)
{
    static struct prop g;
    const char *env = getenv("PROP_SEED");
    uint64_t seed = 0;
    if (env)
        seed = strtoull(env, NULL, 10);
    else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = 1;
    env = getenv("PROP_RUNS");
    runs = env ? strtoull(env, NULL, 10) : runs;
    for (size_t i = 0; i < runs; i++) {
        g = (struct prop){.state = seed + i};
        if (fn(&g))
            continue;
        prop__shrink(&g, fn);
        fprintf(stderr, "# property \"%s\" failed: PROP_SEED=%llu PROP_RUNS=1; smallest example:\n",
                name, (unsigned long long)(seed + i));
        g.show = true;
        (void)prop__fails(&g, fn);
        return false;
    }
    return true;
}

#endif
