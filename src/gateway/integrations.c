/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of integration kinds. A type that has no row here is refused when its document loads.
 */
#include "gateway_int.h"

static const struct integration_kind *const kinds[] = {
    &gateway__http,
    &gateway__http_proxy,
    &gateway__aws_proxy,
    &gateway__mock,
};

const struct integration_kind *integration__kind(struct str name, enum api_kind api)
{
    for (size_t i = 0; i < COUNTOF(kinds); i++)
        if (str_ieq(name, str_c(kinds[i]->name)) && (kinds[i]->apis & 1u << api))
            return kinds[i];
    return NULL;
}
