/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP_PROXY: the request goes on to a backend and its answer comes back, both streaming, neither
 * side faster than the other can take. Invariant: the exchange ends only after the call has. */
#include "base/limits.h"
#include "target_int.h"

struct proxy_conf {
    struct target target;
    struct mappings maps;
    struct str method; /* "" = the client's */
    int64_t timeout_ms;
    struct str user_agent; /* AmazonAPIGateway_{api} */
};

struct proxy {
    struct http_call *call; /* NULL before it starts and after it ended */
    enum err client;        /* why the client's body will not come */
    bool stalled;           /* the client's body waits for the backend */
};

/* --- compile -------------------------------------------------------------------------------- */
static enum err proxy_compile(struct arena *a, const struct json *spec,
                              const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct proxy_conf *c = ARENA_NEW(a, struct proxy_conf);
    const struct json *uri = json_get(spec, "uri"), *timeout = json_get(spec, "timeoutInMillis");
    if (c == NULL)
        return ERR_NOMEM;
    *conf = c;
    if (e) {
        e->line = uri ? uri->line : spec->line;
        e->col = uri ? uri->col : spec->col;
    }
    enum err err = target__compile(a, env->api, json_str_or(uri, STR("")), &c->target, e);
    if (err == ERR_OK)
        err =
            mapping__compile(a, json_get(spec, "requestParameters"), MAPPING_REQUEST, &c->maps, e);
    if (err != ERR_OK)
        return err;
    c->timeout_ms = TIMEOUT_INTEGRATION_MS;
    if (timeout && (!json_int(timeout, &c->timeout_ms) || c->timeout_ms < 50 ||
                    c->timeout_ms > TIMEOUT_INTEGRATION_MS))
        return errinfo_at(e, ERR_INVALID, timeout->line, timeout->col,
                          "timeoutInMillis must be 50 to %d", TIMEOUT_INTEGRATION_MS);
    struct str method = json_str_or(json_get(spec, "httpMethod"), STR("ANY"));
    c->method = http_method_name(http_method_of(method));
    if (c->method.n == 0 && !str_eqz(method, "ANY"))
        return errinfo_at(
            e, ERR_INVALID, spec->line, spec->col,
            "httpMethod %.*s is no method: GET, PUT, POST, DELETE, PATCH, OPTIONS, HEAD "
            "or ANY",
            STR_ARG(str_sub(method, 0, 20)));
    c->user_agent = arena_fmt(a, "AmazonAPIGateway_%.*s", STR_ARG(env->api->id));
    return c->user_agent.p ? ERR_OK : ERR_NOMEM;
}

/* --- the request to the backend -----------------------------------------------------------------
 */
static bool is_mapped(struct exchange *x, const struct proxy_conf *c, struct str name)
{
    struct str value;
    for (size_t i = 0; i < c->maps.n; i++) {
        const struct mapping *m = &c->maps.v[i];
        if (m->target == MAP_HEADER && str_ieq(m->name, name))
            /* what the authorizer says of a caller, a caller can never say, not even when the
             * authorizer says nothing */
            return m->from_authorizer || m->read(x, m->source, &value);
    }
    return false;
}

/* Header fields that the client's Connection lists are its own affair with us (RFC 9110 7.6.1). */
static bool is_hop_by_hop(struct str connection, struct str name)
{
    return connection.n > 0 && http_list_has(connection, name);
}

/* What a client cannot make the gateway hide from the backend: who it is. */
static bool is_identity(const struct exchange *x, struct str name)
{
    const struct authorizer *z = x->method->authorizer;
    return str_ieq(name, STR("Authorization")) || str_ieq(name, STR("Cookie")) ||
           (z && authorizer_reads_header(z, name));
}

static enum err add_client_headers(struct exchange *x, const struct proxy_conf *c,
                                   struct http_headers *h)
{
    const struct http_headers *in = &x->rq->headers;
    struct str connection = http_value(in, STR("Connection"));
    bool accept = false, agent = false;
    enum err err = ERR_OK;
    for (size_t i = 0; i < in->n && err == ERR_OK; i++) {
        struct str name = in->v[i].name;
        if (!header__to_backend(name) || is_mapped(x, c, name) ||
            (is_hop_by_hop(connection, name) && !is_identity(x, name)))
            continue;
        accept = accept || str_ieq(name, STR("Accept"));
        agent = agent || str_ieq(name, STR("User-Agent"));
        err = http_add(x->arena, h, name, in->v[i].value);
    }
    if (err == ERR_OK && !accept && !is_mapped(x, c, STR("Accept")))
        err = http_add(x->arena, h, STR("Accept"), STR("application/json"));
    if (err == ERR_OK && !agent && !is_mapped(x, c, STR("User-Agent")))
        err = http_add(x->arena, h, STR("User-Agent"), c->user_agent);
    return err;
}

static enum err add_own_headers(struct exchange *x, struct http_headers *h)
{
    enum err err = http_add(x->arena, h, STR("X-Forwarded-For"), exchange__forwarded_for(x));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Forwarded-Port"), exchange__port(x));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Forwarded-Proto"), STR("http"));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Amzn-Trace-Id"), str_c(x->trace));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Amzn-Apigateway-Api-Id"), x->api->id);
    return err;
}

/* Fields that a mapping may not set (specs 7.3): API Gateway answers 500. */
static bool is_reserved(struct str name)
{
    static const char *const names[] = {"content-length", "transfer-encoding", "x-amzn-trace-id",
                                        "x-amzn-apigateway-api-id"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(name, str_c(names[i])))
            return true;
    return false;
}

static enum err add_mapped_headers(struct exchange *x, const struct proxy_conf *c,
                                   struct http_headers *h)
{
    for (size_t i = 0; i < c->maps.n; i++) {
        const struct mapping *m = &c->maps.v[i];
        struct str value;
        if (m->target != MAP_HEADER || !m->read(x, m->source, &value))
            continue;
        if (is_reserved(m->name) || !http_is_field_value(value))
            return ERR_INVALID; /* a value with CR, LF or NUL never becomes a header */
        http_remove(h, m->name);
        enum err err = http_add(x->arena, h, m->name, value);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
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
        if (!header__from_backend(name) || (!own && is_hop_by_hop(connection, name)))
            continue;
        name = header__remapped(x->arena, name);
        err = name.p ? http_add(x->arena, &out->headers, name, rs->headers.v[i].value) : ERR_NOMEM;
    }
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

static enum gateway_response response_for(enum err how)
{
    switch (how) {
    case ERR_TIMEOUT:
        return RESPONSE_INTEGRATION_TIMEOUT;
    case ERR_UNAVAILABLE:
    case ERR_INVALID:
    case ERR_NOMEM:
        return RESPONSE_API_CONFIGURATION_ERROR;
    case ERR_SYNTAX:
    case ERR_LIMIT:
        return RESPONSE_MALFORMED_PROXY_RESPONSE;
    default:
        return RESPONSE_INTEGRATION_FAILURE;
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
                                                                       : response_for(how)));
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
    const struct proxy_conf *c = conf;
    struct proxy *p = ARENA_NEW(x->arena, struct proxy);
    struct http_call_options o = {
        .origin = c->target.origin,
        .method = c->method.n ? c->method : x->rq->method_text,
        .framing = x->rq->framing,
        .length = x->rq->length,
        .timeout_ms = c->timeout_ms,
    };
    if (p == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    x->integration = p;
    enum err err = target__make(x, &c->target, &c->maps, &o.target);
    if (err == ERR_OK)
        err = http_add(x->arena, &o.headers, STR("Host"), c->target.authority);
    if (err == ERR_OK)
        err = add_client_headers(x, c, &o.headers);
    if (err == ERR_OK)
        err = add_own_headers(x, &o.headers);
    if (err == ERR_OK)
        err = add_mapped_headers(x, c, &o.headers);
    if (err == ERR_OK)
        err = x->query_err; /* a mapping from a query that could not be read */
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

const struct integration_kind gateway__http_proxy = {"HTTP_PROXY", proxy_compile, proxy_start};
