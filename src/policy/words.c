/* SPDX-License-Identifier: Apache-2.0
 *
 * What evaluation saw, in words for a person who asks why: one line for each statement, and the one
 * edit that would have let the request through. */
#include "policy/policy_int.h"

/* Long lists and values are shown by their beginning. */
#define PART(s) STR_ARG(str_sub((s), 0, 200))

static void add_condition(struct buf *b, const struct policy_condition_trace *c)
{
    bool negated = str_find(c->op, STR("Not")) != SIZE_MAX;
    bool address = str_find(c->op, STR("IpAddress")) != SIZE_MAX;

    buf_addf(b, "Condition %.*s %.*s: ", PART(c->op), PART(c->key));
    if (c->missing) {
        buf_addz(b, "the request has no such key");
        return;
    }
    if (str_eq(c->op, STR("Null"))) {
        buf_addz(b, "the request has this key");
        return;
    }
    buf_addf(b, "%.*s", PART(c->value));
    if (address)
        buf_addz(b, negated ? " is in " : " is not in ");
    else
        buf_addz(b, " fails against ");
    buf_addf(b, "%.*s", PART(c->wanted));
    if (c->wanted_n > 1)
        buf_addf(b, " and %zu more", c->wanted_n - 1);
}

static void add_resource(struct buf *b, const struct policy_trace_row *row,
                         const struct policy_request *rq)
{
    if (row->unresolved.n > 0)
        buf_addf(b, "%.*s: ${%.*s} has no value in this request", PART(row->pattern),
                 PART(row->unresolved));
    else if (row->inverted)
        buf_addf(b, "NotResource %.*s excludes it", PART(row->pattern));
    else
        buf_addf(b, "%.*s does not match; they agree up to \"%.*s\"", PART(row->pattern),
                 PART(str_sub(rq->resource, 0, row->agreed)));
}

void policy_row_words(struct buf *b, size_t statement, const struct policy_trace_row *row,
                      const struct policy_request *rq)
{
    buf_addf(b, "%zu %s", statement, row->deny ? "Deny" : "Allow");
    if (!row->principal_matched) {
        buf_addf(b, ": Principal does not include %s",
                 rq->principal.n > 0 ? "the caller" : "an anonymous caller");
    } else if (!row->action_matched) {
        buf_addf(b, ": Action does not match %.*s", PART(rq->action));
    } else if (!row->resource_matched) {
        buf_addc(b, ' ');
        add_resource(b, row, rq);
    } else if (!row->condition_matched) {
        buf_addz(b, ": ");
        add_condition(b, &row->condition);
    } else {
        buf_addf(b, " %.*s matches", PART(row->inverted ? STR("by NotResource") : row->pattern));
    }
}

static void add_edit(struct buf *b, const struct policy_nearest *n, const struct policy_request *rq)
{
    const struct policy_trace_row *row = &n->row;

    switch (n->part) {
    case POLICY_PRINCIPAL:
        buf_addf(b, "let statement %zu have Principal \"*\"", n->statement);
        break;
    case POLICY_ACTION:
        buf_addf(b, "let statement %zu name the Action %.*s", n->statement, PART(rq->action));
        break;
    case POLICY_RESOURCE:
        if (row->unresolved.n > 0)
            buf_addf(b, "statement %zu needs a value for ${%.*s}, or a default: ${%.*s, 'text'}",
                     n->statement, PART(row->unresolved), PART(row->unresolved));
        else if (row->inverted)
            buf_addf(b, "take %.*s out of NotResource of statement %zu", PART(row->pattern),
                     n->statement);
        else
            buf_addf(b, "let statement %zu name the Resource %.*s%s", n->statement,
                     STR_ARG(n->matching), n->star ? "*" : "");
        break;
    case POLICY_CONDITION:
        buf_addf(b, "change in statement %zu: ", n->statement);
        add_condition(b, &row->condition);
        break;
    case POLICY_NOTHING:
        buf_addf(b, "no statement allows anything: add Effect Allow, Action %.*s, Resource %.*s",
                 PART(rq->action), STR_ARG(rq->resource));
        break;
    }
}

void policy_nearest_words(struct buf *b, const struct policy_nearest *nearest,
                          const struct policy_request *rq)
{
    add_edit(b, nearest, rq);
    if (nearest->failed > 1)
        buf_addf(b, " (%zu more of its elements do not match)", nearest->failed - 1);
}
