/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM templates: the sections, and each resource to whoever reads its type. Invariant: every
 * resource is either read, noted as not served here, or refused because it would make routes. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))
#define SERVERLESS "AWS::Serverless-2016-10-31"

static const struct key_row section_rows[] = {
    {"AWSTemplateFormatVersion", KEY_SILENT, NULL},
    {"Conditions", KEY_READ, NULL},
    {"Description", KEY_SILENT, NULL},
    {"Globals", KEY_READ, NULL},
    {"Mappings", KEY_READ, NULL},
    {"Metadata", KEY_SILENT, NULL},
    {"Outputs", KEY_SILENT, NULL},
    {"Parameters", KEY_READ, NULL},
    {"Resources", KEY_READ, NULL},
    {"Rules", KEY_SILENT, NULL},
    {"Transform", KEY_READ, NULL},
};
static const struct key_table section_keys = {"a template", section_rows, COUNTOF(section_rows),
                                              KEY_WARN};

static const struct key_row global_rows[] = {
    {"Api", KEY_READ, NULL},
    {"CapacityProvider", KEY_SILENT, NULL},
    {"Function", KEY_READ, NULL},
    {"HttpApi", KEY_READ, NULL},
    {"LayerVersion", KEY_SILENT, NULL},
    {"SimpleTable", KEY_SILENT, NULL},
    {"StateMachine", KEY_SILENT, NULL},
    {"WebSocketApi", KEY_SILENT, NULL},
};
static const struct key_table global_keys = {"Globals", global_rows, COUNTOF(global_rows),
                                             KEY_REFUSE};

/* What other resources mean for the routes; the first row that begins the type decides. */
static const struct type_row {
    const char *prefix;
    enum import_severity severity;
    const char *text;
} types[] = {
    {"AWS::Serverless::WebSocketApi", IMPORT_ERROR, "WebSocket APIs are not served yet"},
    {"AWS::Serverless::GraphQLApi", IMPORT_NOTE, "GraphQL APIs are not served here"},
    {"AWS::Serverless::LayerVersion", IMPORT_NOTE, NULL},
    {"AWS::Lambda::LayerVersion", IMPORT_NOTE, NULL},
    {"AWS::Serverless::Application", IMPORT_WARNING, "nested applications are not read"},
    {"AWS::CloudFormation::Stack", IMPORT_WARNING, "nested stacks are not read"},
    {"AWS::CloudFormation::Macro", IMPORT_NOTE, "macros are not run"},
    {"AWS::ApiGateway::Account", IMPORT_NOTE, NULL},
    {"AWS::ApiGateway::ClientCertificate", IMPORT_NOTE, "is not served yet"},
    {"AWS::ApiGateway::Documentation", IMPORT_NOTE, NULL},
    {"AWS::ApiGateway::VpcLink", IMPORT_NOTE, "there is no VPC here"},
    {"AWS::ApiGateway::", IMPORT_ERROR, "this type is not known here, and it may change a route"},
    {"AWS::ApiGatewayV2::VpcLink", IMPORT_NOTE, "there is no VPC here"},
    {"AWS::ApiGatewayV2::IntegrationResponse", IMPORT_ERROR, "WebSocket APIs are not served here"},
    {"AWS::ApiGatewayV2::Route", IMPORT_ERROR, "WebSocket APIs are not served here"},
    {"AWS::ApiGatewayV2::", IMPORT_ERROR, "this type is not known here, and it may change a route"},
    {"AWS::WAFv2::WebACLAssociation", IMPORT_WARNING, "requests are not filtered by a WAF here"},
};

static void judge_other(struct importer *im, const struct symbol *s)
{
    if (import__cfn_reads(s->type))
        return;
    for (size_t i = 0; i < COUNTOF(types); i++) {
        if (!str_starts(s->type, str_c(types[i].prefix)))
            continue;
        if (types[i].text)
            import__say(im, types[i].severity, s->spot, "%.*s (%.*s): %s", SHORT(s->logical),
                        SHORT(s->type), types[i].text);
        return;
    }
    import__say(im, IMPORT_NOTE, s->spot, "%.*s (%.*s) is not served here", SHORT(s->logical),
                SHORT(s->type));
}

/* A state machine may be called by routes of its own. */
static void check_state_machine(struct importer *im, const struct symbol *s)
{
    if (!str_eqz(s->type, "AWS::Serverless::StateMachine"))
        return;
    const struct json *events =
        import__object(im, json_get(json_get(s->node, "Properties"), "Events"), "Events");
    for (size_t i = 0; events && i < events->n; i++) {
        const struct json_member *m = &events->members[i];
        struct str type = json_str_or(json_get(m->value, "Type"), STR(""));
        if (str_eqz(type, "Api") || str_eqz(type, "HttpApi") || import__is_intrinsic(m->value))
            import__say(im, IMPORT_ERROR, spot_key(m),
                        "%.*s: routes to Step Functions are not served", SHORT(m->key));
    }
}

static void check_transform_name(struct importer *im, const struct json *v)
{
    struct str name;
    if (!json_str(v, &name)) {
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "Transform: only the names of transforms are known here");
        return;
    }
    if (str_eqz(name, SERVERLESS) || str_eqz(name, "AWS::CodeDeployBlueGreen") ||
        str_starts(name, STR("AWS::SecretsManager-")))
        return;
    if (str_eqz(name, "AWS::LanguageExtensions"))
        import__say(im, IMPORT_WARNING, spot_of(v),
                    "AWS::LanguageExtensions is not applied; what it adds is refused where it is "
                    "needed");
    else
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "the macro %.*s is not run here, and it could change any route", SHORT(name));
}

static void check_transform(struct importer *im, const struct json *v)
{
    if (json_is(v, JSON_ARRAY))
        for (size_t i = 0; i < v->n; i++)
            check_transform_name(im, v->items[i]);
    else if (v)
        check_transform_name(im, v);
}

/* Here a function may be invoked by the APIs of its own template; AWS wants that said. */
static void note_permissions(struct importer *im)
{
    struct str name;
    for (const struct symbol *s = im->symbols; s; s = s->next) {
        const struct json *v = json_get(json_get(s->node, "Properties"), "FunctionName");
        if (!str_eqz(s->type, "AWS::Lambda::Permission") ||
            !import__scalar(import__resolve(im, v), &name))
            continue;
        struct declared *d = map_get(&im->arns, name);
        if (!d)
            d = map_get(&im->arns, import__function_arn(im, name));
        if (d)
            d->permitted = true;
    }
    for (const struct declared *d = im->declared; d; d = d->next)
        if (d->by_uri && !d->permitted && !d->elsewhere)
            import__say(im, IMPORT_NOTE, d->spot,
                        "AWS would also want an AWS::Lambda::Permission that lets API Gateway "
                        "invoke %.*s",
                        SHORT(d->function->spec.name));
}

/* SAM's APIs, with the routes of their functions' events. */
static void read_serverless(struct importer *im)
{
    for (struct symbol *s = im->symbols; s; s = s->next) {
        if (s->kind != SYMBOL_API || s->implicit)
            continue;
        if (str_eqz(s->type, "AWS::Serverless::Api"))
            import__serverless_api(im, s);
        else if (str_eqz(s->type, "AWS::Serverless::HttpApi"))
            import__serverless_http_api(im, s);
    }
    for (const struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_FUNCTION && str_starts(s->type, STR("AWS::Serverless::")))
            import__events(im, s);
}

void import__template(struct importer *im, const struct json *doc)
{
    import__check_keys(im, doc, &section_keys);
    check_transform(im, json_get(doc, "Transform"));
    import__check_keys(im, import__object(im, json_get(doc, "Globals"), "Globals"), &global_keys);
    import__read_symbols(im, doc);
    for (const struct symbol *s = im->symbols; s; s = s->next)
        if (s->kind == SYMBOL_FUNCTION)
            import__declare_function(im, s);
    import__read_versions(im);
    import__read_log_groups(im);
    read_serverless(im);
    import__cfn(im);
    for (struct import_api *api = im->apis; api; api = api->next) {
        import__cors(im, api);
        if (api->resource_policy)
            import__resource_policy(im, api, api->resource_policy, NULL);
        import__finish_api(im, api);
    }
    for (const struct symbol *s = im->symbols; s; s = s->next) {
        if (s->kind != SYMBOL_OTHER)
            continue;
        judge_other(im, s);
        check_state_machine(im, s);
    }
    note_permissions(im);
}
