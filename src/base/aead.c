/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-256-GCM and HKDF. Invariant: plaintext reaches the caller only after its tag was good. */
#include "base/aead.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <pthread.h>

#include "base/crypt.h"

/* Looked up once: OpenSSL 3 would look through its providers at each call. */
static EVP_CIPHER *gcm;
static EVP_KDF *hkdf;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void fetch(void)
{
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
}

static const unsigned char *bytes(struct str s)
{
    return (const unsigned char *)(s.n ? s.p : "");
}

/* A context with key and iv set and `bound` read in; NULL when OpenSSL has no memory. */
static EVP_CIPHER_CTX *begin(struct str key, struct str bound, const unsigned char *iv, int sealing)
{
    int n;
    pthread_once(&once, fetch);
    EVP_CIPHER_CTX *ctx = gcm ? EVP_CIPHER_CTX_new() : NULL;
    if (ctx && EVP_CipherInit_ex(ctx, gcm, NULL, bytes(key), iv, sealing) == 1 &&
        (bound.n == 0 || EVP_CipherUpdate(ctx, NULL, &n, bytes(bound), (int)bound.n) == 1))
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

static bool fits(struct str key, struct str bound, struct str data)
{
    return key.n == AEAD_KEY && bound.n <= INT_MAX && data.n <= INT_MAX - AEAD_IV - AEAD_TAG;
}

enum err aead_seal(struct str key, struct str bound, struct str plain, struct buf *out)
{
    int n = 0, last = 0;
    if (!fits(key, bound, plain))
        return ERR_INVALID;
    unsigned char *to = (unsigned char *)buf_reserve(out, AEAD_IV + plain.n + AEAD_TAG);
    if (to == NULL)
        return out->err;
    enum err err = crypt_random(to, AEAD_IV);
    EVP_CIPHER_CTX *ctx = err ? NULL : begin(key, bound, to, 1);
    if (ctx == NULL)
        return err ? err : ERR_INTERNAL;
    unsigned char *body = to + AEAD_IV, *tag = body + plain.n;
    bool good = EVP_CipherUpdate(ctx, body, &n, bytes(plain), (int)plain.n) == 1 &&
                EVP_CipherFinal_ex(ctx, body + n, &last) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good || (size_t)n + (size_t)last != plain.n)
        return ERR_INTERNAL;
    out->n += AEAD_IV + plain.n + AEAD_TAG;
    return ERR_OK;
}

enum err aead_open(struct str key, struct str bound, struct str sealed, struct buf *out)
{
    int n = 0, last = 0;
    unsigned char tag[AEAD_TAG];
    if (!fits(key, bound, sealed))
        return ERR_INVALID;
    if (sealed.n < AEAD_IV + AEAD_TAG)
        return ERR_BADSIG;
    size_t size = sealed.n - AEAD_IV - AEAD_TAG;
    memcpy(tag, sealed.p + AEAD_IV + size, sizeof tag);
    /* A byte more: an empty text is sealed too. */
    unsigned char *to = (unsigned char *)buf_reserve(out, size + 1);
    if (to == NULL)
        return out->err;
    EVP_CIPHER_CTX *ctx = begin(key, bound, bytes(sealed), 0);
    if (ctx == NULL)
        return ERR_INTERNAL;
    bool good = EVP_CipherUpdate(ctx, to, &n, bytes(sealed) + AEAD_IV, (int)size) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, to + n, &last) == 1 && (size_t)n + (size_t)last == size;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    if (!good) {
        OPENSSL_cleanse(to, size);
        return ERR_BADSIG;
    }
    out->n += size;
    return ERR_OK;
}

/* OpenSSL's parameters are not const, though nothing is written through them. */
static OSSL_PARAM octets(const char *name, struct str s)
{
    union {
        const unsigned char *in;
        unsigned char *out;
    } p = {bytes(s)};
    return OSSL_PARAM_construct_octet_string(name, p.out, s.n);
}

enum err hkdf_sha256(struct str secret, struct str salt, struct str info, unsigned char *out,
                     size_t n)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };
    pthread_once(&once, fetch);
    EVP_KDF_CTX *ctx = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
    bool good = ctx && EVP_KDF_derive(ctx, out, n, params) == 1;
    EVP_KDF_CTX_free(ctx);
    ERR_clear_error();
    return good ? ERR_OK : ERR_INTERNAL;
}
