/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of changes, for schema.c and the broom. */
#ifndef ROPELINE_IDENTITY_CHANGE_INT_H
#define ROPELINE_IDENTITY_CHANGE_INT_H

#include "store/store.h"

extern const char change__schema[];
enum err changes__sweep(struct store_tx *tx, int64_t now_ms, bool *more) MUSTCHECK;

#endif
