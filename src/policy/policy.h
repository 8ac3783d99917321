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
 * neither of a Not-pair, a wrong type, an empty list, a pattern above LIMIT_POLICY_RESOURCE bytes,
 * an unknown condition operator, a malformed variable. ERR_LIMIT above LIMIT_POLICY_STATEMENTS;
 * ERR_NOMEM. On failure *out is NULL. Principal is ignored: an identity policy speaks of its
 * holder. */
enum err policy_compile(const struct json *document, struct policy **out,
                        struct errinfo *e) MUSTCHECK;

/* What the short form `execute-api:/stage/VERB/path` of a resource policy leaves out. */
struct policy_home {
    struct str partition, region, account, api; /* "aws", "eu-west-1", "111122223333", id */
};
/* The same for the resource policy of an API: each statement must have Principal or NotPrincipal,
 * short forms are expanded with `home`, and above LIMIT_RESOURCE_POLICY bytes (as compact JSON) it
 * is ERR_LIMIT. */
enum err policy_compile_resource(const struct json *document, const struct policy_home *home,
                                 struct policy **out, struct errinfo *e) MUSTCHECK;
void policy_free(struct policy *p);
size_t policy_bytes(const struct policy *p); /* what it occupies: for cache accounts */
size_t policy_statements(const struct policy *p);

/* The condition keys of one request, asked for only when a policy names them. For an API behind a
 * Lambda authorizer the gateway serves: aws:CurrentTime (2026-11-22T07:00:00Z), aws:EpochTime
 * (seconds), aws:SourceIp (the peer, never a header), aws:SecureTransport ("true", "false"),
 * aws:UserAgent and aws:Referer (when the header was sent), aws:SourceArn (the methodArn). Keys of
 * private endpoints (aws:SourceVpc, aws:SourceVpce, aws:VpcSourceIp) and of IAM callers
 * (aws:PrincipalType, aws:PrincipalArn, aws:PrincipalOrgID, aws:userid, aws:username,
 * aws:TokenIssueTime, aws:MultiFactorAuthPresent, aws:MultiFactorAuthAge) are there only for such.
 * Whatever is not served counts as missing. */
struct policy_context {
    /* How many values `key` has in this request, 0 when it is missing; *values is set to them. They
     * are borrowed until the evaluation ends, and the same key must give the same answer again.
     * `key` is as the policy spells it: names are compared without regard to letter case. */
    size_t (*get)(void *arg, struct str key, const struct str **values);
    void *arg;
};

struct policy_request {
    struct str action;                    /* "execute-api:Invoke" */
    struct str resource;                  /* the methodArn, canonical path bytes */
    const struct policy_context *context; /* NULL: every condition key is missing */
    struct str principal; /* for resource policies: the caller's ARN; "" = anonymous */
};

/* Why one condition did not hold, for `explain`. */
struct policy_condition_trace {
    struct str op, key; /* as the policy spells them: "NotIpAddress", "aws:SourceIp"; borrowed */
    struct str wanted;  /* the first of the policy's values */
    size_t wanted_n;    /* how many there are */
    bool missing;       /* the request has no such key */
    struct str value;   /* the request's first value, borrowed from the context */
};

/* What evaluation saw, for `explain`: one row for each of the first POLICY_TRACE_ROWS statements.
 */
#define POLICY_TRACE_ROWS 8
struct policy_trace {
    size_t statements; /* in the policy */
    size_t rows;       /* used below */
    struct policy_trace_row {
        bool deny;              /* Effect */
        bool action_matched;    /* after Not- inversion */
        bool resource_matched;  /* after Not- inversion */
        bool principal_matched; /* always in an identity policy */
        bool condition_matched; /* every condition held */
        bool inverted;          /* NotResource */
        struct str pattern; /* the Resource pattern that matched, else the one that came furthest;
                               borrowed from the policy; "" when there is none */
        size_t agreed;      /* how many leading bytes of the request's resource it accepted */
        struct str unresolved; /* a variable of that pattern that has no value; "" when all have */
        struct policy_condition_trace condition; /* the first that failed, unless all held */
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

/* What an implicit deny lacked: the Allow statement that came nearest, and the part of it that a
 * single edit would have to change. Borrowed from policy and request. */
enum policy_part {
    POLICY_NOTHING,
    POLICY_PRINCIPAL,
    POLICY_ACTION,
    POLICY_RESOURCE,
    POLICY_CONDITION
};
struct policy_nearest {
    size_t statement; /* counted from 1; 0: no statement allows anything */
    size_t failed;    /* how many of its parts did not match: 1 means this one edit is enough */
    enum policy_part part;       /* the first of them */
    struct policy_trace_row row; /* what was seen of it */
    /* POLICY_RESOURCE: the leading bytes of the request's resource which, with a `*` behind them,
     * make a pattern that matches: as far as the pattern agreed, cut at a slash; all of it (without
     * a star) when they agreed on less than the stage and the verb. */
    struct str matching;
    bool star;
};
void policy_nearest(const struct policy *p, const struct policy_request *rq,
                    struct policy_nearest *out);

/* Both in words: "2 Allow: Condition IpAddress aws:SourceIp: 203.0.113.9 is not in 10.0.0.0/8". */
void policy_row_words(struct buf *b, size_t statement, const struct policy_trace_row *row,
                      const struct policy_request *rq);
void policy_nearest_words(struct buf *b, const struct policy_nearest *nearest,
                          const struct policy_request *rq);

/* A resource policy beside an authorizer's policy, one account (API Gateway developer guide, "How
 * API Gateway resource policies affect authorization workflow", table A): before the authorizer
 * only an explicit deny counts, which is policy_decide's; after it, this combines the two. */
enum decision policy_combine(enum decision resource, enum decision identity);

/* `*` any run of characters, `?` exactly one, everything else itself; anchored at both ends. A
 * character is one well-formed UTF-8 sequence, or one byte where the text is malformed. A pattern
 * that is not UTF-8 or is longer than LIMIT_POLICY_RESOURCE matches nothing (policy_compile refuses
 * such patterns). Exposed for the tests and the fuzzer. *agreed (may be NULL): text.n on a match,
 * else the length of the longest prefix of `text` that is accepted by some prefix of `pattern` not
 * ending in `*` (which would accept everything and tell nothing). */
bool policy_glob(struct str pattern, struct str text, bool ignore_case, size_t *agreed);

#endif
