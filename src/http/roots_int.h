/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificate authorities that this process trusts as a client. */
#ifndef ROPELINE_HTTP_ROOTS_INT_H
#define ROPELINE_HTTP_ROOTS_INT_H

#include <openssl/x509.h>

/* Read at the first call, from where OpenSSL looks: the file SSL_CERT_FILE or its default, the
 * hashed directory SSL_CERT_DIR or its default. Borrowed, lives as long as the process; NULL when
 * out of memory. Any thread. */
X509_STORE *http__roots(void);

#endif
