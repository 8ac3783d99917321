/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the server half share: the server, its connections and their exchanges. A
 * connection holds at most one exchange; an exchange outlives its socket until the handler has
 * ended it. Handler callbacks come only from http__conn_pump and http__conn_settle, so never from
 * inside a function that the handler calls. */
#ifndef ROPELINE_HTTP_SERVER_INT_H
#define ROPELINE_HTTP_SERVER_INT_H

#include <stdatomic.h>
#include <uv.h>

#include "http/server.h"
#include "http_int.h"
#include "tls_int.h"

#define ARENA_FIRST KIB(16)
#define ARENAS_SPARE 64
#define TLS_JOINED_BYTES KIB(16) /* one record */
#define DATE_LINE (sizeof("Date: \r\n") + TIME_TEXT)

struct http__listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    struct http_server *server;
    struct http__listener *next;
    struct timer retry; /* accept again after out of memory */
    bool is_tcp, is_tls;
};

struct http_server {
    struct loop *loop;
    struct http_server_options o; /* defaults filled in */
    struct http__head_limits limits;
    struct http__listener *listeners;
    struct http__conn *conns; /* all that still have memory */
    size_t conn_count;
    size_t handles;                            /* not yet closed: listeners, connections, ours */
    struct http__conn *soon_first, *soon_last; /* to be pumped when this turn's I/O is done */
    uv_check_t check;
    uv_idle_t idle; /* runs while `soon` is not empty, so that the loop does not sleep */
    struct arena *spare[ARENAS_SPARE];
    unsigned spare_n;
    struct buf head;      /* scratch for the head of a whole answer */
    struct http_tls *tls; /* what new connections of TLS listeners show; NULL: there are none */
    char *plain, *joined; /* scratch for decrypting and encrypting, with the first TLS listener */
    char date[DATE_LINE];
    size_t date_n;
    int64_t date_s;
    bool draining, cut, finished, freed;
    struct timer drain_timer;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* Named for what the connection waits for. */
enum conn_state {
    CONN_HANDSHAKE, /* TLS; it may not last long */
    CONN_IDLE,      /* the first byte of a request */
    CONN_HEAD,      /* the rest of a head */
    CONN_EXCHANGE,  /* the handler */
    CONN_DRAIN,     /* the rest of a body that nobody wants; the answer is out */
    CONN_LINGER,    /* the client's close: our side is shut, what comes is dropped */
    CONN_CLOSED,    /* the handle's close, and the end of the exchange if there is one */
};

struct http__conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    union {
        uv_write_t write;
        uv_shutdown_t shutdown;
    } req; /* one at a time: write_busy, then shut */
    struct http_server *server;
    struct http__tls *tls; /* NULL: plain */
    struct http__conn *prev, *next, *soon_next;
    enum conn_state state;
    bool is_tcp, handle_closed;
    bool busy, soon, again; /* in pump; waiting for pump; asked for pump while in it */
    bool reading, eof;
    bool poisoned;     /* the input cannot be understood any further */
    bool crlf_skipped; /* one empty line before a request is forgiven (RFC 9112 2.2) */
    bool write_busy, shut;
    struct buf in;      /* bytes that nobody has taken yet; no memory when empty */
    size_t scanned;     /* of the head that is coming in */
    size_t unread;      /* what pump still holds behind the bytes a callback is about */
    struct buf out;     /* queued answer bytes, then `rest` */
    struct str rest;    /* a whole answer's body, owned by the handler until done */
    struct buf sending; /* given to uv_write */
    size_t write_mark;
    struct timer timer, write_timer;
    struct http_exchange *x;
    struct http__body body; /* of the present request */
    uint64_t drop_left;     /* CONN_DRAIN, CONN_LINGER */
    int64_t began_us;
    void (*closed)(void *arg);
    void *adopt_arg;
    unsigned port;
    char ip[46]; /* asked for when first wanted */
};

struct http_exchange {
    struct http__conn *conn;
    struct arena *arena;
    struct http_request request;
    struct http_exchange_events events;
    void *arg;
    int64_t began_us;
    bool keep;    /* the client's wish, then what the answer's head promised */
    bool expects; /* waits for 100 Continue */
    bool body_started, body_paused, body_over;
    struct buf trailers; /* only with trailers_max */
    bool begun, ended, cancelled;
    bool choked; /* a write returned false: drain is owed */
    bool gone_told;
    bool no_body;              /* of the answer: HEAD, 204, 304 */
    enum http_framing framing; /* of the answer */
    uint64_t left;             /* of it, when HTTP_BY_LENGTH */
};

/* server.c */
struct arena *http__arena_take(struct http_server *s) MUSTCHECK;
void http__arena_give(struct http_server *s, struct arena *a);
struct str http__date_line(struct http_server *s);
/* Pumps the connection after this turn's I/O. Call it last: after the server has finished it pumps
 * at once, and the exchange may be gone. */
void http__soon(struct http__conn *c);
void http__conn_left(struct http__conn *c);     /* frees it */
void http__server_check(struct http_server *s); /* something has gone: perhaps it was the last */
static inline void http__count(_Atomic uint64_t *n, uint64_t by)
{
    /* One writer: no locked instruction is needed. */
    uint64_t old = atomic_load_explicit(n, memory_order_relaxed);
    atomic_store_explicit(n, old + by, memory_order_relaxed);
}
#define HTTP_COUNT(s, field, by) \
    ((s)->o.counters ? http__count(&(s)->o.counters->field, (by)) : (void)0)

/* connection.c */
void http__conn_begin(struct http__conn *c); /* its handle is open and counted */
void http__conn_await(struct http__conn *c); /* the next request, or the first */
/* Advances the connection as far as it goes, with bytes that have just come (or none). May free
 * it. */
void http__conn_pump(struct http__conn *c, struct str fresh);
void http__conn_close(struct http__conn *c, bool reset); /* starts it; the rest comes by itself */
void http__conn_linger(struct http__conn *c);
/* After the handle: tells the exchange, ends it if the handler has, frees the connection when both
 * are over. */
void http__conn_settle(struct http__conn *c);
/* The one answer to a client that we do not understand or cannot serve; then the connection ends.
 */
void http__conn_refuse(struct http__conn *c, unsigned status, const char *why, struct arena *a);

/* connection_tls.c: only of connections with TLS, unless it says otherwise */
/* Encrypts and writes; bytes that it took, which the socket may not have yet. */
size_t http__conn_encrypt(struct http__conn *c, const uv_buf_t *v, unsigned n);
/* The plaintext of what was read, valid until the next one. May close the connection. */
struct str http__conn_decrypt(struct http__conn *c, struct str in);
void http__conn_handshake_failed(struct http__conn *c);
/* Says that nothing more comes; true when that, or nothing, is with the socket. Any connection. */
bool http__conn_say_end(struct http__conn *c);

/* connection_out.c */
/* Head and body in one system call if the socket takes them; `body` must last until done. */
void http__out_whole(struct http__conn *c, struct str head, struct str body);
/* A piece that is tried at the socket from where it lies, behind what is queued; what is not taken
 * is copied. */
void http__out_large(struct http__conn *c, struct str piece);
void http__out_flush(struct http__conn *c);
size_t http__out_queued(const struct http__conn *c);
static inline bool http__out_empty(const struct http__conn *c)
{
    return !c->write_busy && c->out.n == 0 && c->rest.n == 0 && (!c->tls || c->tls->out.n == 0);
}
void http__out_fini(struct http__conn *c); /* gives the memory back */

/* respond.c */
/* Appends status line, Date, the answer's headers, its framing and Connection. False: a header or
 * the status is not one that may be sent. */
bool http__head_write(struct buf *b, struct http_server *s, const struct http_response *rs,
                      struct str framing, struct str connection) MUSTCHECK;

#endif
