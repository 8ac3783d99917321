/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of a function: folders that this document declares. A layer of somebody else has an
 * ARN and no folder; a function that needs one cannot run here without it. */
#include <limits.h>

#include "import_template_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 120))

static void lacks(struct importer *im, struct declared *d, const struct json *v, const char *why)
{
    if (d->no_layer)
        return;
    d->no_layer = why;
    d->layer_spot = spot_or(v, d->spot);
    if (!why)
        import__no_memory(im);
}

/* The resource that {"Ref": NAME} or {"Fn::GetAtt": [NAME, ...]} names; NULL: of no layer. */
static struct symbol *layer_of(struct importer *im, const struct json *v)
{
    const struct json *ref = json_get(v, "Ref"), *got = json_get(v, "Fn::GetAtt");
    if (json_is(got, JSON_ARRAY) && got->n > 0)
        ref = got->items[0];
    struct symbol *s = json_is(ref, JSON_STRING) ? import__symbol(im, ref->s) : NULL;
    bool layer = s && s->kind == SYMBOL_OTHER &&
                 (str_eqz(s->type, "AWS::Serverless::LayerVersion") ||
                  str_eqz(s->type, "AWS::Lambda::LayerVersion"));
    return layer ? s : NULL;
}

/* Where the layer's content is; NULL with the reason noted. */
static const char *folder_of(struct importer *im, struct declared *d, struct symbol *s,
                             const struct json *at)
{
    char absolute[PATH_MAX];
    struct str uri;
    const struct json *properties = import__properties(im, s);
    const struct json *v = json_get(properties, "ContentUri");
    if (!v)
        v = json_get(properties, "Content");
    if (!json_str(v, &uri) || str_starts(uri, STR("s3://"))) {
        lacks(im, d, at,
              import__fmt(im, "the content of %.*s is not a local folder", SHORT(s->logical)).p);
        return NULL;
    }
    uri = import__path(im, uri);
    if (import__is_directory(uri, absolute, sizeof absolute))
        return import__fmt(im, "%s", absolute).p;
    lacks(im, d, at,
          import__fmt(im, "%.*s: there is no folder %.*s", SHORT(s->logical), SHORT(uri)).p);
    return NULL;
}

static void read_layer(struct importer *im, struct declared *d, const struct json *v)
{
    struct function_spec *spec = &d->function->spec;
    struct reason why = {"it is no text"};
    struct str text;
    struct symbol *s = layer_of(im, v);
    const char *folder = s ? folder_of(im, d, s, v) : NULL;
    if (folder) {
        spec->layers[spec->layer_count++] = str_c(folder);
    } else if (import__scalar(v, &text)) {
        lacks(im, d, v, import__fmt(im, "%.*s is not in this document", SHORT(text)).p);
    } else if (!s) {
        if (import__is_intrinsic(v))
            import__explain(im, v, &why);
        lacks(im, d, v, import__fmt(im, "%s", why.text).p);
    }
}

void import__read_layers(struct importer *im, struct declared *d, const struct json *v)
{
    struct function_spec *spec = &d->function->spec;
    struct reason why = {"it is no list"};
    if (!v || json_is(v, JSON_NULL))
        return;
    if (!json_is(v, JSON_ARRAY)) {
        if (import__is_intrinsic(v))
            import__explain(im, v, &why);
        lacks(im, d, v, import__fmt(im, "%s", why.text).p);
        return;
    }
    spec->layers = ARENA_ARRAY(im->a, v->n, struct str);
    if (!spec->layers) {
        import__no_memory(im);
        return;
    }
    for (size_t i = 0; i < v->n; i++)
        read_layer(im, d, v->items[i]);
}

void import__judge_layers(struct importer *im, const struct declared *d)
{
    bool severe = d->needed && im->o->require_code && !d->overridden;
    if (d->no_layer)
        import__say(
            im, severe ? IMPORT_ERROR : IMPORT_NOTE, d->layer_spot,
            "Layers of %.*s: %s; declare the layer here with ContentUri: FOLDER, or install "
            "what it holds beside the code",
            SHORT(d->function->spec.name), d->no_layer);
}
