/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a process is, and leaving nothing of a child behind. Three marks tell which processes
 * belong to it, so that none escapes by leaving the group:
 * 1. its session: every descendant that did not call setsid() has the child's pid as session id;
 * 2. its tag: RLIMIT_RTTIME, which means nothing to ordinary processes, is set to a number made of
 *    this keeper's nonce and the child's serial; fork and exec keep it, in any session;
 * 3. its orphans: the keeper is their subreaper, so a descendant that shed both marks (a tag can be
 *    lowered on purpose) has the keeper as parent once its own parent is dead. A process whose
 *    parent is the keeper, that is no child we know and that has no_new_privs, which nobody can
 *    shed, is a function's and is killed. (Without that bit it is a stranger: the background job of
 *    the script that exec'ed us, or anybody's orphan when we are process 1.)
 * Where there are cgroups, each child has one of its own besides, which nothing leaves.
 * A living child's background processes keep its session or tag and are left alone. What is out of
 * reach: when the keeper itself is killed, only the gateway and the children die with it
 * (PDEATHSIG); their own children do not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "main/keeper_int.h"

#define WEIGH_ALL_EVERY 5

/* Serials count up and tags down: an unprivileged keeper may lower the one that an adopted process
 * has from its parent, and could not raise it. */
uint64_t keeper__tag(const struct keeper *k, uint32_t serial)
{
    return k->tag | (UINT32_MAX - serial);
}

struct keeper_child *keeper__child_by_pid(struct keeper *k, pid_t pid)
{
    for (unsigned i = 0; pid > 0 && i < k->slots; i++) {
        if (k->children[i].pid == pid)
            return &k->children[i];
    }
    return NULL;
}

void keeper__doom(struct keeper *k, struct keeper_child *c)
{
    ASSERT(c->pid > 0);
    c->doomed = true;
    /* Its pid is not yet reaped, hence not reused. The group does not exist before its setsid(). */
    kill(c->pid, SIGKILL);
    kill(-c->pid, SIGKILL);
    if (c->grouped)
        (void)keeper__cgroup_kill(&k->cage.cgroup, c->serial);
    k->sweep_at = keeper__now();
}

static struct keeper_child *child_by_serial(struct keeper *k, uint32_t serial)
{
    for (unsigned i = 0; i < k->slots; i++) {
        if (k->children[i].serial == serial && k->children[i].pid > 0)
            return &k->children[i];
    }
    return NULL;
}

struct process {
    pid_t pid, parent, session;
    bool dead, confined; /* confined: has no_new_privs; known of the keeper's own children only */
};

/* A file of /proc/PID, as much of it as fits. */
static struct str process_file(int proc, const char *pid, const char *name, char *text, size_t size)
{
    char path[32];
    snprintf(path, sizeof path, "%.15s/%s", pid, name);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size);
    if (fd >= 0)
        close(fd);
    return str_of(text, n > 0 ? (size_t)n : 0);
}

/* stat: "PID (name) S PPID PGRP SESSION ...", where the name may hold anything. */
static bool process_read(int proc, const char *pid, struct process *p)
{
    char text[512];
    uint64_t number[4]; /* pid, parent, group, session */
    struct str s = process_file(proc, pid, "stat", text, sizeof text);
    size_t end = str_rchr(s, ')');
    if (end == SIZE_MAX || !str_u64(str_c(pid), &number[0]))
        return false;
    struct str rest = str_from(s, end + 2);
    struct str state = str_cut(rest, ' ', &rest);
    for (int i = 1; i < 4; i++) {
        if (!str_u64(str_cut(rest, ' ', &rest), &number[i]))
            return false;
    }
    p->pid = (pid_t)number[0];
    p->parent = (pid_t)number[1];
    p->session = (pid_t)number[3];
    p->dead = str_eqz(state, "Z") || str_eqz(state, "X");
    p->confined = false;
    if (p->parent == getpid()) { /* asked of few */
        char status[4096];
        s = process_file(proc, pid, "status", status, sizeof status);
        p->confined = str_find(s, STR("\nNoNewPrivs:\t1\n")) != SIZE_MAX;
    }
    return true;
}

/* Fills *serial when the process carries this keeper's tag. */
static bool process_tag(const struct keeper *k, pid_t pid, uint32_t *serial)
{
    struct rlimit tag;
    if (prlimit(pid, RLIMIT_RTTIME, NULL, &tag) != 0 || tag.rlim_max == RLIM_INFINITY ||
        (tag.rlim_max & ~(rlim_t)UINT32_MAX) != k->tag)
        return false;
    *serial = UINT32_MAX - (uint32_t)tag.rlim_max;
    return true;
}

static bool is_left_over(struct keeper *k, const struct process *p)
{
    uint32_t serial;
    if (p->dead || p->pid == k->self || p->pid == k->gateway)
        return false;
    struct keeper_child *c = keeper__child_by_pid(k, p->session);
    if (c)
        return c->doomed;
    if (process_tag(k, p->pid, &serial)) {
        c = child_by_serial(k, serial);
        return !c || c->doomed;
    }
    return p->confined && !keeper__child_by_pid(k, p->pid);
}

static bool is_alive(void *arg, uint32_t serial)
{
    const struct keeper_child *c = child_by_serial(arg, serial);
    return c && !c->doomed;
}

/* Ours by parentage, a session of its own, and a living child's mark: nothing else is adopted. */
bool keeper__is_adoptable(struct keeper *k, pid_t pid)
{
    struct process p;
    uint32_t serial;
    char name[16];
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(name, sizeof name, "%d", (int)pid);
    bool found = proc >= 0 && process_read(proc, name, &p);
    if (proc >= 0)
        close(proc);
    if (!found || p.dead || p.parent != k->self || p.session != pid || pid == k->gateway ||
        keeper__child_by_pid(k, pid) || !process_tag(k, pid, &serial))
        return false;
    const struct keeper_child *from = child_by_serial(k, serial);
    return from && !from->doomed;
}

unsigned keeper__sweep(struct keeper *k)
{
    unsigned killed = keeper__cgroup_sweep(&k->cage.cgroup, is_alive, k);
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    for (struct dirent *e; (e = readdir(proc));) {
        struct process p;
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || !process_read(dirfd(proc), e->d_name, &p) ||
            !is_left_over(k, &p))
            continue;
        /* Judged again under a pidfd: should the pid have been reused, the signal goes nowhere. */
        int fd = pidfd_open(p.pid, 0);
        if (fd < 0)
            continue;
        if (process_read(dirfd(proc), e->d_name, &p) && is_left_over(k, &p) &&
            pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
            killed++;
        close(fd);
    }
    closedir(proc);
    return killed;
}

/* --- memory, where no cgroup holds it ----------------------------------------------------------
 */

/* Bytes that are nobody else's, and shared memory; by /proc/PID/status. */
static uint64_t process_weight(int proc, const char *pid)
{
    static const char *const lines[] = {"\nRssAnon:", "\nRssShmem:"};
    char text[4096];
    uint64_t kb, sum = 0;
    struct str s = process_file(proc, pid, "status", text, sizeof text);
    for (size_t i = 0; i < COUNTOF(lines); i++) {
        struct str rest, name = str_c(lines[i]);
        size_t at = str_find(s, name);
        if (at == SIZE_MAX)
            continue;
        rest = str_trim(str_from(s, at + name.n));
        if (str_u64(str_cut(rest, ' ', &rest), &kb))
            sum += kb * 1024;
    }
    return sum;
}

static void weigh_all(struct keeper *k, int proc)
{
    DIR *d = fdopendir(proc);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct process p;
        uint32_t serial;
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || !process_read(dirfd(d), e->d_name, &p))
            continue;
        struct keeper_child *c = keeper__child_by_pid(k, p.session);
        if (!c && process_tag(k, p.pid, &serial))
            c = child_by_serial(k, serial);
        if (c)
            c->weight += process_weight(dirfd(d), e->d_name);
    }
    if (d)
        closedir(d);
}

static void weigh_leaders(struct keeper *k, int proc)
{
    char name[16];
    for (unsigned i = 0; i < k->slots; i++) {
        struct keeper_child *c = &k->children[i];
        snprintf(name, sizeof name, "%d", (int)c->pid);
        if (c->pid > 0)
            c->weight = process_weight(proc, name);
    }
    close(proc);
}

bool keeper__weigh(struct keeper *k)
{
    bool any = false;
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < k->slots; i++)
        k->children[i].weight = 0;
    /* Looking at every process of the machine costs: most who take too much are one process. */
    if (proc >= 0 && k->weighed++ % WEIGH_ALL_EVERY == 0)
        weigh_all(k, proc);
    else if (proc >= 0)
        weigh_leaders(k, proc);
    for (unsigned i = 0; i < k->slots; i++) {
        struct keeper_child *c = &k->children[i];
        if (c->pid <= 0 || c->memory == 0 || c->doomed)
            continue;
        any = true;
        if (c->weight <= c->memory)
            continue;
        c->too_heavy = true;
        keeper__doom(k, c);
    }
    return any;
}
