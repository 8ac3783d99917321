/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas: periods of the calendar, exact counts by two threads at once, and a file that remembers
 * them through an orderly end, a crash and a full disk. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "usage_int.h"

#include "lib/fault.h"

static int64_t wall_us;
static int64_t read_clock(void *arg)
{
    (void)arg;
    return wall_us;
}
static const struct clock hands = {read_clock, read_clock, NULL};

static int64_t at(int64_t days, int64_t seconds)
{
    return (days * 86400 + seconds) * 1000000;
}

/* --- periods ------------------------------------------------------------------------------------
 */
static void days_weeks_and_months_begin_at_midnight_utc(void **state)
{
    (void)state;
    /* Days since 1970: 2026-11-22 was a Sunday, 2026-11-23 a Monday. */
    const int64_t sunday = 20779, monday = 20780;
    assert_int_equal(quota__period(QUOTA_DAY, at(sunday, 86399)), sunday);
    assert_int_equal(quota__period(QUOTA_DAY, at(monday, 0)), monday);
    uint64_t week = quota__period(QUOTA_WEEK, at(sunday, 86399));
    assert_int_equal(quota__period(QUOTA_WEEK, at(monday, 0)), week + 1);
    assert_int_equal(quota__period(QUOTA_WEEK, at(monday + 6, 86399)), week + 1);
    assert_int_equal(quota__period_begins_us(QUOTA_WEEK, week + 1), at(monday, 0));
    /* 2024-02-29 is day 19782, 2024-03-01 the next. */
    uint64_t month = quota__period(QUOTA_MONTH, at(19782, 86399));
    assert_int_equal(month, 2024 * 12 + 1);
    assert_int_equal(quota__period(QUOTA_MONTH, at(19783, 0)), month + 1);
    assert_int_equal(quota__period(QUOTA_MONTH, at(0, 0)), 1970 * 12);
}

static void every_month_of_centuries_fits_the_next(void **state)
{
    (void)state;
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = 0;
    for (int year = 1970; year < 2420; year++)
        for (int m = 0; m < 12; m++) {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            uint64_t month = (uint64_t)year * 12 + (uint64_t)m;
            assert_int_equal(quota__period_begins_us(QUOTA_MONTH, month), at(day, 0));
            assert_int_equal(quota__period(QUOTA_MONTH, at(day, 0)), month);
            day += length[m] + (m == 1 && leap);
            assert_int_equal(quota__period(QUOTA_MONTH, at(day, -1)), month);
        }
}

/* --- counting -----------------------------------------------------------------------------------
 */
static const struct quota_rule ten = {.limit = 10, .block = 1, .period = QUOTA_DAY};

static unsigned take_all(struct quota *q, const struct quota_rule *r, uint64_t period)
{
    unsigned n = 0;
    uint64_t out;
    while (quota__take(q, r, period, &out) == QUOTA_TAKEN)
        n++;
    return n;
}

static void only_what_is_stored_is_given(void **state)
{
    (void)state;
    struct quota *q = mem_alloc(sizeof *q);
    uint64_t out;
    assert_non_null(q);
    assert_int_equal(quota__take(q, &ten, 100, &out), QUOTA_WAIT);
    assert_int_equal(out, QUOTA_OF(100, 0));
    atomic_store(&q->stored, QUOTA_OF(100, 4));
    assert_int_equal(take_all(q, &ten, 100), 4);
    assert_int_equal(quota__take(q, &ten, 100, &out), QUOTA_WAIT);
    assert_int_equal(out, QUOTA_OF(100, 4));
    atomic_store(&q->stored, QUOTA_OF(100, 400));
    assert_int_equal(take_all(q, &ten, 100), 6);
    assert_int_equal(quota__take(q, &ten, 100, &out), QUOTA_USED_UP);
    assert_int_equal(out, 100);
    mem_free(q);
}

static void a_new_period_begins_at_nothing(void **state)
{
    (void)state;
    struct quota *q = mem_alloc(sizeof *q);
    uint64_t out;
    assert_non_null(q);
    atomic_store(&q->stored, QUOTA_OF(100, 400));
    assert_int_equal(take_all(q, &ten, 100), 10);
    assert_int_equal(quota__take(q, &ten, 101, &out), QUOTA_WAIT);
    assert_int_equal(out, QUOTA_OF(101, 0));
    atomic_store(&q->stored, QUOTA_OF(101, 400));
    assert_int_equal(take_all(q, &ten, 101), 10);
    /* A clock that is set back opens no day again. */
    assert_int_equal(quota__take(q, &ten, 100, &out), QUOTA_USED_UP);
    assert_int_equal(out, 101);
    mem_free(q);
}

static void the_offset_counts_in_the_first_period_only(void **state)
{
    (void)state;
    const struct quota_rule r = {.limit = 10, .offset = 7, .block = 1, .period = QUOTA_DAY};
    struct quota *q = mem_alloc(sizeof *q);
    uint64_t out;
    assert_non_null(q);
    assert_int_equal(quota__take(q, &r, 100, &out), QUOTA_WAIT);
    assert_int_equal(out, QUOTA_OF(100, 7));
    atomic_store(&q->stored, QUOTA_OF(100, 400));
    assert_int_equal(take_all(q, &r, 100), 3);
    atomic_store(&q->stored, QUOTA_OF(101, 400));
    assert_int_equal(take_all(q, &r, 101), 10);
    mem_free(q);
}

struct counter {
    struct quota *q;
    unsigned got;
};

static void *count(void *arg)
{
    static const struct quota_rule many = {.limit = 150000, .block = 1024, .period = QUOTA_DAY};
    struct counter *c = arg;
    for (unsigned i = 0; i < 400000; i++) {
        uint64_t out;
        c->got += quota__take(c->q, &many, 100 + i / 200000, &out) == QUOTA_TAKEN;
    }
    return NULL;
}

static void two_threads_count_as_one(void **state)
{
    (void)state;
    struct quota *q = mem_alloc(sizeof *q);
    struct counter c[2] = {{q, 0}, {q, 0}};
    pthread_t thread[2];
    assert_non_null(q);
    atomic_store(&q->stored, QUOTA_OF(102, 0));
    atomic_store(&q->stored, QUOTA_OF(100, 1000000));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count, &c[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(c[0].got + c[1].got, 150000); /* and none of the second day: not stored */
    mem_free(q);
}

/* --- the file -----------------------------------------------------------------------------------
 */
static char dir[] = "/tmp/ropeline-quota-XXXXXX", path[64];

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/plane.db", dir);
    wall_us = at(20779, 100);
    return 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* A process's life: `wants` requests of one key on the control loop, then an end of some kind. */
struct life {
    struct run *r;
    struct store *store;
    struct usage *u;
    struct quota *q;
    struct quota_rule rule;
    unsigned wants, taken, refused, failed;
    bool crashes;
    struct quota_waiter waiter;
    struct post go;
};

static void settled(void *arg)
{
    struct life *l = arg;
    run_stop(l->r);
}

static void next_request(struct life *l);

static void resumed(struct quota_waiter *w)
{
    struct life *l = CONTAINER_OF(w, struct life, waiter);
    if (w->err) {
        l->wants--;
        l->failed++;
    }
    next_request(l);
}

static void next_request(struct life *l)
{
    uint64_t out;
    for (; l->wants > 0; l->wants--) {
        enum quota_answer a =
            quota__take(l->q, &l->rule, quota__period(l->rule.period, wall_us), &out);
        if (a == QUOTA_WAIT) {
            l->waiter.resume = resumed;
            l->waiter.loop = run_control(l->r);
            quota__wait(l->q, &l->waiter, out);
            return;
        }
        l->taken += a == QUOTA_TAKEN;
        l->refused += a == QUOTA_USED_UP;
        if (a == QUOTA_TAKEN)
            quota__look_ahead(l->q, &l->rule, out);
    }
    if (l->crashes)
        run_stop(l->r);
    else
        usage__settle(l->u, run_control(l->r), settled, l);
}

static void begin(struct post *p)
{
    next_request(CONTAINER_OF(p, struct life, go));
}

static void live(struct life *l)
{
    struct errinfo e = {0};
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &l->r), ERR_OK);
    struct store_options o = {.loop = run_control(l->r), .path = path};
    assert_int_equal(store_new(&o, &l->store), ERR_OK);
    assert_int_equal(usage__new(&hands, l->store, &l->u), ERR_OK);
    if (usage__quota(l->u, STR("plan"), STR("key"), &l->rule, &l->q, &e) != ERR_OK)
        fail_msg("%s", e.text);
    l->go.fn = begin;
    run_post(run_control(l->r), &l->go);
    assert_int_equal(run_main(l->r), ERR_OK);
    store_free(l->store);
    usage__free(l->u);
    run_free(l->r);
}

static const struct quota_rule thousand = {.limit = 1000, .block = 15, .period = QUOTA_MONTH};

static void an_orderly_end_remembers_exactly(void **state)
{
    (void)state;
    struct life first = {.rule = thousand, .wants = 400}, second = {.rule = thousand, .wants = 700};
    live(&first);
    assert_int_equal(first.taken, 400);
    live(&second);
    assert_int_equal(second.taken, 600);
    assert_int_equal(second.refused, 100);
}

static void a_crash_never_gives_a_request_twice(void **state)
{
    (void)state;
    struct life first = {.rule = thousand, .wants = 400, .crashes = true};
    struct life second = {.rule = thousand, .wants = 1000};
    live(&first);
    live(&second);
    assert_int_equal(first.taken, 400);
    assert_true(second.taken <= 600);
    assert_true(second.taken >= 600 - 2 * 15);
}

static void small_quotas_lose_at_most_one(void **state)
{
    (void)state;
    struct life first = {.rule = ten, .wants = 4, .crashes = true};
    struct life second = {.rule = ten, .wants = 20};
    live(&first);
    live(&second);
    assert_int_equal(first.taken, 4);
    assert_in_range(second.taken, 5, 6);
}

static void the_next_period_begins_in_another_process(void **state)
{
    (void)state;
    struct life first = {.rule = ten, .wants = 20}, second = {.rule = ten, .wants = 20};
    live(&first);
    assert_int_equal(first.taken, 10);
    wall_us = at(20780, 0);
    live(&second);
    assert_int_equal(second.taken, 10);
}

static void what_cannot_be_stored_is_not_given(void **state)
{
    (void)state;
    static const struct stmt full = SQL("PRAGMA max_page_count = 1");
    struct life l = {.rule = ten, .wants = 3};
    struct errinfo e = {0};
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &l.r), ERR_OK);
    struct store_options o = {.loop = run_control(l.r), .path = path};
    assert_int_equal(store_new(&o, &l.store), ERR_OK);
    assert_int_equal(usage__new(&hands, l.store, &l.u), ERR_OK);
    assert_int_equal(usage__quota(l.u, STR("plan"), STR("key"), &l.rule, &l.q, &e), ERR_OK);
    /* A row longer than a page needs a page more than there may be. */
    static char name[8000];
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(usage__quota(l.u, STR("plan"), str_c(name), &l.rule, &l.q, &e), ERR_OK);
    assert_int_equal(store_read_now(l.store, &full, NULL, 0, NULL, NULL, &e), ERR_OK);
    l.go.fn = begin;
    run_post(run_control(l.r), &l.go);
    assert_int_equal(run_main(l.r), ERR_OK);
    assert_int_equal(l.taken, 0);
    assert_int_equal(l.failed, 3);
    store_free(l.store);
    usage__free(l.u);
    run_free(l.r);
}

static enum err open_quota(void *arg)
{
    struct life l = {.rule = ten};
    struct errinfo e = {0};
    struct store_options o = {.loop = arg, .path = path};
    enum err err = store_new(&o, &l.store);
    if (err == ERR_OK)
        err = usage__new(&hands, l.store, &l.u);
    if (err == ERR_OK)
        err = usage__quota(l.u, STR("plan"), STR("key"), &l.rule, &l.q, &e);
    store_free(l.store);
    usage__free(l.u);
    return err;
}

static void without_memory_there_is_no_quota(void **state)
{
    (void)state;
    struct run *r = NULL;
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &r), ERR_OK);
    fault_each(open_quota, run_control(r));
    run_free(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_weeks_and_months_begin_at_midnight_utc),
        cmocka_unit_test(every_month_of_centuries_fits_the_next),
        cmocka_unit_test(only_what_is_stored_is_given),
        cmocka_unit_test(a_new_period_begins_at_nothing),
        cmocka_unit_test(the_offset_counts_in_the_first_period_only),
        cmocka_unit_test(two_threads_count_as_one),
        TEST(an_orderly_end_remembers_exactly),
        TEST(a_crash_never_gives_a_request_twice),
        TEST(small_quotas_lose_at_most_one),
        TEST(the_next_period_begins_in_another_process),
        TEST(what_cannot_be_stored_is_not_given),
        TEST(without_memory_there_is_no_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
