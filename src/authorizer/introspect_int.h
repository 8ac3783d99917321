/* SPDX-License-Identifier: Apache-2.0
 *
 * Introspection's definition and its judgement of an answer, apart from asking. */
#ifndef ROPELINE_AUTHORIZER_INTROSPECT_INT_H
#define ROPELINE_AUTHORIZER_INTROSPECT_INT_H

#include "jwt_int.h"

struct introspect_conf {
    struct bearer bearer;
    struct issuers *issuers; /* NULL in a document that is judged only */
    struct str endpoint, issuer;
    const struct str *audiences;
    size_t audiences_n;
    char *authorization; /* "Basic ...": holds the secret, wiped at the end */
    size_t authorization_n;
};

enum err introspect__compile(struct arena *a, const struct json *spec,
                             const struct authorizer_env *env, void **conf,
                             struct errinfo *e) MUSTCHECK;
void introspect__fini(void *conf);

/* application/x-www-form-urlencoded */
void introspect__encode(struct buf *out, struct str text);
/* What an answer of status 200 says. ERR_OK: *out is a result that lives by itself: it allows, or,
 * for a token that is not active, refuses and is never stored. Any error refuses, `why` says why.
 */
enum err introspect__judge(const struct introspect_conf *n, struct str answer, int64_t now_s,
                           int64_t now_ms, struct str authorizer, struct auth_result **out,
                           struct errinfo *why) MUSTCHECK;

#endif
