/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Web Signatures, compact form only (RFC 7515 3.1): read once, then verified over the very
 * bytes that were read. Nothing read is to be believed before jws_verify said JWT_OK. */
#ifndef ROPELINE_JOSE_JWS_H
#define ROPELINE_JOSE_JWS_H

#include "jose/jwks.h"
#include "jose/reason.h"

struct jws {
    struct str token, input; /* input: what was signed, "header.payload", part of token */
    const struct json *header;
    const struct jws_alg *alg;
    bool has_kid;
    struct str kid;                /* opaque */
    struct str payload, signature; /* decoded */
};

/* Reads form and header; everything that can be refused without a key is: size, segments, base64,
 * JSON, JWE, alg (must be in the bit set `algs`), crit, b64, zip. Memory from `a`; `token` must
 * outlive *out. On failure `why` says more. */
enum jwt_reason jws_read(struct arena *a, struct str token, unsigned algs, struct jws *out,
                         struct jwt_fault *why) MUSTCHECK;
/* Does a key of the set vouch for it now? The cheap answers (no such key, retired) come first. *key
 * (may be NULL) is the key that did. */
enum jwt_reason jws_verify(const struct jws *s, const struct jwks *keys, int64_t now_s,
                           const struct jwk **key, struct jwt_fault *why) MUSTCHECK;
/* Signature over bytes by one key: true only if it is right. */
bool jws_verify_bytes(const struct jwk *k, const struct jws_alg *alg, struct str input,
                      struct str signature) MUSTCHECK;

/* Signs `payload` with a private key into a compact JWS; the header is alg, typ JWT and the key's
 * kid. ERR_INVALID: the key does not fit, is public, has not begun or is retired at `now_s`. */
enum err jws_sign_with(const struct jwk *k, const struct jws_alg *alg, struct str payload,
                       int64_t now_s, struct buf *out) MUSTCHECK;
/* The same under a header of the caller's (JSON text), who keeps its own times: ERR_INVALID only
 * when the key does not fit or is public. `out` may end in a part of a token on failure. */
enum err jws_sign_header(const struct jwk *k, const struct jws_alg *alg, struct str header,
                         struct str payload, struct buf *out) MUSTCHECK;
/* Signs `claims` (JSON text) into a compact JWS (RFC 7515 3.1). `key_pem` is a private key in PEM
 * for RS*, PS*, ES*, EdDSA; for HS* the secret itself, of any length: development tokens only. kid
 * may be "". ERR_UNSUPPORTED: no such alg; ERR_INVALID: the key does not fit the alg. */
enum err jws_sign(struct str alg, struct str key_pem, struct str kid, struct str claims,
                  struct buf *out, struct errinfo *e) MUSTCHECK;

#endif
