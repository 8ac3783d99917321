/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM's ResourcePolicy, UsagePlan and Domain: what SAM makes of them. Invariant: the statements are
 * the ones that SAM writes, for every method that is there when the API is complete. */
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

/* --- ResourcePolicy ----------------------------------------------------------------------------
 */

static const struct key_row policy_rows[] = {
    {"CustomStatements", KEY_READ, NULL},       {"AwsAccountWhitelist", KEY_READ, NULL},
    {"AwsAccountBlacklist", KEY_READ, NULL},    {"IpRangeWhitelist", KEY_READ, NULL},
    {"IpRangeBlacklist", KEY_READ, NULL},       {"SourceVpcWhitelist", KEY_READ, NULL},
    {"SourceVpcBlacklist", KEY_READ, NULL},     {"IntrinsicVpcWhitelist", KEY_READ, NULL},
    {"IntrinsicVpcBlacklist", KEY_READ, NULL},  {"IntrinsicVpceWhitelist", KEY_READ, NULL},
    {"IntrinsicVpceBlacklist", KEY_READ, NULL},
};
static const struct key_table policy_keys = {"ResourcePolicy", policy_rows, COUNTOF(policy_rows),
                                             KEY_REFUSE};

/* The lists: each is one statement that denies under a condition, beside one that allows all. */
static const struct {
    const char *property, *operator, * key;
} ranges[] = {
    {"IpRangeWhitelist", "NotIpAddress", "aws:SourceIp"},
    {"IpRangeBlacklist", "IpAddress", "aws:SourceIp"},
    {"IntrinsicVpcWhitelist", "StringNotEquals", "aws:SourceVpc"},
    {"IntrinsicVpcBlacklist", "StringEquals", "aws:SourceVpc"},
    {"IntrinsicVpceWhitelist", "StringNotEquals", "aws:SourceVpce"},
    {"IntrinsicVpceBlacklist", "StringEquals", "aws:SourceVpce"},
};

/* One policy being made. */
struct making {
    struct importer *im;
    struct import_api *api;
    const struct json *v;
    struct json *statements, *resources;
};

static void push(struct making *x, struct json *list, const struct json *v)
{
    if (!list || !v || json_push(x->im->a, list, v) != ERR_OK)
        import__no_memory(x->im);
}

/* execute-api:/prod/GET/pets/STAR for GET /pets/{id} */
static void add_resource(struct making *x, const struct model_method *m)
{
    AUTO_BUF b = BUF_INIT(KIB(4));
    const struct model_api *api = x->api->api;
    buf_addf(&b, "execute-api:/%.*s/", STR_ARG(api->stage));
    buf_add(&b, str_eqz(m->verb, "ANY") ? STR("*") : m->verb);
    for (size_t i = 0; i < m->path.n; i++) {
        size_t close = m->path.p[i] == '{' ? str_chr(m->path, '}', i) : SIZE_MAX;
        buf_addc(&b, close == SIZE_MAX ? m->path.p[i] : '*');
        i = close == SIZE_MAX ? i : close;
    }
    if (b.err != ERR_OK)
        import__fail(x->im, b.err);
    push(x, x->resources, import__new_text(x->im, buf_str(&b), NULL));
}

static struct json *statement(struct making *x, const char *effect, const struct json *principal)
{
    struct json *s = import__new_object(x->im, x->v);
    import__put(x->im, s, "Effect", import__new_text(x->im, str_c(effect), NULL));
    import__put(x->im, s, "Action", import__new_text(x->im, STR("execute-api:Invoke"), NULL));
    import__put(x->im, s, "Resource", x->resources);
    import__put(x->im, s, "Principal", principal);
    return s;
}

static const struct json *everybody(struct making *x)
{
    return import__new_text(x->im, STR("*"), NULL);
}

static void deny_when(struct making *x, const char *operator, const char * key,
                      const struct json *values)
{
    struct json *condition = import__new_object(x->im, values);
    struct json *test = import__new_object(x->im, values);
    struct json *denial = statement(x, "Deny", everybody(x));
    import__put(x->im, test, key, values);
    import__put(x->im, condition, operator, test);
    import__put(x->im, denial, "Condition", condition);
    push(x, x->statements, statement(x, "Allow", everybody(x)));
    push(x, x->statements, denial);
}

static void add_accounts(struct making *x, const char *property, const char *effect)
{
    const struct json *list = import__array(x->im, json_get(x->v, property), property);
    if (!list)
        return;
    struct json *principal = import__new_object(x->im, list);
    import__put(x->im, principal, "AWS", list);
    push(x, x->statements, statement(x, effect, principal));
}

/* SourceVpc...list: ids of VPCs and of their endpoints, told apart by how they begin. */
static void add_sources(struct making *x, const char *property, const char *operator)
{
    const struct json *list = import__array(x->im, json_get(x->v, property), property);
    struct json *lists[2] = {NULL, NULL};
    struct str id;
    for (size_t i = 0; list && i < list->n; i++) {
        if (!import__text(x->im, list->items[i], property, &id))
            continue;
        struct json **to = &lists[str_starts(id, STR("vpce-"))];
        if (!*to)
            *to = json_new_array(x->im->a, list->n);
        push(x, *to, import__new_text(x->im, id, list->items[i]));
    }
    if (lists[0])
        deny_when(x, operator, "aws:SourceVpc", lists[0]);
    if (lists[1])
        deny_when(x, operator, "aws:SourceVpce", lists[1]);
}

static void add_custom(struct making *x)
{
    const struct json *v = json_get(x->v, "CustomStatements");
    for (size_t i = 0; v && (v->type == JSON_ARRAY ? i < v->n : i < 1); i++)
        push(x, x->statements, v->type == JSON_ARRAY ? v->items[i] : v);
}

void import__resource_policy(struct importer *im, struct import_api *api, const struct json *v,
                             const struct route *only)
{
    struct making x = {.im = im, .api = api, .v = import__object(im, v, "ResourcePolicy")};
    const struct json *before = json_get(api->api->policy, "Statement");
    if (!x.v)
        return;
    import__check_keys(im, x.v, &policy_keys);
    x.statements = json_new_array(im->a, 8);
    x.resources = json_new_array(im->a, 8);
    for (size_t i = 0; json_is(before, JSON_ARRAY) && i < before->n; i++)
        push(&x, x.statements, before->items[i]);
    for (const struct route *r = api->first_route; r; r = r->next)
        if (!only || r == only)
            add_resource(&x, r->method);
    add_custom(&x);
    add_accounts(&x, "AwsAccountWhitelist", "Allow");
    add_accounts(&x, "AwsAccountBlacklist", "Deny");
    for (size_t i = 0; i < COUNTOF(ranges); i++) {
        const struct json *list =
            import__array(im, json_get(x.v, ranges[i].property), ranges[i].property);
        if (list)
            deny_when(&x, ranges[i].operator, ranges[i].key, list);
    }
    add_sources(&x, "SourceVpcWhitelist", "StringNotEquals");
    add_sources(&x, "SourceVpcBlacklist", "StringEquals");
    struct json *policy = import__new_object(im, x.v);
    import__put(im, policy, "Version", import__new_text(im, STR("2012-10-17"), NULL));
    import__put(im, policy, "Statement", x.statements);
    api->api->policy = NULL;
    import__set_policy(im, api, policy);
}

/* --- UsagePlan ----------------------------------------------------------------------------------
 */

static const struct key_row plan_rows[] = {
    {"CreateUsagePlan", KEY_READ, NULL}, {"Description", KEY_SILENT, NULL},
    {"Quota", KEY_READ, NULL},           {"Tags", KEY_SILENT, NULL},
    {"Throttle", KEY_READ, NULL},        {"UsagePlanName", KEY_READ, NULL},
};
static const struct key_table plan_keys = {"UsagePlan", plan_rows, COUNTOF(plan_rows), KEY_REFUSE};

static const struct json *one_stage(struct importer *im, const struct model_api *api)
{
    struct json *stage = import__new_object(im, NULL), *list = json_new_array(im->a, 1);
    import__put(im, stage, "apiId", import__new_text(im, api->id, NULL));
    import__put(im, stage, "stage", import__new_text(im, api->stage, NULL));
    if (!list || !stage || json_push(im->a, list, stage) != ERR_OK) {
        import__no_memory(im);
        return NULL;
    }
    return list;
}

/* The plan that all SHARED ones are: it is made once and gets a stage from each. */
static struct model_usage_plan *shared_plan(const struct importer *im)
{
    struct model_usage_plan *p = im->model->usage_plans;
    while (p && !str_eqz(p->id, "ServerlessUsagePlan"))
        p = p->next;
    return p;
}

static void make_plan(struct importer *im, const struct import_api *api, const struct json *v,
                      bool shared)
{
    struct spot at = spot_of(v);
    struct str prefix = shared ? STR("Serverless") : api->api->logical_id;
    struct str plan_id = import__fmt(im, "%.*sUsagePlan", STR_ARG(prefix));
    struct str key_id = import__fmt(im, "%.*sApiKey", STR_ARG(prefix));
    struct json *key = import__new_object(im, v), *plan = import__new_object(im, v);
    struct json *keys = json_new_array(im->a, 1);
    struct str name = plan_id;
    (void)import__text(im, json_get(v, "UsagePlanName"), "UsagePlanName", &name);
    import__put(im, key, "name", import__new_text(im, key_id, NULL));
    import__put(im, key, "enabled", json_new_bool(im->a, true));
    if (!keys || json_push(im->a, keys, import__new_text(im, key_id, NULL)) != ERR_OK)
        import__no_memory(im);
    import__put(im, plan, "name", import__new_text(im, name, NULL));
    if (json_get(v, "Quota"))
        import__put(im, plan, "quota", import__limits(im, json_get(v, "Quota")));
    if (json_get(v, "Throttle"))
        import__put(im, plan, "throttle", import__limits(im, json_get(v, "Throttle")));
    import__put(im, plan, "apiStages", one_stage(im, api->api));
    import__put(im, plan, "keyIds", keys);
    (void)import__new_key(im, key_id, key, at);
    (void)import__new_plan(im, plan_id, plan, at);
}

void import__usage_plan(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str how = STR("");
    v = import__object(im, v, "UsagePlan");
    if (!v)
        return;
    import__check_keys(im, v, &plan_keys);
    const struct json *create = json_get(v, "CreateUsagePlan");
    if (!create)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "UsagePlan needs CreateUsagePlan: PER_API, SHARED or NONE");
    if (!import__text(im, create, "CreateUsagePlan", &how) || str_eqz(how, "NONE"))
        return;
    bool shared = str_eqz(how, "SHARED");
    if (!shared && !str_eqz(how, "PER_API")) {
        import__say(im, IMPORT_ERROR, spot_of(create),
                    "CreateUsagePlan must be PER_API, SHARED or NONE, not \"%.*s\"", SHORT(how));
        return;
    }
    struct model_usage_plan *plan = shared ? shared_plan(im) : NULL;
    if (!plan) {
        make_plan(im, api, v, shared);
        return;
    }
    struct json *spec = import__new_object(im, plan->spec);
    const struct json *one = one_stage(im, api->api);
    for (size_t i = 0; spec && i < plan->spec->n; i++)
        if (json_set(im->a, spec, plan->spec->members[i].key, plan->spec->members[i].value))
            import__no_memory(im);
    import__put(im, spec, "apiStages", import__merge(im, json_get(plan->spec, "apiStages"), one));
    plan->spec = spec;
}

/* --- Domain ------------------------------------------------------------------------------------
 */

static const struct key_row domain_rows[] = {
    {"BasePath", KEY_READ, NULL},
    {"CertificateArn", KEY_NOTE, "certificates come from tls: in ropeline.yaml"},
    {"DomainName", KEY_READ, NULL},
    {"EndpointConfiguration", KEY_SILENT, NULL},
    {"AccessAssociation", KEY_SILENT, NULL},
    {"IpAddressType", KEY_SILENT, NULL},
    {"MutualTlsAuthentication", KEY_REFUSE, "client certificates are not asked for yet"},
    {"NormalizeBasePath", KEY_READ, NULL},
    {"OwnershipVerificationCertificateArn", KEY_SILENT, NULL},
    {"Policy", KEY_REFUSE, "policies of a domain are not served yet"},
    {"Route53", KEY_SILENT, NULL},
    {"SecurityPolicy", KEY_SILENT, NULL},
};
static const struct key_table domain_keys = {"Domain", domain_rows, COUNTOF(domain_rows),
                                             KEY_REFUSE};

void import__sam_domain(struct importer *im, struct import_api *api, const struct json *v)
{
    struct str name, path;
    v = import__object(im, v, "Domain");
    if (!v)
        return;
    import__check_keys(im, v, &domain_keys);
    const struct json *given = json_get(v, "DomainName"), *paths = json_get(v, "BasePath");
    if (!given)
        import__say(im, IMPORT_ERROR, spot_of(v), "Domain needs a DomainName");
    if (!import__text(im, given, "DomainName", &name))
        return;
    struct model_domain *d = import__new_domain(im, name, spot_of(given));
    if (!paths) {
        import__add_mapping(im, d, STR(""), api->api->id, api->api->stage);
        return;
    }
    for (size_t i = 0; paths->type == JSON_ARRAY ? i < paths->n : i < 1; i++) {
        const struct json *one = paths->type == JSON_ARRAY ? paths->items[i] : paths;
        if (!import__text(im, one, "BasePath", &path))
            continue;
        while (str_starts(path, STR("/")))
            path = str_from(path, 1);
        import__add_mapping(im, d, path, api->api->id, api->api->stage);
    }
}
