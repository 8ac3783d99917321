/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of a model, their versions and aliases, as the snapshot holds them. Invariant: an
 * ARN with a qualifier that the document declares for that function comes to exactly that; of a
 * function for which it declares none, any qualifier is a name for what the document has. */
#include "freeze_int.h"
#include "gateway_int.h"
#include "lambda/arn.h"
#include "snapshot_int.h"

#define FUNCTIONS_FIRST 8

/* The snapshot lets go of it in the end. False: no memory, and it is let go of at once. */
static bool keep(struct freezer *f, struct function *one)
{
    struct snapshot *s = f->snapshot;
    if (one && s->function_count == s->function_room) {
        size_t room = s->function_room ? 2 * s->function_room : FUNCTIONS_FIRST;
        struct function **more = ARENA_ARRAY(s->arena, room, struct function *);
        for (size_t i = 0; more && i < s->function_count; i++)
            more[i] = s->functions[i];
        if (more) {
            s->functions = more;
            s->function_room = room;
        }
    }
    if (one && s->function_count < s->function_room) {
        s->functions[s->function_count++] = one;
        return true;
    }
    f->nomem = true;
    if (f->gateway)
        function_unref(one);
    return false;
}

/* `spec`, or version `version` of it. */
static struct function *make(struct freezer *f, const struct function_spec *spec,
                             struct str version, const struct model_place *at)
{
    struct errinfo e = {0};
    struct function *made = NULL;
    struct function_spec one = *spec;
    enum err err = ERR_OK;
    one.version = version;
    if (version.n > 0)
        one.arn = arena_fmt(f->snapshot->arena, "%.*s:%.*s", STR_ARG(spec->arn), STR_ARG(version));
    if (one.arn.p == NULL)
        err = ERR_NOMEM;
    else if (f->gateway)
        err = lambda_function(f->gateway->options.lambda, &one, &made, &e);
    else
        err = (made = function_described(f->snapshot->arena, &one)) ? ERR_OK : ERR_NOMEM;
    if (freeze__failed(f, at, err, &e) || !keep(f, made))
        return NULL;
    return made;
}

static struct function *make_alias(struct freezer *f, const struct function_spec *spec,
                                   struct function *to, struct str name,
                                   const struct model_place *at)
{
    struct errinfo e = {0};
    struct function *made = NULL;
    if (f->gateway == NULL)
        return make(f, spec, name, at);
    enum err err = function_alias(f->gateway->options.lambda, name, to, NULL, 0, &made, &e);
    if (freeze__failed(f, at, err, &e) || !keep(f, made))
        return NULL;
    return made;
}

/* --- plans ------------------------------------------------------------------------------------ */

static void plan(struct freezer *f, const struct model_function *m, struct function *one,
                 unsigned provisioned)
{
    struct snapshot *s = f->snapshot;
    if (one == NULL || s->plans == NULL)
        return;
    s->plans[s->plan_count++] =
        (struct function_plan){.function = one,
                               .reserved = m->is_reserved ? (int)m->reserved : -1,
                               .provisioned = provisioned};
}

/* Of all aliases that lead to version 1, and of itself. */
static unsigned provisioned_of(struct freezer *f, const struct model_function *m)
{
    struct errinfo e = {0};
    struct model_place at = {m->spec.file, m->spec.line, m->spec.col};
    unsigned n = m->provisioned, settings = m->provisioned > 0;
    for (const struct model_alias *a = m->aliases; a; a = a->next) {
        n += a->provisioned;
        settings += a->provisioned > 0;
        at = a->provisioned ? a->at : at;
    }
    if (settings > 1)
        freeze__failed(f, &at,
                       errinfo_set(&e, ERR_INVALID,
                                   "version 1 of %.*s is provisioned twice: Lambda takes "
                                   "it of one alias or of the version",
                                   STR_ARG(str_sub(m->spec.name, 0, 80))),
                       &e);
    else if (m->is_reserved && n > m->reserved)
        freeze__failed(f, &at,
                       errinfo_set(&e, ERR_INVALID,
                                   "Requested Provisioned Concurrency should not be greater than "
                                   "the reservedConcurrentExecution for function"),
                       &e);
    return n;
}

static void freeze_one(struct freezer *f, const struct model_function *m)
{
    struct model_place at = {m->spec.file, m->spec.line, m->spec.col};
    struct function *latest = make(f, &m->spec, STR(""), &at), *version = NULL;
    plan(f, m, latest, 0);
    if (latest && m->published) {
        version = make(f, &m->spec, STR("1"), &at);
        plan(f, m, version, provisioned_of(f, m));
    }
    for (const struct model_alias *a = m->aliases; latest && a; a = a->next)
        if (a->latest || version)
            (void)make_alias(f, &m->spec, a->latest ? latest : version, a->name, &a->at);
}

void functions__freeze(struct freezer *f)
{
    struct snapshot *s = f->snapshot;
    size_t n = 0;
    for (const struct model_function *m = f->model->functions; m; m = m->next)
        n += 2; /* $LATEST and version 1 */
    s->plans = ARENA_ARRAY(s->arena, n, struct function_plan);
    f->nomem = f->nomem || s->plans == NULL;
    for (const struct model_function *m = f->model->functions; m && !f->nomem; m = m->next)
        if (!m->code_missing || !f->gateway) /* else the importer said so: nobody will find it */
            freeze_one(f, m);
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_number(struct str s)
{
    uint64_t n;
    return str_u64(s, &n);
}

struct function *functions__find(void *freezer, struct str arn)
{
    struct freezer *f = freezer;
    struct snapshot *s = f->snapshot;
    struct arn_parts parts;
    struct function *latest = NULL;
    bool qualified = arn_parse(arn, &parts) && parts.qualifier.n > 0;
    for (size_t i = 0; i < s->function_count; i++) {
        if (str_eq(arn, function_arn(s->functions[i])))
            return s->functions[i];
        if (qualified && str_eq(parts.base, function_arn(s->functions[i])))
            latest = s->functions[i];
    }
    const struct model_function *m = f->model->functions;
    while (m && latest && !str_eq(m->spec.arn, parts.base))
        m = m->next;
    if (latest == NULL || m == NULL)
        return NULL;
    struct model_place at = {m->spec.file, m->spec.line, m->spec.col};
    if (str_eqz(parts.qualifier, "$LATEST"))
        return make_alias(f, &m->spec, latest, parts.qualifier, &at);
    if (m->published || m->aliases)
        return NULL;
    return is_number(parts.qualifier) ? make(f, &m->spec, parts.qualifier, &at)
                                      : make_alias(f, &m->spec, latest, parts.qualifier, &at);
}
