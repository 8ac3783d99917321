/* SPDX-License-Identifier: Apache-2.0
 *
 * What the platform says in a function's log, in the format that its LoggingConfig asks for: the
 * lines of Lambda, or the JSON events of its telemetry, of which SystemLogLevel chooses. */
#include "base/log.h"
#include "lambda_int.h"

static bool speaks_json(const struct environment *env, unsigned level)
{
    const struct function_logging *f = &env->function->spec.logging;
    return f->json && level >= f->system_level;
}

static bool speaks_text(const struct environment *env)
{
    return !env->function->spec.logging.json;
}

static void say(struct environment *env, struct buf *text)
{
    if (text->err == ERR_OK && text->n > 0)
        lambda__log_platform(env, buf_str(text));
    buf_reset(text);
}

static struct lambda__event event_of(const struct environment *env)
{
    return (struct lambda__event){.wall_us = loop_wall_us(env->function->lambda->o.control),
                                  .request_id = env->request_id,
                                  .version = env->function->spec.version,
                                  .provisioned = env->provisioned,
                                  .trace = buf_str(&env->trace)};
}

/* What went well is told in detail only to who asks for it. */
static unsigned level_of(const char *status, unsigned well)
{
    return status ? DETAIL_WARN : well;
}

void lambda__say_init_start(struct environment *env)
{
    const struct function *f = env->function;
    const struct lambda__init_start start = {.runtime = f->spec.runtime,
                                             .region = str_c(f->lambda->o.region),
                                             .digest = f->runtime.home->digest,
                                             .function = f->spec.name};
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(2));
    if (speaks_text(env))
        lambda__line_init_start(&line, start.runtime, start.region, start.digest);
    else if (speaks_json(env, DETAIL_INFO))
        lambda__json_init_start(&line, &event, &start);
    say(env, &line);
}

void lambda__say_init_report(struct environment *env, const char *phase, const char *status,
                             const char *error_type)
{
    int64_t us = lambda__now_us(env->function->lambda) - env->began_us;
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(2));
    if (speaks_text(env) && status)
        lambda__line_init_report(&line, us, phase, status, error_type);
    if (speaks_json(env, level_of(status, DETAIL_DEBUG))) {
        lambda__json_init_done(&line, &event, phase, status, error_type);
        say(env, &line);
        lambda__json_init_report(&line, &event, us, phase, status, error_type);
    }
    say(env, &line);
}

void lambda__say_start(struct environment *env)
{
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(4));
    if (speaks_text(env))
        lambda__line_start(&line, env->request_id, event.version);
    else if (speaks_json(env, DETAIL_INFO))
        lambda__json_start(&line, &event);
    say(env, &line);
}

/* What Lambda says only as a line is in JSON a record like those of the function. */
static void say_error(struct environment *env, struct str message, const char *error_type)
{
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(2));
    if (env->function->spec.logging.application_level <= DETAIL_ERROR)
        lambda__json_error(&line, &event, message, error_type);
    say(env, &line);
}

void lambda__say_timeout(struct environment *env)
{
    unsigned timeout_ms = env->function->spec.timeout_ms;
    int64_t now = loop_wall_us(env->function->lambda->o.control);
    AUTO_BUF line = BUF_INIT(256);
    if (speaks_text(env)) {
        lambda__line_timeout(&line, now, env->request_id, timeout_ms);
        say(env, &line);
        return;
    }
    lambda__timeout_text(&line, timeout_ms);
    say_error(env, buf_str(&line), "Sandbox.Timedout");
}

void lambda__say_crash(struct environment *env, const char *error_type)
{
    AUTO_BUF line = BUF_INIT(KIB(1));
    if (!speaks_text(env)) {
        lambda__exit_text(&line, &env->how);
        say_error(env, buf_str(&line), error_type);
        return;
    }
    buf_addf(&line, "RequestId: %s Error: ", env->request_id);
    lambda__exit_text(&line, &env->how);
    buf_addf(&line, "\n%s", error_type);
    say(env, &line);
}

void lambda__say_end(struct environment *env, int64_t duration_us, size_t produced,
                     const char *status, const char *error_type)
{
    struct lambda__report report = {
        .request_id = env->request_id,
        .duration_us = duration_us,
        .init_us = env->used || env->init_inside ? -1 : env->init_us,
        .memory_mb = env->function->spec.memory_mb,
        /* what the kernel needs besides is not the function's */
        .used_mb = env->used_mb < env->function->spec.memory_mb ? env->used_mb
                                                                : env->function->spec.memory_mb,
        .status = status,
        .error_type = error_type,
        .trace = buf_str(&env->trace),
    };
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(4));
    if (speaks_text(env)) {
        lambda__line_end(&line, env->request_id);
        say(env, &line);
        lambda__line_report(&line, &report);
    }
    if (speaks_json(env, level_of(status, DETAIL_DEBUG))) {
        lambda__json_runtime_done(&line, &event, &report, produced);
        say(env, &line);
    }
    if (speaks_json(env, level_of(status, DETAIL_INFO)))
        lambda__json_report(&line, &event, &report);
    say(env, &line);
}

void lambda__say_dropped(struct environment *env, uint64_t events, uint64_t bytes)
{
    const struct lambda *l = env->function->lambda;
    struct lambda__event event = event_of(env);
    AUTO_BUF line = BUF_INIT(KIB(1)), reason = BUF_INIT(256);
    buf_addf(&reason, "more than %llu bytes or %u events a second",
             (unsigned long long)l->o.log_bytes_rate, l->o.log_events_rate);
    if (speaks_text(env))
        buf_addf(&line, "%llu events (%llu bytes) dropped: the function logged %s",
                 (unsigned long long)events, (unsigned long long)bytes, buf_cstr(&reason));
    else if (speaks_json(env, DETAIL_WARN))
        lambda__json_dropped(&line, &event, buf_str(&reason), events, bytes);
    say(env, &line);
}
