/* SPDX-License-Identifier: Apache-2.0
 *
 * What all versions of a function share: reserved concurrency, and its part of the environments
 * that the machine may have. Every environment that is not DEAD is counted exactly once, by
 * lambda__count, as it comes to a state and as it leaves it. */
#include "base/mem.h"
#include "environment_int.h"

struct family *lambda__family(struct lambda *l, struct str name)
{
    struct family *y = map_get(&l->census.families, name);
    if (y)
        return y;
    ASSERT(name.n < sizeof y->name);
    y = mem_alloc(sizeof *y);
    if (!y)
        return NULL;
    y->reserved = -1;
    memcpy(y->name, name.p, name.n);
    if (map_put(&l->census.families, str_of(y->name, name.n), y, NULL) != ERR_OK) {
        mem_free(y);
        return NULL;
    }
    return y;
}

static void add(size_t *n, int by)
{
    ASSERT(by > 0 || *n > 0);
    *n += (size_t)by;
}

void lambda__count(const struct environment *env, int by)
{
    struct function *f = env->function;
    if (env->state == ENV_DEAD || env->state == ENV_TEMPLATE) /* which never runs a call */
        return;
    add(&f->lambda->census.alive, by);
    if (env->provisioned) {
        add(&f->provision.held, by);
        if (env->state == ENV_INIT)
            add(&f->provision.starting, by);
        return;
    }
    add(&f->family->alive, by);
    if (env->state == ENV_IDLE) {
        add(&f->idle, by);
        add(&f->family->idle, by);
        add(&f->lambda->census.idle, by);
    }
}

/* --- room for one more ------------------------------------------------------------------------ */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is left of `most` when `used` are in use, of which `free` idle ones could be ended. */
static size_t left(size_t most, size_t used, size_t free)
{
    return most > used - free ? most - (used - free) : 0;
}

/* Of the reservation, what provisioned environments do not take. */
static size_t reserved_on_demand(const struct family *y)
{
    size_t most = (size_t)y->reserved;
    return most > y->provisioned ? most - y->provisioned : 0;
}

static size_t on_demand(const struct function *f)
{
    size_t alive = f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n;
    return alive - f->provision.held;
}

/* What was provisioned and is not there yet has its room all the same, unless it cannot be had. */
static size_t total_on_demand(const struct lambda *l)
{
    size_t missing = 0;
    for (const struct function *f = l->functions; f; f = f->next)
        if (!f->retired && !lambda__provision_fails(f))
            missing += left(f->provision.wanted, f->provision.held, 0);
    return left(l->o.environments_total, missing, 0);
}

size_t lambda__startable(const struct function *f)
{
    const struct lambda *l = f->lambda;
    const struct family *y = f->family;
    size_t n = left(l->o.environments_max, on_demand(f), 0);
    if (y->reserved >= 0)
        n = least(n, left(reserved_on_demand(y), y->alive, y->idle - f->idle));
    return least(n, left(total_on_demand(l), l->census.alive, l->census.idle - f->idle));
}

/* Ends the one that has been idle for the longest, of `y` or of all; never of `f`, which asks for
 * one on demand. */
static bool evict(struct lambda *l, const struct family *y, const struct function *f)
{
    struct environment *oldest = NULL;
    for (struct function *g = l->functions; g; g = g->next) {
        struct environment *env = g->envs[ENV_IDLE].last;
        while (env && env->provisioned)
            env = env->prev;
        if (env && g != f && (!y || g->family == y) && (!oldest || env->idle_ms < oldest->idle_ms))
            oldest = env;
    }
    if (oldest)
        lambda__env_kill(oldest);
    return oldest != NULL;
}

bool lambda__make_room(struct function *f)
{
    struct lambda *l = f->lambda;
    struct family *y = f->family;
    if (lambda__startable(f) == 0)
        return false;
    if (y->reserved >= 0 && y->alive >= reserved_on_demand(y) && !evict(l, y, f))
        return false;
    return l->census.alive < total_on_demand(l) || evict(l, NULL, f);
}

bool lambda__make_room_provisioned(struct lambda *l)
{
    return l->census.alive < l->o.environments_total || evict(l, NULL, NULL);
}

/* One that has answered and not yet asked for more counts as free: its caller may be back first. */
bool lambda__is_reserved_away(const struct function *f)
{
    const struct family *y = f->family;
    size_t held = f->provision.held - f->provision.starting;
    return y->reserved >= 0 && y->running + y->queued >= reserved_on_demand(y) &&
           (y->reserved == 0 || held <= f->provision.running + f->queued);
}

/* --- what became free ------------------------------------------------------------------------- */

static void serve(struct post *p)
{
    struct lambda *l = CONTAINER_OF(p, struct lambda, census.serve);
    l->census.serving = false;
    for (struct function *f = l->functions, *next; f; f = next) {
        next = f->next;
        if (f->queue)
            lambda__queue_serve(f);
    }
    lambda__maybe_closed(l);
}

void lambda__serve_all(struct lambda *l)
{
    if (l->census.serving || l->census.queued == 0)
        return;
    l->census.serving = true;
    l->census.serve.fn = serve;
    run_post(l->o.control, &l->census.serve);
}
