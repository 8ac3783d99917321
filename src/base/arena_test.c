/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: growth, cap, reset, copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "lib/fault.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 4096);
    for (size_t size = 0; size < 60; size++) {
        unsigned char *p = arena_alloc(a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    arena_free(a);
}

static void memory_is_zeroed_again_after_reset(void **state)
{
    (void)state;
    struct arena *a = arena_new(256, 4096);
    unsigned char *first = arena_alloc(a, 100);
    memset(first, 0xff, 100);
    memset(arena_alloc(a, 1000), 0xff, 1000);
    arena_reset(a);
    assert_int_equal(arena_used(a), 0);
    unsigned char *again = arena_alloc(a, 100);
    assert_ptr_equal(first, again);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(again[i], 0);
    arena_free(a);
}

static void the_cap_holds(void **state)
{
    (void)state;
    struct arena *a = arena_new(0, 1024);
    size_t got = 0;
    while (arena_alloc(a, 16))
        got += 16;
    assert_int_equal(got, 1024);
    assert_int_equal(arena_used(a), 1024);
    assert_int_equal(arena_err(a), ERR_LIMIT);
    arena_reset(a);
    assert_int_equal(arena_err(a), ERR_OK);
    assert_non_null(arena_alloc(a, 1024));
    assert_null(arena_alloc(a, 1));
    arena_free(a);
}

static void a_large_piece_does_not_waste_the_block(void **state)
{
    (void)state;
    struct arena *a = arena_new(1024, 8192);
    char *before = arena_alloc(a, 16);
    assert_non_null(arena_alloc(a, 1500));
    assert_ptr_equal(arena_alloc(a, 16), before + 16);
    arena_free(a);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, SIZE_MAX);
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_array(a, SIZE_MAX / 2, 4));
    assert_null(arena_cat(a, (struct str[]){{"", SIZE_MAX - 1}, {"", 5}}, 2).p);
    assert_null(arena_new(SIZE_MAX - 8, SIZE_MAX));
    arena_free(a);
}

static void copies_end_in_nul(void **state)
{
    (void)state;
    struct arena *a = arena_new(64, 4096);
    struct str s = arena_str(a, str_sub(STR("hello"), 0, 4));
    assert_string_equal(s.p, "hell");
    assert_int_equal(s.n, 4);
    struct str none = arena_str(a, STR_NONE);
    assert_non_null(none.p);
    assert_int_equal(none.n, 0);
    assert_string_equal(arena_cstr(a, STR("abc")), "abc");
    assert_string_equal(arena_cstr(a, STR_NONE), "");
    struct str fmt = arena_fmt(a, "%d-%s", 7, "x");
    assert_string_equal(fmt.p, "7-x");
    assert_int_equal(fmt.n, 3);
    struct str cat = arena_cat(a, (struct str[]){STR("a"), STR_NONE, STR("bc")}, 3);
    assert_string_equal(cat.p, "abc");
    assert_int_equal(cat.n, 3);
    assert_int_equal(arena_cat(a, NULL, 0).n, 0);
    arena_free(a);
    arena_free(NULL);
}

static void letters_are_lowered_and_nothing_else(void **state)
{
    struct arena *a = arena_new(64, 1024);
    struct str same = STR("abc-[@`{");
    (void)state;
    assert_true(str_eqz(arena_lower(a, STR("AZ az[@\xc3\x84")), "az az[@\xc3\x84"));
    assert_ptr_equal(arena_lower(a, same).p, same.p);
    assert_int_equal(arena_lower(a, STR_NONE).n, 0);
    arena_free(a);
}

static enum err use(void *arg)
{
    (void)arg;
    struct arena *a = arena_new(16, 1 << 20);
    if (!a)
        return ERR_NOMEM;
    bool all = arena_alloc(a, 5000) && arena_str(a, STR("x")).p && arena_fmt(a, "%d", 1).p &&
               arena_cstr(a, STR("y")) && arena_lower(a, STR("Z")).p && arena_alloc(a, 100000);
    enum err err = all ? ERR_OK : arena_err(a);
    arena_free(a);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(use, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(memory_is_zeroed_again_after_reset),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(a_large_piece_does_not_waste_the_block),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(letters_are_lowered_and_nothing_else),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
