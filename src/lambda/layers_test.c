/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: which of several wins, and what cannot be one. */
#include "lib/fault.h"
#include "lib/folder.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "lambda_int.h"

static char root[64], state_dir[80];
static struct lambda lambda;
static struct str layers[LIMIT_LAYERS + 1];
static struct function_spec spec;

static void put(const char *name, const char *text)
{
    folder_put(root, name, text, 0644);
}

static const char *text_of(struct str dir, const char *name)
{
    static char text[64];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s/%s", STR_ARG(dir), name);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void use(size_t count, ...)
{
    static char paths[LIMIT_LAYERS + 1][96];
    va_list names;
    va_start(names, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", root, va_arg(names, const char *));
        layers[i] = str_c(paths[i]);
    }
    va_end(names);
    spec = (struct function_spec){.layers = layers, .layer_count = count};
}

static int make(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ropeline-layers-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(state_dir, sizeof state_dir, "%s/layers", root);
    lambda = (struct lambda){.layers_dir = state_dir, .tag = "0123abcd"};
    return mkdir(state_dir, 0700) || stat(state_dir, &lambda.state_stat);
}

static int clear(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static enum err open_layers(struct arena *a, struct str *opt, struct errinfo *e)
{
    enum err err = lambda__layers_check(&spec, e);
    return err == ERR_OK ? lambda__layers_open(&lambda, &spec, a, opt, e) : err;
}

static void the_later_is_over_the_earlier(void **state)
{
    char at[PATH_MAX];
    struct str opt = STR_NONE, again = STR_NONE;
    (void)state;
    struct arena *a = arena_new(256, KIB(64));
    put("one/python/word.py", "one");
    put("one/bin/tool", "tool");
    put("one/only", "only");
    put("two/python/word.py", "two");
    put("two/extra", "extra");
    snprintf(at, sizeof at, "%s/two/only", root);
    assert_int_equal(symlink("extra", at), 0);
    use(2, "one", "two");
    assert_int_equal(open_layers(a, &opt, NULL), ERR_OK);
    assert_string_equal(text_of(opt, "python/word.py"), "two");
    assert_string_equal(text_of(opt, "bin/tool"), "tool");
    assert_string_equal(text_of(opt, "only"), "extra");
    assert_string_equal(text_of(str_c(root), "one/only"), "only");
    assert_int_equal(open_layers(a, &again, NULL), ERR_OK);
    assert_true(str_eq(opt, again));
    use(2, "two", "one");
    assert_int_equal(open_layers(a, &again, NULL), ERR_OK);
    assert_false(str_eq(opt, again));
    assert_string_equal(text_of(again, "python/word.py"), "one");
    assert_string_equal(text_of(again, "only"), "only");
    put("one/more", "more"); /* other contents are other layers */
    assert_int_equal(open_layers(a, &opt, NULL), ERR_OK);
    assert_false(str_eq(opt, again));
    assert_string_equal(text_of(opt, "more"), "more");
    arena_free(a);
}

static void one_stands_where_it_is_and_none_is_opt(void **state)
{
    struct str opt = STR_NONE;
    (void)state;
    struct arena *a = arena_new(256, KIB(64));
    put("one/file", "x");
    use(1, "one");
    assert_int_equal(open_layers(a, &opt, NULL), ERR_OK);
    assert_true(str_eq(opt, layers[0]));
    use(0);
    assert_int_equal(open_layers(a, &opt, NULL), ERR_OK);
    assert_string_equal(opt.p, "/opt");
    arena_free(a);
}

static void what_cannot_be_merged_is_refused_and_leaves_nothing(void **state)
{
    static const char *const others[] = {"folder", "pipe", "missing"};
    char at[PATH_MAX];
    struct str opt = STR_NONE;
    (void)state;
    struct arena *a = arena_new(256, KIB(64));
    put("one/name", "a file");
    put("folder/name/file", "in a folder");
    put("pipe/file", "x");
    snprintf(at, sizeof at, "%s/pipe/fifo", root);
    assert_int_equal(mkfifo(at, 0600), 0);
    for (size_t i = 0; i < COUNTOF(others); i++) {
        struct errinfo e = {0};
        use(2, "one", others[i]);
        assert_int_not_equal(open_layers(a, &opt, &e), ERR_OK);
        assert_non_null(strstr(e.text, others[i]));
        assert_int_equal(rmdir(state_dir), 0);
        assert_int_equal(mkdir(state_dir, 0700), 0);
    }
    use(2, "folder", "one");
    assert_int_equal(open_layers(a, &opt, NULL), ERR_CONFLICT);
    use(6, "one", "one", "one", "one", "one", "one");
    assert_int_equal(open_layers(a, &opt, NULL), ERR_INVALID);
    arena_free(a);
}

static enum err open_two(void *arg)
{
    struct str opt = STR_NONE;
    (void)arg;
    struct arena *a = arena_new(256, KIB(64));
    enum err err = a ? open_layers(a, &opt, NULL) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void out_of_memory_merges_nothing(void **state)
{
    (void)state;
    put("one/deep/er/file", "x");
    put("two/deep/file", "x");
    use(2, "one", "two");
    fault_each(open_two, NULL);
}

#define WITH_FILES(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(the_later_is_over_the_earlier),
        WITH_FILES(one_stands_where_it_is_and_none_is_opt),
        WITH_FILES(what_cannot_be_merged_is_refused_and_leaves_nothing),
        WITH_FILES(out_of_memory_merges_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
