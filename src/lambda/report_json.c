/* SPDX-License-Identifier: Apache-2.0
 *
 * The platform's events as JSON, as Lambda writes them when a function's LogFormat is JSON: one
 * object with time, type and record. Pure. Source: Lambda developer guide, "Telemetry API Event
 * schema reference". */
#include <inttypes.h>

#include "lambda_text.h"

static void begin(struct buf *b, const struct lambda__event *e, const char *type)
{
    char when[TIME_TEXT];
    time_rfc3339(e->wall_us, when);
    buf_addf(b, "{\"time\":\"%s\",\"type\":\"platform.%s\",\"record\":{", when, type);
}

static void end(struct buf *b)
{
    buf_addz(b, "}}");
}

/* Milliseconds with three digits, as Lambda has them: 145.096. */
static void add_ms(struct buf *b, const char *key, int64_t us)
{
    us = us > 0 ? us : 0;
    buf_addf(b, "\"%s\":%" PRId64 ".%03d", key, us / 1000, (int)(us % 1000));
}

static void add_text(struct buf *b, const char *key, struct str value)
{
    buf_addf(b, "\"%s\":", key);
    json_write_str(b, value);
}

static void add_status(struct buf *b, const char *status, const char *error_type)
{
    buf_addf(b, "\"status\":\"%s\"", status ? status : "success");
    if (status && error_type) {
        buf_addc(b, ',');
        add_text(b, "errorType", str_c(error_type));
    }
}

static void add_tracing(struct buf *b, const struct lambda__event *e)
{
    char segment[17];
    if (e->trace.n == 0)
        return;
    lambda__segment_id(e->request_id, segment);
    buf_addf(b, ",\"tracing\":{\"spanId\":\"%s\",\"type\":\"X-Amzn-Trace-Id\",", segment);
    add_text(b, "value", e->trace);
    buf_addc(b, '}');
}

static void add_kind(struct buf *b, const struct lambda__event *e, const char *phase)
{
    buf_addf(b, "\"initializationType\":\"%s\",\"phase\":\"%s\"",
             e->provisioned ? "provisioned-concurrency" : "on-demand", phase);
}

void lambda__json_init_start(struct buf *b, const struct lambda__event *e,
                             const struct lambda__init_start *s)
{
    begin(b, e, "initStart");
    add_kind(b, e, "init");
    buf_addz(b, ",\"runtimeVersion\":\"");
    lambda__runtime_version(b, s->runtime);
    buf_addz(b, "\",\"runtimeVersionArn\":\"");
    lambda__runtime_arn(b, s->region, s->digest);
    buf_addz(b, "\",");
    add_text(b, "functionName", s->function);
    buf_addc(b, ',');
    add_text(b, "functionVersion", e->version);
    end(b);
}

static void begin_init(struct buf *b, const struct lambda__event *e, const char *type,
                       const char *phase, const char *status, const char *error_type)
{
    begin(b, e, type);
    add_kind(b, e, phase);
    buf_addc(b, ',');
    add_status(b, status, error_type);
}

void lambda__json_init_done(struct buf *b, const struct lambda__event *e, const char *phase,
                            const char *status, const char *error_type)
{
    begin_init(b, e, "initRuntimeDone", phase, status, error_type);
    end(b);
}

void lambda__json_init_report(struct buf *b, const struct lambda__event *e, int64_t us,
                              const char *phase, const char *status, const char *error_type)
{
    begin_init(b, e, "initReport", phase, status, error_type);
    buf_addz(b, ",\"metrics\":{");
    add_ms(b, "durationMs", us);
    buf_addc(b, '}');
    end(b);
}

void lambda__json_start(struct buf *b, const struct lambda__event *e)
{
    begin(b, e, "start");
    buf_addf(b, "\"requestId\":\"%s\",", e->request_id);
    add_text(b, "version", e->version);
    add_tracing(b, e);
    end(b);
}

void lambda__json_runtime_done(struct buf *b, const struct lambda__event *e,
                               const struct lambda__report *r, size_t produced)
{
    begin(b, e, "runtimeDone");
    buf_addf(b, "\"requestId\":\"%s\",", e->request_id);
    add_status(b, r->status, r->error_type);
    buf_addz(b, ",\"metrics\":{");
    add_ms(b, "durationMs", r->duration_us);
    buf_addf(b, ",\"producedBytes\":%zu}", produced);
    add_tracing(b, e);
    end(b);
}

void lambda__json_report(struct buf *b, const struct lambda__event *e,
                         const struct lambda__report *r)
{
    int64_t us = r->duration_us > 0 ? r->duration_us : 0;
    begin(b, e, "report");
    buf_addf(b, "\"requestId\":\"%s\",\"metrics\":{", e->request_id);
    add_ms(b, "durationMs", us);
    buf_addf(b, ",\"billedDurationMs\":%" PRId64 ",\"memorySizeMB\":%u,\"maxMemoryUsedMB\":%u",
             (us + 999) / 1000, r->memory_mb, r->used_mb);
    if (r->init_us >= 0) {
        buf_addc(b, ',');
        add_ms(b, "initDurationMs", r->init_us);
    }
    buf_addz(b, "},");
    add_status(b, r->status, r->error_type);
    add_tracing(b, e);
    end(b);
}

void lambda__json_dropped(struct buf *b, const struct lambda__event *e, struct str reason,
                          uint64_t events, uint64_t bytes)
{
    begin(b, e, "logsDropped");
    add_text(b, "reason", reason);
    buf_addf(b, ",\"droppedRecords\":%" PRIu64 ",\"droppedBytes\":%" PRIu64, events, bytes);
    end(b);
}

void lambda__json_error(struct buf *b, const struct lambda__event *e, struct str message,
                        const char *error_type)
{
    char when[TIME_TEXT];
    time_rfc3339(e->wall_us, when);
    buf_addf(b, "{\"timestamp\":\"%s\",\"level\":\"ERROR\",\"requestId\":\"%s\",", when,
             e->request_id);
    add_text(b, "message", message);
    buf_addz(b, ",");
    add_text(b, "errorType", str_c(error_type));
    buf_addc(b, '}');
}
