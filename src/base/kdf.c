/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow hashes. Invariant: a password is hashed byte by byte as it came or refused, and no copy of
 * it or of what was derived from it outlives the call; only bcrypt sees no more than its first 72
 * bytes. */
#include "base/kdf.h"

#include <argon2.h>
#include <crypt.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/mem.h"

#define SCRYPT_KEY 64 /* bytes that Firebase derives; it uses the first 32 */

enum err kdf_bcrypt_setting(unsigned cost, const unsigned char salt[KDF_BCRYPT_SALT],
                            char out[KDF_BCRYPT_SETTING + 1])
{
    char text[CRYPT_GENSALT_OUTPUT_SIZE];
    if (cost < KDF_BCRYPT_COST_MIN || cost > KDF_BCRYPT_COST_MAX)
        return ERR_INVALID;
    if (!crypt_gensalt_rn("$2y$", cost, (const char *)salt, KDF_BCRYPT_SALT, text, sizeof text) ||
        strlen(text) != KDF_BCRYPT_SETTING)
        return ERR_INTERNAL;
    memcpy(out, text, KDF_BCRYPT_SETTING + 1);
    return ERR_OK;
}

enum err kdf_bcrypt(struct str password, struct str setting, char out[KDF_BCRYPT_TEXT + 1])
{
    char seen[KDF_BCRYPT_SEEN + 1] = "", settings[KDF_BCRYPT_SETTING + 1] = "";
    if (str_chr(password, '\0', 0) != SIZE_MAX || setting.n < KDF_BCRYPT_SETTING)
        return ERR_INVALID;
    struct crypt_data *work = mem_alloc(sizeof *work);
    if (!work)
        return ERR_NOMEM;
    struct str head = str_sub(password, 0, KDF_BCRYPT_SEEN);
    if (head.n > 0)
        memcpy(seen, head.p, head.n);
    memcpy(settings, setting.p, KDF_BCRYPT_SETTING);
    const char *text = crypt_rn(seen, settings, work, sizeof *work);
    bool good = text && strlen(text) == KDF_BCRYPT_TEXT &&
                memcmp(text, settings, KDF_BCRYPT_SETTING - 1) == 0;
    if (good)
        memcpy(out, text, KDF_BCRYPT_TEXT + 1);
    OPENSSL_cleanse(seen, sizeof seen);
    mem_cleanse_free(work, sizeof *work);
    return good ? ERR_OK : ERR_INVALID;
}

/* Argon2's memory comes through our door, so that its want of memory is one of ours. */
static int blocks_alloc(uint8_t **memory, size_t bytes)
{
    *memory = mem_alloc(bytes);
    return *memory ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void blocks_free(uint8_t *memory, size_t bytes)
{
    (void)bytes; /* libargon2 has wiped them */
    mem_free(memory);
}

enum err kdf_argon2(const struct kdf_argon2 *k, struct str password, struct str salt, void *out,
                    size_t n)
{
    static const argon2_type types[] = {
        [KDF_ARGON2D] = Argon2_d, [KDF_ARGON2I] = Argon2_i, [KDF_ARGON2ID] = Argon2_id};
    if (password.n > UINT32_MAX || salt.n > UINT32_MAX || n > UINT32_MAX)
        return ERR_LIMIT;
    if (k->version != ARGON2_VERSION_10 && k->version != ARGON2_VERSION_13)
        return ERR_INVALID;
    argon2_context context = {
        .out = out,
        .outlen = (uint32_t)n,
        .pwd = (uint8_t *)(uintptr_t)password.p, /* libargon2 wipes it only when asked */
        .pwdlen = (uint32_t)password.n,
        .salt = (uint8_t *)(uintptr_t)salt.p,
        .saltlen = (uint32_t)salt.n,
        .t_cost = k->passes,
        .m_cost = k->memory_kib,
        .lanes = k->lanes,
        .threads = 1, /* what the lanes come to does not depend on it; our lane is one thread */
        .version = k->version,
        .allocate_cbk = blocks_alloc,
        .free_cbk = blocks_free,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    switch (argon2_ctx(&context, types[k->type])) {
    case ARGON2_OK:
        return ERR_OK;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return ERR_NOMEM;
    default:
        return ERR_INVALID;
    }
}

enum err kdf_scrypt(struct str password, struct str salt, uint64_t n, uint64_t blocks,
                    uint64_t parallel, void *out, size_t out_n)
{
    uint64_t memory;
    /* What EVP_PBE_scrypt counts: the vector, the blocks of each lane and two more (RFC 7914). */
    if (n == 0 || blocks == 0 || parallel == 0 ||
        __builtin_mul_overflow(blocks * 128, n + parallel + 2, &memory) || blocks > UINT32_MAX ||
        n > UINT32_MAX || parallel > UINT32_MAX)
        return ERR_INVALID;
    const char *p = password.n ? password.p : "";
    const unsigned char *s = (const unsigned char *)(salt.n ? salt.p : "");
    return EVP_PBE_scrypt(p, password.n, s, salt.n, n, blocks, parallel, memory, out, out_n) == 1
               ? ERR_OK
               : ERR_INVALID;
}

static enum err encrypt_ctr(const unsigned char key[32], struct str plain, unsigned char *out)
{
    static const unsigned char zero[16]; /* Firebase's counter: a key is used for one text only */
    int n = 0, last = 0;
    if (plain.n > INT_MAX)
        return ERR_LIMIT;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c)
        return ERR_NOMEM;
    bool good = EVP_EncryptInit_ex(c, EVP_aes_256_ctr(), NULL, key, zero) == 1 &&
                EVP_EncryptUpdate(c, out, &n, (const unsigned char *)plain.p, (int)plain.n) == 1 &&
                EVP_EncryptFinal_ex(c, out + n, &last) == 1 && (size_t)n + (size_t)last == plain.n;
    EVP_CIPHER_CTX_free(c);
    return good ? ERR_OK : ERR_INTERNAL;
}

enum err kdf_firebase(struct str password, struct str salt, uint64_t n, uint64_t blocks,
                      struct str signer, void *out)
{
    unsigned char key[SCRYPT_KEY];
    enum err err = kdf_scrypt(password, salt, n, blocks, 1, key, sizeof key);
    if (err == ERR_OK)
        err = encrypt_ctr(key, signer, out);
    OPENSSL_cleanse(key, sizeof key);
    return err;
}
