/* SPDX-License-Identifier: Apache-2.0
 *
 * What a key keeps for OpenSSL; shared by the files of this room. */
#ifndef ROPELINE_JOSE_JWK_INT_H
#define ROPELINE_JOSE_JWK_INT_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "jose/jwk.h"

/* Contexts set up for one key and one algorithm. One thread uses one at a time; between uses it
 * waits in the key. */
struct jose__worker {
    EVP_MD *digest;
    EVP_MD_CTX *hash;   /* RSA, ECDSA: the digest of the input. EdDSA: the whole of it */
    EVP_PKEY_CTX *pkey; /* RSA, ECDSA */
    EVP_MAC_CTX *mac;   /* HMAC */
};

#define JOSE__SPARES \
    4 /* waiting contexts for each algorithm: more threads at once make their own */
struct jwk__core {
    _Atomic unsigned refs;
    EVP_PKEY *pkey;        /* NULL for oct */
    unsigned char *secret; /* oct */
    size_t secret_n;
    size_t modulus_bytes; /* RSA: the length of each signature */
    _Atomic(struct jose__worker *) spare[JWS_COUNT][JOSE__SPARES];
    char text[]; /* kid and x5t */
};

struct jwk__curve {
    const char *name, *group; /* RFC 7518 6.2.1.1, and OpenSSL's */
    size_t bytes;             /* of a coordinate */
};
extern const struct jwk__curve jwk__curves[];
const struct jwk__curve *jwk__curve_named(struct str name); /* NULL: none */
const struct jwk__curve *jwk__curve_of(const EVP_PKEY *key);

/* A finished key of what was read; takes `pkey` over, also on failure. */
enum err jwk__finish(EVP_PKEY *pkey, bool is_private, const struct jwk_about *about, struct str x5t,
                     struct jwk **out, struct errinfo *e) MUSTCHECK;
/* Is the key strong and well-formed? Fills type, curve and bits. */
enum err jwk__judge(EVP_PKEY *pkey, bool is_private, struct jwk *k, struct errinfo *e) MUSTCHECK;
/* The members of one key as OpenSSL's. *is_private: it has private members. */
enum err jwk__build(const struct json *v, EVP_PKEY **out, bool *is_private,
                    struct errinfo *e) MUSTCHECK;
/* A point of small order, or a y that is not below the field's prime: as a public key it would
 * accept signatures that nobody made. */
bool jwk__weak_point(const unsigned char *p, size_t n);

/* NULL when OpenSSL has no memory. */
struct jose__worker *jose__worker_take(struct jwk__core *c, const struct jws_alg *alg);
void jose__worker_give(struct jwk__core *c, const struct jws_alg *alg, struct jose__worker *w);
void jose__worker_free(struct jose__worker *w);

#endif
