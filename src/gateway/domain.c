/* SPDX-License-Identifier: Apache-2.0
 *
 * Custom domains (specs 6.1). Invariant: a Host that is a custom domain reaches what its base paths
 * name and nothing else, and over TLS only with the certificate that belongs to it. */
#include "base/limits.h"
#include "domain_int.h"
#include "route_int.h"

/* --- freezing ------------------------------------------------------------------------------- */

/* Segments of characters that are the same bytes in every canonical path. */
static bool is_base_path(struct str s)
{
    if (str_starts(s, STR("/")) || str_ends(s, STR("/")) || str_find(s, STR("//")) != SIZE_MAX ||
        s.n > LIMIT_BASE_PATH)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && str_chr(STR("/-_.~"), c, 0) == SIZE_MAX)
            return false;
    }
    while (s.n > 0) {
        struct str segment = str_cut(s, '/', &s);
        if (str_eqz(segment, ".") || str_eqz(segment, ".."))
            return false;
    }
    return true;
}

static bool has_api(const struct snapshot *s, struct str id)
{
    for (const struct api *a = s->apis; a; a = a->next)
        if (str_eq(a->id, id))
            return true;
    return false;
}

static enum err freeze_path(struct freezer *f, const struct json *v, struct domain *d,
                            struct errinfo *e)
{
    struct snapshot *s = f->snapshot;
    struct base_path *to = &d->paths[d->path_count];
    struct str path = json_str_or(json_get(v, "basePath"), STR(""));
    struct str id = json_str_or(json_get(v, "apiId"), STR(""));
    struct str stage = json_str_or(json_get(v, "stage"), STR(""));
    if (!is_base_path(path))
        return errinfo_set(e, ERR_INVALID, "domain %.*s: %.*s is no base path", STR_ARG(d->name),
                           STR_ARG(str_sub(path, 0, 60)));
    for (size_t i = 0; i < d->path_count; i++)
        if (str_eq(d->paths[i].path, path))
            return errinfo_set(e, ERR_EXISTS, "domain %.*s has the base path /%.*s twice",
                               STR_ARG(d->name), STR_ARG(path));
    *to = (struct base_path){.path = arena_str(s->arena, path), .id = arena_str(s->arena, id)};
    if (to->path.p == NULL || to->id.p == NULL)
        return ERR_NOMEM;
    to->api = stage.n > 0 ? route__api_with(s, id, stage) : NULL;
    if (stage.n > 0 ? to->api == NULL : !has_api(s, id))
        return errinfo_set(e, ERR_NOTFOUND,
                           "domain %.*s maps /%.*s to API %.*s, stage %.*s, which is not here",
                           STR_ARG(d->name), STR_ARG(path), STR_ARG(str_sub(id, 0, 40)),
                           STR_ARG(str_sub(stage, 0, 128)));
    d->path_count++;
    return ERR_OK;
}

static void freeze_domain(struct freezer *f, const struct model_domain *m, struct domain ***end)
{
    struct snapshot *s = f->snapshot;
    const struct json *mappings = json_get(m->spec, "mappings");
    size_t n = json_is(mappings, JSON_ARRAY) ? mappings->n : 0;
    struct domain *d = ARENA_NEW(s->arena, struct domain);
    if (d) {
        d->name = arena_str(s->arena, m->name);
        d->paths = ARENA_ARRAY(s->arena, n + 1, struct base_path);
    }
    if (d == NULL || d->name.p == NULL || d->paths == NULL) {
        f->nomem = true;
        return;
    }
    d->tls_only = json_bool_or(json_get(m->spec, "tlsOnly"), false);
    for (size_t i = 0; i < n; i++) {
        struct errinfo e = {0};
        enum err err = freeze_path(f, mappings->items[i], d, &e);
        if (err == ERR_OK)
            continue;
        e.code = err;
        freeze__report(f, &m->at, &e);
    }
    **end = d;
    *end = &d->next;
}

void domain__freeze(struct freezer *f)
{
    struct domain **end = &f->snapshot->domains;
    for (const struct model_domain *m = f->model->domains; m && !f->nomem; m = m->next)
        freeze_domain(f, m, &end);
}

/* --- matching ------------------------------------------------------------------------------- */

const struct domain *domain__find(const struct snapshot *s, struct str host)
{
    struct str port, name = str_cut(host, ':', &port);
    size_t dot = str_chr(name, '.', 0);
    const struct domain *wild = NULL;
    for (const struct domain *d = s->domains; d; d = d->next) {
        if (str_ieq(d->name, name))
            return d;
        if (dot != SIZE_MAX && dot > 0 && str_starts(d->name, STR("*.")) &&
            str_ieq(str_from(d->name, 1), str_from(name, dot)))
            wild = d;
    }
    return wild;
}

/* Whether "/base/rest" begins with it; *below is "/rest". */
static bool begins_with(struct str path, struct str base, struct str *below)
{
    if (base.n == 0) {
        *below = path;
        return true;
    }
    struct str rest = str_from(path, 1);
    if (!str_starts(rest, base))
        return false;
    rest = str_from(rest, base.n);
    if (rest.n > 0 && rest.p[0] != '/')
        return false;
    *below = rest.n > 0 ? rest : STR("/");
    return true;
}

const struct api *domain__api(const struct snapshot *s, const struct domain *d, struct str path,
                              struct str *below, const char **why)
{
    const struct base_path *best = NULL;
    struct str rest;
    for (size_t i = 0; i < d->path_count; i++)
        if ((best == NULL || d->paths[i].path.n > best->path.n) &&
            begins_with(path, d->paths[i].path, &rest)) {
            best = &d->paths[i];
            *below = rest;
        }
    *why = "the domain maps no base path that this path begins with";
    if (best == NULL || best->api)
        return best ? best->api : NULL;
    *why = "no stage of that name";
    struct str stage = route__cut_segment(below);
    return route__api_with(s, best->id, stage);
}

enum next domain__admit(struct exchange *x)
{
    x->domain = domain__find(x->snapshot, x->rq->host);
    if (x->forward) /* the other gateway has the client's connection */
        return NEXT;
    if (!http_exchange_tls_serves(x->http, x->rq->host)) {
        x->kind = route__manner(x->snapshot, x->rq->host);
        decision_note(&x->record, "match", VERDICT_DENY, "host",
                      STR("another certificate belongs to it than this connection was shown"));
        return exchange__refuse(x, RESPONSE_MISDIRECTED);
    }
    if (x->domain == NULL || !x->domain->tls_only || x->is_tls)
        return NEXT;
    x->kind = route__manner(x->snapshot, x->rq->host);
    decision_note(&x->record, "match", VERDICT_DENY, "host",
                  STR("this domain is served by TLS only: it has a certificate"));
    return exchange__refuse(x, RESPONSE_FORBIDDEN);
}

void domain__describe(const struct snapshot *s, struct buf *out)
{
    for (const struct domain *d = s->domains; d; d = d->next)
        for (size_t i = 0; i < d->path_count; i++) {
            const struct base_path *p = &d->paths[i];
            buf_addf(out, "domain  %s%.*s/%.*s   API %.*s", d->tls_only ? "https://" : "",
                     STR_ARG(d->name), STR_ARG(p->path), STR_ARG(p->id));
            if (p->api)
                buf_addf(out, ", stage %.*s", STR_ARG(p->api->stage));
            buf_addc(out, '\n');
        }
}
