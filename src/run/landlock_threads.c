/* SPDX-License-Identifier: Apache-2.0
 *
 * Landlock for a process that has threads already. The kernel holds the thread that asks and those
 * that it starts later: each does it for itself here, in a handler of a signal that none of them
 * can have blocked, glibc's own for setuid(). Invariant: ERR_OK means that every thread is held. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "run/landlock.h"

#define EACH_THREAD 33 /* nptl(7): glibc and musl keep it for themselves, and out of every mask */
#define THREADS 256
#define LOOK_NS 50000
#define LOOKS 40000 /* two seconds: one that does not come by then is an error */

/* As rt_sigaction(2) has it: glibc's sigaction() refuses this signal. */
struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static int rules;
static atomic_int held, refused;

static void hold_this(int signal)
{
    int error = errno;
    (void)signal;
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        atomic_fetch_add(&refused, 1);
    atomic_fetch_add(&held, 1);
    errno = error;
}

static bool kernel_action(int signal, const struct kernel_action *to, struct kernel_action *from)
{
    return syscall(SYS_rt_sigaction, signal, to, from, sizeof to->mask) == 0;
}

/* The handler as the kernel wants it, with the way back that libc knows: asked of another signal.
 */
static bool make_action(struct kernel_action *out)
{
    const struct sigaction asked = {.sa_handler = hold_this, .sa_flags = SA_RESTART};
    struct sigaction before;
    bool made = sigaction(SIGRTMAX, &asked, &before) == 0;
    return made && kernel_action(SIGRTMAX, NULL, out) && sigaction(SIGRTMAX, &before, NULL) == 0;
}

static int hold_thread(pid_t tid)
{
    const struct timespec look = {0, LOOK_NS};
    int before = atomic_load(&held);
    if (syscall(SYS_tgkill, getpid(), tid, EACH_THREAD) != 0)
        return errno == ESRCH ? 0 : errno;
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&held) != before)
            return atomic_load(&refused) ? EPERM : 0;
        (void)nanosleep(&look, NULL);
    }
    return ETIMEDOUT;
}

static bool is_known(const pid_t *known, size_t n, pid_t tid)
{
    for (size_t i = 0; i < n; i++)
        if (known[i] == tid)
            return true;
    return false;
}

/* Those that are not known yet; *n grows by how many there were. */
static int hold_new(pid_t *known, size_t *n)
{
    int error = 0;
    DIR *d = opendir("/proc/self/task");
    if (!d)
        return errno;
    for (struct dirent *e; error == 0 && (e = readdir(d));) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        if (tid <= 0 || is_known(known, *n, tid))
            continue;
        error = *n == THREADS ? E2BIG : hold_thread(tid);
        if (error == 0)
            known[(*n)++] = tid;
    }
    closedir(d);
    return error;
}

/* One may have started another before it was held: until there is none that is new. */
static int hold_others(void)
{
    struct kernel_action ours, before;
    pid_t known[THREADS] = {getpid()};
    size_t n = 1, last = 0;
    int error = 0;
    if (!make_action(&ours) || !kernel_action(EACH_THREAD, &ours, &before))
        return errno;
    while (error == 0 && n > last) {
        last = n;
        error = hold_new(known, &n);
    }
    if (!kernel_action(EACH_THREAD, &before, NULL) && error == 0)
        error = errno;
    return error;
}

int landlock_enter_all(int abi, const char *const *read, const char *const *write, const char *tmp)
{
    rules = landlock_rules(abi, read, write, NULL, tmp);
    if (rules < 0)
        return errno;
    int error = hold_others();
    if (error == 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        error = errno;
    close(rules);
    return error;
}
