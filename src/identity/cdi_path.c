/* SPDX-License-Identifier: Apache-2.0
 *
 * [base_path] [/appid-<app>] [/<tenant>] <api path> [/], in any case (specs/identity-core.md 1.2).
 * Invariant: a path means one app, one tenant and one operation, or nothing. */
#include <ctype.h>

#include "identity_int.h"

bool cdi__is_api(struct str api)
{
    for (size_t t = 0; t < cdi__table_count; t++)
        for (size_t i = 0; i < cdi__tables[t]->n; i++)
            if (str_eqz(api, cdi__tables[t]->ops[i].path))
                return true;
    return false;
}

enum err cdi__op(struct str api, enum http_method method, struct str rid, const struct cdi_op **out)
{
    enum err err = ERR_NOTFOUND;
    *out = NULL;
    for (size_t t = 0; t < cdi__table_count; t++)
        for (size_t i = 0; i < cdi__tables[t]->n; i++) {
            const struct cdi_op *op = &cdi__tables[t]->ops[i];
            if (!str_eqz(api, op->path))
                continue;
            err = ERR_UNSUPPORTED;
            bool named = op->rid != NULL && str_eqz(rid, op->rid);
            if (op->method == method && (named || (op->rid == NULL && *out == NULL)))
                *out = op;
            if (op->method == method && named)
                return ERR_OK;
        }
    return *out ? ERR_OK : err;
}

static bool is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!islower((unsigned char)s.p[i]) && !isdigit((unsigned char)s.p[i]) && s.p[i] != '-')
            return false;
    return s.n > 0;
}

static bool is_reserved(struct str tenant)
{
    static const char *const names[] = {"recipe", "config", "users", "hello"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_eqz(tenant, names[i]))
            return true;
    return str_starts(tenant, STR("appid-"));
}

/* "/a/b" -> "a", "/b"; what is left of "/a" is "/". */
static struct str take_segment(struct str path, struct str *rest)
{
    size_t slash = str_chr(path, '/', 1);
    struct str first = str_sub(path, 1, slash == SIZE_MAX ? path.n : slash - 1);
    *rest = slash == SIZE_MAX ? STR("/") : str_from(path, slash);
    return first;
}

enum err cdi__path(struct arena *a, struct str raw, struct str base_path, struct cdi_path *out)
{
    struct str path = arena_lower(a, raw), rest;
    if (raw.n > 0 && path.p == NULL)
        return ERR_NOMEM;
    if (path.n == 0 || path.p[0] != '/')
        return ERR_NOTFOUND;
    if (base_path.n > 0 && str_istarts(path, base_path) &&
        (path.n == base_path.n || path.p[base_path.n] == '/'))
        path = path.n == base_path.n ? STR("/") : str_from(path, base_path.n);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    *out = (struct cdi_path){STR("public"), STR("public"), path};
    struct str first = take_segment(out->api, &rest);
    if (str_starts(first, STR("appid-"))) {
        out->app = str_from(first, 6);
        out->api = rest;
        if (!is_id(out->app))
            return ERR_NOTFOUND;
    }
    if (cdi__is_api(out->api))
        return ERR_OK;
    first = take_segment(out->api, &rest);
    if (!is_id(first) || is_reserved(first) || !cdi__is_api(rest))
        return ERR_NOTFOUND;
    out->tenant = first;
    out->api = rest;
    return ERR_OK;
}
