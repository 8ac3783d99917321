/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP_PROXY: the request goes on to a backend and its answer comes back, both streaming, neither
 * side faster than the other can take. Invariant: the exchange ends only after the call has. */
#include "backend_int.h"
#include "base/limits.h"
#include "headers_int.h"
#include "http_api_int.h"
#include "parameters_int.h"

struct proxy_conf {
    struct backend_conf backend;
    struct parameters request; /* of an HTTP API */
    struct response_parameters answers;
};

struct proxy {
    const struct proxy_conf *conf;
    struct http_call *call; /* NULL before it starts and after it ended */
    enum err client;        /* why the client's body will not come */
    bool stalled;           /* the client's body waits for the backend */
    bool collecting;        /* the client's body, for a mapping that looks into it */
    struct buf body;
    struct { /* an answer whose head waits for a mapping that looks into its body */
        const struct http_response *head; /* NULL = none waits */
        const struct parameters *parameters;
        struct buf body;
    } held;
};

/* --- compile -------------------------------------------------------------------------------- */
static enum err proxy_compile(struct arena *a, const struct json *spec,
                              const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct proxy_conf *c = ARENA_NEW(a, struct proxy_conf);
    *conf = c;
    enum err err = c ? backend__compile(a, spec, env, MAPPING_STREAM, &c->backend, e) : ERR_NOMEM;
    if (err != ERR_OK || env->api->kind != API_HTTP)
        return err;
    err = parameters__compile(a, json_get(spec, "requestParameters"), EXPRESSION_REQUEST,
                              &c->request, e);
    return err ? err
               : parameters__compile_responses(a, json_get(spec, "responseParameters"), &c->answers,
                                               e);
}

/* --- the answer ------------------------------------------------------------------------------- */
/* `body` is of the answer, as far as a mapping asks for it. */
static enum err copy_answer(struct exchange *x, const struct http_response *rs,
                            const struct parameters *parameters, struct str body,
                            struct http_response *out)
{
    struct expression_facts facts = {.body = body, .answer = rs};
    struct str connection = http_value(&rs->headers, STR("Connection"));
    *out =
        (struct http_response){.status = rs->status, .framing = rs->framing, .length = rs->length};
    if (rs->framing == HTTP_UNTIL_CLOSE)
        out->framing = HTTP_CHUNKED;
    enum err err = exchange__add_ids(x, &out->headers);
    for (size_t i = 0; i < rs->headers.n && err == ERR_OK; i++) {
        struct str name = rs->headers.v[i].name;
        bool own = str_ieq(name, STR("Connection"));
        if (!header__from_backend(name) || (!own && backend__hop_by_hop(connection, name)))
            continue;
        name = header__remapped(x->arena, name);
        err = name.p ? http_add(x->arena, &out->headers, name, rs->headers.v[i].value) : ERR_NOMEM;
    }
    if (err == ERR_OK && parameters)
        err = parameters__apply_answer(x, parameters, &facts, out);
    if (err == ERR_OK && x->api->cors)
        err = cors__put(x, &out->headers);
    return err ? err : exchange__hand(x, &out->headers);
}

static enum err begin_answer(struct exchange *x, const struct http_response *rs,
                             const struct parameters *parameters, struct str body)
{
    struct http_response out;
    enum err err = copy_answer(x, rs, parameters, body, &out);
    if (err != ERR_OK) {
        decision_notef(&x->record, "integrate", VERDICT_ERROR, "answer", "cannot be made: %s",
                       err_text(err));
        return err;
    }
    decision_noteu(&x->record, "integrate", VERDICT_PASS, "answered", rs->status);
    x->status = out.status;
    http_respond_begin(x->http, &out);
    return ERR_OK;
}

/* Ends the waiting: head and what is here of the body go out. */
static enum err release(struct exchange *x, struct proxy *p)
{
    const struct http_response *head = p->held.head;
    struct str body = buf_str(&p->held.body);
    p->held.head = NULL;
    enum err err = p->held.body.err;
    if (err == ERR_OK)
        err = begin_answer(x, head, p->held.parameters, body);
    if (err == ERR_OK && body.n > 0 && !http_respond_write(x->http, body) && p->call)
        http_call_pause(p->call);
    buf_fini(&p->held.body);
    return err;
}

static void on_head(void *arg, const struct http_response *rs)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    const struct parameters *parameters = parameters__for(&p->conf->answers, rs->status);
    if (parameters && parameters->needs_body && rs->framing != HTTP_NO_BODY) {
        p->held.head = rs;
        p->held.parameters = parameters;
        p->held.body = BUF_INIT(LIMIT_PARAMETER_BODY + LIMIT_STREAM_BUFFER);
        return;
    }
    if (begin_answer(x, rs, parameters, STR("")) != ERR_OK)
        http_call_cancel(p->call); /* done() refuses */
}

static void on_data(void *arg, struct str chunk)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->held.head) {
        buf_add(&p->held.body, chunk);
        if (p->held.body.err == ERR_OK && p->held.body.n <= LIMIT_PARAMETER_BODY)
            return;
        if (release(x, p) != ERR_OK)
            http_call_cancel(p->call);
        return;
    }
    if (http_respond_begun(x->http) && !http_respond_write(x->http, chunk))
        http_call_pause(p->call);
}

static void on_call_drain(void *arg)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->stalled) {
        p->stalled = false;
        http_body_resume(x->http);
    }
}

/* HTTP APIs call all that goes wrong behind them 503 (specs 7.2). */
static enum gateway_response response_for(const struct exchange *x, enum err how)
{
    bool own = how == ERR_NOMEM || how == ERR_INVALID;
    return x->kind == API_HTTP && !own ? RESPONSE_UNAVAILABLE : backend__response_for(how);
}

static void on_call_done(void *arg, enum err how, const char *why)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    p->call = NULL;
    if (how == ERR_OK && p->held.head)
        how = release(x, p);
    if (how == ERR_OK) {
        http_respond_end(x->http);
        return;
    }
    if (how != ERR_CANCELLED) {
        metric_add(&x->worker->metrics, METRIC_BACKEND_ERRORS, 1);
        decision_notef(&x->record, "integrate", VERDICT_ERROR, "backend", "%s: %s", err_text(how),
                       why);
    }
    if (http_respond_begun(x->http) || http_exchange_client_gone(x->http)) {
        http_respond_abort(x->http); /* a half answer must not look whole */
        return;
    }
    if (p->stalled) /* nobody takes the rest of the body any more: the server drops it */
        http_body_resume(x->http);
    exchange__resume(x, exchange__refuse(x, p->client == ERR_LIMIT     ? RESPONSE_REQUEST_TOO_LARGE
                                            : p->client == ERR_TIMEOUT ? RESPONSE_REQUEST_TIMEOUT
                                            : p->client                ? RESPONSE_BAD_REQUEST
                                                                       : response_for(x, how)));
}

static const struct http_call_events call_events = {on_head, on_data, on_call_drain, on_call_done};

/* --- the call --------------------------------------------------------------------------------- */
/* The body is in p->body if it was collected. */
static enum err start_call(struct exchange *x, struct proxy *p)
{
    const struct proxy_conf *c = p->conf;
    struct http_call_options o = {.framing = x->rq->framing, .length = x->rq->length};
    struct expression_facts facts = {.body = buf_str(&p->body)};
    if (o.framing != HTTP_NO_BODY && c->request.needs_body) {
        o.framing = HTTP_BY_LENGTH;
        o.length = p->body.n;
    }
    enum err err = backend__request(x, &c->backend, true, &o);
    if (err == ERR_OK && c->request.n > 0)
        err = parameters__apply_request(x, &c->request, &facts, c->backend.target.query, &o);
    if (err == ERR_OK)
        err = x->query_err; /* a mapping from a query that could not be read */
    if (err == ERR_OK)
        err = http_call_start(x->worker->client, &o, &call_events, x, &p->call);
    if (err == ERR_OK)
        return ERR_OK;
    decision_notef(&x->record, "integrate", VERDICT_ERROR, "request",
                   "could not be built from the mappings: %s", err_text(err));
    p->call = NULL;
    return err;
}

/* --- the client's side ------------------------------------------------------------------------ */
static void on_body(void *arg, struct str chunk)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->collecting)
        buf_add(&p->body, chunk);
    if (p->call && !http_call_write(p->call, chunk)) {
        p->stalled = true;
        http_body_pause(x->http);
    }
}

/* The whole body is here, or will not come. */
static void collected(struct exchange *x, struct proxy *p, enum err how)
{
    p->collecting = false;
    if (how == ERR_OK)
        how = p->body.err;
    if (how == ERR_OK && start_call(x, p) != ERR_OK) {
        exchange__resume(x, exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR));
    } else if (how == ERR_OK) {
        (void)http_call_write(p->call, buf_str(&p->body));
        http_call_end(p->call);
    } else if (http_exchange_client_gone(x->http)) {
        http_respond_abort(x->http);
    } else {
        exchange__resume(x,
                         exchange__refuse(x, how == ERR_LIMIT     ? RESPONSE_REQUEST_TOO_LARGE
                                             : how == ERR_TIMEOUT ? RESPONSE_REQUEST_TIMEOUT
                                             : how == ERR_NOMEM   ? RESPONSE_API_CONFIGURATION_ERROR
                                                                  : RESPONSE_BAD_REQUEST));
    }
}

static void on_body_end(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->collecting) {
        collected(x, p, how);
        return;
    }
    p->client = how;
    if (p->call == NULL)
        return;
    if (how == ERR_OK)
        http_call_end(p->call);
    else
        http_call_cancel(p->call);
}

static void on_drain(void *arg)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->call)
        http_call_resume(p->call);
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    decision_note(&x->record, "integrate", VERDICT_ERROR, "client",
                  STR("vanished before the answer"));
    if (p->call)
        http_call_cancel(p->call);
}

static void on_done(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    buf_fini(&p->body);
    buf_fini(&p->held.body);
    exchange__done(x, how);
}

static const struct http_exchange_events exchange_events = {on_body, on_body_end, on_drain, on_gone,
                                                            on_done};

static enum next proxy_start(const void *conf, struct exchange *x)
{
    struct proxy *p = ARENA_NEW(x->arena, struct proxy);
    if (p == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    p->conf = conf;
    p->body = BUF_INIT(LIMIT_REQUEST_BODY);
    x->integration = p;
    http_exchange_watch(x->http, &exchange_events, x);
    p->collecting = p->conf->request.needs_body && x->rq->framing != HTTP_NO_BODY;
    if (!p->collecting && start_call(x, p) != ERR_OK)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    if (x->rq->framing != HTTP_NO_BODY)
        http_body_start(x->http);
    return WAIT;
}

const struct integration_kind gateway__http_proxy = {"HTTP_PROXY", 1u << API_REST | 1u << API_HTTP,
                                                     proxy_compile, proxy_start};
