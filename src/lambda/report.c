/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines that the platform itself puts into a function's log and the payloads of the errors that
 * are its own, letter for letter as tools that read them expect. Pure. */
#include <inttypes.h>
#include <signal.h>

#include "base/limits.h"
#include "lambda_text.h"

/* 145.1 ms is "145.10 ms". */
static void add_ms(struct buf *b, const char *label, int64_t us)
{
    if (us < 0)
        us = 0;
    int64_t hundredths = (us + 5) / 10;
    buf_addf(b, "%s: %" PRId64 ".%02d ms\t", label, hundredths / 100, (int)(hundredths % 100));
}

static void add_status(struct buf *b, const char *status, const char *error_type)
{
    if (status)
        buf_addf(b, "Status: %s", status);
    if (status && error_type)
        buf_addf(b, "\tError Type: %s", error_type);
}

/* "nodejs20.x" is runtime nodejs, version 20; "provided.al2023" is provided, al2023. */
void lambda__runtime_version(struct buf *b, struct str runtime)
{
    size_t end = 0;
    while (end < runtime.n && runtime.p[end] != '.' &&
           (runtime.p[end] < '0' || runtime.p[end] > '9'))
        end++;
    struct str version = str_from(runtime, end);
    if (str_starts(version, STR(".")))
        version = str_from(version, 1);
    if (str_ends(version, STR(".x")))
        version.n -= 2;
    buf_addf(b, "%.*s:%.*s%sv1", (int)end, runtime.p, STR_ARG(version), version.n ? "." : "");
}

void lambda__runtime_arn(struct buf *b, struct str region, const char *digest)
{
    buf_addf(b, "arn:aws:lambda:%.*s::runtime:%s", STR_ARG(region), digest);
}

void lambda__line_init_start(struct buf *b, struct str runtime, struct str region,
                             const char *runtime_digest)
{
    buf_addz(b, "INIT_START Runtime Version: ");
    lambda__runtime_version(b, runtime);
    buf_addz(b, "\tRuntime Version ARN: ");
    lambda__runtime_arn(b, region, runtime_digest);
}

void lambda__line_init_report(struct buf *b, int64_t us, const char *phase, const char *status,
                              const char *error_type)
{
    add_ms(b, "INIT_REPORT Init Duration", us);
    buf_addf(b, "Phase: %s\t", phase);
    add_status(b, status, error_type);
}

void lambda__line_start(struct buf *b, const char *request_id, struct str version)
{
    buf_addf(b, "START RequestId: %s Version: %.*s", request_id, STR_ARG(version));
}

void lambda__line_end(struct buf *b, const char *request_id)
{
    buf_addf(b, "END RequestId: %s", request_id);
}

void lambda__segment_id(const char *request_id, char out[17])
{
    size_t n = 0;
    for (const char *c = request_id; *c && n < 16; c++)
        if (*c != '-')
            out[n++] = *c;
    out[n] = '\0';
}

/* A value of "Root=...;Parent=...;Sampled=1". */
static struct str trace_part(struct str trace, const char *name)
{
    while (trace.n > 0) {
        struct str value, part = str_cut(trace, ';', &trace);
        if (str_eqz(str_trim(str_cut(part, '=', &value)), name))
            return str_trim(value);
    }
    return STR("");
}

/* The same event, a line of its own; only of an invocation that is traced. */
static void add_xray(struct buf *b, const struct lambda__report *r)
{
    struct str root = trace_part(r->trace, "Root");
    char segment[17];
    if (root.n == 0 || !str_eqz(trace_part(r->trace, "Sampled"), "1"))
        return;
    lambda__segment_id(r->request_id, segment);
    buf_addf(b, "\nXRAY TraceId: %.*s\tSegmentId: %s\tSampled: true\t", STR_ARG(root), segment);
}

void lambda__line_report(struct buf *b, const struct lambda__report *r)
{
    int64_t us = r->duration_us > 0 ? r->duration_us : 0;
    buf_addf(b, "REPORT RequestId: %s\t", r->request_id);
    add_ms(b, "Duration", us);
    buf_addf(b, "Billed Duration: %" PRId64 " ms\tMemory Size: %u MB\tMax Memory Used: %u MB\t",
             (us + 999) / 1000, r->memory_mb, r->used_mb);
    if (r->init_us >= 0)
        add_ms(b, "Init Duration", r->init_us);
    add_status(b, r->status, r->error_type);
    add_xray(b, r);
}

void lambda__timeout_text(struct buf *b, unsigned ms)
{
    buf_addf(b, "Task timed out after %u.%02u seconds", ms / 1000, ms % 1000 / 10);
}

void lambda__line_timeout(struct buf *b, int64_t wall_us, const char *request_id,
                          unsigned timeout_ms)
{
    char when[TIME_TEXT];
    time_rfc3339(wall_us, when);
    buf_addf(b, "%s %s ", when, request_id);
    lambda__timeout_text(b, timeout_ms);
}

const char *lambda__error_type(struct str sent, char out[64])
{
    static const char *const prefixes[] = {"Runtime.", "Function."};
    for (size_t i = 0; i < COUNTOF(prefixes); i++) {
        struct str prefix = str_c(prefixes[i]), rest = str_from(sent, prefix.n);
        if (!str_starts(sent, prefix))
            continue;
        bool valid = rest.n >= 2 && sent.n < 64 && rest.p[0] >= 'A' && rest.p[0] <= 'Z';
        for (size_t k = 0; valid && k < rest.n; k++)
            valid = (rest.p[k] | 0x20) >= 'a' && (rest.p[k] | 0x20) <= 'z';
        if (!valid)
            return i == 0 ? "Runtime.Unknown" : "Function.Unknown";
        memcpy(out, sent.p, sent.n);
        out[sent.n] = '\0';
        return out;
    }
    return "Runtime.Unknown";
}

void lambda__payload_error(struct buf *b, const char *type, struct str message)
{
    buf_addf(b, "{\"errorType\":\"%s\",\"errorMessage\":", type);
    json_write_str(b, message);
    buf_addc(b, '}');
}

void lambda__payload_timeout(struct buf *b, const char *request_id, unsigned timeout_ms)
{
    buf_addf(b, "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: %s Error: ",
             request_id);
    lambda__timeout_text(b, timeout_ms);
    buf_addz(b, "\"}");
}

void lambda__payload_too_large(struct buf *b)
{
    buf_addf(b,
             "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size "
             "(%d bytes).\",\"errorType\":\"Function.ResponseSizeTooLarge\"}",
             LIMIT_INVOKE_PAYLOAD);
}

static bool text_or_absent(const struct json *v, struct str *out)
{
    *out = STR("");
    return !v || json_is(v, JSON_NULL) || json_str(v, out);
}

void lambda__payload_without_cause(struct arena *a, struct buf *payload)
{
    const struct json *v = NULL;
    struct str message, type, frame;
    bool valid = json_parse(a, buf_str(payload), LIMIT_INVOKE_PAYLOAD, &v, NULL) == ERR_OK &&
                 json_is(v, JSON_OBJECT) && text_or_absent(json_get(v, "errorMessage"), &message) &&
                 text_or_absent(json_get(v, "errorType"), &type);
    const struct json *trace = json_get(v, "stackTrace");
    valid = valid && (!trace || json_is(trace, JSON_NULL) || json_is(trace, JSON_ARRAY));
    for (size_t i = 0; valid && json_is(trace, JSON_ARRAY) && i < trace->n; i++)
        valid = json_str(trace->items[i], &frame);
    buf_reset(payload);
    if (!valid) {
        json_write_str(payload, STR("Invalid error body"));
        return;
    }
    buf_addz(payload, "{\"errorMessage\":");
    json_write_str(payload, message);
    buf_addz(payload, ",\"errorType\":");
    json_write_str(payload, type);
    if (json_is(trace, JSON_ARRAY) && trace->n > 0) {
        buf_addz(payload, ",\"stackTrace\":");
        json_write(payload, trace);
    }
    buf_addc(payload, '}');
}

/* As Go's os/signal names them, which is what AWS's supervisor prints. */
static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGABRT, "aborted"},
    {SIGBUS, "bus error"},
    {SIGFPE, "floating point exception"},
    {SIGHUP, "hangup"},
    {SIGILL, "illegal instruction"},
    {SIGINT, "interrupt"},
    {SIGKILL, "killed"},
    {SIGPIPE, "broken pipe"},
    {SIGQUIT, "quit"},
    {SIGSEGV, "segmentation fault"},
    {SIGTERM, "terminated"},
    {SIGTRAP, "trace/breakpoint trap"},
    {SIGXCPU, "CPU time limit exceeded"},
    {SIGXFSZ, "file size limit exceeded"},
};

void lambda__exit_text(struct buf *b, const struct child_exit *how)
{
    if (how->err != ERR_OK) {
        const char *step = child_step_name(how->step);
        buf_addf(b, "Runtime could not be started: %s%s%s", step, step[0] ? ": " : "",
                 strerror(how->os_error));
        return;
    }
    if (how->signal == 0 && how->status == 0) {
        buf_addz(b, "Runtime exited without providing a reason");
        return;
    }
    buf_addz(b, "Runtime exited with error: ");
    if (how->signal == 0) {
        buf_addf(b, "exit status %d", how->status);
        return;
    }
    for (size_t i = 0; i < COUNTOF(signals); i++) {
        if (signals[i].number == how->signal) {
            buf_addf(b, "signal: %s", signals[i].name);
            return;
        }
    }
    buf_addf(b, "signal: signal %d", how->signal);
}

void lambda__payload_exit(struct buf *b, const char *request_id, const struct child_exit *how)
{
    AUTO_BUF text = BUF_INIT(512);
    buf_addf(&text, "RequestId: %s Error: ", request_id);
    lambda__exit_text(&text, how);
    lambda__payload_error(b, how->err == ERR_OK ? "Runtime.ExitError" : "Runtime.InvalidEntrypoint",
                          buf_str(&text));
}
