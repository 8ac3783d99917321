/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's side of a cage. Everything that can be made ahead is made once; what remains is done
 * in the child between fork and exec, and each step that fails there is an errno that stops it. */
#ifndef ROPELINE_MAIN_KEEPER_CAGE_H
#define ROPELINE_MAIN_KEEPER_CAGE_H

#include <linux/filter.h>
#include <sys/types.h>

#include "main/cage.h"
#include "main/privilege.h"
#include "run/keeper_wire.h"

/* Directories of the keeper's own cgroup "ropeline-PID", one for each hierarchy that is used; where
 * one serves several purposes they are duplicates. -1 = none. */
struct cgroup_tree {
    int memory, pids, kill;
    bool v2;            /* memory and pids are version 2's */
    bool moved;         /* version 2: we stand in ropeline-PID/keeper */
    char paths[3][512]; /* of the directories above ropeline-PID, "" = none; as `memory`... */
};

struct keeper_cage {
    struct cage_options o;
    struct cage_facts facts;
    bool userns;                  /* mounting takes a namespace of users */
    const struct privilege *user; /* whom a child becomes that has no uid of its own; may be NULL */
    struct cgroup_tree cgroup;
    struct sock_fprog filter;
};

/* keeper_cage.c. Looks, and makes what can be made ahead. */
void keeper__cage_open(struct keeper_cage *c, const struct cage_options *o,
                       const struct privilege *user, pid_t keeper);
void keeper__cage_close(struct keeper_cage *c);
void keeper__cage_say(const struct keeper_cage *c); /* one line, for who started us */
/* What nobody may ask for, in words; NULL = nothing. */
const char *keeper__cage_judge(const struct keeper_cage *c, const struct keeper_request *q);
/* In the child, these two around the fork of strict's process 1; errno, and *step says where. What
 * it sees: its mounts, and in strict its other namespaces. */
int keeper__cage_surround(const struct keeper_cage *c, const struct keeper_request *q, uid_t uid,
                          gid_t gid, enum child_step *step);
/* What it may: its user, Landlock, seccomp. */
int keeper__cage_enter(const struct keeper_cage *c, const struct keeper_request *q,
                       enum child_step *step);

/* keeper_cgroup.c. */
/* Where this process stands, by the text of /proc/self/cgroup and mountinfo; "" = version 2. */
bool keeper__cgroup_path(struct str groups, struct str mounts, const char *controller,
                         char out[static 4096]);
void keeper__cgroup_open(struct cgroup_tree *t, struct cage_facts *f, pid_t keeper);
void keeper__cgroup_close(struct cgroup_tree *t, pid_t keeper);
/* A cgroup for one child with its limits, 0 = none; errno. */
int keeper__cgroup_make(const struct cgroup_tree *t, uint32_t serial, uint64_t memory,
                        uint32_t pids);
int keeper__cgroup_limit(const struct cgroup_tree *t, uint32_t serial, uint64_t memory,
                         uint32_t pids);
/* Where a child may be born (clone3); -1 = in version 1's it has to go by itself. */
int keeper__cgroup_cradle(const struct cgroup_tree *t, uint32_t serial);
/* The caller goes where it was not born; `born`: into its cradle. errno */
int keeper__cgroup_enter(const struct cgroup_tree *t, uint32_t serial, bool born);
/* Moves another process, for which the kernel may take 20 ms. errno */
int keeper__cgroup_move(const struct cgroup_tree *t, uint32_t serial, pid_t pid);
/* Every process of it gets SIGKILL; how many were seen. */
int keeper__cgroup_freeze(const struct cgroup_tree *t, uint32_t serial, bool frozen); /* errno */
unsigned keeper__cgroup_kill(const struct cgroup_tree *t, uint32_t serial);
/* Whether the kernel had to kill in it because its memory had run out. */
bool keeper__cgroup_ran_out(const struct cgroup_tree *t, uint32_t serial);
/* Kills and removes each whose serial `is_alive` denies; how many are still there. */
unsigned keeper__cgroup_sweep(const struct cgroup_tree *t,
                              bool (*is_alive)(void *arg, uint32_t serial), void *arg);

/* keeper_mounts.c, in the child's own mount namespace; errno. */
bool keeper__mounts_wants_tmp(const struct keeper_request *q);
/* `user`: the gateway, who asks; what he could not open is not shown. NULL = we are he. */
int keeper__mounts_default(const struct keeper_request *q, const struct privilege *user);
int keeper__mounts_strict(const struct keeper_request *q, const struct privilege *user);

/* keeper_namespaces.c */
#define STRICT_HOST "function"
void keeper__namespace_look(struct keeper_cage *c);
int keeper__namespace_enter(bool userns); /* mounts and System V IPC of its own; errno */
/* What a strict child is born into (clone3). */
unsigned long keeper__namespace_flags(const struct keeper_cage *c);
/* In it: its users, its name, its loopback; who it was outside. errno */
int keeper__namespace_strict(const struct keeper_cage *c, uid_t uid, gid_t gid);

/* keeper_seccomp.c. False: this kernel or library has none. */
bool keeper__seccomp_build(struct sock_fprog *out);
int keeper__seccomp_enter(const struct sock_fprog *filter);

#endif
