/* SPDX-License-Identifier: Apache-2.0
 *
 * The pure half of the room: log frames and lines, the texts of a function's log and of its errors,
 * the variables an environment gets, and what the code directory of a function holds. No loops, no
 * processes; only code.c reads the file system. */
#ifndef ROPELINE_LAMBDA_LAMBDA_TEXT_H
#define ROPELINE_LAMBDA_LAMBDA_TEXT_H

#include <sys/stat.h>

#include "base/arena.h"
#include "lambda/lambda.h"
#include "lambda/runtime.h"

/* --- log frames (descriptor 4) and lines (stdout, stderr): logframe.c ------------------------ */

/* Big-endian: u32 type, u32 length, u64 microseconds since the epoch; then the text. */
#define FRAME_HEAD 16

struct lambda__frame {
    bool json;
    unsigned level; /* 4 TRACE, 8 DEBUG ... 24 FATAL; 0 unknown */
    int64_t wall_us;
    struct str text; /* valid in the call; cut at LIMIT_LOG_LINE */
};
typedef void (*lambda__frame_fn)(void *arg, const struct lambda__frame *f);

struct lambda__frames {
    unsigned char head[FRAME_HEAD];
    size_t have;     /* bytes of head */
    uint64_t left;   /* bytes of text still to come */
    struct buf text; /* what came of it, when it came in pieces */
    bool broken;     /* something else than a frame was written: the rest has no structure */
};

void lambda__frames_init(struct lambda__frames *d);
void lambda__frames_fini(struct lambda__frames *d);
/* Calls `event` for each whole frame. Returns how much of `in` was used: all of it, or less when
 * `broken` became true; what was taken for a frame's head then stands in `head`. */
size_t lambda__frames_feed(struct lambda__frames *d, struct str in, lambda__frame_fn event,
                           void *arg);
/* What came of an unfinished frame, at the end of the stream; then empty. */
void lambda__frames_flush(struct lambda__frames *d, lambda__frame_fn event, void *arg);

struct lambda__lines {
    struct buf part; /* a line whose end has not come */
};
typedef void (*lambda__line_fn)(void *arg, struct str line);

void lambda__lines_init(struct lambda__lines *l);
void lambda__lines_fini(struct lambda__lines *l);
/* Lines without their LF or CRLF; one longer than LIMIT_LOG_LINE comes in pieces. */
void lambda__lines_feed(struct lambda__lines *l, struct str in, lambda__line_fn line, void *arg);
void lambda__lines_flush(struct lambda__lines *l, lambda__line_fn line, void *arg);

/* --- texts: report.c ------------------------------------------------------------------------- */

struct lambda__report {
    const char *request_id;
    int64_t duration_us, init_us; /* init_us below 0: not the first invocation */
    unsigned memory_mb, used_mb;
    const char *status;     /* NULL, "timeout" or "error" */
    const char *error_type; /* NULL or "Runtime.ExitError" */
    struct str trace;       /* X-Amzn-Trace-Id, "" = none */
};
/* nodejs20.x: "nodejs:20.v1" */
void lambda__runtime_version(struct buf *b, struct str runtime);
void lambda__runtime_arn(struct buf *b, struct str region, const char *digest);
void lambda__segment_id(const char *request_id, char out[17]); /* of its trace: 16 hex digits */
void lambda__line_init_start(struct buf *b, struct str runtime, struct str region,
                             const char *runtime_digest);
void lambda__line_init_report(struct buf *b, int64_t us, const char *phase, const char *status,
                              const char *error_type);
void lambda__line_start(struct buf *b, const char *request_id, struct str version);
void lambda__line_end(struct buf *b, const char *request_id);
void lambda__line_report(struct buf *b, const struct lambda__report *r);
void lambda__line_timeout(struct buf *b, int64_t wall_us, const char *request_id,
                          unsigned timeout_ms);
void lambda__timeout_text(struct buf *b, unsigned timeout_ms); /* "Task timed out after ..." */
/* The error type as metrics and reports may name it: clients can send anything. */
const char *lambda__error_type(struct str sent, char out[64]);

/* {"errorType":...,"errorMessage":...} */
void lambda__payload_error(struct buf *b, const char *type, struct str message);
void lambda__payload_timeout(struct buf *b, const char *request_id, unsigned timeout_ms);
void lambda__payload_too_large(struct buf *b);
/* An error posted as application/vnd.aws.lambda.error.cause+json: the caller gets it without what
 * it says for X-Ray alone, and nothing of what is no such error. */
void lambda__payload_without_cause(struct arena *a, struct buf *payload);
/* How a process ended: "Runtime exited with error: exit status 1". */
void lambda__exit_text(struct buf *b, const struct child_exit *how);
void lambda__payload_exit(struct buf *b, const char *request_id, const struct child_exit *how);

/* --- the same as JSON: report_json.c --------------------------------------------------------- */

/* What each event has. */
struct lambda__event {
    int64_t wall_us;
    const char *request_id;
    struct str version; /* of the function */
    struct str trace;   /* "" = none */
    bool provisioned;
};
struct lambda__init_start {
    struct str runtime, region, function;
    const char *digest;
};
void lambda__json_init_start(struct buf *b, const struct lambda__event *e,
                             const struct lambda__init_start *s);
/* `status` NULL: success */
void lambda__json_init_done(struct buf *b, const struct lambda__event *e, const char *phase,
                            const char *status, const char *error_type);
void lambda__json_init_report(struct buf *b, const struct lambda__event *e, int64_t us,
                              const char *phase, const char *status, const char *error_type);
void lambda__json_start(struct buf *b, const struct lambda__event *e);
void lambda__json_runtime_done(struct buf *b, const struct lambda__event *e,
                               const struct lambda__report *r, size_t produced);
void lambda__json_report(struct buf *b, const struct lambda__event *e,
                         const struct lambda__report *r);
void lambda__json_dropped(struct buf *b, const struct lambda__event *e, struct str reason,
                          uint64_t events, uint64_t bytes);
/* A record of level ERROR like those that a function writes. */
void lambda__json_error(struct buf *b, const struct lambda__event *e, struct str message,
                        const char *error_type);

/* --- variables: environ.c -------------------------------------------------------------------- */

struct lambda__facts {
    const struct function_spec *spec; /* code_dir real, memory_mb and version set */
    struct runtime_name runtime;
    struct str region, runtime_dir, log_stream, tmp_dir;
    bool provisioned;
    struct str handler, opt; /* with what stands for /opt replaced; where layers are */
    struct str api;          /* HOST:PORT of the Runtime API; "": it is descriptor 3 */
    struct str key_id, key_secret, key_token;
};
/* ERR_INVALID with the name of the variable: reserved, malformed, all together too large. */
enum err lambda__environ_check(const struct function_spec *spec, struct errinfo *e) MUSTCHECK;
/* The whole environment, NULL-terminated; NULL when out of memory. */
const char *const *lambda__environ(struct arena *a, const struct lambda__facts *facts) MUSTCHECK;
/* Random credentials of a function: accepted nowhere but by ourselves. */
enum err lambda__credentials(struct arena *a, struct lambda__facts *out) MUSTCHECK;

/* --- the code directory: code.c -------------------------------------------------------------- */

/* Whether "a/b.c" names a file that the bootstrap of Node or of Python could load from `dir`.
 * ERR_INVALID: not a handler name; ERR_NOTFOUND with the files that were tried. */
enum err lambda__node_handler_find(const char *dir, struct str handler,
                                   struct errinfo *e) MUSTCHECK;
enum err lambda__python_handler_find(const char *dir, struct str handler,
                                     struct errinfo *e) MUSTCHECK;
/* SHA-256 (hex) over `seed` and path, size and mtime of everything below `dir`, whatever the order
 * of the directory; links count by what they say and by the file they lead to. `.git` and the
 * directory `skip` (our own state) do not count. ERR_LIMIT, ERR_IO, ERR_NOMEM. */
enum err lambda__code_digest(const char *dir, const struct stat *skip, struct str seed,
                             char out[65], struct errinfo *e) MUSTCHECK;

/* SHA-256 of `text` in hex. */
enum err lambda__digest(struct str text, char out[65]) MUSTCHECK;

/* --- our directory: state.c ------------------------------------------------------------------ */

/* Makes a directory that only we may enter, unless it is there. The reason is logged. */
enum err lambda__make_dir(const char *path) MUSTCHECK;
/* All of it, however often the kernel takes a part; false: errno says why. */
bool lambda__write_all(int fd, struct str s);
/* Writes `content` as dir/name, whole or not at all, mode 0444, unless it is there already. */
enum err lambda__file_put(const char *dir, const char *name, struct str content) MUSTCHECK;
/* Removes dir/name and everything below it, never following a link. Blocking: LANE_IO. */
enum err lambda__tree_remove(const char *dir, const char *name) MUSTCHECK;
enum err lambda__tree_remove_at(int dir, const char *name) MUSTCHECK;

/* --- packages: package.c ---------------------------------------------------------------------- */

#define PACKAGE_UNFINISHED                                                 \
    ".new-" /* what begins so in STATE/code is of a run that was cut short \
             */

#endif
