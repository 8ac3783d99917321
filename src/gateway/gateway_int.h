/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this room: a request on its way through the steps, and the kinds of
 * integration that end it. */
#ifndef ROPELINE_GATEWAY_INT_H
#define ROPELINE_GATEWAY_INT_H

#include "base/time.h"
#include "http/path.h"
#include "policy/policy.h"
#include "snapshot_int.h"

/* --- a request ------------------------------------------------------------------------------ */
/* The steps, in order: names in records, metrics and logs are these (docs/house.md, section 3). */
#define GATEWAY_STEPS(X) \
    X(match)             \
    X(cors)              \
    X(resource_policy)   \
    X(authorize) X(api_key) X(throttle) X(validate) X(integrate) X(respond) X(account)
enum step {
#define X(name) STEP_##name,
    GATEWAY_STEPS(X)
#undef X
        STEP_COUNT
};
enum next {
    NEXT,   /* go on with the following step */
    WAIT,   /* a callback will call exchange__resume */
    ANSWER, /* an answer is set: go to respond */
};

struct path_param {
    struct str name, value; /* canonical bytes, still escaped */
};
#define PATH_PARAMS 16

/* What every answer of a REST API carries: x-amzn-RequestId and x-amz-apigw-id. */
struct gateway_ids {
    char request[37], extended[17];
};

/* What condition_keys.c answered, each key in a place of its own. */
#define CONDITION_KEYS 7
struct condition_keys {
    struct policy_context context;
    struct str values[CONDITION_KEYS];
    char current_time[TIME_TEXT], epoch_time[24];
};

struct backend_answer; /* mapping_int.h */
struct exchange {
    struct http_exchange *http;
    const struct http_request *rq;
    struct arena *arena;
    struct gateway_worker *worker;
    struct snapshot *snapshot;
    enum step at;
    bool is_tls, forward; /* came by TLS; asked by another gateway, which serves it itself */

    struct str path;             /* canonical, as the client sent it, stage included */
    struct str route_path;       /* below the stage: what routes, methodArn and backend see */
    struct str staged_path;      /* for http_api__path; p is NULL until it is asked for */
    enum api_kind kind;          /* of the API: how answers and ids look */
    const struct domain *domain; /* custom; NULL = none */
    const struct api *api;
    const struct method *method;
    struct path_param params[PATH_PARAMS];
    size_t param_count;
    struct str method_arn;
    struct str decoded_arn;        /* as some backends read it (steps.c); "" = the same */
    struct str peer_ip, source_ip; /* who connected; who that speaks for */
    struct gateway_ids ids;
    char trace[80];
    int64_t wall_us;

    struct condition_keys keys;
    enum decision resource_verdict; /* of the API's resource policy, when it has one */
    struct auth_call auth;
    struct { /* of the gateway's own answer, for $context.error.*; type "" = there is none */
        struct str type, message, validation;
    } error;
    struct { /* written only when auth ended in ALLOW; integrate checks it again */
        const struct method *method;
        struct str method_arn;
    } granted;

    struct request_usage usage;

    struct http_response answer;
    struct str answer_body;
    unsigned status;         /* sent */
    void *integration;       /* state of the integration kind */
    struct str request_body; /* whole, for mappings, where the integration collects it */
    const struct backend_answer *backend; /* for the mappings of an answer; NULL until it is here */
    struct query_pair *query;             /* decoded once, when first asked for */
    size_t query_count;
    enum err query_err;
    bool query_read;
    struct decision_record record;
};

/* A kind of integration: one file with its const struct, one row in integrations.c. */
struct integration_env {
    const struct api *api;
    struct str method_path;
    const struct json *method; /* PutMethod's object */
    struct function *(*function)(void *arg, struct str arn);
    void *arg;
};
struct integration_kind {
    const char *name; /* as the API document spells it, upper case */
    unsigned apis;    /* 1 << enum api_kind of those that have it */
    enum err (*compile)(struct arena *a, const struct json *spec, const struct integration_env *env,
                        void **conf, struct errinfo *e);
    enum next (*start)(const void *conf, struct exchange *x);
};
extern const struct integration_kind gateway__http, gateway__http_proxy, gateway__aws_proxy,
    gateway__mock;
const struct integration_kind *integration__kind(struct str name, enum api_kind api);

/* steps.c. A callback that ends a WAIT calls resume, never from inside a step. */
void exchange__done(void *exchange, enum err how); /* for http_exchange_events.done */
void gateway__handle(void *worker, struct http_exchange *http);
/* NULL: no memory or nothing published yet; the exchange was ended. */
struct exchange *exchange__begin(struct gateway_worker *w, struct http_exchange *http);
/* From the first step to the last, or to a WAIT. */
void exchange__walk(struct exchange *x);
void exchange__resume(struct exchange *x, enum next with);
#define X(name) enum next step__##name(struct exchange *x);
GATEWAY_STEPS(X)
#undef X
/* condition_keys.c: what this request answers to conditions; lives as long as it. */
const struct policy_context *exchange__condition_keys(struct exchange *x);
/* resource_policy.c: what the API's policy makes of the authorizer's verdict. */
enum auth_verdict resource_policy__combine(struct exchange *x, enum auth_verdict verdict);
/* response.c: sets the gateway's own answer. */
enum gateway_response {
#define GATEWAY_RESPONSE(type, status, error, body) RESPONSE_##type,
#include "gateway/gateway_responses.def"
#undef GATEWAY_RESPONSE
    RESPONSE_COUNT
};
enum next exchange__refuse(struct exchange *x, enum gateway_response type);
/* The same with other text for {"message": ...}, and with another x-amzn-ErrorType. */
enum next exchange__refuse_with(struct exchange *x, enum gateway_response type, struct str message);
enum next exchange__refuse_as(struct exchange *x, enum gateway_response type, const char *error,
                              struct str message);
/* $context.error.messageString: in quotes, or null. */
struct str exchange__message_string(struct exchange *x);
/* Adds Retry-After to the refusal that was just set. */
void exchange__retry_after(struct exchange *x, uint64_t seconds);
void gateway__refusal(void *arg, unsigned status, const char *why, struct arena *a,
                      struct http_response *rs, struct str *body);
/* x-amzn-RequestId and x-amz-apigw-id: every REST answer has them; of HTTP APIs apigw-requestid. */
enum err ids__add(struct arena *a, struct http_headers *h, const struct gateway_ids *ids) MUSTCHECK;
enum err exchange__add_ids(struct exchange *x, struct http_headers *h) MUSTCHECK;
/* What the authorizer that allowed this hands the client, unless the answer has its own. */
enum err exchange__hand(const struct exchange *x, struct http_headers *h) MUSTCHECK;

/* route.c */
/* The API and stage that host and path select, and the path below the stage. */
const struct api *route__api(const struct snapshot *s, struct str host, struct str path,
                             struct str *below, const char **why);
/* Whose manner a refusal has where no API was found: that of the API which the host names, else
 * REST's unless there are HTTP APIs only. */
enum api_kind route__manner(const struct snapshot *s, struct str host);
/* The method for verb and path; fills the parameters. NULL when there is none. */
const struct method *route__match(const struct api *api, enum http_method verb, struct str path,
                                  struct path_param *params, size_t *count);

/* context.c: $context.NAME, stage variables and path parameters for mappings. False: no value. */
bool exchange__context(struct exchange *x, struct str name, struct str *out);
bool exchange__param(const struct exchange *x, struct str name, struct str *out);
/* The client's X-Forwarded-For lines and the peer behind them; the port that the client asked. */
struct str exchange__forwarded_for(struct exchange *x);
struct str exchange__port(const struct exchange *x);
struct str exchange__proto(const struct exchange *x); /* "https", "http" */
/* The query's pairs. On an error (too many, out of memory) nothing may be built from the query:
 * x->query_err stays set. */
enum err exchange__query(struct exchange *x, const struct query_pair **out, size_t *n) MUSTCHECK;
/* Request times as $context spells them. */
struct str exchange__request_time(struct exchange *x);
void gateway__make_ids(struct gateway_ids *ids);
void exchange__make_ids(struct exchange *x); /* fills ids and trace */

/* forward_auth.c: a request of the forward-auth listener, and its answer when it may pass. */
void forward__handle(void *worker, struct http_exchange *http);
enum next forward__allow(struct exchange *x);

/* auth_request.c: what authorizers may ask of an exchange. */
extern const struct auth_request_ops exchange__auth_ops;

/* event.c: the AWS_PROXY event, payload format 1.0; a `binary` body goes in base64. */
void event__write(struct exchange *x, struct str body, bool binary, struct buf *out);

#endif
