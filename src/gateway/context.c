/* SPDX-License-Identifier: Apache-2.0
 *
 * What a mapping may ask of a request: $context.NAME (specs 8.1), stage variables, path parameters;
 * and the ids that every request gets. */
#include "base/crypt.h"
#include "http_api_int.h"

static const char hex[] = "0123456789abcdef";

static bool is_uuid(struct str s)
{
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = s.p[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !digit)
            return false;
    }
    return true;
}

/* "Root=1-8hex-24hex" is kept from the client so that its trace goes on; anything else is made
 * new. */
static void make_trace(struct exchange *x, const char *uuid)
{
    struct str sent = http_value(&x->rq->headers, STR("X-Amzn-Trace-Id"));
    size_t at = str_find(sent, STR("Root=1-"));
    if (at != SIZE_MAX && sent.n - at >= 40) {
        struct str root = str_sub(sent, at, 40);
        bool good = root.p[15] == '-';
        for (size_t i = 7; i < 40 && good; i++)
            good = i == 15 || memchr(hex, root.p[i], 16) != NULL;
        if (good) {
            memcpy(x->trace, root.p, 40);
            return;
        }
    }
    uint32_t seconds = (uint32_t)(x->wall_us / 1000000);
    char *t = x->trace;
    memcpy(t, "Root=1-", 7);
    for (int i = 0; i < 8; i++)
        t[7 + i] = hex[(seconds >> (28 - 4 * i)) & 15];
    t[15] = '-';
    size_t n = 16;
    for (size_t i = 0; n < 40; i++)
        if (uuid[i] != '-')
            t[n++] = uuid[i];
    t[n] = '\0';
}

void gateway__make_ids(struct gateway_ids *ids)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const size_t n = sizeof ids->extended - 2;
    crypt_uuid(ids->request);
    /* Looks like API Gateway's extended id: 15 letters and digits and a '='. */
    for (size_t i = 0; i < n; i++) {
        unsigned mixed = (unsigned char)ids->request[i] * 7u + (unsigned char)ids->request[35 - i];
        ids->extended[i] = alphabet[mixed % (i ? 64 : 62)]; /* never as an option begins */
    }
    ids->extended[n] = '=';
    ids->extended[n + 1] = '\0';
}

void exchange__make_ids(struct exchange *x)
{
    struct str sent = http_value(&x->rq->headers, STR("x-amzn-RequestId"));
    gateway__make_ids(&x->ids);
    make_trace(x, x->ids.request);
    if (is_uuid(sent)) /* the client's own: kept, so that its logs and ours agree */
        memcpy(x->ids.request, sent.p, 36);
}

struct str exchange__request_time(struct exchange *x)
{
    char text[TIME_TEXT];
    time_clf(x->wall_us, text);
    return arena_str(x->arena, str_c(text));
}

enum err exchange__query(struct exchange *x, const struct query_pair **out, size_t *n)
{
    if (!x->query_read)
        x->query_err = query_parse(x->arena, x->rq->query, &x->query, &x->query_count);
    x->query_read = true;
    *out = x->query;
    *n = x->query_err ? 0 : x->query_count;
    return x->query_err;
}

struct str exchange__forwarded_for(struct exchange *x)
{
    const struct http_headers *h = &x->rq->headers;
    struct str chain = STR_NONE, peer = x->peer_ip;
    for (size_t i = 0; i <= h->n; i++) {
        struct str next = i == h->n ? peer : h->v[i].value;
        if (i < h->n && (!str_ieq(h->v[i].name, STR("X-Forwarded-For")) || next.n == 0))
            continue;
        struct str parts[] = {chain, STR(", "), next};
        chain = chain.n ? arena_cat(x->arena, parts, COUNTOF(parts)) : next;
    }
    return chain.p ? chain : peer;
}

/* Index of the ':' before the port of a host, or SIZE_MAX. */
static size_t port_colon(struct str host)
{
    bool literal = host.n > 0 && host.p[host.n - 1] == ']';
    return literal ? SIZE_MAX : str_rchr(host, ':');
}

struct str exchange__port(const struct exchange *x)
{
    size_t colon = port_colon(x->rq->host);
    if (colon != SIZE_MAX)
        return str_from(x->rq->host, colon + 1);
    return x->is_tls ? STR("443") : STR("80");
}

struct str exchange__proto(const struct exchange *x)
{
    return x->is_tls ? STR("https") : STR("http");
}

bool api__variable(const struct api *api, struct str name, struct str *out)
{
    for (size_t i = 0; i < api->variable_count; i++)
        if (str_eq(api->variables[i].name, name)) {
            *out = api->variables[i].value;
            return true;
        }
    return false;
}

bool exchange__param(const struct exchange *x, struct str name, struct str *out)
{
    for (size_t i = 0; i < x->param_count; i++)
        if (str_eq(x->params[i].name, name)) {
            *out = x->params[i].value;
            return true;
        }
    return false;
}

/* --- one function per variable, one row per name ---------------------------------------------- */
static struct str get_account(struct exchange *x)
{
    return x->api->account;
}
static struct str get_api_id(struct exchange *x)
{
    return x->api->id;
}
static struct str get_method(struct exchange *x)
{
    return x->rq->method_text;
}
static struct str get_source_ip(struct exchange *x)
{
    return x->source_ip;
}
static struct str get_user_agent(struct exchange *x)
{
    return http_value(&x->rq->headers, STR("User-Agent"));
}
static struct str get_path(struct exchange *x)
{
    return x->kind == API_HTTP ? http_api__path(x) : x->path;
}
static struct str get_protocol(struct exchange *x)
{
    return x->rq->minor == 0 ? STR("HTTP/1.0") : STR("HTTP/1.1");
}
static struct str get_request_id(struct exchange *x)
{
    return str_c(x->kind == API_HTTP ? x->ids.extended
                                     : x->ids.request); /* HTTP APIs have one id */
}
static struct str get_extended_id(struct exchange *x)
{
    return str_c(x->ids.extended);
}
static struct str get_time_epoch(struct exchange *x)
{
    return arena_fmt(x->arena, "%lld", (long long)(x->wall_us / 1000));
}
static struct str get_resource_id(struct exchange *x)
{
    return x->method ? x->method->resource_id : STR_NONE;
}
static struct str get_resource_path(struct exchange *x)
{
    return x->method ? x->method->path : STR_NONE;
}
static struct str get_route_key(struct exchange *x)
{
    return x->method && x->kind == API_HTTP ? x->method->route : STR_NONE;
}
static struct str get_stage(struct exchange *x)
{
    return x->api->stage;
}
static struct str get_domain_name(struct exchange *x)
{
    return str_sub(x->rq->host, 0, port_colon(x->rq->host));
}
static struct str get_domain_prefix(struct exchange *x)
{
    struct str rest;
    return str_cut(get_domain_name(x), '.', &rest);
}

static struct str get_error_message(struct exchange *x)
{
    return x->error.message;
}
static struct str get_error_message_string(struct exchange *x)
{
    return x->error.type.n ? exchange__message_string(x) : STR_NONE;
}
static struct str get_error_type(struct exchange *x)
{
    return x->error.type;
}
static struct str get_error_validation(struct exchange *x)
{
    return x->error.validation;
}

static const struct {
    const char *name;
    struct str (*get)(struct exchange *x);
} variables[] = {
    {"accountId", get_account},
    {"apiId", get_api_id},
    {"domainName", get_domain_name},
    {"domainPrefix", get_domain_prefix},
    {"error.message", get_error_message},
    {"error.messageString", get_error_message_string},
    {"error.responseType", get_error_type},
    {"error.validationErrorString", get_error_validation},
    {"extendedRequestId", get_extended_id},
    {"httpMethod", get_method},
    {"identity.apiKey", exchange__api_key},
    {"identity.apiKeyId", exchange__api_key_id},
    {"identity.sourceIp", get_source_ip},
    {"identity.userAgent", get_user_agent},
    {"path", get_path},
    {"protocol", get_protocol},
    {"requestId", get_request_id},
    {"requestTime", exchange__request_time},
    {"requestTimeEpoch", get_time_epoch},
    {"resourceId", get_resource_id},
    {"resourcePath", get_resource_path},
    {"routeKey", get_route_key},
    {"stage", get_stage},
};

/* What an authorizer said is known to integrations only if it allowed; once the request is refused
 * the refusal may quote it too (specs 4.2: custom denial texts). */
static bool from_authorizer(struct exchange *x, struct str key, struct str *out)
{
    const struct auth_result *r = x->auth.result;
    if (r == NULL || (x->auth.verdict != AUTH_ALLOW && x->error.type.n == 0))
        return false;
    if (str_eqz(key, "principalId")) {
        *out = auth_principal(r);
        return true;
    }
    if (str_eqz(key, "integrationLatency")) {
        *out = arena_fmt(x->arena, "%lld", (long long)x->auth.latency_ms);
        return out->p != NULL;
    }
    if (auth_claims(r) && str_starts(key, STR("claims."))) {
        const struct json *claim = json_gets(auth_claims(r), str_from(key, 7));
        *out = claim ? claim__text(x->arena, x->kind, claim) : STR_NONE;
        return out->p != NULL;
    }
    const struct auth_context *c = auth_context_find(r, key);
    if (c == NULL || c->null)
        return false;
    *out = c->text;
    return true;
}

bool exchange__context(struct exchange *x, struct str name, struct str *out)
{
    const struct str authorizer = STR("authorizer.");
    if (str_starts(name, authorizer))
        return from_authorizer(x, str_from(name, authorizer.n), out);
    for (size_t i = 0; i < COUNTOF(variables); i++)
        if (str_eqz(name, variables[i].name)) {
            *out = variables[i].get(x);
            return out->n > 0;
        }
    return false;
}
