/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of key sources: attempts one at a time, views posted to the workers, workers that
 * wait for a key. Invariant: whoever asked is answered exactly once, after the view that the
 * attempt made, because both travel in the same queue. */
#include "source_int.h"

#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

struct issuers {
    struct run *run;
    struct fetcher *fetcher;
    struct map sources;
    bool closed;
};

struct fetcher *issuers__fetcher(const struct issuers *r)
{
    return r->fetcher;
}

struct loop *issuers__control(const struct issuers *r)
{
    return run_control(r->run);
}

static struct loop *control(const struct key_source *s)
{
    return run_control(s->registry->run);
}

/* --- views --------------------------------------------------------------------------------------
 */
static struct source_view *view_ref(struct source_view *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

static void view_unref(struct source_view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    jwks_unref(v->keys);
    mem_free(v);
}

static void source_unref(struct key_source *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < s->workers; i++)
        view_unref(s->share[i].view);
    view_unref(s->view);
    if (s->way->fini)
        s->way->fini(s);
    arena_free(s->arena);
}

/* One view on its way to every worker. */
struct publication {
    struct key_source *source;
    struct source_view *view;
    _Atomic unsigned left;
    struct publication_part {
        struct post post;
        struct publication *whole;
        unsigned worker;
    } part[];
};

/* On the worker: nothing there uses the former view any more, since a token is checked in one go.
 */
static void take_view(struct post *p)
{
    struct publication_part *part = CONTAINER_OF(p, struct publication_part, post);
    struct publication *w = part->whole;
    struct source_share *share = &w->source->share[part->worker];
    view_unref(share->view);
    share->view = view_ref(w->view);
    if (atomic_fetch_sub_explicit(&w->left, 1, memory_order_acq_rel) != 1)
        return;
    source_unref(w->source);
    view_unref(w->view);
    mem_free(w);
}

/* Takes `v` over, also when there is no memory to tell it. */
static bool publish(struct key_source *s, struct source_view *v)
{
    unsigned n = s->workers;
    struct publication *w = mem_alloc(sizeof *w + n * sizeof w->part[0]);
    if (w == NULL) {
        view_unref(v);
        return false;
    }
    view_unref(s->view);
    s->view = view_ref(v);
    w->view = v;
    w->source = s;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    atomic_init(&w->left, n);
    for (unsigned i = 0; i < n; i++) {
        w->part[i] = (struct publication_part){.post.fn = take_view, .whole = w, .worker = i};
        run_post(run_worker(s->registry->run, i), &w->part[i].post);
    }
    return true;
}

const struct source_view *source__view(const struct key_source *s, const struct loop *worker)
{
    return s->share[loop_index(worker)].view;
}

bool source__is_fresh(const struct source_view *v, int64_t now_ms)
{
    return v && v->keys && now_ms < v->good_until_ms;
}

/* --- attempts -----------------------------------------------------------------------------------
 */
/* It holds the source until it has ended. */
static void begin(struct key_source *s, bool for_kid)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    s->busy = true;
    s->asked_for_kid = for_kid;
    s->tried_ms = loop_now_ms(control(s));
    s->attempts++;
    timer_stop(&s->timer);
    s->way->get(s);
}

static void on_timer(struct timer *t)
{
    struct key_source *s = CONTAINER_OF(t, struct key_source, timer);
    if (!s->busy)
        begin(s, false);
}

static void plan_next(struct key_source *s)
{
    int64_t after = s->way->every_ms;
    if (s->failures > 0 && s->fetched) {
        unsigned doubled = s->failures < 10 ? s->failures - 1 : 9;
        after = (int64_t)ISSUER_RETRY_MS << doubled;
        if (after > ISSUER_RETRY_MAX_MS)
            after = ISSUER_RETRY_MAX_MS;
    }
    if (!s->registry->closed && s->users > 0)
        timer_start(control(s), &s->timer, after, on_timer);
}

static void wake_waiters(struct key_source *s)
{
    struct auth_call *c = s->waiters;
    s->waiters = NULL;
    s->waiters_end = &s->waiters;
    while (c) {
        struct auth_call *next = c->next; /* c is no longer ours once it is posted */
        c->post.fn = auth__decide_again;
        run_post(c->loop, &c->post);
        c = next;
    }
}

static void note_gone(struct source_view *v, struct str kid, int64_t wall_s)
{
    if (v->gone_n == SOURCE_GONE) {
        memmove(&v->gone[0], &v->gone[1], sizeof v->gone - sizeof v->gone[0]);
        v->gone_n--;
    }
    struct source_gone *g = &v->gone[v->gone_n++];
    snprintf(g->kid, sizeof g->kid, "%.*s", STR_ARG(kid));
    g->wall_s = wall_s;
}

/* The kids that were in the former set and are not in the new one. */
static void compare_kids(struct source_view *v, const struct jwks *before, int64_t wall_s)
{
    for (size_t i = 0; before && i < before->n; i++)
        if (before->keys[i]->has_kid && !jwks_named(v->keys, before->keys[i]->kid))
            note_gone(v, before->keys[i]->kid, wall_s);
}

/* A view like the present one. */
static struct source_view *next_view(const struct key_source *s)
{
    struct source_view *v = mem_alloc(sizeof *v);
    if (v == NULL)
        return NULL;
    const struct source_view *former = s->view; /* whose count is the workers' too: not copied */
    if (former) {
        v->keys = former->keys ? jwks_ref(former->keys) : NULL;
        v->got_ms = former->got_ms;
        v->good_until_ms = former->good_until_ms;
        v->quiet_until_ms = former->quiet_until_ms;
        memcpy(v->gone, former->gone, sizeof v->gone);
        v->gone_n = former->gone_n;
    }
    v->number = s->attempts;
    atomic_init(&v->refs, 1);
    return v;
}

/* What every attempt ends with: the view that it made (taken over; NULL: no memory for one), the
 * next attempt, the workers that wait. */
static void ended(struct key_source *s, struct source_view *v, bool good)
{
    int64_t now = loop_now_ms(control(s));
    s->busy = false;
    s->failures = good ? 0 : s->failures + 1;
    s->failed += !good;
    if (v && s->fetched && !source__is_fresh(v, now))
        v->quiet_until_ms = now + ISSUER_RETRY_MS;
    else if (v && s->fetched && s->asked_for_kid)
        v->quiet_until_ms = now + ISSUER_COOLDOWN_MS;
    if (s->registry->closed || s->users == 0)
        view_unref(v); /* nobody will look */
    else if (v == NULL || !publish(s, v))
        log_error("authorizer", "keys of %.*s: out of memory", STR_ARG(s->name));
    plan_next(s);
    wake_waiters(s);
    source_unref(s);
}

void source__got(struct key_source *s, struct jwks *keys)
{
    struct source_view *v = next_view(s);
    if (v == NULL) {
        jwks_unref(keys);
        ended(s, NULL, false);
        return;
    }
    struct jwks *before = v->keys;
    v->keys = keys;
    compare_kids(v, before, loop_wall_us(control(s)) / 1000000);
    jwks_unref(before);
    v->got_ms = loop_now_ms(control(s));
    v->good_until_ms = s->fetched ? v->got_ms + ISSUER_STALE_MS : INT64_MAX;
    if (s->failures > 0)
        log_info("authorizer", "keys of %.*s: there again", STR_ARG(s->name));
    ended(s, v, true);
}

void source__failed(struct key_source *s, const char *fmt, ...)
{
    struct source_view *v = next_view(s);
    char why[sizeof v->why];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (v)
        memcpy(v->why, why, sizeof why);
    if (s->failures == 0 && !s->registry->closed) /* once, not at each attempt */
        log_warn("authorizer", "keys of %.*s: %s", STR_ARG(s->name), why);
    ended(s, v, false);
}

void source__same(struct key_source *s)
{
    s->busy = false;
    plan_next(s);
    wake_waiters(s);
    source_unref(s);
}

/* --- asking -------------------------------------------------------------------------------------
 */
/* Control loop. */
static void asked(struct post *p)
{
    struct auth_call *c = CONTAINER_OF(p, struct auth_call, post);
    struct key_source *s = c->awaited;
    int64_t now = loop_now_ms(control(s));
    bool fresh = source__is_fresh(s->view, now);
    c->next = NULL;
    *s->waiters_end = c;
    s->waiters_end = &c->next;
    if (s->busy)
        return;
    if (s->view && s->view->number > c->seen) { /* came while the question was on its way */
        wake_waiters(s);
        return;
    }
    if (s->registry->closed || (s->view && now < s->view->quiet_until_ms)) {
        wake_waiters(s);
        return;
    }
    int64_t wait = s->fetched ? 0 : s->tried_ms + KEY_FILE_PAUSE_MS - now;
    if (wait > 0) /* files are looked at again so soon only for this */
        timer_start(control(s), &s->timer, wait, on_timer);
    else
        begin(s, fresh);
}

void source__ask(struct auth_call *c)
{
    const struct source_view *v = source__view(c->awaited, c->loop);
    c->seen = v ? v->number : 0;
    c->post.fn = asked;
    run_post(run_control(c->awaited->registry->run), &c->post);
}

/* --- the registry -------------------------------------------------------------------------------
 */
enum err issuers_new(struct run *run, struct fetcher *fetcher, struct issuers **out)
{
    *out = mem_alloc(sizeof **out);
    if (*out == NULL)
        return ERR_NOMEM;
    (*out)->run = run;
    (*out)->fetcher = fetcher;
    return ERR_OK;
}

void issuers_close(struct issuers *r)
{
    size_t at = 0;
    struct str id;
    void *value;
    if (r == NULL)
        return;
    r->closed = true;
    while (map_next(&r->sources, &at, &id, &value)) {
        struct key_source *s = value;
        timer_stop(&s->timer);
        if (s->busy && s->way->stop)
            s->way->stop(s);
        else
            wake_waiters(s);
    }
}

void issuers_free(struct issuers *r)
{
    if (r == NULL)
        return;
    ASSERT(r->sources.count == 0); /* each authorizer let go of its own */
    map_fini(&r->sources);
    mem_free(r);
}

struct key_source *source__find(struct issuers *r, struct str id)
{
    struct key_source *s = map_get(&r->sources, id);
    if (s)
        s->users++;
    return s;
}

enum err source__new(struct issuers *r, struct str id, struct str name,
                     const struct source_way *way, struct key_source **out)
{
    unsigned n = run_workers(r->run);
    struct arena *a = arena_new(KIB(1), KIB(256));
    struct key_source *s = a ? arena_alloc(a, sizeof *s + n * sizeof s->share[0]) : NULL;
    *out = NULL;
    if (s == NULL) {
        arena_free(a);
        return ERR_NOMEM;
    }
    s->arena = a;
    s->registry = r;
    s->way = way;
    s->workers = n;
    s->id = arena_str(a, id);
    s->name = arena_str(a, name);
    s->waiters_end = &s->waiters;
    s->tried_ms = INT64_MIN / 2;
    s->users = 1;
    atomic_init(&s->refs, 1);
    if (s->id.p == NULL || s->name.p == NULL || map_put(&r->sources, s->id, s, NULL) != ERR_OK) {
        arena_free(a);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

void source__start(struct key_source *s)
{
    begin(s, false);
}

void source__let_go(struct key_source *s)
{
    if (s == NULL || --s->users > 0)
        return;
    ASSERT(s->waiters == NULL); /* a request that waits holds its snapshot */
    map_del(&s->registry->sources, s->id);
    timer_stop(&s->timer);
    if (s->busy && s->way->stop)
        s->way->stop(s);
    source_unref(s);
}

/* --- health -------------------------------------------------------------------------------------
 */

static int64_t age_s(const struct key_source *s)
{
    return s->view && s->view->keys ? (loop_now_ms(control(s)) - s->view->got_ms) / 1000 : -1;
}

static void add_label(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_addc(out, '\\');
        buf_addc(out, (unsigned char)value.p[i] < ' ' ? '?' : value.p[i]);
    }
}

static double sample(const struct key_source *s, size_t family)
{
    switch (family) {
    case 0:
        return (double)age_s(s);
    case 1:
        return (double)s->attempts;
    case 2:
        return (double)s->failed;
    default:
        return (double)atomic_load_explicit(&s->unknown_kids, memory_order_relaxed);
    }
}

void issuers_write_metrics(const struct issuers *r, struct buf *out)
{
    static const struct {
        const char *name, *suffix, *type, *help;
    } families[] = {
        {"ropeline_jwks_age_seconds", "", "gauge", "Since the keys of an issuer came; -1 = never."},
        {"ropeline_jwks_fetches", "_total", "counter", "Attempts to get the keys of an issuer."},
        {"ropeline_jwks_fetch_failures", "_total", "counter", "Those that gave no keys."},
        {"ropeline_jwks_unknown_kids", "_total", "counter", "Tokens whose key nobody knows."},
    };
    for (size_t i = 0; i < COUNTOF(families); i++) {
        size_t at = 0;
        struct str id;
        void *value;
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help,
                 families[i].name, families[i].type);
        while (map_next(&r->sources, &at, &id, &value)) {
            const struct key_source *s = value;
            buf_addf(out, "%s%s{issuer=\"", families[i].name, families[i].suffix);
            add_label(out, s->name);
            buf_addf(out, "\"} %.0f\n", sample(s, i));
        }
    }
}

void issuers_write_health(const struct issuers *r, struct buf *out)
{
    size_t at = 0;
    struct str id;
    void *value;
    bool first = true;
    buf_addc(out, '[');
    while (map_next(&r->sources, &at, &id, &value)) {
        const struct key_source *s = value;
        const struct source_view *v = s->view;
        bool fresh = source__is_fresh(v, loop_now_ms(control(s)));
        buf_addz(out, first ? "{\"issuer\":" : ",{\"issuer\":");
        json_write_str(out, s->name);
        buf_addf(out, ",\"ok\":%s,\"ageSeconds\":%lld,\"keys\":%zu,\"error\":",
                 fresh && v->why[0] == '\0' ? "true" : "false", (long long)age_s(s),
                 fresh ? v->keys->n : 0);
        json_write_str(out, str_c(v ? v->why : "nothing has come yet"));
        buf_addc(out, '}');
        first = false;
    }
    buf_addc(out, ']');
}
