/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of runtimes: names, and what is said of those that have no row. */
#include "lib/fault.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "lambda/runtime.h"
#include "runtimes_int.h"

static void names_are_read(void **state)
{
    static const struct {
        const char *text;
        struct runtime_name name;
    } good[] = {
        {"nodejs20.x", {RUNTIME_NODE, 20, 0}},       {"nodejs6.x", {RUNTIME_NODE, 6, 0}},
        {"python3.11", {RUNTIME_PYTHON, 3, 11}},     {"python3.9", {RUNTIME_PYTHON, 3, 9}},
        {"provided", {RUNTIME_CUSTOM, 0, 0}},        {"provided.al2", {RUNTIME_CUSTOM, 0, 0}},
        {"provided.al2023", {RUNTIME_CUSTOM, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(good); i++) {
        struct runtime_name name = {0};
        assert_int_equal(runtime_parse(str_c(good[i].text), &name, NULL), ERR_OK);
        assert_int_equal(name.kind, good[i].name.kind);
        assert_int_equal(name.major, good[i].name.major);
        assert_int_equal(name.minor, good[i].name.minor);
    }
}

static void others_are_refused_by_their_name(void **state)
{
    static const char *const bad[] = {
        "nodejs",
        "nodejs.x",
        "nodejs20",
        "nodejs20.x ",
        "nodejs-1.x",
        "nodejs0.x",
        "python2.7",
        "python3",
        "python3.",
        "python3.x",
        "python",
        "provided.al2024x",
        "providedal",
        "java21",
        "dotnet8",
        "ruby3.3",
        "go1.x",
        "rust",
        "nodejs99999999999999999999.x",
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct errinfo e = {0};
        assert_int_equal(runtime_parse(str_c(bad[i]), NULL, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.text, bad[i]));
    }
    struct errinfo e = {0};
    assert_int_equal(runtime_parse(STR(""), NULL, &e), ERR_INVALID);
    assert_int_equal(runtime_parse(STR("go1.x"), NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "provided.al2023 with a bootstrap binary"));
}

/* --- what is executed ------------------------------------------------------------------------ */

static char root[64];

static void put(const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    (void)unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int make(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ropeline-runtimes-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int clear(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* The words of the command, with one blank between and "@" for our folder. */
static const char *command_of(const char *runtime, const char *wrapper)
{
    static char text[KIB(4)];
    static const struct runtime_home home = {.dir = "/s", .main = "/s/main"};
    struct function_env env = {STR("AWS_LAMBDA_EXEC_WRAPPER"), str_c(wrapper)};
    struct function_spec spec = {
        .code_dir = str_c(root), .env = &env, .env_count = wrapper ? 1 : 0, .memory_mb = 128};
    struct function_runtime r = {.home = &home, .interpreter = {.path = "/bin/it"}};
    struct arena *a = arena_new(256, KIB(64));
    assert_int_equal(runtime_parse(str_c(runtime), &r.name, NULL), ERR_OK);
    assert_int_equal(lambda__runtime_place(&r, &spec, STR("/layers"), a), ERR_OK);
    const char *const *argv = lambda__runtime_argv(&r, &spec, RUNTIME_SERVE, a);
    assert_non_null(argv);
    AUTO_BUF out = BUF_INIT(KIB(4));
    for (size_t i = 0; argv[i]; i++) {
        struct str word = str_c(argv[i]);
        bool ours = str_starts(word, str_c(root));
        buf_addf(&out, "%s%s%.*s", i ? " " : "", ours ? "@" : "",
                 STR_ARG(str_from(word, ours ? strlen(root) : 0)));
    }
    buf_addf(&out, "%s", lambda__runtime_listens(&r) ? " listens" : "");
    snprintf(text, sizeof text, "%s", buf_cstr(&out));
    arena_free(a);
    return text;
}

static void each_runtime_has_its_command(void **state)
{
    (void)state;
    assert_string_equal(command_of("nodejs20.x", NULL), "/bin/it --max-old-space-size=96 /s/main");
    assert_string_equal(command_of("python3.11", NULL), "/bin/it -P -s -B -u /s/main");
    assert_string_equal(command_of("python3.11", "/opt/wrap"),
                        "/layers/wrap /bin/it -P -s -B -u /s/main listens");
    assert_string_equal(command_of("nodejs20.x", "/var/task/w"),
                        "@/w /bin/it --max-old-space-size=96 /s/main listens");
    assert_string_equal(command_of("nodejs20.x", "w"),
                        "@/w /bin/it --max-old-space-size=96 /s/main listens");
    assert_string_equal(command_of("nodejs20.x", "/else/where"),
                        "/else/where /bin/it --max-old-space-size=96 /s/main listens");
}

static void a_bootstrap_that_says_sh_runs_with_bash(void **state)
{
    static const struct {
        const char *text, *command;
    } rows[] = {
        {"#!/bin/sh\n", "/bin/bash --posix @/bootstrap listens"},
        {"#! /bin/sh -eu \n", "/bin/bash --posix -eu @/bootstrap listens"},
        {"#!/usr/bin/sh", "/bin/bash --posix @/bootstrap listens"},
        {"#!/bin/bash\n", "@/bootstrap listens"},
        {"#!/usr/bin/env sh\n", "@/bootstrap listens"},
        {"#!/bin/shell\n", "@/bootstrap listens"},
        {"\177ELF", "@/bootstrap listens"},
        {"", "@/bootstrap listens"},
    };
    (void)state;
    bool bash = access("/bin/bash", X_OK) == 0; /* else each is what is run */
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        put("bootstrap", rows[i].text, 0755);
        assert_string_equal(command_of("provided.al2", "/opt/unused"),
                            bash ? rows[i].command : "@/bootstrap listens");
    }
    put("bootstrap", rows[0].text, 0644);
    assert_string_equal(command_of("provided.al2", NULL), "@/bootstrap listens");
}

static void files_tell_which_runtime_is_meant(void **state)
{
    (void)state;
    assert_string_equal(runtime_guess(root, STR("app.handler")).p, "nodejs20.x");
    put("bootstrap", "", 0755);
    assert_string_equal(runtime_guess(root, STR("app.handler")).p, "provided.al2023");
    put("app.py", "", 0644);
    assert_string_equal(runtime_guess(root, STR("app.handler")).p, "python3.11");
    put("app.js", "", 0644);
    assert_string_equal(runtime_guess(root, STR("app.handler")).p, "nodejs20.x");
}

static enum err command_in_little_memory(void *arg)
{
    static const struct runtime_home home = {.dir = "/s", .main = "/s/main"};
    struct function_env env = {STR("AWS_LAMBDA_EXEC_WRAPPER"), STR("w")};
    struct function_spec spec = {.code_dir = STR("/code"), .env = &env, .env_count = 1};
    struct function_runtime r = {.home = &home, .interpreter = {.path = "/bin/it"}};
    (void)arg;
    struct arena *a = arena_new(64, KIB(64));
    enum err err = a ? lambda__runtime_place(&r, &spec, STR("/opt"), a) : ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda__runtime_argv(&r, &spec, RUNTIME_SERVE, a) ? ERR_OK : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void out_of_memory_there_is_no_command(void **state)
{
    (void)state;
    fault_each(command_in_little_memory, NULL);
}

#define WITH_FILES(f) cmocka_unit_test_setup_teardown(f, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(others_are_refused_by_their_name),
        WITH_FILES(each_runtime_has_its_command),
        WITH_FILES(a_bootstrap_that_says_sh_runs_with_bash),
        WITH_FILES(files_tell_which_runtime_is_meant),
        cmocka_unit_test(out_of_memory_there_is_no_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
