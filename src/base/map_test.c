/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash table: contents, graves, iteration, the hash itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/map.h"
#include "base_int.h"
#include "lib/fault.h"

#define MANY 1000
static char names[MANY][8];

static struct str name(size_t i)
{
    snprintf(names[i], sizeof names[i], "k%zu", i);
    return str_c(names[i]);
}

static void an_empty_map_answers(void **state)
{
    (void)state;
    struct map m = {0};
    size_t at = 0;
    struct str key;
    void *value;
    assert_null(map_get(&m, STR("x")));
    assert_null(map_del(&m, STR("x")));
    assert_false(map_next(&m, &at, &key, &value));
    map_fini(&m);
}

static void many_keys_are_found_again(void **state)
{
    (void)state;
    struct map m = {0};
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&m, name(i), names[i], NULL), ERR_OK);
    assert_int_equal(m.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&m, str_c(names[i])), names[i]);
    assert_null(map_get(&m, STR("k1000")));
    assert_null(map_get(&m, STR("")));
    map_fini(&m);
}

static void putting_again_replaces(void **state)
{
    (void)state;
    struct map m = {0};
    int a, b;
    void *old = &m;
    assert_int_equal(map_put(&m, STR("x"), &a, &old), ERR_OK);
    assert_null(old);
    assert_int_equal(map_put(&m, STR("x"), &b, &old), ERR_OK);
    assert_ptr_equal(old, &a);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(map_get(&m, STR("x")), &b);
    map_fini(&m);
}

static void the_empty_key_is_a_key(void **state)
{
    (void)state;
    struct map m = {0};
    int a;
    assert_int_equal(map_put(&m, STR_NONE, &a, NULL), ERR_OK);
    assert_ptr_equal(map_get(&m, STR("")), &a);
    assert_ptr_equal(map_del(&m, STR("")), &a);
    assert_null(map_get(&m, STR("")));
    map_fini(&m);
}

static void coming_and_going_does_not_grow_the_table(void **state)
{
    (void)state;
    struct map m = {0};
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(map_put(&m, name(i), names[i], NULL), ERR_OK);
            assert_ptr_equal(map_del(&m, str_c(names[i])), names[i]);
        }
    assert_int_equal(m.count, 0);
    assert_int_equal(m.cap, 8);
    map_fini(&m);
}

static void the_entry_just_seen_may_be_deleted(void **state)
{
    (void)state;
    struct map m = {0};
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(map_put(&m, name(i), names[i], NULL), ERR_OK);
    size_t at = 0, seen = 0;
    struct str key;
    void *value;
    while (map_next(&m, &at, &key, &value)) {
        assert_ptr_equal(map_del(&m, key), value);
        seen++;
    }
    assert_int_equal(seen, MANY);
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

/* An implementation written differently: one byte at a time, state in named words. */
static uint64_t plain_siphash(uint64_t k0, uint64_t k1, const unsigned char *p, size_t n)
{
    uint64_t a = k0 ^ 0x736f6d6570736575, b = k1 ^ 0x646f72616e646f6d;
    uint64_t c = k0 ^ 0x6c7967656e657261, d = k1 ^ 0x7465646279746573, word = 0;
#define ROT(x, n) ((x) << (n) | (x) >> (64 - (n)))
#define ROUND                                                                                \
    (a += b, c += d, b = ROT(b, 13), d = ROT(d, 16), b ^= a, d ^= c, a = ROT(a, 32), c += b, \
     a += d, b = ROT(b, 17), d = ROT(d, 21), b ^= c, d ^= a, c = ROT(c, 32))
    for (size_t i = 0; i <= n; i++) {
        word |= (uint64_t)(i < n ? p[i] : n & 0xff) << (i < n ? 8 * (i % 8) : 56);
        if (i % 8 == 7 || i == n) {
            d ^= word, ROUND, ROUND, a ^= word;
            word = 0;
        }
    }
    c ^= 0xff;
    ROUND, ROUND, ROUND, ROUND;
    return a ^ b ^ c ^ d;
}

static void the_hash_is_siphash_2_4(void **state)
{
    (void)state;
    unsigned char text[64];
    /* The example worked out in appendix A of the SipHash paper. */
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)i;
    assert_true(map__siphash(key, str_of(text, 15)) == 0xa129ca6149be45e5);
    for (size_t n = 0; n <= sizeof text; n++)
        assert_true(map__siphash(key, str_of(text, n)) == plain_siphash(key[0], key[1], text, n));
}

static void the_hash_has_a_key(void **state)
{
    (void)state;
    const uint64_t zero[2] = {0, 0};
    assert_true(map_hash(STR("x")) == map_hash(STR("x")));
    assert_true(map_hash(STR("x")) != map__siphash(zero, STR("x")));
}

static enum err fill(void *arg)
{
    (void)arg;
    struct map m = {0};
    enum err err = ERR_OK;
    size_t i = 0;
    for (; i < 100 && err == ERR_OK; i++)
        err = map_put(&m, name(i), names[i], NULL);
    if (err != ERR_OK)
        i--;
    assert_int_equal(m.count, i);
    for (size_t k = 0; k < i; k++)
        assert_ptr_equal(map_get(&m, str_c(names[k])), names[k]);
    map_fini(&m);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(fill, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_answers),
        cmocka_unit_test(many_keys_are_found_again),
        cmocka_unit_test(putting_again_replaces),
        cmocka_unit_test(the_empty_key_is_a_key),
        cmocka_unit_test(coming_and_going_does_not_grow_the_table),
        cmocka_unit_test(the_entry_just_seen_may_be_deleted),
        cmocka_unit_test(the_hash_is_siphash_2_4),
        cmocka_unit_test(the_hash_has_a_key),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
