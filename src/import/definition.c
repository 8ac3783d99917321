/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenAPI document of a SAM API: DefinitionBody, DefinitionUri, AWS::Include. Invariant: only
 * local files are read, and findings name the file that they are in. */
#include "base/yaml.h"
#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

static const struct json *parse_file(struct importer *im, struct str location, const char *what,
                                     struct spot at, const char **file)
{
    struct errinfo e = {0};
    struct str text;
    const struct json *doc;
    if (str_starts(location, STR("s3://")) || str_starts(location, STR("https://"))) {
        import__say(im, IMPORT_ERROR, at, "%s: the file is on S3; write the path of a local copy",
                    what);
        return NULL;
    }
    struct str path = import__path(im, location);
    enum err err = import__read_file(im, path, &text);
    if (err == ERR_NOMEM) {
        import__no_memory(im);
        return NULL;
    }
    if (err != ERR_OK) {
        import__say(im, IMPORT_ERROR, at, "%s: %.*s cannot be read: %s", what, SHORT(path),
                    err == ERR_UNSUPPORTED ? "not a regular file" : err_text(err));
        return NULL;
    }
    err = yaml_parse(im->a, text, LIMIT_TEMPLATE_BYTES, &doc, &e);
    if (err == ERR_OK) {
        *file = path.p;
        return doc;
    }
    if (err == ERR_NOMEM)
        import__fail(im, err);
    import_note(im->report, IMPORT_ERROR, path.p, e.line, e.col, "%s", e.text);
    return NULL;
}

static void read_document(struct importer *im, struct import_api *api, const struct json *doc,
                          const char *what)
{
    doc = import__object(im, doc, what);
    if (!doc)
        return;
    api->has_body = true;
    if (!json_get(doc, "openapi") && !json_get(doc, "swagger"))
        import__say(im, IMPORT_ERROR, spot_of(doc),
                    "%s is no OpenAPI document: it has neither openapi nor swagger", what);
    struct str title = json_str_or(json_get(json_get(doc, "info"), "title"), STR(""));
    if (title.n > 0 && api->api->name.n == 0)
        api->api->name = title;
    import__openapi(im, api, doc);
}

/* DefinitionBody: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: FILE}}} */
static void read_include(struct importer *im, struct import_api *api, const struct json *v)
{
    const struct json *call = json_get(v, "Fn::Transform");
    const struct json *location = json_get(json_get(call, "Parameters"), "Location");
    const char *outer = im->file, *file = outer;
    struct str name, path;
    if (!import__text(im, json_get(call, "Name"), "Name", &name) ||
        !str_eqz(name, "AWS::Include")) {
        import__say(im, IMPORT_ERROR, spot_of(v), "Fn::Transform: only AWS::Include is known");
        return;
    }
    if (!location)
        import__say(im, IMPORT_ERROR, spot_of(v),
                    "AWS::Include needs Parameters: {Location: FILE}");
    if (!import__text(im, import__resolve(im, location), "Location", &path))
        return;
    const struct json *doc = parse_file(im, path, "AWS::Include", spot_of(location), &file);
    im->file = file;
    if (doc)
        read_document(im, api, import__resolve(im, doc), "the included file");
    im->file = outer;
}

static void read_uri(struct importer *im, struct import_api *api, const struct json *uri)
{
    const char *outer = im->file, *file = outer;
    struct str path;
    if (json_is(uri, JSON_OBJECT) && !import__is_intrinsic(uri)) {
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "DefinitionUri: the file is on S3; write the path of a local copy");
        return;
    }
    if (!import__text(im, uri, "DefinitionUri", &path))
        return;
    const struct json *doc = parse_file(im, path, "DefinitionUri", spot_of(uri), &file);
    im->file = file;
    im->literal = api->literal = true;
    if (doc)
        read_document(im, api, doc, "the DefinitionUri file");
    im->literal = false;
    im->file = outer;
}

void import__read_definition(struct importer *im, struct import_api *api,
                             const struct json *properties)
{
    const struct json *body = json_get(properties, "DefinitionBody");
    const struct json *uri = json_get(properties, "DefinitionUri");
    const struct json *merge = json_get(properties, "MergeDefinitions");
    api->merge = import__flag(im, merge, "MergeDefinitions", false);
    if (uri && (body || api->merge))
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "DefinitionUri does not go together with DefinitionBody or MergeDefinitions");
    if (uri && (json_get(properties, "Auth") || json_get(properties, "Cors") ||
                json_get(properties, "CorsConfiguration")))
        import__say(im, IMPORT_ERROR, spot_of(uri),
                    "Auth and Cors work only with a DefinitionBody, not with a DefinitionUri; "
                    "include the file with Fn::Transform AWS::Include");
    if (json_get(body, "Fn::Transform") && body->n == 1)
        read_include(im, api, body);
    else if (body)
        read_document(im, api, body, "DefinitionBody");
    else if (uri)
        read_uri(im, api, uri);
}
