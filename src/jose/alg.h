/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature algorithms of JWS as one table (RFC 7518 3.1, RFC 8037, RFC 8812, RFC 9864). What
 * has no row does not exist here: there is none for `none`. Which rows a token may use comes from
 * the key and from the configuration, never from the token. */
#ifndef ROPELINE_JOSE_ALG_H
#define ROPELINE_JOSE_ALG_H

#include "base/str.h"

enum jws_id {
    JWS_HS256,
    JWS_HS384,
    JWS_HS512,
    JWS_RS256,
    JWS_RS384,
    JWS_RS512,
    JWS_PS256,
    JWS_PS384,
    JWS_PS512,
    JWS_ES256,
    JWS_ES384,
    JWS_ES512,
    JWS_ES256K,
    JWS_EDDSA,
    JWS_ED25519,
    JWS_ED448,
    JWS_COUNT
};
/* Sets of algorithms are bit sets. */
#define JWS_BIT(id) (1u << (id))
#define JWS_ALL_HS (JWS_BIT(JWS_HS256) | JWS_BIT(JWS_HS384) | JWS_BIT(JWS_HS512))
#define JWS_ALL (JWS_BIT(JWS_COUNT) - 1)
#define JWS_ALL_PUBLIC (JWS_ALL & ~JWS_ALL_HS)
/* What JWT authorizers of HTTP APIs take on AWS. */
#define JWS_AWS (JWS_BIT(JWS_RS256) | JWS_BIT(JWS_RS384) | JWS_BIT(JWS_RS512))

enum jwk_type { JWK_OCT, JWK_RSA, JWK_EC, JWK_OKP };
enum jws_family { JWS_HMAC, JWS_PKCS1, JWS_PSS, JWS_ECDSA, JWS_EDWARDS };

struct jws_alg {
    const char *name; /* as in the header */
    enum jws_id id;
    enum jws_family family;
    enum jwk_type type; /* the only kind of key it goes with */
    const char *curve;  /* the only curve; NULL where there is none */
    const char *digest; /* as OpenSSL names it; NULL: the algorithm brings its own */
    unsigned bytes;     /* of an HMAC (and the least length of its secret), of R and of S, of an
                         * EdDSA signature; 0 for RSA: as long as the modulus */
};
extern const struct jws_alg jws_algs[JWS_COUNT]; /* jws_algs[id].id == id */

/* Exact, letter case included; NULL when there is no such row. */
const struct jws_alg *jws_alg_named(struct str name);
/* Names to a bit set, for configurations: ERR_INVALID names what is wrong: an unknown name (`none`
 * is one), no name at all, or HS* beside the others, which lets a public key be taken for a
 * secret. */
enum err jws_algs_parse(const struct str *names, size_t n, unsigned *bits,
                        struct errinfo *e) MUSTCHECK;

#endif
