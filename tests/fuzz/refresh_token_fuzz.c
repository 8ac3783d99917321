/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a refresh token: nobody with the key made them. And as what was sealed in one: it is
 * refused, or a token made of what was read says the same. */
#include "base/limits.h"
#include "identity/token_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str key = STR_INIT("0123456789abcdef0123456789abcdef");

static bool same(const struct refresh_token *a, const struct refresh_token *b)
{
    return str_eq(a->session_handle, b->session_handle) && str_eq(a->user_id, b->user_id) &&
           str_eq(a->tenant, b->tenant) && str_eq(a->parent_hash1, b->parent_hash1) &&
           str_eq(a->anti_csrf, b->anti_csrf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refresh_token t, again;
    struct str text;
    struct arena *a = arena_new(KIB(16), MIB(64));
    ASSERT(refresh_token_read(a, key, str_of(data, size), &t) == ERR_INVALID);
    ASSERT(t.session_handle.p == NULL);
    if (refresh_token_fields(a, str_of(data, size), STR("n"), &t) == ERR_OK &&
        refresh_token_write(key, &t, a, &text) == ERR_OK) {
        ASSERT(refresh_token_read(a, key, text, &again) == ERR_OK && same(&t, &again));
        ASSERT(str_eq(t.nonce, again.nonce));
    }
    arena_free(a);
    return 0;
}
