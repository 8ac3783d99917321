/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading the documents, at the start and whenever they change. Reading and judging happens in the
 * IO lane; freezing and publishing on the control loop. Whatever is wrong, the configuration that
 * runs goes on running. */
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "certificates.h"
#include "daemon.h"

struct reload {
    struct work work;
    struct daemon *daemon;
    struct arena *arena;
    struct import_report report;
    struct model *model;
    struct http_tls *tls; /* read again; NULL = none, or not good */
    bool again;           /* another change came meanwhile */
};

/* New certificates on their way to a worker. */
struct tls_news {
    struct post post;
    struct daemon *daemon;
    struct loop *loop;
    struct http_tls *tls;
};

static void take_tls(struct post *p)
{
    struct tls_news *n = CONTAINER_OF(p, struct tls_news, post);
    gateway_worker_set_tls(n->daemon->gateway, n->loop, n->tls);
    http_tls_unref(n->tls);
    mem_free(n);
}

static void publish_tls(struct daemon *d, struct http_tls *tls)
{
    http_tls_unref(d->tls);
    d->tls = tls;
    for (unsigned i = 0; i < d->config->workers; i++) {
        struct tls_news *n = mem_alloc(sizeof *n);
        if (n == NULL) {
            log_error("main", "no memory: a worker keeps the former certificates");
            continue;
        }
        *n =
            (struct tls_news){.daemon = d, .loop = run_worker(d->run, i), .tls = http_tls_ref(tls)};
        n->post.fn = take_tls;
        run_post(n->loop, &n->post);
    }
}

/* True when published. */
static bool publish(struct daemon *d, struct model *m, struct import_report *report, bool notes)
{
    struct snapshot *s = NULL;
    enum err err = m ? gateway_freeze(d->gateway, m, report_problem, report, &s) : ERR_INVALID;
    report_print(report, notes && !d->config->quiet);
    if (err == ERR_NOMEM)
        fprintf(stderr, "ropeline: out of memory while loading\n");
    if (err != ERR_OK)
        return false;
    gateway_publish(d->gateway, s);
    watch_model(d, m);
    return true;
}

bool daemon_load(struct daemon *d)
{
    struct arena *a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
    if (a == NULL)
        return false;
    struct import_report report = {.arena = a};
    bool good =
        publish(d, config_load(d->config, d->config->apis, d->config->api_count, true, &report, a),
                &report, true);
    if (!good)
        fprintf(stderr, "ropeline: not started: %zu error%s\n", report.errors,
                report.errors == 1 ? "" : "s");
    arena_free(a);
    return good;
}

static void read_documents(struct work *w)
{
    struct reload *r = CONTAINER_OF(w, struct reload, work);
    const struct config *c = r->daemon->config;
    r->model = config_load(c, c->apis, c->api_count, true, &r->report, r->arena);
    if (c->tls_count > 0)
        r->tls = certificates_load(c, true);
}

static void documents_read(struct work *w)
{
    struct reload *r = CONTAINER_OF(w, struct reload, work);
    struct daemon *d = r->daemon;
    bool again = r->again;
    d->reload = NULL;
    if (d->stopping)
        http_tls_unref(r->tls);
    else if (r->tls)
        publish_tls(d, r->tls);
    else if (d->tls)
        fprintf(stderr, "ropeline: the former certificates go on\n");
    if (!d->stopping) {
        bool good = publish(d, r->model, &r->report, false);
        if (good && !d->config->quiet)
            printf("ropeline: reloaded\n");
        else if (!good)
            fprintf(stderr, "ropeline: not reloaded; the former configuration goes on\n");
        fflush(stdout);
    }
    arena_free(r->arena);
    mem_free(r);
    if (again && !d->stopping)
        daemon_reload(d);
}

void daemon_reload(struct daemon *d)
{
    if (d->reload) {
        d->reload->again = true;
        return;
    }
    struct reload *r = mem_alloc(sizeof *r);
    struct arena *a = r ? arena_new(KIB(64), LIMIT_DOCUMENT_ARENA) : NULL;
    if (a == NULL) {
        mem_free(r);
        log_error("main", "no memory to reload");
        return;
    }
    r->daemon = d;
    r->arena = a;
    r->report.arena = a;
    r->work = (struct work){.work = read_documents, .done = documents_read};
    d->reload = r;
    if (run_work(run_control(d->run), LANE_IO, &r->work) != ERR_OK) {
        d->reload = NULL;
        arena_free(a);
        mem_free(r);
        log_error("main", "too busy to reload; try again");
    }
}
