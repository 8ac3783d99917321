/* SPDX-License-Identifier: Apache-2.0
 *
 * What Ref and Fn::GetAtt give. Invariant: a name's value is found once, one that leads to itself
 * is unknown, and what only AWS could make up is either unknown or, where nothing but this document
 * refers to it, made from the logical id. */
#include <stdio.h>

#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 80))

static struct str pseudo(const struct importer *im, struct str name)
{
    const struct {
        const char *name;
        struct str value;
    } rows[] = {
        {"AWS::Region", im->model->region},
        {"AWS::AccountId", im->model->account},
        {"AWS::Partition", im->model->partition},
        {"AWS::URLSuffix", STR("amazonaws.com")},
        {"AWS::StackName", STR("ropeline")},
        {"AWS::StackId", STR("arn:aws:cloudformation:stack/ropeline")},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        if (str_eqz(name, rows[i].name))
            return rows[i].value;
    return STR_NONE;
}

/* --- Ref ---------------------------------------------------------------------------------------
 */

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

/* The tag _custom_id_, whether Tags is an object or a list of Key and Value. */
static const struct json *custom_id(const struct json *tags)
{
    for (size_t i = 0; json_is(tags, JSON_ARRAY) && i < tags->n; i++)
        if (str_eqz(json_str_or(json_get(tags->items[i], "Key"), STR("")), "_custom_id_"))
            return json_get(tags->items[i], "Value");
    return json_get(tags, "_custom_id_");
}

static const struct json *name_of_function(struct importer *im, struct symbol *s)
{
    return own_name(im, s, json_get(s->properties, "FunctionName"), s->logical);
}

static const struct json *api_id(struct importer *im, struct symbol *s)
{
    if (im->o->id.n > 0)
        return import__new_text(im, im->o->id, NULL);
    return own_name(im, s, custom_id(import__resolve(im, json_get(s->properties, "Tags"))),
                    import__api_id(im, s->logical));
}

static const struct json *logical(struct importer *im, struct symbol *s)
{
    return import__new_text(im, s->logical, NULL);
}

static const struct json *stage_name(struct importer *im, struct symbol *s)
{
    return own_name(im, s, json_get(s->properties, "StageName"), s->logical);
}
static const struct json *model_name(struct importer *im, struct symbol *s)
{
    return own_name(im, s, json_get(s->properties, "Name"), s->logical);
}
static const struct json *domain_name(struct importer *im, struct symbol *s)
{
    return own_name(im, s, json_get(s->properties, "DomainName"), s->logical);
}

static const struct json *log_group_name(struct importer *im, struct symbol *s)
{
    return own_name(im, s, json_get(s->properties, "LogGroupName"), s->logical);
}

/* A version or an alias of a function: its ARN with the qualifier. */
static const struct json *qualified(struct importer *im, struct symbol *s, struct str qualifier)
{
    struct str name;
    const struct json *function = import__resolve(im, json_get(s->properties, "FunctionName"));
    if (!import__scalar(function, &name))
        return NULL;
    if (!str_starts(name, STR("arn:")))
        name = import__function_arn(im, name);
    return import__new_text(im, import__fmt(im, "%.*s:%.*s", STR_ARG(name), STR_ARG(qualifier)),
                            NULL);
}
static const struct json *version_arn(struct importer *im, struct symbol *s)
{
    return qualified(im, s, STR("1"));
}
static const struct json *alias_arn(struct importer *im, struct symbol *s)
{
    struct str name;
    const struct json *v = import__resolve(im, json_get(s->properties, "Name"));
    return import__scalar(v, &name) ? qualified(im, s, name) : NULL;
}

/* A user pool's id, as ropeline.yaml's user_pools will name it. */
static const struct json *pool_id(struct importer *im, struct symbol *s)
{
    return import__new_text(
        im, import__fmt(im, "%.*s_%.*s", STR_ARG(im->model->region), STR_ARG(s->logical)), NULL);
}

static const struct value_row {
    const char *type;
    const struct json *(*ref)(struct importer *im, struct symbol *s);
} values[] = {
    {"AWS::ApiGateway::DomainName", domain_name},
    {"AWS::ApiGateway::Model", model_name},
    {"AWS::ApiGateway::Stage", stage_name},
    {"AWS::ApiGateway::", logical},
    {"AWS::ApiGatewayV2::DomainName", domain_name},
    {"AWS::ApiGatewayV2::Stage", stage_name},
    {"AWS::ApiGatewayV2::", logical},
    {"AWS::Cognito::UserPoolClient", logical},
    {"AWS::Cognito::UserPool", pool_id},
    {"AWS::Lambda::Alias", alias_arn},
    {"AWS::Lambda::Version", version_arn},
    {"AWS::Logs::LogGroup", log_group_name},
};

static const struct json *find_value(struct importer *im, struct symbol *s)
{
    if (s->kind == SYMBOL_FUNCTION)
        return name_of_function(im, s);
    if (s->kind == SYMBOL_API)
        return api_id(im, s);
    for (size_t i = 0; s->kind == SYMBOL_OTHER && i < COUNTOF(values); i++) {
        struct str type = str_c(values[i].type);
        if (str_ends(type, STR(":")) ? str_starts(s->type, type) : str_eq(s->type, type))
            return values[i].ref(im, s);
    }
    return NULL;
}

const struct json *import__value(struct importer *im, struct symbol *s)
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

static const struct json *unknown_name(const struct importer *im, const struct symbol *s,
                                       struct str name, struct reason *why)
{
    const char *hint = im->bare ? "; give its value with --param" : "";
    if (!s)
        return UNRESOLVED(why, "nothing in this document is named %.*s%s", SHORT(name), hint);
    if (s->kind == SYMBOL_ABSENT)
        return UNRESOLVED(why, "%.*s does not exist: its Condition is false", SHORT(name));
    if (s->state == SYMBOL_BUSY)
        return UNRESOLVED(why, "%.*s leads to itself", SHORT(name));
    if (s->state == SYMBOL_FRESH && s->kind != SYMBOL_OTHER)
        return UNRESOLVED(why, "%.*s is reached through too many other names", SHORT(name));
    if (s->kind != SYMBOL_PARAMETER)
        return UNRESOLVED(why, "what Ref %.*s gives (%.*s) is only known on AWS", SHORT(name),
                          SHORT(s->type));
    if (str_starts(s->type, STR("AWS::SSM::")))
        return UNRESOLVED(why,
                          "parameter %.*s is read from SSM; give its value with --param %.*s=...",
                          SHORT(name), SHORT(name));
    return UNRESOLVED(why,
                      "parameter %.*s has no usable Default; give its value with --param %.*s=...",
                      SHORT(name), SHORT(name));
}

/* The text that SAM names its own resource after, found once. */
static const struct json *made_name(struct importer *im, struct symbol *s, const char *property)
{
    struct str text;
    if (s->made_state == SYMBOL_FRESH && im->depth < LIMIT_JSON_DEPTH) {
        s->made_state = SYMBOL_BUSY;
        im->depth++;
        const struct json *v = import__resolve(im, json_get(s->properties, property));
        im->depth--;
        bool known = import__scalar(v, &text);
        s->made = known ? import__new_text(im, text, v) : NULL;
        s->made_state = s->made ? SYMBOL_KNOWN : SYMBOL_UNKNOWN;
    }
    return s->made_state == SYMBOL_KNOWN ? s->made : NULL;
}

/* SAM makes resources of its own: the stage of an API is <Api>.Stage, and what AutoPublishAlias
 * publishes is <Function>.Version and <Function>.Alias. */
static const struct json *sam_made(struct importer *im, struct str name)
{
    size_t dot = str_rchr(name, '.');
    struct symbol *s = dot == SIZE_MAX ? NULL : import__symbol(im, str_sub(name, 0, dot));
    struct str part = str_from(name, dot == SIZE_MAX ? name.n : dot + 1);
    if (s && s->kind == SYMBOL_API && str_eqz(part, "Stage"))
        return made_name(im, s, "StageName");
    bool version = str_eqz(part, "Version");
    if (!s || s->kind != SYMBOL_FUNCTION || (!version && !str_eqz(part, "Alias")))
        return NULL;
    const struct json *v = import__value(im, s), *alias = made_name(im, s, "AutoPublishAlias");
    if (!v || !alias)
        return NULL;
    struct str arn = import__function_arn(im, v->s), end = version ? STR("1") : alias->s;
    return import__new_text(im, import__fmt(im, "%.*s:%.*s", STR_ARG(arn), STR_ARG(end)), NULL);
}

const struct json *import__ref(struct importer *im, struct str name, struct reason *why)
{
    struct str text = pseudo(im, name);
    if (text.p)
        return import__new_text(im, text, NULL);
    struct symbol *s = import__symbol(im, name);
    if (s)
        s->asked = true;
    const struct json *value = s ? import__value(im, s) : sam_made(im, name);
    if (value)
        return value;
    if (!s && import__override(im, name, name, name))
        return import__new_text(im, name, NULL);
    return unknown_name(im, s, name, why);
}

/* --- Fn::GetAtt --------------------------------------------------------------------------------
 */

static const struct json *arn_of_function(struct importer *im, struct symbol *s)
{
    const struct json *v = import__value(im, s);
    return v ? import__new_text(im, import__function_arn(im, v->s), NULL) : NULL;
}

static const struct json *version_number(struct importer *im, struct symbol *s)
{
    (void)s;
    return import__new_text(im, STR("1"), NULL);
}

static const struct json *root_resource(struct importer *im, struct symbol *s)
{
    const struct json *v = import__value(im, s);
    return v ? import__new_text(im, import__fmt(im, "%.*s/", STR_ARG(v->s)), NULL) : NULL;
}

static const struct json *api_endpoint(struct importer *im, struct symbol *s)
{
    const struct json *v = import__value(im, s);
    return v ? import__new_text(im,
                                import__fmt(im, "https://%.*s.execute-api.%.*s.amazonaws.com",
                                            STR_ARG(v->s), STR_ARG(im->model->region)),
                                NULL)
             : NULL;
}

static const struct json *pool_arn(struct importer *im, struct symbol *s)
{
    const struct model *m = im->model;
    const struct json *v = import__value(im, s);
    return v ? import__new_text(im,
                                import__fmt(im, "arn:%.*s:cognito-idp:%.*s:%.*s:userpool/%.*s",
                                            STR_ARG(m->partition), STR_ARG(m->region),
                                            STR_ARG(m->account), STR_ARG(v->s)),
                                NULL)
             : NULL;
}

static const struct json *pool_provider(struct importer *im, struct symbol *s)
{
    const struct json *v = import__value(im, s);
    return v ? import__new_text(im,
                                import__fmt(im, "cognito-idp.%.*s.amazonaws.com/%.*s",
                                            STR_ARG(im->model->region), STR_ARG(v->s)),
                                NULL)
             : NULL;
}

static const struct json *pool_url(struct importer *im, struct symbol *s)
{
    const struct json *v = pool_provider(im, s);
    return v ? import__new_text(im, import__fmt(im, "https://%.*s", STR_ARG(v->s)), NULL) : NULL;
}

static const struct attribute_row {
    const char *type, *attribute;
    const struct json *(*give)(struct importer *im, struct symbol *s);
} attributes[] = {
    {"AWS::Serverless::Function", "Arn", arn_of_function},
    {"AWS::Lambda::Function", "Arn", arn_of_function},
    {"AWS::Lambda::Alias", "AliasArn", import__value},
    {"AWS::Lambda::Version", "FunctionArn", import__value},
    {"AWS::Lambda::Version", "Version", version_number},
    {"AWS::Serverless::Api", "RootResourceId", root_resource},
    {"AWS::ApiGateway::RestApi", "RootResourceId", root_resource},
    {"AWS::ApiGateway::RestApi", "RestApiId", import__value},
    {"AWS::ApiGateway::Authorizer", "AuthorizerId", import__value},
    {"AWS::ApiGateway::Resource", "ResourceId", import__value},
    {"AWS::ApiGateway::RequestValidator", "RequestValidatorId", import__value},
    {"AWS::ApiGateway::Deployment", "DeploymentId", import__value},
    {"AWS::ApiGateway::ApiKey", "APIKeyId", import__value},
    {"AWS::ApiGateway::UsagePlan", "Id", import__value},
    {"AWS::Serverless::HttpApi", "ApiEndpoint", api_endpoint},
    {"AWS::ApiGatewayV2::Api", "ApiEndpoint", api_endpoint},
    {"AWS::ApiGatewayV2::Api", "ApiId", import__value},
    {"AWS::ApiGatewayV2::Authorizer", "AuthorizerId", import__value},
    {"AWS::ApiGatewayV2::Route", "RouteId", import__value},
    {"AWS::ApiGatewayV2::Integration", "IntegrationId", import__value},
    {"AWS::ApiGatewayV2::Deployment", "DeploymentId", import__value},
    {"AWS::Cognito::UserPool", "Arn", pool_arn},
    {"AWS::Cognito::UserPool", "UserPoolId", import__value},
    {"AWS::Cognito::UserPool", "ProviderName", pool_provider},
    {"AWS::Cognito::UserPool", "ProviderURL", pool_url},
    {"AWS::Cognito::UserPoolClient", "ClientId", import__value},
};

/* A name that no resource has. */
static const struct json *foreign(struct importer *im, struct str name, bool arn,
                                  struct reason *why)
{
    if (arn && (im->elsewhere || import__override(im, name, name, name)))
        return import__new_text(im, import__function_arn(im, name), NULL);
    if (arn)
        return UNRESOLVED(why,
                          "nothing in this document is named %.*s; for a function, say where it is "
                          "with --function %.*s=DIR:HANDLER",
                          SHORT(name), SHORT(name));
    return UNRESOLVED(why, "nothing in this document is named %.*s", SHORT(name));
}

const struct json *import__attribute(struct importer *im, struct str name, struct str attribute,
                                     struct reason *why)
{
    struct symbol *s = import__symbol(im, name);
    if (!s)
        return foreign(im, name, str_eqz(attribute, "Arn"), why);
    for (size_t i = 0; s->kind != SYMBOL_ABSENT && i < COUNTOF(attributes); i++) {
        const struct attribute_row *row = &attributes[i];
        if (!str_eqz(s->type, row->type) || !str_eqz(attribute, row->attribute))
            continue;
        const struct json *value = row->give(im, s);
        return value ? value : unknown_name(im, s, name, why);
    }
    if (s->kind == SYMBOL_ABSENT)
        return unknown_name(im, s, name, why);
    return UNRESOLVED(why, "%.*s of %.*s (%.*s) is only known on AWS", SHORT(attribute),
                      SHORT(name), SHORT(s->type));
}
