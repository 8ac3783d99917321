/* SPDX-License-Identifier: Apache-2.0
 *
 * The Condition element: operators over the keys of a request. A value of the policy that its
 * operator cannot read is refused when the policy is compiled; a value of the request that it
 * cannot read matches nothing. */
#include "policy/policy_int.h"

enum family {
    FAMILY_STRING,
    FAMILY_LIKE,
    FAMILY_ARN,
    FAMILY_NUMBER,
    FAMILY_DATE,
    FAMILY_FLAG,
    FAMILY_BYTES,
    FAMILY_ADDRESS,
    FAMILY_NULL,
};
/* Which orders of (request's value, policy's value) an operator accepts. */
enum { LESS = 1, SAME = 2, MORE = 4 };

struct policy__operator {
    const char *name;
    uint8_t family;
    uint8_t orders;
    bool negated, ignore_case;
};
static const struct policy__operator operators[] = {
    {.name = "StringEquals", .family = FAMILY_STRING},
    {.name = "StringNotEquals", .family = FAMILY_STRING, .negated = true},
    {.name = "StringEqualsIgnoreCase", .family = FAMILY_STRING, .ignore_case = true},
    {.name = "StringNotEqualsIgnoreCase",
     .family = FAMILY_STRING,
     .negated = true,
     .ignore_case = true},
    {.name = "StringLike", .family = FAMILY_LIKE},
    {.name = "StringNotLike", .family = FAMILY_LIKE, .negated = true},
    {.name = "ArnEquals", .family = FAMILY_ARN},
    {.name = "ArnLike", .family = FAMILY_ARN},
    {.name = "ArnNotEquals", .family = FAMILY_ARN, .negated = true},
    {.name = "ArnNotLike", .family = FAMILY_ARN, .negated = true},
    {.name = "NumericEquals", .family = FAMILY_NUMBER, .orders = SAME},
    {.name = "NumericNotEquals", .family = FAMILY_NUMBER, .orders = SAME, .negated = true},
    {.name = "NumericLessThan", .family = FAMILY_NUMBER, .orders = LESS},
    {.name = "NumericLessThanEquals", .family = FAMILY_NUMBER, .orders = LESS | SAME},
    {.name = "NumericGreaterThan", .family = FAMILY_NUMBER, .orders = MORE},
    {.name = "NumericGreaterThanEquals", .family = FAMILY_NUMBER, .orders = MORE | SAME},
    {.name = "DateEquals", .family = FAMILY_DATE, .orders = SAME},
    {.name = "DateNotEquals", .family = FAMILY_DATE, .orders = SAME, .negated = true},
    {.name = "DateLessThan", .family = FAMILY_DATE, .orders = LESS},
    {.name = "DateLessThanEquals", .family = FAMILY_DATE, .orders = LESS | SAME},
    {.name = "DateGreaterThan", .family = FAMILY_DATE, .orders = MORE},
    {.name = "DateGreaterThanEquals", .family = FAMILY_DATE, .orders = MORE | SAME},
    {.name = "Bool", .family = FAMILY_FLAG},
    {.name = "BinaryEquals", .family = FAMILY_BYTES},
    {.name = "IpAddress", .family = FAMILY_ADDRESS},
    {.name = "NotIpAddress", .family = FAMILY_ADDRESS, .negated = true},
    {.name = "Null", .family = FAMILY_NULL},
};

/* --- compiling ------------------------------------------------------------------------------ */
/* Where a condition is, for what refuses it. */
struct place {
    const struct json *node;
    size_t statement;
    struct str op;
    struct errinfo *e;
};

/* "ForAnyValue:StringLikeIfExists" into its three parts. */
static enum err read_operator(const struct place *at, struct policy__condition *out)
{
    struct str name = at->op;

    out->written = at->op;
    if (str_starts(name, STR("ForAnyValue:")))
        out->set = SET_ANY;
    else if (str_starts(name, STR("ForAllValues:")))
        out->set = SET_ALL;
    if (out->set != SET_NONE)
        name = str_from(name, str_chr(name, ':', 0) + 1);
    out->if_exists = str_ends(name, STR("IfExists"));
    if (out->if_exists)
        name.n -= strlen("IfExists");
    for (size_t i = 0; i < COUNTOF(operators); i++)
        if (str_eqz(name, operators[i].name))
            out->op = &operators[i];
    if (out->op && out->op->family == FAMILY_NULL && (out->if_exists || out->set != SET_NONE))
        out->op = NULL;
    if (!out->op)
        return policy__refuse(at->e, ERR_INVALID, at->node, at->statement,
                              "unknown condition operator \"%.*s\"", SHOWN(at->op));
    return ERR_OK;
}

static enum err refuse_value(const struct place *at, struct str value, const char *what)
{
    return policy__refuse(at->e, ERR_INVALID, at->node, at->statement, "%.*s: \"%.*s\" is %s",
                          SHOWN(at->op), SHOWN(value), what);
}

static size_t count_colons(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == ':';
    return n;
}

/* A text that may have variables and, but for StringEquals and its kin, wildcards. */
static enum err read_text(const struct place *at, struct policy__block *b, uint8_t family,
                          struct policy__value *v)
{
    const char *why = "";
    bool wildcards = family != FAMILY_STRING;
    size_t variables;

    if (!policy__scan(b, v->written, wildcards, &variables, &why))
        return policy__refuse(at->e, ERR_INVALID, at->node, at->statement, "%.*s: %s",
                              SHOWN(at->op), why);
    v->constant = variables == 0;
    if (family == FAMILY_ARN && v->constant && count_colons(v->written) < 5)
        return refuse_value(at, v->written, "no ARN of six parts");
    if (family == FAMILY_LIKE && v->constant)
        v->pattern = policy__put_wildcards(b, v->written);
    else
        v->template = policy__put_template(b, v->written, wildcards);
    return ERR_OK;
}

/* `v->written` is in the block. */
static enum err read_value(const struct place *at, struct policy__block *b, uint8_t family,
                           struct policy__value *v)
{
    struct str s = v->written;
    int order;

    switch ((enum family)family) {
    case FAMILY_STRING:
    case FAMILY_LIKE:
    case FAMILY_ARN:
        return read_text(at, b, family, v);
    case FAMILY_NUMBER:
        return policy__number_compare(s, s, &order) ? ERR_OK : refuse_value(at, s, "no number");
    case FAMILY_DATE:
        return policy__date_read(s, &v->date)
                   ? ERR_OK
                   : refuse_value(at, s, "neither an ISO 8601 date nor seconds since 1970");
    case FAMILY_FLAG:
    case FAMILY_NULL:
        return policy__flag_read(s, &v->flag) ? ERR_OK
                                              : refuse_value(at, s, "neither true nor false");
    case FAMILY_BYTES:
        return policy__base64_is(s) ? ERR_OK : refuse_value(at, s, "not base64");
    case FAMILY_ADDRESS:
        break;
    }
    return policy__address_read(s, true, &v->address)
               ? ERR_OK
               : refuse_value(at, s, "neither an IP address nor a CIDR block");
}

/* Strings, numbers and booleans are compared as what they look like. */
static bool text_of(const struct json *v, struct str *out)
{
    if (json_is_bool(v))
        *out = v->type == JSON_TRUE ? STR("true") : STR("false");
    else if (json_is(v, JSON_STRING) || json_is(v, JSON_NUMBER))
        *out = v->s;
    else
        return false;
    return true;
}

static enum err put_one(const struct place *at, struct policy__block *b, const struct json *node,
                        const struct policy__condition *c)
{
    struct policy__value v = {.written = STR("")};
    struct str text;
    enum err err;

    if (!text_of(node, &text))
        return policy__refuse(at->e, ERR_INVALID, node, at->statement,
                              "%.*s: a value must be a string, a number or a boolean",
                              SHOWN(at->op));
    if (text.n > LIMIT_POLICY_VALUE)
        return policy__refuse(at->e, ERR_INVALID, node, at->statement,
                              "%.*s: a value is longer than %d bytes", SHOWN(at->op),
                              LIMIT_POLICY_VALUE);
    if (!str_is_utf8(text))
        return policy__refuse(at->e, ERR_INVALID, node, at->statement, "%.*s: a value is not UTF-8",
                              SHOWN(at->op));
    v.written = policy__put_text(b, text);
    err = read_value(at, b, c->op->family, &v);
    if (!err)
        policy__put_value(b, &v);
    return err;
}

static enum err put_values(const struct place *at, struct policy__block *b, const struct json *node,
                           struct policy__condition *c)
{
    size_t n = json_is(node, JSON_ARRAY) ? node->n : 1;

    if (n == 0)
        return policy__refuse(at->e, ERR_INVALID, node, at->statement,
                              "%.*s: an empty list of values", SHOWN(at->op));
    c->values.first = b->value_n;
    c->values.n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        enum err err = put_one(at, b, json_is(node, JSON_ARRAY) ? node->items[i] : node, c);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err put_operator(struct policy__block *b, const struct json_member *m, size_t k,
                             struct errinfo *e)
{
    struct place at = {m->value, k, m->key, e};
    struct policy__condition c = {.op = NULL};
    enum err err = read_operator(&at, &c);

    if (err)
        return err;
    if (!json_is(m->value, JSON_OBJECT) || m->value->n == 0)
        return policy__refuse(e, ERR_INVALID, m->value, k,
                              "%.*s must be an object of condition keys", SHOWN(m->key));
    c.written = policy__put_text(b, m->key);
    for (size_t i = 0; i < m->value->n; i++) {
        const struct json_member *key = &m->value->members[i];
        if (key->key.n == 0 || key->key.n > LIMIT_POLICY_VALUE || !str_is_utf8(key->key))
            return policy__refuse(e, ERR_INVALID, m->value, k, "%.*s: no condition key: \"%.*s\"",
                                  SHOWN(m->key), SHOWN(key->key));
        c.key = policy__put_text(b, key->key);
        err = put_values(&at, b, key->value, &c);
        if (err)
            return err;
        policy__put_condition(b, &c);
    }
    return ERR_OK;
}

enum err policy__put_conditions(struct policy__block *b, const struct json *condition, size_t k,
                                struct policy__range *out, struct errinfo *e)
{
    out->first = b->condition_n;
    for (size_t i = 0; condition && i < condition->n; i++) {
        enum err err = put_operator(b, &condition->members[i], k, e);
        if (err)
            return err;
    }
    out->n = b->condition_n - out->first;
    return ERR_OK;
}

/* --- judging -------------------------------------------------------------------------------- */
static bool text_matches(const struct policy__operator *op, const struct policy__value *v,
                         struct str text, const struct policy_context *context)
{
    struct policy__resolved r;

    if (v->constant && op->family == FAMILY_LIKE)
        return policy__match(&v->pattern, text, false);
    if (!policy__resolve(&v->template, context, &r, NULL))
        return false;
    if (op->family == FAMILY_STRING)
        return policy__template_equals(&v->template, &r, text, op->ignore_case);
    if (op->family == FAMILY_LIKE)
        return policy__template_glob(&v->template, &r, text, NULL);
    return policy__template_arn(&v->template, &r, text);
}

static bool in_order(const struct policy__operator *op, int order)
{
    return op->orders & (order < 0 ? LESS : order > 0 ? MORE : SAME);
}

static bool value_matches(const struct policy__operator *op, const struct policy__value *v,
                          struct str text, const struct policy_context *context)
{
    struct policy__address address;
    struct policy__date date;
    bool flag;
    int order;

    switch ((enum family)op->family) {
    case FAMILY_STRING:
    case FAMILY_LIKE:
    case FAMILY_ARN:
        return text_matches(op, v, text, context);
    case FAMILY_NUMBER:
        return policy__number_compare(text, v->written, &order) && in_order(op, order);
    case FAMILY_DATE:
        return policy__date_read(text, &date) &&
               in_order(op, policy__date_compare(&date, &v->date));
    case FAMILY_FLAG:
        return policy__flag_read(text, &flag) && flag == v->flag;
    case FAMILY_BYTES:
        return policy__base64_is(text) && str_eq(text, v->written);
    case FAMILY_ADDRESS:
        return policy__address_read(text, false, &address) &&
               policy__address_in(&address, &v->address);
    case FAMILY_NULL:
        break;
    }
    return false;
}

/* One value of the request against all of the policy's. */
static bool accepts(const struct policy *p, const struct policy__condition *c, struct str text,
                    const struct policy_context *context)
{
    struct policy__address address;
    bool any = false;

    if (c->op->family == FAMILY_ADDRESS && !policy__address_read(text, false, &address))
        return false; /* what is no address is not outside a network either */
    for (uint32_t i = 0; i < c->values.n && !any; i++)
        any = value_matches(c->op, &p->values[c->values.first + i], text, context);
    return any != c->op->negated;
}

static bool null_holds(const struct policy *p, const struct policy__condition *c, bool missing)
{
    for (uint32_t i = 0; i < c->values.n; i++)
        if (p->values[c->values.first + i].flag == missing)
            return true;
    return false;
}

/* Several values need ForAnyValue or ForAllValues to say which of them count. */
static bool holds(const struct policy *p, const struct policy__condition *c,
                  const struct policy_context *context, const struct str *values, size_t n)
{
    if (c->op->family == FAMILY_NULL)
        return null_holds(p, c, n == 0);
    if (n == 0)
        return c->if_exists || c->set == SET_ALL || (c->op->negated && c->set == SET_NONE);
    if (n > 1 && c->set == SET_NONE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (accepts(p, c, values[i], context) != (c->set == SET_ALL))
            return c->set != SET_ALL;
    return c->set == SET_ALL;
}

bool policy__conditions_hold(const struct policy *p, struct policy__range conditions,
                             const struct policy_request *rq, struct policy_condition_trace *why)
{
    const struct policy_context *context = rq->context;

    for (uint32_t i = 0; i < conditions.n; i++) {
        const struct policy__condition *c = &p->conditions[conditions.first + i];
        const struct str *values = NULL;
        size_t n = context ? context->get(context->arg, c->key, &values) : 0;

        if (holds(p, c, context, values, n))
            continue;
        if (why)
            *why = (struct policy_condition_trace){.op = c->written,
                                                   .key = c->key,
                                                   .wanted = p->values[c->values.first].written,
                                                   .wanted_n = c->values.n,
                                                   .missing = n == 0,
                                                   .value = n > 0 ? values[0] : STR("")};
        return false;
    }
    return true;
}
