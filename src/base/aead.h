/* SPDX-License-Identifier: Apache-2.0
 *
 * Authenticated encryption (AES-256-GCM, NIST SP 800-38D) and key derivation (HKDF-SHA256, RFC
 * 5869), on OpenSSL EVP. What was not sealed with the same key and `bound` never opens. */
#ifndef ROPELINE_BASE_AEAD_H
#define ROPELINE_BASE_AEAD_H

#include "base/buf.h"

#define AEAD_KEY 32
#define AEAD_IV 12
#define AEAD_TAG 16

/* Appends iv | ciphertext | tag. The iv is random, so one key is good for 2^32 of them. `bound` is
 * not kept: who opens must say the same. ERR_INVALID: the key is not AEAD_KEY bytes. */
enum err aead_seal(struct str key, struct str bound, struct str plain, struct buf *out) MUSTCHECK;
/* Appends what was sealed. ERR_BADSIG: another key, another `bound`, or changed; then `out` is as
 * it was. */
enum err aead_open(struct str key, struct str bound, struct str sealed, struct buf *out) MUSTCHECK;

/* `n` bytes (at most 8160) derived from a secret; `info` says what for. */
enum err hkdf_sha256(struct str secret, struct str salt, struct str info, unsigned char *out,
                     size_t n) MUSTCHECK;

#endif
