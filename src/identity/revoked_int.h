/* SPDX-License-Identifier: Apache-2.0
 *
 * The sessions that were revoked while an access token of theirs may still be valid: what a request
 * is checked against without asking the store. */
#ifndef ROPELINE_IDENTITY_REVOKED_INT_H
#define ROPELINE_IDENTITY_REVOKED_INT_H

#include "base/str.h"

struct revoked; /* thread-safe */

enum err revoked_new(struct revoked **out) MUSTCHECK;
void revoked_free(struct revoked *r);
/* `until_ms` (wall clock): when the last access token of the session has expired. ERR_LIMIT: as
 * many are kept as may be, and one that ends sooner made room or, when none does, this one is not
 * kept. ERR_NOMEM: it is not kept. */
enum err revoked_add(struct revoked *r, struct str app, struct str handle, int64_t until_ms,
                     int64_t now_ms) MUSTCHECK;
bool revoked_has(struct revoked *r, struct str app, struct str handle);
size_t revoked_count(struct revoked *r);

#endif
