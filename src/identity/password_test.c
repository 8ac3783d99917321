/* SPDX-License-Identifier: Apache-2.0
 *
 * Password hashes as text. Expected values were made for these tests with other implementations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "lib/fault.h"
#include "password_int.h"

#define UNICODE "p\xc3\xa4ssw\xc3\xb6rd-\xe5\xaf\x86\xe7\xa0\x81-\xf0\x9f\x94\x91"
#define SALT "AAECAwQFBgcICQoLDA0ODw"
#define B5 "$05$..CA.uOD/eaGAOmJB.yMBu"
#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define FIREBASE_HASH \
    "T45wDdwO4XnF6JWlopEppARSaw9kwQqqGT//S1GlYyNmm0xzBH+nlr6z2B7zWQiht39Rcll+I8QlYRqnIrme5g=="
#define SIGNER \
    "c2lnbmVyIGtleSBvZiB0aGUgdGVzdHM6IDY0IGJ5dGVzLCBvZiB3aGljaCBub25lIGlzIHNlY3JldC4uLi4hIQ=="

static struct core_config settings(enum password_alg alg)
{
    return (struct core_config){.password_alg = alg,
                                .bcrypt_rounds = 4,
                                .argon2_iterations = 1,
                                .argon2_memory_kib = 64,
                                .argon2_parallelism = 2,
                                .firebase_signer_key = STR(SIGNER)};
}

static const struct {
    const char *password, *hash;
} good[] = {
    {"correct horse", "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"},
    {"correct horse", "$2b" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"},
    {"correct horse", "$2x" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"},
    {"correct horse", "$2y" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"},
    {"", "$2a" B5 "0wepwisIeExi8ybx0B2rzAK4boF7Gdu"},
    {UNICODE, "$2a" B5 "ZJ3/AJbJKnAAnrILBql4ao.Yf7iFG/."},
    {UNICODE, "$2x" B5 "ZJ3/AJbJKnAAnrILBql4ao.Yf7iFG/."},
    {X64 X8, "$2a" B5 "4Y9NIw9xqV79LfyoAlCFvASSxc/20QW"},
    {UNICODE, "$argon2id$v=19$m=64,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8"},
    {UNICODE, "$argon2id$v=19$m=64,t=2,p=2$" SALT "$PHbrvvMCn8xx5jptmnYeuQXECBYVI7E0YdHWrMIrGTg"},
    {UNICODE, "$argon2i$v=19$m=64,t=2,p=1$" SALT "$KYii0+uhZCQH6ff/HtedLMGe8upR+uJXNFlf9lUFRRs"},
    {UNICODE, "$argon2d$v=19$m=64,t=2,p=2$" SALT "$079EkmH3lQsVeY3Xg4QYFu60g3XMmJBtR3vz1vCtelg"},
    {"correct horse", "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8$s=Bw=="},
    {"correct horse", "$f_scrypt$" FIREBASE_HASH "$" SALT "==$s=Bw==$r=8$m=10"},
};

static void known_hashes_are_verified(void **state)
{
    (void)state;
    const struct core_config g = settings(PASSWORD_BCRYPT);
    for (size_t i = 0; i < COUNTOF(good); i++) {
        if (password_verify(&g, str_c(good[i].password), str_c(good[i].hash)) != ERR_OK)
            fail_msg("refused %s", good[i].hash);
        if (password_verify(&g, STR("correct horsE"), str_c(good[i].hash)) != ERR_DENIED)
            fail_msg("took another password for %s", good[i].hash);
        struct errinfo e;
        if (password_check_import(&g, STR_NONE, str_c(good[i].hash), &e) != ERR_OK)
            fail_msg("cannot import %s: %s", good[i].hash, e.text);
    }
}

static void a_changed_hash_is_refused(void **state)
{
    (void)state;
    const struct core_config g = settings(PASSWORD_BCRYPT);
    for (size_t i = 0; i < COUNTOF(good); i++) {
        size_t n = strlen(good[i].hash);
        char copy[256];
        for (size_t k = 7; k < n; k += 5) {
            memcpy(copy, good[i].hash, n + 1);
            copy[k] = copy[k] == 'Q' ? 'R' : 'Q';
            if (password_verify(&g, str_c(good[i].password), str_of(copy, n)) == ERR_OK)
                fail_msg("took %s", copy);
        }
        for (size_t k = 0; k < n; k++)
            if (password_verify(&g, str_c(good[i].password), str_of(good[i].hash, k)) == ERR_OK)
                fail_msg("took %.*s", (int)k, good[i].hash);
    }
}

static void what_is_made_is_verified(void **state)
{
    (void)state;
    static const struct {
        enum password_alg alg;
        const char *begins;
        size_t n;
    } rows[] = {{PASSWORD_BCRYPT, "$2a$04$", 60},
                {PASSWORD_ARGON2, "$argon2id$v=19$m=64,t=1,p=2$", 94}};
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct core_config g = settings(rows[i].alg);
        struct arena *a = arena_new(1024, 8192);
        struct str one, two;
        assert_int_equal(password_hash(a, &g, STR(UNICODE), &one), ERR_OK);
        assert_int_equal(password_hash(a, &g, STR(UNICODE), &two), ERR_OK);
        assert_true(str_starts(one, str_c(rows[i].begins)));
        assert_int_equal(one.n, rows[i].n);
        assert_false(str_eq(one, two)); /* each has its own salt */
        assert_int_equal(password_verify(&g, STR(UNICODE), one), ERR_OK);
        assert_int_equal(password_verify(&g, STR("x"), one), ERR_DENIED);
        assert_false(password_is_dated(&g, one));
        arena_free(a);
    }
}

static void passwords_are_never_changed(void **state)
{
    (void)state;
    static char large[1 << 20];
    memset(large, 'x', sizeof large);
    for (int alg = PASSWORD_BCRYPT; alg <= PASSWORD_ARGON2; alg++) {
        const struct core_config g = settings((enum password_alg)alg);
        struct arena *a = arena_new(1024, 1 << 16);
        struct str out;
        assert_int_equal(password_hash(a, &g, STR("a\0b"), &out), ERR_INVALID);
        assert_int_equal(password_hash(a, &g, str_of(large, LIMIT_PASSWORD + 1), &out), ERR_LIMIT);
        assert_int_equal(password_hash(a, &g, str_of(large, sizeof large), &out), ERR_LIMIT);
        assert_int_equal(password_hash(a, &g, str_of(large, LIMIT_PASSWORD), &out), ERR_OK);
        assert_int_equal(password_verify(&g, str_of(large, LIMIT_PASSWORD), out), ERR_OK);
        assert_int_equal(password_verify(&g, str_of(large, sizeof large), out), ERR_DENIED);
        /* bcrypt has room for 72 bytes; Argon2 takes them all */
        assert_int_equal(password_verify(&g, str_of(large, 72), out),
                         alg == PASSWORD_BCRYPT ? ERR_OK : ERR_DENIED);
        assert_int_equal(password_verify(&g, str_of(large, 71), out), ERR_DENIED);
        assert_int_equal(password_hash(a, &g, STR("a"), &out), ERR_OK);
        assert_int_equal(password_verify(&g, STR("a\0b"), out), ERR_DENIED);
        assert_int_equal(password_verify(&g, STR("a "), out), ERR_DENIED);
        assert_int_equal(password_verify(&g, STR("A"), out), ERR_DENIED);
        /* composed and decomposed are two passwords */
        assert_int_equal(password_hash(a, &g, STR("\xc3\xa9"), &out), ERR_OK);
        assert_int_equal(password_verify(&g, STR("e\xcc\x81"), out), ERR_DENIED);
        arena_free(a);
    }
}

static const char *const costly[] = {
    "$2a$16$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$2a$31$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$argon2id$v=19$m=4194304,t=1,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=4294967295,t=4294967295,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5e",
    "$argon2d$v=19$m=262144,t=5,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2i$v=19$m=64,t=4294967295,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2i$v=19$m=8192,t=1,p=65$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=30$r=8$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=17$r=8$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=14$r=33$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=1$r=4294967295$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=4294967295$r=1$s=Bw==",
};

static void what_costs_too_much_is_never_computed(void **state)
{
    (void)state;
    const struct core_config g = settings(PASSWORD_BCRYPT);
    for (size_t i = 0; i < COUNTOF(costly); i++) {
        struct errinfo e;
        assert_int_equal(password_check_import(&g, STR_NONE, str_c(costly[i]), &e), ERR_INVALID);
        assert_string_equal(e.text, "Password hash costs too much to verify");
        /* it would not come back from these */
        assert_int_equal(password_verify(&g, STR("x"), str_c(costly[i])), ERR_DENIED);
    }
    /* whoever configures such a cost gets it */
    struct core_config own = settings(PASSWORD_BCRYPT);
    own.bcrypt_rounds = 16;
    assert_int_equal(password_check_import(&own, STR_NONE, str_c(costly[0]), NULL), ERR_OK);
    own.argon2_memory_kib = 4194304;
    assert_int_equal(password_check_import(&own, STR_NONE, str_c(costly[2]), NULL), ERR_OK);
}

static const char *const malformed[] = {
    "",
    "secret",
    "$",
    "$2a$",
    "$2c" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g",
    "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g66",
    "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g!",
    "$2a$03$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$2a$32$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$2a$+5$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6",
    "$argon2",
    "$argon2id",
    "$argon2x$v=19$m=64,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=18$m=64,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=2$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$t=2,m=64,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=0,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=2,p=0$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=7,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=064,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=-64,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=4294967296,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=2,p=1$AAECAwQ$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=2,p=1$" SALT "$F9FJ",
    "$argon2id$v=19$m=64,t=2,p=1$" SALT "$",
    "$argon2id$v=19$m=64,t=2,p=1$" SALT "==$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8",
    "$argon2id$v=19$m=64,t=2,p=1$" SALT "$F9FJ/CQuu25+sPX0hSDdtqRf9o5eRr/JKqYNgkURIN8$",
    "$f_scrypt$",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8$s=",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$m=10$r=8",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=0$r=8$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8$s=Bw==$",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8$s=Bw==$x=1",
    "$f_scrypt$" FIREBASE_HASH "$" SALT "$m=10$r=8$s=Bw==",
    "f_scrypt$" FIREBASE_HASH "$" SALT "==$m=10$r=8$s=Bw==",
    "$f_scrypt$" FIREBASE_HASH FIREBASE_HASH "$" SALT "==$m=10$r=8$s=Bw==",
};

static void malformed_hashes_are_refused_and_never_match(void **state)
{
    (void)state;
    const struct core_config g = settings(PASSWORD_BCRYPT);
    for (size_t i = 0; i < COUNTOF(malformed); i++) {
        struct errinfo e;
        if (password_check_import(&g, STR_NONE, str_c(malformed[i]), &e) != ERR_INVALID)
            fail_msg("imported %s", malformed[i]);
        assert_string_equal(e.text, "Password hash is in invalid format");
        if (password_verify(&g, STR("correct horse"), str_c(malformed[i])) != ERR_DENIED)
            fail_msg("took %s", malformed[i]);
    }
    assert_int_equal(password_verify(&g, STR(""), STR_NONE), ERR_DENIED);
}

static void an_import_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *alg, *hash;
        enum err err;
        const char *words;
    } rows[] = {
        {"BCRYPT", "x", ERR_INVALID, "Password hash is in invalid BCrypt format"},
        {"ARGON2", "x", ERR_INVALID, "Password hash is in invalid Argon2 format"},
        {"FIREBASE_SCRYPT", "x", ERR_INVALID, "Password hash is in invalid Firebase SCrypt format"},
        {"ARGON2", "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6", ERR_INVALID,
         "Password hash is in invalid Argon2 format"},
        {"md5", "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6", ERR_UNSUPPORTED,
         "Unsupported password hashing algorithm"},
        {"MD5", "x", ERR_UNSUPPORTED, "Unsupported password hashing algorithm"},
        {"BCRYPT", "$2a" B5 "Iiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6", ERR_OK, ""},
    };
    struct core_config g = settings(PASSWORD_BCRYPT);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct errinfo e = {.text = ""};
        assert_int_equal(password_check_import(&g, str_c(rows[i].alg), str_c(rows[i].hash), &e),
                         rows[i].err);
        assert_string_equal(e.text, rows[i].words);
    }
    g.firebase_signer_key = STR_NONE;
    struct errinfo e;
    const struct str firebase = str_c(good[12].hash);
    assert_int_equal(password_check_import(&g, STR_NONE, firebase, &e), ERR_UNAVAILABLE);
    assert_string_equal(e.text, "'firebase_password_hashing_signer_key' cannot be null");
    assert_int_equal(password_check_import(&g, STR("FIREBASE_SCRYPT"), STR("x"), &e),
                     ERR_UNAVAILABLE);
    assert_int_equal(password_verify(&g, STR("correct horse"), firebase), ERR_DENIED);
    g.firebase_signer_key = STR("invalidSignerkey");
    assert_int_equal(password_verify(&g, STR("correct horse"), firebase), ERR_DENIED);
    g.firebase_signer_key = STR("AAAA");
    assert_int_equal(password_verify(&g, STR("correct horse"), firebase), ERR_DENIED);
}

static void cheaper_and_other_hashes_are_dated(void **state)
{
    (void)state;
    struct core_config b = settings(PASSWORD_BCRYPT), a = settings(PASSWORD_ARGON2);
    const struct str bcrypt = str_c(good[0].hash), argon2 = str_c(good[9].hash);
    assert_false(password_is_dated(&b, bcrypt)); /* dearer than asked for: it stays */
    b.bcrypt_rounds = 5;
    assert_false(password_is_dated(&b, bcrypt));
    b.bcrypt_rounds = 6;
    assert_true(password_is_dated(&b, bcrypt));
    assert_true(password_is_dated(&b, argon2));
    assert_true(password_is_dated(&b, str_c(good[12].hash)));
    assert_true(password_is_dated(&a, bcrypt));
    assert_false(password_is_dated(&a, argon2));
    a.argon2_iterations = 3;
    assert_true(password_is_dated(&a, argon2));
    a = settings(PASSWORD_ARGON2);
    a.argon2_memory_kib = 65;
    assert_true(password_is_dated(&a, argon2));
    a = settings(PASSWORD_ARGON2);
    assert_true(password_is_dated(&a, str_c(good[10].hash))); /* argon2i */
    assert_false(password_is_dated(&a, STR("unreadable")));
}

static enum err hash_and_verify(void *arg)
{
    const struct core_config g = settings(*(const enum password_alg *)arg);
    struct arena *a = arena_new(256, 8192);
    struct str hash;
    if (!a)
        return ERR_NOMEM;
    enum err err = password_hash(a, &g, STR("x"), &hash);
    if (err == ERR_OK)
        err = password_verify(&g, STR("x"), hash);
    if (err == ERR_OK)
        err = password_verify(&g, STR("x"), STR_NONE) == ERR_DENIED ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK)
        err = password_verify(&g, STR("correct horse"), str_c(good[12].hash));
    if (err == ERR_OK)
        err = password_check_import(&g, STR_NONE, str_c(good[9].hash), NULL);
    arena_free(a);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    for (enum password_alg alg = PASSWORD_BCRYPT; alg <= PASSWORD_ARGON2; alg++)
        fault_each(hash_and_verify, &alg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hashes_are_verified),
        cmocka_unit_test(a_changed_hash_is_refused),
        cmocka_unit_test(what_is_made_is_verified),
        cmocka_unit_test(passwords_are_never_changed),
        cmocka_unit_test(what_costs_too_much_is_never_computed),
        cmocka_unit_test(malformed_hashes_are_refused_and_never_match),
        cmocka_unit_test(an_import_says_what_is_wrong),
        cmocka_unit_test(cheaper_and_other_hashes_are_dated),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
