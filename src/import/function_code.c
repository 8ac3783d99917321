/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the code of a function is, by its properties: a folder, a zip file, the document itself, or
 * somewhere that is not here. Nothing is unpacked while a document is read. */
#include <limits.h>

#include "import_api_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 200))

void import__set_dir(struct importer *im, struct declared *d, struct str dir)
{
    char absolute[PATH_MAX];
    struct function_spec *spec = &d->function->spec;
    if (import__is_directory(dir, absolute, sizeof absolute)) {
        spec->code_dir = import__fmt(im, "%s", absolute);
        return;
    }
    spec->code_dir = dir;
    d->missing = import__fmt(im, "there is no folder %.*s", SHORT(dir)).p;
}

static void set_archive(struct importer *im, struct declared *d, struct str path)
{
    char absolute[PATH_MAX];
    if (import__is_file(path, absolute, sizeof absolute))
        d->function->archive = import__fmt(im, "%s", absolute);
    else
        d->missing = import__fmt(im, "there is no file %.*s", SHORT(path)).p;
}

static void set_text(struct importer *im, struct declared *d, const struct json *v)
{
    struct str text;
    if (import__scalar(v, &text) && text.n > 0)
        d->function->inline_code = text;
    else
        d->missing = "its code, inline in the template, cannot be resolved";
    (void)im;
}

static void set_local(struct importer *im, struct declared *d, struct str text)
{
    if (str_starts(text, STR("s3://")))
        d->missing = "its code is on S3";
    else if (str_ends(text, STR(".jar")))
        d->missing = "its code is a Java archive";
    else if (str_ends(text, STR(".zip")))
        set_archive(im, d, import__path(im, text));
    else
        import__set_dir(im, d, import__path(im, text));
}

void import__set_code(struct importer *im, struct declared *d, const struct json *properties)
{
    struct model_function *f = d->function;
    const struct json *code = json_get(properties, "CodeUri");
    const struct json *text = json_get(properties, "InlineCode");
    struct str package = json_str_or(json_get(properties, "PackageType"), STR(""));
    if (!code)
        code = json_get(properties, "Code");
    if (!text)
        text = json_get(code, "ZipFile"); /* CloudFormation's name for the same */
    if (str_eqz(package, "Image") || json_get(properties, "ImageUri") ||
        json_get(code, "ImageUri")) {
        d->missing = "its code is a container image";
    } else if (text) {
        set_text(im, d, text);
    } else if (import__is_intrinsic(code)) {
        d->missing = "where its code is cannot be resolved";
    } else if (json_is(code, JSON_OBJECT)) {
        d->missing = "its code is on S3";
    } else {
        f->code_uri = json_str_or(code, STR("."));
        set_local(im, d, f->code_uri);
    }
}
