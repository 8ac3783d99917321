/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL over our own bytes: a BIO that reads what a callback got from the socket and writes into
 * a buffer. All input is consumed by each read, because OpenSSL keeps the part of a record that has
 * come; with SSL_MODE_RELEASE_BUFFERS it keeps nothing else. */
#include <pthread.h>

#include <openssl/err.h>

#include "base/mem.h"
#include "http/tls_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method;

static int bio_read(BIO *b, char *to, size_t room, size_t *n)
{
    struct http__tls *t = BIO_get_data(b);
    struct str part = str_sub(t->in, 0, room);
    BIO_clear_retry_flags(b);
    if (part.n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    memcpy(to, part.p, part.n);
    t->in = str_from(t->in, part.n);
    *n = part.n;
    return 1;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *written)
{
    struct http__tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    buf_add(&t->out, str_of(from, n));
    *written = n;
    return t->out.err == ERR_OK;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
    (void)b;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ropeline");
    if (method &&
        !(BIO_meth_set_read_ex(method, bio_read) && BIO_meth_set_write_ex(method, bio_write) &&
          BIO_meth_set_ctrl(method, bio_ctrl)))
        method = NULL;
}

struct http__tls *http__tls_new(SSL_CTX *ctx, bool server)
{
    pthread_once(&once, make_method);
    struct http__tls *t = method ? mem_alloc(sizeof *t) : NULL;
    if (!t)
        return NULL;
    t->out = BUF_INIT(LIMIT_TLS_QUEUE);
    t->ssl = SSL_new(ctx);
    BIO *bio = t->ssl ? BIO_new(method) : NULL;
    if (!bio) {
        ERR_clear_error();
        http__tls_free(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return t;
}

void http__tls_free(struct http__tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    http_tls_unref(t->set);
    buf_fini(&t->out);
    mem_free(t);
}

/* What a call of OpenSSL that did not succeed means. */
static void judge(struct http__tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return;
    case SSL_ERROR_ZERO_RETURN:
        t->ended = true;
        return;
    default:
        t->broken = true;
        t->reason = ERR_peek_error();
    }
}

size_t http__tls_read(struct http__tls *t, struct str in, char *to)
{
    size_t n = 0, got;
    int rc = 1;
    if (t->broken || t->ended)
        return 0;
    t->in = in;
    if (!t->ready)
        t->received += in.n;
    ERR_clear_error();
    while (n < TLS_PLAIN_BYTES && (rc = SSL_read_ex(t->ssl, to + n, TLS_PLAIN_BYTES - n, &got)) > 0)
        n += got;
    if (rc <= 0)
        judge(t, rc);
    t->in = STR_NONE;
    t->ready = t->ready || SSL_is_init_finished(t->ssl);
    return n;
}

void http__tls_write(struct http__tls *t, struct str plain)
{
    size_t n;
    if (t->broken || plain.n == 0)
        return;
    ERR_clear_error();
    int rc = SSL_write_ex(t->ssl, plain.p, plain.n, &n);
    if (rc <= 0)
        t->broken = true; /* `out` takes everything: nothing to wait for, only a failure */
}

void http__tls_begin(struct http__tls *t)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc <= 0)
        judge(t, rc);
}

void http__tls_end(struct http__tls *t)
{
    if (t->said_end || t->broken || !t->ready)
        return;
    t->said_end = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
}
