/* SPDX-License-Identifier: Apache-2.0
 *
 * The API gateway: freezes models into immutable snapshots, publishes them to the workers without
 * dropping a request, and takes every HTTP request through the steps of steps.c. Everything here is
 * called on the control loop unless it says otherwise. */
#ifndef ROPELINE_GATEWAY_GATEWAY_H
#define ROPELINE_GATEWAY_GATEWAY_H

#include "authorizer/authorizer.h"
#include "gateway/model.h"
#include "http/tls.h"
#include "observe/decisions.h"
#include "observe/metrics.h"
#include "run/run.h"
#include "store/store.h"

struct gateway;
struct snapshot; /* immutable: APIs, routes, authorizers, integrations, function references */

struct gateway_options {
    struct run *run;
    struct lambda *lambda;
    struct authorizer_cache *cache;
    struct issuers *issuers;                 /* whose tokens are believed */
    const struct auth_user_pool *user_pools; /* borrowed until gateway_free */
    size_t user_pool_count;
    const struct session_source *sessions; /* of the identity core; NULL = it is not here */
    const struct str *trusted_proxies;     /* CIDRs whose X-Forwarded-For is believed; copied */
    size_t trusted_proxy_count;
    /* The throttle of all requests together, AWS's account limit. No burst: there is none. */
    double account_rate;
    uint64_t account_burst;
    struct store *plane; /* STATE/plane.db, for quotas; opened when a plan has one */
    /* Each decision as it is made, on the worker that made it; NULL in production. The record is
     * valid during the call. */
    void (*on_decision)(void *arg, struct loop *l, const struct decision_record *r);
    void *arg;
};

/* "10.0.0.0/8", "::1": what trusted_proxies takes. */
bool gateway_is_network(struct str text);
enum err gateway_new(const struct gateway_options *o, struct gateway **out,
                     struct errinfo *e) MUSTCHECK;
/* After every worker has drained. Drops the last snapshot. */
void gateway_free(struct gateway *g);

/* Judges a model and makes a snapshot of it. Each problem goes to `problem`; any makes the whole
 * fail with ERR_INVALID. Strings are copied: the model may go afterwards. */
enum err gateway_freeze(struct gateway *g, const struct model *m,
                        void (*problem)(void *arg, const struct model_place *at, const char *text),
                        void *arg, struct snapshot **out) MUSTCHECK;
/* Only the judgement, for `check`: nothing runs, so functions are known by name and their code is
 * not looked at. ERR_INVALID or ERR_NOMEM as above. */
enum err gateway_judge(const struct model *m,
                       void (*problem)(void *arg, const struct model_place *at, const char *text),
                       void *arg) MUSTCHECK;
/* Hands the snapshot to every worker; requests under way finish on the former one, which is freed
 * when the last of them is out. Takes ownership. */
void gateway_publish(struct gateway *g, struct snapshot *s);
void snapshot_discard(struct snapshot *s); /* one that was never published */
/* Lines for people: "GET /dev/orders/{id}   guide (TOKEN, cache 300 s)   HTTP_PROXY". */
void snapshot_describe(const struct snapshot *s, struct buf *out);
const struct snapshot *gateway_current(const struct gateway *g);

/* Starts serving on a worker: to be called on that worker's loop. Takes over the listening
 * sockets. */
enum err gateway_worker_start(struct gateway *g, struct loop *worker, const int *listen_fds,
                              size_t count) MUSTCHECK;
/* The same by TLS; after gateway_worker_start. */
enum err gateway_worker_tls(struct gateway *g, struct loop *worker, int listen_fd,
                            struct http_tls *tls) MUSTCHECK;
/* What connections that come from now on are shown. */
void gateway_worker_set_tls(struct gateway *g, struct loop *worker, struct http_tls *tls);
/* Also answers other gateways (forward_auth.c) on these sockets; after gateway_worker_start. */
enum err gateway_worker_authorize(struct gateway *g, struct loop *worker, const int *listen_fds,
                                  size_t count) MUSTCHECK;
/* Stops listening and lets requests finish for at most `ms`; on the worker's loop. */
void gateway_worker_drain(struct gateway *g, struct loop *worker, int64_t ms,
                          void (*drained)(void *arg), void *arg);

/* After every worker has drained: writes what is still only in memory; `done` comes later. */
void gateway_settle(struct gateway *g, void (*done)(void *arg), void *arg);

/* Counters of all workers, for observe/metrics.h; any thread. */
size_t gateway_metrics(struct gateway *g, const struct metrics **sets, size_t max);

/* Finds a decision record on whatever worker has it: by id, or the newest ("" = of all; with
 * `denied` the newest refusal). `found` is called later on the control loop with a copy that is
 * valid during the call, or with NULL when there is none. */
enum err gateway_find_decision(struct gateway *g, struct str id, bool denied,
                               void (*found)(void *arg, const struct decision_record *r),
                               void *arg) MUSTCHECK;

#endif
