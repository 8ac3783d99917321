/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of a document: those it declares, and those that only --function knows. Invariant:
 * a function that guards a route either runs as its author configured it or the document is
 * refused. */
#include <limits.h>
#include <stdio.h>

#include "import_api_int.h"
#include "lambda/arn.h"

#define FUNCTION_URI ":lambda:path/2015-03-31/functions/"
#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

#define RUNS_THERE "has no effect here"
static const struct key_row function_rows[] = {
    {"Architectures", KEY_SILENT, NULL},
    {"AssumeRolePolicyDocument", KEY_SILENT, NULL},
    {"AutoPublishAlias", KEY_READ, NULL},
    {"AutoPublishAliasAllProperties", KEY_SILENT, NULL},
    {"AutoPublishCodeSha256", KEY_SILENT, NULL},
    {"CapacityProviderConfig", KEY_SILENT, NULL},
    {"Code", KEY_READ, NULL},
    {"CodeSigningConfigArn", KEY_SILENT, NULL},
    {"CodeUri", KEY_READ, NULL},
    {"DeadLetterConfig", KEY_SILENT, NULL},
    {"DeadLetterQueue", KEY_SILENT, NULL},
    {"DeploymentPreference", KEY_SILENT, NULL},
    {"Description", KEY_SILENT, NULL},
    {"DurableConfig", KEY_NOTE, RUNS_THERE},
    {"Environment", KEY_READ, NULL},
    {"EphemeralStorage", KEY_SILENT, NULL},
    {"EventInvokeConfig", KEY_SILENT, NULL},
    {"Events", KEY_READ, NULL},
    {"FileSystemConfigs", KEY_NOTE, "file systems are not mounted here"},
    {"FunctionName", KEY_READ, NULL},
    {"FunctionScalingConfig", KEY_SILENT, NULL},
    {"FunctionUrlConfig", KEY_NOTE, "function URLs are not served here"},
    {"Handler", KEY_READ, NULL},
    {"ImageConfig", KEY_SILENT, NULL},
    {"ImageUri", KEY_READ, NULL},
    {"InlineCode", KEY_READ, NULL},
    {"KmsKeyArn", KEY_SILENT, NULL},
    {"Layers", KEY_READ, NULL},
    {"LoggingConfig", KEY_READ, NULL},
    {"MemorySize", KEY_READ, NULL},
    {"MultiTenancyConfig", KEY_NOTE, RUNS_THERE},
    {"PackageType", KEY_READ, NULL},
    {"PermissionsBoundary", KEY_SILENT, NULL},
    {"Policies", KEY_SILENT, NULL},
    {"PropagateTags", KEY_SILENT, NULL},
    {"ProvisionedConcurrencyConfig", KEY_READ, NULL},
    {"PublishToLatestPublished", KEY_SILENT, NULL},
    {"RecursiveLoop", KEY_SILENT, NULL},
    {"ReservedConcurrentExecutions", KEY_READ, NULL},
    {"Role", KEY_SILENT, NULL},
    {"RolePath", KEY_SILENT, NULL},
    {"Runtime", KEY_READ, NULL},
    {"RuntimeManagementConfig", KEY_SILENT, NULL},
    {"SnapStart", KEY_SILENT, NULL},
    {"SourceKMSKeyArn", KEY_SILENT, NULL},
    {"Tags", KEY_SILENT, NULL},
    {"TenancyConfig", KEY_NOTE, RUNS_THERE},
    {"Timeout", KEY_READ, NULL},
    {"Tracing", KEY_SILENT, NULL},
    {"TracingConfig", KEY_SILENT, NULL},
    {"VersionDeletionPolicy", KEY_SILENT, NULL},
    {"VersionDescription", KEY_SILENT, NULL},
    {"VpcConfig", KEY_SILENT, NULL},
};
static const struct key_table function_keys = {"a function", function_rows, COUNTOF(function_rows),
                                               KEY_NOTE};

struct str import__function_arn(struct importer *im, struct str name)
{
    const struct model *m = im->model;
    return import__fmt(im, "arn:%.*s:lambda:%.*s:%.*s:function:%.*s", STR_ARG(m->partition),
                       STR_ARG(m->region), STR_ARG(m->account), STR_ARG(name));
}

struct str import__invocation_uri(struct importer *im, struct str arn)
{
    const struct model *m = im->model;
    return import__fmt(im, "arn:%.*s:apigateway:%.*s" FUNCTION_URI "%.*s/invocations",
                       STR_ARG(m->partition), STR_ARG(m->region), STR_ARG(arn));
}

const struct import_function *import__override(const struct importer *im, struct str arn,
                                               struct str name, struct str logical)
{
    for (size_t i = 0; i < im->o->function_count; i++) {
        const struct import_function *f = &im->o->functions[i];
        if (str_eq(f->name, arn) || str_eq(f->name, name) || str_eq(f->name, logical))
            return f;
    }
    return NULL;
}

/* --- declaring -------------------------------------------------------------------------------- */

static struct declared *enter(struct importer *im, struct model_function *f)
{
    struct declared *d = ARENA_NEW(im->a, struct declared);
    if (!d) {
        import__no_memory(im);
        return NULL;
    }
    *d =
        (struct declared){.function = f, .file = f->spec.file, .spot = {f->spec.line, f->spec.col}};
    enum err err = map_put(&im->arns, f->spec.arn, d, NULL);
    if (err != ERR_OK) {
        import__fail(im, err);
        return NULL;
    }
    if (im->last_declared)
        im->last_declared->next = d;
    else
        im->declared = d;
    im->last_declared = d;
    return d;
}

/* Functions of documents that came before: they may be called from here too. */
void import__know_functions(struct importer *im)
{
    for (; *im->functions_end; im->functions_end = &(*im->functions_end)->next) {
        struct declared *d = enter(im, *im->functions_end);
        if (!d)
            return;
        d->elsewhere = true;
    }
}

static struct declared *new_declared(struct importer *im, struct str name, struct str arn,
                                     struct spot at)
{
    struct model_function *f = ARENA_NEW(im->a, struct model_function);
    if (!f) {
        import__no_memory(im);
        return NULL;
    }
    f->spec = (struct function_spec){
        .name = name, .arn = arn, .file = im->file, .line = at.line, .col = at.col};
    *im->functions_end = f;
    im->functions_end = &f->next;
    return enter(im, f);
}

/* A text without which the function cannot run; missing it only matters if somebody calls it. */
static struct str needed_text(struct importer *im, struct declared *d, const struct json *v,
                              const char *what)
{
    struct str text = STR("");
    struct reason why;
    if (import__is_intrinsic(v)) {
        import__explain(im, v, &why);
        d->missing = import__fmt(im, "its %s: %s", what, why.text).p;
    } else if (!import__scalar(v, &text) && !d->missing) {
        d->missing = import__fmt(im, "it has no %s", what).p;
    }
    return text;
}

static unsigned size(struct importer *im, const struct json *v, const char *what, int64_t low,
                     int64_t high)
{
    struct reason why;
    int64_t n;
    if (import__is_intrinsic(v)) {
        import__explain(im, v, &why);
        import__say(im, IMPORT_WARNING, spot_of(v), "%s: %s; Lambda's default is used", what,
                    why.text);
        return 0;
    }
    return import__number(im, v, what, low, high, &n) ? (unsigned)n : 0;
}

/* Ref of a resource that is not served here has no value; its logical id stands in, as it is the
 * part of the name that a person can recognise. */
static bool stand_in(struct importer *im, const struct json *v, struct str *out)
{
    const struct json *name = json_get(v, "Ref");
    const struct symbol *s = json_is(name, JSON_STRING) ? import__symbol(im, name->s) : NULL;
    if (!import__is_intrinsic(v) || !s || s->kind != SYMBOL_OTHER)
        return false;
    *out = s->logical;
    return true;
}

static void unset(struct importer *im, struct declared *d, struct str name, const struct json *v)
{
    struct reason why = {"it is no text"};
    if (import__is_intrinsic(v))
        import__explain(im, v, &why);
    if (d->unset.n > 0)
        return;
    d->unset = name;
    d->unset_spot = spot_or(v, d->spot);
    d->unset_why = import__fmt(im, "%s", why.text).p;
}

static void set_environment(struct importer *im, struct declared *d, const struct json *v)
{
    struct function_spec *spec = &d->function->spec;
    const struct json *variables = json_get(v, "Variables");
    if (import__is_intrinsic(v) || import__is_intrinsic(variables)) {
        unset(im, d, STR("Environment"), import__is_intrinsic(v) ? v : variables);
        return;
    }
    variables = import__object(im, variables, "Variables");
    if (!variables)
        return;
    spec->env = ARENA_ARRAY(im->a, variables->n, struct function_env);
    if (!spec->env) {
        import__no_memory(im);
        return;
    }
    for (size_t i = 0; i < variables->n; i++) {
        const struct json_member *m = &variables->members[i];
        struct str text;
        bool known =
            import__scalar(m->value, &text) && str_find(text, STR("{{resolve:")) == SIZE_MAX;
        if (known || stand_in(im, m->value, &text))
            spec->env[spec->env_count++] = (struct function_env){m->key, text};
        else
            unset(im, d, m->key, m->value);
    }
}

static void apply_override(struct importer *im, struct declared *d, const struct import_function *o)
{
    struct function_spec *spec = &d->function->spec;
    d->overridden = true;
    d->missing = NULL;
    d->function->archive = d->function->inline_code = STR("");
    import__set_dir(im, d, o->dir);
    if (o->handler.n > 0)
        spec->handler = o->handler;
    if (o->runtime.n > 0)
        spec->runtime = o->runtime;
    if (spec->runtime.n == 0 && spec->code_dir.p && !d->missing)
        spec->runtime = runtime_guess(spec->code_dir.p, spec->handler);
    if (spec->handler.n == 0 && !d->missing)
        d->missing = "its --function gives no handler";
}

static void read_function(struct importer *im, struct declared *d, const struct json *properties,
                          bool serverless)
{
    struct function_spec *spec = &d->function->spec;
    import__set_code(im, d, properties);
    spec->handler = needed_text(im, d, json_get(properties, "Handler"), "Handler");
    spec->runtime = needed_text(im, d, json_get(properties, "Runtime"), "Runtime");
    spec->timeout_ms = 1000 * size(im, json_get(properties, "Timeout"), "Timeout", 1, 900);
    spec->memory_mb = size(im, json_get(properties, "MemorySize"), "MemorySize", 128, 10240);
    set_environment(im, d, json_get(properties, "Environment"));
    import__read_layers(im, d, json_get(properties, "Layers"));
    import__read_logging(im, d, json_get(properties, "LoggingConfig"));
    import__publish(im, d, properties, serverless);
    const struct import_function *o = import__override(im, spec->arn, spec->name, d->logical);
    if (o)
        apply_override(im, d, o);
}

void import__declare_function(struct importer *im, const struct symbol *s)
{
    struct reason why;
    const struct json *properties =
        import__object(im, import__resolve(im, s->properties), "Properties");
    const struct json *name = import__ref(im, s->logical, &why);
    if (!name)
        return;
    import__check_keys(im, properties, &function_keys);
    if (s->unnamed)
        import__say(im, IMPORT_WARNING, spot_or(json_get(properties, "FunctionName"), s->spot),
                    "FunctionName: %s; the function is called %.*s here", s->unnamed,
                    SHORT(name->s));
    struct str arn = import__function_arn(im, name->s);
    const struct declared *other = map_get(&im->arns, arn);
    if (other) {
        import__say(im, IMPORT_ERROR, s->spot, "two functions are named %.*s", SHORT(name->s));
        return;
    }
    struct declared *d = new_declared(im, name->s, arn, s->spot);
    if (!d)
        return;
    d->logical = s->logical;
    read_function(im, d, properties, str_starts(s->type, STR("AWS::Serverless::")));
}

/* --- finding ---------------------------------------------------------------------------------- */

bool import__stage_variables(struct importer *im, const struct import_api *api, struct str text,
                             struct str *out, struct str *missing)
{
    static const char open[] = "${stageVariables.";
    AUTO_BUF b = BUF_INIT(LIMIT_RESOLVED_TEXT);
    size_t at = 0, next;
    while ((next = str_find(str_from(text, at), str_c(open))) != SIZE_MAX) {
        buf_add(&b, str_sub(text, at, next));
        at += next + sizeof open - 1;
        size_t close = str_chr(text, '}', at);
        struct str name = str_sub(text, at, close == SIZE_MAX ? 0 : close - at);
        const struct model_variable *v = api->api->variables;
        while (v && !str_eq(v->name, name))
            v = v->next;
        if (!v || close == SIZE_MAX) {
            *missing = name;
            return false;
        }
        buf_add(&b, v->value);
        at = close + 1;
    }
    *out = text;
    if (at == 0)
        return true;
    buf_add(&b, str_from(text, at));
    if (b.err != ERR_OK)
        import__fail(im, b.err);
    *out = import__fmt(im, "%.*s", STR_ARG(buf_str(&b)));
    return true;
}

/* The ARN inside an invocation URI. */
static bool unwrap_uri(struct str uri, struct str *arn)
{
    const struct str middle = STR(FUNCTION_URI), end = STR("/invocations");
    size_t at = str_find(uri, middle);
    if (!str_starts(uri, STR("arn:")) || at == SIZE_MAX || !str_ends(uri, end) ||
        uri.n < at + middle.n + end.n)
        return false;
    *arn = str_sub(uri, at + middle.n, uri.n - at - middle.n - end.n);
    return true;
}

/* A function that stands in no template: --function gives it, or (in check) nobody does. */
static struct declared *add_foreign(struct importer *im, struct str base, struct str name,
                                    bool may_miss, struct spot at)
{
    const struct import_function *o = import__override(im, base, name, name);
    if (!o && !may_miss)
        return NULL;
    struct declared *d = new_declared(im, import__fmt(im, "%.*s", STR_ARG(name)),
                                      import__fmt(im, "%.*s", STR_ARG(base)), at);
    if (d && o)
        apply_override(im, d, o);
    else if (d)
        d->missing = "it is not declared in this document";
    return d;
}

/* What names no function at all. AWS answers 500 on such a route, or refuses the document; check
 * goes on with a function that nobody has. */
static struct declared *no_function(struct importer *im, const char *what, struct str text,
                                    struct str named, struct spot at)
{
    import__say(
        im, im->o->require_code ? IMPORT_ERROR : IMPORT_WARNING, at,
        "%s names no Lambda function: \"%.*s\"; it is arn:aws:apigateway:REGION" FUNCTION_URI
        "FUNCTION-ARN/invocations (or, as FunctionArn, the ARN in it)",
        what, SHORT(text));
    if (im->o->require_code)
        return NULL;
    struct str name = import__fmt(im, "unknown-%.*s", STR_ARG(import__api_id(im, named)));
    struct str arn = import__function_arn(im, name);
    struct declared *d = map_get(&im->arns, arn);
    if (!d)
        d = new_declared(im, name, arn, at);
    if (d)
        d->missing = "nothing says which function it is";
    return d;
}

/* HTTP APIs take the function's own ARN as a URI too. */
static struct declared *find_by_text(struct importer *im, struct str text, bool is_uri, bool http,
                                     const char *what, struct spot at, struct str *arn)
{
    struct arn_parts parts;
    *arn = text;
    bool wrapped = is_uri && unwrap_uri(text, arn);
    if ((is_uri && !wrapped && !http) || !arn_parse(*arn, &parts)) {
        struct declared *d = no_function(im, what, text, *arn, at);
        *arn = d ? d->function->spec.arn : STR("");
        return d;
    }
    struct declared *d = map_get(&im->arns, parts.base);
    if (!d)
        d = add_foreign(im, parts.base, parts.name, !im->o->require_code, at);
    if (!d)
        import__say(im, IMPORT_ERROR, at,
                    "%s: there is no function %.*s here; say where its code is with --function "
                    "%.*s=DIR:HANDLER",
                    what, SHORT(parts.base), SHORT(parts.name));
    return d && import__check_qualifier(im, d, parts.qualifier, what, at) ? d : NULL;
}

struct declared *import__find_function(struct importer *im, const struct import_api *api,
                                       const struct json *v, bool is_uri, const char *what,
                                       struct spot at, struct str *arn)
{
    struct str text, missing;
    struct reason why;
    bool guards = strcmp(what, "uri") != 0;
    at = spot_or(v, at);
    if (import__is_intrinsic(v)) { /* of a function that is not in this document */
        im->elsewhere = !im->o->require_code && (im->bare || !guards);
        const struct json *known = import__eval(im, v, &why);
        im->elsewhere = false;
        v = known ? known : v;
    }
    if (!import__text(im, v, what, &text))
        return NULL;
    if (!import__stage_variables(im, api, text, &text, &missing)) {
        import__say(im, IMPORT_ERROR, at, "%s: the stage variable %.*s has no value", what,
                    SHORT(missing));
        return NULL;
    }
    bool http = api->api->kind == API_HTTP;
    struct declared *d = find_by_text(im, text, is_uri, http, what, at, arn);
    if (!d)
        return NULL;
    d->needed = true;
    d->guards = d->guards || guards;
    return d;
}

/* --- at the end ------------------------------------------------------------------------------- */

static void note_idle_overrides(struct importer *im)
{
    for (size_t i = 0; i < im->o->function_count; i++) {
        struct str name = im->o->functions[i].name;
        const struct declared *d = im->declared;
        while (d && !str_eq(name, d->function->spec.name) && !str_eq(name, d->function->spec.arn) &&
               !str_eq(name, d->logical))
            d = d->next;
        if (!d)
            import__say(im, IMPORT_NOTE, (struct spot){0, 0},
                        "--function %.*s: this document has no such function", SHORT(name));
    }
}

/* A runtime that nobody serves here is an error where the function must run. */
static void judge_runtime(struct importer *im, const struct declared *d)
{
    const struct function_spec *spec = &d->function->spec;
    struct errinfo e = {0};
    if (d->missing || spec->runtime.n == 0 || runtime_parse(spec->runtime, NULL, &e) == ERR_OK)
        return;
    import__say(im, d->needed && im->o->require_code ? IMPORT_ERROR : IMPORT_NOTE, d->spot,
                "the function %.*s cannot run here: %s", SHORT(spec->name), e.text);
}

void import__judge_functions(struct importer *im)
{
    const char *file = im->file;
    note_idle_overrides(im);
    for (struct declared *d = im->declared; d; d = d->next) {
        const struct function_spec *spec = &d->function->spec;
        if (d->elsewhere && !d->function->code_missing)
            continue;
        if (d->elsewhere)
            d->missing = "its code is not here";
        bool severe = d->needed && im->o->require_code;
        im->file = d->file;
        d->function->code_missing = d->missing != NULL;
        bool unknown = d->guards && !d->elsewhere && d->logical.n == 0;
        if (d->missing)
            import__say(im,
                        severe    ? IMPORT_ERROR
                        : unknown ? IMPORT_WARNING /* dev and serve refuse it */
                                  : IMPORT_NOTE,
                        d->spot,
                        "the function %.*s cannot run here: %s; say where its code is with "
                        "--function %.*s=DIR:HANDLER",
                        SHORT(spec->name), d->missing, SHORT(spec->name));
        import__judge_layers(im, d);
        judge_runtime(im, d);
        if (d->unset.n > 0)
            import__say(im, d->guards && !d->overridden ? IMPORT_ERROR : IMPORT_WARNING,
                        d->unset_spot, "environment variable %.*s of %.*s: %s", SHORT(d->unset),
                        SHORT(spec->name), d->unset_why);
    }
    im->file = file;
}
