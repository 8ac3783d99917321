/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lambda Runtime API (2018-06-01) as an environment sees it: it asks for the next event and
 * posts what came of it. A connection speaks for the environment that it was made for; nothing in a
 * request can name another. Codes and texts are those that AWS's own runtime clients are tested
 * with. */
#include <signal.h>

#include "base/crypt.h"
#include "environment_int.h"

#define PREFIX "/2018-06-01/runtime/"
#define WITH_CAUSE "application/vnd.aws.lambda.error.cause+json"
#define POSTS_MAX 2       /* at once: one may be of a connection that broke */
#define EARLY_MS 250      /* for an answer to begin after the next event was asked for */
#define HEAD_ROOM KIB(64) /* of the head, besides the one header that clients make enormous */

static void respond_json(struct http_exchange *x, unsigned status, struct str body)
{
    struct arena *a = http_exchange_arena(x);
    struct http_response rs = {.status = status};
    if (http_add(a, &rs.headers, STR("Content-Type"), STR("application/json")) == ERR_OK && body.p)
        http_respond(x, &rs, body);
    else
        http_respond_abort(x);
}

static void refuse(struct http_exchange *x, unsigned status, const char *type, const char *text)
{
    respond_json(x, status,
                 arena_fmt(http_exchange_arena(x), "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}",
                           text, type));
}

/* What the refused state transition was from, in the names AWS gives to a runtime's states. */
static const char *state_name(const struct environment *env)
{
    if (!env->ready)
        return "Started";
    if (env->running)
        return "Running";
    return env->state == ENV_BUSY ? "RuntimeResponseSentState" : "Ready";
}

static void refuse_state(struct http_exchange *x, const struct environment *env, const char *to)
{
    char text[160];
    snprintf(text, sizeof text,
             "State transition from %s to %s failed for runtime. Error: State transition is not "
             "allowed",
             state_name(env), to);
    refuse(x, 403, "InvalidStateTransition", text);
}

static void accepted(struct http_exchange *x)
{
    respond_json(x, 202, STR("{\"status\":\"OK\"}\n"));
}

/* --- GET next -------------------------------------------------------------------------------- */

struct next_call {
    struct environment *env;
    struct http_exchange *x;
    bool sent;          /* the event, or as much of it as there will be */
    struct timer early; /* it asked before it had answered */
    struct buf event;   /* what is being sent: another connection may already have the next one */
};

/* Whoever asked has gone. On a connection of its own it may ask again. */
static void next_gone(void *arg)
{
    struct next_call *c = arg;
    struct environment *env = c->env;
    if (env->held != c)
        return;
    lambda__api_drop_next(env);
    if (env->listener)
        lambda__env_unready(env);
    else if (env->state == ENV_IDLE) /* its one connection is going: nobody may be given to it */
        lambda__env_move(env, ENV_DEAD);
}

static void next_done(void *arg, enum err how)
{
    struct next_call *c = arg;
    struct environment *env = c->env;
    /* An inherited connection is closing, and tells. Else nobody else would. */
    if (c->sent && how != ERR_OK && env->listener && env->child)
        child_kill(env->child, SIGKILL);
    buf_fini(&c->event);
    timer_stop(&c->early);
    env->exchanges--;
    lambda__env_maybe_free(env);
}

static const struct http_exchange_events next_events = {.gone = next_gone, .done = next_done};

static void other_done(void *arg, enum err how)
{
    struct environment *env = arg;
    (void)how;
    env->exchanges--;
    lambda__env_maybe_free(env);
}

static const struct http_exchange_events other_events = {.done = other_done};

void lambda__api_send_event(struct environment *env)
{
    struct function *f = env->function;
    struct next_call *c = env->held;
    struct http_exchange *x = c->x;
    struct arena *a = http_exchange_arena(x);
    struct http_response rs = {.status = 200};
    struct loop *control = f->lambda->o.control;
    int64_t left_ms = env->due_ms - loop_now_ms(control);
    int64_t deadline_ms = loop_wall_us(control) / 1000 + left_ms;
    const struct http_header headers[] = {
        {STR("Content-Type"), STR("application/json")},
        {STR("Lambda-Runtime-Aws-Request-Id"), str_c(env->request_id)},
        {STR("Lambda-Runtime-Deadline-Ms"), arena_fmt(a, "%lld", (long long)deadline_ms)},
        {STR("Lambda-Runtime-Invoked-Function-Arn"), buf_str(&env->arn)},
        {STR("Lambda-Runtime-Trace-Id"), buf_str(&env->trace)},
        {STR("Lambda-Runtime-Client-Context"), buf_str(&env->client_context)},
    };
    enum err err = env->trace.err            ? env->trace.err
                   : env->client_context.err ? env->client_context.err
                                             : env->arn.err;
    for (size_t i = 0; i < COUNTOF(headers) && err == ERR_OK; i++)
        if (headers[i].value.n > 0)
            err = http_add(a, &rs.headers, headers[i].name, headers[i].value);
    c->sent = true;
    c->event = env->event;
    env->event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    env->held = NULL;
    if (err == ERR_OK)
        http_respond(x, &rs, buf_str(&c->event));
    else
        http_respond_abort(x);
}

void lambda__api_drop_next(struct environment *env)
{
    struct next_call *c = env->held;
    env->held = NULL;
    if (c)
        http_respond_abort(c->x);
}

/* Our bootstraps tell which version of the interpreter they run on: "ropeline-node/20.11.1". */
static void note_agent(struct environment *env, struct http_exchange *x)
{
    char version[32];
    const struct http_request *rq = http_exchange_request(x);
    struct str agent = http_value(&rq->headers, STR("User-Agent")), rest;
    struct str name = str_cut(agent, '/', &rest);
    if (!str_starts(name, STR("ropeline-")) || rest.n == 0 || rest.n >= sizeof version)
        return;
    snprintf(version, sizeof version, "%.*s", STR_ARG(rest));
    lambda__runtime_note(env->function, version);
}

/* Whoever asked before its answer was whole gets the next event, now that there is one; else it has
 * asked too early. */
static void next_follows(struct environment *env)
{
    struct next_call *c = env->held;
    if (!c || env->state != ENV_BUSY)
        return;
    if (!env->running) {
        lambda__env_next(env);
        return;
    }
    env->held = NULL;
    refuse_state(c->x, env, "Ready");
}

/* Clients that stream do not wait for what is said of their answer, and ask on another connection:
 * even the beginning of the one may be read after the other. */
static void next_is_late(struct timer *t)
{
    struct next_call *c = CONTAINER_OF(t, struct next_call, early);
    struct environment *env = c->env;
    bool answering = env->running && env->posts > 0 && env->posting == env->run;
    if (env->held == c && !answering)
        next_follows(env);
}

static void on_next(struct environment *env, struct http_exchange *x)
{
    if (!env->ready)
        note_agent(env, x);
    struct next_call *c = ARENA_NEW(http_exchange_arena(x), struct next_call);
    bool early = env->ready && env->running;
    if (env->state == ENV_IDLE || env->held || (early && !env->listener)) {
        http_exchange_watch(x, &other_events, env);
        refuse_state(x, env, "Ready");
        return;
    }
    if (!c) {
        http_exchange_watch(x, &other_events, env);
        http_respond_abort(x);
        return;
    }
    *c = (struct next_call){.env = env, .x = x};
    http_exchange_watch(x, &next_events, c);
    env->held = c;
    if (early)
        timer_start(env->function->lambda->o.control, &c->early, EARLY_MS, next_is_late);
    else
        lambda__env_next(env);
}

/* --- POST ------------------------------------------------------------------------------------ */

enum posted { RESPONSE, ERROR, INIT_ERROR };
struct post_call {
    struct environment *env;
    struct http_exchange *x;
    enum posted kind;
    uint64_t run; /* of the event that it is about; another connection may have answered that */
    bool too_large;
    bool with_cause; /* the body has one, which is for X-Ray alone */
    char type_text[64];
    const char *type;
    struct buf body;
};

static void post_data(void *arg, struct str chunk)
{
    struct post_call *p = arg;
    if (p->too_large)
        return;
    buf_add(&p->body, chunk);
    if (p->body.err == ERR_LIMIT) { /* the rest is read and forgotten */
        buf_fini(&p->body);
        p->too_large = true;
    }
}

static void end_too_large(struct post_call *p)
{
    char text[80];
    struct buf payload = BUF_INIT(KIB(1));
    snprintf(text, sizeof text, "Exceeded maximum allowed payload size (%d bytes).",
             LIMIT_INVOKE_PAYLOAD);
    lambda__payload_too_large(&payload);
    lambda__run_end(p->env, LAMBDA_FUNCTION_ERROR, &payload, "error",
                    "Function.ResponseSizeTooLarge");
    refuse(p->x, 413, "RequestEntityTooLarge", text);
}

/* A value among the trailers, "Name: value\n" each; names in any case. */
static struct str trailer_value(struct str lines, struct str name)
{
    while (lines.n > 0) {
        struct str value, line = str_cut(lines, '\n', &lines);
        if (str_ieq(str_cut(line, ':', &value), name))
            return str_trim(value);
    }
    return STR_NONE;
}

/* A streamed response that failed midway says so behind its body. What was sent before is then no
 * answer: whoever trusted it would trust a function that failed. */
static bool end_failed_midway(struct post_call *p)
{
    struct str lines = http_exchange_trailers(p->x);
    struct str type = trailer_value(lines, STR("Lambda-Runtime-Function-Error-Type"));
    struct str body = trailer_value(lines, STR("Lambda-Runtime-Function-Error-Body"));
    if (type.n == 0 && body.n == 0)
        return false;
    struct buf payload = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    if (body.n == 0 || crypt_base64_decode(&payload, body) != ERR_OK) {
        buf_reset(&payload);
        lambda__payload_error(&payload, "Runtime.StreamError", STR("the response stream failed"));
    }
    lambda__run_end(p->env, LAMBDA_FUNCTION_ERROR, &payload, "error",
                    lambda__error_type(type, p->type_text));
    return true;
}

static void refuse_posted(struct http_exchange *x, const struct environment *env, enum posted kind)
{
    static const char *const to[] = {[RESPONSE] = "InvocationResponse",
                                     [ERROR] = "InvocationErrorResponse",
                                     [INIT_ERROR] = "InitError"};
    refuse_state(x, env, to[kind]);
}

static void end_post(struct post_call *p, enum err how)
{
    struct environment *env = p->env;
    bool expected = p->kind == INIT_ERROR ? !env->ready : env->running && p->run == env->run;
    if (how == ERR_CLOSED && env->state != ENV_DEAD) { /* it may be said again */
        refuse(p->x, 400, "TruncatedHTTPRequest", "HTTP request detected as truncated");
        return;
    }
    if (how != ERR_OK || env->state == ENV_DEAD) {
        http_respond_abort(p->x);
        return;
    }
    if (!expected) {
        refuse_posted(p->x, env, p->kind);
        return;
    }
    if (p->kind == INIT_ERROR) {
        lambda__env_init_error(env, p->type, &p->body);
        accepted(p->x);
    } else if (p->too_large) {
        end_too_large(p);
    } else if (p->kind == ERROR) {
        if (p->with_cause)
            lambda__payload_without_cause(http_exchange_arena(p->x), &p->body);
        lambda__run_end(env, LAMBDA_FUNCTION_ERROR, &p->body, "error", p->type);
        accepted(p->x);
    } else {
        if (!end_failed_midway(p))
            lambda__run_end(env, LAMBDA_OK, &p->body, NULL, NULL);
        accepted(p->x);
    }
}

/* The whole body is here, or never will be. */
static void post_end(void *arg, enum err how)
{
    struct post_call *p = arg;
    struct environment *env = p->env;
    bool latest = p->run == env->posting;
    end_post(p, how);
    if (latest)
        env->posting = 0;
    if (latest || !env->running)
        next_follows(env);
}

static void post_done(void *arg, enum err how)
{
    struct post_call *p = arg;
    struct environment *env = p->env;
    (void)how;
    buf_fini(&p->body);
    env->posts--;
    env->exchanges--;
    lambda__env_maybe_free(env);
}

static const struct http_exchange_events post_events = {
    .data = post_data, .end = post_end, .done = post_done};

static void post_begin(struct environment *env, struct http_exchange *x, enum posted kind)
{
    const struct http_request *rq = http_exchange_request(x);
    struct post_call *p = ARENA_NEW(http_exchange_arena(x), struct post_call);
    if (!p) {
        http_exchange_watch(x, &other_events, env);
        http_respond_abort(x);
        return;
    }
    struct str type = http_value(&rq->headers, STR("Lambda-Runtime-Function-Error-Type"));
    p->env = env;
    p->x = x;
    p->kind = kind;
    p->run = env->posting = env->run;
    p->type = lambda__error_type(type, p->type_text);
    p->with_cause = str_eqz(http_value(&rq->headers, STR("Content-Type")), WITH_CAUSE);
    p->body = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    if (rq->framing == HTTP_BY_LENGTH && rq->length > LIMIT_INVOKE_PAYLOAD)
        p->too_large = true;
    else if (rq->framing == HTTP_BY_LENGTH && rq->length > 0)
        (void)!buf_reserve(&p->body, (size_t)rq->length); /* its error stays in the buf */
    env->posts++;
    http_exchange_watch(x, &post_events, p);
    http_body_start(x);
}

/* The state first, then the id, then how it wants to answer: the order decides what is said. */
static void on_posted(struct environment *env, struct http_exchange *x, struct str id,
                      enum posted kind)
{
    const struct http_request *rq = http_exchange_request(x);
    struct str mode = http_value(&rq->headers, STR("Lambda-Runtime-Function-Response-Mode"));
    bool valid = mode.n == 0 || str_eq(mode, STR("streaming"));
    bool known = env->ready && env->running && str_eqz(id, env->request_id);
    if (known && env->posts < POSTS_MAX && (valid || kind == ERROR)) {
        post_begin(env, x, kind);
        return;
    }
    http_exchange_watch(x, &other_events, env);
    if (!env->ready || !env->running || env->posts >= POSTS_MAX) {
        refuse_posted(x, env, kind);
    } else if (!str_eqz(id, env->request_id)) {
        refuse(x, 400, "InvalidRequestID", "Invalid request ID");
    } else {
        struct buf payload = BUF_INIT(KIB(1));
        lambda__payload_error(&payload, "Runtime.InvalidResponseModeHeader",
                              STR("Invalid function response mode"));
        lambda__run_end(env, LAMBDA_FUNCTION_ERROR, &payload, "error",
                        "Runtime.InvalidResponseModeHeader");
        refuse(x, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
        next_follows(env);
    }
}

static void on_init_error(struct environment *env, struct http_exchange *x)
{
    if (!env->ready && env->posts < POSTS_MAX) {
        post_begin(env, x, INIT_ERROR);
        return;
    }
    http_exchange_watch(x, &other_events, env);
    refuse_posted(x, env, INIT_ERROR);
}

/* --- routes ---------------------------------------------------------------------------------- */

/* What other APIs of an environment are asked for here, and told. An extension that cannot register
 * goes on without, as clients do at Lambda where it fails. */
static const struct other_row {
    enum http_method method;
    const char *path, *type, *text;
    unsigned status;
} others[] = {
    {HTTP_PUT, "/2020-08-15/logs", "Logs.NotSupported", "Logs API is not supported", 202},
    {HTTP_PUT, "/2022-07-01/telemetry", "Telemetry.NotSupported", "Telemetry API is not supported",
     202},
};

/* Answers what is neither about events nor about init. */
static void on_other(struct environment *env, struct http_exchange *x)
{
    const struct http_request *rq = http_exchange_request(x);
    http_exchange_watch(x, &other_events, env);
    for (size_t i = 0; i < COUNTOF(others); i++) {
        if (rq->method == others[i].method && str_eqz(rq->raw_path, others[i].path)) {
            refuse(x, others[i].status, others[i].type, others[i].text);
            return;
        }
    }
    if (rq->method == HTTP_GET && str_eq(rq->raw_path, STR("/2018-06-01/ping")))
        respond_json(x, 200, STR("\"pong\""));
    else if (rq->method == HTTP_GET && str_eq(rq->raw_path, STR(PREFIX "restore/next")))
        refuse_state(x, env, "RestoreReady"); /* nothing is restored here */
    else if (rq->method == HTTP_POST && str_eq(rq->raw_path, STR(PREFIX "restore/error")))
        refuse_state(x, env, "RestoreError");
    else
        refuse(x, 404, "NotFound", "ropeline offers the Runtime API here, and no extensions");
}

static void on_request(void *arg, struct http_exchange *x)
{
    const struct http_request *rq = http_exchange_request(x);
    struct environment *env = lambda__conn_env(http_exchange_adopt_arg(x));
    struct str prefix = STR(PREFIX "invocation/"), id;
    (void)arg;
    env->exchanges++;
    if (env->state == ENV_DEAD) {
        http_exchange_watch(x, &other_events, env);
        http_respond_abort(x);
        return;
    }
    bool get = rq->method == HTTP_GET, post = rq->method == HTTP_POST;
    if (get && str_eq(rq->raw_path, STR(PREFIX "invocation/next"))) {
        on_next(env, x);
        return;
    }
    if (post && str_eq(rq->raw_path, STR(PREFIX "init/error"))) {
        on_init_error(env, x);
        return;
    }
    if (post && str_starts(rq->raw_path, prefix)) {
        struct str what;
        id = str_cut(str_from(rq->raw_path, prefix.n), '/', &what);
        bool error = str_eq(what, STR("error"));
        if (error || str_eq(what, STR("response"))) {
            on_posted(env, x, id, error ? ERROR : RESPONSE);
            return;
        }
    }
    on_other(env, x);
}

static void on_refusal(void *arg, unsigned status, const char *why, struct arena *a,
                       struct http_response *rs, struct str *body)
{
    (void)arg;
    (void)rs;
    *body = arena_fmt(a, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", why,
                      status == 413 ? "RequestEntityTooLarge" : "InvalidRequest");
}

enum err lambda__api_new(struct lambda *l)
{
    const struct http_server_options o = {
        .head_max = LIMIT_XRAY_CAUSE_HEADER + HEAD_ROOM,
        .line_max = LIMIT_XRAY_CAUSE_HEADER + HEAD_ROOM,
        .body_max = LIMIT_RUNTIME_BODY,
        .arena_max = 4 * (LIMIT_XRAY_CAUSE_HEADER + HEAD_ROOM),
        .connections_max = SIZE_MAX,
        .head_timeout_ms = -1,
        .body_idle_ms = -1,
        .write_idle_ms = -1,
        .keepalive_ms = -1,
        .trailers_max = LIMIT_RUNTIME_TRAILERS,
        .host_optional = true,
        .refusal = on_refusal,
        .request = on_request,
        .arg = l,
    };
    return http_server_new(l->o.control, &o, &l->api);
}
