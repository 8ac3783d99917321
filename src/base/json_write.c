/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree as text. Invariant: whatever bytes a string holds, what is written is valid JSON in
 * valid UTF-8; bytes that are not UTF-8 become U+FFFD, as a Node function would see them anyway. */
#include "base_int.h"

/* What each byte of a string becomes. 0: itself; U: \u00XX; X: it should begin a UTF-8 sequence;
 * otherwise the letter behind the backslash. */
/* clang-format off */
#define U 'u'
#define X 'x'
#define X16 X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X
static const unsigned char escapes[256] = {
    U, U, U, U, U, U, U, U, 'b', 't', 'n', U, 'f', 'r', U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    ['"'] = '"', ['\\'] = '\\',
    [0x80] = X16, X16, X16, X16, X16, X16, X16, X16,
};
#undef U
#undef X
#undef X16
/* clang-format on */

/* The first byte at or after `at` that cannot be copied as it is. */
static size_t plain_until(struct str s, size_t at)
{
    while (at < s.n && escapes[(unsigned char)s.p[at]] == 0)
        at++;
    return at;
}

void json_write_str(struct buf *b, struct str s)
{
    buf_addc(b, '"');
    for (size_t at = 0; at < s.n;) {
        size_t end = plain_until(s, at), length;
        buf_add(b, str_sub(s, at, end - at));
        if (end == s.n)
            break;
        unsigned char c = (unsigned char)s.p[end], escape = escapes[c];
        at = end + 1;
        if (escape == 'u') {
            const char hex[] = {
                '\\', 'u', '0', '0', (char)('0' + (c >> 4)), "0123456789abcdef"[c & 15]};
            buf_add(b, str_of(hex, sizeof hex));
        } else if (escape != 'x') {
            buf_add(b, str_of((const char[]){'\\', (char)escape}, 2));
        } else if ((length = str__utf8_len(s, end)) > 0) {
            buf_add(b, str_sub(s, end, length));
            at = end + length;
        } else {
            buf_add(b, STR("\xef\xbf\xbd"));
        }
    }
    buf_addc(b, '"');
}

/* The text as it was written where that is JSON: YAML has more ways to write a number. */
static void write_number(struct buf *b, const struct json *v)
{
    char text[JSON_REAL_TEXT];
    if (json__is_number_text(v->s)) {
        buf_add(b, v->s);
    } else if (v->is_int) {
        if (v->i < 0)
            buf_addc(b, '-');
        buf_addu(b, v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i);
    } else {
        buf_add(b, str_of(text, json__real_text(v->real, text)));
    }
}

static void new_line(struct buf *b, unsigned depth)
{
    buf_addc(b, '\n');
    for (unsigned i = 0; i < depth; i++)
        buf_add(b, STR("  "));
}

static void write_value(struct buf *b, const struct json *v, bool pretty, unsigned depth);

static void write_container(struct buf *b, const struct json *v, bool pretty, unsigned depth)
{
    bool object = v->type == JSON_OBJECT;
    buf_addc(b, object ? '{' : '[');
    for (size_t i = 0; i < v->n; i++) {
        if (i > 0)
            buf_addc(b, ',');
        if (pretty)
            new_line(b, depth + 1);
        if (object) {
            json_write_str(b, v->members[i].key);
            buf_add(b, pretty ? STR(": ") : STR(":"));
        }
        write_value(b, object ? v->members[i].value : v->items[i], pretty, depth + 1);
    }
    if (pretty && v->n > 0)
        new_line(b, depth);
    buf_addc(b, object ? '}' : ']');
}

static void write_value(struct buf *b, const struct json *v, bool pretty, unsigned depth)
{
    if (!v) { /* what a builder returns when memory ran out */
        if (b->err == ERR_OK)
            b->err = ERR_NOMEM;
        return;
    }
    switch (v->type) {
    case JSON_NULL:
        buf_add(b, STR("null"));
        break;
    case JSON_FALSE:
        buf_add(b, STR("false"));
        break;
    case JSON_TRUE:
        buf_add(b, STR("true"));
        break;
    case JSON_NUMBER:
        write_number(b, v);
        break;
    case JSON_STRING:
        json_write_str(b, v->s);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        write_container(b, v, pretty, depth);
        break;
    }
}

void json_write(struct buf *b, const struct json *v)
{
    write_value(b, v, false, 0);
}

void json_write_pretty(struct buf *b, const struct json *v)
{
    write_value(b, v, true, 0);
}
