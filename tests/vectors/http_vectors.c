/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends other people's request vectors through a real server connection: the payloads that broke
 * real servers (http-garden, argv[1]) and the parser cases of llhttp (argv[2]). Whatever cannot be
 * read in one way only must be refused, and what is accepted must be exactly the requests that are
 * there. Prints TAP. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "http/server.h"
#include "lib/whole_file.h"

#define MAX_BYTES MIB(1)
#define PATIENCE 2000

static unsigned tests, failed;

static void result(bool ok, const char *name, const char *text)
{
    printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
    if (!ok) {
        printf("# %s\n", text);
        failed++;
    }
}

/* --- one payload through a connection -------------------------------------------------------- */

struct verdict {
    unsigned requests; /* whole, body included */
    bool refused;      /* something was answered with an error, by the server or for its body */
};

static struct verdict now;

static void body_ended(void *arg, enum err how)
{
    struct http_response rs = {.status = how ? 400 : 200};
    now.requests += how == ERR_OK;
    now.refused |= how != ERR_OK;
    http_respond(arg, &rs, STR(""));
}

static void on_request(void *arg, struct http_exchange *x)
{
    static const struct http_exchange_events events = {.end = body_ended};
    (void)arg;
    http_exchange_watch(x, &events, x);
    http_body_start(x);
}

static void on_refusal(void *arg, unsigned status, const char *why, struct arena *a,
                       struct http_response *rs, struct str *body)
{
    (void)arg, (void)why, (void)a, (void)body;
    rs->status = status;
    now.refused = true;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* All of `in`, then the client's end of input: a message that is not whole by then is no request
 * and counts as refused. */
static bool pass_through(struct loop *l, struct http_server *s, struct str in, struct verdict *out)
{
    int pair[2];
    bool closed = false;
    size_t sent = 0;
    now = (struct verdict){0, false};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0 ||
        http_server_adopt(s, pair[1], on_closed, &closed))
        return false;
    for (unsigned i = 0; i < PATIENCE && !closed; i++) {
        char dump[4096];
        if (sent < in.n) {
            ssize_t n = send(pair[0], in.p + sent, in.n - sent, MSG_NOSIGNAL);
            sent = n > 0 ? sent + (size_t)n : errno == EAGAIN ? sent : in.n;
        } else {
            shutdown(pair[0], SHUT_WR);
        }
        uv_run(loop_uv(l), UV_RUN_NOWAIT);
        while (read(pair[0], dump, sizeof(dump)) > 0)
            ;
    }
    close(pair[0]);
    *out = now;
    return closed;
}

/* --- http-garden ------------------------------------------------------------------------------ */

/* The payloads that begin with plain requests, however others misread them; in all else there is
 * no request. */
static const struct plain {
    int64_t id;
    unsigned requests;
    bool refused; /* what follows them */
} plain[] = {
    {41, 1, false},                /* obs-text in a value is handed on as it is */
    {48, 1, true},                 /* Content-Length: 0, then a request whose body never comes */
    {49, 1, false}, {74, 1, true}, /* a NUL behind a chunked body */
    {75, 1, false},
};

static struct plain expected(int64_t id)
{
    for (size_t i = 0; i < COUNTOF(plain); i++)
        if (plain[i].id == id)
            return plain[i];
    return (struct plain){id, 0, true};
}

static bool unhex(struct str hex, struct buf *out)
{
    for (size_t i = 0; i + 1 < hex.n; i += 2) {
        char two[3] = {hex.p[i], hex.p[i + 1], 0}, *end;
        buf_addc(out, (char)strtoul(two, &end, 16));
        if (*end)
            return false;
    }
    return out->err == ERR_OK;
}

static void garden_case(struct loop *l, struct http_server *s, struct str line)
{
    char name[64], text[200];
    int64_t id;
    struct str hex;
    struct verdict v;
    const struct json *doc;
    AUTO_BUF payload = BUF_INIT(MAX_BYTES);
    struct arena *a = arena_new(KIB(16), MIB(4));
    bool read = a && json_parse(a, line, MAX_BYTES, &doc, NULL) == ERR_OK &&
                json_int(json_get(doc, "id"), &id) &&
                json_str(json_get(doc, "payload_hex"), &hex) && unhex(hex, &payload) &&
                pass_through(l, s, buf_str(&payload), &v);
    if (!read) {
        result(false, "http-garden", "a payload could not be run");
    } else {
        struct plain want = expected(id);
        snprintf(name, sizeof(name), "http-garden %d", (int)id);
        snprintf(text, sizeof(text), "%u requests, %s; expected %u, %s", v.requests,
                 v.refused ? "refused" : "not refused", want.requests,
                 want.refused ? "refused" : "not refused");
        result(v.requests == want.requests && v.refused == want.refused, name, text);
    }
    arena_free(a);
}

static void garden(struct loop *l, struct http_server *s, const char *dir)
{
    AUTO_BUF text = BUF_INIT(MIB(4));
    if (!whole_file_in(dir, "payloads.jsonl", &text)) {
        result(false, "http-garden", "payloads.jsonl is missing");
        return;
    }
    for (struct str rest = buf_str(&text); rest.n;) {
        struct str line = str_cut(rest, '\n', &rest);
        if (line.n)
            garden_case(l, s, line);
    }
}

/* --- llhttp ----------------------------------------------------------------------------------- */

/* Requests that llhttp reads and we refuse, by the name of the case. */
static const struct stricter {
    const char *name, *reason;
} stricter[] = {
    {"CONNECT request", "CONNECT is not served"},
    {"CONNECT request with CAPS", "CONNECT is not served"},
    {"CONNECT with body", "CONNECT is not served"},
    {"Underscore in hostname", "CONNECT is not served"},
    {"M-SEARCH request", "`*` is not a path"},
    {"SOURCE request with ICE", "not HTTP"},
    {"OPTIONS request with RTSP", "not HTTP"},
    {"ANNOUNCE request with RTSP", "not HTTP"},
    {"QUERY request", "not known to llhttp 8"},
    {"curl GET", "Host holds a `=`"},
    {"Firefox GET", "Host holds a `=`"},
    {"No HTTP version", "HTTP/0.9"},
    {"POST with `chunked` as last transfer-encoding", "a coding besides chunked"},
    {"POST with `chunked` as last transfer-encoding (multiple headers)",
     "a coding besides chunked"},
    {"Host terminated by a query string", "absolute form without Host"},
    {"`host:port` terminated by a query string", "absolute form without Host"},
    {"`host:port` terminated by a space", "absolute form without Host"},
    {"Fragment in URI", "a `#` in the target"},
    {"`host:port` and basic auth", "user information in the target"},
};

/* The notation of these files: a line's end is CRLF, a backslash at a line's end takes it away,
 * \r \n \t \f and \xHH are those bytes. */
static void unescape(struct str in, struct buf *out)
{
    static const char from[] = "rntf", to[] = "\r\n\t\f";
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i], next = i + 1 < in.n ? in.p[i + 1] : 0;
        const char *known = c == '\\' && next ? strchr(from, next) : NULL;
        if (c == '\n') {
            buf_addz(out, "\r\n");
        } else if (known) {
            buf_addc(out, to[known - from]);
            i++;
        } else if (c == '\\' && next == '\n') {
            i++;
        } else if (c == '\\' && next == 'x') {
            size_t digits = 0;
            unsigned long byte = 0;
            while (digits < 2 && i + 2 + digits < in.n) {
                char one[2] = {in.p[i + 2 + digits], 0}, *end;
                unsigned long v = strtoul(one, &end, 16);
                if (*end)
                    break;
                byte = byte << 4 | v;
                digits++;
            }
            buf_addc(out, (char)byte);
            i += 1 + digits;
        } else {
            buf_addc(out, c);
        }
    }
}

/* The text between "```kind\n" and "\n```", at or after *at. */
static bool block(struct str text, const char *kind, size_t *at, struct str *out)
{
    struct str rest = str_from(text, *at);
    size_t start = str_find(rest, str_c(kind));
    if (start == SIZE_MAX)
        return false;
    start += strlen(kind);
    size_t end = str_find(str_from(rest, start), STR("\n```"));
    if (end == SIZE_MAX)
        return false;
    *out = str_sub(rest, start, end);
    *at += start + end + 4;
    return true;
}

static unsigned count(struct str text, struct str what)
{
    unsigned n = 0;
    for (size_t at; (at = str_find(text, what)) != SIZE_MAX; n++)
        text = str_from(text, at + what.n);
    return n;
}

static const char *why_stricter(struct str name)
{
    for (size_t i = 0; i < COUNTOF(stricter); i++)
        if (stricter[i].name[0] && str_eq(name, str_c(stricter[i].name)))
            return stricter[i].reason;
    return NULL;
}

static void llhttp_case(struct loop *l, struct http_server *s, const char *file, struct str name,
                        struct str input, struct str log, bool lenient)
{
    char title[512], text[200];
    struct verdict v;
    bool ok;
    AUTO_BUF payload = BUF_INIT(MAX_BYTES);
    unescape(input, &payload);
    unsigned whole = count(log, STR("message complete"));
    bool bad = count(log, STR("error code=")) >
               count(log, STR("error code=5 ")) + count(log, STR("error code=22 "));
    const char *reason = why_stricter(name);
    snprintf(title, sizeof(title), "llhttp %s: %.*s", file, (int)(name.n < 200 ? name.n : 200),
             name.p);
    if (!pass_through(l, s, buf_str(&payload), &v)) {
        result(false, title, "the connection never ended");
        return;
    }
    snprintf(text, sizeof(text), "%u requests, %s; llhttp: %u, %s", v.requests,
             v.refused ? "refused" : "not refused", whole, bad ? "refused" : "not refused");
    if (lenient)
        ok = v.requests == 0 || (bad ? v.requests <= whole : v.requests < whole);
    else if (reason)
        ok = v.requests < whole && v.refused;
    else
        ok = v.requests == whole && (!bad || v.refused || whole == 0);
    result(ok, title, reason ? reason : text);
}

/* What llhttp reads only with a lenient flag, which we never set, must not become a request. Cases
 * that pause the parser, skip the body or go on after `Connection: close` say nothing about us. */
static bool applies(struct str kind)
{
    static const char *const not_ours[] = {"pause", "skipBody", "lenient-keep-alive"};
    for (size_t i = 0; i < COUNTOF(not_ours); i++)
        if (str_find(kind, str_c(not_ours[i])) != SIZE_MAX)
            return false;
    return true;
}

static void llhttp_file(struct loop *l, struct http_server *s, const char *dir, const char *file)
{
    AUTO_BUF text = BUF_INIT(MIB(4));
    if (!whole_file_in(dir, file, &text)) {
        result(false, file, "not readable");
        return;
    }
    struct str all = buf_str(&text), input, log;
    for (size_t at = 0; at < all.n;) {
        size_t meta = str_find(str_from(all, at), STR("<!-- meta="));
        if (meta == SIZE_MAX)
            return;
        struct str before = str_sub(all, 0, at + meta), ignored;
        size_t heading = SIZE_MAX;
        for (size_t i = at; i + 1 < before.n; i++)
            if (before.p[i] == '#' && before.p[i + 1] == ' ')
                heading = i + 2;
        struct str name =
            heading == SIZE_MAX ? STR("?") : str_cut(str_from(before, heading), '\n', &ignored);
        struct str kind = str_cut(str_from(all, at + meta), '\n', &ignored);
        at += meta;
        if (!block(all, "```http\n", &at, &input) || !block(all, "```log\n", &at, &log))
            return;
        if (applies(kind))
            llhttp_case(l, s, file, name, input, log, str_find(kind, STR("lenient")) != SIZE_MAX);
    }
}

static void llhttp(struct loop *l, struct http_server *s, const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0) {
        result(false, "llhttp", "no such folder");
        return;
    }
    for (int i = 0; i < n; i++) {
        if (str_ends(str_c(names[i]->d_name), STR(".md")))
            llhttp_file(l, s, dir, names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

/* --- main --------------------------------------------------------------------------------------
 */

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

/* A server for each set: the llhttp cases have no Host, which is another matter. */
static bool with_server(struct run *r, bool host_optional, const char *dir,
                        void (*cases)(struct loop *, struct http_server *, const char *))
{
    struct http_server_options o = {
        .request = on_request, .refusal = on_refusal, .host_optional = host_optional};
    struct loop *l = run_control(r);
    struct http_server *s;
    bool drained = false;
    if (http_server_new(l, &o, &s))
        return false;
    cases(l, s, dir);
    http_server_drain(s, 0, on_drained, &drained);
    for (unsigned i = 0; i < PATIENCE && !drained; i++)
        uv_run(loop_uv(l), UV_RUN_NOWAIT);
    http_server_free(s);
    return drained;
}

int main(int argc, char **argv)
{
    struct run *r;
    struct run_options o = {.workers = 1};
    DIR *d = argc == 3 ? opendir(argv[1]) : NULL;
    if (!d) {
        printf("1..0 # SKIP ../shared not found\n");
        return 0;
    }
    closedir(d);
    signal(SIGPIPE, SIG_IGN);
    if (run_new(&o, &r))
        return 1;
    bool ran = with_server(r, false, argv[1], garden) && with_server(r, true, argv[2], llhttp);
    run_free(r);
    printf("1..%u\n", tests);
    return ran && failed == 0 ? 0 : 1;
}
