/* SPDX-License-Identifier: Apache-2.0
 *
 * The step `api_key`: a method that requires a key is served only to an enabled key that one plan
 * grants on this API stage. Every refusal is the same 403, so that nobody learns whether a key
 * exists; the decision record says which it was. Invariant: request_usage.key is set only here. */
#include "gateway_int.h"

static enum next refuse(struct exchange *x, const char *why)
{
    decision_note(&x->record, "api_key", VERDICT_DENY, "refused", str_c(why));
    metric_add(&x->worker->metrics, METRIC_API_KEY_REFUSED, 1);
    return exchange__refuse(x, RESPONSE_INVALID_API_KEY);
}

static size_t count_lines(const struct exchange *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->rq->headers.n; i++)
        n += str_ieq(x->rq->headers.v[i].name, STR("x-api-key"));
    return n;
}

static const char *why_none(const struct exchange *x)
{
    if (x->api->key_from_authorizer)
        return "the authorizer returned no usageIdentifierKey";
    return count_lines(x) > 1 ? "more than one x-api-key header" : "no x-api-key header";
}

enum next step__api_key(struct exchange *x)
{
    char masked[16];
    if (!x->method->api_key_required)
        return NEXT;
    struct str value = exchange__sent_key(x);
    if (x->api->key_from_authorizer)
        value = x->auth.result ? auth_usage_key(x->auth.result) : STR("");
    if (value.n == 0)
        return refuse(x, why_none(x));
    decision_note(&x->record, "api_key", VERDICT_INFO, "key", decision_mask(value, masked));
    if (value.n < API_KEY_MIN || value.n > API_KEY_MAX)
        return refuse(x, "a key has 20 to 128 characters");
    const struct api_key *k = key_table__find(&x->snapshot->keys, value);
    if (k == NULL)
        return refuse(x, "no key has this value");
    decision_note(&x->record, "api_key", VERDICT_INFO, "keyId", k->id);
    if (!k->enabled)
        return refuse(x, "the key is disabled");
    const struct grant *g = api_key__grant(k, x->api);
    if (g == NULL)
        return refuse(x, "the key is in no usage plan of this API stage");
    decision_note(&x->record, "api_key", VERDICT_PASS, "plan", g->plan);
    x->usage = (struct request_usage){.key = k, .grant = g, .value = value};
    return NEXT;
}
