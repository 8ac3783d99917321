/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of authorizer kinds. A type that has no row here is refused when its document loads. */
#include "authorizer_int.h"

static const struct authorizer_kind *const kinds[] = {
    &authorizer__token,
    &authorizer__request,
};

const struct authorizer_kind *authorizer__kind(struct str name, bool http_api)
{
    for (size_t i = 0; i < COUNTOF(kinds); i++)
        if (str_eqz(name, kinds[i]->name) && (kinds[i]->apis & (http_api ? AUTH_HTTP : AUTH_REST)))
            return kinds[i];
    return NULL;
}
