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

/* What a statement's resource patterns say of a request. */
struct found {
    const struct policy__pattern *hit; /* the first that accepts the resource */
    bool unresolved;                   /* a variable of one has no value */
};

static bool pattern_accepts(const struct policy__pattern *pattern, const struct policy_request *rq,
                            bool *unresolved)
{
    struct policy__resolved r;

    if (pattern->kind != POLICY__VARIABLE)
        return policy__match(pattern, rq->resource, false);
    if (policy__resolve(&pattern->template, rq->context, &r, NULL))
        return policy__template_glob(&pattern->template, &r, rq->resource, NULL);
    *unresolved = true;
    return false;
}

/* `pairs` may be NULL. */
static struct found find_resource(const struct policy *p, struct policy__range range,
                                  const struct policy_request *rq,
                                  const struct policy__pairs *pairs)
{
    struct found found = {NULL, false};

    for (uint32_t i = 0; i < range.n; i++) {
        const struct policy__pattern *pattern = &p->patterns[range.first + i];
        if (pairs && policy__pairs_lack(pairs, &pattern->pairs))
            continue;
        if (pattern_accepts(pattern, rq, &found.unresolved)) {
            found.hit = pattern;
            break;
        }
    }
    return found;
}

/* A variable without a value excludes nothing from Deny + NotResource, and lets Allow + NotResource
 * match nothing: whatever it stands for, we permit no more. */
static bool resource_matches(const struct policy__statement *s, const struct found *found)
{
    if (!s->not_resource)
        return found->hit != NULL;
    return found->hit == NULL && (s->deny || !found->unresolved);
}

static void trace_patterns(struct policy_trace_row *row, const struct policy *p,
                           const struct policy__statement *s, const struct found *found,
                           const struct policy_request *rq)
{
    struct policy__resolved r;

    if (found->hit) {
        row->pattern = str_of(found->hit->written, found->hit->written_n);
        row->agreed = rq->resource.n;
        return;
    }
    for (uint32_t i = 0; i < s->resources.n; i++) {
        const struct policy__pattern *pattern = &p->patterns[s->resources.first + i];
        struct str unresolved = STR("");
        size_t agreed = 0;
        if (pattern->kind != POLICY__VARIABLE)
            agreed = policy__agreed(pattern, rq->resource);
        else if (policy__resolve(&pattern->template, rq->context, &r, &unresolved))
            (void)policy__template_glob(&pattern->template, &r, rq->resource, &agreed);
        if (i > 0 && agreed <= row->agreed)
            continue;
        row->pattern = str_of(pattern->written, pattern->written_n);
        row->agreed = agreed;
        row->unresolved = unresolved;
    }
}

static void trace_statement(struct policy_trace_row *row, const struct policy *p,
                            const struct policy__statement *s, bool action_matched,
                            const struct policy_request *rq)
{
    struct found found = find_resource(p, s->resources, rq, NULL);

    *row = (struct policy_trace_row){.deny = s->deny,
                                     .action_matched = action_matched,
                                     .resource_matched = resource_matches(s, &found),
                                     .principal_matched =
                                         policy__principal_matches(p, s, rq->principal),
                                     .inverted = s->not_resource,
                                     .pattern = STR(""),
                                     .unresolved = STR("")};
    row->condition_matched = policy__conditions_hold(p, s->conditions, rq, &row->condition);
    trace_patterns(row, p, s, &found, rq);
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

/* One statement whose action matched, the cheap parts first. */
static bool statement_matches(const struct policy *p, const struct policy__statement *s,
                              const struct policy_request *rq, const struct policy__pairs *pairs,
                              const struct policy__pattern **hit)
{
    struct found found = find_resource(p, s->resources, rq, pairs);

    *hit = found.hit;
    return resource_matches(s, &found) && policy__principal_matches(p, s, rq->principal) &&
           policy__conditions_hold(p, s->conditions, rq, NULL);
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
        if (traced)
            trace_statement(&trace->row[trace->rows++], p, s, action_matched, rq);
        if (!action_matched || verdict == DECISION_EXPLICIT_DENY ||
            (verdict == DECISION_ALLOW && !s->deny))
            continue; /* could not change the verdict; the first of each effect is the ground */
        if (!statement_matches(p, s, rq, pairs, &hit))
            continue;
        verdict = s->deny ? DECISION_EXPLICIT_DENY : DECISION_ALLOW;
        note_ground(ground, k, hit);
    }
    return verdict;
}

/* --- the nearest miss ----------------------------------------------------------------------- */
static size_t failed_parts(const struct policy_trace_row *row)
{
    return (size_t)!row->principal_matched + !row->action_matched + !row->resource_matched +
           !row->condition_matched;
}

static enum policy_part first_failed(const struct policy_trace_row *row)
{
    return !row->principal_matched   ? POLICY_PRINCIPAL
           : !row->action_matched    ? POLICY_ACTION
           : !row->resource_matched  ? POLICY_RESOURCE
           : !row->condition_matched ? POLICY_CONDITION
                                     : POLICY_NOTHING;
}

/* arn:aws:execute-api:region:account:api/stage/VERB/: a wildcard before its end would open more
 * than one method. */
static size_t method_prefix(struct str resource)
{
    size_t at = 0;

    for (int slashes = 0; slashes < 3; slashes++) {
        at = str_chr(resource, '/', at);
        if (at == SIZE_MAX)
            return SIZE_MAX;
        at++;
    }
    return at;
}

static void suggest(struct str resource, struct policy_nearest *out)
{
    size_t slash = str_rchr(str_sub(resource, 0, out->row.agreed), '/'), from;

    from = method_prefix(resource);
    out->star = slash != SIZE_MAX && from != SIZE_MAX && slash + 1 > from;
    out->matching = out->star ? str_sub(resource, 0, slash + 1) : resource;
}

void policy_nearest(const struct policy *p, const struct policy_request *rq,
                    struct policy_nearest *out)
{
    bool action_matched = false;

    *out = (struct policy_nearest){.part = POLICY_NOTHING, .matching = STR("")};
    for (size_t k = 0; k < p->statement_n; k++) {
        const struct policy__statement *s = &p->statements[k];
        struct policy_trace_row row;

        if (!s->same_actions)
            action_matched = action_listed(p, s->actions, rq->action) != s->not_action;
        if (s->deny)
            continue;
        trace_statement(&row, p, s, action_matched, rq);
        if (out->statement > 0 &&
            (failed_parts(&row) > out->failed ||
             (failed_parts(&row) == out->failed && row.agreed <= out->row.agreed)))
            continue;
        out->statement = k + 1;
        out->failed = failed_parts(&row);
        out->part = first_failed(&row);
        out->row = row;
    }
    if (out->part == POLICY_RESOURCE)
        suggest(rq->resource, out);
}
