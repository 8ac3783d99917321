/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets on a clock of the test's own, and by two threads at once: never a token too many. */
#include "usage_int.h"

#include <pthread.h>

#include "lib/fault.h"

static int64_t now_us;
static int64_t read_clock(void *arg)
{
    (void)arg;
    return now_us;
}
static const struct clock hands = {read_clock, read_clock, NULL};

static uint64_t us(uint64_t n)
{
    return n * BUCKET_TICKS_PER_US;
}

static struct bucket bucket(double rate, uint64_t burst)
{
    struct bucket b = {.holders = 0};
    bucket__init(&b, (struct throttle){rate, burst});
    return b;
}

static unsigned drain(struct bucket *b, uint64_t now)
{
    unsigned n = 0;
    uint64_t taken;
    while (n < 100000 && bucket__take(b, now, &taken))
        n++;
    return n;
}

static void it_begins_full_and_fills_at_its_rate(void **state)
{
    (void)state;
    struct bucket b = bucket(100, 5);
    assert_int_equal(drain(&b, 0), 5);
    assert_int_equal(drain(&b, us(9999)), 0);
    assert_int_equal(drain(&b, us(10000)), 1);
    assert_int_equal(drain(&b, us(30000)), 2);
    assert_int_equal(drain(&b, us(10000000)), 5); /* never above its burst */
}

static void a_second_gives_exactly_the_rate(void **state)
{
    (void)state;
    static const double rates[] = {1, 3, 7, 100, 333, 9999, 65536};
    for (size_t i = 0; i < COUNTOF(rates); i++) {
        struct bucket b = bucket(rates[i], 2);
        unsigned n = 0;
        uint64_t taken;
        assert_int_equal(drain(&b, 0), 2);
        for (uint64_t t = 1; t <= 1000001; t++)
            n += bucket__take(&b, us(t), &taken);
        assert_int_equal(n, (unsigned)rates[i]);
    }
}

static void how_long_to_wait(void **state)
{
    (void)state;
    struct bucket b = bucket(4, 2);
    assert_int_equal(bucket__wait(&b, 0), 0);
    assert_int_equal(drain(&b, 0), 2);
    assert_int_equal(bucket__wait(&b, 0), us(250000));
    assert_int_equal(bucket__wait(&b, us(100000)), us(150000));
    assert_int_equal(bucket__wait(&b, us(250000)), 0);
}

static void without_a_burst_or_a_rate(void **state)
{
    (void)state;
    struct bucket none = bucket(0, 0), no_burst = bucket(100, 0), no_rate = bucket(0, 3);
    assert_int_equal(drain(&none, us(1)), 0);
    assert_int_equal(bucket__wait(&none, us(1)), UINT64_MAX);
    assert_int_equal(drain(&no_burst, us(1000000)), 0);
    assert_int_equal(bucket__wait(&no_burst, us(1000000)), UINT64_MAX);
    assert_int_equal(drain(&no_rate, us(1)), 3);
    assert_int_equal(drain(&no_rate, us(1000000000)), 0);
    assert_int_equal(bucket__wait(&no_rate, us(1000000000)), UINT64_MAX);
}

static void what_is_given_back_can_be_taken_again_once(void **state)
{
    (void)state;
    struct bucket b = bucket(1, 2);
    uint64_t taken;
    assert_true(bucket__take(&b, 0, &taken));
    bucket__give_back(&b, us(10), taken);
    assert_int_equal(drain(&b, us(10)), 2);

    struct bucket late = bucket(1, 2);
    assert_true(bucket__take(&late, 0, &taken));
    assert_int_equal(drain(&late, us(1500000)), 2); /* full again by itself */
    bucket__give_back(&late, us(1500001), taken);
    assert_int_equal(drain(&late, us(1500001)), 0);
}

static void a_slow_bucket_keeps_its_count(void **state)
{
    (void)state;
    struct bucket b = bucket(1.0 / 86400, 300);
    assert_int_equal(drain(&b, 0), 300);
    assert_int_equal(drain(&b, us(86399000000)), 0);
    assert_int_equal(drain(&b, us(86401000000)), 1);
}

/* --- two threads --------------------------------------------------------------------------------
 */
struct taker {
    struct bucket *b;
    _Atomic uint64_t *now;
    unsigned got;
    bool returns;
};

static void *take(void *arg)
{
    struct taker *t = arg;
    for (unsigned i = 0; i < 400000; i++) {
        uint64_t now = atomic_fetch_add(t->now, us(1)), taken;
        if (!bucket__take(t->b, now, &taken))
            continue;
        if (t->returns && i % 3 == 0)
            bucket__give_back(t->b, now, taken);
        else
            t->got++;
    }
    return NULL;
}

static void two_threads_get_what_one_would(void **state)
{
    (void)state;
    struct bucket b = bucket(50000, 700);
    _Atomic uint64_t now = 0;
    struct taker t[2] = {{&b, &now, 0, false}, {&b, &now, 0, false}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take, &t[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    /* 800,000 us at 50,000 a second, and the burst; asked always, so none is lost. */
    unsigned got = t[0].got + t[1].got;
    assert_in_range(got, 40000 + 699, 40000 + 700);
}

static void giving_back_never_makes_a_token(void **state)
{
    (void)state;
    struct bucket b = bucket(50000, 700);
    _Atomic uint64_t now = 0;
    struct taker t[2] = {{&b, &now, 0, true}, {&b, &now, 0, false}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take, &t[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert_true(t[0].got + t[1].got <= 40000 + 700);
}

/* --- the table ----------------------------------------------------------------------------------
 */
static void a_bucket_lives_while_somebody_holds_it(void **state)
{
    (void)state;
    struct usage *u = NULL;
    struct bucket *a = NULL, *b = NULL, *other = NULL;
    struct throttle rule = {10, 5};
    assert_int_equal(usage__new(&hands, NULL, &u), ERR_OK);
    assert_int_equal(usage__bucket(u, STR("who 10 5"), rule, &a), ERR_OK);
    assert_int_equal(drain(a, usage__now(u)), 5);
    assert_int_equal(usage__bucket(u, STR("who 10 5"), rule, &b), ERR_OK);
    assert_ptr_equal(a, b);
    assert_int_equal(drain(b, usage__now(u)), 0);
    assert_int_equal(usage__bucket(u, STR("you 10 5"), rule, &other), ERR_OK);
    assert_ptr_not_equal(a, other);
    assert_int_equal(usage__bucket_count(u), 2);
    usage__drop(u, a);
    usage__drop(u, b);
    usage__drop(u, other);
    assert_int_equal(usage__bucket_count(u), 0);
    usage__free(u);
}

static void the_clock_counts_from_the_start(void **state)
{
    (void)state;
    struct usage *u = NULL;
    now_us = 5000;
    assert_int_equal(usage__new(&hands, NULL, &u), ERR_OK);
    assert_int_equal(usage__now(u), 0);
    now_us += 3;
    assert_int_equal(usage__now(u), us(3));
    usage__free(u);
}

static enum err use_table(void *arg)
{
    struct usage *u = NULL;
    struct bucket *a = NULL;
    (void)arg;
    enum err err = usage__new(&hands, NULL, &u);
    if (err == ERR_OK)
        err = usage__bucket(u, STR("who"), (struct throttle){1, 1}, &a);
    usage__free(u);
    return err;
}

static void without_memory_there_is_no_bucket(void **state)
{
    (void)state;
    fault_each(use_table, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_full_and_fills_at_its_rate),
        cmocka_unit_test(a_second_gives_exactly_the_rate),
        cmocka_unit_test(how_long_to_wait),
        cmocka_unit_test(without_a_burst_or_a_rate),
        cmocka_unit_test(what_is_given_back_can_be_taken_again_once),
        cmocka_unit_test(a_slow_bucket_keeps_its_count),
        cmocka_unit_test(two_threads_get_what_one_would),
        cmocka_unit_test(giving_back_never_makes_a_token),
        cmocka_unit_test(a_bucket_lives_while_somebody_holds_it),
        cmocka_unit_test(the_clock_counts_from_the_start),
        cmocka_unit_test(without_memory_there_is_no_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
