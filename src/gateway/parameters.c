/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameter mapping of HTTP APIs (specs 7.4): append, overwrite and remove headers and query
 * strings, overwrite the path, and of an answer the status. Invariants: reserved names are refused
 * when the document loads; a header that says what an authorizer said is never the client's; no
 * value becomes a second header, another path or another authority. */
#include "parameters_int.h"

#include "base/limits.h"

enum operation { OPERATION_APPEND, OPERATION_OVERWRITE, OPERATION_REMOVE };
enum place { PLACE_HEADER, PLACE_QUERY, PLACE_PATH, PLACE_STATUS };

struct parameter {
    enum operation operation;
    enum place place;
    struct str name;
    struct expression value;
};

/* --- compile -------------------------------------------------------------------------------- */
static bool is_reserved(struct str name)
{
    static const char *const prefixes[] = {"access-control-", "apigw-", "x-amz-", "x-amzn-"};
    static const char *const names[] = {
        "Authorization",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Location",
        "Expect",
        "Forwarded",
        "Keep-Alive",
        "Origin",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
    };
    for (size_t i = 0; i < COUNTOF(prefixes); i++)
        if (str_istarts(name, str_c(prefixes[i])))
            return true;
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(name, str_c(names[i])))
            return true;
    return false;
}

static enum err compile_place(struct parameter *p, struct str at, enum expression_use use,
                              struct errinfo *e)
{
    const struct str header = STR("header."), query = STR("querystring.");
    bool request = use == EXPRESSION_REQUEST;
    if (str_starts(at, header)) {
        p->place = PLACE_HEADER;
        p->name = str_from(at, header.n);
        if (!http_is_token(p->name))
            return errinfo_set(e, ERR_INVALID, "%.*s names no valid header", STR_ARG(at));
        if (is_reserved(p->name))
            return errinfo_set(e, ERR_INVALID, "the header %.*s is reserved and cannot be mapped",
                               STR_ARG(p->name));
        return ERR_OK;
    }
    if (request && str_starts(at, query) && at.n > query.n) {
        p->place = PLACE_QUERY;
        p->name = str_from(at, query.n);
        return ERR_OK;
    }
    if (p->operation == OPERATION_OVERWRITE && str_eqz(at, request ? "path" : "statuscode")) {
        p->place = request ? PLACE_PATH : PLACE_STATUS;
        return ERR_OK;
    }
    return errinfo_set(e, ERR_INVALID, "%.*s: a mapping is %s", STR_ARG(str_sub(at, 0, 80)),
                       request ? "append|overwrite|remove:header|querystring.NAME or "
                                 "overwrite:path"
                               : "append|overwrite|remove:header.NAME or overwrite:statuscode");
}

static enum err compile_key(struct parameter *p, struct str key, enum expression_use use,
                            struct errinfo *e)
{
    static const char *const operations[] = {"append", "overwrite", "remove"};
    struct str at, operation = str_cut(key, ':', &at);
    for (size_t i = 0; at.p && i < COUNTOF(operations); i++)
        if (str_eqz(operation, operations[i])) {
            p->operation = (enum operation)i;
            return compile_place(p, at, use, e);
        }
    return errinfo_set(e, ERR_INVALID, "%.*s: a mapping begins with append:, overwrite: or remove:",
                       STR_ARG(str_sub(key, 0, 80)));
}

static enum err check_static(const struct parameter *p, struct errinfo *e)
{
    const struct expression *t = &p->value;
    uint64_t status;
    bool is_text = t->n == 1 && t->v[0].source < 0;
    if (!is_text || p->operation == OPERATION_REMOVE)
        return ERR_OK;
    struct str text = t->v[0].literal;
    if (p->place == PLACE_HEADER && !http_is_field_value(str_trim(text)))
        return errinfo_set(e, ERR_INVALID, "a header value has no control characters");
    if (p->place == PLACE_STATUS && (!str_u64(text, &status) || status < 200 || status > 599))
        return errinfo_set(e, ERR_INVALID, "overwrite:statuscode must be 200 to 599");
    return ERR_OK;
}

enum err parameters__compile(struct arena *a, const struct json *spec, enum expression_use use,
                             struct parameters *out, struct errinfo *e)
{
    *out = (struct parameters){0};
    if (spec == NULL || spec->type == JSON_NULL)
        return ERR_OK;
    if (spec->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, spec->line, spec->col, "parameters are {key: value}");
    out->v = ARENA_ARRAY(a, spec->n, struct parameter);
    if (out->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < spec->n; i++) {
        const struct json_member *m = &spec->members[i];
        struct parameter *p = &out->v[out->n++];
        struct str key = arena_str(a, m->key), text = STR("");
        if (e) {
            e->line = m->line;
            e->col = m->col;
        }
        if (key.p == NULL)
            return ERR_NOMEM;
        if (!json_str(m->value, &text))
            return errinfo_set(e, ERR_INVALID, "a mapping's value is a string");
        enum err err = compile_key(p, key, use, e);
        if (err == ERR_OK && p->operation != OPERATION_REMOVE)
            err = expression__compile(a, text, use, &p->value, e);
        if (err == ERR_OK)
            err = check_static(p, e);
        if (err != ERR_OK)
            return err;
        out->needs_body = out->needs_body || p->value.needs_body;
    }
    return ERR_OK;
}

enum err parameters__compile_responses(struct arena *a, const struct json *spec,
                                       struct response_parameters *out, struct errinfo *e)
{
    *out = (struct response_parameters){0};
    if (spec == NULL || spec->type == JSON_NULL)
        return ERR_OK;
    if (spec->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, spec->line, spec->col,
                          "responseParameters are {status: {key: value}}");
    out->v = ARENA_ARRAY(a, spec->n, struct response_row);
    if (out->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < spec->n; i++) {
        const struct json_member *m = &spec->members[i];
        struct response_row *row = &out->v[out->n++];
        uint64_t status = 0;
        if (!str_u64(m->key, &status) || status < 200 || status > 599)
            return errinfo_at(e, ERR_INVALID, m->line, m->col,
                              "responseParameters: %.*s is no status from 200 to 599",
                              STR_ARG(str_sub(m->key, 0, 40)));
        row->status = (unsigned)status;
        enum err err = parameters__compile(a, m->value, EXPRESSION_RESPONSE, &row->parameters, e);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

const struct parameters *parameters__for(const struct response_parameters *all, unsigned status)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].status == status)
            return &all->v[i].parameters;
    return NULL;
}

/* --- headers -------------------------------------------------------------------------------- */
static enum err apply_header(struct exchange *x, const struct parameter *p,
                             const struct expression_facts *facts, struct http_headers *h)
{
    struct str value = STR("");
    if (p->operation == OPERATION_REMOVE) {
        http_remove(h, p->name);
        return ERR_OK;
    }
    enum err err = expression__read(x, &p->value, facts, &value);
    /* What the authorizer says of a caller, a caller can never say, not even before it. */
    if (p->value.from_authorizer || (err == ERR_OK && p->operation == OPERATION_OVERWRITE))
        http_remove(h, p->name);
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_OK : err;
    value = str_trim(value);
    if (!http_is_field_value(value))
        return ERR_INVALID; /* a value with CR, LF or NUL never becomes a header */
    if (str_ieq(p->name, STR("Host"))) {
        if (!http_is_host(value))
            return ERR_INVALID;
        http_remove(h, p->name); /* there is one */
    }
    return http_add(x->arena, h, p->name, value);
}

/* --- query ---------------------------------------------------------------------------------- */
struct pairs {
    struct query_pair *v;
    size_t n;
};

static void remove_pairs(struct pairs *q, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->n; i++)
        if (!str_eq(q->v[i].name, name))
            q->v[kept++] = q->v[i];
    q->n = kept;
}

static enum err apply_query(struct exchange *x, const struct parameter *p,
                            const struct expression_facts *facts, struct pairs *q)
{
    struct str value = STR("");
    enum err err = ERR_NOTFOUND;
    if (p->operation != OPERATION_REMOVE)
        err = expression__read(x, &p->value, facts, &value);
    if (p->operation == OPERATION_REMOVE || p->value.from_authorizer ||
        (err == ERR_OK && p->operation == OPERATION_OVERWRITE))
        remove_pairs(q, p->name);
    if (err == ERR_OK)
        q->v[q->n++] = (struct query_pair){p->name, value};
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static void write_pairs(struct exchange *x, const struct pairs *q, struct str own_query,
                        struct buf *b)
{
    if (own_query.n > 0) {
        buf_addc(b, '?');
        buf_add(b, own_query);
    }
    for (size_t i = 0; i < q->n; i++) {
        struct str name = path_percent_encode(x->arena, q->v[i].name);
        struct str value = path_percent_encode(x->arena, q->v[i].value);
        if (name.p == NULL || value.p == NULL)
            b->err = ERR_NOMEM;
        buf_addc(b, i > 0 || own_query.n > 0 ? '&' : '?');
        buf_add(b, name);
        buf_addc(b, '=');
        buf_add(b, value);
    }
}

static bool maps(const struct parameters *p, enum place place)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].place == place)
            return true;
    return false;
}

/* The client's pairs with the mapped ones in them, or its bytes as they came (in o->target). */
static enum err make_query(struct exchange *x, const struct parameters *p,
                           const struct expression_facts *facts, struct str own_query,
                           struct str given, struct buf *b)
{
    const struct query_pair *client;
    struct pairs q = {NULL, 0};
    size_t n = 0;
    if (!maps(p, PLACE_QUERY)) {
        if (given.p)
            buf_addc(b, '?');
        buf_add(b, given);
        return b->err;
    }
    enum err err = exchange__query(x, &client, &n);
    if (err != ERR_OK)
        return err;
    q.v = ARENA_ARRAY(x->arena, n + p->n, struct query_pair);
    if (q.v == NULL)
        return ERR_NOMEM;
    if (n > 0)
        memcpy(q.v, client, n * sizeof *client);
    q.n = n;
    for (size_t i = 0; i < p->n && err == ERR_OK; i++)
        if (p->v[i].place == PLACE_QUERY)
            err = apply_query(x, &p->v[i], facts, &q);
    write_pairs(x, &q, own_query, b);
    return err ? err : b->err;
}

/* --- path and the whole ------------------------------------------------------------------------
 */
/* The path must come out as it went in: no segment more or less than the mapping says. */
static enum err apply_path(struct exchange *x, const struct parameter *p,
                           const struct expression_facts *facts, struct str *path)
{
    struct expression_facts own = *facts;
    struct str value = STR(""), canonical;
    const char *why;
    own.for_path = true;
    enum err err = expression__read(x, &p->value, &own, &value);
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_OK : err;
    if (!str_starts(value, STR("/"))) {
        struct str parts[] = {STR("/"), value};
        value = arena_cat(x->arena, parts, COUNTOF(parts));
        if (value.p == NULL)
            return ERR_NOMEM;
    }
    unsigned flags = x->api->allow_double_slash ? PATH_ALLOW_DOUBLE_SLASH : 0;
    err = path_canonical(x->arena, value, flags, &canonical, &why);
    if (err == ERR_OK)
        *path = canonical;
    return err;
}

enum err parameters__apply_request(struct exchange *x, const struct parameters *p,
                                   const struct expression_facts *facts, struct str own_query,
                                   struct http_call_options *o)
{
    struct str query, path = str_cut(o->target, '?', &query);
    AUTO_BUF target = BUF_INIT(KIB(48));
    enum err err = ERR_OK;
    for (size_t i = 0; i < p->n && err == ERR_OK; i++) {
        if (p->v[i].place == PLACE_HEADER)
            err = apply_header(x, &p->v[i], facts, &o->headers);
        else if (p->v[i].place == PLACE_PATH)
            err = apply_path(x, &p->v[i], facts, &path);
    }
    if (err != ERR_OK || !(maps(p, PLACE_QUERY) || maps(p, PLACE_PATH)))
        return err;
    buf_add(&target, path);
    err = make_query(x, p, facts, own_query, query, &target);
    if (err != ERR_OK)
        return err;
    o->target = arena_str(x->arena, buf_str(&target));
    return o->target.p ? ERR_OK : ERR_NOMEM;
}

static enum err apply_status(struct exchange *x, const struct parameter *p,
                             const struct expression_facts *facts, struct http_response *out)
{
    struct str text = STR("");
    uint64_t status;
    enum err err = expression__read(x, &p->value, facts, &text);
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_OK : err;
    if (!str_u64(text, &status) || status < 200 || status > 599)
        return ERR_INVALID;
    out->status = (unsigned)status;
    return ERR_OK;
}

enum err parameters__apply_answer(struct exchange *x, const struct parameters *p,
                                  const struct expression_facts *facts, struct http_response *out)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < p->n && err == ERR_OK; i++)
        err = p->v[i].place == PLACE_STATUS ? apply_status(x, &p->v[i], facts, out)
                                            : apply_header(x, &p->v[i], facts, &out->headers);
    return err;
}
