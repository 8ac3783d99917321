/* SPDX-License-Identifier: Apache-2.0
 *
 * IAM policies for execute-api: a document in, an immutable compiled policy out, and the verdict of
 * AWS for one action on one resource. Pure: no I/O, no clock, no threads; a compiled policy may be
 * evaluated by any number of threads at once.
 * Grammar and matching: IAM user guide, "Grammar of the IAM JSON policy language"; what API Gateway
 * adds is in docs/internals/policy.md. */
#ifndef ROPELINE_POLICY_POLICY_H
#define ROPELINE_POLICY_POLICY_H

#include "base/json.h"

enum decision {
    DECISION_IMPLICIT_DENY = 0, /* nothing matched: the default of everything */
    DECISION_EXPLICIT_DENY,
    DECISION_ALLOW,
};
const char *decision_name(enum decision d); /* "IMPLICIT_DENY", "EXPLICIT_DENY", "ALLOW" */

struct policy;

/* Compiles `document` (the policy object, already parsed). The result is one block of memory that
 * owns copies of everything it needs; the caller frees it. Refused with ERR_INVALID and a text that
 * names the statement (counted from 1) and the element: missing or unknown elements, both or
 * neither of a Not-pair, a wrong type, an empty list, a pattern above LIMIT_POLICY_RESOURCE bytes.
 * A Condition and a policy variable (Version 2012-10-17, `${key}`) are refused with
 * ERR_UNSUPPORTED: a policy that we cannot judge fully must not pass. ERR_LIMIT above
 * LIMIT_POLICY_STATEMENTS; ERR_NOMEM. On failure *out is NULL. */
enum err policy_compile(const struct json *document, struct policy **out,
                        struct errinfo *e) MUSTCHECK;
void policy_free(struct policy *p);
size_t policy_bytes(const struct policy *p); /* what it occupies: for cache accounts */
size_t policy_statements(const struct policy *p);

struct policy_request {
    struct str action;   /* "execute-api:Invoke" */
    struct str resource; /* the methodArn, canonical path bytes */
};

/* What evaluation saw, for `explain`: one row for each of the first POLICY_TRACE_ROWS statements.
 */
#define POLICY_TRACE_ROWS 8
struct policy_trace {
    size_t statements; /* in the policy */
    size_t rows;       /* used below */
    struct policy_trace_row {
        bool deny;             /* Effect */
        bool action_matched;   /* after Not- inversion */
        bool resource_matched; /* after Not- inversion */
        bool inverted;         /* NotResource */
        struct str pattern; /* the Resource pattern that matched, else the one that came furthest;
                               borrowed from the policy; "" when there is none */
        size_t agreed;      /* how many leading bytes of the request's resource it accepted */
    } row[POLICY_TRACE_ROWS];
};

/* The statement that decided, counted from 1, and the Resource pattern by which it matched ("" when
 * it matched by NotResource); statement 0 when none did. Borrowed from the policy. */
struct policy_ground {
    size_t statement;
    struct str pattern;
};

/* policy_evaluate for those who also want to know by what: `ground` and `trace` may be NULL. The
 * ground costs nothing; a trace makes evaluation several times slower. */
enum decision policy_decide(const struct policy *p, const struct policy_request *rq,
                            struct policy_ground *ground, struct policy_trace *trace);

/* Explicit deny beats allow beats nothing, whatever the order. `trace` may be NULL. Linear in
 * (length of the policy) x (length of the resource) at worst, never exponential. */
enum decision policy_evaluate(const struct policy *p, const struct policy_request *rq,
                              struct policy_trace *trace);

/* `*` any run of characters, `?` exactly one, everything else itself; anchored at both ends. A
 * character is one well-formed UTF-8 sequence, or one byte where the text is malformed. A pattern
 * that is not UTF-8 or is longer than LIMIT_POLICY_RESOURCE matches nothing (policy_compile refuses
 * such patterns). Exposed for the tests and the fuzzer. *agreed (may be NULL): text.n on a match,
 * else the length of the longest prefix of `text` that is accepted by some prefix of `pattern` not
 * ending in `*` (which would accept everything and tell nothing). */
bool policy_glob(struct str pattern, struct str text, bool ignore_case, size_t *agreed);

#endif
