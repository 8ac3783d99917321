/* SPDX-License-Identifier: Apache-2.0
 *
 * Environments that the arrivals foretell. By Little's law, calls that come at a rate and keep an
 * environment for a time need rate x time of them at once; what is missing of that, and of what
 * chance and growth will add, is started before anybody waits for it. A forecast only ever starts
 * what concurrency allows, and ends nothing. */
#include "environment_int.h"

#define EVERY_MS 500
#define SMOOTHING 0.5   /* what the latest half second counts against all before */
#define RATE_OVER 0.01  /* calls a second: below that there is nothing to foretell */
#define START_AT_ONCE 2 /* so that a wrong forecast costs little */

/* Whether `there` environments are fewer than `needed` ones and their spread: as many come by
 * chance as the square root of what is needed. */
static bool is_short(double there, double needed)
{
    double over = there + 1 - needed;
    return over <= 0 || over * over <= needed;
}

static void forecast_one(struct function *f)
{
    struct function_ahead *h = &f->ahead;
    double now = h->arrivals * 1000.0 / EVERY_MS, before = h->rate;
    h->arrivals = 0;
    h->rate = SMOOTHING * now + (1 - SMOOTHING) * before;
    double growth = now > before ? now - before : 0;
    double needed = (h->rate + growth / 2) * h->duration;
    size_t there = f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n;
    for (size_t i = 0; i < START_AT_ONCE && !f->retired && f->envs[ENV_IDLE].n == 0; i++) {
        if (!is_short((double)(there + i), needed) || !lambda__make_room(f) ||
            lambda__env_start(f, NULL) != ERR_OK)
            return;
    }
}

static void forecast(struct timer *t)
{
    struct lambda *l = CONTAINER_OF(t, struct lambda, ahead.forecast);
    bool again = false;
    for (struct function *f = l->functions; f; f = f->next) {
        if (f->ahead.rate <= 0 && f->ahead.arrivals == 0)
            continue;
        forecast_one(f);
        if (f->ahead.rate < RATE_OVER)
            f->ahead.rate = 0;
        again |= f->ahead.rate > 0;
    }
    if (again)
        timer_start(l->o.control, t, EVERY_MS, forecast);
}

void lambda__forecast_arrival(struct function *f)
{
    struct lambda *l = f->lambda;
    if (!l->o.predictive_start)
        return;
    f->ahead.arrivals++;
    if (!l->ahead.forecast.loop)
        timer_start(l->o.control, &l->ahead.forecast, EVERY_MS, forecast);
}

void lambda__forecast_ran(struct function *f, int64_t us)
{
    double seconds = (double)us / 1e6;
    f->ahead.duration =
        f->ahead.duration > 0 ? SMOOTHING * seconds + (1 - SMOOTHING) * f->ahead.duration : seconds;
}
