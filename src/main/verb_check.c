/* SPDX-License-Identifier: Apache-2.0
 *
 * check: judges templates and ropeline.yaml without running anything. Errors and notes as
 * file:line:col: what, and what to write instead. */
#include <stdio.h>

#include "base/limits.h"
#include "certificates.h"
#include "config.h"
#include "gateway/gateway.h"
#include "verbs.h"

static const struct option_row check_rows[] = {
    {"print", 0, OPTION_FLAG, false, NULL, NULL,
     "show the effective values and where each comes from"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "findings as JSON"},
};
static struct option_row rows[OPTION_MAX];
static size_t row_count;

static void join_rows(void)
{
    for (size_t i = 0; i < COUNTOF(check_rows); i++)
        rows[row_count++] = check_rows[i];
    for (size_t i = 0; i < daemon_option_count; i++)
        rows[row_count++] = daemon_options[i];
}

static bool is_yaml_config(const char *file)
{
    size_t slash = str_rchr(str_c(file), '/');
    return str_eqz(str_from(str_c(file), slash == SIZE_MAX ? 0 : slash + 1), "ropeline.yaml");
}

static void print_json(const struct import_report *r)
{
    static const char *const severities[] = {"note", "warning", "error"};
    AUTO_BUF out = BUF_INIT(MIB(16));
    buf_addc(&out, '[');
    for (const struct import_finding *f = r->first; f; f = f->next) {
        buf_addf(&out, "%s{\"severity\":\"%s\",\"file\":", f == r->first ? "" : ",",
                 severities[f->severity]);
        json_write_str(&out, str_c(f->file));
        buf_addf(&out, ",\"line\":%u,\"col\":%u,\"text\":", f->line, f->col);
        json_write_str(&out, f->text);
        buf_addc(&out, '}');
    }
    buf_addz(&out, "]");
    puts(buf_cstr(&out));
}

static void describe(const struct model *m)
{
    for (const struct model_api *api = m->apis; api; api = api->next)
        for (const struct model_method *x = api->methods; x; x = x->next) {
            struct str name = json_str_or(json_get(x->method, "authorizerName"), STR("open"));
            AUTO_BUF line = BUF_INIT(KIB(64));
            buf_addf(&line, "%-7.*s /%.*s%.*s  %.*s  %.*s", STR_ARG(x->verb), STR_ARG(api->stage),
                     STR_ARG(x->path), STR_ARG(name),
                     STR_ARG(json_str_or(json_get(x->integration, "type"), STR(""))));
            buf_printable(&line, 0);
            printf("%.*s\n", STR_ARG(line.err ? STR("out of memory") : buf_str(&line)));
        }
}

static bool check_template(const struct options *o, const struct config *c,
                           const struct config_api *api)
{
    struct arena *a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
    struct import_report report = {.arena = a};
    struct model *m = a ? config_load(c, api, 1, false, &report, a) : NULL;
    enum err err = m ? gateway_judge(m, report_problem, &report) : ERR_INVALID;
    if (option_is(o, "json"))
        print_json(&report);
    else
        report_print(&report, true);
    bool good = err == ERR_OK && report.errors == 0;
    if (good && option_is(o, "print"))
        describe(m);
    if (!option_is(o, "json"))
        printf("%s: %s (%zu errors, %zu warnings, %zu notes)\n", api->template,
               good ? "ok" : "refused", report.errors, report.warnings, report.notes);
    arena_free(a);
    return good;
}

static int check_config(const struct options *o, const char *file)
{
    static struct options of_file;
    static struct config c;
    of_file = *o;
    for (size_t i = 0; i < row_count; i++)
        if (str_eqz(str_c(rows[i].name), "config")) {
            of_file.values[i].v[0] = file;
            of_file.values[i].n = 1;
        }
    int bad = config_from_file(&of_file, &c);
    if (bad) {
        config_free(&c);
        return bad;
    }
    if (option_is(o, "print"))
        config_print(&c, &of_file);
    bool good = certificates_judge(&c);
    for (size_t i = 0; i < c.api_count; i++)
        good = check_template(o, &c, &c.apis[i]) && good;
    config_free(&c);
    return good ? 0 : 1;
}

int verb_check(int argc, char **argv)
{
    static struct options o, none;
    static struct config c;
    join_rows();
    if (!options_parse(rows, row_count, argc, argv, &o))
        return 2;
    if (option_is(&o, "help") || o.positionals == 0) {
        fprintf(o.positionals || option_is(&o, "help") ? stdout : stderr,
                "usage: ropeline check FILE... [OPTIONS]\n\n");
        if (option_is(&o, "help"))
            options_help(rows, row_count);
        return option_is(&o, "help") ? 0 : 2;
    }
    int code = 0;
    for (size_t i = 0; i < o.positionals; i++) {
        int bad;
        if (is_yaml_config(o.positional[i])) {
            bad = check_config(&o, o.positional[i]);
        } else {
            none = o;
            none.positionals = 1;
            none.positional[0] = o.positional[i];
            bad = config_from_dev(&none, &c);
            if (!bad && option_is(&o, "print"))
                config_print(&c, &o);
            if (!bad)
                bad = check_template(&o, &c, &c.apis[0]) ? 0 : 1;
            config_free(&c);
        }
        code = bad > code ? bad : code;
    }
    return code;
}
