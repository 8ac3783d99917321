/* SPDX-License-Identifier: Apache-2.0 */
#include "revoked_int.h"

#include <stdio.h>

#include "lib/fault.h"
#include "lib/prop.h"
#include "limits_int.h"

static struct str handle(char text[64], unsigned i)
{
    return str_of(text, (size_t)snprintf(text, 64, "handle %u", i));
}

static void add(struct revoked *r, unsigned i, int64_t until, int64_t now, enum err expected)
{
    char text[64];
    assert_int_equal(revoked_add(r, STR("public"), handle(text, i), until, now), expected);
}

static bool has(struct revoked *r, unsigned i)
{
    char text[64];
    return revoked_has(r, STR("public"), handle(text, i));
}

static void what_was_added_is_there_and_nothing_else(void **state)
{
    struct revoked *r;
    (void)state;
    assert_int_equal(revoked_new(&r), ERR_OK);
    assert_false(has(r, 1));
    add(r, 1, 100, 0, ERR_OK);
    add(r, 1, 100, 0, ERR_OK);
    assert_true(has(r, 1) && !has(r, 2) && revoked_count(r) == 1);
    assert_false(revoked_has(r, STR("other"), STR("handle 1")));
    assert_false(revoked_has(r, STR("publi"), STR("chandle 1")));
    add(r, 3, 50, 60, ERR_OK); /* no token of it can be valid any more */
    assert_false(has(r, 3));
    revoked_free(r);
}

static void a_handle_longer_than_any_of_ours_is_not_revoked(void **state)
{
    static char text[4096];
    struct revoked *r;
    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(revoked_new(&r), ERR_OK);
    assert_int_equal(revoked_add(r, STR("public"), str_of(text, sizeof text), 10, 0), ERR_OK);
    assert_false(revoked_has(r, STR("public"), str_of(text, sizeof text)));
    revoked_free(r);
}

static void many_grow_and_what_has_ended_makes_room(void **state)
{
    struct revoked *r;
    (void)state;
    assert_int_equal(revoked_new(&r), ERR_OK);
    for (unsigned i = 0; i < 100000; i++)
        add(r, i, 1000, 0, ERR_OK);
    for (unsigned i = 0; i < 100000; i++)
        assert_true(has(r, i));
    for (unsigned i = 100000; i < 400000; i++)
        add(r, i, 3000, 2000, ERR_OK);
    assert_true(revoked_count(r) < 400000);
    for (unsigned i = 100000; i < 400000; i++)
        assert_true(has(r, i));
    revoked_free(r);
}

/* Above the cap the ones that end soonest go, and it is said. */
static void at_the_cap_the_soonest_to_end_go_first(void **state)
{
    struct revoked *r;
    unsigned lost = 0, n = LIMIT_REVOKED_SESSIONS + LIMIT_REVOKED_SESSIONS / 8;
    (void)state;
    assert_int_equal(revoked_new(&r), ERR_OK);
    for (unsigned i = 0; i < n; i++) {
        char text[64];
        enum err err = revoked_add(r, STR("public"), handle(text, i), 1000 + i, 0);
        assert_true(err == ERR_OK || err == ERR_LIMIT);
        lost += err == ERR_LIMIT;
    }
    assert_true(lost > 0 && revoked_count(r) <= LIMIT_REVOKED_SESSIONS);
    for (unsigned i = n - 1000; i < n; i++)
        assert_true(has(r, i));
    /* One that ends before all of them is kept only where there is room, and it is said. */
    char text[64];
    enum err err = revoked_add(r, STR("public"), handle(text, n), 5, 0);
    assert_true(err == (has(r, n) ? ERR_OK : ERR_LIMIT));
    revoked_free(r);
}

static enum err run(void *arg)
{
    struct revoked *r = NULL;
    (void)arg;
    enum err err = revoked_new(&r);
    for (unsigned i = 0; err == ERR_OK && i < 8; i++) {
        char text[64];
        err = revoked_add(r, STR("public"), handle(text, i), 10, 0);
        if (err == ERR_OK)
            assert_true(has(r, i));
    }
    revoked_free(r);
    return err;
}

static void survives_each_failing_allocation(void **state)
{
    (void)state;
    fault_each(run, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_there_and_nothing_else),
        cmocka_unit_test(a_handle_longer_than_any_of_ours_is_not_revoked),
        cmocka_unit_test(many_grow_and_what_has_ended_makes_room),
        cmocka_unit_test(at_the_cap_the_soonest_to_end_go_first),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
