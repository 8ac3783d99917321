/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers by the thousand: a hashed wheel of 16 ms ticks per loop over one uv_timer, which sleeps
 * until the next tick that has a timer. Never early: a due time is rounded up to its tick, and the
 * clock is read when a timer is armed, not when the loop woke. */
#include "run/run_int.h"

/* due_ms of a timer that has left its slot and stands in `firing`. */
#define FIRING (-1)

static struct timer **timer_list(struct wheel *w, const struct timer *t)
{
    return t->due_ms == FIRING ? &w->firing : &w->slot[t->due_ms / WHEEL_TICK_MS % WHEEL_SLOTS];
}

static void timer_link(struct wheel *w, struct timer *t)
{
    struct timer **list = timer_list(w, t);
    t->prev = NULL;
    t->next = *list;
    if (t->next)
        t->next->prev = t;
    *list = t;
}

static void timer_unlink(struct wheel *w, struct timer *t)
{
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        *timer_list(w, t) = t->next;
    t->prev = t->next = NULL;
}

static bool slot_used(const struct wheel *w, int64_t tick)
{
    size_t i = (size_t)(tick % WHEEL_SLOTS);
    return w->used[i / 64] >> i % 64 & 1;
}

static void slot_mark(struct wheel *w, int64_t tick, bool used)
{
    size_t i = (size_t)(tick % WHEEL_SLOTS);
    uint64_t bit = UINT64_C(1) << i % 64;
    w->used[i / 64] = used ? w->used[i / 64] | bit : w->used[i / 64] & ~bit;
}

static void on_tick(uv_timer_t *uv);

static void wheel_arm(struct loop *l, int64_t tick)
{
    struct wheel *w = &l->wheel;
    int64_t wait = tick * WHEEL_TICK_MS - loop_now_ms(l);
    /* libuv's clock says nothing about when an injected one will have moved: look each tick. */
    if (l->run->clock != &clock_system)
        wait = WHEEL_TICK_MS;
    w->armed = tick;
    uv_timer_start(&w->uv, on_tick, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void slot_fire(struct loop *l, int64_t tick, int64_t now)
{
    struct wheel *w = &l->wheel;
    struct timer *t = w->slot[tick % WHEEL_SLOTS], *next;
    for (; t; t = next) {
        next = t->next;
        if (t->due_ms > now)
            continue; /* a later turn's */
        timer_unlink(w, t);
        t->due_ms = FIRING;
        timer_link(w, t); /* newest first becomes oldest first */
    }
    while ((t = w->firing)) {
        timer_stop(t);
        t->fn(t);
    }
    if (!w->slot[tick % WHEEL_SLOTS])
        slot_mark(w, tick, false);
}

static void on_tick(uv_timer_t *uv)
{
    struct loop *l = uv->data;
    struct wheel *w = &l->wheel;
    int64_t now = loop_now_ms(l), last = now / WHEEL_TICK_MS, tick = w->tick + 1;
    if (last - tick >= WHEEL_SLOTS) /* the clock leapt: one turn sees every slot */
        tick = last - WHEEL_SLOTS + 1;
    w->tick = last > w->tick ? last : w->tick; /* what is armed meanwhile is for a later tick */
    for (; tick <= last; tick++) {
        if (slot_used(w, tick))
            slot_fire(l, tick, now);
    }
    w->armed = 0;
    for (tick = w->tick + 1; tick <= w->tick + WHEEL_SLOTS; tick++) {
        if (slot_used(w, tick)) {
            wheel_arm(l, tick);
            return;
        }
    }
}

void timer_start(struct loop *l, struct timer *t, int64_t after_ms, void (*fn)(struct timer *t))
{
    struct wheel *w = &l->wheel;
    ASSERT(loop_is_current(l));
    timer_stop(t);
    int64_t now_us = clock_mono_us(l->run->clock);
    int64_t due = (now_us + 999) / 1000 + (after_ms > 0 ? after_ms : 0);
    int64_t tick = (due + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= w->tick)
        tick = w->tick + 1;
    t->due_ms = tick * WHEEL_TICK_MS;
    t->fn = fn;
    t->loop = l;
    timer_link(w, t);
    slot_mark(w, tick, true);
    if (w->armed == 0 || tick < w->armed)
        wheel_arm(l, tick);
}

/* The tick stays armed: one idle wake-up costs less than arming it again for the next request. */
void timer_stop(struct timer *t)
{
    if (!t->loop)
        return;
    ASSERT(loop_is_current(t->loop));
    timer_unlink(&t->loop->wheel, t);
    t->loop = NULL;
}

enum err wheel__init(struct loop *l)
{
    l->wheel.tick = loop_now_ms(l) / WHEEL_TICK_MS;
    l->wheel.uv.data = l;
    if (uv_timer_init(&l->uv, &l->wheel.uv) != 0)
        return ERR_UNAVAILABLE;
    uv_unref((uv_handle_t *)&l->wheel.uv); /* a timer alone keeps no loop alive */
    return ERR_OK;
}

void wheel__close(struct loop *l)
{
    if (l->wheel.uv.loop)
        uv_close((uv_handle_t *)&l->wheel.uv, NULL);
}
