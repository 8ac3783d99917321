/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the room share: the guards that a message head must pass, and the body
 * decoder. Pure: bytes in, verdict out. A head that these accept can be read in one way only. */
#ifndef ROPELINE_HTTP_HTTP_INT_H
#define ROPELINE_HTTP_HTTP_INT_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "h1_llhttp.h"
#include "http/message.h"

/* --- bytes --------------------------------------------------------------------------------- */

/* Which byte may stand where: http__bytes[byte] is a sum of these. */
enum {
    BYTE_TOKEN = 1,  /* RFC 9110 5.6.2 */
    BYTE_VALUE = 2,  /* field value: HTAB, SP, visible, obs-text */
    BYTE_TARGET = 4, /* request-target: visible ASCII but '#' */
    BYTE_HOST = 8,   /* letters, digits, '-', '.', '_' */
    BYTE_HEX = 16,
};
extern const unsigned char http__bytes[256];

static inline bool http__is(char c, unsigned kind)
{
    return (http__bytes[(unsigned char)c] & kind) != 0;
}
/* Index of the first byte at or after `at` that may not stand in a field value. Eight bytes are
 * looked at together: a word without a byte below 0x20 and without 0x7F holds nothing to stop at;
 * any other (a tab, say) is judged byte by byte. A token of a kilobyte is most of a head. */
static inline size_t http__value_end(struct str s, size_t at)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    for (;;) {
        while (s.n - at >= 8) {
            uint64_t w;
            memcpy(&w, s.p + at, 8);
            uint64_t del = w ^ (ones * 0x7f); /* a zero byte where w has 0x7F */
            if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & tops)
                break;
            at += 8;
        }
        size_t stop = s.n - at >= 8 ? at + 8 : s.n;
        while (at < stop && http__is(s.p[at], BYTE_VALUE))
            at++;
        if (at < stop || at == s.n)
            return at;
    }
}
static inline bool http__all(struct str s, unsigned kind)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http__is(s.p[i], kind))
            return false;
    return true;
}

/* --- heads --------------------------------------------------------------------------------- */

struct http__head_limits {
    size_t line_max, head_max, headers_max;
    bool host_optional;
};

/* Index just behind the empty line that ends the head (CRLFCRLF), or 0 when it has not come yet.
 * `from` bytes were searched before. */
size_t http__head_end(struct str in, size_t from);
/* Whether a head that has not come in whole can still become a good one: every line so far ends in
 * CRLF and it does not begin with a byte that no head begins with. `from` bytes were looked at. */
bool http__head_plausible(struct str partial, size_t from);

/* Reads a whole request head (its last bytes are CRLFCRLF) in place: strs of *out point into
 * `head`, except a host that had to be lower-cased, which is in `a`. 0, or the status of the
 * refusal with a static *why. */
unsigned http__guard_request(struct arena *a, struct str head, const struct http__head_limits *max,
                             struct http_request *out, struct http__head_facts *facts,
                             const char **why) MUSTCHECK;

/* The same for an answer's head: ERR_SYNTAX, ERR_LIMIT (too many headers) or ERR_NOMEM. Of a final
 * answer without a body (HEAD, 204, 304) `length` is what its Content-Length said. */
enum err http__guard_response(struct arena *a, struct str head, size_t headers_max,
                              bool request_was_head, struct http_response *out,
                              struct http__head_facts *facts, bool *keep_alive,
                              const char **why) MUSTCHECK;

/* Whether the connection stays after a message with these headers (RFC 9112 9.3). */
bool http__keep_alive(const struct http_headers *h, unsigned minor);

/* Guard, then llhttp over the same bytes; any disagreement is a refusal. */
unsigned http__parse_request_head(struct arena *a, struct str head,
                                  const struct http__head_limits *max, struct http_request *out,
                                  const char **why) MUSTCHECK;
enum err http__parse_response_head(struct arena *a, struct str head /* ends with CRLFCRLF */,
                                   size_t headers_max, bool request_was_head,
                                   struct http_response *out, unsigned *minor, bool *keep_alive,
                                   const char **why) MUSTCHECK;

/* --- bodies -------------------------------------------------------------------------------- */

/* Embedded in its owner; needs no fini. `max` bounds the decoded body. */
struct http__body {
    enum http_framing framing;
    uint64_t left; /* of the body, or of the chunk */
    uint64_t max, total;
    unsigned state;       /* enum chunk_state of h1_body.c */
    unsigned digits;      /* of the chunk size being read */
    size_t dropped;       /* bytes of chunk extensions and trailers so far */
    struct buf *trailers; /* NULL: dropped; else kept here as "Name: value\n" lines */
    bool complete;
    enum err failed; /* sticky */
    bool hold;       /* set it in `data`: feed returns after this piece */
    struct http__llhttp llhttp;
};

void http__body_init(struct http__body *b, enum http_framing framing, uint64_t length,
                     uint64_t max);
/* Reads `in` to its end or the end of the body; *used tells how much of it was the body's. `data`
 * gets the decoded bytes. *complete once the last byte of the body (trailers included, which are
 * dropped) was read; for HTTP_UNTIL_CLOSE never. ERR_SYNTAX, ERR_LIMIT (above max): the message
 * cannot be trusted further, nor can what follows it. */
enum err http__body_feed(struct http__body *b, struct str in, size_t *used,
                         void (*data)(void *, struct str), void *arg, bool *complete) MUSTCHECK;

#endif
