/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of a template: its parameters with their values, its resources with what Ref and
 * Fn::GetAtt give for them. Invariant: a name's value is found once, and one that leads to itself
 * is unknown. */
#include <stdio.h>

#include "import_api_int.h"

#define IMPLICIT_API "ServerlessRestApi"
#define UNKNOWN(why, ...) (snprintf((why)->text, sizeof(why)->text, __VA_ARGS__), NULL)
#define SHORT(s) STR_ARG(str_sub((s), 0, 80))

/* Which resources are more to us than a name. */
static const struct kind_row {
    const char *type;
    enum symbol_kind kind;
    const char *globals; /* the section of Globals that comes before its properties */
} kinds[] = {
    {"AWS::Serverless::Function", SYMBOL_FUNCTION, "Function"},
    {"AWS::Lambda::Function", SYMBOL_FUNCTION, NULL},
    {"AWS::Serverless::Api", SYMBOL_API, "Api"},
};

struct symbol *import__symbol(const struct importer *im, struct str logical)
{
    return map_get(&im->names, logical);
}

static struct symbol *add(struct importer *im, struct symbol **tail, struct symbol from)
{
    struct symbol *s = ARENA_NEW(im->a, struct symbol);
    if (!s) {
        import__no_memory(im);
        return NULL;
    }
    *s = from;
    struct symbol *other = import__symbol(im, s->logical);
    if (other) {
        import__say(im, IMPORT_ERROR, s->spot, "\"%.*s\" is the name of a parameter already",
                    SHORT(s->logical));
        return NULL;
    }
    enum err err = map_put(&im->names, s->logical, s, NULL);
    if (err != ERR_OK)
        import__fail(im, err);
    if (*tail)
        (*tail)->next = s;
    else
        im->symbols = s;
    *tail = s;
    return s;
}

static const struct json *at_place(struct json *copy, const struct json *at)
{
    copy->line = at->line;
    copy->col = at->col;
    return copy;
}

static const struct json *merge_arrays(struct importer *im, const struct json *base,
                                       const struct json *over)
{
    struct json *list = json_new_array(im->a, base->n + over->n);
    for (size_t i = 0; list && i < base->n + over->n; i++)
        list->items[list->n++] = i < base->n ? base->items[i] : over->items[i - base->n];
    if (!list)
        import__no_memory(im);
    return list ? at_place(list, over) : over;
}

static const struct json *merge_objects(struct importer *im, const struct json *base,
                                        const struct json *over)
{
    struct json *both = json_new_object(im->a, base->n + over->n);
    for (size_t i = 0; both && i < base->n; i++) {
        struct json_member m = base->members[i];
        m.value = import__merge(im, m.value, json_gets(over, m.key));
        both->members[both->n++] = m;
    }
    for (size_t i = 0; both && i < over->n; i++)
        if (!json_gets(base, over->members[i].key))
            both->members[both->n++] = over->members[i];
    if (!both)
        import__no_memory(im);
    return both ? at_place(both, over) : over;
}

const struct json *import__merge(struct importer *im, const struct json *base,
                                 const struct json *over)
{
    if (!base || !over)
        return over ? over : base;
    if (base->type != over->type || import__is_intrinsic(base) || import__is_intrinsic(over))
        return over;
    if (over->type == JSON_ARRAY)
        return merge_arrays(im, base, over);
    return over->type == JSON_OBJECT ? merge_objects(im, base, over) : over;
}

/* --- parameters ------------------------------------------------------------------------------ */

static const struct import_parameter *given(const struct importer *im, struct str name)
{
    const struct import_parameter *found = NULL;
    for (size_t i = 0; i < im->o->parameter_count; i++)
        if (str_eq(im->o->parameters[i].name, name))
            found = &im->o->parameters[i];
    return found;
}

static bool is_allowed(const struct json *allowed, struct str value)
{
    struct str text;
    for (size_t i = 0; i < allowed->n; i++)
        if (import__scalar(allowed->items[i], &text) && str_eq(text, value))
            return true;
    return false;
}

static const struct json *split_list(struct importer *im, struct str text)
{
    struct json *list = json_new_array(im->a, 4);
    for (struct str rest = text; list && rest.p;) {
        struct str item = str_trim(str_cut(rest, ',', &rest));
        if (json_push(im->a, list, import__new_text(im, item, NULL)) != ERR_OK)
            list = NULL;
    }
    if (!list)
        import__no_memory(im);
    return list;
}

/* The value is never printed: it may be a secret. */
static void read_parameter(struct importer *im, struct symbol *s)
{
    const struct import_parameter *p = given(im, s->logical);
    const struct json *fallback = json_get(s->node, "Default");
    const struct json *allowed = json_get(s->node, "AllowedValues");
    struct str text;
    s->state = SYMBOL_UNKNOWN;
    if (!json_is(s->node, JSON_OBJECT)) {
        import__say(im, IMPORT_ERROR, s->spot, "the parameter %.*s must be an object",
                    SHORT(s->logical));
        return;
    }
    s->type = json_str_or(json_get(s->node, "Type"), STR("String"));
    if (p)
        text = p->value;
    else if (str_starts(s->type, STR("AWS::SSM::")) || !import__scalar(fallback, &text))
        return;
    if (json_is(allowed, JSON_ARRAY) && !is_allowed(allowed, text)) {
        import__say(im, IMPORT_ERROR, p ? s->spot : spot_or(fallback, s->spot),
                    "the value of parameter %.*s is not one of its AllowedValues",
                    SHORT(s->logical));
        return;
    }
    bool list = str_starts(s->type, STR("List<")) || str_eqz(s->type, "CommaDelimitedList");
    s->value = list ? split_list(im, text) : import__new_text(im, text, NULL);
    s->state = s->value ? SYMBOL_KNOWN : SYMBOL_UNKNOWN;
}

static void read_parameters(struct importer *im, const struct json *section, struct symbol **tail)
{
    section = import__object(im, section, "Parameters");
    for (size_t i = 0; section && i < section->n; i++) {
        const struct json_member *m = &section->members[i];
        struct symbol *s = add(im, tail,
                               (struct symbol){.kind = SYMBOL_PARAMETER,
                                               .logical = m->key,
                                               .node = m->value,
                                               .spot = spot_key(m)});
        if (s)
            read_parameter(im, s);
    }
    for (size_t i = 0; i < im->o->parameter_count; i++) {
        const struct import_parameter *p = &im->o->parameters[i];
        const struct symbol *s = import__symbol(im, p->name);
        if (!s)
            import__say(im, IMPORT_ERROR, spot_of(section),
                        "--param %.*s: the template declares no such parameter", SHORT(p->name));
    }
}

/* --- resources ------------------------------------------------------------------------------- */

static void read_resource(struct importer *im, const struct json *doc, const struct json_member *m,
                          struct symbol **tail)
{
    struct symbol from = {
        .kind = SYMBOL_OTHER, .logical = m->key, .node = m->value, .spot = spot_key(m)};
    if (str_starts(m->key, STR("Fn::"))) {
        import__say(im, IMPORT_ERROR, spot_key(m), "%.*s is not resolved yet; write its resources",
                    SHORT(m->key));
        return;
    }
    if (!import__object(im, m->value, "a resource"))
        return;
    if (!json_str(json_get(m->value, "Type"), &from.type)) {
        import__say(im, IMPORT_ERROR, spot_key(m), "the resource %.*s has no Type", SHORT(m->key));
        return;
    }
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (!str_eqz(from.type, kinds[i].type))
            continue;
        const struct json *globals = json_get(doc, "Globals");
        from.kind = kinds[i].kind;
        from.properties =
            import__merge(im, kinds[i].globals ? json_get(globals, kinds[i].globals) : NULL,
                          json_get(m->value, "Properties"));
    }
    (void)add(im, tail, from);
}

/* The API of events that name none: stage Prod, with what Globals says. */
static void add_implicit(struct importer *im, const struct json *doc, struct symbol **tail)
{
    struct symbol from = {.kind = SYMBOL_API, .logical = STR(IMPLICIT_API), .implicit = true};
    struct json *properties = import__new_object(im, NULL);
    if (import__symbol(im, from.logical) || !properties)
        return;
    import__put(im, properties, "StageName", import__new_text(im, STR("Prod"), NULL));
    const struct json *globals = json_get(json_get(doc, "Globals"), "Api");
    from.type = STR("AWS::Serverless::Api");
    from.spot = spot_of(globals);
    from.properties = import__merge(im, globals, properties);
    (void)add(im, tail, from);
}

void import__read_symbols(struct importer *im, const struct json *doc)
{
    struct symbol *tail = NULL;
    read_parameters(im, json_get(doc, "Parameters"), &tail);
    const struct json *resources = import__object(im, json_get(doc, "Resources"), "Resources");
    for (size_t i = 0; resources && i < resources->n; i++)
        read_resource(im, doc, &resources->members[i], &tail);
    if (resources)
        add_implicit(im, doc, &tail);
}

/* --- what they stand for --------------------------------------------------------------------- */

static struct str pseudo(const struct importer *im, struct str name)
{
    const struct {
        const char *name;
        struct str value;
    } rows[] = {
        {"AWS::Region", im->model->region},       {"AWS::AccountId", im->model->account},
        {"AWS::Partition", im->model->partition}, {"AWS::URLSuffix", STR("amazonaws.com")},
        {"AWS::StackName", STR("ropeline")},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        if (str_eqz(name, rows[i].name))
            return rows[i].value;
    return STR_NONE;
}

/* The text of a property that names a resource, or the name that it has without one. */
static const struct json *own_name(struct importer *im, struct symbol *s, const struct json *v,
                                   struct str otherwise)
{
    struct reason why = {"it is no text"};
    struct str text;
    const struct json *named = import__resolve(im, v);
    if (import__scalar(named, &text) && text.n > 0)
        return import__new_text(im, text, named);
    if (import__is_intrinsic(named))
        import__explain(im, named, &why);
    if (named && !json_is(named, JSON_NULL))
        s->unnamed = import__fmt(im, "%s", why.text).p;
    return import__new_text(im, otherwise, NULL);
}

static const struct json *find_value(struct importer *im, struct symbol *s)
{
    if (s->kind == SYMBOL_FUNCTION)
        return own_name(im, s, json_get(s->properties, "FunctionName"), s->logical);
    if (s->kind == SYMBOL_API) {
        const struct json *tags = json_get(s->properties, "Tags");
        return own_name(im, s, json_get(tags, "_custom_id_"), import__api_id(im, s->logical));
    }
    return NULL;
}

static const struct json *value_of(struct importer *im, struct symbol *s)
{
    if (s->state == SYMBOL_FRESH && im->depth < LIMIT_JSON_DEPTH) {
        s->state = SYMBOL_BUSY;
        im->depth++;
        s->value = find_value(im, s);
        im->depth--;
        s->state = s->value ? SYMBOL_KNOWN : SYMBOL_UNKNOWN;
    }
    return s->state == SYMBOL_KNOWN ? s->value : NULL;
}

static const struct json *unknown_name(const struct symbol *s, struct str name, struct reason *why)
{
    if (!s)
        return UNKNOWN(why, "nothing in this document is named %.*s", SHORT(name));
    if (s->state == SYMBOL_BUSY)
        return UNKNOWN(why, "%.*s leads to itself", SHORT(name));
    if (s->state == SYMBOL_FRESH && s->kind != SYMBOL_OTHER)
        return UNKNOWN(why, "%.*s is reached through too many other names", SHORT(name));
    if (s->kind != SYMBOL_PARAMETER)
        return UNKNOWN(why, "what Ref %.*s gives (%.*s) is only known on AWS", SHORT(name),
                       SHORT(s->type));
    if (str_starts(s->type, STR("AWS::SSM::")))
        return UNKNOWN(why, "parameter %.*s is read from SSM; give its value with --param %.*s=...",
                       SHORT(name), SHORT(name));
    return UNKNOWN(why,
                   "parameter %.*s has no usable Default; give its value with --param %.*s=...",
                   SHORT(name), SHORT(name));
}

/* SAM names the stage it makes for an API <Api>.Stage. */
static bool is_stage_of(struct importer *im, struct str name, const struct json **stage)
{
    struct str logical = str_sub(name, 0, name.n < 6 ? 0 : name.n - 6);
    struct symbol *s = str_ends(name, STR(".Stage")) ? import__symbol(im, logical) : NULL;
    if (!s || s->kind != SYMBOL_API)
        return false;
    *stage = json_get(s->properties, "StageName");
    const struct json *parameter = json_get(*stage, "Ref");
    s = json_is(parameter, JSON_STRING) ? import__symbol(im, parameter->s) : NULL;
    if (s && s->kind == SYMBOL_PARAMETER)
        *stage = s->value;
    return json_is(*stage, JSON_STRING);
}

const struct json *import__ref(struct importer *im, struct str name, struct reason *why)
{
    const struct json *stage;
    struct str text = pseudo(im, name);
    if (text.p)
        return import__new_text(im, text, NULL);
    struct symbol *s = import__symbol(im, name);
    const struct json *value = s ? value_of(im, s) : NULL;
    if (value)
        return value;
    if (!s && import__override(im, name, name, name))
        return import__new_text(im, name, NULL);
    if (!s && is_stage_of(im, name, &stage))
        return stage;
    return unknown_name(s, name, why);
}

const struct json *import__attribute(struct importer *im, struct str name, struct str attribute,
                                     struct reason *why)
{
    struct symbol *s = import__symbol(im, name);
    bool arn = str_eqz(attribute, "Arn");
    if (arn && s && s->kind == SYMBOL_FUNCTION) {
        const struct json *value = value_of(im, s);
        return value ? import__new_text(im, import__function_arn(im, value->s), NULL)
                     : unknown_name(s, name, why);
    }
    if (arn && !s && import__override(im, name, name, name))
        return import__new_text(im, import__function_arn(im, name), NULL);
    if (!s && arn)
        return UNKNOWN(why,
                       "nothing in this document is named %.*s; for a function, say where it is "
                       "with --function %.*s=DIR:HANDLER",
                       SHORT(name), SHORT(name));
    if (!s)
        return UNKNOWN(why, "nothing in this document is named %.*s", SHORT(name));
    return UNKNOWN(why, "%.*s of %.*s (%.*s) is only known on AWS", SHORT(attribute), SHORT(name),
                   SHORT(s->type));
}
