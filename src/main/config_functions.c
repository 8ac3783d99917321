/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the machine functions may have: by flag, or below `limits` of ropeline.yaml. One row
 * each; a flag wins. */
#include <stdio.h>

#include "base/limits.h"
#include "config_int.h"

static const struct row {
    const char *flag, *key;
    int64_t least, most;
    const char *unit;
} rows[CONFIG_FUNCTIONS] = {
    [CONFIG_CONCURRENCY] = {"concurrency", "concurrency", 1, LIMIT_CHILDREN, "environments"},
    [CONFIG_FUNCTION_IDLE] = {"function-idle", "function_idle", 1, 86400, "seconds"},
    [CONFIG_WARM_WORKERS] = {"warm-workers", "warm_workers", 0, LIMIT_WARM_WORKERS, "processes"},
    [CONFIG_CODE_CACHE] = {"code-cache", "code_cache", 0, 1, "(0 = off, 1 = on)"},
    [CONFIG_PREDICTIVE_START] = {"predictive-start", "predictive_start", 0, 1, "(0 = off, 1 = on)"},
    [CONFIG_COLD_STARTS] = {"force-cold-starts", "force_cold_starts", 0, 1, "(0 = off, 1 = on)"},
    [CONFIG_FUNCTION_QUEUE] = {"function-queue", "function_queue", 0, 900000, "milliseconds"},
    [CONFIG_FORK_TEMPLATES] = {"fork-templates", "fork_templates", 0, LIMIT_CHILDREN, "processes"},
    [CONFIG_FREEZE] = {"freeze", "freeze", 0, 1, "(0 = off, 1 = on)"},
};

void config__functions_default(struct config *c)
{
    for (size_t i = 0; i < CONFIG_FUNCTIONS; i++)
        c->function_limits[i] = -1;
}

bool config__functions_key(struct config *c, struct str key, const struct json *v, char why[96])
{
    int64_t n;
    size_t i = 0;
    why[0] = '\0';
    while (i < CONFIG_FUNCTIONS && !str_eqz(key, rows[i].key))
        i++;
    if (i == CONFIG_FUNCTIONS)
        return false;
    if (json_int(v, &n) && n >= rows[i].least && n <= rows[i].most)
        c->function_limits[i] = n;
    else
        snprintf(why, 96, "%s is %lld to %lld %s", rows[i].key, (long long)rows[i].least,
                 (long long)rows[i].most, rows[i].unit);
    return true;
}

int config__functions_flags(const struct options *o, struct config *c)
{
    for (size_t i = 0; i < CONFIG_FUNCTIONS; i++) {
        const char *text = option_get(o, rows[i].flag);
        uint64_t n;
        if (!text)
            continue;
        if (!str_u64(str_c(text), &n) || n < (uint64_t)rows[i].least ||
            n > (uint64_t)rows[i].most) {
            fprintf(stderr, "ropeline: --%s is %lld to %lld %s, not %s\n", rows[i].flag,
                    (long long)rows[i].least, (long long)rows[i].most, rows[i].unit, text);
            return 2;
        }
        c->function_limits[i] = (int64_t)n;
    }
    c->cage.freezes = c->function_limits[CONFIG_FREEZE] > 0;
    return 0;
}

void config_lambda(const struct config *c, struct lambda_options *out)
{
    const int64_t *n = c->function_limits;
    out->warm_workers =
        n[CONFIG_WARM_WORKERS] < 0 ? DEFAULT_WARM_WORKERS : (unsigned)n[CONFIG_WARM_WORKERS];
    out->code_cache = n[CONFIG_CODE_CACHE] != 0; /* both on unless said otherwise */
    out->predictive_start = n[CONFIG_PREDICTIVE_START] != 0;
    out->cold_always = n[CONFIG_COLD_STARTS] > 0;
    out->freeze = n[CONFIG_FREEZE] > 0;
    if (n[CONFIG_CONCURRENCY] > 0) /* asked for by name: then one function may have it all */
        out->environments_max = out->environments_total = (unsigned)n[CONFIG_CONCURRENCY];
    if (n[CONFIG_FUNCTION_IDLE] > 0)
        out->idle_ms = 1000 * n[CONFIG_FUNCTION_IDLE];
    if (n[CONFIG_FUNCTION_QUEUE] >= 0)
        out->queue_ms = n[CONFIG_FUNCTION_QUEUE] ? n[CONFIG_FUNCTION_QUEUE] : -1;
    out->templates_max =
        n[CONFIG_FORK_TEMPLATES] >= 0 ? (unsigned)n[CONFIG_FORK_TEMPLATES] : DEFAULT_TEMPLATES;
}
