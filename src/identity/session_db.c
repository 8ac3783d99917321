/* SPDX-License-Identifier: Apache-2.0
 *
 * The table session_info. Only digests of digests of refresh tokens are in it: who reads it can
 * refresh nothing. Invariant: a row changes only under its lock, and a session that ends leaves a
 * note for all who keep it in memory, in the same transaction. */
#include "session_db_int.h"

#include "base/crypt.h"
#include "session_ops_int.h"

const char session_db__schema[] =
    "CREATE TABLE session_info (app_id TEXT NOT NULL, session_handle TEXT NOT NULL, "
    "tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, refresh_token_hash_2 TEXT NOT NULL, "
    "prev_refresh_token_hash_2 TEXT, refresh_token_rotated_at BIGINT, "
    "session_data TEXT NOT NULL, jwt_user_payload TEXT NOT NULL, expires_at BIGINT NOT NULL, "
    "created_at_time BIGINT NOT NULL, use_static_key BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, session_handle));"
    "CREATE INDEX session_info_expiry ON session_info (expires_at);"
    "CREATE INDEX session_info_user ON session_info (app_id, user_id)";

#define SELECT_SESSION                                                                      \
    "SELECT session_handle, tenant_id, user_id, refresh_token_hash_2, "                     \
    "prev_refresh_token_hash_2, refresh_token_rotated_at, session_data, jwt_user_payload, " \
    "expires_at, created_at_time, use_static_key FROM session_info "                        \
    "WHERE app_id = $1 AND session_handle = $2 AND expires_at >= $3"
static const struct stmt STMT_session = SQL(SELECT_SESSION);
static const struct stmt STMT_session_locked = SQL_LOCKING(SELECT_SESSION);
static const struct stmt STMT_insert =
    SQL("INSERT INTO session_info (app_id, session_handle, tenant_id, user_id, "
        "refresh_token_hash_2, session_data, jwt_user_payload, expires_at, created_at_time, "
        "use_static_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
static const struct stmt STMT_save =
    SQL("UPDATE session_info SET refresh_token_hash_2 = $1, prev_refresh_token_hash_2 = $2, "
        "refresh_token_rotated_at = $3, expires_at = $4, use_static_key = $5 "
        "WHERE app_id = $6 AND session_handle = $7");
static const struct stmt STMT_set_data =
    SQL("UPDATE session_info SET session_data = $1 "
        "WHERE app_id = $2 AND session_handle = $3 AND expires_at >= $4");
static const struct stmt STMT_set_payload =
    SQL("UPDATE session_info SET jwt_user_payload = $1 "
        "WHERE app_id = $2 AND session_handle = $3 AND expires_at >= $4");
static const struct stmt STMT_handles =
    SQL("SELECT session_handle FROM session_info WHERE app_id = $1 AND user_id = $2 "
        "AND expires_at >= $3 ORDER BY created_at_time, session_handle");
static const struct stmt STMT_handles_in =
    SQL("SELECT session_handle FROM session_info WHERE app_id = $1 AND user_id = $2 "
        "AND expires_at >= $3 AND tenant_id = $4 ORDER BY created_at_time, session_handle");
static const struct stmt STMT_delete =
    SQL("DELETE FROM session_info WHERE app_id = $1 AND session_handle = $2 "
        "RETURNING user_id, expires_at");
static const struct stmt STMT_uses =
    SQL("SELECT session_handle FROM session_info WHERE app_id = $1 AND user_id = $2 "
        "AND expires_at >= $3 LIMIT 1");
static const struct stmt STMT_rename =
    SQL("UPDATE session_info SET user_id = $1 WHERE app_id = $2 AND user_id = $3");
static const struct stmt STMT_purge =
    SQL("DELETE FROM session_info WHERE (app_id, session_handle) IN (SELECT app_id, "
        "session_handle FROM session_info WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)");

struct str session__new_handle(struct cdi_call *c)
{
    char uuid[37];
    crypt_uuid(uuid);
    if (str_eqz(c->tenant, "public"))
        return arena_str(c->arena, str_of(uuid, 36));
    return arena_fmt(c->arena, "%s_%.*s", uuid, STR_ARG(c->tenant));
}

enum err session__insert(struct cdi_call *c, struct store_tx *tx, const struct session_row *row)
{
    return store_run(tx, &STMT_insert,
                     ARGS(STORE_S(c->app), STORE_S(row->handle), STORE_S(row->tenant),
                          STORE_S(row->user_id), STORE_S(row->hash2), STORE_S(row->data),
                          STORE_S(row->payload), STORE_I(row->expires_ms), STORE_I(row->created_ms),
                          STORE_I(row->static_key)),
                     NULL, NULL);
}

enum err session__load(struct cdi_call *c, struct store_tx *tx, struct str handle, bool locks,
                       struct session_row *out)
{
    struct store_value v[11];
    *out = (struct session_row){.handle = STR_NONE};
    enum err err =
        cdi_row(c, tx, locks ? &STMT_session_locked : &STMT_session,
                ARGS(STORE_S(c->app), STORE_S(handle), STORE_I(c->now_ms)), v, COUNTOF(v));
    if (err != ERR_OK)
        return err;
    *out = (struct session_row){.handle = v[0].s,
                                .tenant = v[1].s,
                                .user_id = v[2].s,
                                .hash2 = v[3].s,
                                .prev_hash2 = v[4].s,
                                .rotated_ms = v[5].i,
                                .data = v[6].s,
                                .payload = v[7].s,
                                .expires_ms = v[8].i,
                                .created_ms = v[9].i,
                                .static_key = v[10].i != 0};
    return ERR_OK;
}

enum err session__save(struct cdi_call *c, struct store_tx *tx, const struct session_row *row)
{
    bool rotated = row->prev_hash2.n > 0;
    return store_run(tx, &STMT_save,
                     ARGS(STORE_S(row->hash2), rotated ? STORE_S(row->prev_hash2) : STORE_N,
                          rotated ? STORE_I(row->rotated_ms) : STORE_N, STORE_I(row->expires_ms),
                          STORE_I(row->static_key), STORE_S(c->app), STORE_S(row->handle)),
                     NULL, NULL);
}

static enum err set_text(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                         struct str handle, struct str text)
{
    enum err err = store_run(
        tx, stmt, ARGS(STORE_S(text), STORE_S(c->app), STORE_S(handle), STORE_I(c->now_ms)), NULL,
        NULL);
    return err ? err : store_changed(tx) > 0 ? ERR_OK : ERR_NOTFOUND;
}

enum err session__set_data(struct cdi_call *c, struct store_tx *tx, struct str handle,
                           struct str data)
{
    return set_text(c, tx, &STMT_set_data, handle, data);
}

enum err session__set_payload(struct cdi_call *c, struct store_tx *tx, struct str handle,
                              struct str payload)
{
    return set_text(c, tx, &STMT_set_payload, handle, payload);
}

struct handles {
    struct arena *arena;
    struct json *out;
};

static enum err take_handle(void *arg, const struct store_value *v, size_t n)
{
    struct handles *h = arg;
    ASSERT(n == 1);
    if (h->out->n >= LIMIT_CDI_LIST)
        return ERR_LIMIT;
    return json_push(h->arena, h->out, json_new_str(h->arena, v[0].s));
}

enum err session__handles(struct cdi_call *c, struct store_tx *tx, struct str user,
                          struct str tenant, struct json *out)
{
    struct handles h = {c->arena, out};
    if (tenant.n == 0)
        return store_run(tx, &STMT_handles,
                         ARGS(STORE_S(c->app), STORE_S(user), STORE_I(c->now_ms)), take_handle, &h);
    return store_run(tx, &STMT_handles_in,
                     ARGS(STORE_S(c->app), STORE_S(user), STORE_I(c->now_ms), STORE_S(tenant)),
                     take_handle, &h);
}

/* --- ending ----------------------------------------------------------------------------------- */
enum err session__revoke(struct cdi_call *c, struct store_tx *tx, struct str handle, bool *was)
{
    struct store_value v[2];
    *was = false;
    enum err err =
        cdi_row(c, tx, &STMT_delete, ARGS(STORE_S(c->app), STORE_S(handle)), v, COUNTOF(v));
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_OK : err;
    *was = v[1].i >= c->now_ms;
    /* its tokens named the user behind the method */
    struct str recipe, user;
    err = session__user(c, tx, v[0].s, &recipe, &user);
    return err ? err : cdi_changed(c, tx, IDENTITY_SESSION_REVOKED, handle, user);
}

enum err session__revoke_user(struct cdi_call *c, struct store_tx *tx, struct str user,
                              struct str tenant, struct json *out)
{
    struct json *handles = json_new_array(c->arena, 8);
    enum err err = handles ? session__handles(c, tx, user, tenant, handles) : ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < handles->n; i++) {
        bool was;
        err = session__revoke(c, tx, handles->items[i]->s, &was);
        if (err == ERR_OK && was && out)
            err = json_push(c->arena, out, handles->items[i]);
    }
    return err;
}

enum err session__forget_user(struct cdi_call *c, struct store_tx *tx, struct str user)
{
    return session__revoke_user(c, tx, user, STR_NONE, NULL);
}

enum err session__uses_user(struct cdi_call *c, struct store_tx *tx, struct str user, bool *out)
{
    struct store_value v[1];
    enum err err =
        cdi_row(c, tx, &STMT_uses, ARGS(STORE_S(c->app), STORE_S(user), STORE_I(c->now_ms)), v, 1);
    *out = err == ERR_OK;
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

enum err session__rename_user(struct cdi_call *c, struct store_tx *tx, struct str user,
                              struct str to)
{
    return store_run(tx, &STMT_rename, ARGS(STORE_S(to), STORE_S(c->app), STORE_S(user)), NULL,
                     NULL);
}

enum err session__purge(struct store_tx *tx, int64_t now_ms, bool *more)
{
    enum err err =
        store_run(tx, &STMT_purge, ARGS(STORE_I(now_ms), STORE_I(SESSION_PURGE)), NULL, NULL);
    *more = err == ERR_OK && store_changed(tx) >= SESSION_PURGE;
    return err;
}
