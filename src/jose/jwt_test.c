/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwt.h"

#include <setjmp.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/crypt.h"
#include "base/limits.h"

static void a_signed_token_verifies_with_its_public_key(void **state)
{
    (void)state;
    AUTO_BUF priv = BUF_INIT(KIB(8));
    AUTO_BUF pub = BUF_INIT(KIB(8));
    AUTO_BUF token = BUF_INIT(KIB(8));
    AUTO_BUF sig = BUF_INIT(KIB(1));
    assert_int_equal(jwk_make_pem(STR("RS256"), &priv, &pub), ERR_OK);
    assert_int_equal(
        jws_sign(STR("RS256"), buf_str(&priv), STR("dev"), STR("{\"sub\":\"ana\"}"), &token, NULL),
        ERR_OK);
    struct str whole = buf_str(&token);
    size_t dot = str_rchr(whole, '.');
    assert_int_equal(crypt_base64url_decode(&sig, str_from(whole, dot + 1)), ERR_OK);
    BIO *in = BIO_new_mem_buf(pub.p, (int)pub.n);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestVerify(ctx, (unsigned char *)sig.p, sig.n, (const unsigned char *)whole.p, dot),
        1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(in);
}

static void a_key_of_another_kind_is_refused(void **state)
{
    (void)state;
    AUTO_BUF priv = BUF_INIT(KIB(8));
    AUTO_BUF pub = BUF_INIT(KIB(8));
    AUTO_BUF token = BUF_INIT(KIB(8));
    struct errinfo e = {0};
    assert_int_equal(jwk_make_pem(STR("ES256"), &priv, &pub), ERR_OK);
    assert_int_equal(jws_sign(STR("RS256"), buf_str(&priv), STR(""), STR("{}"), &token, &e),
                     ERR_INVALID);
    assert_int_equal(jws_sign(STR("none"), buf_str(&priv), STR(""), STR("{}"), &token, &e),
                     ERR_UNSUPPORTED);
    assert_int_equal(jws_sign(STR("ES256"), buf_str(&priv), STR(""), STR("{}"), &token, &e),
                     ERR_OK);
}

static void facts_are_read_without_a_key(void **state)
{
    (void)state;
    AUTO_BUF token = BUF_INIT(KIB(8));
    struct jwt_facts f;
    struct arena *a = arena_new(KIB(4), KIB(64));
    assert_int_equal(jws_sign(STR("HS256"), STR("secret"), STR("k1"),
                              STR("{\"exp\":1700000000.5,\"iss\":\"me\",\"aud\":[\"a\",\"b\"]}"),
                              &token, NULL),
                     ERR_OK);
    assert_int_equal(jwt_peek(a, buf_str(&token), &f), ERR_OK);
    assert_true(str_eqz(f.alg, "HS256") && str_eqz(f.kid, "k1") && str_eqz(f.iss, "me"));
    assert_true(str_eqz(f.aud, "[\"a\",\"b\"]"));
    assert_true(f.exp.present && f.exp.seconds == 1700000000 && !f.nbf.present);
    arena_free(a);
}

static void what_is_no_jwt_is_said_to_be_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "a",           "a.b",       "a.b.c",
                                      "e30.e30", "e30.e30.x.y", "e30.W10.x", "e30=.e30.x"};
    struct jwt_facts f;
    struct arena *a = arena_new(KIB(4), KIB(64));
    for (size_t i = 0; i < COUNTOF(bad); i++)
        assert_int_equal(jwt_peek(a, str_c(bad[i]), &f), ERR_SYNTAX);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_token_verifies_with_its_public_key),
        cmocka_unit_test(a_key_of_another_kind_is_refused),
        cmocka_unit_test(facts_are_read_without_a_key),
        cmocka_unit_test(what_is_no_jwt_is_said_to_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
