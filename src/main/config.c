/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's configuration: from flags for dev, from ropeline.yaml (config_file.c) for serve. A
 * flag wins over its variable, that over the file, the file over the default. */
#include "config_int.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log_limits.h"

/* Root gives functions these unless it is told others: numbers that no system hands out
 * (systemd.io, "Users, Groups, UIDs and GIDs"). */
#define FUNCTION_UID_FIRST 1900000000
#define FUNCTION_UIDS 2048

static const char *const listener_flags[LISTENER_COUNT] = {"gateway", "gateway-tls", "admin",
                                                           "core",    "authorize",   "metrics"};
/* Listeners that this build can open; the others stay closed, as --help says. */
static const bool listener_built[LISTENER_COUNT] = {
    [LISTENER_gateway] = true,   [LISTENER_gateway_tls] = true, [LISTENER_core] = true,
    [LISTENER_authorize] = true, [LISTENER_metrics] = true,
};

bool config_address(const char *text, char host[64], uint16_t *port)
{
    struct str s = str_c(text), number;
    size_t colon = str_rchr(s, ':');
    uint64_t n;
    if (colon == SIZE_MAX)
        return false;
    struct str name = str_sub(s, 0, colon);
    number = str_from(s, colon + 1);
    if (str_starts(name, STR("[")) && str_ends(name, STR("]")))
        name = str_sub(name, 1, name.n - 2);
    if (name.n == 0 || name.n >= 64 || !str_u64(number, &n) || n > 65535)
        return false;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    *port = (uint16_t)n;
    return true;
}

/* --- common ------------------------------------------------------------------------------------
 */
static int parse_param(const char *text, struct import_parameter *out)
{
    struct str value, name = str_cut(str_c(text), '=', &value);
    if (value.p == NULL || name.n == 0) {
        fprintf(stderr, "ropeline: --param %s: write --param NAME=VALUE\n", text);
        return 2;
    }
    *out = (struct import_parameter){name, value};
    return 0;
}

/* NAME=DIR:HANDLER, where NAME may be an ARN: the first '=' ends it, the last ':' begins HANDLER.
 */
static int parse_function(struct arena *a, const char *text, struct import_function *out)
{
    struct str code, name = str_cut(str_c(text), '=', &code);
    size_t colon = str_rchr(code, ':');
    char real[PATH_MAX];
    if (code.p == NULL || name.n == 0 || colon == SIZE_MAX || colon + 1 == code.n) {
        fprintf(stderr, "ropeline: --function %s: write --function NAME-or-ARN=DIR:HANDLER\n",
                text);
        return 2;
    }
    char *dir = arena_cstr(a, str_sub(code, 0, colon));
    if (dir == NULL || realpath(dir, real) == NULL) {
        fprintf(stderr, "ropeline: --function %s: the directory %s: %s\n", text, dir ? dir : "",
                strerror(dir ? errno : ENOMEM));
        return 1;
    }
    *out = (struct import_function){name, arena_str(a, str_c(real)), str_from(code, colon + 1),
                                    STR("")};
    return out->dir.p ? 0 : 1;
}

/* Those of --function come before those of the file: who looks for a name takes the first. */
static int take_functions(const struct option_values *flags, struct config *c)
{
    struct import_function *all =
        ARENA_ARRAY(c->arena, flags->n + c->function_count, struct import_function);
    if (all == NULL)
        return 1;
    for (size_t i = 0; i < flags->n; i++) {
        int bad = parse_function(c->arena, flags->v[i], &all[i]);
        if (bad)
            return bad;
    }
    for (size_t i = 0; i < c->function_count; i++)
        all[flags->n + i] = c->functions[i];
    c->functions = all;
    c->function_count += flags->n;
    return 0;
}

/* ARN=ISSUER, before those of the file: the first one that names an ARN counts. */
static int take_user_pools(const struct option_values *flags, struct config *c)
{
    struct auth_user_pool *all =
        ARENA_ARRAY(c->arena, flags->n + c->user_pool_count, struct auth_user_pool);
    if (all == NULL)
        return 1;
    for (size_t i = 0; i < flags->n; i++) {
        struct str issuer, arn = str_cut(str_c(flags->v[i]), '=', &issuer);
        if (arn.n == 0 || issuer.n == 0) {
            fprintf(stderr, "ropeline: --user-pool %s: write ARN=ISSUER\n", flags->v[i]);
            return 2;
        }
        all[i] = (struct auth_user_pool){arn, issuer};
    }
    for (size_t i = 0; i < c->user_pool_count; i++)
        all[flags->n + i] = c->user_pools[i];
    c->user_pools = all;
    c->user_pool_count += flags->n;
    return 0;
}

static int take_many(const struct options *o, struct config *c)
{
    const struct option_values *params = option_all(o, "param");
    c->parameters = ARENA_ARRAY(c->arena, params->n, struct import_parameter);
    if (c->parameters == NULL)
        return 1;
    for (size_t i = 0; i < params->n; i++) {
        int bad = parse_param(params->v[i], &c->parameters[c->parameter_count++]);
        if (bad)
            return bad;
    }
    int bad = take_functions(option_all(o, "function"), c);
    return bad ? bad : take_user_pools(option_all(o, "user-pool"), c);
}

static int take_workers(const char *text, const char *origin, struct config *c)
{
    uint64_t n = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    c->workers = cores > 0 ? (unsigned)cores : 1;
    if (c->workers > KEEPER_COPIES)
        c->workers = KEEPER_COPIES;
    if (text == NULL)
        return 0;
    if (!str_u64(str_c(text), &n) || n < 1 || n > KEEPER_COPIES) {
        fprintf(stderr, "ropeline: workers (%s) must be 1 to %d, not %s\n", origin, KEEPER_COPIES,
                text);
        return 2;
    }
    c->workers = (unsigned)n;
    return 0;
}

static int take_listeners(const struct options *o, struct config *c)
{
    char host[64];
    uint16_t port;
    if (c->tls_count > 0 && c->listen[LISTENER_gateway_tls] == NULL)
        c->listen[LISTENER_gateway_tls] = "127.0.0.1:8443";
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        const char *flag = option_get(o, listener_flags[i]);
        bool from_default = str_eqz(str_c(option_all(o, listener_flags[i])->origin), "default");
        if (flag && !(from_default && c->listen[i]))
            c->listen[i] = flag;
        if (c->listen[i] && !config_address(c->listen[i], host, &port)) {
            fprintf(stderr, "ropeline: --%s %s: write HOST:PORT, like 127.0.0.1:8080\n",
                    listener_flags[i], c->listen[i]);
            return 2;
        }
        if (!listener_built[i])
            c->listen[i] = NULL;
    }
    if (!c->dev && c->listen[LISTENER_gateway_tls] && c->tls_count == 0) {
        fprintf(stderr, "ropeline: the TLS listener needs a certificate: write tls: [{domain, "
                        "certificate, key}] in ropeline.yaml\n");
        return 2;
    }
    return 0;
}

/* Whoever may call the core may log in as anybody: without api keys only a developer on this very
 * machine may. */
static int guard_core(const struct options *o, struct config *c)
{
    const char *at = c->listen[LISTENER_core];
    char host[64] = "";
    uint16_t port;
    if (at == NULL || c->core.api_key_count > 0)
        return 0;
    bool asked = !str_eqz(str_c(option_all(o, "core")->origin), "default") || c->core.listens;
    bool local = config_address(at, host, &port) && http_is_local_host(str_c(host));
    if (c->dev && local)
        return 0;
    if (!c->dev && !asked) { /* nobody asked for it: it stays shut */
        c->listen[LISTENER_core] = NULL;
        return 0;
    }
    fprintf(stderr,
            "ropeline: the identity core at %s needs api keys%s: write core: {api_keys: FILE} in "
            "ropeline.yaml\n",
            at, c->dev ? ", as it is not on loopback" : "");
    return 2;
}

static int take_names(const struct options *o, struct config *c)
{
    bool region_given = !str_eqz(str_c(option_all(o, "region")->origin), "default");
    bool account_given = !str_eqz(str_c(option_all(o, "account")->origin), "default");
    if (region_given || c->region.n == 0)
        c->region = str_c(option_get(o, "region"));
    if (account_given || c->account.n == 0)
        c->account = str_c(option_get(o, "account"));
    for (size_t i = 0; i < c->account.n; i++)
        if (c->account.n != 12 || c->account.p[i] < '0' || c->account.p[i] > '9') {
            fprintf(stderr, "ropeline: the account is 12 digits, not %.*s\n", STR_ARG(c->account));
            return 2;
        }
    c->ready_file = option_get(o, "ready-file");
    c->quiet = option_is(o, "quiet");
    return 0;
}

/* Everybody on the machine sees the arguments of a process. */
static bool take_store(const struct options *o, struct config *c)
{
    const char *url = option_get(o, "store");
    if (url == NULL)
        return true;
    bool server =
        str_starts(str_c(url), STR("postgres://")) || str_starts(str_c(url), STR("postgresql://"));
    bool seen = str_eqz(str_c(option_all(o, "store")->origin), "flag");
    if (!server)
        fprintf(stderr, "ropeline: the store is postgres://...; without one it is a SQLite file\n");
    else if (seen && (strchr(url, '@') || strstr(url, "password")))
        fprintf(stderr, "ropeline: --store: a user or password in an argument can be read by "
                        "everybody here; set ROPELINE_STORE, or `store` in ropeline.yaml\n");
    else
        c->core.store_url = url;
    return c->core.store_url == url;
}

/* `out` stays as it is when the option is not given. */
static bool take_number(const struct options *o, const char *name, uint64_t low, uint64_t high,
                        uint64_t *out)
{
    const char *text = option_get(o, name);
    uint64_t n;
    if (text == NULL)
        return true;
    if (!str_u64(str_c(text), &n) || n < low || n > high) {
        fprintf(stderr, "ropeline: --%s %s: write a number from %llu to %llu\n", name, text,
                (unsigned long long)low, (unsigned long long)high);
        return false;
    }
    *out = n;
    return true;
}

static bool take_logs(const struct options *o, struct config *c)
{
    uint64_t days = c->logs.retention_days, mb = c->logs.bytes_max >> 20;
    bool good = take_number(o, "log-retention", 0, LIMIT_LOG_RETENTION_DAYS, &days) &&
                take_number(o, "log-max", 1, LIMIT_LOG_MAX_MB, &mb) &&
                take_number(o, "log-rate", KIB(1), LIMIT_LOG_BYTES_RATE, &c->logs.bytes_rate);
    c->logs.retention_days = (unsigned)days;
    c->logs.bytes_max = mb << 20;
    return good;
}

static int finish(const struct options *o, struct config *c)
{
    int bad = take_listeners(o, c);
    if (!bad)
        bad = guard_core(o, c);
    if (!bad)
        bad = take_names(o, c);
    if (!bad)
        bad = config__functions_flags(o, c);
    if (!bad)
        bad = take_many(o, c);
    if (bad)
        return bad;
    bad = config__take_cage(o, c);
    if (bad)
        return bad;
    if (!take_store(o, c))
        return 1;
    if (!take_logs(o, c))
        return 2;
    if (option_is(o, "keys"))
        c->core.key_file = option_get(o, "keys");
    const char *state = option_get(o, "state");
    if (state)
        c->state_dir = state;
    char *whole = NULL;
    if (c->state_dir[0] != '/') {
        char cwd[PATH_MAX];
        whole = getcwd(cwd, sizeof cwd)
                    ? arena_cstr(c->arena, arena_fmt(c->arena, "%s/%s", cwd, c->state_dir))
                    : NULL;
        c->state_dir = whole ? whole : c->state_dir;
    }
    int n = snprintf(c->socket_path, sizeof c->socket_path, "%s/ropeline.sock", c->state_dir);
    if (n < 0 || (size_t)n >= sizeof c->socket_path) {
        fprintf(stderr, "ropeline: --state %s: the path is too long for a socket below it\n",
                c->state_dir);
        return 1;
    }
    return 0;
}

static bool begin(struct config *out)
{
    *out = (struct config){.arena = arena_new(KIB(8), LIMIT_DOCUMENT_ARENA),
                           .cage = {.level = CHILD_DEFAULT},
                           .logs = {.retention_days = DEFAULT_LOG_RETENTION_DAYS,
                                    .events_rate = DEFAULT_LOG_EVENTS_RATE,
                                    .bytes_max = DEFAULT_LOG_BYTES,
                                    .bytes_rate = DEFAULT_LOG_BYTES_RATE}};
    config__functions_default(out);
    if (out->arena == NULL)
        fprintf(stderr, "ropeline: out of memory\n");
    return out->arena != NULL;
}

void config_free(struct config *c)
{
    arena_free(c->arena);
    c->arena = NULL;
}

/* On a developer's machine the issuer of tokens often runs beside the daemon. */
static bool allow_loopback(struct config *c)
{
    static const char *const networks[] = {"127.0.0.0/8", "::1"};
    c->fetch_allow = ARENA_ARRAY(c->arena, COUNTOF(networks), struct cidr);
    for (size_t i = 0; c->fetch_allow && i < COUNTOF(networks); i++)
        if (cidr_parse(str_c(networks[i]), &c->fetch_allow[c->fetch_allow_count++]) != ERR_OK)
            return false;
    return c->fetch_allow != NULL;
}

/* --- dev -----------------------------------------------------------------------------------------
 */
int config_from_dev(const struct options *o, struct config *c)
{
    if (!begin(c))
        return 1;
    const char *file = o->positionals ? o->positional[0] : "template.yaml";
    if (o->positionals > 1) {
        fprintf(stderr, "ropeline: dev takes one file\n");
        return 2;
    }
    c->dev = true;
    c->apis = ARENA_NEW(c->arena, struct config_api);
    if (c->apis == NULL)
        return 1;
    c->api_count = 1;
    c->apis[0].template = file;
    size_t slash = str_rchr(str_c(file), '/');
    struct str dir = slash == SIZE_MAX ? STR(".") : str_sub(str_c(file), 0, slash);
    c->state_dir = arena_cstr(c->arena, arena_fmt(c->arena, "%.*s/.ropeline", STR_ARG(dir)));
    if (c->state_dir == NULL || !allow_loopback(c))
        return 1;
    int bad = take_workers(option_get(o, "workers"), option_all(o, "workers")->origin, c);
    return bad ? bad : finish(o, c);
}

/* --- serve ---------------------------------------------------------------------------------------
 */
int config_from_file(const struct options *o, struct config *c)
{
    if (!begin(c))
        return 1;
    const char *file = option_get(o, "config"), *workers = NULL;
    if (file == NULL) {
        fprintf(stderr, "ropeline: serve needs -c ropeline.yaml\n");
        return 2;
    }
    c->state_dir = "/var/lib/ropeline";
    if (geteuid() == 0) {
        c->cage.uid_first = FUNCTION_UID_FIRST;
        c->cage.uid_count = FUNCTION_UIDS;
    }
    int bad = config__read_file(file, c, &workers);
    const char *flag = option_get(o, "workers");
    if (!bad)
        bad =
            take_workers(flag ? flag : workers, flag ? option_all(o, "workers")->origin : file, c);
    return bad ? bad : finish(o, c);
}

/* --- check --print
 * ---------------------------------------------------------------------------------- */
void config_print(const struct config *c, const struct options *o)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        const char *origin = option_all(o, listener_flags[i])->origin;
        printf("%-12s %-24s (%s)\n", listener_flags[i], c->listen[i] ? c->listen[i] : "not open",
               listener_built[i] ? origin : "not built yet");
    }
    printf("%-12s %-24s\n%-12s %-24u\n", "state", c->state_dir, "workers", c->workers);
    printf("%-12s %.*s\n%-12s %.*s\n", "region", STR_ARG(c->region), "account",
           STR_ARG(c->account));
    for (size_t i = 0; i < c->api_count; i++)
        printf("%-12s %s\n", "template", c->apis[i].template);
}
