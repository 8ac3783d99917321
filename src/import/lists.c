/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrinsic functions that take a value out of something: Mappings, lists, texts. Invariant: an
 * index or a key that is not there is a reason, never a neighbour's value. */
#include <stdio.h>

#include "base/crypt.h"
#include "import_int.h"

#define SHORT(s) STR_ARG(str_sub((s), 0, 60))

static bool eval_text(struct importer *im, const struct json *v, const char *what, struct str *out,
                      struct reason *why)
{
    const struct json *text = import__eval(im, v, why);
    if (!text)
        return false;
    if (!import__scalar(text, out))
        return UNRESOLVED(why, "%s is no text", what);
    return true;
}

/* AWS::LanguageExtensions: {"DefaultValue": v} as the fourth argument. */
static const struct json *otherwise(struct importer *im, const struct json *arg, struct reason *why)
{
    const struct json *fallback = json_get(json_at(arg, 3), "DefaultValue");
    return fallback ? import__eval(im, fallback, why) : NULL;
}

const struct json *import__find_in_map(struct importer *im, const struct json *arg,
                                       struct reason *why)
{
    struct str map, first, second;
    if (!json_is(arg, JSON_ARRAY) || arg->n < 3 || arg->n > 4)
        return UNRESOLVED(why, "Fn::FindInMap needs [map, key, key]");
    if (!eval_text(im, arg->items[0], "the map of Fn::FindInMap", &map, why) ||
        !eval_text(im, arg->items[1], "a key of Fn::FindInMap", &first, why) ||
        !eval_text(im, arg->items[2], "a key of Fn::FindInMap", &second, why))
        return otherwise(im, arg, why);
    const struct json *found = json_gets(json_gets(json_gets(im->mappings, map), first), second);
    if (found)
        return import__eval(im, found, why);
    (void)UNRESOLVED(why, "Mappings has no %.*s, %.*s, %.*s", SHORT(map), SHORT(first),
                     SHORT(second));
    return otherwise(im, arg, why);
}

const struct json *import__select(struct importer *im, const struct json *arg, struct reason *why)
{
    struct str text;
    uint64_t index;
    if (!json_is(arg, JSON_ARRAY) || arg->n != 2)
        return UNRESOLVED(why, "Fn::Select needs [index, list]");
    if (!eval_text(im, arg->items[0], "the index of Fn::Select", &text, why))
        return NULL;
    const struct json *list = import__eval(im, arg->items[1], why);
    if (!list)
        return NULL;
    if (list->type != JSON_ARRAY || !str_u64(text, &index) || index >= list->n)
        return UNRESOLVED(why, "Fn::Select: the list has no item %.*s", SHORT(text));
    return import__eval(im, list->items[index], why);
}

const struct json *import__split(struct importer *im, const struct json *arg, struct reason *why)
{
    struct str text;
    if (!json_is(arg, JSON_ARRAY) || arg->n != 2 || !json_is(arg->items[0], JSON_STRING) ||
        arg->items[0]->s.n == 0)
        return UNRESOLVED(why, "Fn::Split needs [separator, text]");
    if (!eval_text(im, arg->items[1], "the text of Fn::Split", &text, why))
        return NULL;
    struct str by = arg->items[0]->s;
    struct json *list = json_new_array(im->a, 4);
    for (bool more = true; list && more;) {
        size_t at = str_find(text, by);
        more = at != SIZE_MAX;
        struct str item = more ? str_sub(text, 0, at) : text;
        if (json_push(im->a, list, import__new_text(im, item, NULL)) != ERR_OK)
            list = NULL;
        text = str_from(text, more ? at + by.n : text.n);
    }
    if (!list)
        import__no_memory(im);
    return list;
}

const struct json *import__zones(struct importer *im, const struct json *arg, struct reason *why)
{
    struct str region;
    if (!eval_text(im, arg, "the region of Fn::GetAZs", &region, why))
        return NULL;
    if (region.n == 0)
        region = im->model->region;
    struct json *list = json_new_array(im->a, 3);
    for (char zone = 'a'; list && zone <= 'c'; zone++) {
        struct str name = import__fmt(im, "%.*s%c", STR_ARG(region), zone);
        if (json_push(im->a, list, import__new_text(im, name, NULL)) != ERR_OK)
            list = NULL;
    }
    if (!list)
        import__no_memory(im);
    return list;
}

const struct json *import__base64(struct importer *im, const struct json *arg, struct reason *why)
{
    AUTO_BUF out = BUF_INIT(LIMIT_RESOLVED_TEXT);
    struct str text;
    if (!eval_text(im, arg, "the text of Fn::Base64", &text, why))
        return NULL;
    crypt_base64(&out, text);
    if (out.err != ERR_OK)
        return UNRESOLVED(why, "Fn::Base64: %s", err_text(out.err));
    return import__new_text(im, buf_str(&out), NULL);
}
