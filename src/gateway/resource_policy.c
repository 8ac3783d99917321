/* SPDX-License-Identifier: Apache-2.0
 *
 * The resource policy of a REST API. Before the authorizer only its explicit Deny counts, so that
 * who is shut out costs no invocation; after it, its verdict is combined with the authorizer's.
 * Invariant: on an API that has a policy no open route is served without its explicit Allow.
 * Source: API Gateway developer guide, "How API Gateway resource policies affect authorization
 * workflow". */
#include "gateway_int.h"

#define ACTION STR("execute-api:Invoke")

static struct policy_request question(struct exchange *x, struct str arn)
{
    return (struct policy_request){.action = ACTION,
                                   .resource = arn,
                                   .context = exchange__condition_keys(x),
                                   .principal = STR("")}; /* nobody is known by AWS credentials */
}

static void note_change(struct exchange *x, const struct policy_request *rq)
{
    struct policy_nearest nearest;
    AUTO_BUF words = BUF_INIT(KIB(8));
    policy_nearest(x->api->policy, rq, &nearest);
    policy_nearest_words(&words, &nearest, rq);
    decision_note(&x->record, "resource_policy", VERDICT_INFO, "change", buf_str(&words));
}

/* The verdict first: of a long policy the record holds a part. */
static void note_denial(struct exchange *x, const struct policy_request *rq, enum decision d)
{
    bool explicit = d == DECISION_EXPLICIT_DENY;
    struct policy_trace trace;
    decision_note(&x->record, "resource_policy", VERDICT_INFO, "methodArn", rq->resource);
    decision_note(&x->record, "resource_policy", VERDICT_DENY, "verdict",
                  explicit ? STR("explicit deny of the API's resource policy")
                           : STR("implicit deny: the API's resource policy does not allow it"));
    if (!explicit)
        note_change(x, rq);
    (void)policy_evaluate(x->api->policy, rq, &trace);
    for (size_t i = 0; i < trace.rows; i++) {
        AUTO_BUF words = BUF_INIT(KIB(4));
        policy_row_words(&words, i + 1, &trace.row[i], rq);
        decision_note(&x->record, "resource_policy", VERDICT_INFO, "statement", buf_str(&words));
    }
}

static enum next refuse(struct exchange *x, const struct policy_request *rq, enum decision d)
{
    bool explicit = d == DECISION_EXPLICIT_DENY;
    struct str parts[] = {STR("User: anonymous is not authorized to perform: "), rq->action,
                          STR(" on resource: "), x->method_arn,
                          explicit ? STR(" with an explicit deny") : STR("")};
    note_denial(x, rq, d);
    enum gateway_response type =
        explicit ? RESPONSE_ACCESS_DENIED_EXPLICIT : RESPONSE_ACCESS_DENIED;
    struct str message = arena_cat(x->arena, parts, COUNTOF(parts));
    return message.p ? exchange__refuse_with(x, type, message) : exchange__refuse(x, type);
}

enum next step__resource_policy(struct exchange *x)
{
    const struct policy *policy = x->api->policy;
    if (policy == NULL)
        return NEXT;
    struct policy_request rq = question(x, x->method_arn);
    struct policy_ground ground;
    x->resource_verdict = policy_decide(policy, &rq, &ground, NULL);
    if (x->resource_verdict != DECISION_EXPLICIT_DENY && x->decoded_arn.n > 0) {
        struct policy_request decoded = question(x, x->decoded_arn);
        if (policy_evaluate(policy, &decoded, NULL) == DECISION_EXPLICIT_DENY) {
            rq = decoded; /* a backend may read it so: what is denied there is denied */
            x->resource_verdict = DECISION_EXPLICIT_DENY;
        }
    }
    bool open = x->method->authorizer == NULL;
    if (x->resource_verdict == DECISION_EXPLICIT_DENY ||
        (open && x->resource_verdict != DECISION_ALLOW))
        return refuse(x, &rq, x->resource_verdict);
    if (x->resource_verdict == DECISION_ALLOW)
        decision_noteu(&x->record, "resource_policy", VERDICT_PASS, "allowed by", ground.statement);
    else
        decision_note(&x->record, "resource_policy", VERDICT_INFO, "verdict",
                      STR("neither allows nor denies: the authorizer decides"));
    return NEXT;
}

/* With a function's policy, one account: an Allow of either is enough, and a Deny of either was
 * final. A token's verdict is no policy: then both must allow. */
enum auth_verdict resource_policy__combine(struct exchange *x, enum auth_verdict verdict)
{
    if (x->api->policy == NULL || x->auth.result == NULL)
        return verdict;
    bool by_policy = auth_has_policy(x->auth.result);
    bool allowed = x->resource_verdict == DECISION_ALLOW;
    if (by_policy && verdict == AUTH_DENY_IMPLICIT && allowed) {
        decision_note(&x->record, "resource_policy", VERDICT_PASS, "verdict",
                      STR("the API's resource policy allows what the authorizer left open"));
        return AUTH_ALLOW;
    }
    if (!by_policy && verdict == AUTH_ALLOW && !allowed) {
        struct policy_request rq = question(x, x->method_arn);
        note_denial(x, &rq, x->resource_verdict);
        return AUTH_DENY_IMPLICIT;
    }
    return verdict;
}
