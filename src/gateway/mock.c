/* SPDX-License-Identifier: Apache-2.0
 *
 * MOCK integrations: a literal {"statusCode": N} chooses the answer, which is a status, static
 * headers and a literal body. Anything that would need the template language is refused by name
 * when the document loads (specs 7.5). */
#include "base/log.h"
#include "gateway_int.h"

struct mock_conf {
    unsigned status;
    struct http_headers headers;
    struct str body;
};

static bool is_template(struct str s)
{
    return str_chr(s, '$', 0) != SIZE_MAX || str_chr(s, '#', 0) != SIZE_MAX;
}

/* The status code that the request template yields: {"statusCode": 200}, keys unquoted tolerated.
 */
static enum err request_status(struct arena *a, const struct json *spec, int64_t *status,
                               struct errinfo *e)
{
    const struct json *templates = json_get(spec, "requestTemplates");
    const struct json *t = json_get(templates, "application/json");
    struct str text = str_trim(json_str_or(t, STR("")));
    *status = 0;
    if (t == NULL)
        return errinfo_at(e, ERR_INVALID, spec->line, spec->col,
                          "a MOCK integration needs requestTemplates: application/json: "
                          "'{\"statusCode\": 200}'");
    size_t at = str_find(text, STR("statusCode"));
    struct str tail = at == SIZE_MAX ? STR("") : str_from(text, at + 10);
    while (tail.n && strchr("\" :\t\r\n", tail.p[0]))
        tail = str_from(tail, 1);
    size_t digits = 0;
    while (digits < tail.n && tail.p[digits] >= '0' && tail.p[digits] <= '9')
        digits++;
    uint64_t n = 0;
    struct str after = str_from(tail, digits), before = str_sub(text, 0, at == SIZE_MAX ? 0 : at);
    bool shape = str_u64(str_sub(tail, 0, digits), &n) && n >= 200 && n <= 599;
    for (size_t i = 0; i < after.n; i++)
        shape = shape && strchr(" \t\r\n}", after.p[i]) != NULL;
    for (size_t i = 0; i < before.n; i++)
        shape = shape && strchr(" \t\r\n{\"", before.p[i]) != NULL;
    (void)a;
    *status = (int64_t)n;
    if (is_template(text) || !shape)
        return errinfo_at(
            e, ERR_UNSUPPORTED, t->line, t->col,
            "a MOCK integration's template must be the literal {\"statusCode\": N}; the "
            "template language (VTL) is not served");
    return ERR_OK;
}

/* The response row: the one whose selectionPattern is the status, else "default". */
static const struct json *choose_response(const struct json *spec, int64_t status)
{
    const struct json *responses = json_get(spec, "integrationResponses");
    char text[24];
    struct buf b = {text, 0, sizeof text, sizeof text, ERR_OK};
    buf_addu(&b, (uint64_t)status);
    const struct json *exact = json_gets(responses, buf_str(&b));
    return exact ? exact : json_get(responses, "default");
}

static enum err add_headers(struct arena *a, const struct json *parameters, struct mock_conf *m,
                            struct errinfo *e)
{
    const struct str prefix = STR("method.response.header.");
    for (size_t i = 0; parameters && i < parameters->n; i++) {
        const struct json_member *member = &parameters->members[i];
        struct str value = json_str_or(member->value, STR(""));
        bool is_static = value.n >= 2 && value.p[0] == '\'' && value.p[value.n - 1] == '\'';
        if (!str_starts(member->key, prefix) || !is_static)
            return errinfo_at(
                e, ERR_UNSUPPORTED, member->line, member->col,
                "a MOCK response maps only method.response.header.NAME to 'static text'");
        struct str name = arena_str(a, str_from(member->key, prefix.n));
        value = arena_str(a, str_sub(value, 1, value.n - 2));
        if (name.p == NULL || value.p == NULL)
            return ERR_NOMEM;
        if (!http_is_token(name) || !http_is_field_value(value))
            return errinfo_at(e, ERR_INVALID, member->line, member->col, "not a valid header");
        enum err err = http_add(a, &m->headers, name, value);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err add_body(struct arena *a, const struct json *response, struct mock_conf *m,
                         struct errinfo *e)
{
    const struct json *t = json_get(json_get(response, "responseTemplates"), "application/json");
    struct str text = json_str_or(t, STR(""));
    if (is_template(text))
        return errinfo_at(
            e, ERR_UNSUPPORTED, t->line, t->col,
            "a MOCK response's body must be literal; the template language (VTL) is not "
            "served");
    m->body = arena_str(a, text);
    return m->body.p ? ERR_OK : ERR_NOMEM;
}

static enum err mock_compile(struct arena *a, const struct json *spec,
                             const struct integration_env *env, void **conf, struct errinfo *e)
{
    (void)env;
    struct mock_conf *m = ARENA_NEW(a, struct mock_conf);
    int64_t status = 0;
    if (m == NULL)
        return ERR_NOMEM;
    *conf = m;
    enum err err = request_status(a, spec, &status, e);
    if (err != ERR_OK)
        return err;
    const struct json *response = choose_response(spec, status);
    if (response == NULL) {
        m->status = 500; /* AWS: no integration response matches */
        return ERR_OK;
    }
    struct str code = json_str_or(json_get(response, "statusCode"), STR("200"));
    int64_t number = 0;
    uint64_t n = 200;
    if (json_int(json_get(response, "statusCode"), &number))
        n = (uint64_t)number;
    else if (!str_u64(code, &n))
        n = 0;
    if (n < 200 || n > 599)
        return errinfo_at(e, ERR_INVALID, response->line, response->col,
                          "statusCode must be 200 to 599");
    m->status = (unsigned)n;
    err = add_headers(a, json_get(response, "responseParameters"), m, e);
    return err == ERR_OK ? add_body(a, response, m, e) : err;
}

static enum next mock_start(const void *conf, struct exchange *x)
{
    const struct mock_conf *m = conf;
    bool typed = false;
    if (m->status == 500 && m->headers.n == 0 && m->body.n == 0)
        return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
    x->answer = (struct http_response){.status = m->status};
    x->answer_body = m->body;
    enum err err = exchange__add_ids(x, &x->answer.headers);
    for (size_t i = 0; err == ERR_OK && i < m->headers.n; i++) {
        typed = typed || str_ieq(m->headers.v[i].name, STR("Content-Type"));
        err = http_add(x->arena, &x->answer.headers, m->headers.v[i].name, m->headers.v[i].value);
    }
    if (err == ERR_OK && !typed)
        err = http_add(x->arena, &x->answer.headers, STR("Content-Type"), STR("application/json"));
    return err == ERR_OK ? ANSWER : exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
}

const struct integration_kind gateway__mock = {"MOCK", 1u << API_REST, mock_compile, mock_start};
