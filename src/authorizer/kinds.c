/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of authorizer kinds. A type that has no row here is refused when its document loads. */
#include "authorizer_int.h"

#define REST 1u
#define HTTP 2u
static const struct {
    const char *type; /* as the API document spells it */
    unsigned apis;    /* that know it */
    const char *ours; /* a property that makes the type another kind: our extensions; or NULL */
    const struct authorizer_kind *kind;
} kinds[] = {
    {"TOKEN", REST, "x-ropeline-session", &authorizer__session},
    {"JWT", HTTP, "x-ropeline-session", &authorizer__session},
    {"TOKEN", REST, "x-ropeline-introspection", &authorizer__introspection},
    {"JWT", HTTP, "x-ropeline-introspection", &authorizer__introspection},
    {"TOKEN", REST, "x-ropeline-issuers", &authorizer__jwt},
    {"TOKEN", REST, NULL, &authorizer__token},
    {"REQUEST", REST | HTTP, NULL, &authorizer__request},
    {"JWT", HTTP, NULL, &authorizer__jwt},
    {"COGNITO_USER_POOLS", REST, NULL, &authorizer__user_pools},
    {"AWS_IAM", REST | HTTP, NULL, &authorizer__iam},
};

const struct authorizer_kind *authorizer__kind(const struct json *spec, struct str type,
                                               bool http_api)
{
    for (size_t i = 0; i < COUNTOF(kinds); i++)
        if (str_eqz(type, kinds[i].type) && (kinds[i].apis & (http_api ? HTTP : REST)) &&
            (kinds[i].ours == NULL || json_get(spec, kinds[i].ours)))
            return kinds[i].kind;
    return NULL;
}
