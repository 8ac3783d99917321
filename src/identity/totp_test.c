/* SPDX-License-Identifier: Apache-2.0
 *
 * Authenticator devices call by call, each with every allocation failing first: a code that the
 * memory did not suffice to judge is neither used up nor a wrong try. */
#include "call_fixture.h"
#include "totp_int.h"

#define TOTP "/recipe/totp"
/* RFC 6238's secret; the fixture's clock stands at one second, in the first period. */
#define SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
#define NOW "755224"
#define NEXT "287082"
#define OK "{\"status\":\"OK\"}"

static const char invalid[] =
    "{\"status\":\"INVALID_TOTP_ERROR\",\"currentNumberOfFailedAttempts\":%d,"
    "\"maxNumberOfFailedAttempts\":5}";

static void fails(int n, const char *code)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    AUTO_BUF out = BUF_INIT(KIB(1));
    buf_addf(&in, "{\"userId\":\"u\",\"totp\":\"%s\"}", code);
    buf_addf(&out, invalid, n);
    says("POST " TOTP "/verify", buf_cstr(&in), buf_cstr(&out));
}

static void bring(const char *name)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    AUTO_BUF out = BUF_INIT(KIB(1));
    buf_addf(&in,
             "{\"userId\":\"u\",\"deviceName\":\"%s\",\"skew\":1,\"period\":30,"
             "\"secretKey\":\"" SECRET "\"}",
             name);
    buf_addf(&out, "{\"status\":\"OK\",\"deviceName\":\"%s\"}", name);
    says("POST " TOTP "/device/import", buf_cstr(&in), buf_cstr(&out));
}

static void a_code_is_good_once(void **state)
{
    (void)state;
    bring("phone");
    says("POST " TOTP "/verify", "{\"userId\":\"u\",\"totp\":\"" NOW "\"}", OK);
    fails(1, NOW);
    says("POST " TOTP "/verify", "{\"userId\":\"u\",\"totp\":\"" NEXT "\"}", OK);
    says("POST " TOTP "/verify", "{\"userId\":\"v\",\"totp\":\"" NOW "\"}",
         "{\"status\":\"UNKNOWN_USER_ID_ERROR\"}");
}

static void wrong_ones_count_once_each(void **state)
{
    (void)state;
    bring("phone");
    for (int n = 1; n <= 5; n++)
        fails(n, "nothing");
    says("POST " TOTP "/verify", "{\"userId\":\"u\",\"totp\":\"" NOW "\"}",
         "{\"status\":\"LIMIT_REACHED_ERROR\",\"retryAfterMs\":900004,"
         "\"currentNumberOfFailedAttempts\":5,\"maxNumberOfFailedAttempts\":5}");
}

static void a_device_is_verified_by_a_code_of_its_own(void **state)
{
    (void)state;
    AUTO_BUF secret = BUF_INIT(KIB(1));
    AUTO_BUF in = BUF_INIT(KIB(1));
    char code[TOTP_DIGITS + 1];
    const struct json *v = NULL;
    const char *text =
        answer("POST " TOTP "/device", "{\"userId\":\"u\",\"skew\":0,\"period\":30}");
    assert_int_equal(json_parse(answers, str_c(text), MIB(1), &v, NULL), ERR_OK);
    assert_true(str_eqz(json_str_or(json_get(v, "deviceName"), STR("")), "TOTP Device 0"));
    assert_int_equal(totp_read_secret(json_str_or(json_get(v, "secret"), STR("")), &secret),
                     ERR_OK);
    assert_int_equal(totp_code(buf_str(&secret), 0, code), ERR_OK);
#define DEVICE "{\"userId\":\"u\",\"deviceName\":\"TOTP Device 0\",\"totp\":\"%s\"}"
    buf_addf(&in, DEVICE, code);
    says("POST " TOTP "/device/verify", buf_cstr(&in),
         "{\"status\":\"OK\",\"wasAlreadyVerified\":false}");
    says("POST " TOTP "/device/verify", buf_cstr(&in),
         "{\"status\":\"OK\",\"wasAlreadyVerified\":true}");
    says("GET " TOTP "/device/list", "userId=u",
         "{\"status\":\"OK\",\"devices\":[{\"name\":\"TOTP Device 0\",\"period\":30,\"skew\":0,"
         "\"verified\":true}]}");
}

static void devices_are_renamed_and_removed(void **state)
{
    (void)state;
    bring("a");
    bring("b");
#define RENAME(from, to) \
    "{\"userId\":\"u\",\"existingDeviceName\":\"" from "\",\"newDeviceName\":\"" to "\"}"
    says("PUT " TOTP "/device", RENAME("a", "b"), "{\"status\":\"DEVICE_ALREADY_EXISTS_ERROR\"}");
    says("PUT " TOTP "/device", RENAME("c", "d"), "{\"status\":\"UNKNOWN_DEVICE_ERROR\"}");
    says("PUT " TOTP "/device", RENAME("a", "c"), OK);
#define REMOVE(name) "{\"userId\":\"u\",\"deviceName\":\"" name "\"}"
    says("POST " TOTP "/device/remove", REMOVE("a"),
         "{\"status\":\"OK\",\"didDeviceExist\":false}");
    says("POST " TOTP "/device/remove", REMOVE("b"), "{\"status\":\"OK\",\"didDeviceExist\":true}");
    fails(1, "nothing");
    says("POST " TOTP "/device/remove", REMOVE("c"), "{\"status\":\"OK\",\"didDeviceExist\":true}");
    says("GET " TOTP "/device/list", "userId=u", "{\"status\":\"OK\",\"devices\":[]}");
    bring("a");
    fails(1, "nothing"); /* the tries went with the last device */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start_core, stop_core)
    const struct CMUnitTest tests[] = {
        TEST(a_code_is_good_once),
        TEST(wrong_ones_count_once_each),
        TEST(a_device_is_verified_by_a_code_of_its_own),
        TEST(devices_are_renamed_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
