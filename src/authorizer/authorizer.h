/* SPDX-License-Identifier: Apache-2.0
 *
 * The bouncers: given a request's facts, decide who it is and whether this methodArn is allowed.
 * Looks in the cache, makes one call for identical misses, runs the function, judges its policy.
 * Knows no routes and no connections. Every verdict starts as an error, which denies.
 * Source: docs/internals/authorizer.md; API Gateway developer guide, "Lambda authorizers". */
#ifndef ROPELINE_AUTHORIZER_AUTHORIZER_H
#define ROPELINE_AUTHORIZER_AUTHORIZER_H

#include "authorizer/issuers.h"
#include "authorizer/session_source.h"
#include "base/map.h"
#include "http/message.h"
#include "lambda/lambda.h"
#include "observe/decisions.h"
#include "observe/metrics.h"
#include "policy/policy.h"
#include "run/run.h"

struct authorizer;       /* compiled, immutable, owned by a snapshot */
struct authorizer_cache; /* one per process, shared by all workers */
struct auth_result;      /* what a function answered: immutable, refcounted, any thread */

/* --- compiling ------------------------------------------------------------------------------ */
struct auth_user_pool { /* of ropeline.yaml's user_pools */
    struct str arn, issuer;
};
struct authorizer_env {
    struct str api_id, stage;
    bool http_api;           /* specs are apigatewayv2's then */
    struct str file;         /* the document: paths of key files are relative to it */
    struct issuers *issuers; /* NULL: the document is judged only, nothing is fetched */
    const struct auth_user_pool *pools;
    size_t pool_count;
    const struct session_source *sessions; /* whose sessions are believed; NULL = there is none */
    /* What roles may do (gateway/model.h, model_api.roles); NULL = nothing is said of them.
     * Resources begin with arn_prefix: arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/. */
    const struct json *roles;
    struct str arn_prefix;
    /* The function that an ARN (as in authorizerUri) names, borrowed for the snapshot's life; NULL
     * when there is none. */
    struct function *(*function)(void *arg, struct str arn);
    void *arg;
};
/* `spec` is CreateAuthorizer's object (gateway/model.h). ERR_UNSUPPORTED for a type that has no row
 * in kinds.c, ERR_INVALID, ERR_NOTFOUND for its function, ERR_NOMEM; `e` is placed. */
enum err authorizer_compile(struct arena *a, const struct json *spec,
                            const struct authorizer_env *env, struct authorizer **out,
                            struct errinfo *e) MUSTCHECK;
void authorizer_fini(struct authorizer *z); /* what the arena does not hold */
/* Whether the identity is, wholly or in part, in the header of that name (any case). */
bool authorizer_reads_header(const struct authorizer *z, struct str name);
struct str authorizer_name(const struct authorizer *z);
unsigned authorizer_ttl_s(const struct authorizer *z);

/* --- deciding ------------------------------------------------------------------------------- */
enum auth_verdict {
    AUTH_ERROR = 0,     /* 500 AUTHORIZER_CONFIGURATION_ERROR */
    AUTH_UNAUTHORIZED,  /* 401 UNAUTHORIZED */
    AUTH_UNSIGNED,      /* AWS_IAM: 403, no signature that could be checked */
    AUTH_OUT_OF_SCOPE,  /* the token is good, but lacks every scope of the route */
    AUTH_DENY_IMPLICIT, /* 403 ACCESS_DENIED */
    AUTH_DENY_EXPLICIT, /* 403 ACCESS_DENIED ... with an explicit deny */
    AUTH_ALLOW,
};

/* What a kind may ask of the request beyond its headers: the gateway fills it in. Called on the
 * request's loop; what comes back lives as long as the request. */
enum auth_place { AUTH_HEADER, AUTH_QUERY, AUTH_STAGE_VARIABLE, AUTH_CONTEXT };
enum auth_event { AUTH_EVENT_REST, AUTH_EVENT_HTTP_1_0, AUTH_EVENT_HTTP_2_0 };
struct auth_request_ops {
    /* One value, as the authorizer's event shows it. ERR_NOTFOUND: absent or empty. ERR_DENIED: it
     * is there more than once, so that two readers could read it in two ways. */
    enum err (*value)(void *request, enum auth_place place, struct str name, struct str *out);
    /* Appends the event of a REQUEST authorizer; `identity` has the values of its sources. A
     * failure sticks to `out`. */
    void (*event)(void *request, enum auth_event format, const struct str *identity, size_t n,
                  struct buf *out);
};

struct auth_facts {
    struct str method_arn;  /* arn:aws:execute-api:...: canonical path bytes */
    struct str decoded_arn; /* as some backends read it: a Deny for it counts too; "" = the same */
    struct str method;      /* "GET" */
    struct str route;       /* as the document has it: "GET /pets/{id}" */
    const struct http_headers *headers;
    /* What conditions of the policy ask, judged anew for each request; NULL = no key has a value.
     * Lives as long as the call. */
    const struct policy_context *context;
    const struct str *scopes; /* of the method: a token needs one of them; none = any will do */
    size_t scope_count;
    const struct auth_request_ops *ops;
    void *request;
};

/* One question. Lives in the exchange's arena until `done` (or until authorizer_decide returned
 * true), and then until auth_call_fini. */
struct auth_call {
    /* in */
    const struct authorizer *authorizer;
    struct lambda *lambda;
    struct authorizer_cache *cache;
    struct auth_facts facts;
    struct arena *arena;
    struct loop *loop;
    struct decision_record *record;
    struct metrics *metrics;
    int64_t deadline_ms; /* loop_now_ms */
    struct str trace_header;
    void (*done)(struct auth_call *c);
    void *arg;
    /* out */
    enum auth_verdict verdict;
    struct auth_result *result; /* set for ALLOW and both DENYs */
    bool cached;
    int64_t latency_ms;   /* integrationLatency: 0 on a hit */
    struct str challenge; /* for WWW-Authenticate of a 401 or 403; "" = none */
    /* After ALLOW: fields for the client in the answer, unless it has the first of them already. */
    struct http_headers handed;
    /* of this room */
    struct str key;
    unsigned keep_s; /* how long a result may be kept; 0 = not at all */
    void *state;     /* of the kind */
    struct cache_entry *flight;
    struct auth_call *next;
    struct key_source *awaited; /* asked for keys */
    uint64_t seen;              /* number of the view that it had then */
    unsigned asks;
    struct post post;
    struct lambda_invocation invocation;
};
/* True: decided now, `done` is not called. False: `done` comes later, once, on the call's loop. */
bool authorizer_decide(struct auth_call *c) MUSTCHECK;
void auth_call_fini(struct auth_call *c);

/* --- what was found out ---------------------------------------------------------------------- */
struct auth_context {
    struct str key;
    struct str text; /* string form: "3", "true", as mappings and logs see it */
    bool null;       /* JSON null */
};
struct str auth_principal(const struct auth_result *r);
size_t auth_context_count(const struct auth_result *r);
const struct auth_context *auth_context_at(const struct auth_result *r, size_t i);
/* NULL when the key is absent. Keys are case-sensitive. */
const struct auth_context *auth_context_find(const struct auth_result *r, struct str key);
/* Whether a policy of the function said it: a resource policy may then add to it. */
bool auth_has_policy(const struct auth_result *r);
struct str auth_usage_key(const struct auth_result *r); /* usageIdentifierKey or "" */
/* The context as the function wrote it, with its own types; NULL when it gave none. */
const struct json *auth_context_json(const struct auth_result *r);
/* A token's claims (an object) and its scopes; NULL and none when the authorizer is a function. */
const struct json *auth_claims(const struct auth_result *r);
size_t auth_scopes(const struct auth_result *r, const struct str **out);

/* --- the cache ------------------------------------------------------------------------------- */
enum err authorizer_cache_new(size_t max_bytes, struct authorizer_cache **out) MUSTCHECK;
void authorizer_cache_free(struct authorizer_cache *c);
/* Drops what matches (empty = any) and keeps running calls from being stored; how many. */
size_t authorizer_cache_purge(struct authorizer_cache *c, struct str authorizer,
                              struct str principal);
/* The same for many principals in one pass: the keys of `principals`. */
size_t authorizer_cache_purge_all(struct authorizer_cache *c, const struct map *principals);
size_t authorizer_cache_count(struct authorizer_cache *c);

#endif
