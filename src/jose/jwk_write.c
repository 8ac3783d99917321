/* SPDX-License-Identifier: Apache-2.0
 *
 * A key as JSON, its thumbprint, and new keys. Invariant: private members are written only where
 * the caller asked for them by name. */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jwk_int.h"

#define MAX_NUMBER (LIMIT_RSA_BITS_MAX / 8)

static void fail(struct buf *out, enum err err)
{
    if (out->err == ERR_OK)
        out->err = err;
}

static void add_bytes(struct buf *out, const char *name, struct str bytes)
{
    buf_addf(out, "\"%s\":\"", name);
    crypt_base64url(out, bytes);
    buf_addc(out, '"');
}

/* "name":"..." of a number; `width` 0 = as few bytes as it takes (RFC 7518 2). */
static void add_number(struct buf *out, const EVP_PKEY *key, const char *name, const char *param,
                       size_t width)
{
    unsigned char bytes[MAX_NUMBER];
    BIGNUM *bn = NULL;
    int n = -1;
    if (EVP_PKEY_get_bn_param(key, param, &bn) == 1) {
        size_t need = width ? width : (size_t)BN_num_bytes(bn);
        n = need <= sizeof bytes ? BN_bn2binpad(bn, bytes, (int)need) : -1;
    }
    BN_clear_free(bn);
    if (n >= 0)
        add_bytes(out, name, str_of(bytes, (size_t)n));
    else
        fail(out, ERR_NOMEM);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

static void add_rsa_private(struct buf *out, const EVP_PKEY *key)
{
    static const struct {
        const char *name, *param;
    } members[] = {
        {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
        {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
        {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
    };
    for (size_t i = 0; i < COUNTOF(members); i++) {
        buf_addc(out, ',');
        add_number(out, key, members[i].name, members[i].param, 0);
    }
}

static void add_raw(struct buf *out, const EVP_PKEY *key, const char *name, bool is_private)
{
    unsigned char bytes[57];
    size_t n = sizeof bytes;
    int good = is_private ? EVP_PKEY_get_raw_private_key(key, bytes, &n)
                          : EVP_PKEY_get_raw_public_key(key, bytes, &n);
    if (good == 1)
        add_bytes(out, name, str_of(bytes, n));
    else
        fail(out, ERR_NOMEM);
    OPENSSL_cleanse(bytes, sizeof bytes);
}

/* The members that make the key, in the order of RFC 7638 3.2: by name. */
static void add_identity(struct buf *out, const struct jwk *k)
{
    const EVP_PKEY *key = k->core->pkey;
    const struct jwk__curve *curve = k->type == JWK_EC ? jwk__curve_named(str_c(k->curve)) : NULL;
    switch (k->type) {
    case JWK_OCT:
        add_bytes(out, "k", str_of(k->core->secret, k->core->secret_n));
        buf_addz(out, ",\"kty\":\"oct\"");
        break;
    case JWK_RSA:
        add_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
        buf_addz(out, ",\"kty\":\"RSA\",");
        add_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        break;
    case JWK_EC:
        buf_addf(out, "\"crv\":\"%s\",\"kty\":\"EC\",", k->curve);
        add_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, curve->bytes);
        buf_addc(out, ',');
        add_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, curve->bytes);
        break;
    case JWK_OKP:
        buf_addf(out, "\"crv\":\"%s\",\"kty\":\"OKP\",", k->curve);
        add_raw(out, key, "x", false);
        break;
    }
}

static void add_private(struct buf *out, const struct jwk *k)
{
    const EVP_PKEY *key = k->core->pkey;
    if (k->type == JWK_RSA)
        add_rsa_private(out, key);
    if (k->type == JWK_EC || k->type == JWK_OKP)
        buf_addc(out, ',');
    if (k->type == JWK_EC)
        add_number(out, key, "d", OSSL_PKEY_PARAM_PRIV_KEY,
                   jwk__curve_named(str_c(k->curve))->bytes);
    if (k->type == JWK_OKP)
        add_raw(out, key, "d", true);
}

static void add_life(struct buf *out, const struct jwk *k)
{
    if (k->created_s != JWK_NO_TIME)
        buf_addf(out, ",\"x-ropeline-created\":%lld", (long long)k->created_s);
    buf_addf(out, ",\"x-ropeline-status\":\"%s\"", jwk_status_name(k->status));
    if (k->retires_s != JWK_NO_TIME)
        buf_addf(out, ",\"x-ropeline-retires\":%lld", (long long)k->retires_s);
}

void jwk_write(struct buf *out, const struct jwk *k, bool is_private)
{
    if (k->type == JWK_OCT && !is_private) {
        fail(out, ERR_DENIED);
        return;
    }
    buf_addc(out, '{');
    add_identity(out, k);
    if (k->has_kid) {
        buf_addz(out, ",\"kid\":");
        json_write_str(out, k->kid);
    }
    for (size_t i = 0; i < JWS_COUNT; i++)
        if (k->algs == JWS_BIT(i))
            buf_addf(out, ",\"alg\":\"%s\"", jws_algs[i].name);
    buf_addz(out, ",\"use\":\"sig\"");
    if (is_private && k->has_private)
        add_private(out, k);
    if (is_private)
        add_life(out, k);
    buf_addc(out, '}');
}

enum err jwk_thumbprint(const struct jwk *k, struct buf *out)
{
    unsigned char digest[SHA256_BYTES];
    struct buf text = BUF_INIT(KIB(8));
    buf_addc(&text, '{');
    add_identity(&text, k);
    buf_addc(&text, '}');
    enum err err = text.err ? text.err : crypt_sha256(buf_str(&text), digest);
    if (text.p)
        OPENSSL_cleanse(text.p, text.n); /* of a secret it is the secret */
    buf_fini(&text);
    if (err == ERR_OK)
        crypt_base64url(out, str_of(digest, sizeof digest));
    return err ? err : out->err;
}

/* ---- new keys ---- */

static EVP_PKEY *generate(const struct jws_alg *alg)
{
    EVP_PKEY *key = NULL;
    if (alg->type == JWK_RSA)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)LIMIT_RSA_BITS_MIN);
    if (alg->type == JWK_EC)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", jwk__curve_named(str_c(alg->curve))->group);
    if (alg->type == JWK_OKP)
        key = EVP_PKEY_Q_keygen(NULL, NULL, alg->curve);
    ERR_clear_error();
    return key;
}

/* The bytes of a new secret, or a new key pair, as a key. Both ways `said` may be used twice. */
static enum err generate_as(EVP_PKEY *pair, struct str secret, const struct jwk_about *said,
                            struct jwk **out)
{
    if (pair == NULL)
        return jwk_from_secret(secret, said, out, NULL);
    if (EVP_PKEY_up_ref(pair) != 1)
        return ERR_INTERNAL;
    return jwk__finish(pair, true, said, STR(""), out, NULL);
}

enum err jwk_generate(const struct jws_alg *alg, const struct jwk_about *about, struct jwk **out)
{
    unsigned char bytes[64];
    struct jwk_about said = about ? *about : (struct jwk_about){0};
    struct jwk *unnamed = NULL;
    AUTO_BUF kid = BUF_INIT(KIB(1));
    enum err err = ERR_OK;
    *out = NULL;
    said.alg = alg;
    EVP_PKEY *pair = alg->type == JWK_OCT ? NULL : generate(alg);
    struct str secret = str_of(bytes, sizeof bytes);
    if (alg->type == JWK_OCT)
        err = crypt_random(bytes, sizeof bytes);
    else if (pair == NULL)
        err = ERR_INTERNAL;
    if (err == ERR_OK && !said.has_kid) {
        err = generate_as(pair, secret, &said, &unnamed);
        if (err == ERR_OK)
            err = jwk_thumbprint(unnamed, &kid);
        said.has_kid = true;
        said.kid = buf_str(&kid);
        jwk_unref(unnamed);
    }
    if (err == ERR_OK)
        err = generate_as(pair, secret, &said, out);
    EVP_PKEY_free(pair);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return err;
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
    const struct jws_alg *row = jws_alg_named(alg);
    if (row == NULL || row->type == JWK_OCT)
        return ERR_UNSUPPORTED;
    EVP_PKEY *key = generate(row);
    if (key == NULL)
        return ERR_INTERNAL;
    enum err err = add_pem(private_pem, key, true);
    if (err == ERR_OK)
        err = add_pem(public_pem, key, false);
    EVP_PKEY_free(key);
    return err;
}
