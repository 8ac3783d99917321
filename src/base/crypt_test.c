/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, randomness, encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/crypt.h"
#include "lib/fault.h"

static void digests_are_those_of_the_standards(void **state)
{
    (void)state;
    unsigned char out[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    assert_int_equal(crypt_sha256(STR("abc"), out), ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(crypt_sha256(STR_NONE, out), ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    /* RFC 4231 4.3 */
    assert_int_equal(crypt_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out),
                     ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(crypt_hmac_sha256(STR_NONE, STR_NONE, out), ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void comparison_sees_every_byte(void **state)
{
    (void)state;
    assert_true(crypt_equal(STR("secret"), STR("secret")));
    assert_false(crypt_equal(STR("secret"), STR("secreT")));
    assert_false(crypt_equal(STR("secret"), STR("secre")));
    assert_true(crypt_equal(STR_NONE, STR("")));
}

static void secrets_are_overwritten(void **state)
{
    (void)state;
    char secret[] = "secret";
    static const char zero[sizeof secret];
    crypt_cleanse(secret, sizeof secret);
    assert_memory_equal(secret, zero, sizeof secret);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    unsigned char a[32] = {0}, b[32] = {0};
    assert_int_equal(crypt_random(a, sizeof a), ERR_OK);
    assert_int_equal(crypt_random(b, sizeof b), ERR_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(crypt_random(a, 0), ERR_OK);
}

/* RFC 4648 10 */
static const struct {
    const char *plain, *base64, *base64url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void base64_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(vectors); i++) {
        AUTO_BUF b = BUF_INIT(100);
        crypt_base64(&b, str_c(vectors[i].plain));
        assert_string_equal(buf_cstr(&b), vectors[i].base64);
        buf_reset(&b);
        crypt_base64url(&b, str_c(vectors[i].plain));
        assert_string_equal(buf_cstr(&b), vectors[i].base64url);
        buf_reset(&b);
        assert_int_equal(crypt_base64_decode(&b, str_c(vectors[i].base64)), ERR_OK);
        assert_string_equal(buf_cstr(&b), vectors[i].plain);
        buf_reset(&b);
        assert_int_equal(crypt_base64url_decode(&b, str_c(vectors[i].base64url)), ERR_OK);
        assert_string_equal(buf_cstr(&b), vectors[i].plain);
    }
}

static void loose_encodings_are_refused(void **state)
{
    (void)state;
    static const char *const url[] = {"Zg==",   "Zg=",  "Z",    "Zh",    "Zm9",       "Zm 9",
                                      "Zm9v\n", "Zm9+", "Zm9/", "ZZZZZ", "Z\xc3\xa9", "===="};
    static const char *const padded[] = {"Zg",   "Zg=",  "Zh==",     "Zm9=",     "Zm9-", "Zm9_",
                                         "====", "Z===", "Zg==Zg==", "Zm9v\r\n", "=Zg="};
    AUTO_BUF b = BUF_INIT(100);
    for (size_t i = 0; i < COUNTOF(url); i++)
        if (crypt_base64url_decode(&b, str_c(url[i])) != ERR_SYNTAX)
            fail_msg("accepted %s", url[i]);
    for (size_t i = 0; i < COUNTOF(padded); i++)
        if (crypt_base64_decode(&b, str_c(padded[i])) != ERR_SYNTAX)
            fail_msg("accepted %s", padded[i]);
    assert_int_equal(b.n, 0);
}

static void decoding_appends(void **state)
{
    (void)state;
    AUTO_BUF b = BUF_INIT(100);
    buf_addz(&b, "x=");
    assert_int_equal(crypt_base64url_decode(&b, STR("Zm9v")), ERR_OK);
    assert_string_equal(buf_cstr(&b), "x=foo");
}

static void uuids_have_the_form_of_version_4(void **state)
{
    (void)state;
    char a[37], b[37];
    for (int i = 0; i < 500; i++) {
        crypt_uuid(a);
        crypt_uuid(b);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), 36);
        for (int k = 0; k < 36; k++)
            if (k == 8 || k == 13 || k == 18 || k == 23)
                assert_int_equal(a[k], '-');
            else
                assert_non_null(strchr("0123456789abcdef", a[k]));
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
    }
}

static void a_forked_child_draws_its_own_uuids(void **state)
{
    (void)state;
    char ours[37], theirs[37] = "";
    int ends[2];
    crypt_uuid(ours);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        crypt_uuid(theirs);
        _exit(write(ends[1], theirs, sizeof theirs) != sizeof theirs);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    crypt_uuid(ours);
    assert_string_not_equal(ours, theirs);
    close(ends[0]);
    close(ends[1]);
}

static enum err code(void *arg)
{
    (void)arg;
    AUTO_BUF b = BUF_INIT(1000), c = BUF_INIT(1000);
    crypt_base64url(&b, STR("some bytes"));
    if (b.err != ERR_OK)
        return b.err;
    return crypt_base64url_decode(&c, buf_str(&b));
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(code, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standards),
        cmocka_unit_test(comparison_sees_every_byte),
        cmocka_unit_test(secrets_are_overwritten),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(base64_round_trips),
        cmocka_unit_test(loose_encodings_are_refused),
        cmocka_unit_test(decoding_appends),
        cmocka_unit_test(uuids_have_the_form_of_version_4),
        cmocka_unit_test(a_forked_child_draws_its_own_uuids),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
