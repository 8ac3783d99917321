/* SPDX-License-Identifier: Apache-2.0
 *
 * The step `validate`: required parameters are there and not empty, else 400 (specs 4.1). Bodies
 * are not checked against JSON schemas: a document that asks for it is refused by name, unless its
 * schema accepts everything. */
#include "validate_int.h"

/* --- is it there ------------------------------------------------------------------------------ */
static bool has_header(struct exchange *x, struct str name)
{
    for (size_t i = 0; i < x->rq->headers.n; i++)
        if (str_ieq(x->rq->headers.v[i].name, name) && x->rq->headers.v[i].value.n > 0)
            return true;
    return false;
}

static bool has_path(struct exchange *x, struct str name)
{
    struct str value;
    return exchange__param(x, name, &value) && value.n > 0;
}

static bool has_query(struct exchange *x, struct str name)
{
    const struct query_pair *pairs;
    size_t n = 0;
    if (exchange__query(x, &pairs, &n) != ERR_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_eq(pairs[i].name, name) && pairs[i].value.n > 0)
            return true;
    return false;
}

static const struct {
    const char *prefix;
    bool (*is_there)(struct exchange *x, struct str name);
} places[] = {
    {"method.request.header.", has_header},
    {"method.request.path.", has_path},
    {"method.request.querystring.", has_query},
};

/* --- compile -------------------------------------------------------------------------------- */
static bool is_place(struct str key)
{
    static const char *const lists[] = {"method.request.multivalueheader.",
                                        "method.request.multivaluequerystring."};
    for (size_t i = 0; i < COUNTOF(places); i++)
        if (str_starts(key, str_c(places[i].prefix)) && key.n > strlen(places[i].prefix))
            return true;
    for (size_t i = 0; i < COUNTOF(lists); i++)
        if (str_starts(key, str_c(lists[i])))
            return true; /* may be declared, is never required by itself */
    return false;
}

static enum err compile_parameters(struct arena *a, const struct json *given,
                                   struct requirements *to, struct errinfo *e)
{
    size_t n = json_is(given, JSON_OBJECT) ? given->n : 0;
    to->v = ARENA_ARRAY(a, n, struct required_parameter);
    if (to->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (!is_place(given->members[i].key))
            return errinfo_at(e, ERR_INVALID, given->members[i].line, given->members[i].col,
                              "%.*s: a request parameter is method.request.header|path|"
                              "querystring.NAME",
                              STR_ARG(str_sub(given->members[i].key, 0, 80)));
    for (size_t k = 0; k < COUNTOF(places); k++)
        for (size_t i = 0; i < n; i++) {
            const struct json_member *m = &given->members[i];
            struct str prefix = str_c(places[k].prefix);
            if (!str_starts(m->key, prefix) || !json_bool_or(m->value, false))
                continue;
            struct str name = arena_str(a, str_from(m->key, prefix.n));
            if (name.p == NULL)
                return ERR_NOMEM;
            to->v[to->n++] = (struct required_parameter){name, places[k].is_there};
        }
    return ERR_OK;
}

/* {} with nothing but words about itself. */
static bool accepts_anything(const struct json *schema)
{
    static const char *const words[] = {"$schema", "title", "description", "id", "$id"};
    if (!json_is(schema, JSON_OBJECT))
        return false;
    for (size_t i = 0; i < schema->n; i++) {
        bool word = false;
        for (size_t k = 0; k < COUNTOF(words); k++)
            word = word || str_eqz(schema->members[i].key, words[k]);
        if (!word)
            return false;
    }
    return true;
}

static enum err check_models(const struct json *given, const struct json *models, struct errinfo *e)
{
    for (size_t i = 0; json_is(given, JSON_OBJECT) && i < given->n; i++) {
        const struct json_member *m = &given->members[i];
        struct str name = json_str_or(m->value, STR(""));
        const struct json *schema = json_gets(models, name);
        if (str_eqz(name, "Empty") || accepts_anything(schema))
            continue; /* every API has Empty: it passes any body */
        if (schema == NULL)
            return errinfo_at(e, ERR_NOTFOUND, m->line, m->col,
                              "there is no model %.*s for the bodies of this method",
                              STR_ARG(str_sub(name, 0, 80)));
        return errinfo_at(e, ERR_UNSUPPORTED, m->line, m->col,
                          "bodies are not validated against a schema (model %.*s) here: take "
                          "validateRequestBody out and let the backend check",
                          STR_ARG(str_sub(name, 0, 80)));
    }
    return ERR_OK;
}

enum err validate__compile(struct arena *a, const struct json *method,
                           const struct json *validators, const struct json *models,
                           const struct requirements **out, struct errinfo *e)
{
    const struct json *named = json_get(method, "requestValidator");
    struct str name = json_str_or(named, STR(""));
    *out = NULL;
    if (name.n == 0)
        return ERR_OK;
    const struct json *rule = json_gets(validators, name);
    if (!json_is(rule, JSON_OBJECT))
        return errinfo_at(e, ERR_NOTFOUND, named->line, named->col,
                          "there is no request validator %.*s", STR_ARG(str_sub(name, 0, 80)));
    if (json_bool_or(json_get(rule, "validateRequestBody"), false)) {
        enum err err = check_models(json_get(method, "requestModels"), models, e);
        if (err != ERR_OK)
            return err;
    }
    if (!json_bool_or(json_get(rule, "validateRequestParameters"), false))
        return ERR_OK;
    struct requirements *made = ARENA_NEW(a, struct requirements);
    *out = made;
    return made ? compile_parameters(a, json_get(method, "requestParameters"), made, e) : ERR_NOMEM;
}

/* --- the step --------------------------------------------------------------------------------- */
enum next step__validate(struct exchange *x)
{
    const struct requirements *want = x->method->requirements;
    AUTO_BUF text = BUF_INIT(KIB(8));
    bool missing = false;
    for (size_t i = 0; want && i < want->n; i++) {
        if (want->v[i].is_there(x, want->v[i].name))
            continue;
        buf_addz(&text, missing ? ", " : "Missing required request parameters: [");
        buf_add(&text, want->v[i].name);
        missing = true;
    }
    if (!missing)
        return NEXT;
    buf_addc(&text, ']');
    struct str message = text.err ? STR_NONE : arena_str(x->arena, buf_str(&text));
    if (message.p == NULL)
        message = STR("Missing required request parameters");
    decision_note(&x->record, "validate", VERDICT_DENY, "parameters", message);
    x->error.validation = message;
    return exchange__refuse_with(x, RESPONSE_BAD_REQUEST_PARAMETERS, message);
}
