/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS as a step between a socket and a connection, for both halves of the room: ciphertext goes in
 * as it was read, plaintext comes out; plaintext goes in, ciphertext waits in `out` for the socket.
 * It never touches a socket itself and keeps no input. One thread at a time. */
#ifndef ROPELINE_HTTP_TLS_INT_H
#define ROPELINE_HTTP_TLS_INT_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/limits.h"
#include "http/tls.h"

/* Room for the plaintext of one read, and of a record that an earlier one began. */
#define TLS_PLAIN_BYTES (LIMIT_READ_BUFFER + KIB(17))
/* Plaintext that is encrypted before the socket is tried again. */
#define TLS_STRETCH KIB(64)
#define TLS_NAME_MAX 255

struct http__tls {
    SSL *ssl;
    struct http_tls *set;  /* server side: kept while the connection lives */
    SSL_SESSION **session; /* client side: the origin's */
    unsigned long reason;  /* OpenSSL's code of the failure; 0 = it has none */
    struct str in;         /* not yet read, inside http__tls_read only */
    struct buf out;        /* ciphertext that the socket has not taken */
    size_t received;       /* ciphertext during the handshake */
    bool ready;            /* the handshake is over */
    bool ended;            /* the other side has said that no more comes */
    bool broken;           /* a fatal error: nothing more is read, written or said */
    bool said_end;
    char name[TLS_NAME_MAX + 1]; /* SNI, lower case; "" = none */
};

/* tls_stream.c */
struct http__tls *http__tls_new(SSL_CTX *ctx, bool server) MUSTCHECK;
void http__tls_free(struct http__tls *t); /* NULL is fine */
/* Takes all of `in`; what it says of plaintext lands in `to`, which has TLS_PLAIN_BYTES. */
size_t http__tls_read(struct http__tls *t, struct str in, char *to);
/* Encrypts all of it, behind what waits. Not before `ready`. */
void http__tls_write(struct http__tls *t, struct str plain);
void http__tls_begin(struct http__tls *t); /* client side: the first flight */
void http__tls_end(struct http__tls *t);   /* close_notify, once */

/* tls.c */
/* The set takes part in every handshake of this connection. NULL when out of memory. */
struct http__tls *http__tls_accept(struct http_tls *set) MUSTCHECK;
/* Whether what its client was shown is what the host (lower case, perhaps with a port) shows. */
bool http__tls_serves(const struct http__tls *t, struct str host);

#endif
