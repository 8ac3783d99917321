/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's end of the wire, against a keeper that this test plays. (The real pair is tested in
 * main/keeper_test.c.) */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/keeper_wire.h"
#include "run/run_int.h"

static struct run *r;
static struct loop *l;
static struct keeper_link *k;
static int mine, peer;
static unsigned ended, lost;
static struct child_exit last;

static const char *const argv[] = {"/bin/true", NULL};
static const char *const env[] = {NULL};
static const struct child_spec plain = {.argv = argv, .env = env, .cwd = "/"};

static void on_lost(void *arg)
{
    (void)arg;
    lost++;
}

static void on_ended(void *arg, const struct child_exit *how)
{
    (void)arg;
    ended++;
    last = *how;
}

static int setup(void **state)
{
    (void)state;
    int pair[2];
    if (run_new(&(struct run_options){.workers = 1}, &r) != ERR_OK ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    l = run_control(r);
    mine = pair[0];
    peer = pair[1];
    ended = lost = 0;
    return keeper_link_open(l, pair[0], on_lost, NULL, &k) == ERR_OK ? 0 : -1;
}

static void turn(void)
{
    uv_run(loop_uv(l), UV_RUN_NOWAIT);
}

static int teardown(void **state)
{
    (void)state;
    keeper_link_close(k);
    turn();
    close(peer);
    run_free(r);
    return 0;
}

static struct child *spawn(void)
{
    struct child *c;
    assert_int_equal(child_spawn(k, &plain, on_ended, NULL, &c), ERR_OK);
    return c;
}

/* The next packet's head; kind 0 when there is none. */
static struct keeper_head hear(void)
{
    static char bytes[LIMIT_KEEPER_MESSAGE];
    struct keeper_head head = {0};
    if (recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) >= (ssize_t)sizeof head)
        memcpy(&head, bytes, sizeof head);
    return head;
}

static void say_ended(uint32_t id)
{
    struct keeper_ended e = {.head = {KEEPER_ENDED, id}, .status = 7, .rss_kb = 1234};
    assert_int_equal(send(peer, &e, sizeof e, 0), sizeof e);
    turn();
}

static void a_child_is_asked_for_named_and_mourned(void **state)
{
    (void)state;
    struct child *c = spawn();
    struct keeper_head head = hear();
    assert_int_equal(head.kind, KEEPER_SPAWN);
    assert_int_equal(child_pid(c), 0);
    struct keeper_started s = {{KEEPER_STARTED, head.id}, 4711};
    assert_int_equal(send(peer, &s, sizeof s, 0), sizeof s);
    turn();
    assert_int_equal(child_pid(c), 4711);
    child_freeze(c, true);
    child_freeze(c, false);
    assert_int_equal(hear().kind, KEEPER_FREEZE);
    assert_int_equal(hear().kind, KEEPER_FREEZE);
    child_kill(c, SIGKILL);
    assert_int_equal(hear().kind, KEEPER_KILL);
    say_ended(head.id);
    assert_int_equal(ended, 1);
    assert_int_equal(last.status, 7);
    assert_int_equal(last.rss_kb, 1234);
}

static void packets_that_make_no_sense_change_nothing(void **state)
{
    (void)state;
    spawn();
    uint32_t id = hear().id;
    say_ended(id + 1);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    struct keeper_head short_ended = {KEEPER_ENDED, id};
    assert_int_equal(send(peer, &short_ended, sizeof short_ended, 0), sizeof short_ended);
    char long_ended[sizeof(struct keeper_ended) + 1] = {0};
    memcpy(long_ended, &short_ended, sizeof short_ended);
    assert_int_equal(send(peer, long_ended, sizeof long_ended, 0), sizeof long_ended);
    turn();
    assert_int_equal(ended, 0);
}

static void a_lost_keeper_ends_every_child_once(void **state)
{
    (void)state;
    spawn();
    spawn();
    shutdown(peer, SHUT_RDWR);
    turn();
    turn();
    assert_int_equal(lost, 1);
    assert_int_equal(ended, 2);
    assert_int_equal(last.err, ERR_CLOSED);
    struct child *c;
    assert_int_equal(child_spawn(k, &plain, on_ended, NULL, &c), ERR_CLOSED);
    assert_int_equal(keeper_link_ready(k), ERR_CLOSED);
}

static void closing_the_link_cancels_every_child(void **state)
{
    (void)state;
    spawn();
    spawn();
    keeper_link_close(k);
    k = NULL;
    assert_int_equal(ended, 2);
    assert_int_equal(last.err, ERR_CANCELLED);
    assert_int_equal(lost, 0);
}

static void on_ended_close(void *arg, const struct child_exit *how)
{
    struct keeper_link *open = k;
    on_ended(arg, how);
    k = NULL;
    keeper_link_close(open);
}

static void the_link_may_be_closed_from_done(void **state)
{
    (void)state;
    struct child *c;
    for (int i = 0; i < 3; i++)
        assert_int_equal(child_spawn(k, &plain, on_ended_close, NULL, &c), ERR_OK);
    shutdown(peer, SHUT_RDWR);
    turn();
    assert_int_equal(ended, 3);
    assert_int_equal(lost, 0);
}

static void a_full_socket_delays_and_loses_nothing(void **state)
{
    (void)state;
    int pipefd[2];
    assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
    struct child_spec spec = plain;
    spec.fds[0] = pipefd[1];
    spec.fd_count = 1;
    struct child *c[600];
    for (size_t i = 0; i < COUNTOF(c); i++)
        assert_int_equal(child_spawn(k, &spec, on_ended, NULL, &c[i]), ERR_OK);
    close(pipefd[1]); /* ours: the packets have their own */
    child_kill(c[0], SIGTERM);
    child_kill(c[599], SIGKILL);
    child_kill(c[599], SIGTERM); /* too late to be milder */
    child_freeze(c[1], true);
    child_freeze(c[1], false); /* the last word alone is said */
    assert_int_equal(keeper_link_ready(k), ERR_OK);
    unsigned spawns = 0, kills = 0, freezes = 0, ready = 0;
    for (int quiet = 0; quiet < 3; quiet++) {
        struct keeper_head head;
        while ((head = hear()).kind != 0) {
            spawns += head.kind == KEEPER_SPAWN;
            kills += head.kind == KEEPER_KILL;
            freezes += head.kind == KEEPER_FREEZE;
            ready += head.kind == KEEPER_READY;
            quiet = 0;
        }
        turn();
    }
    assert_int_equal(spawns, 600);
    assert_int_equal(kills, 2);
    assert_int_equal(freezes, 1);
    assert_int_equal(ready, 1);
    char byte;
    assert_int_equal(read(pipefd[0], &byte, 1), 0); /* no copy of the descriptor is left behind */
    close(pipefd[0]);
}

static void a_child_may_end_before_its_kill_was_sent(void **state)
{
    (void)state;
    struct child *c = spawn();
    uint32_t id = hear().id;
    char filler[1024] = {0};
    while (send(mine, filler, sizeof filler, MSG_DONTWAIT) > 0)
        continue;
    child_kill(c, SIGKILL);
    say_ended(id);
    assert_int_equal(ended, 1);
    while (recv(peer, filler, sizeof filler, MSG_DONTWAIT) > 0)
        continue;
    turn();
    assert_int_equal(hear().kind, 0);
}

static void too_many_children_and_bad_specs_are_refused(void **state)
{
    (void)state;
    struct child *c;
    struct child_spec bad = plain;
    bad.cwd = "relative";
    assert_int_equal(child_spawn(k, &bad, on_ended, NULL, &c), ERR_INVALID);
    assert_null(c);
    for (unsigned i = 0; i < LIMIT_CHILDREN; i++) {
        spawn();
        hear();
    }
    assert_int_equal(child_spawn(k, &plain, on_ended, NULL, &c), ERR_LIMIT);
    assert_int_equal(ended, 0);
}

static void running_out_of_memory_starts_nothing(void **state)
{
    (void)state;
    enum err err = ERR_NOMEM;
    for (long n = 0; err != ERR_OK; n++) {
        struct child *c;
        mem_fault(n, 1);
        err = child_spawn(k, &plain, on_ended, NULL, &c);
        mem_fault(-1, 0);
        assert_true((c != NULL) == (err == ERR_OK));
        assert_int_equal(hear().kind, err == ERR_OK ? KEEPER_SPAWN : 0);
    }
    assert_int_equal(ended, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_is_asked_for_named_and_mourned),
        TEST(packets_that_make_no_sense_change_nothing),
        TEST(a_lost_keeper_ends_every_child_once),
        TEST(closing_the_link_cancels_every_child),
        TEST(the_link_may_be_closed_from_done),
        TEST(a_full_socket_delays_and_loses_nothing),
        TEST(a_child_may_end_before_its_kill_was_sent),
        TEST(too_many_children_and_bad_specs_are_refused),
        TEST(running_out_of_memory_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
