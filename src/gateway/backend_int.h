/* SPDX-License-Identifier: Apache-2.0
 *
 * What HTTP and HTTP_PROXY integrations have in common: where a request goes and what is in its
 * head. Private to this room. */
#ifndef ROPELINE_GATEWAY_BACKEND_INT_H
#define ROPELINE_GATEWAY_BACKEND_INT_H

#include "target_int.h"

struct backend_conf {
    struct target target;
    struct mappings maps;
    struct str method; /* "" = the client's */
    int64_t timeout_ms;
    struct str user_agent; /* AmazonAPIGateway_{api} */
};

enum err backend__compile(struct arena *a, const struct json *spec,
                          const struct integration_env *env, enum mapping_use use,
                          struct backend_conf *out, struct errinfo *e) MUSTCHECK;
/* Origin, method, target, headers and timeout of the call; framing and length are the caller's.
 * With `pass` the client's headers and query go along, else only what is mapped. Any error means
 * that the mappings cannot be served for this request. */
enum err backend__request(struct exchange *x, const struct backend_conf *c, bool pass,
                          struct http_call_options *o) MUSTCHECK;
/* A header field that the other side's Connection lists is an affair of that hop alone (RFC 9110
 * 7.6.1). */
bool backend__hop_by_hop(struct str connection, struct str name);
/* The answer to a call that failed so. */
enum gateway_response backend__response_for(enum err how);

#endif
