/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSONPath of mappings, as far as one value can be meant: members and indexes, no filters, no
 * wildcards, no descent. Those are refused when the document loads. */
#include "base/limits.h"
#include "mapping_int.h"

struct path_step {
    struct str name; /* p is NULL: `index` */
    uint64_t index;
};

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '$' || (unsigned char)c >= 0x80;
}

/* Cuts ".name", "['name']" or "[0]" off; false when there is none of them. */
static bool cut_step(struct str *path, struct path_step *out)
{
    struct str rest;
    *out = (struct path_step){STR_NONE, 0};
    if (str_starts(*path, STR("."))) {
        size_t n = 1;
        while (n < path->n && is_plain(path->p[n]))
            n++;
        out->name = str_sub(*path, 1, n - 1);
        *path = str_from(*path, n);
        return n > 1;
    }
    if (str_starts(*path, STR("['"))) {
        out->name = str_cut(str_from(*path, 2), '\'', &rest);
        *path = str_from(rest, 1);
        return str_starts(rest, STR("]"));
    }
    if (!str_starts(*path, STR("[")))
        return false;
    struct str digits = str_cut(str_from(*path, 1), ']', &rest);
    *path = rest;
    return rest.p && str_u64(digits, &out->index);
}

bool jsonpath__is_valid(struct str path)
{
    struct path_step step;
    while (path.n > 0)
        if (!cut_step(&path, &step))
            return false;
    return true;
}

const struct json *jsonpath__find(const struct json *root, struct str path)
{
    struct path_step step;
    while (root && path.n > 0) {
        if (!cut_step(&path, &step))
            return NULL;
        if (step.name.p)
            root = json_gets(root, step.name);
        else
            root = step.index < SIZE_MAX ? json_at(root, (size_t)step.index) : NULL;
    }
    return root;
}

static bool to_text(struct arena *a, const struct json *v, struct str *out)
{
    AUTO_BUF text = BUF_INIT(LIMIT_MAPPED_BODY);
    if (v == NULL || v->type == JSON_NULL)
        return false;
    if (v->type == JSON_STRING)
        buf_add(&text, v->s);
    else
        json_write(&text, v);
    *out = text.err ? STR_NONE : arena_str(a, buf_str(&text));
    return out->p != NULL;
}

bool jsonpath__read(struct arena *a, struct str text, struct str path, struct str *out)
{
    const struct json *tree = NULL;
    if (path.n == 0) {
        *out = text;
        return text.n > 0;
    }
    if (text.n == 0 || text.n > LIMIT_MAPPED_BODY)
        return false;
    struct arena *scratch = arena_new(KIB(4), MIB(16));
    bool found = scratch && json_parse(scratch, text, LIMIT_MAPPED_BODY, &tree, NULL) == ERR_OK &&
                 to_text(a, jsonpath__find(tree, path), out);
    arena_free(scratch);
    return found;
}
