/* SPDX-License-Identifier: Apache-2.0
 *
 * The text that a Prometheus scraper reads (OpenMetrics 1.0). */
#include "observe/metrics.h"

struct metric_row {
    const char *name, *type, *labels, *help;
};

static const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, name, type, labels, help) {name, type, labels, help},
#include "observe/metrics.def"
#undef METRIC
};

static bool first_of_its_name(size_t i)
{
    return i == 0 || !str_eqz(str_c(metric_rows[i].name), metric_rows[i - 1].name);
}

/* OpenMetrics names the family of a counter without its _total. */
static struct str family(const char *name)
{
    struct str s = str_c(name);
    return str_ends(s, STR("_total")) ? str_sub(s, 0, s.n - 6) : s;
}

void metrics_write(const struct metrics *const *sets, size_t n, struct buf *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        uint64_t sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += atomic_load_explicit(&sets[k]->value[i], memory_order_relaxed);
        if (first_of_its_name(i)) {
            struct str f = family(row->name);
            buf_addf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", STR_ARG(f), row->help, STR_ARG(f),
                     row->type);
        }
        buf_addz(out, row->name);
        if (row->labels[0] != '\0')
            buf_addf(out, "{%s}", row->labels);
        buf_addc(out, ' ');
        buf_addu(out, sum);
        buf_addc(out, '\n');
    }
}
