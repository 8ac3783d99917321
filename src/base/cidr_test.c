/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks are matched to the bit, and IPv4 is the same in either spelling. */
#include "cidr.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool has(const char *network, const char *address)
{
    struct cidr c;
    unsigned char a[ADDRESS_BYTES];
    assert_int_equal(cidr_parse(str_c(network), &c), ERR_OK);
    assert_true(address_parse(str_c(address), a));
    return cidr_has(&c, 1, a);
}

static void networks_are_matched_to_the_bit(void **state)
{
    (void)state;
    assert_true(has("192.168.128.0/17", "192.168.200.1"));
    assert_false(has("192.168.128.0/17", "192.168.127.255"));
    assert_true(has("127.0.0.1", "127.0.0.1"));
    assert_false(has("127.0.0.1", "127.0.0.2"));
    assert_true(has("0.0.0.0/0", "203.0.113.9"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("fd00::/8", "fd12::1"));
    assert_false(has("fd00::/9", "fd80::1"));
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
    (void)state;
    assert_true(has("127.0.0.0/8", "::ffff:127.0.0.1"));
    assert_true(has("::ffff:10.0.0.0/104", "10.9.9.9"));
}

static void anything_else_is_no_network(void **state)
{
    static const char *const bad[] = {"",           "nonsense", "10.0.0.0/33", "10.0.0.0/",
                                      "10.0.0/8",   "::/129",   "[::1]/128",   "fe80::1%eth0",
                                      "10.0.0.0/a", "/8",       "1.2.3.4/-1",  "1.2.3.4 "};
    struct cidr c;
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (cidr_parse(str_c(bad[i]), &c) != ERR_INVALID)
            fail_msg("%s is a network", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_matched_to_the_bit),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
        cmocka_unit_test(anything_else_is_no_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
