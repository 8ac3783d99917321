/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

const struct option_row daemon_options[] = {
    {"config", 'c', OPTION_VALUE, true, NULL, "FILE",
     "serve: the configuration file (ropeline.yaml)"},
    {"gateway", 0, OPTION_VALUE, true, "127.0.0.1:8080", "HOST:PORT",
     "where the API gateway listens"},
    {"gateway-tls", 0, OPTION_VALUE, true, NULL, "HOST:PORT",
     "the same by TLS; opened when given (dev makes a certificate)"},
    {"admin", 0, OPTION_VALUE, true, NULL, "HOST:PORT",
     "AWS control plane (not built yet: not opened)"},
    {"core", 0, OPTION_VALUE, true, "127.0.0.1:3567", "HOST:PORT",
     "identity core, for SuperTokens SDKs (serve: with core.api_keys)"},
    {"authorize", 0, OPTION_VALUE, true, NULL, "HOST:PORT",
     "forward-auth for other gateways, with /_authorize"},
    {"metrics", 0, OPTION_VALUE, true, "127.0.0.1:9464", "HOST:PORT",
     "/metrics, /healthz, /readyz"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR",
     "state directory (dev: .ropeline beside the file)"},
    {"store", 0, OPTION_VALUE, true, NULL, "URL",
     "PostgreSQL for the identity core, postgres://...; with a password only as ROPELINE_STORE "
     "(default: a SQLite file in the state directory)"},
    {"keys", 0, OPTION_VALUE, true, NULL, "FILE",
     "what the core's private keys are sealed with; made when absent (default: identity.key in the "
     "state directory)"},
    {"workers", 0, OPTION_VALUE, true, NULL, "N", "gateway threads (default: one per core)"},
    {"concurrency", 0, OPTION_VALUE, true, NULL, "N",
     "environments of functions at one time, all together and of each (default: by cores and "
     "memory)"},
    {"function-idle", 0, OPTION_VALUE, true, NULL, "SECONDS",
     "after which an environment without work ends (default: 600)"},
    {"warm-workers", 0, OPTION_VALUE, true, NULL, "N",
     "processes kept ready for whatever function is called next (default: 2)"},
    {"code-cache", 0, OPTION_VALUE, true, NULL, "0|1",
     "keep what V8 made of a function's code, made in a process that loads it once (default: 1)"},
    {"predictive-start", 0, OPTION_VALUE, true, NULL, "0|1",
     "start environments ahead of the calls that the arrivals foretell (default: 1)"},
    {"force-cold-starts", 0, OPTION_VALUE, true, NULL, "0|1",
     "every invocation in an environment of its own (default: 0)"},
    {"function-queue", 0, OPTION_VALUE, true, NULL, "MS",
     "how long a call waits for an environment; 0 = not at all, as on AWS (default: as long as "
     "its caller)"},
    {"fork-templates", 0, OPTION_VALUE, true, NULL, "N",
     "processes kept to start environments by forking them; 0 = none is forked (default: 16)"},
    {"freeze", 0, OPTION_VALUE, true, NULL, "0|1",
     "stop an environment's processes between its invocations, as Lambda does; needs cgroup "
     "version 2 (default: 0)"},
    {"region", 0, OPTION_VALUE, true, "us-east-1", "NAME", "AWS region in ARNs"},
    {"account", 0, OPTION_VALUE, true, "123456789012", "ID", "AWS account in ARNs"},
    {"isolation", 0, OPTION_VALUE, true, NULL, "LEVEL",
     "how functions are kept apart: none, default or strict (see ropeline doctor)"},
    {"allow-read", 0, OPTION_MANY, false, NULL, "PATH",
     "a file or folder that functions may read besides their code"},
    {"allow-write", 0, OPTION_MANY, false, NULL, "PATH",
     "one that they may also write besides their tmp"},
    {"log-retention", 0, OPTION_VALUE, true, NULL, "DAYS",
     "how long the logs of functions are kept; 0 = while there is room (default: 14)"},
    {"log-max", 0, OPTION_VALUE, true, NULL, "MB",
     "how much of them, the oldest go first (default: 256)"},
    {"log-rate", 0, OPTION_VALUE, true, NULL, "BYTES",
     "that one function may log in a second; the rest is dropped and counted (default: 2097152)"},
    {"ready-file", 0, OPTION_VALUE, true, NULL, "FILE", "written when all listeners accept"},
    {"param", 0, OPTION_MANY, false, NULL, "K=V", "a template parameter"},
    {"function", 0, OPTION_MANY, false, NULL, "NAME=DIR:HANDLER",
     "code for a function named in a document"},
    {"user-pool", 0, OPTION_MANY, false, NULL, "ARN=ISSUER",
     "who makes the tokens of a Cognito user pool here"},
    {"quiet", 'q', OPTION_FLAG, false, NULL, NULL, "print errors only"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};
const size_t daemon_option_count = COUNTOF(daemon_options);

static size_t row_named(const struct option_row *rows, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eqz(name, rows[i].name))
            return i;
    return count;
}

static size_t row_lettered(const struct option_row *rows, size_t count, char letter)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].letter == letter)
            return i;
    return count;
}

static bool put(struct options *o, size_t row, const char *value)
{
    struct option_values *to = &o->values[row];
    if (o->rows[row].kind != OPTION_MANY)
        to->n = 0;
    if (to->n == OPTION_MAX) {
        fprintf(stderr, "ropeline: --%s is given more than %d times\n", o->rows[row].name,
                OPTION_MAX);
        return false;
    }
    to->v[to->n++] = value;
    to->origin = "flag";
    return true;
}

/* One argument that begins with '-'; *at moves over its value. */
static bool parse_flag(struct options *o, int argc, char **argv, int *at)
{
    struct str text = str_c(argv[*at]), value = STR_NONE;
    size_t row;
    if (str_starts(text, STR("--"))) {
        struct str name = str_cut(str_from(text, 2), '=', &value);
        row = row_named(o->rows, o->count, name);
    } else {
        row = text.n == 2 ? row_lettered(o->rows, o->count, text.p[1]) : o->count;
    }
    if (row == o->count) {
        fprintf(stderr, "ropeline: unknown option %s (see --help)\n", argv[*at]);
        return false;
    }
    if (o->rows[row].kind == OPTION_FLAG)
        return put(o, row, "");
    if (value.p)
        return put(o, row, value.p);
    if (*at + 1 == argc) {
        fprintf(stderr, "ropeline: --%s needs a value: %s\n", o->rows[row].name,
                o->rows[row].value);
        return false;
    }
    return put(o, row, argv[++*at]);
}

static const char *from_environment(const char *name)
{
    char variable[64] = "ROPELINE_";
    size_t n = strlen(variable);
    for (const char *c = name; *c && n + 1 < sizeof variable; c++)
        variable[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    variable[n] = '\0';
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

bool options_parse(const struct option_row *rows, size_t count, int argc, char **argv,
                   struct options *out)
{
    *out = (struct options){.rows = rows, .count = count};
    ASSERT(count <= OPTION_MAX);
    for (int i = 0; i < argc; i++) {
        bool flag = argv[i][0] == '-' && argv[i][1] != '\0';
        if (flag && !parse_flag(out, argc, argv, &i))
            return false;
        if (!flag && out->positionals == OPTION_MAX) {
            fprintf(stderr, "ropeline: too many arguments\n");
            return false;
        }
        if (!flag)
            out->positional[out->positionals++] = argv[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct option_values *v = &out->values[i];
        if (v->n > 0)
            continue;
        const char *env = rows[i].env ? from_environment(rows[i].name) : NULL;
        v->v[0] = env ? env : rows[i].fallback;
        v->n = v->v[0] ? 1 : 0;
        v->origin = env ? "environment" : "default";
    }
    return true;
}

const struct option_values *option_all(const struct options *o, const char *name)
{
    size_t row = row_named(o->rows, o->count, str_c(name));
    ASSERT(row < o->count);
    return &o->values[row];
}

const char *option_get(const struct options *o, const char *name)
{
    const struct option_values *v = option_all(o, name);
    return v->n ? v->v[0] : NULL;
}

bool option_is(const struct options *o, const char *name)
{
    return option_all(o, name)->n > 0;
}

bool option_seconds(const struct options *o, const char *name, int64_t *out)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct str s = str_c(option_get(o, name));
    uint64_t n;
    for (size_t i = 0; s.n > 1 && i < COUNTOF(units); i++)
        if (s.p[s.n - 1] == units[i].unit && str_u64(str_sub(s, 0, s.n - 1), &n) &&
            n < 1000000000) {
            *out = (int64_t)n * units[i].seconds;
            return true;
        }
    fprintf(stderr, "ropeline: --%s is a number and s, m, h or d: 15m\n", name);
    return false;
}

void options_help(const struct option_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s--%s%s%s",
                 rows[i].letter ? (char[]){'-', rows[i].letter, ',', ' ', 0} : "", rows[i].name,
                 rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        printf("  %-34s %s", left, rows[i].help);
        if (rows[i].fallback)
            printf(" [%s]", rows[i].fallback);
        printf("\n");
    }
}
