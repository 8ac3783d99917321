/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of an environment, from its birth to its end, for the files that take part in it. All of
 * it on the control loop. */
#ifndef ROPELINE_LAMBDA_ENVIRONMENT_INT_H
#define ROPELINE_LAMBDA_ENVIRONMENT_INT_H

#include "lambda_int.h"

/* environment.c. `first`: the invocation that it is started for and whose time it spends;
 * NULL: ahead of whoever comes. */
enum err lambda__env_start(struct function *f, struct lambda_invocation *first) MUSTCHECK;
enum err lambda__env_start_provisioned(struct function *f) MUSTCHECK;
void lambda__env_move(struct environment *env, enum env_state to);
void lambda__env_arm(struct environment *env, int64_t after_ms); /* what its state allows it */
void lambda__env_kill(struct environment *env);
/* GET next has come and is held. */
void lambda__env_next(struct environment *env);
/* POST init/error has come. */
void lambda__env_init_error(struct environment *env, const char *type, struct buf *payload);
void lambda__env_unready(struct environment *env); /* its GET next was given up */
void lambda__env_closed(struct environment *env);  /* its connections are, and no more can come */
/* An exchange, a pipe or the cleaning is over: frees it when nothing is left. */
void lambda__env_maybe_free(struct environment *env);

/* The bookkeeping of one that is new, or NULL. */
struct environment *lambda__env_new(struct function *f, enum env_state state,
                                    bool provisioned) MUSTCHECK;
/* Ends its connection: what follows is as if it had done so. */
void lambda__env_hang_up(struct environment *env);
/* Gives it a process; on failure it has come to its end. */
enum err lambda__env_spawn(struct environment *env) MUSTCHECK;
/* What becomes of it when its process has ended. */
void lambda__env_exited(void *env, const struct child_exit *how);
/* The keeper holds the process that was forked for it. */
void lambda__env_born(void *env);

/* spawn.c: directory, descriptors, variables, process. On failure nothing stays behind. */
#define CHILD_API 3
#define CHILD_LOGS 4
#define CHILD_CONTROL 5
enum err lambda__spawn(struct environment *env) MUSTCHECK;
/* The process that was forked for it becomes its own; lambda__env_born follows. */
enum err lambda__adopt(struct environment *env, int pid) MUSTCHECK;

/* template.c: processes that have loaded a function's code and are forked for each environment
 * that is needed. One a function version, started when its first environment is idle. */
void lambda__template_want(struct function *f);
/* "none", "loading", "serving" or "refused". */
struct str lambda__template_state(const struct function *f);
/* The one that serves, or NULL. */
struct environment *lambda__template_of(struct function *f);
/* Its control socket begins to be read. Takes over `fd` when ERR_OK. */
enum err lambda__template_open(struct environment *template, int fd) MUSTCHECK;
/* `env` is forked from it: `fds` are its descriptors 1 to 4, `variables` what differs of its
 * environment, as a JSON object. lambda__env_born follows. ERR_BUSY: too many at once. */
enum err lambda__template_fork(struct environment *template, struct environment *env,
                               const int fds[4], struct str variables) MUSTCHECK;
/* It has served nobody for long. */
void lambda__template_rest(struct environment *template);
/* Its process has ended by itself. */
void lambda__template_lost(struct environment *template);
/* Its process is gone, and everything known about it: those that it has not borne start anew. */
void lambda__template_over(struct environment *template);

/* uids.c: a uid that nobody has; 0 where they run as we do. ERR_LIMIT: none is free. */
enum err lambda__uid_take(struct lambda *l, uint32_t *out) MUSTCHECK;
/* Removes what is in STATE/tmp/NAME as its owner; `done` then asks whether it is gone. */
enum err lambda__uid_empty(struct lambda *l, uint32_t uid, const char *name, child_exit_fn done,
                           void *arg) MUSTCHECK;
void lambda__uid_emptied(const struct lambda *l, const char *name, const struct child_exit *how);

/* cage.c: how much it may use, and nothing else. */
struct child_cage lambda__cage_limits(const struct function *f);
/* Into `a`; `program` is what runs the code. ERR_LIMIT: too many paths. */
enum err lambda__cage(const struct function *f, struct arena *a, const char *program,
                      const char *tmp, uint32_t uid, struct child_cage *out) MUSTCHECK;
/* Of a process that may become one of any function with such a runtime; it opens itself. */
enum err lambda__cage_any(const struct function *f, struct arena *a, const char *tmp, uint32_t uid,
                          struct child_cage *out) MUSTCHECK;
/* Whether such a one sees `path` only where it was made for it. */
bool lambda__cage_hides(const struct lambda *l, struct str path);
/* Where it sees its directory of that name; and a path of its code or layers. p NULL: out of
 * memory.
 */
struct str lambda__tmp_seen(const struct lambda *l, struct arena *a, const char *name) MUSTCHECK;
struct str lambda__path_seen(const struct function *f, struct arena *a, struct str path) MUSTCHECK;

/* streams.c */
enum err lambda__source_open(struct environment *env, enum source_kind kind, int fd) MUSTCHECK;
/* Reads what is there now; with `end`, also what had not been ended. */
void lambda__sources_drain(struct environment *env, bool end);
void lambda__sources_close(struct environment *env);

#endif
