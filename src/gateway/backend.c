/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of a request to a backend: Host of the uri, what the client may say, what only we may
 * say, and what is mapped (specs 7.3). Invariant: a header that is mapped from the authorizer is
 * never the client's, whether it has a value or not. */
#include "backend_int.h"

#include "base/limits.h"
#include "headers_int.h"

/* --- compile -------------------------------------------------------------------------------- */
enum err backend__compile(struct arena *a, const struct json *spec,
                          const struct integration_env *env, enum mapping_use use,
                          struct backend_conf *c, struct errinfo *e)
{
    const struct json *uri = json_get(spec, "uri"), *timeout = json_get(spec, "timeoutInMillis");
    bool http_api = env->api->kind == API_HTTP; /* whose parameters are read by parameters.c */
    int64_t max = http_api ? TIMEOUT_HTTP_API_INTEGRATION_MS : TIMEOUT_INTEGRATION_MS;
    *c = (struct backend_conf){.timeout_ms = max};
    if (e) {
        e->line = uri ? uri->line : spec->line;
        e->col = uri ? uri->col : spec->col;
    }
    enum err err = target__compile(a, env->api, json_str_or(uri, STR("")), &c->target, e);
    c->target.origin.insecure =
        c->target.origin.tls &&
        json_bool_or(json_get(json_get(spec, "tlsConfig"), "insecureSkipVerification"), false);
    if (err == ERR_OK && !http_api)
        err = mapping__compile(a, json_get(spec, "requestParameters"), use, &c->maps, e);
    if (err != ERR_OK)
        return err;
    if (timeout &&
        (!json_int(timeout, &c->timeout_ms) || c->timeout_ms < 50 || c->timeout_ms > max))
        return errinfo_at(e, ERR_INVALID, timeout->line, timeout->col,
                          "timeoutInMillis must be 50 to %d", (int)max);
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

/* --- headers -------------------------------------------------------------------------------- */
static bool is_mapped(struct exchange *x, const struct backend_conf *c, struct str name)
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

bool backend__hop_by_hop(struct str connection, struct str name)
{
    return connection.n > 0 && http_list_has(connection, name);
}

/* What a client cannot make the gateway hide from the backend: who it is. */
static bool is_identity(const struct exchange *x, struct str name)
{
    const struct authorizer *z = x->method->authorizer;
    return str_ieq(name, STR("Authorization")) || str_ieq(name, STR("Cookie")) ||
           str_ieq(name, STR("x-api-key")) || (z && authorizer_reads_header(z, name));
}

static enum err add_client_headers(struct exchange *x, const struct backend_conf *c,
                                   struct http_headers *h)
{
    const struct http_headers *in = &x->rq->headers;
    struct str connection = http_value(in, STR("Connection"));
    bool accept = false, agent = false;
    enum err err = ERR_OK;
    for (size_t i = 0; i < in->n && err == ERR_OK; i++) {
        struct str name = in->v[i].name;
        if (!header__to_backend(name) || is_mapped(x, c, name) ||
            (backend__hop_by_hop(connection, name) && !is_identity(x, name)))
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

/* Without the client's: what API Gateway says of itself, and what the body is (recorded). */
static enum err add_plain_headers(struct exchange *x, const struct backend_conf *c,
                                  struct http_headers *h)
{
    struct str type = http_value(&x->rq->headers, STR("Content-Type"));
    enum err err = http_add(x->arena, h, STR("Accept"), STR("application/json"));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("User-Agent"), c->user_agent);
    if (err == ERR_OK && x->rq->framing != HTTP_NO_BODY)
        err = http_add(x->arena, h, STR("Content-Type"), type.n ? type : STR("application/json"));
    return err;
}

static enum err add_own_headers(struct exchange *x, struct http_headers *h)
{
    enum err err = http_add(x->arena, h, STR("X-Forwarded-For"), exchange__forwarded_for(x));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Forwarded-Port"), exchange__port(x));
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("X-Forwarded-Proto"), exchange__proto(x));
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

static enum err add_mapped_headers(struct exchange *x, const struct backend_conf *c,
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

enum err backend__request(struct exchange *x, const struct backend_conf *c, bool pass,
                          struct http_call_options *o)
{
    o->origin = c->target.origin;
    o->method = c->method.n ? c->method : x->rq->method_text;
    o->timeout_ms = c->timeout_ms;
    enum err err = target__make(x, &c->target, &c->maps, pass, &o->target);
    if (err == ERR_OK)
        err = http_add(x->arena, &o->headers, STR("Host"), c->target.authority);
    if (err == ERR_OK)
        err = pass ? add_client_headers(x, c, &o->headers) : add_plain_headers(x, c, &o->headers);
    if (err == ERR_OK)
        err = add_own_headers(x, &o->headers);
    if (err == ERR_OK)
        err = add_mapped_headers(x, c, &o->headers);
    return err ? err : x->query_err; /* a mapping from a query that could not be read */
}

/* --- what went wrong ----------------------------------------------------------------------------
 */
enum gateway_response backend__response_for(enum err how)
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
