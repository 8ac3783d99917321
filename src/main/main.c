/* SPDX-License-Identifier: Apache-2.0
 *
 * ropeline VERB: the table of verbs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lambda/lambda.h"
#include "verbs.h"

static const struct verb {
    const char *name, *arguments, *help;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"init", "DIR", "make a small project: authorizer, template, keys, README", verb_init},
    {"dev", "[FILE]", "run a SAM or OpenAPI file, reloading on change", verb_dev},
    {"serve", "-c ropeline.yaml", "run the daemon", verb_serve},
    {"check", "FILE...", "judge a template or ropeline.yaml", verb_check},
    {"doctor", "", "say what this machine gives", verb_doctor},
    {"token", "[--sub NAME ...]", "make a development JWT", verb_token},
    {"explain", "[ID] [--last]", "say why a request was allowed or denied", verb_explain},
    {"invoke", "FUNCTION [--event FILE]", "run a function", verb_invoke},
    {"logs", "[FUNCTION] [--follow]", "show a function's log", verb_logs},
    {"cache", "purge", "drop cached decisions", verb_cache},
    {"policy", "eval --jsonl", "evaluate IAM policies from standard input", verb_policy},
    {"keys", "list|show|rotate FILE", "the signing keys in a JWKS file", verb_keys},
    {"users", "list|show|remove", "the users of the identity core", verb_users},
    {"roles", "list|grant|revoke ...", "who may do what, in the identity core", verb_roles},
    {"sessions", "list|show|revoke", "who is logged in with the identity core", verb_sessions},
    {"backup", "FILE", "copy what the identity core keeps, also while it runs", verb_backup},
    {"restore", "FILE", "put such a copy back, while it does not run", verb_restore},
    {"jwt", "verify --jwks FILE", "judge a token from standard input, step by step", verb_jwt},
};

/* Run by the daemon alone, as the owner of what is to go: no verb for people. It leaves without
 * ceremony, because a sanitizer's would trace it, which its cage forbids. */
static _Noreturn void empty_tmp(int argc, char **argv)
{
    _exit(argc == 1 && lambda_empty(argv[0]) == ERR_OK ? 0 : 1);
}

static void usage(FILE *to)
{
    fprintf(to,
            "ropeline " ROPELINE_VERSION ": an API gateway with Lambda authorizers, on your own "
            "machine\n\nusage: ropeline VERB [ARGUMENTS]   (ropeline VERB --help says more)\n\n");
    for (size_t i = 0; i < COUNTOF(verbs); i++)
        fprintf(to, "  %-8s %-24s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < COUNTOF(verbs); i++)
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(argc - 2, argv + 2);
    if (strcmp(name, "empty-tmp") == 0)
        empty_tmp(argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0) {
        printf("ropeline " ROPELINE_VERSION "\n");
        return 0;
    }
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0;
    if (!help && name[0] != '\0')
        fprintf(stderr, "ropeline: no verb %s\n\n", name);
    usage(help ? stdout : stderr);
    return help ? 0 : 2;
}
