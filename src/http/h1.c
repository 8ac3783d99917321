/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an HTTP/1 head: our guard first, then llhttp over the same bytes. A head is believed only
 * if both read the same message in it. */
#include "http_int.h"

size_t http__head_end(struct str in, size_t from)
{
    from = from > 3 ? from - 3 : 0; /* the earlier part may have ended inside CRLFCRLF */
    if (in.n < from + 4)
        return 0;
    /* memchr for the one byte that is rare is several times faster than memmem for four */
    for (const char *at = in.p + from + 3; at < in.p + in.n; at++) {
        at = memchr(at, '\n', (size_t)(in.p + in.n - at));
        if (at == NULL)
            return 0;
        if (memcmp(at - 3, "\r\n\r\n", 4) == 0)
            return (size_t)(at - in.p) + 1;
    }
    return 0;
}

bool http__head_plausible(struct str partial, size_t from)
{
    if (partial.n > 0 && !http__is(partial.p[0], BYTE_TOKEN))
        return false;
    /* One byte back: the earlier part may have ended in CR. */
    for (size_t i = from ? from - 1 : 0; i < partial.n; i++) {
        if (partial.p[i] == '\n' && (i == 0 || partial.p[i - 1] != '\r'))
            return false;
        if (partial.p[i] == '\r' && i + 1 < partial.n && partial.p[i + 1] != '\n')
            return false;
    }
    return true;
}

unsigned http__parse_request_head(struct arena *a, struct str head,
                                  const struct http__head_limits *max, struct http_request *out,
                                  const char **why)
{
    struct http__head_facts facts;
    unsigned status = http__guard_request(a, head, max, out, &facts, why);
    if (status)
        return status;
    switch (http__llhttp_head(head, &facts)) {
    case OPINION_AGREES:
        return 0;
    case OPINION_NO_SUCH_METHOD:
        *why = "the method is not known";
        return 501;
    case OPINION_DIFFERS:
    default:
        *why = "the request can be read in two ways";
        return 400;
    }
}

enum err http__parse_response_head(struct arena *a, struct str head, size_t headers_max,
                                   bool request_was_head, struct http_response *out,
                                   unsigned *minor, bool *keep_alive, const char **why)
{
    struct http__head_facts facts;
    enum err err =
        http__guard_response(a, head, headers_max, request_was_head, out, &facts, keep_alive, why);
    if (err)
        return err;
    *minor = facts.minor;
    if (http__llhttp_head(head, &facts) != OPINION_AGREES) {
        *why = "the answer can be read in two ways";
        return ERR_SYNTAX;
    }
    return ERR_OK;
}
