/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper's files share: its one struct, which lives in one thread and is the only truth
 * about which processes belong to us. */
#ifndef ROPELINE_MAIN_KEEPER_INT_H
#define ROPELINE_MAIN_KEEPER_INT_H

#include <stdio.h>
#include <sys/types.h>

#include "main/keeper.h"
#include "main/keeper_cage.h"
#include "run/keeper_wire.h"

/* Those of a new gateway, and those of the last one that are not buried yet. */
#define KEEPER_SLOTS (2 * LIMIT_CHILDREN)

/* What a child tells through shared memory: why it could not become what was asked for; and in
 * strict, where the keeper's own child is process 1, how the function ended. */
struct keeper_told {
    int32_t error;      /* errno */
    int32_t step;       /* enum child_step */
    enum child_step at; /* where it is */
    int32_t ended, status;
    int64_t rss_kb;
};

struct keeper_child {
    uint32_t id;     /* the gateway's name for it; 0 = a free slot */
    uint32_t serial; /* ours, never used twice */
    pid_t pid;       /* leader of its session and group; 0 = none, or buried */
    bool doomed;     /* every process of it is to be killed */
    bool mute;       /* its gateway is gone: nobody to report to */
    bool grouped;    /* it has a cgroup */
    bool move_due;   /* adopted, and still in the cgroup that it was forked in */
    uint64_t memory; /* its limit, bytes; 0 = none */
    uint64_t weight; /* what it takes, where no cgroup limits that */
    bool too_heavy;
    bool say_started, say_ended;
    struct keeper_ended ended;
};

struct keeper {
    struct keeper_options *o;
    pid_t self, gateway; /* gateway: 0 = none */
    int pidfd;           /* our own */
    uid_t uid;           /* ours */
    gid_t gid;
    int link, signals; /* -1 = none */
    struct keeper_child *children;
    unsigned slots; /* how many of `children` were ever used */
    uint32_t serial;
    uint64_t tag;             /* of this keeper, see keeper_marks.c */
    struct keeper_told *told; /* shared with children until they exec; per slot */
    struct keeper_cage cage;
    bool blocked; /* the link is full: nothing is read until all is told */
    bool was_ready, stopping, done;
    int code;
    int64_t restart_at, kill_at, sweep_at, move_at, weigh_at; /* ms, 0 = never */
    unsigned weighed;                                         /* how often */
    int64_t deaths[LIMIT_KEEPER_RESTARTS];                    /* ring: when the gateway died */
    unsigned death;
    dev_t control_dev; /* of the socket file we made: only that one is removed */
    ino_t control_ino;
    struct keeper_request request;
    char packet[LIMIT_KEEPER_MESSAGE];
};

/* keeper.c */
void keeper__link_drop(struct keeper *k);
/* A gateway that breaks the rules of the wire is broken or taken over: it is not argued with. */
void keeper__gateway_kill(struct keeper *k, const char *why);
void keeper__stop(struct keeper *k);

/* keeper_packets.c */
void keeper__tell_all(struct keeper *k);
bool keeper__hear(struct keeper *k); /* takes one packet; false when there is none now */

/* keeper_listen.c: false after the reason was printed. */
bool keeper__listen(struct keeper *k);
bool keeper__ready(struct keeper *k);
void keeper__unlisten(struct keeper *k);

/* keeper_spawn.c: what children need; false: errno. Closing is fine after a failure. */
bool keeper__spawn_open(struct keeper *k) MUSTCHECK;
void keeper__spawn_close(struct keeper *k);
/* Takes over the descriptors; false when no slot is free. */
bool keeper__spawn(struct keeper *k, const int *fds);
bool keeper__adopt(struct keeper *k, const struct keeper_adopt *m);
void keeper__move_adopted(struct keeper *k);

/* keeper_marks.c */
uint64_t keeper__tag(const struct keeper *k, uint32_t serial);
/* Ours by parentage, a session of its own, and a living child's mark: nothing else is adopted. */
bool keeper__is_adoptable(struct keeper *k, pid_t pid);
struct keeper_child *keeper__child_by_pid(struct keeper *k, pid_t pid);
void keeper__doom(struct keeper *k, struct keeper_child *c);
/* Kills what is left of dead and doomed children; how many processes it had to kill. */
unsigned keeper__sweep(struct keeper *k);
/* Where no cgroup limits memory: kills who takes more than he may; whether there is anybody to be
 * weighed again. */
#define WEIGH_EVERY_MS 100
bool keeper__weigh(struct keeper *k);

/* keeper_cage.c: false, after it said why: strict is asked for and cannot be had. */
bool keeper__cage_suffices(struct keeper *k);
int keeper__cage_give(const struct keeper *k); /* the request's tmp to its uid; errno */
/* keeper_namespaces.c: process 1 of a strict child; never returns. */
_Noreturn void keeper__init(pid_t function, struct keeper_told *told);
/* keeper_spawn.c: whether a strict child can be made here: 0, or errno of *step. */
int keeper__try_strict(struct keeper *k, enum child_step *step);

int64_t keeper__now(void);
/* How long to wait before the gateway is started again, by how often it died in the last minute
 * (this death included); -1 = never again. */
int64_t keeper__restart_delay(struct keeper *k, int64_t now);

#define keeper__complain(...)                                               \
    ((void)fputs("ropeline: ", stderr), (void)fprintf(stderr, __VA_ARGS__), \
     (void)fputc('\n', stderr))

#endif
