/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of HTTP APIs (specs 3.2, 7.2): payload format 2.0, where names are lower-case, repeated
 * values joined and empty members left out, and 1.0, which looks like a REST API's. Invariant: an
 * authorizer's event never has a body. */
#include "base/crypt.h"
#include "event_int.h"
#include "http_api_int.h"

/* Octets of the client as a JSON string, or the buffer's error. */
static void add_octets(struct exchange *x, struct buf *b, struct str s)
{
    struct str text = event__utf8(x->arena, s);
    if (text.p == NULL && s.n > 0)
        b->err = ERR_NOMEM;
    json_write_str(b, text);
}

/* --- payload format 2.0 --------------------------------------------------------------------- */
/* "KEY":{"name":"first,second"}; nothing without pairs. */
static void add_joined(struct buf *b, bool *first, const char *key, struct event_pairs p)
{
    bool inner = true;
    if (p.n == 0)
        return;
    event__member(b, first, str_c(key));
    buf_addc(b, '{');
    for (size_t i = 0; i < p.n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = str_eq(p.v[k].name, p.v[i].name);
        if (seen)
            continue;
        AUTO_BUF value = BUF_INIT(KIB(64));
        for (size_t k = i; k < p.n; k++) {
            if (!str_eq(p.v[k].name, p.v[i].name))
                continue;
            if (k > i)
                buf_addc(&value, ',');
            buf_add(&value, p.v[k].value);
        }
        event__member(b, &inner, p.v[i].name);
        json_write_str(b, buf_str(&value));
        if (value.err && b->err == ERR_OK)
            b->err = value.err;
    }
    buf_addc(b, '}');
}

/* "a=1; b=2" -> "a=1", "b=2". */
static void add_cookies(struct exchange *x, struct buf *b, bool *first)
{
    const struct http_headers *h = &x->rq->headers;
    bool inner = true;
    for (size_t i = 0; i < h->n; i++) {
        if (!str_ieq(h->v[i].name, STR("Cookie")))
            continue;
        struct str rest = event__utf8(x->arena, h->v[i].value);
        if (rest.p == NULL)
            b->err = ERR_NOMEM;
        while (rest.n > 0) {
            struct str one = str_trim(str_cut(rest, ';', &rest));
            if (one.n == 0)
                continue;
            if (inner)
                event__member(b, first, STR("cookies"));
            buf_addc(b, inner ? '[' : ',');
            inner = false;
            json_write_str(b, one);
        }
    }
    if (!inner)
        buf_addc(b, ']');
}

static enum err lower_headers(struct exchange *x, struct event_pairs *out)
{
    struct event_pairs all;
    enum err err = event__headers(x, &all);
    struct event_pair *v = err ? NULL : ARENA_ARRAY(x->arena, all.n, struct event_pair);
    size_t n = 0;
    if (v == NULL)
        return err ? err : ERR_NOMEM;
    for (size_t i = 0; i < all.n; i++) {
        if (str_ieq(all.v[i].name, STR("Cookie")))
            continue;
        v[n] = (struct event_pair){arena_lower(x->arena, all.v[i].name), all.v[i].value};
        if (v[n].name.p == NULL || v[n].value.p == NULL)
            return ERR_NOMEM;
        n++;
    }
    *out = (struct event_pairs){v, n, false};
    return ERR_OK;
}

/* From "routeKey" to "queryStringParameters". */
static void add_request_2_0(struct exchange *x, struct buf *b, bool *first)
{
    struct event_pairs headers, query;
    struct str path = http_api__path(x), raw = event__utf8(x->arena, x->rq->query);
    enum err err = path.p == NULL || (raw.p == NULL && raw.n > 0) ? ERR_NOMEM : ERR_OK;
    if (err == ERR_OK)
        err = lower_headers(x, &headers);
    if (err == ERR_OK)
        err = event__query(x, &query);
    if (err != ERR_OK) {
        b->err = err;
        return;
    }
    event__text(b, first, "routeKey", x->method->route);
    event__text(b, first, "rawPath", path);
    event__text(b, first, "rawQueryString", raw);
    add_cookies(x, b, first);
    add_joined(b, first, "headers", headers);
    add_joined(b, first, "queryStringParameters", query);
}

static void add_http(struct exchange *x, struct buf *b, bool *first)
{
    struct str agent = http_value(&x->rq->headers, STR("User-Agent")), protocol = STR("");
    bool inner = true;
    exchange__context(x, STR("protocol"), &protocol);
    event__member(b, first, STR("http"));
    buf_addc(b, '{');
    event__text(b, &inner, "method", x->rq->method_text);
    event__member(b, &inner, STR("path"));
    add_octets(x, b, http_api__path(x));
    event__text(b, &inner, "protocol", protocol);
    event__text(b, &inner, "sourceIp", x->source_ip);
    event__member(b, &inner, STR("userAgent"));
    add_octets(x, b, agent);
    buf_addc(b, '}');
}

/* The scopes of the token that the route asks for; null where it asks for none. */
static void add_scopes(struct exchange *x, struct buf *b)
{
    const struct str *own;
    size_t n = auth_scopes(x->auth.result, &own);
    if (x->method->scope_count == 0) {
        buf_addz(b, "null");
        return;
    }
    buf_addc(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(b, ',');
        json_write_str(b, own[i]);
    }
    buf_addc(b, ']');
}

static void add_claims_and_scopes(struct exchange *x, struct buf *b, bool *first)
{
    event__member(b, first, STR("claims"));
    event__claims(x, b, auth_claims(x->auth.result));
    event__member(b, first, STR("scopes"));
    add_scopes(x, b);
}

/* {"jwt":{...}} or {"lambda":{...}}, the function's own types; null without a context (trap 24). */
static void add_authorizer_2_0(struct exchange *x, struct buf *b, bool *first)
{
    const struct auth_result *r = x->auth.result;
    bool inner = true;
    if (x->method->authorizer == NULL || r == NULL)
        return;
    event__member(b, first, STR("authorizer"));
    if (auth_claims(r)) {
        buf_addz(b, "{\"jwt\":{");
        add_claims_and_scopes(x, b, &inner);
        buf_addz(b, "}}");
        return;
    }
    const struct json *context = auth_context_json(r);
    buf_addz(b, "{\"lambda\":");
    if (context && context->n > 0)
        json_write(b, context);
    else
        buf_addz(b, "null");
    buf_addc(b, '}');
}

static void add_context_2_0(struct exchange *x, struct buf *b, bool *first, bool authorized)
{
    static const char *const before[] = {"accountId", "apiId"};
    static const char *const names[] = {"domainName", "domainPrefix"};
    static const char *const after[] = {"requestId", "routeKey", "stage"};
    bool inner = true;
    struct str value, time = exchange__request_time(x);
    event__member(b, first, STR("requestContext"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(before); i++)
        if (exchange__context(x, str_c(before[i]), &value))
            event__text(b, &inner, before[i], value);
    if (authorized)
        add_authorizer_2_0(x, b, &inner);
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (exchange__context(x, str_c(names[i]), &value))
            event__text(b, &inner, names[i], value);
    add_http(x, b, &inner);
    for (size_t i = 0; i < COUNTOF(after); i++)
        if (exchange__context(x, str_c(after[i]), &value))
            event__text(b, &inner, after[i], value);
    event__text(b, &inner, "time", time);
    event__member(b, &inner, STR("timeEpoch"));
    buf_addu(b, (uint64_t)(x->wall_us / 1000));
    buf_addc(b, '}');
    if (time.p == NULL)
        b->err = ERR_NOMEM;
}

static void add_path_2_0(struct exchange *x, struct buf *b, bool *first)
{
    struct event_pairs params;
    enum err err = event__params(x, &params);
    if (err != ERR_OK)
        b->err = err;
    else
        add_joined(b, first, "pathParameters", params);
}

static void add_variables_2_0(struct exchange *x, struct buf *b, bool *first)
{
    struct event_pairs variables;
    enum err err = event__variables(x, &variables);
    if (err != ERR_OK)
        b->err = err;
    else
        add_joined(b, first, "stageVariables", variables);
}

/* --- payload format 1.0 --------------------------------------------------------------------- */
/* Flat, as REST APIs have it. */
static void add_authorizer_1_0(struct exchange *x, struct buf *b, bool *first)
{
    const struct auth_result *r = x->auth.result;
    bool inner = true;
    if (x->method->authorizer == NULL || r == NULL)
        return;
    event__member(b, first, STR("authorizer"));
    buf_addc(b, '{');
    if (auth_claims(r))
        add_claims_and_scopes(x, b, &inner);
    else
        event__authorizer_members(x, b, &inner);
    buf_addc(b, '}');
}

static void add_context_1_0(struct exchange *x, struct buf *b, bool *first, bool authorized)
{
    static const char *const texts[] = {
        "accountId",         "apiId",       "domainName", "domainPrefix",
        "extendedRequestId", "httpMethod",  "path",       "protocol",
        "requestId",         "requestTime", "stage"};
    bool inner = true;
    struct str value;
    event__member(b, first, STR("requestContext"));
    buf_addc(b, '{');
    for (size_t i = 0; i < COUNTOF(texts); i++)
        if (exchange__context(x, str_c(texts[i]), &value))
            event__text(b, &inner, texts[i], value);
    event__member(b, &inner, STR("requestTimeEpoch"));
    buf_addu(b, (uint64_t)(x->wall_us / 1000));
    event__member(b, &inner, STR("resourceId"));
    if (authorized)
        buf_addz(b, "null");
    else
        json_write_str(b, x->method->resource_id);
    event__text(b, &inner, "resourcePath", x->method->path);
    event__identity(x, b, &inner);
    if (authorized)
        add_authorizer_1_0(x, b, &inner);
    buf_addc(b, '}');
}

/* --- the whole ------------------------------------------------------------------------------ */
/* Text that goes as it is; anything else is base64 (specs 7.2). */
static bool is_text_type(struct str type)
{
    static const char *const names[] = {"application/json", "application/javascript",
                                        "application/ecmascript", "application/x-javascript",
                                        "application/xml"};
    struct str rest;
    type = str_trim(str_cut(type, ';', &rest));
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(type, str_c(names[i])))
            return true;
    return str_istarts(type, STR("text/")) || str_ends(type, STR("+json")) ||
           str_ends(type, STR("+xml"));
}

/* `text` says whether the body goes as it is. */
static void add_body(struct exchange *x, struct str body, struct buf *b, bool *first, bool *text)
{
    *text = body.n == 0 ||
            (is_text_type(http_value(&x->rq->headers, STR("Content-Type"))) && str_is_utf8(body));
    if (body.n == 0)
        return;
    event__member(b, first, STR("body"));
    if (*text) {
        json_write_str(b, body);
        return;
    }
    buf_addc(b, '"');
    crypt_base64(b, body);
    buf_addc(b, '"');
}

static void write_1_0(struct exchange *x, struct str body, struct buf *b)
{
    bool first = true, text;
    buf_addc(b, '{');
    event__text(b, &first, "version", STR("1.0"));
    event__request(x, b, &first, "null", true);
    add_context_1_0(x, b, &first, true);
    if (body.n == 0) {
        event__member(b, &first, STR("body"));
        buf_addz(b, "null");
    }
    add_body(x, body, b, &first, &text);
    event__member(b, &first, STR("isBase64Encoded"));
    buf_addz(b, text ? "false}" : "true}");
}

void event__write_http(struct exchange *x, enum payload_format format, struct str body,
                       struct buf *out)
{
    bool first = true, text;
    if (format == PAYLOAD_1_0) {
        write_1_0(x, body, out);
        return;
    }
    buf_addc(out, '{');
    event__text(out, &first, "version", STR("2.0"));
    add_request_2_0(x, out, &first);
    if (out->err)
        return;
    add_context_2_0(x, out, &first, true);
    add_body(x, body, out, &first, &text);
    add_path_2_0(x, out, &first);
    event__member(out, &first, STR("isBase64Encoded"));
    buf_addz(out, text ? "false" : "true");
    add_variables_2_0(x, out, &first);
    buf_addc(out, '}');
}

/* A list in 2.0, one text with commas in 1.0; nothing without sources. */
static void add_identity_1_0(struct exchange *x, struct buf *b, bool *first,
                             const struct str *identity, size_t n)
{
    AUTO_BUF joined = BUF_INIT(LIMIT_IDENTITY_KEY);
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(&joined, ',');
        buf_add(&joined, identity[i]);
    }
    event__member(b, first, STR("identitySource"));
    add_octets(x, b, buf_str(&joined));
    event__member(b, first, STR("authorizationToken"));
    add_octets(x, b, buf_str(&joined));
    if (joined.err && b->err == ERR_OK)
        b->err = joined.err;
}

static void write_auth_1_0(struct exchange *x, const struct str *identity, size_t n, struct buf *b)
{
    bool first = true;
    buf_addc(b, '{');
    event__text(b, &first, "version", STR("1.0"));
    event__text(b, &first, "type", STR("REQUEST"));
    event__text(b, &first, "methodArn", x->method_arn);
    add_identity_1_0(x, b, &first, identity, n);
    event__request(x, b, &first, "{}", false);
    add_context_1_0(x, b, &first, false);
    buf_addc(b, '}');
}

void event__write_http_auth(struct exchange *x, enum payload_format format,
                            const struct str *identity, size_t n, struct buf *out)
{
    bool first = true;
    if (format == PAYLOAD_1_0) {
        write_auth_1_0(x, identity, n, out);
        return;
    }
    buf_addc(out, '{');
    event__text(out, &first, "version", STR("2.0"));
    event__text(out, &first, "type", STR("REQUEST"));
    event__text(out, &first, "routeArn", x->method_arn);
    if (n > 0)
        event__member(out, &first, STR("identitySource"));
    for (size_t i = 0; i < n; i++) {
        buf_addc(out, i == 0 ? '[' : ',');
        add_octets(x, out, identity[i]);
    }
    if (n > 0)
        buf_addc(out, ']');
    add_request_2_0(x, out, &first);
    if (out->err)
        return;
    add_context_2_0(x, out, &first, false);
    add_path_2_0(x, out, &first);
    add_variables_2_0(x, out, &first);
    buf_addc(out, '}');
}
