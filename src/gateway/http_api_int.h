/* SPDX-License-Identifier: Apache-2.0
 *
 * What HTTP APIs (apigatewayv2) do in their own way: answers, events, answers of functions, CORS.
 * Private to this room. */
#ifndef ROPELINE_GATEWAY_HTTP_API_INT_H
#define ROPELINE_GATEWAY_HTTP_API_INT_H

#include "gateway_int.h"

/* --- http_api.c ----------------------------------------------------------------------------- */
/* The gateway's own answer. HTTP APIs have no gateway responses: a status and {"message": ...}.
 * `status` and `rest` are what a REST API would answer. */
enum next http_api__refuse(struct exchange *x, enum gateway_response type, unsigned status,
                           struct str rest);
/* {"message": ...} of that status; where HTTP APIs have no text of their own, `rest`. */
struct str http_api__body(unsigned status, struct str rest);
/* The path as events and $context.path say it: with the stage in front, but for $default. p is
 * NULL when out of memory. */
struct str http_api__path(struct exchange *x);
/* A claim as text: a list is "[a b]" in HTTP APIs and "a,b" in REST APIs. p is NULL when out of
 * memory. */
struct str claim__text(struct arena *a, enum api_kind kind, const struct json *claim);

/* --- event_http.c --------------------------------------------------------------------------- */
enum payload_format { PAYLOAD_REST, PAYLOAD_1_0, PAYLOAD_2_0 };
/* The event of an AWS_PROXY integration; a failure sticks to the buffer. */
void event__write_http(struct exchange *x, enum payload_format format, struct str body,
                       struct buf *out);
/* The event of a REQUEST authorizer, with the values of its identity sources. */
void event__write_http_auth(struct exchange *x, enum payload_format format,
                            const struct str *identity, size_t n, struct buf *out);

/* --- lambda_answer.c ------------------------------------------------------------------------ */
/* What a function of an HTTP API returned -> x->answer and `body` (specs 7.2). `text` is the whole
 * of it and `v` the same, parsed. ERR_INVALID: not of the shape. */
enum err lambda_answer__take(struct exchange *x, enum payload_format format, const struct json *v,
                             struct str text, struct buf *body) MUSTCHECK;

/* --- aws_proxy.c: parts of a function's answer, for all formats. ERR_INVALID: of a wrong type ---
 */
enum err proxy_answer__header(struct exchange *x, struct str name, struct str value) MUSTCHECK;
enum err proxy_answer__headers(struct exchange *x, const struct json *headers,
                               const struct json *multi) MUSTCHECK;
enum err proxy_answer__status(const struct json *v, unsigned *status) MUSTCHECK;
bool proxy_answer__text(const struct json *v, struct str *out); /* a scalar's */
/* NULL for null or nothing; *err is set for anything but an object. */
const struct json *proxy_answer__object(const struct json *v, enum err *err);

/* --- cors.c --------------------------------------------------------------------------------- */
enum err cors__compile(struct arena *a, const struct json *spec, struct cors **out,
                       struct errinfo *e) MUSTCHECK;
/* A browser asks whether it may: OPTIONS with Origin and Access-Control-Request-Method. */
bool cors__is_preflight(const struct exchange *x);
enum next cors__answer_preflight(struct exchange *x);
/* Takes what the backend said of CORS out of an answer and puts in what the API says. */
enum err cors__put(struct exchange *x, struct http_headers *h) MUSTCHECK;

#endif
