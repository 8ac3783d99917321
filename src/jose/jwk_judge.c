/* SPDX-License-Identifier: Apache-2.0
 *
 * The judgement on a public key: strong enough, well-formed, and none of the known bad ones.
 * Invariant: everything that is not RSA, EC or Edwards, of a size and shape named here, is refused.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "base/limits.h"
#include "jose/jwk_int.h"

/* Infineon's generator (CVE-2017-15361) made primes that are powers of 65537 modulo every small
 * prime, so such a modulus is one as well; a random one is for all of these with probability below
 * 2^-27. */
static bool is_roca(const BIGNUM *n)
{
    static const unsigned char primes[] = {
        3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
        73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
    for (size_t i = 0; i < sizeof primes; i++) {
        unsigned p = primes[i], wanted = (unsigned)BN_mod_word(n, p), power = 1;
        bool found = false;
        do {
            found = power == wanted;
            power = power * (65537 % p) % p;
        } while (!found && power != 1);
        if (!found)
            return false;
    }
    return true;
}

static enum err judge_rsa(EVP_PKEY *pkey, struct jwk *k, struct errinfo *e)
{
    BIGNUM *n = NULL, *x = NULL;
    enum err err = ERR_OK;
    k->type = JWK_RSA;
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &x) != 1) {
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
        goto out;
    }
    k->bits = (unsigned)BN_num_bits(n);
    if (k->bits < LIMIT_RSA_BITS_MIN || k->bits > LIMIT_RSA_BITS_MAX)
        err = errinfo_set(e, ERR_INVALID, "an RSA modulus of %u bits; %d to %d are taken", k->bits,
                          LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX);
    else if (!BN_is_odd(x) || BN_is_one(x) || BN_num_bits(x) > 32)
        err = errinfo_set(e, ERR_INVALID, "an RSA exponent that is not odd, from 3 to 2^32");
    else if (!BN_is_odd(n))
        err = errinfo_set(e, ERR_INVALID, "an even RSA modulus");
    else if (is_roca(n))
        err = errinfo_set(e, ERR_INVALID, "an RSA modulus of the weak kind ROCA (CVE-2017-15361)");
out:
    BN_free(n);
    BN_free(x);
    return err;
}

static enum err judge_ec(EVP_PKEY *pkey, struct jwk *k, struct errinfo *e)
{
    const struct jwk__curve *curve = jwk__curve_of(pkey);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    enum err err = ERR_OK;
    int spelled_out = 0; /* the curve in numbers, not by its name (CVE-2020-0601) */
    (void)EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                 &spelled_out);
    k->type = JWK_EC;
    if (ctx == NULL)
        err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    else if (curve == NULL || spelled_out != 0)
        err = errinfo_set(e, ERR_UNSUPPORTED, "the curve is P-256, P-384, P-521 or secp256k1");
    else if (EVP_PKEY_public_check(ctx) != 1)
        err = errinfo_set(e, ERR_INVALID, "not a point of the curve %s", curve->name);
    EVP_PKEY_CTX_free(ctx);
    if (err == ERR_OK) {
        k->curve = curve->name;
        k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    }
    return err;
}

/* Little-endian, sign bit masked: is p below the prime, and none of y = 0, 1, -1? The two other y
 * of small order on Curve25519 are listed. */
static const unsigned char small_order[][32] = {
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
};

bool jwk__weak_point(const unsigned char *p, size_t n)
{
    unsigned char y[57], prime[57];
    memset(prime, 0xff, sizeof prime);
    memcpy(y, p, n);
    if (n == 32) { /* 2^255 - 19 */
        y[31] &= 0x7f;
        prime[0] = 0xed;
        prime[31] = 0x7f;
    } else { /* 57 bytes: 2^448 - 2^224 - 1 and a byte for the sign */
        if ((y[56] & 0x7f) != 0)
            return true;
        y[56] = prime[56] = 0;
        prime[28] = 0xfe;
    }
    size_t i = n - 1;
    while (i > 0 && y[i] == prime[i])
        i--;
    if (y[i] > prime[i] || (i == 0 && y[0] + 1 >= prime[0])) /* >= p, or p - 1, which is -1 */
        return true;
    for (i = 1; i < n && y[i] == 0; i++)
        ;
    if (i == n && y[0] <= 1)
        return true;
    for (i = 0; i < COUNTOF(small_order) && n == 32; i++)
        if (memcmp(y, small_order[i], 32) == 0)
            return true;
    return false;
}

static enum err judge_okp(EVP_PKEY *pkey, struct jwk *k, struct errinfo *e)
{
    unsigned char point[57];
    size_t n = sizeof point;
    k->type = JWK_OKP;
    k->curve = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519 ? "Ed25519" : "Ed448";
    k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_get_raw_public_key(pkey, point, &n) != 1)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (jwk__weak_point(point, n))
        return errinfo_set(e, ERR_INVALID, "a point of small order: anybody can sign for it");
    return ERR_OK;
}

/* Do the private and the public part belong together? */
static enum err judge_pair(EVP_PKEY *pkey, struct errinfo *e)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    if (ctx == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    bool good = EVP_PKEY_pairwise_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? ERR_OK : errinfo_set(e, ERR_INVALID, "its private part is another key's");
}

enum err jwk__judge(EVP_PKEY *pkey, bool is_private, struct jwk *k, struct errinfo *e)
{
    enum err err;
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        err = judge_rsa(pkey, k, e);
        break;
    case EVP_PKEY_EC:
        err = judge_ec(pkey, k, e);
        break;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        err = judge_okp(pkey, k, e);
        break;
    default:
        err = errinfo_set(e, ERR_UNSUPPORTED, "a key that makes no signature of JWS");
    }
    if (err == ERR_OK && is_private && k->type != JWK_OKP)
        err = judge_pair(pkey, e);
    ERR_clear_error();
    return err;
}
