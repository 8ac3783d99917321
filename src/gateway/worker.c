/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway on its loops: what each worker owns, how it starts and drains, and how a decision
 * record is found among them. */
#include "base/cidr.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway_int.h"

bool gateway_is_network(struct str text)
{
    struct cidr c;
    return cidr_parse(text, &c) == ERR_OK;
}

enum err gateway_new(const struct gateway_options *o, struct gateway **out, struct errinfo *e)
{
    size_t n = run_workers(o->run);
    struct gateway *g = mem_alloc(sizeof *g + n * sizeof g->worker[0]);
    *out = NULL;
    if (g == NULL)
        return ERR_NOMEM;
    g->options = *o;
    g->workers = n;
    if (o->trusted_proxy_count > 0) {
        g->trusted = mem_calloc(o->trusted_proxy_count, sizeof *g->trusted);
        if (g->trusted == NULL) {
            mem_free(g);
            return ERR_NOMEM;
        }
    }
    for (size_t i = 0; i < o->trusted_proxy_count; i++) {
        struct str text = o->trusted_proxies[i];
        if (cidr_parse(text, &g->trusted[g->trusted_count++]) != ERR_OK) {
            gateway_free(g);
            return errinfo_set(e, ERR_INVALID,
                               "trusted_proxies: %.*s is not an address or network like 10.0.0.0/8",
                               STR_ARG(str_sub(text, 0, 60)));
        }
    }
    enum err err = usage__new(run_clock(o->run), o->plane, &g->usage);
    if (err == ERR_OK && o->account_burst > 0)
        err = usage__bucket(g->usage, STR("account"),
                            (struct throttle){o->account_rate, o->account_burst}, &g->account);
    if (err != ERR_OK) {
        gateway_free(g);
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        g->worker[i].gateway = g;
        g->worker[i].loop = run_worker(o->run, (unsigned)i);
    }
    *out = g;
    return ERR_OK;
}

void gateway_free(struct gateway *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->workers; i++)
        decision_ring_free(g->worker[i].decisions);
    if (g->current)
        snapshot__free(g->current);
    usage__free(g->usage);
    mem_free(g->trusted);
    mem_free(g);
}

static void on_handshake(void *arg, bool good)
{
    struct gateway_worker *w = arg;
    metric_add(&w->metrics, good ? METRIC_TLS_HANDSHAKES : METRIC_TLS_FAILURES, 1);
}

enum err gateway_worker_start(struct gateway *g, struct loop *worker, const int *listen_fds,
                              size_t count)
{
    struct gateway_worker *w = &g->worker[loop_index(worker)];
    struct http_server_options server = {.refusal = gateway__refusal,
                                         .request = gateway__handle,
                                         .handshake = on_handshake,
                                         .arg = w,
                                         .counters = &w->http};
    struct http_client_options client = {0};
    ASSERT(loop_is_current(worker));
    w->decisions = decision_ring_new();
    if (w->decisions == NULL)
        return ERR_NOMEM;
    enum err err = http_client_new(worker, &client, &w->client);
    if (err == ERR_OK)
        err = http_server_new(worker, &server, &w->server);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = http_server_listen(w->server, listen_fds[i]);
    return err;
}

enum err gateway_worker_tls(struct gateway *g, struct loop *worker, int listen_fd,
                            struct http_tls *tls)
{
    struct gateway_worker *w = &g->worker[loop_index(worker)];
    http_server_set_tls(w->server, tls);
    return http_server_listen_tls(w->server, listen_fd);
}

void gateway_worker_set_tls(struct gateway *g, struct loop *worker, struct http_tls *tls)
{
    struct gateway_worker *w = &g->worker[loop_index(worker)];
    if (w->server) /* else it drains already */
        http_server_set_tls(w->server, tls);
}

enum err gateway_worker_authorize(struct gateway *g, struct loop *worker, const int *listen_fds,
                                  size_t count)
{
    struct gateway_worker *w = &g->worker[loop_index(worker)];
    struct http_server_options server = {
        .refusal = gateway__refusal, .request = forward__handle, .arg = w, .counters = &w->http};
    ASSERT(loop_is_current(worker));
    enum err err = http_server_new(worker, &server, &w->authorize);
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = http_server_listen(w->authorize, listen_fds[i]);
    return err;
}

static void client_closed(void *arg)
{
    struct gateway_worker *w = arg;
    http_client_free(w->client);
    w->client = NULL;
    w->drained(w->drained_arg);
}

static void all_drained(struct gateway_worker *w)
{
    if (w->server || w->authorize)
        return;
    if (w->client)
        http_client_close(w->client, client_closed, w);
    else
        client_closed(w);
}

static void server_drained(void *arg)
{
    struct gateway_worker *w = arg;
    http_server_free(w->server);
    w->server = NULL;
    all_drained(w);
}

static void authorize_drained(void *arg)
{
    struct gateway_worker *w = arg;
    http_server_free(w->authorize);
    w->authorize = NULL;
    all_drained(w);
}

void gateway_worker_drain(struct gateway *g, struct loop *worker, int64_t ms,
                          void (*drained)(void *arg), void *arg)
{
    struct gateway_worker *w = &g->worker[loop_index(worker)];
    ASSERT(loop_is_current(worker));
    w->drained = drained;
    w->drained_arg = arg;
    if (!w->server && !w->authorize) { /* it never came to serve */
        all_drained(w);
        return;
    }
    struct http_server *authorize = w->authorize;
    if (w->server)
        http_server_drain(w->server, ms, server_drained, w);
    if (authorize)
        http_server_drain(authorize, ms, authorize_drained, w);
}

void gateway_settle(struct gateway *g, void (*done)(void *arg), void *arg)
{
    usage__settle(g->usage, run_control(g->options.run), done, arg);
}

size_t gateway_metrics(struct gateway *g, const struct metrics **sets, size_t max)
{
    size_t n = 0;
    for (; n < g->workers && n < max; n++)
        sets[n] = &g->worker[n].metrics;
    return n;
}

/* --- finding a record ---------------------------------------------------------------------------
 */
struct finder {
    struct gateway *gateway;
    char id[40];
    bool denied;
    size_t asked;
    bool any;
    struct decision_record newest;
    struct post post;
    void (*found)(void *arg, const struct decision_record *r);
    void *arg;
};

static void ask_next(struct post *p);

static int64_t ended_us(const struct decision_record *r)
{
    return r->wall_us + r->duration_us;
}

static void look_here(struct post *p)
{
    struct finder *f = CONTAINER_OF(p, struct finder, post);
    struct gateway_worker *w = &f->gateway->worker[f->asked];
    const struct decision_record *r =
        w->decisions ? decision_ring_find(w->decisions, str_c(f->id), f->denied) : NULL;
    if (r && (!f->any || ended_us(r) >= ended_us(&f->newest))) {
        f->newest = *r;
        f->any = true;
    }
    f->asked++;
    f->post.fn = ask_next;
    run_post(run_control(f->gateway->options.run), &f->post);
}

/* Control loop: the next worker, or the end. */
static void ask_next(struct post *p)
{
    struct finder *f = CONTAINER_OF(p, struct finder, post);
    if (f->asked < f->gateway->workers) {
        f->post.fn = look_here;
        run_post(f->gateway->worker[f->asked].loop, &f->post);
        return;
    }
    f->found(f->arg, f->any ? &f->newest : NULL);
    mem_free(f);
}

enum err gateway_find_decision(struct gateway *g, struct str id, bool denied,
                               void (*found)(void *arg, const struct decision_record *r), void *arg)
{
    struct finder *f = mem_alloc(sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    f->gateway = g;
    f->denied = denied;
    f->found = found;
    f->arg = arg;
    if (id.n >= sizeof f->id)
        id.n = sizeof f->id - 1;
    if (id.n > 0)
        memcpy(f->id, id.p, id.n);
    f->post.fn = ask_next;
    run_post(run_control(g->options.run), &f->post);
    return ERR_OK;
}
