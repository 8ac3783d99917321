/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of segments under both ways of routing, route.c (REST) and route_http.c. Private to
 * these files. */
#ifndef ROPELINE_GATEWAY_ROUTE_INT_H
#define ROPELINE_GATEWAY_ROUTE_INT_H

#include "base/limits.h"
#include "gateway_int.h"

/* The literal child of that segment, made if there is none; NULL when out of memory. */
struct node *node__literal_child(struct arena *a, struct node *n, struct str segment) MUSTCHECK;
const struct node *node__find_literal(const struct node *n, struct str segment);
/* The verb's own method, else ANY's, else NULL. */
const struct method *node__method(const struct node *n, enum http_method verb);
/* Puts a method into its slot. ERR_INVALID for another verb, ERR_EXISTS when the slot is taken. */
enum err node__put(struct node *n, struct method *m, struct errinfo *e) MUSTCHECK;
/* "/a/b" -> {"a", "b"}; one trailing slash is left out, an empty segment stays. False: too many. */
bool route__split(struct str path, struct str *segment, size_t *n);

/* Cuts the first segment off "/stage/rest" and leaves "/rest". */
struct str route__cut_segment(struct str *path);
const struct api *route__api_with(const struct snapshot *s, struct str id, struct str stage);

/* route_http.c */
const struct method *route__http_match(const struct api *api, enum http_method verb,
                                       struct str path, struct path_param *params, size_t *count);

#endif
