/* SPDX-License-Identifier: Apache-2.0
 *
 * One key (RFC 7517), judged when it is read and then immutable: weak, malformed and ambiguous keys
 * never become a struct jwk. It keeps OpenSSL's key and contexts ready, so that verifying parses
 * nothing. Reference-counted; any thread may hold, use and let go of it. */
#ifndef ROPELINE_JOSE_JWK_H
#define ROPELINE_JOSE_JWK_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/json.h"
#include "jose/alg.h"

/* Where a key comes from decides what may stand in it. */
enum jwk_source {
    JWK_OWN,    /* a key file of ours: private members are welcome */
    JWK_GIVEN,  /* public by intent: private members (d, p, q, ...) are refused: somebody leaked it
                 */
    JWK_FETCHED /* from the network: as JWK_GIVEN, and a secret (oct) is refused as well */
};

/* A retiring key still verifies, and signs until its successor has begun; a retired one makes its
 * tokens invalid. */
enum jwk_status { JWK_ACTIVE, JWK_RETIRING, JWK_RETIRED };
#define JWK_NO_TIME INT64_MIN

struct jwk { /* to be read by all, written by nobody */
    _Atomic unsigned refs;
    enum jwk_type type;
    const char *curve; /* "P-256", "Ed25519", ...; NULL for RSA and oct */
    unsigned bits;     /* of the modulus, the curve or the secret */
    bool has_private;  /* it can sign; always so for oct */
    bool has_kid;
    struct str kid; /* opaque bytes, at most LIMIT_JWT_KID */
    struct str x5t; /* SHA-1 thumbprint of its certificate as text; "" = not given */
    unsigned algs;  /* bit set of JWS_BIT: what it may verify; one when the key says `alg` */
    /* The life of a key in a file of ours: members x-ropeline-created, x-ropeline-status and
     * x-ropeline-retires, NumericDates (docs/internals/jose.md). */
    int64_t created_s;      /* or JWK_NO_TIME */
    enum jwk_status status; /* as written; jwk_status_at says what it is at a moment */
    int64_t retires_s;      /* retiring: its end; retired: since when; or JWK_NO_TIME */
    struct jwk__core *core;
};

/* What a PEM or a bare secret cannot say about itself. All may be zero: no kid, any algorithm that
 * fits, active. */
struct jwk_about {
    bool has_kid;
    struct str kid;
    const struct jws_alg *alg;
    int64_t created_s; /* 0 = unknown */
    enum jwk_status status;
    int64_t retires_s;
    bool is_pair; /* its halves were judged when it was made, and nobody could change them since: it
                     is not done again, which takes RSA a tenth of a second */
};

/* ERR_INVALID: weak, malformed or contradictory. ERR_UNSUPPORTED: a key for something else (unknown
 * kty, crv or alg, use: enc): leave it out of a set. ERR_DENIED: it should not be where it was
 * found (private members, a published secret): refuse the whole set. ERR_NOMEM, ERR_INTERNAL. */
enum err jwk_parse(const struct json *v, enum jwk_source from, struct jwk **out,
                   struct errinfo *e) MUSTCHECK;
/* One PEM block: SubjectPublicKeyInfo, PKCS#1, PKCS#8 or SEC1, not encrypted. `about` may be NULL.
 * A private key in PEM is ERR_DENIED unless JWK_OWN. */
enum err jwk_parse_pem(struct str pem, enum jwk_source from, const struct jwk_about *about,
                       struct jwk **out, struct errinfo *e) MUSTCHECK;
/* The bytes themselves as an HMAC secret: at least 32, not all zero. */
enum err jwk_from_secret(struct str secret, const struct jwk_about *about, struct jwk **out,
                         struct errinfo *e) MUSTCHECK;
/* A new private key: RSA 2048 for RS* and PS*, the curve of ES* and EdDSA, a secret for HS*. Its
 * kid is its thumbprint unless `about` names one. */
enum err jwk_generate(const struct jws_alg *alg, const struct jwk_about *about,
                      struct jwk **out) MUSTCHECK;
/* The same key with another life. Shares everything else with `k`. */
enum err jwk_with_status(const struct jwk *k, enum jwk_status status, int64_t retires_s,
                         struct jwk **out) MUSTCHECK;
/* The same key pair under another name, and whatever else `about` says; not for secrets
 * (ERR_INVALID). */
enum err jwk_with_name(const struct jwk *k, const struct jwk_about *about,
                       struct jwk **out) MUSTCHECK;

struct jwk *jwk_ref(struct jwk *k);
void jwk_unref(struct jwk *k); /* NULL is fine; the last one wipes the private parts */

/* What the key is at `now_s`: a retiring key is retired once its time has come. */
enum jwk_status jwk_status_at(const struct jwk *k, int64_t now_s);
const char *jwk_status_name(enum jwk_status s); /* "active", "retiring", "retired" */
static inline bool jwk_fits(const struct jwk *k, const struct jws_alg *alg)
{
    return (k->algs & JWS_BIT(alg->id)) != 0;
}

/* As one JSON object, members in a fixed order; with the private members only when asked, and then
 * with the life of the key too. A secret without `is_private` is ERR_DENIED in the buffer. */
void jwk_write(struct buf *out, const struct jwk *k, bool is_private);
/* base64url of SHA-256 over the members that make the key (RFC 7638): a kid for keys without. */
enum err jwk_thumbprint(const struct jwk *k, struct buf *out) MUSTCHECK;

/* A new key pair in PEM (PKCS#8 and SPKI): "RS256" gives RSA 2048, "ES256" P-256. */
enum err jwk_make_pem(struct str alg, struct buf *private_pem, struct buf *public_pem) MUSTCHECK;

#endif
