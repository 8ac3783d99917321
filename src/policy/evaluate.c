/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict: any matching Deny, else any matching Allow, else nothing. It starts as a denial, and
 * no order of the statements can change it. */
#include "policy/policy_int.h"

const char *decision_name(enum decision d)
{
    switch (d) {
    case DECISION_ALLOW:
        return "ALLOW";
    case DECISION_EXPLICIT_DENY:
        return "EXPLICIT_DENY";
    case DECISION_IMPLICIT_DENY:
        break;
    }
    return "IMPLICIT_DENY";
}

/* Fewer patterns than this are matched sooner than the pairs of the resource are found. */
#define PAIRS_PAY_FROM 6

static bool action_listed(const struct policy *p, struct policy__range range, struct str action)
{
    for (uint32_t i = 0; i < range.n; i++)
        if (policy__match(&p->patterns[range.first + i], action, true))
            return true;
    return false;
}

/* The first pattern of the range that accepts the resource, or NULL. `pairs` may be NULL. */
static const struct policy__pattern *find_resource(const struct policy *p,
                                                   struct policy__range range, struct str resource,
                                                   const struct policy__pairs *pairs)
{
    for (uint32_t i = 0; i < range.n; i++) {
        const struct policy__pattern *pattern = &p->patterns[range.first + i];
        if (pairs && policy__pairs_lack(pairs, &pattern->pairs))
            continue;
        if (policy__match(pattern, resource, false))
            return pattern;
    }
    return NULL;
}

static void trace_pattern(struct policy_trace_row *row, const struct policy__pattern *pattern,
                          size_t agreed)
{
    row->pattern = str_of(pattern->written, pattern->written_n);
    row->agreed = agreed;
}

static void trace_statement(struct policy_trace_row *row, const struct policy *p,
                            const struct policy__statement *s, bool action_matched,
                            const struct policy__pattern *hit, struct str resource)
{
    *row = (struct policy_trace_row){.deny = s->deny,
                                     .action_matched = action_matched,
                                     .resource_matched = (hit != NULL) != s->not_resource,
                                     .principal_matched = true,
                                     .condition_matched = true,
                                     .inverted = s->not_resource,
                                     .pattern = STR("")};
    if (hit) {
        trace_pattern(row, hit, resource.n);
        return;
    }
    for (uint32_t i = 0; i < s->resources.n; i++) {
        const struct policy__pattern *pattern = &p->patterns[s->resources.first + i];
        size_t agreed = policy__agreed(pattern, resource);
        if (i == 0 || agreed > row->agreed)
            trace_pattern(row, pattern, agreed);
    }
}

static void note_ground(struct policy_ground *ground, size_t k, const struct policy__pattern *hit)
{
    if (ground) {
        ground->statement = k + 1;
        ground->pattern = hit ? str_of(hit->written, hit->written_n) : STR("");
    }
}

enum decision policy_evaluate(const struct policy *p, const struct policy_request *rq,
                              struct policy_trace *trace)
{
    return policy_decide(p, rq, NULL, trace);
}

enum decision policy_combine(enum decision resource, enum decision identity)
{
    if (resource == DECISION_EXPLICIT_DENY || identity == DECISION_EXPLICIT_DENY)
        return DECISION_EXPLICIT_DENY;
    return resource == DECISION_ALLOW || identity == DECISION_ALLOW ? DECISION_ALLOW
                                                                    : DECISION_IMPLICIT_DENY;
}

enum decision policy_decide(const struct policy *p, const struct policy_request *rq,
                            struct policy_ground *ground, struct policy_trace *trace)
{
    enum decision verdict = DECISION_IMPLICIT_DENY;
    bool action_matched = false;
    struct policy__pairs found, *pairs = NULL;

    if (p->pattern_n >= PAIRS_PAY_FROM) {
        found = policy__pairs_of(rq->resource);
        pairs = &found;
    }
    if (ground)
        *ground = (struct policy_ground){0, STR("")};
    if (trace) {
        trace->statements = p->statement_n;
        trace->rows = 0;
    }
    for (size_t k = 0; k < p->statement_n; k++) {
        const struct policy__statement *s = &p->statements[k];
        bool traced = trace && k < POLICY_TRACE_ROWS;
        const struct policy__pattern *hit;

        if (verdict == DECISION_EXPLICIT_DENY && !traced)
            break; /* final */
        if (!s->same_actions)
            action_matched = action_listed(p, s->actions, rq->action) != s->not_action;
        if (!traced && (!action_matched || (verdict == DECISION_ALLOW && !s->deny)))
            continue; /* could not change the verdict */
        hit = find_resource(p, s->resources, rq->resource, pairs);
        if (traced)
            trace_statement(&trace->row[trace->rows++], p, s, action_matched, hit, rq->resource);
        if (!action_matched || (hit != NULL) == s->not_resource)
            continue;
        if (verdict == DECISION_EXPLICIT_DENY || (verdict == DECISION_ALLOW && !s->deny))
            continue; /* the first of each effect is the ground */
        verdict = s->deny ? DECISION_EXPLICIT_DENY : DECISION_ALLOW;
        note_ground(ground, k, hit);
    }
    return verdict;
}
