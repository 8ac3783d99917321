/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow hashes. Expected values: RFC 7914 where it has them; else made for these tests with other
 * implementations than those that are linked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypt.h"
#include "base/kdf.h"
#include "lib/fault.h"

#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define UNICODE "p\xc3\xa4ssw\xc3\xb6rd-\xe5\xaf\x86\xe7\xa0\x81-\xf0\x9f\x94\x91"

static const unsigned char salt[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static const struct {
    const char *password, *hash;
} bcrypts[] = {
    {"", "0wepwisIeExi8ybx0B2rzAK4boF7Gdu"},
    {"correct horse", "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"},
    {UNICODE, "ZJ3/AJbJKnAAnrILBql4ao.Yf7iFG/."},
    {X64 "xxxxxxx", "uICn3ufyEtvHKum4tWideumBlRuJkIW"},
    {X64 X8, "4Y9NIw9xqV79LfyoAlCFvASSxc/20QW"},
    {X64 X8 "and what comes after 72 bytes", "4Y9NIw9xqV79LfyoAlCFvASSxc/20QW"},
    {"\xc3\xbf\xc2\xa3"
     "345",
     "Br5j1RvUvJNT5KnhaM5vnjWG/L./rpy"},
};

static void bcrypt_gives_the_known_answers(void **state)
{
    (void)state;
    char setting[KDF_BCRYPT_SETTING + 1], text[KDF_BCRYPT_TEXT + 1], again[KDF_BCRYPT_TEXT + 1];
    assert_int_equal(kdf_bcrypt_setting(5, salt, setting), ERR_OK);
    assert_string_equal(setting, "$2y$05$..CA.uOD/eaGAOmJB.yMBu");
    for (size_t i = 0; i < COUNTOF(bcrypts); i++) {
        assert_int_equal(kdf_bcrypt(str_c(bcrypts[i].password), str_c(setting), text), ERR_OK);
        assert_string_equal(text + KDF_BCRYPT_SETTING, bcrypts[i].hash);
        /* a hash is a setting too */
        assert_int_equal(kdf_bcrypt(str_c(bcrypts[i].password), str_c(text), again), ERR_OK);
        assert_string_equal(text, again);
    }
}

static void bcrypt_refuses_what_it_would_change(void **state)
{
    (void)state;
    char text[KDF_BCRYPT_TEXT + 1];
    const struct str good = STR("$2y$05$..CA.uOD/eaGAOmJB.yMBu");
    assert_int_equal(kdf_bcrypt(STR("a\0b"), good, text), ERR_INVALID);
    assert_int_equal(kdf_bcrypt(STR("\0"), good, text), ERR_INVALID);
    static const char *const bad[] = {
        "",
        "$2y$05$",
        "$2y$05$..CA.uOD/eaGAOmJB.yMB",
        "$2y$03$..CA.uOD/eaGAOmJB.yMBu",
        "$2y$32$..CA.uOD/eaGAOmJB.yMBu",
        "$2y$5$$..CA.uOD/eaGAOmJB.yMBu",
        "$2y$05$..CA.uOD/eaGAOmJB.yM!u",
        "$3y$05$..CA.uOD/eaGAOmJB.yMBu",
        "$6$rounds=5000$aaaaaaaaaaaaaaaaaaaa",
        "_J9..CCCC..CA.uOD/eaGAOmJB.yMBu",
    };
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (kdf_bcrypt(STR("x"), str_c(bad[i]), text) != ERR_INVALID)
            fail_msg("accepted %s", bad[i]);
    char setting[KDF_BCRYPT_SETTING + 1];
    assert_int_equal(kdf_bcrypt_setting(3, salt, setting), ERR_INVALID);
    assert_int_equal(kdf_bcrypt_setting(32, salt, setting), ERR_INVALID);
    assert_int_equal(kdf_bcrypt_setting(31, salt, setting), ERR_OK);
    assert_memory_equal(setting, "$2y$31$", 7);
}

static void argon2_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        enum kdf_argon2_type type;
        uint32_t lanes;
        const char *hash;
    } rows[] = {
        {KDF_ARGON2ID, 1, "F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8="},
        {KDF_ARGON2ID, 2, "PHbrvvMCn8xx5jptmnYeuQXECBYVI7E0YdHWrMIrGTg="},
        {KDF_ARGON2I, 1, "KYii0+uhZCQH6ff/HtedLMGe8upR+uJXNFlf9lUFRRs="},
        {KDF_ARGON2I, 2, "gyIkvUfOhYL7wMU/b97dynVz2CN87EBfZqFbyjBj+7o="},
        {KDF_ARGON2D, 1, "6BRzGYthbkMS9UO+klaSMeDnDWvf5MZqOKckqtjP4wA="},
        {KDF_ARGON2D, 2, "079EkmH3lQsVeY3Xg4QYFu60g3XMmJBtR3vz1vCtelg="},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct kdf_argon2 k = {rows[i].type, 19, 64, 2, rows[i].lanes};
        unsigned char out[32];
        AUTO_BUF text = BUF_INIT(100);
        assert_int_equal(kdf_argon2(&k, STR(UNICODE), str_of(salt, sizeof salt), out, sizeof out),
                         ERR_OK);
        crypt_base64(&text, str_of(out, sizeof out));
        assert_string_equal(buf_cstr(&text), rows[i].hash);
    }
}

static void argon2_refuses_what_is_none(void **state)
{
    (void)state;
    unsigned char out[32], other[32];
    const struct str s = str_of(salt, sizeof salt);
    struct kdf_argon2 k = {KDF_ARGON2ID, 19, 64, 2, 1};
    assert_int_equal(kdf_argon2(&k, STR("a\0b"), s, out, sizeof out), ERR_OK);
    assert_int_equal(kdf_argon2(&k, STR("a"), s, other, sizeof other), ERR_OK);
    assert_memory_not_equal(out, other, sizeof out);
    assert_int_equal(kdf_argon2(&k, STR_NONE, s, out, sizeof out), ERR_OK);
    assert_int_equal(kdf_argon2(&k, STR("x"), str_sub(s, 0, 7), out, sizeof out), ERR_INVALID);
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, 3), ERR_INVALID);
    k.version = 16;
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, sizeof out), ERR_OK);
    k.version = 20;
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, sizeof out), ERR_INVALID);
    k = (struct kdf_argon2){KDF_ARGON2ID, 19, 64, 0, 1};
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, sizeof out), ERR_INVALID);
    k = (struct kdf_argon2){KDF_ARGON2ID, 19, 64, 1, 0};
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, sizeof out), ERR_INVALID);
    k = (struct kdf_argon2){KDF_ARGON2ID, 19, 7, 1, 1};
    assert_int_equal(kdf_argon2(&k, STR("x"), s, out, sizeof out), ERR_INVALID);
}

/* RFC 7914 12, the first two and what is cheap of the rest */
static void scrypt_gives_the_answers_of_its_standard(void **state)
{
    (void)state;
    unsigned char out[64];
    char hex[129];
    assert_int_equal(kdf_scrypt(STR_NONE, STR_NONE, 16, 1, 1, out, sizeof out), ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                             "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    assert_int_equal(kdf_scrypt(STR("password"), STR("NaCl"), 1024, 8, 16, out, sizeof out),
                     ERR_OK);
    crypt_hex(out, sizeof out, hex);
    assert_string_equal(hex, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                             "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

static void scrypt_refuses_what_is_none(void **state)
{
    (void)state;
    unsigned char out[64];
    static const struct {
        uint64_t n, blocks, parallel;
    } bad[] = {{0, 8, 1},           {1, 8, 1},           {1000, 8, 1},
               {16, 0, 1},          {16, 8, 0},          {UINT64_MAX, 8, 1},
               {16, UINT64_MAX, 1}, {16, 8, UINT64_MAX}, {UINT64_C(1) << 60, UINT64_C(1) << 31, 1}};
    for (size_t i = 0; i < COUNTOF(bad); i++)
        if (kdf_scrypt(STR("x"), STR("y"), bad[i].n, bad[i].blocks, bad[i].parallel, out,
                       sizeof out) != ERR_INVALID)
            fail_msg("accepted row %zu", i);
}

static void firebase_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *password;
        uint64_t n, blocks;
        const char *hash;
    } rows[] = {
        {"correct horse", 1024, 8,
         "T45wDdwO4XnF6JWlopEppARSaw9kwQqqGT//"
         "S1GlYyNmm0xzBH+nlr6z2B7zWQiht39Rcll+I8QlYRqnIrme5g=="},
        {"correct horse", 16, 2,
         "e9whTuLQYWDX9B3HSFepmw1Ein2BiTl3Pykbm33Gai2ck5WcyRG20NLUbq0iCQVrRJxM6eD5Q7pddpyJ2HRXqA="
         "="},
        {UNICODE, 1024, 8,
         "SVVIjxxdAwpHiy4v2DbRqPedPaCoZc/hBLfPxtRGEMFPRfLOLBZVqkxKDYXVlFa8XvvaoXP/"
         "I8wS9QfI50XKSw=="},
        {UNICODE, 16, 2,
         "0TqUb/"
         "xeCuJxnnUx6VrA1JLCw+gL46emmVQJzHrGNkEDEP4Ynzma+2BasyVdVoo6yG4gEN3VhPxRvsMwQfJ6cw=="},
    };
    const struct str signer =
        STR("signer key of the tests: 64 bytes, of which none is secret....!!");
    char salted[17];
    memcpy(salted, salt, sizeof salt);
    salted[16] = 7;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        unsigned char out[64];
        AUTO_BUF text = BUF_INIT(100);
        assert_int_equal(kdf_firebase(str_c(rows[i].password), str_of(salted, sizeof salted),
                                      rows[i].n, rows[i].blocks, signer, out),
                         ERR_OK);
        crypt_base64(&text, str_of(out, sizeof out));
        assert_string_equal(buf_cstr(&text), rows[i].hash);
    }
}

static enum err hashes(void *arg)
{
    (void)arg;
    char text[KDF_BCRYPT_TEXT + 1];
    unsigned char out[32];
    const struct kdf_argon2 k = {KDF_ARGON2ID, 19, 8, 1, 1};
    enum err err = kdf_bcrypt(STR("x"), STR("$2y$04$..CA.uOD/eaGAOmJB.yMBu"), text);
    if (err == ERR_OK)
        err = kdf_argon2(&k, STR("x"), str_of(salt, sizeof salt), out, sizeof out);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(hashes, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bcrypt_gives_the_known_answers),
        cmocka_unit_test(bcrypt_refuses_what_it_would_change),
        cmocka_unit_test(argon2_gives_the_known_answers),
        cmocka_unit_test(argon2_refuses_what_is_none),
        cmocka_unit_test(scrypt_gives_the_answers_of_its_standard),
        cmocka_unit_test(scrypt_refuses_what_is_none),
        cmocka_unit_test(firebase_gives_the_known_answers),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
