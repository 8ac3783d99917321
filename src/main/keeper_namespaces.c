/* SPDX-License-Identifier: Apache-2.0
 *
 * Namespaces. Who is not root becomes, in a user namespace with himself as its only user, somebody
 * who may mount; exec takes that back. In strict the first process of the namespace is a fork of
 * the keeper that buries orphans, ends when the function ends, and takes all others with it. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/keeper_int.h"

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* Everybody keeps his number. The files belong to root as long as we cannot be dumped. */
static int map_myself(uid_t uid, gid_t gid)
{
    char users[48], groups[48];
    snprintf(users, sizeof users, "%u %u 1", (unsigned)uid, (unsigned)uid);
    snprintf(groups, sizeof groups, "%u %u 1", (unsigned)gid, (unsigned)gid);
    if (prctl(PR_SET_DUMPABLE, 1) != 0)
        return errno;
    int error = write_file("/proc/self/setgroups", "deny");
    if (error == 0 || error == ENOENT)
        error = write_file("/proc/self/uid_map", users);
    if (error == 0)
        error = write_file("/proc/self/gid_map", groups);
    return prctl(PR_SET_DUMPABLE, 0) == 0 ? error : errno;
}

/* With the mounts go System V's shared memory, semaphores and queues: others of the same user could
 * read those, and they would outlive the function. */
int keeper__namespace_enter(bool userns)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | (userns ? CLONE_NEWUSER : 0)) != 0)
        return errno;
    return userns ? map_myself(uid, gid) : 0;
}

static int loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = ioctl(fd, SIOCGIFFLAGS, &lo) == 0 ? 0 : errno;
    lo.ifr_flags |= IFF_UP;
    if (error == 0 && ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
        error = errno;
    close(fd);
    return error;
}

int keeper__namespace_strict(const struct keeper_cage *c, uid_t uid, gid_t gid)
{
    int error = c->userns ? map_myself(uid, gid) : 0;
    if (error == 0 && sethostname(STRICT_HOST, sizeof STRICT_HOST - 1) != 0)
        error = errno;
    return error == 0 && c->o.no_network ? loopback_up() : error;
}

unsigned long keeper__namespace_flags(const struct keeper_cage *c)
{
    return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
           (c->userns ? CLONE_NEWUSER : 0) | (c->o.no_network ? CLONE_NEWNET : 0);
}

/* Process 1 of the namespace. */
void keeper__init(pid_t function, struct keeper_told *told)
{
    close_range(0, ~0U, 0);
    for (;;) {
        struct rusage used;
        int status;
        pid_t pid = wait4(-1, &status, 0, &used);
        if (pid < 0 && errno != EINTR)
            _exit(127);
        if (pid != function)
            continue; /* an orphan */
        told->status = status;
        told->rss_kb = used.ru_maxrss;
        told->ended = 1;
        _exit(0);
    }
}

/* --- what there is --------------------------------------------------------------------------- */

/* Whether a child can have its own /tmp: 0, or errno as an exit code. */
static int try_tmp(bool userns)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        static char tmp[] = "/tmp", none[] = "";
        const struct keeper_request q = {.tmp = tmp, .hide = none};
        int error = keeper__namespace_enter(userns);
        _exit(error ? error : keeper__mounts_default(&q, NULL));
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

void keeper__namespace_look(struct keeper_cage *c)
{
    struct cage_facts *f = &c->facts;
    int error = geteuid() == 0 ? try_tmp(false) : EPERM;
    /* A namespace of users knows one uid: not for who must become another. */
    bool alone = (!c->user || !c->user->root) && !f->uids;
    if (error != 0 && alone) {
        c->userns = true;
        error = try_tmp(true);
    }
    f->tmp = error == 0;
    if (error != 0)
        snprintf(f->tmp_why, sizeof f->tmp_why, "%s%s", strerror(error),
                 c->userns ? "; the system may forbid user namespaces" : "");
}
