/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that are slow on purpose, for passwords: bcrypt (libxcrypt), Argon2 (RFC 9106,
 * libargon2) and scrypt (RFC 7914, OpenSSL). Thread-safe, on the caller's thread alone, which each
 * keeps busy for milliseconds to seconds: never on a loop. Callers bound the cost before they
 * call: nothing here does. */
#ifndef ROPELINE_BASE_KDF_H
#define ROPELINE_BASE_KDF_H

#include "base/str.h"

#define KDF_BCRYPT_SALT 16
#define KDF_BCRYPT_TEXT 60    /* "$2y$", two digits, "$", 22 letters of salt, 31 of hash */
#define KDF_BCRYPT_SETTING 29 /* all of it but the hash */
#define KDF_BCRYPT_SEEN 72    /* bytes of a password; bcrypt has no place for more */
#define KDF_BCRYPT_COST_MIN 4
#define KDF_BCRYPT_COST_MAX 31
/* A setting for kdf_bcrypt: 2^cost rounds (4 to 31). */
enum err kdf_bcrypt_setting(unsigned cost, const unsigned char salt[KDF_BCRYPT_SALT],
                            char out[KDF_BCRYPT_SETTING + 1]) MUSTCHECK;
/* The first KDF_BCRYPT_SEEN bytes of `password` under the first KDF_BCRYPT_SETTING bytes of
 * `setting` (a whole hash does), as text that begins with them. ERR_INVALID: the password has a NUL
 * byte, at which bcrypt would end it, or the setting is none. */
enum err kdf_bcrypt(struct str password, struct str setting,
                    char out[KDF_BCRYPT_TEXT + 1]) MUSTCHECK;

enum kdf_argon2_type { KDF_ARGON2D, KDF_ARGON2I, KDF_ARGON2ID };
struct kdf_argon2 {
    enum kdf_argon2_type type;
    unsigned version; /* 19 (RFC 9106), or 16 of older hashes */
    uint32_t memory_kib, passes, lanes;
};
/* ERR_INVALID: libargon2 refuses the parameters, a salt below 8 bytes or a result below 4. */
enum err kdf_argon2(const struct kdf_argon2 *k, struct str password, struct str salt, void *out,
                    size_t n) MUSTCHECK;

/* Takes 128 * blocks * n bytes of memory. ERR_INVALID: not parameters of scrypt; n is a power of
 * two. */
enum err kdf_scrypt(struct str password, struct str salt, uint64_t n, uint64_t blocks,
                    uint64_t parallel, void *out, size_t out_n) MUSTCHECK;
/* Firebase's variant: the first 32 bytes of scrypt (parallel 1) are the AES-256-CTR key under which
 * `signer` becomes the hash. out holds signer.n bytes. */
enum err kdf_firebase(struct str password, struct str salt, uint64_t n, uint64_t blocks,
                      struct str signer, void *out) MUSTCHECK;

#endif
