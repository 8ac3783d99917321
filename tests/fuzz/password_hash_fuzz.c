/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the hash of somebody's password, as an import brings it: it is of one kind or
 * refused, and what was refused verifies nothing. */
#include "identity/password_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(struct str s, struct str what)
{
    return str_find(s, what) != SIZE_MAX;
}

/* Verified in milliseconds: the dear ones are only read. */
static bool is_cheap(struct str s)
{
    return (s.n > 6 && str_eqz(str_sub(s, 3, 4), "$04$")) || has(s, STR("$m=8,t=1,p=1$")) ||
           has(s, STR("$m=1$r=1$"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str algs[] = {STR_INIT("BCRYPT"), STR_INIT("argon2"),
                                      STR_INIT("Firebase_Scrypt")};
    struct str hash = str_of(data, size);
    struct core_config g;
    struct errinfo e = {0};
    unsigned kinds = 0;
    struct arena *a = arena_new(KIB(4), MIB(1));
    ASSERT(core_config_read(a, NULL, NULL, &g, &e) == ERR_OK);
    g.bcrypt_rounds = 4;
    g.firebase_signer_key = STR("c2lnbmVyLWtleS1vZi0zMi1ieXRlcy0tLS0tLS0tLS0=");
    enum err any = password_check_import(&g, STR(""), hash, &e);
    for (size_t i = 0; i < COUNTOF(algs); i++)
        kinds += password_check_import(&g, algs[i], hash, &e) == ERR_OK;
    ASSERT(kinds == (any == ERR_OK ? 1U : 0U));
    (void)password_is_dated(&g, hash);
    if (any != ERR_OK || is_cheap(hash)) {
        enum err err = password_verify(&g, STR("correct horse"), hash);
        ASSERT(err == ERR_DENIED || (any == ERR_OK && err == ERR_OK));
    }
    arena_free(a);
    return 0;
}
