/* SPDX-License-Identifier: Apache-2.0
 *
 * The room without processes: child_spawn is ours here, so that a test is itself the runtime at the
 * other end of descriptor 3, says what it likes in HTTP, and ends when it wants. The test's thread
 * drives the control loop. */
#ifndef ROPELINE_LAMBDA_LAMBDA_BENCH_H
#define ROPELINE_LAMBDA_LAMBDA_BENCH_H

#include "lib/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lambda_int.h"

#define BENCH_CHILDREN 16
#define BENCH_TURNS 4000 /* of at most 1 ms: more than any test needs */

struct child {
    int fds[CHILD_FDS]; /* our copies of what it was given; -1: closed */
    child_exit_fn done;
    void *arg;
    bool ending, killed, reaped;
    bool provisioned; /* its variables say so */
    char api[32];     /* AWS_LAMBDA_RUNTIME_API of its variables */
    struct child_exit how;
};

/* What a test may want otherwise, before it opens the bench. */
static struct bench_options {
    unsigned total;
    int64_t queue_ms, idle_ms;
    int pid; /* of every child */
    bool custom;
    struct store *plane;
} bench_options;

static struct bench {
    struct run *run;
    struct lambda *lambda;
    struct function *function;
    struct child children[BENCH_CHILDREN];
    size_t spawned;
    enum err refuse; /* of child_spawn */
    bool closed;
    char root[64], code[80], state[80], text[KIB(8)];
} bench;

enum err child_spawn(struct keeper_link *k, const struct child_spec *spec, child_exit_fn done,
                     void *arg, struct child **out)
{
    (void)k;
    if (bench.refuse != ERR_OK)
        return bench.refuse;
    assert_true(bench.spawned < BENCH_CHILDREN);
    struct child *c = &bench.children[bench.spawned++];
    *c = (struct child){.done = done, .arg = arg};
    for (const char *const *v = spec->env; v && *v; v++) {
        if (strcmp(*v, "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency") == 0)
            c->provisioned = true;
        (void)sscanf(*v, "AWS_LAMBDA_RUNTIME_API=%31s", c->api);
    }
    for (unsigned i = 0; i < CHILD_FDS; i++)
        c->fds[i] =
            i < spec->fd_count && spec->fds[i] >= 0 ? fcntl(spec->fds[i], F_DUPFD_CLOEXEC, 3) : -1;
    *out = c;
    return ERR_OK;
}

/* Its end begins: what it wrote can still be read, and `done` comes in a later turn. */
static inline void child_end(struct child *c, struct child_exit how)
{
    if (c->ending)
        return;
    c->ending = true;
    c->how = how;
    for (unsigned i = 0; i < CHILD_FDS; i++) {
        if (c->fds[i] >= 0)
            close(c->fds[i]);
        c->fds[i] = -1;
    }
}

void child_kill(struct child *c, int number)
{
    c->killed = true;
    child_end(c, (struct child_exit){.status = -1, .signal = number});
}

void child_freeze(struct child *c, bool frozen)
{
    (void)c;
    (void)frozen;
}

void child_hand_over(struct child *c, child_exit_fn done, void *arg)
{
    c->done = done;
    c->arg = arg;
}

int child_pid(const struct child *c)
{
    (void)c;
    return bench_options.pid;
}

enum err child_adopt(struct keeper_link *k, int pid, const struct child_cage *cage,
                     void (*started)(void *arg), child_exit_fn done, void *arg, struct child **out)
{
    (void)k;
    (void)pid;
    (void)cage;
    (void)started;
    (void)done;
    (void)arg;
    *out = NULL;
    return ERR_UNSUPPORTED; /* nothing is forked here */
}

/* --- the loop -------------------------------------------------------------------------------- */

static inline void bench_turn(void)
{
    uv_run(loop_uv(run_control(bench.run)), UV_RUN_NOWAIT);
    for (size_t i = 0; i < bench.spawned; i++) {
        struct child *c = &bench.children[i];
        if (c->ending && !c->reaped) {
            c->reaped = true;
            c->done(c->arg, &c->how);
        }
    }
}

/* Turns until `*flag`; false: it takes too long. */
static inline bool bench_until(const bool *flag)
{
    for (int i = 0; i < BENCH_TURNS && !*flag; i++) {
        bench_turn();
        usleep(i < 100 ? 0 : 1000);
    }
    return *flag;
}

static inline void bench_turns(int n)
{
    while (n-- > 0)
        bench_turn();
}

static inline enum err bench_function(void)
{
    const struct function_spec spec = {
        .name = STR("Fn"),
        .arn = STR("arn:aws:lambda:eu-west-1:123456789012:function:Fn"),
        .code_dir = str_c(bench.code),
        .handler = STR("index.handler"),
        .runtime = bench_options.custom ? STR("provided.al2023") : STR("nodejs20.x"),
        .timeout_ms = 2000,
    };
    return lambda_function(bench.lambda, &spec, &bench.function, NULL);
}

static inline enum err bench_lambda(void)
{
    const struct lambda_options o = {.control = run_control(bench.run),
                                     .state_dir = bench.state,
                                     .region = "eu-west-1",
                                     .account = "123456789012",
                                     .places = {.node = "/bin/sh"},
                                     .environments_max = 3,
                                     .environments_total = bench_options.total,
                                     .plane = bench_options.plane,
                                     .queue_ms = bench_options.queue_ms,
                                     .idle_ms = bench_options.idle_ms};
    return lambda_new(&o, &bench.lambda);
}

static inline int bench_dirs(void **state)
{
    (void)state;
    bench = (struct bench){.spawned = 0};
    alarm(100); /* a test that hangs ends here */
    signal(SIGPIPE, SIG_IGN);
    snprintf(bench.root, sizeof bench.root, "/tmp/ropeline-bench-XXXXXX");
    if (!mkdtemp(bench.root))
        return -1;
    snprintf(bench.code, sizeof bench.code, "%s/code", bench.root);
    snprintf(bench.state, sizeof bench.state, "%s/state", bench.root);
    return mkdir(bench.code, 0700) || mkdir(bench.state, 0700) ||
           lambda__file_put(bench.code, "index.js", STR("x")) != ERR_OK ||
           lambda__file_put(bench.code, "bootstrap", STR("x")) != ERR_OK ||
           run_new(&(struct run_options){.workers = 1}, &bench.run) != ERR_OK;
}

static inline int bench_open(void **state)
{
    return bench_dirs(state) || bench_lambda() != ERR_OK || bench_function() != ERR_OK;
}

static inline void bench_on_closed(void *arg)
{
    (void)arg;
    bench.closed = true;
}

static inline void bench_shut(void)
{
    function_unref(bench.function);
    bench.function = NULL;
    lambda_close(bench.lambda, bench_on_closed, NULL);
    assert_true(bench_until(&bench.closed));
    lambda_free(bench.lambda);
    bench.lambda = NULL;
}

static inline int bench_close(void **state)
{
    (void)state;
    if (bench.lambda)
        bench_shut();
    run_free(bench.run);
    alarm(0);
    return lambda__tree_remove("/tmp", bench.root + 5) != ERR_OK;
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)

#endif
