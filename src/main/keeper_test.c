/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway under a real keeper: brought back when it dies, replaced when it breaks the rules,
 * and gone with everything else at the end. */
#include "main/keeper_fixture.h"

static void plan_family_ready(void)
{
    script(0, family);
    ready();
}

static void a_killed_gateway_is_back_at_once_without_its_functions(void **state)
{
    (void)state;
    pid_t pids[COUNTOF(members)];
    start_keeper(plan_family_ready);
    until(board->starts == 1);
    wait_for_family(pids);
    for (size_t i = 0; i < COUNTOF(members); i++)
        unlink(path_of(members[i]));
    pid_t first = board->gateway;
    int64_t then = keeper__now();
    kill(first, SIGKILL);
    until(board->starts == 2);
    assert_true(keeper__now() - then < 1000);
    assert_int_not_equal(board->gateway, first);
    family_is_gone(pids);
    wait_for_family(pids); /* the new one's */
    assert_int_equal(board->ended, 0);
}

static void the_wait_before_a_restart_doubles_until_it_is_given_up(void **state)
{
    (void)state;
    struct keeper *k = calloc(1, sizeof *k);
    const int64_t want[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, -1};
    for (size_t i = 0; i < COUNTOF(want); i++)
        assert_int_equal(keeper__restart_delay(k, 1000 + (int64_t)i), want[i]);
    *k = (struct keeper){0};
    for (int64_t i = 0; i < 50; i++) /* one in a while is forgiven for ever */
        assert_int_equal(keeper__restart_delay(k, 1000 + i * KEEPER_RESTART_WINDOW_MS), 0);
    free(k);
}

static int failing_gateway(void *arg, int fd)
{
    (void)arg;
    (void)fd;
    atomic_fetch_add(&board->starts, 1);
    return 2;
}

static void a_gateway_that_cannot_start_is_not_tried_again(void **state)
{
    (void)state;
    options.gateway = failing_gateway;
    start_keeper(NULL);
    assert_int_equal(keeper_code(), 2);
    assert_int_equal(board->starts, 1);
}

static void say(int fd, const void *p, size_t n)
{
    if (send(fd, p, n, 0) != (ssize_t)n)
        _exit(9);
}

/* Breaks the rules of the wire in a new way at each start. */
static int rude_gateway(void *arg, int fd)
{
    (void)arg;
    char packet[KIB(4)] = {0};
    struct keeper_head head = {99, 1};
    struct keeper_kill bad_kill = {{KEEPER_KILL, 1}, 4000};
    struct keeper_head ready_head = {KEEPER_READY, 0};
    switch (atomic_fetch_add(&board->starts, 1)) {
    case 0:
        say(fd, "x", 1);
        break;
    case 1:
        say(fd, &head, sizeof head);
        break;
    case 2:
        say(fd, &bad_kill, sizeof bad_kill);
        break;
    case 3:
        memcpy(packet, &(struct keeper_head){KEEPER_SPAWN, 1}, sizeof head);
        memset(packet + sizeof head, 0xff, sizeof packet - sizeof head);
        say(fd, packet, sizeof packet);
        break;
    default:
        say(fd, &ready_head, sizeof ready_head);
    }
    pause();
    return 0;
}

static void a_gateway_that_breaks_the_wires_rules_is_replaced(void **state)
{
    (void)state;
    options.gateway = rude_gateway;
    options.ready_file = strdup(path_of("ready"));
    start_keeper(NULL);
    until(contents("ready")[0] != 0);
    assert_int_equal(board->starts, 5);
    kill(keeper, SIGTERM);
    assert_int_equal(keeper_code(), 0);
    free((char *)(uintptr_t)options.ready_file);
}

static void plan_ready(void)
{
    ready();
}

static void sighup_goes_to_the_gateway(void **state)
{
    (void)state;
    start_keeper(plan_ready);
    until(board->starts == 1);
    kill(keeper, SIGHUP);
    until(board->hups == 1);
}

static void plan_everything(void)
{
    script(0, family);
    script(1, "trap '' TERM INT HUP; echo $$ > stubborn; while :; do sleep 1; done");
    ready();
}

static void sigterm_leaves_nothing_running_and_nothing_lying(void **state)
{
    (void)state;
    pid_t pids[COUNTOF(members)], stubborn;
    struct stat st;
    char want[128], *ready_file = strdup(path_of("ready"));
    char *control = strdup(path_of("control.sock"));
    options.ready_file = ready_file;
    options.control_socket = control;
    start_keeper(plan_everything);
    wait_for_family(pids);
    until((stubborn = number_in("stubborn")) != 0);
    until(contents("ready")[0] != 0);
    snprintf(want, sizeof want, ",\"pid\":%d}", (int)keeper);
    assert_non_null(strstr(text, "{\"gateway\":\"127.0.0.1:"));
    assert_non_null(strstr(text, want));
    assert_int_equal(stat(ready_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(stat(control, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    kill(keeper, SIGTERM);
    assert_int_equal(keeper_code(), 0);
    for (size_t i = 0; i < COUNTOF(members); i++)
        assert_true(is_gone(pids[i]));
    assert_true(is_gone(stubborn));
    assert_true(is_gone(board->gateway));
    assert_int_not_equal(access(ready_file, F_OK), 0);
    assert_int_not_equal(access(control, F_OK), 0);
    free(ready_file);
    free(control);
}

static void a_second_sigint_stops_at_once(void **state)
{
    (void)state;
    deaf = true;
    start_keeper(plan_family_ready);
    until(board->starts == 1);
    kill(keeper, SIGINT);
    for (int i = 0; i < 10; i++)
        nap();
    assert_int_equal(waitpid(keeper, NULL, WNOHANG), 0);
    kill(keeper, SIGINT);
    assert_int_equal(keeper_code(), 0);
    assert_true(is_gone(board->gateway));
}

static void a_killed_keeper_takes_gateway_and_functions_along(void **state)
{
    (void)state;
    start_keeper(plan_everything);
    pid_t pids[COUNTOF(members)], stubborn;
    wait_for_family(pids);
    until((stubborn = number_in("stubborn")) != 0);
    until(board->starts == 1);
    kill(keeper, SIGKILL);
    assert_int_equal(keeper_code(), -SIGKILL);
    until(is_gone(board->gateway) && is_gone(pids[0]) && is_gone(stubborn));
    for (size_t i = 1; i < COUNTOF(members); i++)
        kill(pids[i], SIGKILL);
}

static int port_gateway(void *arg, int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    getsockname(listens[0].fds[listens[0].copies - 1], (struct sockaddr *)&a, &n);
    board->port = ntohs(a.sin_port);
    return gateway(arg, fd);
}

static void a_port_in_use_is_refused_although_it_could_be_shared(void **state)
{
    (void)state;
    listens[0].copies = 3;
    options.gateway = port_gateway;
    start_keeper(plan_ready);
    until(board->starts == 1);
    pid_t first = keeper;
    listens[0].port = board->port;
    start_keeper(plan_ready);
    int code = keeper_code();
    keeper = first;
    assert_int_equal(code, 1);
    assert_int_equal(board->starts, 1);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void connections_wait_while_the_gateway_restarts(void **state)
{
    (void)state;
    options.gateway = port_gateway;
    start_keeper(plan_ready);
    until(board->starts == 1);
    kill(board->gateway, SIGKILL);
    close(connect_to(board->port)); /* whatever the moment: never refused */
    until(board->starts == 2);
}

static void a_ready_file_that_cannot_be_written_ends_the_keeper(void **state)
{
    (void)state;
    options.ready_file = "/nonexistent/ready";
    start_keeper(plan_ready);
    assert_int_equal(keeper_code(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_killed_gateway_is_back_at_once_without_its_functions),
        TEST(the_wait_before_a_restart_doubles_until_it_is_given_up),
        TEST(a_gateway_that_cannot_start_is_not_tried_again),
        TEST(a_gateway_that_breaks_the_wires_rules_is_replaced),
        TEST(sighup_goes_to_the_gateway),
        TEST(sigterm_leaves_nothing_running_and_nothing_lying),
        TEST(a_second_sigint_stops_at_once),
        TEST(a_killed_keeper_takes_gateway_and_functions_along),
        TEST(a_port_in_use_is_refused_although_it_could_be_shared),
        TEST(connections_wait_while_the_gateway_restarts),
        TEST(a_ready_file_that_cannot_be_written_ends_the_keeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
