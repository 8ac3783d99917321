/* SPDX-License-Identifier: Apache-2.0
 *
 * The code of a model's functions brought into the store, where a document has it as a zip file or
 * as text; in serve also where it is a folder, so that what runs is what was loaded. */
#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "config.h"
#include "file.h"
#include "lambda/package.h"
#include "lambda/runtime.h"

static enum err unpack_archive(const struct config *c, struct arena *a,
                               const struct model_function *f, struct package *out,
                               struct errinfo *e)
{
    struct str zip;
    struct arena *bytes = arena_new(KIB(4), LIMIT_PACKAGE_ZIP + KIB(8));
    enum err err = bytes ? file_read(bytes, f->archive.p, LIMIT_PACKAGE_ZIP, &zip) : ERR_NOMEM;
    if (err == ERR_OK)
        err = package_unzip(a, c->state_dir, zip, out, e);
    else if (err == ERR_LIMIT)
        errinfo_set(e, err, "it is larger than %d bytes", LIMIT_PACKAGE_ZIP);
    else if (err == ERR_IO)
        errinfo_set(e, err, "cannot read it: %s", strerror(errno));
    arena_free(bytes);
    return err;
}

static enum err put_text(const struct config *c, struct arena *a, const struct model_function *f,
                         struct package *out, struct errinfo *e)
{
    const char *name = runtime_inline_file(f->spec.runtime);
    if (!name)
        return errinfo_set(e, ERR_UNSUPPORTED,
                           "code in the document is taken for nodejs and python runtimes only");
    return package_inline(a, c->state_dir, name, f->inline_code, out, e);
}

static enum err bring(const struct config *c, struct arena *a, const struct model_function *f,
                      struct package *out, struct errinfo *e)
{
    if (f->archive.n > 0)
        return unpack_archive(c, a, f, out, e);
    return f->inline_code.n > 0 ? put_text(c, a, f, out, e)
                                : package_copy(a, c->state_dir, f->spec.code_dir.p, out, e);
}

/* In serve: what is loaded is what runs, of its layers, too. */
static enum err bring_layers(const struct config *c, struct arena *a, struct function_spec *spec,
                             struct errinfo *e)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < spec->layer_count && err == ERR_OK && !c->dev; i++) {
        struct package package;
        err = package_copy(a, c->state_dir, spec->layers[i].p, &package, e);
        if (err == ERR_OK)
            spec->layers[i] = package.dir;
    }
    return err;
}

static enum err bring_code(const struct config *c, struct arena *a, struct model_function *f,
                           struct errinfo *e)
{
    struct package package;
    bool folder = f->archive.n == 0 && f->inline_code.n == 0;
    if (f->spec.package.n > 0 || (folder && c->dev))
        return ERR_OK;
    enum err err = bring(c, a, f, &package, e);
    if (err == ERR_OK) {
        f->spec.code_dir = package.dir;
        f->spec.package = package.digest;
    }
    return err;
}

bool config_unpack(const struct config *c, struct model *m, struct import_report *report)
{
    for (struct model_function *f = m->functions; f; f = f->next) {
        struct errinfo e = {0};
        if (f->code_missing)
            continue;
        enum err err = bring_code(c, m->arena, f, &e);
        if (err == ERR_OK)
            err = bring_layers(c, m->arena, &f->spec, &e);
        if (err != ERR_OK)
            import_note(report, IMPORT_ERROR, f->spec.file ? f->spec.file : "", f->spec.line,
                        f->spec.col, "the code of %.*s%s%.*s: %s",
                        STR_ARG(str_sub(f->spec.name, 0, 140)), f->archive.n > 0 ? ", " : "",
                        STR_ARG(str_sub(f->archive, 0, 200)), e.text[0] ? e.text : err_text(err));
    }
    return report->errors == 0;
}
