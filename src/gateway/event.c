/* SPDX-License-Identifier: Apache-2.0
 *
 * The event of an AWS_PROXY integration, payload format 1.0 as REST APIs send it: empty maps are
 * null, single-value maps carry the last value, multi-value maps carry all in order (specs 7.1). */
#include "base/limits.h"
#include "gateway_int.h"

struct pair {
    struct str name, value;
};

static void add_member(struct buf *b, bool *first, struct str key)
{
    if (!*first)
        buf_addc(b, ',');
    *first = false;
    json_write_str(b, key);
    buf_addc(b, ':');
}

static void add_text(struct buf *b, bool *first, const char *key, struct str value)
{
    add_member(b, first, str_c(key));
    json_write_str(b, value);
}

static bool same(struct str a, struct str b, bool ignore_case)
{
    return ignore_case ? str_ieq(a, b) : str_eq(a, b);
}

static bool later(const struct pair *v, size_t n, size_t i, bool ignore_case)
{
    for (size_t k = i + 1; k < n; k++)
        if (same(v[k].name, v[i].name, ignore_case))
            return true;
    return false;
}

static bool earlier(const struct pair *v, size_t i, bool ignore_case)
{
    for (size_t k = 0; k < i; k++)
        if (same(v[k].name, v[i].name, ignore_case))
            return true;
    return false;
}

/* "KEY":{"name":"last"} */
static void add_single(struct buf *b, bool *first, const char *key, const struct pair *v, size_t n,
                       bool ignore_case)
{
    bool inner = true;
    add_member(b, first, str_c(key));
    if (n == 0) {
        buf_addz(b, "null");
        return;
    }
    buf_addc(b, '{');
    for (size_t i = 0; i < n; i++)
        if (!later(v, n, i, ignore_case)) {
            add_member(b, &inner, v[i].name);
            json_write_str(b, v[i].value);
        }
    buf_addc(b, '}');
}

/* "KEY":{"name":["first","last"]} */
static void add_multi(struct buf *b, bool *first, const char *key, const struct pair *v, size_t n,
                      bool ignore_case)
{
    bool inner = true;
    add_member(b, first, str_c(key));
    if (n == 0) {
        buf_addz(b, "null");
        return;
    }
    buf_addc(b, '{');
    for (size_t i = 0; i < n; i++) {
        if (earlier(v, i, ignore_case))
            continue;
        bool values = true;
        add_member(b, &inner, v[i].name);
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
static struct str to_utf8(struct arena *a, struct str s)
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

/* The client's headers and those that the gateway adds. */
static struct pair *header_pairs(struct exchange *x, size_t *n)
{
    const struct http_headers *h = &x->rq->headers;
    struct pair *v = ARENA_ARRAY(x->arena, h->n + 4, struct pair);
    *n = 0;
    if (v == NULL)
        return NULL;
    for (size_t i = 0; i < h->n; i++) {
        struct str name = h->v[i].name;
        bool host = str_ieq(name, STR("Host"));
        bool ours = str_istarts(name, STR("x-amzn-")) || str_istarts(name, STR("x-apigateway-")) ||
                    str_istarts(name, STR("x-ropeline-")) ||
                    str_istarts(name, STR("x-forwarded-for")) ||
                    str_istarts(name, STR("x-forwarded-port")) ||
                    str_istarts(name, STR("x-forwarded-proto"));
        if (host || (!ours && header__to_backend(name)))
            v[(*n)++] = (struct pair){name, to_utf8(x->arena, h->v[i].value)};
    }
    v[(*n)++] = (struct pair){STR("X-Amzn-Trace-Id"), str_c(x->trace)};
    v[(*n)++] =
        (struct pair){STR("X-Forwarded-For"), to_utf8(x->arena, exchange__forwarded_for(x))};
    v[(*n)++] = (struct pair){STR("X-Forwarded-Port"), exchange__port(x)};
    v[(*n)++] = (struct pair){STR("X-Forwarded-Proto"), STR("http")};
    return v;
}

static struct pair *query_pairs(struct exchange *x, size_t *n, enum err *err)
{
    const struct query_pair *q;
    *err = exchange__query(x, &q, n);
    if (*err != ERR_OK)
        return NULL;
    struct pair *v = ARENA_ARRAY(x->arena, *n, struct pair);
    for (size_t i = 0; v && i < *n; i++)
        v[i] = (struct pair){to_utf8(x->arena, q[i].name), to_utf8(x->arena, q[i].value)};
    if (v == NULL)
        *err = ERR_NOMEM;
    return v;
}

static void add_authorizer(struct exchange *x, struct buf *b, bool *first)
{
    const struct auth_result *r = x->auth.result;
    bool inner = true;
    if (x->method->authorizer == NULL || r == NULL)
        return;
    add_member(b, first, STR("authorizer"));
    buf_addc(b, '{');
    add_text(b, &inner, "principalId", auth_principal(r));
    add_member(b, &inner, STR("integrationLatency"));
    buf_addu(b, x->auth.latency_ms > 0 ? (uint64_t)x->auth.latency_ms : 0);
    for (size_t i = 0; i < auth_context_count(r); i++) {
        const struct auth_context *c = auth_context_at(r, i);
        if (str_eqz(c->key, "principalId") || str_eqz(c->key, "integrationLatency"))
            continue; /* the policy's principal wins */
        add_member(b, &inner, c->key);
        if (c->null)
            buf_addz(b, "null");
        else
            json_write_str(b, c->text);
    }
    buf_addc(b, '}');
}

static void add_identity(struct exchange *x, struct buf *b, bool *first)
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
    bool inner = true;
    add_member(b, first, STR("identity"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(nulls); i++) {
        add_member(b, &inner, str_c(nulls[i]));
        buf_addz(b, "null");
    }
    add_text(b, &inner, "sourceIp", x->source_ip);
    add_member(b, &inner, STR("userAgent"));
    if (agent.n > 0)
        json_write_str(b, to_utf8(x->arena, agent));
    else
        buf_addz(b, "null");
    buf_addc(b, '}');
}

static void add_request_context(struct exchange *x, struct buf *b, bool *first)
{
    static const char *const texts[] = {
        "accountId",  "apiId",        "domainName", "domainPrefix", "extendedRequestId",
        "httpMethod", "path",         "protocol",   "requestId",    "requestTime",
        "resourceId", "resourcePath", "stage"};
    bool inner = true;
    add_member(b, first, STR("requestContext"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        struct str value = STR("");
        exchange__context(x, str_c(texts[i]), &value);
        add_text(b, &inner, texts[i], value);
    }
    add_member(b, &inner, STR("requestTimeEpoch"));
    buf_addu(b, (uint64_t)(x->wall_us / 1000));
    if (x->method->operation_name.n > 0)
        add_text(b, &inner, "operationName", x->method->operation_name);
    add_identity(x, b, &inner);
    add_authorizer(x, b, &inner);
    buf_addc(b, '}');
}

void event__write(struct exchange *x, struct str body, struct buf *out)
{
    size_t headers = 0, queries = 0;
    bool first = true;
    enum err err;
    struct pair *h = header_pairs(x, &headers), *q = query_pairs(x, &queries, &err);
    struct pair params[PATH_PARAMS],
        *vars = ARENA_ARRAY(x->arena, x->api->variable_count, struct pair);
    if (h == NULL || q == NULL || vars == NULL) {
        out->err = err ? err : ERR_NOMEM; /* an event without part of the request would lie */
        return;
    }
    for (size_t i = 0; i < x->param_count; i++)
        params[i] = (struct pair){x->params[i].name, x->params[i].value};
    for (size_t i = 0; i < x->api->variable_count; i++)
        vars[i] = (struct pair){x->api->variables[i].name, x->api->variables[i].value};
    buf_addc(out, '{');
    add_text(out, &first, "resource", x->method->path);
    add_text(out, &first, "path", x->route_path);
    add_text(out, &first, "httpMethod", x->rq->method_text);
    add_single(out, &first, "headers", h, headers, true);
    add_multi(out, &first, "multiValueHeaders", h, headers, true);
    add_single(out, &first, "queryStringParameters", q, queries, false);
    add_multi(out, &first, "multiValueQueryStringParameters", q, queries, false);
    add_single(out, &first, "pathParameters", params, x->param_count, false);
    add_single(out, &first, "stageVariables", vars, x->api->variable_count, false);
    add_request_context(x, out, &first);
    add_member(out, &first, STR("body"));
    if (body.n > 0)
        json_write_str(out, body);
    else
        buf_addz(out, "null");
    buf_addz(out, ",\"isBase64Encoded\":false}");
}
