/* SPDX-License-Identifier: Apache-2.0
 *
 * The logs of functions from outside the room: how a function logs, and who reads it. Control loop.
 * Source: docs/internals/logs.md; Lambda API reference, LoggingConfig. */
#ifndef ROPELINE_LAMBDA_FUNCTION_LOG_H
#define ROPELINE_LAMBDA_FUNCTION_LOG_H

#include "observe/logstore.h"

struct lambda;
struct log_group;

/* LoggingConfig. The levels, numbered as in log frames, count only in JSON. */
enum log_detail {
    DETAIL_TRACE = 4,
    DETAIL_DEBUG = 8,
    DETAIL_INFO = 12,
    DETAIL_WARN = 16,
    DETAIL_ERROR = 20,
    DETAIL_FATAL = 24,
};
struct function_logging {
    struct str group; /* "" = /aws/lambda/NAME */
    bool json;
    unsigned application_level, system_level; /* 0 = DETAIL_INFO */
    unsigned retention_days;                  /* of the group; 0 = the store's own */
};

/* The log of a function, also of earlier runs: what there is, then what comes. The caller owns the
 * struct until `done`, which comes once for each lambda_log_read and never from inside it. */
struct lambda_log_read {
    /* in; the strs live until `done` */
    struct str function;       /* name or ARN */
    struct str filter;         /* only events with this in their text; "" = all */
    int64_t since_ms;          /* epoch; 0 = the last LIMIT_LOG_EVENTS */
    struct lambda_log_place {  /* where to go on; zeroed = at the beginning. It moves */
        uint64_t after, until; /* numbers; until 0: all is seen up to `after` */
        int64_t at_ms;         /* between two pages */
        uint64_t seq;
    } place;
    int64_t wait_ms; /* how long to wait when nothing is there */
    void (*done)(struct lambda_log_read *r, enum err err); /* ERR_NOTFOUND, ERR_NOMEM, ... */
    void *arg;
    /* out: until lambda_log_read_fini */
    struct buf lines; /* as lambda_logs has them */
    bool more;        /* there is more already */
    /* of the lambda room */
    struct lambda *lambda;
    struct log_group *group;
    struct str log_group, stream_part;
    struct buf names;
    struct log_query query;
    struct timer timer;
    struct lambda_log_read *next;
    bool waits;
    enum err err;
    struct post post;
};
void lambda_log_read(struct lambda *l, struct lambda_log_read *r);
void lambda_log_read_stop(struct lambda_log_read *r); /* one that waits ends: ERR_CANCELLED */
void lambda_log_read_fini(struct lambda_log_read *r);

#endif
