/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers of integrations that are not proxies: templates without a language, and integration
 * responses. Private to this room. */
#ifndef ROPELINE_GATEWAY_RESPONSES_INT_H
#define ROPELINE_GATEWAY_RESPONSES_INT_H

#include "mapping_int.h"
#include "media_int.h"

/* --- templates.c: {"application/json": "text"} -------------------------------------------------
 */
struct template
{
    struct str type, text;
};
struct templates {
    struct template *v;
    size_t n;
};
/* NULL gives none. ERR_UNSUPPORTED for a text that Velocity might change. */
enum err templates__compile(struct arena *a, const struct json *object, struct templates *out,
                            struct errinfo *e) MUSTCHECK;
/* Of exactly that media type, in any letter case; NULL when there is none. */
const struct template *templates__find(const struct templates *t, struct str type);
/* The template for a request of this Content-Type ("" = application/json), or NULL: then the body
 * passes as it is, or, with *refused, the request is answered 415 (specs 7.5). */
const struct template *templates__choose(const struct templates *t, enum passthrough pass,
                                         struct str content_type, bool *refused);

/* --- responses.c: {"4\\d{2}": {"statusCode", "responseParameters", "responseTemplates"}} --------
 */
struct response_rule {
    struct str name;               /* the selection pattern as written, or "default" */
    const struct pattern *pattern; /* NULL: the default */
    unsigned status;
    struct mappings headers;
    struct templates bodies;
    enum media_handling handling;
};
struct responses {
    struct response_rule *v;
    size_t n;
};
/* `method` (may be NULL) is PutMethod's object: where it has methodResponses, only headers that
 * they declare can be mapped. */
enum err responses__compile(struct arena *a, const struct json *object, const struct json *method,
                            enum mapping_use use, struct responses *out,
                            struct errinfo *e) MUSTCHECK;
/* The first rule whose pattern is this status, else the default; NULL when there is none. */
const struct response_rule *responses__choose(const struct responses *r, unsigned status);
/* Fills x->answer from the rule and x->backend: status, ids, mapped headers, and the template that
 * the client accepts, if there are any, as *body and its Content-Type. ERR_INVALID: a mapped value
 * that no header can hold. */
enum err responses__apply(struct exchange *x, const struct response_rule *rule,
                          struct str *body) MUSTCHECK;

#endif
