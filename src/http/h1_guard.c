/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard: what a message head must look like before anyone acts on it. Of all the forms that
 * some parser somewhere lets pass, only the plain one is accepted here, so that no other program
 * behind us can read the same bytes as something else (RFC 9112 11.2). */
#include "http_int.h"

#define CONTENT_LENGTH_MAX INT64_MAX

/* The header lines that decide what the message is and where it ends. */
struct special {
    unsigned hosts, lengths, codings;
    struct str host, length, coding; /* trimmed values of the last one seen */
};

static void note_special(struct special *s, struct str name, struct str value)
{
    /* Lengths differ, so one comparison is enough, and most headers need none. */
    if (name.n == 4 && str_ieq(name, STR("host"))) {
        s->hosts++;
        s->host = value;
    } else if (name.n == 14 && str_ieq(name, STR("content-length"))) {
        s->lengths++;
        s->length = value;
    } else if (name.n == 17 && str_ieq(name, STR("transfer-encoding"))) {
        s->codings++;
        s->coding = value;
    }
}

/* Only SP may stand around a value that matters; a tab there is legal and never meant. */
static struct str trim_blanks(struct str s)
{
    while (s.n && s.p[0] == ' ')
        s = str_from(s, 1);
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* One header line at the start of `in`, CRLF included; *n is its length. */
static const char *field_line(struct str in, struct str *name, struct str *value, size_t *n)
{
    size_t colon = 0;
    while (colon < in.n && http__is(in.p[colon], BYTE_TOKEN))
        colon++;
    if (colon == 0)
        return in.n && (in.p[0] == ' ' || in.p[0] == '\t') ? "a header line is folded"
                                                           : "a header name is missing or broken";
    if (colon == in.n || in.p[colon] != ':')
        return "a header name is broken or has no colon";
    size_t end = http__value_end(in, colon + 1);
    if (in.n - end < 2 || in.p[end] != '\r' || in.p[end + 1] != '\n')
        return "a header value holds a control byte";
    *name = str_sub(in, 0, colon);
    *value = str_sub(in, colon + 1, end - colon - 1);
    *n = end + 2;
    return NULL;
}

/* The header lines and the empty line that ends them; nothing may follow. */
static enum err field_lines(struct arena *a, struct str in, size_t max, struct http_headers *h,
                            struct special *s, const char **why)
{
    while (in.n != 2 || in.p[0] != '\r' || in.p[1] != '\n') {
        struct str name, value;
        size_t n = 0;
        *why = field_line(in, &name, &value, &n);
        if (*why)
            return ERR_SYNTAX;
        if (h->n == max) {
            *why = "too many header lines";
            return ERR_LIMIT;
        }
        note_special(s, name, trim_blanks(value));
        if (http_add(a, h, name, str_trim(value)))
            return ERR_NOMEM;
        in = str_from(in, n);
    }
    return ERR_OK;
}

/* Where the body ends (RFC 9112 6.3), or why that cannot be said. */
static const char *framing(const struct special *s, unsigned minor, struct http__head_facts *f)
{
    if (s->codings && s->lengths)
        return "both Content-Length and Transfer-Encoding";
    if (s->codings) {
        if (s->codings > 1 || !str_ieq(s->coding, STR("chunked")))
            return "Transfer-Encoding is not exactly `chunked`";
        if (minor == 0)
            return "Transfer-Encoding in HTTP/1.0";
        f->chunked = true;
    }
    if (s->lengths) {
        if (s->lengths > 1)
            return "more than one Content-Length";
        if (!str_u64(s->length, &f->length) || f->length > CONTENT_LENGTH_MAX)
            return "Content-Length is not a number";
        f->has_length = true;
    }
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Cuts the first line off a head; false when its end is not CRLF. */
static bool first_line(struct str head, struct str *line, struct str *rest)
{
    size_t cr = str_chr(head, '\r', 0);
    if (cr == SIZE_MAX || cr + 1 >= head.n || head.p[cr + 1] != '\n')
        return false;
    *line = str_sub(head, 0, cr);
    *rest = str_from(head, cr + 2);
    return true;
}

/* --- requests ------------------------------------------------------------------------------ */

static unsigned refuse(unsigned status, const char *text, const char **why)
{
    *why = text;
    return status;
}

static unsigned version(struct str v, unsigned *minor, const char **why)
{
    if (v.n != 8 || !str_starts(v, STR("HTTP/")) || !is_digit(v.p[5]) || v.p[6] != '.' ||
        !is_digit(v.p[7]))
        return refuse(400, "the request line does not end in an HTTP version", why);
    if (v.p[5] != '1' || v.p[7] > '1')
        return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here", why);
    *minor = (unsigned)(v.p[7] - '0');
    return 0;
}

/* method SP target SP version, and not a blank more. */
static unsigned request_line(struct str line, struct http_request *rq, const char **why)
{
    struct str rest, v;
    rq->method_text = str_cut(line, ' ', &rest);
    rq->target = str_cut(rest, ' ', &v);
    if (!http_is_token(rq->method_text))
        return refuse(400, "the method is not a token", why);
    if (rq->target.n == 0 || !http__all(rq->target, BYTE_TARGET))
        return refuse(400, "the request target is missing or holds a forbidden byte", why);
    rq->method = http_method_of(rq->method_text);
    return version(v, &rq->minor, why);
}

static bool port_ok(struct str s)
{
    uint64_t port;
    return s.n >= 1 && s.n <= 5 && str_u64(s, &port) && port >= 1 && port <= 65535;
}

/* "[" IPv6 "]" with a port or nothing behind it. */
static bool bracketed_ok(struct str s)
{
    size_t close = str_chr(s, ']', 0);
    if (close == SIZE_MAX || close < 3)
        return false;
    for (size_t i = 1; i < close; i++)
        if (!http__is(s.p[i], BYTE_HEX) && s.p[i] != ':' && s.p[i] != '.')
            return false;
    struct str after = str_from(s, close + 1);
    return after.n == 0 || (after.p[0] == ':' && port_ok(str_from(after, 1)));
}

/* uri-host [":" port] (RFC 9110 7.2) without its odd forms: no percent escapes, no empty label, no
 * dot at the end, no empty port. */
bool http_is_host(struct str s)
{
    if (s.n == 0 || s.n > 255 + 6)
        return false;
    if (s.p[0] == '[')
        return bracketed_ok(s);
    struct str port;
    struct str name = str_cut(s, ':', &port);
    if (port.p && !port_ok(port))
        return false;
    if (name.n == 0 || name.p[0] == '.' || name.p[name.n - 1] == '.' || !http__all(name, BYTE_HOST))
        return false;
    return str_find(name, STR("..")) == SIZE_MAX;
}

static unsigned host(struct arena *a, const struct special *s, bool optional,
                     struct http_request *rq, const char **why)
{
    if (s->hosts == 0)
        return rq->minor == 0 || optional ? 0 : refuse(400, "the Host header is missing", why);
    if (s->hosts > 1)
        return refuse(400, "more than one Host header", why);
    if (!http_is_host(s->host))
        return refuse(400, "the Host header is not a host name and port", why);
    rq->host = arena_lower(a, s->host);
    return rq->host.p ? 0 : refuse(503, "out of memory", why);
}

/* Origin form, or an absolute form that says the same as Host and is reduced to it. */
static unsigned target(struct arena *a, struct http_request *rq, const char **why)
{
    if (rq->method == HTTP_OTHER && str_eq(rq->method_text, STR("CONNECT")))
        return refuse(405, "CONNECT is not served", why);
    if (str_istarts(rq->target, STR("http://"))) {
        struct str rest = str_from(rq->target, 7);
        size_t slash = str_chr(rest, '/', 0);
        struct str authority = str_sub(rest, 0, slash == SIZE_MAX ? rest.n : slash);
        struct str lowered = arena_lower(a, authority);
        if (authority.n && !lowered.p)
            return refuse(503, "out of memory", why);
        if (!http_is_host(authority) || !str_eq(lowered, rq->host))
            return refuse(400, "the request target and Host disagree", why);
        rq->target = slash == SIZE_MAX ? STR("/") : str_from(rest, slash);
    }
    if (rq->target.p[0] != '/')
        return refuse(400, "the request target is not a path", why);
    rq->raw_path = str_cut(rq->target, '?', &rq->query);
    return 0;
}

static unsigned status_of(enum err err, const char **why)
{
    switch (err) {
    case ERR_LIMIT:
        return 431;
    case ERR_NOMEM:
        return refuse(503, "out of memory", why);
    default:
        return 400;
    }
}

static void set_framing(struct http_request *rq, const struct http__head_facts *f)
{
    rq->length = f->length;
    if (f->chunked)
        rq->framing = HTTP_CHUNKED;
    else
        rq->framing = f->has_length && f->length ? HTTP_BY_LENGTH : HTTP_NO_BODY;
}

unsigned http__guard_request(struct arena *a, struct str head, const struct http__head_limits *max,
                             struct http_request *out, struct http__head_facts *facts,
                             const char **why)
{
    struct special special = {.hosts = 0};
    struct str line, lines;
    *out = (struct http_request){.method = HTTP_OTHER, .framing = HTTP_NO_BODY};
    *facts = (struct http__head_facts){.response = false};
    if (!first_line(head, &line, &lines))
        return refuse(400, "the request line does not end in CRLF", why);
    if (line.n > max->line_max)
        return refuse(414, "the request line is too long", why);
    unsigned status = request_line(line, out, why);
    if (status)
        return status;
    if (lines.n > max->head_max + 2)
        return refuse(431, "the header lines are too long", why);
    enum err err = field_lines(a, lines, max->headers_max, &out->headers, &special, why);
    if (err)
        return status_of(err, why);
    *why = framing(&special, out->minor, facts);
    if (*why)
        return 400;
    facts->method = out->method_text;
    facts->target_n = out->target.n;
    facts->minor = out->minor;
    facts->fields = out->headers.n;
    set_framing(out, facts);
    status = host(a, &special, max->host_optional, out, why);
    return status ? status : target(a, out, why);
}

/* --- answers ------------------------------------------------------------------------------- */

/* HTTP/1.x SP three digits, then SP and any words; many servers leave out the last SP. */
static const char *status_line(struct str line, struct http__head_facts *f)
{
    if (line.n < 12 || !str_starts(line, STR("HTTP/1.")) ||
        (line.p[7] != '0' && line.p[7] != '1') || line.p[8] != ' ')
        return "the answer does not begin with an HTTP/1 status line";
    if (!is_digit(line.p[9]) || !is_digit(line.p[10]) || !is_digit(line.p[11]) ||
        (line.n > 12 && line.p[12] != ' ') || !http__all(str_from(line, 12), BYTE_VALUE))
        return "the answer's status line is broken";
    f->minor = (unsigned)(line.p[7] - '0');
    f->status = (unsigned)((line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + line.p[11] - '0');
    return f->status < 100 || f->status > 599 ? "the answer's status is out of range" : NULL;
}

static void answer_framing(const struct http__head_facts *f, bool request_was_head,
                           struct http_response *rs)
{
    rs->length = f->length;
    if (request_was_head || f->status < 200 || f->status == 204 || f->status == 304)
        rs->framing = HTTP_NO_BODY;
    else if (f->chunked)
        rs->framing = HTTP_CHUNKED;
    else
        rs->framing = f->has_length ? HTTP_BY_LENGTH : HTTP_UNTIL_CLOSE;
}

static bool connection_says(const struct http_headers *h, struct str token)
{
    for (size_t i = 0; i < h->n; i++)
        if (str_ieq(h->v[i].name, STR("connection")) && http_list_has(h->v[i].value, token))
            return true;
    return false;
}

bool http__keep_alive(const struct http_headers *h, unsigned minor)
{
    if (connection_says(h, STR("close")))
        return false;
    return minor > 0 || connection_says(h, STR("keep-alive"));
}

enum err http__guard_response(struct arena *a, struct str head, size_t headers_max,
                              bool request_was_head, struct http_response *out,
                              struct http__head_facts *facts, bool *keep_alive, const char **why)
{
    struct special special = {.hosts = 0};
    struct str line, lines;
    *out = (struct http_response){.framing = HTTP_NO_BODY};
    *facts = (struct http__head_facts){.response = true};
    *keep_alive = false;
    *why = "the answer's status line does not end in CRLF";
    if (!first_line(head, &line, &lines))
        return ERR_SYNTAX;
    *why = status_line(line, facts);
    if (*why)
        return ERR_SYNTAX;
    enum err err = field_lines(a, lines, headers_max, &out->headers, &special, why);
    if (err)
        return err;
    *why = framing(&special, facts->minor, facts);
    if (*why)
        return ERR_SYNTAX;
    out->status = facts->status;
    facts->fields = out->headers.n;
    answer_framing(facts, request_was_head, out);
    *keep_alive = out->framing != HTTP_UNTIL_CLOSE && http__keep_alive(&out->headers, facts->minor);
    return ERR_OK;
}
