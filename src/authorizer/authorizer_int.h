/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this room. */
#ifndef ROPELINE_AUTHORIZER_INT_H
#define ROPELINE_AUTHORIZER_INT_H

#include <stdatomic.h>

#include "authorizer/authorizer.h"
#include "base/crypt.h"
#include "policy/policy.h"

/* A kind of authorizer is a row or two of kinds.c and one file with these functions. */
struct authorizer_kind {
    bool calls_function; /* needs an authorizerUri */
    bool has_claims;     /* of its results roles can be read (roles.c) */
    /* The TTL where the definition says none; NULL: 300 s for functions of REST APIs, else 0. */
    unsigned (*default_ttl_s)(const struct json *spec);
    enum err (*compile)(struct arena *a, const struct json *spec, const struct authorizer_env *env,
                        void **conf, struct errinfo *e);
    void (*fini)(void *conf);
    /* Appends the identity to `key`; NULL: nothing is cached, each request is decided afresh.
     * ERR_DENIED: missing or refused by the expression, 401 and nothing is called. Anything else
     * but ERR_OK: 500. */
    enum err (*identity)(const void *conf, struct auth_call *c, struct buf *key);
    /* True: c->verdict is set now, and c->result unless it is AUTH_ERROR or AUTH_UNAUTHORIZED. An
     * AUTH_ALLOW is judged once more by auth__judge. False: the work is started and ends in
     * auth__answered (a function's) or auth__decided on the call's loop, exactly once. */
    bool (*decide)(const void *conf, struct auth_call *c);
    /* Asked for each request that has a result, be it fresh or kept: what must be true of this very
     * request. False: c->verdict is the refusal. NULL: nothing. */
    bool (*admit)(const void *conf, struct auth_call *c);
    void (*granted)(const void *conf,
                    struct auth_call *c); /* after ALLOW: fills c->handed; or NULL */
    /* The token, for auth__note_token after a denial; STR_NONE when there is none. */
    struct str (*token)(const void *conf, const struct auth_call *c);
    bool (*reads_header)(const void *conf, struct str name);
};
extern const struct authorizer_kind authorizer__token, authorizer__request, authorizer__jwt,
    authorizer__user_pools, authorizer__introspection, authorizer__session, authorizer__iam;
/* The kind of `spec`, which calls itself `type`; NULL: there is none. */
const struct authorizer_kind *authorizer__kind(const struct json *spec, struct str type,
                                               bool http_api);

/* The shapes that a function's answer may have. */
enum auth_shape {
    SHAPE_REST,   /* principalId and policyDocument; scalars in the context */
    SHAPE_1_0,    /* HTTP API, payload format 1.0: the same, and the context keeps its types */
    SHAPE_POLICY, /* HTTP API: a policyDocument; any JSON in the context */
    SHAPE_SIMPLE, /* HTTP API, enableSimpleResponses: {"isAuthorized": true} */
};

struct authorizer {
    const struct authorizer_kind *kind;
    enum auth_shape shape; /* of its function's answers */
    void *conf;
    struct str name;
    struct function *function;
    unsigned ttl_s;
    bool coalesce;                      /* identical misses make one call */
    struct roles *roles;                /* what roles may do; NULL = nothing is said of them */
    unsigned char digest[SHA256_BYTES]; /* definition, function version, API and stage */
};

/* Of a session's token: what is asked of each request again. */
struct auth_session {
    struct str handle, anti_csrf; /* "" = none */
    struct str new_token, front;  /* that the client should have in its place; "" = none */
};

struct auth_result {
    _Atomic unsigned refs;
    struct arena *arena; /* holds this struct too; NULL: the request's, so it is never stored */
    struct str principal, usage_key, authorizer;
    struct auth_context *context;
    size_t context_count;
    const struct json *context_json;
    struct policy *policy; /* NULL: `allowed` is the verdict for every method */
    bool allowed;
    const struct json *claims;
    const struct str *scopes;
    size_t scope_count;
    const struct auth_session *session; /* NULL = none */
    bool has_roles; /* asked of the store: they count, not those of the claims */
    const struct str *roles, *permissions;
    size_t role_count, permission_count;
    bool inactive;          /* 401 for all who asked meanwhile, and never stored */
    bool challenges;        /* HTTP APIs: a refusal says why in WWW-Authenticate */
    char invocation_id[37]; /* the call that produced it */
    int64_t made_ms;
    int64_t expires_ms; /* loop_now_ms: never used after that, whatever the TTL; 0 = no end */
};
/* Turns what the function returned into a result, or refuses it with a reason for `explain`. */
enum err auth__result_parse(struct str answer, enum auth_shape shape, struct auth_result **out,
                            struct errinfo *why) MUSTCHECK;
struct auth_result *auth__result_ref(struct auth_result *r);
void auth__result_unref(struct auth_result *r); /* NULL is fine */
size_t auth__result_bytes(const struct auth_result *r);

/* A result that allows, made of a token's claims, which it borrows; in `a`, which r->arena does not
 * name yet. `challenges`: a lack of scopes is said in WWW-Authenticate. */
enum err auth__claims_result(struct arena *a, const struct json *claims, bool challenges,
                             struct auth_result **out) MUSTCHECK;

/* --- roles (roles.c) --- */
/* The grants as a policy over methodArns under the condition keys ropeline:role, :permission and
 * :route, each a statement. ERR_INVALID, ERR_LIMIT, ERR_NOMEM. */
enum err roles__compile(struct arena *a, const struct json *spec, struct str arn_prefix,
                        struct roles **out, struct errinfo *e) MUSTCHECK;
void roles__fini(struct roles *r); /* NULL is fine */
/* Takes an AUTH_ALLOW back unless a role of the result may do this. */
void roles__judge(struct auth_call *c);

/* Invokes the authorizer's function with `event` (taken over); ends in auth__answered. */
void auth__invoke(struct auth_call *c, struct buf event);
/* The outcome of the work started by kind->decide is in c->invocation. */
void auth__answered(struct auth_call *c);
/* The outcome is in c->verdict and c->result; a result is stored when the authorizer caches. */
void auth__decided(struct auth_call *c);

/* Posted to a call's loop: what kind->decide could not answer, it may now. */
void auth__decide_again(struct post *p);

/* Notes what can be read off a token without its key, for a person who asks why it was refused. */
void auth__note_token(struct auth_call *c, struct str token);
/* Notes the verdict and what each statement matched. */
void auth__judge(struct auth_call *c);

enum cache_answer {
    CACHE_HIT,  /* *result is referenced for the caller */
    CACHE_LEAD, /* the caller makes the call and must end with cache__land */
    CACHE_WAIT, /* the caller was queued behind the leader and will be posted */
    CACHE_FULL, /* out of memory: call without the cache */
};
/* `c` carries key and loop. */
enum cache_answer cache__lookup(struct authorizer_cache *cache, struct auth_call *c, int64_t now_ms,
                                struct auth_result **result);
/* The leader's call ended with `result` (borrowed) or without (NULL). Stores it when that is
 * allowed (expires_ms 0: it is not) and hands back those who waited, in order; each is for the
 * caller to post. */
struct auth_call *cache__land(struct authorizer_cache *cache, struct auth_call *leader,
                              struct auth_result *result, int64_t expires_ms);

#endif
