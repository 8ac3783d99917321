/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function returned, judged once and then immutable: principal, policy or simple verdict,
 * context. Anything that API Gateway would not take is refused with the reason, and a refusal
 * denies. Shapes: {"principalId","policyDocument","context"?,"usageIdentifierKey"?} and, for HTTP
 * APIs with enableSimpleResponses, {"isAuthorized","context"?} (specs 1.6, 3.4). */
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
    return arena_used(r->arena) + (r->policy ? policy_bytes(r->policy) : 0);
}

/* The string form, as mappings and logs see it. */
static struct str text_of(struct arena *a, const struct json *v)
{
    AUTO_BUF text = BUF_INIT(LIMIT_AUTHORIZER_RESULT);
    switch (v->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        return arena_str(a, v->s);
    case JSON_ARRAY:
    case JSON_OBJECT:
        json_write(&text, v);
        return text.err ? STR_NONE : arena_str(a, buf_str(&text));
    case JSON_TRUE:
        return STR("true");
    case JSON_FALSE:
        return STR("false");
    case JSON_NULL:
        break;
    }
    return STR("");
}

/* The answers that REST authorizers give: a principalId, and only scalars in the context. */
static bool has_principal(enum auth_shape shape)
{
    return shape == SHAPE_REST || shape == SHAPE_1_0;
}

static enum err read_context(struct auth_result *r, enum auth_shape shape,
                             const struct json *context, struct errinfo *why)
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
        if (has_principal(shape) && (v->type == JSON_ARRAY || v->type == JSON_OBJECT))
            return errinfo_set(why, ERR_INVALID,
                               "context.%.*s is an %s: values must be strings, numbers or booleans",
                               STR_ARG(str_sub(key, 0, 60)), json_type_name(v->type));
        struct auth_context *c = &r->context[r->context_count++];
        c->key = arena_str(r->arena, key);
        c->text = text_of(r->arena, v);
        c->null = v->type == JSON_NULL;
        if (c->key.p == NULL || c->text.p == NULL)
            return ERR_NOMEM;
    }
    if (shape != SHAPE_REST)
        r->context_json = json_new_copy(r->arena, context);
    return shape == SHAPE_REST || r->context_json ? ERR_OK : ERR_NOMEM;
}

/* Strings that may be left out, but not be something else. */
static enum err read_text(struct auth_result *r, const struct json *answer, const char *name,
                          struct str *out, struct errinfo *why)
{
    const struct json *v = json_get(answer, name);
    *out = STR("");
    if (v == NULL || v->type == JSON_NULL)
        return ERR_OK;
    if (v->type != JSON_STRING)
        return errinfo_set(why, ERR_INVALID, "%s must be a string", name);
    *out = arena_str(r->arena, v->s);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err read_policy(struct auth_result *r, const struct json *answer, struct errinfo *why)
{
    const struct json *document = json_get(answer, "policyDocument");
    if (json_is(document, JSON_OBJECT))
        return policy_compile(document, &r->policy, why);
    if (json_get(answer, "isAuthorized"))
        return errinfo_set(why, ERR_INVALID,
                           "the function returned isAuthorized, but enableSimpleResponses is off: "
                           "a policyDocument is expected");
    return errinfo_set(why, ERR_INVALID,
                       document ? "policyDocument must be an object" : "policyDocument is missing");
}

static enum err read_simple(struct auth_result *r, const struct json *answer, struct errinfo *why)
{
    const struct json *verdict = json_get(answer, "isAuthorized");
    if (json_is_bool(verdict)) {
        r->allowed = verdict->type == JSON_TRUE;
        return ERR_OK;
    }
    return errinfo_set(why, ERR_INVALID,
                       verdict ? "isAuthorized must be true or false, without quotes"
                               : "isAuthorized is missing: enableSimpleResponses is on");
}

static enum err read_answer(struct auth_result *r, enum auth_shape shape, const struct json *answer,
                            struct errinfo *why)
{
    if (answer->type != JSON_OBJECT)
        return errinfo_set(why, ERR_INVALID, "the function returned %s, not an object with %s",
                           json_type_name(answer->type),
                           shape == SHAPE_SIMPLE ? "isAuthorized"
                                                 : "principalId and policyDocument");
    if (has_principal(shape) && !json_is(json_get(answer, "principalId"), JSON_STRING))
        return errinfo_set(why, ERR_INVALID,
                           json_get(answer, "principalId") ? "principalId must be a string"
                                                           : "principalId is missing");
    enum err err = read_text(r, answer, "principalId", &r->principal, why);
    if (err == ERR_OK)
        err = read_text(r, answer, "usageIdentifierKey", &r->usage_key, why);
    if (err == ERR_OK)
        err = read_context(r, shape, json_get(answer, "context"), why);
    if (err != ERR_OK)
        return err;
    return shape == SHAPE_SIMPLE ? read_simple(r, answer, why) : read_policy(r, answer, why);
}

enum err auth__result_parse(struct str answer, enum auth_shape shape, struct auth_result **out,
                            struct errinfo *why)
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
        err = read_answer(r, shape, tree, why);
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

bool auth_has_policy(const struct auth_result *r)
{
    return r->policy != NULL;
}

struct str auth_usage_key(const struct auth_result *r)
{
    return r->usage_key;
}

const struct json *auth_context_json(const struct auth_result *r)
{
    return r->context_json;
}

const struct json *auth_claims(const struct auth_result *r)
{
    return r->claims;
}

size_t auth_scopes(const struct auth_result *r, const struct str **out)
{
    *out = r->scopes;
    return r->scope_count;
}
