/* SPDX-License-Identifier: Apache-2.0
 *
 * Signing sits behind this struct: who signs knows a name and a function, not where the private key
 * is, so that keys can move to a process of their own. */
#ifndef ROPELINE_IDENTITY_SIGNER_INT_H
#define ROPELINE_IDENTITY_SIGNER_INT_H

#include "jose/jwk.h"

struct signer {
    struct str kid;
    /* Appends a compact JWS of header and payload (JSON texts), RS256. About a millisecond: in the
     * CPU lane. Any thread. */
    enum err (*sign)(const struct signer *s, struct str header, struct str payload,
                     struct buf *out);
    struct jwk *key; /* borrowed; of a signer in this process */
};
/* One whose key is in this process, a private RSA key with a kid; borrows it. */
struct signer signer_here(struct jwk *key);

#endif
