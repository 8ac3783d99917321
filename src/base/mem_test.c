/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap and its test hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

static void memory_is_zeroed(void **state)
{
    (void)state;
    const char zero[100] = {0};
    char *p = mem_alloc(sizeof zero);
    assert_non_null(p);
    assert_memory_equal(p, zero, sizeof zero);
    mem_free(p);
}

static void nothing_is_null(void **state)
{
    (void)state;
    assert_null(mem_alloc(0));
    assert_null(mem_calloc(0, 8));
    mem_free(NULL);
    mem_cleanse_free(NULL, 0);
}

static void an_overflow_is_refused(void **state)
{
    (void)state;
    assert_null(mem_calloc(SIZE_MAX / 2, 3));
}

static void a_failed_growth_keeps_the_old(void **state)
{
    (void)state;
    char *p = mem_strdup("kept");
    mem_fault(0, 0);
    assert_null(mem_realloc(p, 1000));
    mem_fault(-1, 0);
    assert_string_equal(p, "kept");
    char *q = mem_realloc(p, 1000);
    assert_string_equal(q, "kept");
    mem_free(q);
}

static void copies_are_own(void **state)
{
    (void)state;
    char from[] = "abc";
    char *a = mem_strdup(from), *b = mem_dup(from, 2);
    from[0] = 'x';
    assert_string_equal(a, "abc");
    assert_memory_equal(b, "ab", 2);
    mem_free(a);
    mem_cleanse_free(b, 2);
}

static void the_fault_strikes_once(void **state)
{
    (void)state;
    mem_fault(1, 0);
    void *a = mem_alloc(8), *b = mem_alloc(8), *c = mem_alloc(8);
    assert_int_equal(mem_fault_hits(), 1);
    mem_fault(-1, 0);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(c);
}

static void a_sticky_fault_stays(void **state)
{
    (void)state;
    mem_fault(1, 1);
    void *a = mem_alloc(8);
    assert_null(mem_alloc(8));
    assert_null(mem_strdup("x"));
    assert_int_equal(mem_fault_hits(), 2);
    mem_fault(-1, 0);
    void *b = mem_alloc(8);
    assert_non_null(b);
    mem_free(a);
    mem_free(b);
}

static void *allocate(void *arg)
{
    void *p = mem_alloc(8);
    *(bool *)arg = p != NULL;
    mem_free(p);
    return NULL;
}

static void other_threads_feel_no_fault(void **state)
{
    (void)state;
    pthread_t thread;
    bool worked = false;
    mem_fault(0, 1);
    assert_int_equal(pthread_create(&thread, NULL, allocate, &worked), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    mem_fault(-1, 0);
    assert_true(worked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed),       cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(an_overflow_is_refused), cmocka_unit_test(a_failed_growth_keeps_the_old),
        cmocka_unit_test(copies_are_own),         cmocka_unit_test(the_fault_strikes_once),
        cmocka_unit_test(a_sticky_fault_stays),   cmocka_unit_test(other_threads_feel_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
