/* SPDX-License-Identifier: Apache-2.0
 *
 * Provisioned concurrency: as many environments of a version as were asked for are kept ready. One
 * that ends is replaced at once; one that cannot be had is tried again after a pause that grows. */
#include "base/log.h"
#include "environment_int.h"

#define AT_ONCE 4         /* of one version that start side by side */
#define PROVEN_US 1000000 /* who lived so long did not fail to start */
#define PAUSE_MIN_MS 1000 /* after a failure, doubling up to: */
#define PAUSE_MAX_MS 60000
#define FAILURES_MAX 16
#define INIT_FAILED "FUNCTION_ERROR_INIT_FAILURE"
#define NO_ROOM "INSUFFICIENT_CAPACITY"

static void serve(struct timer *t);

/* Before anything else those that serve nobody. */
static struct environment *dispensable(const struct function *f)
{
    static const enum env_state order[] = {ENV_INIT, ENV_IDLE};
    for (size_t i = 0; i < COUNTOF(order); i++)
        for (struct environment *env = f->envs[order[i]].last; env; env = env->prev)
            if (env->provisioned)
                return env;
    return NULL;
}

static void pause_for_failure(struct function *f)
{
    int64_t ms = PAUSE_MIN_MS;
    f->provision.failed = INIT_FAILED;
    if (f->provision.failures < FAILURES_MAX)
        f->provision.failures++;
    for (unsigned i = 1; i < f->provision.failures && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    timer_start(f->lambda->o.control, &f->provision.timer, ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS,
                serve);
}

static void serve_now(struct function *f)
{
    struct lambda *l = f->lambda;
    while (f->provision.held > f->provision.wanted) {
        struct environment *env = dispensable(f);
        if (!env)
            break; /* those that are busy go when they are idle */
        lambda__env_kill(env);
    }
    while (f->provision.held < f->provision.wanted && f->provision.starting < AT_ONCE) {
        if (!lambda__make_room_provisioned(l)) {
            f->provision.failed = NO_ROOM;
            timer_start(l->o.control, &f->provision.timer, PAUSE_MIN_MS, serve);
            return;
        }
        if (lambda__env_start_provisioned(f) != ERR_OK) {
            pause_for_failure(f);
            return;
        }
        if (f->provision.failures == 0)
            f->provision.failed = NULL;
    }
}

static void serve(struct timer *t)
{
    struct function *f = CONTAINER_OF(t, struct function, provision.timer);
    if (!f->lambda->closing && !f->retired)
        serve_now(f);
}

void lambda__provision(struct function *f, unsigned wanted)
{
    if (wanted == f->provision.wanted)
        return;
    f->family->provisioned = f->family->provisioned - f->provision.wanted + wanted;
    f->provision.wanted = wanted;
    f->provision.failures = 0;
    f->provision.failed = NULL;
    timer_stop(&f->provision.timer);
    if (!f->lambda->closing && !f->retired)
        serve_now(f);
    lambda__serve_all(f->lambda);
}

void lambda__provision_gone(struct environment *env)
{
    struct function *f = env->function;
    if (f->lambda->closing || f->retired || f->provision.held >= f->provision.wanted ||
        f->provision.timer.loop)
        return;
    if (!env->used && (!env->ready || lambda__now_us(f->lambda) - env->began_us < PROVEN_US)) {
        pause_for_failure(f);
        return;
    }
    f->provision.failures = 0;
    f->provision.failed = NULL;
    timer_start(f->lambda->o.control, &f->provision.timer, 0, serve);
}

size_t lambda__provision_ready(const struct function *f)
{
    return f->provision.held - f->provision.starting;
}

bool lambda__provision_fails(const struct function *f)
{
    return f->provision.failures > 0;
}

/* In the words of GetProvisionedConcurrencyConfig. */
const char *lambda__provision_status(const struct function *f)
{
    if (lambda__provision_ready(f) >= f->provision.wanted)
        return "READY";
    return f->provision.failed ? "FAILED" : "IN_PROGRESS";
}
