/* SPDX-License-Identifier: Apache-2.0 */
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool fail(const char *user, const char *what)
{
    fprintf(stderr, "ropeline: user %s: %s: %s\n", user, what, strerror(errno));
    return false;
}

bool privilege_drop(const char *user, const char *state_dir, const char *socket_path)
{
    errno = 0;
    const struct passwd *p = getpwnam(user); /* the keeper has one thread */
    if (p == NULL) {
        fprintf(stderr, "ropeline: user %s: there is no such user on this machine\n", user);
        return false;
    }
    uid_t uid = p->pw_uid;
    gid_t gid = p->pw_gid;
    if (geteuid() != 0) {
        if (geteuid() == uid)
            return true;
        fprintf(stderr,
                "ropeline: user %s: only root can become another user; start as root or remove "
                "user:\n",
                user);
        return false;
    }
    if (lchown(state_dir, uid, gid) != 0 || lchown(socket_path, uid, gid) != 0)
        return fail(user, "cannot give it the state directory");
    if (initgroups(user, gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
        return fail(user, "cannot become that user");
    if (uid != 0 && setuid(0) == 0) {
        fprintf(stderr, "ropeline: user %s: root could be taken back; stopping\n", user);
        return false;
    }
    return true;
}
