/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an access token: nothing signed them, so nothing reads them. And as the claims of a
 * token that was signed: they are refused, or read as what they say and written again. */
#include "base/limits.h"
#include "identity/token_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000

static struct jwk *key;
static struct jwks *keys;

static void make_keys(void)
{
    struct jwk_about about = {.has_kid = true, .kid = STR("d-1")};
    ASSERT(jwk_generate(&jws_algs[JWS_RS256], &about, &key) == ERR_OK);
    ASSERT(jwks_new(&key, 1, &keys, NULL) == ERR_OK);
}

static void sign_and_read(struct arena *a, struct str claims)
{
    struct signer s = signer_here(key);
    struct access_token t, again;
    const char *why;
    AUTO_BUF token = BUF_INIT(KIB(64)), written = BUF_INIT(KIB(64)), second = BUF_INIT(KIB(64));
    if (access_token_sign(&s, claims, &token) != ERR_OK)
        return;
    enum err err = access_token_read(a, buf_str(&token), keys, NOW, &t, &why);
    ASSERT(err == ERR_OK || err == ERR_EXPIRED || err == ERR_SYNTAX);
    ASSERT((err == ERR_OK) == (why[0] == '\0'));
    if (err == ERR_SYNTAX)
        return;
    for (size_t i = 0; i < t.payload->n; i++)
        ASSERT(!access_token_protects(t.payload->members[i].key));
    access_token_write(&t, &written);
    ASSERT(written.err == ERR_OK);
    if (access_token_sign(&s, buf_str(&written), &second) != ERR_OK)
        return; /* longer than it came: numbers are written as JavaScript does */
    ASSERT(access_token_read(a, buf_str(&second), keys, NOW, &again, &why) == err);
    ASSERT(str_eq(t.user_id, again.user_id) && str_eq(t.parent_hash1, again.parent_hash1) &&
           t.exp_s == again.exp_s && t.payload->n == again.payload->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access_token t;
    const char *why;
    struct arena *a = arena_new(KIB(16), MIB(64));
    if (key == NULL)
        make_keys();
    enum err err = access_token_read(a, str_of(data, size), keys, NOW, &t, &why);
    ASSERT(err != ERR_OK && err != ERR_EXPIRED && why[0] != '\0' && t.session_handle.p == NULL);
    sign_and_read(a, str_of(data, size));
    arena_free(a);
    return 0;
}
