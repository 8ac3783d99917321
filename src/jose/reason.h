/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a token is refused: the code, the words for the WWW-Authenticate header, and the facts from
 * which explain makes a sentence with its numbers. */
#ifndef ROPELINE_JOSE_REASON_H
#define ROPELINE_JOSE_REASON_H

#include "base/buf.h"

/* code, the name that `jwt verify` prints, the error_description that clients get: it says nothing
 * that is not in their own token. */
#define JWT_REASONS(X)                                                                \
    X(OK, "ok", "")                                                                   \
    X(INTERNAL, "internal", "the token cannot be verified")                           \
    X(TOO_LARGE, "too_large", "the token is malformed")                               \
    X(MALFORMED, "malformed", "the token is malformed")                               \
    X(ENCRYPTED, "encrypted", "the token is malformed")                               \
    X(BAD_HEADER, "bad_header", "the token is malformed")                             \
    X(CRIT, "crit", "the token has an unsupported critical header")                   \
    X(ALG_NOT_ALLOWED, "alg_not_allowed", "signing method is not allowed")            \
    X(NO_KID, "no_kid", "the token does not name its key")                            \
    X(UNKNOWN_KID, "unknown_kid", "the token is signed with an unknown key")          \
    X(KEY_MISMATCH, "key_mismatch", "the token is signed with an unknown key")        \
    X(RETIRED_KEY, "retired_key", "the token is signed with a retired key")           \
    X(NOT_CLAIMS, "not_claims", "the token is malformed")                             \
    X(BAD_CLAIM, "bad_claim", "the token is malformed")                               \
    X(WRONG_TYP, "wrong_typ", "the token is of the wrong type")                       \
    X(NO_ISSUER, "no_issuer", "issuer does not match")                                \
    X(WRONG_ISSUER, "wrong_issuer", "issuer does not match")                          \
    X(NO_AUDIENCE, "no_audience", "the token does not have a valid audience")         \
    X(WRONG_AUDIENCE, "wrong_audience", "the token does not have a valid audience")   \
    X(WRONG_CLIENT_ID, "wrong_client_id", "the token does not have a valid audience") \
    X(WRONG_TOKEN_USE, "wrong_token_use", "the token is of the wrong type")           \
    X(NO_EXP, "no_exp", "the token does not expire")                                  \
    X(EXPIRED, "expired", "the token has expired")                                    \
    X(NOT_YET, "not_yet", "the token is not valid yet")                               \
    X(ISSUED_LATER, "issued_later", "the token was issued in the future")             \
    X(LIVES_TOO_LONG, "lives_too_long", "the token lives too long")                   \
    X(BAD_SIGNATURE, "bad_signature", "the signature is not valid")

enum jwt_reason {
#define X(name, code, description) JWT_##name,
    JWT_REASONS(X)
#undef X
        JWT_REASON_COUNT
};

/* The facts. Texts are borrowed: from static text, from the token, its arena, the checker or the
 * key set. Times are NumericDates in seconds. */
struct jwt_fault {
    enum jwt_reason reason;
    const char *what;    /* the member or the part of the token, and what is wrong with it */
    struct str got;      /* the value in the token: alg, kid, iss, aud, ... */
    struct str expected; /* what was configured; several are joined by ", " */
    double at;           /* exp, nbf or iat of the token; when a key was retired */
    double now;          /* what it was compared with */
    bool has_time;       /* at and now mean something */
};

const char *jwt_reason_code(enum jwt_reason r);        /* "wrong_audience" */
const char *jwt_reason_description(enum jwt_reason r); /* for error_description */
/* One sentence for explain: "expired 61 s ago (exp 1700000000, now 1700000061)". What came from the
 * token is cut and cleaned of control bytes. */
void jwt_fault_write(struct buf *out, const struct jwt_fault *f);

#endif
