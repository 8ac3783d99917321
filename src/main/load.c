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
    return import_document(&o, api->template, text, m, report);
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
    if (good && to_run && report->errors == 0)
        good = config_make_api_keys(c, m, report);
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
        fprintf(stderr, "%s:%u:%u: %s: %.*s\n", f->file, f->line, f->col, severities[f->severity],
                STR_ARG(f->text));
    }
}
