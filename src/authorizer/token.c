/* SPDX-License-Identifier: Apache-2.0
 *
 * TOKEN authorizers: one header is the identity, an expression may refuse it, and the function gets
 * {"type","authorizationToken","methodArn"} with the untouched header value. */
#include "authorizer_int.h"
#include "base/limits.h"
#include "base/pattern.h"

struct token_conf {
    struct function *function;
    struct str header;
    struct pattern *expression; /* NULL = none */
};

/* "method.request.header.NAME", exactly one. */
static enum err compile_source(struct token_conf *t, const struct json *spec, struct errinfo *e)
{
    const struct json *source = json_get(spec, "identitySource");
    struct str text = str_trim(json_str_or(source, STR("method.request.header.Authorization")));
    const struct str prefix = STR("method.request.header.");
    const struct json *at = source ? source : spec;
    if (!str_starts(text, prefix) || !http_is_token(str_from(text, prefix.n)))
        return errinfo_at(e, ERR_INVALID, at->line, at->col,
                          "a TOKEN authorizer takes exactly one header as identitySource: "
                          "method.request.header.NAME, not \"%.*s\"",
                          STR_ARG(str_sub(text, 0, 80)));
    t->header = str_from(text, prefix.n);
    return ERR_OK;
}

/* The expression is user data that strangers' headers meet: it must match the whole value, within
 * bounded steps and memory; running out of them is an error, never a pass. */
static enum err compile_expression(struct arena *a, struct token_conf *t, const struct json *spec,
                                   struct errinfo *e)
{
    const struct json *source = json_get(spec, "identityValidationExpression");
    struct str text = json_str_or(source, STR(""));
    struct errinfo why = {0};
    if (text.n == 0)
        return ERR_OK;
    enum err err = pattern_compile(a, text, &t->expression, &why);
    if (err != ERR_INVALID)
        return err;
    return errinfo_at(e, ERR_INVALID, source->line, source->col, "identityValidationExpression %s",
                      why.text);
}

static enum err token_compile(struct arena *a, const struct json *spec,
                              const struct authorizer_env *env, void **conf, struct errinfo *e)
{
    (void)env;
    struct token_conf *t = ARENA_NEW(a, struct token_conf);
    if (t == NULL)
        return ERR_NOMEM;
    *conf = t;
    enum err err = compile_source(t, spec, e);
    if (err == ERR_OK)
        t->header = arena_str(a, t->header);
    if (err == ERR_OK && t->header.p == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        err = compile_expression(a, t, spec, e);
    return err;
}

static enum err check_expression(const struct token_conf *t, struct auth_call *c, struct str value)
{
    enum err err = pattern_match(t->expression, value);
    if (err == ERR_OK || err == ERR_NOMEM)
        return err;
    if (err == ERR_NOTFOUND) {
        decision_note(c->record, "authorize", VERDICT_DENY, "expression",
                      STR("identityValidationExpression does not match the whole header value"));
        return ERR_DENIED;
    }
    decision_note(c->record, "authorize", VERDICT_ERROR, "expression",
                  STR("identityValidationExpression needs more steps or memory than allowed for "
                      "this value"));
    return ERR_LIMIT;
}

/* Two values would let the authorizer judge one and the backend believe the other. */
static bool sent_twice(const struct http_headers *h, struct str name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        n += str_ieq(h->v[i].name, name);
    return n > 1;
}

static enum err token_identity(const void *conf, struct auth_call *c, struct buf *key)
{
    const struct token_conf *t = conf;
    char masked[16];
    struct str value = http_value(c->facts.headers, t->header);
    decision_note(c->record, "authorize", VERDICT_INFO, "source", t->header);
    if (value.n == 0) {
        decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                      STR("the header is missing or empty; the function is not called"));
        return ERR_DENIED;
    }
    if (sent_twice(c->facts.headers, t->header)) {
        decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                      STR("the header is there more than once; the function is not called"));
        return ERR_DENIED;
    }
    if (value.n > LIMIT_IDENTITY_VALUE || !str_is_utf8(value)) {
        decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                      STR("the header value is longer than 8 KiB or not UTF-8"));
        return ERR_DENIED;
    }
    decision_note(c->record, "authorize", VERDICT_INFO, "identity", decision_mask(value, masked));
    enum err err = t->expression ? check_expression(t, c, value) : ERR_OK;
    if (err == ERR_OK)
        buf_add(key, value);
    return err;
}

static bool token_decide(const void *conf, struct auth_call *c)
{
    const struct token_conf *t = conf;
    struct buf event = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    buf_addz(&event, "{\"type\":\"TOKEN\",\"methodArn\":");
    json_write_str(&event, c->facts.method_arn);
    buf_addz(&event, ",\"authorizationToken\":");
    json_write_str(&event, http_value(c->facts.headers, t->header));
    buf_addc(&event, '}');
    auth__invoke(c, event);
    return false;
}

static struct str token_token(const void *conf, const struct auth_call *c)
{
    const struct token_conf *t = conf;
    return http_value(c->facts.headers, t->header);
}

static bool token_reads_header(const void *conf, struct str name)
{
    return str_ieq(((const struct token_conf *)conf)->header, name);
}

const struct authorizer_kind authorizer__token = {
    .calls_function = true,
    .compile = token_compile,
    .identity = token_identity,
    .decide = token_decide,
    .token = token_token,
    .reads_header = token_reads_header,
};
