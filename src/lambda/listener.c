/* SPDX-License-Identifier: Apache-2.0
 *
 * A listener for the Runtime API of one environment, for clients that a function brings along. Any
 * process of the machine can connect to it; only those of the environment are heard. Who a
 * connection belongs to is found out in LANE_IO before a byte of it is read. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "lambda_int.h"

#define BACKLOG 64
#define CONNECTIONS_MAX 16 /* of one environment */
#define CHECKS_MAX 16      /* at once; whoever comes then waits in the kernel's queue */
#define AGAIN_MS 2         /* until the keeper has said which process it is */

struct api_listener {
    struct environment *env;
    uv_poll_t poll;
    struct timer again;
    int fd;
    unsigned checks; /* connections that are being looked into */
    bool full;       /* as many as may be: none is accepted meanwhile */
    bool closing;    /* takes no more ... */
    bool closed;     /* ... and its handle is gone: it goes with the last check */
    bool told;       /* that a stranger was turned away */
    struct sockaddr_in at;
    char address[sizeof "255.255.255.255:65535"];
};

struct api_check {
    struct work work;
    struct api_listener *listener;
    int fd;
    struct sockaddr_in peer;
    pid_t child;
    bool caged;
    enum err verdict;
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* --- its end --------------------------------------------------------------------------------- */

static void maybe_free(struct api_listener *l)
{
    struct environment *env = l->env;
    if (!l->closed || l->checks > 0)
        return;
    env->listener = NULL;
    mem_free(l);
    lambda__api_check(env);
}

static void on_closed(uv_handle_t *handle)
{
    struct api_listener *l = CONTAINER_OF((uv_poll_t *)handle, struct api_listener, poll);
    close(l->fd); /* not before: its number could be another's by then */
    l->closed = true;
    maybe_free(l);
}

void lambda__listener_close(struct environment *env)
{
    struct api_listener *l = env->listener;
    if (!l || l->closing)
        return;
    l->closing = true;
    timer_stop(&l->again);
    uv_close((uv_handle_t *)&l->poll, on_closed);
}

/* --- connections ----------------------------------------------------------------------------- */

static void watch(struct api_listener *l)
{
    int rc = uv_poll_start(&l->poll, UV_READABLE, on_poll);
    ASSERT(rc == 0);
}

/* Whoever has gone meanwhile cannot be looked up, and is no stranger for it. */
static void check_work(struct work *w)
{
    struct api_check *c = CONTAINER_OF(w, struct api_check, work);
    struct pollfd gone = {.fd = c->fd, .events = POLLRDHUP};
    c->verdict = lambda__peer_check(&c->peer, &c->listener->at, c->child, c->caged);
    if (c->verdict != ERR_OK && poll(&gone, 1, 0) > 0)
        c->verdict = ERR_CLOSED;
}

static void refuse(struct api_listener *l, const char *why)
{
    if (!l->told)
        log_warn("lambda", "%.*s: a connection to its Runtime API was closed: %s",
                 STR_ARG(l->env->function->spec.name), why);
    l->told = true;
}

static void check_done(struct work *w)
{
    struct api_check *c = CONTAINER_OF(w, struct api_check, work);
    struct api_listener *l = c->listener;
    bool kept = false;
    l->checks--;
    bool alive = !l->closing && l->env->state != ENV_DEAD;
    if (c->verdict == ERR_DENIED && alive)
        refuse(l, "it is of a process that is not its own");
    else if (c->verdict == ERR_OK && alive)
        kept = lambda__conn_open(l->env, c->fd) == ERR_OK;
    if (!kept)
        close(c->fd);
    mem_free(c);
    if (l->full && !l->closing) {
        l->full = false;
        watch(l);
    }
    maybe_free(l);
}

static bool check_start(struct api_listener *l, int fd, const struct sockaddr_in *peer)
{
    struct loop *control = l->env->function->lambda->o.control;
    struct api_check *c = mem_alloc(sizeof *c);
    if (!c)
        return false;
    *c = (struct api_check){.work = {.work = check_work, .done = check_done, .reply = control},
                            .listener = l,
                            .fd = fd,
                            .peer = *peer,
                            .child = child_pid(l->env->child),
                            .caged = l->env->function->lambda->o.isolation != CHILD_NONE,
                            .verdict = ERR_DENIED};
    if (run_work(control, LANE_IO, &c->work) != ERR_OK) {
        mem_free(c);
        return false;
    }
    l->checks++;
    return true;
}

static void on_again(struct timer *t)
{
    watch(CONTAINER_OF(t, struct api_listener, again));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct api_listener *l = CONTAINER_OF(poll, struct api_listener, poll);
    struct environment *env = l->env;
    struct sockaddr_in peer = {0};
    socklen_t n = sizeof peer;
    (void)status;
    (void)events;
    if (!env->child || child_pid(env->child) == 0) { /* it is known in a moment */
        uv_poll_stop(poll);
        timer_start(env->function->lambda->o.control, &l->again, AGAIN_MS, on_again);
        return;
    }
    int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (env->conn_count + l->checks >= CONNECTIONS_MAX) {
        refuse(l, "it has too many");
        close(fd);
    } else if (!check_start(l, fd, &peer)) {
        close(fd);
    }
    l->full = l->checks >= CHECKS_MAX;
    if (l->full)
        uv_poll_stop(poll);
}

/* --- its beginning --------------------------------------------------------------------------- */

/* An address that no other environment of this run has: a neighbour that guesses a port guesses the
 * address, too. 127.0.x.y is left to others. */
static void choose_address(const struct lambda *l, struct sockaddr_in *at)
{
    uint32_t n = (uint32_t)(l->started % 0xfefffe) + 1;
    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(0x7f010000 + n);
}

enum err lambda__listener_open(struct environment *env)
{
    struct lambda *lambda = env->function->lambda;
    socklen_t n = sizeof(struct sockaddr_in);
    struct api_listener *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->env = env;
    choose_address(lambda, &l->at);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = l->fd >= 0 && bind(l->fd, (struct sockaddr *)&l->at, n) == 0 &&
                   listen(l->fd, BACKLOG) == 0 &&
                   getsockname(l->fd, (struct sockaddr *)&l->at, &n) == 0 &&
                   uv_poll_init(loop_uv(lambda->o.control), &l->poll, l->fd) == 0;
    if (!listens) {
        log_error("lambda", "no address for a Runtime API: %s", strerror(errno));
        if (l->fd >= 0)
            close(l->fd);
        mem_free(l);
        return ERR_IO;
    }
    const unsigned char *ip = (const unsigned char *)&l->at.sin_addr.s_addr;
    snprintf(l->address, sizeof l->address, "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3],
             ntohs(l->at.sin_port));
    env->listener = l;
    watch(l);
    return ERR_OK;
}

struct str lambda__listener_address(const struct environment *env)
{
    return env->listener ? str_c(env->listener->address) : STR("");
}
