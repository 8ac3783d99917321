/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs ask a running daemon, over the unix socket STATE/ropeline.sock (mode 0600: only
 * its user), and what a scraper asks the metrics listener. One row per request. */
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "control_int.h"

struct str control__query(const struct ask *q, const char *name)
{
    for (size_t i = 0; i < q->query_count; i++)
        if (str_eqz(q->query[i].name, name))
            return q->query[i].value;
    return STR_NONE;
}

void control__answer(struct ask *q, unsigned status, const char *type)
{
    struct http_response rs = {.status = status};
    if (q->answer.err != ERR_OK) {
        q->answer.n = 0;
        rs.status = 500;
    }
    if (http_add(http_exchange_arena(q->http), &rs.headers, STR("Content-Type"), str_c(type)) !=
        ERR_OK)
        rs.headers = (struct http_headers){0};
    http_respond(q->http, &rs, buf_str(&q->answer));
}

void control__answer_error(struct ask *q, unsigned status, const char *text)
{
    q->answer.n = 0;
    buf_addz(&q->answer, "{\"message\":");
    json_write_str(&q->answer, str_c(text));
    buf_addz(&q->answer, "}");
    control__answer(q, status, "application/json");
}

/* --- explain ------------------------------------------------------------------------------------
 */
static void explained(void *arg, const struct decision_record *r)
{
    struct ask *q = arg;
    AUTO_BUF invocation = BUF_INIT(MIB(1));
    if (r == NULL) {
        control__answer_error(q, 404,
                              "no such decision: only the last 1,024 of each worker are kept");
        return;
    }
    const struct decision_row *row = decision_find_row(r, "function", "invocation");
    if (row && lambda_recall(q->daemon->lambda, decision_value(r, row), &invocation) != ERR_OK)
        invocation.n = 0;
    if (control__query(q, "json").n == 0) {
        explain_text(r, buf_str(&invocation), &q->answer);
        control__answer(q, 200, "text/plain; charset=utf-8");
        return;
    }
    buf_addz(&q->answer, "{\"decision\":");
    decision_write_json(r, &q->answer);
    buf_addz(&q->answer, ",\"invocation\":");
    buf_add(&q->answer, invocation.n ? buf_str(&invocation) : STR("null"));
    AUTO_BUF hint = BUF_INIT(KIB(2));
    explain_hint(r, &hint);
    buf_addz(&q->answer, ",\"hint\":");
    json_write_str(&q->answer, buf_str(&hint));
    buf_addc(&q->answer, '}');
    control__answer(q, 200, "application/json");
}

static void ask_explain(struct ask *q)
{
    bool denied = control__query(q, "denied").n > 0;
    if (gateway_find_decision(q->daemon->gateway, control__query(q, "id"), denied, explained, q) !=
        ERR_OK)
        control__answer_error(q, 503, "out of memory");
}

/* --- functions
 * ------------------------------------------------------------------------------------ */
static void invoked(struct lambda_invocation *i)
{
    struct ask *q = i->arg;
    buf_addf(&q->answer,
             "{\"outcome\":\"%s\",\"requestId\":\"%s\",\"version\":\"%s\",\"cold\":%s,"
             "\"durationMs\":%.3f,\"answer\":",
             lambda_outcome_name(i->outcome), i->request_id, i->executed,
             i->cold ? "true" : "false", (double)i->duration_us / 1000);
    json_write_str(&q->answer, buf_str(&i->answer));
    if (i->log_tail) {
        buf_addz(&q->answer, ",\"log\":");
        json_write_str(&q->answer, buf_str(&i->log));
    }
    buf_addc(&q->answer, '}');
    lambda_invocation_fini(i);
    function_unref(q->function);
    q->function = NULL;
    control__answer(q, 200, "application/json");
}

/* As it goes into a header: on one line. */
static enum err read_client_context(struct ask *q, struct str *out)
{
    struct arena *a = http_exchange_arena(q->http);
    struct str text = control__query(q, "client-context");
    const struct json *v = NULL;
    AUTO_BUF line = BUF_INIT(LIMIT_CLIENT_CONTEXT);
    *out = STR("");
    if (text.n == 0)
        return ERR_OK;
    enum err err = json_parse(a, text, 2 * LIMIT_CLIENT_CONTEXT, &v, NULL);
    if (err != ERR_OK)
        return err;
    json_write(&line, v);
    *out = arena_str(a, buf_str(&line));
    return line.err ? line.err : out->p ? ERR_OK : ERR_NOMEM;
}

static void ask_invoke(struct ask *q)
{
    struct str client_context;
    struct function *f = lambda_find(q->daemon->lambda, control__query(q, "function"),
                                     control__query(q, "qualifier"));
    struct loop *control = run_control(q->daemon->run);
    if (f == NULL) {
        control__answer_error(
            q, 404, "no function of that name; `ropeline logs` without a name lists them");
        return;
    }
    if (read_client_context(q, &client_context) != ERR_OK) {
        control__answer_error(q, 400, "the client context is no JSON, or more than 3,583 bytes");
        return;
    }
    function_ref(f);
    q->function = f;
    q->invocation = (struct lambda_invocation){.function = f,
                                               .payload = q->body,
                                               .queue = true,
                                               .client_context = client_context,
                                               .log_tail = control__query(q, "log").n > 0,
                                               .reply = control,
                                               .done = invoked,
                                               .arg = q};
    q->body = BUF_INIT(0); /* moved */
    lambda_invoke(q->daemon->lambda, &q->invocation);
}

static void ask_purge(struct ask *q)
{
    size_t n = authorizer_cache_purge(q->daemon->cache, control__query(q, "authorizer"),
                                      control__query(q, "principal"));
    buf_addf(&q->answer, "{\"purged\":%zu}", n);
    control__answer(q, 200, "application/json");
}

static void ask_status(struct ask *q)
{
    buf_addf(&q->answer,
             "{\"version\":\"%s\",\"pid\":%d,\"cacheEntries\":%zu,\"functions\":", ROPELINE_VERSION,
             (int)getpid(), authorizer_cache_count(q->daemon->cache));
    lambda_describe(q->daemon->lambda, &q->answer);
    buf_addc(&q->answer, '}');
    control__answer(q, 200, "application/json");
}

static void ask_metrics(struct ask *q)
{
    const struct metrics *sets[KEEPER_COPIES + 1];
    size_t n = gateway_metrics(q->daemon->gateway, sets, KEEPER_COPIES);
    sets[n++] = lambda_metrics(q->daemon->lambda);
    metrics_write(sets, n, &q->answer);
    issuers_write_metrics(q->daemon->issuers, &q->answer);
    buf_addf(&q->answer,
             "# HELP ropeline_authorizer_cache_entries Decisions in the authorizer cache.\n"
             "# TYPE ropeline_authorizer_cache_entries gauge\nropeline_authorizer_cache_entries "
             "%zu\n# EOF\n",
             authorizer_cache_count(q->daemon->cache));
    control__answer(q, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

static void ask_healthz(struct ask *q)
{
    buf_addz(&q->answer, "{\"status\":\"ok\"}");
    control__answer(q, 200, "application/json");
}

static void ask_readyz(struct ask *q)
{
    bool ready = q->daemon->ready && !q->daemon->stopping;
    buf_addf(&q->answer, "{\"status\":\"%s\",\"issuers\":", ready ? "ready" : "not ready");
    issuers_write_health(q->daemon->issuers,
                         &q->answer); /* a silent issuer stops only its tokens */
    buf_addc(&q->answer, '}');
    control__answer(q, ready ? 200 : 503, "application/json");
}

struct ask_row {
    enum http_method method;
    const char *path;
    void (*run)(struct ask *q);
};
static const struct ask_row control_rows[] = {
    {HTTP_GET, "/explain", ask_explain}, {HTTP_POST, "/invoke", ask_invoke},
    {HTTP_GET, "/logs", control__logs},  {HTTP_POST, "/cache/purge", ask_purge},
    {HTTP_GET, "/status", ask_status},
};
static const struct ask_row metrics_rows[] = {
    {HTTP_GET, "/metrics", ask_metrics},
    {HTTP_GET, "/healthz", ask_healthz},
    {HTTP_GET, "/readyz", ask_readyz},
};

/* --- one request
 * ---------------------------------------------------------------------------------- */
static void dispatch(struct ask *q, const struct ask_row *rows, size_t n)
{
    const struct http_request *rq = http_exchange_request(q->http);
    for (size_t i = 0; i < n; i++)
        if (rows[i].method == rq->method && str_eqz(rq->raw_path, rows[i].path)) {
            rows[i].run(q);
            return;
        }
    control__answer_error(q, 404, "no such request");
}

static void on_data(void *arg, struct str chunk)
{
    struct ask *q = arg;
    buf_add(&q->body, chunk);
}

static void on_end(void *arg, enum err how)
{
    struct ask *q = arg;
    if (how == ERR_OK && q->body.err == ERR_OK)
        dispatch(q, control_rows, COUNTOF(control_rows));
    else
        control__answer_error(q, 413, "the body is too large or broken off");
}

static void on_done(void *arg, enum err how)
{
    struct ask *q = arg;
    (void)how;
    buf_fini(&q->body);
    buf_fini(&q->answer);
    lambda_invocation_fini(&q->invocation);
}

static const struct http_exchange_events ask_events = {
    .data = on_data, .end = on_end, .done = on_done};

static struct ask *ask_new(struct daemon *d, struct http_exchange *x)
{
    struct ask *q = ARENA_NEW(http_exchange_arena(x), struct ask);
    if (q == NULL || query_parse(http_exchange_arena(x), http_exchange_request(x)->query, &q->query,
                                 &q->query_count) != ERR_OK) {
        http_respond_abort(x);
        return NULL;
    }
    q->daemon = d;
    q->http = x;
    q->body = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    q->answer = BUF_INIT(MIB(64));
    http_exchange_watch(x, &ask_events, q);
    return q;
}

static void on_control(void *arg, struct http_exchange *x)
{
    struct daemon *d = arg;
    if (core_control(d->core, x))
        return;
    struct ask *q = ask_new(d, x);
    if (q == NULL)
        return;
    if (http_exchange_request(x)->framing == HTTP_NO_BODY)
        dispatch(q, control_rows, COUNTOF(control_rows));
    else
        http_body_start(x);
}

/* A web page must not reach this: no Origin, and no Host but localhost or an address, because a
 * page that wants in by DNS rebinding always comes under a name (INTERFACE.md). */
static bool from_a_page(const struct http_request *rq)
{
    return http_find(&rq->headers, STR("Origin")) || !http_is_local_host(rq->host);
}

static void on_metrics(void *arg, struct http_exchange *x)
{
    struct ask *q = ask_new(arg, x);
    if (q == NULL)
        return;
    if (from_a_page(http_exchange_request(x)))
        control__answer_error(q, 403, "this listener answers only loopback names and no web page");
    else
        dispatch(q, metrics_rows, COUNTOF(metrics_rows));
}

enum err control_open(struct daemon *d, int fd)
{
    struct http_server_options o = {.body_max = LIMIT_INVOKE_PAYLOAD,
                                    .host_optional = true,
                                    .request = on_control,
                                    .admit = control_admit,
                                    .arg = d};
    enum err err = http_server_new(run_control(d->run), &o, &d->control);
    return err ? err : http_server_listen(d->control, fd);
}

enum err metrics_open(struct daemon *d, int fd)
{
    struct http_server_options o = {.request = on_metrics, .arg = d, .connections_max = 64};
    enum err err = http_server_new(run_control(d->run), &o, &d->metrics);
    return err ? err : http_server_listen(d->metrics, fd);
}
