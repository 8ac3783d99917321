/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP integrations that are not proxies: only what is mapped goes to the backend, and only what is
 * mapped comes back, through the integration response that its status selects (specs 7.3). Both
 * bodies are whole before they go on, since mappings look into them. Invariant: the exchange ends
 * only after the call has. */
#include "backend_int.h"
#include "base/limits.h"
#include "responses_int.h"

struct http_conf {
    struct backend_conf backend;
    struct templates templates;
    enum passthrough passthrough;
    enum media_handling handling;
    struct responses responses;
};

struct http_state {
    const struct http_conf *conf;
    const struct template *template; /* in place of the client's body */
    struct http_call *call;          /* NULL before it starts and after it ended */
    struct buf request, answer;      /* bodies as they came */
    struct buf sent, body;           /* and as contentHandling made them */
    const struct http_response *head;
    struct backend_answer backend;
};

static enum err http_compile(struct arena *a, const struct json *spec,
                             const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct http_conf *c = ARENA_NEW(a, struct http_conf);
    *conf = c;
    if (c == NULL)
        return ERR_NOMEM;
    enum err err = backend__compile(a, spec, env, MAPPING_REQUEST, &c->backend, e);
    if (err == ERR_OK)
        err = templates__compile(a, json_get(spec, "requestTemplates"), &c->templates, e);
    if (err == ERR_OK)
        err = media__passthrough(spec, &c->passthrough, e);
    if (err == ERR_OK)
        err = media__handling(spec, &c->handling, e);
    if (err == ERR_OK)
        err = responses__compile(a, json_get(spec, "integrationResponses"), env->method,
                                 MAPPING_RESPONSE, &c->responses, e);
    return err;
}

/* --- the answer ------------------------------------------------------------------------------- */
static enum err make_answer(struct exchange *x, struct http_state *s,
                            const struct response_rule *rule)
{
    struct str body = s->backend.body;
    enum err err = responses__apply(x, rule, &body);
    if (err == ERR_OK)
        err = http_add(x->arena, &x->answer.headers, STR("X-Amzn-Trace-Id"), str_c(x->trace));
    if (err == ERR_OK)
        err =
            media__to_client(x, rule->handling, http_value(&x->answer.headers, STR("Content-Type")),
                             &body, &s->body);
    x->answer_body = body;
    return err;
}

static enum next finish(struct exchange *x, struct http_state *s)
{
    s->backend = (struct backend_answer){s->head->status, &s->head->headers, buf_str(&s->answer)};
    x->backend = &s->backend;
    decision_noteu(&x->record, "integrate", VERDICT_PASS, "answered", s->head->status);
    const struct response_rule *rule = responses__choose(&s->conf->responses, s->head->status);
    if (rule == NULL) {
        decision_note(&x->record, "integrate", VERDICT_ERROR, "response",
                      STR("no integration response matches this status, and there is no default"));
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    }
    enum err err = make_answer(x, s, rule);
    if (err == ERR_OK)
        return ANSWER;
    decision_notef(&x->record, "integrate", VERDICT_ERROR, "response",
                   "cannot be made of what the backend said: %s", err_text(err));
    return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
}

static void on_head(void *arg, const struct http_response *rs)
{
    struct http_state *s = ((struct exchange *)arg)->integration;
    s->head = rs; /* valid until the call is done */
}

static void on_data(void *arg, struct str chunk)
{
    struct http_state *s = ((struct exchange *)arg)->integration;
    buf_add(&s->answer, chunk);
    if (s->answer.err)
        http_call_cancel(s->call);
}

static void on_call_done(void *arg, enum err how, const char *why)
{
    struct exchange *x = arg;
    struct http_state *s = x->integration;
    s->call = NULL;
    if (how == ERR_OK && s->answer.err == ERR_OK) {
        exchange__resume(x, finish(x, s));
        return;
    }
    if (http_exchange_client_gone(x->http)) {
        http_respond_abort(x->http);
        return;
    }
    metric_add(&x->worker->metrics, METRIC_BACKEND_ERRORS, 1);
    decision_notef(&x->record, "integrate", VERDICT_ERROR, "backend", "%s: %s",
                   err_text(s->answer.err ? s->answer.err : how),
                   s->answer.err ? "an answer of more than 10 MiB" : why);
    exchange__resume(x, exchange__refuse(x, s->answer.err ? RESPONSE_API_CONFIGURATION_ERROR
                                                          : backend__response_for(how)));
}

static const struct http_call_events call_events = {
    .head = on_head, .data = on_data, .done = on_call_done};

/* --- the request ------------------------------------------------------------------------------ */
static enum err make_body(struct exchange *x, struct http_state *s, struct str *body)
{
    x->request_body = *body = buf_str(&s->request);
    if (s->template == NULL)
        return media__to_backend(x, s->conf->handling, body, &s->sent);
    *body = s->template->text;
    return ERR_OK;
}

static enum next call_backend(struct exchange *x, struct http_state *s)
{
    struct http_call_options o = {.framing = HTTP_NO_BODY};
    struct str body;
    enum err err = make_body(x, s, &body);
    if (err == ERR_OK)
        err = backend__request(x, &s->conf->backend, false, &o);
    if (body.n > 0 || x->rq->framing != HTTP_NO_BODY) {
        o.framing = HTTP_BY_LENGTH;
        o.length = body.n;
    }
    if (err == ERR_OK && s->template && http_find(&o.headers, STR("Content-Type")) == NULL)
        err = http_add(x->arena, &o.headers, STR("Content-Type"), s->template->type);
    if (err == ERR_OK)
        err = http_call_start(x->worker->client, &o, &call_events, x, &s->call);
    if (err != ERR_OK) {
        decision_notef(&x->record, "integrate", VERDICT_ERROR, "request",
                       "could not be built from the mappings: %s", err_text(err));
        s->call = NULL;
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    }
    if (o.framing == HTTP_BY_LENGTH) {
        (void)http_call_write(s->call, body); /* whole: nothing follows that could wait */
        http_call_end(s->call);
    }
    return WAIT;
}

static void on_body(void *arg, struct str chunk)
{
    struct http_state *s = ((struct exchange *)arg)->integration;
    buf_add(&s->request, chunk);
}

static void on_body_end(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct http_state *s = x->integration;
    if (how == ERR_OK)
        how = s->request.err;
    if (http_exchange_client_gone(x->http) && how != ERR_OK) {
        http_respond_abort(x->http);
        return;
    }
    enum next next = how == ERR_OK        ? call_backend(x, s)
                     : how == ERR_LIMIT   ? exchange__refuse(x, RESPONSE_REQUEST_TOO_LARGE)
                     : how == ERR_TIMEOUT ? exchange__refuse(x, RESPONSE_REQUEST_TIMEOUT)
                                          : exchange__refuse(x, RESPONSE_BAD_REQUEST);
    if (next != WAIT)
        exchange__resume(x, next);
}

static void on_gone(void *arg)
{
    struct exchange *x = arg;
    struct http_state *s = x->integration;
    decision_note(&x->record, "integrate", VERDICT_ERROR, "client",
                  STR("vanished before the answer"));
    if (s->call)
        http_call_cancel(s->call);
}

static void on_done(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct http_state *s = x->integration;
    buf_fini(&s->request);
    buf_fini(&s->answer);
    buf_fini(&s->sent);
    buf_fini(&s->body);
    exchange__done(x, how);
}

static const struct http_exchange_events exchange_events = {
    .data = on_body, .end = on_body_end, .gone = on_gone, .done = on_done};

static enum next http_start(const void *conf, struct exchange *x)
{
    const struct http_conf *c = conf;
    struct http_state *s = ARENA_NEW(x->arena, struct http_state);
    bool refused = false;
    if (s == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    s->conf = c;
    s->request = BUF_INIT(LIMIT_REQUEST_BODY);
    s->answer = BUF_INIT(LIMIT_BACKEND_BODY);
    s->sent = BUF_INIT(2 * LIMIT_REQUEST_BODY);
    s->body = BUF_INIT(2 * LIMIT_BACKEND_BODY);
    s->template = templates__choose(&c->templates, c->passthrough,
                                    http_value(&x->rq->headers, STR("Content-Type")), &refused);
    x->integration = s;
    if (refused)
        return exchange__refuse(x, RESPONSE_UNSUPPORTED_MEDIA_TYPE);
    http_exchange_watch(x->http, &exchange_events, x);
    if (x->rq->framing == HTTP_NO_BODY)
        return call_backend(x, s);
    http_body_start(x->http);
    return WAIT;
}

const struct integration_kind gateway__http = {"HTTP", 1u << API_REST, http_compile, http_start};
