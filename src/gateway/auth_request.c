/* SPDX-License-Identifier: Apache-2.0
 *
 * What authorizers may ask of a request, and the event of a REQUEST authorizer (specs 1.2; those of
 * HTTP APIs are in event_http.c): never a body. Invariant: a value is exactly what the event shows,
 * so that the cache's key and the function cannot see two different requests. */
#include "event_int.h"
#include "headers_int.h"
#include "http_api_int.h"

static enum err header_value(struct exchange *x, struct str name, struct str *out)
{
    const struct http_headers *h = &x->rq->headers;
    size_t found = 0;
    if (str_ieq(name, STR("X-Forwarded-For"))) {
        *out = exchange__forwarded_for(x);
        return ERR_OK;
    }
    if (event__is_ours(name) || (!header__to_backend(name) && !str_ieq(name, STR("Host"))))
        return ERR_NOTFOUND;
    for (size_t i = 0; i < h->n; i++)
        if (str_ieq(h->v[i].name, name)) {
            *out = h->v[i].value;
            found++;
        }
    return found > 1 ? ERR_DENIED : found && out->n > 0 ? ERR_OK : ERR_NOTFOUND;
}

static enum err query_value(struct exchange *x, struct str name, struct str *out)
{
    const struct query_pair *q;
    size_t n, found = 0;
    enum err err = exchange__query(x, &q, &n);
    if (err != ERR_OK)
        return err == ERR_NOMEM ? err : ERR_DENIED;
    for (size_t i = 0; i < n; i++)
        if (str_eq(q[i].name, name)) {
            *out = q[i].value;
            found++;
        }
    return found > 1 ? ERR_DENIED : found && out->n > 0 ? ERR_OK : ERR_NOTFOUND;
}

static enum err get_value(void *request, enum auth_place place, struct str name, struct str *out)
{
    struct exchange *x = request;
    bool found = false;
    *out = STR("");
    switch (place) {
    case AUTH_HEADER:
        return header_value(x, name, out);
    case AUTH_QUERY:
        return query_value(x, name, out);
    case AUTH_STAGE_VARIABLE:
        found = api__variable(x->api, name, out);
        break;
    case AUTH_CONTEXT:
        found = exchange__context(x, name, out);
        break;
    }
    return found && out->n > 0 ? ERR_OK : ERR_NOTFOUND;
}

static void write_rest(struct exchange *x, struct buf *b)
{
    bool first = true;
    buf_addc(b, '{');
    event__text(b, &first, "type", STR("REQUEST"));
    event__text(b, &first, "methodArn", x->method_arn);
    event__request(x, b, &first, "{}", true);
    event__request_context(x, b, &first);
    buf_addc(b, '}');
}

static void write_event(void *request, enum auth_event format, const struct str *identity, size_t n,
                        struct buf *out)
{
    if (format == AUTH_EVENT_REST)
        write_rest(request, out);
    else
        event__write_http_auth(request, format == AUTH_EVENT_HTTP_1_0 ? PAYLOAD_1_0 : PAYLOAD_2_0,
                               identity, n, out);
}

const struct auth_request_ops exchange__auth_ops = {get_value, write_event};
