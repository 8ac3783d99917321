/* SPDX-License-Identifier: Apache-2.0
 *
 * Making tokens and keys for development, on OpenSSL EVP. One row per algorithm (RFC 7518 3.1). */
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jose_int.h"
#include "jose/jwk_int.h"
#include "jose/jws.h"

/* Never asks the terminal for a pass phrase. */
static int no_passphrase(char *to, int size, int rwflag, void *arg)
{
    (void)to, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static bool goes_with(const EVP_PKEY *key, const struct jws_alg *alg)
{
    static const int types[] = {[JWK_OCT] = 0, [JWK_RSA] = EVP_PKEY_RSA, [JWK_EC] = EVP_PKEY_EC};
    int type = EVP_PKEY_get_base_id(key);
    if (alg->type == JWK_OKP)
        return type == (str_eqz(str_c(alg->curve), "Ed25519") ? EVP_PKEY_ED25519 : EVP_PKEY_ED448);
    return type == types[alg->type];
}

static EVP_PKEY *load_key(const struct jws_alg *alg, struct str pem)
{
    if (alg->family == JWS_HMAC)
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)pem.p,
                                            pem.n);
    BIO *in = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    if (key && !goes_with(key, alg)) {
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
    if (BN_bn2binpad(r, raw, (int)alg->bytes) > 0 &&
        BN_bn2binpad(s, raw + alg->bytes, (int)alg->bytes) > 0)
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
    if (alg->family == JWS_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1))
        goto out;
    size_t der_n = sizeof der;
    bool ec = alg->family == JWS_ECDSA;
    if (EVP_DigestSign(ctx, ec ? der : out, ec ? &der_n : n, (const unsigned char *)input.p,
                       input.n) != 1)
        goto out;
    err = ERR_OK;
    if (ec) {
        *n = 2 * alg->bytes;
        err = ecdsa_to_raw(alg, der, der_n, out);
    }
out:
    EVP_MD_CTX_free(ctx);
    return err;
}

/* The signature of `out` from byte `start` on, behind a dot. */
static enum err add_signature(const struct jws_alg *alg, EVP_PKEY *key, size_t start,
                              struct buf *out)
{
    unsigned char signature[LIMIT_RSA_BITS_MAX / 8];
    size_t n = sizeof signature;
    enum err err = out->err;
    if (err == ERR_OK)
        err = sign_bytes(alg, key, str_of(out->p + start, out->n - start), signature, &n);
    if (err != ERR_OK)
        return err;
    buf_addc(out, '.');
    crypt_base64url(out, str_of(signature, n));
    return out->err;
}

static enum err write_header(const struct jws_alg *alg, bool has_kid, struct str kid,
                             struct buf *out)
{
    buf_addf(out, "{\"alg\":\"%s\",\"typ\":\"JWT\"", alg->name);
    if (has_kid) {
        buf_addz(out, ",\"kid\":");
        json_write_str(out, kid);
    }
    buf_addc(out, '}');
    return out->err;
}

enum err jws_sign(struct str name, struct str key_pem, struct str kid, struct str claims,
                  struct buf *out, struct errinfo *e)
{
    const struct jws_alg *alg = jws_alg_named(name);
    if (alg == NULL)
        return errinfo_set(e, ERR_UNSUPPORTED, "no such algorithm: %.*s",
                           STR_ARG(str_sub(name, 0, 20)));
    EVP_PKEY *key = load_key(alg, key_pem);
    if (key == NULL)
        return errinfo_set(e, ERR_INVALID, "the key is not a private key for %s", alg->name);
    AUTO_BUF header = BUF_INIT(KIB(4));
    size_t start = out->n;
    enum err err = write_header(alg, kid.n > 0, kid, &header);
    crypt_base64url(out, buf_str(&header));
    buf_addc(out, '.');
    crypt_base64url(out, claims);
    if (err == ERR_OK)
        err = add_signature(alg, key, start, out);
    EVP_PKEY_free(key);
    return err ? errinfo_set(e, err, "signing with %s failed", alg->name) : ERR_OK;
}

enum err jose__sign(const struct jwk *k, const struct jws_alg *alg, struct str header,
                    struct str payload, struct buf *out)
{
    size_t start = out->n;
    EVP_PKEY *secret = NULL;
    crypt_base64url(out, header);
    buf_addc(out, '.');
    crypt_base64url(out, payload);
    if (k->type != JWK_OCT)
        return add_signature(alg, k->core->pkey, start, out);
    secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, k->core->secret, k->core->secret_n);
    enum err err = secret ? add_signature(alg, secret, start, out) : ERR_NOMEM;
    EVP_PKEY_free(secret);
    return err;
}

enum err jws_sign_with(const struct jwk *k, const struct jws_alg *alg, struct str payload,
                       int64_t now_s, struct buf *out)
{
    bool too_early = k->created_s != JWK_NO_TIME && now_s < k->created_s;
    bool retired = jwk_status_at(k, now_s) == JWK_RETIRED;
    AUTO_BUF header = BUF_INIT(KIB(4));
    if (!jwk_fits(k, alg) || !k->has_private || too_early || retired)
        return ERR_INVALID;
    enum err err = write_header(alg, k->has_kid, k->kid, &header);
    return err ? err : jose__sign(k, alg, buf_str(&header), payload, out);
}

enum err jws_sign_header(const struct jwk *k, const struct jws_alg *alg, struct str header,
                         struct str payload, struct buf *out)
{
    if (!jwk_fits(k, alg) || !k->has_private)
        return ERR_INVALID;
    return jose__sign(k, alg, header, payload, out);
}
