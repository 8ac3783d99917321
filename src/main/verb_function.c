/* SPDX-License-Identifier: Apache-2.0
 *
 * invoke and cache: what the daemon's functions and cache can be asked by hand. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "file.h"
#include "verbs.h"

#define STATE_ROW                                                                               \
    {                                                                                           \
        "state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]" \
    }
#define JSON_ROW                                             \
    {                                                        \
        "json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON" \
    }
#define HELP_ROW                                                 \
    {                                                            \
        "help", 'h', OPTION_FLAG, false, NULL, NULL, "this text" \
    }

static int show_help(const char *usage, const struct option_row *rows, size_t n)
{
    printf("usage: ropeline %s\n\n", usage);
    options_help(rows, n);
    return 0;
}

static void say_error(struct arena *a, struct str answer)
{
    const struct json *v = NULL;
    if (json_parse(a, answer, MIB(1), &v, NULL) == ERR_OK)
        fprintf(stderr, "ropeline: %.*s\n", STR_ARG(json_str_or(json_get(v, "message"), answer)));
}

/* --- invoke
 * ---------------------------------------------------------------------------------------- */
static const struct option_row invoke_rows[] = {
    {"event", 0, OPTION_VALUE, false, NULL, "FILE", "the event as JSON; - = standard input [{}]"},
    {"qualifier", 0, OPTION_VALUE, false, NULL, "NAME", "a version or an alias [$LATEST]"},
    {"client-context", 0, OPTION_VALUE, false, NULL, "JSON", "what context.clientContext holds"},
    {"log", 0, OPTION_FLAG, false, NULL, NULL, "show the end of its log on standard error"},
    STATE_ROW,
    JSON_ROW,
    HELP_ROW,
};

/* Of a function's log, which may hold anything. */
static void show_log(struct str log)
{
    while (log.n > 0) {
        AUTO_BUF line = BUF_INIT(LIMIT_LOG_LINE);
        buf_add(&line, str_cut(log, '\n', &log));
        buf_printable(&line, 0);
        fprintf(stderr, "%s\n", buf_cstr(&line));
    }
}

static enum err read_event(struct arena *a, const char *file, struct str *event, struct errinfo *e)
{
    const struct json *v;
    *event = STR("{}");
    if (file == NULL)
        return ERR_OK;
    bool in = str_eqz(str_c(file), "-");
    enum err err = in ? file_read_stdin(a, LIMIT_INVOKE_PAYLOAD, event)
                      : file_read(a, file, LIMIT_INVOKE_PAYLOAD, event);
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s: %s", file, err == ERR_IO ? strerror(errno) : err_text(err));
    return json_parse(a, *event, LIMIT_INVOKE_PAYLOAD, &v, e);
}

int verb_invoke(int argc, char **argv)
{
    static struct options o;
    struct errinfo e = {0};
    if (!options_parse(invoke_rows, COUNTOF(invoke_rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return show_help("invoke FUNCTION [OPTIONS]", invoke_rows, COUNTOF(invoke_rows));
    if (o.positionals != 1) {
        fprintf(stderr, "usage: ropeline invoke FUNCTION [--qualifier NAME] [--event FILE]\n");
        return 2;
    }
    struct arena *a = arena_new(KIB(8), MIB(256));
    AUTO_BUF target = BUF_INIT(KIB(32));
    struct str event, answer = STR(""), text;
    int code = 1;
    if (a == NULL)
        return 1;
    if (read_event(a, option_get(&o, "event"), &event, &e) != ERR_OK) {
        fprintf(stderr, "ropeline: the event: %u:%u: %s\n", e.line, e.col, e.text);
        arena_free(a);
        return 1;
    }
    buf_addz(&target, "/invoke");
    ask_add(&target, "function", str_c(o.positional[0]));
    if (option_get(&o, "qualifier"))
        ask_add(&target, "qualifier", str_c(option_get(&o, "qualifier")));
    if (option_get(&o, "client-context"))
        ask_add(&target, "client-context", str_c(option_get(&o, "client-context")));
    if (option_is(&o, "log"))
        ask_add(&target, "log", STR("1"));
    unsigned status =
        ask_daemon(option_get(&o, "state"), "POST", buf_cstr(&target), event, a, &answer);
    const struct json *v = NULL;
    if (status == 200 && json_parse(a, answer, MIB(64), &v, NULL) == ERR_OK) {
        bool ok = str_eqz(json_str_or(json_get(v, "outcome"), STR("")), "OK");
        text = option_is(&o, "json") ? answer : json_str_or(json_get(v, "answer"), STR(""));
        if (!option_is(&o, "json"))
            show_log(json_str_or(json_get(v, "log"), STR("")));
        printf("%.*s\n", STR_ARG(text));
        code = ok ? 0 : 1;
    } else if (status) {
        say_error(a, answer);
    }
    arena_free(a);
    return code;
}

/* --- cache purge
 * ------------------------------------------------------------------------------------- */
static const struct option_row cache_rows[] = {
    {"authorizer", 0, OPTION_VALUE, false, NULL, "NAME", "only decisions of this authorizer"},
    {"principal", 0, OPTION_VALUE, false, NULL, "ID", "only decisions about this principalId"},
    STATE_ROW,
    JSON_ROW,
    HELP_ROW,
};

int verb_cache(int argc, char **argv)
{
    static struct options o;
    if (!options_parse(cache_rows, COUNTOF(cache_rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return show_help("cache purge [OPTIONS]", cache_rows, COUNTOF(cache_rows));
    if (o.positionals != 1 || !str_eqz(str_c(o.positional[0]), "purge")) {
        fprintf(stderr, "usage: ropeline cache purge [--authorizer NAME] [--principal ID]\n");
        return 2;
    }
    struct arena *a = arena_new(KIB(8), MIB(4));
    AUTO_BUF target = BUF_INIT(KIB(8));
    struct str answer = STR("");
    const struct json *v = NULL;
    int64_t n = 0;
    if (a == NULL)
        return 1;
    buf_addz(&target, "/cache/purge");
    if (option_get(&o, "authorizer"))
        ask_add(&target, "authorizer", str_c(option_get(&o, "authorizer")));
    if (option_get(&o, "principal"))
        ask_add(&target, "principal", str_c(option_get(&o, "principal")));
    unsigned status =
        ask_daemon(option_get(&o, "state"), "POST", buf_cstr(&target), STR(""), a, &answer);
    if (status == 200 && json_parse(a, answer, KIB(64), &v, NULL) == ERR_OK &&
        json_int(json_get(v, "purged"), &n)) {
        if (option_is(&o, "json"))
            printf("%.*s\n", STR_ARG(answer));
        else
            printf("%lld cached decision%s dropped\n", (long long)n, n == 1 ? "" : "s");
    }
    arena_free(a);
    return status == 200 ? 0 : 1;
}
