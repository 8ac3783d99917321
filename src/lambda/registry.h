/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that the control plane makes, beside those of documents: their code in the store of
 * packages, their versions, aliases and concurrency in plane.db. Requests and answers are the
 * bodies of Lambda's own operations. All on the control loop. Source: Lambda API reference. */
#ifndef ROPELINE_LAMBDA_REGISTRY_H
#define ROPELINE_LAMBDA_REGISTRY_H

#include "lambda/lambda.h"

enum function_op {
    FUNCTION_CREATE,               /* request, zip; Publish */
    FUNCTION_UPDATE_CODE,          /* zip; Publish, RevisionId */
    FUNCTION_UPDATE_CONFIGURATION, /* request: what it leaves out stays */
    FUNCTION_PUBLISH,              /* Description, CodeSha256, RevisionId */
    FUNCTION_DELETE,               /* `qualifier`: that version; "" = all of it */
    FUNCTION_CREATE_ALIAS,         /* `qualifier`; FunctionVersion, RoutingConfig, Description */
    FUNCTION_UPDATE_ALIAS,
    FUNCTION_DELETE_ALIAS,
    FUNCTION_PUT_CONCURRENCY, /* ReservedConcurrentExecutions */
    FUNCTION_DELETE_CONCURRENCY,
    FUNCTION_PUT_PROVISIONED, /* `qualifier`; ProvisionedConcurrentExecutions */
    FUNCTION_DELETE_PROVISIONED,
    FUNCTION_OPS
};

/* One change. The caller owns it, and all that it refers to, until `done`. */
struct function_change {
    /* in */
    enum function_op op;
    struct str name, qualifier;
    const struct json *request; /* the operation's body without Code; NULL = empty */
    struct str zip;             /* the package of CREATE and UPDATE_CODE */
    void (*done)(struct function_change *c);
    void *arg;
    /* out. ERR_OK: it is committed and in force. ERR_NOTFOUND 404, ERR_EXISTS and ERR_CONFLICT 409,
     * ERR_EXPIRED 412 (RevisionId), ERR_INVALID, ERR_LIMIT and ERR_UNSUPPORTED 400, with Lambda's
     * own text in `e`; ERR_UNAVAILABLE, ERR_IO, ERR_NOMEM 500: nothing has changed. */
    enum err err;
    struct errinfo e;
    struct buf answer; /* the operation's answer; function_change_fini frees it */
    /* of the room */
    struct function_change *next;
};
/* Changes are made one after the other, in the order of the calls; `done` comes once, never from
 * inside the call. */
void lambda_change(struct lambda *l, struct function_change *c);
void function_change_fini(struct function_change *c);

enum function_view {
    FUNCTION_CONFIGURATION, /* of `qualifier`, "" = $LATEST; an alias gives its version's */
    FUNCTION_VERSIONS,      /* {"Versions": [...]} */
    FUNCTION_ALIAS,
    FUNCTION_ALIASES,     /* {"Aliases": [...]} */
    FUNCTION_CONCURRENCY, /* {"ReservedConcurrentExecutions"}, or {} */
    FUNCTION_PROVISIONED, /* of `qualifier` */
    FUNCTION_PROVISIONED_LIST,
};
/* Appends the answer of the operation that shows it. ERR_NOTFOUND, with Lambda's text. */
enum err lambda_view(struct lambda *l, enum function_view v, struct str name, struct str qualifier,
                     struct buf *out, struct errinfo *e) MUSTCHECK;
/* {"Functions": [the configuration of each $LATEST]}, in the order of their names. */
void lambda_list(struct lambda *l, struct buf *out);

#endif
