/* SPDX-License-Identifier: Apache-2.0
 *
 * policy eval --jsonl: one request a line in, one verdict a line out, so that other programs can
 * compare themselves with us. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "policy/policy.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"jsonl", 0, OPTION_FLAG, false, NULL, NULL,
     "lines {\"id\",\"policy\",\"request\":{\"methodArn\",\"action\",\"context\"}}"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* The request's "context": {"aws:SourceIp": "10.0.0.1", "aws:TagKeys": ["a", "b"]}. */
struct context_key {
    struct str name, *values;
    size_t n;
};
struct context {
    struct context_key *keys;
    size_t n;
};

static size_t get_values(void *arg, struct str key, const struct str **values)
{
    const struct context *c = arg;
    for (size_t i = 0; i < c->n; i++)
        if (str_ieq(c->keys[i].name, key)) {
            *values = c->keys[i].values;
            return c->keys[i].n;
        }
    return 0;
}

static bool read_key(struct arena *a, const struct json_member *m, struct context_key *out)
{
    bool list = json_is(m->value, JSON_ARRAY);
    *out = (struct context_key){.name = m->key, .n = list ? m->value->n : 1};
    out->values = ARENA_ARRAY(a, out->n, struct str);
    for (size_t i = 0; out->values && i < out->n; i++) {
        const struct json *v = list ? m->value->items[i] : m->value;
        if (json_is_bool(v))
            out->values[i] = v->type == JSON_TRUE ? STR("true") : STR("false");
        else if (json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER))
            out->values[i] = v->s;
        else
            return false;
    }
    return out->values != NULL;
}

static bool read_context(struct arena *a, const struct json *object, struct context *out)
{
    *out = (struct context){NULL, 0};
    if (object == NULL)
        return true;
    if (!json_is(object, JSON_OBJECT))
        return false;
    out->n = object->n;
    out->keys = ARENA_ARRAY(a, out->n, struct context_key);
    for (size_t i = 0; out->keys && i < out->n; i++)
        if (!read_key(a, &object->members[i], &out->keys[i]))
            return false;
    return out->keys != NULL;
}

/* A resource policy belongs to the API that the methodArn names. */
static enum err compile_resource(const struct json *document, struct str arn, struct policy **out)
{
    struct str fields[5], rest = arn;
    for (size_t i = 0; i < COUNTOF(fields); i++)
        fields[i] = str_cut(rest, ':', &rest);
    struct policy_home home = {fields[1], fields[3], fields[4], str_cut(rest, '/', &rest)};
    return policy_compile_resource(document, &home, out, NULL);
}

static const char *judge(struct arena *a, const struct json *line)
{
    const struct json *request = json_get(line, "request");
    const struct json *identity = json_get(line, "policy");
    const struct json *resource = json_get(line, "resourcePolicy");
    struct context keys;
    struct policy_context context = {get_values, &keys};
    struct policy_request rq = {.context = &context};
    enum decision verdict = DECISION_IMPLICIT_DENY;
    struct policy *p = NULL;
    rq.action = json_str_or(json_get(request, "action"), STR("execute-api:Invoke"));
    rq.principal = json_str_or(json_get(request, "principal"), STR(""));
    if (!json_str(json_get(request, "methodArn"), &rq.resource) || (!identity && !resource) ||
        !read_context(a, json_get(request, "context"), &keys))
        return "INVALID";
    if (resource) {
        if (compile_resource(resource, rq.resource, &p) != ERR_OK)
            return "INVALID";
        verdict = policy_evaluate(p, &rq, NULL);
        policy_free(p);
    }
    if (identity) {
        if (policy_compile(identity, &p, NULL) != ERR_OK)
            return "INVALID";
        verdict = policy_combine(verdict, policy_evaluate(p, &rq, NULL));
        policy_free(p);
    }
    return decision_name(verdict);
}

static void eval_line(struct arena *a, const struct json *line, struct buf *out)
{
    buf_addf(out, "\"verdict\":\"%s\"", line ? judge(a, line) : "INVALID");
}

int verb_policy(int argc, char **argv)
{
    static struct options o;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    bool eval =
        o.positionals == 1 && str_eqz(str_c(o.positional[0]), "eval") && option_is(&o, "jsonl");
    if (option_is(&o, "help") || !eval) {
        fprintf(
            option_is(&o, "help") ? stdout : stderr,
            "usage: ropeline policy eval --jsonl\n\n"
            "reads {\"id\",\"policy\",\"request\":{\"methodArn\",\"action\",\"context\"}} and "
            "writes\n"
            "{\"id\",\"verdict\"}: ALLOW, EXPLICIT_DENY, IMPLICIT_DENY or INVALID\n\n"
            "\"context\" has the condition keys: {\"aws:SourceIp\":\"10.0.0.1\"}. A "
            "\"resourcePolicy\" is judged\n"
            "too, alone or with \"policy\", for the caller \"principal\" (anonymous without)\n");
        return option_is(&o, "help") ? 0 : 2;
    }
    return jsonl_answer(eval_line);
}
