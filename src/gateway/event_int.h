/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that write events for functions and authorizers. A failure sticks to the
 * buffer. Private to this room. */
#ifndef ROPELINE_GATEWAY_EVENT_INT_H
#define ROPELINE_GATEWAY_EVENT_INT_H

#include "base/limits.h"
#include "gateway_int.h"

struct event_pair {
    struct str name, value;
};
struct event_pairs {
    const struct event_pair *v;
    size_t n;
    bool ignore_case; /* of names */
};

/* `first` says whether a comma is due; it is false afterwards. */
void event__member(struct buf *b, bool *first, struct str key);
void event__text(struct buf *b, bool *first, const char *key, struct str value);
/* "KEY":{"name":"last"} and "KEY":{"name":["first","last"]}; without pairs `empty`. */
void event__single(struct buf *b, bool *first, const char *key, struct event_pairs p,
                   const char *empty);
void event__multi(struct buf *b, bool *first, const char *key, struct event_pairs p,
                  const char *empty);
/* Header values are octets; an event is JSON. Bytes that are no UTF-8 are read as Latin-1. */
struct str event__utf8(struct arena *a, struct str s);

bool event__is_ours(struct str name);
/* The client's headers and those that the gateway adds; the rest of the request. */
enum err event__headers(struct exchange *x, struct event_pairs *out) MUSTCHECK;
enum err event__query(struct exchange *x, struct event_pairs *out) MUSTCHECK;
enum err event__params(struct exchange *x, struct event_pairs *out) MUSTCHECK;
enum err event__variables(struct exchange *x, struct event_pairs *out) MUSTCHECK;

/* "principalId" and the context in its text form. */
/* An object of texts. */
void event__claims(struct exchange *x, struct buf *b, const struct json *claims);
void event__authorizer_members(struct exchange *x, struct buf *b, bool *first);
void event__identity(struct exchange *x, struct buf *b, bool *first);
/* From "resource" to "stageVariables", as REST APIs and payload format 1.0 have them; with `multi`
 * the maps of all values too. */
void event__request(struct exchange *x, struct buf *b, bool *first, const char *empty, bool multi);
/* Of REST APIs. */
void event__request_context(struct exchange *x, struct buf *b, bool *first);

#endif
