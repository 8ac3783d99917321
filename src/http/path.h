/* SPDX-License-Identifier: Apache-2.0
 *
 * The one canonical form of a request path. It is made once, before routing; routing, methodArn,
 * policy, cache, log and backend use exactly these bytes, so that no two of them can disagree.
 * Pure. */
#ifndef ROPELINE_HTTP_PATH_H
#define ROPELINE_HTTP_PATH_H

#include "base/arena.h"

#define PATH_ALLOW_DOUBLE_SLASH 1u /* a per-API switch: `paths: aws` */

/* Escapes of unreserved characters (RFC 3986 2.3) are decoded, hex digits of other escapes are
 * upper-cased. Refused with ERR_INVALID and a static *why: a path that does not begin with '/', a
 * broken escape, %2F %5C %00 in any case, a backslash, a control byte or blank, '#' or '?', an
 * octet above 0x7F that is not escaped, a segment that is "." or ".." after decoding (also before
 * ";parameters"), an empty segment in the middle ("//", unless allowed). One trailing slash is
 * kept. When nothing needs to change *out is `raw` itself. ERR_NOMEM. */
enum err path_canonical(struct arena *a, struct str raw, unsigned flags, struct str *out,
                        const char **why) MUSTCHECK;

/* %XX -> byte, '+' -> blank when `plus` (query strings). Broken escapes stay as they are. */
struct str path_percent_decode(struct arena *a, struct str s, bool plus) MUSTCHECK;
/* Escapes everything but unreserved characters. */
struct str path_percent_encode(struct arena *a, struct str s) MUSTCHECK;

struct query_pair {
    struct str name, value; /* decoded */
};
/* "a=1&b&a=2" -> pairs in order, at most LIMIT_QUERY_PAIRS. ERR_LIMIT, ERR_NOMEM. */
enum err query_parse(struct arena *a, struct str query, struct query_pair **out,
                     size_t *n) MUSTCHECK;

#endif
