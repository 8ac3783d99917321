/* SPDX-License-Identifier: Apache-2.0
 *
 * Password hashes as text, told apart by their beginning (specs/identity-core.md 4.1). Slow on
 * purpose: only in the CPU lane. What an imported hash may cost is bounded when it is imported and
 * again when it is verified. */
#ifndef ROPELINE_IDENTITY_PASSWORD_INT_H
#define ROPELINE_IDENTITY_PASSWORD_INT_H

#include "config_int.h"

/* Under the algorithm and cost of the configuration. ERR_LIMIT: longer than LIMIT_PASSWORD. */
enum err password_hash(struct arena *a, const struct core_config *g, struct str password,
                       struct str *out) MUSTCHECK;
/* Whether the password is the one. False for anything unreadable or too costly. An empty `hash`
 * (unknown user) takes as long as a real one and is false. */
bool password_is(const struct core_config *g, struct str password, struct str hash);
/* Whether a hash should be made again under the present configuration, after a good log-in. */
bool password_is_dated(const struct core_config *g, struct str hash);
/* An imported hash is well-formed and affordable. `alg`: "bcrypt", "argon2", "firebase_scrypt" or
 * "" (any). ERR_INVALID and `e` with the core's words. */
enum err password_check_import(const struct core_config *g, struct str alg, struct str hash,
                               struct errinfo *e) MUSTCHECK;

#endif
