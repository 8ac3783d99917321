/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, randomness and encodings. Invariant: a decoder accepts exactly the texts that its
 * encoder writes, so no two texts mean the same bytes. */
#include "base/crypt.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>

/* Looked up once: OpenSSL 3 would look through its providers at each digest, which takes longer
 * than hashing a token. */
static const EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

enum err crypt_sha256(struct str data, unsigned char out[SHA256_BYTES])
{
    const void *p = data.n ? data.p : "";
    pthread_once(&sha256_once, fetch_sha256);
    const EVP_MD *md = sha256 ? sha256 : EVP_sha256();
    return EVP_Digest(p, data.n, out, NULL, md, NULL) == 1 ? ERR_OK : ERR_INTERNAL;
}

static enum err hmac(const EVP_MD *md, struct str key, struct str data, unsigned char *out)
{
    /* OpenSSL takes a NULL key for "the former key". */
    const void *k = key.n ? key.p : "", *p = data.n ? data.p : "";
    if (key.n > INT_MAX)
        return ERR_LIMIT;
    return HMAC(md, k, (int)key.n, p, data.n, out, NULL) ? ERR_OK : ERR_INTERNAL;
}

enum err crypt_hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES])
{
    return hmac(EVP_sha256(), key, data, out);
}

enum err crypt_hmac_sha1(struct str key, struct str data, unsigned char out[SHA1_BYTES])
{
    return hmac(EVP_sha1(), key, data, out);
}

enum err crypt_random(void *out, size_t n)
{
    unsigned char *p = out;
    while (n > 0) {
        int step = n > INT_MAX ? INT_MAX : (int)n;
        if (RAND_bytes(p, step) != 1)
            return ERR_INTERNAL;
        p += step;
        n -= (size_t)step;
    }
    return ERR_OK;
}

bool crypt_equal(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void crypt_cleanse(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

void crypt_hex(const void *data, size_t n, char *out)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) {
        *out++ = "0123456789abcdef"[p[i] >> 4];
        *out++ = "0123456789abcdef"[p[i] & 15];
    }
    *out = '\0';
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, struct str data, const char *names, bool pad)
{
    if (data.n / 3 >= SIZE_MAX / 4 - 1) {
        out->err = ERR_LIMIT;
        return;
    }
    size_t tail = data.n % 3;
    char *to = buf_reserve(out, data.n / 3 * 4 + (tail == 0 ? 0 : pad ? 4 : tail + 1));
    if (!to)
        return;
    const char *start = to;
    const unsigned char *p = (const unsigned char *)data.p;
    for (size_t i = 0; i + 3 <= data.n; i += 3) {
        *to++ = names[p[i] >> 2];
        *to++ = names[(p[i] & 3) << 4 | p[i + 1] >> 4];
        *to++ = names[(p[i + 1] & 15) << 2 | p[i + 2] >> 6];
        *to++ = names[p[i + 2] & 63];
    }
    if (tail > 0) {
        unsigned char a = p[data.n - tail], b = tail == 2 ? p[data.n - 1] : 0;
        *to++ = names[a >> 2];
        *to++ = names[(a & 3) << 4 | b >> 4];
        if (tail == 2)
            *to++ = names[(b & 15) << 2];
        for (size_t i = tail; pad && i < 3; i++)
            *to++ = '=';
    }
    out->n += (size_t)(to - start);
}

/* The value of each letter; NO for what is none. */
#define NO 0xff
struct letters {
    unsigned char value[256];
};
/* clang-format off */
#define NO4 NO, NO, NO, NO
#define NO16 NO4, NO4, NO4, NO4
#define NO128 NO16, NO16, NO16, NO16, NO16, NO16, NO16, NO16
#define LETTERS(at_plus, at_minus, at_slash, at_low_line) {{ \
    NO16, NO16, NO4, NO4, NO, NO, NO, at_plus, NO, at_minus, NO, at_slash, \
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO4, \
    NO, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, \
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, at_low_line, \
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, \
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO4, NO128 }}
/* clang-format on */
static const struct letters letters = LETTERS(62, NO, 63, NO);
static const struct letters letters_url = LETTERS(NO, 62, NO, 63);

/* `text` without padding, four letters at a time. A letter that is none has its high bits set, so
 * one test at the end finds it. Refuses bits that no encoder would have set (RFC 4648 3.5). */
static enum err decode(struct buf *out, struct str text, const struct letters *l)
{
    size_t tail = text.n % 4, whole = text.n - tail;
    if (tail == 1)
        return ERR_SYNTAX;
    char *start = buf_reserve(out, text.n / 4 * 3 + 3), *to = start;
    if (!to)
        return out->err;
    const unsigned char *p = (const unsigned char *)text.p;
    unsigned seen = 0;
    for (size_t i = 0; i < whole; i += 4) {
        unsigned a = l->value[p[i]], b = l->value[p[i + 1]], c = l->value[p[i + 2]],
                 d = l->value[p[i + 3]];
        seen |= a | b | c | d;
        *to++ = (char)(unsigned char)(a << 2 | b >> 4);
        *to++ = (char)(unsigned char)(b << 4 | c >> 2);
        *to++ = (char)(unsigned char)(c << 6 | d);
    }
    if (tail > 0) {
        unsigned a = l->value[p[whole]], b = l->value[p[whole + 1]];
        unsigned c = tail == 3 ? l->value[p[whole + 2]] : 0;
        seen |= a | b | c;
        *to++ = (char)(unsigned char)(a << 2 | b >> 4);
        if (tail == 3)
            *to++ = (char)(unsigned char)(b << 4 | c >> 2);
        if (((tail == 2 ? b & 15 : c & 3)) != 0)
            return ERR_SYNTAX;
    }
    if (seen > 63)
        return ERR_SYNTAX;
    out->n += (size_t)(to - start);
    return ERR_OK;
}

void crypt_base64url(struct buf *out, struct str data)
{
    encode(out, data, alphabet_url, false);
}

enum err crypt_base64url_decode(struct buf *out, struct str text)
{
    return decode(out, text, &letters_url);
}

void crypt_base64(struct buf *out, struct str data)
{
    encode(out, data, alphabet, true);
}

enum err crypt_base64_decode(struct buf *out, struct str text)
{
    if (text.n % 4 != 0)
        return ERR_SYNTAX;
    for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
        text.n--;
    return decode(out, text, &letters);
}

/* Random bytes drawn ahead, so that a request identifier costs no call into the generator. */
static _Thread_local struct {
    size_t left;
    unsigned char bytes[1024];
} ahead;

/* Parent and child must not write the same identifiers: the child forgets the bytes. Only the
 * thread that forked lives on in the child, so its own block is the only one. */
static void forget_ahead(void)
{
    ahead.left = 0;
}

static void watch_forks(void)
{
    ASSERT(pthread_atfork(NULL, NULL, forget_ahead) == 0);
}

void crypt_uuid(char out[37])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char id[16];
    pthread_once(&once, watch_forks);
    if (ahead.left < sizeof id) {
        ASSERT(crypt_random(ahead.bytes, sizeof ahead.bytes) == ERR_OK);
        ahead.left = sizeof ahead.bytes;
    }
    ahead.left -= sizeof id;
    memcpy(id, ahead.bytes + ahead.left, sizeof id);
    id[6] = (unsigned char)(0x40 | (id[6] & 0x0f)); /* version 4 */
    id[8] = (unsigned char)(0x80 | (id[8] & 0x3f)); /* variant of RFC 9562 */
    static const unsigned char groups[] = {4, 2, 2, 2, 6};
    for (size_t g = 0, at = 0; g < sizeof groups; at += groups[g++]) {
        crypt_hex(id + at, groups[g], out);
        out += (size_t)groups[g] * 2;
        if (g + 1 < sizeof groups)
            *out++ = '-';
    }
}
