/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the registry is kept: two tables of plane.db. A version is written once and never changed;
 * a function's row has everything else of it. */
#include "base/mem.h"
#include "registry_int.h"

static const struct migration migrations[] = {
    {"CREATE TABLE lambda_function (name TEXT NOT NULL PRIMARY KEY, tree TEXT NOT NULL); "
     "CREATE TABLE lambda_version (name TEXT NOT NULL, version BIGINT NOT NULL, "
     "configuration TEXT NOT NULL, PRIMARY KEY (name, version))"},
};
static const struct stmt STMT_functions =
    SQL("SELECT name, tree FROM lambda_function ORDER BY name DESC");
static const struct stmt STMT_versions =
    SQL("SELECT name, configuration FROM lambda_version ORDER BY name, version");
static const struct stmt STMT_put_function =
    SQL("INSERT INTO lambda_function (name, tree) VALUES ($1, $2) "
        "ON CONFLICT (name) DO UPDATE SET tree = excluded.tree");
static const struct stmt STMT_put_version =
    SQL("INSERT INTO lambda_version (name, version, configuration) VALUES ($1, $2, $3)");
static const struct stmt STMT_drop_version =
    SQL("DELETE FROM lambda_version WHERE name = $1 AND version = $2");
static const struct stmt STMT_drop_function = SQL("DELETE FROM lambda_function WHERE name = $1");
static const struct stmt STMT_drop_versions = SQL("DELETE FROM lambda_version WHERE name = $1");

/* --- reading ---------------------------------------------------------------------------------- */

static enum err take_function(void *arg, const struct store_value *v, size_t n)
{
    struct registry *r = arg;
    const struct json *tree;
    struct managed *m = n == 2 ? mem_alloc(sizeof *m) : NULL;
    if (!m)
        return n == 2 ? ERR_NOMEM : ERR_INVALID;
    m->arena = arena_new(KIB(4), LIMIT_MANAGED_ARENA);
    m->next = r->functions;
    r->functions = m; /* registry__free has it from now on */
    if (!m->arena)
        return ERR_NOMEM;
    enum err err = json_parse(m->arena, v[1].s, LIMIT_MANAGED_ARENA, &tree, NULL);
    if (err != ERR_OK)
        return err == ERR_NOMEM ? err : ERR_INVALID;
    struct json *own = json_new_copy(m->arena, tree);
    struct json *versions = json_new_array(m->arena, 4);
    if (!own || !versions || json_set(m->arena, own, STR("Versions"), versions) != ERR_OK)
        return ERR_NOMEM;
    m->tree = own;
    m->versions = versions;
    if (lambda__check_name(v[0].s, NULL) != ERR_OK || !registry__counts_fit(tree))
        return ERR_INVALID;
    m->family = lambda__family(r->lambda, v[0].s);
    if (!m->family)
        return ERR_NOMEM;
    m->family->managed = true;
    return ERR_OK;
}

static enum err take_version(void *arg, const struct store_value *v, size_t n)
{
    struct registry *r = arg;
    const struct json *config;
    struct managed *m = n == 2 ? registry__find(r, v[0].s) : NULL;
    if (!m)
        return ERR_INVALID;
    enum err err = json_parse(m->arena, v[1].s, LIMIT_MANAGED_ARENA, &config, NULL);
    if (err != ERR_OK)
        return err == ERR_NOMEM ? err : ERR_INVALID;
    return json_push(m->arena, m->versions, config);
}

enum err registry__read(struct registry *r, struct errinfo *e)
{
    enum err err = store_open(r->store, "lambda", migrations, COUNTOF(migrations), e);
    if (err == ERR_OK)
        err = store_read_now(r->store, &STMT_functions, NULL, 0, take_function, r, e);
    if (err == ERR_OK)
        err = store_read_now(r->store, &STMT_versions, NULL, 0, take_version, r, e);
    if (err != ERR_OK && e && e->text[0] == '\0')
        errinfo_set(e, err, "plane.db: the functions in it: %s", err_text(err));
    return err;
}

/* --- writing: on the store's thread ------------------------------------------------------------
 */

static enum err put_version(struct store_tx *tx, struct str name, const struct changing *x)
{
    uint64_t number = 0;
    if (!x->published)
        return ERR_OK;
    if (!str_u64(json_str_or(json_get(x->published, "Version"), STR("")), &number))
        return ERR_INTERNAL;
    const struct store_value args[] = {STORE_S(name), STORE_I((int64_t)number),
                                       STORE_S(buf_str(&x->published_text))};
    return store_run(tx, &STMT_put_version, args, COUNTOF(args), NULL, NULL);
}

enum err registry__write(struct store_job *j, struct store_tx *tx)
{
    const struct changing *x = j->arg;
    struct str name = x->change->name;
    const struct store_value args[] = {STORE_S(name), STORE_S(buf_str(&x->tree_text))};
    const struct store_value dropped[] = {STORE_S(name), STORE_I((int64_t)x->dropped)};
    if (!x->tree) {
        enum err err = store_run(tx, &STMT_drop_function, args, 1, NULL, NULL);
        return err ? err : store_run(tx, &STMT_drop_versions, args, 1, NULL, NULL);
    }
    enum err err = store_run(tx, &STMT_put_function, args, COUNTOF(args), NULL, NULL);
    if (err == ERR_OK)
        err = put_version(tx, name, x);
    if (err == ERR_OK && x->dropped > 0)
        err = store_run(tx, &STMT_drop_version, dropped, COUNTOF(dropped), NULL, NULL);
    return err;
}
