/* SPDX-License-Identifier: Apache-2.0
 *
 * Names for versions: aliases, which are immutable as versions are, so that an alias that moves is
 * another one with another digest; and what a name, an ARN or a qualifier comes to. */
#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "lambda/arn.h"
#include "registry_int.h"

#define ALIAS_NAME_MAX 128

/* (?!^[0-9]+$)([a-zA-Z0-9-_]+) (Lambda API reference, CreateAlias) */
bool lambda__is_alias_name(struct str name)
{
    bool number = true;
    if (name.n == 0 || name.n > ALIAS_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_')
            return false;
        number = number && digit;
    }
    return !number;
}

static enum err digest_of(struct function *f)
{
    AUTO_BUF text = BUF_INIT(KIB(2));
    buf_addz(&text, "alias");
    buf_addc(&text, '\0');
    buf_add(&text, f->spec.arn);
    buf_addc(&text, '\0');
    buf_addz(&text, f->to[0]->digest);
    if (f->to[1])
        buf_addf(&text, "%s%u", f->to[1]->digest, f->weight);
    return text.err ? text.err : lambda__digest(buf_str(&text), f->digest);
}

/* The ARN of `f` without a qualifier. */
static struct str bare_arn(const struct function *f)
{
    struct arn_parts parts;
    return arn_parse(f->spec.arn, &parts) ? parts.base : f->spec.arn;
}

static enum err fill(struct function *f, struct str name, struct function *to,
                     struct function *other, unsigned weight)
{
    f->spec = to->spec;
    f->spec.version = arena_str(f->arena, name);
    f->spec.arn = arena_fmt(f->arena, "%.*s:%.*s", STR_ARG(bare_arn(to)), STR_ARG(name));
    f->to[0] = to;
    f->to[1] = other;
    f->weight = weight;
    f->family = to->family;
    f->log = to->log;
    return f->spec.version.p && f->spec.arn.p ? digest_of(f) : ERR_NOMEM;
}

enum err function_alias(struct lambda *l, struct str name, struct function *to,
                        struct function *other, unsigned weight, struct function **out,
                        struct errinfo *e)
{
    *out = NULL;
    bool latest = str_eqz(name, "$LATEST"); /* no name, but an ARN may end in it */
    if ((!latest && !lambda__is_alias_name(name)) || weight > WEIGHT_ONE)
        return errinfo_set(e, ERR_INVALID,
                           "\"%.*s\" is no name for an alias: letters, digits, - and _, and not "
                           "digits alone",
                           STR_ARG(str_sub(name, 0, 64)));
    struct function *f = mem_alloc(sizeof *f);
    if (!f)
        return ERR_NOMEM;
    f->arena = arena_new(KIB(1), KIB(8));
    enum err err = f->arena ? fill(f, name, to, other, weight) : ERR_NOMEM;
    if (err != ERR_OK) {
        arena_free(f->arena);
        mem_free(f);
        return err;
    }
    atomic_init(&f->refs, 1);
    function_ref(to);
    if (other)
        function_ref(other);
    lambda__function_enter(l, f);
    *out = f;
    return ERR_OK;
}

/* xorshift64*: chance enough for weights, and nothing that anybody could guess for gain. */
static uint64_t roll(struct lambda *l)
{
    l->census.dice ^= l->census.dice >> 12;
    l->census.dice ^= l->census.dice << 25;
    l->census.dice ^= l->census.dice >> 27;
    return l->census.dice * UINT64_C(2685821657736338717);
}

struct function *lambda__alias_pick(struct function *f)
{
    while (f->to[0]) {
        bool second = f->to[1] && (roll(f->lambda) >> 32) % WEIGHT_ONE < f->weight;
        f = f->to[second ? 1 : 0];
    }
    return f;
}

struct str function_version(const struct function *f)
{
    return f->spec.version;
}

/* --- finding ---------------------------------------------------------------------------------- */

struct function *lambda_find(struct lambda *l, struct str name_or_arn, struct str qualifier)
{
    struct arn_parts parts;
    struct str rest, name = name_or_arn, base = STR_NONE;
    if (arn_parse(name_or_arn, &parts)) {
        base = parts.base;
        name = parts.name;
        rest = parts.qualifier;
    } else {
        name = str_cut(name_or_arn, ':', &rest);
    }
    if (qualifier.n == 0)
        qualifier = rest.n > 0 ? rest : STR("$LATEST");
    else if (rest.n > 0 && !str_eq(rest, qualifier))
        return NULL;
    struct managed *m = registry__find(l->registry, name);
    if (m)
        return registry__function(l, m, qualifier, NULL);
    for (struct function *f = l->functions; f; f = f->next)
        if (!f->retired && str_eq(f->spec.name, name) && str_eq(f->spec.version, qualifier) &&
            (!base.p || str_eq(bare_arn(f), base)))
            return f;
    return NULL;
}

/* --- what documents want -----------------------------------------------------------------------
 */

static const struct function_plan *plan_of(const struct function_plan *plans, size_t n,
                                           const struct function *f)
{
    for (size_t i = 0; i < n; i++)
        if (plans[i].function == f)
            return &plans[i];
    return NULL;
}

void lambda_configure(struct lambda *l, const struct function_plan *plans, size_t n)
{
    struct str name;
    void *family;
    struct errinfo e = {0};
    if (registry__load(l->registry, &e) != ERR_OK && e.text[0])
        log_error("lambda", "%s", e.text);
    for (size_t at = 0; map_next(&l->census.families, &at, &name, &family);)
        if (!((struct family *)family)->managed)
            ((struct family *)family)->reserved = -1;
    for (size_t i = 0; i < n; i++)
        if (plans[i].reserved >= 0)
            plans[i].function->family->reserved = plans[i].reserved;
    for (struct function *f = l->functions; f; f = f->next) {
        if (!f->to[0] && !f->family->managed && !plan_of(plans, n, f))
            lambda__provision(f, 0);
    }
    for (size_t i = 0; i < n; i++)
        lambda__provision(plans[i].function, plans[i].provisioned);
    lambda__serve_all(l);
    registry__collect(l->registry);
}
