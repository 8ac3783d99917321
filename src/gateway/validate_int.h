/* SPDX-License-Identifier: Apache-2.0
 *
 * Request validators: what a method wants to see before its integration runs. Private to this room.
 */
#ifndef ROPELINE_GATEWAY_VALIDATE_INT_H
#define ROPELINE_GATEWAY_VALIDATE_INT_H

#include "mapping_int.h"

struct requirements {
    struct required_parameter {
        struct str name; /* as a refusal names it */
        bool (*is_there)(struct exchange *x, struct str name);
    } * v; /* headers first, then path, then query: the order of the refusal (recorded) */
    size_t n;
};

/* Of PutMethod's object and the API's {validator: {...}} and {model: schema}; *out is NULL when
 * nothing is validated. ERR_UNSUPPORTED for a body that would have to match a schema. */
enum err validate__compile(struct arena *a, const struct json *method,
                           const struct json *validators, const struct json *models,
                           const struct requirements **out, struct errinfo *e) MUSTCHECK;

#endif
