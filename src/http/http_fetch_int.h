/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a fetch: its life (fetch.c), libcurl on our loop (fetch_curl.c), where it may go
 * (fetch_address.c). A fetch is counted as running until its last callback is over, so that neither
 * look-ups nor connections pile up behind those that timed out. */
#ifndef ROPELINE_HTTP_HTTP_FETCH_INT_H
#define ROPELINE_HTTP_HTTP_FETCH_INT_H

#include <curl/curl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "http/fetch.h"

struct fetcher {
    struct loop *loop;
    struct fetcher_options o;
    struct fetch *live; /* all that have not been freed, newest first */
    struct fetch *waiting, **waiting_end;
    size_t running, waiting_n;
    CURLM *multi;     /* NULL until the first fetch */
    uv_timer_t timer; /* libcurl's */
    size_t handles;   /* the timer and the sockets that are watched */
    bool closing, ended;
    void (*closed)(void *arg);
    void *closed_arg;
};

enum fetch_state { FETCH_WAITING, FETCH_RESOLVING, FETCH_RUNNING, FETCH_ENDED };

#define FETCH_HEADERS 5
struct fetch {
    struct fetcher *fetcher;
    struct fetch *prev, *next, *next_waiting;
    enum fetch_state state;
    bool counted;   /* in fetcher->running */
    bool resolving; /* the look-up's callback is to come, also after the end */
    struct arena *arena;
    const char *url, *host, *port;
    bool tls;
    struct str form;
    int64_t timeout_ms;
    struct timer timer;
    uv_getaddrinfo_t lookup;
    CURL *easy;
    struct curl_slist headers[FETCH_HEADERS], addresses;
    size_t header_n, head_bytes;
    struct buf body;
    bool too_long;   /* said in `why` */
    char denied[64]; /* the last address that the policy refused; "" = none */
    char words[CURL_ERROR_SIZE];
    char why[300];
    enum err err;
    unsigned status;
    struct str content_type;
    fetch_done_fn done;
    void *arg;
};

/* fetch.c */
/* Ends it: `done` is called, from here. Never inside a callback of libcurl. */
void fetch__end(struct fetch *x, enum err err, const char *fmt, ...) PRINTF(3, 4);
void fetch__settle(struct fetcher *f); /* something has gone: perhaps it was the last */

/* fetch_curl.c */
enum err fetch__curl_open(struct fetcher *f) MUSTCHECK;
void fetch__curl_close(struct fetcher *f);
/* Begins the transfer to the addresses that were looked up; ends it when that cannot be. */
void fetch__curl_start(struct fetch *x, const struct addrinfo *found);
void fetch__curl_stop(struct fetch *x); /* fine when it never began */

/* fetch_address.c */
/* Whether a socket may be connected there; the address in words when not. */
bool fetch__may_connect(const struct fetcher *f, bool tls, const struct sockaddr *at,
                        char denied[64]);

#endif
