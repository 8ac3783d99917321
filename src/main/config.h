/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon runs with, wherever it came from: flags and a template (dev) or ropeline.yaml
 * (serve). Built before the first fork and then read-only. */
#ifndef ROPELINE_MAIN_CONFIG_H
#define ROPELINE_MAIN_CONFIG_H

#include "authorizer/authorizer.h"
#include "base/cidr.h"
#include "import/import.h"
#include "keeper.h"
#include "options.h"

#define LISTENER_MAP(X)          \
    X(gateway, "gateway")        \
    X(gateway_tls, "gatewayTls") \
    X(admin, "admin")            \
    X(core, "core")              \
    X(authorize, "authorize")    \
    X(metrics, "metrics")
enum listener {
#define X(name, json) LISTENER_##name,
    LISTENER_MAP(X)
#undef X
        LISTENER_COUNT
};

struct config_api {
    const char *template;
    struct str id, stage; /* "" = as the template says */
    const struct json *variables, *parameters;
    struct str domain, base_path; /* custom domain of the document's one API; "" = none */
    struct model_place at;
};

/* A certificate of the TLS listener. */
struct config_tls {
    struct str domain; /* lower case, "*." in front stands for one label */
    const char *certificate, *key;
    const char *file; /* where it is written; line 0 = nowhere */
    unsigned line, col;
    int fds[2]; /* certificate, key: opened by the keeper */
};

enum config_function_limit {
    CONFIG_CONCURRENCY,   /* environments of all functions together */
    CONFIG_FUNCTION_IDLE, /* seconds after which one without work ends */
    CONFIG_WARM_WORKERS,  /* processes kept ready for whatever function is called */
    CONFIG_CODE_CACHE,    /* 0 or 1, as those below */
    CONFIG_PREDICTIVE_START,
    CONFIG_COLD_STARTS,    /* every invocation in an environment of its own */
    CONFIG_FUNCTION_QUEUE, /* milliseconds that a call may wait for one; 0 = none, as on AWS */
    CONFIG_FORK_TEMPLATES,
    CONFIG_FREEZE, /* 0 or 1: between its invocations an environment stands still */
    CONFIG_FUNCTIONS
};

struct config {
    struct arena *arena;
    bool dev;
    const char *listen[LISTENER_COUNT]; /* "HOST:PORT", NULL = not opened */
    const char *state_dir, *ready_file, *user;
    struct str region, account;
    unsigned workers;
    double account_rate;    /* of all requests together, a second */
    uint64_t account_burst; /* 0 = no such limit */
    bool quiet;
    struct config_api *apis;
    size_t api_count;
    struct import_parameter *parameters;
    size_t parameter_count;
    struct import_function *functions;
    size_t function_count;
    int64_t function_limits[CONFIG_FUNCTIONS]; /* -1 = not said */
    struct str *trusted_proxies;
    size_t trusted_proxy_count;
    struct config_tls *tls;
    size_t tls_count;
    struct cidr *fetch_allow; /* where documents may be fetched besides public https */
    size_t fetch_allow_count;
    struct auth_user_pool *user_pools; /* of ropeline.yaml or --user-pool */
    size_t user_pool_count;
    struct config_core { /* of ropeline.yaml's `core` */
        struct str *api_keys, *hosts, *origins;
        size_t api_key_count, host_count, origin_count;
        const char *store_url;       /* of PostgreSQL; NULL = SQLite in the state directory */
        const char *key_file;        /* of `keys`; NULL = identity.key in the state directory */
        bool listens;                /* `listen` names it */
        const struct json *settings; /* NULL = the core's defaults */
    } core;
    struct cage_options cage;
    const char **allow_read, **allow_write; /* NULL-terminated */
    struct config_logs { /* of functions: what is kept, and how fast each may write */
        unsigned retention_days, events_rate;
        uint64_t bytes_max, bytes_rate;
    } logs;
    char socket_path[108];
};

/* Each says on stderr what is wrong, as file:line:col where a file is to blame, and returns an exit
 * code: 0, 1 or 2. */
int config_from_dev(const struct options *o, struct config *out);
int config_from_file(const struct options *o, struct config *out);
void config_free(struct config *c); /* also after a failure */
/* config_functions.c: what it says of functions, for lambda_new. */
void config_lambda(const struct config *c, struct lambda_options *out);
void config_print(const struct config *c, const struct options *o);
/* "127.0.0.1:8080", "[::1]:0". */
bool config_address(const char *text, char host[64], uint16_t *port);

/* Reads `n` documents of the configuration into one model. The report has what there is to say;
 * NULL when it has errors. `to_run`: missing code is an error, not a note. Any thread. */
struct model *config_load(const struct config *c, const struct config_api *apis, size_t n,
                          bool to_run, struct import_report *report, struct arena *a);
/* api_keys.c: fills in the values that the documents leave out. False: said in the report. */
bool config_make_api_keys(const struct config *c, struct model *m, struct import_report *report);
/* packages.c: brings the code of functions into the store. False: said in the report. Any thread.
 */
bool config_unpack(const struct config *c, struct model *m, struct import_report *report);
/* For gateway_freeze and gateway_judge: a problem becomes an error of the report in `arg`. */
void report_problem(void *report, const struct model_place *at, const char *text);
void report_print(const struct import_report *r, bool notes);

#endif
