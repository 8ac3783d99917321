/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops and posts: order, lifetime and the two-step end of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/run_int.h"

#define POSTS 2000
#define WORKERS 3

static struct run *new_run(unsigned workers)
{
    struct run *r;
    assert_int_equal(run_new(&(struct run_options){.workers = workers}, &r), ERR_OK);
    return r;
}

static void run_and_free(struct run *r)
{
    assert_int_equal(run_main(r), ERR_OK);
    run_free(r);
}

struct numbered {
    struct post post;
    unsigned worker, n;
};

static struct numbered numbered[WORKERS][POSTS];
static unsigned next_of[WORKERS], arrived;
static bool in_order;
static struct run *the_run;

static void on_numbered(struct post *p)
{
    struct numbered *m = CONTAINER_OF(p, struct numbered, post);
    in_order = in_order && loop_is_current(run_control(the_run)) && next_of[m->worker]++ == m->n;
    if (++arrived == WORKERS * POSTS)
        run_stop(the_run);
}

static void post_many(struct post *p)
{
    struct numbered *mine = CONTAINER_OF(p, struct numbered, post);
    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *m = &numbered[mine->worker][i];
        *m = (struct numbered){{on_numbered, NULL}, mine->worker, i};
        run_post(run_control(the_run), &m->post);
    }
}

static void posts_of_each_thread_arrive_in_its_order(void **state)
{
    (void)state;
    struct numbered start[WORKERS];
    the_run = new_run(WORKERS);
    in_order = true;
    arrived = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        next_of[i] = 0;
        start[i] = (struct numbered){{post_many, NULL}, i, 0};
        run_post(run_worker(the_run, i), &start[i].post);
    }
    run_and_free(the_run);
    assert_true(in_order);
    assert_int_equal(arrived, WORKERS * POSTS);
}

static bool posted, posted_before_timer, returned;

static void on_first(struct post *p)
{
    (void)p;
    assert_true(returned); /* never called by run_post itself */
    posted = true;
}

static void on_uv_timer(uv_timer_t *t)
{
    posted_before_timer = posted;
    uv_close((uv_handle_t *)t, NULL);
    run_stop(the_run);
}

static void posts_made_before_the_start_run_first(void **state)
{
    (void)state;
    the_run = new_run(1);
    uv_timer_t t;
    uv_timer_init(loop_uv(run_control(the_run)), &t);
    uv_timer_start(&t, on_uv_timer, 0, 0);
    struct post p = {on_first, NULL};
    posted = returned = false;
    run_post(run_control(the_run), &p);
    returned = true;
    run_and_free(the_run);
    assert_true(posted_before_timer);
}

struct chatter {
    struct post post;
    unsigned hops;
};

/* Goes round all loops; most hops happen after run_stop. */
static void on_hop(struct post *p)
{
    struct chatter *c = CONTAINER_OF(p, struct chatter, post);
    if (c->hops++ < 50)
        run_post(the_run->loops[c->hops % (WORKERS + 1)], p);
}

static void posts_survive_the_stop(void **state)
{
    (void)state;
    the_run = new_run(WORKERS);
    struct chatter c[8];
    for (unsigned i = 0; i < COUNTOF(c); i++) {
        c[i] = (struct chatter){{on_hop, NULL}, i};
        run_post(run_worker(the_run, i % WORKERS), &c[i].post);
    }
    run_stop(the_run);
    run_stop(the_run); /* twice is once */
    run_and_free(the_run);
    for (unsigned i = 0; i < COUNTOF(c); i++)
        assert_int_equal(c[i].hops, 51);
}

static uv_timer_t held;
static struct post reply, ask;
static bool closed_by_reply;

static void on_reply(struct post *p)
{
    (void)p;
    closed_by_reply = true;
    uv_close((uv_handle_t *)&held, NULL);
}

static void on_ask(struct post *p)
{
    (void)p;
    run_post(run_control(the_run), &reply);
}

static void on_held(uv_timer_t *t)
{
    (void)t;
    /* The worker has nothing open and was told to stop 30 ms ago; it must still answer. */
    run_post(run_worker(the_run, 0), &ask);
}

static void a_drained_worker_still_answers_the_control_loop(void **state)
{
    (void)state;
    the_run = new_run(1);
    reply = (struct post){on_reply, NULL};
    ask = (struct post){on_ask, NULL};
    uv_timer_init(loop_uv(run_control(the_run)), &held);
    uv_timer_start(&held, on_held, 30, 0);
    closed_by_reply = false;
    run_stop(the_run);
    run_and_free(the_run);
    assert_true(closed_by_reply);
}

static int64_t fake_now;

static int64_t fake_us(void *arg)
{
    (void)arg;
    return fake_now;
}

static void an_injected_clock_is_seen_at_once(void **state)
{
    (void)state;
    const struct clock fake = {fake_us, fake_us, NULL};
    struct run *r;
    assert_int_equal(run_new(&(struct run_options){1, &fake}, &r), ERR_OK);
    struct loop *l = run_control(r);
    fake_now = 5000000;
    assert_int_equal(loop_now_ms(l), 5000);
    fake_now = 7000000;
    assert_int_equal(loop_now_ms(l), 7000);
    assert_int_equal(loop_wall_us(l), 7000000);
    assert_ptr_equal(run_clock(r), &fake);
    run_free(r);
}

static void loops_know_who_they_are(void **state)
{
    (void)state;
    struct run *r = new_run(2);
    assert_int_equal(run_workers(r), 2);
    assert_int_equal(loop_index(run_worker(r, 1)), 1);
    assert_int_equal(loop_index(run_control(r)), 2);
    assert_ptr_equal(loop_run(run_worker(r, 0)), r);
    assert_true(loop_is_current(run_control(r)));
    assert_int_equal(loop_read_buffer(run_control(r)).len, 65536);
    assert_true(loop_wall_us(run_control(r)) > INT64_C(1500000000000000));
    run_free(r);
}

static void running_out_of_memory_makes_no_run(void **state)
{
    (void)state;
    enum err err = ERR_NOMEM;
    for (long n = 0; err != ERR_OK; n++) {
        struct run *r;
        mem_fault(n, 1);
        err = run_new(&(struct run_options){.workers = 2}, &r);
        mem_fault(-1, 0);
        if (err == ERR_OK)
            run_free(r);
        else
            assert_null(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_each_thread_arrive_in_its_order),
        cmocka_unit_test(posts_made_before_the_start_run_first),
        cmocka_unit_test(posts_survive_the_stop),
        cmocka_unit_test(a_drained_worker_still_answers_the_control_loop),
        cmocka_unit_test(an_injected_clock_is_seen_at_once),
        cmocka_unit_test(loops_know_who_they_are),
        cmocka_unit_test(running_out_of_memory_makes_no_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
