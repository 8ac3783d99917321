/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates that the daemon shows as a server, chosen by the name that a client asks for
 * (SNI). Immutable and reference-counted: a reload makes a new set, connections keep theirs. TLS
 * 1.2 and 1.3 without renegotiation, compression or early data; ALPN is http/1.1. Any thread. */
#ifndef ROPELINE_HTTP_TLS_H
#define ROPELINE_HTTP_TLS_H

#include "base/buf.h"

struct http_tls;

struct http_tls_certificate {
    struct str domain;           /* lower case, "*." in front stands for one label */
    struct str certificate, key; /* PEM: the certificate and its chain; its key, not encrypted */
    const char *certificate_file, *key_file; /* what messages call them */
};

/* The first one is shown to who asks for no name or an unknown one. Nothing of `v` is kept. `e`
 * says which file is wrong and how. ERR_INVALID, ERR_NOMEM. */
enum err http_tls_new(const struct http_tls_certificate *v, size_t n, struct http_tls **out,
                      struct errinfo *e) MUSTCHECK;
struct http_tls *http_tls_ref(struct http_tls *t);
void http_tls_unref(struct http_tls *t); /* NULL is fine */

/* What would make clients refuse the n-th certificate although it was loaded: "expired on ...", "is
 * not for api.example.com"; false when nothing. */
bool http_tls_doubt(const struct http_tls *t, size_t n, struct buf *out);

/* A key and a certificate for localhost, its subdomains and the loopback addresses, signed by
 * itself, valid for 397 days; both PEM. */
enum err http_tls_self_signed(struct buf *certificate, struct buf *key) MUSTCHECK;

#endif
