/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns a cached or fresh result into a verdict on one methodArn, and leaves behind what a person
 * needs to understand it: which statement matched, or how far each one came, and what can be read
 * off the token without its key. */
#include "authorizer_int.h"
#include "base/limits.h"
#include "jose/jwt.h"

#define ACTION_INVOKE STR("execute-api:Invoke")

static void note_statements(struct auth_call *c, const struct policy_trace *t,
                            const struct policy_request *rq)
{
    for (size_t i = 0; i < t->rows; i++) {
        const struct policy_trace_row *row = &t->row[i];
        bool matched = row->action_matched && row->resource_matched && row->condition_matched;
        AUTO_BUF words = BUF_INIT(KIB(4));
        policy_row_words(&words, i + 1, row, rq);
        decision_note(c->record, "policy",
                      !matched    ? VERDICT_INFO
                      : row->deny ? VERDICT_DENY
                                  : VERDICT_PASS,
                      "statement", buf_str(&words));
    }
    if (t->statements > t->rows)
        decision_notef(c->record, "policy", VERDICT_INFO, "statement", "and %zu more",
                       t->statements - t->rows);
}

static void note_change(struct auth_call *c, const struct policy_request *rq)
{
    struct policy_nearest nearest;
    AUTO_BUF words = BUF_INIT(KIB(8));
    policy_nearest(c->result->policy, rq, &nearest);
    policy_nearest_words(&words, &nearest, rq);
    decision_note(c->record, "policy", VERDICT_INFO, "change", buf_str(&words));
}

/* Evaluated without a trace, which is several times faster; a denial is worth a second pass that
 * says why. */
static void judge_policy(struct auth_call *c)
{
    static const enum auth_verdict verdicts[] = {
        [DECISION_IMPLICIT_DENY] = AUTH_DENY_IMPLICIT,
        [DECISION_EXPLICIT_DENY] = AUTH_DENY_EXPLICIT,
        [DECISION_ALLOW] = AUTH_ALLOW,
    };
    struct policy_request rq = {
        .action = ACTION_INVOKE, .resource = c->facts.method_arn, .context = c->facts.context};
    struct policy_ground ground;
    enum decision d = policy_decide(c->result->policy, &rq, &ground, NULL);
    if (d != DECISION_EXPLICIT_DENY && c->facts.decoded_arn.n > 0) {
        struct policy_request decoded = rq;
        decoded.resource = c->facts.decoded_arn;
        if (policy_evaluate(c->result->policy, &decoded, NULL) == DECISION_EXPLICIT_DENY) {
            rq = decoded; /* a backend may read it so: what is denied there is denied */
            d = DECISION_EXPLICIT_DENY;
        }
    }
    c->verdict = verdicts[d];
    decision_note(c->record, "policy", VERDICT_INFO, "principal", c->result->principal);
    if (d == DECISION_ALLOW) {
        decision_noteu(c->record, "policy", VERDICT_PASS, "allowed by", ground.statement);
        decision_note(c->record, "policy", VERDICT_INFO, "resource", ground.pattern);
        return;
    }
    struct policy_trace trace;
    (void)policy_evaluate(c->result->policy, &rq, &trace);
    decision_note(c->record, "policy", VERDICT_INFO, "methodArn", rq.resource);
    decision_note(c->record, "policy", VERDICT_DENY, "verdict",
                  d == DECISION_EXPLICIT_DENY ? STR("explicit deny")
                                              : STR("implicit deny: no statement allows it"));
    if (d == DECISION_IMPLICIT_DENY)
        note_change(c, &rq);
    note_statements(c, &trace, &rq); /* the last: of a long policy the record holds a part */
}

/* One of the method's scopes, as a whole word, is enough (attacks a.47). */
static bool has_scope(const struct auth_call *c)
{
    const struct str *own;
    size_t n = auth_scopes(c->result, &own);
    for (size_t i = 0; i < c->facts.scope_count; i++)
        for (size_t k = 0; k < n; k++)
            if (str_eq(c->facts.scopes[i], own[k]))
                return true;
    return c->facts.scope_count == 0;
}

/* RFC 6749 3.3: what may stand between quotes. */
static bool is_scope(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\\' || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

/* RFC 6750 3.1: which scopes would do. */
static struct str scope_challenge(const struct auth_call *c)
{
    AUTO_BUF b = BUF_INIT(KIB(4));
    buf_addz(&b, "Bearer scope=\"");
    for (size_t i = 0; i < c->facts.scope_count; i++) {
        if (!is_scope(c->facts.scopes[i]))
            return STR("Bearer error=\"insufficient_scope\"");
        buf_addz(&b, i > 0 ? " " : "");
        buf_add(&b, c->facts.scopes[i]);
    }
    buf_addz(&b, "\" error=\"insufficient_scope\" error_description=\"the token does not have a "
                 "required scope\"");
    struct str kept = b.err ? STR_NONE : arena_str(c->arena, buf_str(&b));
    return kept.p ? kept : STR("Bearer error=\"insufficient_scope\"");
}

static void judge_inactive(struct auth_call *c)
{
    c->verdict = AUTH_UNAUTHORIZED;
    decision_note(c->record, "policy", VERDICT_DENY, "verdict",
                  STR("the issuer says that the token is not active"));
    if (c->result->challenges)
        c->challenge = STR("Bearer scope=\"\" error=\"invalid_token\" "
                           "error_description=\"the token is not active\"");
}

static void judge_simple(struct auth_call *c)
{
    if (c->result->inactive) {
        judge_inactive(c);
        return;
    }
    c->verdict = c->result->allowed ? AUTH_ALLOW : AUTH_DENY_IMPLICIT;
    if (c->result->principal.n > 0)
        decision_note(c->record, "policy", VERDICT_INFO, "principal", c->result->principal);
    if (c->result->claims && c->verdict == AUTH_ALLOW && !has_scope(c)) {
        c->verdict = AUTH_OUT_OF_SCOPE;
        for (size_t i = 0; i < c->facts.scope_count; i++)
            decision_note(c->record, "policy", VERDICT_INFO, "scope wanted", c->facts.scopes[i]);
        decision_note(c->record, "policy", VERDICT_DENY, "verdict",
                      STR("the token has none of the scopes that the route wants"));
        if (c->result->challenges)
            c->challenge = scope_challenge(c);
        return;
    }
    decision_note(c->record, "policy", c->result->allowed ? VERDICT_PASS : VERDICT_DENY, "verdict",
                  c->result->claims    ? STR("the token is good")
                  : c->result->allowed ? STR("allowed for every route of this authorizer")
                                       : STR("isAuthorized is false"));
}

void auth__judge(struct auth_call *c)
{
    if (c->result->policy)
        judge_policy(c);
    else
        judge_simple(c);
    if (c->verdict == AUTH_ALLOW && c->authorizer->roles)
        roles__judge(c);
}

static void note_time(struct auth_call *c, const char *key, const struct jwt_claim_time *t,
                      int64_t now_s, bool must_be_past)
{
    if (!t->present)
        return;
    int64_t ago = now_s - t->seconds;
    bool bad = must_be_past ? ago < 0 : ago >= 0;
    decision_notef(c->record, "token", bad ? VERDICT_DENY : VERDICT_INFO, key, "%lld, %lld s %s",
                   (long long)t->seconds, (long long)(ago < 0 ? -ago : ago),
                   ago < 0 ? "from now" : "ago");
}

void auth__note_token(struct auth_call *c, struct str token)
{
    const struct str bearer = STR("Bearer ");
    struct jwt_facts facts;
    if (str_istarts(token, bearer)) {
        decision_note(
            c->record, "token", VERDICT_INFO, "prefix",
            STR("the value begins with \"Bearer \"; the function sees it with the prefix"));
        token = str_trim(str_from(token, bearer.n));
    }
    if (jwt_peek(c->arena, token, &facts) != ERR_OK) {
        decision_note(c->record, "token", VERDICT_INFO, "form",
                      STR("not a JWT that can be decoded"));
        return;
    }
    int64_t now_s = loop_wall_us(c->loop) / 1000000;
    decision_notef(c->record, "token", VERDICT_INFO, "header", "alg %.*s, kid %.*s",
                   STR_ARG(facts.alg), STR_ARG(facts.kid.n ? facts.kid : STR("(none)")));
    note_time(c, "exp", &facts.exp, now_s, false);
    note_time(c, "nbf", &facts.nbf, now_s, true);
    if (facts.iss.n)
        decision_note(c->record, "token", VERDICT_INFO, "iss", str_sub(facts.iss, 0, 128));
    if (facts.aud.n)
        decision_note(c->record, "token", VERDICT_INFO, "aud", str_sub(facts.aud, 0, 128));
}
