/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a handler's file may be, and what makes a code directory another one. */
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
    snprintf(root, sizeof root, "/tmp/ropeline-code-XXXXXX");
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

static void put(const char *name, const char *text)
{
    for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
        char folder[128];
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        mkdir(path_of(folder), 0755);
    }
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void each_form_that_node_resolves_is_found(void **state)
{
    static const char *const forms[][2] = {
        {"one", "one.handler"},
        {"two.js", "two.handler"},
        {"three.mjs", "three.handler"},
        {"four.cjs", "four.handler"},
        {"five/index.js", "five.handler"},
        {"src/six.js", "src/six.deep.down"},
        {"node_modules/seven/package.json", "seven.handler"},
        {"../eight-outside.js", NULL},
    };
    (void)state;
    for (size_t i = 0; forms[i][1]; i++) {
        assert_int_equal(lambda__node_handler_find(root, str_c(forms[i][1]), NULL), ERR_NOTFOUND);
        put(forms[i][0], "");
        assert_int_equal(lambda__node_handler_find(root, str_c(forms[i][1]), NULL), ERR_OK);
    }
}

static void a_missing_file_is_told_with_what_was_tried(void **state)
{
    struct errinfo e = {0};
    (void)state;
    put("auth.ts", "");
    assert_int_equal(lambda__node_handler_find(root, STR("auth.handler"), &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "auth.js, auth.mjs, auth.cjs"));
    assert_non_null(strstr(e.text, root));
    assert_non_null(strstr(e.text, ".ts must be compiled"));
}

static void what_is_no_handler_name_is_invalid(void **state)
{
    static const char *const names[] = {
        "", "index", ".handler", "index.", "../index.handler", "a/../b.handler"};
    (void)state;
    put("index.js", "");
    for (size_t i = 0; i < COUNTOF(names); i++)
        assert_int_equal(lambda__node_handler_find(root, str_c(names[i]), NULL), ERR_INVALID);
}

static const char *digest(void)
{
    static char hex[4][65];
    static int turn;
    struct errinfo e = {0};
    turn = (turn + 1) % 4;
    if (lambda__code_digest(root, NULL, STR("seed"), hex[turn], &e) != ERR_OK)
        fail_msg("%s", e.text);
    return hex[turn];
}

static void the_digest_changes_with_any_file(void **state)
{
    (void)state;
    put("index.js", "one");
    put("lib/deep/x.js", "x");
    const char *first = digest();
    assert_string_equal(digest(), first);
    put("lib/deep/x.js", "longer");
    assert_string_not_equal(digest(), first);
    first = digest();
    put("new.js", "");
    assert_string_not_equal(digest(), first);
    first = digest();
    unlink(path_of("new.js"));
    assert_string_not_equal(digest(), first);
    first = digest();
    struct timespec times[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path_of("index.js"), times, 0), 0);
    assert_string_not_equal(digest(), first);
}

static void links_count_by_text_and_target_and_are_not_followed(void **state)
{
    (void)state;
    put("lib/x.js", "x");
    assert_int_equal(symlink(root, path_of("loop")), 0);
    assert_int_equal(symlink("lib/x.js", path_of("x.js")), 0);
    assert_int_equal(symlink("nowhere", path_of("broken")), 0);
    const char *first = digest();
    assert_string_equal(digest(), first);
    unlink(path_of("x.js"));
    assert_int_equal(symlink("./lib/x.js", path_of("x.js")), 0);
    assert_string_not_equal(digest(), first);
}

static void git_and_our_own_state_do_not_count(void **state)
{
    struct stat skip;
    char before[65], after[65];
    (void)state;
    put("index.js", "");
    put(".git/index", "1");
    put(".ropeline/tmp/x", "1");
    assert_int_equal(stat(path_of(".ropeline"), &skip), 0);
    assert_int_equal(lambda__code_digest(root, &skip, STR(""), before, NULL), ERR_OK);
    put(".git/index", "22");
    put(".ropeline/tmp/x", "22");
    assert_int_equal(lambda__code_digest(root, &skip, STR(""), after, NULL), ERR_OK);
    assert_string_equal(after, before);
    assert_int_equal(lambda__code_digest(root, &skip, STR("other"), after, NULL), ERR_OK);
    assert_string_not_equal(after, before);
}

static void too_deep_and_missing_directories_are_refused(void **state)
{
    char name[256] = "", hex[65];
    struct errinfo e = {0};
    (void)state;
    for (int i = 0; i < 50; i++)
        strncat(name, "d/", sizeof name - strlen(name) - 1);
    strncat(name, "x", sizeof name - strlen(name) - 1);
    put(name, "");
    assert_int_equal(lambda__code_digest(root, NULL, STR(""), hex, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "48 directories deep"));
    assert_int_equal(lambda__code_digest("/nonexistent", NULL, STR(""), hex, &e), ERR_NOTFOUND);
}

static enum err digest_once(void *arg)
{
    char hex[65];
    (void)arg;
    return lambda__code_digest(root, NULL, STR("seed"), hex, NULL);
}

static void out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    put("a/b.js", "x");
    put("c.js", "x");
    fault_each(digest_once, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(each_form_that_node_resolves_is_found),
        TEST(a_missing_file_is_told_with_what_was_tried),
        TEST(what_is_no_handler_name_is_invalid),
        TEST(the_digest_changes_with_any_file),
        TEST(links_count_by_text_and_target_and_are_not_followed),
        TEST(git_and_our_own_state_do_not_count),
        TEST(too_deep_and_missing_directories_are_refused),
        TEST(out_of_memory_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
