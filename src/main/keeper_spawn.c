/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a function and leaving nothing of it behind. Three marks tell which processes belong to
 * a child, so that none escapes by leaving the group:
 * 1. its session: every descendant that did not call setsid() has the child's pid as session id;
 * 2. its tag: RLIMIT_RTTIME, which means nothing to ordinary processes, is set to a number made of
 *    this keeper's nonce and the child's serial; fork and exec keep it, in any session;
 * 3. its orphans: the keeper is their subreaper, so a descendant that shed both marks (a tag can be
 *    lowered on purpose) has the keeper as parent once its own parent is dead. A process whose
 *    parent is the keeper, that is no child we know and that has no_new_privs, which nobody can
 *    shed, is a function's and is killed. (Without that bit it is a stranger: the background job of
 *    the script that exec'ed us, or anybody's orphan when we are process 1.)
 * A living child's background processes keep its session or tag and are left alone. What is out of
 * reach: when the keeper itself is killed, only the gateway and the children die with it
 * (PDEATHSIG); their own children do not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/keeper_int.h"

/* 0 leaves a limit as it is. What the machine does not allow is cut to what it does. */
static int set_limit(int what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0)
        return errno;
    if (most > now.rlim_max)
        most = now.rlim_max;
    return setrlimit(what, &(struct rlimit){most, most}) == 0 ? 0 : errno;
}

static int set_limits(const struct keeper_spawn *s)
{
    int error = set_limit(RLIMIT_CORE, 0);
    if (error == 0 && s->nofile)
        error = set_limit(RLIMIT_NOFILE, s->nofile);
    if (error == 0 && s->nproc)
        error = set_limit(RLIMIT_NPROC, s->nproc);
    if (error == 0 && s->fsize)
        error = set_limit(RLIMIT_FSIZE, s->fsize);
    return error;
}

/* fds[i] becomes i, and nothing else stays open. They are lifted out of the way first, because one
 * may stand where another must go. */
static int place_fds(unsigned count, const int *fds)
{
    int high[CHILD_FDS];
    for (unsigned i = 0; i < count; i++) {
        high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_FDS);
        if (fds[i] >= 0 && high[i] < 0)
            return errno;
    }
    if (close_range(count > 3 ? count : 3, CHILD_FDS - 1, 0) != 0 && errno != EINVAL)
        return errno;
    for (unsigned i = 0; i < (count > 3 ? count : 3); i++) {
        if (i < count && high[i] >= 0) {
            if (dup2(high[i], (int)i) < 0)
                return errno;
            continue;
        }
        close((int)i);
        if (i < 3) { /* 0 to i-1 are taken: the lowest free one is i */
            int null = open("/dev/null", O_RDWR);
            if (null != (int)i)
                return null < 0 ? errno : EBADF;
        }
    }
    return close_range(CHILD_FDS, ~0U, 0) == 0 ? 0 : errno;
}

/* In the child. Returns errno of the step that failed. */
static int become(const struct keeper *k, const struct keeper_request *q, const int *fds)
{
    sigset_t none;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return errno;
    if (getppid() != k->self) /* it died before it could be our death */
        _exit(127);
    if (setsid() < 0)
        return errno;
    for (int s = 1; s <= SIGRTMAX; s++)
        signal(s, SIG_DFL); /* fails for some, which have no other */
    int error = place_fds(q->spawn.fd_count, fds);
    if (error == 0)
        error = set_limits(&q->spawn);
    if (error != 0)
        return error;
    umask(077);
    if (chdir(q->cwd) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    /* Where a low hard limit forbids the tag, session and orphanhood still tell. */
    rlim_t tag = k->tag | k->serial;
    (void)setrlimit(RLIMIT_RTTIME, &(struct rlimit){tag, tag});
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(q->argv[0], q->argv, q->env);
    return errno;
}

static struct keeper_child *slot_new(struct keeper *k)
{
    for (unsigned i = 0; i < k->slots; i++) {
        if (k->children[i].id == 0)
            return &k->children[i];
    }
    return k->slots < KEEPER_SLOTS ? &k->children[k->slots++] : NULL;
}

bool keeper__spawn(struct keeper *k, const int *fds)
{
    const struct keeper_spawn *s = &k->request.spawn;
    struct keeper_child *c = slot_new(k);
    if (!c)
        return false;
    *c = (struct keeper_child){.id = s->head.id, .serial = ++k->serial};
    c->ended = (struct keeper_ended){.head = {KEEPER_ENDED, c->id}, .status = -1};
    int placed[CHILD_FDS];
    for (unsigned i = 0, n = 0; i < CHILD_FDS; i++)
        placed[i] = s->fd_mask >> i & 1 ? fds[n++] : -1;
    int32_t *failed = &k->failed[c - k->children];
    *failed = 0;
    pid_t pid = fork();
    if (pid == 0) {
        *failed = become(k, &k->request, placed);
        _exit(127);
    }
    if (pid < 0) {
        c->ended.err = ERR_UNAVAILABLE;
        c->ended.os_error = errno;
        c->say_ended = true;
        return true;
    }
    c->pid = pid;
    c->say_started = true;
    return true;
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
    c->doomed = true;
    /* Its pid is not yet reaped, hence not reused. The group does not exist before its setsid(). */
    kill(c->pid, SIGKILL);
    kill(-c->pid, SIGKILL);
    k->sweep_at = keeper__now();
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
    *serial = (uint32_t)tag.rlim_max;
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
        for (unsigned i = 0; i < k->slots; i++) {
            if (k->children[i].serial == serial && k->children[i].pid > 0)
                return k->children[i].doomed;
        }
        return true;
    }
    return p->confined && !keeper__child_by_pid(k, p->pid);
}

unsigned keeper__sweep(struct keeper *k)
{
    unsigned killed = 0;
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
