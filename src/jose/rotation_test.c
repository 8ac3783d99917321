/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/rotation.h"

#include "jose/jose_test.h"

static struct jwk *made_at(const char *kid, int64_t at)
{
    struct jwk_about about = {.has_kid = true, .kid = str_c(kid), .created_s = at};
    struct jwk *k;
    assert_int_equal(jwk_generate(&jws_algs[JWS_EDDSA], &about, &k), ERR_OK);
    return k;
}

static struct jwks *step(struct jwks *keys, struct jwk *fresh, int64_t now,
                         const struct rotation_policy *p, int64_t *next)
{
    struct jwks *out = NULL;
    assert_int_equal(rotation_step(keys, fresh, now, p, &out, next, NULL), ERR_OK);
    jwks_unref(keys);
    jwk_unref(fresh);
    return out;
}

static enum jwk_status status_of(const struct jwks *s, const char *kid, int64_t now)
{
    const struct jwk *k = jwks_named(s, str_c(kid));
    assert_non_null(k);
    return jwk_status_at(k, now);
}

static void old_and_new_key_overlap(void **state)
{
    (void)state;
    static const struct rotation_policy p = {.overlap_s = 100, .keep_s = 1000};
    int64_t next = 0;
    struct jwks *s = step(NULL, made_at("a", 1000), 1000, &p, &next);
    assert_true(s->n == 1 && next == ROTATION_NEVER);
    assert_true(str_eqz(rotation_signer(s, 1000)->kid, "a") && rotation_signer(s, 999) == NULL);
    s = step(s, made_at("b", 2000), 2000, &p, &next);
    assert_int_equal(next, 2100);
    assert_true(str_eqz(s->keys[0]->kid, "b") && str_eqz(rotation_signer(s, 2000)->kid, "b"));
    assert_int_equal(status_of(s, "a", 2099), JWK_RETIRING);
    assert_int_equal(status_of(s, "a", 2100), JWK_RETIRED);
    assert_int_equal(status_of(s, "b", 2100), JWK_ACTIVE);
    s = step(s, NULL, 2100, &p, &next); /* its end is written down */
    assert_true(jwks_named(s, STR("a"))->status == JWK_RETIRED && next == 3100);
    assert_int_equal(jwks_named(s, STR("a"))->retires_s, 2100);
    s = step(s, NULL, 3099, &p, &next);
    assert_int_equal(s->n, 2);
    s = step(s, NULL, 3100, &p, &next);
    assert_true(s->n == 1 && next == ROTATION_NEVER);
    jwks_unref(s);
}

static void without_overlap_the_old_key_is_retired_at_once(void **state)
{
    (void)state;
    static const struct rotation_policy p = {0};
    int64_t next;
    struct jwks *s = step(NULL, made_at("a", 1000), 1000, &p, &next);
    s = step(s, made_at("b", 2000), 2000, &p, &next);
    assert_true(jwks_named(s, STR("a"))->status == JWK_RETIRED && next == ROTATION_NEVER);
    s = step(s, NULL, 900000000, &p, &next); /* kept for ever */
    assert_int_equal(s->n, 2);
    jwks_unref(s);
}

static void a_key_may_be_published_before_it_signs(void **state)
{
    (void)state;
    static const struct rotation_policy p = {.ahead_s = 10, .overlap_s = 100, .period_s = 1000};
    int64_t next;
    struct jwks *s = step(NULL, made_at("a", 1000), 1000, &p, &next);
    assert_int_equal(next, 1990);
    assert_int_equal(rotation_due(s, &p), 1990);
    s = step(s, made_at("b", 2000), 1990, &p, &next);
    assert_int_equal(next, 2100);
    assert_true(str_eqz(rotation_signer(s, 1999)->kid, "a"));
    assert_true(str_eqz(rotation_signer(s, 2000)->kid, "b"));
    assert_int_equal(status_of(s, "a", 2099), JWK_RETIRING);
    AUTO_BUF out = BUF_INIT(KIB(4));
    const struct jwk *b = jwks_named(s, STR("b")), *a = jwks_named(s, STR("a"));
    const struct jws_alg *ed = &jws_algs[JWS_EDDSA];
    assert_int_equal(jws_sign_with(b, ed, STR("{}"), 1999, &out), ERR_INVALID); /* not begun */
    assert_int_equal(jws_sign_with(b, ed, STR("{}"), 2000, &out), ERR_OK);
    assert_int_equal(jws_sign_with(a, ed, STR("{}"), 2099, &out), ERR_OK);
    assert_int_equal(jws_sign_with(a, ed, STR("{}"), 2100, &out), ERR_INVALID); /* retired */
    assert_int_equal(jws_sign_with(a, &jws_algs[JWS_ES256], STR("{}"), 1999, &out), ERR_INVALID);
    s = step(s, NULL, 2101, &p, &next);
    assert_int_equal(next, 2990);
    jwks_unref(s);
}

static void tokens_die_with_their_key_and_not_before(void **state)
{
    (void)state;
    static const struct rotation_policy p = {.overlap_s = 100};
    static const struct jwt_checker c = {.algs = JWS_ALL};
    struct jwks *s = step(NULL, made_at("a", 1000), 1000, &p, NULL);
    AUTO_BUF t = BUF_INIT(KIB(4));
    struct jwt out;
    struct jwt_fault why;
    assert_int_equal(jws_sign_with(s->keys[0], &jws_algs[JWS_EDDSA], STR("{}"), 1500, &t), ERR_OK);
    s = step(s, made_at("b", 2000), 2000, &p, NULL);
    assert_reason(jwt_verify(&c, s, memory, buf_str(&t), 2099.9, &out, &why), JWT_OK);
    assert_reason(jwt_verify(&c, s, memory, buf_str(&t), 2100, &out, &why), JWT_RETIRED_KEY);
    assert_true(why.has_time && why.at == 2100 && str_eqz(why.got, "a"));
    jwks_unref(s);
}

static void only_private_keys_sign(void **state)
{
    (void)state;
    struct jwk *k = made_at("a", 1), *pub;
    AUTO_BUF text = BUF_INIT(KIB(4)), out = BUF_INIT(KIB(4));
    jwk_write(&text, k, false);
    assert_int_equal(jwk_parse(tree(buf_cstr(&text)), JWK_FETCHED, &pub, NULL), ERR_OK);
    struct jwks *s = set_of(pub, NULL);
    assert_null(rotation_signer(s, 100));
    assert_int_equal(jws_sign_with(pub, &jws_algs[JWS_EDDSA], STR("{}"), 100, &out), ERR_INVALID);
    jwks_unref(s);
    jwk_unref(pub);
    jwk_unref(k);
}

static enum err step_again(void *arg)
{
    static const struct rotation_policy p = {.overlap_s = 5};
    struct jwks **in = arg, *out = NULL;
    enum err err = rotation_step(in[0], in[1]->keys[0], 2000, &p, &out, NULL, NULL);
    jwks_unref(out);
    return err;
}

static void without_memory_the_set_stays(void **state)
{
    (void)state;
    struct jwk *a = made_at("a", 1000), *b = made_at("b", 2000);
    struct jwks *in[] = {set_of(a, NULL), set_of(b, NULL)};
    fault_each(step_again, in);
    struct jwks *out;
    static const struct rotation_policy p = {.overlap_s = 5};
    assert_int_equal(rotation_step(in[0], a, 2000, &p, &out, NULL, NULL),
                     ERR_CONFLICT); /* same kid */
    assert_null(out);
    jwks_unref(in[0]);
    jwks_unref(in[1]);
    jwk_unref(a);
    jwk_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOSE_TEST(old_and_new_key_overlap),
        JOSE_TEST(without_overlap_the_old_key_is_retired_at_once),
        JOSE_TEST(a_key_may_be_published_before_it_signs),
        JOSE_TEST(tokens_die_with_their_key_and_not_before),
        JOSE_TEST(only_private_keys_sign),
        JOSE_TEST(without_memory_the_set_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
