/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at borrowed bytes: compare, search, cut. Invariant: nothing here reads past s.n or
 * depends on the locale. */
#include "base/str.h"

#include "base_int.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_ieq(str_sub(s, 0, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

size_t str_chr(struct str s, char c, size_t from)
{
    if (from >= s.n)
        return SIZE_MAX;
    const char *at = memchr(s.p + from, c, s.n - from);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

size_t str_rchr(struct str s, char c)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c)
            return i - 1;
    return SIZE_MAX;
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0)
        return 0;
    if (s.n < needle.n)
        return SIZE_MAX;
    const char *at = memmem(s.p, s.n, needle.p, needle.n);
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_from(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str str_cut(struct str s, char sep, struct str *rest)
{
    size_t at = str_chr(s, sep, 0);
    if (at == SIZE_MAX) {
        *rest = STR_NONE;
        return s;
    }
    *rest = str_from(s, at + 1);
    return str_sub(s, 0, at);
}

bool str_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

/* The table of RFC 3629 4: which second byte each lead byte allows. */
static const struct utf8_row {
    unsigned char first, last; /* lead bytes */
    unsigned char length;
    unsigned char low, high; /* of the second byte */
} utf8_rows[] = {
    {0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const struct utf8_row *utf8_row(unsigned char lead)
{
    for (size_t i = 0; i < COUNTOF(utf8_rows); i++)
        if (lead >= utf8_rows[i].first && lead <= utf8_rows[i].last)
            return &utf8_rows[i];
    return NULL;
}

size_t str__utf8_len(struct str s, size_t at)
{
    const struct utf8_row *row = at < s.n ? utf8_row((unsigned char)s.p[at]) : NULL;
    if (!row || s.n - at < row->length)
        return 0;
    for (size_t i = 1; i < row->length; i++) {
        unsigned char c = (unsigned char)s.p[at + i];
        if (c < (i == 1 ? row->low : 0x80) || c > (i == 1 ? row->high : 0xbf))
            return 0;
    }
    return row->length;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint64_t w = 0;
        for (; s.n - i >= 8; i += 8) { /* ASCII, eight bytes at a time */
            memcpy(&w, s.p + i, 8);
            if (w & 0x8080808080808080)
                break;
        }
        if (i == s.n)
            break;
        if ((unsigned char)s.p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = str__utf8_len(s, i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t str__control_len(struct str s, size_t at)
{
    unsigned char b[3] = {0};
    for (size_t i = 0; i < sizeof b && at + i < s.n; i++)
        b[i] = (unsigned char)s.p[at + i];
    if (b[0] < 0x20 || b[0] == 0x7f)
        return 1;
    if (b[0] == 0xc2 && b[1] >= 0x80 && b[1] < 0xa0)
        return 2;
    bool turns = b[0] == 0xe2 && ((b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) ||
                                  (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9));
    return turns ? 3 : 0;
}

/* Does a sequence begin at p that the end of the text cut off? */
static bool is_cut_off(struct str s, size_t at)
{
    const struct utf8_row *row = utf8_row((unsigned char)s.p[at]);
    return row && s.n - at < row->length;
}

size_t str__printable(char *text, size_t n)
{
    struct str s = {text, n};
    size_t i = 0;
    while (i < n) {
        size_t length = str__utf8_len(s, i);
        if (length == 0 && is_cut_off(s, i))
            return i;
        if (length == 0)
            length = 1, text[i] = '?';
        else if (str__control_len(s, i) > 0)
            memset(text + i, '?', length);
        i += length;
    }
    return n;
}
