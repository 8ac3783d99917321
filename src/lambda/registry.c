/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of the control plane. Invariant: what is here is what plane.db has. One change at a
 * time is unpacked, judged, committed, and only then takes the place of what was; whoever asked
 * hears of it when it is safe. */
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "lambda/package.h"
#include "registry_int.h"

struct managed *registry__find(const struct registry *r, struct str name)
{
    struct managed *m = r ? r->functions : NULL;
    while (m && !str_eqz(name, m->family->name))
        m = m->next;
    return m;
}

struct function *registry__made(const struct managed *m, struct str qualifier)
{
    const struct made *one = m->made;
    while (one && !str_eq(function_version(one->function), qualifier))
        one = one->next;
    return one ? one->function : NULL;
}

void registry__forget(struct managed *m, struct str qualifier)
{
    for (struct made **at = &m->made; *at;) {
        struct made *one = *at;
        if (qualifier.n > 0 && !str_eq(function_version(one->function), qualifier)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        function_unref(one->function);
        mem_free(one);
    }
}

static void managed_free(struct managed *m)
{
    registry__forget(m, STR(""));
    arena_free(m->arena);
    mem_free(m);
}

/* --- beginning and end -------------------------------------------------------------------------
 */

/* A daemon that keeps nothing makes no file. */
static bool has_file(const struct lambda *l)
{
    return faccessat(AT_FDCWD, l->plane_path, F_OK, 0) == 0;
}

void registry__start(struct registry *r)
{
    r->started = true;
    for (struct managed *m = r->functions; m; m = m->next)
        registry__apply(r->lambda, m);
}

enum err registry__load(struct registry *r, struct errinfo *e)
{
    if (r->loaded || !r->store || (!r->wanted && !has_file(r->lambda)))
        return ERR_OK;
    enum err err = registry__read(r, e);
    r->loaded = err == ERR_OK;
    if (r->loaded && r->started)
        registry__start(r);
    return err;
}

enum err registry__new(struct lambda *l, struct store *plane, struct errinfo *e)
{
    struct registry *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NOMEM;
    r->lambda = l;
    r->store = plane;
    r->last = &r->queue;
    l->registry = r;
    return registry__load(r, e);
}

void registry__free(struct registry *r)
{
    if (!r)
        return;
    while (r->functions) {
        struct managed *m = r->functions;
        r->functions = m->next;
        managed_free(m);
    }
    mem_free(r);
}

bool registry__busy(const struct registry *r)
{
    return r && (r->now.change || r->queue || r->posted || r->collecting);
}

/* --- in force ----------------------------------------------------------------------------------
 */

void registry__apply(struct lambda *l, struct managed *m)
{
    const struct json *versions = json_get(m->tree, "Versions");
    int64_t reserved = -1;
    (void)json_int(json_get(m->tree, "ReservedConcurrentExecutions"), &reserved);
    m->family->reserved = (int)reserved;
    for (size_t i = 0; versions && i < versions->n; i++) {
        struct str version = json_str_or(json_get(versions->items[i], "Version"), STR(""));
        unsigned wanted = registry__wanted(m->tree, version);
        struct function *f = registry__made(m, version);
        struct errinfo e = {0};
        if (!f && wanted > 0)
            f = registry__function(l, m, version, &e);
        if (f)
            lambda__provision(f, wanted);
    }
    lambda__serve_all(l);
}

/* What a change has made void: $LATEST when it is another one, aliases always. */
static void forget_moved(struct managed *m, const struct changing *x)
{
    const struct json *aliases = json_get(m->tree, "Aliases");
    for (size_t i = 0; aliases && i < aliases->n; i++)
        registry__forget(m, json_str_or(json_get(aliases->items[i], "Name"), STR("")));
    if (x->latest)
        registry__forget(m, STR("$LATEST"));
    if (x->dropped > 0) {
        char version[24];
        snprintf(version, sizeof version, "%llu", (unsigned long long)x->dropped);
        registry__forget(m, str_c(version));
    }
}

static void take_away(struct registry *r, struct managed *m)
{
    struct managed **at = &r->functions;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    m->family->managed = false;
    m->family->reserved = -1;
    managed_free(m);
}

static void insert(struct registry *r, struct managed *m)
{
    struct managed **at = &r->functions;
    while (*at && strcmp((*at)->family->name, m->family->name) < 0)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
    m->family->managed = true;
}

/* The change is committed: from here on nothing can fail. */
static void take_effect(struct registry *r)
{
    struct changing *x = &r->now;
    struct managed *m = x->on;
    if (!x->tree) {
        take_away(r, m);
        registry__collect(r);
        return;
    }
    forget_moved(m, x);
    if (x->change->op == FUNCTION_CREATE)
        insert(r, m);
    arena_free(m->arena);
    m->arena = x->arena;
    m->tree = x->tree;
    x->arena = NULL;
    x->on = NULL;
    registry__apply(r->lambda, m);
    if (x->latest || x->dropped > 0)
        registry__collect(r);
}

/* --- one change --------------------------------------------------------------------------------
 */

static void kick(struct registry *r);

static void end_change(struct registry *r, enum err err)
{
    struct changing *x = &r->now;
    struct function_change *c = x->change;
    c->err = err;
    if (err != ERR_OK && c->e.text[0] == '\0')
        errinfo_set(&c->e, err, "%s", err_text(err));
    if (err == ERR_OK && x->show)
        json_write(&c->answer, x->show);
    if (err == ERR_OK)
        take_effect(r);
    else if (c->op == FUNCTION_CREATE && x->on)
        managed_free(x->on);
    function_unref(x->latest);
    buf_fini(&x->tree_text);
    buf_fini(&x->published_text);
    arena_free(x->arena);
    *x = (struct changing){.change = NULL};
    c->done(c);
    kick(r);
}

static void committed(struct store_job *j, enum err err)
{
    end_change(CONTAINER_OF(j, struct registry, job), err);
}

/* Everything but the versions, which have rows of their own. */
static enum err write_texts(struct changing *x)
{
    x->tree_text = BUF_INIT(LIMIT_MANAGED_ARENA);
    x->published_text = BUF_INIT(LIMIT_MANAGED_ARENA);
    if (!x->tree)
        return ERR_OK;
    struct json *rest = json_new_object(x->arena, x->tree->n);
    for (size_t i = 0; rest && i < x->tree->n; i++) {
        const struct json_member *m = &x->tree->members[i];
        if (!str_eqz(m->key, "Versions") && json_set(x->arena, rest, m->key, m->value) != ERR_OK)
            return ERR_NOMEM;
    }
    json_write(&x->tree_text, rest);
    if (x->published)
        json_write(&x->published_text, x->published);
    return x->tree_text.err ? x->tree_text.err : x->published_text.err;
}

static void settle(struct registry *r)
{
    struct changing *x = &r->now;
    enum err err = registry__change(x, &x->change->e);
    if (err == ERR_OK)
        err = write_texts(x);
    if (err == ERR_OK) {
        r->job = (struct store_job){
            .access = STORE_WRITE, .run = registry__write, .done = committed, .arg = x};
        err = store_submit(r->store, r->lambda->o.control, &r->job);
    }
    if (err != ERR_OK)
        end_change(r, err);
}

static void unpack_work(struct work *w)
{
    struct registry *r = CONTAINER_OF(w, struct registry, unpack);
    struct changing *x = &r->now;
    struct package package;
    struct function_change *c = x->change;
    c->err = package_unzip(x->arena, r->lambda->o.state_dir, c->zip, &package, &c->e);
    if (c->err == ERR_OK)
        c->err = package_sync(&package, &c->e);
    if (c->err == ERR_OK)
        x->package_hex = package.digest;
}

static void unpack_done(struct work *w)
{
    struct registry *r = CONTAINER_OF(w, struct registry, unpack);
    if (r->now.change->err == ERR_OK)
        settle(r);
    else
        end_change(r, r->now.change->err);
}

/* What of it can be judged before its package is unpacked. */
static enum err admit(struct registry *r, struct errinfo *e)
{
    struct lambda *l = r->lambda;
    struct changing *x = &r->now;
    struct function_change *c = x->change;
    if (l->closing || !r->store)
        return ERR_UNAVAILABLE;
    r->wanted = true;
    enum err err = registry__load(r, e);
    if (err != ERR_OK)
        return err;
    x->on = registry__find(r, c->name);
    if (c->op != FUNCTION_CREATE)
        return x->on ? ERR_OK : registry__not_found(l, c->name, STR(""), e);
    bool there = x->on != NULL;
    x->on = NULL;
    if (there || lambda_find(l, c->name, STR("")))
        return errinfo_set(e, ERR_EXISTS, "Function already exist: %.*s",
                           STR_ARG(str_sub(c->name, 0, LIMIT_FUNCTION_NAME)));
    err = lambda__check_name(c->name, e);
    if (err != ERR_OK)
        return err;
    x->on = mem_alloc(sizeof *x->on);
    if (x->on)
        x->on->family = lambda__family(l, c->name);
    return x->on && x->on->family ? ERR_OK : ERR_NOMEM;
}

static void begin(struct post *p)
{
    struct registry *r = CONTAINER_OF(p, struct registry, later);
    struct changing *x = &r->now;
    struct function_change *c = r->queue;
    r->posted = false;
    r->queue = c->next;
    if (!r->queue)
        r->last = &r->queue;
    *x = (struct changing){.l = r->lambda, .change = c};
    enum err err = admit(r, &c->e);
    if (err == ERR_OK)
        x->arena = arena_new(KIB(8), LIMIT_MANAGED_ARENA);
    if (err == ERR_OK && !x->arena)
        err = ERR_NOMEM;
    if (err == ERR_OK && c->zip.n > 0) {
        r->unpack =
            (struct work){.work = unpack_work, .done = unpack_done, .reply = r->lambda->o.control};
        err = run_work(r->lambda->o.control, LANE_IO, &r->unpack);
        if (err == ERR_OK)
            return;
    }
    if (err == ERR_OK)
        settle(r);
    else
        end_change(r, err);
}

static void kick(struct registry *r)
{
    if (!r->now.change && r->queue && !r->posted) {
        r->posted = true;
        r->later.fn = begin;
        run_post(r->lambda->o.control, &r->later);
    }
    lambda__maybe_closed(r->lambda);
}

void lambda_change(struct lambda *l, struct function_change *c)
{
    struct registry *r = l->registry;
    ASSERT(c->done && c->op < FUNCTION_OPS);
    c->err = ERR_OK;
    c->e = (struct errinfo){0};
    c->answer = BUF_INIT(LIMIT_MANAGED_ARENA);
    c->next = NULL;
    *r->last = c;
    r->last = &c->next;
    kick(r);
}

void function_change_fini(struct function_change *c)
{
    buf_fini(&c->answer);
}
