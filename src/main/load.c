/* SPDX-License-Identifier: Apache-2.0
 *
 * From the files that a configuration names to one model. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "config.h"
#include "file.h"

/* --param and this API's own parameters, which win. */
static enum err join_parameters(const struct config *c, const struct config_api *api,
                                struct arena *a, struct import_options *o)
{
    size_t own = api->parameters ? api->parameters->n : 0;
    struct import_parameter *v = ARENA_ARRAY(a, c->parameter_count + own, struct import_parameter);
    if (v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < own; i++) {
        const struct json_member *m = &api->parameters->members[i];
        v[o->parameter_count++] = (struct import_parameter){m->key, m->value->s};
    }
    for (size_t i = 0; i < c->parameter_count; i++)
        v[o->parameter_count++] = c->parameters[i];
    o->parameters = v;
    return ERR_OK;
}

/* --- custom domains -----------------------------------------------------------------------------
 */
/* The model's domain of that name, made if there is none; NULL when out of memory. */
static struct model_domain *find_domain(struct model *m, const struct config_api *api)
{
    struct model_domain **at = &m->domains;
    while (*at && !str_eq((*at)->name, api->domain))
        at = &(*at)->next;
    if (*at == NULL && (*at = ARENA_NEW(m->arena, struct model_domain)) != NULL)
        **at = (struct model_domain){.name = api->domain, .at = api->at};
    return *at;
}

/* A copy of `spec` with one member more, or another. */
static const struct json *spec_with(struct arena *a, const struct json *spec, const char *key,
                                    const struct json *value)
{
    struct json *out = spec ? json_new_copy(a, spec) : json_new_object(a, 2);
    return out && value && json_set(a, out, str_c(key), value) == ERR_OK ? out : NULL;
}

static enum err add_mapping(struct model *m, struct model_domain *d, const struct model_api *api,
                            struct str base_path)
{
    struct arena *a = m->arena;
    const struct json *given = json_get(d->spec, "mappings");
    struct json *list = given ? json_new_copy(a, given) : json_new_array(a, 1);
    struct json *one = json_new_object(a, 3);
    struct json *path = json_new_str(a, base_path), *id = json_new_str(a, api->id);
    struct json *stage = json_new_str(a, api->stage);
    if (!list || !one || !path || !id || !stage ||
        json_set(a, one, STR("basePath"), path) != ERR_OK ||
        json_set(a, one, STR("apiId"), id) != ERR_OK ||
        json_set(a, one, STR("stage"), stage) != ERR_OK || json_push(a, list, one) != ERR_OK)
        return ERR_NOMEM;
    d->spec = spec_with(a, d->spec, "mappings", list);
    return d->spec ? ERR_OK : ERR_NOMEM;
}

/* What ropeline.yaml says of the domain of a document's API, the first from `api` on. */
static enum err place(const struct config_api *c, struct model *m, const struct model_api *api,
                      struct import_report *report)
{
    if (c->domain.n == 0 || api == NULL)
        return ERR_OK;
    if (api->next) {
        import_note(report, IMPORT_ERROR, c->at.file, c->at.line, c->at.col,
                    "domain is of one API, and %s has several: map them in the template",
                    c->template);
        return ERR_INVALID;
    }
    struct model_domain *d = find_domain(m, c);
    return d ? add_mapping(m, d, api, c->base_path) : ERR_NOMEM;
}

/* A domain that has a certificate of its own is never served in the clear, as on AWS. */
static enum err secure_domains(const struct config *c, struct model *m)
{
    for (struct model_domain *d = m->domains; d; d = d->next) {
        size_t dot = str_chr(d->name, '.', 0);
        bool own = false;
        for (size_t i = 0; i < c->tls_count; i++) {
            struct str name = c->tls[i].domain;
            own = own || str_eq(name, d->name) ||
                  (str_starts(name, STR("*.")) && dot != SIZE_MAX &&
                   str_eq(str_from(name, 1), str_from(d->name, dot)));
        }
        if (own)
            d->spec = spec_with(m->arena, d->spec, "tlsOnly", json_new_bool(m->arena, true));
        if (d->spec == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

static enum err load_one(const struct config *c, const struct config_api *api, bool to_run,
                         struct model *m, struct import_report *report)
{
    struct import_options o = {
        .region = c->region,
        .account = c->account,
        .functions = c->functions,
        .function_count = c->function_count,
        .require_code = to_run,
        .id = api->id,
        .stage = api->stage,
        .variables = api->variables,
    };
    struct str text;
    enum err err = join_parameters(c, api, m->arena, &o);
    if (err == ERR_OK)
        err = file_read(m->arena, api->template, LIMIT_TEMPLATE_BYTES, &text);
    if (err != ERR_OK) {
        import_note(report, IMPORT_ERROR, api->template, 0, 0, "cannot be read: %s",
                    err == ERR_IO ? strerror(errno) : err_text(err));
        return err;
    }
    struct model_api **end = &m->apis;
    while (*end)
        end = &(*end)->next;
    err = import_document(&o, api->template, text, m, report);
    return err ? err : place(api, m, *end, report);
}

struct model *config_load(const struct config *c, const struct config_api *apis, size_t n,
                          bool to_run, struct import_report *report, struct arena *a)
{
    struct model *m = ARENA_NEW(a, struct model);
    if (m == NULL)
        return NULL;
    m->arena = a;
    m->region = c->region;
    m->account = c->account;
    m->partition = STR("aws");
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = load_one(c, &apis[i], to_run, m, report) == ERR_OK && good;
    good = good && secure_domains(c, m) == ERR_OK;
    if (good && to_run && report->errors == 0)
        good = config_make_api_keys(c, m, report) && config_unpack(c, m, report);
    return good && report->errors == 0 ? m : NULL;
}

void report_problem(void *report, const struct model_place *at, const char *text)
{
    import_note(report, IMPORT_ERROR, at->file ? at->file : "", at->line, at->col, "%s", text);
}

void report_print(const struct import_report *r, bool notes)
{
    static const char *const severities[] = {"note", "warning", "error"};
    for (const struct import_finding *f = r->first; f; f = f->next) {
        if (f->severity == IMPORT_NOTE && !notes)
            continue;
        AUTO_BUF text =
            BUF_INIT(KIB(64)); /* it quotes the document, which a stranger may have written */
        buf_add(&text, f->text);
        buf_printable(&text, 0);
        fprintf(stderr, "%s:%u:%u: %s: %.*s\n", f->file, f->line, f->col, severities[f->severity],
                STR_ARG(text.err ? STR("out of memory") : buf_str(&text)));
    }
}
