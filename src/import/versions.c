/* SPDX-License-Identifier: Apache-2.0
 *
 * What a template publishes: versions, aliases and their concurrency. A template says what a
 * function is now and nothing of what it was, so whatever is published is version 1. Invariant: an
 * alias that a route or an authorizer names is one that the document has. */
#include "import_template_int.h"
#include "lambda/arn.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

#define NOT_HERE "has no effect here"
static const struct key_row version_rows[] = {
    {"CodeSha256", KEY_SILENT, NULL},
    {"Description", KEY_SILENT, NULL},
    {"FunctionName", KEY_READ, NULL},
    {"FunctionScalingConfig", KEY_SILENT, NULL},
    {"ProvisionedConcurrencyConfig", KEY_READ, NULL},
    {"RuntimePolicy", KEY_NOTE, NOT_HERE},
};
static const struct key_table version_keys = {"a version", version_rows, COUNTOF(version_rows),
                                              KEY_NOTE};
static const struct key_row alias_rows[] = {
    {"Description", KEY_SILENT, NULL},
    {"FunctionName", KEY_READ, NULL},
    {"FunctionVersion", KEY_READ, NULL},
    {"Name", KEY_READ, NULL},
    {"ProvisionedConcurrencyConfig", KEY_READ, NULL},
    {"RoutingConfig", KEY_READ, NULL},
};
static const struct key_table alias_keys = {"an alias", alias_rows, COUNTOF(alias_rows), KEY_NOTE};

static struct model_alias *alias_named(const struct declared *d, struct str name)
{
    struct model_alias *a = d->function->aliases;
    while (a && !str_eq(a->name, name))
        a = a->next;
    return a;
}

static struct model_alias *add_alias(struct importer *im, struct declared *d, struct str name,
                                     struct spot at)
{
    if (alias_named(d, name)) {
        import__say(im, IMPORT_ERROR, at, "Alias already exists: %.*s:%.*s",
                    SHORT(d->function->spec.arn), SHORT(name));
        return NULL;
    }
    struct model_alias *a = ARENA_NEW(im->a, struct model_alias);
    if (!a) {
        import__no_memory(im);
        return NULL;
    }
    a->name = name;
    a->at = (struct model_place){im->file, at.line, at.col};
    *(d->last_alias ? &d->last_alias->next : &d->function->aliases) = a;
    d->last_alias = a;
    return a;
}

/* {"ProvisionedConcurrentExecutions": 5} */
static unsigned provisioned(struct importer *im, const struct json *v)
{
    const struct json *config = import__object(im, v, "ProvisionedConcurrencyConfig");
    int64_t n;
    bool given = import__number(im, json_get(config, "ProvisionedConcurrentExecutions"),
                                "ProvisionedConcurrentExecutions", 1, LIMIT_CONCURRENCY, &n);
    return given ? (unsigned)n : 0;
}

void import__publish(struct importer *im, struct declared *d, const struct json *properties,
                     bool serverless)
{
    const struct json *v = json_get(properties, "AutoPublishAlias");
    const struct json *config = json_get(properties, "ProvisionedConcurrencyConfig");
    const struct json *reserved = json_get(properties, "ReservedConcurrentExecutions");
    struct model_function *f = d->function;
    struct model_alias *a = NULL;
    struct str name;
    int64_t n;
    if (import__number(im, reserved, "ReservedConcurrentExecutions", 0, LIMIT_CONCURRENCY, &n)) {
        f->is_reserved = true;
        f->reserved = (unsigned)n;
    }
    if (serverless && import__text(im, v, "AutoPublishAlias", &name)) {
        f->published = true;
        d->routed = name;
        a = add_alias(im, d, name, spot_or(v, d->spot));
    }
    if (!config)
        return;
    if (a)
        a->provisioned = provisioned(im, config);
    else
        import__say(im, IMPORT_ERROR, spot_or(config, d->spot), "%s",
                    serverless ? "To set ProvisionedConcurrencyConfig AutoPublishALias must "
                                 "be defined on the function"
                               : "ProvisionedConcurrencyConfig is of a version or an alias");
}

/* The function that a version or an alias is of; NULL, noted, when it is not in this document. */
static struct declared *owner(struct importer *im, const struct symbol *s, const struct json *p)
{
    const struct json *v = json_get(p, "FunctionName");
    struct arn_parts parts;
    struct str name;
    if (!import__text(im, v, "FunctionName", &name))
        return NULL;
    struct str arn = arn_parse(name, &parts) ? parts.base : import__function_arn(im, name);
    struct declared *d = map_get(&im->arns, arn);
    if (!d)
        import__say(im, IMPORT_NOTE, spot_or(v, s->spot),
                    "%.*s: the function %.*s is not in this document", SHORT(s->logical),
                    SHORT(name));
    return d;
}

static void read_version(struct importer *im, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    import__check_keys(im, p, &version_keys);
    struct declared *d = owner(im, s, p);
    if (!d)
        return;
    d->function->published = true;
    unsigned n = provisioned(im, json_get(p, "ProvisionedConcurrencyConfig"));
    if (n > 0)
        d->function->provisioned = n;
}

/* Where it leads. What only AWS remembers of earlier deployments is not here. */
static bool leads_to_latest(struct importer *im, const struct symbol *s, const struct json *p)
{
    const struct json *v = json_get(p, "FunctionVersion");
    struct str version = STR("1");
    (void)import__text(im, v, "FunctionVersion", &version);
    if (str_eqz(version, "$LATEST"))
        return true;
    if (!str_eqz(version, "1"))
        import__say(im, IMPORT_WARNING, spot_or(v, s->spot),
                    "%.*s: version %.*s is of an earlier deployment; here it leads to what this "
                    "document says",
                    SHORT(s->logical), SHORT(version));
    return false;
}

static void read_alias(struct importer *im, struct symbol *s)
{
    const struct json *p = import__properties(im, s);
    const struct json *config = json_get(p, "ProvisionedConcurrencyConfig");
    const struct json *routing = import__object(im, json_get(p, "RoutingConfig"), "RoutingConfig");
    struct str name;
    import__check_keys(im, p, &alias_keys);
    struct declared *d = owner(im, s, p);
    if (!d || !import__text(im, json_get(p, "Name"), "Name", &name))
        return;
    struct model_alias *a = add_alias(im, d, name, s->spot);
    if (!a)
        return;
    a->latest = leads_to_latest(im, s, p);
    d->function->published = d->function->published || !a->latest;
    a->provisioned = provisioned(im, config);
    if (a->latest && a->provisioned > 0)
        import__say(im, IMPORT_ERROR, spot_of(config),
                    "Provisioned Concurrency Configs cannot be applied to unpublished function "
                    "versions.");
    if (routing && json_get(routing, "AdditionalVersionWeights"))
        import__say(im, IMPORT_NOTE, spot_of(routing),
                    "%.*s: the other version is of an earlier deployment; here all calls go to "
                    "what this document says",
                    SHORT(s->logical));
}

void import__read_versions(struct importer *im)
{
    for (struct symbol *s = im->symbols; s; s = s->next) {
        if (s->kind != SYMBOL_OTHER)
            continue;
        if (str_eqz(s->type, "AWS::Lambda::Version"))
            read_version(im, s);
        else if (str_eqz(s->type, "AWS::Lambda::Alias"))
            read_alias(im, s);
    }
}

bool import__check_qualifier(struct importer *im, const struct declared *d, struct str qualifier,
                             const char *what, struct spot at)
{
    const struct model_function *f = d->function;
    bool declares = f->published || f->aliases;
    if (qualifier.n == 0 || !declares || str_eqz(qualifier, "$LATEST") ||
        alias_named(d, qualifier) || (f->published && str_eqz(qualifier, "1")))
        return true;
    AUTO_BUF has = BUF_INIT(KIB(1));
    for (const struct model_alias *a = f->aliases; a; a = a->next)
        buf_addf(&has, ", %.*s", SHORT(a->name));
    import__say(im, IMPORT_ERROR, at,
                "%s: the function %.*s has no version or alias %.*s in this document; it has "
                "$LATEST%s%s",
                what, SHORT(f->spec.name), SHORT(qualifier), f->published ? ", 1" : "",
                buf_cstr(&has));
    return false;
}
