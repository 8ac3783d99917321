/* SPDX-License-Identifier: Apache-2.0
 *
 * Invocations: the queue of each function, who gets which environment, and what the caller is told.
 * An invocation is at every moment in a queue, in an environment, or on its way back; `done` is
 * posted in one place, lambda__invocation_end. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypt.h"
#include "environment_int.h"

#define SAMPLE_EVERY_MS 1000
#define TRACE_MAX 1024 /* bytes of X-Amzn-Trace-Id */

static const char *const outcome_names[] = {
    [LAMBDA_OK] = "OK",
    [LAMBDA_FUNCTION_ERROR] = "FUNCTION_ERROR",
    [LAMBDA_TIMEOUT] = "TIMEOUT",
    [LAMBDA_THROTTLED] = "THROTTLED",
    [LAMBDA_DEADLINE] = "DEADLINE",
    [LAMBDA_UNAVAILABLE] = "UNAVAILABLE",
};

const char *lambda_outcome_name(enum lambda_outcome o)
{
    return (size_t)o < COUNTOF(outcome_names) ? outcome_names[o] : "UNKNOWN";
}

void lambda_invocation_fini(struct lambda_invocation *i)
{
    buf_fini(&i->payload);
    buf_fini(&i->answer);
    buf_fini(&i->log);
}

static void deliver(struct post *p)
{
    struct lambda_invocation *i = CONTAINER_OF(p, struct lambda_invocation, post);
    i->done(i);
}

void lambda__invocation_end(struct lambda_invocation *i, enum lambda_outcome outcome)
{
    i->outcome = outcome;
    i->environment = NULL;
    i->next = NULL;
    i->post.fn = deliver;
    run_post(i->reply, &i->post);
}

/* --- the queue ------------------------------------------------------------------------------- */

struct lambda_invocation *lambda__queue_take(struct function *f)
{
    struct lambda_invocation *i = f->queue;
    if (!i)
        return NULL;
    f->queue = i->next;
    if (!f->queue)
        f->queue_last = NULL;
    i->next = NULL;
    f->queued--;
    f->family->queued--;
    f->lambda->census.queued--;
    return i;
}

void lambda__queue_end(struct function *f, enum lambda_outcome outcome)
{
    timer_stop(&f->queue_timer);
    for (struct lambda_invocation *i; (i = lambda__queue_take(f));)
        lambda__invocation_end(i, outcome);
}

/* Lambda's own 429 body (recorded from AWS). */
static void throttle(struct lambda_invocation *i)
{
    struct function *f = i->runs;
    const char *reason = lambda__is_reserved_away(f)
                             ? "ReservedFunctionConcurrentInvocationLimitExceeded"
                             : "ConcurrentInvocationLimitExceeded";
    f->throttled++;
    f->family->throttled++;
    metric_add(&f->lambda->metrics, METRIC_LAMBDA_THROTTLES, 1);
    buf_fini(&i->answer);
    i->answer = BUF_INIT(KIB(1));
    buf_addf(&i->answer, "{\"Reason\":\"%s\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}",
             reason);
    lambda__invocation_end(i, LAMBDA_THROTTLED);
}

static void queue_add(struct function *f, struct lambda_invocation *i);

/* Ends those whose callers have stopped waiting, and those that may wait no longer. */
static void queue_expire(struct timer *t)
{
    struct function *f = CONTAINER_OF(t, struct function, queue_timer);
    int64_t now = loop_now_ms(f->lambda->o.control);
    size_t n = f->queued;
    for (struct lambda_invocation *i; n > 0 && (i = lambda__queue_take(f)); n--) {
        if (i->deadline_ms && i->deadline_ms <= now)
            lambda__invocation_end(i, LAMBDA_DEADLINE);
        else if (i->give_up_ms && i->give_up_ms <= now)
            throttle(i);
        else
            queue_add(f, i);
    }
}

/* One timer a queue, for the earliest deadline in it. */
static void queue_watch(struct function *f, int64_t deadline_ms)
{
    struct loop *control = f->lambda->o.control;
    struct timer *t = &f->queue_timer;
    if (deadline_ms == 0 || (t->loop && t->due_ms <= deadline_ms))
        return;
    int64_t left = deadline_ms - loop_now_ms(control);
    timer_stop(t);
    timer_start(control, t, left > 0 ? left : 0, queue_expire);
}

static void queue_add(struct function *f, struct lambda_invocation *i)
{
    i->next = NULL;
    *(f->queue_last ? &f->queue_last->next : &f->queue) = i;
    f->queue_last = i;
    f->queued++;
    f->family->queued++;
    f->lambda->census.queued++;
    queue_watch(f, i->deadline_ms);
    queue_watch(f, i->give_up_ms);
}

static size_t alive(const struct function *f)
{
    return f->envs[ENV_INIT].n + f->envs[ENV_IDLE].n + f->envs[ENV_BUSY].n;
}

/* Provisioned ones first, so that what is paid for anyway is used; among them the latest used. */
static struct environment *pick_idle(const struct function *f)
{
    struct environment *first = f->envs[ENV_IDLE].first;
    for (struct environment *env = f->provision.wanted ? first : NULL; env; env = env->next)
        if (env->provisioned)
            return env;
    return first;
}

/* Those that start on demand. A provisioned one may take minutes: nobody waits for it. */
static size_t coming(const struct function *f)
{
    return f->envs[ENV_INIT].n - f->provision.starting;
}

void lambda__queue_serve(struct function *f)
{
    while (f->queue && f->envs[ENV_IDLE].n > 0)
        lambda__run_begin(pick_idle(f), lambda__queue_take(f));
    /* One that starts is spoken for by one waiter, who may yet be served by another before. */
    while (f->queued > coming(f) && lambda__make_room(f)) {
        if (lambda__env_start(f, NULL) == ERR_OK)
            continue;
        if (alive(f) > 0)
            break; /* those will serve the queue in time */
        lambda__invocation_end(lambda__queue_take(f), LAMBDA_UNAVAILABLE);
    }
    if (!f->queue)
        timer_stop(&f->queue_timer);
}

/* --- a call ---------------------------------------------------------------------------------- */

static bool refuse_too_large(struct lambda_invocation *i)
{
    if (i->payload.n <= LIMIT_INVOKE_PAYLOAD)
        return false;
    i->answer = BUF_INIT(KIB(1));
    AUTO_BUF text = BUF_INIT(KIB(1));
    buf_addf(&text, "Request must be smaller than %d bytes for the InvokeFunction operation",
             LIMIT_INVOKE_PAYLOAD);
    lambda__payload_error(&i->answer, "RequestEntityTooLarge", buf_str(&text));
    lambda__invocation_end(i, LAMBDA_FUNCTION_ERROR);
    return true;
}

/* Those that have answered and not yet asked for more: whoever calls now may be quicker than that.
 */
static size_t returning(const struct function *f)
{
    size_t n = 0;
    for (const struct environment *env = f->envs[ENV_BUSY].first; env; env = env->next)
        n += !env->running;
    return n;
}

/* Whether it has to wait for others to end. For how long it may is settled here. */
static bool may_wait(const struct lambda *l, struct lambda_invocation *i, bool reserved_away)
{
    int64_t ms = l->o.queue_ms;
    if (!i->queue || ms < 0 || i->runs->queued >= LIMIT_INVOKE_QUEUE)
        return false;
    if (reserved_away && (ms == 0 || i->runs->family->reserved == 0))
        return false;
    i->give_up_ms = ms ? loop_now_ms(l->o.control) + ms : 0;
    return true;
}

static void arrived(struct lambda_invocation *i)
{
    struct function *f = lambda__alias_pick(i->function);
    struct lambda *l = f->lambda;
    i->runs = f;
    f->invocations++;
    lambda__forecast_arrival(f);
    if (l->closing || f->retired || i->payload.err != ERR_OK) {
        lambda__invocation_end(i, LAMBDA_UNAVAILABLE);
        return;
    }
    if (i->deadline_ms && i->deadline_ms <= loop_now_ms(l->o.control)) {
        lambda__invocation_end(i, LAMBDA_DEADLINE);
        return;
    }
    if (refuse_too_large(i))
        return;
    bool idle = f->envs[ENV_IDLE].n > 0, away = lambda__is_reserved_away(f);
    size_t soon = coming(f) + lambda__startable(f);
    bool none = !idle && soon <= f->queued && soon + returning(f) <= f->queued;
    if ((none || away) && !may_wait(l, i, away)) {
        throttle(i);
        return;
    }
    if (idle && !away && !f->queue) {
        lambda__run_begin(pick_idle(f), i);
        return;
    }
    queue_add(f, i);
    lambda__queue_serve(f);
}

static void on_arrival(struct post *p)
{
    arrived(CONTAINER_OF(p, struct lambda_invocation, post));
}

void lambda_invoke(struct lambda *l, struct lambda_invocation *i)
{
    ASSERT(i->function && i->reply && i->done);
    crypt_uuid(i->request_id);
    i->answer = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    i->log = BUF_INIT(LIMIT_LOG_BYTES);
    i->outcome = LAMBDA_UNAVAILABLE;
    i->executed[0] = '\0';
    i->runs = NULL;
    i->give_up_ms = 0;
    i->cold = false;
    i->init_us = i->duration_us = 0;
    i->environment = NULL;
    if (loop_is_current(l->o.control)) {
        arrived(i);
        return;
    }
    i->post.fn = on_arrival;
    run_post(l->o.control, &i->post);
}

/* --- in an environment ----------------------------------------------------------------------- */

/* `value` for a header, or nothing: what a header cannot hold comes from whoever called. */
static void take_field(struct buf *b, struct str value, size_t max)
{
    buf_reset(b);
    if (value.n <= max && http_is_field_value(value))
        buf_add(b, value);
}

static void take_event(struct environment *env, struct lambda_invocation *i)
{
    buf_fini(&env->event);
    env->event = i->payload;
    i->payload = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    take_field(&env->trace, i->trace_header, TRACE_MAX);
    take_field(&env->client_context, i->client_context, LIMIT_CLIENT_CONTEXT);
    buf_reset(&env->arn);
    buf_add(&env->arn, i->function->spec.arn);
    memcpy(env->request_id, i->request_id, sizeof env->request_id);
}

int64_t lambda__run_left(const struct environment *env)
{
    const struct lambda_invocation *i = env->invocation;
    int64_t until = env->due_ms;
    if (i && i->deadline_ms && i->deadline_ms < until)
        until = i->deadline_ms;
    int64_t left = until - loop_now_ms(env->function->lambda->o.control);
    return left > 0 ? left : 1;
}

static void count_run(const struct environment *env, int by)
{
    struct function *f = env->function;
    *(env->provisioned ? &f->provision.running : &f->family->running) += (size_t)by;
    if (by < 0)
        return;
    metric_add(&f->lambda->metrics, METRIC_LAMBDA_INVOCATIONS, 1);
    if (env->provisioned) {
        f->provision.runs++;
        metric_add(&f->lambda->metrics, METRIC_LAMBDA_PROVISIONED, 1);
    } else if (f->provision.wanted > 0) {
        f->provision.spilled++;
        metric_add(&f->lambda->metrics, METRIC_LAMBDA_SPILLOVER, 1);
    }
}

static void count_end(struct environment *env, enum lambda_outcome outcome, int64_t duration_us)
{
    struct metrics *m = &env->function->lambda->metrics;
    count_run(env, -1);
    metric_add(m, METRIC_LAMBDA_DURATION_US, (uint64_t)(duration_us > 0 ? duration_us : 0));
    if (env->cold)
        metric_add(m, METRIC_LAMBDA_COLD_STARTS, 1);
    if (outcome == LAMBDA_OK)
        return;
    env->function->errors++;
    metric_add(m, METRIC_LAMBDA_ERRORS, 1);
    if (outcome == LAMBDA_TIMEOUT)
        metric_add(m, METRIC_LAMBDA_TIMEOUTS, 1);
}

void lambda__run_begin(struct environment *env, struct lambda_invocation *i)
{
    struct function *f = env->function;
    struct lambda *l = f->lambda;
    take_event(env, i);
    snprintf(i->executed, sizeof i->executed, "%.*s", STR_ARG(f->spec.version));
    i->environment = env;
    env->invocation = i;
    env->running = true;
    count_run(env, 1);
    env->run = ++l->runs;
    env->run_us = lambda__now_us(l);
    env->due_ms = loop_now_ms(l->o.control) + f->spec.timeout_ms;
    lambda__env_arm(env, lambda__run_left(env));
    if (env->ready) {
        /* Started on demand: then it is idle for the first time just now, with somebody waiting. */
        env->cold = !env->used && !env->warmed;
        lambda__env_move(env, ENV_BUSY);
        lambda__api_send_event(env);
    } else {
        env->cold = env->init_inside = true;
    }
    lambda__say_start(env);
}

/* In strict the keeper's child is process 1 of a namespace, and the function its first child. */
static int function_pid(const struct environment *env)
{
    char path[64], text[32];
    int pid = child_pid(env->child);
    uint64_t first;
    if (env->function->lambda->o.isolation != CHILD_STRICT || pid == 0)
        return pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct str rest;
    return str_u64(str_cut(str_of(text, n > 0 ? (size_t)n : 0), ' ', &rest), &first) ? (int)first
                                                                                     : pid;
}

/* The peak of its memory, as the kernel has it; looked up rarely, because that costs more than a
 * short invocation. */
static void sample_memory(struct environment *env)
{
    char path[40], text[4096];
    int64_t now = loop_now_ms(env->function->lambda->o.control);
    int pid = env->child ? function_pid(env) : 0;
    if (pid == 0 || (env->used_mb && now < env->sampled_ms + SAMPLE_EVERY_MS))
        return;
    env->sampled_ms = now;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *peak = strstr(text, "\nVmHWM:");
    unsigned long mb = peak ? strtoul(peak + 7, NULL, 10) / 1024 : 0;
    if (mb > env->used_mb)
        env->used_mb = (unsigned)mb;
}

/* The caller has its answer before anything is read or written for the log, unless it asked for
 * that. */
static void answer(struct environment *env, enum lambda_outcome outcome, struct buf *payload,
                   int64_t duration_us)
{
    struct lambda_invocation *i = env->invocation;
    env->invocation = NULL;
    if (!i) {
        buf_fini(payload);
        return;
    }
    buf_fini(&i->answer);
    i->answer = *payload;
    *payload = BUF_INIT(0);
    if (i->answer.err != ERR_OK)
        outcome = LAMBDA_UNAVAILABLE;
    i->cold = env->cold;
    i->init_us = env->cold ? env->init_us : 0;
    i->duration_us = duration_us;
    i->outcome = outcome;
    lambda__recall_add(env->function->lambda, env, i);
    lambda__invocation_end(i, outcome);
}

void lambda__run_end(struct environment *env, enum lambda_outcome outcome, struct buf *payload,
                     const char *status, const char *error_type)
{
    struct lambda *l = env->function->lambda;
    int64_t duration_us = lambda__now_us(l) - env->run_us;
    ASSERT(env->running);
    env->running = false;
    lambda__forecast_ran(env->function, duration_us);
    count_end(env, outcome, duration_us);
    size_t produced = payload->n;
    bool late = env->invocation && env->invocation->log_tail;
    if (!late)
        answer(env, outcome, payload, duration_us);
    lambda__sources_drain(env, true);
    lambda__log_say_dropped(env);
    sample_memory(env);
    if (outcome == LAMBDA_TIMEOUT)
        lambda__say_timeout(env);
    lambda__say_end(env, duration_us, produced, status, error_type);
    if (late) {
        lambda__log_tail(env->function->log, env->run, &env->invocation->log);
        answer(env, outcome, payload, duration_us);
    }
    env->used = true;
}

void lambda__run_abandon(struct environment *env)
{
    struct buf nothing = BUF_INIT(0);
    answer(env, LAMBDA_DEADLINE, &nothing, lambda__now_us(env->function->lambda) - env->run_us);
}
