/* SPDX-License-Identifier: Apache-2.0
 *
 * The process that you start and signal: one thread, no network input. It opens the listeners,
 * forks the gateway, starts and buries functions for it, brings it back when it dies, and leaves
 * nothing running. */
#ifndef ROPELINE_MAIN_KEEPER_H
#define ROPELINE_MAIN_KEEPER_H

#include "base/buf.h"
#include "main/cage.h"
#include "main/privilege.h"

#define KEEPER_COPIES 64

struct keeper_listen {
    const char *name; /* as its option is spelt: "gateway" */
    const char *host;
    uint16_t port; /* 0 = any free one */
    bool wanted;
    unsigned copies;        /* SO_REUSEPORT sockets, one per worker */
    int fds[KEEPER_COPIES]; /* out: listening, close-on-exec; -1 beyond `copies` */
    char bound[64];         /* out: "127.0.0.1:8080", "[::1]:8080"; "" when not wanted */
};

struct keeper_options {
    struct keeper_listen *listen;
    size_t listens;
    const char *control_socket; /* path of the unix socket, made with mode 0600; NULL = none */
    int control_fd;             /* out */
    const char *ready_file;     /* NULL = none */
    void (*ready_text)(void *arg, struct buf *out); /* its JSON; runs in the keeper */
    /* Runs once when every socket is open, before the first gateway. False, after it said why, ends
     * the keeper with 1. NULL = nothing to do. */
    bool (*opened)(void *arg);
    /* Whom gateway and functions become; the keeper stays what it is. NULL = the same. */
    const struct privilege *user;
    /* Runs in the gateway process, forked before any thread exists, with SIGINT, SIGPIPE
     * and, until it handles it, SIGHUP ignored; its result is the process's exit code. `keeper_fd`
     * is for keeper_link_open. Must end when that link is lost. 0 is a wish to stop; another code
     * before the first READY is a failed start; each makes the keeper end with the same code. */
    int (*gateway)(void *arg, int keeper_fd);
    void *arg;
    struct cage_options cage; /* how functions are kept apart */
    struct cage_facts facts;  /* out: what of that is so, before the first gateway */
    bool quiet;               /* only errors are logged */
};

/* Returns the exit code: 0 after SIGTERM or SIGINT, 1 when something could not be opened or the
 * gateway kept dying; the reason is on stderr. */
int keeper_run(struct keeper_options *o);

#endif
