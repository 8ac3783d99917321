/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of this room in the order in which they are made. Each file that owns tables declares
 * its text here; a released text never changes, a later change is a further row of schema.c. Text
 * that SQLite and PostgreSQL both take: TEXT, BIGINT, no sequences; booleans are 0 and 1. */
#ifndef ROPELINE_IDENTITY_SCHEMA_INT_H
#define ROPELINE_IDENTITY_SCHEMA_INT_H

#include "store/store.h"

extern const struct migration identity__migrations[];
extern const size_t identity__migration_count;

#endif
