/* SPDX-License-Identifier: Apache-2.0
 *
 * The caps of the logs of functions, as base/limits.h has those of the others. */
#ifndef ROPELINE_BASE_LOG_LIMITS_H
#define ROPELINE_BASE_LOG_LIMITS_H

#include "base/limits.h"

/* on their way to the disk */
#define LIMIT_LOG_PENDING MIB(8) /* what waits for it; beyond that events are dropped */
#define LIMIT_LOG_PENDING_EVENTS 100000
#define LOG_BATCH_MS 100         /* the longest that an event waits for others */
#define LOG_BATCH_BYTES KIB(256) /* enough to be written at once */

/* answers */
#define LIMIT_LOG_PAGE 10000        /* CloudWatch Logs: events of one answer */
#define LIMIT_LOG_PAGE_BYTES MIB(1) /* likewise, but for the last event */
#define LIMIT_LOG_SCAN 200000       /* events that are looked at for one answer */
#define LIMIT_LOG_LIST 50           /* CloudWatch Logs: groups or streams of one answer */
#define LIMIT_LOG_TAIL KIB(4)       /* Lambda: X-Amz-Log-Result */

/* what is kept */
#define LIMIT_LOG_SWEEP_EVENTS 5000  /* dropped in one go */
#define LIMIT_LOG_SWEEP_BYTES MIB(8) /* written: then old events are looked for */
#define LOG_SWEEP_MS 60000
#define DEFAULT_LOG_RETENTION_DAYS 14
#define LIMIT_LOG_RETENTION_DAYS 36500
#define DEFAULT_LOG_BYTES MIB(256)
#define LIMIT_LOG_MAX_MB 1048576
#define LIMIT_LOG_GROUP_NAME 512 /* CloudWatch Logs */

/* how much one function may log in a second */
#define DEFAULT_LOG_BYTES_RATE MIB(2)
#define LIMIT_LOG_BYTES_RATE 1000000000
#define DEFAULT_LOG_EVENTS_RATE 10000
#define LIMIT_LOG_EVENTS_RATE 10000000

#endif
