/* SPDX-License-Identifier: Apache-2.0
 *
 * X-Forwarded-For is believed only as far as trusted proxies wrote it. */
#include "gateway_int.h"

#include <setjmp.h>

#include <cmocka.h>

static bool source(const char *trusted, const char *peer, const char *chain, const char *expected)
{
    struct cidr list[1];
    struct gateway g = {.trusted = list, .trusted_count = trusted ? 1 : 0};
    struct http_header h = {STR("X-Forwarded-For"), str_c(chain)};
    struct http_headers headers = {&h, chain ? 1 : 0, 1};
    if (trusted)
        assert_int_equal(cidr_parse(str_c(trusted), &list[0]), ERR_OK);
    return str_eqz(peer__source_ip(&g, str_c(peer), &headers), expected);
}

static void a_stranger_cannot_choose_an_address(void **state)
{
    (void)state;
    assert_true(source(NULL, "203.0.113.9", "10.0.0.1", "203.0.113.9"));
    assert_true(source("10.0.0.0/8", "203.0.113.9", "10.0.0.1", "203.0.113.9"));
}

static void the_rightmost_untrusted_hop_is_the_client(void **state)
{
    (void)state;
    assert_true(source("10.0.0.0/8", "10.1.1.1", "1.2.3.4", "1.2.3.4"));
    assert_true(source("10.0.0.0/8", "10.1.1.1", "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"));
    assert_true(source("10.0.0.0/8", "10.1.1.1", NULL, "10.1.1.1"));
    assert_true(source("fd00::/8", "fd00::1", "2001:db8::7", "2001:db8::7"));
}

static void several_lines_are_read_as_one(void **state)
{
    (void)state;
    struct cidr list[1];
    struct gateway g = {.trusted = list, .trusted_count = 1};
    struct http_header h[] = {{STR("X-Forwarded-For"), STR("6.6.6.6")},
                              {STR("x-forwarded-for"), STR("1.2.3.4")}};
    struct http_headers headers = {h, 2, 2};
    assert_int_equal(cidr_parse(STR("10.0.0.0/8"), &list[0]), ERR_OK);
    assert_true(str_eqz(peer__source_ip(&g, STR("10.0.0.1"), &headers), "1.2.3.4"));
    h[1].value = STR("10.2.2.2");
    assert_true(str_eqz(peer__source_ip(&g, STR("10.0.0.1"), &headers), "6.6.6.6"));
}

static void garbage_in_the_chain_is_not_believed(void **state)
{
    (void)state;
    assert_true(source("10.0.0.0/8", "10.1.1.1", "1.2.3.4, evil", "10.1.1.1"));
    assert_true(source("10.0.0.0/8", "10.1.1.1", ",", "10.1.1.1"));
}

static void networks_are_matched_to_the_bit(void **state)
{
    (void)state;
    struct cidr c;
    assert_int_equal(cidr_parse(STR("192.168.128.0/17"), &c), ERR_OK);
    assert_true(peer__in(&c, 1, STR("192.168.200.1")));
    assert_false(peer__in(&c, 1, STR("192.168.127.255")));
    assert_int_equal(cidr_parse(STR("127.0.0.1"), &c), ERR_OK);
    assert_true(peer__in(&c, 1, STR("127.0.0.1")));
    assert_true(peer__in(&c, 1, STR("::ffff:127.0.0.1")));
    assert_int_equal(cidr_parse(STR("10.0.0.0/33"), &c), ERR_INVALID);
    assert_int_equal(cidr_parse(STR("nonsense"), &c), ERR_INVALID);
    assert_int_equal(cidr_parse(STR("10.0.0.0/"), &c), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_cannot_choose_an_address),
        cmocka_unit_test(the_rightmost_untrusted_hop_is_the_client),
        cmocka_unit_test(several_lines_are_read_as_one),
        cmocka_unit_test(garbage_in_the_chain_is_not_believed),
        cmocka_unit_test(networks_are_matched_to_the_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
