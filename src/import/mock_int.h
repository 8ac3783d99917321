/* SPDX-License-Identifier: Apache-2.0
 *
 * What the templates of a MOCK integration may say here. */
#ifndef ROPELINE_IMPORT_MOCK_INT_H
#define ROPELINE_IMPORT_MOCK_INT_H

#include "base/str.h"

/* N of {"statusCode": N}, which must be all; -1 for anything else. */
int import__mock_status(struct str template);
bool import__has_vtl(struct str text); /* Velocity might change it */

#endif
