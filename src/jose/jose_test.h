/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of this room share: keys, tokens with any header, and one check. */
#ifndef ROPELINE_JOSE_JOSE_TEST_H
#define ROPELINE_JOSE_JOSE_TEST_H

#include "lib/fault.h"
/* */
#include <openssl/evp.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jose_int.h"
#include "jose/jwk_int.h"
#include "jose/jwt.h"

#define NOW 1700000000.0

/* Memory of one test. */
static struct arena *memory;

static inline int set_up(void **state)
{
    (void)state;
    memory = arena_new(KIB(64), MIB(64));
    return memory ? 0 : 1;
}
static inline int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}
#define JOSE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static inline const struct json *tree(const char *text)
{
    const struct json *v = NULL;
    if (json_parse(memory, str_c(text), MIB(1), &v, NULL) != ERR_OK)
        fail_msg("no JSON: %s", text);
    return v;
}

/* A new private key named `kid`; NULL = without a name. */
static inline struct jwk *new_key(const char *alg, const char *kid)
{
    struct jwk_about about = {.has_kid = true, .kid = str_c(kid)};
    struct jwk *k = NULL, *named = NULL;
    const struct jws_alg *row = jws_alg_named(str_c(alg));
    assert_non_null(row);
    assert_int_equal(jwk_generate(row, &about, &k), ERR_OK);
    if (kid)
        return k;
    named = k;
    assert_int_equal(jwk_with_status(named, JWK_ACTIVE, 0, &k), ERR_OK);
    k->has_kid = false; /* a test may write where nobody else does */
    jwk_unref(named);
    return k;
}

static inline struct jwks *set_of(struct jwk *a, struct jwk *b)
{
    struct jwk *keys[] = {a, b};
    struct jwks *s = NULL;
    assert_int_equal(jwks_new(keys, b ? 2 : 1, &s, NULL), ERR_OK);
    return s;
}

/* header and payload as JSON text, signed by k with `alg` whatever the header says. */
static inline struct str token(const struct jwk *k, const char *alg, const char *header,
                               const char *payload)
{
    AUTO_BUF out = BUF_INIT(MIB(2));
    assert_int_equal(jose__sign(k, jws_alg_named(str_c(alg)), str_c(header), str_c(payload), &out),
                     ERR_OK);
    return arena_str(memory, buf_str(&out));
}

static inline struct str base64url(const char *text)
{
    AUTO_BUF out = BUF_INIT(MIB(2));
    crypt_base64url(&out, str_c(text));
    return arena_str(memory, buf_str(&out));
}

static inline enum jwt_reason verify(const struct jwt_checker *c, const struct jwks *keys,
                                     struct str t)
{
    struct jwt out;
    struct jwt_fault why = {.reason = JWT_REASON_COUNT};
    enum jwt_reason r = jwt_verify(c, keys, memory, t, NOW, &out, &why);
    assert_int_equal(why.reason, r);
    return r;
}

#define assert_reason(got, wanted) \
    assert_string_equal(jwt_reason_code(got), jwt_reason_code(wanted))

#endif
