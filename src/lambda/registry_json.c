/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the trees of the registry: what a qualifier is, and from a configuration in the words of
 * Lambda's API to what this room runs. */
#include "base/crypt.h"
#include "base/mem.h"
#include "registry_int.h"

static const struct json *named(const struct json *list, const char *key, struct str value)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (str_eq(json_str_or(json_get(list->items[i], key), STR("")), value))
            return list->items[i];
    return NULL;
}

const struct json *registry__alias(const struct json *tree, struct str name)
{
    return named(json_get(tree, "Aliases"), "Name", name);
}

const struct json *registry__provisioned(const struct json *tree, struct str qualifier)
{
    return named(json_get(tree, "Provisioned"), "Qualifier", qualifier);
}

const struct json *registry__version(const struct json *tree, struct str qualifier)
{
    const struct json *alias = registry__alias(tree, qualifier);
    if (alias)
        qualifier = json_str_or(json_get(alias, "FunctionVersion"), STR(""));
    if (qualifier.n == 0 || str_eqz(qualifier, "$LATEST"))
        return json_get(tree, "Latest");
    return named(json_get(tree, "Versions"), "Version", qualifier);
}

struct str registry__arn(struct arena *a, const struct lambda *l, struct str name,
                         struct str qualifier)
{
    return arena_fmt(a, "arn:aws:lambda:%s:%s:function:%.*s%s%.*s", l->o.region, l->o.account,
                     STR_ARG(name), qualifier.n > 0 ? ":" : "", STR_ARG(qualifier));
}

enum err registry__not_found(const struct lambda *l, struct str name, struct str qualifier,
                             struct errinfo *e)
{
    name = str_sub(name, 0, LIMIT_FUNCTION_NAME);
    qualifier = str_sub(qualifier, 0, 64);
    return errinfo_set(e, ERR_NOTFOUND,
                       "Function not found: arn:aws:lambda:%s:%s:function:%.*s%s%.*s", l->o.region,
                       l->o.account, STR_ARG(name), qualifier.n > 0 ? ":" : "", STR_ARG(qualifier));
}

/* --- provisioned ------------------------------------------------------------------------------ */

/* The one additional version of an alias; *weight in WEIGHT_ONE. "" = there is none. */
static struct str other_version(const struct json *alias, unsigned *weight)
{
    const struct json *all = json_get(json_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
    *weight = 0;
    if (!json_is(all, JSON_OBJECT) || all->n == 0)
        return STR("");
    *weight = (unsigned)(all->members[0].value->real * WEIGHT_ONE + 0.5);
    return all->members[0].key;
}

/* Of `n` for an alias, what falls to this version: shares are rounded so that none gets nothing. */
static unsigned share(const struct json *alias, struct str version, unsigned n)
{
    unsigned weight;
    struct str other = other_version(alias, &weight);
    unsigned second = (unsigned)(((uint64_t)n * weight + WEIGHT_ONE - 1) / WEIGHT_ONE);
    if (second > 0 && second == n && n > 1)
        second = n - 1;
    if (str_eq(version, json_str_or(json_get(alias, "FunctionVersion"), STR(""))))
        return n - second;
    return other.n > 0 && str_eq(version, other) ? second : 0;
}

static bool fits(const struct json *v)
{
    int64_t n;
    return !v || (json_int(v, &n) && n >= 0 && n <= LIMIT_CONCURRENCY);
}

bool registry__counts_fit(const struct json *tree)
{
    const struct json *all = json_get(tree, "Provisioned");
    bool fit = fits(json_get(tree, "ReservedConcurrentExecutions"));
    for (size_t i = 0; all && i < all->n; i++)
        fit = fit && fits(json_get(all->items[i], "Requested"));
    return fit;
}

unsigned registry__wanted(const struct json *tree, struct str version)
{
    const struct json *all = json_get(tree, "Provisioned");
    unsigned wanted = 0;
    for (size_t i = 0; all && i < all->n; i++) {
        struct str qualifier = json_str_or(json_get(all->items[i], "Qualifier"), STR(""));
        const struct json *alias = registry__alias(tree, qualifier);
        int64_t n = 0;
        (void)json_int(json_get(all->items[i], "Requested"), &n);
        if (alias)
            wanted += share(alias, version, (unsigned)n);
        else if (str_eq(qualifier, version))
            wanted += (unsigned)n;
    }
    return wanted;
}

/* --- to what runs ------------------------------------------------------------------------------
 */

static struct str text(const struct json *config, const char *key)
{
    return json_str_or(json_get(config, key), STR(""));
}

static enum err read_env(struct arena *a, const struct json *config, struct function_spec *out)
{
    const struct json *all = json_get(json_get(config, "Environment"), "Variables");
    size_t n = json_is(all, JSON_OBJECT) ? all->n : 0;
    out->env = ARENA_ARRAY(a, n, struct function_env);
    if (!out->env)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        out->env[out->env_count++] =
            (struct function_env){all->members[i].key, json_str_or(all->members[i].value, STR(""))};
    return ERR_OK;
}

/* CodeSha256 is base64; the store has it in hex. */
static enum err read_package(struct arena *a, const struct lambda *l, const struct json *config,
                             struct function_spec *out)
{
    char hex[65];
    AUTO_BUF sha = BUF_INIT(KIB(1));
    enum err err = crypt_base64_decode(&sha, text(config, "CodeSha256"));
    if (err != ERR_OK || sha.n != SHA256_BYTES)
        return err ? err : ERR_INVALID;
    crypt_hex(sha.p, SHA256_BYTES, hex);
    out->package = arena_str(a, str_c(hex));
    out->code_dir = arena_fmt(a, "%s/code/%s", l->o.state_dir, hex);
    return out->package.p && out->code_dir.p ? ERR_OK : ERR_NOMEM;
}

enum err registry__spec(struct arena *a, const struct lambda *l, const struct json *config,
                        struct function_spec *out)
{
    int64_t timeout = 0, memory = 0;
    (void)json_int(json_get(config, "Timeout"), &timeout);
    (void)json_int(json_get(config, "MemorySize"), &memory);
    struct str version = text(config, "Version");
    *out = (struct function_spec){
        .name = text(config, "FunctionName"),
        .handler = text(config, "Handler"),
        .runtime = text(config, "Runtime"),
        .version = version,
        .timeout_ms =
            timeout > 0 && timeout <= LIMIT_FUNCTION_TIMEOUT_MS ? 1000 * (unsigned)timeout : 0,
        .memory_mb = memory > 0 && memory <= LIMIT_FUNCTION_MEMORY_MB ? (unsigned)memory : 0,
    };
    out->arn = registry__arn(a, l, out->name, str_eqz(version, "$LATEST") ? STR("") : version);
    if (!out->arn.p)
        return ERR_NOMEM;
    enum err err = read_env(a, config, out);
    return err ? err : read_package(a, l, config, out);
}

static struct function *remember(struct managed *m, struct function *f)
{
    struct made *one = f ? mem_alloc(sizeof *one) : NULL;
    if (!one) {
        function_unref(f);
        return NULL;
    }
    *one = (struct made){f, m->made};
    m->made = one;
    return f;
}

static struct function *make_version(struct lambda *l, struct managed *m, const struct json *config,
                                     struct errinfo *e)
{
    struct function *f = NULL;
    struct function_spec spec;
    struct arena *a = arena_new(KIB(2), KIB(256));
    enum err err = a ? registry__spec(a, l, config, &spec) : ERR_NOMEM;
    if (err == ERR_OK)
        err = lambda_function(l, &spec, &f, e);
    arena_free(a);
    if (err != ERR_OK && e && e->code != err)
        errinfo_set(e, err, "%s", err_text(err));
    return remember(m, f);
}

static struct function *make_alias(struct lambda *l, struct managed *m, const struct json *alias,
                                   struct errinfo *e)
{
    unsigned weight;
    struct function *f = NULL, *to, *other = NULL;
    struct str second = other_version(alias, &weight);
    to = registry__function(l, m, text(alias, "FunctionVersion"), e);
    if (to && second.n > 0)
        other = registry__function(l, m, second, e);
    if (!to || (second.n > 0 && !other))
        return NULL;
    if (function_alias(l, text(alias, "Name"), to, other, weight, &f, e) != ERR_OK)
        return NULL;
    return remember(m, f);
}

struct function *registry__function(struct lambda *l, struct managed *m, struct str qualifier,
                                    struct errinfo *e)
{
    if (qualifier.n == 0)
        qualifier = STR("$LATEST");
    struct function *made = registry__made(m, qualifier);
    if (made)
        return made;
    const struct json *alias = registry__alias(m->tree, qualifier);
    if (alias)
        return make_alias(l, m, alias, e);
    const struct json *config = registry__version(m->tree, qualifier);
    if (config)
        return make_version(l, m, config, e);
    (void)registry__not_found(l, str_c(m->family->name), qualifier, e);
    return NULL;
}
