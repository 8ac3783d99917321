/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of keys (RFC 7517 5), immutable and reference-counted: a new set replaces the old one as a
 * whole. Any thread may hold one. A set in which two keys could be meant is refused, not guessed
 * at: the same kid twice for one kty, or secrets beside public keys. */
#ifndef ROPELINE_JOSE_JWKS_H
#define ROPELINE_JOSE_JWKS_H

#include "jose/jwk.h"

struct jwks_refusal { /* a key that was left out, and why; for logs, health and explain */
    enum err code;
    char kid[64]; /* cut; "" when it has none */
    char text[160];
};
struct jwks { /* to be read by all, written by nobody */
    size_t n;
    struct jwk **keys;
    size_t refused_n;
    struct jwks_refusal *refused;
    struct jwks__core *core;
};

/* JWKS text, one JWK, or PEM blocks one after the other (told apart by their first byte); at most
 * LIMIT_JWKS_BYTES and LIMIT_JWKS_KEYS. In a file of ours (JWK_OWN) a key that cannot be used is an
 * error; otherwise it is left out and noted. ERR_NOTFOUND: no usable key is left. ERR_DENIED: a
 * private or secret key where none may be. ERR_CONFLICT: two keys for one kid, or HS beside public
 * keys. ERR_SYNTAX, ERR_LIMIT, ERR_INVALID, ERR_NOMEM. On failure *out is NULL. */
enum err jwks_parse(struct str text, enum jwk_source from, struct jwks **out,
                    struct errinfo *e) MUSTCHECK;
/* The same for JSON at hand: {"keys":[...]} or one key. */
enum err jwks_from_json(const struct json *tree, enum jwk_source from, struct jwks **out,
                        struct errinfo *e) MUSTCHECK;
/* The same rules for keys at hand: takes references of its own. */
enum err jwks_new(struct jwk *const *keys, size_t n, struct jwks **out,
                  struct errinfo *e) MUSTCHECK;
struct jwks *jwks_ref(struct jwks *s);
void jwks_unref(struct jwks *s); /* NULL is fine */

/* The next key that may have made a signature of `alg` under this kid: start with *at = 0, NULL at
 * the end. With a kid: the key of that name, and keys that have no name at all (PEM). Without one
 * (kid NULL): every key that fits. */
const struct jwk *jwks_next(const struct jwks *s, const struct str *kid, const struct jws_alg *alg,
                            size_t *at);
/* Is there a key of that name, whatever it fits? */
const struct jwk *jwks_named(const struct jwks *s, struct str kid);

/* {"keys":[...]}, public members only unless `is_private`; a set of secrets has no public form
 * (ERR_DENIED in the buffer). */
void jwks_write(struct buf *out, const struct jwks *s, bool is_private);

#endif
