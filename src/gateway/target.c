/* SPDX-License-Identifier: Apache-2.0
 *
 * The uri of an HTTP or HTTP_PROXY integration: "http://host:port/base/{proxy}?v=1", split once
 * into an origin and pieces, put together for each request from canonical bytes only. A variable in
 * the query is encoded whole: it stays the value that it is put into. */
#include "base/limits.h"
#include "target_int.h"

/* ${stageVariables.X} -> its value; known when the stage is frozen. */
static enum err substitute(struct arena *a, const struct api *api, struct str uri, struct str *out,
                           struct errinfo *e)
{
    const struct str open = STR("${stageVariables.");
    AUTO_BUF b = BUF_INIT(KIB(8));
    size_t at;
    while ((at = str_find(uri, open)) != SIZE_MAX) {
        struct str rest, value, name = str_cut(str_from(uri, at + open.n), '}', &rest);
        if (rest.p == NULL || !api__variable(api, name, &value))
            return errinfo_set(e, ERR_NOTFOUND,
                               "stage %.*s has no variable %.*s, which the uri needs",
                               STR_ARG(api->stage), STR_ARG(str_sub(name, 0, 60)));
        buf_add(&b, str_sub(uri, 0, at));
        buf_add(&b, value);
        uri = rest;
    }
    buf_add(&b, uri);
    *out = b.err ? STR_NONE : arena_str(a, buf_str(&b));
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err parse_authority(struct target *t, struct str authority, struct errinfo *e)
{
    struct str host, port = STR_NONE;
    if (str_starts(authority, STR("["))) {
        size_t end = str_chr(authority, ']', 0);
        host = str_sub(authority, 1, end == SIZE_MAX ? 0 : end - 1);
        port = end == SIZE_MAX ? STR_NONE : str_from(authority, end + 1);
        if (str_starts(port, STR(":")))
            port = str_from(port, 1);
        else if (port.n > 0)
            host = STR_NONE;
    } else {
        host = str_cut(authority, ':', &port);
    }
    uint64_t number = t->origin.tls ? 443 : 80;
    if (host.n == 0 || host.n > 253 || str_chr(authority, '@', 0) != SIZE_MAX ||
        (port.n > 0 && (!str_u64(port, &number) || number == 0 || number > 65535)))
        return errinfo_set(e, ERR_INVALID,
                           "the uri needs a host and perhaps a port: http://HOST:PORT/...");
    t->origin.host = host;
    t->origin.port = (uint16_t)number;
    t->authority = authority;
    return ERR_OK;
}

static enum err add_piece(struct arena *a, struct target_pieces *to, struct str text, bool variable)
{
    if (text.n == 0)
        return ERR_OK;
    struct target_piece *grown = ARENA_ARRAY(a, to->n + 1, struct target_piece);
    if (grown == NULL)
        return ERR_NOMEM;
    if (to->n > 0)
        memcpy(grown, to->v, to->n * sizeof *grown);
    grown[to->n++] = (struct target_piece){text, variable};
    to->v = grown;
    return ERR_OK;
}

static enum err split(struct arena *a, struct target_pieces *to, struct str text, struct errinfo *e)
{
    while (text.n > 0) {
        size_t open = str_chr(text, '{', 0);
        struct str rest;
        enum err err = add_piece(a, to, str_sub(text, 0, open), false);
        if (err != ERR_OK || open == SIZE_MAX)
            return err;
        struct str name = str_cut(str_from(text, open + 1), '}', &rest);
        if (rest.p == NULL || name.n == 0)
            return errinfo_set(e, ERR_INVALID, "a { in the uri has no }");
        if (str_ends(name, STR("+")))
            name = str_sub(name, 0, name.n - 1);
        err = add_piece(a, to, name, true);
        if (err != ERR_OK)
            return err;
        text = rest;
    }
    return ERR_OK;
}

enum err target__compile(struct arena *a, const struct api *api, struct str uri, struct target *out,
                         struct errinfo *e)
{
    const struct str http = STR("http://"), https = STR("https://");
    *out = (struct target){0};
    enum err err = substitute(a, api, uri, &uri, e);
    if (err != ERR_OK)
        return err;
    out->origin.tls = str_istarts(uri, https);
    if (!out->origin.tls && !str_istarts(uri, http))
        return errinfo_set(e, ERR_INVALID,
                           "the uri of an HTTP integration begins with http:// or https://");
    uri = str_from(uri, out->origin.tls ? https.n : http.n);
    size_t end = 0;
    while (end < uri.n && uri.p[end] != '/' && uri.p[end] != '?')
        end++;
    err = parse_authority(out, str_sub(uri, 0, end), e);
    if (err != ERR_OK)
        return err;
    struct str path = str_cut(str_from(uri, end), '?', &out->query);
    if (api->kind == API_HTTP && str_chr(out->query, '{', 0) != SIZE_MAX)
        return errinfo_set(e, ERR_UNSUPPORTED,
                           "a { in the query of a uri: map it with overwrite:querystring.NAME");
    err = split(a, &out->query_pieces, out->query, e);
    return err ? err : split(a, &out->path, path.n ? path : STR("/"), e);
}

/* The value of {name}: a mapping to that path variable, else the resource's own variable. */
static enum err piece_value(struct exchange *x, const struct mappings *maps, struct str name,
                            struct str *out)
{
    for (size_t i = 0; i < maps->n; i++) {
        const struct mapping *m = &maps->v[i];
        if (m->target != MAP_PATH || !str_eq(m->name, name))
            continue;
        if (!m->read(x, m->source, out) || out->n == 0)
            return ERR_NOTFOUND; /* an empty segment would be another path */
        struct str own;
        if (exchange__param(x, m->source, &own) && own.p == out->p)
            return ERR_OK; /* a path variable of the request: canonical bytes already */
        *out = path_percent_encode(x->arena, *out);
        return out->p ? ERR_OK : ERR_NOMEM;
    }
    return exchange__param(x, name, out) ? ERR_OK : ERR_NOTFOUND;
}

/* The same for a place in the query, where a '&' of a path would begin another parameter. */
static enum err query_value(struct exchange *x, const struct mappings *maps, struct str name,
                            struct str *out)
{
    struct str escaped;
    enum err err = piece_value(x, maps, name, &escaped);
    if (err != ERR_OK)
        return err;
    struct str plain = path_percent_decode(x->arena, escaped, false);
    *out = plain.p ? path_percent_encode(x->arena, plain) : STR_NONE;
    return out->p ? ERR_OK : ERR_NOMEM;
}

static bool maps_query(const struct mappings *maps)
{
    for (size_t i = 0; i < maps->n; i++)
        if (maps->v[i].target == MAP_QUERY)
            return true;
    return false;
}

static void add_pair(struct exchange *x, struct buf *b, struct str name, struct str value)
{
    struct str n = path_percent_encode(x->arena, name), v = path_percent_encode(x->arena, value);
    if (n.p == NULL || v.p == NULL)
        b->err = ERR_NOMEM;
    buf_addc(b, b->n ? '&' : '?');
    buf_add(b, n);
    buf_addc(b, '=');
    buf_add(b, v);
}

static bool mapped_to(struct exchange *x, const struct mappings *maps, struct str name)
{
    struct str value;
    for (size_t i = 0; i < maps->n; i++)
        if (maps->v[i].target == MAP_QUERY && str_eq(maps->v[i].name, name) &&
            (maps->v[i].from_authorizer || maps->v[i].read(x, maps->v[i].source, &value)))
            return true;
    return false;
}

/* What the uri itself has after its '?'. */
static enum err add_own_query(struct exchange *x, const struct target *t,
                              const struct mappings *maps, struct buf *b)
{
    for (size_t i = 0; i < t->query_pieces.n; i++) {
        const struct target_piece *piece = &t->query_pieces.v[i];
        struct str value = piece->text;
        enum err err = piece->variable ? query_value(x, maps, value, &value) : ERR_OK;
        if (err != ERR_OK)
            return err;
        if (i == 0)
            buf_addc(b, '?');
        buf_add(b, value);
    }
    return ERR_OK;
}

/* The client's pairs, if they are passed, with mapped names replaced. */
static enum err add_mapped_query(struct exchange *x, const struct mappings *maps, bool pass,
                                 struct buf *b)
{
    const struct query_pair *pairs;
    size_t n = 0;
    enum err err = exchange__query(x, &pairs, &n);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; pass && i < n; i++)
        if (!mapped_to(x, maps, pairs[i].name))
            add_pair(x, b, pairs[i].name, pairs[i].value);
    for (size_t i = 0; i < maps->n; i++) {
        struct str value;
        if (maps->v[i].target == MAP_QUERY && maps->v[i].read(x, maps->v[i].source, &value))
            add_pair(x, b, maps->v[i].name, value);
    }
    return ERR_OK;
}

/* Without query mappings the bytes of the client's query go as they came. */
static enum err add_query(struct exchange *x, const struct target *t, const struct mappings *maps,
                          bool pass, struct buf *out)
{
    AUTO_BUF b = BUF_INIT(KIB(32));
    enum err err = add_own_query(x, t, maps, &b);
    if (err == ERR_OK && maps_query(maps))
        err = add_mapped_query(x, maps, pass, &b);
    else if (err == ERR_OK && pass && x->rq->query.n > 0) {
        buf_addc(&b, b.n ? '&' : '?');
        buf_add(&b, x->rq->query);
    }
    buf_add(out, buf_str(&b));
    return err ? err : b.err;
}

enum err target__make(struct exchange *x, const struct target *t, const struct mappings *maps,
                      bool pass, struct str *out)
{
    AUTO_BUF b = BUF_INIT(KIB(48));
    const char *why;
    for (size_t i = 0; i < t->path.n; i++) {
        struct str value = t->path.v[i].text;
        enum err err = t->path.v[i].variable ? piece_value(x, maps, value, &value) : ERR_OK;
        if (err != ERR_OK)
            return err;
        buf_add(&b, value);
    }
    unsigned flags = x->api->allow_double_slash ? PATH_ALLOW_DOUBLE_SLASH : 0;
    struct str path = b.err ? STR_NONE : arena_str(x->arena, buf_str(&b)), canonical;
    if (path.p == NULL)
        return ERR_NOMEM;
    enum err err = path_canonical(x->arena, path, flags, &canonical, &why);
    if (err != ERR_OK || !str_eq(path, canonical))
        return err ? err : ERR_INVALID; /* a mapped value would make another path of it */
    if ((!pass || x->rq->query.n == 0) && t->query.n == 0 && !maps_query(maps)) {
        *out = path;
        return ERR_OK;
    }
    err = add_query(x, t, maps, pass, &b);
    *out = err || b.err ? STR_NONE : arena_str(x->arena, buf_str(&b));
    return out->p ? ERR_OK : err ? err : ERR_NOMEM;
}
