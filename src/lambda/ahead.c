/* SPDX-License-Identifier: Apache-2.0
 *
 * Getting ready what will be needed: one thing at a time, and nothing while an environment that
 * somebody waits for is starting, because that needs the processor more. */
#include "environment_int.h"

#define SOON_MS 100 /* after what gave the reason, so that it comes first */
#define DIED_YOUNG_MAX 3

/* Somebody may be waiting for one of them. */
static bool is_starting(const struct lambda *l)
{
    for (const struct function *f = l->functions; f; f = f->next) {
        if (f->envs[ENV_INIT].n > 0)
            return true;
        for (const struct environment *env = f->envs[ENV_BUSY].first; env; env = env->next)
            if (!env->ready)
                return true;
    }
    return false;
}

static bool want_worker(struct lambda *l)
{
    if (l->ahead.worker_count >= l->o.warm_workers || l->ahead.died_young >= DIED_YOUNG_MAX)
        return false;
    for (struct function *f = l->functions; f; f = f->next)
        if (!f->retired && lambda__worker_fits(f) && !lambda__worker_has(l, f)) {
            lambda__worker_start(l, f);
            return true;
        }
    return false;
}

static bool want_cache(struct lambda *l)
{
    /* Only workers read them, which there are none of in strict. */
    if (!l->o.code_cache || l->ahead.maker || l->o.isolation == CHILD_STRICT)
        return false;
    for (struct function *f = l->functions; f; f = f->next)
        if (!f->retired && f->ahead.cache == CACHE_NONE && !f->to[0] &&
            lambda__runtime_plays(&f->runtime, RUNTIME_CACHE)) {
            lambda__cache_start(f);
            return true;
        }
    return false;
}

/* Whether its next invocation will wait for an environment to start, which a worker could be. */
static bool starts_next(const struct function *f)
{
    return !f->retired && f->environments == 0 && lambda__worker_fits(f);
}

/* Which of those whose code cache can be read beforehand is likely to be invoked next: the one that
 * was invoked most lately, else the first that was deployed. `others`: how many more have none. */
static struct function *likeliest(const struct lambda *l, size_t *others)
{
    struct function *found = NULL;
    *others = 0;
    for (struct function *f = l->functions; f; f = f->next) { /* newest first */
        if (!starts_next(f) || lambda__worker_settled(f))
            continue;
        ++*others;
        if (lambda__cache_name(f).n > 0 && !f->ahead.unsettled &&
            (!found || f->ahead.rate >= found->ahead.rate))
            found = f;
    }
    *others -= found != NULL;
    return found;
}

/* One stays for whoever else comes. Not before every code cache that can be is made: the first that
 * is ready need not be the likeliest. */
static bool want_settled(struct lambda *l)
{
    size_t others;
    if (l->ahead.maker)
        return false; /* its end looks again */
    struct function *f = likeliest(l, &others);
    size_t at_most = l->o.warm_workers - (others > 0 && l->o.warm_workers > 0);
    return f && lambda__workers_settled(l) < at_most && lambda__worker_settle(f);
}

void lambda__worker_lost(struct lambda *l, const char *digest)
{
    for (struct function *f = l->functions; f; f = f->next)
        if (strcmp(f->digest, digest) == 0)
            f->ahead.unsettled = true;
}

static void get_ready(struct timer *t)
{
    struct lambda *l = CONTAINER_OF(t, struct lambda, ahead.timer);
    if (is_starting(l) || want_worker(l) || want_cache(l) || want_settled(l))
        lambda__ahead_soon(l);
}

void lambda__ahead_soon(struct lambda *l)
{
    if (!l->closing && !l->ahead.timer.loop)
        timer_start(l->o.control, &l->ahead.timer, SOON_MS, get_ready);
}

void lambda__ahead_close(struct lambda *l)
{
    timer_stop(&l->ahead.timer);
    timer_stop(&l->ahead.forecast);
    lambda__workers_end(l);
    lambda__cache_end(l);
}

bool lambda__ahead_closed(const struct lambda *l)
{
    return l->ahead.worker_count == 0 && !l->ahead.maker;
}
