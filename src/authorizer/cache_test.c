/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache by itself: what is kept, for how long, and who waits for whom. */
#include "authorizer_int.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/fault.h"

static struct auth_result *result(const char *principal)
{
    char text[400];
    struct auth_result *r = NULL;
    snprintf(
        text, sizeof text,
        "{\"principalId\":\"%s\",\"policyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[]}}",
        principal);
    assert_int_equal(auth__result_parse(str_c(text), SHAPE_REST, &r, NULL), ERR_OK);
    r->authorizer = STR("guard");
    return r;
}

static struct authorizer guard = {.name = {"guard", 5}, .ttl_s = 300, .coalesce = true};

static struct auth_call call(const char *key)
{
    return (struct auth_call){.authorizer = &guard, .key = str_c(key)};
}

static void store(struct authorizer_cache *cache, const char *key, const char *principal,
                  int64_t expires)
{
    struct auth_call c = call(key);
    struct auth_result *none = NULL, *r = result(principal);
    assert_int_equal(cache__lookup(cache, &c, 0, &none), CACHE_LEAD);
    assert_null(cache__land(cache, &c, r, expires));
    auth__result_unref(r);
}

static bool has(struct authorizer_cache *cache, const char *key, int64_t now)
{
    struct auth_call c = call(key);
    struct auth_result *r = NULL;
    enum cache_answer a = cache__lookup(cache, &c, now, &r);
    auth__result_unref(r);
    if (a == CACHE_LEAD)
        assert_null(cache__land(cache, &c, NULL, 0));
    return a == CACHE_HIT;
}

static struct authorizer_cache *make(size_t bytes)
{
    struct authorizer_cache *c = NULL;
    assert_int_equal(authorizer_cache_new(bytes, &c), ERR_OK);
    return c;
}

static void a_result_is_kept_until_its_time(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    store(c, "k", "ana", 1000);
    assert_true(has(c, "k", 999));
    assert_true(has(c, "k", 999)); /* a hit does not extend it */
    assert_false(has(c, "k", 1000));
    assert_false(has(c, "other", 0));
    authorizer_cache_free(c);
}

static void identical_misses_wait_for_the_first(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    struct auth_call lead = call("k"), second = call("k"), third = call("k");
    struct auth_result *r = NULL, *made = result("ana");
    assert_int_equal(cache__lookup(c, &lead, 0, &r), CACHE_LEAD);
    assert_int_equal(cache__lookup(c, &second, 0, &r), CACHE_WAIT);
    assert_int_equal(cache__lookup(c, &third, 0, &r), CACHE_WAIT);
    struct auth_call *w = cache__land(c, &lead, made, 1000);
    assert_ptr_equal(w, &second);
    assert_ptr_equal(w->next, &third);
    assert_ptr_equal(second.result, made);
    auth_call_fini(&second);
    auth_call_fini(&third);
    auth__result_unref(made);
    assert_true(has(c, "k", 1));
    authorizer_cache_free(c);
}

static void a_failure_is_neither_kept_nor_shared(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    struct auth_call lead = call("k"), second = call("k");
    struct auth_result *r = NULL;
    assert_int_equal(cache__lookup(c, &lead, 0, &r), CACHE_LEAD);
    assert_int_equal(cache__lookup(c, &second, 0, &r), CACHE_WAIT);
    struct auth_call *w = cache__land(c, &lead, NULL, 0);
    assert_ptr_equal(w, &second);
    assert_null(second.result);
    assert_false(has(c, "k", 0));
    authorizer_cache_free(c);
}

static void memory_stays_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    for (int i = 0; i < 20000; i++) {
        char key[24];
        snprintf(key, sizeof key, "key-%d", i);
        store(c, key, "ana", 1000);
    }
    assert_true(authorizer_cache_count(c) < 6000);
    assert_true(has(c, "key-19999", 0));
    assert_false(has(c, "key-0", 0));
    authorizer_cache_free(c);
}

/* Attack catalogue (c) 11: tokens that nobody shows twice evict only each other. */
static void a_flood_of_strangers_leaves_the_regulars(void **state)
{
    (void)state;
    enum { REGULARS = 1000, STRANGERS = 200000 };
    struct authorizer_cache *c = make(MIB(8)); /* a few thousand entries */
    char key[40];
    size_t asked = 0, hits = 0;
    for (int i = 0; i < REGULARS; i++) {
        snprintf(key, sizeof key, "regular %d", i);
        store(c, key, "ana", INT64_MAX);
        assert_true(has(c, key, 0));
    }
    for (int i = 0; i < STRANGERS; i++) {
        snprintf(key, sizeof key, "stranger %d", i);
        store(c, key, "nobody", INT64_MAX);
        if (i % 10 != 0)
            continue;
        snprintf(key, sizeof key, "regular %d", i / 10 % REGULARS);
        asked++;
        hits += has(c, key, i);
    }
    assert_true(hits * 10 >= asked * 9);
    authorizer_cache_free(c);
}

/* One hit proves an entry at once, and one that proves itself pushes no other out. */
static void a_hit_in_the_first_second_counts(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(8));
    char key[40];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "regular %d", i);
        store(c, key, "ana", INT64_MAX);
        assert_true(has(c, key, 0));
    }
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "stranger %d", i);
        store(c, key, "nobody", INT64_MAX);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "regular %d", i);
        assert_true(has(c, key, 1));
    }
    authorizer_cache_free(c);
}

/* What was proven once does not stay for ever: the proven fill three quarters of a shard at most.
 */
static void the_oldest_of_the_proven_go_when_others_prove_themselves(void **state)
{
    (void)state;
    enum { ALL = 20000 };
    struct authorizer_cache *c = make(MIB(2));
    char key[40];
    size_t late = 0;
    for (int i = 0; i < ALL; i++) {
        snprintf(key, sizeof key, "key %d", i);
        store(c, key, "ana", INT64_MAX);
        has(c, key, i);
    }
    assert_false(has(c, "key 0", ALL));
    for (int i = ALL - 1000; i < ALL; i++) {
        snprintf(key, sizeof key, "key %d", i);
        late += has(c, key, ALL);
    }
    assert_true(late > 900);
    authorizer_cache_free(c);
}

static enum err make_once(void *arg)
{
    struct authorizer_cache *c = NULL;
    (void)arg;
    enum err err = authorizer_cache_new(MIB(1), &c);
    authorizer_cache_free(c);
    return err;
}

static void a_cache_that_cannot_be_made_is_none(void **state)
{
    (void)state;
    fault_each(make_once, NULL);
}

static void without_memory_for_the_table_a_call_goes_on_too(void **state)
{
    (void)state;
    FAULT_EACH
    {
        mem_fault(-1, 0);
        struct authorizer_cache *c = make(MIB(1));
        struct auth_call k = call("k");
        struct auth_result *r = NULL;
        mem_fault(fault__.round / 2, fault__.round % 2);
        enum cache_answer a = cache__lookup(c, &k, 0, &r);
        bool hit = fault_hit();
        assert_int_equal(a, hit ? CACHE_FULL : CACHE_LEAD);
        if (a == CACHE_LEAD)
            assert_null(cache__land(c, &k, NULL, 0));
        authorizer_cache_free(c);
    }
}

static void purging_drops_what_matches_and_what_is_under_way(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    struct auth_call lead = call("running");
    struct auth_result *r = NULL, *made = result("ana");
    store(c, "a", "ana", 1000);
    store(c, "b", "bob", 1000);
    assert_int_equal(cache__lookup(c, &lead, 0, &r), CACHE_LEAD);
    assert_int_equal(authorizer_cache_purge(c, STR(""), STR("ana")), 1);
    struct auth_call late = call("running");
    assert_int_equal(cache__lookup(c, &late, 0, &r),
                     CACHE_FULL); /* it must not join the old call */
    assert_null(cache__land(c, &lead, made, 1000));
    auth__result_unref(made);
    assert_false(has(c, "a", 0));
    assert_true(has(c, "b", 0));
    assert_false(has(c, "running", 0));
    assert_int_equal(authorizer_cache_purge(c, STR("other"), STR("")), 0);
    assert_int_equal(authorizer_cache_purge(c, STR("guard"), STR("")), 1);
    authorizer_cache_free(c);
}

static void a_purge_reaches_every_entry(void **state)
{
    (void)state;
    enum { ALL = 2000 };
    struct authorizer_cache *c = make(MIB(8));
    char key[40];
    for (int i = 0; i < ALL; i++) {
        snprintf(key, sizeof key, "key %d", i);
        store(c, key, i % 2 ? "ana" : "bob", INT64_MAX);
    }
    assert_int_equal(authorizer_cache_count(c), ALL);
    assert_int_equal(authorizer_cache_purge(c, STR(""), STR("bob")), ALL / 2);
    assert_int_equal(authorizer_cache_count(c), ALL / 2);
    assert_int_equal(authorizer_cache_purge(c, STR(""), STR("")), ALL / 2);
    assert_int_equal(authorizer_cache_count(c), 0);
    authorizer_cache_free(c);
}

/* An introspected token that is not active answers those who wait, and nobody later. */
static void what_expires_at_once_is_shared_and_not_kept(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    struct auth_call lead = call("k"), late = call("k");
    struct auth_result *none = NULL, *r = result("ana");
    assert_int_equal(cache__lookup(c, &lead, 0, &none), CACHE_LEAD);
    assert_int_equal(cache__lookup(c, &late, 0, &none), CACHE_WAIT);
    assert_ptr_equal(cache__land(c, &lead, r, 0), &late);
    assert_ptr_equal(late.result, r);
    auth__result_unref(late.result);
    assert_int_equal(authorizer_cache_count(c), 0);
    auth__result_unref(r);
    store(c, "k", "ana", 1);
    assert_int_equal(authorizer_cache_count(c), 1);
    authorizer_cache_free(c);
}

static void without_memory_a_call_goes_on_without_the_cache(void **state)
{
    (void)state;
    struct authorizer_cache *c = make(MIB(1));
    struct auth_call k = call("k");
    struct auth_result *r = NULL;
    mem_fault(0, 1);
    assert_int_equal(cache__lookup(c, &k, 0, &r), CACHE_FULL);
    mem_fault(-1, 0);
    assert_int_equal(authorizer_cache_count(c), 0);
    authorizer_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_kept_until_its_time),
        cmocka_unit_test(identical_misses_wait_for_the_first),
        cmocka_unit_test(a_failure_is_neither_kept_nor_shared),
        cmocka_unit_test(memory_stays_bounded_and_the_oldest_goes),
        cmocka_unit_test(a_flood_of_strangers_leaves_the_regulars),
        cmocka_unit_test(a_hit_in_the_first_second_counts),
        cmocka_unit_test(the_oldest_of_the_proven_go_when_others_prove_themselves),
        cmocka_unit_test(a_cache_that_cannot_be_made_is_none),
        cmocka_unit_test(without_memory_for_the_table_a_call_goes_on_too),
        cmocka_unit_test(purging_drops_what_matches_and_what_is_under_way),
        cmocka_unit_test(a_purge_reaches_every_entry),
        cmocka_unit_test(what_expires_at_once_is_shared_and_not_kept),
        cmocka_unit_test(without_memory_a_call_goes_on_without_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
