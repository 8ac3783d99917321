/* SPDX-License-Identifier: Apache-2.0
 *
 * A backup is what was committed, whoever writes meanwhile; one that is damaged, of a newer release
 * or of something else is not put back; and what was there before can be had again. */
#include <fcntl.h>
#include <glob.h>
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
static const struct stmt put = SQL("INSERT INTO note (name, n) VALUES ($1, $2)");
static const struct stmt sum = SQL("SELECT sum(n) FROM note");

static char dir[] = "/tmp/ropeline-copy-XXXXXX", path[64], copy[64], text[64];
static struct run *r;
static struct store *s;

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6); /* mkdtemp wrote there */
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/identity.db", dir);
    snprintf(copy, sizeof copy, "%s/copy.db", dir);
    snprintf(text, sizeof text, "%s/text", dir);
    return run_new(&(struct run_options){.workers = 1}, &r) == ERR_OK ? 0 : -1;
}

static void close_store(void)
{
    store_free(s);
    s = NULL;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    close_store();
    run_free(r);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void open_store(const char *room)
{
    struct store_options o = {.loop = run_control(r), .path = path, .readers = LIMIT_STORE_READERS};
    struct errinfo e = {0};
    assert_int_equal(store_new(&o, &s), ERR_OK);
    if (store_open(s, room, steps, COUNTOF(steps), &e) != ERR_OK)
        fail_msg("%s", e.text);
}

static void add(const char *name, int64_t n)
{
    struct store_value v[] = {STORE_S(str_c(name)), STORE_I(n)};
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &put, v, 2, NULL, NULL, &e), ERR_OK);
}

static enum err take(void *arg, const struct store_value *v, size_t n)
{
    int64_t *out = arg;
    *out = n == 1 && v[0].type == STORE_INT ? v[0].i : 0;
    return ERR_OK;
}

static void holds(int64_t expected)
{
    int64_t n = -1;
    struct errinfo e = {0};
    assert_int_equal(store_read_now(s, &sum, NULL, 0, take, &n, &e), ERR_OK);
    assert_int_equal(n, expected);
}

static void backs_up(void)
{
    struct errinfo e = {0};
    if (store_backup(path, copy, &e) != ERR_OK)
        fail_msg("%s", e.text);
}

static enum err put_back(size_t known, struct errinfo *e)
{
    AUTO_BUF kept = BUF_INIT(KIB(1));
    return store_restore(copy, path, "test", known, &kept, e);
}

static void refuses(size_t known, enum err code, const char *words)
{
    struct errinfo e = {0};
    assert_int_equal(put_back(known, &e), code);
    if (!strstr(e.text, words))
        fail_msg("said \"%s\", not \"%s\"", e.text, words);
}

static unsigned files(void)
{
    char pattern[80];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", dir);
    unsigned n = glob(pattern, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static void a_copy_is_made_of_a_store_in_use_and_put_back(void **state)
{
    (void)state;
    struct stat st;
    open_store("test");
    add("a", 1);
    unsigned before = files();
    backs_up();
    assert_int_equal(files(), before + 1); /* the copy alone */
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    add("b", 10);
    holds(11);
    refuses(2, ERR_BUSY, "stop it first");
    close_store();
    struct errinfo e = {0};
    assert_int_equal(put_back(2, &e), ERR_OK);
    open_store("test");
    holds(1);
    add("b", 100);
    holds(101);
}

static void a_log_that_was_left_belongs_to_what_was_there(void **state)
{
    (void)state;
    char command[300], log[80];
    struct stat st;
    struct errinfo e = {0};
    AUTO_BUF kept = BUF_INIT(KIB(1));
    open_store("test");
    add("a", 1);
    backs_up();
    add("b", 10);
    /* as a process that was killed leaves it */
    snprintf(command, sizeof command,
             "cd %s && mkdir x && cp identity.db identity.db-wal x && cp identity.db-shm x", dir);
    assert_int_equal(system(command), 0);
    close_store();
    snprintf(command, sizeof command, "cd %s && mv x/* . && rmdir x", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_restore(copy, path, "test", 2, &kept, &e), ERR_OK);
    snprintf(log, sizeof log, "%s-wal", path);
    assert_int_equal(stat(log, &st), -1);
    open_store("test");
    holds(1);
    close_store();
    /* what was there, by the name that was told */
    memcpy(path, buf_cstr(&kept), kept.n + 1);
    open_store("test");
    holds(11);
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    struct errinfo e = {0};
    open_store("test");
    backs_up();
    unsigned before = files();
    assert_int_equal(store_backup(path, copy, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "is there already"));
    e = (struct errinfo){0};
    assert_int_equal(store_backup(text, "/proc/none/x", &e), ERR_IO);
    assert_non_null(strstr(e.text, "No such file"));
    assert_int_equal(files(), before);
}

static void spoil(const char *what, off_t from, off_t to)
{
    int fd = open(what, O_WRONLY | O_CREAT, 0600);
    for (off_t at = from; at < to; at += 512)
        assert_int_equal(pwrite(fd, "damage damage damage", 20, at), 20);
    close(fd);
}

static void what_is_no_backup_is_not_put_back(void **state)
{
    (void)state;
    open_store("test");
    add("a", 1);
    backs_up();
    close_store();
    unsigned before = files();
    refuses(1, ERR_UNSUPPORTED, "a newer release wrote it (test: step 2, this one knows 1)");
    spoil(copy, 4096, 12288);
    refuses(2, ERR_IO, copy);
    spoil(copy, 0, 4096);
    refuses(2, ERR_IO, "not a database");
    unlink(copy);
    refuses(2, ERR_IO, "No such file");
    open_store("test");
    holds(1);
    close_store();
    unlink(path);
    open_store("other");
    backs_up();
    close_store();
    refuses(2, ERR_INVALID, "no tables of test");
    assert_int_equal(files(), before); /* nothing lies about */
}

static void a_damaged_store_gives_no_backup_but_takes_one(void **state)
{
    (void)state;
    struct errinfo e = {0};
    char other[80];
    open_store("test");
    add("a", 1);
    backs_up();
    close_store();
    spoil(path, 4096, 12288);
    snprintf(other, sizeof other, "%s/other.db", dir);
    assert_int_equal(store_backup(path, other, &e), ERR_IO);
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(put_back(2, &e), ERR_OK);
    open_store("test");
    holds(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_made_of_a_store_in_use_and_put_back),
        TEST(a_log_that_was_left_belongs_to_what_was_there),
        TEST(nothing_is_overwritten),
        TEST(what_is_no_backup_is_not_put_back),
        TEST(a_damaged_store_gives_no_backup_but_takes_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
