/* SPDX-License-Identifier: Apache-2.0
 *
 * What single texts of a policy are compiled to: patterns (match.c), templates whose variables each
 * request fills (template.c), and the typed values of conditions (value.c). Nothing here knows of
 * statements. */
#ifndef ROPELINE_POLICY_PATTERN_INT_H
#define ROPELINE_POLICY_PATTERN_INT_H

#include "base/limits.h"
#include "policy/policy.h"

/* match.c: a pattern cut at its outermost wildcards. What stands before the first (head) and after
 * the last (tail) is compared in place; only what is between them may need a search. */

/* An incomplete ARN may be completed by up to four times `:*` (compile.c). */
#define POLICY__COMPLETION 8
#define POLICY__PATTERN_MAX (LIMIT_POLICY_RESOURCE + POLICY__COMPLETION)

enum policy__kind {
    POLICY__LITERAL,  /* no wildcard: head is everything */
    POLICY__STAR,     /* between head and tail only stars */
    POLICY__PIECES,   /* stars and literal pieces */
    POLICY__GLOB,     /* a `?` somewhere */
    POLICY__VARIABLE, /* judged by template.c: what it says depends on the request */
};

/* template.c: a text with variables, and the wildcards of some operators, as the document has it.
 */
enum policy__segment_kind { SEGMENT_TEXT, SEGMENT_STAR, SEGMENT_ONE, SEGMENT_VARIABLE };
struct policy__segment {
    const char *p;        /* TEXT: its bytes; VARIABLE: the key */
    const char *fallback; /* VARIABLE with a default; else NULL */
    uint16_t n, fallback_n;
    uint8_t kind;
    uint8_t ordinal; /* VARIABLE: counted from 0 in its template */
};
#define POLICY__VARIABLES_MAX 16
struct policy__template {
    const struct policy__segment *v;
    uint32_t n;
};

/* Which pairs of neighbouring bytes occur in a text, hashed to 256 bits. A text that lacks a pair
 * which the pattern has cannot match it: in a long policy nearly every pattern is told so. */
struct policy__pairs {
    uint64_t bits[4];
};
struct policy__pairs policy__pairs_of(struct str text);
static inline bool policy__pairs_lack(const struct policy__pairs *text,
                                      const struct policy__pairs *pattern)
{
    return ((pattern->bits[0] & ~text->bits[0]) | (pattern->bits[1] & ~text->bits[1]) |
            (pattern->bits[2] & ~text->bits[2]) | (pattern->bits[3] & ~text->bits[3])) != 0;
}

struct policy__pattern {
    const char *program; /* the bytes that are matched: UTF-8 but for the wildcards */
    const char *written; /* the bytes of the document; often the same */
    uint16_t program_n, written_n;
    uint16_t head, tail;
    uint8_t kind;
    unsigned char any, one; /* the wildcards: `*` and `?`, or the two bytes below */
    struct policy__pairs pairs;
    struct policy__template template; /* VARIABLE: instead of all but `written` */
};

/* Bytes that UTF-8 never contains stand for the wildcards in a pattern that has literal `*` or `?`
 * (written `${*}`, `${?}`). */
#define POLICY__ANY 0xff
#define POLICY__ONE 0xfe

/* `program` is borrowed and at most POLICY__PATTERN_MAX bytes. */
struct policy__pattern policy__pattern_make(struct str program, unsigned char any,
                                            unsigned char one);
bool policy__match(const struct policy__pattern *p, struct str text, bool ignore_case);
size_t policy__agreed(const struct policy__pattern *p,
                      struct str text); /* of a pattern that failed */

/* Length of the character at p: a well-formed UTF-8 sequence (RFC 3629 4), or 1. n is not 0. */
size_t policy__char_length(const char *p, size_t n);

/* Takes the next segment off *rest, which is not empty; it points into *rest. `variables`: `${...}`
 * means something; `wildcards`: `*` and `?` do. False with a text in *why: malformed. */
bool policy__segment_take(struct str *rest, bool variables, bool wildcards,
                          struct policy__segment *out, const char **why);
/* The values of a template's variables in one request. */
struct policy__resolved {
    struct str v[POLICY__VARIABLES_MAX];
};
/* False: *missing (may be NULL) is the variable without exactly one well-formed value. */
bool policy__resolve(const struct policy__template *t, const struct policy_context *context,
                     struct policy__resolved *out, struct str *missing);
bool policy__template_equals(const struct policy__template *t, const struct policy__resolved *r,
                             struct str text, bool ignore_case);
/* *agreed (may be NULL) as policy_glob's, but the leftmost reading alone is followed. */
bool policy__template_glob(const struct policy__template *t, const struct policy__resolved *r,
                           struct str text, size_t *agreed);
/* The six parts of an ARN one by one; wildcards stay inside their part. */
bool policy__template_arn(const struct policy__template *t, const struct policy__resolved *r,
                          struct str text);

/* value.c: texts as numbers, instants, addresses. Each is false for a text that is none. */
struct policy__date {
    int64_t seconds; /* since the epoch */
    uint32_t nanos;
};
struct policy__address {
    unsigned char bytes[16]; /* IPv4: the first four; IPv4-mapped IPv6 counts as IPv4 */
    uint8_t bits;
    bool v6;
};
/* *order < 0, 0, > 0; exact for any number of digits. */
bool policy__number_compare(struct str a, struct str b, int *order);
bool policy__date_read(struct str s, struct policy__date *out);
int policy__date_compare(const struct policy__date *a, const struct policy__date *b);
bool policy__address_read(struct str s, bool network, struct policy__address *out);
bool policy__address_in(const struct policy__address *address,
                        const struct policy__address *network);
bool policy__flag_read(struct str s, bool *out);
bool policy__base64_is(struct str s); /* RFC 4648 4, canonical: equal bytes are equal texts */

#endif
