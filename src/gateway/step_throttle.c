/* SPDX-License-Identifier: Apache-2.0
 *
 * The step `throttle`: a token from each bucket that this request meets, most particular first.
 * The first empty one answers 429, and what was taken before it is given back: a request takes from
 * all or from none (docs/internals/usage.md). */
#include "gateway_int.h"

/* In the order in which they are asked. */
enum asked { ASK_CLIENT_METHOD, ASK_CLIENT, ASK_STAGE, ASK_ACCOUNT, ASKED };

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

enum next step__throttle(struct exchange *x)
{
    struct bucket *v[ASKED];
    uint64_t taken[ASKED], now = 0;
    find_buckets(x, v);
    for (int i = 0; i < ASKED; i++) {
        if (v[i] == NULL)
            continue;
        if (now == 0)
            now = usage__now(x->worker->gateway->usage);
        if (bucket__take(v[i], now, &taken[i]))
            continue;
        uint64_t later = usage__now(x->worker->gateway->usage);
        for (int k = i; k-- > 0;)
            if (v[k])
                bucket__give_back(v[k], later, taken[k]);
        return refuse(x, (enum asked)i, v[i], now);
    }
    return NEXT;
}
