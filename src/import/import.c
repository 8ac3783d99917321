/* SPDX-License-Identifier: Apache-2.0
 *
 * One document into the model. Invariant: the model is only used when the report has no error and
 * nothing ran out on the way. */
#include "base/yaml.h"
#include "import_template_int.h"

static struct str folder_of(const char *file)
{
    struct str path = str_c(file);
    size_t slash = str_rchr(path, '/');
    if (slash == SIZE_MAX)
        return STR("");
    return str_sub(path, 0, slash == 0 ? 1 : slash);
}

/* Where this document's APIs and functions are appended; those before it keep their ids. */
static void find_ends(struct importer *im)
{
    struct model *m = im->model;
    enum err err = ERR_OK;
    im->apis_end = &m->apis;
    im->functions_end = &m->functions;
    im->keys_end = &m->api_keys;
    im->plans_end = &m->usage_plans;
    im->domains_end = &m->domains;
    for (; err == ERR_OK && *im->apis_end; im->apis_end = &(*im->apis_end)->next) {
        struct model_api *api = *im->apis_end;
        struct str key = import__fmt(im, "%.*s/%.*s", STR_ARG(api->id), STR_ARG(api->stage));
        err = map_put(&im->ids, key, api, NULL);
        if (err == ERR_OK)
            err = map_put(&im->ids, api->id, api, NULL);
    }
    while (*im->keys_end)
        im->keys_end = &(*im->keys_end)->next;
    while (*im->plans_end)
        im->plans_end = &(*im->plans_end)->next;
    while (*im->domains_end)
        im->domains_end = &(*im->domains_end)->next;
    import__know_functions(im);
    if (err != ERR_OK)
        import__fail(im, err);
}

/* id, stage and variables of ropeline.yaml are for one API. */
static void check_alone(struct importer *im)
{
    const struct import_options *o = im->o;
    const struct import_api *first = im->apis;
    if ((o->id.n == 0 && o->stage.n == 0 && !o->variables) || (first && !first->next))
        return;
    import__say(im, IMPORT_ERROR, (struct spot){0, 0},
                "ropeline.yaml gives %s for one API, but this document has %s; write it here",
                o->id.n      ? "an id"
                : o->stage.n ? "a stage"
                             : "stage variables",
                first ? "several" : "none");
}

static void forget(struct importer *im)
{
    import__free_apis(im);
    map_fini(&im->names);
    map_fini(&im->arns);
    map_fini(&im->ids);
    map_fini(&im->conditions);
}

/* The errors that the same document has when every condition that it lacks is false. */
static void judge_otherwise(const struct importer *im, const struct json *doc)
{
    struct model model = {.arena = im->a,
                          .region = im->model->region,
                          .account = im->model->account,
                          .partition = im->model->partition};
    struct import_report report = {.arena = im->a};
    struct importer other = {.o = im->o,
                             .model = &model,
                             .report = &report,
                             .a = im->a,
                             .file = im->file,
                             .dir = im->dir,
                             .world = WORLD_ALL_FALSE};
    find_ends(&other);
    import__openapi_document(&other, doc);
    import__judge_functions(&other);
    forget(&other);
    for (const struct import_finding *f = report.first; f; f = f->next)
        if (f->severity == IMPORT_ERROR)
            import_note(im->report, IMPORT_ERROR, f->file, f->line, f->col, "%.*s",
                        STR_ARG(f->text));
    im->report->errors += report.errors > LIMIT_FINDINGS; /* and were not kept */
}

static void read_bare(struct importer *im, const struct json *doc)
{
    im->world = im->o->require_code ? WORLD_AS_SAID : WORLD_ALL_TRUE;
    import__openapi_document(im, doc);
    if (im->supposed.n == 0)
        return;
    import__say(im, IMPORT_WARNING, spot_of(doc),
                "the condition %.*s is not in this document: it is judged for both outcomes here, "
                "and to run it needs --param %.*s=true or false",
                STR_ARG(str_sub(im->supposed, 0, 80)), STR_ARG(str_sub(im->supposed, 0, 80)));
    judge_otherwise(im, doc);
}

static void read_document(struct importer *im, const struct json *doc)
{
    if (json_get(doc, "openapi") || json_get(doc, "swagger")) {
        read_bare(im, doc);
    } else if (json_get(doc, "Resources")) {
        import__template(im, doc);
    } else {
        import__say(im, IMPORT_ERROR, spot_of(doc),
                    "this is neither an OpenAPI document (openapi or swagger) nor a template "
                    "(Resources)");
        return;
    }
    check_alone(im);
    import__judge_functions(im);
}

enum err import_document(const struct import_options *o, const char *file, struct str text,
                         struct model *model, struct import_report *report)
{
    struct importer im = {
        .o = o, .model = model, .report = report, .a = model->arena, .file = file};
    struct errinfo e = {0};
    const struct json *doc;
    enum err err = yaml_parse(im.a, text, LIMIT_TEMPLATE_BYTES, &doc, &e);
    if (err != ERR_OK) {
        import_note(report, IMPORT_ERROR, file, e.line, e.col, "%s", e.text);
        return err == ERR_NOMEM ? ERR_NOMEM : ERR_SYNTAX;
    }
    im.dir = folder_of(file);
    if (model->region.n == 0)
        model->region = o->region;
    if (model->account.n == 0)
        model->account = o->account;
    if (model->partition.n == 0)
        model->partition = STR("aws");
    find_ends(&im);
    read_document(&im, doc);
    forget(&im);
    if (im.err == ERR_LIMIT)
        import_note(report, IMPORT_ERROR, file, 0, 0, "the document needs too much memory");
    if (im.err != ERR_OK && im.err != ERR_LIMIT)
        return im.err;
    return report->errors > 0 ? ERR_INVALID : ERR_OK;
}
