/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of an environment: INIT, then IDLE and BUSY in turn, then DEAD. Whatever happens to its
 * process or its connection, an invocation that it holds is ended exactly once, and only
 * lambda__env_move changes its state. */
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "environment_int.h"

static void on_timer(struct timer *t);

void lambda__env_arm(struct environment *env, int64_t after_ms)
{
    timer_stop(&env->timer);
    timer_start(env->function->lambda->o.control, &env->timer, after_ms, on_timer);
}

/* Only what is idle stands still. The event that it goes on for may be on its way before it does:
 * it reads it then. */
static void set_frozen(struct environment *env, bool frozen)
{
    if (env->frozen == frozen || !env->child)
        return;
    env->frozen = frozen;
    child_freeze(env->child, frozen);
}

void lambda__env_move(struct environment *env, enum env_state to)
{
    struct function *f = env->function;
    struct env_list *from = &f->envs[env->state], *list = &f->envs[to];
    lambda__count(env, -1);
    *(env->prev ? &env->prev->next : &from->first) = env->next;
    *(env->next ? &env->next->prev : &from->last) = env->prev;
    from->n--;
    env->state = to;
    env->prev = NULL;
    env->next = list->first;
    *(list->first ? &list->first->prev : &list->last) = env;
    list->first = env;
    list->n++;
    lambda__count(env, 1);
    if (to != ENV_IDLE)
        set_frozen(env, false);
    if ((to == ENV_IDLE || to == ENV_DEAD) && f->lambda->census.queued > f->queued)
        lambda__serve_all(f->lambda);
    if (to == ENV_DEAD && env->provisioned)
        lambda__provision_gone(env);
}

/* --- the end --------------------------------------------------------------------------------- */

static void empty_start(struct environment *env);

static void env_free(struct environment *env)
{
    struct function *f = env->function;
    struct lambda *l = f->lambda;
    struct env_list *list = &f->envs[ENV_DEAD];
    *(env->prev ? &env->prev->next : &list->first) = env->next;
    *(env->next ? &env->next->prev : &list->last) = env->prev;
    list->n--;
    timer_stop(&env->timer);
    if (env->template && --env->template->forks == 0 && env->template->ended)
        empty_start(env->template);
    buf_fini(&env->event);
    buf_fini(&env->trace);
    buf_fini(&env->arn);
    buf_fini(&env->client_context);
    log_stream_close(env->log_stream);
    mem_free(env);
    f->environments--;
    l->environments--;
    lambda__function_maybe_free(f);
    lambda__ahead_soon(l);
    lambda__maybe_closed(l);
}

void lambda__env_maybe_free(struct environment *env)
{
    if (env->ended && env->emptied && env->exchanges == 0 && env->polls == 0)
        env_free(env);
}

static void empty_work(struct work *w)
{
    struct environment *env = CONTAINER_OF(w, struct environment, cleaning);
    enum err err = lambda__tree_remove(env->function->lambda->tmp_dir, env->name);
    if (err != ERR_OK)
        log_warn("lambda", "cannot remove tmp/%s: %s", env->name, err_text(err));
}

static void emptied(struct environment *env)
{
    env->emptied = true;
    lambda__env_maybe_free(env);
}

static void empty_done(struct work *w)
{
    emptied(CONTAINER_OF(w, struct environment, cleaning));
}

static void empty_ended(void *arg, const struct child_exit *how)
{
    struct environment *env = arg;
    lambda__uid_emptied(env->function->lambda, env->name, how);
    emptied(env);
}

static void empty_again(struct timer *t)
{
    empty_start(CONTAINER_OF(t, struct environment, timer));
}

/* Its directory goes in a lane: a function may have left a million files. */
static void empty_start(struct environment *env)
{
    struct lambda *l = env->function->lambda;
    struct loop *control = l->o.control;
    if (env->uid && lambda__uid_empty(l, env->uid, env->name, empty_ended, env) == ERR_OK)
        return;
    env->cleaning = (struct work){.work = empty_work, .done = empty_done, .reply = control};
    if (run_work(control, LANE_IO, &env->cleaning) != ERR_OK)
        timer_start(control, &env->timer, TIMEOUT_ENV_EXIT_MS, empty_again);
}

/* Asks the server to give the connection up; lambda__env_closed follows. */
void lambda__env_hang_up(struct environment *env)
{
    lambda__api_drop_next(env);
    lambda__api_hang_up(env);
}

static void release(struct environment *env)
{
    timer_stop(&env->timer);
    env->ended = true;
    lambda__sources_drain(env, true);
    lambda__sources_close(env);
    if (env->is_template)
        lambda__template_over(env);
    if (env->forks == 0) /* else its forks still have their directories there */
        empty_start(env);
}

void lambda__env_kill(struct environment *env)
{
    if (env->state != ENV_DEAD)
        lambda__env_move(env, ENV_DEAD);
    timer_stop(&env->timer);
    if (env->child)
        child_kill(env->child, SIGKILL);
    lambda__env_hang_up(env);
}

/* It has said that it will end: what it does on its way out may take a moment. */
static void env_dismiss(struct environment *env)
{
    lambda__env_move(env, ENV_DEAD);
    lambda__env_arm(env, TIMEOUT_ENV_EXIT_MS);
}

/* --- failures -------------------------------------------------------------------------------- */

/* An environment started ahead never came to GET next. The first in the queue, if any, has its init
 * done once more, inside its own invocation and on its own time, and gets the error if it fails
 * again. (Lambda developer guide, "Failures during the Init phase".) Nobody waits for one that is
 * provisioned. */
static void init_failed(const struct environment *env)
{
    struct function *f = env->function;
    struct lambda_invocation *i = env->provisioned ? NULL : lambda__queue_take(f);
    if (i && lambda__env_start(f, i) != ERR_OK)
        lambda__invocation_end(i, LAMBDA_UNAVAILABLE);
    lambda__queue_serve(f);
}

void lambda__env_init_error(struct environment *env, const char *type, struct buf *payload)
{
    bool ahead = env->state == ENV_INIT;
    lambda__sources_drain(env, true);
    lambda__say_init_report(env, ahead ? "init" : "invoke", "error", type);
    env_dismiss(env);
    if (ahead)
        init_failed(env);
    else
        lambda__run_end(env, LAMBDA_FUNCTION_ERROR, payload, "error", type);
}

static void init_timeout(struct environment *env)
{
    lambda__env_kill(env);
    lambda__sources_drain(env, true);
    lambda__say_init_report(env, "init", "timeout", NULL);
    init_failed(env);
}

static void run_timeout(struct environment *env)
{
    struct buf payload = BUF_INIT(KIB(1));
    lambda__env_kill(env);
    if (!env->ready)
        lambda__say_init_report(env, "invoke", "timeout", NULL);
    lambda__payload_timeout(&payload, env->request_id, env->function->spec.timeout_ms);
    lambda__run_end(env, LAMBDA_TIMEOUT, &payload, "timeout", NULL);
    lambda__queue_serve(env->function);
}

/* Its process ended while it had an event. */
static void run_crashed(struct environment *env)
{
    const char *type = env->how.err == ERR_OK ? "Runtime.ExitError" : "Runtime.InvalidEntrypoint";
    struct buf payload = BUF_INIT(KIB(1));
    if (!env->ready)
        lambda__say_init_report(env, "invoke", "error", type);
    lambda__say_crash(env, type);
    lambda__payload_exit(&payload, env->request_id, &env->how);
    lambda__run_end(env, LAMBDA_FUNCTION_ERROR, &payload, "error", type);
}

/* Process and connection are both gone: only now is everything known that it has said. */
static void env_gone(struct environment *env)
{
    struct function *f = env->function;
    enum env_state was = env->state;
    if (was != ENV_DEAD)
        lambda__env_move(env, ENV_DEAD);
    if (env->used_mb < env->how.rss_kb / 1024)
        env->used_mb = (unsigned)(env->how.rss_kb / 1024);
    release(env);
    if (was == ENV_BUSY && env->running)
        run_crashed(env);
    if (was == ENV_TEMPLATE)
        lambda__template_lost(env);
    if (was == ENV_INIT) {
        lambda__say_init_report(env, "init", "error",
                                env->how.err == ERR_OK ? "Runtime.ExitError"
                                                       : "Runtime.InvalidEntrypoint");
        init_failed(env);
    } else {
        lambda__queue_serve(f);
    }
    lambda__env_maybe_free(env);
}

void lambda__env_exited(void *arg, const struct child_exit *how)
{
    struct environment *env = arg;
    env->child = NULL;
    env->how = *how;
    if (env->state == ENV_IDLE)
        lambda__env_move(env, ENV_DEAD);
    if (lambda__api_connected(env)) {
        lambda__env_arm(env, TIMEOUT_ENV_EXIT_MS); /* what it wrote last may still be on its way */
        lambda__listener_close(env);
    } else {
        env_gone(env);
    }
}

void lambda__env_unready(struct environment *env)
{
    if (env->state != ENV_IDLE)
        return;
    lambda__env_move(env, ENV_BUSY);
    env->due_ms = loop_now_ms(env->function->lambda->o.control) + env->function->spec.timeout_ms;
    lambda__env_arm(env, env->function->spec.timeout_ms);
}

void lambda__env_closed(struct environment *env)
{
    if (env->ended) {
        lambda__env_maybe_free(env);
        return;
    }
    if (env->state == ENV_IDLE)
        lambda__env_move(env, ENV_DEAD);
    if (env->child)
        lambda__env_arm(env,
                        TIMEOUT_ENV_EXIT_MS); /* on its way out: its status is worth waiting for */
    else
        env_gone(env);
}

/* --- time ------------------------------------------------------------------------------------ */

/* Two may have waited long enough: the caller, who then goes, and everybody. */
static void busy_timer(struct environment *env)
{
    const struct lambda_invocation *i = env->invocation;
    int64_t now = loop_now_ms(env->function->lambda->o.control);
    if (now >= env->due_ms) {
        if (env->running) {
            run_timeout(env);
        } else { /* it answered, and then never asked for the next event */
            lambda__env_kill(env);
            lambda__queue_serve(env->function);
        }
        return;
    }
    if (i && i->deadline_ms && now >= i->deadline_ms)
        lambda__run_abandon(env);
    lambda__env_arm(env, lambda__run_left(env));
}

static void on_timer(struct timer *t)
{
    struct environment *env = CONTAINER_OF(t, struct environment, timer);
    if (env->state == ENV_TEMPLATE)
        lambda__template_rest(env);
    else if (env->child && !lambda__api_connected(env))
        child_kill(env->child, SIGKILL);
    else if (!env->child)
        lambda__env_hang_up(env);
    else if (env->state == ENV_INIT)
        init_timeout(env);
    else if (env->state == ENV_BUSY)
        busy_timer(env);
    else
        lambda__env_kill(env); /* idle for long, or dismissed and still there */
}

/* --- the beginning --------------------------------------------------------------------------- */

struct environment *lambda__env_new(struct function *f, enum env_state state, bool provisioned)
{
    struct lambda *l = f->lambda;
    struct environment *env = mem_alloc(sizeof *env);
    if (!env)
        return NULL;
    env->function = f;
    if (lambda__log_open(env) != ERR_OK) {
        mem_free(env);
        return NULL;
    }
    env->state = state;
    env->provisioned = provisioned;
    env->control = -1;
    env->is_template = state == ENV_TEMPLATE;
    for (size_t i = 0; i < SOURCES; i++)
        env->sources[i].fd = -1;
    env->event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    env->trace = BUF_INIT(KIB(4));
    env->arn = BUF_INIT(KIB(1));
    env->client_context = BUF_INIT(LIMIT_CLIENT_CONTEXT);
    env->began_us = lambda__now_us(l);
    snprintf(env->name, sizeof env->name, "%s-%llu", l->tag, (unsigned long long)++l->started);
    struct env_list *list = &f->envs[state];
    env->next = list->first;
    *(list->first ? &list->first->prev : &list->last) = env;
    list->first = env;
    list->n++;
    f->environments++;
    l->environments++;
    lambda__count(env, 1);
    return env;
}

/* Provisioned ones have all the time that an invocation could have, and more (Lambda developer
 * guide, "Understanding the execution environment lifecycle"). */
static int64_t init_ms(const struct environment *env)
{
    int64_t timeout = env->function->spec.timeout_ms;
    if (!env->provisioned)
        return TIMEOUT_INIT_MS;
    return timeout > TIMEOUT_PROVISIONED_INIT_MS ? timeout : TIMEOUT_PROVISIONED_INIT_MS;
}

/* Its process, or its end. */
enum err lambda__env_spawn(struct environment *env)
{
    enum err err = lambda__spawn(env);
    if (err == ERR_OK)
        return ERR_OK;
    log_error("lambda", "cannot start an environment of %.*s: %s",
              STR_ARG(env->function->spec.name), err_text(err));
    lambda__env_kill(env);
    if (!lambda__api_connected(env))
        release(env);
    return err;
}

static enum err env_start(struct function *f, struct lambda_invocation *first, bool provisioned)
{
    if (f->lambda->closing || f->retired)
        return ERR_CLOSED;
    struct environment *env = lambda__env_new(f, first ? ENV_BUSY : ENV_INIT, provisioned);
    if (!env)
        return ERR_NOMEM;
    enum err err = lambda__env_spawn(env);
    if (err != ERR_OK)
        return err;
    lambda__say_init_start(env);
    if (first)
        lambda__run_begin(env, first);
    else
        lambda__env_arm(env, env->birth ? TIMEOUT_BIRTH_MS : init_ms(env));
    return ERR_OK;
}

enum err lambda__env_start(struct function *f, struct lambda_invocation *first)
{
    return env_start(f, first, false);
}

enum err lambda__env_start_provisioned(struct function *f)
{
    return env_start(f, NULL, true);
}

/* How long it may stay idle; provisioned ones until they are old, and then there comes a new one.
 */
static int64_t idle_ms(const struct environment *env)
{
    const struct lambda *l = env->function->lambda;
    int64_t age = (lambda__now_us(l) - env->began_us) / 1000;
    if (!env->provisioned)
        return l->o.idle_ms;
    return age < PROVISIONED_RECYCLE_MS ? PROVISIONED_RECYCLE_MS - age : 0;
}

static void env_idle(struct environment *env)
{
    struct function *f = env->function;
    bool surplus = env->provisioned && f->provision.held > f->provision.wanted;
    bool spent = f->lambda->o.cold_always && env->used;
    if (f->retired || f->lambda->closing || surplus || spent) {
        lambda__env_kill(env);
        if (spent)
            lambda__queue_serve(f);
        return;
    }
    env->idle_ms = loop_now_ms(f->lambda->o.control);
    lambda__env_move(env, ENV_IDLE);
    lambda__env_arm(env, idle_ms(env));
    lambda__queue_serve(env->function);
    if (env->state == ENV_IDLE && !env->used)
        env->warmed = true;
    if (env->state == ENV_IDLE && f->lambda->o.freeze)
        set_frozen(env, true);
    lambda__template_want(env->function);
}

void lambda__env_next(struct environment *env)
{
    bool first = !env->ready;
    if (env->birth) /* the keeper does not hold it yet: lambda__env_born goes on here */
        return;
    if (first) {
        env->ready = true;
        env->init_us = lambda__now_us(env->function->lambda) - env->began_us;
        lambda__sources_drain(env, true);
        lambda__say_init_report(env, env->running ? "invoke" : "init", NULL, NULL);
        lambda__ahead_soon(env->function->lambda);
    }
    if (env->running) {
        ASSERT(first);
        lambda__api_send_event(env);
    } else {
        env_idle(env);
    }
}

void lambda__env_born(void *arg)
{
    struct environment *env = arg;
    env->birth = 0;
    if (env->state == ENV_INIT)
        lambda__env_arm(env, init_ms(env));
    if (env->held && env->state != ENV_DEAD)
        lambda__env_next(env);
}
