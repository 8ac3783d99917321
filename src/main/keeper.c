/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's life: one poll loop over signals and the wire to the gateway. It believes nothing
 * that the gateway says without checking it, and never blocks. */
#include "main/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "main/keeper_int.h"

#define SWEEP_AGAIN_MS 10
#define PACKETS_PER_TURN 64

int64_t keeper__now(void)
{
    return clock_mono_us(&clock_system) / 1000;
}

void keeper__link_drop(struct keeper *k)
{
    if (k->link >= 0)
        close(k->link);
    k->link = -1;
    k->blocked = false;
}

/* A gateway that breaks the rules of the wire is broken or taken over: it is not argued with. */
void keeper__gateway_kill(struct keeper *k, const char *why)
{
    log_error("keeper", "killing the gateway (pid %d): %s", (int)k->gateway, why);
    kill(k->gateway, SIGKILL);
    keeper__link_drop(k);
}

/* Never returns. */
static void gateway_main(struct keeper *k, int fd)
{
    sigset_t none;
    if (k->o->user && !privilege_become(k->o->user)) {
        keeper__complain("user %s: cannot become that user: %s", k->o->user->name, strerror(errno));
        _exit(1);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != k->self)
        _exit(1);
    close(k->signals);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches us too; the keeper turns it into SIGTERM */
    signal(SIGHUP, SIG_IGN); /* until it can reload, it need not */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    exit(k->o->gateway(k->o->arg, fd));
}

static void restart_later(struct keeper *k, int64_t after_ms)
{
    k->restart_at = keeper__now() + after_ms;
}

static void gateway_start(struct keeper *k)
{
    int pair[2];
    k->restart_at = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        log_error("keeper", "cannot make a socket pair: %s", strerror(errno));
        restart_later(k, KEEPER_BACKOFF_MAX_MS);
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        gateway_main(k, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        log_error("keeper", "cannot fork the gateway: %s", strerror(errno));
        restart_later(k, KEEPER_BACKOFF_MAX_MS);
        return;
    }
    k->link = pair[0];
    k->gateway = pid;
}

void keeper__stop(struct keeper *k)
{
    if (k->stopping)
        return;
    k->stopping = true;
    k->restart_at = 0;
    if (k->gateway == 0) {
        k->done = true;
        return;
    }
    kill(k->gateway, SIGTERM);
    k->kill_at = keeper__now() + TIMEOUT_KEEPER_STOP_MS;
}

int64_t keeper__restart_delay(struct keeper *k, int64_t now)
{
    int64_t delay = KEEPER_BACKOFF_MIN_MS;
    unsigned recent = 0;
    k->deaths[k->death++ % LIMIT_KEEPER_RESTARTS] = now;
    for (unsigned i = 0; i < LIMIT_KEEPER_RESTARTS; i++)
        recent += k->deaths[i] != 0 && now - k->deaths[i] < KEEPER_RESTART_WINDOW_MS;
    if (recent == LIMIT_KEEPER_RESTARTS)
        return -1;
    for (unsigned i = 2; i < recent && delay < KEEPER_BACKOFF_MAX_MS; i++)
        delay *= 2;
    return recent == 1 ? 0 : delay < KEEPER_BACKOFF_MAX_MS ? delay : KEEPER_BACKOFF_MAX_MS;
}

static void children_abandon(struct keeper *k)
{
    for (unsigned i = 0; i < k->slots; i++) {
        struct keeper_child *c = &k->children[i];
        c->mute = true;
        if (c->pid > 0)
            keeper__doom(k, c);
        else
            c->id = 0;
    }
}

static void gateway_died(struct keeper *k, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    pid_t pid = k->gateway;
    k->gateway = 0;
    k->kill_at = 0;
    keeper__link_drop(k);
    children_abandon(k);
    if (k->stopping) {
        k->done = true;
        return;
    }
    if (code == 0 || (code > 0 && !k->was_ready)) {
        k->code = code;
        k->done = true;
        return;
    }
    const char *how = code < 0 ? strsignal(WTERMSIG(status)) : "exit";
    int64_t delay = keeper__restart_delay(k, keeper__now());
    if (delay < 0) {
        keeper__complain("the gateway died %d times within a minute (last: %s, %d); giving up. The "
                         "lines above say why; `ropeline check` judges the configuration",
                         LIMIT_KEEPER_RESTARTS, how, code < 0 ? WTERMSIG(status) : code);
        k->code = 1;
        k->done = true;
        return;
    }
    log_error("keeper", "the gateway (pid %d) died (%s, %d); starting it again in %d ms", (int)pid,
              how, code < 0 ? WTERMSIG(status) : code, (int)delay);
    restart_later(k, delay);
}

static enum err start_error(int os_error)
{
    switch (os_error) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOTFOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ENOMEM:
        return ERR_NOMEM;
    case E2BIG:
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    case ENOEXEC:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

static void child_died(struct keeper *k, struct keeper_child *c, int status, int64_t rss_kb)
{
    struct keeper_ended *e = &c->ended;
    const struct keeper_told *told = &k->told[c - k->children];
    c->pid = 0;
    c->say_ended = true;
    if (c->mute) {
        c->id = 0;
        return;
    }
    if (told->error != 0) {
        e->os_error = told->error;
        e->step = told->step;
        e->err = (int32_t)start_error(told->error);
        return;
    }
    if (told->ended) {
        status = told->status;
        rss_kb = told->rss_kb;
    }
    e->out_of_memory =
        c->too_heavy || (c->grouped && keeper__cgroup_ran_out(&k->cage.cgroup, c->serial));
    if (e->out_of_memory && rss_kb < (int64_t)(c->memory / 1024))
        rss_kb = (int64_t)(c->memory / 1024);
    e->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    e->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    e->rss_kb = rss_kb;
}

/* The dead are looked at before they are buried: while a leader lies there, its pid and thus its
 * group cannot be anybody else's. */
static void reap(struct keeper *k)
{
    for (;;) {
        siginfo_t info = {0};
        struct rusage used;
        int status;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        struct keeper_child *c = keeper__child_by_pid(k, info.si_pid);
        if (c)
            keeper__doom(k, c);
        if (wait4(info.si_pid, &status, 0, &used) != info.si_pid)
            return;
        if (c)
            child_died(k, c, status, used.ru_maxrss);
        else if (info.si_pid == k->gateway)
            gateway_died(k, status);
        else
            k->sweep_at = keeper__now(); /* its children may have become ours */
    }
}

static void on_signal(struct keeper *k, int signal)
{
    switch (signal) {
    case SIGINT:
        if (k->stopping) { /* the second one: at once */
            k->done = true;
            return;
        }
        keeper__stop(k);
        return;
    case SIGTERM:
        keeper__stop(k);
        return;
    case SIGHUP:
        if (k->gateway > 0)
            kill(k->gateway, SIGHUP);
        return;
    default: /* SIGCHLD is only a nudge */
        return;
    }
}

static void on_signals(struct keeper *k)
{
    struct signalfd_siginfo s;
    while (read(k->signals, &s, sizeof s) == sizeof s)
        on_signal(k, (int)s.ssi_signo);
    reap(k);
}

/* Takes a deadline that has come. */
static bool is_due(int64_t *at)
{
    if (*at == 0 || keeper__now() < *at)
        return false;
    *at = 0;
    return true;
}

static void on_time(struct keeper *k)
{
    if (is_due(&k->kill_at) && k->gateway > 0)
        keeper__gateway_kill(k, k->stopping ? "it did not stop in time"
                                            : "it left the wire but did not end");
    if (is_due(&k->sweep_at) && keeper__sweep(k) > 0)
        k->sweep_at = keeper__now() + SWEEP_AGAIN_MS; /* one may have forked meanwhile */
    if (is_due(&k->move_at))
        keeper__move_adopted(k);
    if (is_due(&k->weigh_at) && keeper__weigh(k))
        k->weigh_at = keeper__now() + WEIGH_EVERY_MS;
    if (is_due(&k->restart_at))
        gateway_start(k);
}

/* Milliseconds to the next deadline, -1 for none. */
static int patience(const struct keeper *k)
{
    const int64_t at[] = {k->kill_at, k->sweep_at, k->move_at, k->weigh_at, k->restart_at};
    int64_t next = INT64_MAX, now = keeper__now();
    for (size_t i = 0; i < COUNTOF(at); i++) {
        if (at[i] != 0 && at[i] < next)
            next = at[i];
    }
    return next == INT64_MAX ? -1 : next > now ? (int)(next - now) : 0;
}

static void turn(struct keeper *k)
{
    struct pollfd p[2] = {{k->signals, POLLIN, 0},
                          {k->link, (short)(k->blocked ? POLLOUT : POLLIN), 0}};
    if (poll(p, 2, patience(k)) < 0 && errno != EINTR)
        abort(); /* the arguments are our own */
    if (p[0].revents)
        on_signals(k);
    if (k->link >= 0)
        keeper__tell_all(k);
    for (int i = 0; i < PACKETS_PER_TURN && k->link >= 0 && !k->blocked && !k->done; i++) {
        if (!keeper__hear(k))
            break;
    }
    on_time(k);
}

/* Kills and buries all there is, whatever its state. */
static void bury_all(struct keeper *k)
{
    int64_t until = keeper__now() + TIMEOUT_KEEPER_SWEEP_MS;
    k->stopping = true;
    if (k->gateway > 0)
        kill(k->gateway, SIGKILL);
    children_abandon(k);
    do {
        unsigned killed = keeper__sweep(k);
        reap(k);
        bool any = killed > 0 || k->gateway > 0;
        for (unsigned i = 0; i < k->slots && !any; i++)
            any = k->children[i].pid > 0;
        if (!any)
            break;
        poll(NULL, 0, SWEEP_AGAIN_MS);
    } while (keeper__now() < until);
}

static bool keeper_open(struct keeper *k)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* were it ignored, nobody could be waited for */
    sigprocmask(SIG_BLOCK, &ours, NULL);
    k->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (k->signals < 0 || !keeper__spawn_open(k) || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ||
        prctl(PR_SET_DUMPABLE, 0) != 0) {
        keeper__complain("cannot start: %s", strerror(errno));
        return false;
    }
    if (!keeper__listen(k))
        return false;
    keeper__cage_open(&k->cage, &k->o->cage, k->o->user, k->self);
    if (!keeper__cage_suffices(k))
        return false;
    k->o->facts = k->cage.facts;
    if (!k->o->quiet)
        keeper__cage_say(&k->cage);
    return !k->o->opened || k->o->opened(k->o->arg);
}

int keeper_run(struct keeper_options *o)
{
    struct keeper *k = mem_alloc(sizeof *k);
    if (!k) {
        keeper__complain("out of memory");
        return 1;
    }
    k->o = o;
    k->link = k->signals = -1;
    k->code = 1;
    if (keeper_open(k)) {
        k->code = 0;
        gateway_start(k);
        while (!k->done)
            turn(k);
        bury_all(k);
    }
    keeper__cage_close(&k->cage);
    int code = k->code;
    keeper__link_drop(k);
    keeper__unlisten(k);
    if (k->signals >= 0)
        close(k->signals);
    keeper__spawn_close(k);
    mem_free(k);
    return code;
}
