/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameter mapping of HTTP APIs (specs 7.4): what is put into a backend's request and into its
 * answer. Private to this room. */
#ifndef ROPELINE_GATEWAY_PARAMETERS_INT_H
#define ROPELINE_GATEWAY_PARAMETERS_INT_H

#include "target_int.h"

/* --- expression.c: a value -------------------------------------------------------------------- */
enum expression_use { EXPRESSION_REQUEST, EXPRESSION_RESPONSE };
struct expression_piece {
    struct str literal; /* before the source */
    int source;         /* row of its table, -1 = none */
    struct str name;    /* what the source looks for */
};
struct expression {
    struct expression_piece *v;
    size_t n;
    bool lone;            /* one source and no text: without a value the whole has none */
    bool from_authorizer; /* says something that an authorizer said */
    bool needs_body;      /* of the request, or of the answer */
};
/* "$request.header.N", "${request.path.id}-${context.stage}" or plain text. Copies what it keeps.
 * ERR_INVALID names what is no source. */
enum err expression__compile(struct arena *a, struct str text, enum expression_use use,
                             struct expression *out, struct errinfo *e) MUSTCHECK;

/* What a value may be taken from, beside the exchange. */
struct expression_facts {
    struct str body;                    /* of the request or the answer, as needs_body asks */
    const struct http_response *answer; /* of the backend; NULL = there is none yet */
    bool for_path; /* values keep to one segment: what is no path parameter is escaped */
};
/* ERR_NOTFOUND: no value. ERR_NOMEM. ERR_LIMIT: the request's query cannot be read. */
enum err expression__read(struct exchange *x, const struct expression *t,
                          const struct expression_facts *facts, struct str *out) MUSTCHECK;

/* --- parameters.c ----------------------------------------------------------------------------- */
struct parameter;
struct parameters {
    struct parameter *v;
    size_t n;
    bool needs_body;
};
struct response_parameters {
    struct response_row {
        unsigned status;
        struct parameters parameters;
    } * v;
    size_t n;
};
/* requestParameters: {"append:header.X": "$context.requestId"}. NULL gives none. */
enum err parameters__compile(struct arena *a, const struct json *spec, enum expression_use use,
                             struct parameters *out, struct errinfo *e) MUSTCHECK;
/* responseParameters: {"404": {"overwrite:statuscode": "200"}}. */
enum err parameters__compile_responses(struct arena *a, const struct json *spec,
                                       struct response_parameters *out,
                                       struct errinfo *e) MUSTCHECK;
/* NULL when the document says nothing for that status. */
const struct parameters *parameters__for(const struct response_parameters *all, unsigned status);

/* Over the path and headers of a request whose head is made; `own_query` is the uri's. Any error:
 * the mapping cannot be served for this request. */
enum err parameters__apply_request(struct exchange *x, const struct parameters *p,
                                   const struct expression_facts *facts, struct str own_query,
                                   struct http_call_options *o) MUSTCHECK;
/* Over status and headers of an answer. */
enum err parameters__apply_answer(struct exchange *x, const struct parameters *p,
                                  const struct expression_facts *facts,
                                  struct http_response *out) MUSTCHECK;

#endif
