/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS_PROXY: the request becomes an event, a function runs, and what it returns becomes the answer
 * if it has exactly the shape that API Gateway takes; anything else is 502 (specs 7.1). */
#include "base/crypt.h"
#include "base/limits.h"
#include "headers_int.h"
#include "http_api_int.h"
#include "lambda/arn.h"
#include "mapping_int.h"
#include "media_int.h"

struct lambda_conf {
    enum payload_format format;
    struct function *function;
    int64_t timeout_ms;
    struct mappings maps; /* of REST APIs: they map nothing, but some cannot be */
    bool not_post; /* Lambda is invoked by POST: with another method AWS answers 500 (specs 7.1) */
};

struct lambda_state {
    const struct lambda_conf *conf;
    struct buf body;
    struct lambda_invocation invocation;
    struct buf answer; /* decoded body of the answer, when it was base64 */
};

/* {"payloadFormatVersion": "1.0" | "2.0"} of an HTTP API. */
static enum err compile_format(const struct json *spec, struct lambda_conf *c, struct errinfo *e)
{
    const struct json *version = json_get(spec, "payloadFormatVersion");
    struct str text = json_str_or(version, STR(""));
    const struct json *at = version ? version : spec;
    c->format = str_eqz(text, "2.0") ? PAYLOAD_2_0 : PAYLOAD_1_0;
    if (str_eqz(text, "1.0") || str_eqz(text, "2.0"))
        return ERR_OK;
    return errinfo_at(e, ERR_INVALID, at->line, at->col,
                      "payloadFormatVersion must be \"1.0\" or \"2.0\"");
}

static enum err refuse_parameters(const struct json *spec, struct errinfo *e)
{
    static const char *const names[] = {"requestParameters", "responseParameters"};
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct json *v = json_get(spec, names[i]);
        if (v && v->n > 0)
            return errinfo_at(e, ERR_UNSUPPORTED, v->line, v->col,
                              "%s of an AWS_PROXY integration are not served: the function sees "
                              "the whole request and makes the whole answer",
                              names[i]);
    }
    return ERR_OK;
}

static enum err lambda_compile(struct arena *a, const struct json *spec,
                               const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct lambda_conf *c = ARENA_NEW(a, struct lambda_conf);
    const struct json *uri = json_get(spec, "uri"), *timeout = json_get(spec, "timeoutInMillis");
    const struct json *at = uri ? uri : spec;
    if (c == NULL)
        return ERR_NOMEM;
    *conf = c;
    bool http_api = env->api->kind == API_HTTP;
    enum err err = http_api ? compile_format(spec, c, e) : ERR_OK;
    if (err == ERR_OK && http_api)
        err = refuse_parameters(spec, e);
    if (err != ERR_OK)
        return err;
    struct str arn = arn_of_uri(json_str_or(uri, STR("")));
    if (arn.n == 0 && http_api) /* HTTP APIs take the function's own ARN too */
        arn = str_starts(json_str_or(uri, STR("")), STR("arn:")) ? uri->s : STR_NONE;
    if (arn.n == 0)
        return errinfo_at(
            e, ERR_INVALID, at->line, at->col,
            "the uri of an AWS_PROXY integration is arn:aws:apigateway:REGION:lambda:path/"
            "2015-03-31/functions/FUNCTION_ARN/invocations");
    c->not_post = !str_ieq(json_str_or(json_get(spec, "httpMethod"), STR("POST")), STR("POST"));
    c->function = env->function(env->arg, arn);
    if (c->function == NULL)
        return errinfo_at(e, ERR_NOTFOUND, at->line, at->col,
                          "%.*s is not a function of this document; give its code with --function "
                          "NAME-or-ARN=DIR:HANDLER",
                          STR_ARG(arn));
    err = http_api ? ERR_OK
                   : mapping__compile(a, json_get(spec, "requestParameters"), MAPPING_STREAM,
                                      &c->maps, e);
    if (err != ERR_OK)
        return err;
    int64_t max = http_api ? TIMEOUT_HTTP_API_INTEGRATION_MS : TIMEOUT_INTEGRATION_MS;
    c->timeout_ms = max;
    if (timeout &&
        (!json_int(timeout, &c->timeout_ms) || c->timeout_ms < 50 || c->timeout_ms > max))
        return errinfo_at(e, ERR_INVALID, timeout->line, timeout->col,
                          "timeoutInMillis must be 50 to %d", (int)max);
    return ERR_OK;
}

/* A function gets nothing mapped, yet a mapping to one of these is 500 as soon as it has a value
 * (recorded from AWS). */
static bool maps_reserved(struct exchange *x, const struct mappings *maps)
{
    static const char *const names[] = {"authorization",    "connection", "content-length",
                                        "expect",           "te",         "proxy-authenticate",
                                        "transfer-encoding"};
    struct str value;
    for (size_t i = 0; i < maps->n; i++)
        for (size_t k = 0; k < COUNTOF(names); k++)
            if (maps->v[i].target == MAP_HEADER && str_ieq(maps->v[i].name, str_c(names[k])) &&
                maps->v[i].read(x, maps->v[i].source, &value))
                return true;
    return false;
}

/* --- what the function returned -----------------------------------------------------------------
 */
enum err proxy_answer__header(struct exchange *x, struct str name, struct str value)
{
    name = arena_str(x->arena, name);
    value = arena_str(x->arena, str_trim(value));
    if (name.p == NULL || value.p == NULL)
        return ERR_NOMEM;
    if (!http_is_token(name) || !http_is_field_value(value))
        return ERR_INVALID; /* a value with CR or LF would write headers of its own */
    if (!header__from_backend(name))
        return ERR_OK; /* framing is the gateway's own affair */
    name = header__remapped(x->arena, name);
    if (name.p == NULL)
        return ERR_NOMEM;
    return http_add(x->arena, &x->answer.headers, name, value);
}

bool proxy_answer__text(const struct json *v, struct str *out)
{
    switch (v->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        *out = v->s;
        return true;
    case JSON_TRUE:
        *out = STR("true");
        return true;
    case JSON_FALSE:
        *out = STR("false");
        return true;
    default:
        return false;
    }
}

enum err proxy_answer__headers(struct exchange *x, const struct json *headers,
                               const struct json *multi)
{
    for (size_t i = 0; headers && i < headers->n; i++) {
        const struct json_member *m = &headers->members[i];
        struct str value;
        bool overridden = false;
        for (size_t k = 0; multi && k < multi->n; k++)
            overridden = overridden || str_ieq(multi->members[k].key, m->key);
        if (m->value->type == JSON_NULL || overridden)
            continue;
        if (!proxy_answer__text(m->value, &value))
            return ERR_INVALID;
        enum err err = proxy_answer__header(x, m->key, value);
        if (err != ERR_OK)
            return err;
    }
    for (size_t i = 0; multi && i < multi->n; i++) {
        const struct json *list = multi->members[i].value;
        if (list->type != JSON_ARRAY)
            return ERR_INVALID;
        for (size_t k = 0; k < list->n; k++) {
            struct str value;
            if (!proxy_answer__text(list->items[k], &value))
                return ERR_INVALID;
            enum err err = proxy_answer__header(x, multi->members[i].key, value);
            if (err != ERR_OK)
                return err;
        }
    }
    return ERR_OK;
}

enum err proxy_answer__status(const struct json *v, unsigned *status)
{
    uint64_t n = 200;
    if (v && v->type == JSON_NUMBER && v->is_int && v->i >= 0)
        n = (uint64_t)v->i;
    else if (v && (v->type != JSON_STRING || !str_u64(v->s, &n)))
        return ERR_INVALID;
    *status = (unsigned)n;
    return n >= 200 && n <= 599 ? ERR_OK : ERR_INVALID;
}

static bool known_members(const struct json *v)
{
    static const char *const known[] = {"statusCode", "headers", "multiValueHeaders", "body",
                                        "isBase64Encoded"};
    for (size_t i = 0; i < v->n; i++) {
        bool found = false;
        for (size_t k = 0; k < COUNTOF(known); k++)
            found = found || str_eqz(v->members[i].key, known[k]);
        if (!found)
            return false;
    }
    return true;
}

const struct json *proxy_answer__object(const struct json *v, enum err *err)
{
    if (v == NULL || v->type == JSON_NULL)
        return NULL;
    if (v->type != JSON_OBJECT)
        *err = ERR_INVALID;
    return v->type == JSON_OBJECT ? v : NULL;
}

/* A binary answer is decoded only for a client that accepts one first (specs 7.1). */
static enum err take_body(const struct exchange *x, struct str text, const struct json *encoded,
                          struct buf *out)
{
    *out = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    if (!json_bool_or(encoded, false) ||
        !media__is_binary(x->api, http_value(&x->rq->headers, STR("Accept")))) {
        buf_add(out, text);
        return out->err;
    }
    enum err err = crypt_base64_decode(out, text);
    return err == ERR_OK || err == ERR_NOMEM ? err : ERR_INVALID;
}

/* The answer lives in the invocation's buffer, which the exchange keeps until it is done; so does
 * the tree that points into it. */
static enum err take_answer(struct exchange *x, struct lambda_state *s, struct arena *tree_arena)
{
    const struct json *v = NULL, *body;
    struct str text = STR("");
    enum err err =
        json_parse(tree_arena, buf_str(&s->invocation.answer), LIMIT_INVOKE_PAYLOAD, &v, NULL);
    if (err != ERR_OK)
        return err;
    if (s->conf->format != PAYLOAD_REST) {
        s->answer = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
        err =
            lambda_answer__take(x, s->conf->format, v, buf_str(&s->invocation.answer), &s->answer);
        x->answer_body = buf_str(&s->answer);
        return err;
    }
    if (v->type != JSON_OBJECT || !known_members(v))
        return ERR_INVALID;
    const struct json *headers = proxy_answer__object(json_get(v, "headers"), &err);
    const struct json *multi = proxy_answer__object(json_get(v, "multiValueHeaders"), &err);
    body = json_get(v, "body");
    if (err != ERR_OK || (body && body->type != JSON_NULL && !proxy_answer__text(body, &text)))
        return ERR_INVALID;
    x->answer = (struct http_response){0};
    err = proxy_answer__status(json_get(v, "statusCode"), &x->answer.status);
    if (err == ERR_OK)
        err = exchange__add_ids(x, &x->answer.headers);
    if (err == ERR_OK)
        err = http_add(x->arena, &x->answer.headers, STR("X-Amzn-Trace-Id"), str_c(x->trace));
    if (err == ERR_OK)
        err = proxy_answer__headers(x, headers, multi);
    if (err == ERR_OK && http_find(&x->answer.headers, STR("Content-Type")) == NULL)
        err = http_add(x->arena, &x->answer.headers, STR("Content-Type"), STR("application/json"));
    if (err == ERR_OK)
        err = take_body(x, text, json_get(v, "isBase64Encoded"), &s->answer);
    x->answer_body = buf_str(&s->answer);
    return err;
}

static enum next finish(struct exchange *x, struct lambda_state *s)
{
    const struct lambda_invocation *i = &s->invocation;
    decision_notef(&x->record, "integrate", i->outcome == LAMBDA_OK ? VERDICT_PASS : VERDICT_ERROR,
                   "function", "%.*s: %s in %.1f ms%s, invocation %s",
                   STR_ARG(function_name(i->function)), lambda_outcome_name(i->outcome),
                   (double)i->duration_us / 1000, i->cold ? ", cold" : "", i->request_id);
    if (i->outcome == LAMBDA_DEADLINE)
        return exchange__refuse(x, RESPONSE_INTEGRATION_TIMEOUT);
    if (i->outcome == LAMBDA_THROTTLED || i->outcome == LAMBDA_UNAVAILABLE)
        return exchange__refuse(x, x->kind == API_HTTP ? RESPONSE_UNAVAILABLE
                                                       : RESPONSE_API_CONFIGURATION_ERROR);
    if (i->outcome != LAMBDA_OK)
        return exchange__refuse(x, RESPONSE_MALFORMED_PROXY_RESPONSE);
    struct arena *tree = arena_new(KIB(4), MIB(64));
    enum err err = tree ? take_answer(x, s, tree) : ERR_NOMEM;
    arena_free(tree);
    if (err == ERR_OK)
        return ANSWER;
    decision_notef(&x->record, "integrate", VERDICT_ERROR, "answer",
                   "%s: it must be an object of statusCode, headers, %s, body and isBase64Encoded",
                   err_text(err), x->kind == API_HTTP ? "cookies" : "multiValueHeaders");
    return exchange__refuse(x, RESPONSE_MALFORMED_PROXY_RESPONSE);
}

static void invoked(struct lambda_invocation *i)
{
    struct exchange *x = i->arg;
    exchange__resume(x, finish(x, x->integration));
}

static void invoke(struct exchange *x, struct lambda_state *s)
{
    struct buf event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    struct str body = buf_str(&s->body);
    struct str media = http_value(&x->rq->headers, STR("Content-Type"));
    bool binary = body.n > 0 && media__is_binary(x->api, media);
    if (s->conf->format == PAYLOAD_REST && !binary && !str_is_utf8(body)) {
        decision_note(&x->record, "integrate", VERDICT_DENY, "body",
                      STR("is not UTF-8 text, and its type is none of binaryMediaTypes"));
        exchange__resume(x, exchange__refuse(x, RESPONSE_UNSUPPORTED_MEDIA_TYPE));
        return;
    }
    if (s->conf->format == PAYLOAD_REST)
        event__write(x, body, binary, &event);
    else
        event__write_http(x, s->conf->format, body, &event);
    buf_fini(&s->body);
    if (event.err != ERR_OK) {
        enum gateway_response type =
            event.err == ERR_LIMIT ? RESPONSE_REQUEST_TOO_LARGE : RESPONSE_API_CONFIGURATION_ERROR;
        buf_fini(&event);
        exchange__resume(x, exchange__refuse(x, type));
        return;
    }
    s->invocation = (struct lambda_invocation){
        .function = s->conf->function,
        .payload = event,
        .deadline_ms = loop_now_ms(x->worker->loop) + s->conf->timeout_ms,
        .queue = true,
        .trace_header = str_c(x->trace),
        .reply = x->worker->loop,
        .done = invoked,
        .arg = x,
    };
    lambda_invoke(x->worker->gateway->options.lambda, &s->invocation);
}

static void on_body(void *arg, struct str chunk)
{
    struct exchange *x = arg;
    struct lambda_state *s = x->integration;
    buf_add(&s->body, chunk);
}

static void on_body_end(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct lambda_state *s = x->integration;
    if (how == ERR_OK)
        how = s->body.err;
    if (how == ERR_OK)
        invoke(x, s);
    else if (http_exchange_client_gone(x->http))
        http_respond_abort(x->http);
    else
        exchange__resume(x, exchange__refuse(x, how == ERR_LIMIT     ? RESPONSE_REQUEST_TOO_LARGE
                                                : how == ERR_TIMEOUT ? RESPONSE_REQUEST_TIMEOUT
                                                                     : RESPONSE_BAD_REQUEST));
}

static void on_done(void *arg, enum err how)
{
    struct exchange *x = arg;
    struct lambda_state *s = x->integration;
    buf_fini(&s->body);
    buf_fini(&s->answer);
    lambda_invocation_fini(&s->invocation);
    exchange__done(x, how);
}

static const struct http_exchange_events events = {
    .data = on_body, .end = on_body_end, .done = on_done};

static enum next lambda_start(const void *conf, struct exchange *x)
{
    struct lambda_state *s = ARENA_NEW(x->arena, struct lambda_state);
    const struct lambda_conf *c = conf;
    if (s == NULL || c->not_post)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    s->conf = c;
    if (maps_reserved(x, &s->conf->maps)) {
        decision_note(&x->record, "integrate", VERDICT_ERROR, "request",
                      STR("a mapping sets a header that cannot be mapped"));
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    }
    s->body = BUF_INIT(LIMIT_REQUEST_BODY);
    s->answer = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    x->integration = s;
    http_exchange_watch(x->http, &events, x);
    if (x->rq->framing == HTTP_NO_BODY)
        invoke(x, s); /* always asynchronous unless it refuses */
    else
        http_body_start(x->http);
    return WAIT;
}

const struct integration_kind gateway__aws_proxy = {"AWS_PROXY", 1u << API_REST | 1u << API_HTTP,
                                                    lambda_compile, lambda_start};
