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

enum err crypt_sha256(struct str data, unsigned char out[SHA256_BYTES])
{
    const void *p = data.n ? data.p : "";
    return EVP_Digest(p, data.n, out, NULL, EVP_sha256(), NULL) == 1 ? ERR_OK : ERR_INTERNAL;
}

enum err crypt_hmac_sha256(struct str key, struct str data, unsigned char out[SHA256_BYTES])
{
    /* OpenSSL takes a NULL key for "the former key". */
    const void *k = key.n ? key.p : "", *p = data.n ? data.p : "";
    if (key.n > INT_MAX)
        return ERR_LIMIT;
    return HMAC(EVP_sha256(), k, (int)key.n, p, data.n, out, NULL) ? ERR_OK : ERR_INTERNAL;
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

static void encode(struct buf *out, struct str data, const char *letters, bool pad)
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
        *to++ = letters[p[i] >> 2];
        *to++ = letters[(p[i] & 3) << 4 | p[i + 1] >> 4];
        *to++ = letters[(p[i + 1] & 15) << 2 | p[i + 2] >> 6];
        *to++ = letters[p[i + 2] & 63];
    }
    if (tail > 0) {
        unsigned char a = p[data.n - tail], b = tail == 2 ? p[data.n - 1] : 0;
        *to++ = letters[a >> 2];
        *to++ = letters[(a & 3) << 4 | b >> 4];
        if (tail == 2)
            *to++ = letters[(b & 15) << 2];
        for (size_t i = tail; pad && i < 3; i++)
            *to++ = '=';
    }
    out->n += (size_t)(to - start);
}

/* The value of a letter, or 64. `last_two` are the letters for 62 and 63. */
static unsigned letter(char c, const char *last_two)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0' + 52);
    return c == last_two[0] ? 62 : c == last_two[1] ? 63 : 64;
}

/* `text` without padding. Refuses bits that no encoder would have set (RFC 4648 3.5). */
static enum err decode(struct buf *out, struct str text, const char *last_two)
{
    if (text.n % 4 == 1)
        return ERR_SYNTAX;
    char *start = buf_reserve(out, text.n / 4 * 3 + 3), *to = start;
    if (!to)
        return out->err;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned value = letter(text.p[i], last_two);
        if (value == 64)
            return ERR_SYNTAX;
        bits = (bits << 6 | value) & 0xfff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *to++ = (char)(unsigned char)(bits >> have);
        }
    }
    if (bits & ((1u << have) - 1))
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
    return decode(out, text, alphabet_url + 62);
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
    return decode(out, text, alphabet + 62);
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
