/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a key file or a fetched key set: what is accepted has no two meanings, may be
 * written and read again, and gives away nothing private. */
#include "base/limits.h"
#include "jose/rotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct jwk *k)
{
    AUTO_BUF print = BUF_INIT(KIB(1));
    ASSERT(k->algs != 0 && k->kid.n <= LIMIT_JWT_KID);
    ASSERT(k->type != JWK_RSA || (k->bits >= LIMIT_RSA_BITS_MIN && k->bits <= LIMIT_RSA_BITS_MAX));
    ASSERT(k->type != JWK_OCT || k->bits >= 256);
    ASSERT(jwk_thumbprint(k, &print) == ERR_OK && print.n == 43);
}

static void read_back(const struct jwks *s, bool is_private)
{
    struct jwks *again;
    AUTO_BUF first = BUF_INIT(MIB(4)), second = BUF_INIT(MIB(4));
    jwks_write(&first, s, is_private);
    if (first.err == ERR_DENIED)
        return;
    ASSERT(first.err == ERR_OK);
    enum err err = jwks_parse(buf_str(&first), is_private ? JWK_OWN : JWK_FETCHED, &again, NULL);
    if (err == ERR_LIMIT || (is_private && err == ERR_INVALID))
        return; /* larger than it came (PEM is shorter); a secret of zeros was given, not ours */
    ASSERT(err == ERR_OK && again->n == s->n);
    jwks_write(&second, again, is_private);
    ASSERT(str_eq(buf_str(&first), buf_str(&second)));
    jwks_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int from = JWK_OWN; from <= JWK_FETCHED; from++) {
        struct jwks *s, *next;
        struct errinfo e = {0};
        struct rotation_policy p = {.keep_s = 1000, .overlap_s = 10};
        enum err err = jwks_parse(str_of(data, size), (enum jwk_source)from, &s, &e);
        ASSERT((err == ERR_OK) == (s != NULL) && (err == ERR_OK || e.text[0]));
        if (s == NULL)
            continue;
        ASSERT(s->n > 0);
        for (size_t i = 0; i < s->n; i++) {
            check_key(s->keys[i]);
            ASSERT(from == JWK_OWN || s->keys[i]->type == JWK_OCT || !s->keys[i]->has_private);
            ASSERT(from != JWK_FETCHED || s->keys[i]->type != JWK_OCT);
        }
        read_back(s, false);
        read_back(s, true);
        if (rotation_step(s, NULL, 1700000000, &p, &next, NULL, &e) == ERR_OK)
            jwks_unref(next);
        jwks_unref(s);
    }
    return 0;
}
