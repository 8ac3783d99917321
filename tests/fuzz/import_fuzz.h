/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a document: what loads has no errors, an integration for every method, and for every
 * guarded method its authorizer and, where it is a function, that function. */
#ifndef ROPELINE_FUZZ_IMPORT_FUZZ_H
#define ROPELINE_FUZZ_IMPORT_FUZZ_H

#include "base/limits.h"
#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline bool has_function(const struct model *m, struct str uri)
{
    for (const struct model_function *f = m->functions; f; f = f->next)
        if (str_find(uri, f->spec.arn) != SIZE_MAX)
            return true;
    return false;
}

static inline bool is_guarded(const struct model *m, const struct model_api *api, struct str name)
{
    const char *key = api->kind == API_HTTP ? "authorizerType" : "type";
    for (const struct model_authorizer *z = api->authorizers; z; z = z->next) {
        struct str type = json_str_or(json_get(z->spec, key), STR(""));
        if (!str_eq(z->name, name))
            continue;
        if (str_eqz(type, "TOKEN") || str_eqz(type, "REQUEST"))
            return has_function(m, json_get(z->spec, "authorizerUri")->s);
        return str_eqz(type, "JWT") || str_eqz(type, "COGNITO_USER_POOLS");
    }
    return false;
}

static inline void check_api(const struct model *m, const struct model_api *api)
{
    ASSERT(api->id.n > 0 && api->stage.n > 0);
    for (const struct model_method *x = api->methods; x; x = x->next) {
        struct str type = json_get(x->method, "authorizationType")->s;
        ASSERT(x->integration && (str_starts(x->path, STR("/")) || str_eqz(x->path, "$default")));
        ASSERT(str_eqz(type, "NONE") || str_eqz(type, "AWS_IAM") ||
               is_guarded(m, api, json_get(x->method, "authorizerName")->s));
    }
}

/* `to_run`: as dev and serve read it, where code must be there. */
static inline void import_any(const uint8_t *data, size_t size, bool to_run)
{
    struct arena *a = arena_new(KIB(16), MIB(64));
    struct model model = {.arena = a};
    struct import_report report = {.arena = a};
    struct import_options o = {
        .region = STR("us-east-1"), .account = STR("123456789012"), .require_code = to_run};
    enum err err = import_document(&o, "t.yaml", str_of(data, size), &model, &report);
    ASSERT(err == ERR_OK || err == ERR_NOMEM || report.errors > 0);
    ASSERT(err != ERR_OK || report.errors == 0);
    for (const struct model_api *api = model.apis; err == ERR_OK && api; api = api->next)
        check_api(&model, api);
    arena_free(a);
}

#endif
