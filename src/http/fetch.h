/* SPDX-License-Identifier: Apache-2.0
 *
 * Documents from strangers: key sets, OpenID discovery, token introspection. The one door to
 * libcurl, on the control loop. Every fetch has an end in time and bytes, and connects only to
 * addresses that the policy allows, checked on the socket's own address (no name can lead
 * elsewhere). No redirect, proxy, cookie, netrc or compression is ever used: a 3xx is an answer
 * like any other. All functions: the control loop's thread only. */
#ifndef ROPELINE_HTTP_FETCH_H
#define ROPELINE_HTTP_FETCH_H

#include "base/cidr.h"
#include "run/run.h"

struct fetcher;
struct fetch;

/* https goes to public addresses and to those of `allow`; http only to those of `allow`. */
struct fetcher_options {
    const struct cidr *allow; /* borrowed until fetcher_free */
    size_t allow_count;
};

struct fetch_options {
    struct str url;           /* http or https, no user information; copied, like all here */
    struct str form;          /* p not NULL: POST this application/x-www-form-urlencoded body */
    struct str authorization; /* value of that header, "" = none; never logged */
    struct str accept;        /* likewise; "" = any */
    int64_t timeout_ms;       /* the whole of it, waiting included; 0 = TIMEOUT_FETCH_MS */
    size_t bytes_max;         /* of the answer's body; 0 = LIMIT_FETCH_BYTES */
};

/* Valid inside the callback only. */
struct fetch_result {
    /* ERR_OK: an answer came whole, whatever its status. ERR_INVALID: no URL that is fetched here.
     * ERR_DENIED: no address of the host is allowed. ERR_UNAVAILABLE: no host, connection or
     * trustworthy certificate. ERR_TIMEOUT. ERR_LIMIT: too long. ERR_IO: broken off. ERR_SYNTAX:
     * not HTTP, or compressed unasked. ERR_NOMEM, ERR_CANCELLED. */
    enum err err;
    unsigned status;         /* 0 unless ERR_OK, like the rest */
    struct str content_type; /* as sent; "" = none */
    struct str body;
    const char *why; /* "connection refused", "timed out after 1500 ms", ...; "" when ERR_OK */
};
typedef void (*fetch_done_fn)(void *arg, const struct fetch_result *r);

/* Cheap: libcurl wakes up at the first fetch, the CA roots at the first TLS connection. */
enum err fetcher_new(struct loop *control, const struct fetcher_options *o,
                     struct fetcher **out) MUSTCHECK;
/* Cancels what runs; `closed` comes when nothing is left, then fetcher_free. */
void fetcher_close(struct fetcher *f, void (*closed)(void *arg), void *arg);
void fetcher_free(struct fetcher *f);

/* `done` comes exactly once, never from inside this call; *out is valid until then. At most
 * LIMIT_FETCHES run at once, the others wait in order. ERR_BUSY: LIMIT_FETCHES_WAITING do already;
 * ERR_NOMEM; ERR_CLOSED: then nothing will be called. */
enum err fetch_start(struct fetcher *f, const struct fetch_options *o, fetch_done_fn done,
                     void *arg, struct fetch **out) MUSTCHECK;
void fetch_cancel(struct fetch *x); /* done(ERR_CANCELLED) follows, not synchronously */

#endif
