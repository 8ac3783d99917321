/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys over time: which one signs, which verify, when the next is made, and what of it is in the
 * store. The scripts run inside one transaction, with a clock of their own. */
#include "keys_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fault.h"
#include "lib/prop.h"

#define HOUR_MS 3600000LL
#define START_MS 1800000000000LL
#define INTERVAL_MS (168 * HOUR_MS)
#define LIFE_MS (INTERVAL_MS + 2 * HOUR_MS)

static char dir[] = "/tmp/ropeline-keys-XXXXXX", db[64], key_file[64];
static struct run *r;
static struct store *s;
static struct identity *room;
static struct arena *memory;

static enum err open_room(struct errinfo *e)
{
    struct store_options o = {.loop = run_control(r), .path = db, .readers = 1};
    struct identity_options i = {.run = r, .key_file = key_file};
    enum err err = store_new(&o, &s);
    i.store = s;
    return err ? err : identity_new(&i, &room, e);
}

static void close_room(void)
{
    identity_free(room);
    store_free(s);
    room = NULL;
    s = NULL;
}

static int setup(void **state)
{
    struct errinfo e = {0};
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir) || run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK)
        return -1;
    snprintf(db, sizeof db, "%s/identity.db", dir);
    snprintf(key_file, sizeof key_file, "%s/identity.key", dir);
    memory = arena_new(KIB(16), MIB(64));
    return memory && open_room(&e) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    close_room();
    run_free(r);
    arena_free(memory);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* --- scripts ------------------------------------------------------------------------------------
 */
/* An assertion of cmocka must not fail on a lane's thread: the first line that does is noted. */
#define CHECK(good)           \
    do {                      \
        if (!(good)) {        \
            *line = __LINE__; \
            return;           \
        }                     \
    } while (0)
typedef void (*script_fn)(struct store_tx *tx, int *line);
struct script {
    struct store_job job;
    script_fn run;
    int line;
};

static enum err run_script(struct store_job *j, struct store_tx *tx)
{
    struct script *x = CONTAINER_OF(j, struct script, job);
    x->line = 0;
    x->run(tx, &x->line);
    return ERR_OK;
}

static void script_done(struct store_job *j, enum err err)
{
    struct script *x = CONTAINER_OF(j, struct script, job);
    if (err != ERR_OK)
        x->line = -1;
    identity_close(room);
    run_stop(r);
}

static void perform(script_fn run)
{
    struct script x = {.run = run};
    x.job = (struct store_job){.access = STORE_WRITE, .run = run_script, .done = script_done};
    assert_int_equal(store_submit(s, run_control(r), &x.job), ERR_OK);
    assert_int_equal(run_main(r), ERR_OK);
    if (x.line != 0)
        fail_msg("%s:%d", __FILE__, x.line);
}

static struct cdi_call call_at(int64_t now_ms)
{
    return (struct cdi_call){.identity = room,
                             .arena = memory,
                             .app = STR("public"),
                             .tenant = STR("public"),
                             .config = &room->base,
                             .version = CDI_NEWEST,
                             .now_ms = now_ms};
}

static struct str signer_at(const struct app_keys *k, int64_t now_ms)
{
    return keys_signer(k, true, now_ms).kid;
}

static enum err count(void *arg, const struct store_value *v, size_t n)
{
    (void)n;
    *(int64_t *)arg = v[0].i;
    return ERR_OK;
}

static const struct stmt all_keys = SQL("SELECT count(*) FROM signing_key");
static const struct stmt retired_keys = SQL("SELECT count(*) FROM signing_key WHERE sealed = ''");
/* Sealed text is base64url: three hyphens come by chance, in one key of a hundred. */
static const struct stmt naked_keys = SQL(
    "SELECT count(*) FROM signing_key WHERE sealed NOT LIKE 'v1.%' OR sealed LIKE '%-----BEGIN%'");

static int64_t ask(struct store_tx *tx, const struct stmt *stmt)
{
    int64_t n = -1;
    return store_run(tx, stmt, NULL, 0, count, &n) == ERR_OK ? n : -1;
}

/* --- what is made, and when ---------------------------------------------------------------------
 */
static void makes_what_is_asked_for(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS), other = call_at(START_MS + 5);
    struct app_keys *k, *same;
    CHECK(keys_cached(&c) == NULL && identity_keys(room, STR("public")) == NULL);
    CHECK(keys_for_call(&c, tx, &k) == ERR_OK);
    CHECK(k->dynamic_n == 1 && k->fixed == NULL && keys_verifiers(k)->n == 1);
    CHECK(str_eqz(signer_at(k, START_MS), "d-1800000000000"));
    CHECK(keys_refresh(k).n == REFRESH_KEY);
    CHECK(keys_cached(&other) == NULL); /* nothing is kept before it is committed */
    cdi__committed(&c);
    CHECK(keys_cached(&other) == k && keys_for_call(&other, tx, &same) == ERR_OK && same == k);
    CHECK(keys_all_cached(&other) == NULL);
    struct str refresh = keys_refresh(k);
    CHECK(keys_all_for_call(&other, tx, &same) == ERR_OK && same != k);
    CHECK(same->dynamic[0] == k->dynamic[0]); /* known: not read again */
    CHECK(str_eq(keys_refresh(same), refresh) && same->fixed != NULL);
    CHECK(str_starts(keys_signer(same, false, START_MS).kid, STR("s-")));
    CHECK(keys_verifiers(same)->n == 2 && keys_verifiers(same)->keys[1] == same->fixed);
    cdi__committed(&other);
    struct jwks *set = identity_keys(room, STR("public"));
    CHECK(set == keys_verifiers(same));
    jwks_unref(set);
    cdi__end(&c);
    cdi__end(&other);
    CHECK(ask(tx, &all_keys) == 2);
    CHECK(ask(tx, &naked_keys) == 0);
}

static void keys_are_made_when_asked_for(void **state)
{
    (void)state;
    perform(makes_what_is_asked_for);
}

static struct app_keys *at(struct store_tx *tx, struct cdi_call *c, int64_t now_ms)
{
    struct app_keys *k;
    cdi__end(c);
    *c = call_at(now_ms);
    if (keys_for_call(c, tx, &k) != ERR_OK)
        return NULL;
    cdi__committed(c);
    return k;
}

static void rotates(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS);
    const int64_t second_ms = START_MS + INTERVAL_MS - 60000;
    struct app_keys *k = at(tx, &c, START_MS);
    CHECK(k && keys_fresh_s(k, START_MS) == (INTERVAL_MS - 60000) / 1000);
    k = at(tx, &c, second_ms - 1);
    CHECK(k && k->dynamic_n == 1 && keys_fresh_s(k, second_ms - 1) == 1);
    k = at(tx, &c, second_ms);
    CHECK(k && k->dynamic_n == 2 && k->created_ms[0] == second_ms);
    CHECK(k->created_ms[1] == START_MS && keys_verifiers(k)->n == 2);
    /* in the JWKS first, then it signs */
    CHECK(signer_at(k, second_ms).p == k->dynamic[1]->kid.p);
    CHECK(signer_at(k, second_ms + 59999).p == k->dynamic[1]->kid.p);
    CHECK(signer_at(k, second_ms + 60000).p == k->dynamic[0]->kid.p);
    k = at(tx, &c, second_ms + INTERVAL_MS - 60000);
    CHECK(k && k->dynamic_n == 2); /* the first one's tokens have all ended */
    CHECK(k->created_ms[1] == second_ms);
    CHECK(ask(tx, &retired_keys) == 1);
    /* nobody came for a year: what is there signs at once */
    const int64_t late_ms = START_MS + 365 * 24 * HOUR_MS;
    k = at(tx, &c, late_ms);
    CHECK(k && k->dynamic_n == 1 && signer_at(k, late_ms).p == k->dynamic[0]->kid.p);
    CHECK(ask(tx, &all_keys) == 1);
    cdi__end(&c);
}

static void a_key_is_known_before_it_signs_and_verifies_after_it_has(void **state)
{
    (void)state;
    perform(rotates);
}

static void rotates_on_demand(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS), early = call_at(START_MS - 10);
    struct app_keys *k = at(tx, &c, START_MS);
    CHECK(k);
    CHECK(keys_rotate(&early, tx) == ERR_OK); /* another node's clock */
    CHECK(early.keys->dynamic_n == 2 && early.keys->created_ms[0] == START_MS + 1);
    CHECK(signer_at(early.keys, START_MS + 2).p == early.keys->dynamic[1]->kid.p);
    /* two in a row: the one that was there before both goes on */
    struct cdi_call soon = call_at(START_MS + 1000);
    CHECK(keys_rotate(&soon, tx) == ERR_OK && soon.keys->dynamic_n == 3);
    CHECK(signer_at(soon.keys, START_MS + 2000).p == soon.keys->dynamic[2]->kid.p);
    CHECK(signer_at(soon.keys, START_MS + 60500).p == soon.keys->dynamic[1]->kid.p);
    CHECK(signer_at(soon.keys, START_MS + 61000).p == soon.keys->dynamic[0]->kid.p);
    cdi__end(&soon);
    cdi__committed(&early);
    cdi__end(&c);
    c = call_at(START_MS + 2);
    CHECK(keys_cached(&c) == early.keys);
    /* What was read before a change is not kept after it. */
    struct cdi_call slow = call_at(START_MS + 3);
    keys__forget(room, STR("public"));
    CHECK(keys_for_call(&slow, tx, &k) == ERR_OK);
    keys__forget(room, STR("other"));
    cdi__committed(&slow);
    CHECK(identity_keys(room, STR("public")) == NULL);
    cdi__end(&c);
    cdi__end(&early);
    cdi__end(&slow);
}

static void a_rotation_on_demand_overlaps_too(void **state)
{
    (void)state;
    perform(rotates_on_demand);
}

/* --- what is refused ----------------------------------------------------------------------------
 */
static void moves_a_row(struct store_tx *tx, int *line)
{
    static const struct stmt move = SQL(
        "UPDATE signing_key SET sealed = (SELECT sealed FROM signing_key WHERE dynamic = 0) WHERE "
        "dynamic = 1");
    struct cdi_call c = call_at(START_MS);
    struct app_keys *k;
    CHECK(keys_all_for_call(&c, tx, &k) == ERR_OK);
    CHECK(store_run(tx, &move, NULL, 0, NULL, NULL) == ERR_OK);
    CHECK(keys__load(&c, tx, NULL, KEYS_ALL, &k) == ERR_INTERNAL && k == NULL);
    cdi__end(&c);
}

static void a_key_in_another_key_s_row_is_refused(void **state)
{
    (void)state;
    perform(moves_a_row);
}

static void knows_no_such_app(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS);
    struct app_keys *k;
    c.app = STR("nobody");
    CHECK(keys_for_call(&c, tx, &k) == ERR_NOTFOUND);
    CHECK(ask(tx, &all_keys) == 0);
}

static void an_app_that_is_not_there_gets_no_keys(void **state)
{
    (void)state;
    perform(knows_no_such_app);
}

static void makes_one(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS);
    struct app_keys *k;
    CHECK(keys_for_call(&c, tx, &k) == ERR_OK);
    cdi__end(&c);
}

static void a_store_opens_with_its_own_key_file_only(void **state)
{
    char aside[64];
    struct errinfo e = {0};
    (void)state;
    perform(makes_one);
    close_room();
    snprintf(aside, sizeof aside, "%s/aside", dir);
    assert_int_equal(rename(key_file, aside), 0);
    assert_int_equal(open_room(&e), ERR_INVALID);
    assert_non_null(strstr(e.text, "bring it back"));
    assert_int_not_equal(access(key_file, F_OK), 0); /* none is made in its place */
    close_room();
    FILE *f = fopen(key_file, "w");
    assert_non_null(f);
    fputs("ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
    assert_int_equal(open_room(&e), ERR_INVALID);
    assert_non_null(strstr(e.text, "is not the key"));
    close_room();
    assert_int_equal(rename(aside, key_file), 0);
    assert_int_equal(open_room(&e), ERR_OK);
}

/* --- the gateway's question ---------------------------------------------------------------------
 */
static void wanted(struct identity_keys_question *q)
{
    q->arg = q;
    identity_close(room);
    run_stop(r);
}

static struct identity_keys_question question;

static void then_ask(struct store_job *j, enum err err)
{
    if (err != ERR_OK || identity_want_keys(room, run_control(r), &question) != ERR_OK)
        script_done(j, ERR_INTERNAL);
}

static void the_gateway_gets_the_keys_of_an_app(void **state)
{
    struct script x = {.run = makes_one};
    (void)state;
    question =
        (struct identity_keys_question){.app = STR("public"), .arena = memory, .done = wanted};
    x.job = (struct store_job){.access = STORE_WRITE, .run = run_script, .done = then_ask};
    assert_int_equal(store_submit(s, run_control(r), &x.job), ERR_OK);
    assert_null(identity_keys(room, STR("public")));
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(x.line, 0);
    assert_int_equal(question.err, ERR_OK);
    struct jwks *set = identity_keys(room, STR("public"));
    assert_int_equal(set->n, 1);
    jwks_unref(set);
}

static void an_app_without_keys_gets_none_from_the_gateway(void **state)
{
    (void)state;
    question =
        (struct identity_keys_question){.app = STR("public"), .arena = memory, .done = wanted};
    assert_int_equal(identity_want_keys(room, run_control(r), &question), ERR_OK);
    assert_null(question.arg); /* never from inside the call */
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(question.err, ERR_NOTFOUND);
}

static void the_gateway_is_told_when_there_is_no_such_app(void **state)
{
    struct identity_keys_question q = {.app = STR("nobody"), .arena = memory, .done = wanted};
    (void)state;
    assert_int_equal(identity_want_keys(room, run_control(r), &q), ERR_OK);
    assert_int_equal(run_main(r), ERR_OK);
    assert_int_equal(q.err, ERR_NOTFOUND);
    assert_null(identity_keys(room, STR("nobody")));
}

/* --- any settings -------------------------------------------------------------------------------
 */
/* The rule alone, as keys_db.c applies it to a set of times. False: one would go before its time.
 */
static bool keep_up(struct app_keys *k, const struct core_config *g, int64_t now_ms)
{
    while (k->dynamic_n > 0 && k->created_ms[k->dynamic_n - 1] < now_ms - keys__life_ms(g))
        k->dynamic_n--;
    keys__time(k, g);
    if (k->due_ms > now_ms)
        return true;
    if (k->dynamic_n == LIMIT_APP_KEYS)
        return false;
    memmove(k->created_ms + 1, k->created_ms, k->dynamic_n * sizeof k->created_ms[0]);
    k->created_ms[0] = now_ms;
    k->dynamic_n++;
    keys__time(k, g);
    return true;
}

static bool a_key_outlives_its_tokens(struct prop *p)
{
    static struct app_keys k;
    const struct core_config g = {.signing_key_interval_ms = 1 + prop_below(p, 20000),
                                  .access_token_validity_s = 1 + prop_below(p, 4000)};
    int64_t now_ms = START_MS;
    bool good = true;
    memset(&k, 0, sizeof k);
    prop_note(p, "interval %lld ms, validity %lld s\n", (long long)g.signing_key_interval_ms,
              (long long)g.access_token_validity_s);
    for (unsigned step = 0; step < 3000 && good; step++) {
        good = keep_up(&k, &g, now_ms);
        int64_t signer_ms = k.created_ms[keys__signing(&k, now_ms)];
        good = good && signer_ms + keys__life_ms(&g) >= now_ms + g.access_token_validity_s * 1000;
        now_ms += 1 + prop_below(p, (uint32_t)g.signing_key_interval_ms);
    }
    return good;
}

static void no_token_outlives_its_key(void **state)
{
    (void)state;
    assert_true(prop_holds("a key outlives its tokens", a_key_outlives_its_tokens, 200));
}

/* --- out of memory ------------------------------------------------------------------------------
 */
static void reads_with_failing_allocations(struct store_tx *tx, int *line)
{
    struct cdi_call c = call_at(START_MS);
    struct app_keys *k;
    CHECK(keys_all_for_call(&c, tx, &k) == ERR_OK);
    bool good = true;
    FAULT_EACH
    {
        enum err err = keys__load(&c, tx, NULL, KEYS_ALL, &k);
        bool hit = fault_hit();
        mem_fault(-1, 0);
        good = good && err == (hit ? ERR_NOMEM : ERR_OK) && (hit ? k == NULL : k->fixed != NULL);
        app_keys__unref(k);
    }
    CHECK(good);
    cdi__end(&c);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    perform(reads_with_failing_allocations);
}

#define KEYS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYS_TEST(keys_are_made_when_asked_for),
        KEYS_TEST(a_key_is_known_before_it_signs_and_verifies_after_it_has),
        KEYS_TEST(a_rotation_on_demand_overlaps_too),
        KEYS_TEST(a_key_in_another_key_s_row_is_refused),
        KEYS_TEST(an_app_that_is_not_there_gets_no_keys),
        KEYS_TEST(a_store_opens_with_its_own_key_file_only),
        KEYS_TEST(the_gateway_gets_the_keys_of_an_app),
        KEYS_TEST(an_app_without_keys_gets_none_from_the_gateway),
        KEYS_TEST(the_gateway_is_told_when_there_is_no_such_app),
        cmocka_unit_test(no_token_outlives_its_key),
        KEYS_TEST(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
