/* SPDX-License-Identifier: Apache-2.0
 *
 * A database server that conflicts, goes away, comes back and lies: no job is told to be done that
 * is not, none is done twice, and the service returns by itself. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"
#include "postgres_int.h"

#include "lib/fault.h"
#include "lib/postgres.h"

static const struct migration steps[] = {
    {"CREATE TABLE note (name TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)"},
    {"ALTER TABLE note ADD COLUMN remark TEXT"},
};
static const struct stmt put = SQL("INSERT INTO note (name, n) VALUES ($1, $2)");
static const struct stmt total = SQL("SELECT sum(n), count(*) FROM note");
static const struct stmt copy = SQL("INSERT INTO note (name, n, remark) VALUES ($1, $2, $3) "
                                    "RETURNING name, n, remark");
static const struct stmt end_me = SQL("SELECT pg_terminate_backend(pg_backend_pid())");
static const struct stmt sleep_long = SQL("SELECT 1 FROM pg_sleep($1)");

static struct run *r;
static struct store *s;
static unsigned left;

static enum err open_as(const char *url, size_t known, struct store **out, struct errinfo *e)
{
    struct store_options o = {.loop = run_control(r), .url = url};
    *out = NULL;
    enum err err = store_new(&o, out);
    return err ? err : store_open(*out, "test", steps, known, e);
}

static void script(const char *sql)
{
    void *db;
    struct errinfo e = {0};
    assert_int_equal(store__postgres.open(postgres_url, STORE_WRITER, &db, &e), ERR_OK);
    if (store__postgres.script(db, sql, &e) != ERR_OK)
        fail_msg("%s", e.text);
    store__postgres.close(db);
}

static int setup(void **state)
{
    struct errinfo e = {0};
    (void)state;
    script(POSTGRES_EMPTY);
    left = 0;
    if (run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK)
        return -1;
    return open_as(postgres_url, COUNTOF(steps), &s, &e) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    store_free(s);
    s = NULL;
    run_free(r);
    r = NULL;
    return 0;
}

/* --- jobs --------------------------------------------------------------------------------------
 */
struct task {
    struct store_job job;
    const char *name;
    int64_t n, seen[2];
    unsigned runs;
    enum err err;
    void (*then)(struct task *t);
};

static void on_done(struct store_job *j, enum err err)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->err = err;
    if (t->then)
        t->then(t);
    if (--left == 0)
        run_stop(r);
}

static void submit(struct task *t, enum store_access access,
                   enum err (*run)(struct store_job *j, struct store_tx *tx))
{
    t->job = (struct store_job){.access = access, .run = run, .done = on_done};
    left++;
    assert_int_equal(store_submit(s, run_control(r), &t->job), ERR_OK);
}

static void go_on(void)
{
    assert_int_equal(run_main(r), ERR_OK);
}

static enum err two(struct store_tx *tx, const struct stmt *stmt, struct store_value a,
                    struct store_value b)
{
    return store_run(tx, stmt, (struct store_value[]){a, b}, 2, NULL, NULL);
}

static enum err puts_note(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->runs++;
    return two(tx, &put, STORE_S(str_c(t->name)), STORE_I(t->n));
}

static enum err take_numbers(void *arg, const struct store_value *v, size_t n)
{
    struct task *t = arg;
    for (size_t i = 0; i < n && i < COUNTOF(t->seen); i++)
        t->seen[i] = v[i].type == STORE_INT ? v[i].i : 0;
    return ERR_OK;
}

static enum err totals(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->runs++;
    return store_run(tx, &total, NULL, 0, take_numbers, t);
}

/* Asked over a connection of its own. */
static void holds(int64_t count, int64_t sum)
{
    void *db;
    int64_t changed;
    struct task t = {0};
    struct errinfo e = {0};
    assert_int_equal(store__postgres.open(postgres_url, STORE_WRITER, &db, &e), ERR_OK);
    assert_int_equal(store__postgres.run(db, &total, NULL, 0, take_numbers, &t, &changed, &e),
                     ERR_OK);
    store__postgres.close(db);
    assert_int_equal(t.seen[1], count);
    assert_int_equal(t.seen[0], sum);
}

/* --- others at the same time -------------------------------------------------------------------
 */
static pthread_barrier_t met;

/* Both have read before either writes. */
static enum err adds_what_it_sees(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    enum err err = totals(j, tx);
    if (t->runs == 1)
        pthread_barrier_wait(&met);
    return err ? err : two(tx, &put, STORE_S(str_c(t->name)), STORE_I(t->seen[0] + 1));
}

static void who_was_slower_begins_again(void **state)
{
    (void)state;
    struct task a = {.name = "a"}, b = {.name = "b"};
    pthread_barrier_init(&met, NULL, 2);
    submit(&a, STORE_WRITE, adds_what_it_sees);
    submit(&b, STORE_WRITE, adds_what_it_sees);
    go_on();
    pthread_barrier_destroy(&met);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(b.err, ERR_OK);
    assert_int_equal(a.runs + b.runs, 3);
    holds(2, 3); /* 1 and then 2, as if one came after the other */
}

static void *node_main(void *arg)
{
    struct store *node;
    struct errinfo e = {0};
    enum err *err = arg;
    *err = open_as(postgres_url, COUNTOF(steps), &node, &e);
    store_free(node);
    return NULL;
}

static void nodes_that_start_at_once_migrate_once(void **state)
{
    (void)state;
    pthread_t id[6];
    enum err err[COUNTOF(id)];
    script(POSTGRES_EMPTY);
    for (unsigned i = 0; i < COUNTOF(id); i++)
        assert_int_equal(pthread_create(&id[i], NULL, node_main, &err[i]), 0);
    for (unsigned i = 0; i < COUNTOF(id); i++) {
        pthread_join(id[i], NULL);
        assert_int_equal(err[i], ERR_OK);
    }
    holds(0, 0);
}

static void a_newer_release_is_not_guessed_at(void **state)
{
    (void)state;
    struct store *old;
    struct errinfo e = {0};
    assert_int_equal(open_as(postgres_url, 1, &old, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "a newer release wrote it (test: step 2, this one knows 1)"));
    store_free(old);
    script(POSTGRES_EMPTY);
    assert_int_equal(open_as(postgres_url, 1, &old, &e), ERR_OK);
    store_free(old);
    assert_int_equal(open_as(postgres_url, 2, &old, &e), ERR_OK); /* takes the missing one */
    store_free(old);
}

/* --- a connection that is lost -----------------------------------------------------------------
 */
static enum err loses_its_connection_once(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    enum err err = puts_note(j, tx);
    if (err == ERR_OK && t->runs == 1)
        err = store_run(tx, &end_me, NULL, 0, NULL, NULL);
    return err;
}

static void a_job_whose_connection_goes_begins_again(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 1};
    submit(&t, STORE_WRITE, loses_its_connection_once);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(t.runs, 2);
    holds(1, 1);
}

static enum err minds_nothing(struct store_job *j, struct store_tx *tx)
{
    (void)!loses_its_connection_once(j, tx);
    return ERR_OK;
}

static void nor_can_a_job_say_that_it_was_done(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 1};
    submit(&t, STORE_WRITE, minds_nothing);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(t.runs, 2);
    holds(1, 1);
}

static void a_commit_without_an_answer_is_not_tried_again(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 1}, after = {.name = "b", .n = 2};
    script("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
           "$$BEGIN IF NEW.n = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
           "RETURN NULL; END$$; CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON note "
           "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()");
    submit(&t, STORE_WRITE, puts_note);
    submit(&after, STORE_WRITE, puts_note);
    go_on();
    assert_int_equal(t.err, ERR_UNAVAILABLE);
    assert_int_equal(t.runs, 1);
    assert_int_equal(after.err, ERR_OK);
    holds(1, 2);
}

static void a_commit_that_the_server_refuses(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 1};
    script("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
           "$$BEGIN RAISE unique_violation; END$$; CREATE CONSTRAINT TRIGGER at_commit AFTER "
           "INSERT ON note DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()");
    submit(&t, STORE_WRITE, puts_note);
    go_on();
    assert_int_equal(t.err, ERR_CONFLICT);
    assert_int_equal(t.runs, 1);
    holds(0, 0);
}

static void no_answer_is_waited_for_without_end(void **state)
{
    (void)state;
    void *db;
    int64_t changed, began = clock_mono_us(&clock_system);
    struct errinfo e = {0};
    struct store_value seconds = STORE_I(8);
    assert_int_equal(store__postgres.open(postgres_url, STORE_WRITER, &db, &e), ERR_OK);
    struct pg *c = db;
    c->patience_ms = 100;
    assert_int_equal(store__postgres.run(db, &sleep_long, &seconds, 1, NULL, NULL, &changed, &e),
                     ERR_UNAVAILABLE);
    assert_string_equal(e.text, "the server does not answer");
    assert_int_equal(c->fate, PG_LOST);
    store__postgres.close(db);
    assert_true(clock_mono_us(&clock_system) - began < 4000000);
}

/* --- a server that goes and returns ------------------------------------------------------------
 */
static struct client {
    struct task task;
    char name[16];
} clients[12];
static unsigned kept, refused, names;
static bool ending;

static void client_next(struct client *c)
{
    snprintf(c->name, sizeof c->name, "n%u", names++);
    c->task = (struct task){.name = c->name, .n = 1, .then = c->task.then};
    submit(&c->task, STORE_WRITE, puts_note);
}

static void client_done(struct task *t)
{
    struct client *c = CONTAINER_OF(t, struct client, task);
    if (t->err == ERR_OK && ++kept == 200)
        assert_int_equal(postgres_do("stop", "immediate"), 0);
    if (t->err != ERR_OK) {
        assert_int_equal(t->err, ERR_UNAVAILABLE);
        if (++refused == 100)
            assert_int_equal(postgres_do("start", ""), 0);
        usleep(refused > 100 ? 10000 : 0);
    }
    ending = ending || (refused > 100 && kept > 400);
    if (!ending)
        client_next(c);
}

static void it_goes_and_returns_under_load(void **state)
{
    (void)state;
    kept = refused = names = 0;
    ending = false;
    for (unsigned i = 0; i < COUNTOF(clients); i++) {
        clients[i].task.then = client_done;
        client_next(&clients[i]);
    }
    go_on();
    struct task t = {0};
    struct errinfo e = {0};
    void *db;
    int64_t changed;
    assert_int_equal(store__postgres.open(postgres_url, STORE_WRITER, &db, &e), ERR_OK);
    assert_int_equal(store__postgres.run(db, &total, NULL, 0, take_numbers, &t, &changed, &e),
                     ERR_OK);
    store__postgres.close(db);
    /* Of a commit without an answer nobody knows; each connection may have had one. */
    assert_in_range(t.seen[1], kept, kept + LIMIT_STORE_CONNECTIONS);
}

static void a_server_that_is_away_is_told_by_its_name(void **state)
{
    (void)state;
    struct store *away;
    struct errinfo e = {0};
    assert_int_equal(run_new(&(struct run_options){.workers = 1}, &r), ERR_OK);
    assert_int_equal(
        open_as("postgres://me:s3cret@/here?host=/nowhere/at/all", COUNTOF(steps), &away, &e),
        ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "postgres:///nowhere/at/all/here: "));
    assert_null(strstr(e.text, "s3cret"));
    store_free(away);
}

/* --- URLs --------------------------------------------------------------------------------------
 */
static void a_password_is_never_said(void **state)
{
    (void)state;
    char url[sizeof postgres_url];
    struct store *other;
    struct errinfo e = {0};
    memcpy(url, postgres_url, sizeof url);
    memcpy(strstr(url, "s3cret"), "an0ther", 6);
    assert_int_equal(open_as(url, COUNTOF(steps), &other, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "password authentication failed"));
    assert_null(strstr(e.text, "an0the"));
    store_free(other);
}

static void urls_that_give_no_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "postgres://me:pass@word@host/db",     "postgres://me:pass/word@host/db",
        "postgres://me:12/34@host/db",         "postgres://[::1",
        "postgres://host/db?sslmodus=require", "mysql://host/db",
    };
    for (unsigned i = 0; i < COUNTOF(bad); i++) {
        struct store *none = NULL;
        struct store_options o = {.url = bad[i]};
        if (store_new(&o, &none) != ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
    }
}

static void urls_and_their_names(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"postgres://me:s3cret@db.example/x", "postgres://db.example/x"},
        {"postgresql://me@[::1]:5433/x?sslmode=require", "postgres://::1:5433/x"},
        {"postgres://me:p%40ss%2F@a:5432,b:5433/x", "postgres://a,b:5432,5433/x"},
        {"postgres:///x?host=/run/sock&password=s3cret", "postgres:///run/sock/x"},
    };
    for (unsigned i = 0; i < COUNTOF(good); i++) {
        AUTO_BUF name = BUF_INIT(KIB(1));
        assert_int_equal(pg__name(good[i][0], &name), ERR_OK);
        assert_string_equal(buf_cstr(&name), good[i][1]);
    }
}

/* --- values ------------------------------------------------------------------------------------
 */
static struct store_value sent[3];

static enum err is_what_was_sent(void *arg, const struct store_value *v, size_t n)
{
    unsigned *rows = arg;
    *rows += 1;
    for (size_t i = 0; i < n; i++)
        if (v[i].type != sent[i].type || v[i].i != sent[i].i || !str_eq(v[i].s, sent[i].s))
            return ERR_INTERNAL;
    return ERR_OK;
}

static enum err copies(struct store_tx *tx, struct str name, int64_t n, struct store_value remark)
{
    unsigned rows = 0;
    sent[0] = STORE_S(name);
    sent[1] = STORE_I(n);
    sent[2] = remark;
    enum err err = store_run(tx, &copy, sent, COUNTOF(sent), is_what_was_sent, &rows);
    return err ? err : rows == 1 ? ERR_OK : ERR_INTERNAL;
}

static enum err sends_values(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    AUTO_BUF large = BUF_INIT(MIB(8));
    for (unsigned i = 0; i < 400000; i++)
        buf_addz(&large, "a'\\\";$1");
    enum err err = copies(tx, STR("'; DROP TABLE note; --"), INT64_MAX, STORE_N);
    if (err == ERR_OK)
        err = copies(tx, STR(""), INT64_MIN, STORE_S(STR("")));
    if (err == ERR_OK)
        err = copies(tx, STR("\xc3\xa9\xf0\x9f\x94\x91\n\t\x7f"), 0, STORE_S(buf_str(&large)));
    if (err == ERR_OK && (copies(tx, STR("x"), 0, STORE_S(STR("\xff\xfe"))) != ERR_INVALID ||
                          copies(tx, STR("x\0y"), 0, STORE_N) != ERR_INVALID))
        err = ERR_INTERNAL;
    t->n = 1;
    return err ? err : copies(tx, STR("x"), -1, STORE_N);
}

static void values_come_back_as_they_went(void **state)
{
    (void)state;
    struct task t = {0};
    submit(&t, STORE_WRITE, sends_values);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    struct task read = {0};
    assert_int_equal(t.n, 1);
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &total, NULL, 0, take_numbers, &read, &e), ERR_OK);
    assert_int_equal(read.seen[1], 4);
    assert_int_equal(read.seen[0], -2); /* a sum is numeric there */
}

static enum err open_and_read(void *arg)
{
    struct task t = {0};
    struct store *again;
    struct errinfo e = {0};
    (void)arg;
    enum err err = open_as(postgres_url, COUNTOF(steps), &again, &e);
    if (err == ERR_OK)
        err = store_read_now(again, &total, NULL, 0, take_numbers, &t, &e);
    store_free(again);
    return err;
}

static void without_memory_it_does_not_open(void **state)
{
    (void)state;
    fault_each(open_and_read, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_was_slower_begins_again),
        TEST(nodes_that_start_at_once_migrate_once),
        TEST(a_newer_release_is_not_guessed_at),
        TEST(a_job_whose_connection_goes_begins_again),
        TEST(nor_can_a_job_say_that_it_was_done),
        TEST(a_commit_without_an_answer_is_not_tried_again),
        TEST(a_commit_that_the_server_refuses),
        TEST(no_answer_is_waited_for_without_end),
        TEST(it_goes_and_returns_under_load),
        cmocka_unit_test_teardown(a_server_that_is_away_is_told_by_its_name, teardown),
        TEST(a_password_is_never_said),
        cmocka_unit_test(urls_that_give_no_name),
        cmocka_unit_test(urls_and_their_names),
        TEST(values_come_back_as_they_went),
        TEST(without_memory_it_does_not_open),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
