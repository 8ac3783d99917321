/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's own answers, from the table gateway_responses.def: the one place where a refusal
 * becomes a status, headers and a body. */
#include "base/json.h"
#include "gateway_int.h"

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
    enum err err = http_add(x->arena, h, STR("x-amzn-RequestId"), str_c(x->ids.request));
    return err ? err : http_add(x->arena, h, STR("x-amz-apigw-id"), str_c(x->ids.extended));
}

enum next exchange__refuse_with(struct exchange *x, enum gateway_response type, struct str message)
{
    AUTO_BUF body = BUF_INIT(KIB(32));
    buf_addz(&body, "{\"message\":");
    json_write_str(&body, message);
    buf_addc(&body, '}');
    enum next next = exchange__refuse(x, type);
    struct str kept = body.err ? STR_NONE : arena_str(x->arena, buf_str(&body));
    if (kept.p)
        x->answer_body = kept;
    return next;
}

enum next exchange__refuse(struct exchange *x, enum gateway_response type)
{
    const struct response_row *row = &rows[type];
    struct http_headers *h = &x->answer.headers;
    x->answer = (struct http_response){.status = row->status};
    x->answer_body = str_of(row->body, row->body_n);
    if (exchange__add_ids(x, h) != ERR_OK ||
        http_add(x->arena, h, STR("x-amzn-ErrorType"), str_c(row->error)) != ERR_OK ||
        http_add(x->arena, h, STR("Content-Type"), STR("application/json")) != ERR_OK)
        *h = (struct http_headers){0}; /* out of memory: the refusal stands, without its headers */
    decision_note(&x->record, "respond", VERDICT_DENY, "response", str_c(row->type));
    return ANSWER;
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
    (void)arg;
    (void)why;
    const struct response_row *row = &rows[RESPONSE_BAD_REQUEST];
    for (size_t i = 0; i < COUNTOF(refusals); i++)
        if (rows[refusals[i]].status == status)
            row = &rows[refusals[i]];
    *rs = (struct http_response){.status = status};
    *body = str_of(row->body, row->body_n);
    struct gateway_ids ids;
    gateway__make_ids(&ids);
    if (a == NULL || ids__add(a, &rs->headers, &ids) != ERR_OK ||
        http_add(a, &rs->headers, STR("x-amzn-ErrorType"), str_c(row->error)) != ERR_OK ||
        http_add(a, &rs->headers, STR("Content-Type"), STR("application/json")) != ERR_OK)
        rs->headers = (struct http_headers){0};
}
