/* SPDX-License-Identifier: Apache-2.0
 *
 * From an HTTP request to its answer: the checks of the protocol in their order
 * (specs/identity-core.md 1.3), then the phases of the operation, each in its lane. Invariant:
 * nothing is answered 200 before what it says is committed. */
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "keys_int.h"

#define KEY_WAIT_MS 20
#define KEY_WAITS 1000

struct request {
    struct cdi_call call;
    struct identity_worker *worker;
    struct http_exchange *x;
    struct cdi_path path;
    struct tenant_settings *settings;
    bool known;  /* whether there is such an app and tenant */
    bool is_own; /* of this machine's user, over the control socket */
    struct buf body;
    size_t phase;
    enum err err; /* of a phase in the CPU or hashing lane */
    struct store_job job;
    struct work work;
    struct timer timer;
    unsigned waits; /* for a signing key */
    struct http_response rs;
};

void cdi__committed(struct cdi_call *c)
{
    if (c->changes)
        changes__apply(c);
    c->changes = NULL;
    keys__keep(c);
}

void cdi__end(struct cdi_call *c)
{
    keys__drop(c);
}

/* --- answering ---------------------------------------------------------------------------------
 */
static enum err write_answer(struct request *r, struct str *out)
{
    struct cdi_call *c = &r->call;
    struct buf text = BUF_INIT(MIB(64));
    if (c->out)
        json_write(&text, c->out);
    else
        buf_add(&text, c->text);
    buf_addc(&text, '\n');
    enum err err = text.err;
    if (err == ERR_OK) {
        buf_fini(&r->body); /* its place is the answer's now: the body was read long ago */
        r->body = text;
        *out = buf_str(&r->body);
    } else {
        buf_fini(&text);
    }
    return err;
}

static void respond(struct request *r)
{
    struct cdi_call *c = &r->call;
    struct http_headers *h = &r->rs.headers;
    struct str body = STR("");
    struct str type =
        c->out ? STR("application/json; charset=UTF-8") : STR("text/html; charset=UTF-8");
    r->rs.status = c->status;
    enum err err = write_answer(r, &body);
    if (err == ERR_OK)
        err = http_add(c->arena, h, STR("Content-Type"), type);
    if (err == ERR_OK)
        err = http_add(c->arena, h, STR("Cache-Control"),
                       c->cache_control.n ? c->cache_control : STR("no-store"));
    if (err != ERR_OK) {
        r->rs = (struct http_response){.status = 503};
        body = STR("out of memory\n");
    }
    http_respond(r->x, &r->rs, body);
}

/* What a person can do about it is in the log; a stranger learns only that it failed. */
static void respond_error(struct request *r, enum err err)
{
    struct cdi_call *c = &r->call;
    bool full = err == ERR_LIMIT || err == ERR_BUSY;
    bool away = err == ERR_UNAVAILABLE || err == ERR_IO || err == ERR_TIMEOUT;
    c->out = NULL;
    c->status = full ? 429 : away ? 503 : 500;
    c->text = full   ? STR("too much is being done at the moment; try again")
              : away ? STR("the store cannot be reached at the moment")
                     : STR("internal error");
    if (!full)
        log_error("identity", "%s %s: %s", c->op ? c->op->path : "a request",
                  http_method_name(http_exchange_request(r->x)->method).p, err_text(err));
    respond(r);
}

static enum err fail_unknown(struct cdi_call *c)
{
    return cdi_fail(c, 400,
                    "AppId or tenantId not found => Tenant with the following "
                    "connectionURIDomain, appId and tenantId combination not found: (, %.*s, %.*s)",
                    STR_ARG(c->app), STR_ARG(c->tenant));
}

/* --- phases ------------------------------------------------------------------------------------
 */
static void next_phase(struct request *r);

/* A phase of a transaction may run more than once: it never sees its own former answer. */
static void forget_answer(struct cdi_call *c)
{
    c->answered = false;
    c->out = NULL;
    c->text = STR_NONE;
    c->cache_control = STR_NONE;
    c->changes = NULL;
    c->lacks_key = false;
}

/* A signing key takes so long that the store does not wait for it: the pool is making one, and the
 * phase runs once more when it may be there. */
static void look_again(struct timer *t)
{
    next_phase(CONTAINER_OF(t, struct request, timer));
}

static void after_phase(struct request *r, enum err err)
{
    struct cdi_call *c = &r->call;
    if (err != ERR_OK && c->lacks_key && ++r->waits < KEY_WAITS) {
        timer_start(r->worker->loop, &r->timer, KEY_WAIT_MS, look_again);
        return;
    }
    if (err == ERR_OK)
        cdi__committed(c);
    if ((err == ERR_OK || err == ERR_CANCELLED) && c->answered)
        respond(r);
    else if (err != ERR_OK)
        respond_error(r, err);
    else {
        r->phase++;
        next_phase(r);
    }
}

static enum err run_transaction(struct store_job *j, struct store_tx *tx)
{
    struct request *r = CONTAINER_OF(j, struct request, job);
    const struct cdi_phase *p = &r->call.op->phases[r->phase];
    forget_answer(&r->call);
    /* The body, a password's hash or the queue took time: what is written now would outlive an app
     * or a tenant that was removed meanwhile, and be found by one that gets its name. */
    enum err err = p->where == CDI_WRITE && r->known ? tenants__look(&r->call, tx) : ERR_OK;
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? fail_unknown(&r->call) : err;
    return p->run(&r->call, tx);
}

static void transaction_done(struct store_job *j, enum err err)
{
    after_phase(CONTAINER_OF(j, struct request, job), err);
}

static void run_cpu(struct work *w)
{
    struct request *r = CONTAINER_OF(w, struct request, work);
    forget_answer(&r->call);
    r->err = r->call.op->phases[r->phase].run(&r->call, NULL);
}

static void cpu_done(struct work *w)
{
    struct request *r = CONTAINER_OF(w, struct request, work);
    after_phase(r, r->err);
}

static void next_phase(struct request *r)
{
    const struct cdi_phase *p = &r->call.op->phases[r->phase];
    enum cdi_where where = r->phase < COUNTOF(r->call.op->phases) ? p->where : CDI_END;
    enum err err = ERR_INTERNAL; /* the last phase has answered nothing */
    switch (where) {
    case CDI_END:
        break;
    case CDI_NOW:
        forget_answer(&r->call);
        after_phase(r, p->run(&r->call, NULL));
        return;
    case CDI_CPU:
    case CDI_HASH:
        r->work = (struct work){.work = run_cpu, .done = cpu_done};
        err = run_work(r->worker->loop, where == CDI_CPU ? LANE_CPU : LANE_HASH, &r->work);
        break;
    case CDI_READ:
    case CDI_WRITE:
        r->job = (struct store_job){.access = where == CDI_READ ? STORE_READ : STORE_WRITE,
                                    .run = run_transaction,
                                    .done = transaction_done};
        err = store_submit(r->worker->identity->o.store, r->worker->loop, &r->job);
        break;
    }
    if (err != ERR_OK)
        respond_error(r, err);
}

/* --- the body ----------------------------------------------------------------------------------
 */
static void on_data(void *arg, struct str chunk)
{
    struct request *r = arg;
    buf_add(&r->body, chunk);
}

static void on_end(void *arg, enum err how)
{
    struct request *r = arg;
    struct cdi_call *c = &r->call;
    enum err err = how == ERR_OK ? r->body.err : how;
    if (err == ERR_LIMIT)
        err = cdi_fail(c, 413, "the body is larger than %zu bytes", (size_t)LIMIT_CDI_BODY);
    else if (how != ERR_OK)
        err = cdi_fail(c, 400, "the body did not come whole");
    else if (err == ERR_OK)
        err = cdi__read_input(c, http_exchange_request(r->x)->query, buf_str(&r->body));
    if (err == ERR_CANCELLED)
        respond(r);
    else if (err != ERR_OK)
        respond_error(r, err);
    else
        next_phase(r);
}

static void on_done(void *arg, enum err how)
{
    struct request *r = arg;
    (void)how;
    cdi__end(&r->call);
    tenants__unref(r->settings);
    buf_fini(&r->body);
    arena_free(r->call.arena); /* and the request itself */
}

/* --- checks ------------------------------------------------------------------------------------
 */
static const struct http_headers *headers_of(const struct request *r)
{
    return &http_exchange_request(r->x)->headers;
}

/* Every key is compared, and each in constant time. */
static bool has_key(const struct request *r, const struct core_config *g)
{
    struct str given = http_value(headers_of(r), STR("api-key"));
    bool good = false;
    if (given.n == 0)
        given = http_value(headers_of(r), STR("Authorization"));
    if (str_istarts(given, STR("Bearer ")))
        given = str_trim(str_from(given, 7));
    for (size_t i = 0; i < g->api_key_count; i++)
        good |= crypt_equal(given, g->api_keys[i]);
    return good || g->api_key_count == 0;
}

/* What cannot be matched is not allowed, and is denied. */
static enum err check_ip(struct request *r)
{
    const struct core_config *g = r->call.config;
    struct str ip = http_exchange_peer_ip(r->x);
    if (r->is_own)
        return ERR_OK;
    bool allowed = g->ip_allow_pattern == NULL || pattern_match(g->ip_allow_pattern, ip) == ERR_OK;
    bool denied = g->ip_deny_pattern && pattern_match(g->ip_deny_pattern, ip) != ERR_NOTFOUND;
    return allowed && !denied ? ERR_OK : cdi_fail(&r->call, 403, "Forbidden");
}

/* "5.4" -> 504 */
static bool read_version(struct str text, unsigned *out)
{
    uint64_t major, minor;
    struct str rest, head = str_cut(text, '.', &rest);
    if (!str_u64(head, &major) || !str_u64(rest, &minor) || major > 99 || minor > 99)
        return false;
    *out = (unsigned)(major * 100 + minor);
    return true;
}

static enum err check_version(struct request *r)
{
    struct str given = http_value(headers_of(r), STR("cdi-version"));
    struct cdi_call *c = &r->call;
    c->version = CDI_NEWEST;
    if ((c->op && (c->op->flags & CDI_NO_VERSION)) || given.n == 0)
        return ERR_OK;
    if (!read_version(given, &c->version))
        return cdi_fail(c, 400, "cdi-version header is invalid");
    if (c->version < CDI_OLDEST || c->version > CDI_NEWEST)
        return cdi_fail(c, 400, "cdi-version %.*s not supported", STR_ARG(given));
    return ERR_OK;
}

/* With the settings of app and tenant (of the app, or the base app, when there are none such). */
static enum err check(struct request *r, bool known)
{
    struct cdi_call *c = &r->call;
    unsigned flags = c->op ? c->op->flags : 0;
    enum err err = check_ip(r);
    if (err == ERR_OK && !(flags & CDI_NO_KEY) && !r->is_own && !has_key(r, c->config))
        err = cdi_fail(c, 401, "Invalid API key");
    if (err == ERR_OK)
        err = check_version(r);
    if (err == ERR_OK && (flags & CDI_OWN) && !r->is_own)
        err = cdi_fail(c, 404, "Not found");
    if (err == ERR_OK && c->op == NULL)
        err = cdi__is_api(r->path.api) ? cdi_fail(c, 405, "Method not supported")
                                       : cdi_fail(c, 404, "Not found");
    if (err == ERR_OK && !known && !(flags & CDI_ANY_TENANT))
        err = fail_unknown(c);
    if (err == ERR_OK && c->op->scope == CDI_APP && !str_eqz(c->tenant, "public"))
        err = cdi_fail(c, 403, "Only public tenantId can call this app specific API");
    if (err == ERR_OK && (flags & CDI_BASE_APP) && !str_eqz(c->app, "public"))
        err = cdi_fail(c, 403, "Only the public app can call this API");
    return err;
}

static void checked(struct request *r, bool known)
{
    struct identity *i = r->worker->identity;
    r->call.config = r->settings ? tenants__config(r->settings) : &i->base;
    enum err err = check(r, known);
    if (err == ERR_CANCELLED)
        respond(r);
    else if (err != ERR_OK)
        respond_error(r, err);
    else if (http_exchange_request(r->x)->framing == HTTP_NO_BODY)
        on_end(r, ERR_OK);
    else
        http_body_start(r->x);
}

static enum err load_settings(struct store_job *j, struct store_tx *tx)
{
    struct request *r = CONTAINER_OF(j, struct request, job);
    struct identity *i = r->worker->identity;
    tenants__unref(r->settings);
    enum err err = tenants__load(i, tx, r->call.arena, r->call.app, r->call.tenant, &r->settings);
    r->known = err == ERR_OK;
    if (err == ERR_NOTFOUND) /* whoever asks still needs the keys of the app */
        err = tenants__load(i, tx, r->call.arena, r->call.app, STR("public"), &r->settings);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static void settings_loaded(struct store_job *j, enum err err)
{
    struct request *r = CONTAINER_OF(j, struct request, job);
    if (err == ERR_OK)
        checked(r, r->known);
    else
        respond_error(r, err);
}

static void find_settings(struct request *r)
{
    struct identity *i = r->worker->identity;
    r->settings = tenants__get(i, r->call.app, r->call.tenant);
    if (r->settings) {
        r->known = true;
        checked(r, true);
        return;
    }
    r->job =
        (struct store_job){.access = STORE_READ, .run = load_settings, .done = settings_loaded};
    enum err err = store_submit(i->o.store, r->worker->loop, &r->job);
    if (err != ERR_OK)
        respond_error(r, err);
}

/* --- a request ---------------------------------------------------------------------------------
 */
static bool is_listed(struct str s, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieq(s, list[i]))
            return true;
    return false;
}

/* A web page must not reach the core, not even by a name that it made point here. */
static bool is_from_page(const struct request *r)
{
    const struct identity_options *o = &r->worker->identity->o;
    struct str host = http_exchange_request(r->x)->host;
    struct str origin = http_value(headers_of(r), STR("Origin"));
    struct str site = http_value(headers_of(r), STR("Sec-Fetch-Site"));
    if (!http_is_local_host(host) && !is_listed(host, o->hosts, o->host_count))
        return true;
    if (origin.n > 0)
        return !is_listed(origin, o->origins, o->origin_count);
    return site.n > 0 && !str_ieq(site, STR("none")) && !str_ieq(site, STR("same-origin"));
}

static enum err find_op(struct request *r)
{
    const struct http_request *rq = http_exchange_request(r->x);
    struct cdi_call *c = &r->call;
    struct identity *i = r->worker->identity;
    enum err err = r->is_own ? cdi__path(c->arena, str_from(rq->raw_path, IDENTITY_CONTROL.n),
                                         STR(""), &r->path)
                             : cdi__path(c->arena, rq->raw_path, i->base.base_path, &r->path);
    c->app = c->tenant = STR("public");
    if (err == ERR_NOTFOUND)
        return ERR_OK; /* `check` says so, after the api-key */
    if (err != ERR_OK)
        return err;
    c->app = r->path.app;
    c->tenant = r->path.tenant;
    err = cdi__op(r->path.api, rq->method, http_value(&rq->headers, STR("rid")), &c->op);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static const struct http_exchange_events events = {.data = on_data, .end = on_end, .done = on_done};

static void handle(struct identity_worker *w, struct http_exchange *x, bool is_own)
{
    struct arena *a = arena_new(KIB(4), LIMIT_CDI_ARENA);
    struct request *r = a ? ARENA_NEW(a, struct request) : NULL;
    if (r == NULL) {
        arena_free(a);
        http_respond_abort(x);
        return;
    }
    *r = (struct request){.worker = w, .x = x, .body = BUF_INIT(LIMIT_CDI_BODY), .is_own = is_own};
    r->call = (struct cdi_call){.identity = w->identity,
                                .arena = a,
                                .config = &w->identity->base,
                                .may_wait = true,
                                .now_ms = loop_wall_us(w->loop) / 1000};
    http_exchange_watch(x, &events, r);
    enum err err = find_op(r);
    if (err == ERR_OK && !is_own && is_from_page(r))
        err = cdi_fail(&r->call, 403, "Forbidden: this Host or Origin is not allowed here");
    if (err == ERR_CANCELLED)
        respond(r);
    else if (err != ERR_OK)
        respond_error(r, err);
    else
        find_settings(r);
}

void cdi__handle(void *arg, struct http_exchange *x)
{
    handle(arg, x, false);
}

void identity_control(struct identity *i, struct http_exchange *x)
{
    struct loop *control = run_control(i->o.run);
    struct identity_worker *w = &i->workers[i->worker_count];
    ASSERT(loop_is_current(control));
    w->identity = i;
    w->loop = control;
    handle(w, x, true);
}
