/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters, one set per loop so that counting costs no lock, added up when somebody asks. The names
 * are the rows of metrics.def. */
#ifndef ROPELINE_OBSERVE_METRICS_H
#define ROPELINE_OBSERVE_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"

enum metric {
#define METRIC(id, name, type, labels, help) METRIC_##id,
#include "observe/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metrics {
    _Atomic uint64_t value[METRIC_COUNT];
};

/* Only the loop that owns `m` writes, so a relaxed load and store is enough and no bus is locked.
 */
static inline void metric_add(struct metrics *m, enum metric id, uint64_t n)
{
    uint64_t now = atomic_load_explicit(&m->value[id], memory_order_relaxed);
    atomic_store_explicit(&m->value[id], now + n, memory_order_relaxed);
}

/* Of a gauge, or of what somebody else counts. */
static inline void metric_set(struct metrics *m, enum metric id, uint64_t n)
{
    atomic_store_explicit(&m->value[id], n, memory_order_relaxed);
}

/* The sum over `sets` in OpenMetrics text, without the final # EOF. */
void metrics_write(const struct metrics *const *sets, size_t n, struct buf *out);

#endif
