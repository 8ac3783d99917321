/* SPDX-License-Identifier: Apache-2.0
 *
 * Of whom a statement of a resource policy speaks. A caller without AWS credentials, which is every
 * caller of an API behind a Lambda authorizer, is met by nothing but `*`. */
#include "policy/policy_int.h"

#define ACCOUNT_DIGITS 12

static const char *const types[] = {"AWS", "Service", "Federated", "CanonicalUser"};

static bool is_account(struct str s)
{
    uint64_t n;

    return s.n == ACCOUNT_DIGITS && str_u64(s, &n);
}

/* The n-th field of an ARN, from 0; STR_NONE when it has fewer. */
static struct str arn_field(struct str arn, int n)
{
    struct str field = str_cut(arn, ':', &arn);

    while (n-- > 0)
        field = arn.p ? str_cut(arn, ':', &arn) : STR_NONE;
    return field;
}

/* What may stand under "AWS" besides `*`: an account or an ARN, whole. */
static bool is_aws_principal(struct str s)
{
    return is_account(s) || (str_starts(s, STR("arn:")) && arn_field(s, 5).p &&
                             str_chr(s, '*', 0) == SIZE_MAX && str_chr(s, '?', 0) == SIZE_MAX);
}

static enum err put_aws(struct policy__block *b, const struct json *node, struct str s, size_t k,
                        struct policy__statement *to, struct errinfo *e)
{
    struct policy__value v = {.constant = true};

    if (str_eq(s, STR("*"))) {
        to->any_principal = true;
        return ERR_OK;
    }
    if (s.n > LIMIT_POLICY_RESOURCE || !str_is_utf8(s) || !is_aws_principal(s))
        return policy__refuse(e, ERR_INVALID, node, k,
                              "\"%.*s\" is no principal: neither *, an account nor an ARN without "
                              "wildcards",
                              SHOWN(s));
    v.written = policy__put_text(b, s);
    policy__put_value(b, &v);
    return ERR_OK;
}

/* Services and federated users never call an API as such: their names are checked and left out. */
static enum err put_list(struct policy__block *b, const struct json_member *m, size_t k,
                         struct policy__statement *to, struct errinfo *e)
{
    struct policy__list list = {m->value, false};
    bool is_list = json_is(m->value, JSON_ARRAY), known = false;

    for (size_t i = 0; i < COUNTOF(types); i++)
        known = known || str_eqz(m->key, types[i]);
    if (!known)
        return policy__refuse(e, ERR_INVALID, m->value, k, "unknown kind of principal \"%.*s\"",
                              SHOWN(m->key));
    if ((!is_list && !json_is(m->value, JSON_STRING)) || policy__list_n(&list) == 0)
        return policy__refuse(e, ERR_INVALID, m->value, k,
                              "a principal must be a string or a list of strings");
    for (size_t i = 0; i < policy__list_n(&list); i++) {
        if (is_list && !json_is(m->value->items[i], JSON_STRING))
            return policy__refuse(e, ERR_INVALID, m->value, k,
                                  "a principal must be a string or a list of strings");
        enum err err = ERR_OK;
        if (str_eqz(m->key, "AWS"))
            err = put_aws(b, m->value, policy__list_at(&list, i), k, to, e);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err policy__put_principals(struct policy__block *b, const struct policy__ast_statement *from,
                                size_t k, struct policy__statement *to, struct errinfo *e)
{
    const struct json *node = from->principal ? from->principal : from->not_principal;
    struct str s;
    enum err err = ERR_OK;

    to->principals.first = b->value_n;
    to->not_principal = from->not_principal != NULL;
    if (json_str(node, &s)) {
        to->any_principal = str_eq(s, STR("*"));
        if (!to->any_principal)
            err = policy__refuse(e, ERR_INVALID, node, k, "a principal must be \"*\" or an object");
    } else if (!json_is(node, JSON_OBJECT) || node->n == 0) {
        err = policy__refuse(e, ERR_INVALID, node, k, "a principal must be \"*\" or an object");
    } else {
        for (size_t i = 0; !err && i < node->n; i++)
            err = put_list(b, &node->members[i], k, to, e);
    }
    to->principals.n = b->value_n - to->principals.first;
    return err;
}

/* An account, or its root, means everybody in it. To allow an account is to let its own policies
 * allow: alone it gives nobody access. */
static bool names(struct str principal, struct str caller, bool deny)
{
    struct str account = arn_field(caller, 4);

    if (is_account(principal))
        return deny && str_eq(principal, account);
    if (str_eq(arn_field(principal, 2), STR("iam")) && str_eq(arn_field(principal, 5), STR("root")))
        return deny && str_eq(arn_field(principal, 4), account);
    return str_eq(principal, caller);
}

bool policy__principal_matches(const struct policy *p, const struct policy__statement *s,
                               struct str caller)
{
    bool listed = s->any_principal;

    for (uint32_t i = 0; i < s->principals.n && !listed && caller.n > 0; i++)
        listed = names(p->values[s->principals.first + i].written, caller, s->deny);
    return listed != s->not_principal;
}
