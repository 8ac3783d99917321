/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Web Tokens, as far as they are needed without deciding anything: what can be read off one
 * without its key, and making one for development. Verification (jwt_check) comes with the JWT
 * authorizers. Pure. */
#ifndef ROPELINE_JOSE_JWT_H
#define ROPELINE_JOSE_JWT_H

#include "base/buf.h"
#include "base/json.h"

struct jwt_claim_time {
    bool present;
    int64_t seconds; /* NumericDate, fraction dropped (RFC 7519 2) */
};
/* Nothing in here is verified: for explanations only, never for a decision. */
struct jwt_facts {
    struct str alg, kid, iss, aud; /* "" when absent; aud as text, a list as JSON */
    struct jwt_claim_time exp, nbf, iat;
};
/* ERR_SYNTAX when it is not a compact JWS of JSON header and JSON claims; ERR_NOMEM. */
enum err jwt_peek(struct arena *a, struct str token, struct jwt_facts *out) MUSTCHECK;

/* Signs `claims` (JSON text) into a compact JWS (RFC 7515 3.1). `key_pem` is a private key in PEM
 * for RS*, PS*, ES*, EdDSA; for HS* the secret itself. kid may be "". ERR_UNSUPPORTED: no such alg;
 * ERR_INVALID: the key does not fit the alg. */
enum err jws_sign(struct str alg, struct str key_pem, struct str kid, struct str claims,
                  struct buf *out, struct errinfo *e) MUSTCHECK;

/* A new key pair in PEM (PKCS#8 and SPKI): "RS256" gives RSA 2048, "ES256" P-256. */
enum err jwk_make_pem(struct str alg, struct buf *private_pem, struct buf *public_pem) MUSTCHECK;

#endif
