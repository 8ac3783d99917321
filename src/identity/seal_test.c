/* SPDX-License-Identifier: Apache-2.0
 *
 * The key file, and what is sealed under it. */
#include "lib/fault.h"
/* */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits_int.h"
#include "seal_int.h"

static char folder[] = "/tmp/ropeline-seal-XXXXXX", path[200];
static struct arena *memory;

static int set_up(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    memory = arena_new(KIB(16), MIB(1));
    if (!memory || !mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/identity.key", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    (void)unlink(path);
    return rmdir(folder); /* nothing else was left there */
}
#define SEAL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static struct sealer *sealer(void)
{
    struct sealer *s;
    struct errinfo e = {0};
    if (sealer_new(path, &s, &e) != ERR_OK)
        fail_msg("%s", e.text);
    return s;
}

static void write_file(const char *text, mode_t mode)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0 && fchmod(fd, mode) == 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static enum err open_file(struct errinfo *e)
{
    struct sealer *s;
    enum err err = sealer_new(path, &s, e);
    assert_true((err == ERR_OK) == (s != NULL));
    sealer_free(s);
    return err;
}

static void the_first_start_makes_the_file_and_the_next_reads_it(void **state)
{
    (void)state;
    struct stat st;
    struct str sealed, secret;
    struct sealer *s = sealer();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(seal(s, STR("app/key"), STR("a secret"), memory, &sealed), ERR_OK);
    assert_true(str_starts(sealed, STR("v1.")));
    sealer_free(s);
    s = sealer();
    assert_int_equal(unseal(s, STR("app/key"), sealed, memory, &secret), ERR_OK);
    assert_true(str_eqz(secret, "a secret"));
    unseal_wipe(secret);
    assert_false(str_eqz(secret, "a secret"));
    sealer_free(s);
}

static void another_file_or_place_opens_nothing(void **state)
{
    (void)state;
    struct str sealed, secret;
    struct sealer *s = sealer();
    assert_int_equal(seal(s, STR("a/key/1"), STR("x"), memory, &sealed), ERR_OK);
    assert_int_equal(unseal(s, STR("a/key/2"), sealed, memory, &secret), ERR_INVALID);
    assert_int_equal(unseal(s, STR(""), sealed, memory, &secret), ERR_INVALID);
    sealer_free(s);
    assert_int_equal(unlink(path), 0);
    s = sealer();
    assert_int_equal(unseal(s, STR("a/key/1"), sealed, memory, &secret), ERR_INVALID);
    assert_null(secret.p);
    sealer_free(s);
}

static void every_change_is_found(void **state)
{
    (void)state;
    struct str sealed, secret;
    struct sealer *s = sealer();
    assert_int_equal(seal(s, STR("p"), STR("a secret of some length"), memory, &sealed), ERR_OK);
    char *text = arena_cstr(memory, sealed);
    for (size_t i = 0; i < sealed.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ (1 << bit));
            assert_int_equal(unseal(s, STR("p"), str_of(text, sealed.n), memory, &secret),
                             ERR_INVALID);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
        assert_int_equal(unseal(s, STR("p"), str_sub(sealed, 0, i), memory, &secret), ERR_INVALID);
    }
    assert_int_equal(unseal(s, STR("p"), str_of(text, sealed.n), memory, &secret), ERR_OK);
    sealer_free(s);
}

static void a_file_that_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "ropeline identity key 1 \n",
        "ropeline identity key 1 AAAA\n",
        "ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "ropeline identity key 2 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
    };
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        struct errinfo e = {0};
        write_file(texts[i], 0600);
        if (open_file(&e) != ERR_INVALID || !strstr(e.text, path))
            fail_msg("taken: %s", texts[i]);
    }
    write_file("ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0600);
    assert_int_equal(open_file(NULL), ERR_OK);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct errinfo e = {0};
    write_file("ropeline identity key 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0640);
    assert_int_equal(open_file(&e), ERR_INVALID);
    assert_non_null(strstr(e.text, "chmod 600"));
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(open_file(&e), ERR_OK);
}

static void a_folder_and_a_missing_folder_are_refused(void **state)
{
    (void)state;
    struct errinfo e = {0};
    struct sealer *s;
    assert_int_equal(sealer_new(folder, &s, &e), ERR_INVALID);
    assert_int_equal(sealer_new("/nonexistent/identity.key", &s, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/identity.key"));
    assert_null(s);
}

static enum err round_trip(void *arg)
{
    (void)arg;
    struct sealer *s;
    struct str sealed, secret;
    struct arena *a = arena_new(KIB(4), KIB(64));
    enum err err = a ? sealer_new(path, &s, NULL) : ERR_NOMEM;
    if (err == ERR_OK) {
        err = seal(s, STR("p"), STR("secret"), a, &sealed);
        if (err == ERR_OK)
            err = unseal(s, STR("p"), sealed, a, &secret);
        sealer_free(s);
    }
    arena_free(a);
    return err;
}

/* A file cut short by a failing allocation would be refused in the next round. */
static void survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(round_trip, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAL_TEST(the_first_start_makes_the_file_and_the_next_reads_it),
        SEAL_TEST(another_file_or_place_opens_nothing),
        SEAL_TEST(every_change_is_found),
        SEAL_TEST(a_file_that_is_no_key_is_refused),
        SEAL_TEST(a_file_that_others_can_read_is_refused),
        SEAL_TEST(a_folder_and_a_missing_folder_are_refused),
        SEAL_TEST(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
