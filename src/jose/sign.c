/* SPDX-License-Identifier: Apache-2.0
 *
 * Making tokens and keys for development, on OpenSSL EVP. One row per algorithm (RFC 7518 3.1). */
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "base/mem.h"
#include "jose/jwt.h"

enum family { FAMILY_HMAC, FAMILY_RSA, FAMILY_RSA_PSS, FAMILY_ECDSA, FAMILY_EDDSA };

struct jws_alg {
    const char *name;
    enum family family;
    const char *digest; /* NULL: the algorithm brings its own */
    int key_type;       /* EVP_PKEY_* */
    size_t half;        /* ECDSA: bytes of R and of S (RFC 7518 3.4) */
};

static const struct jws_alg jws_algs[] = {
    {"HS256", FAMILY_HMAC, "SHA256", 0, 0},
    {"HS384", FAMILY_HMAC, "SHA384", 0, 0},
    {"HS512", FAMILY_HMAC, "SHA512", 0, 0},
    {"RS256", FAMILY_RSA, "SHA256", EVP_PKEY_RSA, 0},
    {"RS384", FAMILY_RSA, "SHA384", EVP_PKEY_RSA, 0},
    {"RS512", FAMILY_RSA, "SHA512", EVP_PKEY_RSA, 0},
    {"PS256", FAMILY_RSA_PSS, "SHA256", EVP_PKEY_RSA, 0},
    {"PS384", FAMILY_RSA_PSS, "SHA384", EVP_PKEY_RSA, 0},
    {"PS512", FAMILY_RSA_PSS, "SHA512", EVP_PKEY_RSA, 0},
    {"ES256", FAMILY_ECDSA, "SHA256", EVP_PKEY_EC, 32},
    {"ES384", FAMILY_ECDSA, "SHA384", EVP_PKEY_EC, 48},
    {"ES512", FAMILY_ECDSA, "SHA512", EVP_PKEY_EC, 66},
    {"EdDSA", FAMILY_EDDSA, NULL, EVP_PKEY_ED25519, 0},
};

static const struct jws_alg *alg_named(struct str name)
{
    for (size_t i = 0; i < COUNTOF(jws_algs); i++)
        if (str_eqz(name, jws_algs[i].name))
            return &jws_algs[i];
    return NULL;
}

static EVP_PKEY *load_key(const struct jws_alg *alg, struct str pem)
{
    if (alg->family == FAMILY_HMAC)
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)pem.p,
                                            pem.n);
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    if (key && EVP_PKEY_get_base_id(key) != alg->key_type) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* DER SEQUENCE of two INTEGERs to R || S (RFC 7518 3.4). */
static enum err ecdsa_to_raw(const struct jws_alg *alg, const unsigned char *der, size_t n,
                             unsigned char *raw)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    const BIGNUM *r = NULL, *s = NULL;
    enum err err = ERR_INTERNAL;
    if (sig == NULL)
        return err;
    ECDSA_SIG_get0(sig, &r, &s);
    if (BN_bn2binpad(r, raw, (int)alg->half) > 0 &&
        BN_bn2binpad(s, raw + alg->half, (int)alg->half) > 0)
        err = ERR_OK;
    ECDSA_SIG_free(sig);
    return err;
}

static enum err sign_bytes(const struct jws_alg *alg, EVP_PKEY *key, struct str input,
                           unsigned char *out, size_t *n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    const EVP_MD *md = alg->digest ? EVP_get_digestbyname(alg->digest) : NULL;
    unsigned char der[256];
    enum err err = ERR_INTERNAL;
    if (ctx == NULL || EVP_DigestSignInit(ctx, &pctx, md, NULL, key) != 1)
        goto out;
    if (alg->family == FAMILY_RSA_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto out;
    size_t der_n = sizeof der;
    bool ec = alg->family == FAMILY_ECDSA;
    if (EVP_DigestSign(ctx, ec ? der : out, ec ? &der_n : n, (const unsigned char *)input.p,
                       input.n) != 1)
        goto out;
    err = ERR_OK;
    if (ec) {
        *n = 2 * alg->half;
        err = ecdsa_to_raw(alg, der, der_n, out);
    }
out:
    EVP_MD_CTX_free(ctx);
    return err;
}

enum err jws_sign(struct str name, struct str key_pem, struct str kid, struct str claims,
                  struct buf *out, struct errinfo *e)
{
    const struct jws_alg *alg = alg_named(name);
    unsigned char signature[1024];
    size_t n = sizeof signature;
    if (alg == NULL)
        return errinfo_set(e, ERR_UNSUPPORTED, "no such algorithm: %.*s",
                           STR_ARG(str_sub(name, 0, 20)));
    EVP_PKEY *key = load_key(alg, key_pem);
    if (key == NULL)
        return errinfo_set(e, ERR_INVALID, "the key is not a private key for %s", alg->name);
    AUTO_BUF header = BUF_INIT(KIB(4));
    buf_addf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"", alg->name);
    if (kid.n > 0) {
        buf_addz(&header, ",\"kid\":");
        json_write_str(&header, kid);
    }
    buf_addc(&header, '}');
    size_t start = out->n;
    crypt_base64url(out, buf_str(&header));
    buf_addc(out, '.');
    crypt_base64url(out, claims);
    enum err err = header.err ? header.err : out->err;
    if (err == ERR_OK)
        err = sign_bytes(alg, key, str_of(out->p + start, out->n - start), signature, &n);
    EVP_PKEY_free(key);
    if (err != ERR_OK)
        return errinfo_set(e, err, "signing with %s failed", alg->name);
    buf_addc(out, '.');
    crypt_base64url(out, str_of(signature, n));
    return out->err;
}

static enum err add_pem(struct buf *out, EVP_PKEY *key, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum err err = ERR_INTERNAL;
    if (bio && (is_private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                           : PEM_write_bio_PUBKEY(bio, key)) == 1) {
        long n = BIO_get_mem_data(bio, &text);
        buf_add(out, str_of(text, (size_t)n));
        err = out->err;
    }
    BIO_free(bio);
    return err;
}

enum err jwk_make_pem(struct str alg, struct buf *private_pem, struct buf *public_pem)
{
    EVP_PKEY *key = NULL;
    if (str_eqz(alg, "RS256"))
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    else if (str_eqz(alg, "ES256"))
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    else
        return ERR_UNSUPPORTED;
    if (key == NULL)
        return ERR_INTERNAL;
    enum err err = add_pem(private_pem, key, true);
    if (err == ERR_OK)
        err = add_pem(public_pem, key, false);
    EVP_PKEY_free(key);
    return err;
}
