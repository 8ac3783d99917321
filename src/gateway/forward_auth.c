/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward-auth: another gateway (nginx, Traefik, Caddy, HAProxy, Envoy) asks whether a request may
 * pass, and serves it itself. /_authorize takes the request from X-Forwarded-Method, -Uri, -Host
 * and -For; below /_authorize/ the path is the request's own, as Envoy's ext_authz sends it.
 * Invariant: the two forms never mix, and a request that could be read in two ways is refused, so
 * that no client of the other gateway chooses which route is judged. */
#include "base/limits.h"
#include "gateway_int.h"

#define ENDPOINT STR("/_authorize")

static const struct {
    const char *name;
    bool kept; /* for the functions to see */
} forwarding[] = {
    {"X-Forwarded-Method", false}, {"X-Forwarded-Uri", false},   {"X-Forwarded-Host", false},
    {"X-Forwarded-Proto", false},  {"X-Forwarded-Port", false},  {"X-Forwarded-For", true},
    {"Content-Length", false},     {"Transfer-Encoding", false}, {"Host", false},
};

static enum next refuse(struct exchange *x, enum gateway_response type, const char *why)
{
    decision_note(&x->record, "match", VERDICT_DENY, "forwarded", str_c(why));
    return exchange__refuse(x, type);
}

/* The one value of a header; more than one line is none. */
static bool one_value(const struct http_headers *h, const char *name, struct str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        if (str_ieq(h->v[i].name, str_c(name))) {
            *out = h->v[i].value;
            n++;
        }
    return n == 1 && out->n > 0;
}

static bool is_kept(struct str name)
{
    for (size_t i = 0; i < COUNTOF(forwarding); i++)
        if (str_ieq(name, str_c(forwarding[i].name)))
            return forwarding[i].kept;
    return true;
}

/* The headers of the request that is asked about, Host first. */
static enum err copy_headers(struct exchange *x, struct http_request *rq)
{
    const struct http_headers *in = &x->rq->headers;
    rq->headers = (struct http_headers){0};
    enum err err = http_add(x->arena, &rq->headers, STR("Host"), rq->host);
    for (size_t i = 0; i < in->n && err == ERR_OK; i++)
        if (is_kept(in->v[i].name))
            err = http_add(x->arena, &rq->headers, in->v[i].name, in->v[i].value);
    rq->framing = HTTP_NO_BODY;
    rq->length = 0;
    return err;
}

/* "?stage=prod" of the endpoint: for gateways whose URLs have no stage. */
static enum err add_stage(struct exchange *x, struct str *path)
{
    const struct query_pair *q;
    size_t n;
    enum err err = exchange__query(x, &q, &n);
    if (err != ERR_OK || n == 0)
        return err;
    if (n > 1 || !str_eqz(q[0].name, "stage") || q[0].value.n == 0)
        return ERR_INVALID;
    struct str parts[] = {STR("/"), q[0].value, *path};
    *path = arena_cat(x->arena, parts, COUNTOF(parts));
    return path->p ? ERR_OK : ERR_NOMEM;
}

/* What X-Forwarded-* say. NULL when it is a request; else why not. */
static const char *read_forwarded(struct exchange *x, struct http_request *rq)
{
    const struct http_headers *h = &x->rq->headers;
    struct str uri, host = rq->host;
    if (!one_value(h, "X-Forwarded-Method", &rq->method_text) || !http_is_token(rq->method_text))
        return "one X-Forwarded-Method with the request's method must be sent";
    if (!one_value(h, "X-Forwarded-Uri", &uri) || uri.p[0] != '/')
        return "one X-Forwarded-Uri with the request's path and query must be sent";
    if (http_find(h, STR("X-Forwarded-Host"))) {
        if (!one_value(h, "X-Forwarded-Host", &host) || !http_is_host(host))
            return "X-Forwarded-Host must be one host name";
        rq->host = arena_lower(x->arena, host);
        if (rq->host.p == NULL)
            return "out of memory";
    }
    rq->target = uri;
    rq->raw_path = str_cut(uri, '?', &rq->query);
    if (add_stage(x, &rq->raw_path) != ERR_OK)
        return "the endpoint takes ?stage=NAME and nothing else";
    return NULL;
}

/* Envoy: the request as it is, its path behind ours. */
static const char *read_prefixed(struct exchange *x, struct http_request *rq)
{
    rq->raw_path = str_from(x->rq->raw_path, ENDPOINT.n);
    rq->target = str_from(x->rq->target, ENDPOINT.n);
    if (!http_is_local_host(rq->host)) {
        struct str below;
        const char *why;
        if (route__api(x->snapshot, rq->host, rq->raw_path, &below, &why) == NULL)
            return "the Host is none that an API here is reached by";
    }
    return NULL;
}

/* A web page must not ask: its requests carry an Origin, and by DNS rebinding a Host that is a
 * name. What a proxy hands on may have the client's Origin; a page cannot send X-Forwarded-Uri
 * without a preflight, which is refused here. */
static bool from_a_page(const struct http_request *rq, bool prefixed)
{
    bool origin = http_find(&rq->headers, STR("Origin")) != NULL;
    if (prefixed)
        return origin;
    return !http_is_local_host(rq->host) ||
           (origin && http_find(&rq->headers, STR("X-Forwarded-Uri")) == NULL);
}

static enum next read_request(struct exchange *x)
{
    const struct http_request *asked = x->rq;
    bool prefixed = str_starts(asked->raw_path, ENDPOINT) && asked->raw_path.n > ENDPOINT.n &&
                    asked->raw_path.p[ENDPOINT.n] == '/';
    struct http_request *rq = ARENA_NEW(x->arena, struct http_request);
    if (rq == NULL)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    *rq = *asked;
    if (!prefixed && !str_eq(asked->raw_path, ENDPOINT))
        return refuse(x, RESPONSE_RESOURCE_NOT_FOUND, "this listener serves only /_authorize");
    if (from_a_page(asked, prefixed))
        return refuse(x, RESPONSE_FORBIDDEN,
                      "this listener answers gateways that come by a loopback name or an address, "
                      "and no web page");
    const char *why = prefixed ? read_prefixed(x, rq) : read_forwarded(x, rq);
    if (why)
        return refuse(x, RESPONSE_BAD_REQUEST, why);
    rq->method = http_method_of(rq->method_text);
    if (copy_headers(x, rq) != ERR_OK)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    x->query_read = false; /* the endpoint's own */
    x->rq = rq;
    return NEXT;
}

void forward__handle(void *worker, struct http_exchange *http)
{
    struct gateway_worker *w = worker;
    struct exchange *x = exchange__begin(w, http);
    if (x == NULL)
        return;
    x->forward = true;
    x->source_ip = peer__behind(w->gateway, x->peer_ip, &x->rq->headers);
    if (read_request(x) == NEXT)
        exchange__walk(x);
    else
        exchange__resume(x, ANSWER);
}

/* --- the answer ------------------------------------------------------------------------------- */
/* "ropeline-context-KEY: value". What no header can say is left out: the other gateway is told to
 * drop the client's own headers of these names first. */
static enum err add_fact(struct exchange *x, const char *prefix, struct str key, struct str value)
{
    struct str parts[] = {str_c(prefix), key};
    struct str name = arena_cat(x->arena, parts, COUNTOF(parts));
    if (name.p == NULL)
        return ERR_NOMEM;
    if (!http_is_token(name) || !http_is_field_value(value)) {
        decision_notef(&x->record, "respond", VERDICT_INFO, "left out",
                       "%.*s cannot be said in a header", STR_ARG(str_sub(key, 0, 60)));
        return ERR_OK;
    }
    if (http_find(&x->answer.headers, name)) { /* "role" and "Role": which one would be believed? */
        decision_notef(&x->record, "respond", VERDICT_ERROR, "twice",
                       "%.*s is there in two letter cases", STR_ARG(str_sub(key, 0, 60)));
        return ERR_EXISTS;
    }
    return http_add(x->arena, &x->answer.headers, name, value);
}

static enum err add_claims(struct exchange *x, const struct json *claims)
{
    enum err err = ERR_OK;
    for (size_t i = 0; json_is(claims, JSON_OBJECT) && i < claims->n && err == ERR_OK; i++) {
        const struct json *v = claims->members[i].value;
        if (v->type == JSON_STRING || v->type == JSON_NUMBER)
            err = add_fact(x, "ropeline-claim-", claims->members[i].key, v->s);
        else if (json_is_bool(v))
            err = add_fact(x, "ropeline-claim-", claims->members[i].key,
                           v->type == JSON_TRUE ? STR("true") : STR("false"));
    }
    return err;
}

static enum err add_facts(struct exchange *x)
{
    const struct auth_result *r = x->auth.result;
    enum err err = exchange__add_ids(x, &x->answer.headers);
    if (err == ERR_OK)
        err = add_fact(x, "ropeline-", STR("principal-id"), r ? auth_principal(r) : STR(""));
    for (size_t i = 0; r && i < auth_context_count(r) && err == ERR_OK; i++) {
        const struct auth_context *c = auth_context_at(r, i);
        if (!c->null)
            err = add_fact(x, "ropeline-context-", c->key, c->text);
    }
    return err == ERR_OK && r ? add_claims(x, auth_claims(r)) : err;
}

enum next forward__allow(struct exchange *x)
{
    x->answer = (struct http_response){.status = 200};
    x->answer_body = STR("");
    if (add_facts(x) != ERR_OK)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    decision_note(&x->record, "integrate", VERDICT_PASS, "forward",
                  STR("the other gateway serves it"));
    return ANSWER;
}
