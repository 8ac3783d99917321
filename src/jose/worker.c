/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL contexts that wait in their key, set up. Taking one is an atomic exchange, so that any
 * number of threads verifies with one key without a lock; who finds none makes one. Invariant: a
 * signature is right only when OpenSSL said exactly 1. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "jose/jwk_int.h"
#include "jose/jws.h"

void jose__worker_free(struct jose__worker *w)
{
    if (w == NULL)
        return;
    EVP_MD_free(w->digest);
    EVP_MD_CTX_free(w->hash);
    EVP_PKEY_CTX_free(w->pkey);
    EVP_MAC_CTX_free(w->mac);
    mem_free(w);
}

static bool set_up_mac(struct jose__worker *w, const struct jwk__core *c, const struct jws_alg *alg)
{
    char digest[8];
    memcpy(digest, alg->digest, strlen(alg->digest) + 1);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    w->mac = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    return w->mac && EVP_MAC_init(w->mac, c->secret, c->secret_n, params) == 1;
}

static bool set_up_pkey(struct jose__worker *w, const struct jwk__core *c,
                        const struct jws_alg *alg)
{
    w->digest = EVP_MD_fetch(NULL, alg->digest, NULL);
    w->pkey = EVP_PKEY_CTX_new_from_pkey(NULL, c->pkey, NULL);
    if (w->digest == NULL || w->pkey == NULL || EVP_PKEY_verify_init(w->pkey) != 1 ||
        EVP_PKEY_CTX_set_signature_md(w->pkey, w->digest) != 1)
        return false;
    if (alg->family == JWS_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(w->pkey, RSA_PKCS1_PADDING) == 1;
    /* The salt is as long as the digest, no other length (RFC 7518 3.5). */
    if (alg->family == JWS_PSS)
        return EVP_PKEY_CTX_set_rsa_padding(w->pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(w->pkey, w->digest) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(w->pkey, RSA_PSS_SALTLEN_DIGEST) == 1;
    return true;
}

static struct jose__worker *make(struct jwk__core *c, const struct jws_alg *alg)
{
    struct jose__worker *w = mem_alloc(sizeof *w);
    if (w == NULL)
        return NULL;
    bool good = true;
    if (alg->family == JWS_HMAC)
        good = set_up_mac(w, c, alg);
    else
        good = (w->hash = EVP_MD_CTX_new()) != NULL;
    if (good && alg->family != JWS_HMAC && alg->family != JWS_EDWARDS)
        good = set_up_pkey(w, c, alg);
    if (good)
        return w;
    jose__worker_free(w);
    return NULL;
}

struct jose__worker *jose__worker_take(struct jwk__core *c, const struct jws_alg *alg)
{
    for (size_t i = 0; i < JOSE__SPARES; i++) {
        if (atomic_load_explicit(&c->spare[alg->id][i], memory_order_relaxed) == NULL)
            continue;
        struct jose__worker *w = atomic_exchange(&c->spare[alg->id][i], NULL);
        if (w)
            return w;
    }
    return make(c, alg);
}

void jose__worker_give(struct jwk__core *c, const struct jws_alg *alg, struct jose__worker *w)
{
    for (size_t i = 0; i < JOSE__SPARES; i++) {
        struct jose__worker *none = NULL;
        if (atomic_compare_exchange_strong(&c->spare[alg->id][i], &none, w))
            return;
    }
    jose__worker_free(w);
}

/* ---- one signature ---- */

/* One INTEGER of DER: without leading zeros, but with one where the number would look negative. */
static size_t der_integer(unsigned char *to, const unsigned char *p, size_t n)
{
    while (n > 1 && *p == 0) {
        p++;
        n--;
    }
    size_t pad = *p >> 7;
    to[0] = 2;
    to[1] = (unsigned char)(n + pad);
    to[2] = 0;
    memcpy(to + 2 + pad, p, n);
    return 2 + pad + n;
}

#define DER_MAX (3 + 2 * (3 + 66))

/* R || S (RFC 7518 3.4) to the SEQUENCE that OpenSSL reads. */
static size_t der_signature(unsigned char out[DER_MAX], const unsigned char *raw, size_t half)
{
    unsigned char body[DER_MAX];
    size_t n = der_integer(body, raw, half);
    n += der_integer(body + n, raw + half, half);
    size_t head = n > 127 ? 3 : 2;
    out[0] = 0x30;
    out[1] = n > 127 ? 0x81 : (unsigned char)n;
    out[head - 1] = (unsigned char)n;
    memcpy(out + head, body, n);
    return head + n;
}

static bool verify_mac(struct jose__worker *w, const struct jws_alg *alg, struct str input,
                       struct str signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t n = 0;
    /* A NULL key: the one it was set up with. */
    return EVP_MAC_init(w->mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(w->mac, (const unsigned char *)input.p, input.n) == 1 &&
           EVP_MAC_final(w->mac, mac, &n, sizeof mac) == 1 && n == alg->bytes &&
           CRYPTO_memcmp(mac, signature.p, n) == 0;
}

static bool verify_edwards(struct jose__worker *w, const struct jwk__core *c, struct str input,
                           struct str signature)
{
    const unsigned char *sig = (const unsigned char *)signature.p;
    if (jwk__weak_point(sig, signature.n / 2)) /* R, which nobody makes so by chance */
        return false;
    return EVP_MD_CTX_reset(w->hash) == 1 &&
           EVP_DigestVerifyInit(w->hash, NULL, NULL, NULL, c->pkey) == 1 &&
           EVP_DigestVerify(w->hash, sig, signature.n, (const unsigned char *)input.p, input.n) ==
               1;
}

static bool verify_pkey(struct jose__worker *w, const struct jws_alg *alg, struct str input,
                        struct str signature)
{
    unsigned char digest[EVP_MAX_MD_SIZE], der[DER_MAX];
    unsigned digest_n = 0;
    const unsigned char *sig = (const unsigned char *)signature.p;
    size_t n = signature.n;
    if (alg->family == JWS_ECDSA) {
        n = der_signature(der, sig, alg->bytes);
        sig = der;
    }
    return EVP_DigestInit_ex2(w->hash, w->digest, NULL) == 1 &&
           EVP_DigestUpdate(w->hash, input.p, input.n) == 1 &&
           EVP_DigestFinal_ex(w->hash, digest, &digest_n) == 1 &&
           EVP_PKEY_verify(w->pkey, sig, n, digest, digest_n) == 1;
}

/* Exactly as long as the algorithm makes them: no padding, no DER, nothing behind. */
static size_t signature_length(const struct jwk *k, const struct jws_alg *alg)
{
    if (k->type == JWK_RSA)
        return k->core->modulus_bytes;
    return alg->family == JWS_ECDSA ? 2 * (size_t)alg->bytes : alg->bytes;
}

bool jws_verify_bytes(const struct jwk *k, const struct jws_alg *alg, struct str input,
                      struct str signature)
{
    bool good = false;
    if (!jwk_fits(k, alg) || signature.n != signature_length(k, alg))
        return false;
    struct jose__worker *w = jose__worker_take(k->core, alg);
    if (w == NULL)
        return false;
    if (alg->family == JWS_HMAC)
        good = verify_mac(w, alg, input, signature);
    else if (alg->family == JWS_EDWARDS)
        good = verify_edwards(w, k->core, input, signature);
    else
        good = verify_pkey(w, alg, input, signature);
    if (!good)
        ERR_clear_error(); /* or TLS on this thread would find OpenSSL's complaint */
    jose__worker_give(k->core, alg, w);
    return good;
}
