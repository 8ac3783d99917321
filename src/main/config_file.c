/* SPDX-License-Identifier: Apache-2.0
 *
 * ropeline.yaml. Each key is one row of a table; a key that has no row is an error, and one whose
 * feature is not built is refused by name rather than ignored. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/log_limits.h"
#include "base/yaml.h"
#include "config_int.h"
#include "file.h"
#include "gateway/gateway.h"

#define CORE_API_KEYS 16
#define LIMIT_CORE_KEY_FILE KIB(16)

struct reader {
    const char *file;
    struct config *config;
    const char **workers;
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
        r->config->core.listens |= k == LISTENER_core;
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

static const struct json *pairs_of(struct reader *r, const struct json *v, const char *what)
{
    if (v->type != JSON_OBJECT) {
        complain(r, v->line, v->col, "%s is an object of NAME: VALUE", what);
        return NULL;
    }
    for (size_t i = 0; i < v->n; i++)
        (void)text_of(r, v->members[i].value, what);
    return v;
}

/* A host name, "*." in front for one label of it; lower-cased. */
static struct str domain_of(struct reader *r, const struct json *v, const char *what)
{
    char *z = arena_cstr(r->config->arena, str_c(text_of(r, v, what)));
    struct str s = str_c(z), name = str_starts(s, STR("*.")) ? str_from(s, 2) : s;
    bool good = z && name.n > 0 && name.n <= 253 && name.p[0] != '.' && name.p[name.n - 1] != '.';
    for (size_t i = 0; good && i < name.n; i++)
        good = isalnum((unsigned char)name.p[i]) || name.p[i] == '-' || name.p[i] == '_' ||
               (name.p[i] == '.' && name.p[i - 1] != '.');
    if (!good)
        complain(r, v->line, v->col, "%.*s is no domain like api.example.com or *.example.com",
                 STR_ARG(s));
    for (size_t i = 0; z && i < s.n; i++)
        z[i] = (char)tolower((unsigned char)z[i]);
    return s;
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
            api->parameters = pairs_of(r, m->value, "parameters");
        else if (str_eqz(m->key, "id"))
            api->id = str_c(text_of(r, m->value, "id"));
        else if (str_eqz(m->key, "variables"))
            api->variables = pairs_of(r, m->value, "variables");
        else if (str_eqz(m->key, "domain"))
            api->domain = domain_of(r, m->value, "domain");
        else if (str_eqz(m->key, "base_path"))
            api->base_path = str_c(text_of(r, m->value, "base_path"));
        else
            complain(r, m->line, m->col, "apis: unknown key %.*s", STR_ARG(m->key));
    }
    if (api->template == NULL)
        complain(r, v->line, v->col, "an API needs template: FILE");
    if (api->base_path.n > 0 && api->domain.n == 0)
        complain(r, v->line, v->col, "apis: base_path is of a domain: NAME");
    api->at = (struct model_place){r->file, v->line, v->col};
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

static void read_functions(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    if (!is_object(r, v, "functions"))
        return;
    c->functions = ARENA_ARRAY(c->arena, v->n, struct import_function);
    for (size_t i = 0; c->functions && i < v->n; i++)
        read_function(r, &v->members[i], &c->functions[c->function_count++]);
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

/* user_pools: {ARN: issuer}: who makes the tokens of a Cognito user pool here. */
static void read_user_pools(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    if (!is_object(r, v, "user_pools"))
        return;
    c->user_pools = ARENA_ARRAY(c->arena, v->n, struct auth_user_pool);
    for (size_t i = 0; c->user_pools && i < v->n; i++)
        c->user_pools[c->user_pool_count++] = (struct auth_user_pool){
            v->members[i].key, str_c(text_of(r, v->members[i].value, "an issuer"))};
}

static void read_fetch(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    const struct json *allow = json_get(v, "allow");
    if (!json_is(allow, JSON_ARRAY) || v->n != 1) {
        complain(r, v->line, v->col, "write fetch: {allow: [NETWORK, ...]}, like [10.0.0.0/8]");
        return;
    }
    c->fetch_allow = ARENA_ARRAY(c->arena, allow->n, struct cidr);
    for (size_t i = 0; c->fetch_allow && i < allow->n; i++) {
        const char *network = text_of(r, allow->items[i], "fetch.allow");
        if (cidr_parse(str_c(network), &c->fetch_allow[c->fetch_allow_count++]) != ERR_OK)
            complain(r, allow->items[i]->line, allow->items[i]->col,
                     "%s is no address or network like 10.0.0.0/8", network);
    }
}

/* limits: {account_rate, account_burst}: the throttle of all requests together; and of functions
 * (config_functions.c). */
static void read_limits(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    for (size_t i = 0; is_object(r, v, "limits") && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        char why[96];
        if (config__functions_key(c, m->key, m->value, why)) {
            if (why[0])
                complain(r, m->line, m->col, "limits: %s", why);
            continue;
        }
        bool rate = str_eqz(m->key, "account_rate"), burst = str_eqz(m->key, "account_burst");
        double n = json_is(m->value, JSON_NUMBER) ? m->value->real : -1;
        if (rate && n >= 0 && n <= LIMIT_THROTTLE_RATE)
            c->account_rate = n;
        else if (burst && m->value->is_int && n >= 1 && n <= LIMIT_THROTTLE_BURST)
            c->account_burst = (uint64_t)m->value->i;
        else if (rate || burst)
            complain(r, m->line, m->col, "limits: %.*s is a number of requests, %s",
                     STR_ARG(m->key), rate ? "0 to 10000000 a second" : "at least 1");
        else
            complain(r, m->line, m->col,
                     "limits: unknown key %.*s: account_rate, account_burst, concurrency, "
                     "function_idle or function_queue",
                     STR_ARG(m->key));
    }
    if ((json_get(v, "account_rate") != NULL) != (json_get(v, "account_burst") != NULL))
        complain(r, v->line, v->col, "limits: account_rate and account_burst go together");
    else if (c->account_burst > LIMIT_THROTTLE_FILL_S * c->account_rate && c->account_rate > 0)
        complain(r, v->line, v->col, "limits: that burst takes more than a year to fill again");
}

/* logs: {retention_days, max_mb, bytes_per_second, events_per_second}: of functions. */
static void read_logs(struct reader *r, const struct json *v)
{
    struct config_logs *logs = &r->config->logs;
    uint64_t days = logs->retention_days, mb = logs->bytes_max >> 20, events = logs->events_rate;
    const struct {
        const char *key;
        uint64_t low, high, *out;
    } numbers[] = {{"retention_days", 0, LIMIT_LOG_RETENTION_DAYS, &days},
                   {"max_mb", 1, LIMIT_LOG_MAX_MB, &mb},
                   {"bytes_per_second", KIB(1), LIMIT_LOG_BYTES_RATE, &logs->bytes_rate},
                   {"events_per_second", 1, LIMIT_LOG_EVENTS_RATE, &events}};
    for (size_t i = 0; is_object(r, v, "logs") && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        size_t k = 0;
        while (k < COUNTOF(numbers) && !str_eqz(m->key, numbers[k].key))
            k++;
        if (k == COUNTOF(numbers))
            complain(r, m->line, m->col,
                     "logs: unknown key %.*s: retention_days, max_mb, bytes_per_second or "
                     "events_per_second",
                     STR_ARG(m->key));
        else if (!m->value->is_int || m->value->i < (int64_t)numbers[k].low ||
                 m->value->i > (int64_t)numbers[k].high)
            complain(r, m->line, m->col, "logs: %s is a number from %llu to %llu", numbers[k].key,
                     (unsigned long long)numbers[k].low, (unsigned long long)numbers[k].high);
        else
            *numbers[k].out = (uint64_t)m->value->i;
    }
    logs->retention_days = (unsigned)days;
    logs->bytes_max = mb << 20;
    logs->events_rate = (unsigned)events;
}

static void read_certificate(struct reader *r, const struct json *v, struct config_tls *t)
{
    *t = (struct config_tls){
        .file = r->file, .line = v->line, .col = v->col, .domain = STR(""), .fds = {-1, -1}};
    for (size_t i = 0; is_object(r, v, "a certificate") && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (str_eqz(m->key, "domain"))
            t->domain = domain_of(r, m->value, "domain");
        else if (str_eqz(m->key, "certificate"))
            t->certificate = path_of(r, m->value, "certificate");
        else if (str_eqz(m->key, "key"))
            t->key = path_of(r, m->value, "key");
        else if (str_eqz(m->key, "truststore"))
            complain(r, m->line, m->col, "tls: truststore (mutual TLS) is not served yet");
        else
            complain(r, m->line, m->col, "tls: unknown key %.*s", STR_ARG(m->key));
    }
    if (t->domain.n == 0 || t->certificate == NULL || t->key == NULL)
        complain(r, v->line, v->col, "tls: write {domain: NAME, certificate: FILE, key: FILE}");
    for (const struct config_tls *other = r->config->tls; other < t; other++)
        if (str_eq(other->domain, t->domain))
            complain(r, v->line, v->col, "tls: a second certificate for %.*s", STR_ARG(t->domain));
}

static void read_tls(struct reader *r, const struct json *v)
{
    struct config *c = r->config;
    if (v->type != JSON_ARRAY || v->n == 0) {
        complain(r, v->line, v->col, "tls is a list of {domain, certificate, key}");
        return;
    }
    c->tls = ARENA_ARRAY(c->arena, v->n, struct config_tls);
    for (size_t i = 0; c->tls && i < v->n; i++)
        read_certificate(r, v->items[i], &c->tls[c->tls_count++]);
}

/* core: {api_keys, settings, hosts, origins}: who may call the identity core, and how it behaves.
 */
static struct str *texts_of(struct reader *r, const struct json *v, const char *what, size_t *n)
{
    struct str *all = NULL;
    if (v->type == JSON_ARRAY)
        all = ARENA_ARRAY(r->config->arena, v->n, struct str);
    else
        complain(r, v->line, v->col, "core: %s is a list", what);
    for (size_t i = 0; all && i < v->n; i++)
        all[(*n)++] = str_c(text_of(r, v->items[i], what));
    return all;
}

static bool is_api_key(struct str key)
{
    bool good = key.n >= 20;
    for (size_t i = 0; good && i < key.n; i++)
        good = isalnum((unsigned char)key.p[i]) || key.p[i] == '-' || key.p[i] == '=';
    return good;
}

/* One key a line, or separated by commas; blank lines and those that begin with # do not count. */
static void read_api_keys(struct reader *r, const struct json *v)
{
    struct config_core *core = &r->config->core;
    const char *path = path_of(r, v, "core.api_keys");
    struct str text, keys;
    if (file_read(r->config->arena, path, LIMIT_CORE_KEY_FILE, &text) != ERR_OK) {
        complain(r, v->line, v->col, "core: %s cannot be read: %s", path, strerror(errno));
        return;
    }
    core->api_keys = ARENA_ARRAY(r->config->arena, CORE_API_KEYS, struct str);
    while (core->api_keys && text.n > 0) {
        keys = str_cut(text, '\n', &text);
        while (keys.n > 0 && keys.p[0] != '#') {
            struct str key = str_trim(str_cut(keys, ',', &keys));
            if (key.n > 0 && (!is_api_key(key) || core->api_key_count == CORE_API_KEYS))
                complain(r, v->line, v->col,
                         "core: %s: an api key has at least 20 of the characters A-Z a-z 0-9 = -, "
                         "and there are at most %d",
                         path, CORE_API_KEYS);
            else if (key.n > 0)
                core->api_keys[core->api_key_count++] = key;
        }
    }
    if (core->api_key_count == 0)
        complain(r, v->line, v->col, "core: %s has no api key", path);
}

static void read_core(struct reader *r, const struct json *v)
{
    struct config_core *core = &r->config->core;
    for (size_t i = 0; is_object(r, v, "core") && i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (str_eqz(m->key, "api_keys"))
            read_api_keys(r, m->value);
        else if (str_eqz(m->key, "settings") && is_object(r, m->value, "core.settings"))
            core->settings = m->value;
        else if (str_eqz(m->key, "hosts"))
            core->hosts = texts_of(r, m->value, "hosts", &core->host_count);
        else if (str_eqz(m->key, "origins"))
            core->origins = texts_of(r, m->value, "origins", &core->origin_count);
        else if (!str_eqz(m->key, "settings"))
            complain(r, m->line, m->col,
                     "core: unknown key %.*s: api_keys, settings, hosts or origins",
                     STR_ARG(m->key));
    }
}

static void read_state(struct reader *r, const struct json *v)
{
    r->config->state_dir = path_of(r, v, "state");
}
static void read_workers(struct reader *r, const struct json *v)
{
    *r->workers = text_of(r, v, "workers");
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
static void read_store(struct reader *r, const struct json *v)
{
    const char *url = text_of(r, v, "store");
    if (str_starts(str_c(url), STR("postgres://")) || str_starts(str_c(url), STR("postgresql://")))
        r->config->core.store_url = url;
    else
        complain(
            r, v->line, v->col,
            "store is the postgres://... of a server; without it the store is a SQLite file in "
            "the state directory");
}
static void read_keys(struct reader *r, const struct json *v)
{
    r->config->core.key_file = path_of(r, v, "keys");
}
/* isolation: LEVEL, or {level, network, allow_read, allow_write}. */
static void read_level(struct reader *r, const struct json *v)
{
    if (!config__isolation(str_c(text_of(r, v, "isolation")), &r->config->cage.level))
        complain(r, v->line, v->col, "isolation is none, default or strict");
}

static const char **allowed_paths(struct reader *r, const struct json *v, const char *what)
{
    const char **all = NULL;
    if (v->type == JSON_ARRAY)
        all = ARENA_ARRAY(r->config->arena, v->n + 1, const char *);
    else
        complain(r, v->line, v->col, "%s is a list of files and folders", what);
    for (size_t i = 0; all && i < v->n; i++) {
        char real[PATH_MAX];
        const char *path = path_of(r, v->items[i], what);
        if (realpath(path, real) == NULL)
            complain(r, v->items[i]->line, v->items[i]->col, "%s: %s: %s", what, path,
                     strerror(errno));
        all[i] = arena_cstr(r->config->arena, str_c(real));
        all[i + 1] = NULL;
    }
    return all;
}

static void read_network(struct reader *r, const struct json *v)
{
    struct str s = str_c(text_of(r, v, "isolation.network"));
    r->config->cage.no_network = str_eqz(s, "none");
    if (!str_eqz(s, "none") && !str_eqz(s, "host"))
        complain(r, v->line, v->col, "isolation.network is host or none");
}

static void read_isolation(struct reader *r, const struct json *v)
{
    if (v->type != JSON_OBJECT) {
        read_level(r, v);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        const struct json_member *m = &v->members[i];
        if (str_eqz(m->key, "level"))
            read_level(r, m->value);
        else if (str_eqz(m->key, "allow_read"))
            r->config->allow_read = allowed_paths(r, m->value, "isolation.allow_read");
        else if (str_eqz(m->key, "allow_write"))
            r->config->allow_write = allowed_paths(r, m->value, "isolation.allow_write");
        else if (str_eqz(m->key, "network"))
            read_network(r, m->value);
        else
            complain(r, m->line, m->col,
                     "isolation: unknown key %.*s: level, network, allow_read or allow_write",
                     STR_ARG(m->key));
    }
    if (r->config->cage.no_network && r->config->cage.level != CHILD_STRICT)
        complain(r, v->line, v->col, "isolation: network: none needs level: strict");
}

static void read_function_uids(struct reader *r, const struct json *v)
{
    struct cage_options *cage = &r->config->cage;
    cage->uids_asked = true;
    if (!config__uids(str_c(text_of(r, v, "function_uids")), cage))
        complain(r, v->line, v->col,
                 "function_uids is FIRST-LAST, like 2000000000-2000001023: uids and gids that "
                 "nobody else has; none switches it off");
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
    {"tls", read_tls},
    {"core", read_core},
    {"keys", read_keys},
    {"user_pools", read_user_pools},
    {"store", read_store},
    {"kv", refuse},
    {"isolation", read_isolation},
    {"function_uids", read_function_uids},
    {"limits", read_limits},
    {"logs", read_logs},
    {"fetch", read_fetch},
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

int config__read_file(const char *file, struct config *c, const char **workers)
{
    struct errinfo e = {0};
    struct str text;
    const struct json *doc;
    struct reader r = {.file = file, .config = c, .workers = workers};
    enum err err = file_read(c->arena, file, LIMIT_TEMPLATE_BYTES, &text);
    if (err != ERR_OK) {
        fprintf(stderr, "ropeline: %s: %s\n", file,
                err == ERR_IO ? strerror(errno) : err_text(err));
        return 1;
    }
    if (yaml_parse(c->arena, text, LIMIT_TEMPLATE_BYTES, &doc, &e) != ERR_OK) {
        fprintf(stderr, "%s:%u:%u: error: %s\n", file, e.line, e.col, e.text);
        return 1;
    }
    read_document(&r, doc);
    return r.failed ? 1 : 0;
}
