/* SPDX-License-Identifier: Apache-2.0
 *
 * The second opinion: llhttp in strict mode reads what our guard has accepted, and a message on
 * which the two disagree is refused. This header is apart from http_int.h because llhttp's own
 * names (HTTP_GET, ...) clash with ours: only h1_llhttp.c sees both this and <llhttp.h>. */
#ifndef ROPELINE_HTTP_H1_LLHTTP_H
#define ROPELINE_HTTP_H1_LLHTTP_H

#include "base/str.h"

/* What the guard understood of a head. */
struct http__head_facts {
    bool response;
    struct str method; /* request */
    size_t target_n;   /* request: bytes of the request-target as sent */
    unsigned status;   /* response */
    unsigned minor;
    size_t fields; /* header lines */
    bool chunked, has_length;
    uint64_t length;
};

enum http__opinion { OPINION_DIFFERS, OPINION_AGREES, OPINION_NO_SUCH_METHOD };

/* `head` ends with CRLFCRLF. */
enum http__opinion http__llhttp_head(struct str head, const struct http__head_facts *facts);

/* An llhttp parser in the middle of a chunked body; opaque so that it can be embedded. */
struct http__llhttp {
    uint64_t room[20];
};
void http__llhttp_chunked(struct http__llhttp *p);
/* Reads `in`, in which the guard found exactly the body bytes `data` (p NULL: none). */
bool http__llhttp_feed(struct http__llhttp *p, struct str in, struct str data) MUSTCHECK;
/* Whether llhttp, too, takes the body for complete once the trailer section is left out. */
bool http__llhttp_complete(struct http__llhttp *p) MUSTCHECK;

#endif
