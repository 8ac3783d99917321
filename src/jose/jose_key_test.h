/* SPDX-License-Identifier: Apache-2.0
 *
 * One Ed25519 key named k1 and a set of it, for each test anew. */
#ifndef ROPELINE_JOSE_JOSE_KEY_TEST_H
#define ROPELINE_JOSE_JOSE_KEY_TEST_H

#include "jose/jose_test.h"

#define HEADER "{\"alg\":\"EdDSA\",\"kid\":\"k1\"}"

static struct jwk *key;
static struct jwks *keys;

static inline int set_up_keys(void **state)
{
    if (set_up(state) != 0)
        return 1;
    key = new_key("EdDSA", "k1");
    keys = set_of(key, NULL);
    return 0;
}

static inline int tear_down_keys(void **state)
{
    jwks_unref(keys);
    jwk_unref(key);
    return tear_down(state);
}
#define KEYED(f) cmocka_unit_test_setup_teardown(f, set_up_keys, tear_down_keys)

static inline struct str claims(const char *payload)
{
    return token(key, "EdDSA", HEADER, payload);
}

static const struct str audiences[] = {STR_INIT("orders"), STR_INIT("invoices")};
static const struct str issuers[] = {STR_INIT("https://issuer.example"), STR_INIT("b")};

#endif
