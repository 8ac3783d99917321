/* SPDX-License-Identifier: Apache-2.0 */
#include "main/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool privilege_find(const char *user, struct privilege *out)
{
    const struct passwd *p = getpwnam(user); /* the keeper has one thread */
    if (p == NULL) {
        fprintf(stderr, "ropeline: user %s: there is no such user on this machine\n", user);
        return false;
    }
    *out = (struct privilege){.name = user, .uid = p->pw_uid, .gid = p->pw_gid};
    if (geteuid() != 0 && geteuid() != p->pw_uid) {
        fprintf(stderr,
                "ropeline: user %s: only root can become another user; start as root or remove "
                "user:\n",
                user);
        return false;
    }
    out->root = geteuid() == 0 && p->pw_uid != 0;
    out->group_count = PRIVILEGE_GROUPS;
    if (getgrouplist(user, p->pw_gid, out->groups, &out->group_count) < 0) {
        fprintf(stderr, "ropeline: user %s: it is in more than %d groups\n", user,
                PRIVILEGE_GROUPS);
        return false;
    }
    return true;
}

bool privilege_give(const struct privilege *p, const char *path)
{
    if (!p->root || lchown(path, p->uid, p->gid) == 0)
        return true;
    fprintf(stderr, "ropeline: user %s: cannot give it %s: %s\n", p->name, path, strerror(errno));
    return false;
}

bool privilege_become(const struct privilege *p)
{
    if (!p->root)
        return true;
    if (setgroups((size_t)p->group_count, p->groups) != 0 ||
        setresgid(p->gid, p->gid, p->gid) != 0 || setresuid(p->uid, p->uid, p->uid) != 0)
        return false;
    bool back = setuid(0) == 0;
    errno = EPERM;
    return !back;
}
