/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys, usage plans and custom domains: AWS::ApiGateway::ApiKey, UsagePlan, UsagePlanKey,
 * DomainName, BasePathMapping, AWS::ApiGatewayV2::DomainName, ApiMapping. Invariant: a limit or a
 * key that cannot be read refuses the document. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* --- the model's lists --------------------------------------------------------------------------
 */

struct model_api_key *import__new_key(struct importer *im, struct str id, const struct json *spec,
                                      struct spot at)
{
    struct model_api_key *k = ARENA_NEW(im->a, struct model_api_key);
    if (!k || !spec) {
        import__no_memory(im);
        return NULL;
    }
    *k = (struct model_api_key){.id = id, .spec = spec, .at = {im->file, at.line, at.col}};
    *im->keys_end = k;
    im->keys_end = &k->next;
    if (!json_get(spec, "value"))
        import__say(im, IMPORT_NOTE, at,
                    "the value of API key %.*s is made up, as on AWS: dev and serve keep it in "
                    "api-keys.json of their state directory",
                    SHORT(id));
    return k;
}

struct model_usage_plan *import__new_plan(struct importer *im, struct str id,
                                          const struct json *spec, struct spot at)
{
    struct model_usage_plan *p = ARENA_NEW(im->a, struct model_usage_plan);
    if (!p || !spec) {
        import__no_memory(im);
        return NULL;
    }
    *p = (struct model_usage_plan){.id = id, .spec = spec, .at = {im->file, at.line, at.col}};
    *im->plans_end = p;
    im->plans_end = &p->next;
    return p;
}

struct model_domain *import__new_domain(struct importer *im, struct str name, struct spot at)
{
    char *lower = arena_cstr(im->a, name);
    for (size_t i = 0; lower && i < name.n; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] - 'A' + 'a');
    for (struct model_domain *d = im->model->domains; lower && d; d = d->next)
        if (str_eqz(d->name, lower))
            return d;
    struct model_domain *d = lower ? ARENA_NEW(im->a, struct model_domain) : NULL;
    struct json *spec = d ? import__new_object(im, NULL) : NULL;
    if (!spec) {
        import__no_memory(im);
        return NULL;
    }
    import__put(im, spec, "mappings", json_new_array(im->a, 1));
    *d = (struct model_domain){
        .name = str_c(lower), .spec = spec, .at = {im->file, at.line, at.col}};
    *im->domains_end = d;
    im->domains_end = &d->next;
    return d;
}

void import__add_mapping(struct importer *im, struct model_domain *d, struct str base_path,
                         struct str api_id, struct str stage)
{
    struct json *one = import__new_object(im, NULL), *list = json_new_array(im->a, 2);
    struct json *spec = import__new_object(im, NULL);
    if (!d || !one || !list || !spec)
        return;
    import__put(im, one, "basePath", import__new_text(im, base_path, NULL));
    import__put(im, one, "apiId", import__new_text(im, api_id, NULL));
    import__put(im, one, "stage", import__new_text(im, stage, NULL));
    if (json_push(im->a, list, one) != ERR_OK)
        import__no_memory(im);
    for (size_t i = 0; i < d->spec->n; i++)
        if (json_set(im->a, spec, d->spec->members[i].key, d->spec->members[i].value) != ERR_OK)
            import__no_memory(im);
    import__put(im, spec, "mappings", import__merge(im, json_get(d->spec, "mappings"), list));
    d->spec = spec;
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static void read_key(struct importer *im, struct symbol *s, const struct json *p)
{
    static const struct key_row rows[] = {
        {"CustomerId", KEY_SILENT, NULL}, {"Description", KEY_SILENT, NULL},
        {"Enabled", KEY_READ, NULL},      {"GenerateDistinctId", KEY_SILENT, NULL},
        {"Name", KEY_READ, NULL},         {"StageKeys", KEY_READ, NULL},
        {"Tags", KEY_SILENT, NULL},       {"Value", KEY_READ, NULL},
    };
    static const struct key_table keys = {"AWS::ApiGateway::ApiKey", rows, COUNTOF(rows),
                                          KEY_REFUSE};
    struct json *spec = import__new_object(im, s->node), *list = json_new_array(im->a, 1);
    struct str text = s->logical;
    import__check_keys(im, p, &keys);
    (void)import__text(im, json_get(p, "Name"), "Name", &text);
    import__put(im, spec, "name", import__new_text(im, text, NULL));
    if (import__text(im, json_get(p, "Value"), "Value", &text))
        import__put(im, spec, "value", import__new_text(im, text, json_get(p, "Value")));
    import__put(im, spec, "enabled",
                json_new_bool(im->a, import__flag(im, json_get(p, "Enabled"), "Enabled", false)));
    const struct json *stages = import__array(im, json_get(p, "StageKeys"), "StageKeys");
    for (size_t i = 0; stages && i < stages->n; i++) {
        const struct json *one = import__camel(im, stages->items[i]);
        if (!list || !one || json_push(im->a, list, one) != ERR_OK)
            import__no_memory(im);
    }
    if (stages)
        import__put(im, spec, "stageKeys", list);
    (void)import__new_key(im, s->logical, spec, s->spot);
}

/* --- plans --------------------------------------------------------------------------------------
 */

/* {"path/VERB" or "/path/VERB": {"rateLimit", "burstLimit"}} */
static const struct json *method_throttles(struct importer *im, const struct json *v)
{
    v = import__object(im, v, "Throttle");
    struct json *out = v ? import__new_object(im, v) : NULL;
    for (size_t i = 0; out && i < v->n; i++)
        if (json_set(im->a, out, v->members[i].key, import__limits(im, v->members[i].value)))
            import__no_memory(im);
    return out;
}

static const struct json *plan_stages(struct importer *im, const struct json *v)
{
    v = import__array(im, v, "ApiStages");
    struct json *list = json_new_array(im->a, v ? v->n : 1);
    struct str text;
    for (size_t i = 0; v && list && i < v->n; i++) {
        const struct json *one = import__object(im, v->items[i], "ApiStages");
        struct json *out = one ? import__new_object(im, one) : NULL;
        if (!out)
            continue;
        if (import__text(im, json_get(one, "ApiId"), "ApiId", &text))
            import__put(im, out, "apiId", import__new_text(im, text, NULL));
        if (import__text(im, json_get(one, "Stage"), "Stage", &text))
            import__put(im, out, "stage", import__new_text(im, text, NULL));
        const struct json *throttle = json_get(one, "Throttle");
        if (throttle && (throttle = method_throttles(im, throttle)))
            import__put(im, out, "throttle", throttle);
        if (json_push(im->a, list, out) != ERR_OK)
            import__no_memory(im);
    }
    return list;
}

static void read_plan(struct importer *im, struct symbol *s, const struct json *p)
{
    static const struct key_row rows[] = {
        {"ApiStages", KEY_READ, NULL}, {"Description", KEY_SILENT, NULL},
        {"Quota", KEY_READ, NULL},     {"Tags", KEY_SILENT, NULL},
        {"Throttle", KEY_READ, NULL},  {"UsagePlanName", KEY_READ, NULL},
    };
    static const struct key_table keys = {"AWS::ApiGateway::UsagePlan", rows, COUNTOF(rows),
                                          KEY_REFUSE};
    struct json *spec = import__new_object(im, s->node);
    struct str name = s->logical;
    import__check_keys(im, p, &keys);
    (void)import__text(im, json_get(p, "UsagePlanName"), "UsagePlanName", &name);
    import__put(im, spec, "name", import__new_text(im, name, NULL));
    if (import__object(im, json_get(p, "Quota"), "Quota"))
        import__put(im, spec, "quota", import__limits(im, json_get(p, "Quota")));
    if (import__object(im, json_get(p, "Throttle"), "Throttle"))
        import__put(im, spec, "throttle", import__limits(im, json_get(p, "Throttle")));
    import__put(im, spec, "apiStages", plan_stages(im, json_get(p, "ApiStages")));
    import__put(im, spec, "keyIds", json_new_array(im->a, 1));
    (void)import__new_plan(im, s->logical, spec, s->spot);
}

static struct model_usage_plan *find_plan(const struct importer *im, struct str id)
{
    struct model_usage_plan *p = im->model->usage_plans;
    while (p && !str_eq(p->id, id))
        p = p->next;
    return p;
}

static void read_plan_key(struct importer *im, struct symbol *s, const struct json *p)
{
    static const struct key_row rows[] = {
        {"KeyId", KEY_READ, NULL}, {"KeyType", KEY_READ, NULL}, {"UsagePlanId", KEY_READ, NULL}};
    static const struct key_table keys = {"AWS::ApiGateway::UsagePlanKey", rows, COUNTOF(rows),
                                          KEY_REFUSE};
    struct str key, plan;
    import__check_keys(im, p, &keys);
    if (!import__text(im, json_get(p, "KeyId"), "KeyId", &key) ||
        !import__text(im, json_get(p, "UsagePlanId"), "UsagePlanId", &plan))
        return;
    struct model_usage_plan *to = find_plan(im, plan);
    if (!to) {
        import__say(im, IMPORT_ERROR, spot_or(json_get(p, "UsagePlanId"), s->spot),
                    "there is no usage plan \"%.*s\" in this document", SHORT(plan));
        return;
    }
    struct json *spec = import__new_object(im, to->spec), *one = json_new_array(im->a, 1);
    if (!one || json_push(im->a, one, import__new_text(im, key, NULL)) != ERR_OK)
        import__no_memory(im);
    for (size_t i = 0; spec && i < to->spec->n; i++)
        if (json_set(im->a, spec, to->spec->members[i].key, to->spec->members[i].value))
            import__no_memory(im);
    import__put(im, spec, "keyIds", import__merge(im, json_get(to->spec, "keyIds"), one));
    to->spec = spec;
}

/* --- domains ------------------------------------------------------------------------------------
 */

static void read_domain(struct importer *im, struct symbol *s, const struct json *p)
{
    struct str name;
    const struct json *given = json_get(p, "DomainName");
    const struct json *mutual = json_get(p, "MutualTlsAuthentication");
    if (mutual)
        import__say(im, IMPORT_ERROR, spot_of(mutual),
                    "MutualTlsAuthentication: client certificates are not asked for yet");
    if (import__text(im, given, "DomainName", &name))
        (void)import__new_domain(im, name, spot_or(given, s->spot));
}

static void read_mapping(struct importer *im, struct symbol *s, const struct json *p)
{
    bool second = str_starts(s->type, STR("AWS::ApiGatewayV2::"));
    const char *api_key = second ? "ApiId" : "RestApiId";
    struct str domain, id, stage = STR(""), path = STR("");
    if (!import__text(im, json_get(p, "DomainName"), "DomainName", &domain) ||
        !import__text(im, json_get(p, api_key), api_key, &id))
        return;
    (void)import__text(im, json_get(p, "Stage"), "Stage", &stage);
    const char *path_key = second ? "ApiMappingKey" : "BasePath";
    (void)import__text(im, json_get(p, path_key), path_key, &path);
    if (str_eqz(path, "(none)"))
        path = STR("");
    import__add_mapping(im, import__new_domain(im, domain, s->spot), path, id, stage);
}

static const struct {
    const char *type;
    void (*read)(struct importer *im, struct symbol *s, const struct json *properties);
} readers[] = {
    {"AWS::ApiGateway::ApiKey", read_key},
    {"AWS::ApiGateway::UsagePlan", read_plan},
    {"AWS::ApiGateway::UsagePlanKey", read_plan_key},
    {"AWS::ApiGateway::DomainName", read_domain},
    {"AWS::ApiGatewayV2::DomainName", read_domain},
    {"AWS::ApiGateway::BasePathMapping", read_mapping},
    {"AWS::ApiGatewayV2::ApiMapping", read_mapping},
};

void import__cfn_keys(struct importer *im)
{
    for (size_t i = 0; i < COUNTOF(readers); i++) /* plans before their keys */
        for (struct symbol *s = im->symbols; s; s = s->next)
            if (s->kind == SYMBOL_OTHER && str_eqz(s->type, readers[i].type))
                readers[i].read(im, s, import__properties(im, s));
}
