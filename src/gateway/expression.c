/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of parameter mappings (specs 7.4): one source ("$request.header.N"), or text with sources
 * in braces ("${request.path.id}-${stageVariables.v}"). Invariants: what is no source is refused
 * when the document loads; a source reads what the client or the backend sent, never what another
 * mapping made of it. */
#include "event_int.h"
#include "headers_int.h"
#include "http_api_int.h"
#include "mapping_int.h"
#include "parameters_int.h"

/* --- the sources ------------------------------------------------------------------------------ */
/* Values of repeated fields are one list (RFC 9110 5.3). */
static enum err join(struct exchange *x, const struct http_headers *h, struct str name, bool ours,
                     struct str *out)
{
    AUTO_BUF list = BUF_INIT(KIB(64));
    bool found = false;
    for (size_t i = 0; i < h->n; i++) {
        if (!str_ieq(h->v[i].name, name))
            continue;
        if (found)
            buf_addc(&list, ',');
        buf_add(&list, h->v[i].value);
        found = true;
    }
    if (!found || ours)
        return ERR_NOTFOUND;
    *out = list.err ? STR_NONE : list.n ? arena_str(x->arena, buf_str(&list)) : STR("");
    return list.err ? list.err : out->p ? ERR_OK : ERR_NOMEM;
}

/* As events show it: what only the gateway may say is not taken from a client. */
static enum err read_request_header(struct exchange *x, const struct expression_facts *facts,
                                    struct str name, struct str *out)
{
    (void)facts;
    if (str_ieq(name, STR("X-Forwarded-For"))) {
        *out = exchange__forwarded_for(x);
        return ERR_OK;
    }
    bool hidden =
        event__is_ours(name) || (!header__to_backend(name) && !str_ieq(name, STR("Host")));
    return join(x, &x->rq->headers, name, hidden, out);
}

static enum err read_query(struct exchange *x, const struct expression_facts *facts,
                           struct str name, struct str *out)
{
    const struct query_pair *q;
    size_t n;
    bool found = false;
    AUTO_BUF list = BUF_INIT(KIB(64));
    enum err err = exchange__query(x, &q, &n);
    (void)facts;
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(q[i].name, name))
            continue;
        if (found)
            buf_addc(&list, ',');
        buf_add(&list, q[i].value);
        found = true;
    }
    if (!found)
        return ERR_NOTFOUND;
    *out = list.err ? STR_NONE : list.n ? arena_str(x->arena, buf_str(&list)) : STR("");
    return list.err ? list.err : out->p ? ERR_OK : ERR_NOMEM;
}

static enum err read_body(struct exchange *x, const struct expression_facts *facts, struct str name,
                          struct str *out)
{
    if (name.n > 0 && facts->body.n > LIMIT_PARAMETER_BODY)
        return ERR_NOTFOUND; /* cut there it would be no JSON any more */
    return jsonpath__read(x->arena, facts->body, name, out) ? ERR_OK : ERR_NOTFOUND;
}

static enum err read_path(struct exchange *x, const struct expression_facts *facts, struct str name,
                          struct str *out)
{
    (void)facts;
    (void)name;
    *out = x->route_path;
    return ERR_OK;
}

static enum err read_param(struct exchange *x, const struct expression_facts *facts,
                           struct str name, struct str *out)
{
    (void)facts;
    return exchange__param(x, name, out) ? ERR_OK : ERR_NOTFOUND;
}

static enum err read_context(struct exchange *x, const struct expression_facts *facts,
                             struct str name, struct str *out)
{
    (void)facts;
    return exchange__context(x, name, out) ? ERR_OK : ERR_NOTFOUND;
}

static enum err read_variable(struct exchange *x, const struct expression_facts *facts,
                              struct str name, struct str *out)
{
    (void)facts;
    return api__variable(x->api, name, out) ? ERR_OK : ERR_NOTFOUND;
}

static enum err read_answer_header(struct exchange *x, const struct expression_facts *facts,
                                   struct str name, struct str *out)
{
    return facts->answer ? join(x, &facts->answer->headers, name, false, out) : ERR_NOTFOUND;
}

enum name_rule { NAME_NONE, NAME_ANY, NAME_TOKEN, NAME_JSONPATH };
#define IN_REQUEST (1u << EXPRESSION_REQUEST)
#define IN_RESPONSE (1u << EXPRESSION_RESPONSE)
static const struct {
    const char *prefix;
    unsigned uses;
    enum name_rule rule;
    bool canonical; /* bytes of the canonical path: not escaped again */
    enum err (*read)(struct exchange *x, const struct expression_facts *facts, struct str name,
                     struct str *out);
} sources[] = {
    {"request.header.", IN_REQUEST, NAME_TOKEN, false, read_request_header},
    {"request.querystring.", IN_REQUEST, NAME_ANY, false, read_query},
    {"request.body", IN_REQUEST, NAME_JSONPATH, false, read_body},
    {"request.path.", IN_REQUEST, NAME_ANY, true, read_param},
    {"request.path", IN_REQUEST, NAME_NONE, true, read_path},
    {"response.header.", IN_RESPONSE, NAME_TOKEN, false, read_answer_header},
    {"response.body", IN_RESPONSE, NAME_JSONPATH, false, read_body},
    {"context.", IN_REQUEST | IN_RESPONSE, NAME_ANY, false, read_context},
    {"stageVariables.", IN_REQUEST | IN_RESPONSE, NAME_ANY, false, read_variable},
};

/* --- compile -------------------------------------------------------------------------------- */
static bool is_name(struct str name, enum name_rule rule)
{
    switch (rule) {
    case NAME_NONE:
        return name.n == 0;
    case NAME_TOKEN:
        return http_is_token(name) && str_chr(name, '$', 0) == SIZE_MAX;
    case NAME_JSONPATH:
        return jsonpath__is_valid(name);
    case NAME_ANY:
        break;
    }
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || strchr("${}", name.p[i]))
            return false;
    return name.n > 0;
}

static bool is_authorizers(const struct expression_piece *piece)
{
    return sources[piece->source].read == read_context &&
           str_starts(piece->name, STR("authorizer."));
}

static enum err find_source(struct str text, enum expression_use use, struct expression *t,
                            struct expression_piece *piece, struct errinfo *e)
{
    for (size_t i = 0; i < COUNTOF(sources); i++) {
        struct str prefix = str_c(sources[i].prefix), name = str_from(text, prefix.n);
        if (!(sources[i].uses & 1u << use) || !str_starts(text, prefix) ||
            !is_name(name, sources[i].rule))
            continue;
        piece->source = (int)i;
        piece->name = name;
        t->needs_body = t->needs_body || sources[i].read == read_body;
        t->from_authorizer = t->from_authorizer || is_authorizers(piece);
        return ERR_OK;
    }
    return errinfo_set(
        e, ERR_INVALID, "\"%.*s\" is no source of a value: %s; several in one text stand in ${ }",
        STR_ARG(str_sub(text, 0, 60)),
        use == EXPRESSION_REQUEST
            ? "$request.header|querystring|path|body.NAME, $request.path, $context.NAME or "
              "$stageVariables.NAME (a JSONPath has members and indexes only)"
            : "$response.header|body.NAME, $context.NAME or $stageVariables.NAME (a JSONPath has "
              "members and indexes only)");
}

enum err expression__compile(struct arena *a, struct str text, enum expression_use use,
                             struct expression *out, struct errinfo *e)
{
    const struct str open = STR("${");
    struct str rest = arena_str(a, text), after;
    size_t dollars = 1, at;
    *out = (struct expression){0};
    for (size_t i = 0; i < rest.n; i++)
        dollars += rest.p[i] == '$';
    out->v = rest.p ? ARENA_ARRAY(a, dollars, struct expression_piece) : NULL;
    if (out->v == NULL)
        return ERR_NOMEM;
    if (str_starts(rest, STR("$")) && !str_starts(rest, open)) {
        out->lone = true;
        out->n = 1;
        return find_source(str_from(rest, 1), use, out, out->v, e);
    }
    while ((at = str_find(rest, open)) != SIZE_MAX) {
        struct expression_piece *piece = &out->v[out->n++];
        struct str inner = str_cut(str_from(rest, at + open.n), '}', &after);
        if (after.p == NULL)
            return errinfo_set(e, ERR_INVALID, "a ${ has no }: %.*s",
                               STR_ARG(str_sub(rest, at, 60)));
        piece->literal = str_sub(rest, 0, at);
        enum err err = find_source(inner, use, out, piece, e);
        if (err != ERR_OK)
            return err;
        rest = after;
    }
    out->lone = out->n == 1 && out->v[0].literal.n == 0 && rest.n == 0;
    if (!out->lone)
        out->v[out->n++] = (struct expression_piece){rest, -1, STR_NONE};
    return ERR_OK;
}

/* --- read ----------------------------------------------------------------------------------- */
static enum err read_piece(struct exchange *x, const struct expression *t,
                           const struct expression_piece *piece,
                           const struct expression_facts *facts, struct str *out)
{
    *out = STR("");
    enum err err = sources[piece->source].read(x, facts, piece->name, out);
    /* A path that the authorizer was to narrow is no wider when it says nothing. */
    if (facts->for_path && is_authorizers(piece) && (err == ERR_NOTFOUND || out->n == 0))
        return err && err != ERR_NOTFOUND ? err : ERR_INVALID;
    if (err != ERR_OK || !facts->for_path || t->lone || sources[piece->source].canonical)
        return err;
    *out = path_percent_encode(x->arena, *out);
    return out->p ? ERR_OK : ERR_NOMEM;
}

enum err expression__read(struct exchange *x, const struct expression *t,
                          const struct expression_facts *facts, struct str *out)
{
    AUTO_BUF whole = BUF_INIT(KIB(64));
    struct str value;
    if (t->lone)
        return read_piece(x, t, t->v, facts, out);
    for (size_t i = 0; i < t->n; i++) {
        buf_add(&whole, t->v[i].literal);
        if (t->v[i].source < 0)
            continue;
        enum err err = read_piece(x, t, &t->v[i], facts, &value);
        if (err == ERR_OK)
            buf_add(&whole, value);
        else if (err != ERR_NOTFOUND) /* what is not there is the empty text */
            return err;
    }
    *out = whole.err ? STR_NONE : whole.n ? arena_str(x->arena, buf_str(&whole)) : STR("");
    return whole.err ? whole.err : out->p ? ERR_OK : ERR_NOMEM;
}
