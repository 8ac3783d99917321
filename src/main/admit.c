/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask at the control socket: this user's programs, and none of his functions, although they
 * run as him. Landlock does not rule on connecting to sockets in the file system, so it is judged
 * here: a function's process has seccomp filters that we do not have, which nothing can shed. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon.h"

/* The number of filters of a process, by /proc/PID/status; -1 = unknown. */
static int64_t filters_of(pid_t pid)
{
    char path[32], text[4096];
    uint64_t n;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct str rest, s = str_of(text, got > 0 ? (size_t)got : 0);
    size_t at = str_find(s, STR("\nSeccomp_filters:\t"));
    if (at == SIZE_MAX)
        return -1;
    s = str_cut(str_from(s, at + sizeof "\nSeccomp_filters:\t" - 1), '\n', &rest);
    return str_u64(s, &n) && n < INT32_MAX ? (int64_t)n : -1;
}

bool control_admit(void *daemon, int fd)
{
    const struct daemon *d = daemon;
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    if (!d->keeper->facts.seccomp)
        return true; /* it could not be told */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || peer.pid <= 0)
        return false;
    int64_t ours = filters_of(getpid()), theirs = filters_of(peer.pid);
    if (ours < 0 || (theirs >= 0 && theirs <= ours)) /* ours < 0: the kernel does not count them */
        return true;
    log_warn("control", "process %d, which may be a function's, was turned away", (int)peer.pid);
    return false;
}
