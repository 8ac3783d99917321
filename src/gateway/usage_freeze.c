/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys and usage plans judged and frozen: which key has which plan on which API stage, and the
 * buckets that go with it. Invariant: a key has at most one grant for an API stage; whatever a
 * plan or a throttle names exists, or the snapshot is not made. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"
#include "freeze_int.h"

struct usage_freezer {
    struct freezer *f;
    struct map keys; /* id -> struct api_key */
};
struct plan_freezer {
    struct usage_freezer *u;
    struct freezer *f;
    const struct model_usage_plan *plan;
    struct str id, words; /* words: for records */
    struct throttle client;
    struct quota_rule quota;
    bool has_client, has_quota;
    struct api_key **keys;
    const struct json **key_ids; /* where each was named */
    size_t key_count;
};

/* --- saying what is wrong --------------------------------------------------------------------- */
static void refuse(struct freezer *f, const struct model_place *at, const struct json *where,
                   enum err code, const char *fmt, ...) PRINTF(5, 6);
static void refuse(struct freezer *f, const struct model_place *at, const struct json *where,
                   enum err code, const char *fmt, ...)
{
    struct errinfo e = {.code = code};
    va_list args;
    va_start(args, fmt);
    (void)!vsnprintf(e.text, sizeof e.text, fmt, args);
    va_end(args);
    if (where) {
        e.line = where->line;
        e.col = where->col;
    }
    freeze__report(f, at, &e);
}

static struct str keep(struct freezer *f, struct str s)
{
    struct str c = arena_str(f->snapshot->arena, s);
    f->nomem = f->nomem || c.p == NULL;
    return c.p ? c : STR("");
}

/* --- throttles -------------------------------------------------------------------------------- */
/* A number, also in quotes as CloudFormation allows. */
static bool read_number(const struct json *v, double *out)
{
    char text[40], *end = text;
    struct str s = json_str_or(v, STR(""));
    if (json_is(v, JSON_NUMBER)) {
        *out = v->real;
        return true;
    }
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789.eE+-", s.p[i]))
            return false;
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

/* One member of a throttle; -1 and absence mean the account's value (docs/differences.md). */
static bool read_limit(struct freezer *f, const struct model_place *at, const struct json *object,
                       const char *name, double most, double *value)
{
    const struct json *v = json_get(object, name);
    double n = 0;
    if (v == NULL)
        return true;
    if (!read_number(v, &n) || n > most || (n < 0 && n > -1) || n < -1) {
        refuse(f, at, v, ERR_INVALID, "%s is a number from 0 to %.0f", name, most);
        return false;
    }
    if (n >= 0)
        *value = n;
    return true;
}

/* False when there is none, or a wrong one, which was said. */
static bool read_throttle(struct freezer *f, const struct model_place *at,
                          const struct json *object, const char *rate, const char *burst,
                          struct throttle *out)
{
    double r = -1, b = -1;
    if (!read_limit(f, at, object, rate, LIMIT_THROTTLE_RATE, &r) ||
        !read_limit(f, at, object, burst, LIMIT_THROTTLE_BURST, &b))
        return false;
    if (r < 0 && b < 0)
        return false;
    r = r < 0 ? DEFAULT_THROTTLE_RATE : r;
    b = b < 0 ? DEFAULT_THROTTLE_BURST : b;
    if (b > (double)(uint64_t)b) {
        refuse(f, at, json_get(object, burst), ERR_INVALID, "%s is a whole number", burst);
        return false;
    }
    if (r > 0 && b / r > LIMIT_THROTTLE_FILL_S) {
        refuse(f, at, object, ERR_UNSUPPORTED,
               "a burst of %.0f at %g a second takes more than a year to fill again", b, r);
        return false;
    }
    *out = (struct throttle){r, (uint64_t)b};
    return true;
}

/* NULL when only judged, or out of memory. */
static struct bucket *hold(struct freezer *f, struct str who, struct throttle rule)
{
    struct snapshot *s = f->snapshot;
    struct bucket *b = NULL;
    if (f->gateway == NULL)
        return NULL;
    struct held_bucket *held = ARENA_NEW(s->arena, struct held_bucket);
    struct str identity = arena_fmt(s->arena, "%.*s %.17g %llu", STR_ARG(who), rule.rate,
                                    (unsigned long long)rule.burst);
    if (held == NULL || identity.p == NULL ||
        usage__bucket(f->gateway->usage, identity, rule, &b) != ERR_OK) {
        f->nomem = true;
        return NULL;
    }
    *held = (struct held_bucket){b, s->held};
    s->held = held;
    return b;
}

void usage__thaw(struct snapshot *s)
{
    for (struct held_bucket *h = s->held; h; h = h->next)
        usage__drop(s->gateway->usage, h->bucket);
    s->held = NULL;
}

/* --- settings by method ----------------------------------------------------------------------- */
/* "/pets/{id}/GET", "pets/{id}/GET", "~1pets~1{id}/GET": the method. False: no such name. */
static bool split_setting(struct freezer *f, struct str key, struct str *path, struct str *verb)
{
    AUTO_BUF plain = BUF_INIT(KIB(8));
    size_t slash = str_rchr(key, '/');
    if (slash == SIZE_MAX)
        return false;
    *verb = str_from(key, slash + 1);
    struct str rest = str_sub(key, 0, slash);
    buf_addc(&plain, '/');
    for (size_t i = 0; i < rest.n; i++) {
        bool escaped = rest.p[i] == '~' && i + 1 < rest.n && rest.p[i + 1] == '1';
        char c = escaped ? '/' : rest.p[i];
        i += escaped;
        if (c != '/' || plain.n > 1)
            buf_addc(&plain, c);
    }
    f->nomem = f->nomem || plain.err == ERR_NOMEM;
    *path = keep(f, buf_str(&plain));
    return plain.err == ERR_OK;
}

static bool is_for_all(struct str key)
{
    return str_eqz(key, "*/*") || str_eqz(key, "/*/*") || str_eqz(key, "~1*/*");
}

static struct method *find_method(struct freezer *f, const struct api *api, struct str key)
{
    struct str path, verb;
    if (!split_setting(f, key, &path, &verb))
        return NULL;
    for (struct method *m = api->methods; m; m = m->next)
        if (str_eq(m->path, path) && str_eq(m->verb, verb))
            return m;
    return NULL;
}

static struct method *find_route(const struct api *api, struct str route)
{
    for (struct method *m = api->methods; m; m = m->next)
        if (str_eq(m->route, route))
            return m;
    return NULL;
}

static void set_method(struct freezer *f, struct method *m, struct throttle rule)
{
    struct str who = arena_fmt(f->snapshot->arena, "stage %.*s/%.*s %.*s", STR_ARG(m->api->id),
                               STR_ARG(m->api->stage), STR_ARG(m->route));
    f->nomem = f->nomem || who.p == NULL;
    m->throttle = hold(f, who, rule);
}

/* A REST stage's methodSettings, an HTTP stage's route settings: the setting of the method itself,
 * else the one for all, which each method then has for itself. */
static void freeze_stage(struct freezer *f, const struct model_api *m, struct api *api)
{
    static const char rate[] = "throttlingRateLimit", burst[] = "throttlingBurstLimit";
    const struct json *own = m->kind == API_REST ? m->method_settings : m->route_settings;
    const struct json *all = m->kind == API_REST ? NULL : m->default_route_settings;
    struct throttle rule;
    for (size_t i = 0; own && i < own->n; i++) {
        const struct json_member *setting = &own->members[i];
        if (m->kind == API_REST && is_for_all(setting->key)) {
            all = setting->value;
        } else if (read_throttle(f, &m->at, setting->value, rate, burst, &rule)) {
            struct method *to = m->kind == API_REST ? find_method(f, api, setting->key)
                                                    : find_route(api, setting->key);
            if (to)
                set_method(f, to, rule);
            else
                refuse(f, &m->at, setting->value, ERR_NOTFOUND,
                       "throttling is set for %.*s, but the API has no such method",
                       STR_ARG(str_sub(setting->key, 0, 100)));
        }
    }
    if (read_throttle(f, &m->at, all, rate, burst, &rule))
        for (struct method *to = api->methods; to; to = to->next)
            if (to->throttle == NULL)
                set_method(f, to, rule);
}

/* --- keys ------------------------------------------------------------------------------------- */
/* False: said. */
static bool is_good_value(struct freezer *f, const struct model_api_key *m, const struct json *v)
{
    struct str value = json_str_or(v, STR(""));
    const struct api_key *twin = key_table__find(&f->snapshot->keys, value);
    if (value.n < API_KEY_MIN)
        refuse(f, &m->at, v, ERR_INVALID, "API Key value should be at least %d characters",
               API_KEY_MIN);
    else if (value.n > API_KEY_MAX)
        refuse(f, &m->at, v, ERR_INVALID, "API Key value exceeds maximum size of %d characters",
               API_KEY_MAX);
    else if (twin)
        refuse(f, &m->at, v, ERR_EXISTS, "API Key already exists: %.*s has the same value",
               STR_ARG(str_sub(twin->id, 0, 80)));
    return value.n >= API_KEY_MIN && value.n <= API_KEY_MAX && twin == NULL;
}

/* A value that the document leaves out is made up before a configuration runs (main/api_keys.c);
 * when it is only judged, no request can show one. */
static void freeze_key(struct usage_freezer *u, const struct model_api_key *m)
{
    struct freezer *f = u->f;
    struct key_table *t = &f->snapshot->keys;
    const struct json *v = json_get(m->spec, "value");
    if (v && !is_good_value(f, m, v))
        return;
    if (map_get(&u->keys, m->id)) {
        refuse(f, &m->at, NULL, ERR_EXISTS, "there are two API keys %.*s", STR_ARG(m->id));
        return;
    }
    struct api_key *k = &t->keys[t->count++];
    k->id = keep(f, m->id);
    k->enabled = json_bool_or(json_get(m->spec, "enabled"), false);
    if ((v && crypt_sha256(json_str_or(v, STR("")), k->digest) != ERR_OK) ||
        map_put(&u->keys, k->id, k, NULL) != ERR_OK)
        f->nomem = true;
    else if (v)
        key_table__insert(t, t->count - 1);
}

static void freeze_keys(struct usage_freezer *u)
{
    struct freezer *f = u->f;
    struct key_table *t = &f->snapshot->keys;
    size_t n = 0, slots = 4;
    for (const struct model_api_key *m = f->model->api_keys; m; m = m->next)
        n++;
    while (slots < 2 * n)
        slots *= 2;
    t->keys = ARENA_ARRAY(f->snapshot->arena, n, struct api_key);
    t->slots = ARENA_ARRAY(f->snapshot->arena, slots, uint32_t);
    t->mask = slots - 1;
    if (t->keys == NULL || t->slots == NULL) {
        f->nomem = true;
        return;
    }
    for (const struct model_api_key *m = f->model->api_keys; m && !f->nomem; m = m->next)
        freeze_key(u, m);
}

/* --- plans ------------------------------------------------------------------------------------ */
static struct api *find_api(struct freezer *f, struct str id, struct str stage)
{
    for (struct api *a = f->snapshot->apis; a; a = a->next)
        if (str_eq(a->id, id) && str_eq(a->stage, stage))
            return a;
    return NULL;
}

/* The throttles that one plan has for single methods of one API stage. */
struct plan_stage {
    struct api *api;
    uint16_t *slots;
    struct method_rule {
        const struct method *method;
        struct throttle throttle;
    } * rules;
    size_t count;
};

static void read_plan_stage(struct plan_freezer *p, const struct json *stage,
                            struct plan_stage *out)
{
    struct freezer *f = p->f;
    struct arena *a = f->snapshot->arena;
    const struct json *methods = json_get(stage, "throttle");
    *out = (struct plan_stage){.api = out->api};
    if (methods == NULL || methods->n == 0)
        return;
    out->slots = ARENA_ARRAY(a, out->api->method_count, uint16_t);
    out->rules = ARENA_ARRAY(a, methods->n, struct method_rule);
    if (out->slots == NULL || out->rules == NULL) {
        f->nomem = true;
        return;
    }
    for (size_t i = 0; i < methods->n && i < UINT16_MAX; i++) {
        const struct json_member *m = &methods->members[i];
        const struct method *method = find_method(f, out->api, m->key);
        struct method_rule *rule = &out->rules[out->count];
        if (method == NULL)
            refuse(f, &p->plan->at, m->value, ERR_NOTFOUND,
                   "the plan throttles %.*s, but API %.*s has no such method",
                   STR_ARG(str_sub(m->key, 0, 100)), STR_ARG(out->api->id));
        else if (read_throttle(f, &p->plan->at, m->value, "rateLimit", "burstLimit",
                               &rule->throttle)) {
            rule->method = method;
            out->slots[method->index] = (uint16_t)++out->count;
        }
    }
}

static struct bucket *hold_method(struct plan_freezer *p, const struct plan_stage *s,
                                  const struct api_key *k, size_t i)
{
    /* Each name with its length: no two lists of names read the same. */
    struct str who =
        arena_fmt(p->f->snapshot->arena, "plan %zu %.*s key %zu %.*s at %.*s/%.*s %.*s", p->id.n,
                  STR_ARG(p->id), k->id.n, STR_ARG(k->id), STR_ARG(s->api->id),
                  STR_ARG(s->api->stage), STR_ARG(s->rules[i].method->route));
    p->f->nomem = p->f->nomem || who.p == NULL;
    return who.p ? hold(p->f, who, s->rules[i].throttle) : NULL;
}

static struct grant *add_grant(struct freezer *f, struct api_key *k)
{
    /* Room for the next power of two. */
    bool full = (k->grant_count & (k->grant_count - 1)) == 0;
    if (full) {
        size_t cap = k->grant_count ? 2 * k->grant_count : 1;
        struct grant *grown = ARENA_ARRAY(f->snapshot->arena, cap, struct grant);
        if (grown == NULL) {
            f->nomem = true;
            return NULL;
        }
        if (k->grant_count > 0)
            memcpy(grown, k->grants, k->grant_count * sizeof *grown);
        k->grants = grown;
    }
    return &k->grants[k->grant_count++];
}

static void hold_quota(struct plan_freezer *p, const struct json *key_id, const struct api_key *k,
                       struct grant *g)
{
    struct errinfo e = {0};
    g->quota_rule = p->quota;
    if (p->f->gateway &&
        usage__quota(p->f->gateway->usage, p->id, k->id, &p->quota, &g->quota, &e) != ERR_OK)
        refuse(p->f, &p->plan->at, key_id, e.code, "%s", e.text);
}

static void grant(struct plan_freezer *p, const struct json *key_id, struct api_key *k,
                  const struct plan_stage *s)
{
    struct freezer *f = p->f;
    const struct grant *other = api_key__grant(k, s->api);
    if (other) {
        refuse(f, &p->plan->at, key_id, ERR_CONFLICT,
               "key %.*s has plan %.*s for stage %.*s of API %.*s already: one plan for each",
               STR_ARG(str_sub(k->id, 0, 40)), STR_ARG(str_sub(other->plan_id, 0, 40)),
               STR_ARG(str_sub(s->api->stage, 0, 40)), STR_ARG(s->api->id));
        return;
    }
    struct grant *g = add_grant(f, k);
    if (g == NULL)
        return;
    *g = (struct grant){.api = s->api, .plan_id = p->id, .plan = p->words, .slots = s->slots};
    if (p->has_client) {
        struct str who = arena_fmt(f->snapshot->arena, "plan %zu %.*s key %.*s", p->id.n,
                                   STR_ARG(p->id), STR_ARG(k->id));
        f->nomem = f->nomem || who.p == NULL;
        g->client = who.p ? hold(f, who, p->client) : NULL;
    }
    if (p->has_quota)
        hold_quota(p, key_id, k, g);
    g->methods = ARENA_ARRAY(f->snapshot->arena, s->count, struct bucket *);
    f->nomem = f->nomem || g->methods == NULL;
    for (size_t i = 0; i < s->count && g->methods; i++)
        g->methods[i] = hold_method(p, s, k, i);
}

static void freeze_plan_stage(struct plan_freezer *p, const struct json *stage)
{
    struct freezer *f = p->f;
    struct str id = json_str_or(json_get(stage, "apiId"), STR(""));
    struct str name = json_str_or(json_get(stage, "stage"), STR(""));
    struct plan_stage s = {.api = find_api(f, id, name)};
    if (s.api == NULL || s.api->kind != API_REST) {
        refuse(f, &p->plan->at, stage, ERR_NOTFOUND,
               s.api ? "usage plans are for REST APIs: stage %.*s of %.*s is an HTTP API's"
                     : "there is no stage %.*s of an API %.*s",
               STR_ARG(str_sub(name, 0, 60)), STR_ARG(str_sub(id, 0, 60)));
        return;
    }
    read_plan_stage(p, stage, &s);
    for (size_t i = 0; i < p->key_count && !f->nomem; i++)
        grant(p, p->key_ids[i], p->keys[i], &s);
}

static void read_plan_keys(struct plan_freezer *p)
{
    struct freezer *f = p->f;
    const struct json *ids = json_get(p->plan->spec, "keyIds");
    size_t n = json_is(ids, JSON_ARRAY) ? ids->n : 0;
    p->keys = ARENA_ARRAY(f->snapshot->arena, n, struct api_key *);
    p->key_ids = ARENA_ARRAY(f->snapshot->arena, n, const struct json *);
    if (p->keys == NULL || p->key_ids == NULL) {
        f->nomem = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct str id = json_str_or(ids->items[i], STR(""));
        struct api_key *k = map_get(&p->u->keys, id);
        if (k == NULL) {
            refuse(f, &p->plan->at, ids->items[i], ERR_NOTFOUND, "there is no usable API key %.*s",
                   STR_ARG(str_sub(id, 0, 80)));
        } else if (k->last_plan == p->plan) {
            refuse(f, &p->plan->at, ids->items[i], ERR_EXISTS, "key %.*s is twice in this plan",
                   STR_ARG(str_sub(id, 0, 80)));
        } else if (++k->plan_count == LIMIT_PLANS_PER_KEY + 1) {
            refuse(f, &p->plan->at, ids->items[i], ERR_LIMIT,
                   "key %.*s is in more than %d usage plans", STR_ARG(str_sub(id, 0, 80)),
                   LIMIT_PLANS_PER_KEY);
        } else {
            k->last_plan = p->plan;
            p->key_ids[p->key_count] = ids->items[i];
            p->keys[p->key_count++] = k;
        }
    }
}

static bool read_whole(struct plan_freezer *p, const struct json *quota, const char *name,
                       double most, uint64_t *out)
{
    const struct json *v = json_get(quota, name);
    double n = 0;
    if (v && (!read_number(v, &n) || n < 0 || n > most || n > (double)(uint64_t)n)) {
        refuse(p->f, &p->plan->at, v, ERR_INVALID, "a quota's %s is a whole number from 0 to %.0f",
               name, most);
        return false;
    }
    *out = (uint64_t)n;
    return v != NULL;
}

static void read_quota(struct plan_freezer *p)
{
    struct quota_rule *r = &p->quota;
    const struct json *quota = json_get(p->plan->spec, "quota");
    struct str period = json_str_or(json_get(quota, "period"), STR(""));
    if (quota == NULL)
        return;
    bool known = false;
    for (enum quota_period i = QUOTA_DAY; i <= QUOTA_MONTH && !known; i++) {
        known = str_eqz(period, quota__period_name(i));
        r->period = i;
    }
    if (!known || json_get(quota, "limit") == NULL) {
        refuse(p->f, &p->plan->at, quota, ERR_INVALID,
               "a quota has a limit and a period, which is DAY, WEEK or MONTH");
        return;
    }
    p->has_quota = read_whole(p, quota, "limit", LIMIT_QUOTA, &r->limit);
    (void)read_whole(p, quota, "offset", (double)r->limit, &r->offset);
    uint64_t block = r->limit / QUOTA_BLOCKS;
    r->block = block < 1 ? 1 : block > QUOTA_BLOCK_MAX ? QUOTA_BLOCK_MAX : block;
}

static void freeze_plan(struct usage_freezer *u, const struct model_usage_plan *m)
{
    struct freezer *f = u->f;
    struct plan_freezer p = {.u = u, .f = f, .plan = m, .id = keep(f, m->id)};
    struct str name = json_str_or(json_get(m->spec, "name"), STR(""));
    const struct json *stages = json_get(m->spec, "apiStages");
    for (const struct model_usage_plan *o = f->model->usage_plans; o != m; o = o->next)
        if (str_eq(o->id, m->id))
            refuse(f, &m->at, NULL, ERR_EXISTS, "there are two usage plans %.*s", STR_ARG(m->id));
    p.words = arena_fmt(f->snapshot->arena, "%.*s (id %.*s)", STR_ARG(name), STR_ARG(m->id));
    f->nomem = f->nomem || p.words.p == NULL;
    p.has_client = read_throttle(f, &m->at, json_get(m->spec, "throttle"), "rateLimit",
                                 "burstLimit", &p.client);
    read_quota(&p);
    read_plan_keys(&p);
    for (size_t i = 0; json_is(stages, JSON_ARRAY) && i < stages->n && !f->nomem; i++)
        freeze_plan_stage(&p, stages->items[i]);
}

void usage__freeze(struct freezer *f)
{
    struct usage_freezer u = {.f = f};
    for (const struct model_api *m = f->model->apis; m && !f->nomem; m = m->next) {
        struct api *api = find_api(f, m->id, m->stage);
        if (api)
            freeze_stage(f, m, api);
    }
    freeze_keys(&u);
    for (const struct model_usage_plan *m = f->model->usage_plans; m && !f->nomem; m = m->next)
        freeze_plan(&u, m);
    map_fini(&u.keys);
}
