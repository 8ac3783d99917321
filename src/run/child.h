/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting processes. The threaded gateway never forks: it asks the keeper, a small single-threaded
 * parent, over a SOCK_SEQPACKET pair, and hears from it how each child ended. Control loop only. */
#ifndef ROPELINE_RUN_CHILD_H
#define ROPELINE_RUN_CHILD_H

#include "run/run.h"

struct keeper_link; /* the gateway's end */
struct child;

#define CHILD_FDS 8
struct child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
    const char *const *env;  /* NULL-terminated; exactly this environment */
    const char *cwd;
    int fds[CHILD_FDS]; /* fds[i] becomes descriptor i of the child; -1 = /dev/null for 0..2, else
                           closed. Duplicated into the message: the caller keeps and closes its own
                         */
    unsigned fd_count;
    unsigned nofile, nproc; /* rlimits; 0 = unchanged */
    uint64_t fsize;         /* bytes; 0 = unchanged */
};

struct child_exit {
    enum err err;   /* ERR_OK: it ran; else it could not be started and the rest is 0 */
    int os_error;   /* errno of the failed step when err is not ERR_OK */
    int status;     /* exit code, or -1 */
    int signal;     /* signal that ended it, or 0 */
    int64_t rss_kb; /* peak resident size */
};
typedef void (*child_exit_fn)(void *arg, const struct child_exit *how);

/* `fd` is the gateway's end of the pair. `lost` is called once if the keeper goes away. */
enum err keeper_link_open(struct loop *control, int fd, void (*lost)(void *arg), void *arg,
                          struct keeper_link **out) MUSTCHECK;
void keeper_link_close(struct keeper_link *k);
/* Tells the keeper that every listener accepts (it then writes the ready file). */
enum err keeper_link_ready(struct keeper_link *k) MUSTCHECK;

/* Asks for a process in a session and process group of its own, with no_new_privs, PDEATHSIG and
 * only the given descriptors. `done` comes exactly once, also when starting fails; *out is valid
 * until then. */
enum err child_spawn(struct keeper_link *k, const struct child_spec *spec, child_exit_fn done,
                     void *arg, struct child **out) MUSTCHECK;
/* SIGKILL (or another signal) to the whole group; children that left the group are found by the
 * keeper, their subreaper. */
void child_kill(struct child *c, int signal);
/* 0 until the keeper has said. */
int child_pid(const struct child *c);

#endif
