/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of apps and tenants, for schema.c and for the operations that change it. */
#ifndef ROPELINE_IDENTITY_TENANT_INT_H
#define ROPELINE_IDENTITY_TENANT_INT_H

#include "schema_int.h"

extern const char tenant__schema[];
extern const char tenant_provider__schema[];

/* Everything that the store has of a tenant, or with STR_NONE of a whole app, is gone. */
enum err tenant__forget(struct store_tx *tx, struct str app, struct str tenant) MUSTCHECK;
/* The tables with rows of apps, and whether these are of tenants too: for the test that none is
 * missing. */
struct tenant_table {
    const char *name;
    struct stmt of_app, of_tenant;
};
extern const struct tenant_table tenant__tables[];
extern const size_t tenant__table_count;

#endif
