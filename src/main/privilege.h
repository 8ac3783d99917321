/* SPDX-License-Identifier: Apache-2.0
 *
 * Becoming somebody with less. */
#ifndef ROPELINE_MAIN_PRIVILEGE_H
#define ROPELINE_MAIN_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIVILEGE_GROUPS 64

/* A user as the machine knew it at start; nothing is looked up later. */
struct privilege {
    const char *name; /* borrowed */
    uid_t uid;
    gid_t gid, groups[PRIVILEGE_GROUPS];
    int group_count;
    bool root; /* we are root and are to become that user; else we are it */
};

/* False after it said why: no such user, or another one that only root could become. */
bool privilege_find(const char *user, struct privilege *out);
/* Root gives away a file or directory; false after it said why. */
bool privilege_give(const struct privilege *p, const char *path);
/* For good, and checked. False: errno says why. */
bool privilege_become(const struct privilege *p);

#endif
