/* SPDX-License-Identifier: Apache-2.0
 *
 * A request's way through the gateway: the list GATEWAY_STEPS, one function each. Any failure
 * becomes an answer; every answer goes through respond and account: one exit. Invariant: nothing
 * reaches an integration of a guarded method unless an allow for exactly this method and methodArn
 * is attached. */
#include "base/limits.h"
#include "domain_int.h"
#include "http_api_int.h"

/* --- match ---------------------------------------------------------------------------------- */
/* AWS takes any Authorization header on an unknown route for a broken signature. */
static enum next refuse_unmatched(struct exchange *x)
{
    struct str header = http_value(&x->rq->headers, STR("Authorization"));
    if (header.n == 0 || str_starts(header, STR("AWS4-")) || !str_is_utf8(header))
        return exchange__refuse(x, RESPONSE_MISSING_AUTHENTICATION_TOKEN);
    struct str rest, item = str_cut(header, ' ', &rest);
    if (rest.p)
        item = str_cut(str_trim(rest), ',', &rest);
    AUTO_BUF text = BUF_INIT(KIB(24));
    if (str_chr(item, '=', 0) == SIZE_MAX)
        buf_addf(&text,
                 "'%.*s' not a valid key=value pair (missing equal-sign) in Authorization header: "
                 "'%.*s'.",
                 STR_ARG(item), STR_ARG(header));
    else
        buf_addf(&text,
                 "Authorization header requires 'Credential' parameter. Authorization header "
                 "requires 'Signature' parameter. Authorization header requires 'SignedHeaders' "
                 "parameter. Authorization header requires existence of either a 'X-Amz-Date' or a "
                 "'Date' header. Authorization=%.*s",
                 STR_ARG(str_cut(header, ' ', &rest)));
    struct str kept = text.err ? STR_NONE : arena_str(x->arena, buf_str(&text));
    if (kept.p == NULL)
        return exchange__refuse(x, RESPONSE_MISSING_AUTHENTICATION_TOKEN);
    return exchange__refuse_as(x, RESPONSE_MISSING_AUTHENTICATION_TOKEN,
                               "IncompleteSignatureException", kept);
}

static enum next refuse_path(struct exchange *x, const char *why)
{
    decision_notef(&x->record, "match", VERDICT_DENY, "path", "refused: %s", why);
    if (x->api == NULL)
        x->kind = route__manner(x->snapshot, x->rq->host);
    return exchange__refuse(x, RESPONSE_BAD_REQUEST);
}

static bool has_double_slash(struct str path)
{
    return str_find(path, STR("//")) != SIZE_MAX;
}

static struct str make_arn(struct exchange *x, struct str path)
{
    struct str parts[] = {x->api->arn_prefix, x->rq->method_text, path};
    return arena_cat(x->arena, parts, COUNTOF(parts));
}

static enum next make_method_arn(struct exchange *x)
{
    x->method_arn = make_arn(x, x->route_path);
    if (x->method_arn.p == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    if (x->method_arn.n > LIMIT_METHOD_ARN) {
        decision_notef(&x->record, "match", VERDICT_DENY, "methodArn", "longer than %d bytes",
                       LIMIT_METHOD_ARN);
        return exchange__refuse(x, RESPONSE_URI_TOO_LONG);
    }
    return NEXT;
}

/* Escapes like %3A and a trailing slash stay in the canonical path, but many backends decode and
 * trim before they match. The plain spelling must mean the same method here, and no statement may
 * deny it: else a guarded /pets:list could be had as /pets%3Alist through an open {proxy+}, and a
 * denied /admin as /admin/. */
static enum next check_decoded(struct exchange *x)
{
    struct path_param params[PATH_PARAMS];
    size_t n;
    bool slash = x->route_path.n > 1 && str_ends(x->route_path, STR("/"));
    if (str_chr(x->route_path, '%', 0) == SIZE_MAX && !slash)
        return NEXT;
    struct str decoded = path_percent_decode(x->arena, x->route_path, false);
    while (decoded.n > 1 && str_ends(decoded, STR("/")))
        decoded.n--;
    x->decoded_arn = decoded.p ? make_arn(x, decoded) : STR_NONE;
    if (x->decoded_arn.p == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    if (route__match(x->api, x->rq->method, decoded, params, &n) != x->method)
        return refuse_path(x, "decoded it would be another route's");
    return NEXT;
}

enum next step__match(struct exchange *x)
{
    const char *why = "";
    unsigned flags = x->snapshot->any_double_slash ? PATH_ALLOW_DOUBLE_SLASH : 0;
    decision_note(&x->record, "match", VERDICT_INFO, "method", x->rq->method_text);
    enum err err = path_canonical(x->arena, x->rq->raw_path, flags, &x->path, &why);
    decision_note(&x->record, "match", VERDICT_INFO, "path", err ? x->rq->raw_path : x->path);
    if (err == ERR_NOMEM)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    if (err != ERR_OK)
        return refuse_path(x, why);
    if (domain__admit(x) != NEXT)
        return ANSWER;
    x->api = route__api(x->snapshot, x->rq->host, x->path, &x->route_path, &why);
    if (x->api == NULL) {
        x->kind = route__manner(x->snapshot, x->rq->host);
        decision_note(&x->record, "match", VERDICT_DENY, "stage", str_c(why));
        return exchange__refuse(x, x->kind == API_HTTP ? RESPONSE_RESOURCE_NOT_FOUND
                                                       : RESPONSE_FORBIDDEN);
    }
    x->kind = x->api->kind;
    if (x->kind == API_HTTP) /* its clients know the request by this one id */
        memcpy(x->record.id, x->ids.extended, sizeof x->ids.extended);
    if (!x->api->allow_double_slash && has_double_slash(x->path))
        return refuse_path(x, "an empty segment (//)");
    if (x->api->cors && !x->forward && cors__is_preflight(x))
        return NEXT; /* whatever the routes are, step__cors answers */
    x->method = route__match(x->api, x->rq->method, x->route_path, x->params, &x->param_count);
    if (x->method == NULL) {
        decision_note(&x->record, "match", VERDICT_DENY, "route",
                      STR("no resource and method match"));
        return x->kind == API_HTTP ? exchange__refuse(x, RESPONSE_RESOURCE_NOT_FOUND)
                                   : refuse_unmatched(x);
    }
    decision_note(&x->record, "match", VERDICT_PASS, "route", x->method->route);
    enum next next = make_method_arn(x);
    return next == NEXT ? check_decoded(x) : next;
}

/* --- cors ------------------------------------------------------------------------------------ */
enum next step__cors(struct exchange *x)
{
    return x->method ? NEXT : cors__answer_preflight(x);
}

/* --- authorize ------------------------------------------------------------------------------ */
static enum next authorized(struct exchange *x)
{
    x->auth.verdict = resource_policy__combine(x, x->auth.verdict);
    switch (x->auth.verdict) {
    case AUTH_ALLOW:
        x->granted.method = x->method;
        x->granted.method_arn = x->method_arn;
        return NEXT;
    case AUTH_DENY_EXPLICIT:
        return exchange__refuse(x, RESPONSE_ACCESS_DENIED_EXPLICIT);
    case AUTH_DENY_IMPLICIT:
        return exchange__refuse(x, RESPONSE_ACCESS_DENIED);
    case AUTH_UNAUTHORIZED:
        return exchange__refuse(x, RESPONSE_UNAUTHORIZED);
    case AUTH_UNSIGNED:
        return x->kind == API_HTTP ? exchange__refuse(x, RESPONSE_FORBIDDEN) : refuse_unmatched(x);
    case AUTH_OUT_OF_SCOPE: /* a user pool's authorizer of a REST API says 401, of an HTTP API 403
                             */
        return exchange__refuse(x,
                                x->kind == API_HTTP ? RESPONSE_FORBIDDEN : RESPONSE_UNAUTHORIZED);
    case AUTH_ERROR:
        break;
    }
    return exchange__refuse(x, RESPONSE_AUTHORIZER_CONFIGURATION_ERROR);
}

static void auth_done(struct auth_call *c)
{
    struct exchange *x = c->arg;
    exchange__resume(x, authorized(x));
}

enum next step__authorize(struct exchange *x)
{
    if (x->method->authorizer == NULL) {
        decision_note(&x->record, "authorize", VERDICT_PASS, "authorizer",
                      x->method->api_key_required ? STR("none") : STR("none: the route is open"));
        return NEXT;
    }
    const struct gateway_options *o = &x->worker->gateway->options;
    x->auth = (struct auth_call){
        .authorizer = x->method->authorizer,
        .lambda = o->lambda,
        .cache = o->cache,
        .facts = {.method_arn = x->method_arn,
                  .decoded_arn = x->decoded_arn,
                  .method = x->rq->method_text,
                  .route = x->method->route,
                  .headers = &x->rq->headers,
                  .context = exchange__condition_keys(x),
                  .scopes = x->method->scopes,
                  .scope_count = x->method->scope_count,
                  .ops = &exchange__auth_ops,
                  .request = x},
        .arena = x->arena,
        .loop = x->worker->loop,
        .record = &x->record,
        .metrics = &x->worker->metrics,
        .deadline_ms =
            loop_now_ms(x->worker->loop) +
            (x->kind == API_HTTP ? TIMEOUT_HTTP_API_AUTHORIZER_MS : TIMEOUT_AUTHORIZER_MS),
        .trace_header = str_c(x->trace),
        .done = auth_done,
        .arg = x,
    };
    return authorizer_decide(&x->auth) ? authorized(x) : WAIT;
}

/* --- integrate, respond, account -------------------------------------------------------------- */
enum next step__integrate(struct exchange *x)
{
    bool open = x->method->authorizer == NULL;
    ASSERT(open || (x->granted.method == x->method &&
                    str_eq(x->granted.method_arn, x->method_arn) && x->auth.verdict == AUTH_ALLOW));
    if (x->forward)
        return forward__allow(x);
    decision_note(&x->record, "integrate", VERDICT_INFO, "kind", str_c(x->method->kind->name));
    return x->method->kind->start(x->method->conf, x);
}

enum next step__respond(struct exchange *x)
{
    enum err err = x->api && x->api->cors ? cors__put(x, &x->answer.headers) : ERR_OK;
    if (err != ERR_OK || exchange__hand(x, &x->answer.headers) != ERR_OK)
        x->answer.headers = (struct http_headers){0}; /* out of memory: better none than half */
    x->status = x->answer.status;
    http_respond(x->http, &x->answer, x->answer_body);
    return WAIT; /* the server says when the last byte is out */
}

static void count(struct exchange *x, uint32_t took_us)
{
    static const enum metric classes[] = {METRIC_HTTP_5XX, METRIC_HTTP_2XX, METRIC_HTTP_2XX,
                                          METRIC_HTTP_3XX, METRIC_HTTP_4XX, METRIC_HTTP_5XX};
    struct metrics *m = &x->worker->metrics;
    unsigned class = x->status / 100;
    metric_add(m, METRIC_HTTP_REQUESTS, 1);
    metric_add(m, classes[class < COUNTOF(classes) ? class : 5], 1);
    metric_add(m, METRIC_DURATION_US, took_us);
}

enum next step__account(struct exchange *x)
{
    const struct gateway_options *o = &x->worker->gateway->options;
    int64_t took = clock_mono_us(run_clock(o->run)) - http_exchange_began_us(x->http);
    x->record.status = (uint16_t)x->status;
    x->record.duration_us = took > 0 ? (uint32_t)took : 0;
    count(x, x->record.duration_us);
    decision_ring_put(x->worker->decisions, &x->record);
    if (o->on_decision)
        o->on_decision(o->arg, x->worker->loop, &x->record);
    auth_call_fini(&x->auth);
    snapshot__leave(x->worker, x->snapshot);
    return WAIT;
}

/* --- the walk -------------------------------------------------------------------------------- */
static enum next (*const steps[STEP_COUNT])(struct exchange *) = {
#define X(name) step__##name,
    GATEWAY_STEPS(X)
#undef X
};

static void walk(struct exchange *x, enum next next)
{
    while (next != WAIT) {
        x->at = next == ANSWER ? STEP_respond : x->at + 1;
        next = steps[x->at](x);
    }
}

void exchange__resume(struct exchange *x, enum next with)
{
    walk(x, with);
}

void exchange__done(void *arg, enum err how)
{
    struct exchange *x = arg;
    if (how != ERR_OK)
        decision_note(&x->record, "respond", VERDICT_ERROR, "client",
                      STR("the connection ended before the whole answer was sent"));
    x->at = STEP_account;
    step__account(x);
}

static const struct http_exchange_events only_done = {.done = exchange__done};

struct exchange *exchange__begin(struct gateway_worker *w, struct http_exchange *http)
{
    struct arena *a = http_exchange_arena(http);
    struct exchange *x = ARENA_NEW(a, struct exchange);
    struct snapshot *s = x ? snapshot__enter(w) : NULL;
    if (s == NULL) {
        http_respond_abort(http);
        return NULL;
    }
    x->http = http;
    x->rq = http_exchange_request(http);
    x->arena = a;
    x->worker = w;
    x->snapshot = s;
    x->wall_us = loop_wall_us(w->loop);
    x->peer_ip = http_exchange_peer_ip(http);
    x->is_tls = http_exchange_is_tls(http);
    exchange__make_ids(x);
    decision_begin(&x->record, x->ids.request, x->wall_us);
    http_exchange_watch(http, &only_done, x);
    return x;
}

void exchange__walk(struct exchange *x)
{
    x->at = STEP_match;
    walk(x, step__match(x));
}

/* Entry: the http server has one request. */
void gateway__handle(void *worker, struct http_exchange *http)
{
    struct gateway_worker *w = worker;
    struct exchange *x = exchange__begin(w, http);
    if (x == NULL)
        return;
    x->source_ip = peer__source_ip(w->gateway, x->peer_ip, &x->rq->headers);
    exchange__walk(x);
}
