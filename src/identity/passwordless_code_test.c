/* SPDX-License-Identifier: Apache-2.0
 *
 * What is sent and what is stored of it: forms, digests, and that one does not give the other. */
#include "base/crypt.h"
#include "lib/fault.h"
#include "passwordless_int.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(KIB(4), MIB(1));
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

#define DEVICE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SALT "//////////////////////////////////////////8="

static void a_device_is_known_by_the_digest_of_its_id(void **state)
{
    struct passwordless_device_id d, again;
    (void)state;
    assert_int_equal(passwordless_read_device(arena, STR(DEVICE), &d), ERR_OK);
    assert_true(str_eqz(d.text, DEVICE));
    assert_true(str_eqz(d.hash, "Yw3NKWbEM2aRElRIu7JbT_QSpJxzLbLIq8G4WBvXEN0"));
    assert_int_equal(passwordless_new_device(arena, &d), ERR_OK);
    assert_int_equal(d.text.n, 44);
    assert_int_equal(d.hash.n, 43);
    assert_int_equal(passwordless_read_device(arena, str_sub(d.text, 0, 43), &again), ERR_OK);
    assert_true(str_eq(d.hash, again.hash));
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const bad[] = {"", "=", "A", "not base64!", DEVICE "A", "é"};
    struct passwordless_device_id d;
    struct passwordless_code code;
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        assert_int_equal(passwordless_read_device(arena, str_c(bad[i]), &d), ERR_INVALID);
        assert_int_equal(passwordless_read_link(arena, str_c(bad[i]), &code), ERR_INVALID);
    }
    /* Another length is somebody else's: it is found nowhere, and that is all that is said. */
    assert_int_equal(passwordless_read_device(arena, STR("AAECAw=="), &d), ERR_OK);
    assert_int_equal(passwordless_read_link(arena, STR("invalidLinkCode"), &code), ERR_OK);
}

static void a_code_needs_device_salt_and_input(void **state)
{
    struct passwordless_device_id d, other;
    struct passwordless_code code, same, read;
    struct str salt;
    (void)state;
    assert_int_equal(passwordless_read_device(arena, STR(DEVICE), &d), ERR_OK);
    assert_int_equal(passwordless_code_of(arena, &d, STR(SALT), STR("123456"), &code), ERR_OK);
    assert_int_equal(passwordless_code_of(arena, &d, STR(SALT), STR("123456"), &same), ERR_OK);
    assert_true(str_eq(code.link, same.link));
    assert_int_equal(code.link.n, 43);
    assert_int_equal(passwordless_read_link(arena, code.link, &read), ERR_OK);
    assert_true(str_eq(code.link_hash, read.link_hash));
    assert_false(str_eq(code.link, code.link_hash));

    assert_int_equal(passwordless_code_of(arena, &d, STR(SALT), STR("123457"), &same), ERR_OK);
    assert_false(str_eq(code.link, same.link));
    assert_int_equal(passwordless_new_salt(arena, &salt), ERR_OK);
    assert_int_equal(passwordless_code_of(arena, &d, salt, STR("123456"), &same), ERR_OK);
    assert_false(str_eq(code.link, same.link));
    assert_int_equal(passwordless_new_device(arena, &other), ERR_OK);
    assert_int_equal(passwordless_code_of(arena, &other, STR(SALT), STR("123456"), &same), ERR_OK);
    assert_false(str_eq(code.link, same.link));
}

static void inputs_are_six_digits_that_differ(void **state)
{
    bool seen[10] = {false};
    struct str first, s;
    size_t same = 0;
    (void)state;
    assert_int_equal(passwordless_new_input(arena, &first), ERR_OK);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(passwordless_new_input(arena, &s), ERR_OK);
        assert_int_equal(s.n, 6);
        for (size_t k = 0; k < s.n; k++) {
            assert_in_range(s.p[k], '0', '9');
            seen[s.p[k] - '0'] = true;
        }
        same += str_eq(first, s);
    }
    assert_true(same < 3);
    for (size_t i = 0; i < COUNTOF(seen); i++)
        assert_true(seen[i]);
}

static enum err make_all(void *arg)
{
    struct arena *a = arena_new(64, MIB(1));
    struct passwordless_device_id d;
    struct passwordless_code code;
    struct str salt, input;
    (void)arg;
    enum err err = a ? passwordless_new_device(a, &d) : ERR_NOMEM;
    err = err ? err : passwordless_new_salt(a, &salt);
    err = err ? err : passwordless_new_input(a, &input);
    err = err ? err : passwordless_code_of(a, &d, salt, input, &code);
    err = err ? err : passwordless_read_link(a, code.link, &code);
    err = err ? err : passwordless_read_device(a, d.text, &d);
    arena_free(a);
    return err;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    fault_each(make_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_is_known_by_the_digest_of_its_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_id_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_code_needs_device_salt_and_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inputs_are_six_digits_that_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_may_run_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
