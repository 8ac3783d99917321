/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of certificates and how one is chosen. The name is read from the ClientHello itself, also
 * when a session is resumed, so that what the connection is for is what this client asked for now.
 * Tickets are made with keys of the first context, drawn when the set was made. */
#include <ctype.h>
#include <stdatomic.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/time.h"
#include "http/tls_int.h"

#define CHAIN_MAX 10
#define CIPHERS_12                                               \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

struct tls_entry {
    char domain[TLS_NAME_MAX + 1];
    SSL_CTX *ctx;
};

struct http_tls {
    atomic_uint refs;
    size_t n;
    struct tls_entry v[];
};

/* --- choosing ------------------------------------------------------------------------------- */

static SSL_CTX *find(const struct http_tls *t, struct str name)
{
    size_t dot = str_chr(name, '.', 0);
    for (size_t i = 0; i < t->n; i++)
        if (str_eqz(name, t->v[i].domain))
            return t->v[i].ctx;
    for (size_t i = 0; i < t->n && dot != SIZE_MAX && dot > 0; i++)
        if (t->v[i].domain[0] == '*' && str_eqz(str_from(name, dot), t->v[i].domain + 1))
            return t->v[i].ctx;
    return t->v[0].ctx;
}

/* The one host_name of a server_name extension (RFC 6066 3); anything else in it is malformed. */
static bool read_name(struct str ext, char name[TLS_NAME_MAX + 1])
{
    const unsigned char *p = (const unsigned char *)ext.p;
    if (ext.n < 5 || ((size_t)p[0] << 8 | p[1]) != ext.n - 2 || p[2] != 0)
        return false;
    size_t n = (size_t)p[3] << 8 | p[4];
    if (n == 0 || n > TLS_NAME_MAX || n != ext.n - 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (p[5 + i] <= ' ' || p[5 + i] >= 0x7f)
            return false;
        name[i] = (char)tolower(p[5 + i]);
    }
    name[n] = '\0';
    return true;
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
    const struct http_tls *set = arg;
    struct http__tls *t = SSL_get_app_data(ssl);
    const unsigned char *ext;
    size_t n;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &n))
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!read_name(str_of(ext, n), t->name)) {
        *alert = SSL_AD_DECODE_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_set_SSL_CTX(ssl, find(set, str_c(t->name)));
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- loading -------------------------------------------------------------------------------- */

/* Nobody is asked for a password. */
static int no_password(char *to, int room, int writing, void *arg)
{
    (void)to;
    (void)room;
    (void)writing;
    (void)arg;
    return -1;
}

static enum err load_chain(SSL_CTX *ctx, const struct http_tls_certificate *c, struct errinfo *e)
{
    BIO *b = BIO_new_mem_buf(c->certificate.p, (int)c->certificate.n);
    X509 *x = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
    unsigned n = 0;
    enum err err = ERR_OK;
    if (!x)
        err = errinfo_set(e, ERR_INVALID, "%s holds no PEM certificate", c->certificate_file);
    else if (SSL_CTX_use_certificate(ctx, x) != 1)
        err = errinfo_set(e, ERR_INVALID, "the certificate in %s is refused: %s",
                          c->certificate_file, ERR_reason_error_string(ERR_peek_last_error()));
    X509_free(x);
    while (err == ERR_OK && (x = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
        if (++n > CHAIN_MAX || SSL_CTX_add0_chain_cert(ctx, x) != 1) {
            X509_free(x);
            err = errinfo_set(e, ERR_INVALID, "%s holds more than %d certificates, or a weak one",
                              c->certificate_file, CHAIN_MAX);
        }
    }
    if (err == ERR_OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        err = errinfo_set(e, ERR_INVALID, "a certificate of the chain in %s is damaged",
                          c->certificate_file);
    BIO_free(b);
    return err;
}

static enum err load_key(SSL_CTX *ctx, const struct http_tls_certificate *c, struct errinfo *e)
{
    BIO *b = BIO_new_mem_buf(c->key.p, (int)c->key.n);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
    enum err err = ERR_OK;
    if (!key)
        err = errinfo_set(e, ERR_INVALID,
                          "%s holds no PEM private key, or an encrypted one: store it decrypted, "
                          "readable by root only",
                          c->key_file);
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
        err = errinfo_set(e, ERR_INVALID, "the key in %s does not belong to the certificate in %s",
                          c->key_file, c->certificate_file);
    EVP_PKEY_free(key);
    BIO_free(b);
    return err;
}

static SSL_CTX *context_new(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char groups[] = "X25519:P-256:P-384"; /* the macro takes constness away */
    if (!ctx)
        return NULL;
    SSL_CTX_set_security_level(ctx, 2); /* RSA from 2048, curves from 224 bits */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets need none */
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
        SSL_CTX_set1_groups_list(ctx, groups) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static enum err load(struct http_tls *t, const struct http_tls_certificate *c, struct errinfo *e)
{
    struct tls_entry *to = &t->v[t->n];
    ERR_clear_error();
    if (c->domain.n > TLS_NAME_MAX)
        return errinfo_set(e, ERR_INVALID, "a domain of %zu bytes is none", c->domain.n);
    to->ctx = context_new();
    if (!to->ctx)
        return errinfo_set(e, ERR_NOMEM, "out of memory");
    t->n++;
    memcpy(to->domain, c->domain.p, c->domain.n);
    SSL_CTX_set_client_hello_cb(to->ctx, on_hello, t);
    enum err err = load_chain(to->ctx, c, e);
    if (err == ERR_OK)
        err = load_key(to->ctx, c, e);
    ERR_clear_error();
    return err;
}

enum err http_tls_new(const struct http_tls_certificate *v, size_t n, struct http_tls **out,
                      struct errinfo *e)
{
    struct http_tls *t = n > 0 ? mem_alloc(sizeof *t + n * sizeof t->v[0]) : NULL;
    enum err err = t ? ERR_OK : errinfo_set(e, n > 0 ? ERR_NOMEM : ERR_INVALID, "no certificate");
    *out = NULL;
    if (t)
        atomic_init(&t->refs, 1);
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = load(t, &v[i], e);
    if (err == ERR_OK)
        *out = t;
    else
        http_tls_unref(t);
    return err;
}

struct http_tls *http_tls_ref(struct http_tls *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void http_tls_unref(struct http_tls *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < t->n; i++)
        SSL_CTX_free(t->v[i].ctx);
    mem_free(t);
}

bool http_tls_doubt(const struct http_tls *t, size_t n, struct buf *out)
{
    X509 *x = SSL_CTX_get0_certificate(t->v[n].ctx);
    const char *domain = t->v[n].domain;
    char host[TLS_NAME_MAX + 1];
    /* A host that the wildcard stands for. */
    snprintf(host, sizeof host, "%s%s", domain[0] == '*' ? "a" : "", domain + (domain[0] == '*'));
    if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        buf_addz(out, "has expired");
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
        buf_addz(out, "is not valid yet");
    else if (X509_check_host(x, host, 0, 0, NULL) != 1)
        buf_addf(out, "is not for %s", domain);
    else
        return false;
    return true;
}

struct http__tls *http__tls_accept(struct http_tls *set)
{
    struct http__tls *t = http__tls_new(set->v[0].ctx, true);
    if (t)
        t->set = http_tls_ref(set);
    return t;
}

bool http__tls_serves(const struct http__tls *t, struct str host)
{
    struct str port;
    SSL_CTX *shown = find(t->set, str_c(t->name));
    SSL_CTX *asked = find(t->set, str_cut(host, ':', &port));
    return shown == asked ||
           X509_cmp(SSL_CTX_get0_certificate(shown), SSL_CTX_get0_certificate(asked)) == 0;
}

/* --- one of our own ------------------------------------------------------------------------- */

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

static bool fill(X509 *x, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(x);
    BIGNUM *serial = BN_new();
    bool good =
        serial && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
        BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) && X509_set_version(x, 2) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)"Ropeline development", -1, -1, 0) == 1 &&
        X509_set_issuer_name(x, name) == 1 && X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
        X509_gmtime_adj(X509_getm_notAfter(x), 397L * 86400) && X509_set_pubkey(x, key) == 1 &&
        add_extension(x, NID_subject_alt_name,
                      "DNS:localhost,DNS:*.localhost,DNS:*.execute-api.localhost,IP:127.0.0.1,"
                      "IP:::1") &&
        add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
    BN_free(serial);
    return good;
}

static bool take(BIO *b, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    buf_add(out, str_of(p, (size_t)n));
    return out->err == ERR_OK;
}

enum err http_tls_self_signed(struct buf *certificate, struct buf *key)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_secmem());
    bool good = pair && x && a && b && fill(x, pair) && PEM_write_bio_X509(a, x) == 1 &&
                PEM_write_bio_PrivateKey(b, pair, NULL, NULL, 0, NULL, NULL) == 1 &&
                take(a, certificate) && take(b, key);
    BIO_free(a);
    BIO_free(b);
    X509_free(x);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return good ? ERR_OK : ERR_NOMEM;
}
