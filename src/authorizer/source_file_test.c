/* SPDX-License-Identifier: Apache-2.0
 *
 * Key files as they are found: what is a set of keys, what is refused with the file's name, and
 * that running out of memory is neither. */
#include "source_int.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "jose/jwt.h"
#include "lib/fault.h"

static char folder[] = "/tmp/ropeline-keys-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[16][200];
    static unsigned turn;
    char *out = path[turn++ % 16];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static void write_text(const char *name, struct str text)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    close(fd);
}

/* "kN" EC keys: cheap to make and small. */
static void write_set(const char *name, size_t n)
{
    AUTO_BUF text = BUF_INIT(KIB(256));
    buf_addz(&text, "{\"keys\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(&text,
                 "%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"kid\":\"k%zu\",\"x\":"
                 "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
                 "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
                 i ? "," : "", i);
    buf_addz(&text, "]}");
    write_text(name, buf_str(&text));
}

static struct key_file plain(const char *name)
{
    return (struct key_file){.path = str_c(in_folder(name))};
}

static enum err read_one(struct key_file f, struct jwks **keys, struct errinfo *e)
{
    return source__read_files(&f, 1, keys, e);
}

static void sets_and_pem_files_are_joined(void **state)
{
    (void)state;
    struct jwks *keys = NULL;
    struct key_file files[] = {plain("set.json"), plain("two.json"), plain("key.pem")};
    files[2].has_about = true;
    files[2].about = (struct jwk_about){
        .has_kid = true, .kid = STR("pem"), .status = JWK_RETIRED, .retires_s = 5};
    write_set("set.json", 1);
    write_text("two.json",
               STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"other\",\"x\":"
                   "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
                   "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"));
    AUTO_BUF private_pem = BUF_INIT(KIB(16));
    AUTO_BUF public_pem = BUF_INIT(KIB(16));
    assert_int_equal(jwk_make_pem(STR("ES256"), &private_pem, &public_pem), ERR_OK);
    write_text("key.pem", buf_str(&public_pem));
    struct errinfo e = {0};
    if (source__read_files(files, 3, &keys, &e) != ERR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(keys->n, 3);
    assert_true(jwks_named(keys, STR("other")) && jwks_named(keys, STR("k0")));
    assert_int_equal(jwks_named(keys, STR("pem"))->status, JWK_RETIRED);
    jwks_unref(keys);
}

static void what_is_no_key_file_is_refused_with_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text; /* NULL: as it lies there */
        bool about;
        const char *word;
    } rows[] = {
        {"absent.json", NULL, false, "absent.json"},
        {"folder", NULL, false, "regular file"},
        {"pipe", NULL, false, "regular file"},
        {"empty", "", false, "empty"},
        {"html", "<html>", false, "html"},
        {"none", "{\"keys\":[]}", false, "none"},
        {"set", "{\"keys\":[]}", true, "PEM"},
        {"pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", true, "pem"},
    };
    assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct jwks *keys = NULL;
        struct errinfo e = {0};
        struct key_file f = plain(rows[i].name);
        f.has_about = rows[i].about;
        f.about.kid = STR("a");
        if (rows[i].text)
            write_text(rows[i].name, str_c(rows[i].text));
        if (read_one(f, &keys, &e) == ERR_OK || keys)
            fail_msg("%s was taken", rows[i].name);
        if (strstr(e.text, rows[i].word) == NULL)
            fail_msg("%s: \"%s\"", rows[i].name, e.text);
    }
}

static void a_path_has_a_cap_and_no_zero(void **state)
{
    (void)state;
    static char longest[LIMIT_KEY_FILE_PATH + 1];
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    memset(longest, 'a', sizeof longest);
    assert_int_equal(
        read_one((struct key_file){.path = str_of(longest, LIMIT_KEY_FILE_PATH)}, &keys, &e),
        ERR_INVALID);
    assert_int_equal(read_one((struct key_file){.path = str_of("a\0b", 3)}, &keys, &e),
                     ERR_INVALID);
}

static void sizes_and_counts_have_caps(void **state)
{
    (void)state;
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    size_t n = LIMIT_JWKS_BYTES + KIB(16);
    char *text = mem_alloc(n);
    memset(text, ' ', n);
    write_text("large", str_of(text, n));
    mem_free(text);
    assert_int_equal(read_one(plain("large"), &keys, &e), ERR_LIMIT);
    struct key_file files[] = {plain("a.json"), plain("b.json")};
    write_set("a.json", LIMIT_JWKS_KEYS);
    write_set("b.json", 1);
    assert_int_not_equal(source__read_files(files, 2, &keys, &e), ERR_OK);
    assert_null(keys);
}

static enum err read_all(void *arg)
{
    struct jwks *keys = NULL;
    enum err err = source__read_files(arg, 2, &keys, NULL);
    jwks_unref(keys);
    return err;
}

static void reading_survives_failing_allocations(void **state)
{
    (void)state;
    struct key_file files[] = {plain("set.json"), plain("two.json")};
    fault_each(read_all, files);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}
static int drop_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"set.json", "two.json", "key.pem", "pipe",
                                        "empty",    "html",     "none",    "set",
                                        "pem",      "a.json",   "b.json",  "large"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        unlink(in_folder(names[i]));
    rmdir(in_folder("folder"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_pem_files_are_joined),
        cmocka_unit_test(what_is_no_key_file_is_refused_with_its_name),
        cmocka_unit_test(a_path_has_a_cap_and_no_zero),
        cmocka_unit_test(sizes_and_counts_have_caps),
        cmocka_unit_test(reading_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
