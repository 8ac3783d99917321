/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing and deriving: the standards' own cases, and every byte changed. */
#include "lib/fault.h"
/* */
#include "base/aead.h"
#include "base/arena.h"
#include "base/crypt.h"
#include "base/limits.h"

static const char key[] = "0123456789abcdef0123456789abcdef";

static struct str unhex(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *out = arena_alloc(a, n + 1);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        const char digits[] = "0123456789abcdef";
        out[i] = (char)((strchr(digits, hex[2 * i]) - digits) << 4 |
                        (strchr(digits, hex[2 * i + 1]) - digits));
    }
    return str_of(out, n);
}

/* RFC 5869 A.1 and A.3. */
static const struct {
    const char *secret, *salt, *info, *wanted;
} derived[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

static void derives_as_the_rfc_does(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(4), KIB(64));
    for (size_t i = 0; i < COUNTOF(derived); i++) {
        unsigned char out[42];
        char hex[2 * sizeof out + 1];
        assert_int_equal(hkdf_sha256(unhex(a, derived[i].secret), unhex(a, derived[i].salt),
                                     unhex(a, derived[i].info), out, sizeof out),
                         ERR_OK);
        crypt_hex(out, sizeof out, hex);
        assert_string_equal(hex, derived[i].wanted);
    }
    arena_free(a);
}

/* NIST's GCM test cases 13 and 14 under a key of zeros, as iv, ciphertext, tag. */
static void opens_what_the_standard_sealed(void **state)
{
    (void)state;
    static const char zeros[32];
    AUTO_BUF out = BUF_INIT(100);
    struct arena *a = arena_new(KIB(4), KIB(64));
    struct str none = unhex(a, "000000000000000000000000530f8afbc74536b9a963b4f1c4cb738b");
    struct str block = unhex(a, "000000000000000000000000"
                                "cea7403d4d606b6e074ec5d3baf39d18"
                                "d0d1c8a799996bf0265b98b5d48ab919");
    assert_int_equal(aead_open(str_of(zeros, 32), STR(""), none, &out), ERR_OK);
    assert_int_equal(out.n, 0);
    assert_int_equal(aead_open(str_of(zeros, 32), STR(""), block, &out), ERR_OK);
    assert_true(str_eq(buf_str(&out), str_of(zeros, 16)));
    arena_free(a);
}

static void opens_only_with_key_and_place(void **state)
{
    (void)state;
    AUTO_BUF sealed = BUF_INIT(200), out = BUF_INIT(200), again = BUF_INIT(200);
    struct str k = str_c(key), other = STR("0123456789abcdef0123456789abcdeg");
    assert_int_equal(aead_seal(k, STR("row 1"), STR("a secret"), &sealed), ERR_OK);
    assert_int_equal(sealed.n, AEAD_IV + 8 + AEAD_TAG);
    assert_int_equal(aead_seal(k, STR("row 1"), STR("a secret"), &again), ERR_OK);
    assert_false(str_eq(buf_str(&sealed), buf_str(&again)));
    buf_addz(&out, "x=");
    assert_int_equal(aead_open(other, STR("row 1"), buf_str(&sealed), &out), ERR_BADSIG);
    assert_int_equal(aead_open(k, STR("row 2"), buf_str(&sealed), &out), ERR_BADSIG);
    assert_int_equal(aead_open(k, STR(""), buf_str(&sealed), &out), ERR_BADSIG);
    assert_int_equal(aead_open(k, STR("row 1"), buf_str(&sealed), &out), ERR_OK);
    assert_string_equal(buf_cstr(&out), "x=a secret");
    assert_int_equal(aead_seal(STR("short"), STR(""), STR("x"), &out), ERR_INVALID);
    assert_int_equal(aead_open(STR("short"), STR(""), STR("x"), &out), ERR_INVALID);
}

static void a_change_anywhere_is_found(void **state)
{
    (void)state;
    AUTO_BUF sealed = BUF_INIT(200), out = BUF_INIT(200);
    assert_int_equal(aead_seal(str_c(key), STR("p"), STR("a secret"), &sealed), ERR_OK);
    for (size_t i = 0; i < sealed.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed.p[i] = (char)(sealed.p[i] ^ (1 << bit));
            assert_int_equal(aead_open(str_c(key), STR("p"), buf_str(&sealed), &out), ERR_BADSIG);
            sealed.p[i] = (char)(sealed.p[i] ^ (1 << bit));
        }
        assert_int_equal(aead_open(str_c(key), STR("p"), str_sub(buf_str(&sealed), 0, i), &out),
                         ERR_BADSIG);
    }
    assert_int_equal(out.n, 0);
    assert_int_equal(aead_open(str_c(key), STR("p"), buf_str(&sealed), &out), ERR_OK);
}

static enum err both(void *arg)
{
    (void)arg;
    AUTO_BUF sealed = BUF_INIT(200), out = BUF_INIT(200);
    enum err err = aead_seal(str_c(key), STR("p"), STR(""), &sealed);
    return err ? err : aead_open(str_c(key), STR("p"), buf_str(&sealed), &out);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(both, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_as_the_rfc_does),
        cmocka_unit_test(opens_what_the_standard_sealed),
        cmocka_unit_test(opens_only_with_key_and_place),
        cmocka_unit_test(a_change_anywhere_is_found),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
