/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary media types: which bodies are bytes and which are text, and what becomes of them (specs
 * 7.1; API Gateway developer guide, "Content type conversions"). Private to this room. */
#ifndef ROPELINE_GATEWAY_MEDIA_INT_H
#define ROPELINE_GATEWAY_MEDIA_INT_H

#include "gateway_int.h"

/* "text/html" of "text/html; charset=utf-8", and the first of an Accept list. */
struct str media__type(struct str value);
/* Whether the first type of a Content-Type or Accept value is one of the API's binaryMediaTypes. An
 * absent value only matches "*" "/" "*". */
bool media__is_binary(const struct api *api, struct str value);

enum media_handling { MEDIA_AS_IT_IS, MEDIA_TO_BINARY, MEDIA_TO_TEXT };
/* contentHandling of an integration or integration response. */
enum err media__handling(const struct json *spec, enum media_handling *out,
                         struct errinfo *e) MUSTCHECK;
/* A request body on its way to a backend, an answer's body on its way to the client. When it needs
 * no change *body stays, else it points into `kept`. ERR_INVALID: it is no base64. */
enum err media__to_backend(const struct exchange *x, enum media_handling how, struct str *body,
                           struct buf *kept) MUSTCHECK;
enum err media__to_client(const struct exchange *x, enum media_handling how,
                          struct str content_type, struct str *body, struct buf *kept) MUSTCHECK;

/* passthroughBehavior: whether a request of this Content-Type may pass where `templates` (an object
 * or NULL) has none for it. */
enum passthrough { PASS_WHEN_NO_MATCH, PASS_WHEN_NO_TEMPLATES, PASS_NEVER };
enum err media__passthrough(const struct json *spec, enum passthrough *out,
                            struct errinfo *e) MUSTCHECK;

#endif
