/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of a template: its parameters with their values, and its resources. Invariant: a
 * resource whose Condition is false is absent, and one whose Condition is not known is refused if
 * it could make, guard or open a route. */
#include <stdio.h>

#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 80))

/* Which resources are more to us than a name. */
static const struct kind_row {
    const char *type;
    enum symbol_kind kind;
    enum api_kind api_kind;
    const char *globals; /* the section of Globals that comes before its properties */
} kinds[] = {
    {"AWS::Serverless::Function", SYMBOL_FUNCTION, API_REST, "Function"},
    {"AWS::Lambda::Function", SYMBOL_FUNCTION, API_REST, NULL},
    {"AWS::Serverless::Api", SYMBOL_API, API_REST, "Api"},
    {"AWS::Serverless::HttpApi", SYMBOL_API, API_HTTP, "HttpApi"},
    {"AWS::ApiGateway::RestApi", SYMBOL_API, API_REST, NULL},
    {"AWS::ApiGatewayV2::Api", SYMBOL_API, API_HTTP, NULL},
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
    if (s->kind == SYMBOL_API) {
        s->next_api = im->api_symbols;
        im->api_symbols = s;
    }
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

/* Resources of these types decide what is served and who may call it. */
static bool matters(struct str type)
{
    static const char *const prefixes[] = {"AWS::ApiGateway", "AWS::Serverless::", "AWS::Lambda::"};
    for (size_t i = 0; i < COUNTOF(prefixes); i++)
        if (str_starts(type, str_c(prefixes[i])))
            return true;
    return false;
}

static bool is_absent(struct importer *im, const struct symbol *s)
{
    const struct json *v = json_get(s->node, "Condition");
    struct reason why;
    struct str name;
    bool yes = true;
    if (!import__text(im, v, "Condition", &name) || import__condition(im, name, &yes, &why))
        return !yes;
    import__say(im, matters(s->type) ? IMPORT_ERROR : IMPORT_NOTE, spot_of(v),
                "whether %.*s (%.*s) exists is not decided: %s", SHORT(s->logical), SHORT(s->type),
                why.text);
    return false;
}

static void set_kind(struct importer *im, const struct json *doc, struct symbol *s)
{
    const struct json *properties = json_get(s->node, "Properties");
    s->properties = properties;
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (!str_eqz(s->type, kinds[i].type))
            continue;
        const struct json *globals = json_get(doc, "Globals");
        s->kind = kinds[i].kind;
        s->api_kind = kinds[i].api_kind;
        if (kinds[i].globals)
            s->properties = import__merge(im, json_get(globals, kinds[i].globals), properties);
    }
    if (is_absent(im, s))
        s->kind = SYMBOL_ABSENT;
}

static void read_resource(struct importer *im, const struct json *doc, const struct json_member *m,
                          struct symbol **tail)
{
    struct symbol from = {
        .kind = SYMBOL_OTHER, .logical = m->key, .node = m->value, .spot = spot_key(m)};
    if (str_starts(m->key, STR("Fn::"))) {
        import__say(im, IMPORT_ERROR, spot_key(m), "%.*s is not resolved; write its resources",
                    SHORT(m->key));
        return;
    }
    if (!import__object(im, m->value, "a resource"))
        return;
    if (!json_str(json_get(m->value, "Type"), &from.type)) {
        import__say(im, IMPORT_ERROR, spot_key(m), "the resource %.*s has no Type", SHORT(m->key));
        return;
    }
    set_kind(im, doc, &from);
    (void)add(im, tail, from);
}

/* The APIs of events that name none, with what Globals says. */
static void add_implicit(struct importer *im, const struct json *doc, const struct symbol *like,
                         const char *section, const char *stage, struct symbol **tail)
{
    struct json *properties = import__new_object(im, NULL);
    struct symbol from = *like;
    if (import__symbol(im, from.logical) || !properties)
        return;
    import__put(im, properties, "StageName", import__new_text(im, str_c(stage), NULL));
    const struct json *globals = json_get(json_get(doc, "Globals"), section);
    from.kind = SYMBOL_API;
    from.implicit = true;
    from.spot = spot_of(globals);
    from.properties = import__merge(im, globals, properties);
    (void)add(im, tail, from);
}

void import__read_given(struct importer *im)
{
    struct symbol *tail = NULL;
    for (size_t i = 0; i < im->o->parameter_count; i++) {
        const struct import_parameter *p = &im->o->parameters[i];
        const struct json *value = import__new_text(im, p->value, NULL);
        if (value && !import__symbol(im, p->name))
            (void)add(im, &tail,
                      (struct symbol){.kind = SYMBOL_PARAMETER,
                                      .state = SYMBOL_KNOWN,
                                      .logical = p->name,
                                      .type = STR("String"),
                                      .value = value});
    }
}

void import__check_given(struct importer *im)
{
    for (const struct symbol *s = im->symbols; s; s = s->next)
        if (!s->asked)
            import__say(im, IMPORT_ERROR, (struct spot){0, 0},
                        "--param %.*s: nothing in this document asks for it", SHORT(s->logical));
}

void import__read_symbols(struct importer *im, const struct json *doc)
{
    struct symbol *tail = NULL;
    const struct symbol rest = {.logical = STR("ServerlessRestApi"),
                                .type = STR("AWS::Serverless::Api"),
                                .api_kind = API_REST};
    const struct symbol http = {.logical = STR("ServerlessHttpApi"),
                                .type = STR("AWS::Serverless::HttpApi"),
                                .api_kind = API_HTTP};
    read_parameters(im, json_get(doc, "Parameters"), &tail);
    im->mappings = import__object(im, json_get(doc, "Mappings"), "Mappings");
    import__read_conditions(im, json_get(doc, "Conditions"));
    const struct json *resources = import__object(im, json_get(doc, "Resources"), "Resources");
    for (size_t i = 0; resources && i < resources->n; i++)
        read_resource(im, doc, &resources->members[i], &tail);
    if (!resources)
        return;
    add_implicit(im, doc, &rest, "Api", "Prod", &tail);
    add_implicit(im, doc, &http, "HttpApi", "$default", &tail);
}
