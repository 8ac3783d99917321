/* SPDX-License-Identifier: Apache-2.0
 *
 * dev and serve: the same daemon; only where the configuration comes from differs. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "certificates.h"
#include "daemon.h"
#include "file.h"
#include "verbs.h"

static void ready_text(void *arg, struct buf *out)
{
    static const char *const names[LISTENER_COUNT] = {
#define X(name, json) json,
        LISTENER_MAP(X)
#undef X
    };
    const struct daemon_start *start = arg;
    const struct keeper_options *k = start->keeper;
    buf_addc(out, '{');
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        buf_addf(out, "\"%s\":", names[i]);
        if (k->listen[i].wanted)
            json_write_str(out, str_c(k->listen[i].bound));
        else
            buf_addz(out, "null");
        buf_addc(out, ',');
    }
    buf_addf(out, "\"pid\":%d}\n", (int)getpid());
}

static bool on_opened(void *arg)
{
    const struct daemon_start *start = arg;
    const struct config *c = start->config;
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof tmp, "%s/tmp", c->state_dir);
    /* Of a run that was cut short: what functions left with uids of their own only root removes. */
    if (start->keeper->user->root && n > 0 && (size_t)n < sizeof tmp && access(tmp, F_OK) == 0 &&
        lambda_empty(tmp) != ERR_OK)
        fprintf(stderr, "ropeline: cannot remove %s of an earlier run\n", tmp);
    return privilege_give(start->keeper->user, c->state_dir) &&
           privilege_give(start->keeper->user, c->socket_path);
}

/* Root would be the gateway and every function: serve insists on a user to become. */
static bool may_run(const struct config *c)
{
    if (c->dev || geteuid() != 0 || c->user)
        return true;
    fprintf(stderr, "ropeline: serve was started as root: name the user to become in ropeline.yaml "
                    "(user: NAME)\n");
    return false;
}

static int run(struct config *c)
{
    static char hosts[LISTENER_COUNT][64];
    /* spelt as the flags, which is what the keeper's messages name */
    static const char *const names[LISTENER_COUNT] = {"gateway", "gateway-tls", "admin",
                                                      "core",    "authorize",   "metrics"};
    struct keeper_listen listen[LISTENER_COUNT] = {0};
    struct keeper_options k = {.listen = listen,
                               .listens = LISTENER_COUNT,
                               .control_socket = c->socket_path,
                               .ready_file = c->ready_file,
                               .ready_text = ready_text,
                               .opened = c->user ? on_opened : NULL,
                               .gateway = daemon_main,
                               .cage = c->cage,
                               .quiet = c->quiet};
    struct daemon_start start = {c, &k};
    struct privilege user;
    if (!may_run(c) || (c->user && !privilege_find(c->user, &user)))
        return 1;
    k.user = c->user ? &user : NULL;
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        listen[i].name = names[i];
        if (c->listen[i] == NULL)
            continue;
        if (!config_address(c->listen[i], hosts[i], &listen[i].port))
            return 2;
        listen[i].host = hosts[i];
        listen[i].wanted = true;
        bool by_workers = i == LISTENER_gateway || i == LISTENER_gateway_tls ||
                          i == LISTENER_authorize || i == LISTENER_core;
        listen[i].copies = by_workers ? c->workers : 1;
    }
    if (file_make_dir(c->state_dir) != ERR_OK) {
        fprintf(stderr, "ropeline: the state directory %s: %s; choose another with --state\n",
                c->state_dir, strerror(errno));
        return 1;
    }
    if (!certificates_open(c))
        return 1;
    fflush(stdout);
    k.arg = &start;
    return keeper_run(&k);
}

static int help(const char *usage)
{
    printf("usage: ropeline %s\n\n", usage);
    options_help(daemon_options, daemon_option_count);
    return 0;
}

int verb_dev(int argc, char **argv)
{
    static struct options o;
    static struct config c;
    if (!options_parse(daemon_options, daemon_option_count, argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return help("dev [FILE] [OPTIONS]     FILE: a SAM or OpenAPI document [template.yaml]");
    int bad = config_from_dev(&o, &c);
    return bad ? bad : run(&c);
}

int verb_serve(int argc, char **argv)
{
    static struct options o;
    static struct config c;
    if (!options_parse(daemon_options, daemon_option_count, argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return help("serve -c ropeline.yaml [OPTIONS]");
    int bad = config_from_file(&o, &c);
    return bad ? bad : run(&c);
}
