/* SPDX-License-Identifier: Apache-2.0
 *
 * What was acknowledged of the registry's changes is there after kill -9; without memory nothing
 * has changed. */
#include "registry_talk.h"

#include <poll.h>
#include <sys/wait.h>

/* The publisher is forked beside the threads of this process, and starts its own. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

/* --- kill -9 -----------------------------------------------------------------------------------
 */

/* Publishes version after version and tells each, once it is acknowledged. */
static void publisher(int out)
{
    char text[64];
    if (open_lambda() != ERR_OK)
        _exit(1);
    for (int i = 0;; i++) {
        snprintf(text, sizeof text, "exports.handler = %d;", i);
        if (change(FUNCTION_UPDATE_CODE, "Fn", "", "{\"Publish\":true}", package(text)) != ERR_OK)
            _exit(2);
        const char *version = strstr(said, "\"Version\":\"");
        unsigned char n = (unsigned char)strtoul(version + 11, NULL, 10);
        if (write(out, &n, 1) != 1)
            _exit(3);
    }
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    (void)state;
    unsigned char last = 0;
    create("Fn");
    for (int round = 0; round < 8; round++) {
        int fds[2];
        shut_lambda();
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            if (run_new(&(struct run_options){.workers = 1}, &bench.run) == ERR_OK)
                publisher(fds[1]);
            _exit(4);
        }
        close(fds[1]);
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        for (int i = 0; i <= round % 4 && poll(&p, 1, 20000) == 1; i++)
            assert_int_equal(read(fds[0], &last, 1), 1);
        usleep((useconds_t)(round * 1700));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(fds[0], &last, 1) == 1)
            continue;
        close(fds[0]);
        assert_int_equal(open_lambda(), ERR_OK);
        char version[8];
        snprintf(version, sizeof version, "%u", last);
        assert_true(last > 0);
        assert_non_null(lambda_find(bench.lambda, STR("Fn"), str_c(version))); /* code included */
        assert_non_null(lambda_find(bench.lambda, STR("Fn"), STR("")));
    }
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void without_memory_nothing_has_changed(void **state)
{
    (void)state;
    create("Fn");
    FAULT_EACH
    {
        enum err err = change(FUNCTION_PUBLISH, "Fn", "", "{\"Description\":\"d\"}", NO_ZIP);
        mem_fault(-1, 0);
        view(FUNCTION_VERSIONS, "Fn", "");
        const char *version = strstr(said, "\"Description\":\"d\"");
        assert_int_equal(version != NULL, err == ERR_OK);
        if (version) { /* a number is used once, so it is another one each time */
            char number[8] = "";
            version = strstr(said, "function:Fn:") + sizeof "function:Fn:" - 1;
            snprintf(number, sizeof number, "%lu", strtoul(version, NULL, 10));
            works(FUNCTION_DELETE, "Fn", number, NULL, NO_ZIP);
        }
    }
    restart();
    view(FUNCTION_VERSIONS, "Fn", "");
    assert_null(strstr(said, "function:Fn:"));
}

int main(void)
{
#define IN_ROOM(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        IN_ROOM(what_was_acknowledged_survives_kill_9),
        IN_ROOM(without_memory_nothing_has_changed),
    };
    return cmocka_run_group_tests_name("registry_kill", tests, NULL, NULL);
}
