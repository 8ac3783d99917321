/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function returned, judged once and then immutable: principal, policy, context. Anything
 * that API Gateway would not take is refused with the reason, and a refusal denies.
 * Shape: {"principalId","policyDocument","context"?,"usageIdentifierKey"?}. */
#include "authorizer_int.h"
#include "base/limits.h"

struct auth_result *auth__result_ref(struct auth_result *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void auth__result_unref(struct auth_result *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    policy_free(r->policy);
    arena_free(r->arena);
}

size_t auth__result_bytes(const struct auth_result *r)
{
    return arena_used(r->arena) + policy_bytes(r->policy);
}

static enum err read_context(struct auth_result *r, const struct json *context, struct errinfo *why)
{
    if (context == NULL || context->type == JSON_NULL)
        return ERR_OK;
    if (context->type != JSON_OBJECT)
        return errinfo_set(why, ERR_INVALID, "context must be an object, not %s",
                           json_type_name(context->type));
    r->context = ARENA_ARRAY(r->arena, context->n, struct auth_context);
    if (r->context == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < context->n; i++) {
        const struct json *v = context->members[i].value;
        struct str key = context->members[i].key;
        struct str text = STR("");
        if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
            return errinfo_set(why, ERR_INVALID,
                               "context.%.*s is an %s: values must be strings, numbers or booleans",
                               STR_ARG(str_sub(key, 0, 60)), json_type_name(v->type));
        if (v->type == JSON_STRING || v->type == JSON_NUMBER)
            text = v->s;
        else if (v->type == JSON_TRUE || v->type == JSON_FALSE)
            text = v->type == JSON_TRUE ? STR("true") : STR("false");
        struct auth_context *c = &r->context[r->context_count++];
        c->key = arena_str(r->arena, key);
        c->text = arena_str(r->arena, text);
        c->null = v->type == JSON_NULL;
        if (c->key.p == NULL || c->text.p == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

static enum err read_answer(struct auth_result *r, const struct json *answer, struct errinfo *why)
{
    const struct json *principal = json_get(answer, "principalId");
    const struct json *document = json_get(answer, "policyDocument");
    struct str text;
    if (answer->type != JSON_OBJECT)
        return errinfo_set(why, ERR_INVALID,
                           "the function returned %s, not an object with principalId and "
                           "policyDocument",
                           json_type_name(answer->type));
    if (!json_str(principal, &text))
        return errinfo_set(why, ERR_INVALID,
                           principal ? "principalId must be a string" : "principalId is missing");
    r->principal = arena_str(r->arena, text);
    r->usage_key =
        arena_str(r->arena, json_str_or(json_get(answer, "usageIdentifierKey"), STR("")));
    if (r->principal.p == NULL || r->usage_key.p == NULL)
        return ERR_NOMEM;
    if (!json_is(document, JSON_OBJECT))
        return errinfo_set(why, ERR_INVALID,
                           document ? "policyDocument must be an object"
                                    : "policyDocument is missing");
    enum err err = read_context(r, json_get(answer, "context"), why);
    return err == ERR_OK ? policy_compile(document, &r->policy, why) : err;
}

enum err auth__result_parse(struct str answer, struct auth_result **out, struct errinfo *why)
{
    *out = NULL;
    struct arena *scratch = arena_new(KIB(4), MIB(4));
    struct arena *kept = arena_new(512, 2 * LIMIT_AUTHORIZER_RESULT);
    struct auth_result *r = kept ? ARENA_NEW(kept, struct auth_result) : NULL;
    const struct json *tree = NULL;
    enum err err = ERR_NOMEM;
    if (scratch == NULL || r == NULL)
        goto out;
    r->arena = kept;
    atomic_init(&r->refs, 1);
    err = json_parse(scratch, answer, LIMIT_AUTHORIZER_RESULT, &tree, why);
    if (err == ERR_OK)
        err = read_answer(r, tree, why);
out:
    arena_free(scratch);
    if (err == ERR_OK) {
        *out = r;
        return ERR_OK;
    }
    if (r)
        policy_free(r->policy);
    arena_free(kept);
    return err;
}

struct str auth_principal(const struct auth_result *r)
{
    return r->principal;
}

size_t auth_context_count(const struct auth_result *r)
{
    return r->context_count;
}

const struct auth_context *auth_context_at(const struct auth_result *r, size_t i)
{
    return &r->context[i];
}

const struct auth_context *auth_context_find(const struct auth_result *r, struct str key)
{
    for (size_t i = 0; i < r->context_count; i++)
        if (str_eq(r->context[i].key, key))
            return &r->context[i];
    return NULL;
}

struct str auth_usage_key(const struct auth_result *r)
{
    return r->usage_key;
}
