/* SPDX-License-Identifier: Apache-2.0
 *
 * The condition keys that a request gives to policies: looked up only when a policy names one, anew
 * for each request, from what the gateway knows itself. Invariant: aws:SourceIp is the address that
 * peer.c settled and never what a client wrote (trap 54). Source: API Gateway developer guide,
 * "AWS condition keys that can be used in API Gateway resource policies". */
#include <stdio.h>

#include "gateway_int.h"

static struct str source_ip(struct exchange *x)
{
    return x->source_ip;
}

static struct str source_arn(struct exchange *x)
{
    return x->method_arn;
}

static struct str secure_transport(struct exchange *x)
{
    return x->is_tls ? STR("true") : STR("false");
}

static struct str user_agent(struct exchange *x)
{
    return http_value(&x->rq->headers, STR("User-Agent"));
}

static struct str referer(struct exchange *x)
{
    return http_value(&x->rq->headers, STR("Referer"));
}

/* To the second, as AWS has it. */
static struct str current_time(struct exchange *x)
{
    char *text = x->keys.current_time;
    time_rfc3339(x->wall_us - x->wall_us % 1000000, text);
    size_t seconds = strlen("2026-11-22T07:00:00");
    text[seconds] = 'Z';
    return str_of(text, seconds + 1);
}

static struct str epoch_time(struct exchange *x)
{
    int n = snprintf(x->keys.epoch_time, sizeof x->keys.epoch_time, "%lld",
                     (long long)(x->wall_us / 1000000));
    return str_of(x->keys.epoch_time, (size_t)n);
}

/* STR_NONE of `read`: the request has no such key. */
static const struct {
    struct str name;
    struct str (*read)(struct exchange *x);
} keys[] = {
    {STR_INIT("aws:CurrentTime"), current_time},
    {STR_INIT("aws:EpochTime"), epoch_time},
    {STR_INIT("aws:Referer"), referer},
    {STR_INIT("aws:SecureTransport"), secure_transport},
    {STR_INIT("aws:SourceArn"), source_arn},
    {STR_INIT("aws:SourceIp"), source_ip},
    {STR_INIT("aws:UserAgent"), user_agent},
};
_Static_assert(COUNTOF(keys) == CONDITION_KEYS, "each key has a place of its own in the exchange");

static size_t get(void *arg, struct str key, const struct str **values)
{
    struct exchange *x = arg;
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        if (!str_ieq(key, keys[i].name))
            continue;
        x->keys.values[i] = keys[i].read(x);
        *values = &x->keys.values[i];
        return x->keys.values[i].p != NULL;
    }
    return 0;
}

const struct policy_context *exchange__condition_keys(struct exchange *x)
{
    x->keys.context = (struct policy_context){get, x};
    return &x->keys.context;
}
