/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's configuration: from flags for dev, from ropeline.yaml for serve. Each key of the
 * file is one row; a key that has no row is an error, and one whose feature is not built is refused
 * by name rather than ignored. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/yaml.h"
#include "file.h"
#include "gateway/gateway.h"

static const char *const listener_flags[LISTENER_COUNT] = {"gateway", "gateway-tls", "admin",
                                                           "core",    "authorize",   "metrics"};
/* Listeners that this build can open; the others stay closed, as --help says. */
static const bool listener_built[LISTENER_COUNT] = {
    [LISTENER_gateway] = true, [LISTENER_metrics] = true};

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

static int take_many(const struct options *o, struct config *c)
{
    const struct option_values *params = option_all(o, "param"),
                               *functions = option_all(o, "function");
    c->parameters = ARENA_ARRAY(c->arena, params->n, struct import_parameter);
    c->functions = ARENA_ARRAY(c->arena, functions->n, struct import_function);
    if (c->parameters == NULL || c->functions == NULL)
        return 1;
    for (size_t i = 0; i < params->n; i++) {
        int bad = parse_param(params->v[i], &c->parameters[c->parameter_count++]);
        if (bad)
            return bad;
    }
    for (size_t i = 0; i < functions->n; i++) {
        int bad = parse_function(c->arena, functions->v[i], &c->functions[c->function_count++]);
        if (bad)
            return bad;
    }
    return 0;
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
    return 0;
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

static int finish(const struct options *o, struct config *c)
{
    int bad = take_listeners(o, c);
    if (!bad)
        bad = take_names(o, c);
    if (!bad)
        bad = take_many(o, c);
    if (bad)
        return bad;
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
    *out = (struct config){.arena = arena_new(KIB(8), LIMIT_DOCUMENT_ARENA)};
    if (out->arena == NULL)
        fprintf(stderr, "ropeline: out of memory\n");
    return out->arena != NULL;
}

void config_free(struct config *c)
{
    arena_free(c->arena);
    c->arena = NULL;
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
    if (c->state_dir == NULL)
        return 1;
    int bad = take_workers(option_get(o, "workers"), option_all(o, "workers")->origin, c);
    return bad ? bad : finish(o, c);
}

/* --- ropeline.yaml
 * -------------------------------------------------------------------------------- */
struct reader {
    const char *file;
    struct config *config;
    const char *workers; /* as text, so that file and flag are judged in one place */
    bool failed;
};

static void complain(struct reader *r, unsigned line, unsigned col, const char *fmt, ...)
    PRINTF(4, 5);
static void complain(struct reader *r, unsigned line, unsigned col, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s:%u:%u: error: ", r->file, line, col);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    r->failed = true;
}

static const char *text_of(struct reader *r, const struct json *v, const char *what)
{
    struct str s = STR_NONE;
    if (v->type == JSON_STRING || v->type == JSON_NUMBER)
        s = v->s;
    char *z = s.p ? arena_cstr(r->config->arena, s) : NULL;
    if (z == NULL)
        complain(r, v->line, v->col, "%s must be text, not %s", what, json_type_name(v->type));
    return z ? z : "";
}

static bool is_object(struct reader *r, const struct json *v, const char *what)
{
    if (v->type != JSON_OBJECT)
        complain(r, v->line, v->col, "%s must be an object, not %s", what, json_type_name(v->type));
    return v->type == JSON_OBJECT;
}

static void read_listen(struct reader *r, const struct json *v)
{
    static const char *const names[LISTENER_COUNT] = {
#define X(name, json) #name,
        LISTENER_MAP(X)
#undef X
    };
    for (size_t i = 0; is_object(r, v, "listen") && i < v->n; i++) {
        size_t k = 0;
        while (k < LISTENER_COUNT && !str_eqz(v->members[i].key, names[k]))
            k++;
        if (k == LISTENER_COUNT)
            complain(r, v->members[i].line, v->members[i].col,
                     "no listener %.*s: gateway, gateway_tls, admin, core, authorize or metrics",
                     STR_ARG(v->members[i].key));
        else
            r->config->listen[k] = text_of(r, v->members[i].value, names[k]);
    }
}

/* A path of the file, relative to the file's own directory. */
static const char *path_of(struct reader *r, const struct json *v, const char *what)
{
    const char *text = text_of(r, v, what);
    size_t slash = str_rchr(str_c(r->file), '/');
    if (text[0] == '/' || slash == SIZE_MAX)
        return text;
    char *joined = arena_cstr(r->config->arena,
                              arena_fmt(r->config->arena, "%.*s/%s", (int)slash, r->file, text));
    return joined ? joined : text;
}

static const struct json *parameters_of(struct reader *r, const struct json *v)
{
    if (v->type != JSON_OBJECT) {
        complain(r, v->line, v->col, "parameters is an object of NAME: VALUE");
        return NULL;
    }
    for (size_t i = 0; i < v->n; i++)
        (void)text_of(r, v->members[i].value, "a parameter");
    return v;
}

static void read_api(struct reader *r, const struct json *v, struct config_api *api)
{
    if (v->type != JSON_OBJECT) {
        complain(r, v->line, v->col, "an API is an object with template: FILE");
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (str_eqz(m->key, "template"))
            api->template = path_of(r, m->value, "template");
        else if (str_eqz(m->key, "stage"))
            api->stage = str_c(text_of(r, m->value, "stage"));
        else if (str_eqz(m->key, "parameters"))
            api->parameters = parameters_of(r, m->value);
        else if (str_eqz(m->key, "id") || str_eqz(m->key, "variables") ||
                 str_eqz(m->key, "domain") || str_eqz(m->key, "base_path"))
            complain(r, m->line, m->col, "apis: %.*s is not served yet; set it in the template",
                     STR_ARG(m->key));
        else
            complain(r, m->line, m->col, "apis: unknown key %.*s", STR_ARG(m->key));
    }
    if (api->template == NULL)
        complain(r, v->line, v->col, "an API needs template: FILE");
}

static void read_apis(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    if (v->type != JSON_ARRAY || v->n == 0) {
        complain(r, v->line, v->col, "apis must be a list with at least one template");
        return;
    }
    c->apis = ARENA_ARRAY(c->arena, v->n, struct config_api);
    for (size_t i = 0; c->apis && i < v->n; i++)
        read_api(r, v->items[i], &c->apis[c->api_count++]);
}

/* functions: {NAME: {code, handler, runtime}}: code for functions that the documents name. */
static void read_function(struct reader *r, const struct json_member *m,
                          struct import_function *out)
{
    char real[PATH_MAX];
    const char *code = NULL;
    *out = (struct import_function){.name = m->key, .runtime = STR("")};
    for (size_t i = 0; i < m->value->n && m->value->type == JSON_OBJECT; i++) {
        const struct json_member *f = &m->value->members[i];
        if (str_eqz(f->key, "code"))
            code = path_of(r, f->value, "code");
        else if (str_eqz(f->key, "handler"))
            out->handler = str_c(text_of(r, f->value, "handler"));
        else if (str_eqz(f->key, "runtime"))
            out->runtime = str_c(text_of(r, f->value, "runtime"));
        else
            complain(r, f->line, f->col,
                     "functions: %.*s is not served yet; set it in the template", STR_ARG(f->key));
    }
    if (code == NULL || out->handler.n == 0)
        complain(r, m->line, m->col, "functions: %.*s needs code and handler", STR_ARG(m->key));
    else if (realpath(code, real) == NULL)
        complain(r, m->line, m->col, "functions: %.*s: %s: %s", STR_ARG(m->key), code,
                 strerror(errno));
    else
        out->dir = arena_str(r->config->arena, str_c(real));
}

static struct import_function *file_functions;
static size_t file_function_count;

static void read_functions(struct reader *r, const struct json *v)
{
    if (!is_object(r, v, "functions"))
        return;
    file_functions = ARENA_ARRAY(r->config->arena, v->n, struct import_function);
    for (size_t i = 0; file_functions && i < v->n; i++)
        read_function(r, &v->members[i], &file_functions[file_function_count++]);
}

static void read_proxies(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    if (v->type != JSON_ARRAY) {
        complain(r, v->line, v->col, "trusted_proxies must be a list of networks like 10.0.0.0/8");
        return;
    }
    c->trusted_proxies = ARENA_ARRAY(c->arena, v->n, struct str);
    for (size_t i = 0; c->trusted_proxies && i < v->n; i++) {
        struct str network = str_c(text_of(r, v->items[i], "trusted_proxies"));
        if (!gateway_is_network(network))
            complain(r, v->items[i]->line, v->items[i]->col,
                     "%.*s is no address or network like 10.0.0.0/8", STR_ARG(network));
        c->trusted_proxies[c->trusted_proxy_count++] = network;
    }
}

static void read_state(struct reader *r, const struct json *v)
{
    r->config->state_dir = path_of(r, v, "state");
}
static void read_workers(struct reader *r, const struct json *v)
{
    r->workers = text_of(r, v, "workers");
}
static void read_region(struct reader *r, const struct json *v)
{
    r->config->region = str_c(text_of(r, v, "region"));
}
static void read_account(struct reader *r, const struct json *v)
{
    r->config->account = str_c(text_of(r, v, "account"));
}
static void read_user(struct reader *r, const struct json *v)
{
    r->config->user = text_of(r, v, "user");
}
static void refuse(struct reader *r, const struct json *v)
{
    complain(r, v->line, v->col, "this key is not served yet; remove it");
}

static const struct {
    const char *key;
    void (*read)(struct reader *r, const struct json *v);
} keys[] = {
    {"listen", read_listen},
    {"apis", read_apis},
    {"functions", read_functions},
    {"trusted_proxies", read_proxies},
    {"state", read_state},
    {"workers", read_workers},
    {"region", read_region},
    {"account", read_account},
    {"user", read_user},
    {"tls", refuse},
    {"keys", refuse},
    {"user_pools", refuse},
    {"store", refuse},
    {"kv", refuse},
    {"function_uids", refuse},
    {"limits", refuse},
    {"fetch", refuse},
};

static void read_document(struct reader *r, const struct json *doc)
{
    if (doc->type != JSON_OBJECT) {
        complain(r, doc->line, doc->col, "ropeline.yaml is an object; see docs/ropeline.yaml.md");
        return;
    }
    for (size_t i = 0; i < doc->n; i++) {
        size_t k = 0;
        while (k < COUNTOF(keys) && !str_eqz(doc->members[i].key, keys[k].key))
            k++;
        if (k == COUNTOF(keys))
            complain(r, doc->members[i].line, doc->members[i].col, "unknown key %.*s",
                     STR_ARG(doc->members[i].key));
        else
            keys[k].read(r, doc->members[i].value);
    }
    if (r->config->api_count == 0)
        complain(r, doc->line, doc->col, "apis: names no template, so there is nothing to serve");
}

int config_from_file(const struct options *o, struct config *c)
{
    struct errinfo e = {0};
    struct str text;
    const struct json *doc;
    if (!begin(c))
        return 1;
    struct reader r = {.file = option_get(o, "config"), .config = c};
    if (r.file == NULL) {
        fprintf(stderr, "ropeline: serve needs -c ropeline.yaml\n");
        return 2;
    }
    enum err err = file_read(c->arena, r.file, LIMIT_TEMPLATE_BYTES, &text);
    if (err != ERR_OK) {
        fprintf(stderr, "ropeline: %s: %s\n", r.file,
                err == ERR_IO ? strerror(errno) : err_text(err));
        return 1;
    }
    if (yaml_parse(c->arena, text, LIMIT_TEMPLATE_BYTES, &doc, &e) != ERR_OK) {
        fprintf(stderr, "%s:%u:%u: error: %s\n", r.file, e.line, e.col, e.text);
        return 1;
    }
    c->state_dir = "/var/lib/ropeline";
    file_function_count = 0;
    read_document(&r, doc);
    if (r.failed)
        return 1;
    const char *flag = option_get(o, "workers");
    int bad =
        take_workers(flag ? flag : r.workers, flag ? option_all(o, "workers")->origin : r.file, c);
    if (!bad)
        bad = finish(o, c);
    if (!bad && file_function_count > 0 && c->function_count == 0) {
        c->functions = file_functions;
        c->function_count = file_function_count;
    }
    return bad;
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
