/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS to backends: two contexts for the whole process, made at the first https backend, one that
 * verifies against the CA roots and one for integrations that were told not to. A session belongs
 * to its origin and is resumed there only: what verified it once is not asked for another host. */
#include <pthread.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/cidr.h"
#include "http/roots_int.h"
#include "http/tls_client_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static SSL_CTX *verifying, *trusting;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct http__tls *t = SSL_get_app_data(ssl);
    SSL_SESSION_free(*t->session);
    *t->session = session; /* ours now */
    return 1;
}

static SSL_CTX *context_new(X509_STORE *roots)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (roots) {
        SSL_CTX_set1_cert_store(ctx, roots);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1) == 0)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static void make_contexts(void)
{
    X509_STORE *roots = http__roots();
    verifying = roots ? context_new(roots) : NULL;
    trusting = context_new(NULL);
}

/* The macro takes constness away; OpenSSL copies the name (RFC 6066 3). */
static bool set_server_name(SSL *ssl, const char *host)
{
    char name[TLSEXT_MAXLEN_host_name + 1];
    size_t n = strlen(host);
    if (n >= sizeof name)
        return false;
    memcpy(name, host, n + 1);
    return SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct http__tls *http__tls_connect(const char *host, bool insecure, SSL_SESSION **session)
{
    unsigned char address[ADDRESS_BYTES];
    pthread_once(&once, make_contexts);
    SSL_CTX *ctx = insecure ? trusting : verifying;
    struct http__tls *t = ctx ? http__tls_new(ctx, false) : NULL;
    if (!t)
        return NULL;
    t->session = session;
    bool is_address = address_parse(str_c(host), address);
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool good = is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
                           : SSL_set1_host(t->ssl, host) == 1 && set_server_name(t->ssl, host);
    if (good && *session)
        good = SSL_set_session(t->ssl, *session) == 1;
    if (good)
        return t;
    ERR_clear_error();
    http__tls_free(t);
    return NULL;
}

void http__tls_why(const struct http__tls *t, char *to, size_t room)
{
    long verdict = SSL_get_verify_result(t->ssl);
    bool judged = verdict != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE;
    const char *reason = t->reason ? ERR_reason_error_string(t->reason) : NULL;
    snprintf(to, room, "TLS: %s",
             judged   ? X509_verify_cert_error_string(verdict)
             : reason ? reason
                      : "the connection was closed during the handshake");
}
