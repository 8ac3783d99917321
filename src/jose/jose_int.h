/* SPDX-License-Identifier: Apache-2.0
 *
 * What reading and checking a token share; private to this room. */
#ifndef ROPELINE_JOSE_JOSE_INT_H
#define ROPELINE_JOSE_JOSE_INT_H

#include "jose/jws.h"

/* Fills `why` and returns `r`. */
enum jwt_reason jose__fail(struct jwt_fault *why, enum jwt_reason r, const char *what,
                           struct str got);
enum jwt_reason jose__memory(struct jwt_fault *why);

/* Is there a key that could have signed it and is not retired? Costs no cryptography. */
enum jwt_reason jose__has_key(const struct jws *s, const struct jwks *keys, int64_t now_s,
                              struct jwt_fault *why) MUSTCHECK;

/* A compact JWS with any header, of a private key that fits: nothing is asked. */
enum err jose__sign(const struct jwk *k, const struct jws_alg *alg, struct str header,
                    struct str payload, struct buf *out) MUSTCHECK;

#endif
