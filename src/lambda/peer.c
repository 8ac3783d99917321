/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process is at the other end of a TCP connection on this machine: the kernel tells the inode
 * of its socket (NETLINK_SOCK_DIAG, or /proc/net/tcp where that is not there), and the descriptors
 * of a child's processes tell whether one of them holds it. In doubt it is a stranger. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "connections_int.h"

struct peer {
    uint64_t inode;
    uid_t uid;
};

/* --- the socket ------------------------------------------------------------------------------ */

static bool netlink_send(int fd, const struct sockaddr_in *theirs, const struct sockaddr_in *ours)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } ask = {
        .head = {.nlmsg_len = sizeof ask,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U},
    };
    ask.body.id.idiag_sport = theirs->sin_port;
    ask.body.id.idiag_dport = ours->sin_port;
    ask.body.id.idiag_src[0] = theirs->sin_addr.s_addr;
    ask.body.id.idiag_dst[0] = ours->sin_addr.s_addr;
    ask.body.id.idiag_cookie[0] = ask.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return send(fd, &ask, sizeof ask, 0) == (ssize_t)sizeof ask;
}

static bool by_netlink(const struct sockaddr_in *theirs, const struct sockaddr_in *ours,
                       struct peer *out)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_msg body;
        char more[2048];
    } answer = {0};
    const struct timeval patience = {.tv_sec = 1};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    bool heard = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                 netlink_send(fd, theirs, ours);
    ssize_t n = heard ? recv(fd, &answer, sizeof answer, 0) : -1;
    close(fd);
    if (n < (ssize_t)(sizeof answer.head + sizeof answer.body) ||
        answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    out->inode = answer.body.idiag_inode;
    out->uid = answer.body.idiag_uid;
    return answer.body.id.idiag_sport == theirs->sin_port &&
           answer.body.id.idiag_dport == ours->sin_port && out->inode != 0;
}

/* "  1: 0100007F:1F90 0200007F:D2F0 01 ... uid timeout inode ..." */
static bool by_proc(const struct sockaddr_in *theirs, const struct sockaddr_in *ours,
                    struct peer *out)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/net/tcp", "re");
    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f)) {
        unsigned from_ip, from_port, to_ip, to_port, uid;
        unsigned long long inode;
        found = sscanf(line, " %*u: %8X:%4X %8X:%4X %*2X %*8X:%*8X %*2X:%*8X %*8X %u %*u %llu",
                       &from_ip, &from_port, &to_ip, &to_port, &uid, &inode) == 6 &&
                from_ip == theirs->sin_addr.s_addr && from_port == ntohs(theirs->sin_port) &&
                to_ip == ours->sin_addr.s_addr && to_port == ntohs(ours->sin_port) && inode != 0;
        *out = (struct peer){inode, uid};
    }
    (void)fclose(f);
    return found;
}

/* --- its process ----------------------------------------------------------------------------- */

static bool holds(int proc, const char *pid, uint64_t inode)
{
    char path[64], wanted[48], link[48];
    bool found = false;
    snprintf(path, sizeof path, "%.20s/fd", pid);
    int at = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = at < 0 ? NULL : fdopendir(at);
    if (!d) {
        if (at >= 0)
            close(at);
        return false;
    }
    snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)inode);
    for (struct dirent *e; !found && (e = readdir(d));) {
        ssize_t n = readlinkat(at, e->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        found = strcmp(link, wanted) == 0;
    }
    closedir(d);
    return found;
}

/* Field 6 of /proc/PID/stat; the name in it may hold anything but is the last that ends in ')'. */
static pid_t session_of(int proc, const char *pid)
{
    char path[32], text[512];
    uint64_t session = 0;
    snprintf(path, sizeof path, "%.20s/stat", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct str s = str_of(text, n > 0 ? (size_t)n : 0);
    size_t end = str_rchr(s, ')');
    if (end == SIZE_MAX)
        return 0;
    struct str rest = str_from(s, end + 2); /* "S PPID PGRP SESSION ..." */
    for (int i = 0; i < 3; i++)
        (void)str_cut(rest, ' ', &rest);
    return str_u64(str_cut(rest, ' ', &rest), &session) ? (pid_t)session : 0;
}

/* The tag that the keeper gave it and that fork and exec keep; 0: none. */
static uint64_t tag_of(pid_t pid)
{
    struct rlimit tag;
    bool given = prlimit(pid, RLIMIT_RTTIME, NULL, &tag) == 0 && tag.rlim_max != RLIM_INFINITY;
    return given ? tag.rlim_max : 0;
}

/* Whether a filter of system calls holds it: "Seccomp:\t2" in /proc/PID/status. */
static bool is_filtered(int proc, const char *pid)
{
    char path[32], text[4096];
    snprintf(path, sizeof path, "%.20s/status", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    return str_find(str_of(text, n > 0 ? (size_t)n : 0), STR("\nSeccomp:\t2\n")) != SIZE_MAX;
}

static bool held_by(pid_t child, uint64_t inode, bool caged)
{
    char own[16];
    uint64_t pid;
    DIR *d = opendir("/proc");
    if (!d)
        return false;
    int proc = dirfd(d);
    snprintf(own, sizeof own, "%d", (int)child);
    uint64_t tag = caged && is_filtered(proc, own) ? tag_of(child) : 0;
    bool found = holds(proc, own, inode); /* as it nearly always is */
    for (struct dirent *e; !found && (e = readdir(d));) {
        if (!str_u64(str_c(e->d_name), &pid) || (pid_t)pid == child)
            continue;
        bool kin = session_of(proc, e->d_name) == child || (tag && tag_of((pid_t)pid) == tag);
        found = kin && holds(proc, e->d_name, inode);
    }
    closedir(d);
    return found;
}

enum err lambda__peer_check(const struct sockaddr_in *theirs, const struct sockaddr_in *ours,
                            pid_t child, bool caged)
{
    struct peer peer;
    struct stat st;
    char path[32];
    if (!by_netlink(theirs, ours, &peer) && !by_proc(theirs, ours, &peer))
        return ERR_DENIED;
    snprintf(path, sizeof path, "/proc/%d", (int)child);
    if (stat(path, &st) != 0)
        return ERR_DENIED;
    bool own_user = st.st_uid != geteuid() && st.st_uid != 0;
    if (own_user ? peer.uid == st.st_uid : held_by(child, peer.inode, caged))
        return ERR_OK;
    return ERR_DENIED;
}
