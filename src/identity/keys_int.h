/* SPDX-License-Identifier: Apache-2.0
 *
 * The signing keys of the apps (specs/identity-core.md 3.8): one static RS256 key each ("s-<uuid>")
 * and dynamic ones ("d-<createdAtMs>") that follow one another with an overlap; and the key of its
 * refresh tokens. Private parts are sealed in the store (seal_int.h). Copies in memory are shared
 * by all threads, immutable and replaced as a whole. */
#ifndef ROPELINE_IDENTITY_KEYS_INT_H
#define ROPELINE_IDENTITY_KEYS_INT_H

#include "cdi_int.h"
#include "jose/jwk.h"

struct app_keys; /* of one app at one time: immutable, counted */

void app_keys_unref(struct app_keys *k);
/* In a writing phase, before anything is signed: the app's keys, made if it has none, with a fresh
 * dynamic key when the newest ends within 60 s. Ready RSA keys come from the pool, so that this
 * does not hold the writer. The reference goes with the call. */
enum err keys_for_call(struct cdi_call *c, struct store_tx *tx, struct app_keys **out) MUSTCHECK;
/* From memory only: NULL when this process has not seen the app yet or a new key is due. */
struct app_keys *keys_cached(struct cdi_call *c);
/* Which key signs now; `dynamic` false: the static one. Borrowed from k. */
const struct jwk *keys_signer(const struct app_keys *k, bool dynamic, const struct core_config *g,
                              int64_t now_ms);
/* All that verify now, in the order of the JWKS: dynamic ones newest first, then static. */
const struct jwks *keys_verifiers(const struct app_keys *k);
struct str keys_refresh(const struct app_keys *k); /* 32 bytes */
/* Seconds until the next dynamic key will be made, at least 1: the JWKS' max-age. */
int64_t keys_fresh_s(const struct app_keys *k, const struct core_config *g, int64_t now_ms);

#endif
