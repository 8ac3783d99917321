/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 4226 and RFC 6238. */
#include "totp_int.h"

#include <stdio.h>

#include "base/crypt.h"

static const char base32_names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

enum err totp_new_secret(struct arena *a, struct str *out)
{
    unsigned char bytes[TOTP_SECRET_BYTES];
    char text[TOTP_SECRET_BYTES * 8 / 5];
    enum err err = crypt_random(bytes, sizeof bytes);
    if (err != ERR_OK)
        return err;
    uint64_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof bytes; i++) { /* 160 bits: nothing is left over */
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            text[n++] = base32_names[bits >> (have - 5) & 31];
    }
    ASSERT(n == sizeof text && have == 0);
    *out = arena_str(a, str_of(text, n));
    crypt_cleanse(bytes, sizeof bytes);
    crypt_cleanse(text, sizeof text);
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err totp_read_secret(struct str base32, struct buf *out)
{
    uint64_t bits = 0;
    unsigned have = 0;
    while (base32.n > 0 && base32.p[base32.n - 1] == '=')
        base32.n--;
    for (size_t i = 0; i < base32.n; i++) {
        char c = base32.p[i];
        if (c == ' ')
            continue;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        const char *at = c ? strchr(base32_names, c) : NULL;
        if (at == NULL)
            return ERR_INVALID;
        bits = bits << 5 | (uint64_t)(at - base32_names);
        if ((have += 5) >= 8)
            buf_addc(out, (char)(bits >> (have -= 8) & 255));
    }
    return out->err ? out->err : out->n > 0 ? ERR_OK : ERR_INVALID;
}

enum err totp_code(struct str secret, uint64_t counter, char out[TOTP_DIGITS + 1])
{
    unsigned char message[8], mac[SHA1_BYTES];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)(counter >> (56 - 8 * i));
    enum err err = crypt_hmac_sha1(secret, str_of(message, sizeof message), mac);
    if (err != ERR_OK)
        return err;
    const unsigned char *p = mac + (mac[SHA1_BYTES - 1] & 15);
    uint32_t number =
        (uint32_t)(p[0] & 127) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
    snprintf(out, TOTP_DIGITS + 1, "%06u", (unsigned)(number % 1000000));
    return ERR_OK;
}

enum err totp_is(struct str secret, int64_t now_s, int64_t period_s, int64_t skew, struct str code,
                 bool *out)
{
    int64_t now = now_s / period_s;
    *out = false;
    for (int64_t k = now - skew; k <= now + skew; k++) {
        char text[TOTP_DIGITS + 1];
        enum err err = k < 0 ? ERR_OK : totp_code(secret, (uint64_t)k, text);
        if (err != ERR_OK) {
            *out = false;
            return err;
        }
        if (k >= 0) /* all are compared: the time says nothing of which it was */
            *out |= crypt_equal(code, str_c(text));
    }
    return ERR_OK;
}
