/* SPDX-License-Identifier: Apache-2.0
 *
 * The timer wheel: never early, hardly late, and safe to change from inside a timer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "run/run_int.h"

static struct run *r;
static struct loop *l;

static int setup(void **state)
{
    (void)state;
    if (run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK)
        return -1;
    l = run_control(r);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_free(r);
    return 0;
}

struct probe {
    struct timer timer;
    int64_t want_us, early_us, late_us;
    int fired;
};

static unsigned waiting;

static void on_probe(struct timer *t)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    int64_t late = clock_mono_us(&clock_system) - p->want_us;
    p->early_us = late < 0 ? -late : 0;
    p->late_us = late;
    p->fired++;
    if (--waiting == 0)
        run_stop(r);
}

static void probe_start(struct probe *p, int64_t after_ms)
{
    *p = (struct probe){.want_us = clock_mono_us(&clock_system) + after_ms * 1000};
    timer_start(l, &p->timer, after_ms, on_probe);
    waiting++;
}

static void timers_are_never_early(void **state)
{
    (void)state;
    static struct probe p[300];
    waiting = 0;
    for (unsigned i = 0; i < COUNTOF(p); i++) {
        /* The loop's own time is stale by now: still not early. */
        struct timespec nap = {0, 100000};
        nanosleep(&nap, NULL);
        probe_start(&p[i], i);
    }
    assert_int_equal(run_main(r), ERR_OK);
    for (unsigned i = 0; i < COUNTOF(p); i++) {
        assert_int_equal(p[i].fired, 1);
        assert_int_equal(p[i].early_us, 0);
        /* 17 ms and what a busy machine adds to them. */
        assert_true(p[i].late_us < 500000);
    }
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    struct probe stopped, other;
    struct timer zeroed = {0};
    waiting = 0;
    probe_start(&stopped, 5);
    probe_start(&other, 60);
    timer_stop(&stopped.timer);
    timer_stop(&stopped.timer);
    timer_stop(&zeroed);
    waiting--;
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(stopped.fired, 0);
    assert_int_equal(other.fired, 1);
}

static void an_armed_timer_can_be_moved(void **state)
{
    (void)state;
    struct probe p, end;
    waiting = 0;
    probe_start(&p, 10);
    probe_start(&end, 150);
    timer_start(l, &p.timer, 100, on_probe);
    p.want_us += 90000;
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(p.fired, 1);
    assert_int_equal(p.early_us, 0);
}

static struct timer pair[2];
static int pair_fired;

static void on_pair(struct timer *t)
{
    pair_fired++;
    timer_stop(t == &pair[0] ? &pair[1] : &pair[0]);
}

static void a_timer_may_stop_one_that_is_due_with_it(void **state)
{
    (void)state;
    struct probe end;
    waiting = 0;
    pair_fired = 0;
    do {
        timer_start(l, &pair[0], 1, on_pair);
        timer_start(l, &pair[1], 1, on_pair);
    } while (pair[0].due_ms != pair[1].due_ms); /* a tick may begin between the two */
    probe_start(&end, 60);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(pair_fired, 1);
}

static int again;

static void on_again(struct timer *t)
{
    if (++again == 5)
        run_stop(r);
    else
        timer_start(l, t, 0, on_again);
}

static void a_timer_may_start_itself_again(void **state)
{
    (void)state;
    struct timer t = {0};
    again = 0;
    timer_start(l, &t, 0, on_again);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(again, 5);
    assert_null(t.loop);
}

static void a_timer_alone_keeps_no_loop_alive(void **state)
{
    (void)state;
    struct probe p;
    waiting = 0;
    probe_start(&p, 3600000);
    run_stop(r);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(p.fired, 0);
    timer_stop(&p.timer);
}

/* With a clock of our own: an hour in a moment. */
static int64_t fake_now;
static int order[4], fired;

static int64_t fake_us(void *arg)
{
    (void)arg;
    return fake_now;
}

struct ordered {
    struct timer timer;
    int id;
};

static void on_ordered(struct timer *t)
{
    order[fired++] = CONTAINER_OF(t, struct ordered, timer)->id;
    if (fired == 3)
        run_stop(loop_run(l));
}

static int steps;

static void on_step(uv_timer_t *t)
{
    fake_now += 20 * 60 * INT64_C(1000000);
    if (++steps == 1)
        assert_int_equal(fired, 0);
    if (fired == 3 || steps == 100)
        uv_close((uv_handle_t *)t, NULL);
}

static void long_timers_wait_their_turns_and_keep_order(void **state)
{
    (void)state;
    const struct clock fake = {fake_us, fake_us, NULL};
    fake_now = 1000000000;
    fired = steps = 0;
    run_free(r);
    assert_int_equal(run_new(&(struct run_options){1, &fake}, &r), ERR_OK);
    l = run_control(r);
    struct ordered t[3] = {{{0}, 1}, {{0}, 2}, {{0}, 3}};
    timer_start(l, &t[2].timer, 50 * 60000, on_ordered);
    timer_start(l, &t[1].timer, 30 * 60000, on_ordered);
    timer_start(l, &t[0].timer, 10 * 60000, on_ordered);
    uv_timer_t step;
    uv_timer_init(loop_uv(l), &step);
    uv_timer_start(&step, on_step, 25, 25);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(fired, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(order[i], i + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_are_never_early, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_timer_does_not_fire, setup, teardown),
        cmocka_unit_test_setup_teardown(an_armed_timer_can_be_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_stop_one_that_is_due_with_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_may_start_itself_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_alone_keeps_no_loop_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(long_timers_wait_their_turns_and_keep_order, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
