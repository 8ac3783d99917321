/* SPDX-License-Identifier: Apache-2.0
 *
 * Log groups, streams and events as CloudWatch Logs has them, kept in STATE/observe.db. Events are
 * taken on the control loop and written behind its back in batches; what finds no room, no disk or
 * no sound file is counted, said and gone: a log never stops or slows what it tells of. All
 * functions: control loop. Source: docs/internals/logs.md; CloudWatch Logs API reference. */
#ifndef ROPELINE_OBSERVE_LOGSTORE_H
#define ROPELINE_OBSERVE_LOGSTORE_H

#include "base/arena.h"
#include "store/store.h"

struct logstore;
struct log_stream; /* what one environment writes into */

struct logstore_options {
    struct loop *control;
    struct store
        *store; /* relaxed; opened here, off the loop, when the first event or query comes */
    unsigned retention_days; /* of groups that say nothing of their own; 0 = while there is room */
    uint64_t bytes_max;      /* of all together; then the oldest go */
};
enum err logstore_new(const struct logstore_options *o, struct logstore **out) MUSTCHECK;
/* Writes what waits, ends the queries, then `closed`; nothing may be asked after this. */
void logstore_close(struct logstore *s, void (*closed)(void *arg), void *arg);
void logstore_free(struct logstore *s); /* NULL is fine; after `closed`, or when nothing ran */

/* The name is kept; nothing is written before the first event. With `retention_days` above 0 that
 * becomes the group's. NULL: no memory. */
struct log_stream *log_stream_open(struct logstore *s, struct str group, struct str name,
                                   unsigned retention_days) MUSTCHECK;
void log_stream_close(struct log_stream *stream); /* NULL is fine */
struct str log_stream_name(const struct log_stream *stream);
/* Takes one event: UTF-8 without NUL, copied. */
void log_stream_put(struct log_stream *stream, uint64_t seq, int64_t at_ms, struct str message);
/* Numbers events: the wall clock in microseconds when the event came, made larger than any before,
 * also of an earlier run. So a number is the time of ingestion, too. */
uint64_t logstore_seq(struct logstore *s, int64_t wall_us);

/* --- asking ------------------------------------------------------------------------------------
 * The caller owns the struct until `done`, which comes once, never from inside the call. It sees
 * all that was put before. */
enum log_order { LOG_OLDEST_FIRST, LOG_NEWEST_FIRST };
struct log_event {
    uint64_t seq;
    int64_t at_ms; /* epoch */
    struct str stream, message;
};
struct log_query {
    /* in; the strs live until `done` */
    struct str group;
    struct str stream;         /* exactly this one; "" = all of the group */
    struct str stream_part;    /* only streams with this in their name; "" = any */
    struct str filter;         /* only messages with this in them, letter for letter; "" = any */
    int64_t from_ms, until_ms; /* from <= at < until; until 0 = no end */
    uint64_t after_seq, until_seq; /* after < seq <= until; until 0 = no end */
    enum log_order order;          /* by time, and number within a millisecond */
    struct log_cursor {            /* go on behind this one; seq 0 = begin */
        int64_t at_ms;
        uint64_t seq;
    } cursor;
    size_t limit; /* events; 0 = LIMIT_LOG_PAGE */
    void (*done)(struct log_query *q, enum err err);
    void *arg;
    /* out: valid until log_query_fini. `more`: go on from `cursor`, which has been moved. */
    struct log_event *events;
    size_t count;
    bool more;
    /* of this file */
    struct logstore *logs;
    struct store_job job;
    struct arena *arena;
    struct post post;
    struct log_query *next;
    size_t bytes, seen;
};
void logstore_query(struct logstore *s, struct log_query *q);
void log_query_fini(struct log_query *q);

/* Groups, or with a group its streams, in the order of their names. ERR_NOTFOUND: no such group. */
struct log_listed {
    struct str name;
    int64_t created_ms, first_ms, last_ms; /* of a group: created_ms alone */
    uint64_t ingested_us;                  /* the number of its last event */
    int64_t retention_days;                /* of a group; 0 = the store's own */
};
struct log_list {
    /* in; the strs live until `done` */
    struct str group;  /* "" = list groups */
    struct str prefix; /* of the names */
    struct str after;  /* a name: go on behind it; "" = begin */
    size_t limit;      /* 0 = LIMIT_LOG_LIST */
    void (*done)(struct log_list *q, enum err err);
    void *arg;
    /* out: valid until log_list_fini */
    struct log_listed *listed;
    size_t count;
    bool more;
    /* of this file */
    struct logstore *logs;
    struct store_job job;
    struct arena *arena;
    struct post post;
    struct log_list *next;
};
void logstore_list(struct logstore *s, struct log_list *q);
void log_list_fini(struct log_list *q);

/* Events and bytes that were not kept since the start. */
struct log_losses {
    uint64_t events, bytes;
};
struct log_losses logstore_losses(const struct logstore *s);

#endif
