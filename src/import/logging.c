/* SPDX-License-Identifier: Apache-2.0
 *
 * LoggingConfig of a function: the format of its log, which levels of it are kept, and in which
 * group. Levels count only in JSON, and AWS refuses them elsewhere; so do we. */
#include "base/log_limits.h"
#include "import_function_int.h"
#include "import_template_int.h"

static const struct key_row logging_rows[] = {
    {"ApplicationLogLevel", KEY_READ, NULL},
    {"LogFormat", KEY_READ, NULL},
    {"LogGroup", KEY_READ, NULL},
    {"SystemLogLevel", KEY_READ, NULL},
};
static const struct key_table logging_keys = {"LoggingConfig", logging_rows, COUNTOF(logging_rows),
                                              KEY_NOTE};

static const struct {
    const char *name;
    unsigned level;
    bool of_system;
} levels[] = {
    {"TRACE", DETAIL_TRACE, false}, {"DEBUG", DETAIL_DEBUG, true},  {"INFO", DETAIL_INFO, true},
    {"WARN", DETAIL_WARN, true},    {"ERROR", DETAIL_ERROR, false}, {"FATAL", DETAIL_FATAL, false},
};

static unsigned read_level(struct importer *im, const struct function_logging *f,
                           const struct json *v, const char *what, bool of_system)
{
    struct str text;
    if (!import__text(im, v, what, &text))
        return 0;
    if (!f->json) {
        import__say(im, IMPORT_ERROR, spot_of(v), "%s needs LogFormat: JSON", what);
        return 0;
    }
    for (size_t i = 0; i < COUNTOF(levels); i++)
        if (str_eqz(text, levels[i].name) && (levels[i].of_system || !of_system))
            return levels[i].level;
    import__say(im, IMPORT_ERROR, spot_of(v), "%s is %s", what,
                of_system ? "DEBUG, INFO or WARN" : "TRACE, DEBUG, INFO, WARN, ERROR or FATAL");
    return 0;
}

/* [.-_/#A-Za-z0-9]+, and not AWS's own (Lambda API reference, LoggingConfig). */
static bool is_group(struct str name)
{
    bool good = name.n > 0 && name.n <= LIMIT_LOG_GROUP_NAME && !str_starts(name, STR("aws/"));
    for (size_t i = 0; good && i < name.n; i++) {
        char c = name.p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr(".-_/#", c) != NULL;
    }
    return good;
}

/* The days of a group, for each function that logs into it: a LogGroup is written beside the
 * function that it is of, under the name that Lambda would give it. */
static void set_retention(struct importer *im, struct str group, unsigned days)
{
    const struct str prefix = STR("/aws/lambda/");
    for (struct declared *d = im->declared; d; d = d->next) {
        struct function_spec *spec = &d->function->spec;
        bool own = spec->logging.group.n == 0 && str_starts(group, prefix) &&
                   str_eq(str_from(group, prefix.n), spec->name);
        if (own || str_eq(group, spec->logging.group))
            spec->logging.retention_days = days;
    }
}

void import__read_log_groups(struct importer *im)
{
    struct reason why;
    int64_t days;
    for (struct symbol *s = im->symbols; s; s = s->next) {
        if (s->kind != SYMBOL_OTHER || !str_eqz(s->type, "AWS::Logs::LogGroup"))
            continue;
        const struct json *name = import__ref(im, s->logical, &why);
        const struct json *v = json_get(import__properties(im, s), "RetentionInDays");
        if (name && import__number(im, v, "RetentionInDays", 1, LIMIT_LOG_RETENTION_DAYS, &days))
            set_retention(im, name->s, (unsigned)days);
    }
}

void import__read_logging(struct importer *im, struct declared *d, const struct json *v)
{
    struct function_logging *f = &d->function->spec.logging;
    struct str text;
    const struct json *config = import__object(im, v, "LoggingConfig");
    if (!config)
        return;
    import__check_keys(im, config, &logging_keys);
    const struct json *format = json_get(config, "LogFormat"),
                      *group = json_get(config, "LogGroup");
    if (import__text(im, format, "LogFormat", &text)) {
        f->json = str_eqz(text, "JSON");
        if (!f->json && !str_eqz(text, "Text"))
            import__say(im, IMPORT_ERROR, spot_of(format), "LogFormat is Text or JSON");
    }
    f->application_level =
        read_level(im, f, json_get(config, "ApplicationLogLevel"), "ApplicationLogLevel", false);
    f->system_level = read_level(im, f, json_get(config, "SystemLogLevel"), "SystemLogLevel", true);
    if (import__text(im, group, "LogGroup", &text)) {
        if (is_group(text))
            f->group = text;
        else
            import__say(im, IMPORT_ERROR, spot_of(group),
                        "LogGroup is 1 to %d letters, digits and . - _ / #, and does not begin "
                        "with aws/",
                        LIMIT_LOG_GROUP_NAME);
    }
}
