/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbered steps of the identity tables: one row for each file that owns some. */
#include "schema_int.h"

const struct migration identity__migrations[] = {
    {""},
};
const size_t identity__migration_count = COUNTOF(identity__migrations);
