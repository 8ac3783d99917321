/* SPDX-License-Identifier: Apache-2.0
 *
 * Gateway responses that a document customises (specs 4.2): status, headers and body of a refusal,
 * by type or for all of a family. Invariant: a customised answer is still a refusal; it changes how
 * the gateway says no, never whether. */
#include "base/limits.h"
#include "mapping_int.h"

struct answer {
    const char *name;
    unsigned status; /* 0 = the type's own */
    struct mappings headers;
    struct str content_type;
    struct text body; /* v is NULL: the built-in one */
    enum text_escape escape;
};

/* The types that API Gateway knows; what has no row here is ours alone and goes by its family. */
static const struct {
    const char *name;
    enum gateway_response type;
} types[] = {
#define TYPE(name)             \
    {                          \
#name, RESPONSE_##name \
    }
    TYPE(ACCESS_DENIED),
    TYPE(API_CONFIGURATION_ERROR),
    TYPE(AUTHORIZER_CONFIGURATION_ERROR),
    TYPE(AUTHORIZER_FAILURE),
    TYPE(BAD_REQUEST_BODY),
    TYPE(BAD_REQUEST_PARAMETERS),
    TYPE(EXPIRED_TOKEN),
    TYPE(INTEGRATION_FAILURE),
    TYPE(INTEGRATION_TIMEOUT),
    TYPE(INVALID_API_KEY),
    TYPE(INVALID_SIGNATURE),
    TYPE(MISSING_AUTHENTICATION_TOKEN),
    TYPE(QUOTA_EXCEEDED),
    TYPE(REQUEST_TOO_LARGE),
    TYPE(RESOURCE_NOT_FOUND),
    TYPE(THROTTLED),
    TYPE(UNAUTHORIZED),
    TYPE(UNSUPPORTED_MEDIA_TYPE),
    TYPE(WAF_FILTERED),
#undef TYPE
};
static const char *const families[] = {"DEFAULT_4XX", "DEFAULT_5XX"};

struct answers {
    const struct answer *type[COUNTOF(types)], *family[COUNTOF(families)];
};

/* --- compile -------------------------------------------------------------------------------- */
/* Written by the server for each message; a document that sets one would break the framing. */
static bool is_reserved(struct str name)
{
    static const char *const names[] = {
        "Connection", "Content-Length", "Date",    "Keep-Alive",
        "TE",         "Trailer",        "Upgrade", "Transfer-Encoding"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(name, str_c(names[i])))
            return true;
    return false;
}

static enum err compile_headers(struct arena *a, const struct json *spec, struct answer *to,
                                struct errinfo *e)
{
    const struct json *given = json_get(spec, "responseParameters");
    enum err err = mapping__compile(a, given, MAPPING_ANSWER, &to->headers, e);
    for (size_t i = 0; err == ERR_OK && i < to->headers.n; i++)
        if (is_reserved(to->headers.v[i].name))
            return errinfo_at(e, ERR_INVALID, given->members[i].line, given->members[i].col,
                              "%.*s is written by the gateway itself and cannot be set",
                              STR_ARG(to->headers.v[i].name));
    return err;
}

static enum err compile_status(const struct json *spec, struct answer *to, struct errinfo *e)
{
    const struct json *v = json_get(spec, "statusCode");
    int64_t number = 0;
    uint64_t n = 0;
    if (v == NULL || v->type == JSON_NULL)
        return ERR_OK;
    if (json_int(v, &number) && number >= 0)
        n = (uint64_t)number;
    else if (!str_u64(json_str_or(v, STR("")), &n))
        n = 0;
    if (n < 200 || n > 599)
        return errinfo_at(e, ERR_INVALID, v->line, v->col, "statusCode must be 200 to 599");
    to->status = (unsigned)n;
    return ERR_OK;
}

/* application/json if it is there (specs 4.2), else the first. */
static enum err compile_body(struct arena *a, const struct json *spec, struct answer *to,
                             struct errinfo *e)
{
    const struct json *all = json_get(spec, "responseTemplates");
    size_t chosen = 0;
    struct str text;
    if (all == NULL || all->type == JSON_NULL || (all->type == JSON_OBJECT && all->n == 0))
        return ERR_OK;
    if (all->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, all->line, all->col,
                          "responseTemplates must be an object");
    for (size_t i = 0; i < all->n; i++)
        if (str_ieq(all->members[i].key, STR("application/json")))
            chosen = i;
    for (size_t i = 0; i < all->n; i++) {
        const struct json_member *m = &all->members[i];
        struct text body;
        if (!json_str(m->value, &text) || text.n > LIMIT_ANSWER_TEMPLATE)
            return errinfo_at(e, ERR_INVALID, m->line, m->col,
                              "a template is a text of at most %zu bytes", LIMIT_ANSWER_TEMPLATE);
        if (!http_is_field_value(m->key) || m->key.n == 0)
            return errinfo_at(e, ERR_INVALID, m->line, m->col,
                              "a template's name is its "
                              "Content-Type");
        if (e) {
            e->line = m->value->line;
            e->col = m->value->col;
        }
        enum err err = text__compile(a, text, i == chosen ? &to->body : &body, e);
        if (err != ERR_OK)
            return err;
    }
    to->content_type = arena_str(a, all->members[chosen].key);
    to->escape = text__escape(to->content_type);
    return to->content_type.p ? ERR_OK : ERR_NOMEM;
}

static const struct answer **slot(struct answers *all, struct str name, const char **kept)
{
    for (size_t i = 0; i < COUNTOF(types); i++)
        if (str_eqz(name, *kept = types[i].name))
            return &all->type[i];
    for (size_t i = 0; i < COUNTOF(families); i++)
        if (str_eqz(name, *kept = families[i]))
            return &all->family[i];
    return NULL;
}

enum err answers__add(struct arena *a, const struct json_member *row, struct answers **out,
                      struct errinfo *e)
{
    if (*out == NULL && (*out = ARENA_NEW(a, struct answers)) == NULL)
        return ERR_NOMEM;
    struct answer *to = ARENA_NEW(a, struct answer);
    if (to == NULL)
        return ERR_NOMEM;
    const struct answer **place = slot(*out, row->key, &to->name);
    if (place == NULL)
        return errinfo_at(e, ERR_INVALID, row->line, row->col,
                          "%.*s is no type of gateway response: ACCESS_DENIED, UNAUTHORIZED, "
                          "DEFAULT_4XX, ...",
                          STR_ARG(str_sub(row->key, 0, 60)));
    if (!json_is(row->value, JSON_OBJECT))
        return errinfo_at(e, ERR_INVALID, row->line, row->col,
                          "a gateway response is {statusCode, responseParameters, "
                          "responseTemplates}");
    enum err err = compile_status(row->value, to, e);
    if (err == ERR_OK)
        err = compile_headers(a, row->value, to, e);
    if (err == ERR_OK)
        err = compile_body(a, row->value, to, e);
    if (err == ERR_OK)
        *place = to;
    return err;
}

/* --- use ------------------------------------------------------------------------------------ */
static size_t row_of(enum gateway_response type)
{
    if (type == RESPONSE_ACCESS_DENIED_EXPLICIT)
        type = RESPONSE_ACCESS_DENIED;
    for (size_t i = 0; i < COUNTOF(types); i++)
        if (types[i].type == type)
            return i;
    return SIZE_MAX;
}

const char *answers__type(enum gateway_response type, unsigned status)
{
    size_t row = row_of(type);
    return row == SIZE_MAX ? families[status >= 500] : types[row].name;
}

const struct answer *answers__find(const struct answers *all, enum gateway_response type,
                                   unsigned status, bool by_family)
{
    size_t row = row_of(type);
    if (row != SIZE_MAX && all->type[row])
        return all->type[row];
    return by_family ? all->family[status >= 500] : NULL;
}

const char *answer__name(const struct answer *custom)
{
    return custom->name;
}

static enum err set_header(struct exchange *x, struct str name, struct str value)
{
    http_remove(&x->answer.headers, name);
    return http_add(x->arena, &x->answer.headers, name, value);
}

enum err answer__apply(const struct answer *custom, struct exchange *x)
{
    enum err err = ERR_OK;
    if (custom->status)
        x->answer.status = custom->status;
    if (custom->body.v) {
        AUTO_BUF body = BUF_INIT(2 * LIMIT_ANSWER_TEMPLATE);
        text__write(x, &custom->body, custom->escape, &body);
        x->answer_body = body.err ? STR_NONE : arena_str(x->arena, buf_str(&body));
        if (x->answer_body.p == NULL)
            return body.err ? body.err : ERR_NOMEM;
        err = set_header(x, STR("Content-Type"), custom->content_type);
    }
    for (size_t i = 0; err == ERR_OK && i < custom->headers.n; i++) {
        const struct mapping *m = &custom->headers.v[i];
        struct str value;
        if (!m->read(x, m->source, &value))
            continue;
        value = str_trim(value);
        err = http_is_field_value(value) ? set_header(x, m->name, value) : ERR_INVALID;
    }
    return err ? err : x->query_err; /* a header from a query that could not be read */
}
