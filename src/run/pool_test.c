/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: work runs elsewhere, its answer comes home, and a full queue says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "run/run_int.h"

static struct run *r;

static int setup(void **state)
{
    (void)state;
    return run_new(&(struct run_options){.workers = 2}, &r) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    run_free(r);
    return 0;
}

struct job {
    struct work work;
    struct post post;
    enum lane lane;
    pthread_t worked_on;
    bool home;
};

static atomic_uint jobs_left;

static void job_work(struct work *w)
{
    CONTAINER_OF(w, struct job, work)->worked_on = pthread_self();
}

static void job_done(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    j->home = loop_is_current(w->reply) && !pthread_equal(j->worked_on, pthread_self());
    if (atomic_fetch_sub(&jobs_left, 1) == 1)
        run_stop(r);
}

static void job_start(struct post *p)
{
    struct job *j = CONTAINER_OF(p, struct job, post);
    struct loop *from = run_worker(r, j->lane == LANE_CPU ? 0 : 1);
    j->work = (struct work){.work = job_work, .done = job_done};
    assert_int_equal(run_work(from, j->lane, &j->work), ERR_OK);
}

static void work_runs_on_a_lane_and_its_answer_comes_home(void **state)
{
    (void)state;
    static struct job jobs[400];
    atomic_store(&jobs_left, COUNTOF(jobs));
    for (unsigned i = 0; i < COUNTOF(jobs); i++) {
        jobs[i] = (struct job){.post = {job_start, NULL}, .lane = i % 2 ? LANE_IO : LANE_CPU};
        run_post(run_worker(r, i % 2), &jobs[i].post);
    }
    assert_int_equal(run_main(r), ERR_OK);
    for (unsigned i = 0; i < COUNTOF(jobs); i++)
        assert_true(jobs[i].home);
    assert_true(r->lanes[LANE_CPU].started <= 2);
    assert_true(r->lanes[LANE_IO].started <= LIMIT_LANE_IO_THREADS);
}

static void a_lane_has_no_thread_until_it_has_work(void **state)
{
    (void)state;
    run_stop(r);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(r->lanes[LANE_CPU].started, 0);
    assert_int_equal(r->lanes[LANE_IO].started, 0);
}

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static unsigned done_count;
static uv_timer_t opener;

static void door_work(struct work *w)
{
    (void)w;
    pthread_mutex_lock(&door);
    pthread_mutex_unlock(&door);
}

static void door_done(struct work *w)
{
    (void)w;
    done_count++;
}

static void on_opener(uv_timer_t *t)
{
    pthread_mutex_unlock(&door);
    uv_close((uv_handle_t *)t, NULL);
}

static void a_full_queue_is_busy_and_accepted_work_outlives_the_stop(void **state)
{
    (void)state;
    static struct work works[LIMIT_LANE_QUEUE + LIMIT_LANE_IO_THREADS + 1];
    struct loop *l = run_control(r);
    unsigned accepted = 0;
    done_count = 0;
    pthread_mutex_lock(&door);
    while (accepted < COUNTOF(works)) {
        works[accepted] = (struct work){.work = door_work, .done = door_done};
        enum err err = run_work(l, LANE_IO, &works[accepted]);
        if (err == ERR_BUSY)
            break;
        assert_int_equal(err, ERR_OK);
        accepted++;
    }
    assert_in_range(accepted, LIMIT_LANE_QUEUE, LIMIT_LANE_QUEUE + LIMIT_LANE_IO_THREADS);
    uv_timer_init(loop_uv(l), &opener);
    uv_timer_start(&opener, on_opener, 20, 0);
    run_stop(r);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(done_count, accepted);
}

/* --- several at one go --------------------------------------------------------------------------
 */
static struct work convoy[7];
static const char red[] = "red", blue[] = "blue";
static unsigned taken_by[COUNTOF(convoy)], done_at[COUNTOF(convoy)];

static void convoy_work(struct work *first)
{
    pthread_mutex_lock(&door);
    pthread_mutex_unlock(&door);
    for (struct work *w = first; w; w = run_work_next(w))
        taken_by[w - convoy] = (unsigned)(first - convoy);
}

static void convoy_done(struct work *w)
{
    done_at[w - convoy] = done_count++;
}

static void neighbours_of_one_group_are_taken_together(void **state)
{
    (void)state;
    const void *const groups[COUNTOF(convoy)] = {red, red, red, blue, red, NULL, NULL};
    const unsigned expected[COUNTOF(convoy)] = {0, 0, 0, 3, 4, 5, 6};
    struct loop *l = run_control(r);
    done_count = 0;
    pthread_mutex_lock(&door);
    for (unsigned i = 0; i < COUNTOF(convoy); i++) {
        convoy[i] = (struct work){.work = convoy_work, .done = convoy_done, .group = groups[i]};
        assert_int_equal(run_work(l, LANE_STORE_WRITE, &convoy[i]), ERR_OK);
    }
    uv_timer_init(loop_uv(l), &opener);
    uv_timer_start(&opener, on_opener, 20, 0);
    run_stop(r);
    assert_int_equal(run_main(r), ERR_OK);
    for (unsigned i = 0; i < COUNTOF(convoy); i++) {
        assert_int_equal(taken_by[i], expected[i]);
        assert_int_equal(done_at[i], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(work_runs_on_a_lane_and_its_answer_comes_home, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lane_has_no_thread_until_it_has_work, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_is_busy_and_accepted_work_outlives_the_stop,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_of_one_group_are_taken_together, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
