/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting processes. The threaded gateway never forks: it asks the keeper, a small single-threaded
 * parent, over a SOCK_SEQPACKET pair, and hears from it how each child ended. Control loop only. */
#ifndef ROPELINE_RUN_CHILD_H
#define ROPELINE_RUN_CHILD_H

#include "run/run.h"

struct keeper_link; /* the gateway's end */
struct child;

/* What a child may reach. The keeper applies it before exec; docs/internals/isolation.md. */
enum child_level {
    CHILD_NONE,    /* session, limits, no_new_privs: what every child has */
    CHILD_DEFAULT, /* what this kernel can of cgroup, /tmp of its own, Landlock, seccomp */
    CHILD_STRICT,  /* all of that and namespaces, or it does not start */
    CHILD_LEVELS
};

/* Limits and paths, all absolute. Borrowed for the call. */
struct child_cage {
    enum child_level level;
    uint32_t uid, gid; /* of the keeper's function_uids; 0 = unchanged */
    uint64_t memory;   /* bytes of all its processes together; 0 = no limit */
    uint32_t pids;     /* processes and threads; 0 = no limit */
    bool opens_itself; /* loads foreign code only after it has called Landlock itself: none now */
    const char *tmp;   /* a directory of the gateway's that becomes the child's: given to its uid,
                          writable, and its /tmp where the kernel allows; NULL = none */
    const char *hide;  /* a directory of which only what is listed here stays visible, where the
                          kernel allows; NULL = none */
    const char *task, *opt;   /* strict: seen as /var/task and /opt; NULL = none */
    const char *const *read;  /* NULL-terminated, or NULL: read and execute, below or exactly */
    const char *const *write; /* likewise: everything but devices */
};

/* The keeper's steps on the way to exec, for messages. */
#define CHILD_STEP_MAP(X)             \
    X(NONE, "")                       \
    X(SESSION, "session")             \
    X(CGROUP, "cgroup")               \
    X(DESCRIPTORS, "descriptors")     \
    X(LIMITS, "limits")               \
    X(NAMESPACES, "namespaces")       \
    X(MOUNTS, "mounts")               \
    X(DIRECTORY, "working directory") \
    X(UID, "uid")                     \
    X(LANDLOCK, "Landlock")           \
    X(SECCOMP, "seccomp")             \
    X(EXEC, "exec")
enum child_step {
#define X(name, text) CHILD_STEP_##name,
    CHILD_STEP_MAP(X)
#undef X
        CHILD_STEPS
};
const char *child_step_name(enum child_step s);

#define CHILD_FDS 8
struct child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
    const char *const *env;  /* NULL-terminated; exactly this environment */
    const char *cwd;
    int fds[CHILD_FDS]; /* fds[i] becomes descriptor i of the child; -1 = /dev/null for 0..2, else
                           closed. Duplicated into the message: the caller keeps and closes its own
                         */
    unsigned fd_count;
    unsigned nofile, nproc;        /* rlimits; 0 = unchanged */
    uint64_t fsize;                /* bytes; 0 = unchanged */
    const struct child_cage *cage; /* NULL = CHILD_NONE */
};

struct child_exit {
    enum err err;         /* ERR_OK: it ran; else it could not be started and the rest is 0 */
    int os_error;         /* errno of the failed step when err is not ERR_OK */
    int status;           /* exit code, or -1 */
    int signal;           /* signal that ended it, or 0 */
    int64_t rss_kb;       /* peak resident size; all of its memory when that ran out */
    enum child_step step; /* that failed when err is not ERR_OK */
    bool out_of_memory;   /* a process of it was killed for that */
};
typedef void (*child_exit_fn)(void *arg, const struct child_exit *how);

/* `fd` is the gateway's end of the pair. `lost` is called once if the keeper goes away. */
enum err keeper_link_open(struct loop *control, int fd, void (*lost)(void *arg), void *arg,
                          struct keeper_link **out) MUSTCHECK;
void keeper_link_close(struct keeper_link *k);
/* Tells the keeper that every listener accepts (it then writes the ready file). */
enum err keeper_link_ready(struct keeper_link *k) MUSTCHECK;

/* Asks for a process in a session and process group of its own, with no_new_privs, PDEATHSIG and
 * only the given descriptors. `done` comes exactly once, also when starting fails; *out is valid
 * until then. */
enum err child_spawn(struct keeper_link *k, const struct child_spec *spec, child_exit_fn done,
                     void *arg, struct child **out) MUSTCHECK;
/* SIGKILL (or another signal) to the whole group; children that left the group are found by the
 * keeper, their subreaper. */
void child_kill(struct child *c, int signal);
/* All its processes stand still, or go on. For children in a cgroup, where the keeper can freeze
 * one (struct cage_facts); what was asked last is what becomes of it. */
void child_freeze(struct child *c, bool frozen);
/* From here on its end is told to somebody else. */
void child_hand_over(struct child *c, child_exit_fn done, void *arg);
/* 0 until the keeper has said. */
int child_pid(const struct child *c);

/* Makes a child of a process that a child forked, twice, so that it is the keeper's, and that has
 * called setsid(). It must carry the mark of a living child of ours (keeper_marks.c). It gets a
 * cgroup, limits (memory, pids: the rest of the cage is what it inherited) and a mark of its own;
 * then `started` comes. `done` as in child_spawn: with ERR_NOTFOUND when there is no such process.
 */
enum err child_adopt(struct keeper_link *k, int pid, const struct child_cage *cage,
                     void (*started)(void *arg), child_exit_fn done, void *arg,
                     struct child **out) MUSTCHECK;

#endif
