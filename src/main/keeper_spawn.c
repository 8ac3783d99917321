/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a function: from the keeper's fork to exec, or to its process 1 and exec. Each step that
 * fails is told with its name, and keeps the function from starting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "main/keeper_int.h"

#define MOVE_AFTER_MS 20 /* it is answering the call that it was forked for */

bool keeper__spawn_open(struct keeper *k)
{
    uint32_t nonce;
    k->self = getpid();
    k->uid = geteuid();
    k->gid = getegid();
    k->pidfd = pidfd_open(k->self, 0);
    k->children = mem_calloc(KEEPER_SLOTS, sizeof *k->children);
    void *shared = mmap(NULL, KEEPER_SLOTS * sizeof *k->told, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    k->told = shared == MAP_FAILED ? NULL : shared;
    if (k->pidfd < 0 || !k->children || !k->told ||
        getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
        return false;
    /* Below RLIM_INFINITY and above every limit in use; the child's serial fills the low half. */
    k->tag = UINT64_C(1) << 62 | (uint64_t)(nonce >> 2) << 32;
    return true;
}

void keeper__spawn_close(struct keeper *k)
{
    if (k->pidfd >= 0)
        close(k->pidfd);
    if (k->told)
        munmap(k->told, KEEPER_SLOTS * sizeof *k->told);
    mem_free(k->children);
}

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

static int set_limits(const struct keeper_spawn *s, uint32_t nproc)
{
    int error = set_limit(RLIMIT_CORE, 0);
    if (error == 0 && s->nofile)
        error = set_limit(RLIMIT_NOFILE, s->nofile);
    if (error == 0 && nproc)
        error = set_limit(RLIMIT_NPROC, nproc);
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

static int die_with_keeper(const struct keeper *k)
{
    struct pollfd keeper = {k->pidfd, POLLIN, 0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return errno;
    if (poll(&keeper, 1, 0) != 0) /* it died before it could be our death */
        _exit(127);
    return 0;
}

/* The part of a child that is the same in its namespaces and outside. */
static int become_apart(const struct keeper *k, const struct keeper_child *c, bool born,
                        const int *fds, enum child_step *step)
{
    const struct keeper_spawn *s = &k->request.spawn;
    *step = CHILD_STEP_SESSION;
    int error = die_with_keeper(k);
    if (error == 0 && setsid() < 0)
        error = errno;
    if (error != 0)
        return error;
    for (int number = 1; number <= SIGRTMAX; number++)
        signal(number, SIG_DFL); /* fails for some, which have no other */
    *step = CHILD_STEP_CGROUP;
    if (c->grouped)
        error = keeper__cgroup_enter(&k->cage.cgroup, c->serial, born);
    if (error != 0)
        return error;
    *step = CHILD_STEP_DESCRIPTORS;
    error = place_fds(s->fd_count, fds);
    if (error != 0)
        return error;
    *step = CHILD_STEP_LIMITS;
    /* Where a low hard limit forbids the tag, session and orphanhood still tell. */
    rlim_t tag = keeper__tag(k, c->serial);
    (void)setrlimit(RLIMIT_RTTIME, &(struct rlimit){tag, tag});
    umask(022); /* mount points are for others to pass */
    /* Processes of one uid are counted together, but in a namespace of users by themselves. */
    bool alone = s->pids && (s->uid || k->cage.userns);
    return set_limits(s, alone && s->pids < s->nproc ? s->pids : s->nproc);
}

/* In the child, whose uid and gid are told, because in a namespace of users it has none at first.
 * Returns errno of the step that failed. */
static int become(const struct keeper *k, const struct keeper_child *c, bool born, const int *fds,
                  struct keeper_told *told)
{
    const struct keeper_request *q = &k->request;
    enum child_step *step = &told->at;
    sigset_t none;
    int error = become_apart(k, c, born, fds, step);
    if (error == 0)
        error = keeper__cage_surround(&k->cage, q, k->uid, k->gid, step);
    if (error != 0)
        return error;
    if (q->spawn.level == CHILD_STRICT) {
        *step = CHILD_STEP_NAMESPACES;
        pid_t pid = fork();
        if (pid < 0)
            return errno;
        if (pid > 0)
            keeper__init(pid, told);
    }
    umask(077);
    error = keeper__cage_enter(&k->cage, q, step);
    if (error != 0)
        return error;
    *step = CHILD_STEP_DIRECTORY; /* as who it now is: root could stand where that user may not */
    if (chdir(q->cwd) != 0)
        return errno;
    *step = CHILD_STEP_SESSION; /* again: the kernel forgets it when the user changes */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return errno;
    *step = CHILD_STEP_EXEC;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(q->argv[0], q->argv, q->env);
    return errno;
}

/* A child in a free slot; NULL when there is none. */
static struct keeper_child *child_new(struct keeper *k, uint32_t id)
{
    struct keeper_child *c = NULL;
    for (unsigned i = 0; i < k->slots && !c; i++) {
        if (k->children[i].id == 0)
            c = &k->children[i];
    }
    if (!c && k->slots < KEEPER_SLOTS)
        c = &k->children[k->slots++];
    if (!c)
        return NULL;
    *c = (struct keeper_child){.id = id, .serial = ++k->serial};
    c->ended = (struct keeper_ended){.head = {KEEPER_ENDED, id}, .status = -1};
    k->told[c - k->children] = (struct keeper_told){0};
    return c;
}

/* It never was: that is its end. */
static void child_refuse(struct keeper *k, struct keeper_child *c, enum err err, int os_error,
                         enum child_step step)
{
    c->ended.err = (int32_t)err;
    c->ended.os_error = os_error;
    c->ended.step = (int32_t)step;
    c->say_ended = true;
    if (c->grouped)
        k->sweep_at = keeper__now();
}

/* 0 or errno. */
static int child_group(struct keeper *k, struct keeper_child *c, uint64_t memory, uint32_t pids)
{
    c->grouped = k->cage.facts.memory || k->cage.facts.pids || k->cage.facts.cgroup_kill;
    c->memory = memory;
    if (memory && !k->cage.facts.memory && k->weigh_at == 0)
        k->weigh_at = keeper__now() + WEIGH_EVERY_MS;
    return c->grouped ? keeper__cgroup_make(&k->cage.cgroup, c->serial, memory, pids) : 0;
}

/* fork(), and *born when the child stands in its cgroup from its first moment: going there later
 * costs it milliseconds, because the kernel then waits until no other process forks. */
static pid_t fork_into(int cradle, unsigned long namespaces, bool *born)
{
    struct clone_args into = {.flags = namespaces, .exit_signal = SIGCHLD};
    long pid = -1;
    *born = cradle >= 0;
    if (*born) {
        into.flags |= CLONE_INTO_CGROUP;
        into.cgroup = (uint64_t)cradle;
        pid = syscall(SYS_clone3, &into, sizeof into);
    }
    if (pid >= 0)
        return (pid_t)pid;
    *born = false;
    into.flags = namespaces;
    into.cgroup = 0;
    return namespaces ? (pid_t)syscall(SYS_clone3, &into, sizeof into) : fork();
}

/* Returns in the keeper alone: the pid, or -1. */
static pid_t fork_child(struct keeper *k, struct keeper_child *c, const int *fds)
{
    struct keeper_told *told = &k->told[c - k->children];
    bool strict = k->request.spawn.level == CHILD_STRICT, born;
    int cradle = c->grouped ? keeper__cgroup_cradle(&k->cage.cgroup, c->serial) : -1;
    pid_t pid = fork_into(cradle, strict ? keeper__namespace_flags(&k->cage) : 0, &born);
    if (pid == 0) {
        int error = become(k, c, born, fds, told);
        told->step = (int32_t)told->at;
        told->error = error;
        _exit(127);
    }
    int error = errno;
    if (cradle >= 0)
        close(cradle);
    errno = error;
    return pid;
}

bool keeper__spawn(struct keeper *k, const int *fds)
{
    const struct keeper_spawn *s = &k->request.spawn;
    struct keeper_child *c = child_new(k, s->head.id);
    if (!c)
        return false;
    int placed[CHILD_FDS];
    for (unsigned i = 0, n = 0; i < CHILD_FDS; i++)
        placed[i] = s->fd_mask >> i & 1 ? fds[n++] : -1;
    int error = s->level > CHILD_NONE ? child_group(k, c, s->memory, s->pids) : 0;
    if (error != 0) {
        child_refuse(k, c, ERR_UNAVAILABLE, error, CHILD_STEP_CGROUP);
        return true;
    }
    error = keeper__cage_give(k);
    if (error != 0) {
        child_refuse(k, c, ERR_DENIED, error, CHILD_STEP_UID);
        return true;
    }
    pid_t pid = fork_child(k, c, placed);
    if (pid < 0) {
        child_refuse(k, c, ERR_UNAVAILABLE, errno, CHILD_STEP_SESSION);
        return true;
    }
    c->pid = pid;
    c->say_started = true;
    return true;
}

int keeper__try_strict(struct keeper *k, enum child_step *step)
{
    static char program[] = "/bin/true", root[] = "/", none[] = "";
    struct keeper_request *q = &k->request;
    int fds[CHILD_FDS], status;
    memset(fds, -1, sizeof fds);
    *q = (struct keeper_request){.cwd = root, .argv = {program}};
    q->tmp = q->hide = q->task = q->opt = none;
    q->spawn.level = CHILD_STRICT;
    struct keeper_child *c = child_new(k, 1);
    pid_t pid = c ? fork_child(k, c, fds) : -1;
    int error = errno;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    const struct keeper_told *told = &k->told[0];
    *step = pid < 0 ? CHILD_STEP_NAMESPACES : (enum child_step)told->step;
    k->slots = 0;
    if (pid < 0)
        return error;
    return told->error ? told->error : told->ended && told->status == 0 ? 0 : ECHILD;
}

bool keeper__adopt(struct keeper *k, const struct keeper_adopt *m)
{
    struct keeper_child *c = child_new(k, m->head.id);
    if (!c)
        return false;
    if (!keeper__is_adoptable(k, m->pid)) {
        child_refuse(k, c, ERR_NOTFOUND, ESRCH, CHILD_STEP_SESSION);
        return true;
    }
    /* Our child now: until it is waited for, its pid is nobody else's. */
    c->pid = m->pid;
    c->say_started = true;
    rlim_t tag = keeper__tag(k, c->serial);
    int error = 0;
    if (m->level > CHILD_NONE)
        error = child_group(k, c, m->memory, m->pids);
    if (error == 0 && prlimit(c->pid, RLIMIT_RTTIME, &(struct rlimit){tag, tag}, NULL) != 0)
        error = errno;
    if (error != 0) {
        k->told[c - k->children] = (struct keeper_told){.error = error, .step = CHILD_STEP_CGROUP};
        c->say_started = false;
        keeper__doom(k, c);
    }
    c->move_due = c->grouped && error == 0;
    if (c->move_due && k->move_at == 0)
        k->move_at = keeper__now() + MOVE_AFTER_MS;
    return true;
}

/* Until then its limits are those of the group that it was forked in. */
void keeper__move_adopted(struct keeper *k)
{
    for (unsigned i = 0; i < k->slots; i++) {
        struct keeper_child *c = &k->children[i];
        if (!c->move_due || c->pid <= 0 || c->doomed)
            continue;
        int error = keeper__cgroup_move(&k->cage.cgroup, c->serial, c->pid);
        c->move_due = false;
        if (error != 0 && error != ESRCH) {
            log_error("keeper", "cannot move process %d into its cgroup: %s", (int)c->pid,
                      strerror(error));
            keeper__doom(k, c);
        }
    }
}
