/* SPDX-License-Identifier: Apache-2.0
 *
 * MOCK integrations: a literal {"statusCode": N} stands for what a backend would have answered, and
 * an integration response makes status, headers and a literal body of it. Anything that would need
 * the template language is refused by name when the document loads (specs 7.5). */
#include "responses_int.h"

struct mock_status {
    struct str type; /* Content-Type of the request */
    unsigned status;
};
struct mock_conf {
    struct mock_status *v;
    size_t n;
    enum passthrough passthrough;
    struct responses responses;
};

/* The status code that a request template yields: {"statusCode": 200}, keys unquoted tolerated. */
static bool read_status(struct str text, unsigned *status)
{
    text = str_trim(text);
    size_t at = str_find(text, STR("statusCode"));
    struct str tail = at == SIZE_MAX ? STR("") : str_from(text, at + 10);
    while (tail.n && strchr("\"' :\t\r\n", tail.p[0]))
        tail = str_from(tail, 1);
    size_t digits = 0;
    while (digits < tail.n && tail.p[digits] >= '0' && tail.p[digits] <= '9')
        digits++;
    uint64_t n = 0;
    struct str after = str_from(tail, digits), before = str_sub(text, 0, at == SIZE_MAX ? 0 : at);
    bool shape = str_u64(str_sub(tail, 0, digits), &n) && n >= 100 && n <= 599;
    for (size_t i = 0; i < after.n; i++)
        shape = shape && strchr(" \t\r\n}", after.p[i]) != NULL;
    for (size_t i = 0; i < before.n; i++)
        shape = shape && strchr(" \t\r\n{\"'", before.p[i]) != NULL;
    *status = (unsigned)n;
    return shape;
}

static enum err compile_statuses(struct arena *a, const struct json *spec, struct mock_conf *m,
                                 struct errinfo *e)
{
    const struct json *all = json_get(spec, "requestTemplates");
    if (!json_is(all, JSON_OBJECT) || all->n == 0)
        return errinfo_at(e, ERR_INVALID, spec->line, spec->col,
                          "a MOCK integration needs requestTemplates: application/json: "
                          "'{\"statusCode\": 200}'");
    m->v = ARENA_ARRAY(a, all->n, struct mock_status);
    if (m->v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < all->n; i++) {
        const struct json *t = all->members[i].value;
        struct mock_status *to = &m->v[m->n++];
        if (!read_status(json_str_or(t, STR("")), &to->status))
            return errinfo_at(
                e, ERR_UNSUPPORTED, t->line, t->col,
                "a MOCK integration's template must be the literal {\"statusCode\": N}; the "
                "template language (VTL) is not served");
        to->type = arena_str(a, media__type(all->members[i].key));
        if (to->type.p == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

static enum err mock_compile(struct arena *a, const struct json *spec,
                             const struct integration_env *env, void **conf, struct errinfo *e)
{
    struct mock_conf *m = ARENA_NEW(a, struct mock_conf);
    *conf = m;
    if (m == NULL)
        return ERR_NOMEM;
    enum err err = compile_statuses(a, spec, m, e);
    if (err == ERR_OK)
        err = media__passthrough(spec, &m->passthrough, e);
    if (err == ERR_OK)
        err = responses__compile(a, json_get(spec, "integrationResponses"), env->method,
                                 MAPPING_MOCK, &m->responses, e);
    return err;
}

static enum next fail(struct exchange *x, const char *why)
{
    decision_note(&x->record, "integrate", VERDICT_ERROR, "mock", str_c(why));
    return exchange__refuse(x, RESPONSE_API_CONFIGURATION_ERROR);
}

static enum next mock_start(const void *conf, struct exchange *x)
{
    const struct mock_conf *m = conf;
    const struct mock_status *status = NULL;
    struct str type = media__type(http_value(&x->rq->headers, STR("Content-Type")));
    for (size_t i = 0; i < m->n && status == NULL; i++)
        if (str_ieq(m->v[i].type, type.n ? type : STR("application/json")))
            status = &m->v[i];
    if (status == NULL && m->passthrough != PASS_WHEN_NO_MATCH)
        return exchange__refuse(x, RESPONSE_UNSUPPORTED_MEDIA_TYPE);
    if (status == NULL)
        return fail(x, "no template for this Content-Type: the body itself is no {statusCode}");
    const struct response_rule *rule = responses__choose(&m->responses, status->status);
    if (rule == NULL)
        return fail(x, "no integration response matches this status, and there is no default");
    struct str body = STR("");
    if (responses__apply(x, rule, &body) != ERR_OK)
        return fail(x, "a mapped value is no header value");
    x->answer_body = body;
    return ANSWER;
}

const struct integration_kind gateway__mock = {"MOCK", 1u << API_REST, mock_compile, mock_start};
