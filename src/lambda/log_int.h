/* SPDX-License-Identifier: Apache-2.0
 *
 * The logs of functions inside the room: what a function wrote, what the platform says of it, and
 * who reads it. All on the control loop. */
#ifndef ROPELINE_LAMBDA_LOG_INT_H
#define ROPELINE_LAMBDA_LOG_INT_H

#include "lambda/lambda.h"

struct environment;
struct log_group; /* the recent events of one function name, all its versions */

/* --- logs.c ----------------------------------------------------------------------------------- */
struct log_group *lambda__log_group(struct lambda *l, struct str name) MUSTCHECK;
void lambda__log_group_free(struct log_group *g);
bool lambda__log_group_is_default(const struct function *f); /* /aws/lambda/NAME */
/* env->log_stream and its name, as Lambda names it. */
enum err lambda__log_open(struct environment *env) MUSTCHECK;
/* An event of the function's own, of a level as in frames (0 = unknown): kept unless its
 * LoggingConfig leaves it out or the function writes too much. */
void lambda__log_application(struct environment *env, unsigned level, int64_t wall_us,
                             struct str text);
/* One of ours: always kept. */
void lambda__log_platform(struct environment *env, struct str text);
/* The function writes more than it may: what it writes next is dropped, and need not be read soon.
 */
bool lambda__log_floods(const struct environment *env);
/* Says how much was dropped, if something was and has not been said. */
void lambda__log_say_dropped(struct environment *env);
/* The events of one invocation that are still there, as JSON strings with commas between. */
void lambda__log_write(struct log_group *g, uint64_t run, struct buf *out);
/* The same as lines, the last LIMIT_LOG_TAIL bytes of them: X-Amz-Log-Result. */
void lambda__log_tail(struct log_group *g, uint64_t run, struct buf *out);

/* --- log_read.c ------------------------------------------------------------------------------- */
struct log_waiters {
    struct lambda_log_read *first;
    struct timer wake;
};
/* For log_read.c: whether memory has all events behind that number, and they as JSON lines. */
bool lambda__log_has_all(const struct log_group *g, uint64_t after);
void lambda__log_lines(struct log_group *g, uint64_t after, int64_t since_ms, struct str filter,
                       struct buf *out);
struct log_group *lambda__log_find(struct lambda *l, struct str name_or_arn); /* or NULL */
uint64_t lambda__log_last(const struct log_group *g); /* the newest number */
struct log_waiters *lambda__log_waiters(struct log_group *g);
void lambda__log_wake(struct lambda *l, struct log_group *g); /* something new is there */
void lambda__log_line(struct buf *out, uint64_t seq, int64_t at_ms, struct str stream,
                      struct str message);
void lambda__log_end_waiters(struct lambda *l); /* when the room closes */

/* --- platform.c: what the platform says, in the format of the function -------------------------
 */
void lambda__say_init_start(struct environment *env);
/* `status` NULL: it went well, of which only JSON speaks. */
void lambda__say_init_report(struct environment *env, const char *phase, const char *status,
                             const char *error_type);
void lambda__say_start(struct environment *env);
void lambda__say_timeout(struct environment *env);
void lambda__say_crash(struct environment *env, const char *error_type);
void lambda__say_end(struct environment *env, int64_t duration_us, size_t produced,
                     const char *status, const char *error_type);
void lambda__say_dropped(struct environment *env, uint64_t events, uint64_t bytes);

#endif
