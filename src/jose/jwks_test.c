/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwks.h"

#include <stdio.h>

#include "jose/jose_test.h"

static enum err parse(const char *text, enum jwk_source from)
{
    struct jwks *s;
    struct errinfo e = {0};
    enum err err = jwks_parse(str_c(text), from, &s, &e);
    assert_true((err == ERR_OK) == (s != NULL) && (err == ERR_OK || e.text[0]));
    jwks_unref(s);
    return err;
}

/* A set of the public (or private) forms of two keys, with more in between. */
static const char *set_text(const struct jwk *a, const char *between, const struct jwk *b,
                            bool is_private)
{
    AUTO_BUF out = BUF_INIT(KIB(64));
    buf_addz(&out, " {\"keys\":[");
    jwk_write(&out, a, is_private);
    buf_addz(&out, between);
    if (b)
        jwk_write(&out, b, is_private);
    buf_addz(&out, "]}");
    assert_int_equal(out.err, ERR_OK);
    return arena_cstr(memory, buf_str(&out));
}

static void a_set_in_which_a_token_could_mean_two_keys_is_refused(void **state)
{
    (void)state;
    struct jwk *ec = new_key("ES256", "a"), *same = new_key("ES256", "a"),
               *okp = new_key("EdDSA", "a");
    struct jwk *other = new_key("ES256", "b"), *hs = new_key("HS256", "h"),
               *hs2 = new_key("HS256", "i");
    assert_int_equal(parse(set_text(ec, ",", other, false), JWK_FETCHED), ERR_OK);
    assert_int_equal(parse(set_text(ec, ",", same, false), JWK_FETCHED), ERR_CONFLICT);
    assert_int_equal(parse(set_text(ec, ",", ec, false), JWK_FETCHED), ERR_CONFLICT);
    assert_int_equal(parse(set_text(ec, ",", okp, false), JWK_FETCHED),
                     ERR_OK); /* kty tells them apart */
    assert_int_equal(parse(set_text(hs, ",", hs2, true), JWK_OWN), ERR_OK);
    assert_int_equal(parse(set_text(hs, ",", hs2, true), JWK_GIVEN), ERR_OK);
    assert_int_equal(parse(set_text(hs, ",", hs2, true), JWK_FETCHED), ERR_DENIED);
    assert_int_equal(parse(set_text(hs, ",", ec, true), JWK_OWN), ERR_CONFLICT);
    assert_int_equal(parse(set_text(ec, ",", other, true), JWK_FETCHED), ERR_DENIED); /* leaked */
    /* A broken key is a rival of its name, a key for another use is none. */
    assert_int_equal(
        parse(set_text(ec, ",{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\"},", other, false),
              JWK_FETCHED),
        ERR_CONFLICT);
    assert_int_equal(
        parse(set_text(ec, ",{\"kty\":\"EC\",\"kid\":\"a\",\"use\":\"enc\"},", other, false),
              JWK_FETCHED),
        ERR_OK);
    assert_int_equal(
        parse(set_text(ec, ",{\"kty\":\"RSA\",\"kid\":\"a\"},", other, false), JWK_FETCHED),
        ERR_OK);
    struct jwk *keys[] = {ec, same, okp, other, hs, hs2};
    struct jwks *s;
    assert_int_equal(jwks_new(keys, 2, &s, NULL), ERR_CONFLICT);
    assert_int_equal(jwks_new(keys + 3, 2, &s, NULL), ERR_CONFLICT);
    assert_int_equal(jwks_new(keys + 2, 2, &s, NULL), ERR_OK);
    jwks_unref(jwks_ref(s));
    jwks_unref(s);
    for (size_t i = 0; i < COUNTOF(keys); i++)
        jwk_unref(keys[i]);
}

static void what_cannot_be_used_is_left_out_and_noted(void **state)
{
    (void)state;
    struct jwk *ec = new_key("ES256", "a");
    struct jwks *s;
    struct errinfo e = {0};
    const char *text = set_text(ec,
                                ",{\"kty\":\"AKP\",\"kid\":\"x\"},{\"kty\":\"RSA\",\"kid\":\"y\","
                                "\"n\":\"AQAB\",\"e\":\"AQAB\"},7",
                                NULL, false);
    assert_int_equal(jwks_parse(str_c(text), JWK_FETCHED, &s, NULL), ERR_OK);
    assert_true(s->n == 1 && s->refused_n == 3);
    assert_string_equal(s->refused[0].kid, "x");
    assert_int_equal(s->refused[0].code, ERR_UNSUPPORTED);
    assert_int_equal(s->refused[1].code, ERR_INVALID);
    assert_non_null(strstr(s->refused[1].text, "17 bits"));
    assert_string_equal(s->refused[2].kid, "");
    jwks_unref(s);
    assert_int_equal(jwks_parse(str_c(text), JWK_OWN, &s, &e),
                     ERR_UNSUPPORTED); /* a file of ours: named */
    assert_non_null(strstr(e.text, "key 2"));
    jwk_unref(ec);
}

static void sets_without_a_key_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } rows[] = {
        {"", ERR_SYNTAX},
        {"hello", ERR_SYNTAX},
        {"<html>", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"{", ERR_SYNTAX},
        {"{}", ERR_INVALID},
        {"{\"keys\":{}}", ERR_INVALID},
        {"{\"keys\":[]}", ERR_NOTFOUND},
        {"\n\t {\"keys\":[7]}", ERR_NOTFOUND},
        {"{\"keys\":[],\"keys\":[]}", ERR_SYNTAX},
        {"{\"kty\":\"AKP\"}", ERR_NOTFOUND},
        {"-----BEGIN PUBLIC KEY-----\n", ERR_NOTFOUND},
        {"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
         ERR_NOTFOUND},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        if (parse(rows[i].text, JWK_FETCHED) != rows[i].err)
            fail_msg("%s", rows[i].text);
    char *huge = arena_alloc(memory, LIMIT_JWKS_BYTES + 2);
    memset(huge, ' ', LIMIT_JWKS_BYTES + 1);
    assert_int_equal(parse(huge, JWK_FETCHED), ERR_LIMIT);
    AUTO_BUF many = BUF_INIT(KIB(64));
    buf_addz(&many, "{\"keys\":[7");
    for (int i = 1; i < 256; i++)
        buf_addz(&many, ",7");
    assert_int_equal(parse(arena_fmt(memory, "%s]}", buf_cstr(&many)).p, JWK_FETCHED),
                     ERR_NOTFOUND);
    assert_int_equal(parse(arena_fmt(memory, "%s,7]}", buf_cstr(&many)).p, JWK_FETCHED), ERR_LIMIT);
}

static void keys_are_found_by_name_and_fitness(void **state)
{
    (void)state;
    struct jwk *keys[] = {new_key("ES256", "a"), new_key("EdDSA", "a"), new_key("ES256", NULL),
                          new_key("ES256", "b")};
    struct jwks *s;
    const struct jws_alg *es = &jws_algs[JWS_ES256], *rs = &jws_algs[JWS_RS256];
    struct str a = STR("a"), none = STR("zz");
    size_t at = 0;
    assert_int_equal(jwks_new(keys, 4, &s, NULL), ERR_OK);
    assert_ptr_equal(jwks_next(s, &a, es, &at), keys[0]);
    assert_ptr_equal(jwks_next(s, &a, es, &at), keys[2]); /* nameless: any token may mean it */
    assert_null(jwks_next(s, &a, es, &at));
    at = 0;
    assert_ptr_equal(jwks_next(s, NULL, es, &at), keys[0]);
    assert_ptr_equal(jwks_next(s, NULL, es, &at), keys[2]);
    assert_ptr_equal(jwks_next(s, NULL, es, &at), keys[3]);
    assert_null(jwks_next(s, NULL, es, &at));
    at = 0;
    assert_null(jwks_next(s, &a, rs, &at));
    at = 0;
    assert_ptr_equal(jwks_next(s, &none, es, &at), keys[2]);
    assert_ptr_equal(jwks_named(s, a), keys[0]);
    assert_null(jwks_named(s, none));
    assert_null(jwks_named(s, STR("")));
    jwks_unref(s);
    for (size_t i = 0; i < 4; i++)
        jwk_unref(keys[i]);
}

static void nameless_keys_are_tried_but_not_without_end(void **state)
{
    (void)state;
    struct jwk *keys[LIMIT_JWT_KEYS_TRIED + 1];
    struct jwks *s;
    static const struct jwt_checker c = {.algs = JWS_ALL};
    for (size_t i = 0; i < COUNTOF(keys); i++)
        keys[i] = new_key("ES256", NULL);
    assert_int_equal(jwks_new(keys, COUNTOF(keys), &s, NULL), ERR_OK);
    const char *header = "{\"alg\":\"ES256\",\"kid\":\"who\"}";
    size_t last = COUNTOF(keys) - 1;
    assert_reason(verify(&c, s, token(keys[0], "ES256", header, "{}")), JWT_OK);
    assert_reason(verify(&c, s, token(keys[last - 1], "ES256", header, "{}")), JWT_OK);
    assert_reason(verify(&c, s, token(keys[last], "ES256", header, "{}")), JWT_BAD_SIGNATURE);
    jwks_unref(s);
    for (size_t i = 0; i < COUNTOF(keys); i++)
        jwk_unref(keys[i]);
}

static void a_retired_key_is_passed_over_and_named(void **state)
{
    (void)state;
    static const struct jwt_checker c = {.algs = JWS_ALL};
    struct jwk *old = new_key("ES256", NULL), *now = new_key("ES256", NULL), *retired;
    assert_int_equal(jwk_with_status(old, JWK_RETIRED, JWK_NO_TIME, &retired), ERR_OK);
    retired->has_kid = false;
    struct jwks *both = set_of(retired, now), *alone = set_of(retired, NULL);
    const char *header = "{\"alg\":\"ES256\"}";
    assert_reason(verify(&c, both, token(now, "ES256", header, "{}")), JWT_OK);
    assert_reason(verify(&c, both, token(old, "ES256", header, "{}")), JWT_BAD_SIGNATURE);
    struct jwt t;
    struct jwt_fault why;
    assert_reason(jwt_verify(&c, alone, memory, token(old, "ES256", header, "{}"), NOW, &t, &why),
                  JWT_RETIRED_KEY);
    assert_false(why.has_time);
    jwks_unref(both), jwks_unref(alone);
    jwk_unref(old), jwk_unref(now), jwk_unref(retired);
}

static void a_certificate_thumbprint_must_not_be_anothers(void **state)
{
    (void)state;
    static const struct jwt_checker c = {.algs = JWS_ALL};
    struct jwk *made = new_key("ES256", "a"), *k;
    AUTO_BUF text = BUF_INIT(KIB(4));
    jwk_write(&text, made, true);
    text.n--;
    buf_addz(&text, ",\"x5t\":\"right\"}");
    assert_int_equal(jwk_parse(tree(buf_cstr(&text)), JWK_OWN, &k, NULL), ERR_OK);
    struct jwks *s = set_of(k, NULL);
    assert_reason(verify(&c, s, token(k, "ES256", "{\"alg\":\"ES256\",\"x5t\":\"right\"}", "{}")),
                  JWT_OK);
    assert_reason(verify(&c, s, token(k, "ES256", "{\"alg\":\"ES256\"}", "{}")), JWT_OK);
    assert_reason(verify(&c, s, token(k, "ES256", "{\"alg\":\"ES256\",\"x5t\":\"wrong\"}", "{}")),
                  JWT_BAD_SIGNATURE);
    assert_reason(verify(&c, s, token(k, "ES256", "{\"alg\":\"ES256\",\"x5t\":7}", "{}")),
                  JWT_BAD_SIGNATURE);
    jwks_unref(s);
    jwk_unref(k);
    jwk_unref(made);
}

static void sets_are_written_and_read_again(void **state)
{
    (void)state;
    struct jwk *a = new_key("ES256", "a"), *b = new_key("EdDSA", "b"), *hs = new_key("HS384", "h");
    struct jwks *s = set_of(a, b), *again, *secrets = set_of(hs, NULL);
    AUTO_BUF pub = BUF_INIT(KIB(16)), priv = BUF_INIT(KIB(16)), none = BUF_INIT(KIB(16));
    jwks_write(&pub, s, false);
    assert_int_equal(jwks_from_json(tree(buf_cstr(&pub)), JWK_FETCHED, &again, NULL), ERR_OK);
    assert_true(again->n == 2 && !again->keys[0]->has_private);
    jwks_unref(again);
    jwks_write(&priv, s, true);
    assert_int_equal(jwks_parse(buf_str(&priv), JWK_OWN, &again, NULL), ERR_OK);
    assert_true(again->n == 2 && again->keys[1]->has_private);
    jwks_unref(again);
    jwks_write(&none, secrets, false);
    assert_int_equal(none.err, ERR_DENIED);
    jwks_unref(NULL);
    jwks_unref(s), jwks_unref(secrets);
    jwk_unref(a), jwk_unref(b), jwk_unref(hs);
}

static void pem_blocks_make_a_set(void **state)
{
    (void)state;
    AUTO_BUF text = BUF_INIT(KIB(16)), priv = BUF_INIT(KIB(16));
    struct jwks *s;
    buf_addz(&text, "the first\n");
    assert_int_equal(jwk_make_pem(STR("ES256"), &priv, &text), ERR_OK);
    buf_addz(&text,
             "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
    assert_int_equal(jwk_make_pem(STR("EdDSA"), &priv, &text), ERR_OK);
    text.n--; /* no newline at the end */
    assert_int_equal(jwks_parse(buf_str(&text), JWK_FETCHED, &s, NULL), ERR_OK);
    assert_true(s->n == 2 && !s->keys[0]->has_kid && s->keys[1]->type == JWK_OKP);
    jwks_unref(s);
    assert_int_equal(jwks_parse(buf_str(&priv), JWK_FETCHED, &s, NULL), ERR_DENIED);
    assert_int_equal(jwks_parse(buf_str(&priv), JWK_OWN, &s, NULL), ERR_OK);
    assert_true(s->n == 2 && s->keys[0]->has_private);
    jwks_unref(s);
}

static enum err parse_again(void *arg)
{
    struct jwks *s = NULL;
    enum err err = jwks_parse(str_c(arg), JWK_FETCHED, &s, NULL);
    jwks_unref(s);
    return err;
}

static void without_memory_there_is_no_set(void **state)
{
    (void)state;
    struct jwk *a = new_key("ES256", "a"), *b = new_key("EdDSA", "b");
    const char *text = set_text(a, ",{\"kty\":\"AKP\",\"kid\":\"x\"},", b, false);
    fault_each(parse_again, (void *)(uintptr_t)text);
    AUTO_BUF pem = BUF_INIT(KIB(16)), priv = BUF_INIT(KIB(16));
    assert_int_equal(jwk_make_pem(STR("ES256"), &priv, &pem), ERR_OK);
    fault_each(parse_again, (void *)(uintptr_t)buf_cstr(&pem));
    jwk_unref(a), jwk_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOSE_TEST(a_set_in_which_a_token_could_mean_two_keys_is_refused),
        JOSE_TEST(what_cannot_be_used_is_left_out_and_noted),
        JOSE_TEST(sets_without_a_key_are_none),
        JOSE_TEST(keys_are_found_by_name_and_fitness),
        JOSE_TEST(nameless_keys_are_tried_but_not_without_end),
        JOSE_TEST(a_retired_key_is_passed_over_and_named),
        JOSE_TEST(a_certificate_thumbprint_must_not_be_anothers),
        JOSE_TEST(sets_are_written_and_read_again),
        JOSE_TEST(pem_blocks_make_a_set),
        JOSE_TEST(without_memory_there_is_no_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
