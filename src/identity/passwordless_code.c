/* SPDX-License-Identifier: Apache-2.0
 *
 * What is sent to a person who logs in without a password, and the digests that are stored of it.
 * Invariant: from what is stored nobody can make what was sent. */
#include "passwordless_int.h"

#include "base/crypt.h"

#define DIGITS 6
#define TEXT_MAX 512

static enum err own(struct arena *a, const struct buf *text, struct str *out)
{
    if (text->err != ERR_OK)
        return text->err;
    *out = arena_str(a, buf_str(text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err to_base64(struct arena *a, const void *bytes, size_t n, struct str *out)
{
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    crypt_base64(&text, str_of(bytes, n));
    return own(a, &text, out);
}

static enum err to_base64url(struct arena *a, const void *bytes, size_t n, struct str *out)
{
    AUTO_BUF text = BUF_INIT(TEXT_MAX);
    crypt_base64url(&text, str_of(bytes, n));
    return own(a, &text, out);
}

static enum err hash(struct arena *a, const void *bytes, size_t n, struct str *out)
{
    unsigned char digest[SHA256_BYTES];
    enum err err = crypt_sha256(str_of(bytes, n), digest);
    return err ? err : to_base64url(a, digest, sizeof digest, out);
}

static enum err fill_device(struct arena *a, struct passwordless_device_id *d)
{
    enum err err = to_base64(a, d->bytes, sizeof d->bytes, &d->text);
    return err ? err : hash(a, d->bytes, sizeof d->bytes, &d->hash);
}

enum err passwordless_new_device(struct arena *a, struct passwordless_device_id *out)
{
    enum err err = crypt_random(out->bytes, sizeof out->bytes);
    return err ? err : fill_device(a, out);
}

enum err passwordless_new_salt(struct arena *a, struct str *out)
{
    unsigned char bytes[CODE_BYTES];
    enum err err = crypt_random(bytes, sizeof bytes);
    return err ? err : to_base64(a, bytes, sizeof bytes, out);
}

/* Each digit from one byte; bytes that would favour some digits are drawn again. */
enum err passwordless_new_input(struct arena *a, struct str *out)
{
    char text[DIGITS];
    for (size_t n = 0; n < DIGITS;) {
        unsigned char byte;
        enum err err = crypt_random(&byte, 1);
        if (err != ERR_OK)
            return err;
        if (byte < 250)
            text[n++] = (char)('0' + byte % 10);
    }
    *out = arena_str(a, str_of(text, sizeof text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

static struct str without_padding(struct str text)
{
    while (text.n > 0 && text.p[text.n - 1] == '=')
        text.n--;
    return text;
}

/* Of the alphabet, but not one of ours: the id or code of nobody, as it is for the core. */
static bool is_foreign(struct str text, bool url)
{
    const char *more = url ? "-_" : "+/";
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != more[0] && c != more[1])
            return false;
    }
    return text.n > 0 && text.n <= TEXT_MAX && text.n % 4 != 1;
}

/* With or without its padding. */
static enum err decode(struct str text, bool url, unsigned char out[CODE_BYTES])
{
    AUTO_BUF padded = BUF_INIT(TEXT_MAX);
    AUTO_BUF bytes = BUF_INIT(TEXT_MAX);
    buf_add(&padded, without_padding(text));
    while (!url && padded.err == ERR_OK && padded.n % 4 != 0)
        buf_addc(&padded, '=');
    enum err err = padded.err;
    if (err == ERR_OK)
        err = url ? crypt_base64url_decode(&bytes, buf_str(&padded))
                  : crypt_base64_decode(&bytes, buf_str(&padded));
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_OK || bytes.n != CODE_BYTES)
        return is_foreign(without_padding(text), url) ? crypt_sha256(text, out) : ERR_INVALID;
    memcpy(out, bytes.p, CODE_BYTES);
    return ERR_OK;
}

enum err passwordless_read_device(struct arena *a, struct str text,
                                  struct passwordless_device_id *out)
{
    enum err err = decode(text, false, out->bytes);
    return err ? err : fill_device(a, out);
}

static enum err fill_code(struct arena *a, const unsigned char bytes[CODE_BYTES],
                          struct passwordless_code *out)
{
    enum err err = to_base64url(a, bytes, CODE_BYTES, &out->link);
    return err ? err : hash(a, bytes, CODE_BYTES, &out->link_hash);
}

enum err passwordless_read_link(struct arena *a, struct str text, struct passwordless_code *out)
{
    unsigned char bytes[CODE_BYTES];
    enum err err = decode(text, true, bytes);
    return err ? err : fill_code(a, bytes, out);
}

enum err passwordless_code_of(struct arena *a, const struct passwordless_device_id *d,
                              struct str salt, struct str input, struct passwordless_code *out)
{
    unsigned char key[2 * CODE_BYTES], code[SHA256_BYTES];
    memcpy(key, d->bytes, CODE_BYTES);
    enum err err = decode(salt, false, key + CODE_BYTES);
    if (err == ERR_OK)
        err = crypt_hmac_sha256(str_of(key, sizeof key), input, code);
    err = err ? err : fill_code(a, code, out);
    crypt_cleanse(key, sizeof key);
    crypt_cleanse(code, sizeof code);
    return err;
}
