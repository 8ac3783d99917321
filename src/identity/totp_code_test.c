/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes against the tables of RFC 4226 (appendix D) and RFC 6238 (appendix B, SHA-1, its last six
 * digits), and secrets as people and apps write them. */
#include "lib/fault.h"
#include "totp_int.h"

static const char rfc_secret[] = "12345678901234567890";
#define RFC_BASE32 "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

static void codes_of_rfc_4226(void **state)
{
    static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
                                        "254676", "287922", "162583", "399871", "520489"};
    char text[TOTP_DIGITS + 1];
    (void)state;
    for (size_t i = 0; i < COUNTOF(codes); i++) {
        assert_int_equal(totp_code(str_c(rfc_secret), i, text), ERR_OK);
        assert_string_equal(text, codes[i]);
    }
}

static void codes_of_rfc_6238(void **state)
{
    static const struct {
        int64_t at;
        const char *code;
    } rows[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        bool is = false;
        assert_int_equal(totp_is(str_c(rfc_secret), rows[i].at, 30, 0, str_c(rows[i].code), &is),
                         ERR_OK);
        assert_true(is);
    }
}

static bool is(int64_t now_s, int64_t period_s, int64_t skew, const char *code)
{
    bool out = true;
    assert_int_equal(totp_is(str_c(rfc_secret), now_s, period_s, skew, str_c(code), &out), ERR_OK);
    return out;
}

static void skew_reaches_so_many_periods_and_no_further(void **state)
{
    (void)state;
    assert_true(is(59, 30, 0, "287082")); /* period 1: 30..59 */
    assert_false(is(60, 30, 0, "287082"));
    assert_true(is(60, 30, 1, "287082"));
    assert_true(is(89, 30, 1, "287082"));
    assert_false(is(90, 30, 1, "287082"));
    assert_true(is(0, 30, 1, "287082"));
    assert_true(is(0, 30, 2, "755224")); /* there is no period before 1970 */
    assert_true(is(119, 60, 0, "287082"));
}

static void only_the_whole_code_is_the_code(void **state)
{
    (void)state;
    assert_false(is(59, 30, 1, ""));
    assert_false(is(59, 30, 1, "28708"));
    assert_false(is(59, 30, 1, "2870820"));
    assert_false(is(59, 30, 1, " 287082"));
    assert_false(is(59, 30, 1, "287083"));
}

static void reads(const char *text, const char *want)
{
    AUTO_BUF out = BUF_INIT(100);
    assert_int_equal(totp_read_secret(str_c(text), &out), ERR_OK);
    assert_true(str_eqz(buf_str(&out), want));
}

static void secrets_are_read_as_people_write_them(void **state)
{
    AUTO_BUF out = BUF_INIT(100);
    (void)state;
    reads(RFC_BASE32, rfc_secret);
    reads("gezd gnbv gy3t qojq gezd gnbv gy3t qojq", rfc_secret);
    reads("MZXW6YTBOI======", "foobar");
    reads("MZXW6", "foo");
    static const char *const bad[] = {"", "=", "MZXW1", "MZXW8", "MZ-W6", "MZ\tW6", "é"};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        buf_reset(&out);
        assert_int_equal(totp_read_secret(str_c(bad[i]), &out), ERR_INVALID);
    }
}

static void new_secrets_are_random_and_read_back(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(1), KIB(64));
    struct str one, other;
    AUTO_BUF bytes = BUF_INIT(100);
    assert_non_null(a);
    assert_int_equal(totp_new_secret(a, &one), ERR_OK);
    assert_int_equal(totp_new_secret(a, &other), ERR_OK);
    assert_int_equal(one.n, 32);
    assert_false(str_eq(one, other));
    assert_int_equal(totp_read_secret(one, &bytes), ERR_OK);
    assert_int_equal(bytes.n, TOTP_SECRET_BYTES);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_rfc_4226),
        cmocka_unit_test(codes_of_rfc_6238),
        cmocka_unit_test(skew_reaches_so_many_periods_and_no_further),
        cmocka_unit_test(only_the_whole_code_is_the_code),
        cmocka_unit_test(secrets_are_read_as_people_write_them),
        cmocka_unit_test(new_secrets_are_random_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
