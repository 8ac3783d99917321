/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the AST that parse.c makes of a document, the pattern that
 * match.c judges, and the flat block that compile.c makes of an AST and evaluate.c reads. */
#ifndef ROPELINE_POLICY_POLICY_INT_H
#define ROPELINE_POLICY_POLICY_INT_H

#include "base/limits.h"
#include "policy/policy.h"

/* parse.c: structure checked, nothing copied; every node borrows from the document. */

struct policy__list {
    const struct json *node; /* one string, or an array of strings with at least one item */
    bool inverted;           /* written as NotAction or NotResource */
};
struct policy__ast_statement {
    bool deny;
    struct policy__list actions, resources;
};
struct policy__ast {
    bool variables; /* Version 2012-10-17: `${...}` means something */
    size_t n;
    struct policy__ast_statement *statements; /* in the arena given to policy__parse */
};

enum err policy__parse(struct arena *a, const struct json *document, struct policy__ast *out,
                       struct errinfo *e) MUSTCHECK;
size_t policy__list_n(const struct policy__list *l);
struct str policy__list_at(const struct policy__list *l, size_t i);

/* "statement 3: " and the text, placed at `node`; `statement` counts from 0. */
enum err policy__refuse(struct errinfo *e, enum err code, const struct json *node, size_t statement,
                        const char *fmt, ...) PRINTF(5, 6);

/* match.c: a pattern cut at its outermost wildcards. What stands before the first (head) and after
 * the last (tail) is compared in place; only what is between them may need a search. */

/* An incomplete ARN may be completed by up to four times `:*` (compile.c). */
#define POLICY__COMPLETION 8
#define POLICY__PATTERN_MAX (LIMIT_POLICY_RESOURCE + POLICY__COMPLETION)

enum policy__kind {
    POLICY__LITERAL, /* no wildcard: head is everything */
    POLICY__STAR,    /* between head and tail only stars */
    POLICY__PIECES,  /* stars and literal pieces */
    POLICY__GLOB,    /* a `?` somewhere */
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

/* compile.c: one block: this head, statements, patterns, text. Immutable, so that threads share it.
 */

struct policy__range {
    uint32_t first, n; /* in policy.patterns */
};
struct policy__statement {
    bool deny, not_action, not_resource;
    bool same_actions; /* as the statement before it: its answer holds here too */
    struct policy__range actions, resources;
};
struct policy {
    size_t bytes, statement_n, pattern_n;
    const struct policy__statement *statements;
    const struct policy__pattern *patterns;
};

#endif
