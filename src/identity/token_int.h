/* SPDX-License-Identifier: Apache-2.0
 *
 * The two tokens of a session as bytes. Pure: no store, no clock. The access token is a JWT of
 * version "5" (specs/identity-core.md 3.2), the refresh token is opaque to all but its app (3.3).
 */
#ifndef ROPELINE_IDENTITY_TOKEN_INT_H
#define ROPELINE_IDENTITY_TOKEN_INT_H

#include "base/json.h"
#include "jose/jwks.h"
#include "signer_int.h"

#define HASH_TEXT 65 /* 64 hex digits and a NUL */

struct access_token {
    struct str user_id, recipe_user_id, tenant, session_handle;
    struct str hash1;        /* refreshTokenHash1 */
    struct str parent_hash1; /* "" = null */
    struct str anti_csrf;    /* "" = null */
    int64_t iat_s, exp_s;
    const struct json *payload; /* the user's members, without the protected ones */
};
/* Whether `name` is one of the nine claims that a user payload must not hold. */
bool access_token_protects(struct str name);
/* The claims to be signed, as JSON text. */
void access_token_write(const struct access_token *t, struct buf *out);
/* Signs claims under `key` (RS256) with header kid, typ, version, alg. About a millisecond.
 * ERR_LIMIT: the token would be larger than access_token_read takes (LIMIT_JWT_BYTES). */
enum err access_token_sign(const struct signer *key, struct str claims, struct buf *out) MUSTCHECK;
/* Reads and verifies. ERR_SYNTAX, ERR_BADSIG, ERR_NOTFOUND (no such key: the caller may load keys
 * and try again), ERR_EXPIRED (then *out is filled all the same); ERR_NOMEM. `why` gets the core's
 * message. Nothing is in *out unless a key of the set vouched for it. */
enum err access_token_read(struct arena *a, struct str token, const struct jwks *keys,
                           int64_t now_s, struct access_token *out, const char **why) MUSTCHECK;

struct refresh_token {
    struct str session_handle, user_id, tenant;
    struct str parent_hash1; /* "" = none */
    struct str nonce;        /* 64 hex digits; made by refresh_token_write */
    struct str anti_csrf;    /* "" = none */
};
#define REFRESH_KEY 32 /* bytes */
/* base64(iv|ciphertext|tag) "." nonce ".V2" under the app's refresh key; t->nonce is set (in `a`).
 * ERR_LIMIT: it would be larger than LIMIT_REFRESH_TOKEN. */
enum err refresh_token_write(struct str key, struct refresh_token *t, struct arena *a,
                             struct str *out) MUSTCHECK;
/* ERR_INVALID for anything that refresh_token_write did not make with this key; ERR_NOMEM. */
enum err refresh_token_read(struct arena *a, struct str key, struct str text,
                            struct refresh_token *out) MUSTCHECK;
/* The inner half of it: what was sealed, as JSON. */
enum err refresh_token_fields(struct arena *a, struct str text, struct str nonce,
                              struct refresh_token *out) MUSTCHECK;
/* h1: hex SHA-256 of a whole refresh token; h2: the same of h1's hex digits (3.1). */
void refresh_hash1(struct str token, char out[HASH_TEXT]);
void refresh_hash2(struct str hash1, char out[HASH_TEXT]);

#endif
