/* SPDX-License-Identifier: Apache-2.0
 *
 * How a configuration changes under traffic. The control loop publishes a snapshot by posting it to
 * every worker; each counts the requests it has inside; the last one out of a retired snapshot
 * gives it back, and when all workers have, it is freed. No lock, no atomic. */
#include "base/log.h"
#include "base/mem.h"
#include "domain_int.h"

void snapshot__free(struct snapshot *s)
{
    for (struct api *a = s->apis; a; a = a->next) {
        for (size_t i = 0; i < a->authorizer_count; i++)
            authorizer_fini(a->authorizers[i]);
        policy_free(a->policy);
    }
    for (size_t i = 0; i < s->function_count; i++)
        function_unref(s->functions[i]);
    usage__thaw(s);
    arena_free(s->arena);
}

void snapshot_discard(struct snapshot *s)
{
    if (s)
        snapshot__free(s);
}

/* Control loop: one worker has let go. */
static void given_back(struct post *p)
{
    struct snapshot_share *share = CONTAINER_OF(p, struct snapshot_share, give_back);
    struct snapshot *s = share->snapshot;
    ASSERT(s->shares_out > 0);
    if (--s->shares_out == 0)
        snapshot__free(s);
}

static struct snapshot_share *share_of(struct gateway_worker *w, struct snapshot *s)
{
    return &s->shares[loop_index(w->loop)];
}

static void give_back(struct gateway_worker *w, struct snapshot_share *share)
{
    share->give_back.fn = given_back;
    run_post(run_control(w->gateway->options.run), &share->give_back);
}

static void retire(struct gateway_worker *w, struct snapshot *s)
{
    struct snapshot_share *share = share_of(w, s);
    share->retired = true;
    if (share->in_use == 0)
        give_back(w, share);
}

/* On the worker: from now on new requests run on this snapshot. */
static void take(struct post *p)
{
    struct snapshot_share *share = CONTAINER_OF(p, struct snapshot_share, take);
    struct gateway_worker *w = share->worker;
    struct snapshot *former = w->snapshot;
    w->snapshot = share->snapshot;
    if (former)
        retire(w, former);
}

void gateway_publish(struct gateway *g, struct snapshot *s)
{
    if (g->options.lambda)
        lambda_configure(g->options.lambda, s->plans, s->plan_count);
    s->shares_out = (unsigned)g->workers;
    g->current = s;
    for (size_t i = 0; i < g->workers; i++) {
        struct snapshot_share *share = &s->shares[i];
        share->snapshot = s;
        share->worker = &g->worker[i];
        share->take.fn = take;
        run_post(g->worker[i].loop, &share->take);
    }
}

struct snapshot *snapshot__enter(struct gateway_worker *w)
{
    if (w->snapshot)
        share_of(w, w->snapshot)->in_use++;
    return w->snapshot;
}

void snapshot__leave(struct gateway_worker *w, struct snapshot *s)
{
    struct snapshot_share *share = share_of(w, s);
    ASSERT(share->in_use > 0);
    if (--share->in_use == 0 && share->retired)
        give_back(w, share);
}

const struct snapshot *gateway_current(const struct gateway *g)
{
    return g->current;
}

static void describe_method(const struct api *api, const struct method *m, struct buf *out)
{
    bool prefixed = !str_eqz(api->stage, "$default");
    buf_addf(out, "%-7.*s ", STR_ARG(m->verb));
    if (prefixed)
        buf_addf(out, "/%.*s", STR_ARG(api->stage));
    if (prefixed && !str_starts(m->path, STR("/")))
        buf_addc(out, ' ');
    buf_addf(out, "%.*s   ", STR_ARG(m->path));
    if (m->authorizer)
        buf_addf(out, "authorizer %.*s, cache %u s   ", STR_ARG(authorizer_name(m->authorizer)),
                 authorizer_ttl_s(m->authorizer));
    else if (!m->api_key_required)
        buf_addz(out, "open   ");
    if (m->api_key_required)
        buf_addz(out, "API key   ");
    buf_addf(out, "%s\n", m->kind->name);
}

static void describe_tree(const struct api *api, const struct node *n, struct buf *out)
{
    for (size_t i = 0; i <= HTTP_OTHER; i++)
        if (n->methods[i])
            describe_method(api, n->methods[i], out);
    for (size_t i = 0; i < n->literal_count; i++)
        describe_tree(api, n->literals[i], out);
    if (n->param)
        describe_tree(api, n->param, out);
    if (n->greedy)
        describe_tree(api, n->greedy, out);
}

void snapshot_describe(const struct snapshot *s, struct buf *out)
{
    for (const struct api *a = s->apis; a; a = a->next) {
        describe_tree(a, &a->root, out);
        if (a->catch_all)
            describe_method(a, a->catch_all, out);
    }
    domain__describe(s, out);
}
