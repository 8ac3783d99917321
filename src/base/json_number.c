/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers between text and double. Invariant: a double is written as JavaScript would write it, so
 * that a function sees the same text whether Node or we printed the number. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base_int.h"

/* The fewest significant digits that still read back as d, without trailing zeros: digits[0] is
 * before the point, *exponent is the power of ten. 15 digits always survive in a normal double, so
 * the search starts there. */
static size_t shortest(double d, char digits[20], int *exponent)
{
    char text[32];
    int precision = d < DBL_MIN ? 0 : 14;
    do
        snprintf(text, sizeof text, "%.*e", precision, d);
    while (strtod(text, NULL) != d && ++precision <= 16);
    size_t n = 0;
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9' && n < 20)
            digits[n++] = *at;
    *exponent = *at ? (int)strtol(at + 1, NULL, 10) : 0;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

static char *put(char *to, const char *digits, size_t n)
{
    memcpy(to, digits, n);
    return to + n;
}

static char *zeros(char *to, int n)
{
    for (int i = 0; i < n; i++)
        *to++ = '0';
    return to;
}

size_t json__real_text(double d, char out[JSON_REAL_TEXT])
{
    char digits[20], *to = out;
    int exponent = 0;
    ASSERT(isfinite(d));
    if (d < 0) {
        *to++ = '-';
        d = -d;
    }
    if (d == 0)
        return (size_t)(put(out, "0", 1) - out);
    size_t n = shortest(d, digits, &exponent);
    int k = (int)n, point = exponent + 1; /* ECMA-262's k and n */
    if (k <= point && point <= 21) {
        to = zeros(put(to, digits, n), point - k);
    } else if (0 < point && point <= 21) {
        to = put(put(to, digits, (size_t)point), ".", 1);
        to = put(to, digits + point, n - (size_t)point);
    } else if (-6 < point && point <= 0) {
        to = put(zeros(put(to, "0.", 2), -point), digits, n);
    } else {
        to = put(to, digits, 1);
        if (n > 1)
            to = put(put(to, ".", 1), digits + 1, n - 1);
        to += snprintf(to, 8, "e%+d", exponent);
    }
    return (size_t)(to - out);
}

static size_t digits_from(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
        n++;
    return n;
}

static bool is_at(struct str s, size_t at, const char *any)
{
    return at < s.n && s.p[at] != '\0' && strchr(any, s.p[at]) != NULL;
}

bool json__is_number_text(struct str s)
{
    size_t at = is_at(s, 0, "-"), n = digits_from(s, at);
    if (n == 0 || (n > 1 && s.p[at] == '0'))
        return false;
    at += n;
    if (is_at(s, at, ".")) {
        n = digits_from(s, at + 1);
        if (n == 0)
            return false;
        at += n + 1;
    }
    if (is_at(s, at, "eE")) {
        at += is_at(s, at + 1, "+-") ? 2 : 1;
        n = digits_from(s, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == s.n;
}

static enum err fill_real(struct arena *a, struct str text, struct json *out)
{
    char digits[JSON_REAL_TEXT];
    char *z = arena_cstr(a, text);
    if (!z)
        return ERR_NOMEM;
    out->type = JSON_NUMBER;
    out->real = strtod(z, NULL);
    if (!isfinite(out->real))
        return ERR_SYNTAX;
    out->s = arena_str(a, str_of(digits, json__real_text(out->real, digits)));
    return out->s.p ? ERR_OK : ERR_NOMEM;
}

enum err json_read_number(struct arena *a, struct str text, struct json *out)
{
    uint64_t n;
    bool negative = text.n > 0 && text.p[0] == '-';
    *out = (struct json){.type = JSON_NULL};
    if (!json__is_number_text(text))
        return ERR_SYNTAX;
    if (!str_u64(str_from(text, negative), &n) || n > (uint64_t)INT64_MAX + negative)
        return fill_real(a, text, out);
    return json__fill_int(a, (int64_t)(negative ? 0 - n : n), out) ? ERR_OK : ERR_NOMEM;
}
