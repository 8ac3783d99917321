/* SPDX-License-Identifier: Apache-2.0
 *
 * The step `throttle`: a token from each bucket that this request meets, most particular first.
 * The first empty one answers 429, and what was taken before it is given back: a request takes from
 * all or from none. Then it counts against the plan's quota (docs/internals/usage.md). */
#include "gateway_int.h"

/* In the order in which they are asked. */
enum asked { ASK_CLIENT_METHOD, ASK_CLIENT, ASK_STAGE, ASK_ACCOUNT, ASKED = USAGE_BUCKETS };

static const struct {
    const char *what;
    enum metric metric;
} limits[ASKED] = {
    [ASK_CLIENT_METHOD] = {"the plan's for this method and key", METRIC_THROTTLED_CLIENT_METHOD},
    [ASK_CLIENT] = {"the plan's for this key", METRIC_THROTTLED_CLIENT},
    [ASK_STAGE] = {"the stage's for this method", METRIC_THROTTLED_STAGE},
    [ASK_ACCOUNT] = {"the account's", METRIC_THROTTLED_ACCOUNT},
};

static void find_buckets(const struct exchange *x, struct bucket *v[ASKED])
{
    const struct grant *g = x->usage.grant;
    unsigned slot = g && g->slots ? g->slots[x->method->index] : 0;
    v[ASK_CLIENT_METHOD] = slot ? g->methods[slot - 1] : NULL;
    v[ASK_CLIENT] = g ? g->client : NULL;
    v[ASK_STAGE] = x->method->throttle;
    v[ASK_ACCOUNT] = x->worker->gateway->account;
}

/* Whole seconds, as RFC 9110 10.2.3 wants it; a limit that never ends has none. */
void exchange__retry_after(struct exchange *x, uint64_t seconds)
{
    struct http_headers *h = &x->answer.headers;
    struct str text = arena_fmt(x->arena, "%llu", (unsigned long long)(seconds ? seconds : 1));
    if (text.p == NULL || http_find(h, STR("Retry-After")) /* the document customised it */ ||
        http_add(x->arena, h, STR("Retry-After"), text) != ERR_OK)
        return; /* out of memory: the refusal stands without it */
}

static enum next refuse(struct exchange *x, enum asked which, const struct bucket *b, uint64_t now)
{
    uint64_t wait = bucket__wait(b, now);
    enum next next = exchange__refuse(x, RESPONSE_THROTTLED);
    metric_add(&x->worker->metrics, limits[which].metric, 1);
    if (wait == UINT64_MAX) {
        decision_notef(&x->record, "throttle", VERDICT_DENY, "bucket",
                       "%s (rate %g, burst %llu) is empty and never refilled", limits[which].what,
                       b->rule.rate, (unsigned long long)b->rule.burst);
        return next;
    }
    decision_notef(&x->record, "throttle", VERDICT_DENY, "bucket",
                   "%s (rate %g, burst %llu) is empty; the next token comes in %.3f s",
                   limits[which].what, b->rule.rate, (unsigned long long)b->rule.burst,
                   (double)wait / (double)BUCKET_TICKS_PER_S);
    exchange__retry_after(x, (wait + BUCKET_TICKS_PER_S - 1) / BUCKET_TICKS_PER_S);
    return next;
}

/* All or none: who is refused has taken nothing. */
static void give_back(struct exchange *x)
{
    uint64_t now = usage__now(x->worker->gateway->usage);
    for (int i = 0; i < ASKED; i++)
        if (x->usage.buckets[i])
            bucket__give_back(x->usage.buckets[i], now, x->usage.taken[i]);
}

/* --- quotas ----------------------------------------------------------------------------------- */
static enum next count_request(struct exchange *x);

static enum next refuse_quota(struct exchange *x, const struct quota_rule *r, uint64_t period)
{
    int64_t ends = quota__period_begins_us(r->period, period + 1);
    enum next next = exchange__refuse(x, RESPONSE_QUOTA_EXCEEDED);
    decision_notef(&x->record, "throttle", VERDICT_DENY, "quota", "%llu requests a %s are used up",
                   (unsigned long long)r->limit, quota__period_name(r->period));
    metric_add(&x->worker->metrics, METRIC_QUOTA_EXCEEDED, 1);
    give_back(x);
    exchange__retry_after(x, ends > x->wall_us ? (uint64_t)(ends - x->wall_us) / 1000000 + 1 : 1);
    return next;
}

/* What cannot be remembered is not served: a quota that forgets would be none. */
static enum next refuse_unkept(struct exchange *x, enum err err)
{
    decision_notef(&x->record, "throttle", VERDICT_ERROR, "quota", "cannot be stored: %s",
                   err_text(err));
    give_back(x);
    return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
}

static void reserved(struct quota_waiter *w)
{
    struct exchange *x = CONTAINER_OF(w, struct exchange, usage.waiter);
    exchange__resume(x, w->err ? refuse_unkept(x, w->err) : count_request(x));
}

static enum next count_request(struct exchange *x)
{
    const struct grant *g = x->usage.grant;
    uint64_t count, now = quota__period(g->quota_rule.period, x->wall_us);
    switch (quota__take(g->quota, &g->quota_rule, now, &count)) {
    case QUOTA_TAKEN:
        quota__look_ahead(g->quota, &g->quota_rule, count);
        decision_noteu(&x->record, "throttle", VERDICT_PASS, "quotaUsed", count);
        return NEXT;
    case QUOTA_USED_UP:
        return refuse_quota(x, &g->quota_rule, count);
    case QUOTA_WAIT:
        break;
    }
    x->usage.waiter.resume = reserved;
    x->usage.waiter.loop = x->worker->loop;
    quota__wait(g->quota, &x->usage.waiter, count);
    return WAIT;
}

enum next step__throttle(struct exchange *x)
{
    struct request_usage *u = &x->usage;
    struct bucket *v[ASKED];
    uint64_t now = 0;
    find_buckets(x, v);
    for (int i = 0; i < ASKED; i++) {
        if (v[i] == NULL)
            continue;
        if (now == 0)
            now = usage__now(x->worker->gateway->usage);
        if (!bucket__take(v[i], now, &u->taken[i])) {
            give_back(x);
            return refuse(x, (enum asked)i, v[i], now);
        }
        u->buckets[i] = v[i];
    }
    return u->grant && u->grant->quota ? count_request(x) : NEXT;
}
