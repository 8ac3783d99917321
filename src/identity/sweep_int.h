/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting what is out of date, a thousand rows at a time, so that the writer is never held long:
 * one row for each table that has such rows (sweep.c). Each node does it; doing it twice is fine.
 */
#ifndef ROPELINE_IDENTITY_SWEEP_INT_H
#define ROPELINE_IDENTITY_SWEEP_INT_H

#include "identity_int.h"

struct sweep {
    int64_t every_ms;
    /* Deletes some; *more: it shall be called again at once. May run again from its beginning. */
    enum err (*run)(struct store_tx *tx, int64_t now_ms, bool *more);
};
/* On the control loop. */
enum err sweeps__new(struct identity *i) MUSTCHECK;
void sweeps__close(struct identity *i);
void sweeps__free(struct identity *i);

#endif
