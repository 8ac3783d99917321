/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps functions apart on this machine: what was asked for, what the kernel gives, and both
 * in words. Found once, by looking and trying; the keeper then applies exactly what is true here.
 */
#ifndef ROPELINE_MAIN_CAGE_H
#define ROPELINE_MAIN_CAGE_H

#include "base/buf.h"
#include "run/child.h"

struct cage_options {
    enum child_level level;
    uint32_t uid_first, uid_count; /* function_uids; 0, 0 = functions run as the gateway does */
    bool uids_asked; /* somebody wrote function_uids: without them it must not start */
    bool no_network; /* strict: loopback alone */
    bool freezes; /* somebody wants idle functions frozen: where that cannot be it must not start */
};

/* Each is what will be used, not only what the kernel has. */
struct cage_facts {
    int landlock; /* ABI; 0 = none */
    bool seccomp;
    bool memory, pids; /* limited by a cgroup */
    bool cgroup_kill;  /* by one write, also what sheds every other mark */
    bool freezer;      /* a cgroup can be made to stand still (version 2) */
    bool tmp;          /* /tmp is each function's own */
    bool namespaces;   /* strict's can be made */
    bool uids;
    char cgroup_why[160]; /* why not; "" when memory and pids are limited */
    char tmp_why[160];
    char uids_why[160]; /* why none can be given; "" = they could */
    char strict_why[160];
};

/* Finds by trying what is there, as the keeper does at its start, and leaves nothing behind. */
void cage_examine(struct cage_facts *out);
/* One line, for the start: "default: Landlock (ABI 7), seccomp, cgroup (memory, pids), own /tmp; no
 * own uid". */
void cage_describe(const struct cage_options *o, const struct cage_facts *f, struct buf *out);

#endif
