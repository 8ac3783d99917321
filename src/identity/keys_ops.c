/* SPDX-License-Identifier: Apache-2.0
 *
 * The signing keys of an app for the people who run it: `ropeline keys list` and `rotate`. Answered
 * over the control socket alone; never a private part. */
#include "keys_int.h"
#include "ops_int.h"

/* A retired key has no private part any more, but stays listed a while. */
static const struct stmt STMT_all =
    SQL("SELECT key_id, dynamic, created_ms FROM signing_key WHERE app_id = $1 "
        "ORDER BY dynamic DESC, created_ms DESC LIMIT $2");

struct row {
    struct str kid;
    bool dynamic;
    int64_t created_ms;
};
struct rows {
    struct arena *arena;
    struct row *row;
    size_t n;
};

static enum err take(void *arg, const struct store_value *v, size_t n)
{
    struct rows *r = arg;
    struct str kid = arena_str(r->arena, v[0].s);
    ASSERT(n == 3);
    r->row[r->n++] = (struct row){kid, v[1].i != 0, v[2].i};
    return kid.p ? ERR_OK : ERR_NOMEM;
}

/* What each is now, by the same rule by which it signs and verifies. */
static enum err add(struct cdi_call *c, struct json *list, const struct rows *r, size_t at,
                    const struct app_keys *k)
{
    const struct row *row = &r->row[at];
    int64_t retires_ms = row->created_ms + keys__life_ms(c->config);
    enum jwk_status status = !row->dynamic || at == 0 ? JWK_ACTIVE
                             : retires_ms > c->now_ms ? JWK_RETIRING
                                                      : JWK_RETIRED;
    bool signs = !row->dynamic || at == keys__signing(k, c->now_ms);
    bool ends = status != JWK_ACTIVE;
    const struct {
        const char *name;
        struct json *value;
    } members[] = {
        {"kid", json_new_str(c->arena, row->kid)},
        {"alg", json_new_str(c->arena, STR("RS256"))},
        {"status", json_new_str(c->arena, str_c(jwk_status_name(status)))},
        {"signs", json_new_bool(c->arena, signs)},
        {"created", json_new_int(c->arena, row->created_ms / 1000)},
        {"retires", ends ? json_new_int(c->arena, retires_ms / 1000) : json_new_null(c->arena)},
    };
    struct json *o = json_new_object(c->arena, COUNTOF(members));
    enum err err = o ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < COUNTOF(members) && err == ERR_OK; i++)
        err = json_set(c->arena, o, str_c(members[i].name), members[i].value);
    return err ? err : json_push(c->arena, list, o);
}

static enum err list(struct cdi_call *c, struct store_tx *tx)
{
    const size_t most = (size_t)4 * LIMIT_APP_KEYS;
    struct rows r = {c->arena, ARENA_ARRAY(c->arena, most, struct row), 0};
    struct app_keys *k = ARENA_NEW(c->arena, struct app_keys);
    struct json *reply = cdi_reply(c, "OK"), *keys = json_new_array(c->arena, LIMIT_APP_KEYS);
    if (r.row == NULL || k == NULL || reply == NULL || keys == NULL)
        return ERR_NOMEM;
    enum err err =
        store_run(tx, &STMT_all, ARGS(STORE_S(c->app), STORE_I((int64_t)most)), take, &r);
    for (size_t i = 0; i < r.n && r.row[i].dynamic && k->dynamic_n < LIMIT_APP_KEYS; i++)
        k->created_ms[k->dynamic_n++] = r.row[i].created_ms;
    keys__time(k, c->config);
    for (size_t i = 0; i < r.n && err == ERR_OK; i++)
        err = add(c, keys, &r, i, k);
    if (err == ERR_OK)
        err = json_set(c->arena, reply, STR("keys"), keys);
    return err ? err : cdi_ok(c, reply);
}

static enum err rotate(struct cdi_call *c, struct store_tx *tx)
{
    enum err err = keys_rotate(c, tx);
    return err ? err : list(c, tx);
}

static const struct cdi_op ops[] = {
    {HTTP_GET, "/ropeline/keys", CDI_APP, CDI_OWN, NULL, {{CDI_READ, list}}, NULL},
    {HTTP_POST, "/ropeline/keys/rotate", CDI_APP, CDI_OWN, NULL, {{CDI_WRITE, rotate}}, NULL},
};
const struct cdi_table keys_ops__table = {ops, COUNTOF(ops)};
