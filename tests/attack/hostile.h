/* SPDX-License-Identifier: Apache-2.0
 *
 * What the mutators of hostile_tokens have at hand: keys of each kind, a good token of each,
 * chance. */
#ifndef ROPELINE_TESTS_HOSTILE_H
#define ROPELINE_TESTS_HOSTILE_H

#include "base/limits.h"
#include "jose/jose_int.h"
#include "jose/jwk_int.h"
#include "jose/jwt.h"

#define NOW 1700000000.0
#define GOOD \
    "{\"iss\":\"https://issuer.example\",\"aud\":\"orders\",\"sub\":\"ana\",\"exp\":1700000600}"
/* The good claims with something else in a place of one of them. */
#define CLAIMS(iss, aud, exp, more) \
    "{\"iss\":" iss ",\"aud\":" aud ",\"sub\":\"ana\",\"exp\":" exp more "}"
#define ISS "\"https://issuer.example\""
#define AUD "\"orders\""
#define EXP "1700000600"

enum { K_RSA, K_EC, K_ED, K_HS, KEYS };

/* A token that must be refused with these keys by this checker. */
struct hostile {
    struct str token;
    const struct jwks *keys;
    struct jwt_checker checker;
};

struct mutator {
    const char *name; /* the number is that of the attack in the catalogue, 0 = of our own */
    void (*make)(struct hostile *h);
};
extern const struct mutator form_mutators[], claim_mutators[];
extern const size_t form_mutator_count, claim_mutator_count;

extern const char *const algs[KEYS], *const kids[KEYS];
extern struct jwk *keys[KEYS], *attacker, *retired;
extern struct jwks *public_set, *secret_set, *retired_set;
extern struct str good[KEYS];
extern struct str public_forms[8]; /* what an attacker would try as an HMAC secret */
extern struct arena *memory;       /* of one token */

size_t below(size_t n); /* a number below n by chance */
uint64_t draw(void);
#define PICK(list) (list)[below(COUNTOF(list))]
/* printf into one of a few places that are used in turn. */
char *text(const char *fmt, ...) PRINTF(1, 2);
const char *header_of(unsigned k);
struct str sign(const struct jwk *k, const char *alg, const char *header, const char *payload);
/* A signature that is right (HS256), on a header or claims that are not. */
unsigned char *raw_signature(struct str token, size_t *n); /* decoded, with room behind it */
void signed_header(struct hostile *h, const char *header);
void signed_claims(struct hostile *h, const char *payload);

#endif
