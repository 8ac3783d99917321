/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway process from its first line to its last: loops, functions, gateway, control socket;
 * then ready; then, on SIGTERM, draining in the opposite order. All on the control loop. */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "certificates.h"

struct daemon_worker {
    struct daemon *daemon;
    struct loop *loop;
    int fd, tls_fd, authorize_fd, core_fd; /* the last three may be -1 */
    enum err err;
    struct post start, stop; /* two, because a stop may come while a start is under way */
};

/* --- what dev shows ------------------------------------------------------------------------------
 */
struct shown_line {
    struct post post;
    struct buf text;
};

static void show(struct post *p)
{
    struct shown_line *l = CONTAINER_OF(p, struct shown_line, post);
    (void)!fwrite(l->text.p, 1, l->text.n, stdout); /* a terminal that is gone stops nobody */
    fflush(stdout);
    buf_fini(&l->text);
    mem_free(l);
}

/* On a worker: words are made here, printed on the control loop so that lines never mix. */
static void on_decision(void *arg, struct loop *loop, const struct decision_record *r)
{
    struct daemon *d = arg;
    struct shown_line *l = mem_alloc(sizeof *l);
    (void)loop;
    if (l == NULL)
        return;
    l->text = BUF_INIT(KIB(8));
    explain_line(r, &l->text);
    l->post.fn = show;
    run_post(run_control(d->run), &l->post);
}

static void on_log(void *arg, struct str function, struct str line)
{
    AUTO_BUF text = BUF_INIT(LIMIT_LOG_LINE + KIB(1));
    (void)arg;
    buf_addf(&text, "  [%.*s] %.*s", STR_ARG(function), STR_ARG(line));
    buf_printable(&text, 0);
    puts(buf_cstr(&text));
    fflush(stdout);
}

/* --- stopping ------------------------------------------------------------------------------------
 */
static void close_signal(uv_signal_t *s)
{
    if (!uv_is_closing((uv_handle_t *)s))
        uv_close((uv_handle_t *)s, NULL);
}

static void logs_closed(void *arg)
{
    struct daemon *d = arg;
    keeper_link_close(d->link);
    d->link = NULL;
    run_stop(d->run);
}

static void lambda_closed(void *arg)
{
    struct daemon *d = arg;
    logstore_close(d->logs, logs_closed, d);
}

static void server_gone(void *arg)
{
    struct http_server **s = arg;
    http_server_free(*s);
    *s = NULL;
}

static void gateway_settled(void *arg)
{
    struct daemon *d = arg;
    if (d->control)
        http_server_drain(d->control, 500, server_gone, &d->control);
    if (d->metrics)
        http_server_drain(d->metrics, 500, server_gone, &d->metrics);
    close_signal(&d->term);
    close_signal(&d->hup);
    core_close(d->core);
    issuers_close(d->issuers);
    fetcher_close(d->fetcher, NULL, NULL); /* the loop ends when its handles have closed too */
    lambda_close(d->lambda, lambda_closed, d);
}

static void all_drained(struct daemon *d)
{
    gateway_settle(d->gateway, gateway_settled, d);
}

static void one_drained(struct post *p)
{
    struct daemon_worker *w = CONTAINER_OF(p, struct daemon_worker, stop);
    struct daemon *d = w->daemon;
    if (++d->drained == d->config->workers)
        all_drained(d);
}

static void worker_drained(void *arg)
{
    struct daemon_worker *w = arg;
    w->stop.fn = one_drained;
    run_post(run_control(w->daemon->run), &w->stop);
}

static void gateway_drained(void *arg)
{
    struct daemon_worker *w = arg;
    if (w->daemon->core)
        core_worker_drain(w->daemon->core, w->loop, worker_drained, w);
    else
        worker_drained(w);
}

static void drain_worker(struct post *p)
{
    struct daemon_worker *w = CONTAINER_OF(p, struct daemon_worker, stop);
    gateway_worker_drain(w->daemon->gateway, w->loop, TIMEOUT_DRAIN_MS, gateway_drained, w);
}

static void stop(struct daemon *d)
{
    if (d->stopping)
        return;
    d->stopping = true;
    watch_stop(d);
    for (unsigned i = 0; i < d->config->workers; i++) {
        d->workers[i].stop.fn = drain_worker;
        run_post(d->workers[i].loop, &d->workers[i].stop);
    }
}

static void on_term(uv_signal_t *s, int number)
{
    (void)number;
    stop(s->data);
}

static void on_hup(uv_signal_t *s, int number)
{
    (void)number;
    daemon_reload(s->data);
}

/* Without the keeper nobody would reap functions or bring us back: end at once. */
static void keeper_lost(void *arg)
{
    (void)arg;
    log_error("main", "the keeper is gone; ending");
    _exit(1);
}

/* --- starting ------------------------------------------------------------------------------------
 */
static void announce(struct daemon *d)
{
    AUTO_BUF text = BUF_INIT(MIB(4));
    if (d->config->quiet)
        return;
    snapshot_describe(gateway_current(d->gateway), &text);
    for (size_t i = 0; i < d->keeper->listens; i++)
        if (d->keeper->listen[i].wanted)
            printf("%-11s %s://%s\n", d->keeper->listen[i].name,
                   i == LISTENER_gateway_tls ? "https" : "http", d->keeper->listen[i].bound);
    printf("%s", buf_cstr(&text));
    fflush(stdout);
}

static void one_started(struct post *p)
{
    struct daemon_worker *w = CONTAINER_OF(p, struct daemon_worker, start);
    struct daemon *d = w->daemon;
    if (w->err != ERR_OK) {
        log_error("main", "a worker could not start: %s", err_text(w->err));
        d->exit_code = 1;
        stop(d);
        return;
    }
    if (++d->started < d->config->workers || d->stopping)
        return;
    d->ready = true;
    announce(d);
    if (keeper_link_ready(d->link) != ERR_OK)
        keeper_lost(d);
}

static void start_worker(struct post *p)
{
    struct daemon_worker *w = CONTAINER_OF(p, struct daemon_worker, start);
    struct daemon *d = w->daemon;
    w->err = gateway_worker_start(d->gateway, w->loop, &w->fd, 1);
    if (w->err == ERR_OK && w->tls_fd >= 0)
        w->err = gateway_worker_tls(d->gateway, w->loop, w->tls_fd, d->tls);
    if (w->err == ERR_OK && w->authorize_fd >= 0)
        w->err = gateway_worker_authorize(d->gateway, w->loop, &w->authorize_fd, 1);
    if (w->err == ERR_OK && w->core_fd >= 0)
        w->err = core_worker_start(d->core, w->loop, w->core_fd);
    w->start.fn = one_started;
    run_post(run_control(w->daemon->run), &w->start);
}

static enum err start_workers(struct daemon *d)
{
    const struct keeper_listen *gateway = &d->keeper->listen[LISTENER_gateway];
    const struct keeper_listen *tls = &d->keeper->listen[LISTENER_gateway_tls];
    const struct keeper_listen *authorize = &d->keeper->listen[LISTENER_authorize];
    const struct keeper_listen *core = &d->keeper->listen[LISTENER_core];
    d->workers = mem_calloc(d->config->workers, sizeof *d->workers);
    if (d->workers == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < d->config->workers; i++) {
        struct daemon_worker *w = &d->workers[i];
        *w = (struct daemon_worker){.daemon = d,
                                    .loop = run_worker(d->run, i),
                                    .fd = gateway->fds[i],
                                    .tls_fd = tls->wanted ? tls->fds[i] : -1,
                                    .authorize_fd = authorize->wanted ? authorize->fds[i] : -1,
                                    .core_fd = core->wanted ? core->fds[i] : -1};
        w->start.fn = start_worker;
        run_post(w->loop, &w->start);
    }
    return ERR_OK;
}

static enum err listen_signals(struct daemon *d)
{
    uv_loop_t *uv = loop_uv(run_control(d->run));
    d->term.data = d->hup.data = d;
    if (uv_signal_init(uv, &d->term) || uv_signal_init(uv, &d->hup) ||
        uv_signal_start(&d->term, on_term, SIGTERM) || uv_signal_start(&d->hup, on_hup, SIGHUP))
        return ERR_INTERNAL;
    return ERR_OK;
}

static enum err make_logs(struct daemon *d)
{
    const struct config *c = d->config;
    struct loop *control = run_control(d->run);
    struct str path = arena_fmt(c->arena, "%s/observe.db", c->state_dir);
    struct store_options store = {.loop = control, .path = path.p, .relaxed = true};
    enum err err = path.p ? store_new(&store, &d->observe) : ERR_NOMEM;
    struct logstore_options logs = {.control = control,
                                    .store = d->observe,
                                    .retention_days = c->logs.retention_days,
                                    .bytes_max = c->logs.bytes_max};
    return err ? err : logstore_new(&logs, &d->logs);
}

static enum err make_rooms(struct daemon *d, int keeper_fd)
{
    const struct config *c = d->config;
    struct run_options run = {.workers = c->workers};
    char region[64], account[16];
    enum err err = run_new(&run, &d->run);
    if (err == ERR_OK)
        err = keeper_link_open(run_control(d->run), keeper_fd, keeper_lost, d, &d->link);
    if (err == ERR_OK)
        err = make_logs(d);
    if (err != ERR_OK)
        return err;
    snprintf(region, sizeof region, "%.*s", STR_ARG(c->region));
    snprintf(account, sizeof account, "%.*s", STR_ARG(c->account));
    struct str plane = arena_fmt(c->arena, "%s/plane.db", c->state_dir);
    struct store_options store = {.loop = run_control(d->run), .path = plane.p};
    err = plane.p ? store_new(&store, &d->plane) : ERR_NOMEM;
    if (err != ERR_OK)
        return err;
    struct lambda_options lambda = {
        .control = run_control(d->run),
        .keeper = d->link,
        .plane = d->plane,
        .state_dir = c->state_dir,
        .region = region,
        .account = account,
        .places = {getenv("ROPELINE_NODE"), getenv("ROPELINE_PYTHON"), getenv("PATH")},
        .isolation = c->cage.level,
        .memory_held = d->keeper->facts.memory,
        .own_tmp = d->keeper->facts.tmp,
        .landlocked = d->keeper->facts.landlock > 0,
        .uid_first = d->keeper->facts.uids ? c->cage.uid_first : 0,
        .uid_count = d->keeper->facts.uids ? c->cage.uid_count : 0,
        .allow_read = c->allow_read,
        .allow_write = c->allow_write,
        .logs = d->logs,
        .log_bytes_rate = c->logs.bytes_rate,
        .log_events_rate = c->logs.events_rate,
        .on_log = c->dev && !c->quiet ? on_log : NULL,
        .arg = d,
    };
    config_lambda(c, &lambda);
    err = lambda_new(&lambda, &d->lambda);
    if (err == ERR_OK)
        err = authorizer_cache_new(LIMIT_AUTHORIZER_CACHE_BYTES, &d->cache);
    struct fetcher_options fetcher = {c->fetch_allow, c->fetch_allow_count};
    if (err == ERR_OK)
        err = fetcher_new(run_control(d->run), &fetcher, &d->fetcher);
    if (err == ERR_OK)
        err = issuers_new(d->run, d->fetcher, &d->issuers);
    return err;
}

static enum err make_gateway(struct daemon *d)
{
    const struct config *c = d->config;
    struct errinfo e = {0};
    struct gateway_options gateway = {
        .run = d->run,
        .plane = d->plane,
        .account_rate = c->account_rate,
        .account_burst = c->account_burst,
        .lambda = d->lambda,
        .cache = d->cache,
        .issuers = d->issuers,
        .sessions = core_session_source(d->core),
        .user_pools = c->user_pools,
        .user_pool_count = c->user_pool_count,
        .trusted_proxies = c->trusted_proxies,
        .trusted_proxy_count = c->trusted_proxy_count,
        .on_decision = c->dev && !c->quiet ? on_decision : NULL,
        .arg = d,
    };
    enum err err = gateway_new(&gateway, &d->gateway, &e);
    if (err != ERR_OK && e.text[0])
        log_error("main", "%s", e.text);
    return err;
}

static enum err start(struct daemon *d, int keeper_fd)
{
    enum err err = make_rooms(d, keeper_fd);
    if (err == ERR_OK && d->keeper->listen[LISTENER_core].wanted)
        err = core_open(d);
    if (err == ERR_OK)
        err = make_gateway(d);
    if (err == ERR_OK && d->config->dev)
        err = watch_start(d);
    if (err == ERR_OK && d->config->tls_count > 0) {
        d->tls = certificates_load(d->config, false);
        if (d->tls == NULL)
            return ERR_INVALID;
    }
    if (err == ERR_OK && !daemon_load(d))
        return ERR_INVALID;
    if (err == ERR_OK)
        err = listen_signals(d);
    if (err == ERR_OK)
        err = control_open(d, d->keeper->control_fd);
    const struct keeper_listen *metrics = &d->keeper->listen[LISTENER_metrics];
    if (err == ERR_OK && metrics->wanted)
        err = metrics_open(d, metrics->fds[0]);
    return err ? err : start_workers(d);
}

int daemon_main(void *arg, int keeper_fd)
{
    const struct daemon_start *s = arg;
    struct daemon *d = mem_alloc(sizeof *d);
    if (d == NULL)
        return 1;
    d->config = s->config;
    d->keeper = s->keeper;
    signal(SIGXFSZ, SIG_IGN); /* a database that may not grow is an error like others */
    enum err err = start(d, keeper_fd);
    if (err == ERR_OK)
        err = run_main(d->run);
    if (err != ERR_OK) {
        if (err != ERR_INVALID) /* that one was said in full */
            log_error("main", "the gateway could not start: %s", err_text(err));
        return 1; /* the process ends: nothing is half-closed by hand */
    }
    int code = d->exit_code;
    gateway_free(d->gateway);
    issuers_free(d->issuers);
    core_free(d->core);
    store_free(d->plane);
    http_tls_unref(d->tls);
    fetcher_free(d->fetcher);
    lambda_free(d->lambda);
    logstore_free(d->logs);
    store_free(d->observe);
    authorizer_cache_free(d->cache);
    run_free(d->run);
    mem_free(d->workers);
    mem_free(d);
    return code;
}
