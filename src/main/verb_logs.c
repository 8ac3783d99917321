/* SPDX-License-Identifier: Apache-2.0
 *
 * logs: what a function has logged, and with --follow what it logs from now on, over restarts of
 * the daemon. What strangers wrote is printed with its control characters replaced. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "verbs.h"

#define PATIENCE_S 30 /* for a daemon that is being restarted */

static const struct option_row rows[] = {
    {"follow", 'f', OPTION_FLAG, false, NULL, NULL, "go on as new events come"},
    {"since", 0, OPTION_VALUE, false, NULL, "TIME", "events of the last TIME: 30s, 5m, 2h, 1d"},
    {"filter", 0, OPTION_VALUE, false, NULL, "TEXT", "only events with this in their text"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "one JSON object an event"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* How far it has got. */
struct reading {
    const struct options *o;
    int64_t since_ms;
    char place[96]; /* "" = at the beginning */
    bool more, terminal;
};

/* Lines of the platform stand back, errors come forward. */
static const char *color_of(struct str text)
{
    static const char *const ours[] = {"START RequestId: ", "END RequestId: ", "REPORT RequestId: ",
                                       "INIT_START ",       "INIT_REPORT ",    "{\"time\":\""};
    for (size_t i = 0; i < COUNTOF(ours); i++)
        if (str_starts(text, str_c(ours[i])))
            return "\x1b[2m";
    bool error = str_find(text, STR("\tERROR\t")) != SIZE_MAX ||
                 str_find(text, STR("\"level\":\"ERROR\"")) != SIZE_MAX ||
                 str_starts(text, STR("[ERROR]"));
    return error ? "\x1b[31m" : NULL;
}

static void print_event(const struct reading *r, const struct json *v, struct str line)
{
    AUTO_BUF shown = BUF_INIT(MIB(4));
    bool json = option_is(r->o, "json");
    struct str text = json_str_or(json_get(v, "message"), STR(""));
    buf_add(&shown, json ? line : text);
    for (size_t i = 0; !json && i < shown.n; i++) /* an event of several lines is one */
        if (shown.p[i] == '\r')
            shown.p[i] = '\n';
    const char *color = r->terminal && !json ? color_of(text) : NULL;
    struct str rest = buf_str(&shown);
    AUTO_BUF out = BUF_INIT(MIB(5));
    while (rest.p && shown.err == ERR_OK) {
        struct str one = str_cut(rest, '\n', &rest);
        size_t from = out.n;
        buf_add(&out, one);
        if (!json || r->terminal) /* a program gets what was logged */
            buf_printable(&out, from);
        buf_addz(&out, "\n");
        if (rest.p)
            buf_addz(&out, "  ");
    }
    printf("%s%s%s", color ? color : "", buf_cstr(&out), color ? "\x1b[0m" : "");
}

static void print_answer(struct reading *r, struct str lines)
{
    while (lines.n > 0) {
        struct str line = str_cut(lines, '\n', &lines);
        struct arena *a = arena_new(KIB(16), MIB(8));
        const struct json *v = NULL;
        if (a && line.n > 0 && json_parse(a, line, MIB(4), &v, NULL) == ERR_OK) {
            struct str next = json_str_or(json_get(v, "next"), STR(""));
            if (next.n > 0 && next.n < sizeof r->place) {
                memcpy(r->place, next.p, next.n);
                r->place[next.n] = '\0';
                r->more = json_bool_or(json_get(v, "more"), false);
            } else {
                print_event(r, v, line);
            }
        }
        arena_free(a);
    }
    fflush(stdout);
}

static unsigned ask_once(struct reading *r)
{
    AUTO_BUF target = BUF_INIT(KIB(16));
    char since[24];
    struct str answer = STR("");
    struct arena *a = arena_new(KIB(64), MIB(256));
    if (a == NULL)
        return 0;
    buf_addz(&target, "/logs");
    if (r->o->positionals)
        ask_add(&target, "function", str_c(r->o->positional[0]));
    if (option_get(r->o, "filter"))
        ask_add(&target, "filter", str_c(option_get(r->o, "filter")));
    snprintf(since, sizeof since, "%lld", (long long)r->since_ms);
    ask_add(&target, "since", str_c(since));
    if (r->place[0])
        ask_add(&target, "from", str_c(r->place));
    if (r->place[0] && !r->more)
        ask_add(&target, "wait", STR("1"));
    r->more = false;
    unsigned status =
        ask_daemon(option_get(r->o, "state"), "GET", buf_cstr(&target), STR(""), a, &answer);
    const struct json *v = NULL;
    if (status == 200 && r->o->positionals)
        print_answer(r, answer);
    else if (status == 200)
        printf("%.*s\n", STR_ARG(answer));
    else if (status && json_parse(a, answer, MIB(1), &v, NULL) == ERR_OK)
        fprintf(stderr, "ropeline: %.*s\n", STR_ARG(json_str_or(json_get(v, "message"), answer)));
    arena_free(a);
    return status;
}

/* After the first answer a daemon may be away for a while: its place in the log stays. */
static int follow(struct reading *r)
{
    time_t given_up = time(NULL) + PATIENCE_S;
    while (time(NULL) < given_up) {
        if (ask_once(r) == 200)
            given_up = time(NULL) + PATIENCE_S;
        else
            nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    }
    return 1;
}

int verb_logs(int argc, char **argv)
{
    static struct options o;
    int64_t seconds = 0;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help")) {
        printf("usage: ropeline logs [FUNCTION] [OPTIONS]    without a function: the list of "
               "functions\n\n");
        options_help(rows, COUNTOF(rows));
        return 0;
    }
    if (o.positionals > 1 || (option_is(&o, "since") && !option_seconds(&o, "since", &seconds)))
        return 2;
    struct reading r = {.o = &o, .terminal = isatty(STDOUT_FILENO) == 1};
    if (seconds > 0)
        r.since_ms = clock_wall_us(&clock_system) / 1000 - seconds * 1000;
    do {
        if (ask_once(&r) != 200)
            return 1;
    } while (r.more);
    return option_is(&o, "follow") && o.positionals ? follow(&r) : 0;
}
