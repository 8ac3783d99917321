/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an HTTP integration sends a request. Private to this room. */
#ifndef ROPELINE_GATEWAY_TARGET_INT_H
#define ROPELINE_GATEWAY_TARGET_INT_H

#include "mapping_int.h"

struct target_piece {
    struct str text; /* literal bytes, or the variable's name */
    bool variable;
};
struct target_pieces {
    struct target_piece *v;
    size_t n;
};
struct target {
    struct http_origin origin;
    struct str authority; /* for the Host header */
    struct target_pieces path, query_pieces;
    struct str query; /* of the uri itself, as it is written */
};

enum err target__compile(struct arena *a, const struct api *api, struct str uri, struct target *out,
                         struct errinfo *e) MUSTCHECK;
/* Path and query for this request; with `pass` the client's own query too. ERR_NOTFOUND: a variable
 * has no value; ERR_INVALID: a mapped value would change the path's shape. */
enum err target__make(struct exchange *x, const struct target *t, const struct mappings *maps,
                      bool pass, struct str *out) MUSTCHECK;

#endif
