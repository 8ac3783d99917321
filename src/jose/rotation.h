/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of signing keys: which one signs now, and what a rotation makes of a set. Pure: the set,
 * the time and the policy go in, the next set and the next moment come out. */
#ifndef ROPELINE_JOSE_ROTATION_H
#define ROPELINE_JOSE_ROTATION_H

#include "jose/jwks.h"

#define ROTATION_NEVER INT64_MAX

/* Seconds. */
struct rotation_policy {
    int64_t period_s;  /* a new key this long after the last one began; 0 = only when asked */
    int64_t ahead_s;   /* a new key is published this long before it signs, so that all know it */
    int64_t overlap_s; /* how long the old key still verifies once its successor signs */
    int64_t keep_s;    /* a retired key stays listed this long, so that explain can say when it was
                        * retired; 0 = for ever */
};

/* The key that signs at `now_s`: of the private keys that have begun and are not retired the one
 * that began last; NULL when there is none. Until a successor has begun a retiring key signs. */
struct jwk *rotation_signer(const struct jwks *keys, int64_t now_s);
/* The moment from which a new key should be there; ROTATION_NEVER without a period. */
int64_t rotation_due(const struct jwks *keys, const struct rotation_policy *p);
/* What the set is at `now_s`: retiring keys whose end has come are retired, old retired ones go.
 * With `fresh` (else NULL; made with created_s = now_s + ahead_s) it joins as the active key, first
 * in the set, and every other active key begins to retire. *next_s (may be NULL): when to ask
 * again. `keys` may be NULL: the first key. Errors as jwks_new. */
enum err rotation_step(const struct jwks *keys, struct jwk *fresh, int64_t now_s,
                       const struct rotation_policy *p, struct jwks **out, int64_t *next_s,
                       struct errinfo *e) MUSTCHECK;

#endif
