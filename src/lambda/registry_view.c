/* SPDX-License-Identifier: Apache-2.0
 *
 * What the registry shows of its functions, as Lambda's own operations answer. */
#include "registry_int.h"

static void write_list(struct buf *out, const char *name, const struct json *latest,
                       const struct json *rest)
{
    buf_addf(out, "{\"%s\":[", name);
    if (latest)
        json_write(out, latest);
    for (size_t i = 0; rest && i < rest->n; i++) {
        if (i > 0 || latest)
            buf_addc(out, ',');
        json_write(out, rest->items[i]);
    }
    buf_addz(out, "]}");
}

/* Of one setting: what it asked for, and what is there now. */
static void write_provisioned(const struct managed *m, const struct json *setting, struct buf *out)
{
    struct str qualifier = json_str_or(json_get(setting, "Qualifier"), STR(""));
    const struct json *alias = registry__alias(m->tree, qualifier);
    const struct json *versions = json_get(m->tree, "Versions");
    size_t ready = 0;
    const char *status = "READY", *why = NULL;
    int64_t requested = 0;
    (void)json_int(json_get(setting, "Requested"), &requested);
    for (size_t i = 0; versions && i < versions->n; i++) {
        struct str version = json_str_or(json_get(versions->items[i], "Version"), STR(""));
        bool its = alias ? registry__wanted(m->tree, version) > 0 : str_eq(version, qualifier);
        const struct function *f = its ? registry__made(m, version) : NULL;
        if (f)
            ready += lambda__provision_ready(f);
        if (f && f->provision.failed)
            why = f->provision.failed;
    }
    if (ready < (size_t)requested)
        status = why ? "FAILED" : "IN_PROGRESS";
    buf_addf(out,
             "{\"RequestedProvisionedConcurrentExecutions\":%lld,"
             "\"AvailableProvisionedConcurrentExecutions\":%zu,"
             "\"AllocatedProvisionedConcurrentExecutions\":%zu,\"Status\":\"%s\"",
             (long long)requested, ready, ready, status);
    if (ready < (size_t)requested && why)
        buf_addf(out, ",\"StatusReason\":\"%s\"", why);
    buf_addz(out, ",\"LastModified\":");
    json_write_str(out, json_str_or(json_get(setting, "LastModified"), STR("")));
    buf_addc(out, '}');
}

static void write_all_provisioned(const struct managed *m, struct buf *out)
{
    const struct json *all = json_get(m->tree, "Provisioned");
    buf_addz(out, "{\"ProvisionedConcurrencyConfigs\":[");
    for (size_t i = 0; all && i < all->n; i++) {
        if (i > 0)
            buf_addc(out, ',');
        write_provisioned(m, all->items[i], out);
    }
    buf_addz(out, "]}");
}

static enum err view_alias(const struct lambda *l, const struct managed *m, struct str name,
                           struct buf *out, struct errinfo *e)
{
    const struct json *alias = registry__alias(m->tree, name);
    if (!alias)
        return errinfo_set(
            e, ERR_NOTFOUND, "Cannot find alias arn: arn:aws:lambda:%s:%s:function:%s:%.*s",
            l->o.region, l->o.account, m->family->name, STR_ARG(str_sub(name, 0, 64)));
    json_write(out, alias);
    return ERR_OK;
}

enum err lambda_view(struct lambda *l, enum function_view v, struct str name, struct str qualifier,
                     struct buf *out, struct errinfo *e)
{
    const struct managed *m = registry__find(l->registry, name);
    const struct json *config = m ? registry__version(m->tree, qualifier) : NULL, *one;
    if (!m || (v == FUNCTION_CONFIGURATION && !config))
        return registry__not_found(l, name, qualifier, e);
    int64_t reserved;
    switch (v) {
    case FUNCTION_CONFIGURATION:
        json_write(out, config);
        break;
    case FUNCTION_VERSIONS:
        write_list(out, "Versions", json_get(m->tree, "Latest"), json_get(m->tree, "Versions"));
        break;
    case FUNCTION_ALIAS:
        return view_alias(l, m, qualifier, out, e);
    case FUNCTION_ALIASES:
        write_list(out, "Aliases", NULL, json_get(m->tree, "Aliases"));
        break;
    case FUNCTION_CONCURRENCY:
        if (json_int(json_get(m->tree, "ReservedConcurrentExecutions"), &reserved))
            buf_addf(out, "{\"ReservedConcurrentExecutions\":%lld}", (long long)reserved);
        else
            buf_addz(out, "{}");
        break;
    case FUNCTION_PROVISIONED:
        one = registry__provisioned(m->tree, qualifier);
        if (!one)
            return errinfo_set(e, ERR_NOTFOUND,
                               "No Provisioned Concurrency Config found for this function");
        write_provisioned(m, one, out);
        break;
    case FUNCTION_PROVISIONED_LIST:
        write_all_provisioned(m, out);
        break;
    }
    return out->err;
}

void lambda_list(struct lambda *l, struct buf *out)
{
    buf_addz(out, "{\"Functions\":[");
    for (const struct managed *m = l->registry->functions; m; m = m->next) {
        if (m != l->registry->functions)
            buf_addc(out, ',');
        json_write(out, json_get(m->tree, "Latest"));
    }
    buf_addz(out, "]}");
}
