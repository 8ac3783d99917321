/* SPDX-License-Identifier: Apache-2.0
 *
 * The signer whose key is in this process. */
#include "signer_int.h"

#include "jose/jws.h"

static enum err sign_here(const struct signer *s, struct str header, struct str payload,
                          struct buf *out)
{
    return jws_sign_header(s->key, &jws_algs[JWS_RS256], header, payload, out);
}

struct signer signer_here(struct jwk *key)
{
    return (struct signer){.kid = key->kid, .sign = sign_here, .key = key};
}
