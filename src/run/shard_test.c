/* SPDX-License-Identifier: Apache-2.0
 *
 * The locked table: one part per key, and no lost update between threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "run/shard.h"

#define KEYS 256
#define ROUNDS 2000
#define THREADS 4

static struct shards shards;
static uint32_t keys[KEYS];
static unsigned counts[KEYS];

static struct str key_of(unsigned i)
{
    return str_of(&keys[i], sizeof keys[i]);
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = i;
        counts[i] = 0;
    }
    return shards_init(&shards) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    shards_fini(&shards);
    return 0;
}

static void a_key_always_lives_in_the_same_part(void **state)
{
    (void)state;
    struct shard *seen[KEYS];
    unsigned parts = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        seen[i] = shard_lock(&shards, key_of(i));
        parts += seen[i] != seen[0];
        shard_unlock(seen[i]);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct shard *s = shard_lock(&shards, key_of(i));
        assert_ptr_equal(s, seen[i]);
        shard_unlock(s);
    }
    assert_true(parts > KEYS / 2);
}

static void every_part_can_be_visited(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&shards, i);
        assert_ptr_equal(s, &shards.shard[i]);
        assert_int_equal(s->map.count, 0);
        shard_unlock(s);
    }
}

static void *count_up(void *failed)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        unsigned i = n * 7 % KEYS;
        struct shard *s = shard_lock(&shards, key_of(i));
        unsigned *count = map_get(&s->map, key_of(i));
        if (!count) {
            count = &counts[i];
            if (map_put(&s->map, key_of(i), count, NULL) != ERR_OK)
                *(bool *)failed = true;
        }
        ++*count;
        s->bytes++;
        shard_unlock(s);
    }
    return NULL;
}

static void no_update_of_any_thread_is_lost(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    bool failed[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &failed[i]), 0);
    size_t entries = 0, updates = 0, sum = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failed[i]);
    }
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = shard_lock_at(&shards, i);
        entries += s->map.count;
        updates += s->bytes;
        shard_unlock(s);
    }
    for (unsigned i = 0; i < KEYS; i++)
        sum += counts[i];
    assert_int_equal(entries, KEYS);
    assert_int_equal(updates, THREADS * ROUNDS);
    assert_int_equal(sum, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_always_lives_in_the_same_part, setup, teardown),
        cmocka_unit_test_setup_teardown(every_part_can_be_visited, setup, teardown),
        cmocka_unit_test_setup_teardown(no_update_of_any_thread_is_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
