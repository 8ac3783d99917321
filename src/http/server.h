/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 server side: listeners and connections of one loop. What reaches the handler has passed
 * the guard of h1.c, so nothing here can be read in two ways; anything else was answered 4xx and
 * the connection closed. One client request is one handler call, in order; the next request of a
 * connection starts after the former exchange is done. All functions: the loop's thread only. */
#ifndef ROPELINE_HTTP_SERVER_H
#define ROPELINE_HTTP_SERVER_H

#include "http/message.h"
#include "http/tls.h"
#include "run/run.h"

struct http_server;
struct http_exchange; /* one request and its answer */

/* Counters that the room above may read; each has one writer, this loop. */
struct http_counters {
    _Atomic uint64_t connections_opened, connections_open, requests, refused, bytes_in, bytes_out;
};

struct http_server_options {
    size_t head_max, headers_max, line_max; /* 0 = the LIMIT_REQUEST_* rows */
    uint64_t body_max;                      /* 0 = LIMIT_REQUEST_BODY */
    size_t arena_max;                       /* 0 = LIMIT_REQUEST_ARENA */
    size_t connections_max;                 /* 0 = LIMIT_CONNECTIONS_PER_WORKER */
    int64_t head_timeout_ms, body_idle_ms, write_idle_ms,
        keepalive_ms;    /* 0 = TIMEOUT_*; -1 = none */
    size_t trailers_max; /* 0 = trailers are dropped; else kept for http_exchange_trailers */
    bool host_optional;  /* a Runtime API or control client may leave Host out */
    /* Answers the errors that happen before there is a request (400, 408, 413, 414, 431, 405, 501,
     * 503): NULL = a plain JSON {"message":...}. Runs in the loop's thread. */
    void (*refusal)(void *arg, unsigned status, const char *why, struct arena *a,
                    struct http_response *rs, struct str *body);
    void (*request)(void *arg, struct http_exchange *x); /* mandatory */
    bool (*admit)(void *arg, int fd);        /* of a new connection: false closes it; NULL = all */
    void (*handshake)(void *arg, bool good); /* of TLS; may be NULL */
    void *arg;
    struct http_counters *counters; /* may be NULL */
};

enum err http_server_new(struct loop *l, const struct http_server_options *o,
                         struct http_server **out) MUSTCHECK;
/* Takes over a listening socket (TCP or unix); may be called for several. */
enum err http_server_listen(struct http_server *s, int fd) MUSTCHECK;
/* The same for TLS; http_server_set_tls first. */
enum err http_server_listen_tls(struct http_server *s, int fd) MUSTCHECK;
/* What connections that are accepted from now on show; takes a reference. */
void http_server_set_tls(struct http_server *s, struct http_tls *t);
/* Takes over a connected stream socket (a socketpair end) as one connection; `closed` is called
 * when it has ended. Used by the Lambda Runtime API. */
enum err http_server_adopt(struct http_server *s, int fd, void (*closed)(void *arg),
                           void *arg) MUSTCHECK;
/* Stops listening, closes idle connections, lets the others finish their exchange; `drained` is
 * called once when none is left, or after `ms`, when the rest has been cut. */
void http_server_drain(struct http_server *s, int64_t ms, void (*drained)(void *arg), void *arg);
void http_server_free(struct http_server *s); /* after drained */

/* --- one exchange --------------------------------------------------------------------------
 * Alive from the request callback until its `done` callback returns. The handler must end it with
 * exactly one of http_respond, http_respond_end or http_respond_abort, now or later; also when the
 * client has gone (then nothing is sent, unless it has only shut its writing side, and `done` still
 * comes). After that no callback but `done` comes. No callback comes from inside a call. */
const struct http_request *http_exchange_request(struct http_exchange *x);
struct arena *http_exchange_arena(struct http_exchange *x);
struct loop *http_exchange_loop(struct http_exchange *x);
struct str http_exchange_peer_ip(struct http_exchange *x); /* "127.0.0.1", "::1", "" for unix */
unsigned http_exchange_peer_port(struct http_exchange *x);
bool http_exchange_is_tls(const struct http_exchange *x);
/* The name that the client asked the certificate for, lower case; "" = none, or no TLS. */
struct str http_exchange_tls_name(const struct http_exchange *x);
/* Whether a host's certificate is the one that this connection was shown; true without TLS. */
bool http_exchange_tls_serves(const struct http_exchange *x, struct str host);
void *http_exchange_adopt_arg(struct http_exchange *x);  /* the arg of http_server_adopt, or NULL */
int64_t http_exchange_began_us(struct http_exchange *x); /* monotonic, first byte of the head */
/* The trailer fields of the request's body as "Name: value\n" lines, once its end has come; only
 * with trailers_max. They are never merged into the headers. */
struct str http_exchange_trailers(struct http_exchange *x);
bool http_exchange_client_gone(const struct http_exchange *x);

struct http_exchange_events {
    void (*data)(void *arg, struct str chunk); /* request body; the chunk is valid in the call */
    void (*end)(void *arg, enum err how);  /* whole body came (ERR_OK) or never will: ERR_CLOSED,
                                              ERR_TIMEOUT, ERR_LIMIT, ERR_SYNTAX; once */
    void (*drain)(void *arg);              /* the answer's queue is empty again */
    void (*gone)(void *arg);               /* the client vanished; optional, at most once */
    void (*done)(void *arg, enum err how); /* last byte handed to the kernel, or cut:
                                              ERR_CLOSED by the client, ERR_CANCELLED by us */
};
/* Each may be NULL. Call it in the request callback, before anything else. */
void http_exchange_watch(struct http_exchange *x, const struct http_exchange_events *e, void *arg);

/* The body is not read before this is called (100-continue is sent then if the client waits for
 * it). Without it, an answered request's body is dropped up to LIMIT_DRAIN_BYTES, else the
 * connection is closed. Data callbacks never come before this call returns. */
void http_body_start(struct http_exchange *x);
void http_body_pause(struct http_exchange *x);
void http_body_resume(struct http_exchange *x);

/* The whole answer. Content-Length, Date, Connection are added here; rs->headers must not hold
 * them. `body` must stay valid until done (arena, snapshot or static). A HEAD request gets the
 * length and no body. */
void http_respond(struct http_exchange *x, const struct http_response *rs, struct str body);
/* Streaming: rs->framing is HTTP_BY_LENGTH with rs->length, HTTP_CHUNKED (1.0 clients: until
 * close), or HTTP_NO_BODY. */
void http_respond_begin(struct http_exchange *x, const struct http_response *rs);
/* Copies what the socket does not take at once. False: more than LIMIT_STREAM_BUFFER is queued,
 * pause the source until `drain`. */
bool http_respond_write(struct http_exchange *x, struct str chunk);
void http_respond_end(struct http_exchange *x);
/* Nothing sent yet or not: the connection is cut, so a half answer can never look whole. */
void http_respond_abort(struct http_exchange *x);
bool http_respond_begun(const struct http_exchange *x);

#endif
