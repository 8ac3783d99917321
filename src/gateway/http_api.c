/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of HTTP APIs (specs 3.5, 7.2): no gateway responses, no x-amzn-ErrorType, one id in the
 * header apigw-requestid. Invariant: what a REST API refuses an HTTP API refuses; only the words
 * differ. */
#include "http_api_int.h"

#include "base/limits.h"

static const struct {
    unsigned status;
    const char *body;
} bodies[] = {
    {400, "{\"message\":\"Bad Request\"}"},
    {401, "{\"message\":\"Unauthorized\"}"},
    {403, "{\"message\":\"Forbidden\"}"},
    {404, "{\"message\":\"Not Found\"}"},
    {408, "{\"message\":\"Request Timeout\"}"},
    {413, "{\"message\":\"Request Entity Too Large\"}"},
    {414, "{\"message\":\"Request URI too long\"}"},
    {429, "{\"message\":\"Too Many Requests\"}"},
    {500, "{\"message\":\"Internal Server Error\"}"},
    {503, "{\"message\":\"Service Unavailable\"}"},
};

static unsigned status_of(enum gateway_response type, unsigned status)
{
    switch (type) {
    case RESPONSE_MISSING_AUTHENTICATION_TOKEN: /* no route */
        return 404;
    case RESPONSE_INTEGRATION_FAILURE:
    case RESPONSE_INTEGRATION_TIMEOUT:
        return 503;
    case RESPONSE_MALFORMED_PROXY_RESPONSE: /* the function failed */
        return 500;
    default:
        return status;
    }
}

struct str http_api__body(unsigned status, struct str rest)
{
    for (size_t i = 0; i < COUNTOF(bodies); i++)
        if (bodies[i].status == status)
            return str_c(bodies[i].body);
    return rest;
}

enum next http_api__refuse(struct exchange *x, enum gateway_response type, unsigned status,
                           struct str rest)
{
    struct http_headers *h = &x->answer.headers;
    x->answer = (struct http_response){.status = status_of(type, status)};
    x->answer_body = http_api__body(x->answer.status, rest);
    bool challenged =
        x->auth.challenge.n > 0 && (x->answer.status == 401 || x->answer.status == 403);
    enum err err = exchange__add_ids(x, h);
    if (err == ERR_OK)
        err = http_add(x->arena, h, STR("Content-Type"), STR("application/json"));
    if (err == ERR_OK && challenged)
        err = http_add(x->arena, h, STR("www-authenticate"), x->auth.challenge);
    if (err != ERR_OK)
        *h = (struct http_headers){0}; /* out of memory: the refusal stands, without its headers */
    return ANSWER;
}

struct str http_api__path(struct exchange *x)
{
    struct str parts[] = {STR("/"), x->api->stage, x->route_path};
    if (x->domain)
        return x->path;
    if (str_eqz(x->api->stage, "$default"))
        return x->route_path;
    if (x->staged_path.p == NULL)
        x->staged_path = arena_cat(x->arena, parts, COUNTOF(parts));
    return x->staged_path;
}

static void add_claim(struct buf *b, const struct json *v)
{
    switch (v->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        buf_add(b, v->s);
        break;
    case JSON_ARRAY:
        buf_addc(b, '[');
        for (size_t i = 0; i < v->n; i++) {
            if (i > 0)
                buf_addc(b, ' ');
            if (v->items[i]->type == JSON_ARRAY)
                json_write(b, v->items[i]);
            else
                add_claim(b, v->items[i]);
        }
        buf_addc(b, ']');
        break;
    default:
        json_write(b, v);
        break;
    }
}

struct str claim__text(struct arena *a, enum api_kind kind, const struct json *claim)
{
    AUTO_BUF text = BUF_INIT(KIB(64));
    bool commas = kind == API_REST && claim->type == JSON_ARRAY;
    for (size_t i = 0; commas && i < claim->n; i++) {
        if (i > 0)
            buf_addc(&text, ',');
        add_claim(&text, claim->items[i]);
    }
    if (!commas)
        add_claim(&text, claim);
    return text.err ? STR_NONE : arena_str(a, buf_str(&text));
}
