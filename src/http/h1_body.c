/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking a body out of its framing. Of chunked coding (RFC 9112 7.1) only the plain form passes:
 * hex digits and CRLF; extensions and trailers are read, counted and dropped, and llhttp must see
 * the same bytes as data. Any piecewise feeding gives the same result as feeding in one piece. */
#include "base/limits.h"
#include "http_int.h"

/* Each state is named for what must come next. */
enum chunk_state {
    SIZE_FIRST,
    SIZE_MORE,
    EXTENSION_FIRST,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
};

void http__body_init(struct http__body *b, enum http_framing framing, uint64_t length, uint64_t max)
{
    *b = (struct http__body){.framing = framing, .max = max, .state = SIZE_FIRST};
    if (framing == HTTP_BY_LENGTH)
        b->left = length;
    b->complete = framing == HTTP_NO_BODY || (framing == HTTP_BY_LENGTH && length == 0);
    if (framing == HTTP_CHUNKED)
        http__llhttp_chunked(&b->llhttp);
}

static unsigned hex_value(char c)
{
    if (c <= '9')
        return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a') + 10;
}

static enum err size_digit(struct http__body *b, char c)
{
    if (!http__is(c, BYTE_HEX) || b->digits == 15)
        return ERR_SYNTAX; /* 16 digits could be 2^63 and more: no body is that long */
    b->digits++;
    b->left = b->left << 4 | hex_value(c);
    b->state = SIZE_MORE;
    return ERR_OK;
}

static enum err size_line_end(struct http__body *b, char c)
{
    if (c != '\n')
        return ERR_SYNTAX;
    b->digits = 0;
    b->state = b->left ? DATA : TRAILER_FIRST;
    return b->left > b->max - b->total ? ERR_LIMIT : ERR_OK;
}

/* A byte of an extension or a trailer: dropped, unless it is a trailer that somebody keeps. */
static enum err drop(struct http__body *b, char c, unsigned kind, unsigned next)
{
    if (!http__is(c, kind))
        return ERR_SYNTAX;
    if (b->trailers && b->state >= TRAILER_FIRST)
        buf_addc(b->trailers, c);
    else if (++b->dropped > LIMIT_CHUNK_EXTENSIONS)
        return ERR_SYNTAX;
    b->state = next;
    return b->trailers && b->trailers->err ? ERR_SYNTAX : ERR_OK;
}

static enum err want(struct http__body *b, char c, char wanted, unsigned next)
{
    b->state = next;
    return c == wanted ? ERR_OK : ERR_SYNTAX;
}

/* One byte of framing. */
static enum err framing_byte(struct http__body *b, char c)
{
    switch ((enum chunk_state)b->state) {
    case SIZE_FIRST:
        return size_digit(b, c);
    case SIZE_MORE:
        if (c == '\r')
            return want(b, c, '\r', SIZE_LF);
        return c == ';' ? drop(b, c, BYTE_VALUE, EXTENSION_FIRST) : size_digit(b, c);
    case EXTENSION_FIRST:
        return drop(b, c, BYTE_TOKEN, EXTENSION);
    case EXTENSION:
        return c == '\r' ? want(b, c, '\r', SIZE_LF) : drop(b, c, BYTE_VALUE, EXTENSION);
    case SIZE_LF:
        return size_line_end(b, c);
    case DATA_CR:
        return want(b, c, '\r', DATA_LF);
    case DATA_LF:
        return want(b, c, '\n', SIZE_FIRST);
    case TRAILER_FIRST:
        return c == '\r' ? want(b, c, '\r', LAST_LF) : drop(b, c, BYTE_TOKEN, TRAILER_NAME);
    case TRAILER_NAME:
        return c == ':' ? drop(b, c, BYTE_VALUE, TRAILER_VALUE)
                        : drop(b, c, BYTE_TOKEN, TRAILER_NAME);
    case TRAILER_VALUE:
        return c == '\r' ? want(b, c, '\r', TRAILER_LF) : drop(b, c, BYTE_VALUE, TRAILER_VALUE);
    case TRAILER_LF:
        if (b->trailers)
            buf_addc(b->trailers, '\n');
        return want(b, c, '\n', TRAILER_FIRST);
    case LAST_LF:
        b->complete = c == '\n';
        return b->complete ? ERR_OK : ERR_SYNTAX;
    case DATA:
        break;
    }
    return ERR_INTERNAL;
}

/* Whether llhttp is spared this byte: extensions and trailers are ours alone to check and drop. */
static bool is_dropped(const struct http__body *b, char c)
{
    switch ((enum chunk_state)b->state) {
    case SIZE_MORE:
        return c == ';';
    case EXTENSION_FIRST:
        return true;
    case EXTENSION:
        return c != '\r';
    default:
        return b->state >= TRAILER_FIRST;
    }
}

/* Reads one segment of framing, all of it dropped or none, and the run of data behind it. */
static enum err segment(struct http__body *b, struct str in, bool dropped, size_t *n,
                        struct str *data)
{
    enum err err = ERR_OK;
    size_t i = 0;
    *data = STR_NONE;
    while (!err && i < in.n && !b->complete && b->state != DATA &&
           is_dropped(b, in.p[i]) == dropped)
        err = framing_byte(b, in.p[i++]);
    if (!err && b->state == DATA && i < in.n) {
        *data = str_sub(in, i, b->left < in.n - i ? (size_t)b->left : in.n - i);
        i += data->n;
        b->left -= data->n;
        if (b->left == 0)
            b->state = DATA_CR;
    }
    *n = i;
    return err;
}

static void deliver(struct http__body *b, struct str data, void (*fn)(void *, struct str),
                    void *arg)
{
    if (data.n == 0)
        return;
    b->total += data.n;
    if (fn)
        fn(arg, data);
}

static enum err feed_chunked(struct http__body *b, struct str in, size_t *used,
                             void (*fn)(void *, struct str), void *arg)
{
    while (*used < in.n && !b->complete && !b->hold) {
        struct str rest = str_from(in, *used), data;
        bool dropped = is_dropped(b, rest.p[0]);
        size_t n = 0;
        enum err err = segment(b, rest, dropped, &n, &data);
        *used += n;
        if (!err && !dropped && !http__llhttp_feed(&b->llhttp, str_sub(rest, 0, n), data))
            err = ERR_SYNTAX;
        if (!err && b->complete && !http__llhttp_complete(&b->llhttp))
            err = ERR_SYNTAX;
        if (err) {
            b->complete = false;
            return err;
        }
        deliver(b, data, fn, arg);
    }
    return ERR_OK;
}

static enum err feed_plain(struct http__body *b, struct str in, size_t *used,
                           void (*fn)(void *, struct str), void *arg)
{
    bool counted = b->framing == HTTP_BY_LENGTH;
    uint64_t room = b->max - b->total;
    struct str data = in;
    if (counted && b->left < data.n)
        data.n = (size_t)b->left;
    bool over = data.n > room;
    if (over)
        data.n = (size_t)room;
    if (counted) {
        b->left -= data.n;
        b->complete = b->left == 0;
    }
    *used = data.n;
    deliver(b, data, fn, arg);
    return over ? ERR_LIMIT : ERR_OK;
}

enum err http__body_feed(struct http__body *b, struct str in, size_t *used,
                         void (*data)(void *, struct str), void *arg, bool *complete)
{
    *used = 0;
    b->hold = false;
    if (!b->failed && !b->complete)
        b->failed = b->framing == HTTP_CHUNKED ? feed_chunked(b, in, used, data, arg)
                                               : feed_plain(b, in, used, data, arg);
    *complete = b->complete && !b->failed;
    return b->failed;
}
