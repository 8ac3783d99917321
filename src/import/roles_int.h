/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ropeline-roles, however a document spells its API. */
#ifndef ROPELINE_IMPORT_ROLES_INT_H
#define ROPELINE_IMPORT_ROLES_INT_H

#include "import_api_int.h"

/* Of the API as a whole. */
void import__set_roles(struct importer *im, struct import_api *api, const struct json *v);
/* When all is read: of the API and its methods, for the authorizers that go by them. */
void import__finish_roles(struct importer *im, struct import_api *api);

#endif
