/* SPDX-License-Identifier: Apache-2.0
 *
 * requestParameters and responseParameters: {"integration.request.header.X-User":
 * "context.authorizer.principalId"}. Compiled once; each row is (where to, which reader, what). A
 * place may only be filled from what is known there: no request is mapped from a response. */
#include "mapping_int.h"

static bool read_static(struct exchange *x, struct str name, struct str *out)
{
    (void)x;
    *out = name;
    return true;
}

static bool read_header(struct exchange *x, struct str name, struct str *out)
{
    /* Case-sensitive here, unlike everywhere else (API Gateway, "known issues"). The last value. */
    bool found = false;
    for (size_t i = 0; i < x->rq->headers.n; i++)
        if (str_eq(x->rq->headers.v[i].name, name)) {
            *out = x->rq->headers.v[i].value;
            found = true;
        }
    return found;
}

static bool join(struct exchange *x, struct buf *list, bool found, struct str *out)
{
    *out = found && list->err == ERR_OK ? arena_str(x->arena, buf_str(list)) : STR_NONE;
    return out->p != NULL;
}

static bool read_headers(struct exchange *x, struct str name, struct str *out)
{
    AUTO_BUF list = BUF_INIT(KIB(16));
    bool found = false;
    for (size_t i = 0; i < x->rq->headers.n; i++) {
        if (!str_eq(x->rq->headers.v[i].name, name))
            continue;
        if (found)
            buf_addc(&list, ',');
        buf_add(&list, x->rq->headers.v[i].value);
        found = true;
    }
    return join(x, &list, found, out);
}

static bool read_queries(struct exchange *x, struct str name, struct str *out, bool all)
{
    const struct query_pair *pairs;
    size_t n = 0;
    bool found = false;
    AUTO_BUF list = BUF_INIT(KIB(16));
    if (exchange__query(x, &pairs, &n) != ERR_OK)
        return false; /* target__make and proxy_start refuse then: it is not the same as no value */
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(pairs[i].name, name))
            continue;
        if (!all)
            list.n = 0; /* the last value */
        else if (found)
            buf_addc(&list, ',');
        buf_add(&list, pairs[i].value);
        found = true;
    }
    return join(x, &list, found, out);
}

static bool read_query(struct exchange *x, struct str name, struct str *out)
{
    return read_queries(x, name, out, false);
}

static bool read_query_all(struct exchange *x, struct str name, struct str *out)
{
    return read_queries(x, name, out, true);
}

static bool read_path(struct exchange *x, struct str name, struct str *out)
{
    return exchange__param(x, name, out);
}

static bool read_body(struct exchange *x, struct str path, struct str *out)
{
    return jsonpath__read(x->arena, x->request_body, path, out);
}

/* The last value. Names of a backend's headers are written in any letter case. */
static bool read_response_header(struct exchange *x, struct str name, struct str *out)
{
    bool found = false;
    for (size_t i = 0; x->backend && i < x->backend->headers->n; i++)
        if (str_ieq(x->backend->headers->v[i].name, name)) {
            *out = x->backend->headers->v[i].value;
            found = true;
        }
    return found;
}

static bool read_response_body(struct exchange *x, struct str path, struct str *out)
{
    return x->backend && jsonpath__read(x->arena, x->backend->body, path, out);
}

static bool read_variable(struct exchange *x, struct str name, struct str *out)
{
    return api__variable(x->api, name, out);
}

static const struct {
    const char *prefix;
    enum source_kind kind;
    bool (*read)(struct exchange *x, struct str name, struct str *out);
} sources[] = {
    {"method.request.header.", SOURCE_REQUEST, read_header},
    {"method.request.multivalueheader.", SOURCE_REQUEST_LIST, read_headers},
    {"method.request.querystring.", SOURCE_REQUEST, read_query},
    {"method.request.multivaluequerystring.", SOURCE_REQUEST_LIST, read_query_all},
    {"method.request.path.", SOURCE_REQUEST, read_path},
    {"stageVariables.", SOURCE_VARIABLE, read_variable},
    {"context.", SOURCE_CONTEXT, exchange__context},
    {"method.request.body", SOURCE_REQUEST_BODY, read_body},
    {"integration.response.header.", SOURCE_RESPONSE_HEADER, read_response_header},
    {"integration.response.multivalueheader.", SOURCE_RESPONSE_HEADER, read_response_header},
    {"integration.response.body", SOURCE_RESPONSE_BODY, read_response_body},
};

bool mapping__source(struct str text, unsigned kinds, struct source *out)
{
    for (size_t i = 0; i < COUNTOF(sources); i++) {
        struct str prefix = str_c(sources[i].prefix), name = str_from(text, prefix.n);
        bool body = sources[i].kind & (SOURCE_REQUEST_BODY | SOURCE_RESPONSE_BODY);
        if (!(kinds & sources[i].kind) || !str_starts(text, prefix))
            continue;
        *out = (struct source){sources[i].kind, sources[i].read, name};
        return body ? jsonpath__is_valid(name) : name.n > 0;
    }
    return false;
}

struct target_row {
    const char *prefix;
    enum mapping_target target;
};
static const struct target_row request_targets[] = {
    {"integration.request.header.", MAP_HEADER},
    {"integration.request.querystring.", MAP_QUERY},
    {"integration.request.path.", MAP_PATH},
};
static const struct target_row response_targets[] = {{"method.response.header.", MAP_HEADER}};
static const struct target_row answer_targets[] = {{"gatewayresponse.header.", MAP_HEADER}};

#define TARGETS(rows) (rows), COUNTOF(rows)
#define FROM_REQUEST (SOURCE_REQUEST | SOURCE_REQUEST_LIST)
#define FROM_ANYWHERE (SOURCE_STATIC | SOURCE_VARIABLE | SOURCE_CONTEXT)
#define TEXT_ANYWHERE "stageVariables.NAME, context.NAME or 'static text'"
static const struct {
    const struct target_row *targets;
    size_t target_count;
    unsigned sources;
    const char *member, *target_text, *source_text;
} uses[] = {
    [MAPPING_STREAM] = {TARGETS(request_targets), FROM_ANYWHERE | FROM_REQUEST, "requestParameters",
                        "integration.request.header|querystring|path.NAME",
                        "method.request.header|querystring|path|multivalueheader|"
                        "multivaluequerystring.NAME, " TEXT_ANYWHERE},
    [MAPPING_REQUEST] = {TARGETS(request_targets),
                         FROM_ANYWHERE | FROM_REQUEST | SOURCE_REQUEST_BODY, "requestParameters",
                         "integration.request.header|querystring|path.NAME",
                         "method.request.header|querystring|path|multivalueheader|"
                         "multivaluequerystring.NAME, method.request.body.PATH, " TEXT_ANYWHERE},
    [MAPPING_RESPONSE] = {TARGETS(response_targets),
                          FROM_ANYWHERE | SOURCE_RESPONSE_HEADER | SOURCE_RESPONSE_BODY,
                          "responseParameters", "method.response.header.NAME",
                          "integration.response.header|multivalueheader.NAME, "
                          "integration.response.body.PATH, " TEXT_ANYWHERE},
    [MAPPING_MOCK] = {TARGETS(response_targets), FROM_ANYWHERE, "responseParameters",
                      "method.response.header.NAME", TEXT_ANYWHERE},
    [MAPPING_ANSWER] = {TARGETS(answer_targets), FROM_ANYWHERE | SOURCE_REQUEST,
                        "responseParameters", "gatewayresponse.header.NAME",
                        "method.request.header|querystring|path.NAME, " TEXT_ANYWHERE},
};

static enum err compile_target(struct mapping *m, struct str key, enum mapping_use use,
                               struct errinfo *e)
{
    for (size_t i = 0; i < uses[use].target_count; i++) {
        struct str prefix = str_c(uses[use].targets[i].prefix);
        if (str_starts(key, prefix) && key.n > prefix.n) {
            m->target = uses[use].targets[i].target;
            m->name = str_from(key, prefix.n);
            if (m->target == MAP_HEADER && !http_is_token(m->name))
                return errinfo_set(e, ERR_INVALID, "%.*s names no valid header", STR_ARG(key));
            return ERR_OK;
        }
    }
    return errinfo_set(e, ERR_INVALID, "%.*s: a mapping is %s", STR_ARG(str_sub(key, 0, 80)),
                       uses[use].target_text);
}

static enum err compile_source(struct mapping *m, struct str value, enum mapping_use use,
                               struct errinfo *e)
{
    struct source from;
    if (value.n >= 2 && value.p[0] == '\'' && value.p[value.n - 1] == '\'') {
        m->kind = SOURCE_STATIC;
        m->read = read_static;
        m->source = str_sub(value, 1, value.n - 2);
        return http_is_field_value(m->source) || m->target != MAP_HEADER
                   ? ERR_OK
                   : errinfo_set(e, ERR_INVALID, "a static header value has no control characters");
    }
    if (!mapping__source(value, uses[use].sources, &from))
        return errinfo_set(e, ERR_UNSUPPORTED, "%.*s is no mapping source served here: %s",
                           STR_ARG(str_sub(value, 0, 80)), uses[use].source_text);
    m->kind = from.kind;
    m->read = from.read;
    m->source = from.name;
    m->from_authorizer = from.kind == SOURCE_CONTEXT && str_starts(m->source, STR("authorizer."));
    return ERR_OK;
}

enum err mapping__compile(struct arena *a, const struct json *parameters, enum mapping_use use,
                          struct mappings *out, struct errinfo *e)
{
    *out = (struct mappings){NULL, 0};
    if (parameters == NULL)
        return ERR_OK;
    if (parameters->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, parameters->line, parameters->col, "%s must be an object",
                          uses[use].member);
    out->v = ARENA_ARRAY(a, parameters->n, struct mapping);
    if (out->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < parameters->n; i++) {
        const struct json_member *member = &parameters->members[i];
        struct mapping *m = &out->v[out->n++];
        struct str key = arena_str(a, member->key), value = STR_NONE;
        if (e) {
            e->line = member->line;
            e->col = member->col;
        }
        if (!json_str(member->value, &value))
            return errinfo_set(e, ERR_INVALID, "a mapping's value is a string");
        value = arena_str(a, value);
        if (key.p == NULL || value.p == NULL)
            return ERR_NOMEM;
        enum err err = compile_target(m, key, use, e);
        if (err == ERR_OK)
            err = compile_source(m, value, use, e);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}
