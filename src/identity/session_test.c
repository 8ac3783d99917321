/* SPDX-License-Identifier: Apache-2.0
 *
 * The state machine against an oracle that knows no digest: a tree of refresh tokens, in which one
 * node is the confirmed one. Every history of a few steps, and long random ones; then the
 * consequences that the design promises, each by its name. */
#include "session_int.h"

#include "lib/fault.h"
#include "lib/prop.h"

#define VALIDITY 1000
#define GRACE 30
#define MOST 96 /* tokens of one history */
#define NONE (-1)

/* --- a session and all that was ever issued for it ----------------------------------------------
 */
struct issued {
    char text[24], hash1[HASH_TEXT], hash2[HASH_TEXT];
    int parent; /* whose h1 it carries; NONE */
};
struct shown {
    int of; /* the refresh token it came with */
    int parent;
    int payload;
};
struct world {
    enum rotation_mode mode;
    int64_t now;
    struct session_row row;
    char hash2[HASH_TEXT], prev_hash2[HASH_TEXT];
    bool revoked;
    int payload;
    int refreshes, accesses;
    struct issued refresh[MOST];
    struct shown access[MOST];
    /* the oracle's */
    int confirmed, before;
    int64_t ends, rotated;
};

static struct str hash_text(const char *hash)
{
    return str_of(hash, HASH_TEXT - 1);
}

/* All histories share the digests: they are the same in each. */
static int issue(struct world *w, int parent)
{
    static struct issued made[MOST];
    int n = w->refreshes++;
    if (made[n].text[0] == '\0') {
        snprintf(made[n].text, sizeof made[n].text, "refresh %d", n);
        refresh_hash1(str_c(made[n].text), made[n].hash1);
        refresh_hash2(hash_text(made[n].hash1), made[n].hash2);
    }
    w->refresh[n] = made[n];
    w->refresh[n].parent = parent;
    return n;
}

static void keep(struct world *w)
{
    memmove(w->prev_hash2, w->row.prev_hash2.n ? w->row.prev_hash2.p : w->prev_hash2, HASH_TEXT);
    w->row.prev_hash2 = str_of(w->prev_hash2, w->row.prev_hash2.n);
    memmove(w->hash2, w->row.hash2.p, HASH_TEXT - 1);
    w->row.hash2 = hash_text(w->hash2);
}

static void begin(struct world *w, enum rotation_mode mode)
{
    memset(w, 0, sizeof *w);
    *w = (struct world){.mode = mode, .now = 5000, .before = NONE};
    w->confirmed = issue(w, NONE);
    w->ends = w->now + VALIDITY;
    w->row = (struct session_row){.handle = STR("handle"), .expires_ms = w->ends};
    w->row.hash2 = hash_text(w->refresh[0].hash2);
    keep(w);
    w->access[w->accesses++] = (struct shown){.of = w->confirmed, .parent = NONE};
}

static struct refresh_token refresh_of(const struct world *w, int i)
{
    struct refresh_token t = {.session_handle = STR("handle")};
    if (w->refresh[i].parent != NONE)
        t.parent_hash1 = hash_text(w->refresh[w->refresh[i].parent].hash1);
    return t;
}

static struct access_token access_of(const struct world *w, int i)
{
    struct access_token t = {.session_handle = STR("handle")};
    t.hash1 = hash_text(w->refresh[w->access[i].of].hash1);
    if (w->access[i].parent != NONE)
        t.parent_hash1 = hash_text(w->refresh[w->access[i].parent].hash1);
    return t;
}

static const struct session_row *stored(const struct world *w)
{
    return w->revoked ? NULL : &w->row;
}

/* --- what happens, in the machine ----------------------------------------------------------------
 */
/* As the store does it; a refresh that is good leaves one more refresh and access token. */
static enum session_step do_refresh(struct world *w, int i)
{
    struct refresh_token t = refresh_of(w, i);
    struct str h2 = hash_text(w->refresh[i].hash2);
    enum session_step step = session_refresh(w->mode, stored(w), &t, h2, true, GRACE, w->now);
    if (step == SESSION_UNAUTHORISED || step == SESSION_THEFT)
        return step;
    bool rotates = step == SESSION_ROTATE || step == SESSION_ROTATE_AGAIN;
    int n = issue(w, rotates ? NONE : i);
    session_apply(step, &w->row, h2, hash_text(w->refresh[n].hash2), VALIDITY, w->now);
    keep(w);
    w->access[w->accesses++] =
        (struct shown){.of = n, .parent = w->refresh[n].parent, .payload = w->payload};
    return step;
}

static enum session_step do_verify(struct world *w, int i, bool database)
{
    struct access_token t = access_of(w, i);
    bool same = w->access[i].payload == w->payload;
    const struct session_row *row =
        session_verify_is_local(w->mode, &t, database) ? NULL : stored(w);
    enum session_step step = session_verify(w->mode, row, &t, database, same, w->now);
    struct str shown = hash_text(w->refresh[w->access[i].of].hash2);
    if (step != SESSION_UNAUTHORISED) {
        session_apply(step, &w->row, shown, STR_NONE, VALIDITY, w->now);
        keep(w);
    }
    if (step == SESSION_PROMOTE || step == SESSION_REISSUE)
        w->access[w->accesses++] =
            (struct shown){.of = w->access[i].of, .parent = NONE, .payload = w->payload};
    return step;
}

/* --- and what the oracle expects -----------------------------------------------------------------
 */
static void confirm(struct world *w, int node)
{
    w->before = w->confirmed;
    w->confirmed = node;
    w->rotated = w->now;
    w->ends = w->now + VALIDITY;
}

static enum session_step expect_refresh(struct world *w, int i)
{
    if (w->revoked || w->ends < w->now)
        return SESSION_UNAUTHORISED;
    if (w->mode == ROTATION_ON_USE) {
        if (i == w->confirmed)
            return SESSION_REISSUE;
        if (w->refresh[i].parent != w->confirmed)
            return SESSION_THEFT;
        confirm(w, i);
        return SESSION_PROMOTE;
    }
    int next = w->refreshes;
    if (i == w->confirmed) {
        confirm(w, next);
        return SESSION_ROTATE;
    }
    if (i != w->before || w->now - w->rotated > GRACE)
        return SESSION_THEFT;
    w->confirmed = next;
    w->ends = w->now + VALIDITY;
    return SESSION_ROTATE_AGAIN;
}

static enum session_step expect_verify(struct world *w, int i, bool database)
{
    const struct shown *t = &w->access[i];
    bool gone = w->revoked || w->ends < w->now, stale = database && t->payload != w->payload;
    if (database && gone)
        return SESSION_UNAUTHORISED;
    if (w->mode == ROTATION_ON_REFRESH)
        return SESSION_GOOD;
    if (t->parent == NONE)
        return stale ? SESSION_REISSUE : SESSION_GOOD;
    if (gone)
        return SESSION_UNAUTHORISED;
    if (t->parent == w->confirmed) {
        confirm(w, t->of);
        return SESSION_PROMOTE;
    }
    return stale || t->of == w->confirmed ? SESSION_REISSUE : SESSION_GOOD;
}

/* --- both together -------------------------------------------------------------------------------
 */
static bool agrees(const struct world *w)
{
    return str_eq(w->row.hash2, hash_text(w->refresh[w->confirmed].hash2)) &&
           w->row.expires_ms == w->ends &&
           (w->before == NONE ? w->row.prev_hash2.n == 0
                              : str_eq(w->row.prev_hash2, hash_text(w->refresh[w->before].hash2)));
}

static int choices(const struct world *w)
{
    return w->refreshes + 2 * w->accesses + 6;
}

/* Step number `what` of a world; false: the machine and the oracle differ. */
static bool step(struct world *w, int what, struct prop *g)
{
    static const int64_t leap[] = {GRACE, GRACE + 1, VALIDITY, VALIDITY + 1, -VALIDITY};
    bool good = true;
    if (what < w->refreshes) {
        enum session_step expected = expect_refresh(w, what), got = do_refresh(w, what);
        good = got == expected;
        if (g)
            prop_note(g, "refresh %d: %d, expected %d", what, (int)got, (int)expected);
        return good && agrees(w);
    }
    what -= w->refreshes;
    if (what < 2 * w->accesses) {
        enum session_step expected = expect_verify(w, what / 2, what % 2),
                          got = do_verify(w, what / 2, what % 2);
        good = got == expected;
        if (g)
            prop_note(g, "verify %d%s: %d, expected %d", what / 2, what % 2 ? " with store" : "",
                      (int)got, (int)expected);
        return good && agrees(w);
    }
    what -= 2 * w->accesses;
    if (what < (int)COUNTOF(leap))
        w->now += leap[what];
    else
        w->payload++;
    if (g)
        prop_note(g, what < (int)COUNTOF(leap) ? "time %d" : "new payload (%d)", what);
    return true;
}

static size_t histories;

static void every_history(const struct world *w, int depth)
{
    static struct world at[8];
    for (int what = 0; depth > 0 && what < choices(w); what++) {
        struct world *next = &at[depth];
        *next = *w;
        next->row.hash2.p = next->hash2;
        next->row.prev_hash2.p = next->prev_hash2;
        histories++;
        if (!step(next, what, NULL))
            fail_msg("step %d of a history of depth %d differs", what, depth);
        every_history(next, depth - 1);
    }
    if (depth > 0 && !w->revoked) {
        at[depth] = *w;
        at[depth].row.hash2.p = at[depth].hash2;
        at[depth].row.prev_hash2.p = at[depth].prev_hash2;
        at[depth].revoked = true;
        every_history(&at[depth], depth - 1);
    }
}

static void every_short_history_is_as_the_oracle_says(void **state)
{
    static struct world w;
    (void)state;
    for (int mode = ROTATION_ON_USE; mode <= ROTATION_ON_REFRESH; mode++) {
        begin(&w, mode);
        every_history(&w, 6);
    }
    print_message("# %zu histories\n", histories);
    assert_true(histories > 1000000);
}

static bool random_history(struct prop *g)
{
    static struct world w;
    begin(&w, prop_below(g, 2) ? ROTATION_ON_REFRESH : ROTATION_ON_USE);
    while (w.refreshes < MOST - 1 && w.accesses < MOST - 1 && prop_below(g, 80)) {
        /* the latest tokens are shown more often than old ones */
        int what = (int)prop_below(g, (uint32_t)choices(&w));
        if (prop_below(g, 3) == 0)
            what = w.refreshes - 1 - (int)prop_below(g, w.refreshes > 4 ? 4 : 1);
        if (prop_chance(g, 60))
            w.revoked = true;
        if (!step(&w, what, g))
            return false;
    }
    return true;
}

static void long_random_histories_are_as_the_oracle_says(void **state)
{
    (void)state;
    assert_true(prop_holds("sessions are as the oracle says", random_history, 20000));
}

/* At any time exactly the confirmed token and its children are no theft. */
static bool only_one_family_works(struct prop *g)
{
    static struct world w, probe;
    begin(&w, ROTATION_ON_USE);
    while (w.refreshes < 24 && w.accesses < MOST - 1 && prop_below(g, 40))
        (void)step(&w, (int)prop_below(g, (uint32_t)(w.refreshes + 2 * w.accesses)), g);
    int works = 0;
    for (int i = 0; i < w.refreshes; i++) {
        probe = w;
        probe.row.hash2.p = probe.hash2;
        probe.row.prev_hash2.p = probe.prev_hash2;
        bool family = i == w.confirmed || w.refresh[i].parent == w.confirmed;
        if ((do_refresh(&probe, i) != SESSION_THEFT) != family)
            return false;
        works += i == w.confirmed;
    }
    return works == 1;
}

static void exactly_one_family_works_at_any_time(void **state)
{
    (void)state;
    assert_true(prop_holds("one family", only_one_family_works, 1000));
}

/* --- the consequences, by name -------------------------------------------------------------------
 */
static struct world w;

static void a_lost_answer_costs_nothing_until_a_child_is_used(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    for (int i = 0; i < 50; i++) {
        w.now += VALIDITY / 50;
        assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    }
    assert_int_equal(do_verify(&w, 20, false), SESSION_PROMOTE);
    assert_int_equal(do_refresh(&w, 0), SESSION_THEFT);
}

static void of_parallel_refreshes_the_first_child_used_wins(void **state)
{
    (void)state;
    for (int by_refresh = 0; by_refresh < 2; by_refresh++) {
        begin(&w, ROTATION_ON_USE);
        for (int i = 0; i < 10; i++)
            assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE); /* all of them succeed */
        if (by_refresh)
            assert_int_equal(do_refresh(&w, 4), SESSION_PROMOTE);
        else
            assert_int_equal(do_verify(&w, 4, false), SESSION_PROMOTE);
        for (int i = 0; i <= 10; i++)
            assert_int_equal(do_refresh(&w, i), i == 4 ? SESSION_REISSUE : SESSION_THEFT);
    }
}

static void expiry_slides_only_on_promotion(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    int64_t created = w.row.expires_ms;
    w.now += 100;
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    assert_int_equal(do_verify(&w, 0, true), SESSION_GOOD);
    assert_int_equal(w.row.expires_ms, created);
    assert_int_equal(do_verify(&w, 1, false), SESSION_PROMOTE);
    assert_int_equal(w.row.expires_ms, created + 100);
    assert_int_equal(w.row.rotated_ms, w.now);
    w.now += VALIDITY; /* its last millisecond is still good */
    assert_int_equal(do_refresh(&w, 1), SESSION_REISSUE);
    w.now++;
    assert_int_equal(do_refresh(&w, 1), SESSION_UNAUTHORISED);
    assert_int_equal(do_verify(&w, 1, true), SESSION_UNAUTHORISED);
}

static void the_first_use_after_a_refresh_replaces_the_access_token(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    assert_int_equal(do_verify(&w, 0, false), SESSION_GOOD);
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    struct access_token t = access_of(&w, 1);
    assert_false(session_verify_is_local(w.mode, &t, false));
    assert_int_equal(do_verify(&w, 1, false), SESSION_PROMOTE);
    t = access_of(&w, 2);
    assert_true(session_verify_is_local(w.mode, &t, false));
    assert_int_equal(do_verify(&w, 2, false), SESSION_GOOD);
    assert_int_equal(do_verify(&w, 1, false), SESSION_REISSUE); /* again, nothing is written */
}

static void an_old_fork_s_access_token_lives_on_and_is_not_replaced(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    assert_int_equal(do_verify(&w, 2, false), SESSION_PROMOTE);
    assert_int_equal(do_verify(&w, 1, false), SESSION_GOOD);
    w.payload++;
    assert_int_equal(do_verify(&w, 1, false),
                     SESSION_GOOD); /* the store was not asked to compare */
    assert_int_equal(do_verify(&w, 1, true), SESSION_REISSUE);
}

static void after_a_revocation_only_what_needs_no_store_is_good(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    w.revoked = true;
    assert_int_equal(do_verify(&w, 0, false), SESSION_GOOD);
    assert_int_equal(do_verify(&w, 0, true), SESSION_UNAUTHORISED);
    assert_int_equal(do_verify(&w, 1, false), SESSION_UNAUTHORISED);
    assert_int_equal(do_refresh(&w, 1), SESSION_UNAUTHORISED);
}

static void a_wrong_anti_csrf_token_or_session_is_refused_and_no_theft(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    struct refresh_token t = refresh_of(&w, 0);
    struct str h2 = hash_text(w.refresh[0].hash2);
    assert_int_equal(session_refresh(w.mode, &w.row, &t, h2, false, GRACE, w.now),
                     SESSION_UNAUTHORISED);
    t.session_handle = STR("handlf");
    assert_int_equal(session_refresh(w.mode, &w.row, &t, h2, true, GRACE, w.now),
                     SESSION_UNAUTHORISED);
    struct access_token a = access_of(&w, 0);
    a.session_handle = STR("handle ");
    assert_int_equal(session_verify(w.mode, &w.row, &a, true, true, w.now), SESSION_UNAUTHORISED);
}

static void an_empty_digest_matches_nothing(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    w.row.hash2 = w.row.prev_hash2 = STR_NONE;
    struct refresh_token t = refresh_of(&w, 0);
    for (int mode = ROTATION_ON_USE; mode <= ROTATION_ON_REFRESH; mode++)
        assert_int_equal(session_refresh(mode, &w.row, &t, STR_NONE, true, INT32_MAX, w.now),
                         SESSION_THEFT);
}

static void in_mode_5_6_the_last_token_has_a_grace(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_REFRESH);
    assert_int_equal(do_refresh(&w, 0), SESSION_ROTATE);
    w.now += GRACE;
    assert_int_equal(do_refresh(&w, 0), SESSION_ROTATE_AGAIN); /* the window stands */
    assert_int_equal(do_refresh(&w, 1), SESSION_THEFT);        /* its answer was thought lost */
    w.now += 1;
    assert_int_equal(do_refresh(&w, 0), SESSION_THEFT);
    assert_int_equal(do_refresh(&w, 2), SESSION_ROTATE);
    for (int i = 0; i < w.accesses; i++)
        assert_true(w.access[i].parent == NONE && do_verify(&w, i, true) == SESSION_GOOD);
}

static void a_session_of_one_mode_goes_on_in_the_other(void **state)
{
    (void)state;
    begin(&w, ROTATION_ON_USE);
    assert_int_equal(do_refresh(&w, 0), SESSION_REISSUE);
    w.mode = ROTATION_ON_REFRESH;
    assert_int_equal(do_refresh(&w, 1), SESSION_ROTATE);
    assert_int_equal(do_refresh(&w, 0), SESSION_THEFT);
    assert_int_equal(do_refresh(&w, 1), SESSION_ROTATE_AGAIN);
    w.mode = ROTATION_ON_USE;
    assert_int_equal(do_refresh(&w, 3), SESSION_REISSUE);
    assert_int_equal(do_refresh(&w, 4), SESSION_PROMOTE);
    assert_int_equal(do_refresh(&w, 3), SESSION_THEFT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_history_is_as_the_oracle_says),
        cmocka_unit_test(long_random_histories_are_as_the_oracle_says),
        cmocka_unit_test(exactly_one_family_works_at_any_time),
        cmocka_unit_test(a_lost_answer_costs_nothing_until_a_child_is_used),
        cmocka_unit_test(of_parallel_refreshes_the_first_child_used_wins),
        cmocka_unit_test(expiry_slides_only_on_promotion),
        cmocka_unit_test(the_first_use_after_a_refresh_replaces_the_access_token),
        cmocka_unit_test(an_old_fork_s_access_token_lives_on_and_is_not_replaced),
        cmocka_unit_test(after_a_revocation_only_what_needs_no_store_is_good),
        cmocka_unit_test(a_wrong_anti_csrf_token_or_session_is_refused_and_no_theft),
        cmocka_unit_test(an_empty_digest_matches_nothing),
        cmocka_unit_test(in_mode_5_6_the_last_token_has_a_grace),
        cmocka_unit_test(a_session_of_one_mode_goes_on_in_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
