/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's own answers, from the table gateway_responses.def: the one place where a refusal
 * becomes a status, headers and a body. */
#include "base/json.h"
#include "http_api_int.h"
#include "mapping_int.h"

struct response_row {
    const char *type;
    unsigned status;
    const char *error, *body;
    size_t body_n;
};

static const struct response_row rows[RESPONSE_COUNT] = {
#define GATEWAY_RESPONSE(type, status, error, body) {#type, status, error, body, sizeof(body) - 1},
#include "gateway/gateway_responses.def"
#undef GATEWAY_RESPONSE
};

enum err ids__add(struct arena *a, struct http_headers *h, const struct gateway_ids *ids)
{
    struct str request = arena_str(a, str_c(ids->request));
    struct str extended = arena_str(a, str_c(ids->extended));
    if (request.p == NULL || extended.p == NULL)
        return ERR_NOMEM;
    enum err err = http_add(a, h, STR("x-amzn-RequestId"), request);
    return err ? err : http_add(a, h, STR("x-amz-apigw-id"), extended);
}

/* The exchange holds the text itself: nothing is copied. */
enum err exchange__add_ids(struct exchange *x, struct http_headers *h)
{
    if (x->kind == API_HTTP)
        return http_add(x->arena, h, STR("apigw-requestid"), str_c(x->ids.extended));
    enum err err = http_add(x->arena, h, STR("x-amzn-RequestId"), str_c(x->ids.request));
    return err ? err : http_add(x->arena, h, STR("x-amz-apigw-id"), str_c(x->ids.extended));
}

enum err exchange__hand(const struct exchange *x, struct http_headers *h)
{
    const struct http_headers *from = &x->auth.handed;
    enum err err = ERR_OK;
    if (x->granted.method == NULL || from->n == 0 || http_find(h, from->v[0].name))
        return ERR_OK;
    for (size_t i = 0; i < from->n && err == ERR_OK; i++)
        err = http_add(x->arena, h, from->v[i].name, from->v[i].value);
    return err;
}

/* The text in {"message": "text"}; rows have none that needs an escape. p is NULL for null. */
static struct str row_message(const struct response_row *row)
{
    struct str body = str_of(row->body, row->body_n);
    struct str text = str_trim(str_from(body, str_chr(body, ':', 0) + 1));
    text = str_sub(text, 0, text.n - 1);
    return str_starts(text, STR("\"")) ? str_sub(text, 1, text.n - 2) : STR_NONE;
}

struct str exchange__message_string(struct exchange *x)
{
    AUTO_BUF text = BUF_INIT(KIB(32));
    if (x->error.message.p == NULL)
        return STR("null");
    json_write_str(&text, x->error.message);
    return text.err ? STR_NONE : arena_str(x->arena, buf_str(&text));
}

static void set_built_in(struct exchange *x, const struct response_row *row, const char *error)
{
    struct http_headers *h = &x->answer.headers;
    x->answer = (struct http_response){.status = row->status};
    x->answer_body = str_of(row->body, row->body_n);
    if (exchange__add_ids(x, h) != ERR_OK ||
        http_add(x->arena, h, STR("x-amzn-ErrorType"), str_c(error)) != ERR_OK ||
        http_add(x->arena, h, STR("Content-Type"), STR("application/json")) != ERR_OK)
        *h = (struct http_headers){0}; /* out of memory: the refusal stands, without its headers */
}

/* The authorizer's function could not be run or failed: AUTHORIZER_FAILURE may say so (specs 1.8).
 * A wrong answer of it is AUTHORIZER_CONFIGURATION_ERROR alone. */
static bool authorizer_failed(const struct exchange *x)
{
    return x->auth.verdict == AUTH_ERROR && x->auth.invocation.function &&
           x->auth.invocation.outcome != LAMBDA_OK;
}

static const struct answer *find_custom(struct exchange *x, enum gateway_response type)
{
    const struct answer *custom = NULL;
    unsigned status = rows[type].status;
    if (x->api == NULL || x->api->answers == NULL)
        return NULL;
    if (type == RESPONSE_AUTHORIZER_CONFIGURATION_ERROR && authorizer_failed(x))
        custom = answers__find(x->api->answers, RESPONSE_AUTHORIZER_FAILURE, status, false);
    return custom ? custom : answers__find(x->api->answers, type, status, true);
}

static enum next refuse(struct exchange *x, enum gateway_response type, const char *error,
                        struct str message, bool own_message)
{
    const struct response_row *row = &rows[type];
    const struct answer *custom = NULL;
    decision_note(&x->record, "respond", VERDICT_DENY, "response", str_c(row->type));
    if (x->kind == API_HTTP)
        return http_api__refuse(x, type, row->status, str_of(row->body, row->body_n));
    custom = find_custom(x, type);
    x->error.type = str_c(answers__type(type, row->status));
    x->error.message = message;
    set_built_in(x, row, error);
    if (own_message) {
        struct str body = x->answer_body, key = str_sub(body, 0, str_chr(body, ':', 0) + 1);
        struct str parts[] = {key, exchange__message_string(x), STR("}")};
        struct str kept = parts[1].p ? arena_cat(x->arena, parts, COUNTOF(parts)) : STR_NONE;
        if (kept.p)
            x->answer_body = kept;
    }
    if (custom == NULL)
        return ANSWER;
    decision_note(&x->record, "respond", VERDICT_INFO, "customised", str_c(answer__name(custom)));
    enum err err = answer__apply(custom, x);
    if (err != ERR_OK) {
        row = &rows[RESPONSE_API_CONFIGURATION_ERROR];
        decision_notef(&x->record, "respond", VERDICT_ERROR, "customised",
                       "cannot be made for this request: %s", err_text(err));
        set_built_in(x, row, row->error);
    }
    return ANSWER;
}

enum next exchange__refuse(struct exchange *x, enum gateway_response type)
{
    return refuse(x, type, rows[type].error, row_message(&rows[type]), false);
}

enum next exchange__refuse_with(struct exchange *x, enum gateway_response type, struct str message)
{
    return refuse(x, type, rows[type].error, message, true);
}

enum next exchange__refuse_as(struct exchange *x, enum gateway_response type, const char *error,
                              struct str message)
{
    return refuse(x, type, error, message, true);
}

static enum err add_refusal_headers(struct arena *a, struct http_headers *h,
                                    const struct response_row *row, bool http_api)
{
    struct gateway_ids ids;
    gateway__make_ids(&ids);
    struct str id = arena_str(a, str_c(ids.extended));
    enum err err = id.p ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK && http_api)
        err = http_add(a, h, STR("apigw-requestid"), id);
    else if (err == ERR_OK)
        err = ids__add(a, h, &ids);
    if (err == ERR_OK && !http_api)
        err = http_add(a, h, STR("x-amzn-ErrorType"), str_c(row->error));
    return err ? err : http_add(a, h, STR("Content-Type"), STR("application/json"));
}

/* Before there is a request: malformed or over a limit. `why` is for our log, not for strangers. */
void gateway__refusal(void *arg, unsigned status, const char *why, struct arena *a,
                      struct http_response *rs, struct str *body)
{
    static const enum gateway_response refusals[] = {
        RESPONSE_BAD_REQUEST,           RESPONSE_METHOD_NOT_ALLOWED, RESPONSE_REQUEST_TIMEOUT,
        RESPONSE_REQUEST_TOO_LARGE,     RESPONSE_URI_TOO_LONG,       RESPONSE_EXPECTATION_FAILED,
        RESPONSE_HEADERS_TOO_LARGE,     RESPONSE_NOT_IMPLEMENTED,    RESPONSE_UNAVAILABLE,
        RESPONSE_VERSION_NOT_SUPPORTED,
    };
    const struct gateway_worker *w = arg;
    bool http_api = w && w->snapshot && route__manner(w->snapshot, STR("")) == API_HTTP;
    (void)why;
    const struct response_row *row = &rows[RESPONSE_BAD_REQUEST];
    for (size_t i = 0; i < COUNTOF(refusals); i++)
        if (rows[refusals[i]].status == status)
            row = &rows[refusals[i]];
    *rs = (struct http_response){.status = status};
    *body = str_of(row->body, row->body_n);
    if (http_api)
        *body = http_api__body(status, *body);
    if (a == NULL || add_refusal_headers(a, &rs->headers, row, http_api) != ERR_OK)
        rs->headers = (struct http_headers){0};
}
