/* SPDX-License-Identifier: Apache-2.0
 *
 * What is committed is there when the file is opened again; what is not, is not; and every way in
 * which a file can be wrong is told in words. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "store_int.h"

#include "lib/fault.h"

static const struct migration steps[] = {
    {"CREATE TABLE note (name TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)"},
    {"ALTER TABLE note ADD COLUMN remark TEXT"},
};
static const struct stmt put = SQL(
    "INSERT INTO note (name, n) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET n = excluded.n "
    "RETURNING name, n");
static const struct stmt insert = SQL("INSERT INTO note (name, n) VALUES ($1, $2)");
static const struct stmt all = SQL("SELECT name, n, remark FROM note ORDER BY name");
static const struct stmt fill =
    SQL("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) "
        "INSERT INTO note (name, n) SELECT $1 || i || hex(zeroblob(200)), i FROM c");

static char dir[] = "/tmp/ropeline-store-XXXXXX", path[64];
static struct run *r;
static struct store *s;

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/plane.db", dir);
    return run_new(&(struct run_options){.workers = 1}, &r) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    store_free(s);
    s = NULL;
    run_free(r);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static enum err open_store(const char *where, size_t known, struct errinfo *e)
{
    struct store_options o = {.loop = run_control(r), .path = where};
    store_free(s);
    s = NULL;
    enum err err = store_new(&o, &s);
    return err ? err : store_open(s, "test", steps, known, e);
}

static void must_open(void)
{
    struct errinfo e = {0};
    if (open_store(path, COUNTOF(steps), &e) != ERR_OK)
        fail_msg("%s", e.text);
}

static enum err add_row(void *arg, const struct store_value *v, size_t n)
{
    struct buf *out = arg;
    assert_int_equal(n, 3);
    assert_int_equal(v[2].type, STORE_NULL);
    buf_addf(out, "%.*s=%lld ", STR_ARG(v[0].s), (long long)v[1].i);
    return ERR_OK;
}

static void holds(const char *expected)
{
    AUTO_BUF text = BUF_INIT(KIB(64));
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &all, NULL, 0, add_row, &text, &e), ERR_OK);
    assert_string_equal(buf_cstr(&text), expected);
}

/* --- queries ------------------------------------------------------------------------------------
 */
static unsigned left;
struct asked {
    unsigned rows;
    int64_t last;
    enum err err;
};

static void on_row(void *arg, const struct store_value *v, size_t n)
{
    struct asked *a = arg;
    assert_int_equal(n, 2);
    a->rows++;
    a->last = v[1].i;
}

static void on_done(void *arg, enum err err)
{
    struct asked *a = arg;
    a->err = err ? err : a->err;
    if (--left == 0)
        run_stop(r);
}

static void ask(struct asked *a, const struct stmt *stmt, const char *name, int64_t n)
{
    struct store_value v[] = {STORE_S(str_c(name)), STORE_I(n)};
    left++;
    assert_int_equal(
        store_query(s, stmt, v, stmt == &fill ? 1 : 2, stmt == &put ? on_row : NULL, on_done, a),
        ERR_OK);
}

static void go_on(void)
{
    assert_int_equal(run_main(r), ERR_OK);
}

static void what_is_done_outlives_the_process(void **state)
{
    (void)state;
    struct asked a = {0};
    must_open();
    ask(&a, &put, "a", 1);
    ask(&a, &put, "b", 2);
    ask(&a, &put, "a", 3);
    assert_int_equal(a.rows, 0); /* never from inside the call */
    go_on();
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.rows, 3);
    assert_int_equal(a.last, 3);
    must_open();
    holds("a=3 b=2 ");
}

static void one_wrong_statement_spares_its_neighbours(void **state)
{
    (void)state;
    struct asked good = {0}, bad = {0};
    must_open();
    ask(&good, &insert, "a", 1);
    ask(&bad, &insert, "a", 2);
    ask(&good, &insert, "b", 3);
    go_on();
    assert_int_equal(good.err, ERR_OK);
    assert_int_equal(bad.err, ERR_CONFLICT);
    must_open();
    holds("a=1 b=3 ");
}

static void a_full_disk_keeps_nothing_and_says_so(void **state)
{
    (void)state;
    static const struct stmt few = SQL("PRAGMA max_page_count = 20");
    struct asked first = {0}, much = {0};
    struct errinfo e = {0};
    must_open();
    assert_int_equal(store_read_now(s, &few, NULL, 0, NULL, NULL, &e), ERR_OK);
    ask(&first, &put, "a", 1);
    ask(&much, &fill, "x", 0);
    go_on();
    assert_int_equal(much.err, ERR_IO);
    must_open();
    if (first.err == ERR_OK)
        holds("a=1 ");
    else
        holds("");
}

static void a_store_that_is_not_open_takes_nothing(void **state)
{
    (void)state;
    struct store_options o = {.loop = run_control(r), .path = path};
    assert_int_equal(store_new(&o, &s), ERR_OK);
    assert_int_equal(store_query(s, &all, NULL, 0, NULL, on_done, NULL), ERR_UNAVAILABLE);
    assert_int_equal(access(path, F_OK), -1); /* and makes no file */
}

/* --- files --------------------------------------------------------------------------------------
 */
static void refuses(const char *where, size_t known, enum err code, const char *words)
{
    struct errinfo e = {0};
    assert_int_equal(open_store(where, known, &e), code);
    if (!strstr(e.text, words) || !strstr(e.text, where))
        fail_msg("said \"%s\", not \"%s\"", e.text, words);
}

static void the_file_is_ours_alone(void **state)
{
    (void)state;
    struct stat st;
    must_open();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct store *mine = s;
    s = NULL;
    refuses(path, COUNTOF(steps), ERR_BUSY, "another process has it open");
    store_free(mine);
}

static void a_newer_release_is_not_guessed_at(void **state)
{
    (void)state;
    must_open();
    refuses(path, 1, ERR_UNSUPPORTED, "a newer release wrote it (test: step 2, this one knows 1)");
    must_open();
}

static void steps_that_are_missing_are_taken(void **state)
{
    (void)state;
    struct errinfo e = {0};
    assert_int_equal(open_store(path, 1, &e), ERR_OK);
    must_open();
    holds("");
}

static void damage_is_seen(void **state)
{
    (void)state;
    struct asked a = {0};
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "this is no database at all, but text", 36), 36);
    close(fd);
    refuses(path, COUNTOF(steps), ERR_IO, "file is not a database");
    unlink(path);
    must_open();
    ask(&a, &fill, "x", 0);
    go_on();
    store_free(s);
    s = NULL;
    fd = open(path, O_WRONLY);
    for (off_t at = 8192; at < 200000; at += 4096)
        assert_int_equal(pwrite(fd, "damage damage damage", 20, at), 20);
    close(fd);
    struct errinfo e = {0};
    assert_int_equal(open_store(path, COUNTOF(steps), &e), ERR_IO);
}

static void a_folder_that_cannot_be_written(void **state)
{
    (void)state;
    refuses("/proc/plane.db", COUNTOF(steps), ERR_IO, ": ");
    assert_int_equal(symlink("/etc/passwd", path), 0);
    refuses(path, COUNTOF(steps), ERR_IO, "symbolic link");
}

static enum err open_and_read(void *arg)
{
    struct errinfo e = {0};
    AUTO_BUF text = BUF_INIT(KIB(1));
    (void)arg;
    enum err err = open_store(path, COUNTOF(steps), &e);
    if (err == ERR_OK)
        err = store_read_now(s, &all, NULL, 0, add_row, &text, &e);
    store_free(s);
    s = NULL;
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
        TEST(what_is_done_outlives_the_process),
        TEST(one_wrong_statement_spares_its_neighbours),
        TEST(a_full_disk_keeps_nothing_and_says_so),
        TEST(a_store_that_is_not_open_takes_nothing),
        TEST(the_file_is_ours_alone),
        TEST(a_newer_release_is_not_guessed_at),
        TEST(steps_that_are_missing_are_taken),
        TEST(damage_is_seen),
        TEST(a_folder_that_cannot_be_written),
        TEST(without_memory_it_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
