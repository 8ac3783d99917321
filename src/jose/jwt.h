/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Web Tokens (RFC 7519, RFC 8725): first read, cheaply and without a key, then checked against
 * a checker and a key set over the same bytes. Whatever two readers could read in two ways is
 * refused. Pure: the time comes in. */
#ifndef ROPELINE_JOSE_JWT_H
#define ROPELINE_JOSE_JWT_H

#include "jose/jws.h"

struct jwt {
    struct jws jws;
    const struct json *claims; /* an object, in the caller's arena */
    struct str iss;            /* "" when absent: choose the key set by it, with nothing believed */
};

/* What a token must be. Borrowed by the calls; the caller keeps it immutable and may share it. Zero
 * means "not looked at", except for algs, where it means that nothing is allowed. */
struct jwt_checker {
    unsigned algs; /* bit set of JWS_BIT */
    const struct str *issuers;
    size_t issuers_n; /* iss must equal one, byte for byte */
    const struct str *audiences;
    size_t audiences_n;   /* aud, a string or a list of strings, must have one of them */
    bool client_id;       /* where aud is absent, client_id must be one of them instead */
    bool require_exp;     /* a token without exp is refused */
    bool require_kid;     /* a token must name its key */
    double skew_s;        /* allowance on exp, nbf and iat */
    double max_life_s;    /* exp - iat at most (needs both) */
    struct str typ;       /* of the header: without letter case, "application/" implied */
    struct str token_use; /* Cognito: "access" or "id" */
};

/* Form, header and claims, read strictly; nothing is verified. ~2 us for a usual token. `token`
 * must outlive *out. */
enum jwt_reason jwt_read(struct arena *a, struct str token, unsigned algs, struct jwt *out,
                         struct jwt_fault *why) MUSTCHECK;
/* Judges a token that was read, cheapest first: key at hand, issuer, audience, times, and last the
 * signature. now_s: the wall clock in seconds, fraction included. JWT_OK and only that means
 * valid. `why` is filled also then (reason JWT_OK). *key (may be NULL): who signed. */
enum jwt_reason jwt_check(const struct jwt_checker *c, const struct jwks *keys, const struct jwt *t,
                          double now_s, const struct jwk **key, struct jwt_fault *why) MUSTCHECK;
/* The part of jwt_check that needs no key: typ, issuer, audience, token_use, times. */
enum jwt_reason jwt_check_claims(const struct jwt_checker *c, const struct jwt *t, double now_s,
                                 struct jwt_fault *why) MUSTCHECK;
/* Reads and checks. */
enum jwt_reason jwt_verify(const struct jwt_checker *c, const struct jwks *keys, struct arena *a,
                           struct str token, double now_s, struct jwt *out,
                           struct jwt_fault *why) MUSTCHECK;
/* Is there `wanted` as a whole word in `scope` (a string of words) or `scp` (string or list)? */
bool jwt_has_scope(const struct json *claims, struct str wanted);

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

#endif
