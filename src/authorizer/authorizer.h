/* SPDX-License-Identifier: Apache-2.0
 *
 * The bouncers: given a request's facts, decide who it is and whether this methodArn is allowed.
 * Looks in the cache, makes one call for identical misses, runs the function, judges its policy.
 * Knows no routes and no connections. Every verdict starts as an error, which denies.
 * Source: docs/internals/authorizer.md; API Gateway developer guide, "Lambda authorizers". */
#ifndef ROPELINE_AUTHORIZER_AUTHORIZER_H
#define ROPELINE_AUTHORIZER_AUTHORIZER_H

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
struct authorizer_env {
    struct str api_id, stage;
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
void authorizer_fini(struct authorizer *z);               /* what the arena does not hold */
struct str authorizer_header(const struct authorizer *z); /* that holds the identity; "" = none */
struct str authorizer_name(const struct authorizer *z);
unsigned authorizer_ttl_s(const struct authorizer *z);

/* --- deciding ------------------------------------------------------------------------------- */
enum auth_verdict {
    AUTH_ERROR = 0,     /* 500 AUTHORIZER_CONFIGURATION_ERROR */
    AUTH_UNAUTHORIZED,  /* 401 UNAUTHORIZED */
    AUTH_DENY_IMPLICIT, /* 403 ACCESS_DENIED */
    AUTH_DENY_EXPLICIT, /* 403 ACCESS_DENIED ... with an explicit deny */
    AUTH_ALLOW,
};

struct auth_facts {
    struct str method_arn;  /* arn:aws:execute-api:...: canonical path bytes */
    struct str decoded_arn; /* the same with escapes decoded: a Deny for it counts too; "" = none */
    const struct http_headers *headers;
    /* What conditions of the policy ask, judged anew for each request; NULL = no key has a value.
     * Lives as long as the call. */
    const struct policy_context *context;
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
    int64_t latency_ms; /* integrationLatency: 0 on a hit */
    /* of this room */
    struct str key;
    struct cache_entry *flight;
    struct auth_call *next;
    struct post post;
    struct lambda_invocation invocation;
};
/* True: decided now, `done` is not called. False: `done` comes later, once, on the call's loop. */
bool authorizer_decide(struct auth_call *c) MUSTCHECK;
void auth_call_fini(struct auth_call *c);

/* --- what the function said ------------------------------------------------------------------ */
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
struct str auth_usage_key(const struct auth_result *r); /* usageIdentifierKey or "" */

/* --- the cache ------------------------------------------------------------------------------- */
enum err authorizer_cache_new(size_t max_bytes, struct authorizer_cache **out) MUSTCHECK;
void authorizer_cache_free(struct authorizer_cache *c);
/* Drops what matches (empty = any) and keeps running calls from being stored; how many. */
size_t authorizer_cache_purge(struct authorizer_cache *c, struct str authorizer,
                              struct str principal);
size_t authorizer_cache_count(struct authorizer_cache *c);

#endif
