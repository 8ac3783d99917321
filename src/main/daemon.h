/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway process: every room wired together. One struct, owned by the control loop. */
#ifndef ROPELINE_MAIN_DAEMON_H
#define ROPELINE_MAIN_DAEMON_H

#include "config.h"
#include "gateway/gateway.h"
#include "http/fetch.h"
#include "http/server.h"

struct daemon {
    const struct config *config;
    struct keeper_options *keeper;
    struct run *run;
    struct keeper_link *link;
    struct lambda *lambda;
    struct authorizer_cache *cache;
    struct fetcher *fetcher;
    struct issuers *issuers;
    struct store *plane;   /* STATE/plane.db */
    struct store *observe; /* STATE/observe.db, for: */
    struct logstore *logs;
    struct core *core;    /* NULL = its listener is shut */
    struct http_tls *tls; /* what new connections show; NULL = no TLS listener */
    struct gateway *gateway;
    struct http_server *control, *metrics;
    struct watcher *watcher; /* dev only */
    struct daemon_worker *workers;
    unsigned started, drained;
    bool stopping, ready;
    int exit_code;
    uv_signal_t term, hup;
    struct reload *reload; /* one at a time */
};

/* Runs the gateway process to its end; for keeper_options.gateway. */
int daemon_main(void *config_and_keeper, int keeper_fd);
struct daemon_start {
    const struct config *config;
    struct keeper_options *keeper;
};

/* reload.c: reads the documents again, off-loop, and publishes them; on any error the running
 * configuration stays. `done` says whether it was published; NULL is fine. */
void daemon_reload(struct daemon *d);
/* The first load, before the workers run: prints everything; false when it must not start. */
bool daemon_load(struct daemon *d);

/* control.c: the requests of STATE/ropeline.sock and of the metrics listener. */
enum err control_open(struct daemon *d, int fd) MUSTCHECK;
enum err metrics_open(struct daemon *d, int fd) MUSTCHECK;
/* admit.c: whether the process at the other end may ask; for http_server_options. */
bool control_admit(void *daemon, int fd);

/* core.c: the identity core and its store. On the control loop, but for what names a worker. */
enum err core_open(struct daemon *d) MUSTCHECK;
/* What authorizers of kind `session` ask; NULL when `c` is. */
struct session_source;
const struct session_source *core_session_source(const struct core *c);
enum err core_worker_start(struct core *c, struct loop *worker, int fd) MUSTCHECK;
void core_worker_drain(struct core *c, struct loop *worker, void (*drained)(void *arg), void *arg);
/* Answers a request of the control socket when it is the core's; `c` may be NULL. */
bool core_control(struct core *c, struct http_exchange *x);
void core_close(struct core *c); /* the workers have drained; NULL is fine */
void core_free(struct core *c);  /* NULL is fine */

/* watch.c: calls daemon_reload when a document or a function's code changes. */
enum err watch_start(struct daemon *d) MUSTCHECK;
/* What to watch from now on: the configured documents and the code of the model's functions (NULL:
 * the documents alone, until one loads). Without watch_start it does nothing. */
void watch_model(struct daemon *d, const struct model *m);
void watch_stop(struct daemon *d);

/* explain.c: a decision record in words. */
struct decision_record;
void explain_line(const struct decision_record *r, struct buf *out);
void explain_text(const struct decision_record *r, struct str invocation_json, struct buf *out);
/* What would help the person who reads it; "" when there is nothing certain to say. */
void explain_hint(const struct decision_record *r, struct buf *out);

#endif
