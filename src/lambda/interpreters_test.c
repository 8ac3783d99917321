/* SPDX-License-Identifier: Apache-2.0
 *
 * Which interpreter serves a runtime, among files made for it. */
#include "lib/fault.h"
#include "lib/folder.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "lambda/runtime.h"

static char root[64];

static void put(const char *name, const char *text)
{
    folder_put(root, name, text, 0755);
}

static int make(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ropeline-interpreters-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int clear(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* What is found, as "name major.minor" with the path below root. */
static const char *found(const char *runtime, const char *path, const char *list)
{
    static char text[PATH_MAX];
    char full[PATH_MAX], given[PATH_MAX] = "";
    struct runtime_name name;
    struct interpreter i;
    assert_int_equal(runtime_parse(str_c(runtime), &name, NULL), ERR_OK);
    snprintf(full, sizeof full, "%s/%s:%s/b", root, path, root);
    for (struct str rest = str_c(list ? list : ""); rest.n > 0;) {
        struct str one = str_cut(rest, ':', &rest);
        size_t n = strlen(given);
        snprintf(given + n, sizeof given - n, "%s%s/%.*s", n ? ":" : "", root, STR_ARG(one));
    }
    struct runtime_places places = {.node = given, .python = given, .path = full};
    struct arena *a = arena_new(256, KIB(64));
    assert_int_equal(runtime_interpreter(a, &places, &name, &i), ERR_OK);
    snprintf(text, sizeof text, "%s %u.%u", i.path ? i.path + strlen(root) + 1 : "none", i.major,
             i.minor);
    arena_free(a);
    return text;
}

static void the_first_of_the_path_serves_when_no_version_is_known(void **state)
{
    (void)state;
    assert_string_equal(found("nodejs20.x", "a", NULL), "none 0.0");
    put("b/node", "\177ELF");
    put("b/python3", "\177ELF");
    assert_string_equal(found("nodejs20.x", "a", NULL), "b/node 0.0");
    assert_string_equal(found("python3.12", "a", NULL), "b/python3 0.0");
    put("a/node", "\177ELF");
    assert_string_equal(found("nodejs20.x", "a", NULL), "a/node 0.0");
}

static void a_script_in_the_path_is_passed_over_and_in_the_list_is_not(void **state)
{
    (void)state;
    put("a/python3", "#!/bin/sh\nexec python\n");
    put("b/python3", "\177ELF");
    assert_string_equal(found("python3.11", "a", NULL), "b/python3 0.0");
    assert_string_equal(found("python3.11", "a", "a/python3"), "a/python3 0.0");
}

static void the_version_asked_for_comes_first_then_the_nearest(void **state)
{
    (void)state;
    put("a/node18", "\177ELF");
    put("a/node22", "\177ELF");
    put("nvm/v20.11.1/bin/node", "\177ELF");
    put("n/bin/node", "\177ELF");
    put("n/include/node/node_version.h", "#ifndef X\n#define NODE_MAJOR_VERSION 16\n");
    assert_string_equal(found("nodejs18.x", "a", NULL), "a/node18 18.0");
    assert_string_equal(found("nodejs20.x", "a", NULL), "none 0.0");
    static const char list[] = "a/node18:nvm/v20.11.1/bin/node:a/node22:n/bin/node";
    assert_string_equal(found("nodejs20.x", "a", list), "nvm/v20.11.1/bin/node 20.0");
    assert_string_equal(found("nodejs16.x", "a", list), "n/bin/node 16.0");
    assert_string_equal(found("nodejs24.x", "a", list), "a/node22 22.0");
    assert_string_equal(found("nodejs12.x", "a", list), "n/bin/node 16.0");
    assert_string_equal(found("nodejs19.x", "a", list), "nvm/v20.11.1/bin/node 20.0");
}

static void a_link_tells_the_version_of_a_python(void **state)
{
    char link[PATH_MAX];
    (void)state;
    put("b/python3.11", "\177ELF");
    put("b/python3.12", "\177ELF");
    snprintf(link, sizeof link, "%s/b/python3", root);
    assert_int_equal(symlink("python3.11", link), 0);
    assert_string_equal(found("python3.12", "a", NULL), "b/python3.12 3.12");
    assert_string_equal(found("python3.11", "a", NULL), "b/python3.11 3.11");
    assert_string_equal(found("python3.9", "a", NULL), "b/python3 3.11");
    put("a/python3.9", "\177ELF"); /* too old for our bootstrap */
    assert_string_equal(found("python3.9", "a", NULL), "b/python3 3.11");
}

static void what_cannot_be_run_is_none(void **state)
{
    char path[PATH_MAX];
    (void)state;
    put("a/node/file", "");
    put("b/node", "\177ELF");
    snprintf(path, sizeof path, "%s/b/node", root);
    assert_int_equal(chmod(path, 0644), 0);
    assert_string_equal(found("nodejs20.x", "a", NULL), "none 0.0");
    assert_string_equal(found("nodejs20.x", "a", "missing/node"), "none 0.0");
}

static enum err look(void *arg)
{
    struct runtime_name name = {RUNTIME_NODE, 20, 0};
    struct runtime_places places = {.node = "/bin/sh"};
    struct interpreter i = {0};
    (void)arg;
    struct arena *a = arena_new(256, KIB(64));
    enum err err = a ? runtime_interpreter(a, &places, &name, &i) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void out_of_memory_is_said(void **state)
{
    (void)state;
    fault_each(look, NULL);
}

#define WITH_FILES(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(the_first_of_the_path_serves_when_no_version_is_known),
        WITH_FILES(a_script_in_the_path_is_passed_over_and_in_the_list_is_not),
        WITH_FILES(the_version_asked_for_comes_first_then_the_nearest),
        WITH_FILES(a_link_tells_the_version_of_a_python),
        WITH_FILES(what_cannot_be_run_is_none),
        cmocka_unit_test(out_of_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
