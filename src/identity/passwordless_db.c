/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of devices and codes. A code goes with its device; what has been expired for longer
 * than PURGE_AFTER_MS goes when the next code is made in its tenant. */
#include "passwordless_int.h"

#include "schema_int.h"

#define PURGE_AFTER_MS 3600000

const char passwordless_db__schema[] =
    "CREATE TABLE passwordless_device (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, "
    "device_hash TEXT NOT NULL, email TEXT NOT NULL, phone TEXT NOT NULL, salt TEXT NOT NULL, "
    "failed BIGINT NOT NULL, last_code_ms BIGINT NOT NULL, "
    "PRIMARY KEY (app_id, tenant_id, device_hash));"
    "CREATE INDEX passwordless_device_email ON passwordless_device (app_id, tenant_id, email);"
    "CREATE INDEX passwordless_device_phone ON passwordless_device (app_id, tenant_id, phone);"
    "CREATE INDEX passwordless_device_age ON passwordless_device "
    "(app_id, tenant_id, last_code_ms);"
    "CREATE TABLE passwordless_code (app_id TEXT NOT NULL, tenant_id TEXT NOT NULL, "
    "code_id TEXT NOT NULL, device_hash TEXT NOT NULL, link_hash TEXT NOT NULL, "
    "created_ms BIGINT NOT NULL, PRIMARY KEY (app_id, tenant_id, code_id), "
    "UNIQUE (app_id, tenant_id, link_hash));"
    "CREATE INDEX passwordless_code_device ON passwordless_code "
    "(app_id, tenant_id, device_hash)";

#define OF_TENANT "WHERE app_id = $1 AND tenant_id = $2 AND "
#define SELECT_DEVICE                                                                    \
    "SELECT device_hash, email, phone, salt, failed FROM passwordless_device " OF_TENANT \
    "device_hash = $3"
static const struct stmt STMT_find = SQL(SELECT_DEVICE);
static const struct stmt STMT_lock = SQL_LOCKING(SELECT_DEVICE);
static const struct stmt STMT_add =
    SQL("INSERT INTO passwordless_device (app_id, tenant_id, device_hash, email, phone, salt, "
        "failed, last_code_ms) VALUES ($1, $2, $3, $4, $5, $6, 0, $7)");
static const struct stmt STMT_fail =
    SQL("UPDATE passwordless_device SET failed = failed + 1 " OF_TENANT "device_hash = $3");
static const struct stmt STMT_used =
    SQL("UPDATE passwordless_device SET last_code_ms = $1 WHERE app_id = $2 AND tenant_id = $3 AND "
        "device_hash = $4");
static const struct stmt STMT_remove =
    SQL("DELETE FROM passwordless_device " OF_TENANT "device_hash = $3");
static const struct stmt STMT_remove_codes =
    SQL("DELETE FROM passwordless_code " OF_TENANT "device_hash = $3");

/* Of an e-mail, and of a number: the codes first. */
#define DEVICES_BY(column) \
    "device_hash IN (SELECT device_hash FROM passwordless_device " OF_TENANT column " = $3)"
static const struct stmt STMT_remove_codes_of_email =
    SQL("DELETE FROM passwordless_code " OF_TENANT DEVICES_BY("email"));
static const struct stmt STMT_remove_of_email =
    SQL("DELETE FROM passwordless_device " OF_TENANT "email = $3");
static const struct stmt STMT_remove_codes_of_phone =
    SQL("DELETE FROM passwordless_code " OF_TENANT DEVICES_BY("phone"));
static const struct stmt STMT_remove_of_phone =
    SQL("DELETE FROM passwordless_device " OF_TENANT "phone = $3");
static const struct stmt STMT_purge_codes = SQL(
    "DELETE FROM passwordless_code " OF_TENANT
    "device_hash IN (SELECT device_hash FROM passwordless_device " OF_TENANT "last_code_ms < $3)");
static const struct stmt STMT_purge =
    SQL("DELETE FROM passwordless_device " OF_TENANT "last_code_ms < $3");

static const struct stmt STMT_add_code =
    SQL("INSERT INTO passwordless_code (app_id, tenant_id, code_id, device_hash, link_hash, "
        "created_ms) VALUES ($1, $2, $3, $4, $5, $6)");
static const struct stmt STMT_find_code =
    SQL("SELECT device_hash, created_ms FROM passwordless_code " OF_TENANT "link_hash = $3");
static const struct stmt STMT_device_of_code =
    SQL("SELECT device_hash FROM passwordless_code " OF_TENANT "code_id = $3");
static const struct stmt STMT_remove_code =
    SQL("DELETE FROM passwordless_code " OF_TENANT "code_id = $3");
static const struct stmt STMT_any_code =
    SQL("SELECT code_id FROM passwordless_code " OF_TENANT "device_hash = $3 LIMIT 1");

#define LIST(column)                                                                       \
    "SELECT d.device_hash, d.email, d.phone, d.failed, k.code_id, k.created_ms FROM "      \
    "passwordless_device d LEFT JOIN passwordless_code k ON k.app_id = d.app_id AND "      \
    "k.tenant_id = d.tenant_id AND k.device_hash = d.device_hash WHERE d.app_id = $1 AND " \
    "d.tenant_id = $2 AND d." column                                                       \
    " = $3 ORDER BY d.last_code_ms, d.device_hash, k.created_ms, k.code_id"
static const struct stmt STMT_list_hash = SQL(LIST("device_hash"));
static const struct stmt STMT_list_email = SQL(LIST("email"));
static const struct stmt STMT_list_phone = SQL(LIST("phone"));

static enum err run(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                    struct str tenant, struct str by)
{
    return store_run(tx, stmt, ARGS(STORE_S(c->app), STORE_S(tenant), STORE_S(by)), NULL, NULL);
}

/* --- devices ------------------------------------------------------------------------------------
 */
enum err passwordless_find(struct cdi_call *c, struct store_tx *tx, struct str hash, bool lock,
                           struct passwordless_device *out)
{
    struct store_value v[5];
    enum err err = cdi_row(c, tx, lock ? &STMT_lock : &STMT_find,
                           ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(hash)), v, COUNTOF(v));
    if (err == ERR_OK)
        *out = (struct passwordless_device){v[0].s, v[1].s, v[2].s, v[3].s, v[4].i};
    return err;
}

enum err passwordless_add(struct cdi_call *c, struct store_tx *tx,
                          const struct passwordless_device *d)
{
    return store_run(tx, &STMT_add,
                     ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(d->hash), STORE_S(d->email),
                          STORE_S(d->phone), STORE_S(d->salt), STORE_I(c->now_ms)),
                     NULL, NULL);
}

enum err passwordless_count_failure(struct cdi_call *c, struct store_tx *tx, struct str hash)
{
    return run(c, tx, &STMT_fail, c->tenant, hash);
}

enum err passwordless_remove(struct cdi_call *c, struct store_tx *tx, struct str hash)
{
    enum err err = run(c, tx, &STMT_remove_codes, c->tenant, hash);
    return err ? err : run(c, tx, &STMT_remove, c->tenant, hash);
}

enum err passwordless_remove_of(struct cdi_call *c, struct store_tx *tx, struct str tenant,
                                struct str email, struct str phone)
{
    enum err err = ERR_OK;
    if (email.n > 0)
        err = run(c, tx, &STMT_remove_codes_of_email, tenant, email);
    if (err == ERR_OK && email.n > 0)
        err = run(c, tx, &STMT_remove_of_email, tenant, email);
    if (err == ERR_OK && phone.n > 0)
        err = run(c, tx, &STMT_remove_codes_of_phone, tenant, phone);
    if (err == ERR_OK && phone.n > 0)
        err = run(c, tx, &STMT_remove_of_phone, tenant, phone);
    return err;
}

enum err passwordless_purge(struct cdi_call *c, struct store_tx *tx)
{
    const struct store_value args[] = {
        STORE_S(c->app), STORE_S(c->tenant),
        STORE_I(c->now_ms - c->config->code_lifetime_ms - PURGE_AFTER_MS)};
    enum err err = store_run(tx, &STMT_purge_codes, args, COUNTOF(args), NULL, NULL);
    return err ? err : store_run(tx, &STMT_purge, args, COUNTOF(args), NULL, NULL);
}

/* --- codes --------------------------------------------------------------------------------------
 */
enum err passwordless_add_code(struct cdi_call *c, struct store_tx *tx, struct str device_hash,
                               struct str code_id, struct str link_hash)
{
    enum err err = store_run(tx, &STMT_add_code,
                             ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(code_id),
                                  STORE_S(device_hash), STORE_S(link_hash), STORE_I(c->now_ms)),
                             NULL, NULL);
    if (err == ERR_OK)
        err = store_run(
            tx, &STMT_used,
            ARGS(STORE_I(c->now_ms), STORE_S(c->app), STORE_S(c->tenant), STORE_S(device_hash)),
            NULL, NULL);
    return err == ERR_CONFLICT ? ERR_EXISTS : err;
}

enum err passwordless_find_code(struct cdi_call *c, struct store_tx *tx, struct str link_hash,
                                struct str *device_hash, int64_t *created_ms)
{
    struct store_value v[2];
    enum err err =
        cdi_row(c, tx, &STMT_find_code,
                ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(link_hash)), v, COUNTOF(v));
    *device_hash = err ? STR_NONE : v[0].s;
    *created_ms = err ? 0 : v[1].i;
    return err;
}

enum err passwordless_remove_code(struct cdi_call *c, struct store_tx *tx, struct str code_id)
{
    struct store_value device, other;
    struct passwordless_device d;
    const struct store_value app = STORE_S(c->app), tenant = STORE_S(c->tenant);
    enum err err =
        cdi_row(c, tx, &STMT_device_of_code, ARGS(app, tenant, STORE_S(code_id)), &device, 1);
    err = err ? err : passwordless_find(c, tx, device.s, true, &d);
    if (err == ERR_NOTFOUND)
        return ERR_OK;
    err = err ? err : run(c, tx, &STMT_remove_code, c->tenant, code_id);
    err = err ? err : cdi_row(c, tx, &STMT_any_code, ARGS(app, tenant, device), &other, 1);
    return err == ERR_NOTFOUND ? passwordless_remove(c, tx, device.s) : err;
}

/* --- listing ------------------------------------------------------------------------------------
 */
struct listing {
    struct cdi_call *call;
    struct json *devices, *codes; /* codes: of the newest device */
    struct str hash;              /* of the newest device */
};

static enum err begin_device(struct listing *l, const struct store_value *v)
{
    struct arena *a = l->call->arena;
    struct json *o = json_new_object(a, 5);
    l->codes = json_new_array(a, 2);
    l->hash = arena_str(a, v[0].s);
    enum err err = o && l->codes && l->hash.p ? ERR_OK : ERR_NOMEM;
    err = err ? err : json_set(a, o, STR("preAuthSessionId"), json_new_str(a, l->hash));
    err = err ? err : json_set(a, o, STR("failedCodeInputAttemptCount"), json_new_int(a, v[3].i));
    if (err == ERR_OK && v[1].s.n > 0)
        err = json_set(a, o, STR("email"), json_new_str(a, v[1].s));
    if (err == ERR_OK && v[2].s.n > 0)
        err = json_set(a, o, STR("phoneNumber"), json_new_str(a, v[2].s));
    err = err ? err : json_set(a, o, STR("codes"), l->codes);
    return err ? err : json_push(a, l->devices, o);
}

static enum err take_listed(void *arg, const struct store_value *v, size_t n)
{
    struct listing *l = arg;
    struct arena *a = l->call->arena;
    ASSERT(n == 6);
    enum err err = ERR_OK;
    if (l->devices->n == LIMIT_CDI_LIST)
        return ERR_LIMIT;
    if (l->devices->n == 0 || !str_eq(l->hash, v[0].s))
        err = begin_device(l, v);
    if (err != ERR_OK || v[4].type != STORE_TEXT)
        return err;
    struct json *code = json_new_object(a, 3);
    err = json_set(a, code, STR("codeId"), json_new_str(a, v[4].s));
    err = err ? err : json_set(a, code, STR("timeCreated"), json_new_int(a, v[5].i));
    err = err ? err
              : json_set(a, code, STR("codeLifetime"),
                         json_new_int(a, l->call->config->code_lifetime_ms));
    return err ? err : json_push(a, l->codes, code);
}

enum err passwordless_list(struct cdi_call *c, struct store_tx *tx, enum passwordless_by by,
                           struct str key, struct json **out)
{
    static const struct stmt *const list[] = {
        [BY_DEVICE_HASH] = &STMT_list_hash,
        [BY_EMAIL] = &STMT_list_email,
        [BY_PHONE] = &STMT_list_phone,
    };
    struct listing l = {.call = c, .devices = json_new_array(c->arena, 2)};
    *out = l.devices;
    if (l.devices == NULL)
        return ERR_NOMEM;
    if (key.n == 0) /* every device of an e-mail has the telephone "" */
        return ERR_OK;
    return store_run(tx, list[by], ARGS(STORE_S(c->app), STORE_S(c->tenant), STORE_S(key)),
                     take_listed, &l);
}
