/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts that conditions compare as something else than text: numbers, instants, addresses,
 * flags, base64. Each reader takes the whole text in one strict form or none of it: a guess here
 * could open a route. */
#include "policy/pattern_int.h"

#include <arpa/inet.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *at, up to `max`: how many; *at moves behind them. */
static size_t take_digits(struct str s, size_t *at, size_t max)
{
    size_t n = 0;

    while (*at < s.n && n < max && is_digit(s.p[*at])) {
        n++;
        *at += 1;
    }
    return n;
}

static bool take_char(struct str s, size_t *at, char c)
{
    if (*at == s.n || s.p[*at] != c)
        return false;
    *at += 1;
    return true;
}

/* --- numbers -------------------------------------------------------------------------------- */
/* 0.d1d2d3... x 10^magnitude, d1 not 0; the digits from d1 on lie in the text, perhaps with the
 * point among them. */
struct number {
    int sign; /* 0: zero, and the rest means nothing */
    long magnitude;
    const char *p, *end;
};

#define EXPONENT_DIGITS 4

/* -?digits(.digits)?([eE][+-]?digits)? with at most EXPONENT_DIGITS of the last. */
static bool number_read(struct str s, struct number *out)
{
    size_t at = 0, first, whole, fraction = 0, end;
    bool negative = take_char(s, &at, '-'), down;
    long exponent = 0;

    first = at;
    whole = take_digits(s, &at, s.n);
    if (whole == 0)
        return false;
    if (take_char(s, &at, '.')) {
        fraction = take_digits(s, &at, s.n);
        if (fraction == 0)
            return false;
    }
    end = at;
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        down = take_char(s, &at, '-');
        if (!down)
            (void)take_char(s, &at, '+');
        size_t from = at, n = take_digits(s, &at, EXPONENT_DIGITS);
        if (n == 0)
            return false;
        for (size_t i = 0; i < n; i++)
            exponent = exponent * 10 + (s.p[from + i] - '0');
        exponent = down ? -exponent : exponent;
    }
    if (at != s.n)
        return false;
    out->magnitude = (long)whole + exponent;
    while (first < end && (s.p[first] == '0' || s.p[first] == '.')) {
        out->magnitude -= s.p[first] == '0';
        first++;
    }
    out->sign = first == end ? 0 : negative ? -1 : 1;
    out->p = s.p + first;
    out->end = s.p + end;
    return true;
}

static char next_digit(struct number *n)
{
    if (n->p < n->end && *n->p == '.')
        n->p++;
    return n->p < n->end ? *n->p++ : '0';
}

static int compare_magnitudes(struct number a, struct number b)
{
    if (a.magnitude != b.magnitude)
        return a.magnitude < b.magnitude ? -1 : 1;
    while (a.p < a.end || b.p < b.end) {
        char x = next_digit(&a), y = next_digit(&b);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

bool policy__number_compare(struct str a, struct str b, int *order)
{
    struct number x, y;

    if (!number_read(a, &x) || !number_read(b, &y))
        return false;
    if (x.sign != y.sign)
        *order = x.sign < y.sign ? -1 : 1;
    else
        *order = x.sign == 0 ? 0 : x.sign * compare_magnitudes(x, y);
    return true;
}

/* --- instants ------------------------------------------------------------------------------- */
static unsigned number_at(struct str s, size_t from, size_t n)
{
    unsigned value = 0;

    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(s.p[from + i] - '0');
    return value;
}

/* Exactly n digits at *at, as a number between `min` and `max`. */
static bool take_number(struct str s, size_t *at, size_t n, unsigned min, unsigned max,
                        unsigned *out)
{
    size_t from = *at;

    if (take_digits(s, at, n) != n)
        return false;
    *out = number_at(s, from, n);
    return *out >= min && *out <= max;
}

/* `.` and up to nine digits: nanoseconds. */
static bool take_fraction(struct str s, size_t *at, uint32_t *nanos)
{
    size_t from, n;

    *nanos = 0;
    if (!take_char(s, at, '.'))
        return true;
    from = *at;
    n = take_digits(s, at, 9);
    *nanos = number_at(s, from, n);
    for (size_t i = n; i < 9; i++)
        *nanos *= 10;
    return n > 0;
}

/* `Z`, or how far local time is ahead of it. */
static bool take_zone(struct str s, size_t *at, int *ahead_s)
{
    unsigned hours, minutes;
    bool behind = false;

    *ahead_s = 0;
    if (take_char(s, at, 'Z'))
        return true;
    if (!take_char(s, at, '+')) {
        behind = take_char(s, at, '-');
        if (!behind)
            return false;
    }
    if (!take_number(s, at, 2, 0, 23, &hours) || !take_char(s, at, ':') ||
        !take_number(s, at, 2, 0, 59, &minutes))
        return false;
    *ahead_s = (int)(hours * 3600 + minutes * 60);
    *ahead_s = behind ? -*ahead_s : *ahead_s;
    return true;
}

static bool take_time(struct str s, size_t *at, struct policy__date *out)
{
    unsigned hour, minute, second = 0;
    int ahead_s;

    if (!take_number(s, at, 2, 0, 23, &hour) || !take_char(s, at, ':') ||
        !take_number(s, at, 2, 0, 59, &minute))
        return false;
    if (take_char(s, at, ':') &&
        (!take_number(s, at, 2, 0, 59, &second) || !take_fraction(s, at, &out->nanos)))
        return false;
    if (!take_zone(s, at, &ahead_s))
        return false;
    out->seconds += (int64_t)hour * 3600 + minute * 60 + second - ahead_s;
    return true;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_before(unsigned year)
{
    int64_t y = (int64_t)year - 1;

    return y * 365 + y / 4 - y / 100 + y / 400 - 719162; /* 1970-01-01 is day 0 */
}

/* The W3C profile of ISO 8601: YYYY, YYYY-MM, YYYY-MM-DD, each at its first instant in UTC, and
 * YYYY-MM-DDThh:mm[:ss[.fraction]] with a zone. */
static bool date_read_iso(struct str s, struct policy__date *out)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month = 1, day = 1;
    size_t at = 0;
    int64_t days;

    out->nanos = 0;
    if (!take_number(s, &at, 4, 1, 9999, &year))
        return false;
    if (at < s.n && (!take_char(s, &at, '-') || !take_number(s, &at, 2, 1, 12, &month)))
        return false;
    if (at < s.n && (!take_char(s, &at, '-') || !take_number(s, &at, 2, 1, 31, &day)))
        return false;
    if (day > lengths[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u))
        return false;
    days = days_before(year) + day - 1;
    for (unsigned m = 1; m < month; m++)
        days += lengths[m - 1] + (m == 2 && is_leap(year) ? 1 : 0);
    out->seconds = days * 86400;
    if (at < s.n && (!take_char(s, &at, 'T') || !take_time(s, &at, out)))
        return false;
    return at == s.n;
}

#define EPOCH_DIGITS 12

/* Seconds since the epoch, but four digits alone are a year. */
bool policy__date_read(struct str s, struct policy__date *out)
{
    size_t at = 0, n = take_digits(s, &at, EPOCH_DIGITS);

    if (n > 0 && n != 4 && (at == s.n || s.p[at] == '.')) {
        out->seconds = 0;
        for (size_t i = 0; i < n; i++)
            out->seconds = out->seconds * 10 + (s.p[i] - '0');
        return take_fraction(s, &at, &out->nanos) && at == s.n;
    }
    return date_read_iso(s, out);
}

int policy__date_compare(const struct policy__date *a, const struct policy__date *b)
{
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    return a->nanos < b->nanos ? -1 : a->nanos > b->nanos;
}

/* --- addresses ------------------------------------------------------------------------------ */
/* Decimal, no leading zero, at most `max`. */
static bool bits_read(struct str s, unsigned max, unsigned *out)
{
    uint64_t n;

    if (!str_u64(s, &n) || n > max || (s.n > 1 && s.p[0] == '0'))
        return false;
    *out = (unsigned)n;
    return true;
}

/* An address, and for a network perhaps `/` and how many of its leading bits count: all of them
 * when it does not say. Leading zeros, zones and lists are no addresses (inet_pton is strict). */
bool policy__address_read(struct str s, bool network, struct policy__address *out)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct str suffix = STR_NONE, text = network ? str_cut(s, '/', &suffix) : s;
    char z[INET6_ADDRSTRLEN];
    unsigned bits;

    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    memset(out, 0, sizeof *out);
    out->v6 = inet_pton(AF_INET6, z, out->bytes) == 1;
    if (!out->v6 && inet_pton(AF_INET, z, out->bytes) != 1)
        return false;
    bits = out->v6 ? 128 : 32;
    if (suffix.p && !bits_read(suffix, bits, &bits))
        return false;
    if (out->v6 && bits >= 96 && memcmp(out->bytes, mapped, sizeof mapped) == 0) {
        memmove(out->bytes, out->bytes + 12, 4);
        out->v6 = false;
        bits -= 96;
    }
    out->bits = (uint8_t)bits;
    return true;
}

bool policy__address_in(const struct policy__address *address,
                        const struct policy__address *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (address->v6 != network->v6 || memcmp(address->bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || (address->bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

/* --- flags and bytes ------------------------------------------------------------------------ */
bool policy__flag_read(struct str s, bool *out)
{
    *out = str_ieq(s, STR("true"));
    return *out || str_ieq(s, STR("false"));
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool policy__base64_is(struct str s)
{
    size_t padding = 0;

    if (s.n % 4 != 0)
        return false;
    while (padding < 2 && padding < s.n && s.p[s.n - 1 - padding] == '=')
        padding++;
    s.n -= padding;
    for (size_t i = 0; i < s.n; i++)
        if (base64_value(s.p[i]) < 0)
            return false;
    /* the bits of the last character that belong to no byte are 0 */
    return padding == 0 || base64_value(s.p[s.n - 1]) % (padding == 1 ? 4 : 16) == 0;
}
