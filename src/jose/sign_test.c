/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens signed with keys in PEM and with bare secrets, as `ropeline token` makes them. */
#include "jose/jose_test.h"

static const struct jwt_checker any = {.algs = JWS_ALL};

static void what_each_algorithm_signs_its_public_key_verifies(void **state)
{
    (void)state;
    static const char *const algs[] = {"RS256", "PS384", "ES256", "ES384",
                                       "ES512", "EdDSA", "Ed448"};
    for (size_t i = 0; i < COUNTOF(algs); i++) {
        AUTO_BUF priv = BUF_INIT(KIB(8)), pub = BUF_INIT(KIB(8)), t = BUF_INIT(KIB(8));
        struct jwks *keys;
        assert_int_equal(jwk_make_pem(str_c(algs[i]), &priv, &pub), ERR_OK);
        assert_int_equal(jwks_parse(buf_str(&pub), JWK_FETCHED, &keys, NULL), ERR_OK);
        /* ECDSA: r and s are sometimes shorter and must be filled up. */
        for (int n = 0; n < (keys->keys[0]->type == JWK_EC ? 300 : 1); n++) {
            buf_reset(&t);
            assert_int_equal(
                jws_sign(str_c(algs[i]), buf_str(&priv), STR("k\"1"), STR("{}"), &t, NULL), ERR_OK);
            assert_reason(verify(&any, keys, buf_str(&t)), JWT_OK);
        }
        struct jwt_facts f;
        assert_int_equal(jwt_peek(memory, buf_str(&t), &f), ERR_OK);
        assert_true(str_eqz(f.kid, "k\"1") && str_eqz(f.alg, algs[i]));
        jwks_unref(keys);
    }
}

static enum err try_sign(const char *alg, struct str key)
{
    AUTO_BUF t = BUF_INIT(KIB(8));
    struct errinfo e = {0};
    enum err err = jws_sign(str_c(alg), key, STR(""), STR("{}"), &t, &e);
    assert_true(err == ERR_OK || e.text[0]);
    return err;
}

static void a_key_of_another_kind_is_refused(void **state)
{
    (void)state;
    AUTO_BUF ec = BUF_INIT(KIB(8)), pub = BUF_INIT(KIB(8)), p384 = BUF_INIT(KIB(8)),
             ed = BUF_INIT(KIB(8));
    assert_int_equal(jwk_make_pem(STR("ES256"), &ec, &pub), ERR_OK);
    assert_int_equal(jwk_make_pem(STR("ES384"), &p384, &pub), ERR_OK);
    assert_int_equal(jwk_make_pem(STR("EdDSA"), &ed, &pub), ERR_OK);
    assert_int_equal(try_sign("ES256", buf_str(&ec)), ERR_OK);
    assert_int_equal(try_sign("RS256", buf_str(&ec)), ERR_INVALID);
    assert_int_equal(try_sign("EdDSA", buf_str(&ec)), ERR_INVALID);
    assert_int_equal(try_sign("Ed448", buf_str(&ed)), ERR_INVALID);
    assert_int_equal(try_sign("Ed25519", buf_str(&ed)), ERR_OK);
    assert_int_equal(try_sign("ES256", buf_str(&p384)),
                     ERR_INTERNAL); /* its R and S are too long */
    assert_int_equal(try_sign("ES256", buf_str(&pub)), ERR_INVALID);
    assert_int_equal(try_sign("ES256", STR("")), ERR_INVALID);
    assert_int_equal(try_sign("none", buf_str(&ec)), ERR_UNSUPPORTED);
    assert_int_equal(try_sign("HS256", STR("secret")), ERR_OK); /* any length, for development */
    AUTO_BUF small = BUF_INIT(20);
    assert_int_equal(jws_sign(STR("ES256"), buf_str(&ec), STR(""), STR("{}"), &small, NULL),
                     ERR_LIMIT);
}

static enum err sign_again(void *arg)
{
    AUTO_BUF t = BUF_INIT(KIB(8));
    return jws_sign(STR("ES256"), *(const struct str *)arg, STR("kid"), STR("{}"), &t, NULL);
}

static void without_memory_nothing_is_signed(void **state)
{
    (void)state;
    AUTO_BUF priv = BUF_INIT(KIB(8)), pub = BUF_INIT(KIB(8));
    assert_int_equal(jwk_make_pem(STR("ES256"), &priv, &pub), ERR_OK);
    struct str pem = buf_str(&priv);
    fault_each(sign_again, &pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOSE_TEST(what_each_algorithm_signs_its_public_key_verifies),
        JOSE_TEST(a_key_of_another_kind_is_refused),
        JOSE_TEST(without_memory_nothing_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
