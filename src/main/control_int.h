/* SPDX-License-Identifier: Apache-2.0
 *
 * One request of the control socket, for the files that answer it. It lives in the arena of its
 * exchange until that is done. */
#ifndef ROPELINE_MAIN_CONTROL_INT_H
#define ROPELINE_MAIN_CONTROL_INT_H

#include "daemon.h"
#include "http/path.h"

struct ask {
    struct daemon *daemon;
    struct http_exchange *http;
    struct query_pair *query;
    size_t query_count;
    struct buf body, answer;
    struct lambda_invocation invocation;
    struct function *function;
    struct lambda_log_read read;
};

/* A value of its query, "" when it is not there. */
struct str control__query(const struct ask *q, const char *name);
/* Sends q->answer. */
void control__answer(struct ask *q, unsigned status, const char *type);
/* {"message":TEXT} in its place. */
void control__answer_error(struct ask *q, unsigned status, const char *text);

/* control_logs.c: GET /logs */
void control__logs(struct ask *q);

#endif
