/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates: a process of a function version that has loaded the code and is forked whenever an
 * environment is needed, so that starting one costs a fork and not a load. What must not be shared
 * by two processes makes a template refuse (bootstrap/node_template.js); then environments start as
 * they do without it. Invariant: an environment that waits to be born is given up exactly once,
 * however its template, its process or the keeper fail it. (docs/internals/cold-start.md) */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "environment_int.h"

#define SAID_MAX 512 /* bytes of a message from a template */
#define FORK_FDS 4
#define MESSAGES_A_TURN 16
#define TEMPLATES_LOST_MAX 3 /* then a function is not forked any more */

static void on_closed(uv_handle_t *poll)
{
    struct environment *template =
        CONTAINER_OF((uv_poll_t *)poll, struct environment, control_poll);
    close(template->control);
    template->control = -1;
    template->polls--;
    lambda__env_maybe_free(template);
}

static bool listens(const struct environment *template)
{
    return template->control >= 0 && !uv_is_closing((const uv_handle_t *)&template->control_poll);
}

static void stop_reading(struct environment *template)
{
    if (listens(template))
        uv_close((uv_handle_t *)&template->control_poll, on_closed);
}

/* --- what it says ----------------------------------------------------------------------------- */

static void nobody_waits(void *arg, const struct child_exit *how)
{
    (void)arg;
    (void)how;
}

/* The process of `number` is there: its pid is the kernel's word, not its own. */
static void on_hello(struct environment *template, uint32_t number, int pid)
{
    struct function *f = template->function;
    struct keeper_link *keeper = f->lambda->o.keeper;
    struct child *stray;
    struct environment *env = f->envs[ENV_INIT].first;
    while (env && (env->birth != number || env->child))
        env = env->next;
    if (!env) { /* it was given up meanwhile */
        const struct child_cage limits = lambda__cage_limits(f);
        if (child_adopt(keeper, pid, &limits, NULL, nobody_waits, NULL, &stray) == ERR_OK)
            child_kill(stray, SIGKILL);
        return;
    }
    enum err err = lambda__adopt(env, pid);
    if (err != ERR_OK) {
        log_error("lambda", "cannot take in a fork of %.*s: %s", STR_ARG(f->spec.name),
                  err_text(err));
        lambda__env_hang_up(env);
    }
}

static void on_refusal(struct environment *template, struct str why)
{
    struct function *f = template->function;
    f->unforkable = true;
    log_info("lambda", "%.*s starts each environment from the beginning: %.*s",
             STR_ARG(f->spec.name), STR_ARG(why));
    lambda__env_kill(template);
}

static void on_said(struct environment *template, struct str said, int pid)
{
    struct str refused = STR("refused ");
    uint32_t number;
    if (said.n == sizeof number && template->ready && template->hellos < template->asked) {
        template->hellos++;
        memcpy(&number, said.p, sizeof number);
        on_hello(template, number, pid);
    } else if (str_eqz(said, "ready") && !template->ready) {
        template->ready = true;
        lambda__env_arm(template, TIMEOUT_ENV_IDLE_MS);
    } else if (str_starts(said, refused) && !template->ready) {
        on_refusal(template, str_from(said, refused.n));
    } else {
        on_refusal(template, STR("it wrote to descriptor 5"));
    }
}

/* True: there may be more. */
static bool read_one(struct environment *template)
{
    char said[SAID_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {said, sizeof said};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    struct ucred who = {0};
    ssize_t n = recvmsg(template->control, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_CREDENTIALS) { /* it has hung up; its end follows */
        stop_reading(template);
        return false;
    }
    memcpy(&who, CMSG_DATA(c), sizeof who);
    on_said(template, str_of(said, (size_t)n), who.pid);
    return template->state == ENV_TEMPLATE;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct environment *template = CONTAINER_OF(poll, struct environment, control_poll);
    (void)events;
    if (status < 0)
        stop_reading(template);
    for (int i = 0; i < MESSAGES_A_TURN && status == 0 && listens(template); i++)
        if (!read_one(template))
            break;
}

enum err lambda__template_open(struct environment *template, int fd)
{
    uv_loop_t *uv = loop_uv(template->function->lambda->o.control);
    if (uv_poll_init(uv, &template->control_poll, fd) != 0)
        return ERR_IO;
    int rc = uv_poll_start(&template->control_poll, UV_READABLE, on_poll);
    ASSERT(rc == 0);
    template->control = fd;
    template->polls++;
    return ERR_OK;
}

/* --- its life --------------------------------------------------------------------------------- */

void lambda__template_want(struct function *f)
{
    struct lambda *l = f->lambda;
    if (f->unforkable || f->retired || l->closing || f->envs[ENV_TEMPLATE].n > 0 ||
        l->o.isolation == CHILD_STRICT || /* nobody leaves its namespace of processes */
        l->templates >= l->o.templates_max || !lambda__runtime_plays(&f->runtime, RUNTIME_TEMPLATE))
        return;
    struct environment *template = lambda__env_new(f, ENV_TEMPLATE, false);
    if (!template)
        return; /* the next idle environment tries again */
    l->templates++;
    if (lambda__env_spawn(template) == ERR_OK)
        lambda__env_arm(template, TIMEOUT_INIT_MS);
    else
        f->unforkable = true;
}

void lambda__template_lost(struct environment *template)
{
    struct function *f = template->function;
    if (template->ready && ++f->templates_lost < TEMPLATES_LOST_MAX)
        return;
    f->unforkable = true;
    log_info("lambda", "%.*s starts each environment from the beginning: its template %s",
             STR_ARG(f->spec.name),
             template->ready ? "does not live" : "ended, or did not load it in time");
}

void lambda__template_rest(struct environment *template)
{
    const struct function *f = template->function;
    if (template->ready && f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n > 0) {
        lambda__env_arm(template, TIMEOUT_ENV_IDLE_MS);
        return;
    }
    if (!template->ready)
        lambda__template_lost(template);
    lambda__env_kill(template);
}

void lambda__template_over(struct environment *template)
{
    struct environment *next;
    template->function->lambda->templates--;
    stop_reading(template);
    for (struct environment *env = template->function->envs[ENV_INIT].first; env; env = next) {
        next = env->next;
        if (env->template == template && env->birth && !env->child)
            lambda__env_hang_up(env);
    }
}

struct str lambda__template_state(const struct function *f)
{
    const struct environment *template = f->envs[ENV_TEMPLATE].first;
    if (template)
        return template->ready ? STR("serving") : STR("loading");
    return f->unforkable ? STR("refused") : STR("none");
}

struct environment *lambda__template_of(struct function *f)
{
    struct environment *template = f->envs[ENV_TEMPLATE].first;
    return template && template->ready && listens(template) ? template : NULL;
}

enum err lambda__template_fork(struct environment *template, struct environment *env,
                               const int fds[FORK_FDS], struct str variables)
{
    union {
        char bytes[CMSG_SPACE(FORK_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    uint32_t number = ++template->function->births;
    template->asked++;
    struct iovec iov[] = {{&number, sizeof number}, {(void *)(uintptr_t)variables.p, variables.n}};
    struct msghdr m = {.msg_iov = iov,
                       .msg_iovlen = COUNTOF(iov),
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(FORK_FDS * sizeof(int));
    memcpy(CMSG_DATA(c), fds, FORK_FDS * sizeof(int));
    if (sendmsg(template->control, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return ERR_BUSY;
    env->birth = number;
    env->template = template;
    template->forks++;
    lambda__env_arm(template, TIMEOUT_ENV_IDLE_MS);
    return ERR_OK;
}
