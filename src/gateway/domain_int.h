/* SPDX-License-Identifier: Apache-2.0
 *
 * Custom domains: names of hosts whose paths begin with a base path that chooses API and stage,
 * instead of a stage. Private to this room. */
#ifndef ROPELINE_GATEWAY_DOMAIN_INT_H
#define ROPELINE_GATEWAY_DOMAIN_INT_H

#include "freeze_int.h"

struct base_path {
    struct str path;       /* "orders" or "shop/v1", without slashes around it; "" = all */
    const struct api *api; /* with its stage */
    struct str id;         /* api is NULL: the stage of this API is the path's next segment */
};

struct domain {
    struct str name; /* lower case, "*." in front stands for one label */
    bool tls_only;
    struct base_path *paths;
    size_t path_count;
    struct domain *next;
};

/* When all APIs are frozen; a mapping to none of them is a problem. */
void domain__freeze(struct freezer *f);
/* The domain of a Host with or without a port: the exact one, else a wildcard's; NULL = none. */
const struct domain *domain__find(const struct snapshot *s, struct str host);
/* The longest base path of it that the path begins with; `below` is what follows. */
const struct api *domain__api(const struct snapshot *s, const struct domain *d, struct str path,
                              struct str *below, const char **why);
/* step__match: the answer to a request that this domain must not have over this connection. */
enum next domain__admit(struct exchange *x);
void domain__describe(const struct snapshot *s, struct buf *out);

#endif
