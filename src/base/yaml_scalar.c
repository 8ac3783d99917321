/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plain YAML scalar is: the core schema of YAML 1.2, 10.3.2, and no more, so that `no`,
 * `1_000`, `12:30` and dates stay the text that the person typed. Invariant: whatever becomes a
 * number is one that a double holds; `.inf`, `.nan` and `1e999` stay text, because JSON has no word
 * for them. */
#include <math.h>
#include <stdlib.h>

#include "base_int.h"

static const struct word {
    const char *text;
    enum json_type type;
} words[] = {
    {"", JSON_NULL},       {"~", JSON_NULL},      {"null", JSON_NULL},   {"Null", JSON_NULL},
    {"NULL", JSON_NULL},   {"true", JSON_TRUE},   {"True", JSON_TRUE},   {"TRUE", JSON_TRUE},
    {"false", JSON_FALSE}, {"False", JSON_FALSE}, {"FALSE", JSON_FALSE},
};

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

static size_t count_digits(struct str s, unsigned base)
{
    size_t n = 0;
    while (n < s.n && digit(s.p[n]) < base)
        n++;
    return n;
}

/* All of `s`, at least one digit. Beyond int64 the number is a real. */
static bool integer(struct str s, unsigned base, bool negative, struct json *v)
{
    uint64_t n = 0;
    double real = 0;
    bool fits = true;
    if (s.n == 0 || count_digits(s, base) != s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        fits = fits && !__builtin_mul_overflow(n, (uint64_t)base, &n) &&
               !__builtin_add_overflow(n, (uint64_t)digit(s.p[i]), &n);
        real = real * base + digit(s.p[i]);
    }
    fits = fits && n <= (uint64_t)INT64_MAX + negative;
    if (!fits && base == 10)
        real = strtod(s.p, NULL); /* correctly rounded */
    if (!isfinite(real))
        return false;
    v->type = JSON_NUMBER;
    v->is_int = fits;
    v->i = !fits ? 0 : negative ? (int64_t)(0 - n) : (int64_t)n;
    v->real = fits ? (double)v->i : negative ? -real : real;
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(struct str s)
{
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_from(s, 1);
    size_t whole = count_digits(s, 10), fraction = 0;
    s = str_from(s, whole);
    if (s.n > 0 && s.p[0] == '.') {
        fraction = count_digits(str_from(s, 1), 10);
        s = str_from(s, 1 + fraction);
    }
    if (whole + fraction == 0)
        return false;
    if (s.n == 0)
        return true;
    if (s.p[0] != 'e' && s.p[0] != 'E')
        return false;
    s = str_from(s, 1);
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_from(s, 1);
    return s.n > 0 && count_digits(s, 10) == s.n;
}

static bool number(struct str s, struct json *v)
{
    if (str_starts(s, STR("0o")))
        return integer(str_from(s, 2), 8, false, v);
    if (str_starts(s, STR("0x")))
        return integer(str_from(s, 2), 16, false, v);
    bool negative = s.n > 0 && s.p[0] == '-', sign = negative || (s.n > 0 && s.p[0] == '+');
    if (integer(str_from(s, sign), 10, negative, v))
        return true;
    double real = is_float(s) ? strtod(s.p, NULL) : INFINITY;
    if (!isfinite(real))
        return false;
    v->type = JSON_NUMBER;
    v->real = real;
    return true;
}

void yaml__resolve(struct str text, struct json *v)
{
    v->s = text;
    v->type = JSON_STRING;
    for (size_t i = 0; i < COUNTOF(words); i++)
        if (str_eqz(text, words[i].text)) {
            v->type = words[i].type;
            return;
        }
    if (number(text, v))
        v->type = JSON_NUMBER;
}
