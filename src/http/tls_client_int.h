/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS to backends, for the client half of the room. */
#ifndef ROPELINE_HTTP_TLS_CLIENT_INT_H
#define ROPELINE_HTTP_TLS_CLIENT_INT_H

#include "http/tls_int.h"

/* A connection to `host` (a name or an address), whose chain and name are verified unless
 * `insecure`. *session (NULL = none) is offered again, and replaced by what the server gives; it
 * must outlive the connection. NULL when out of memory. */
struct http__tls *http__tls_connect(const char *host, bool insecure,
                                    SSL_SESSION **session) MUSTCHECK;
/* Why the handshake failed: "TLS: certificate has expired"; static words behind the prefix. */
void http__tls_why(const struct http__tls *t, char *to, size_t room);

#endif
