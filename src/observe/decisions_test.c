/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/decisions.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "observe/metrics.h"

static void put(struct decision_ring *g, const char *id, unsigned status)
{
    struct decision_record *r = mem_alloc(sizeof *r);
    char full[37] = {0};
    snprintf(full, sizeof full, "%s", id);
    decision_begin(r, full, 0);
    r->status = (uint16_t)status;
    decision_note(r, "match", VERDICT_PASS, "route", STR("GET /pets"));
    decision_ring_put(g, r);
    mem_free(r);
}

static void the_newest_record_is_found_first(void **state)
{
    (void)state;
    struct decision_ring *g = decision_ring_new();
    assert_null(decision_ring_find(g, STR(""), false));
    put(g, "aaa1", 200);
    put(g, "aaa2", 403);
    put(g, "bbb1", 200);
    assert_string_equal(decision_ring_find(g, STR(""), false)->id, "bbb1");
    assert_string_equal(decision_ring_find(g, STR(""), true)->id, "aaa2");
    assert_string_equal(decision_ring_find(g, STR("aaa"), false)->id, "aaa2");
    assert_null(decision_ring_find(g, STR("c"), false));
    decision_ring_free(g);
}

static void the_ring_forgets_the_oldest(void **state)
{
    (void)state;
    struct decision_ring *g = decision_ring_new();
    put(g, "first", 200);
    for (int i = 0; i < DECISIONS_PER_WORKER; i++)
        put(g, "later", 200);
    assert_null(decision_ring_find(g, STR("first"), false));
    decision_ring_free(g);
}

static void a_value_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    struct decision_record *r = mem_alloc(sizeof *r);
    char id[37] = "x", big[DECISION_TEXT + 100];
    memset(big, 'a', sizeof big);
    decision_begin(r, id, 0);
    decision_note(r, "function", VERDICT_ERROR, "answer", str_of(big, sizeof big));
    struct str v = decision_value(r, &r->row[0]);
    assert_int_equal(v.n, DECISION_TEXT);
    assert_true(str_ends(v, STR("a...")));
    for (int i = 0; i < 2 * DECISION_ROWS; i++)
        decision_note(r, "x", VERDICT_INFO, "y", STR("more"));
    assert_int_equal(r->rows, DECISION_ROWS);
    mem_free(r);
}

static void a_token_is_masked(void **state)
{
    (void)state;
    char out[16];
    assert_true(str_eqz(decision_mask(STR("short-secret"), out), "***"));
    assert_true(str_eqz(decision_mask(STR("Bearer aaaaaaaaaaaaaaaaaaaaaaaWXYZ"), out), "***WXYZ"));
}

static void metrics_are_summed_over_loops(void **state)
{
    (void)state;
    struct metrics *a = mem_alloc(sizeof *a), *b = mem_alloc(sizeof *b);
    const struct metrics *sets[] = {a, b};
    metric_add(a, METRIC_HTTP_REQUESTS, 2);
    metric_add(b, METRIC_HTTP_REQUESTS, 3);
    AUTO_BUF out = BUF_INIT(KIB(64));
    metrics_write(sets, 2, &out);
    assert_non_null(strstr(buf_cstr(&out), "# TYPE ropeline_http_requests counter\n"
                                           "ropeline_http_requests_total 5\n"));
    mem_free(a);
    mem_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_record_is_found_first),
        cmocka_unit_test(the_ring_forgets_the_oldest),
        cmocka_unit_test(a_value_that_does_not_fit_is_cut),
        cmocka_unit_test(a_token_is_masked),
        cmocka_unit_test(metrics_are_summed_over_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
