/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical request path, percent escapes and query strings. Invariant: what path_canonical
 * lets through is a fixed point of it, so nobody further down can make another path out of it. */
#include "http/path.h"

#include "base/limits.h"

/* RFC 3986 2.3 */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The byte of the escape at `at`, or -1 when it is broken. */
static int escape_value(struct str s, size_t at)
{
    if (s.n - at < 3)
        return -1;
    int high = hex_value(s.p[at + 1]), low = hex_value(s.p[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static const char hex_upper[] = "0123456789ABCDEF";

/* The walk over a raw path. Until the first byte that changes nothing is copied: the output is
 * then the first `n` bytes of `raw`. */
struct canon {
    struct arena *arena;
    struct str raw;
    size_t at;      /* next byte to read */
    char *copy;     /* NULL while nothing has changed */
    size_t n;       /* bytes of output */
    size_t segment; /* where the current segment begins in the output */
    unsigned flags;
    const char *why;
};

static enum err refuse(struct canon *c, const char *why)
{
    c->why = why;
    return ERR_INVALID;
}

/* Replaces `read` bytes of input with `text`. */
static enum err put(struct canon *c, const char *text, size_t n, size_t read)
{
    if (!c->copy && (n != read || memcmp(c->raw.p + c->at, text, n) != 0)) {
        c->copy = arena_alloc(c->arena, c->raw.n); /* it never becomes longer */
        if (!c->copy)
            return ERR_NOMEM;
        memcpy(c->copy, c->raw.p, c->n);
    }
    if (c->copy)
        memcpy(c->copy + c->n, text, n);
    c->n += n;
    c->at += read;
    return ERR_OK;
}

static enum err put_escape(struct canon *c)
{
    int value = escape_value(c->raw, c->at);
    if (value < 0)
        return refuse(c, "broken percent escape in the path");
    if (value == '/' || value == '\\' || value == 0)
        return refuse(c, "escaped slash, backslash or NUL in the path");
    char text[3] = {(char)value};
    if (is_unreserved((unsigned char)value))
        return put(c, text, 1, 3);
    text[0] = '%';
    text[1] = hex_upper[value >> 4];
    text[2] = hex_upper[value & 15];
    return put(c, text, 3, 3);
}

/* "." and ".." (RFC 3986 3.3), also with parameters behind: some servers drop ";x" before they
 * resolve dots. */
static bool is_dots(struct str segment)
{
    size_t dots = 0;
    while (dots < segment.n && segment.p[dots] == '.')
        dots++;
    return dots >= 1 && dots <= 2 && (dots == segment.n || segment.p[dots] == ';');
}

static enum err end_segment(struct canon *c, bool last)
{
    struct str segment = str_of((c->copy ? c->copy : c->raw.p) + c->segment, c->n - c->segment);
    if (is_dots(segment))
        return refuse(c, "dot segment in the path");
    if (segment.n == 0 && !last && !(c->flags & PATH_ALLOW_DOUBLE_SLASH))
        return refuse(c, "empty segment in the path");
    return ERR_OK;
}

static enum err step(struct canon *c)
{
    unsigned char b = (unsigned char)c->raw.p[c->at];
    if (b == '%')
        return put_escape(c);
    if (b <= ' ' || b == 0x7f)
        return refuse(c, "control byte or blank in the path");
    if (b > 0x7f)
        return refuse(c, "unescaped byte above 0x7F in the path");
    if (b == '\\' || b == '#' || b == '?')
        return refuse(c, "backslash, '#' or '?' in the path");
    if (b == '/' && c->at > 0) {
        enum err e = end_segment(c, false);
        if (e)
            return e;
    }
    enum err e = put(c, c->raw.p + c->at, 1, 1);
    if (b == '/')
        c->segment = c->n;
    return e;
}

enum err path_canonical(struct arena *a, struct str raw, unsigned flags, struct str *out,
                        const char **why)
{
    struct canon c = {.arena = a, .raw = raw, .flags = flags, .why = ""};
    enum err e = ERR_OK;
    *out = STR_NONE;
    if (raw.n == 0 || raw.p[0] != '/')
        e = refuse(&c, "the path does not begin with '/'");
    while (!e && c.at < raw.n)
        e = step(&c);
    if (!e)
        e = end_segment(&c, true);
    if (!e)
        *out = c.copy ? str_of(c.copy, c.n) : raw;
    *why = c.why;
    return e;
}

struct str path_percent_decode(struct arena *a, struct str s, bool plus)
{
    if (s.n == 0)
        return STR("");
    if (!memchr(s.p, '%', s.n) && !(plus && memchr(s.p, '+', s.n)))
        return s;
    char *to = arena_alloc(a, s.n);
    if (!to)
        return STR_NONE;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int value = s.p[i] == '%' ? escape_value(s, i) : -1;
        if (value >= 0)
            i += 2;
        else
            value = plus && s.p[i] == '+' ? ' ' : s.p[i];
        to[n++] = (char)value;
    }
    return str_of(to, n);
}

struct str path_percent_encode(struct arena *a, struct str s)
{
    size_t size = s.n;
    for (size_t i = 0; i < s.n; i++)
        size += is_unreserved((unsigned char)s.p[i]) ? 0 : 2;
    if (s.n == 0)
        return STR("");
    if (size == s.n)
        return s;
    char *to = arena_alloc(a, size);
    if (!to)
        return STR_NONE;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (is_unreserved(b)) {
            to[n++] = (char)b;
            continue;
        }
        to[n++] = '%';
        to[n++] = hex_upper[b >> 4];
        to[n++] = hex_upper[b & 15];
    }
    return str_of(to, n);
}

enum err query_parse(struct arena *a, struct str query, struct query_pair **out, size_t *n)
{
    size_t cap = query.n > 0;
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < query.n; i++)
        cap += query.p[i] == '&';
    if (cap > LIMIT_QUERY_PAIRS)
        return ERR_LIMIT;
    struct query_pair *pairs = ARENA_ARRAY(a, cap, struct query_pair);
    if (!pairs)
        return ERR_NOMEM;
    size_t count = 0;
    for (struct str rest = query; rest.n > 0;) {
        struct str value, pair = str_cut(rest, '&', &rest);
        if (pair.n == 0) /* "a=1&&b=2" has two pairs */
            continue;
        struct str name = str_cut(pair, '=', &value);
        pairs[count].name = path_percent_decode(a, name, true);
        pairs[count].value = path_percent_decode(a, value, true);
        if (!pairs[count].name.p || !pairs[count].value.p)
            return ERR_NOMEM;
        count++;
    }
    *out = pairs;
    *n = count;
    return ERR_OK;
}
