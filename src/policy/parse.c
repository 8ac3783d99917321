/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads an IAM policy document: which elements it has, of which types, each exactly as IAM spells
 * it. Whatever is not understood here is refused, because an element that is skipped silently could
 * be the one that denies. */
#include "policy/policy_int.h"

#include <stdio.h>

#define DOCUMENT_ELEMENTS(X) X(VERSION, "Version") X(ID, "Id") X(STATEMENT, "Statement")
#define STATEMENT_ELEMENTS(X)                                         \
    X(SID, "Sid")                                                     \
    X(EFFECT, "Effect")                                               \
    X(ACTION, "Action")                                               \
    X(NOT_ACTION, "NotAction")                                        \
    X(RESOURCE, "Resource")                                           \
    X(NOT_RESOURCE, "NotResource")                                    \
    X(PRINCIPAL, "Principal") /* ignored outside a resource policy */ \
    X(CONDITION, "Condition")                                         \
    X(NOT_PRINCIPAL, "NotPrincipal") /* the last: of resource policies alone */

#define X(id, name) D_##id,
enum { DOCUMENT_ELEMENTS(X) D_COUNT };
#undef X
#define X(id, name) S_##id,
enum { STATEMENT_ELEMENTS(X) S_COUNT };
#undef X
#define X(id, name) name,
static const char *const document_names[] = {DOCUMENT_ELEMENTS(X)};
static const char *const statement_names[] = {STATEMENT_ELEMENTS(X)};
#undef X

size_t policy__list_n(const struct policy__list *l)
{
    return json_is(l->node, JSON_ARRAY) ? l->node->n : 1;
}

struct str policy__list_at(const struct policy__list *l, size_t i)
{
    return json_is(l->node, JSON_ARRAY) ? l->node->items[i]->s : l->node->s;
}

enum err policy__refuse(struct errinfo *e, enum err code, const struct json *node, size_t statement,
                        const char *fmt, ...)
{
    char text[sizeof e->text];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return errinfo_at(e, code, node->line, node->col, "statement %zu: %s", statement + 1, text);
}

/* Sorts the members of `object` into found[], by name. On failure *stray is the first member that
 * is unknown or there twice. */
static bool sort_members(const struct json *object, const char *const *names, size_t n,
                         const struct json **found, const struct json_member **stray)
{
    for (size_t i = 0; i < object->n; i++) {
        const struct json_member *m = &object->members[i];
        size_t k = 0;

        while (k < n && !str_eqz(m->key, names[k]))
            k++;
        if (k == n || found[k]) {
            *stray = m;
            return false;
        }
        found[k] = m->value;
    }
    return true;
}

static enum err check_list(const struct json *node, const char *name, size_t k, struct errinfo *e)
{
    struct policy__list l = {node, false};

    if (!json_is(node, JSON_STRING) && !json_is(node, JSON_ARRAY))
        return policy__refuse(e, ERR_INVALID, node, k, "%s must be a string or a list of strings",
                              name);
    if (policy__list_n(&l) == 0)
        return policy__refuse(e, ERR_INVALID, node, k, "%s is an empty list", name);
    for (size_t i = 0; i < policy__list_n(&l); i++) {
        if (json_is(node, JSON_ARRAY) && !json_is(node->items[i], JSON_STRING))
            return policy__refuse(e, ERR_INVALID, node, k, "%s contains a %s, not a string", name,
                                  json_type_name(node->items[i]->type));
        if (policy__list_at(&l, i).n > LIMIT_POLICY_RESOURCE)
            return policy__refuse(e, ERR_INVALID, node, k, "%s is longer than %d bytes", name,
                                  LIMIT_POLICY_RESOURCE);
        if (!str_is_utf8(policy__list_at(&l, i)))
            return policy__refuse(e, ERR_INVALID, node, k, "%s is not UTF-8", name);
    }
    return ERR_OK;
}

/* Exactly one of the elements `plain` and `plain + 1`, which is its Not-form. */
static enum err parse_pair(const struct json *statement, const struct json *const *found, int plain,
                           size_t k, struct policy__list *out, struct errinfo *e)
{
    const char *name = statement_names[plain], *not_name = statement_names[plain + 1];

    if (!found[plain] == !found[plain + 1])
        return policy__refuse(e, ERR_INVALID, statement, k,
                              found[plain] ? "has both %s and %s" : "has neither %s nor %s", name,
                              not_name);
    out->inverted = !found[plain];
    out->node = out->inverted ? found[plain + 1] : found[plain];
    return check_list(out->node, out->inverted ? not_name : name, k, e);
}

static enum err parse_effect(const struct json *statement, const struct json *effect, size_t k,
                             bool *deny, struct errinfo *e)
{
    struct str s;

    if (!effect)
        return policy__refuse(e, ERR_INVALID, statement, k, "Effect is missing");
    if (!json_str(effect, &s) || !(str_ieq(s, STR("Allow")) || str_ieq(s, STR("Deny"))))
        return policy__refuse(e, ERR_INVALID, effect, k, "Effect must be Allow or Deny");
    *deny = !str_ieq(s, STR("Allow"));
    return ERR_OK;
}

/* An empty one demands nothing, and AWS takes it so. */
static enum err parse_condition(const struct json *c, size_t k, struct policy__ast_statement *out,
                                struct errinfo *e)
{
    out->condition = c;
    if (c && !json_is(c, JSON_OBJECT))
        return policy__refuse(e, ERR_INVALID, c, k, "Condition must be an object");
    return ERR_OK;
}

static enum err parse_principal(const struct json *s, const struct json *const *found, size_t k,
                                struct policy__ast_statement *out, struct errinfo *e)
{
    out->principal = found[S_PRINCIPAL];
    out->not_principal = found[S_NOT_PRINCIPAL];
    if (!out->principal == !out->not_principal)
        return policy__refuse(e, ERR_INVALID, s, k,
                              out->principal ? "has both Principal and NotPrincipal"
                                             : "has neither Principal nor NotPrincipal");
    if (out->not_principal && !out->deny)
        return policy__refuse(e, ERR_INVALID, out->not_principal, k,
                              "NotPrincipal is for Deny alone");
    return ERR_OK;
}

static enum err parse_statement(const struct json *s, bool resource, size_t k,
                                struct policy__ast_statement *out, struct errinfo *e)
{
    const struct json *found[S_COUNT] = {NULL};
    const struct json_member *stray = NULL;
    enum err err;

    if (!json_is(s, JSON_OBJECT))
        return policy__refuse(e, ERR_INVALID, s, k, "must be an object");
    if (!sort_members(s, statement_names, resource ? S_COUNT : S_NOT_PRINCIPAL, found, &stray))
        return policy__refuse(e, ERR_INVALID, stray->value, k,
                              "unknown or repeated element \"%.*s\"", SHOWN(stray->key));
    if (found[S_SID] && !json_is(found[S_SID], JSON_STRING))
        return policy__refuse(e, ERR_INVALID, found[S_SID], k, "Sid must be a string");
    err = parse_effect(s, found[S_EFFECT], k, &out->deny, e);
    if (!err)
        err = parse_pair(s, found, S_ACTION, k, &out->actions, e);
    if (!err)
        err = parse_pair(s, found, S_RESOURCE, k, &out->resources, e);
    if (!err)
        err = parse_condition(found[S_CONDITION], k, out, e);
    if (!err && resource)
        err = parse_principal(s, found, k, out, e);
    return err;
}

static enum err parse_version(const struct json *version, bool *variables, struct errinfo *e)
{
    struct str s;

    *variables = false;
    if (!version)
        return ERR_OK; /* as 2008-10-17 */
    if (json_str(version, &s) && str_eq(s, STR("2008-10-17")))
        return ERR_OK;
    if (!json_str(version, &s) || !str_eq(s, STR("2012-10-17")))
        return errinfo_at(e, ERR_INVALID, version->line, version->col,
                          "Version must be \"2012-10-17\" or \"2008-10-17\"");
    *variables = true;
    return ERR_OK;
}

static enum err parse_statements(struct arena *a, const struct json *node, bool resource,
                                 struct policy__ast *out, struct errinfo *e)
{
    bool single = json_is(node, JSON_OBJECT);

    if (!single && !json_is(node, JSON_ARRAY))
        return errinfo_at(e, ERR_INVALID, node->line, node->col,
                          "Statement must be an object or a list of objects");
    out->n = single ? 1 : node->n;
    if (out->n > LIMIT_POLICY_STATEMENTS)
        return errinfo_at(e, ERR_LIMIT, node->line, node->col, "%zu statements, at most %d allowed",
                          out->n, LIMIT_POLICY_STATEMENTS);
    out->statements = ARENA_ARRAY(a, out->n, struct policy__ast_statement);
    if (!out->statements)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    for (size_t k = 0; k < out->n; k++) {
        enum err err =
            parse_statement(single ? node : node->items[k], resource, k, &out->statements[k], e);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err policy__parse(struct arena *a, const struct json *document, bool resource,
                       struct policy__ast *out, struct errinfo *e)
{
    const struct json *found[D_COUNT] = {NULL};
    const struct json_member *stray = NULL;
    enum err err;

    if (!json_is(document, JSON_OBJECT))
        return errinfo_set(e, ERR_INVALID, "the policy document must be an object");
    if (!sort_members(document, document_names, D_COUNT, found, &stray))
        return errinfo_at(e, ERR_INVALID, stray->line, stray->col,
                          "unknown or repeated element \"%.*s\" in the policy document",
                          SHOWN(stray->key));
    if (found[D_ID] && !json_is(found[D_ID], JSON_STRING))
        return errinfo_at(e, ERR_INVALID, found[D_ID]->line, found[D_ID]->col,
                          "Id must be a string");
    if (!found[D_STATEMENT])
        return errinfo_at(e, ERR_INVALID, document->line, document->col, "Statement is missing");
    err = parse_version(found[D_VERSION], &out->variables, e);
    return err ? err : parse_statements(a, found[D_STATEMENT], resource, out, e);
}
