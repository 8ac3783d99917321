/* SPDX-License-Identifier: Apache-2.0
 *
 * The small gateway of the keeper's tests, and the board on which it, the keeper and the test
 * write: memory that all three share. */
#ifndef ROPELINE_MAIN_KEEPER_FIXTURE_GATEWAY_H
#define ROPELINE_MAIN_KEEPER_FIXTURE_GATEWAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/keeper_int.h"
#include "run/run.h"

#define PLACES 8

struct board {
    atomic_int starts, gateway, hups, ended;
    struct child_exit how[PLACES];
    uint16_t port;
};

static struct board *board;
static char folder[64], text[16384];
static void (*plan)(void); /* what the gateway does once it runs */
static struct keeper_options options;
static struct keeper_listen listens[1];
static pid_t keeper;

static struct run *run;
static struct keeper_link *link_to_keeper;
static uv_signal_t on_term, on_hup;
static struct child *children[PLACES];
static bool deaf; /* does not hear SIGTERM */

static inline void gateway_ended(void *arg, const struct child_exit *how)
{
    *(struct child_exit *)arg = *how;
    atomic_fetch_add(&board->ended, 1);
}

static inline void gateway_end(uv_signal_t *s, int number)
{
    (void)s;
    (void)number;
    if (deaf)
        return;
    keeper_link_close(link_to_keeper);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_hup, NULL);
    run_stop(run);
}

static inline void gateway_hup(uv_signal_t *s, int number)
{
    (void)s;
    (void)number;
    atomic_fetch_add(&board->hups, 1);
}

static inline void gateway_lost(void *arg)
{
    (void)arg;
    _exit(1);
}

static inline int gateway(void *arg, int fd)
{
    (void)arg;
    if (run_new(&(struct run_options){.workers = 1}, &run) != ERR_OK ||
        keeper_link_open(run_control(run), fd, gateway_lost, NULL, &link_to_keeper) != ERR_OK)
        return 9;
    uv_signal_init(loop_uv(run_control(run)), &on_term);
    uv_signal_start(&on_term, gateway_end, SIGTERM);
    uv_signal_init(loop_uv(run_control(run)), &on_hup);
    uv_signal_start(&on_hup, gateway_hup, SIGHUP);
    plan();
    atomic_store(&board->gateway, getpid());
    atomic_fetch_add(&board->starts, 1);
    if (run_main(run) != ERR_OK)
        return 9;
    run_free(run);
    return 0;
}

static inline void ready(void)
{
    if (keeper_link_ready(link_to_keeper) != ERR_OK)
        _exit(9);
}

/* Runs a shell script at `place` with its output in folder/out<place>. */
static inline void script(int place, const char *line)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", NULL};
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    AUTO_BUF path = BUF_INIT(KIB(1));
    buf_addf(&path, "%s/out%d", folder, place);
    int fd = open(buf_cstr(&path), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    const struct child_spec spec = {.argv = argv,
                                    .env = env,
                                    .cwd = folder,
                                    .fds = {-1, fd, fd},
                                    .fd_count = 3,
                                    .nofile = 77,
                                    .fsize = 1 << 20};
    if (child_spawn(link_to_keeper, &spec, gateway_ended, &board->how[place], &children[place]))
        _exit(9);
    close(fd);
}

#endif
