/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in PEM, and the table of algorithms. */
#include "jose/jose_test.h"
/* */
#include <openssl/core_names.h>
#include <openssl/pem.h>

static struct str pem_of(EVP_PKEY *key, bool is_private, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, pass[] = "secret";
    int good = is_private ? PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? pass : NULL,
                                                          cipher ? 6 : 0, NULL, NULL)
                          : PEM_write_bio_PUBKEY(bio, key);
    assert_int_equal(good, 1);
    long n = BIO_get_mem_data(bio, &text);
    struct str out = arena_str(memory, str_of(text, (size_t)n));
    BIO_free(bio);
    return out;
}

static enum err parse_pem(struct str pem, enum jwk_source from)
{
    struct jwk *k;
    struct errinfo e = {0};
    enum err err = jwk_parse_pem(pem, from, NULL, &k, &e);
    assert_true((err == ERR_OK) == (k != NULL) && e.code == err);
    jwk_unref(k);
    return err;
}

static void pem_is_read_and_judged_as_well(void **state)
{
    (void)state;
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    EVP_PKEY *x = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY *odd = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-224");
    assert_int_equal(parse_pem(pem_of(rsa, false, NULL), JWK_FETCHED), ERR_OK);
    assert_int_equal(parse_pem(pem_of(rsa, true, NULL), JWK_OWN), ERR_OK);
    assert_int_equal(parse_pem(pem_of(rsa, true, NULL), JWK_GIVEN), ERR_DENIED);
    assert_int_equal(parse_pem(pem_of(rsa, true, EVP_aes_128_cbc()), JWK_OWN), ERR_INVALID);
    assert_int_equal(parse_pem(pem_of(weak, false, NULL), JWK_OWN), ERR_INVALID);
    assert_int_equal(parse_pem(pem_of(x, false, NULL), JWK_OWN), ERR_UNSUPPORTED);
    assert_int_equal(parse_pem(pem_of(odd, false, NULL), JWK_OWN), ERR_UNSUPPORTED);
    assert_int_equal(parse_pem(STR(""), JWK_OWN), ERR_INVALID);
    assert_int_equal(parse_pem(STR("-----BEGIN CERTIFICATE-----\n"), JWK_OWN), ERR_UNSUPPORTED);
    assert_int_equal(
        parse_pem(STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), JWK_OWN),
        ERR_INVALID);
    struct str huge = {arena_alloc(memory, LIMIT_JWKS_BYTES + 1), LIMIT_JWKS_BYTES + 1};
    assert_int_equal(parse_pem(huge, JWK_OWN), ERR_LIMIT);
    struct jwk *k;
    struct jwk_about about = {.has_kid = true,
                              .kid = STR("file"),
                              .alg = &jws_algs[JWS_PS384],
                              .status = JWK_RETIRED,
                              .retires_s = 7,
                              .created_s = 5};
    assert_int_equal(jwk_parse_pem(pem_of(rsa, false, NULL), JWK_OWN, &about, &k, NULL), ERR_OK);
    assert_true(k->algs == JWS_BIT(JWS_PS384) && str_eqz(k->kid, "file") && k->retires_s == 7);
    assert_int_equal(jwk_status_at(k, 0), JWK_RETIRED);
    jwk_unref(k);
    about.alg = &jws_algs[JWS_ES256];
    assert_int_equal(jwk_parse_pem(pem_of(rsa, false, NULL), JWK_OWN, &about, &k, NULL),
                     ERR_INVALID);
    EVP_PKEY_free(rsa), EVP_PKEY_free(weak), EVP_PKEY_free(x), EVP_PKEY_free(odd);
}

/* A curve spelled out in numbers may have a generator for which somebody knows every private key
 * (CVE-2020-0601). */
static void explicit_curve_parameters_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"),
                     1);
    struct str pem = pem_of(key, false, NULL);
    assert_true(pem.n > 300);
    assert_int_equal(parse_pem(pem, JWK_OWN), ERR_UNSUPPORTED);
    EVP_PKEY_free(key);
}

static void algorithms_are_chosen_by_exact_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"none",   "None",  "NONE",   "nOnE",  " none",
                                      "",       "hs256", "HS256 ", "RS257", "ES521",
                                      "A128KW", "dir",   "EDDSA"};
    unsigned bits;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct str name = str_c(bad[i]);
        assert_null(jws_alg_named(name));
        assert_int_equal(jws_algs_parse(&name, 1, &bits, NULL), ERR_INVALID);
        assert_int_equal(bits, 0);
    }
    assert_null(jws_alg_named(str_of("HS256\0", 6)));
    for (size_t i = 0; i < JWS_COUNT; i++) {
        assert_int_equal(jws_algs[i].id, i);
        assert_ptr_equal(jws_alg_named(str_c(jws_algs[i].name)), &jws_algs[i]);
    }
    struct str some[] = {STR("RS256"), STR("ES256"), STR("HS256")};
    assert_int_equal(jws_algs_parse(some, 2, &bits, NULL), ERR_OK);
    assert_int_equal(bits, JWS_BIT(JWS_RS256) | JWS_BIT(JWS_ES256));
    assert_int_equal(jws_algs_parse(some, 3, &bits, NULL), ERR_INVALID); /* (a) 48 */
    assert_int_equal(jws_algs_parse(some + 2, 1, &bits, NULL), ERR_OK);
    assert_int_equal(bits, JWS_BIT(JWS_HS256));
    assert_int_equal(jws_algs_parse(some, 0, &bits, NULL), ERR_INVALID);
}

static void pairs_are_made_in_pem(void **state)
{
    (void)state;
    AUTO_BUF priv = BUF_INIT(KIB(8)), pub = BUF_INIT(KIB(8));
    assert_int_equal(jwk_make_pem(STR("EdDSA"), &priv, &pub), ERR_OK);
    assert_int_equal(parse_pem(buf_str(&priv), JWK_OWN), ERR_OK);
    assert_int_equal(parse_pem(buf_str(&pub), JWK_FETCHED), ERR_OK);
    assert_int_equal(jwk_make_pem(STR("HS256"), &priv, &pub), ERR_UNSUPPORTED);
    assert_int_equal(jwk_make_pem(STR("none"), &priv, &pub), ERR_UNSUPPORTED);
    AUTO_BUF small = BUF_INIT(10), rest = BUF_INIT(KIB(8));
    assert_int_equal(jwk_make_pem(STR("ES256"), &small, &rest), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOSE_TEST(pem_is_read_and_judged_as_well),
        JOSE_TEST(explicit_curve_parameters_are_refused),
        JOSE_TEST(algorithms_are_chosen_by_exact_name),
        JOSE_TEST(pairs_are_made_in_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
