/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions under a real keeper: what they are given, how their end is told, and that nothing of
 * them lives on. */
#include "main/keeper_fixture.h"

static void plan_given(void)
{
    setenv("SECRET", "of the gateway", 1);
    script(0, "umask; pwd; ulimit -n; ulimit -c; env; readlink /proc/self/fd/0; "
              "ls -m /proc/$$/fd; grep -E 'NoNewPrivs|SigBlk|SigIgn' /proc/self/status; "
              "cut -d' ' -f1,5,6 /proc/$$/stat; echo $$");
}

static void a_function_has_what_it_was_given_and_nothing_else(void **state)
{
    (void)state;
    char ids[64];
    start_keeper(plan_given);
    until(board->ended == 1);
    assert_int_equal(board->how[0].err, ERR_OK);
    assert_int_equal(board->how[0].status, 0);
    assert_in_range(board->how[0].rss_kb, 100, 1000000);
    contents("out0");
    assert_non_null(strstr(text, "0077\n"));
    assert_non_null(strstr(text, folder));
    assert_non_null(strstr(text, "\n77\n0\n"));
    assert_non_null(strstr(text, "COLOUR=blue\n"));
    assert_null(strstr(text, "SECRET"));
    assert_non_null(strstr(text, "/dev/null\n"));
    assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000\n"));
    struct str all = str_c(text);
    size_t last = str_rchr(str_sub(all, 0, all.n - 1), '\n') + 1;
    struct str pid = str_sub(all, last, all.n - last - 1);
    assert_non_null(strstr(text, "\n0, 1, 2\n"));
    snprintf(ids, sizeof ids, "\n%.*s %.*s %.*s\n", STR_ARG(pid), STR_ARG(pid), STR_ARG(pid));
    assert_non_null(strstr(text, ids)); /* its own group and session */
}

static void plan_fds(void)
{
    static const char *const argv[] = {
        "/bin/sh", "-c", "exec 2>/dev/null; cat <&3; cat <&5; echo still $(cat <&4)", NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    int out = open(path_of("out0"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int three = open("/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC);
    int five = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
    const struct child_spec spec = {.argv = argv,
                                    .env = env,
                                    .cwd = "/",
                                    .fds = {-1, out, out, three, -1, five},
                                    .fd_count = 6};
    if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[0], &children[0]) != ERR_OK)
        _exit(9);
}

static void descriptors_stand_where_they_were_put(void **state)
{
    (void)state;
    start_keeper(plan_fds);
    until(board->ended == 1);
    char host[128] = "", want[256];
    gethostname(host, sizeof host - 1);
    snprintf(want, sizeof want, "Linux\n%s\n", host);
    contents("out0");
    assert_memory_equal(text, want, strlen(want));
    assert_true(strlen(text) <= strlen(want) + strlen("still \n")); /* 4 was closed */
}

static void plan_ends(void)
{
    static const char *const env[] = {NULL};
    static const char *const absent[] = {"/nonexistent/node", NULL};
    static const char *const folder_argv[] = {"/tmp", NULL};
    script(0, "exit 7");
    script(1, "kill -TERM $$");
    struct child_spec spec = {.argv = absent, .env = env, .cwd = "/"};
    if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[2], &children[2]) != ERR_OK)
        _exit(9);
    spec.argv = folder_argv;
    if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[3], &children[3]) != ERR_OK)
        _exit(9);
    spec.cwd = "/nonexistent";
    if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[4], &children[4]) != ERR_OK)
        _exit(9);
    script(5, "exec sleep 1000");
    child_kill(children[5], SIGKILL); /* perhaps before its setsid */
}

static void each_end_is_reported(void **state)
{
    (void)state;
    start_keeper(plan_ends);
    until(board->ended == 6);
    const struct child_exit *how = board->how;
    assert_int_equal(how[0].err, ERR_OK);
    assert_int_equal(how[0].status, 7);
    assert_int_equal(how[0].signal, 0);
    assert_int_equal(how[1].err, ERR_OK);
    assert_int_equal(how[1].status, -1);
    assert_int_equal(how[1].signal, SIGTERM);
    assert_int_equal(how[2].err, ERR_NOTFOUND);
    assert_int_equal(how[2].os_error, ENOENT);
    assert_int_equal(how[3].err, ERR_DENIED);
    assert_int_equal(how[3].os_error, EACCES);
    assert_int_equal(how[4].err, ERR_NOTFOUND);
    assert_int_equal(how[5].err, ERR_OK);
    assert_int_equal(how[5].signal, SIGKILL);
}

static void plan_hundred(void)
{
    for (int i = 0; i < 100; i++) {
        static const char *const env[] = {NULL};
        static const char *const argv[] = {"/bin/true", NULL};
        const struct child_spec spec = {.argv = argv, .env = env, .cwd = "/"};
        if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[0], &children[0]))
            _exit(9);
    }
}

static void a_hundred_functions_at_once_are_all_reported(void **state)
{
    (void)state;
    start_keeper(plan_hundred);
    until(board->ended == 100);
}

static void plan_family(void)
{
    script(0, family);
}

static void nothing_of_a_dead_function_lives_on(void **state)
{
    (void)state;
    pid_t pids[COUNTOF(members)];
    start_keeper(plan_family);
    wait_for_family(pids);
    kill(pids[0], SIGKILL); /* as the kernel does when memory runs out */
    family_is_gone(pids);
    until(board->ended == 1);
    assert_int_equal(board->how[0].signal, SIGKILL);
}

static void on_kill_time(uv_timer_t *t)
{
    for (size_t i = 0; i < COUNTOF(members); i++) {
        if (number_in(members[i]) == 0)
            return;
    }
    child_kill(children[0], SIGKILL);
    uv_close((uv_handle_t *)t, NULL);
}

static void plan_kill_family(void)
{
    static uv_timer_t timer;
    script(0, family);
    uv_timer_init(loop_uv(run_control(run)), &timer);
    uv_timer_start(&timer, on_kill_time, 10, 10);
}

static void a_kill_reaches_the_whole_family(void **state)
{
    (void)state;
    pid_t pids[COUNTOF(members)];
    start_keeper(plan_kill_family);
    wait_for_family(pids);
    family_is_gone(pids);
    until(board->ended == 1);
}

static void plan_two(void)
{
    script(0, "(setsid sh -c 'echo $$ > daemon; exec sleep 1000' &) ; exec sleep 1000");
    script(1, "while ! test -s daemon; do sleep 0.01; done; exit 0");
}

static void a_living_functions_daemon_outlives_other_functions(void **state)
{
    (void)state;
    pid_t pid;
    start_keeper(plan_two);
    until(board->ended == 1);
    until((pid = number_in("daemon")) != 0);
    for (int i = 0; i < 20; i++)
        nap();
    assert_false(is_gone(pid));
    kill(keeper, SIGTERM);
    assert_int_equal(keeper_code(), 0);
    assert_true(is_gone(pid));
}

static void plan_short(void)
{
    script(0, "exit 0");
}

static void a_process_that_was_there_before_is_nobodys_to_kill(void **state)
{
    (void)state;
    int pipefd[2];
    pid_t stranger;
    assert_int_equal(pipe(pipefd), 0);
    plan = plan_short;
    fflush(NULL);
    keeper = fork();
    if (keeper == 0) {
        /* As in `sleep 1000 & exec ropeline dev`. */
        stranger = fork();
        if (stranger == 0) {
            execl("/bin/sleep", "sleep", "1000", (char *)NULL);
            _exit(127);
        }
        if (write(pipefd[1], &stranger, sizeof stranger) != sizeof stranger)
            _exit(9);
        _exit(keeper_run(&options));
    }
    assert_int_equal(read(pipefd[0], &stranger, sizeof stranger), sizeof stranger);
    until(board->ended == 1);
    kill(keeper, SIGTERM);
    assert_int_equal(keeper_code(), 0);
    bool spared = !is_gone(stranger);
    kill(stranger, SIGKILL);
    close(pipefd[0]);
    close(pipefd[1]);
    assert_true(spared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_function_has_what_it_was_given_and_nothing_else),
        TEST(descriptors_stand_where_they_were_put),
        TEST(each_end_is_reported),
        TEST(a_hundred_functions_at_once_are_all_reported),
        TEST(nothing_of_a_dead_function_lives_on),
        TEST(a_kill_reaches_the_whole_family),
        TEST(a_living_functions_daemon_outlives_other_functions),
        TEST(a_process_that_was_there_before_is_nobodys_to_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
