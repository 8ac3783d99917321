/* SPDX-License-Identifier: Apache-2.0
 *
 * What the events of functions and authorizers have in common: single-value maps carry the last
 * value, multi-value maps carry all in order (specs 1.2, 7.1). Invariant: an event without part of
 * the request would lie, so whatever cannot be written makes the whole event fail. */
#include "event_int.h"
#include "headers_int.h"
#include "http_api_int.h"

void event__member(struct buf *b, bool *first, struct str key)
{
    if (!*first)
        buf_addc(b, ',');
    *first = false;
    json_write_str(b, key);
    buf_addc(b, ':');
}

void event__text(struct buf *b, bool *first, const char *key, struct str value)
{
    event__member(b, first, str_c(key));
    json_write_str(b, value);
}

static bool same(struct str a, struct str b, bool ignore_case)
{
    return ignore_case ? str_ieq(a, b) : str_eq(a, b);
}

static bool later(const struct event_pair *v, size_t n, size_t i, bool ignore_case)
{
    for (size_t k = i + 1; k < n; k++)
        if (same(v[k].name, v[i].name, ignore_case))
            return true;
    return false;
}

static bool earlier(const struct event_pair *v, size_t i, bool ignore_case)
{
    for (size_t k = 0; k < i; k++)
        if (same(v[k].name, v[i].name, ignore_case))
            return true;
    return false;
}

void event__single(struct buf *b, bool *first, const char *key, struct event_pairs p,
                   const char *empty)
{
    const struct event_pair *v = p.v;
    size_t n = p.n;
    bool inner = true, ignore_case = p.ignore_case;
    event__member(b, first, str_c(key));
    if (n == 0) {
        buf_addz(b, empty);
        return;
    }
    buf_addc(b, '{');
    for (size_t i = 0; i < n; i++)
        if (!later(v, n, i, ignore_case)) {
            event__member(b, &inner, v[i].name);
            json_write_str(b, v[i].value);
        }
    buf_addc(b, '}');
}

void event__multi(struct buf *b, bool *first, const char *key, struct event_pairs p,
                  const char *empty)
{
    const struct event_pair *v = p.v;
    size_t n = p.n;
    bool inner = true, ignore_case = p.ignore_case;
    event__member(b, first, str_c(key));
    if (n == 0) {
        buf_addz(b, empty);
        return;
    }
    buf_addc(b, '{');
    for (size_t i = 0; i < n; i++) {
        if (earlier(v, i, ignore_case))
            continue;
        bool values = true;
        event__member(b, &inner, v[i].name);
        buf_addc(b, '[');
        for (size_t k = i; k < n; k++)
            if (same(v[k].name, v[i].name, ignore_case)) {
                if (!values)
                    buf_addc(b, ',');
                values = false;
                json_write_str(b, v[k].value);
            }
        buf_addc(b, ']');
    }
    buf_addc(b, '}');
}

/* Header values are octets; an event is JSON. Bytes that are no UTF-8 are read as Latin-1. */
struct str event__utf8(struct arena *a, struct str s)
{
    if (str_is_utf8(s))
        return s;
    char *p = arena_alloc(a, 2 * s.n);
    size_t n = 0;
    for (size_t i = 0; p && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x80)
            p[n++] = (char)(0xc0 | c >> 6);
        p[n++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
    return str_of(p, n);
}

/* Names under which the gateway itself speaks: a client's own copy is never shown. */
bool event__is_ours(struct str name)
{
    static const char *const prefixes[] = {"x-amzn-",          "x-apigateway-",
                                           "x-ropeline-",      "x-forwarded-for",
                                           "x-forwarded-port", "x-forwarded-proto"};
    for (size_t i = 0; i < COUNTOF(prefixes); i++)
        if (str_istarts(name, str_c(prefixes[i])))
            return true;
    return false;
}

enum err event__headers(struct exchange *x, struct event_pairs *out)
{
    const struct http_headers *h = &x->rq->headers;
    struct event_pair *v = ARENA_ARRAY(x->arena, h->n + 4, struct event_pair);
    size_t n = 0;
    if (v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < h->n; i++) {
        struct str name = h->v[i].name;
        bool host = str_ieq(name, STR("Host"));
        if (host || (!event__is_ours(name) && header__to_backend(name)))
            v[n++] = (struct event_pair){name, event__utf8(x->arena, h->v[i].value)};
    }
    v[n++] = (struct event_pair){STR("X-Amzn-Trace-Id"), str_c(x->trace)};
    v[n++] = (struct event_pair){STR("X-Forwarded-For"),
                                 event__utf8(x->arena, exchange__forwarded_for(x))};
    v[n++] = (struct event_pair){STR("X-Forwarded-Port"), exchange__port(x)};
    v[n++] = (struct event_pair){STR("X-Forwarded-Proto"), exchange__proto(x)};
    *out = (struct event_pairs){v, n, true};
    return ERR_OK;
}

enum err event__query(struct exchange *x, struct event_pairs *out)
{
    const struct query_pair *q;
    size_t n;
    enum err err = exchange__query(x, &q, &n);
    struct event_pair *v = err ? NULL : ARENA_ARRAY(x->arena, n, struct event_pair);
    for (size_t i = 0; v && i < n; i++)
        v[i] = (struct event_pair){event__utf8(x->arena, q[i].name),
                                   event__utf8(x->arena, q[i].value)};
    *out = (struct event_pairs){v, v ? n : 0, false};
    return err ? err : v ? ERR_OK : ERR_NOMEM;
}

enum err event__params(struct exchange *x, struct event_pairs *out)
{
    struct event_pair *v = ARENA_ARRAY(x->arena, x->param_count, struct event_pair);
    for (size_t i = 0; v && i < x->param_count; i++)
        v[i] = (struct event_pair){x->params[i].name, x->params[i].value};
    *out = (struct event_pairs){v, v ? x->param_count : 0, false};
    return v ? ERR_OK : ERR_NOMEM;
}

enum err event__variables(struct exchange *x, struct event_pairs *out)
{
    size_t n = x->api->variable_count;
    struct event_pair *v = ARENA_ARRAY(x->arena, n, struct event_pair);
    for (size_t i = 0; v && i < n; i++)
        v[i] = (struct event_pair){x->api->variables[i].name, x->api->variables[i].value};
    *out = (struct event_pairs){v, v ? n : 0, false};
    return v ? ERR_OK : ERR_NOMEM;
}

void event__authorizer_members(struct exchange *x, struct buf *b, bool *first)
{
    const struct auth_result *r = x->auth.result;
    event__text(b, first, "principalId", auth_principal(r));
    event__member(b, first, STR("integrationLatency"));
    buf_addu(b, x->auth.latency_ms > 0 ? (uint64_t)x->auth.latency_ms : 0);
    for (size_t i = 0; i < auth_context_count(r); i++) {
        const struct auth_context *c = auth_context_at(r, i);
        if (str_eqz(c->key, "principalId") || str_eqz(c->key, "integrationLatency"))
            continue; /* the policy's principal wins */
        event__member(b, first, c->key);
        if (c->null)
            buf_addz(b, "null");
        else
            json_write_str(b, c->text);
    }
}

void event__claims(struct exchange *x, struct buf *b, const struct json *claims)
{
    bool inner = true;
    buf_addc(b, '{');
    for (size_t i = 0; i < claims->n; i++) {
        struct str text = claim__text(x->arena, x->kind, claims->members[i].value);
        if (text.p == NULL)
            b->err = ERR_NOMEM;
        event__member(b, &inner, claims->members[i].key);
        json_write_str(b, text);
    }
    buf_addc(b, '}');
}

/* A user pool's result is its claims alone, as on AWS. */
static void add_authorizer(struct exchange *x, struct buf *b, bool *first)
{
    bool inner = true;
    if (x->method->authorizer == NULL || x->auth.result == NULL)
        return;
    event__member(b, first, STR("authorizer"));
    buf_addc(b, '{');
    if (auth_claims(x->auth.result)) {
        event__member(b, &inner, STR("claims"));
        event__claims(x, b, auth_claims(x->auth.result));
    } else {
        event__authorizer_members(x, b, &inner);
    }
    buf_addc(b, '}');
}

void event__identity(struct exchange *x, struct buf *b, bool *first)
{
    static const char *const nulls[] = {"accessKey",
                                        "accountId",
                                        "caller",
                                        "cognitoAuthenticationProvider",
                                        "cognitoAuthenticationType",
                                        "cognitoIdentityId",
                                        "cognitoIdentityPoolId",
                                        "principalOrgId",
                                        "user",
                                        "userArn"};
    struct str agent = http_value(&x->rq->headers, STR("User-Agent"));
    struct str key = exchange__api_key(x), key_id = exchange__api_key_id(x);
    bool inner = true;
    event__member(b, first, STR("identity"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(nulls); i++) {
        event__member(b, &inner, str_c(nulls[i]));
        buf_addz(b, "null");
    }
    if (key.n > 0)
        event__text(b, &inner, "apiKey", event__utf8(x->arena, key));
    if (key_id.n > 0)
        event__text(b, &inner, "apiKeyId", key_id);
    event__text(b, &inner, "sourceIp", x->source_ip);
    event__member(b, &inner, STR("userAgent"));
    if (agent.n > 0)
        json_write_str(b, event__utf8(x->arena, agent));
    else
        buf_addz(b, "null");
    buf_addc(b, '}');
}

void event__request_context(struct exchange *x, struct buf *b, bool *first)
{
    static const char *const texts[] = {
        "accountId",  "apiId",        "domainName", "domainPrefix", "extendedRequestId",
        "httpMethod", "path",         "protocol",   "requestId",    "requestTime",
        "resourceId", "resourcePath", "stage"};
    bool inner = true;
    event__member(b, first, STR("requestContext"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        struct str value = STR("");
        exchange__context(x, str_c(texts[i]), &value);
        event__text(b, &inner, texts[i], value);
    }
    event__member(b, &inner, STR("requestTimeEpoch"));
    buf_addu(b, (uint64_t)(x->wall_us / 1000));
    if (x->method->operation_name.n > 0)
        event__text(b, &inner, "operationName", x->method->operation_name);
    event__identity(x, b, &inner);
    add_authorizer(x, b, &inner);
    buf_addc(b, '}');
}

void event__request(struct exchange *x, struct buf *b, bool *first, const char *empty, bool multi)
{
    struct event_pairs headers, query, params, variables;
    struct str path = x->kind == API_HTTP ? http_api__path(x) : x->domain ? x->path : x->route_path;
    enum err err = path.p ? event__headers(x, &headers) : ERR_NOMEM;
    if (err == ERR_OK)
        err = event__query(x, &query);
    if (err == ERR_OK)
        err = event__params(x, &params);
    if (err == ERR_OK)
        err = event__variables(x, &variables);
    if (err != ERR_OK) {
        b->err = err;
        return;
    }
    event__text(b, first, "resource", x->method->path);
    event__text(b, first, "path", path);
    event__text(b, first, "httpMethod", x->rq->method_text);
    event__single(b, first, "headers", headers, empty);
    if (multi)
        event__multi(b, first, "multiValueHeaders", headers, empty);
    event__single(b, first, "queryStringParameters", query, empty);
    if (multi)
        event__multi(b, first, "multiValueQueryStringParameters", query, empty);
    event__single(b, first, "pathParameters", params, empty);
    event__single(b, first, "stageVariables", variables, empty);
}
