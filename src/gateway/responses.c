/* SPDX-License-Identifier: Apache-2.0
 *
 * Integration responses: which one answers a backend's status, and what it makes of headers and
 * body. Invariant: of a backend's headers nothing reaches the client but what a document maps, and
 * no mapped value can write a header of its own. */
#include "responses_int.h"

#include "base/pattern.h"
#include "headers_int.h"

/* --- compile -------------------------------------------------------------------------------- */
/* Whether the method's own responses declare what is mapped: API Gateway refuses the rest. */
static enum err check_declared(const struct json *method, const struct response_rule *rule,
                               const struct json *parameters, struct errinfo *e)
{
    const struct json *all = json_get(method, "methodResponses");
    char digits[24];
    struct buf text = {digits, 0, sizeof digits, sizeof digits, ERR_OK};
    if (!json_is(all, JSON_OBJECT))
        return ERR_OK;
    buf_addu(&text, rule->status);
    const struct json *declared = json_get(json_gets(all, buf_str(&text)), "responseParameters");
    for (size_t i = 0; i < rule->headers.n; i++) {
        const struct json_member *m = &parameters->members[i];
        bool found = false;
        for (size_t k = 0; declared && k < declared->n; k++)
            found = found || str_ieq(declared->members[k].key, m->key);
        if (!found)
            return errinfo_at(e, ERR_INVALID, m->line, m->col,
                              "Invalid mapping expression specified: the method response %u does "
                              "not declare %.*s",
                              rule->status, STR_ARG(str_sub(m->key, 0, 80)));
    }
    return ERR_OK;
}

static enum err compile_status(const struct json_member *m, struct response_rule *to,
                               struct errinfo *e)
{
    const struct json *v = json_get(m->value, "statusCode");
    int64_t number = 0;
    uint64_t n = 0;
    if (json_int(v, &number) && number > 0)
        n = (uint64_t)number;
    else if (!str_u64(json_str_or(v, STR("")), &n))
        n = 0;
    if (n < 200 || n > 599)
        return errinfo_at(e, ERR_INVALID, v ? v->line : m->line, v ? v->col : m->col,
                          "an integration response needs a statusCode from 200 to 599");
    to->status = (unsigned)n;
    return ERR_OK;
}

static enum err compile_pattern(struct arena *a, const struct json_member *m,
                                struct response_rule *to, struct errinfo *e)
{
    struct pattern *made = NULL;
    struct errinfo why = {0};
    to->name = arena_str(a, m->key);
    if (to->name.p == NULL)
        return ERR_NOMEM;
    if (m->key.n == 0 || str_eqz(m->key, "default"))
        return ERR_OK;
    enum err err = pattern_compile(a, m->key, &made, &why);
    to->pattern = made;
    return err != ERR_INVALID ? err
                              : errinfo_at(e, err, m->line, m->col, "the selection pattern %.*s %s",
                                           STR_ARG(str_sub(m->key, 0, 60)), why.text);
}

static enum err compile_rule(struct arena *a, const struct json_member *m,
                             const struct json *method, enum mapping_use use,
                             struct response_rule *to, struct errinfo *e)
{
    const struct json *parameters = json_get(m->value, "responseParameters");
    if (!json_is(m->value, JSON_OBJECT))
        return errinfo_at(e, ERR_INVALID, m->line, m->col,
                          "an integration response is {statusCode, responseParameters, "
                          "responseTemplates}");
    enum err err = compile_pattern(a, m, to, e);
    if (err == ERR_OK)
        err = compile_status(m, to, e);
    if (err == ERR_OK)
        err = mapping__compile(a, parameters, use, &to->headers, e);
    if (err == ERR_OK)
        err = check_declared(method, to, parameters, e);
    if (err == ERR_OK)
        err = templates__compile(a, json_get(m->value, "responseTemplates"), &to->bodies, e);
    return err ? err : media__handling(m->value, &to->handling, e);
}

enum err responses__compile(struct arena *a, const struct json *object, const struct json *method,
                            enum mapping_use use, struct responses *out, struct errinfo *e)
{
    *out = (struct responses){NULL, 0};
    if (object == NULL || object->type == JSON_NULL)
        return ERR_OK;
    if (object->type != JSON_OBJECT)
        return errinfo_at(e, ERR_INVALID, object->line, object->col,
                          "integration responses are {pattern: {...}}");
    out->v = ARENA_ARRAY(a, object->n, struct response_rule);
    if (out->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < object->n; i++) {
        enum err err = compile_rule(a, &object->members[i], method, use, &out->v[out->n++], e);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* --- use ------------------------------------------------------------------------------------ */
const struct response_rule *responses__choose(const struct responses *r, unsigned status)
{
    const struct response_rule *otherwise = NULL;
    char digits[24];
    struct buf text = {digits, 0, sizeof digits, sizeof digits, ERR_OK};
    buf_addu(&text, status);
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].pattern == NULL)
            otherwise = &r->v[i];
        else if (pattern_match(r->v[i].pattern, buf_str(&text)) == ERR_OK)
            return &r->v[i];
    }
    return otherwise;
}

static enum err add_value(struct exchange *x, struct str name, struct str value)
{
    value = str_trim(value);
    if (!http_is_field_value(value))
        return ERR_INVALID; /* a value with CR, LF or NUL never becomes a header */
    if (!header__from_backend(name))
        return ERR_OK; /* framing is between us and the client */
    name = header__remapped(x->arena, name);
    return name.p ? http_add(x->arena, &x->answer.headers, name, value) : ERR_NOMEM;
}

/* A backend may send a header several times: cookies each need a line of their own. */
static enum err add_lines(struct exchange *x, const struct mapping *m)
{
    const struct http_headers *h = x->backend->headers;
    enum err err = ERR_OK;
    for (size_t i = 0; i < h->n && err == ERR_OK; i++)
        if (str_ieq(h->v[i].name, m->source))
            err = add_value(x, m->name, h->v[i].value);
    return err;
}

static enum err add_mapped(struct exchange *x, const struct response_rule *rule)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < rule->headers.n && err == ERR_OK; i++) {
        const struct mapping *m = &rule->headers.v[i];
        struct str value;
        if (m->kind == SOURCE_RESPONSE_HEADER && x->backend)
            err = add_lines(x, m);
        else if (m->read(x, m->source, &value))
            err = add_value(x, m->name, value);
    }
    return err;
}

/* What the client accepts first, else JSON, else the first. */
static const struct template *accepted(const struct exchange *x, const struct templates *t)
{
    struct str accept = media__type(http_value(&x->rq->headers, STR("Accept")));
    const struct template *found = templates__find(t, accept);
    if (found == NULL)
        found = templates__find(t, STR("application/json"));
    return found || t->n == 0 ? found : &t->v[0];
}

enum err responses__apply(struct exchange *x, const struct response_rule *rule, struct str *body)
{
    const struct template *t = accepted(x, &rule->bodies);
    struct str type = x->backend ? http_value(x->backend->headers, STR("Content-Type")) : STR_NONE;
    decision_note(&x->record, "integrate", VERDICT_INFO, "response", rule->name);
    x->answer = (struct http_response){.status = rule->status};
    enum err err = exchange__add_ids(x, &x->answer.headers);
    if (err == ERR_OK)
        err = add_mapped(x, rule);
    if (t) {
        *body = t->text;
        type = t->type;
    }
    if (err == ERR_OK && http_find(&x->answer.headers, STR("Content-Type")) == NULL)
        err = http_add(x->arena, &x->answer.headers, STR("Content-Type"),
                       type.n ? type : STR("application/json"));
    return err;
}
