/* SPDX-License-Identifier: Apache-2.0
 *
 * A job is all or nothing, and its word is kept: what it was told to be committed is there for
 * whoever asks next, from any thread. On both engines, but for what is a file's alone. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "store_int.h"

#include "lib/fault.h"
#include "lib/postgres.h"

#define WORKERS 4

static const struct migration steps[] = {
    {"CREATE TABLE account (name TEXT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL)"},
};
static const struct stmt open_account = SQL("INSERT INTO account (name, balance) VALUES ($1, $2)");
static const struct stmt balance = SQL_LOCKING("SELECT balance FROM account WHERE name = $1");
static const struct stmt set_balance = SQL("UPDATE account SET balance = $1 WHERE name = $2");
static const struct stmt add = SQL("UPDATE account SET balance = balance + $1 WHERE name = $2");
static const struct stmt close_account = SQL("DELETE FROM account WHERE balance < $1");
static const struct stmt sum = SQL("SELECT count(*), sum(balance), min(name) FROM account");
static const struct stmt fill =
    SQL("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) "
        "INSERT INTO account (name, balance) SELECT $1 || i || hex(zeroblob(200)), i FROM c");

static char dir[] = "/tmp/ropeline-jobs-XXXXXX", path[64];
static const char *url; /* NULL: SQLite */
static struct run *r;
static struct store *s;
static atomic_int left;
static unsigned places;

static enum err open_store(struct store **out, unsigned readers, struct errinfo *e)
{
    struct store_options o = {
        .loop = run_control(r), .path = url ? NULL : path, .url = url, .readers = readers};
    enum err err = store_new(&o, out);
    return err ? err : store_open(*out, "test", steps, COUNTOF(steps), e);
}

static int setup_with(unsigned readers)
{
    struct errinfo e = {0};
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/identity.db", dir);
    places = 0;
    atomic_store(&left, 0);
    if (run_new(&(struct run_options){.workers = WORKERS}, &r) != ERR_OK)
        return -1;
    return open_store(&s, readers, &e) == ERR_OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(LIMIT_STORE_READERS);
}

static int setup_alone(void **state)
{
    (void)state;
    return setup_with(0);
}

static int setup_server(void **state)
{
    void *db;
    struct errinfo e = {0};
    (void)state;
    url = postgres_url;
    if (store__postgres.open(url, STORE_WRITER, &db, &e) != ERR_OK)
        return -1;
    enum err err = store__postgres.script(db, POSTGRES_EMPTY, &e);
    store__postgres.close(db);
    return err ? -1 : setup_with(LIMIT_STORE_READERS);
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    store_free(s);
    s = NULL;
    run_free(r);
    r = NULL;
    url = NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* --- jobs --------------------------------------------------------------------------------------
 */
struct task {
    struct store_job job;
    const char *name;
    int64_t n;
    int64_t seen[2];
    enum err inner, err;
    unsigned place; /* of its done among all */
    void (*then)(struct task *t);
};

static void on_done(struct store_job *j, enum err err)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->err = err;
    t->place = ++places;
    if (t->then)
        t->then(t);
    if (atomic_fetch_sub(&left, 1) == 1)
        run_stop(r);
}

static void submit(struct task *t, enum store_access access,
                   enum err (*run)(struct store_job *j, struct store_tx *tx))
{
    t->job = (struct store_job){.access = access, .run = run, .done = on_done};
    atomic_fetch_add(&left, 1);
    assert_int_equal(store_submit(s, run_control(r), &t->job), ERR_OK);
}

static void go_on(void)
{
    assert_int_equal(run_main(r), ERR_OK);
}

static enum err take_numbers(void *arg, const struct store_value *v, size_t n)
{
    struct task *t = arg;
    for (size_t i = 0; i < n && i < COUNTOF(t->seen); i++)
        t->seen[i] = v[i].type == STORE_INT ? v[i].i : -1;
    return ERR_OK;
}

static enum err two(struct store_tx *tx, const struct stmt *stmt, struct store_value a,
                    struct store_value b)
{
    return store_run(tx, stmt, (struct store_value[]){a, b}, 2, NULL, NULL);
}

static enum err opens(struct store_job *j, struct store_tx *tx)
{
    const struct task *t = CONTAINER_OF(j, struct task, job);
    return two(tx, &open_account, STORE_S(str_c(t->name)), STORE_I(t->n));
}

/* Reads the balance, computes with it and writes it: right only if nobody comes between. */
static enum err deposits(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    struct store_value name = STORE_S(str_c(t->name));
    t->seen[0] = -1;
    enum err err = store_run(tx, &balance, &name, 1, take_numbers, t);
    if (err == ERR_OK && t->seen[0] < 0)
        return ERR_NOTFOUND;
    return err ? err : two(tx, &set_balance, STORE_I(t->seen[0] + t->n), name);
}

static enum err sums(struct store_job *j, struct store_tx *tx)
{
    return store_run(tx, &sum, NULL, 0, take_numbers, CONTAINER_OF(j, struct task, job));
}

static void holds(int64_t count, int64_t total)
{
    struct task t = {0};
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &sum, NULL, 0, take_numbers, &t, &e), ERR_OK);
    assert_int_equal(t.seen[0], count);
    assert_int_equal(t.seen[1], total);
}

static void jobs_end_in_their_order(void **state)
{
    (void)state;
    static struct task t[LIMIT_STORE_BATCH * 2 + 10]; /* more than one commit */
    memset(t, 0, sizeof t);
    t[0] = (struct task){.name = "a", .n = 1};
    submit(&t[0], STORE_WRITE, opens);
    for (unsigned i = 1; i < COUNTOF(t); i++) {
        t[i] = (struct task){.name = "a", .n = 1};
        submit(&t[i], STORE_WRITE, deposits);
    }
    assert_int_equal(t[0].err, ERR_OK);
    assert_int_equal(t[0].place, 0); /* never from inside the call */
    go_on();
    for (unsigned i = 0; i < COUNTOF(t); i++) {
        assert_int_equal(t[i].err, ERR_OK);
        assert_int_equal(t[i].place, i + 1);
        assert_int_equal(t[i].seen[0], i);
    }
    holds(1, COUNTOF(t));
}

static enum err moves_and_then_thinks_better_of_it(struct store_job *j, struct store_tx *tx)
{
    const struct task *t = CONTAINER_OF(j, struct task, job);
    enum err err = two(tx, &add, STORE_I(t->n), STORE_S(str_c(t->name)));
    return err ? err : ERR_DENIED;
}

static void a_job_that_fails_is_undone_and_spares_its_neighbours(void **state)
{
    (void)state;
    struct task a = {.name = "a", .n = 5}, bad = {.name = "a", .n = 100}, b = {.name = "b", .n = 7},
                more = {.name = "a", .n = 1};
    submit(&a, STORE_WRITE, opens);
    submit(&bad, STORE_WRITE, moves_and_then_thinks_better_of_it);
    submit(&b, STORE_WRITE, opens);
    submit(&more, STORE_WRITE, deposits);
    go_on();
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(bad.err, ERR_DENIED);
    assert_int_equal(b.err, ERR_OK);
    assert_int_equal(more.err, ERR_OK);
    assert_int_equal(more.seen[0], 5);
    holds(2, 13);
}

static struct task mover, depositor;

static void move_and_deposit(struct task *t)
{
    (void)t;
    submit(&mover, STORE_WRITE, moves_and_then_thinks_better_of_it);
    submit(&depositor, STORE_WRITE, deposits);
}

static void a_job_that_fails_is_undone(void **state)
{
    (void)state;
    struct task a = {.name = "a", .n = 5, .then = move_and_deposit};
    mover = (struct task){.name = "a", .n = 100};
    depositor = (struct task){.name = "a", .n = 1};
    submit(&a, STORE_WRITE, opens);
    go_on();
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(mover.err, ERR_DENIED);
    assert_int_equal(depositor.err, ERR_OK);
    assert_int_equal(depositor.seen[0], 5);
    holds(1, 6);
}

static enum err opens_twice(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    enum err err = opens(j, tx);
    t->inner = err ? err : opens(j, tx);
    return two(tx, &add, STORE_I(1), STORE_S(str_c(t->name)));
}

static void a_conflict_undoes_its_statement_alone(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 5};
    submit(&t, STORE_WRITE, opens_twice);
    go_on();
    assert_int_equal(t.inner, ERR_CONFLICT);
    assert_int_equal(t.err, ERR_OK);
    holds(1, 6);
}

static enum err changes(struct store_tx *tx, const struct stmt *stmt, struct store_value a,
                        const char *name, int64_t expected)
{
    struct store_value v[] = {name ? STORE_S(str_c(name)) : a, a};
    enum err err = store_run(tx, stmt, v, name ? 2 : 1, NULL, NULL);
    return err ? err : store_changed(tx) == expected ? ERR_OK : ERR_INTERNAL;
}

static enum err counts_what_it_changes(struct store_job *j, struct store_tx *tx)
{
    const char *const names[] = {"a", "b", "c"};
    enum err err = ERR_OK;
    (void)j;
    for (unsigned i = 0; i < COUNTOF(names) && err == ERR_OK; i++)
        err = changes(tx, &open_account, STORE_I(i), names[i], 1);
    if (err == ERR_OK)
        err = changes(tx, &close_account, STORE_I(-1), NULL, 0);
    if (err == ERR_OK)
        err = changes(tx, &close_account, STORE_I(10), NULL, 3);
    if (err == ERR_OK)
        err = store_run(tx, &sum, NULL, 0, NULL, NULL);
    return err ? err : store_changed(tx) == 0 ? ERR_OK : ERR_INTERNAL;
}

static void the_number_of_changed_rows_is_told(void **state)
{
    (void)state;
    struct task t = {0};
    submit(&t, STORE_WRITE, counts_what_it_changes);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    holds(0, -1);
}

static enum err refuse_row(void *arg, const struct store_value *v, size_t n)
{
    (void)arg;
    (void)v;
    (void)n;
    return ERR_LIMIT;
}

static enum err ends_early(struct store_job *j, struct store_tx *tx)
{
    struct task *t = CONTAINER_OF(j, struct task, job);
    t->inner = store_run(tx, &sum, NULL, 0, refuse_row, NULL);
    return opens(j, tx);
}

static void a_row_function_ends_its_statement(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 3};
    submit(&t, STORE_WRITE, ends_early);
    go_on();
    assert_int_equal(t.inner, ERR_LIMIT);
    assert_int_equal(t.err, ERR_OK);
    holds(1, 3);
}

/* --- readers -----------------------------------------------------------------------------------
 */
static struct task reader;

static void read_now(struct task *t)
{
    (void)t;
    submit(&reader, STORE_READ, sums);
}

static void what_is_done_is_read(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 42, .then = read_now};
    reader = (struct task){0};
    submit(&t, STORE_WRITE, opens);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(reader.err, ERR_OK);
    assert_int_equal(reader.seen[0], 1);
    assert_int_equal(reader.seen[1], 42);
}

static sem_t gate;

static enum err waits_at_the_gate(struct store_job *j, struct store_tx *tx)
{
    enum err err = opens(j, tx);
    sem_wait(&gate);
    return err;
}

static void open_gate(struct task *t)
{
    (void)t;
    sem_post(&gate);
}

static void readers_do_not_wait_for_the_writer(void **state)
{
    (void)state;
    struct task w = {.name = "a", .n = 1}, q = {.then = open_gate};
    sem_init(&gate, 0, 0);
    submit(&w, STORE_WRITE, waits_at_the_gate);
    submit(&q, STORE_READ, sums);
    go_on();
    assert_int_equal(q.err, ERR_OK);
    assert_int_equal(q.seen[0], 0); /* what is not committed is not seen */
    assert_int_equal(q.place, 1);
    assert_int_equal(w.err, ERR_OK);
    sem_destroy(&gate);
}

static void a_reader_cannot_write(void **state)
{
    (void)state;
    struct task t = {.name = "a", .n = 1}, after = {0};
    submit(&t, STORE_READ, opens);
    submit(&after, STORE_READ, sums);
    go_on();
    assert_int_not_equal(t.err, ERR_OK);
    assert_int_equal(after.err, ERR_OK);
    holds(0, -1);
}

static void without_readers_one_connection_does_it_all(void **state)
{
    (void)state;
    struct task w = {.name = "a", .n = 1}, q = {0};
    submit(&w, STORE_WRITE, opens);
    submit(&q, STORE_READ, sums);
    go_on();
    assert_int_equal(w.err, ERR_OK);
    assert_int_equal(q.err, ERR_OK);
    assert_int_equal(q.seen[0], 1);
}

static void readers_or_not_the_file_is_ours_alone(void **state)
{
    (void)state;
    struct store *other = NULL;
    struct errinfo e = {0};
    struct stat st;
    char lock[80];
    snprintf(lock, sizeof lock, "%s.lock", path);
    assert_int_equal(stat(lock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(open_store(&other, LIMIT_STORE_READERS, &e), ERR_BUSY);
    assert_non_null(strstr(e.text, "another process has it open"));
    store_free(other);
}

/* --- what goes wrong ---------------------------------------------------------------------------
 */
static enum err fills(struct store_job *j, struct store_tx *tx)
{
    struct store_value x = STORE_S(str_c("x"));
    (void)j;
    return store_run(tx, &fill, &x, 1, NULL, NULL);
}

static void a_full_disk_keeps_nothing_and_passes(void **state)
{
    (void)state;
    static const struct stmt few = SQL("PRAGMA max_page_count = 20");
    struct task first = {.name = "a", .n = 1}, much = {0}, later = {.name = "b", .n = 2};
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &few, NULL, 0, NULL, NULL, &e), ERR_OK);
    submit(&first, STORE_WRITE, opens);
    submit(&much, STORE_WRITE, fills);
    submit(&later, STORE_WRITE, opens);
    go_on();
    assert_int_equal(much.err, ERR_IO);
    holds((first.err == ERR_OK) + (later.err == ERR_OK), (first.err == ERR_OK ? 1 : 0) +
                                                             (later.err == ERR_OK ? 2 : 0) +
                                                             (first.err && later.err ? -1 : 0));
}

static enum err meets_failing_allocations(struct store_job *j, struct store_tx *tx)
{
    static struct stmt fresh[20]; /* an engine knows a statement by its address */
    struct task *t = CONTAINER_OF(j, struct task, job);
    unsigned round = 0;
    for (unsigned i = 0; i < COUNTOF(fresh); i++)
        fresh[i].sql = "SELECT count(*), sum(balance) FROM account";
    FAULT_EACH
    {
        enum err err = ERR_OK;
        for (unsigned i = 0; i < COUNTOF(fresh) && err == ERR_OK; i++)
            err = store_run(tx, &fresh[i], NULL, 0, take_numbers, t);
        if (err != (fault_hit() ? ERR_NOMEM : ERR_OK))
            t->inner = ERR_INTERNAL;
        round++;
    }
    t->n = round;
    return t->inner;
}

static void without_memory_a_statement_fails_and_no_more(void **state)
{
    (void)state;
    struct task t = {0};
    submit(&t, STORE_WRITE, meets_failing_allocations);
    go_on();
    assert_int_equal(t.err, ERR_OK);
    assert_true(t.n > 2);
}

static void a_store_that_is_not_open_takes_no_job(void **state)
{
    (void)state;
    struct store *shut = NULL;
    struct store_options o = {.loop = run_control(r), .path = "/nowhere/x.db"};
    struct task t = {.job = {.access = STORE_WRITE, .run = opens, .done = on_done}};
    assert_int_equal(store_new(&o, &shut), ERR_OK);
    assert_int_equal(store_submit(shut, run_control(r), &t.job), ERR_UNAVAILABLE);
    store_free(shut);
}

/* --- many threads ------------------------------------------------------------------------------
 */
struct client {
    struct post post;
    struct loop *loop;
    struct task task;
    unsigned rounds;
};

static void client_next(struct client *c);

static void client_done(struct store_job *j, enum err err)
{
    struct client *c = CONTAINER_OF(j, struct client, task.job);
    assert_int_equal(err, ERR_OK);
    assert_true(loop_is_current(c->loop));
    if (--c->rounds > 0)
        client_next(c);
    else if (atomic_fetch_sub(&left, 1) == 1)
        run_stop(r);
}

static void client_next(struct client *c)
{
    bool reads = c->rounds % 4 == 0;
    c->task.job = (struct store_job){.access = reads ? STORE_READ : STORE_WRITE,
                                     .run = reads ? sums : deposits,
                                     .done = client_done};
    assert_int_equal(store_submit(s, c->loop, &c->task.job), ERR_OK);
}

static void client_start(struct post *p)
{
    client_next(CONTAINER_OF(p, struct client, post));
}

static void many_threads_lose_nothing(void **state)
{
    (void)state;
    static struct client clients[64];
    static const char *const names[] = {"a", "b", "c"};
    struct errinfo e = {0};
    for (unsigned i = 0; i < COUNTOF(names); i++) {
        struct store_value v[] = {STORE_S(str_c(names[i])), STORE_I(0)};
        assert_int_equal(store_read_now(s, &open_account, v, 2, NULL, NULL, &e), ERR_OK);
    }
    atomic_store(&left, COUNTOF(clients));
    for (unsigned i = 0; i < COUNTOF(clients); i++) {
        clients[i] = (struct client){.post.fn = client_start,
                                     .loop = run_worker(r, i % WORKERS),
                                     .task = {.name = names[i % COUNTOF(names)], .n = 1},
                                     .rounds = 40};
        run_post(clients[i].loop, &clients[i].post);
    }
    go_on();
    holds(COUNTOF(names), COUNTOF(clients) * 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_ALONE(name) cmocka_unit_test_setup_teardown(name, setup_alone, teardown)
/* On SQLite and on PostgreSQL, which is another test with another name. */
#define TEST_BOTH(name)                                            \
    TEST(name),                                                    \
    {                                                              \
#name "_on_postgresql", name, setup_server, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_end_in_their_order),
        TEST(a_job_that_fails_is_undone_and_spares_its_neighbours),
        TEST_BOTH(a_job_that_fails_is_undone),
        TEST_BOTH(a_conflict_undoes_its_statement_alone),
        TEST_BOTH(the_number_of_changed_rows_is_told),
        TEST_BOTH(a_row_function_ends_its_statement),
        TEST_BOTH(what_is_done_is_read),
        TEST_BOTH(readers_do_not_wait_for_the_writer),
        TEST_BOTH(a_reader_cannot_write),
        TEST_ALONE(without_readers_one_connection_does_it_all),
        TEST(readers_or_not_the_file_is_ours_alone),
        TEST(a_full_disk_keeps_nothing_and_passes),
        TEST_ALONE(a_full_disk_keeps_nothing_and_passes),
        TEST_BOTH(without_memory_a_statement_fails_and_no_more),
        TEST(a_store_that_is_not_open_takes_no_job),
        TEST_BOTH(many_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
