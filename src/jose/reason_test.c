/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/reason.h"

#include <stdio.h>

#include "jose/jose_key_test.h"

static void every_refusal_has_words(void **state)
{
    (void)state;
    static const struct {
        const char *header, *payload, *words;
    } rows[] = {
        {HEADER, "{\"exp\":1699999939}", "expired 61 s ago (exp 1699999939, now 1700000000)"},
        {HEADER, "{\"nbf\":1700000005}",
         "valid only 5 s from now (nbf 1700000005, now 1700000000)"},
        {HEADER, "{\"iat\":1700000005}", "issued 5 s from now (iat 1700000005, now 1700000000)"},
        {HEADER, "{\"iat\":1600000000,\"exp\":1700000005}",
         "lives 100000005 s, at most 99999999 are allowed"},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k2\"}", "{}", "no key has the kid \"k2\""},
        {"{\"alg\":\"none\"}", "{}", "alg is \"none\", which is not allowed here"},
        {"{\"alg\":\"Ed448\",\"kid\":\"k1\"}", "{}", "no key fits alg \"Ed448\""},
        {"{\"alg\":\"EdDSA\",\"kid\":\"a\\nb\"}", "{}", "no key has the kid \"a?b\""},
        {"{\"alg\":\"EdDSA\",\"kid\":7}", "{}", "the header's kid is not a string"},
    };
    struct jwt_checker c = {.algs = JWS_ALL, .max_life_s = 99999999};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct jwt t;
        struct jwt_fault why;
        AUTO_BUF words = BUF_INIT(KIB(4));
        bool life = str_find(str_c(rows[i].payload), STR("exp")) != SIZE_MAX;
        c.max_life_s = life ? 99999999 : 0;
        (void)!jwt_verify(&c, keys, memory, token(key, "EdDSA", rows[i].header, rows[i].payload),
                          NOW, &t, &why);
        jwt_fault_write(&words, &why);
        assert_string_equal(buf_cstr(&words), rows[i].words);
    }
    for (int r = 1; r < JWT_REASON_COUNT; r++) { /* none is silent */
        struct jwt_fault f = {.reason = (enum jwt_reason)r, .got = STR("g"), .expected = STR("e")};
        AUTO_BUF words = BUF_INIT(KIB(4));
        jwt_fault_write(&words, &f);
        assert_true(words.n > 5 && jwt_reason_description((enum jwt_reason)r)[0]);
    }
    struct jwt_fault fine = {.reason = JWT_OK},
                     retired = {.reason = JWT_RETIRED_KEY, .got = STR("k")};
    AUTO_BUF words = BUF_INIT(KIB(4));
    jwt_fault_write(&words, &fine);
    assert_string_equal(buf_cstr(&words), "valid");
    buf_reset(&words);
    jwt_fault_write(&words, &retired);
    assert_string_equal(buf_cstr(&words), "the key \"k\" was retired");
    buf_reset(&words);
    retired.has_time = true;
    retired.at = 90;
    retired.now = 100;
    jwt_fault_write(&words, &retired);
    assert_string_equal(buf_cstr(&words),
                        "the key \"k\" was retired 10 s ago (retired 90, now 100)");
    struct jwt_fault wrong = {.reason = JWT_WRONG_AUDIENCE, .got = STR("a"), .expected = STR("b")};
    buf_reset(&words);
    jwt_fault_write(&words, &wrong);
    assert_string_equal(buf_cstr(&words), "aud is \"a\", expected \"b\"");
    char long_value[200];
    memset(long_value, 'v', sizeof long_value);
    struct jwt_fault cut = {.reason = JWT_UNKNOWN_KID,
                            .got = str_of(long_value, sizeof long_value)};
    buf_reset(&words);
    jwt_fault_write(&words, &cut);
    assert_true(words.n < 190 && str_ends(buf_str(&words), STR("...\"")));
}

static void a_refusal_names_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *words;
    } rows[] = {
        {"{\"iss\":\"x\"}", "iss is \"x\", expected \"https://issuer.example\""},
        {"{}", "iss is missing, expected \"https://issuer.example\""},
        {"{\"iss\":\"b\",\"aud\":\"x\"}", "aud is \"x\", expected \"orders\""},
        {"{\"iss\":\"b\",\"aud\":[\"y\",\"x\"]}", "aud is \"y\", expected \"orders\""},
        {"{\"iss\":\"b\",\"aud\":[]}", "aud is \"[]\", expected \"orders\""},
        {"{\"iss\":\"b\"}", "aud is missing, expected \"orders\""},
        {"{\"iss\":\"b\",\"client_id\":\"c\"}",
         "there is no aud, and client_id is \"c\", expected \"orders\""},
        {"{\"iss\":\"b\",\"aud\":\"orders\",\"token_use\":\"id\"}",
         "token_use is \"id\", expected \"access\""},
        {"{\"iss\":\"b\",\"aud\":\"orders\",\"token_use\":\"access\"}", "valid"},
    };
    struct jwt_checker c = {.algs = JWS_ALL,
                            .issuers = issuers,
                            .issuers_n = 2,
                            .audiences = audiences,
                            .audiences_n = 2,
                            .client_id = true,
                            .token_use = STR("access")};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct jwt t;
        struct jwt_fault why;
        const struct jwk *by = NULL;
        AUTO_BUF words = BUF_INIT(KIB(4));
        assert_reason(jwt_read(memory, claims(rows[i].payload), c.algs, &t, &why), JWT_OK);
        enum jwt_reason r = jwt_check(&c, keys, &t, NOW, &by, &why);
        jwt_fault_write(&words, &why);
        assert_string_equal(buf_cstr(&words), rows[i].words);
        assert_true((r == JWT_OK) == (by == key) && (r == JWT_OK || by == NULL));
    }
    c.typ = STR("at+jwt");
    struct jwt t;
    struct jwt_fault why;
    AUTO_BUF words = BUF_INIT(KIB(4));
    assert_reason(jwt_verify(&c, keys, memory, claims("{}"), NOW, &t, &why), JWT_WRONG_TYP);
    jwt_fault_write(&words, &why);
    assert_string_equal(buf_cstr(&words), "typ is \"\", expected \"at+jwt\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYED(every_refusal_has_words),
        KEYED(a_refusal_names_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
