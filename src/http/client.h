/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 client side of one loop: keep-alive pools to backends and streaming calls with
 * back-pressure. A connection whose answer was not understood to its last byte is never used again.
 * All functions: the loop's thread only. */
#ifndef ROPELINE_HTTP_CLIENT_H
#define ROPELINE_HTTP_CLIENT_H

#include "http/message.h"
#include "run/run.h"

struct http_client;
struct http_call;

struct http_client_options {
    size_t head_max, headers_max; /* 0 = LIMIT_RESPONSE_* */
    size_t idle_per_origin;       /* 0 = LIMIT_POOL_IDLE_PER_ORIGIN */
    int64_t connect_ms, idle_ms;  /* 0 = TIMEOUT_CONNECT_MS, TIMEOUT_POOL_IDLE_MS */
};

/* Where a call goes. */
struct http_origin {
    struct str host; /* name or address, without brackets; for unix: the path */
    uint16_t port;   /* 0 = unix socket */
    bool tls;        /* the chain against the CA roots and the host's name are verified */
    bool insecure;   /* with tls: neither is */
};

struct http_call_options {
    struct http_origin origin;
    struct str method;
    struct str target;           /* origin form, canonical bytes */
    struct http_headers headers; /* Host included; framing headers are added here */
    enum http_framing framing;   /* NO_BODY, BY_LENGTH, CHUNKED */
    uint64_t length;
    int64_t timeout_ms; /* from start to the response head; <= 0 = TIMEOUT_INTEGRATION_MS */
    int64_t idle_ms;    /* between body chunks afterwards; <= 0 = the same */
};

struct http_call_events {
    /* Final answer's head (1xx are swallowed); rs is valid until done. */
    void (*head)(void *arg, const struct http_response *rs);
    void (*data)(void *arg, struct str chunk);
    void (*drain)(void *arg); /* request queue is empty again */
    /* Exactly once, never from inside http_call_start; the call is gone when it returns.
     * ERR_OK: answer complete. ERR_UNAVAILABLE: no connection (`why`: "connection refused", "host
     * not found", ...). ERR_TIMEOUT. ERR_IO: broken off, or no TLS ("TLS: certificate has
     * expired"). ERR_SYNTAX: the backend answered nonsense.
     * ERR_LIMIT: its head is too large. ERR_INVALID: the request body
     * was not as long as announced. ERR_NOMEM. ERR_CANCELLED. */
    void (*done)(void *arg, enum err how, const char *why);
};

enum err http_client_new(struct loop *l, const struct http_client_options *o,
                         struct http_client **out) MUSTCHECK;
/* Closes idle connections; live calls end with ERR_CANCELLED. `closed` when nothing is left, then
 * http_client_free. */
void http_client_close(struct http_client *c, void (*closed)(void *arg), void *arg);
void http_client_free(struct http_client *c);

/* The strs in `o` must stay valid until done. Retried by itself once, on a fresh connection, only
 * if the method is idempotent, the connection was a reused one, there is no request body, and not a
 * byte of an answer came (RFC 9110 9.2.2). */
enum err http_call_start(struct http_client *c, const struct http_call_options *o,
                         const struct http_call_events *e, void *arg,
                         struct http_call **out) MUSTCHECK;
/* Copies what the socket does not take. False: pause the source until drain. May be called before
 * the connection stands. */
bool http_call_write(struct http_call *call, struct str chunk);
void http_call_end(struct http_call *call);   /* request body complete; not needed for NO_BODY */
void http_call_pause(struct http_call *call); /* no more data events until resume */
void http_call_resume(struct http_call *call);
void http_call_cancel(struct http_call *call); /* done(ERR_CANCELLED) follows, not synchronously */
/* Whether the connection was taken from the pool. */
bool http_call_reused(const struct http_call *call);

#endif
