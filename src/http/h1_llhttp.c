/* SPDX-License-Identifier: Apache-2.0
 *
 * The one file that knows llhttp. It never decides alone: it only says whether llhttp, strict and
 * without any lenient flag, reads the same message that our guard read. */
#include "h1_llhttp.h"

#include <llhttp.h>

/* From version 9 on llhttp is always strict; before, a loose build takes `Host : a` and worse. */
#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp must be built with -DLLHTTP_STRICT_MODE=1"
#endif
_Static_assert(sizeof(llhttp_t) <= sizeof(struct http__llhttp), "room for llhttp's parser");

/* What llhttp saw, gathered by its callbacks. */
struct sight {
    size_t fields, target_n;
    struct str data;
    bool twice, complete;
};

static struct sight *sight_of(llhttp_t *p)
{
    return p->data;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    (void)at;
    sight_of(p)->target_n += n;
    return 0;
}

static int on_field(llhttp_t *p)
{
    sight_of(p)->fields++;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct sight *s = sight_of(p);
    s->twice = s->data.n > 0;
    s->data = str_of(at, n);
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    sight_of(p)->complete = true;
    return 0;
}

static const llhttp_settings_t head_settings = {.on_url = on_url,
                                                .on_header_field_complete = on_field,
                                                .on_headers_complete = on_headers_complete};
static const llhttp_settings_t body_settings = {.on_body = on_body,
                                                .on_message_complete = on_message_complete};

static bool same_framing(const llhttp_t *p, const struct http__head_facts *f)
{
    return !!(p->flags & F_CHUNKED) == f->chunked &&
           !!(p->flags & F_TRANSFER_ENCODING) == f->chunked &&
           !!(p->flags & F_CONTENT_LENGTH) == f->has_length &&
           (!f->has_length || p->content_length == f->length);
}

static bool same_start(llhttp_t *p, const struct sight *s, const struct http__head_facts *f)
{
    if (p->http_major != 1 || p->http_minor != f->minor)
        return false;
    if (f->response)
        return p->status_code == f->status;
    return s->target_n == f->target_n &&
           str_eqz(f->method, llhttp_method_name((llhttp_method_t)p->method));
}

enum http__opinion http__llhttp_head(struct str head, const struct http__head_facts *f)
{
    llhttp_t p;
    struct sight s = {.fields = 0};
    llhttp_init(&p, f->response ? HTTP_RESPONSE : HTTP_REQUEST, &head_settings);
    p.data = &s;
    ASSERT(p.lenient_flags == 0);
    llhttp_errno_t e = llhttp_execute(&p, head.p, head.n);
    if (e == HPE_INVALID_METHOD)
        return OPINION_NO_SUCH_METHOD;
    /* It must have stopped where our callback said so: behind the last byte, not before. */
    if (e != HPE_PAUSED || llhttp_get_error_pos(&p) != head.p + head.n)
        return OPINION_DIFFERS;
    bool same = same_start(&p, &s, f) && same_framing(&p, f) && s.fields == f->fields;
    return same ? OPINION_AGREES : OPINION_DIFFERS;
}

static llhttp_t *parser(struct http__llhttp *p)
{
    return (llhttp_t *)(void *)p->room;
}

void http__llhttp_chunked(struct http__llhttp *room)
{
    /* llhttp has no way into the middle of a message but through a head. */
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    llhttp_t *p = parser(room);
    llhttp_init(p, HTTP_REQUEST, &body_settings);
    ASSERT(p->lenient_flags == 0);
    llhttp_errno_t e = llhttp_execute(p, head, sizeof(head) - 1);
    ASSERT(e == HPE_OK && (p->flags & F_CHUNKED));
}

bool http__llhttp_feed(struct http__llhttp *room, struct str in, struct str data)
{
    llhttp_t *p = parser(room);
    struct sight s = {.complete = false};
    p->data = &s;
    llhttp_errno_t e = llhttp_execute(p, in.p, in.n);
    p->data = NULL;
    return e == HPE_OK && !s.complete && !s.twice && s.data.n == data.n &&
           (data.n == 0 || s.data.p == data.p);
}

bool http__llhttp_complete(struct http__llhttp *room)
{
    llhttp_t *p = parser(room);
    struct sight s = {.complete = false};
    p->data = &s;
    llhttp_errno_t e = llhttp_execute(p, "\r\n", 2);
    p->data = NULL;
    return e == HPE_OK && s.complete && s.data.n == 0;
}
