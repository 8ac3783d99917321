/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot is made of, and who holds it: the frozen APIs, and the workers. Nothing here
 * changes once gateway_publish has it, but the counts that each worker keeps for itself. */
#ifndef ROPELINE_GATEWAY_SNAPSHOT_INT_H
#define ROPELINE_GATEWAY_SNAPSHOT_INT_H

#include "base/cidr.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "http/server.h"
#include "usage_int.h"

struct integration_kind;
struct answers;      /* mapping_int.h */
struct requirements; /* validate_int.h */
struct cors;         /* http_api_int.h */
struct domain;       /* domain_int.h */

struct variable {
    struct str name, value;
};

struct method {
    struct api *api;
    struct str path;  /* resource path as the document has it: "/pets/{id}" */
    struct str verb;  /* "GET" or "ANY" */
    struct str route; /* "GET /pets/{id}", for records */
    struct str resource_id, operation_name;
    const struct authorizer *authorizer; /* NULL: an open route, written so in the document */
    const struct str *scopes;            /* authorizationScopes */
    size_t scope_count;
    const struct requirements *requirements; /* of its request validator; NULL = none */
    const struct integration_kind *kind;
    void *conf;
    bool api_key_required;
    struct bucket *throttle; /* the stage's, for this method; NULL = none */
    unsigned index;          /* among the methods of its API */
    struct method *next;     /* of its API */
};

#define METHOD_ANY HTTP_OTHER /* slot of ANY in node.methods */
struct node {
    struct str segment;     /* literal text */
    struct node **literals; /* sorted by segment */
    size_t literal_count;
    struct node *param, *greedy;
    struct str variable; /* name of the param or greedy child that this node is */
    struct method *methods[HTTP_OTHER + 1];
};

struct api {
    enum api_kind kind;
    struct str id, stage, name, arn_prefix; /* arn:aws:execute-api:R:A:ID/STAGE/ */
    struct str account;
    bool allow_double_slash, stage_is_ambiguous;
    bool only_by_domain; /* disableExecuteApiEndpoint */
    struct variable *variables;
    size_t variable_count;
    struct node root;
    const struct method *catch_all;        /* HTTP: $default; NULL = none */
    struct cors *cors;                     /* HTTP: NULL = none */
    struct authorizer **authorizers, *iam; /* iam: one of them, or NULL */
    size_t authorizer_count;
    struct policy *policy;    /* resource policy; NULL = none */
    const struct str *binary; /* binaryMediaTypes */
    size_t binary_count;
    struct answers *answers;  /* customised gateway responses; NULL = none */
    bool key_from_authorizer; /* apiKeySource AUTHORIZER */
    struct method *methods;
    unsigned method_count;
    struct api *next;
};

struct snapshot {
    struct arena *arena;
    struct gateway *gateway;
    struct api *apis;
    bool any_double_slash;
    struct domain *domains;
    struct function **functions; /* with their versions and aliases; references held */
    size_t function_room;
    struct function_plan *plans; /* what of them is to be ready when this is published */
    size_t plan_count;
    size_t function_count;
    struct key_table keys;
    struct held_bucket *held;
    struct snapshot_share { /* one per worker; touched by that worker only */
        struct snapshot *snapshot;
        size_t in_use;
        bool retired;
        struct post take, give_back;
        struct gateway_worker *worker;
    } * shares;
    unsigned shares_out; /* control loop: workers that still hold it */
};

struct gateway_worker {
    struct gateway *gateway;
    struct loop *loop;
    struct snapshot *snapshot;
    struct http_server *server, *authorize; /* requests; questions of other gateways, or NULL */
    struct http_client *client;
    struct decision_ring *decisions;
    struct metrics metrics;
    struct http_counters http;
    void (*drained)(void *arg);
    void *drained_arg;
};

struct gateway {
    struct gateway_options options;
    struct snapshot *current; /* control loop */
    struct cidr *trusted;
    size_t trusted_count;
    size_t workers;
    struct usage *usage;
    struct bucket *account; /* of all requests together; NULL = no limit */
    struct gateway_worker worker[];
};

/* snapshot.c */
struct snapshot *snapshot__enter(struct gateway_worker *w); /* NULL before the first one */
void snapshot__leave(struct gateway_worker *w, struct snapshot *s);
void snapshot__free(struct snapshot *s);

/* route.c */
enum err route__insert(struct arena *a, struct node *root, struct method *m,
                       struct errinfo *e) MUSTCHECK;
/* Of an HTTP API (route_http.c). */
enum err route__http_insert(struct arena *a, struct api *api, struct method *m,
                            struct errinfo *e) MUSTCHECK;
bool api__variable(const struct api *api, struct str name, struct str *out);

/* peer.c */
bool peer__in(const struct cidr *list, size_t n, struct str ip);
/* The client's address: the peer, or the rightmost untrusted one of X-Forwarded-For when the peer
 * is a trusted proxy. */
struct str peer__source_ip(const struct gateway *g, struct str peer, const struct http_headers *h);
/* The same where the peer is known to be a proxy of ours. */
struct str peer__behind(const struct gateway *g, struct str peer, const struct http_headers *h);

#endif
