/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, randomness, encodings and constant-time comparison, on OpenSSL EVP. Thread-safe. */
#ifndef ROPELINE_BASE_CRYPT_H
#define ROPELINE_BASE_CRYPT_H

#include "base/buf.h"

#define SHA256_BYTES 32
enum err crypt_sha256(struct str data, unsigned char out[SHA256_BYTES]) MUSTCHECK;
enum err crypt_hmac_sha256(struct str key, struct str data,
                           unsigned char out[SHA256_BYTES]) MUSTCHECK;
/* For protocols that say so (RFC 6238); as a MAC it is still sound. */
#define SHA1_BYTES 20
enum err crypt_hmac_sha1(struct str key, struct str data, unsigned char out[SHA1_BYTES]) MUSTCHECK;
/* Fresh bytes from the kernel's generator through OpenSSL; ERR_INTERNAL if it has none. */
enum err crypt_random(void *out, size_t n) MUSTCHECK;
/* Equal in time that depends on the lengths only. */
bool crypt_equal(struct str a, struct str b);
/* Overwrites what held a secret, where a compiler would see no need to. */
void crypt_cleanse(void *p, size_t n);
/* Lower-case hex; out holds 2n+1. */
void crypt_hex(const void *data, size_t n, char *out);
/* RFC 4648. base64url is written without padding and read strictly: no padding, no blanks, no
 * stray final bits (RFC 7515 2). base64 is written padded, read with exact padding. */
void crypt_base64url(struct buf *out, struct str data);
enum err crypt_base64url_decode(struct buf *out, struct str text) MUSTCHECK;
void crypt_base64(struct buf *out, struct str data);
enum err crypt_base64_decode(struct buf *out, struct str text) MUSTCHECK;
/* Random UUID version 4 (RFC 9562 5.4): 36 characters and a NUL. Cheap: drawn from a per-thread
 * block of random bytes. */
void crypt_uuid(char out[37]);

#endif
