/* SPDX-License-Identifier: Apache-2.0
 *
 * A model judged and turned into a snapshot: authorizers and integrations compiled, functions
 * looked up, routes in a tree. Everything is copied; what cannot be resolved or is not served is a
 * problem by name, and one problem fails the whole. Invariant: a method whose authorizationType is
 * not NONE gets an authorizer or the snapshot is not made. */
#include "base/crypt.h"
#include "base/limits.h"
#include "domain_int.h"
#include "http_api_int.h"
#include "mapping_int.h"
#include "validate_int.h"

void freeze__report(struct freezer *f, const struct model_place *at, const struct errinfo *e)
{
    struct model_place place = *at;
    if (e->line) {
        place.line = e->line;
        place.col = e->col;
    }
    if (e->code == ERR_NOMEM)
        f->nomem = true;
    f->problems++;
    f->problem(f->arg, &place, e->text[0] ? e->text : err_text(e->code));
}

bool freeze__failed(struct freezer *f, const struct model_place *at, enum err err,
                    struct errinfo *e)
{
    if (err == ERR_OK)
        return false;
    e->code = err;
    freeze__report(f, at, e);
    return true;
}
static struct str copy(struct freezer *f, struct str s)
{
    struct str c = arena_str(f->snapshot->arena, s);
    if (c.p == NULL) {
        f->nomem = true;
        return STR("");
    }
    return c;
}

static void freeze_variables(struct freezer *f, const struct model_api *m, struct api *api)
{
    size_t n = 0;
    for (const struct model_variable *v = m->variables; v; v = v->next)
        n++;
    api->variables = ARENA_ARRAY(f->snapshot->arena, n, struct variable);
    f->nomem = f->nomem || api->variables == NULL;
    for (const struct model_variable *v = m->variables; v && api->variables; v = v->next)
        api->variables[api->variable_count++] =
            (struct variable){copy(f, v->name), copy(f, v->value)};
}

static void freeze_authorizers(struct freezer *f, const struct model_api *m, struct api *api)
{
    struct authorizer_env env = {.api_id = api->id,
                                 .stage = api->stage,
                                 .http_api = m->kind == API_HTTP,
                                 .roles = m->roles,
                                 .arn_prefix = api->arn_prefix,
                                 .function = functions__find,
                                 .arg = f};
    size_t n = 1; /* that of AWS_IAM */
    if (f->gateway) {
        env.issuers = f->gateway->options.issuers;
        env.sessions = f->gateway->options.sessions;
        env.pools = f->gateway->options.user_pools;
        env.pool_count = f->gateway->options.user_pool_count;
    }
    for (const struct model_authorizer *z = m->authorizers; z; z = z->next)
        n++;
    api->authorizers = ARENA_ARRAY(f->snapshot->arena, n, struct authorizer *);
    f->nomem = f->nomem || api->authorizers == NULL;
    for (const struct model_authorizer *z = m->authorizers; z && api->authorizers; z = z->next) {
        struct errinfo e = {0};
        struct authorizer *made = NULL;
        env.file = str_c(z->at.file);
        enum err err = authorizer_compile(f->snapshot->arena, z->spec, &env, &made, &e);
        if (!freeze__failed(f, &z->at, err, &e))
            api->authorizers[api->authorizer_count++] = made;
    }
}

static void freeze_answers(struct freezer *f, const struct model_api *m, struct api *api)
{
    const struct json *all = m->gateway_responses;
    if (all && all->type != JSON_OBJECT) {
        struct errinfo e = {.text = "gateway responses are {type: {...}}"};
        freeze__failed(f, &m->at, ERR_INVALID, &e);
        return;
    }
    for (size_t i = 0; all && i < all->n; i++) {
        struct errinfo e = {0};
        enum err err = answers__add(f->snapshot->arena, &all->members[i], &api->answers, &e);
        freeze__failed(f, &m->at, err, &e);
    }
}

/* With the account and region that the snapshot is for: short forms are completed with them. */
static void freeze_policy(struct freezer *f, const struct model_api *m, struct api *api)
{
    struct policy_home home = {f->model->partition, f->model->region, f->model->account, m->id};
    struct errinfo e = {0};
    if (m->policy == NULL)
        return;
    enum err err = m->kind == API_REST
                       ? policy_compile_resource(m->policy, &home, &api->policy, &e)
                       : errinfo_at(&e, ERR_UNSUPPORTED, m->policy->line, m->policy->col,
                                    "HTTP APIs have no resource policy");
    (void)freeze__failed(f, &m->at, err, &e);
}

static void freeze_binary(struct freezer *f, const struct model_api *m, struct api *api)
{
    const struct json *all = m->binary_media_types;
    size_t n = json_is(all, JSON_ARRAY) ? all->n : 0;
    struct str *v = ARENA_ARRAY(f->snapshot->arena, n, struct str);
    f->nomem = f->nomem || v == NULL;
    for (size_t i = 0; v && i < n; i++) {
        struct errinfo e = {.text = "a binary media type is written as type/subtype"};
        v[i] = copy(f, json_str_or(all->items[i], STR("")));
        if (str_chr(v[i], '/', 0) == SIZE_MAX)
            freeze__failed(f, &m->at, ERR_INVALID, &e);
    }
    api->binary = v;
    api->binary_count = v ? n : 0;
}

/* AWS_IAM is no authorizer of the document, so the API gets one when a method first wants it. */
static enum err choose_iam(struct freezer *f, struct api *api, const struct authorizer **out,
                           struct errinfo *e)
{
    struct arena *a = f->snapshot->arena;
    struct json *spec = json_new_object(a, 2);
    const struct authorizer_env env = {.http_api = api->kind == API_HTTP};
    struct authorizer *made = NULL;
    if (api->iam == NULL) {
        if (spec == NULL ||
            json_set(a, spec, STR("name"), json_new_str(a, STR("AWS_IAM"))) != ERR_OK ||
            json_set(a, spec, env.http_api ? STR("authorizerType") : STR("type"),
                     json_new_str(a, STR("AWS_IAM"))) != ERR_OK)
            return ERR_NOMEM;
        enum err err = authorizer_compile(a, spec, &env, &made, e);
        if (err != ERR_OK)
            return err;
        api->iam = made;
        api->authorizers[api->authorizer_count++] = made;
    }
    *out = api->iam;
    return ERR_OK;
}

static bool is_served(const struct api *api, struct str type)
{
    return str_eqz(type, "CUSTOM") ||
           str_eqz(type, api->kind == API_HTTP ? "JWT" : "COGNITO_USER_POOLS");
}

/* ERR_OK with *out NULL only for authorizationType NONE. */
static enum err choose_authorizer(struct freezer *f, struct api *api, const struct json *method,
                                  const struct authorizer **out, struct errinfo *e)
{
    struct str type = json_str_or(json_get(method, "authorizationType"), STR(""));
    struct str name = json_str_or(json_get(method, "authorizerName"), STR(""));
    *out = NULL;
    if (str_eqz(type, "NONE") && name.n == 0)
        return ERR_OK;
    if (str_eqz(type, "AWS_IAM"))
        return choose_iam(f, api, out, e);
    if (!is_served(api, type))
        return errinfo_set(e, ERR_UNSUPPORTED, "authorizationType %.*s is not served yet",
                           STR_ARG(str_sub(type, 0, 40)));
    for (size_t i = 0; i < api->authorizer_count; i++)
        if (str_eq(authorizer_name(api->authorizers[i]), name)) {
            *out = api->authorizers[i];
            return ERR_OK;
        }
    return errinfo_set(e, ERR_NOTFOUND, "there is no usable authorizer %.*s for this method",
                       STR_ARG(str_sub(name, 0, 80)));
}

static void freeze_scopes(struct freezer *f, const struct model_place *at,
                          const struct json *method, struct method *to)
{
    const struct json *scopes = json_get(method, "authorizationScopes");
    size_t n = json_is(scopes, JSON_ARRAY) ? scopes->n : 0;
    struct str *v = ARENA_ARRAY(f->snapshot->arena, n, struct str);
    f->nomem = f->nomem || v == NULL;
    for (size_t i = 0; v && i < n; i++) {
        struct errinfo e = {0};
        v[i] = copy(f, json_str_or(scopes->items[i], STR("")));
        if (v[i].n == 0)
            (void)freeze__failed(f, at,
                                 errinfo_at(&e, ERR_INVALID, scopes->items[i]->line,
                                            scopes->items[i]->col,
                                            "a scope is a string that is not empty"),
                                 &e);
    }
    to->scopes = v;
    to->scope_count = v ? n : 0;
}

static struct str make_resource_id(struct freezer *f, struct str path)
{
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    if (crypt_sha256(path, digest) != ERR_OK) {
        f->nomem = true;
        return STR("");
    }
    crypt_hex(digest, 5, hex);
    return copy(f, str_sub(str_c(hex), 0, 6));
}

/* Integrations with services that are not here. */
static enum err refuse_elsewhere(const struct json *integration, struct errinfo *e)
{
    const struct json *subtype = json_get(integration, "integrationSubtype");
    const struct json *link = json_get(integration, "connectionType");
    struct str name = json_str_or(subtype, STR(""));
    if (name.n > 0)
        return errinfo_at(e, ERR_UNSUPPORTED, subtype->line, subtype->col,
                          "integrationSubtype %.*s calls another service of AWS, which is not here",
                          STR_ARG(str_sub(name, 0, 60)));
    if (str_eqz(json_str_or(link, STR("")), "VPC_LINK"))
        return errinfo_at(e, ERR_UNSUPPORTED, link->line, link->col,
                          "VPC links are not served: write the address of the backend as the uri");
    return ERR_OK;
}

static void freeze_method(struct freezer *f, const struct model_api *of,
                          const struct model_method *m, struct api *api)
{
    struct arena *a = f->snapshot->arena;
    struct method *to = ARENA_NEW(a, struct method);
    struct errinfo e = {0};
    if (to == NULL) {
        f->nomem = true;
        return;
    }
    to->api = api;
    to->path = copy(f, m->path);
    to->verb = copy(f, m->verb);
    if (str_eqz(m->path, "$default"))
        to->route = STR("$default");
    else
        to->route = arena_fmt(a, "%.*s %.*s", STR_ARG(m->verb), STR_ARG(m->path));
    f->nomem = f->nomem || to->route.p == NULL;
    to->resource_id = make_resource_id(f, m->path);
    to->api_key_required = json_bool_or(json_get(m->method, "apiKeyRequired"), false);
    to->operation_name = copy(f, json_str_or(json_get(m->method, "operationName"), STR("")));
    freeze_scopes(f, &m->at, m->method, to);
    if (freeze__failed(f, &m->at, choose_authorizer(f, api, m->method, &to->authorizer, &e), &e))
        return;
    struct str type = json_str_or(json_get(m->integration, "type"), STR(""));
    to->kind = integration__kind(type, api->kind);
    if (to->kind == NULL) {
        (void)errinfo_set(&e, ERR_UNSUPPORTED,
                          type.n ? "integrations of type %.*s are not served by this kind of API"
                                 : "No integration defined for method%.*s",
                          STR_ARG(str_sub(type, 0, 40)));
        freeze__report(f, &m->at, &e);
        return;
    }
    if (freeze__failed(f, &m->at, refuse_elsewhere(m->integration, &e), &e))
        return;
    if (freeze__failed(f, &m->at,
                       validate__compile(a, m->method, of->request_validators, of->models,
                                         &to->requirements, &e),
                       &e))
        return;
    struct integration_env env = {api, to->path, m->method, functions__find, f};
    enum err err = to->kind->compile(a, m->integration, &env, &to->conf, &e);
    if (err == ERR_OK)
        err = api->kind == API_HTTP ? route__http_insert(a, api, to, &e)
                                    : route__insert(a, &api->root, to, &e);
    if (freeze__failed(f, &m->at, err, &e))
        return;
    to->index = api->method_count++;
    to->next = api->methods;
    api->methods = to;
}

static void freeze_cors(struct freezer *f, const struct model_api *m, struct api *api)
{
    struct errinfo e = {0};
    if (m->cors && m->kind == API_HTTP)
        freeze__failed(f, &m->at, cors__compile(f->snapshot->arena, m->cors, &api->cors, &e), &e);
}

static void freeze_api(struct freezer *f, const struct model_api *m)
{
    struct snapshot *s = f->snapshot;
    struct api *api = ARENA_NEW(s->arena, struct api), **last = &s->apis;
    if (api == NULL) {
        f->nomem = true;
        return;
    }
    api->kind = m->kind;
    api->id = copy(f, m->id);
    api->stage = copy(f, m->stage);
    api->name = copy(f, m->name);
    api->account = copy(f, f->model->account);
    api->key_from_authorizer = str_eqz(m->api_key_source, "AUTHORIZER");
    api->allow_double_slash = m->allow_double_slash;
    api->only_by_domain = m->disable_execute_api;
    s->any_double_slash = s->any_double_slash || m->allow_double_slash;
    api->arn_prefix = arena_fmt(s->arena, "arn:%.*s:execute-api:%.*s:%.*s:%.*s/%.*s/",
                                STR_ARG(f->model->partition), STR_ARG(f->model->region),
                                STR_ARG(f->model->account), STR_ARG(m->id), STR_ARG(m->stage));
    f->nomem = f->nomem || api->arn_prefix.p == NULL;
    for (struct api *other = s->apis; other; other = other->next)
        if (str_eq(other->stage, api->stage))
            other->stage_is_ambiguous = api->stage_is_ambiguous = true;
    while (*last)
        last = &(*last)->next;
    *last = api;
    freeze_variables(f, m, api);
    freeze_authorizers(f, m, api);
    freeze_answers(f, m, api);
    freeze_cors(f, m, api);
    freeze_policy(f, m, api);
    freeze_binary(f, m, api);
    for (const struct model_method *method = m->methods; method; method = method->next)
        freeze_method(f, m, method, api);
}

/* Everything that freezing judges, into a snapshot for so many workers. NULL after `problem` was
 * told, or when out of memory (*nomem). */
static struct snapshot *freeze(struct freezer *f, size_t workers)
{
    struct arena *a = arena_new(KIB(16), LIMIT_DOCUMENT_ARENA);
    struct snapshot *s = a ? ARENA_NEW(a, struct snapshot) : NULL;
    f->nomem = true;
    if (s)
        s->shares = ARENA_ARRAY(a, workers, struct snapshot_share);
    if (s == NULL || s->shares == NULL) {
        arena_free(a);
        return NULL;
    }
    f->nomem = false;
    f->snapshot = s;
    s->arena = a;
    s->gateway = f->gateway;
    functions__freeze(f);
    for (const struct model_api *api = f->model->apis; api && s->plans; api = api->next)
        freeze_api(f, api);
    if (!f->nomem)
        domain__freeze(f);
    if (!f->nomem)
        usage__freeze(f);
    return s;
}

enum err gateway_freeze(struct gateway *g, const struct model *m,
                        void (*problem)(void *arg, const struct model_place *at, const char *text),
                        void *arg, struct snapshot **out)
{
    struct freezer f = {.gateway = g, .model = m, .problem = problem, .arg = arg};
    struct snapshot *s = freeze(&f, g->workers);
    *out = NULL;
    if (f.problems > 0 || f.nomem) {
        snapshot_discard(s);
        return f.nomem ? ERR_NOMEM : ERR_INVALID;
    }
    *out = s;
    return ERR_OK;
}

enum err gateway_judge(const struct model *m,
                       void (*problem)(void *arg, const struct model_place *at, const char *text),
                       void *arg)
{
    struct freezer f = {.model = m, .problem = problem, .arg = arg};
    struct snapshot *s = freeze(&f, 0);
    if (s)
        s->function_count = 0; /* described only: there is nothing to release */
    snapshot_discard(s);
    return f.nomem ? ERR_NOMEM : f.problems > 0 ? ERR_INVALID : ERR_OK;
}
