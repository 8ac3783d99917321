/* SPDX-License-Identifier: Apache-2.0
 *
 * What an app notes of its users (specs/identity-core.md 2.6): one JSON object each. An update is
 * merged at the first level under the row's lock, so that two at once lose nothing; its keys are
 * names and nothing more. */
#include "base/map.h"
#include "metadata_int.h"
#include "ops_int.h"
#include "user_recipes_int.h"

const char metadata__schema[] =
    "CREATE TABLE user_metadata (app_id TEXT NOT NULL, user_id TEXT NOT NULL, "
    "metadata TEXT NOT NULL, PRIMARY KEY (app_id, user_id))";

static const struct stmt STMT_get =
    SQL("SELECT metadata FROM user_metadata WHERE app_id = $1 AND user_id = $2");
/* A row to lock, whether or not there was one. */
static const struct stmt STMT_make =
    SQL("INSERT INTO user_metadata (app_id, user_id, metadata) VALUES ($1, $2, '{}') "
        "ON CONFLICT DO NOTHING");
static const struct stmt STMT_lock =
    SQL_LOCKING("SELECT metadata FROM user_metadata WHERE app_id = $1 AND user_id = $2");
static const struct stmt STMT_set =
    SQL("UPDATE user_metadata SET metadata = $1 WHERE app_id = $2 AND user_id = $3");
static const struct stmt STMT_remove =
    SQL("DELETE FROM user_metadata WHERE app_id = $1 AND user_id = $2");

/* --- merging ---------------------------------------------------------------------------------- */
static void add_member(struct buf *out, const struct json_member *m)
{
    if (out->n > 1)
        buf_addc(out, ',');
    json_write_str(out, m->key);
    buf_addc(out, ':');
    json_write(out, m->value);
}

/* As text: what stays of `old`, then what `update` sets. null takes a key away. */
static enum err merge(struct buf *out, const struct json *old, const struct json *update)
{
    struct map keys = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < update->n && err == ERR_OK; i++)
        err = map_put(&keys, update->members[i].key, &update->members[i], NULL);
    buf_addc(out, '{');
    for (size_t i = 0; i < old->n; i++)
        if (map_get(&keys, old->members[i].key) == NULL)
            add_member(out, &old->members[i]);
    for (size_t i = 0; i < update->n; i++)
        if (!json_is(update->members[i].value, JSON_NULL))
            add_member(out, &update->members[i]);
    buf_addc(out, '}');
    map_fini(&keys);
    return err ? err : out->err;
}

static enum err too_large(struct cdi_call *c)
{
    return cdi_fail(c, 400, "the metadata of a user cannot be larger than %zu bytes",
                    (size_t)LIMIT_METADATA);
}

/* The old tree is large and soon forgotten: it has memory of its own. */
static enum err merge_text(struct str old_text, const struct json *update, struct buf *out)
{
    const struct json *old;
    struct arena *a = arena_new(KIB(4), LIMIT_CDI_ARENA);
    if (a == NULL)
        return ERR_NOMEM;
    enum err err = json_parse(a, old_text, LIMIT_METADATA, &old, NULL);
    if (err == ERR_OK)
        err = json_is(old, JSON_OBJECT) ? merge(out, old, update) : ERR_INTERNAL;
    arena_free(a);
    return err;
}

/* --- calls ------------------------------------------------------------------------------------ */
static enum err answer(struct cdi_call *c, const struct json *metadata)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, o, STR("metadata"), metadata);
    return err ? err : cdi_ok(c, o);
}

static enum err get_metadata(struct cdi_call *c, struct store_tx *tx)
{
    struct store_value v[1];
    const struct json *metadata = NULL;
    enum err err = cdi_row(c, tx, &STMT_get, ARGS(STORE_S(c->app), STORE_S(cdi_str(c, "userId"))),
                           v, COUNTOF(v));
    if (err == ERR_NOTFOUND)
        return answer(c, json_new_object(c->arena, 0));
    if (err == ERR_OK)
        err = json_parse(c->arena, v[0].s, LIMIT_METADATA, &metadata, NULL);
    return err ? err : answer(c, metadata);
}

static enum err update_metadata(struct cdi_call *c, struct store_tx *tx)
{
    struct str user = cdi_str(c, "userId");
    struct store_value v[1];
    AUTO_BUF text = BUF_INIT(LIMIT_METADATA);
    const struct json *merged = NULL;
    if (user.n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'userId' cannot be longer than %d bytes",
                        LIMIT_USER_ID);
    enum err err = store_run(tx, &STMT_make, ARGS(STORE_S(c->app), STORE_S(user)), NULL, NULL);
    if (err == ERR_OK)
        err = cdi_row(c, tx, &STMT_lock, ARGS(STORE_S(c->app), STORE_S(user)), v, COUNTOF(v));
    if (err == ERR_OK)
        err = merge_text(v[0].s, cdi_json(c, "metadataUpdate"), &text);
    /* Read once more before it is kept: what is stored can always be answered. */
    if (err == ERR_OK)
        err = json_parse(c->arena, buf_str(&text), LIMIT_METADATA, &merged, NULL);
    if (err == ERR_LIMIT)
        return too_large(c);
    if (err == ERR_OK)
        err = store_run(tx, &STMT_set,
                        ARGS(STORE_S(buf_str(&text)), STORE_S(c->app), STORE_S(user)), NULL, NULL);
    return err ? err : answer(c, merged);
}

static enum err remove_metadata(struct cdi_call *c, struct store_tx *tx)
{
    enum err err = metadata__forget_user(c, tx, cdi_str(c, "userId"));
    return err ? err : cdi_status(c, "OK");
}

/* --- of a user -------------------------------------------------------------------------------- */
enum err metadata__forget_user(struct cdi_call *c, struct store_tx *tx, struct str id)
{
    return store_run(tx, &STMT_remove, ARGS(STORE_S(c->app), STORE_S(id)), NULL, NULL);
}

enum err metadata__uses_user(struct cdi_call *c, struct store_tx *tx, struct str id, bool *out)
{
    struct store_value v[1];
    enum err err = cdi_row(c, tx, &STMT_get, ARGS(STORE_S(c->app), STORE_S(id)), v, COUNTOF(v));
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

#define PATH "/recipe/user/metadata"
static const struct cdi_op ops[] = {
    {HTTP_GET, PATH, CDI_APP, 0, "userId:s", {{CDI_READ, get_metadata}}, NULL},
    {HTTP_PUT, PATH, CDI_APP, 0, "userId:s metadataUpdate:o", {{CDI_WRITE, update_metadata}}, NULL},
    {HTTP_POST, PATH "/remove", CDI_APP, 0, "userId:s", {{CDI_WRITE, remove_metadata}}, NULL},
};
const struct cdi_table metadata__table = {ops, COUNTOF(ops)};
