/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the command line: each gets the arguments after its name and returns the exit code:
 * 0 ok, 1 failed or refused, 2 usage. One row each in main.c. */
#ifndef ROPELINE_MAIN_VERBS_H
#define ROPELINE_MAIN_VERBS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "options.h"

int verb_init(int argc, char **argv);
int verb_dev(int argc, char **argv);
int verb_serve(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_token(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_invoke(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_cache(int argc, char **argv);
int verb_policy(int argc, char **argv);
int verb_jwt(int argc, char **argv);
int verb_keys(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv); /* verb_backup.c */
int verb_users(int argc, char **argv);
int verb_roles(int argc, char **argv);
int verb_sessions(int argc, char **argv);
/* verb_keys_core.c: list or rotate, of an app of the identity core. */
int keys_of_core(const struct options *o, struct str verb);

/* ask.c: one request to the daemon whose socket is in `state` (NULL: .ropeline here, then
 * /var/lib/ropeline). Says on stderr when there is none. 0 = failed, else status. */
unsigned ask_daemon(const char *state, const char *method, const char *target, struct str body,
                    struct arena *a, struct str *answer);
/* ask_core.c: the same to the identity core; `path` is one of its interface (CDI), without the app,
 * which is the option --app. 0: *answer is its JSON; otherwise an exit code, and it is said on
 * stderr. The verb has the options app and state. */
int ask_core(const struct options *o, const char *method, const char *path, struct str body,
             struct arena *a, const struct json **answer);
/* A whole verb: its options are read, then `help` answers --help on stdout, or `run` the rest. */
int ask_core_verb(const struct option_row *rows, size_t count, int argc, char **argv,
                  int (*help)(FILE *to), int (*run)(const struct options *o, struct arena *a));
/* "/TENANT" of the option --tenant, where it is given. False: it is none, and it is said. */
bool ask_core_tenant(const struct options *o, struct buf *path);
/* GET path?name=value (name NULL: without), in that tenant if the call is one of a tenant. */
int ask_core_get(const struct options *o, bool in_tenant, const char *path, const char *name,
                 struct str value, struct arena *a, const struct json **answer);
bool ask_core_said(const struct json *answer, const char *status);
/* "a, b, c" */
void ask_core_names(struct buf *out, const struct json *list);
/* One line of JSON on stdout; an exit code. NULL (no memory) is 1. */
int ask_core_print(const struct json *v);
/* "name=value" with the value escaped, appended to a target with ? or &. */
void ask_add(struct buf *target, const char *name, struct str value);

/* jsonl.c: what comes behind "id" in the answer to one line; NULL: it was no object. */
typedef void (*jsonl_judge_fn)(struct arena *a, const struct json *line, struct buf *out);
/* Answers every line of standard input; 1 when one of them was no object. */
int jsonl_answer(jsonl_judge_fn judge);

#endif
