/* SPDX-License-Identifier: Apache-2.0
 *
 * What gateway and keeper say to each other over their SOCK_SEQPACKET pair: one struct per packet,
 * both ends the same binary on the same machine. Only a spawn has a tail and descriptors; decoding
 * it never looks beyond the packet and accepts exactly what encoding makes. */
#ifndef ROPELINE_RUN_KEEPER_WIRE_H
#define ROPELINE_RUN_KEEPER_WIRE_H

#include "base/limits.h"
#include "run/child.h"

enum keeper_kind {
    KEEPER_SPAWN = 1, /* gateway to keeper: struct keeper_spawn, strings, descriptors */
    KEEPER_KILL,      /* gateway to keeper: struct keeper_kill */
    KEEPER_READY,     /* gateway to keeper: struct keeper_head */
    KEEPER_ADOPT,     /* gateway to keeper: struct keeper_adopt */
    KEEPER_FREEZE,    /* gateway to keeper: struct keeper_freeze */
    KEEPER_STARTED,   /* keeper to gateway: struct keeper_started */
    KEEPER_ENDED,     /* keeper to gateway: struct keeper_ended, the last word about an id */
};

struct keeper_head {
    uint32_t kind;
    uint32_t id; /* of a child, given by the gateway; 0 for none */
};

/* Followed by cwd, the arguments, the environment, and the cage's tmp, hide, task, opt ("" = none),
 * read and write, each ended by a NUL. The descriptors that ride along are those of the bits in
 * fd_mask, lowest first. */
struct keeper_spawn {
    struct keeper_head head;
    uint32_t fd_count, fd_mask;
    uint32_t nofile, nproc;
    uint64_t fsize;
    uint32_t argc, envc;
    uint32_t level, uid, gid, pids; /* as in struct child_cage */
    uint64_t memory;
    uint32_t opens_itself, readc, writec;
};

struct keeper_kill {
    struct keeper_head head;
    int32_t signal;
};

struct keeper_adopt {
    struct keeper_head head;
    int32_t pid;
    uint32_t level, pids;
    uint64_t memory;
};

struct keeper_freeze {
    struct keeper_head head;
    uint32_t frozen; /* 0 or 1 */
};

struct keeper_started {
    struct keeper_head head;
    int32_t pid;
};

struct keeper_ended {
    struct keeper_head head;
    int32_t err, os_error, status, signal; /* as in struct child_exit */
    int64_t rss_kb;
    int32_t step, out_of_memory;
};

/* A decoded spawn; the strings stand in the packet. */
struct keeper_request {
    struct keeper_spawn spawn;
    char *cwd;
    char *argv[LIMIT_CHILD_ARGS + 1];
    char *env[LIMIT_CHILD_ENV + 1];
    char *tmp, *hide, *task, *opt; /* "" = none */
    char *read[LIMIT_CHILD_PATHS + 1], *write[LIMIT_CHILD_PATHS + 1];
};

/* ERR_INVALID: no absolute argv[0], cwd or path, or a variable without '='; ERR_LIMIT: too long,
 * too many strings or descriptors. `out` should have LIMIT_KEEPER_MESSAGE as its maximum. */
enum err keeper_spawn_encode(const struct child_spec *spec, uint32_t id, struct buf *out) MUSTCHECK;
/* `fds` is how many descriptors came with the packet. ERR_SYNTAX for anything wrong. */
enum err keeper_spawn_decode(char *packet, size_t n, unsigned fds,
                             struct keeper_request *out) MUSTCHECK;
/* The level is known and nothing is out of range. ERR_SYNTAX. */
enum err keeper_adopt_decode(const char *packet, size_t n, struct keeper_adopt *out) MUSTCHECK;

#endif
