/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own files are written whole; a function's tmp directory goes, whatever it left there, and
 * nothing outside of it does. */
#include "lib/fault.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lambda_text.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ropeline-state-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return lambda__tree_remove("/tmp", root + 5) == ERR_OK ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void touch(const char *name)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static bool holds(const char *name, const char *expected)
{
    char text[64] = "";
    int fd = open(path_of(name), O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return n >= 0 && strcmp(text, expected) == 0;
}

static void a_file_is_put_once_and_mended_when_it_is_another(void **state)
{
    struct stat first, second;
    (void)state;
    assert_int_equal(lambda__file_put(root, "x.js", STR("code")), ERR_OK);
    assert_true(holds("x.js", "code"));
    assert_int_equal(stat(path_of("x.js"), &first), 0);
    assert_int_equal(first.st_mode & 07777, 0444);
    assert_int_equal(lambda__file_put(root, "x.js", STR("code")), ERR_OK);
    assert_int_equal(stat(path_of("x.js"), &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(chmod(path_of("x.js"), 0644), 0);
    assert_int_equal(lambda__file_put(root, "x.js", STR("c0de")), ERR_OK);
    assert_true(holds("x.js", "c0de"));
    assert_int_equal(lambda__file_put("/nonexistent", "x.js", STR("code")), ERR_IO);
}

static void a_link_in_place_of_the_file_is_replaced_not_followed(void **state)
{
    (void)state;
    touch("elsewhere");
    assert_int_equal(symlink("elsewhere", path_of("x.js")), 0);
    assert_int_equal(symlink("elsewhere", path_of("x.js.new")), 0);
    assert_int_equal(lambda__file_put(root, "x.js", STR("code")), ERR_OK);
    assert_true(holds("elsewhere", ""));
    assert_true(holds("x.js", "code"));
}

static void a_tree_goes_and_what_its_links_lead_to_stays(void **state)
{
    (void)state;
    mkdir(path_of("keep"), 0755);
    touch("keep/file");
    mkdir(path_of("env"), 0700);
    mkdir(path_of("env/locked"), 0700);
    touch("env/locked/file");
    assert_int_equal(symlink("../keep", path_of("env/link")), 0);
    assert_int_equal(symlink("../../keep", path_of("env/locked/link")), 0);
    assert_int_equal(mkfifo(path_of("env/fifo"), 0600), 0);
    assert_int_equal(chmod(path_of("env/locked"), 0), 0);
    assert_int_equal(lambda__tree_remove(root, "env"), ERR_OK);
    assert_int_not_equal(access(path_of("env"), F_OK), 0);
    assert_int_equal(access(path_of("keep/file"), F_OK), 0);
    assert_int_equal(lambda__tree_remove(root, "env"), ERR_OK);
}

static void a_link_in_place_of_the_tree_is_removed_itself(void **state)
{
    (void)state;
    mkdir(path_of("keep"), 0755);
    touch("keep/file");
    assert_int_equal(symlink("keep", path_of("env")), 0);
    assert_int_equal(lambda__tree_remove(root, "env"), ERR_OK);
    assert_int_not_equal(access(path_of("env"), F_OK), 0);
    assert_int_equal(access(path_of("keep/file"), F_OK), 0);
}

static void depth_costs_no_descriptors(void **state)
{
    (void)state;
    mkdir(path_of("env"), 0700);
    int at = open(path_of("env"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(lambda__tree_remove(root, "env"), ERR_OK);
    assert_int_not_equal(access(path_of("env"), F_OK), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_put_once_and_mended_when_it_is_another),
        TEST(a_link_in_place_of_the_file_is_replaced_not_followed),
        TEST(a_tree_goes_and_what_its_links_lead_to_stays),
        TEST(a_link_in_place_of_the_tree_is_removed_itself),
        TEST(depth_costs_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
