/* SPDX-License-Identifier: Apache-2.0
 *
 * A verb speaks to the identity core of a running daemon: the core's own interface, over the
 * control socket, without an api-key. */
#include <stdio.h>

#include "base/limits.h"
#include "verbs.h"

/* What the core takes as an id of an app or tenant; nothing else may become a part of a path. */
static bool is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
            return false;
    return s.n > 0;
}

int ask_core(const struct options *o, const char *method, const char *path, struct str body,
             struct arena *a, const struct json **answer)
{
    const char *app = option_get(o, "app");
    AUTO_BUF target = BUF_INIT(KIB(64));
    struct str text = STR("");
    if (app && !is_id(str_c(app))) {
        fprintf(stderr, "ropeline: --app has lower case letters, digits and hyphens\n");
        return 2;
    }
    buf_addz(&target, "/core");
    if (app)
        buf_addf(&target, "/appid-%s", app);
    buf_addz(&target, path);
    unsigned status =
        target.err ? 0
                   : ask_daemon(option_get(o, "state"), method, buf_cstr(&target), body, a, &text);
    if (status == 200 && json_parse(a, text, MIB(64), answer, NULL) == ERR_OK)
        return 0;
    AUTO_BUF words = BUF_INIT(KIB(64));
    buf_add(&words, str_trim(text));
    buf_printable(&words, 0);
    if (status)
        fprintf(stderr, "ropeline: the core answers %u: %s\n", status, buf_cstr(&words));
    return 1;
}

bool ask_core_tenant(const struct options *o, struct buf *path)
{
    const char *tenant = option_get(o, "tenant");
    if (tenant == NULL)
        return true;
    if (!is_id(str_c(tenant))) {
        fprintf(stderr, "ropeline: --tenant has lower case letters, digits and hyphens\n");
        return false;
    }
    buf_addf(path, "/%s", tenant);
    return true;
}

int ask_core_get(const struct options *o, bool in_tenant, const char *path, const char *name,
                 struct str value, struct arena *a, const struct json **answer)
{
    AUTO_BUF target = BUF_INIT(KIB(64));
    if (in_tenant && !ask_core_tenant(o, &target))
        return 2;
    buf_addz(&target, path);
    if (name)
        ask_add(&target, name, value);
    return target.err ? 1 : ask_core(o, "GET", buf_cstr(&target), STR(""), a, answer);
}

bool ask_core_said(const struct json *answer, const char *status)
{
    return str_eqz(json_str_or(json_get(answer, "status"), STR("")), status);
}

void ask_core_names(struct buf *out, const struct json *list)
{
    for (size_t i = 0; list && i < list->n; i++) {
        buf_addz(out, i ? ", " : "");
        buf_add(out, json_str_or(list->items[i], STR("")));
    }
}

int ask_core_print(const struct json *v)
{
    AUTO_BUF out = BUF_INIT(MIB(64));
    json_write(&out, v);
    if (v == NULL || out.err)
        return 1;
    puts(buf_cstr(&out));
    return 0;
}

int ask_core_verb(const struct option_row *rows, size_t count, int argc, char **argv,
                  int (*help)(FILE *to), int (*run)(const struct options *o, struct arena *a))
{
    static struct options o;
    if (!options_parse(rows, count, argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return help(stdout);
    struct arena *a = arena_new(KIB(16), MIB(256));
    int code = a ? run(&o, a) : 1;
    arena_free(a);
    return code;
}
