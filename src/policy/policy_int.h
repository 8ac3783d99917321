/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share: the AST that parse.c makes of a document, and the flat block
 * that compile.c makes of an AST and evaluate.c reads. */
#ifndef ROPELINE_POLICY_POLICY_INT_H
#define ROPELINE_POLICY_POLICY_INT_H

#include "policy/pattern_int.h"

/* parse.c: structure checked, nothing copied; every node borrows from the document. */

struct policy__list {
    const struct json *node; /* one string, or an array of strings with at least one item */
    bool inverted;           /* written as NotAction or NotResource */
};
struct policy__ast_statement {
    bool deny;
    struct policy__list actions, resources;
    const struct json *condition;                 /* an object, or NULL */
    const struct json *principal, *not_principal; /* of a resource policy: one of them */
};
struct policy__ast {
    bool variables; /* Version 2012-10-17: `${...}` means something */
    size_t n;
    struct policy__ast_statement *statements; /* in the arena given to policy__parse */
};

/* `resource`: a resource policy, each of whose statements says of whom it speaks. */
enum err policy__parse(struct arena *a, const struct json *document, bool resource,
                       struct policy__ast *out, struct errinfo *e) MUSTCHECK;
size_t policy__list_n(const struct policy__list *l);
struct str policy__list_at(const struct policy__list *l, size_t i);

/* Names come from strangers: enough of one to recognise it. */
#define SHOWN(s) STR_ARG(str_sub((s), 0, 64))

/* "statement 3: " and the text, placed at `node`; `statement` counts from 0. */
enum err policy__refuse(struct errinfo *e, enum err code, const struct json *node, size_t statement,
                        const char *fmt, ...) PRINTF(5, 6);

/* compile.c: one block: this head, statements, patterns, text. Immutable, so that threads share it.
 */

struct policy__range {
    uint32_t first, n; /* in one of the arrays of struct policy */
};
struct policy__value { /* of a condition; of a Principal only `written` */
    struct str written;
    bool constant; /* no variable in it */
    union {
        struct policy__template template; /* strings and ARNs, but for: */
        struct policy__pattern pattern;   /* a constant with wildcards outside ARNs */
        struct policy__date date;
        struct policy__address address;
        bool flag;
    };
};
enum policy__set { SET_NONE, SET_ANY, SET_ALL };
struct policy__condition {
    const struct policy__operator *op; /* a row of condition.c */
    struct str written, key;
    struct policy__range values;
    uint8_t set;
    bool if_exists;
};
struct policy__statement {
    bool deny, not_action, not_resource;
    bool same_actions; /* as the statement before it: its answer holds here too */
    bool any_principal, not_principal;
    struct policy__range actions, resources; /* patterns */
    struct policy__range conditions;
    struct policy__range principals; /* values */
};
struct policy {
    size_t bytes, statement_n, pattern_n;
    const struct policy__statement *statements;
    const struct policy__pattern *patterns;
    const struct policy__condition *conditions;
    const struct policy__value *values;
};

/* The writer of a block. It goes over the document twice: while the pointers are NULL it counts and
 * refuses, then it fills what was counted. */
struct policy__block {
    struct policy__statement *statements;
    struct policy__pattern *patterns;
    struct policy__condition *conditions;
    struct policy__value *values;
    struct policy__segment *segments;
    char *text;
    uint32_t pattern_n, condition_n, value_n, segment_n;
    size_t text_n;
    bool variables;                 /* of the document */
    const struct policy_home *home; /* of a resource policy; else NULL */
};
/* A copy of what it is given, which counting returns as it is. */
struct str policy__put_text(struct policy__block *b, struct str s);
void policy__put_value(struct policy__block *b, const struct policy__value *v);
void policy__put_condition(struct policy__block *b, const struct policy__condition *c);
/* How many variables the text has; false with words in *why: malformed, or too many. */
bool policy__scan(const struct policy__block *b, struct str text, bool wildcards, size_t *variables,
                  const char **why);
/* Of a `text` that was scanned and is in the block. The second: of one without variables. */
struct policy__template policy__put_template(struct policy__block *b, struct str text,
                                             bool wildcards);
struct policy__pattern policy__put_wildcards(struct policy__block *b, struct str text);

/* condition.c */
enum err policy__put_conditions(struct policy__block *b, const struct json *condition, size_t k,
                                struct policy__range *out, struct errinfo *e) MUSTCHECK;
/* All of them hold; else *why (may be NULL) is the first that does not. */
bool policy__conditions_hold(const struct policy *p, struct policy__range conditions,
                             const struct policy_request *rq, struct policy_condition_trace *why);

/* principal.c: resource policies. */
enum err policy__put_principals(struct policy__block *b, const struct policy__ast_statement *from,
                                size_t k, struct policy__statement *to,
                                struct errinfo *e) MUSTCHECK;
bool policy__principal_matches(const struct policy *p, const struct policy__statement *s,
                               struct str caller);

#endif
