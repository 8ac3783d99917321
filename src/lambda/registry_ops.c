/* SPDX-License-Identifier: Apache-2.0
 *
 * What each operation makes of a function: a pure step from one tree to the next, refused in
 * Lambda's own words. Nothing is kept here, and nothing runs yet. */
#include "base/crypt.h"
#include "registry_int.h"

#define UNRESERVED_MIN 100 /* Lambda: what reservations must leave to the other functions */

static struct str text_of(const struct json *v, const char *key)
{
    return json_str_or(json_get(v, key), STR(""));
}

/* --- building: memory that fails is noticed once, in registry__change ---------------------------
 */

static void put(struct changing *x, struct json *object, const char *key, const struct json *v)
{
    if (!object || !v || json_set(x->arena, object, str_c(key), v) != ERR_OK)
        x->nomem = true;
}

static void put_text(struct changing *x, struct json *object, const char *key, struct str s)
{
    put(x, object, key, json_new_str(x->arena, s));
}

static void put_int(struct changing *x, struct json *object, const char *key, int64_t n)
{
    put(x, object, key, json_new_int(x->arena, n));
}

/* A copy of a part of the tree, to be changed and put back. */
static struct json *open_part(struct changing *x, const char *key)
{
    struct json *part = json_new_copy(x->arena, json_get(x->tree, key));
    x->nomem = x->nomem || !part;
    return part;
}

static void push(struct changing *x, struct json *list, const struct json *v)
{
    if (!list || !v || json_push(x->arena, list, v) != ERR_OK)
        x->nomem = true;
}

/* The list without those whose `key` is `value`. */
static void remove_from(struct changing *x, const char *list, const char *key, struct str value)
{
    const struct json *all = json_get(x->tree, list);
    struct json *rest = json_new_array(x->arena, all ? all->n : 1);
    for (size_t i = 0; all && i < all->n; i++)
        if (!str_eq(text_of(all->items[i], key), value))
            push(x, rest, all->items[i]);
    put(x, x->tree, list, rest);
}

static struct str now_text(struct changing *x)
{
    char when[TIME_TEXT];
    time_rfc3339(loop_wall_us(x->l->o.control), when);
    struct str s = str_c(when);
    return arena_fmt(x->arena, "%.*s+0000", STR_ARG(str_sub(s, 0, s.n - 1)));
}

static void stamp(struct changing *x, struct json *config)
{
    char id[37];
    crypt_uuid(id);
    put_text(x, config, "RevisionId", str_c(id));
    put_text(x, config, "LastModified", now_text(x));
}

/* --- configurations ----------------------------------------------------------------------------
 */

static const struct field {
    const char *name;
    enum json_type type;
    bool kept; /* else it is about the request */
} fields[] = {
    {"FunctionName", JSON_STRING, false}, {"Publish", JSON_TRUE, false},
    {"RevisionId", JSON_STRING, false},   {"Runtime", JSON_STRING, true},
    {"Handler", JSON_STRING, true},       {"Description", JSON_STRING, true},
    {"Timeout", JSON_NUMBER, true},       {"MemorySize", JSON_NUMBER, true},
    {"Environment", JSON_OBJECT, true},   {"Role", JSON_STRING, true},
};

static const struct field *field_named(struct str name)
{
    for (size_t i = 0; i < COUNTOF(fields); i++)
        if (str_eqz(name, fields[i].name))
            return &fields[i];
    return NULL;
}

static enum err check_environment(const struct json *v, struct errinfo *e)
{
    const struct json *all = json_get(v, "Variables");
    if (all && !json_is(all, JSON_OBJECT))
        return errinfo_set(e, ERR_INVALID, "Environment.Variables is an object");
    for (size_t i = 0; all && i < all->n; i++)
        if (!json_is(all->members[i].value, JSON_STRING))
            return errinfo_set(e, ERR_INVALID, "the environment variable %.*s is no string",
                               STR_ARG(str_sub(all->members[i].key, 0, 64)));
    return ERR_OK;
}

/* What the request says of the configuration, member by member. */
static enum err take_fields(struct changing *x, struct json *config, struct errinfo *e)
{
    const struct json *rq = x->change->request;
    for (size_t i = 0; rq && i < rq->n; i++) {
        const struct json_member *m = &rq->members[i];
        const struct field *f = field_named(m->key);
        if (!f)
            return errinfo_set(e, ERR_UNSUPPORTED, "%.*s is not served here",
                               STR_ARG(str_sub(m->key, 0, 64)));
        if (f->type == JSON_TRUE ? !json_is_bool(m->value) : m->value->type != f->type)
            return errinfo_set(e, ERR_INVALID, "%s is of another type", f->name);
        if (f->type == JSON_NUMBER && (!m->value->is_int || m->value->i < 1))
            return errinfo_set(e, ERR_INVALID, "%s is a whole number above 0", f->name);
        if (f->kept)
            put(x, config, f->name, json_new_copy(x->arena, m->value));
    }
    return check_environment(json_get(config, "Environment"), e);
}

static enum err check_revision(const struct changing *x, const struct json *of, struct errinfo *e)
{
    struct str wanted = text_of(x->change->request, "RevisionId");
    if (wanted.n == 0 || str_eq(wanted, text_of(of, "RevisionId")))
        return ERR_OK;
    return errinfo_set(e, ERR_EXPIRED,
                       "The Revision Id provided does not match the latest Revision Id. Call the "
                       "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

static enum err take_package(struct changing *x, struct json *config, struct errinfo *e)
{
    unsigned char sha[SHA256_BYTES];
    AUTO_BUF base64 = BUF_INIT(KIB(1));
    if (x->package_hex.n == 0)
        return errinfo_set(e, ERR_INVALID, "Please provide a source for function code.");
    enum err err = crypt_sha256(x->change->zip, sha);
    if (err != ERR_OK)
        return err;
    crypt_base64(&base64, str_of(sha, sizeof sha));
    put_text(x, config, "CodeSha256", buf_str(&base64));
    put_int(x, config, "CodeSize", (int64_t)x->change->zip.n);
    return base64.err;
}

/* The new $LATEST must be one that could run here. */
static enum err try_latest(struct changing *x, const struct json *config, struct errinfo *e)
{
    struct function_spec spec;
    if (x->nomem)
        return ERR_NOMEM;
    enum err err = registry__spec(x->arena, x->l, config, &spec);
    return err ? err : lambda_function(x->l, &spec, &x->latest, e);
}

static bool same(const struct json *a, const struct json *b, const char *key)
{
    AUTO_BUF x = BUF_INIT(MIB(1));
    AUTO_BUF y = BUF_INIT(MIB(1));
    const struct json *p = json_get(a, key), *q = json_get(b, key);
    if (!p || !q)
        return p == q;
    json_write(&x, p);
    json_write(&y, q);
    return x.err == ERR_OK && y.err == ERR_OK && str_eq(buf_str(&x), buf_str(&y));
}

/* The version that publishing gives: the last one, when nothing has changed since. */
static void publish(struct changing *x, struct str description)
{
    static const char *const what[] = {"CodeSha256", "Runtime",     "Handler", "Timeout",
                                       "MemorySize", "Environment", "Role"};
    const struct json *latest = json_get(x->tree, "Latest"), *all = json_get(x->tree, "Versions");
    const struct json *last = all && all->n > 0 ? all->items[all->n - 1] : NULL;
    int64_t number = 1;
    bool unchanged = last != NULL;
    for (size_t i = 0; i < COUNTOF(what) && unchanged; i++)
        unchanged = same(latest, last, what[i]);
    if (unchanged) {
        x->show = last;
        return;
    }
    (void)json_int(json_get(x->tree, "NextVersion"), &number);
    struct str version = arena_fmt(x->arena, "%lld", (long long)number);
    struct json *config = json_new_copy(x->arena, latest), *versions = open_part(x, "Versions");
    if (!config || !version.p) {
        x->nomem = true;
        return;
    }
    put_text(x, config, "Version", version);
    put_text(x, config, "FunctionArn", registry__arn(x->arena, x->l, x->change->name, version));
    if (description.n > 0)
        put_text(x, config, "Description", description);
    stamp(x, config);
    push(x, versions, config);
    put(x, x->tree, "Versions", versions);
    put_int(x, x->tree, "NextVersion", number + 1);
    x->show = x->published = config;
}

static enum err settle_latest(struct changing *x, struct json *config, struct errinfo *e)
{
    stamp(x, config);
    put(x, x->tree, "Latest", config);
    x->show = config;
    enum err err = try_latest(x, config, e);
    if (err == ERR_OK && json_bool_or(json_get(x->change->request, "Publish"), false))
        publish(x, STR(""));
    return err;
}

/* --- operations --------------------------------------------------------------------------------
 */

static enum err create(struct changing *x, struct errinfo *e)
{
    struct str name = x->change->name;
    static const char *const lists[] = {"Versions", "Aliases", "Provisioned"};
    struct json *config = json_new_object(x->arena, 16);
    x->tree = json_new_object(x->arena, 8);
    put_text(x, config, "FunctionName", name);
    put_text(x, config, "FunctionArn", registry__arn(x->arena, x->l, name, STR("")));
    put_text(x, config, "Description", STR(""));
    put_int(x, config, "Timeout", DEFAULT_FUNCTION_TIMEOUT_MS / 1000);
    put_int(x, config, "MemorySize", DEFAULT_FUNCTION_MEMORY_MB);
    put_text(x, config, "PackageType", STR("Zip"));
    put_text(x, config, "State", STR("Active"));
    put_text(x, config, "LastUpdateStatus", STR("Successful"));
    put_text(x, config, "Version", STR("$LATEST"));
    put_text(x, x->tree, "FunctionName", name);
    put_int(x, x->tree, "NextVersion", 1);
    for (size_t i = 0; i < COUNTOF(lists); i++)
        put(x, x->tree, lists[i], json_new_array(x->arena, 2));
    enum err err = x->nomem ? ERR_NOMEM : take_fields(x, config, e);
    if (err == ERR_OK)
        err = take_package(x, config, e);
    return err ? err : settle_latest(x, config, e);
}

static enum err update_code(struct changing *x, struct errinfo *e)
{
    struct json *config = open_part(x, "Latest");
    enum err err = config ? check_revision(x, config, e) : ERR_NOMEM;
    if (err == ERR_OK)
        err = take_package(x, config, e);
    return err ? err : settle_latest(x, config, e);
}

static enum err update_configuration(struct changing *x, struct errinfo *e)
{
    struct json *config = open_part(x, "Latest");
    enum err err = config ? check_revision(x, config, e) : ERR_NOMEM;
    if (err == ERR_OK)
        err = take_fields(x, config, e);
    return err ? err : settle_latest(x, config, e);
}

static enum err publish_version(struct changing *x, struct errinfo *e)
{
    const struct json *latest = json_get(x->tree, "Latest");
    struct str sha = text_of(x->change->request, "CodeSha256"), is = text_of(latest, "CodeSha256");
    enum err err = check_revision(x, latest, e);
    if (err != ERR_OK)
        return err;
    if (sha.n > 0 && !str_eq(sha, is))
        return errinfo_set(e, ERR_INVALID,
                           "CodeSHA256 (%.*s) is different from current CodeSHA256 in $LATEST "
                           "(%.*s). Please try again with the CodeSHA256 in $LATEST.",
                           STR_ARG(str_sub(sha, 0, 64)), STR_ARG(is));
    publish(x, text_of(x->change->request, "Description"));
    return ERR_OK;
}

static enum err delete_function(struct changing *x, struct errinfo *e)
{
    struct str version = x->change->qualifier;
    const struct json *aliases = json_get(x->tree, "Aliases");
    if (version.n == 0) {
        x->tree = NULL;
        return ERR_OK;
    }
    if (str_eqz(version, "$LATEST"))
        return errinfo_set(e, ERR_INVALID,
                           "$LATEST version cannot be deleted without deleting the function.");
    if (!str_u64(version, &x->dropped) || !registry__version(x->tree, version))
        return registry__not_found(x->l, x->change->name, version, e);
    for (size_t i = 0; aliases && i < aliases->n; i++) {
        const struct json *routing = json_get(aliases->items[i], "RoutingConfig");
        if (str_eq(text_of(aliases->items[i], "FunctionVersion"), version) ||
            json_gets(json_get(routing, "AdditionalVersionWeights"), version))
            return errinfo_set(e, ERR_CONFLICT,
                               "Unable to delete version because the following aliases reference "
                               "it: [%.*s]",
                               STR_ARG(text_of(aliases->items[i], "Name")));
    }
    remove_from(x, "Versions", "Version", version);
    remove_from(x, "Provisioned", "Qualifier", version);
    return ERR_OK;
}

/* --- aliases -----------------------------------------------------------------------------------
 */

static enum err check_routing(const struct changing *x, const struct json *alias, struct errinfo *e)
{
    const struct json *all = json_get(json_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
    struct str version = text_of(alias, "FunctionVersion");
    if (!all || all->n == 0)
        return ERR_OK;
    if (!json_is(all, JSON_OBJECT) || all->n > 1)
        return errinfo_set(e, ERR_INVALID,
                           "Number of items in AdditionalVersionWeights cannot be "
                           "greater than 1");
    struct str other = all->members[0].key;
    const struct json *weight = all->members[0].value;
    if (str_eqz(version, "$LATEST") || str_eqz(other, "$LATEST"))
        return errinfo_set(e, ERR_INVALID,
                           "$LATEST is not supported for an alias pointing to more than 1 version");
    if (str_eq(version, other))
        return errinfo_set(e, ERR_INVALID,
                           "Invalid function version %.*s. Function version %.*s is already "
                           "included in routing configuration.",
                           STR_ARG(other), STR_ARG(other));
    if (!json_is(weight, JSON_NUMBER) || !(weight->real >= 0 && weight->real <= 1))
        return errinfo_set(e, ERR_INVALID, "a weight is a number from 0.0 to 1.0");
    if (registry__alias(x->tree, other) || !registry__version(x->tree, other))
        return registry__not_found(x->l, x->change->name, other, e);
    return ERR_OK;
}

static enum err settle_alias(struct changing *x, struct json *alias, struct errinfo *e)
{
    static const char *const taken[] = {"FunctionVersion", "RoutingConfig", "Description"};
    for (size_t i = 0; i < COUNTOF(taken); i++) {
        const struct json *v = json_get(x->change->request, taken[i]);
        if (v)
            put(x, alias, taken[i], json_new_copy(x->arena, v));
    }
    char id[37];
    crypt_uuid(id);
    put_text(x, alias, "RevisionId", str_c(id));
    if (x->nomem)
        return ERR_NOMEM;
    struct str version = text_of(alias, "FunctionVersion");
    if (version.n == 0 || registry__alias(x->tree, version) || !registry__version(x->tree, version))
        return registry__not_found(x->l, x->change->name, version, e);
    enum err err = check_routing(x, alias, e);
    if (err != ERR_OK)
        return err;
    remove_from(x, "Aliases", "Name", x->change->qualifier);
    struct json *all = open_part(x, "Aliases");
    push(x, all, alias);
    put(x, x->tree, "Aliases", all);
    x->show = alias;
    return ERR_OK;
}

static enum err create_alias(struct changing *x, struct errinfo *e)
{
    struct str name = x->change->qualifier;
    struct json *alias = json_new_object(x->arena, 8);
    struct str arn = registry__arn(x->arena, x->l, x->change->name, name);
    if (!alias || !arn.p)
        return ERR_NOMEM;
    if (registry__alias(x->tree, name))
        return errinfo_set(e, ERR_EXISTS, "Alias already exists: %.*s", STR_ARG(arn));
    if (!lambda__is_alias_name(name))
        return errinfo_set(e, ERR_INVALID, "\"%.*s\" is no name for an alias",
                           STR_ARG(str_sub(name, 0, 64)));
    put_text(x, alias, "AliasArn", arn);
    put_text(x, alias, "Name", name);
    put_text(x, alias, "Description", STR(""));
    return settle_alias(x, alias, e);
}

static enum err no_alias(const struct changing *x, struct errinfo *e)
{
    return errinfo_set(e, ERR_NOTFOUND,
                       "Cannot find alias arn: arn:aws:lambda:%s:%s:function:%.*s:%.*s",
                       x->l->o.region, x->l->o.account, STR_ARG(x->change->name),
                       STR_ARG(str_sub(x->change->qualifier, 0, 64)));
}

static enum err update_alias(struct changing *x, struct errinfo *e)
{
    const struct json *former = registry__alias(x->tree, x->change->qualifier);
    if (!former)
        return no_alias(x, e);
    struct json *alias = json_new_copy(x->arena, former);
    enum err err = alias ? check_revision(x, former, e) : ERR_NOMEM;
    return err ? err : settle_alias(x, alias, e);
}

static enum err delete_alias(struct changing *x, struct errinfo *e)
{
    (void)e; /* one that is not there is deleted already */
    remove_from(x, "Aliases", "Name", x->change->qualifier);
    remove_from(x, "Provisioned", "Qualifier", x->change->qualifier);
    return ERR_OK;
}

/* --- concurrency -------------------------------------------------------------------------------
 */

static int64_t provisioned_total(const struct json *tree, struct str but)
{
    const struct json *all = json_get(tree, "Provisioned");
    int64_t n, total = 0;
    for (size_t i = 0; all && i < all->n; i++)
        if (!str_eq(text_of(all->items[i], "Qualifier"), but) &&
            json_int(json_get(all->items[i], "Requested"), &n))
            total += n;
    return total;
}

/* What all other functions of the control plane have reserved. */
static int64_t reserved_elsewhere(const struct changing *x)
{
    int64_t n, total = 0;
    for (const struct managed *m = x->l->registry->functions; m; m = m->next)
        if (m != x->on && json_int(json_get(m->tree, "ReservedConcurrentExecutions"), &n))
            total += n;
    return total;
}

static enum err take_number(const struct changing *x, const char *key, int64_t least, int64_t *out,
                            struct errinfo *e)
{
    if (json_int(json_get(x->change->request, key), out) && *out >= least &&
        *out <= LIMIT_CONCURRENCY)
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID, "%s is a whole number from %lld to %d", key,
                       (long long)least, LIMIT_CONCURRENCY);
}

static enum err put_concurrency(struct changing *x, struct errinfo *e)
{
    int64_t n = 0, provisioned = provisioned_total(x->tree, STR(""));
    enum err err = take_number(x, "ReservedConcurrentExecutions", 0, &n, e);
    if (err != ERR_OK)
        return err;
    if (n < provisioned)
        return errinfo_set(e, ERR_INVALID,
                           " ReservedConcurrentExecutions  %lld should not be lower than "
                           "function's total provisioned concurrency [%lld].",
                           (long long)n, (long long)provisioned);
    if (n + reserved_elsewhere(x) > LIMIT_CONCURRENCY - UNRESERVED_MIN)
        return errinfo_set(
            e, ERR_INVALID,
            "Specified ReservedConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [%d].",
            UNRESERVED_MIN);
    put_int(x, x->tree, "ReservedConcurrentExecutions", n);
    struct json *show = json_new_object(x->arena, 1);
    put_int(x, show, "ReservedConcurrentExecutions", n);
    x->show = show;
    return ERR_OK;
}

static enum err delete_concurrency(struct changing *x, struct errinfo *e)
{
    struct json *rest = json_new_object(x->arena, x->tree->n);
    (void)e;
    for (size_t i = 0; i < x->tree->n; i++)
        if (!str_eqz(x->tree->members[i].key, "ReservedConcurrentExecutions") &&
            (!rest || json_set(x->arena, rest, x->tree->members[i].key,
                               x->tree->members[i].value) != ERR_OK))
            x->nomem = true;
    x->tree = rest;
    x->nomem = x->nomem || !rest;
    return ERR_OK;
}

/* One setting for each version: of itself, or of one alias. */
static enum err check_provisioned(const struct changing *x, struct errinfo *e)
{
    struct str qualifier = x->change->qualifier;
    const struct json *alias = registry__alias(x->tree, qualifier);
    const struct json *version = registry__version(x->tree, qualifier);
    if (qualifier.n == 0 || !version)
        return registry__not_found(x->l, x->change->name, qualifier, e);
    struct str number = text_of(version, "Version");
    if (str_eqz(number, "$LATEST"))
        return errinfo_set(e, ERR_INVALID,
                           "Provisioned Concurrency Configs cannot be applied to unpublished "
                           "function versions.");
    if (registry__provisioned(x->tree, qualifier) || registry__wanted(x->tree, number) == 0)
        return ERR_OK;
    return errinfo_set(e, ERR_INVALID, "%s",
                       alias ? "Alias can't be used for Provisioned Concurrency configuration on "
                               "an already Provisioned version"
                             : "Version is pointed by a Provisioned Concurrency alias");
}

static enum err put_provisioned(struct changing *x, struct errinfo *e)
{
    int64_t n = 0, reserved;
    struct str qualifier = x->change->qualifier;
    enum err err = check_provisioned(x, e);
    if (err == ERR_OK)
        err = take_number(x, "ProvisionedConcurrentExecutions", 1, &n, e);
    if (err != ERR_OK)
        return err;
    if (json_int(json_get(x->tree, "ReservedConcurrentExecutions"), &reserved) &&
        n + provisioned_total(x->tree, qualifier) > reserved)
        return errinfo_set(e, ERR_INVALID,
                           "Requested Provisioned Concurrency should not be greater than the "
                           "reservedConcurrentExecution for function");
    struct json *one = json_new_object(x->arena, 4), *show = json_new_object(x->arena, 5);
    put_text(x, one, "Qualifier", qualifier);
    put_int(x, one, "Requested", n);
    put_text(x, one, "LastModified", now_text(x));
    remove_from(x, "Provisioned", "Qualifier", qualifier);
    struct json *all = open_part(x, "Provisioned");
    push(x, all, one);
    put(x, x->tree, "Provisioned", all);
    put_int(x, show, "RequestedProvisionedConcurrentExecutions", n);
    put_int(x, show, "AvailableProvisionedConcurrentExecutions", 0);
    put_int(x, show, "AllocatedProvisionedConcurrentExecutions", 0);
    put_text(x, show, "Status", STR("IN_PROGRESS"));
    put_text(x, show, "LastModified", text_of(one, "LastModified"));
    x->show = show;
    return ERR_OK;
}

static enum err delete_provisioned(struct changing *x, struct errinfo *e)
{
    (void)e;
    remove_from(x, "Provisioned", "Qualifier", x->change->qualifier);
    return ERR_OK;
}

/* --- the table ---------------------------------------------------------------------------------
 */

static enum err (*const ops[FUNCTION_OPS])(struct changing *x, struct errinfo *e) = {
    [FUNCTION_CREATE] = create,
    [FUNCTION_UPDATE_CODE] = update_code,
    [FUNCTION_UPDATE_CONFIGURATION] = update_configuration,
    [FUNCTION_PUBLISH] = publish_version,
    [FUNCTION_DELETE] = delete_function,
    [FUNCTION_CREATE_ALIAS] = create_alias,
    [FUNCTION_UPDATE_ALIAS] = update_alias,
    [FUNCTION_DELETE_ALIAS] = delete_alias,
    [FUNCTION_PUT_CONCURRENCY] = put_concurrency,
    [FUNCTION_DELETE_CONCURRENCY] = delete_concurrency,
    [FUNCTION_PUT_PROVISIONED] = put_provisioned,
    [FUNCTION_DELETE_PROVISIONED] = delete_provisioned,
};

enum err registry__change(struct changing *x, struct errinfo *e)
{
    const struct function_change *c = x->change;
    if (c->request && !json_is(c->request, JSON_OBJECT))
        return errinfo_set(e, ERR_INVALID, "the request is no object");
    if (c->op != FUNCTION_CREATE) {
        x->tree = json_new_copy(x->arena, x->on->tree);
        if (!x->tree)
            return ERR_NOMEM;
    }
    enum err err = ops[c->op](x, e);
    return err == ERR_OK && x->nomem ? ERR_NOMEM : err;
}
