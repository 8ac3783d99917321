/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP_PROXY: the request goes on to a backend and its answer comes back, both streaming, neither
 * side faster than the other can take. Invariant: the exchange ends only after the call has. */
#include "backend_int.h"
#include "http_api_int.h"

struct proxy {
    struct http_call *call; /* NULL before it starts and after it ended */
    enum err client;        /* why the client's body will not come */
    bool stalled;           /* the client's body waits for the backend */
};

/* --- compile -------------------------------------------------------------------------------- */
static enum err proxy_compile(struct arena *a, const struct json *spec,
                              const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct backend_conf *c = ARENA_NEW(a, struct backend_conf);
    *conf = c;
    return c ? backend__compile(a, spec, env, MAPPING_STREAM, c, e) : ERR_NOMEM;
}

/* --- the answer ------------------------------------------------------------------------------- */
static enum err copy_answer(struct exchange *x, const struct http_response *rs,
                            struct http_response *out)
{
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
    if (err == ERR_OK && x->api->cors)
        err = cors__put(x, &out->headers);
    return err;
}

static void on_head(void *arg, const struct http_response *rs)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    struct http_response out;
    if (copy_answer(x, rs, &out) != ERR_OK) {
        http_call_cancel(p->call); /* no memory for a whole answer: done() refuses */
        return;
    }
    decision_noteu(&x->record, "integrate", VERDICT_PASS, "answered", rs->status);
    x->status = rs->status;
    http_respond_begin(x->http, &out);
}

static void on_data(void *arg, struct str chunk)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
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

static void on_call_done(void *arg, enum err how, const char *why)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    p->call = NULL;
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
                                                        : backend__response_for(how)));
}

static const struct http_call_events call_events = {on_head, on_data, on_call_drain, on_call_done};

/* --- the client's side ------------------------------------------------------------------------ */
static void on_body(void *arg, struct str chunk)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
    if (p->call && !http_call_write(p->call, chunk)) {
        p->stalled = true;
        http_body_pause(x->http);
    }
}

static void on_body_end(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct proxy *p = x->integration;
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

static const struct http_exchange_events exchange_events = {on_body, on_body_end, on_drain, on_gone,
                                                            exchange__done};

static enum next proxy_start(const void *conf, struct exchange *x)
{
    const struct backend_conf *c = conf;
    struct proxy *p = ARENA_NEW(x->arena, struct proxy);
    struct http_call_options o = {.framing = x->rq->framing, .length = x->rq->length};
    if (p == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    x->integration = p;
    enum err err = backend__request(x, c, true, &o);
    http_exchange_watch(x->http, &exchange_events, x);
    if (err == ERR_OK)
        err = http_call_start(x->worker->client, &o, &call_events, x, &p->call);
    if (err != ERR_OK) {
        decision_notef(&x->record, "integrate", VERDICT_ERROR, "request",
                       "could not be built from the mappings: %s", err_text(err));
        p->call = NULL;
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    }
    if (x->rq->framing != HTTP_NO_BODY)
        http_body_start(x->http);
    return WAIT;
}

const struct integration_kind gateway__http_proxy = {"HTTP_PROXY", 1u << API_REST | 1u << API_HTTP,
                                                     proxy_compile, proxy_start};
