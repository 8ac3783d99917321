/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of algorithms. Invariant: a name that has no row verifies nothing. */
#include "jose/alg.h"

const struct jws_alg jws_algs[JWS_COUNT] = {
    {"HS256", JWS_HS256, JWS_HMAC, JWK_OCT, NULL, "SHA256", 32},
    {"HS384", JWS_HS384, JWS_HMAC, JWK_OCT, NULL, "SHA384", 48},
    {"HS512", JWS_HS512, JWS_HMAC, JWK_OCT, NULL, "SHA512", 64},
    {"RS256", JWS_RS256, JWS_PKCS1, JWK_RSA, NULL, "SHA256", 0},
    {"RS384", JWS_RS384, JWS_PKCS1, JWK_RSA, NULL, "SHA384", 0},
    {"RS512", JWS_RS512, JWS_PKCS1, JWK_RSA, NULL, "SHA512", 0},
    {"PS256", JWS_PS256, JWS_PSS, JWK_RSA, NULL, "SHA256", 0},
    {"PS384", JWS_PS384, JWS_PSS, JWK_RSA, NULL, "SHA384", 0},
    {"PS512", JWS_PS512, JWS_PSS, JWK_RSA, NULL, "SHA512", 0},
    {"ES256", JWS_ES256, JWS_ECDSA, JWK_EC, "P-256", "SHA256", 32},
    {"ES384", JWS_ES384, JWS_ECDSA, JWK_EC, "P-384", "SHA384", 48},
    {"ES512", JWS_ES512, JWS_ECDSA, JWK_EC, "P-521", "SHA512", 66},
    {"ES256K", JWS_ES256K, JWS_ECDSA, JWK_EC, "secp256k1", "SHA256", 32},
    {"EdDSA", JWS_EDDSA, JWS_EDWARDS, JWK_OKP, "Ed25519", NULL, 64},
    {"Ed25519", JWS_ED25519, JWS_EDWARDS, JWK_OKP, "Ed25519", NULL, 64},
    {"Ed448", JWS_ED448, JWS_EDWARDS, JWK_OKP, "Ed448", NULL, 114},
};

const struct jws_alg *jws_alg_named(struct str name)
{
    for (size_t i = 0; i < COUNTOF(jws_algs); i++)
        if (str_eqz(name, jws_algs[i].name))
            return &jws_algs[i];
    return NULL;
}

enum err jws_algs_parse(const struct str *names, size_t n, unsigned *bits, struct errinfo *e)
{
    unsigned set = 0;
    *bits = 0;
    for (size_t i = 0; i < n; i++) {
        const struct jws_alg *alg = jws_alg_named(names[i]);
        if (alg == NULL)
            return errinfo_set(e, ERR_INVALID, "no such algorithm: %.*s",
                               STR_ARG(str_sub(names[i], 0, 20)));
        set |= JWS_BIT(alg->id);
    }
    if (set == 0)
        return errinfo_set(e, ERR_INVALID, "no algorithm is allowed");
    if ((set & JWS_ALL_HS) != 0 && (set & JWS_ALL_PUBLIC) != 0)
        return errinfo_set(e, ERR_INVALID,
                           "HS* beside other algorithms: a public key could pass for a secret");
    *bits = set;
    return ERR_OK;
}
