/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets at rest: AES-256-GCM under a key that is derived from the key file, bound to what the
 * secret is for, so that a sealed value cannot be moved to another row. */
#ifndef ROPELINE_IDENTITY_SEAL_INT_H
#define ROPELINE_IDENTITY_SEAL_INT_H

#include "base/arena.h"

struct sealer; /* immutable: any thread */
/* Reads the key file, or makes it (0600) when there is none; of several processes that do so at
 * once all get the same. Blocks. ERR_INVALID: it is not one, or others may read it; ERR_IO. */
enum err sealer_new(const char *key_file, struct sealer **out, struct errinfo *e) MUSTCHECK;
void sealer_free(struct sealer *s);
/* `place` names app, table and row. Text in, text out ("v1.<base64url>"). */
enum err seal(const struct sealer *s, struct str place, struct str secret, struct arena *a,
              struct str *out) MUSTCHECK;
/* ERR_INVALID: made with another key, for another place, or changed. */
enum err unseal(const struct sealer *s, struct str place, struct str sealed, struct arena *a,
                struct str *out) MUSTCHECK;
/* Overwrites what unseal gave, once it is not needed any more. */
void unseal_wipe(struct str secret);

#endif
