/* SPDX-License-Identifier: Apache-2.0
 *
 * Password hashes as text, told apart by their beginning (specs/identity-core.md 4.1). Slow on
 * purpose: only in the lane of hashes. What an imported hash may cost is bounded when it is
 * imported and again when it is verified. */
#ifndef ROPELINE_IDENTITY_PASSWORD_INT_H
#define ROPELINE_IDENTITY_PASSWORD_INT_H

#include "config_int.h"

/* Under the algorithm and cost of the configuration. ERR_LIMIT: longer than LIMIT_PASSWORD;
 * ERR_INVALID: it has a NUL byte. Of bcrypt's hashes only the first 72 bytes count. */
enum err password_hash(struct arena *a, const struct core_config *g, struct str password,
                       struct str *out) MUSTCHECK;
/* ERR_OK: the password is the one. ERR_DENIED: it is not, or the hash is unreadable or too costly.
 * What is denied without looking, an empty `hash` above all (there is no such user), takes as long
 * as a hash of the present configuration. ERR_NOMEM. */
enum err password_verify(const struct core_config *g, struct str password,
                         struct str hash) MUSTCHECK;
/* Whether a hash should be made again under the present configuration, after a good log-in: another
 * algorithm, or cheaper. */
bool password_is_dated(const struct core_config *g, struct str hash);
/* An imported hash is well-formed and affordable. `alg`: "BCRYPT", "ARGON2", "FIREBASE_SCRYPT" or
 * "" (any). ERR_INVALID: not so; ERR_UNSUPPORTED: another alg; ERR_UNAVAILABLE: Firebase's without
 * its key in the configuration; `e` has the words. */
enum err password_check_import(const struct core_config *g, struct str alg, struct str hash,
                               struct errinfo *e) MUSTCHECK;

#endif
