/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, instants, addresses, flags and base64: which texts are some, which are none, and how
 * they compare. */
#include "policy_test.h"

#include "policy/pattern_int.h"

static int order_of(const char *a, const char *b)
{
    int order = 7;

    if (!policy__number_compare(str_c(a), str_c(b), &order))
        fail_msg("\"%s\" and \"%s\" do not compare", a, b);
    return order;
}

static void numbers_compare_by_value(void **state)
{
    /* ascending */
    static const char *const rising[] = {"-1e400",
                                         "-10",
                                         "-9.99",
                                         "-1.5",
                                         "-1",
                                         "-0.5",
                                         "-1e-400",
                                         "0",
                                         "1e-400",
                                         "0.05",
                                         "0.5",
                                         "0.51",
                                         "1",
                                         "1.5",
                                         "2",
                                         "9.999",
                                         "10",
                                         "10.1",
                                         "99",
                                         "100.1",
                                         "101",
                                         "1234567890123456789012345678901234567890",
                                         "1234567890123456789012345678901234567891",
                                         "1e400"};
    static const char *const same[][2] = {
        {"1", "1.0"},      {"1", "001"},        {"10", "1e1"},    {"10", "1E+1"},
        {"0.1", "1e-1"},   {"0", "-0"},         {"0", "0.000"},   {"0", "0e9999"},
        {"100", "1.00e2"}, {"0.0012", "12e-4"}, {"1200", "12e2"}, {"-1.50", "-15e-1"},
        {"10", "100e-1"},  {"1.10", "1.1"}};

    (void)state;
    for (size_t i = 0; i < COUNTOF(rising); i++)
        for (size_t k = 0; k < COUNTOF(rising); k++) {
            int wanted = i < k ? -1 : i > k ? 1 : 0;
            if (order_of(rising[i], rising[k]) != wanted)
                fail_msg("%s against %s is not %d", rising[i], rising[k], wanted);
        }
    for (size_t i = 0; i < COUNTOF(same); i++) {
        assert_int_equal(order_of(same[i][0], same[i][1]), 0);
        assert_int_equal(order_of(same[i][1], same[i][0]), 0);
    }
}

static void what_is_no_number_does_not_compare(void **state)
{
    static const char *const none[] = {"",    "-",   "+1",    "1.",  ".5",  "1e",      "1e+",
                                       "1e-", "0x1", " 1",    "1 ",  "--1", "1e12345", "1.5.1",
                                       "e1",  "1-",  "1e1.5", "NaN", "inf", "1,5",     "\xd9\xa1"};
    int order;

    (void)state;
    for (size_t i = 0; i < COUNTOF(none); i++)
        if (policy__number_compare(str_c(none[i]), STR("1"), &order) ||
            policy__number_compare(STR("1"), str_c(none[i]), &order))
            fail_msg("\"%s\" is a number", none[i]);
    assert_true(policy__number_compare(STR("1e9999"), STR("1E-9999"), &order));
    assert_int_equal(order, 1);
}

static void dates_are_instants(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        uint32_t nanos;
    } rows[] = {
        {"1970", 0, 0},
        {"1970-01", 0, 0},
        {"1970-01-01", 0, 0},
        {"1970-01-01T00:00Z", 0, 0},
        {"1970-01-02T00:00:01Z", 86401, 0},
        {"1969-12-31T23:59:59Z", -1, 0},
        {"1970-01-01T01:00:00+01:00", 0, 0},
        {"1969-12-31T16:29:00-07:31", 0, 0},
        {"2000-02-29", 951782400, 0},
        {"2000-03-01", 951868800, 0},
        {"1900-03-01", -2203891200, 0},
        {"2024-12-31", 1735603200, 0},
        {"2003-01-01", 1041379200, 0},
        {"2101-01-01", 4133980800, 0},
        {"1600-12-31", -11644560000, 0},
        {"2026-11-22T07:00:00.5Z", 1795330800, 500000000},
        {"2026-11-22T07:00:00.000000001Z", 1795330800, 1},
        {"0001-01-01", -62135596800, 0},
        {"9999-12-31T23:59:59Z", 253402300799, 0},
        {"0", 0, 0},
        {"123", 123, 0},
        {"12345", 12345, 0},
        {"1234.5", INT64_MIN, 0},
        {"1795330800", 1795330800, 0},
        {"1795330800.25", 1795330800, 250000000},
        {"999999999999", 999999999999, 0},
    };
    struct policy__date d;

    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        bool read = policy__date_read(str_c(rows[i].text), &d);
        if (rows[i].seconds == INT64_MIN) {
            assert_false(read); /* four digits are a year */
            continue;
        }
        if (!read || d.seconds != rows[i].seconds || d.nanos != rows[i].nanos)
            fail_msg("%s is %lld.%09u", rows[i].text, (long long)d.seconds, d.nanos);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const none[] = {"",
                                       "x",
                                       "-1",
                                       "0000",
                                       "2026-",
                                       "2026-1",
                                       "2026-00",
                                       "2026-13",
                                       "2026-11-",
                                       "2026-11-00",
                                       "2026-11-31",
                                       "2026-12-32",
                                       "2026-02-29",
                                       "2024-02-30",
                                       "1900-02-29",
                                       "2026/11/22",
                                       "2026-11-22T",
                                       "2026-11-22Z",
                                       "2026-11-22T07Z",
                                       "2026-11-22T07:00",
                                       "2026-11-22T07:0Z",
                                       "2026-11-22T24:00Z",
                                       "2026-11-22T07:60Z",
                                       "2026-11-22T07:00:60Z",
                                       "2026-11-22T07:00:60",
                                       "2026-11-22T07:00:0",
                                       "2026-11-22T07:00:00.",
                                       "2026-11-22T24",
                                       "2026-11-22T07:60",
                                       "2026-11-22T07:00:00+",
                                       "2026-11-22T07:00:0Z",
                                       "2026-11-22T07:00:00",
                                       "2026-11-22T07:00:00.Z",
                                       "2026-11-22T07:00:00.1234567890Z",
                                       "2026-11-22T07:00.5Z",
                                       "2026-11-22t07:00:00z",
                                       "2026-11-22 07:00:00Z",
                                       "2026-11-22T07:00:00+24:00",
                                       "2026-11-22T07:00:00+01:60",
                                       "2026-11-22T07:00:00+0100",
                                       "2026-11-22T07:00:00+01",
                                       "2026-11-22T07:00:00ZZ",
                                       "2026T07:00Z",
                                       "1234567890123",
                                       "1795330800.",
                                       "1795330800.1234567890",
                                       "1795330800x",
                                       "1795330800.5x"};
    struct policy__date d;

    (void)state;
    for (size_t i = 0; i < COUNTOF(none); i++)
        if (policy__date_read(str_c(none[i]), &d))
            fail_msg("\"%s\" is a date", none[i]);
}

static void dates_compare_to_the_nanosecond(void **state)
{
    struct policy__date a = {5, 1}, b = {5, 2}, c = {6, 0};

    (void)state;
    assert_true(policy__date_compare(&a, &b) < 0 && policy__date_compare(&b, &a) > 0);
    assert_true(policy__date_compare(&b, &c) < 0 && policy__date_compare(&c, &b) > 0);
    assert_int_equal(policy__date_compare(&a, &a), 0);
}

static struct policy__address address(const char *text, bool network)
{
    struct policy__address a;

    if (!policy__address_read(str_c(text), network, &a))
        fail_msg("\"%s\" is no address", text);
    return a;
}

static void networks_hold_addresses_bit_by_bit(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 32; bits++) {
        char text[32];
        (void)snprintf(text, sizeof text, "170.85.204.51/%u", bits);
        struct policy__address net = address(text, true), inside = address("170.85.204.51", false);
        assert_int_equal(net.bits, bits);
        assert_true(policy__address_in(&inside, &net));
        if (bits > 0) { /* the last bit that counts, and the first that does not */
            inside.bytes[(bits - 1) / 8] ^= (unsigned char)(0x80u >> (bits - 1) % 8);
            assert_false(policy__address_in(&inside, &net));
            inside.bytes[(bits - 1) / 8] ^= (unsigned char)(0x80u >> (bits - 1) % 8);
        }
        if (bits < 32) {
            inside.bytes[bits / 8] ^= (unsigned char)(0x80u >> bits % 8);
            assert_true(policy__address_in(&inside, &net));
        }
    }
}

static void mapped_addresses_are_ipv4(void **state)
{
    struct policy__address a = address("::ffff:10.1.2.3", false), b = address("10.1.2.3", false);

    (void)state;
    assert_false(a.v6 || b.v6);
    assert_memory_equal(a.bytes, b.bytes, 4);
    a = address("::ffff:10.0.0.0/104", true);
    assert_false(a.v6);
    assert_int_equal(a.bits, 8);
    assert_false(address("::ffff:0:0/96", true).v6);
    assert_int_equal(address("::ffff:0:0/96", true).bits, 0);
    assert_true(address("::ffff:0:0/95", true).v6);
    assert_true(address("::10.1.2.3", false).v6);
    assert_int_equal(address("10.1.2.3", true).bits, 32);
    assert_int_equal(address("2001:db8::1", true).bits, 128);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const none[] = {"",
                                       "x",
                                       "10",
                                       "10.0.0",
                                       "10.0.0.1.2",
                                       "10.0.0.256",
                                       "010.0.0.1",
                                       "10.0.0.01",
                                       " 10.0.0.1",
                                       "10.0.0.1 ",
                                       "10.0.0.1,10.0.0.2",
                                       "0x0a000001",
                                       ":",
                                       ":::",
                                       "1::2::3",
                                       "fe80::1%eth0",
                                       "12345::",
                                       "[::1]",
                                       "::ffff:10.0.0.01",
                                       "10.0.0.1:80",
                                       "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    static const char *const no_network[] = {
        "10.0.0.0/",    "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/00",
        "10.0.0.0/8/8", "10.0.0.0/x",  "::/129",      "/8",          "10.0.0.0/255.0.0.0"};
    struct policy__address a;

    (void)state;
    for (size_t i = 0; i < COUNTOF(none); i++)
        if (policy__address_read(str_c(none[i]), false, &a) ||
            policy__address_read(str_c(none[i]), true, &a))
            fail_msg("\"%s\" is an address", none[i]);
    for (size_t i = 0; i < COUNTOF(no_network); i++)
        if (policy__address_read(str_c(no_network[i]), true, &a))
            fail_msg("\"%s\" is a network", no_network[i]);
    assert_false(policy__address_read(STR("10.0.0.0/8"), false, &a));
    assert_false(policy__address_read(str_of("10.0.0.1\0", 9), false, &a));
    assert_true(
        policy__address_read(STR("0000:0000:0000:0000:0000:ffff:255.255.255.255"), false, &a));
}

static void flags_are_true_or_false(void **state)
{
    bool flag = false;

    (void)state;
    assert_true(policy__flag_read(STR("true"), &flag) && flag);
    assert_true(policy__flag_read(STR("TRUE"), &flag) && flag);
    assert_true(policy__flag_read(STR("False"), &flag) && !flag);
    assert_false(policy__flag_read(STR(""), &flag));
    assert_false(policy__flag_read(STR("1"), &flag));
    assert_false(policy__flag_read(STR("truex"), &flag));
}

static void base64_is_canonical(void **state)
{
    static const char *const good[] = {"",     "AA==", "AQI=", "AQID", "+/+/", "zzzz",
                                       "ZZZZ", "aZ09", "0129", "/w==", "//8=", "AQIDBA=="};
    static const char *const bad[] = {"A",      "AA",   "AAA",   "AB==",     "AQJ=",
                                      "=",      "====", "A===",  "AA=A",     "-_-_",
                                      "AQI=\n", "A A=", "AQID=", "AA==AA==", "AQ\xc3\xa9",
                                      "@AAA",   "[AAA", "`AAA",  "{AAA",     ":AAA"};

    (void)state;
    for (size_t i = 0; i < COUNTOF(good); i++)
        if (!policy__base64_is(str_c(good[i])))
            fail_msg("\"%s\" is not base64", good[i]);
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (policy__base64_is(str_c(bad[i])))
            fail_msg("\"%s\" is base64", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_compare_by_value),
        cmocka_unit_test(what_is_no_number_does_not_compare),
        cmocka_unit_test(dates_are_instants),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(dates_compare_to_the_nanosecond),
        cmocka_unit_test(networks_hold_addresses_bit_by_bit),
        cmocka_unit_test(mapped_addresses_are_ipv4),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(flags_are_true_or_false),
        cmocka_unit_test(base64_is_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
