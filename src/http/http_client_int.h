/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the client: a call (one request and its answer), a connection, and the origin that
 * keeps the idle connections. A connection and a call point at each other or at nothing; whatever
 * ends badly is told by client__defer, so no `done` runs inside somebody else's call. */
#ifndef ROPELINE_HTTP_HTTP_CLIENT_INT_H
#define ROPELINE_HTTP_HTTP_CLIENT_INT_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "http/client.h"
#include "http/http_int.h"
#include "http/tls_client_int.h"

struct http__origin;
struct http__conn;

struct http_client {
    struct loop *loop;
    struct http_client_options o;
    struct map origins; /* key -> struct http__origin */
    struct http_call *live, *spare;
    struct http_call *deferred, **deferred_end; /* for the next turn of the loop, oldest first */
    uv_idle_t idle;                             /* runs while something is deferred */
    struct buf head;                            /* the request head being written */
    char *plain;                                /* scratch for decrypting; NULL before any TLS */
    size_t calls, conns, resolving, spares;
    bool closing, ending, ended;
    void (*closed)(void *arg);
    void *closed_arg;
};

union http__address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct http__origin {
    struct http_client *client;
    struct str key;          /* the host, a NUL, the port: in `text` */
    uint16_t port;           /* 0 = unix socket */
    bool tls, insecure;      /* part of the key */
    SSL_SESSION *session;    /* to resume */
    char why[160];           /* the last handshake failed */
    size_t calls, conns;     /* that point here */
    struct http__conn *idle; /* newest first */
    size_t idle_count;
    struct http_call *waiting; /* for the addresses */
    union http__address address[LIMIT_ORIGIN_ADDRESSES];
    unsigned addresses; /* 1 for a unix socket, whose address is the key */
    int64_t addresses_until_ms;
    uv_getaddrinfo_t resolve;
    bool resolving;
    struct timer linger; /* runs while nothing points here */
    char text[];
};

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_BUSY, CONN_IDLE, CONN_CLOSING };

struct http__conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    uv_connect_t connect;
    uv_write_t write;
    struct http__origin *origin;
    struct http__tls *tls;  /* NULL: plain */
    struct http_call *call; /* CONNECTING, HANDSHAKE and BUSY only */
    struct http__conn *prev, *next;
    struct timer timer;     /* connecting, then lying idle */
    struct buf out, flight; /* waiting, and being written: `out` is empty unless `writing` */
    enum conn_state state;
    bool reused, reading, in_read, writing;
    bool broken; /* nothing can be written any more; an answer may still come */
};

enum call_state {
    CALL_WAITING, /* for a connection; the body so far is in `pending` */
    CALL_HELD,    /* has a pooled connection; the head waits a turn for the first of the body */
    CALL_SENT,    /* the head is written */
    CALL_ENDED    /* `done` is due */
};

struct http_call {
    struct http_client *client;
    struct http__origin *origin;
    struct http__conn *conn;
    struct http_call *prev, *next; /* live */
    struct http_call *deferred_next, *waiting_next;
    struct http_call_options o;
    struct http_call_events e;
    void *arg;
    enum call_state state;
    enum http_method method;
    enum err how;
    const char *why;
    struct timer timer;
    bool deferred, waiting, reused;
    bool can_retry;   /* may be sent a second time if the connection turns out to be stale */
    unsigned address; /* of the origin's, the next to try */
    /* the request */
    size_t head_size;
    uint64_t body_left; /* BY_LENGTH */
    bool body_done, want_drain;
    struct buf pending;
    /* the answer */
    bool answered; /* a byte of it came */
    bool head_seen, complete, keep_alive, paused;
    unsigned interim;
    struct buf partial; /* of a head that comes in pieces */
    size_t line;        /* where the unfinished line of the head begins */
    struct buf hold;    /* decoded while paused */
    struct arena *arena;
    struct http_response rs;
    struct http__body body;
};

/* client.c */
void client__defer(struct http_call *call);
struct http_call *client__call_new(struct http_client *c) MUSTCHECK;
void client__call_free(struct http_call *call);
void client__settle(struct http_client *c); /* ends the closing when nothing is left */

/* pool.c */
enum err pool__origin(struct http_client *c, const struct http_origin *where,
                      struct http__origin **out) MUSTCHECK;
void pool__rest(struct http__origin *o); /* forgets it later if nothing points to it */
void pool__free(struct http__origin *o);
/* An idle connection or NULL; `checked`: one on which nothing has come since, at a system call's
 * price. */
struct http__conn *pool__take(struct http__origin *o, bool checked);
void pool__give(struct http__conn *conn); /* or closes it */
void pool__close_idle(struct http__origin *o);
/* Starts on a fresh connection; ends in call__connected or call__end. */
void pool__connect(struct http_call *call);
void pool__unwait(struct http_call *call);
void pool__shaken(struct http__conn *conn, bool good); /* its handshake is over */

/* pool_conn.c */
struct http__conn *conn__new(struct http__origin *o) MUSTCHECK;
void conn__pause(struct http__conn *conn);
bool conn__resume(struct http__conn *conn); /* starts reading; false: cannot */
/* What lies unread on it, at the price of a system call. */
enum conn_sound { SOUND_NONE, SOUND_BYTES, SOUND_END };
enum conn_sound conn__listen(struct http__conn *conn);
/* Starts TLS on a connection that stands; it ends in pool__shaken. */
enum err conn__shake(struct http__conn *conn) MUSTCHECK;
/* All in one write where the socket takes it; the rest is copied. */
enum err conn__send(struct http__conn *conn, const uv_buf_t *v, unsigned n) MUSTCHECK;
void conn__unlink(struct http__conn *conn); /* out of the idle list */
void conn__close(struct http__conn *conn);

/* call.c */
void call__step(struct http_call *call); /* deferred before */
void call__connected(struct http_call *call, struct http__conn *conn);
void call__end(struct http_call *call, enum err how, const char *why);
void call__finish(struct http_call *call); /* well */
void call__retry(struct http_call *call);  /* drops its connection for a fresh one */
void call__await(struct http_call *call);  /* starts its timer */

/* call_request.c */
enum err call__check(const struct http_call_options *o, size_t *head_size) MUSTCHECK;
void call__send_head(struct http_call *call);
void call__drained(struct http_call *call);

/* call_answer.c */
void call__read(struct http_call *call, struct str in);
void call__read_end(struct http_call *call, int status);
void call__read_on(struct http_call *call);
void call__held(struct http_call *call); /* hands out what came while paused */

#endif
