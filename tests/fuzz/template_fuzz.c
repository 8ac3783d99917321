/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a template: what loads has no errors, an integration for every method, and for every
 * guarded method its authorizer and that one's function. */
#include "base/limits.h"
#include "import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_function(const struct model *m, struct str uri)
{
    for (const struct model_function *f = m->functions; f; f = f->next)
        if (str_find(uri, f->spec.arn) != SIZE_MAX)
            return true;
    return false;
}

static bool is_guarded(const struct model *m, const struct model_api *api, struct str name)
{
    for (const struct model_authorizer *z = api->authorizers; z; z = z->next)
        if (str_eq(z->name, name))
            return str_eqz(json_get(z->spec, "type")->s, "TOKEN") &&
                   has_function(m, json_get(z->spec, "authorizerUri")->s);
    return false;
}

static void check_api(const struct model *m, const struct model_api *api)
{
    ASSERT(api->id.n > 0 && api->stage.n > 0);
    for (const struct model_method *x = api->methods; x; x = x->next) {
        struct str type = json_get(x->method, "authorizationType")->s;
        ASSERT(x->integration && str_starts(x->path, STR("/")));
        ASSERT(str_eqz(type, "NONE") ||
               (str_eqz(type, "CUSTOM") &&
                is_guarded(m, api, json_get(x->method, "authorizerName")->s)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(KIB(16), MIB(64));
    struct model model = {.arena = a};
    struct import_report report = {.arena = a};
    struct import_options o = {.region = STR("us-east-1"), .account = STR("123456789012")};
    enum err err = import_document(&o, "t.yaml", str_of(data, size), &model, &report);
    ASSERT(err == ERR_OK || err == ERR_NOMEM || report.errors > 0);
    ASSERT(err != ERR_OK || report.errors == 0);
    for (const struct model_api *api = model.apis; err == ERR_OK && api; api = api->next)
        check_api(&model, api);
    arena_free(a);
    return 0;
}
