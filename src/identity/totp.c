/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls around authenticator apps (specs/identity-core.md 2.11). Invariant: each try that is
 * judged is noted in the same transaction, under the lock of the user's devices, so that of many
 * tries at once no more are judged than are allowed, and a code is good once, in each tenant. */
#include "totp_int.h"

#include "ops_int.h"

/* What the tables have as a key. */
static enum err check_names(struct cdi_call *c, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (cdi_json(c, names[i]) && cdi_str(c, names[i]).n == 0)
            return cdi_fail(c, 400, "%s cannot be empty", names[i]);
        if (cdi_str(c, names[i]).n > LIMIT_USER_ID)
            return cdi_fail(c, 400, "%s cannot be longer than %d bytes", names[i], LIMIT_USER_ID);
    }
    return ERR_OK;
}

#define CHECK_NAMES(c, ...)                              \
    check_names((c), (const char *const[]){__VA_ARGS__}, \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* --- devices ------------------------------------------------------------------------------------
 */
static enum err read_device(struct cdi_call *c, struct totp_device *out)
{
    int64_t skew = cdi_int(c, "skew", 0), period = cdi_int(c, "period", 0);
    enum err err = CHECK_NAMES(c, "userId", "deviceName", "secretKey");
    if (err != ERR_OK)
        return err;
    if (skew < 0)
        return cdi_fail(c, 400, "skew must be >= 0");
    if (skew > LIMIT_TOTP_SKEW)
        return cdi_fail(c, 400, "skew must be <= %d", LIMIT_TOTP_SKEW);
    if (period <= 0)
        return cdi_fail(c, 400, "period must be > 0");
    if (period > LIMIT_TOTP_PERIOD_S)
        return cdi_fail(c, 400, "period must be <= %d", LIMIT_TOTP_PERIOD_S);
    *out = (struct totp_device){.name = cdi_str(c, "deviceName"), .period_s = period, .skew = skew};
    return ERR_OK;
}

/* Under the name that was given, or the first free one from the number of verified devices on. */
static enum err add(struct cdi_call *c, struct store_tx *tx, struct totp_device *d)
{
    struct str user = cdi_str(c, "userId");
    struct totp_device *devices;
    size_t n, number = 0;
    if (d->name.n > 0)
        return totp_add(c, tx, user, d);
    enum err err = totp_devices(c, tx, user, true, &devices, &n);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < n; i++)
        number += devices[i].verified;
    err = ERR_EXISTS;
    for (size_t turn = 0; turn <= n && err == ERR_EXISTS; turn++) {
        d->name = arena_fmt(c->arena, "TOTP Device %zu", number + turn);
        err = d->name.p ? totp_add(c, tx, user, d) : ERR_NOMEM;
    }
    return err;
}

static enum err reply_added(struct cdi_call *c, const struct totp_device *d, bool with_secret)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err = json_set(c->arena, o, STR("deviceName"), json_new_str(c->arena, d->name));
    if (err == ERR_OK && with_secret)
        err = json_set(c->arena, o, STR("secret"), json_new_str(c->arena, d->secret));
    return err ? err : cdi_ok(c, o);
}

static enum err create(struct cdi_call *c, struct store_tx *tx)
{
    struct totp_device d;
    enum err err = read_device(c, &d);
    err = err ? err : totp_new_secret(c->arena, &d.secret);
    err = err ? err : add(c, tx, &d);
    if (err == ERR_EXISTS)
        return cdi_status(c, "DEVICE_ALREADY_EXISTS_ERROR");
    return err ? err : reply_added(c, &d, true);
}

static enum err import(struct cdi_call *c, struct store_tx *tx)
{
    AUTO_BUF bytes = BUF_INIT(LIMIT_TOTP_SECRET);
    struct totp_device d;
    enum err err = read_device(c, &d);
    d.secret = cdi_str(c, "secretKey");
    d.verified = true;
    if (err == ERR_OK)
        err = totp_read_secret(d.secret, &bytes);
    if (err == ERR_INVALID || err == ERR_LIMIT)
        return cdi_fail(c, 400, "secretKey must be base32 of at most %d bytes", LIMIT_TOTP_SECRET);
    err = err ? err : add(c, tx, &d);
    if (err == ERR_EXISTS)
        return cdi_status(c, "DEVICE_ALREADY_EXISTS_ERROR");
    return err ? err : reply_added(c, &d, false);
}

static enum err rename_device(struct cdi_call *c, struct store_tx *tx)
{
    enum err err = CHECK_NAMES(c, "userId", "existingDeviceName", "newDeviceName");
    if (err == ERR_OK)
        err = totp_rename(c, tx, cdi_str(c, "userId"), cdi_str(c, "existingDeviceName"),
                          cdi_str(c, "newDeviceName"));
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "UNKNOWN_DEVICE_ERROR");
    if (err == ERR_EXISTS)
        return cdi_status(c, "DEVICE_ALREADY_EXISTS_ERROR");
    return err ? err : cdi_status(c, "OK");
}

static enum err list(struct cdi_call *c, struct store_tx *tx)
{
    struct arena *a = c->arena;
    struct totp_device *devices = NULL;
    struct json *list = json_new_array(a, 2);
    size_t n = 0;
    enum err err = CHECK_NAMES(c, "userId");
    err = err ? err : totp_devices(c, tx, cdi_str(c, "userId"), false, &devices, &n);
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        const struct totp_device *d = &devices[i];
        struct json *o = json_new_object(a, 4);
        err = json_set(a, o, STR("name"), json_new_str(a, d->name));
        err = err ? err : json_set(a, o, STR("period"), json_new_int(a, d->period_s));
        err = err ? err : json_set(a, o, STR("skew"), json_new_int(a, d->skew));
        err = err ? err : json_set(a, o, STR("verified"), json_new_bool(a, d->verified));
        err = err ? err : json_push(a, list, o);
    }
    struct json *reply = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(a, reply, STR("devices"), list);
    return err ? err : cdi_ok(c, reply);
}

static enum err remove_device(struct cdi_call *c, struct store_tx *tx)
{
    bool did = false;
    enum err err = CHECK_NAMES(c, "userId", "deviceName");
    if (err == ERR_OK)
        err = totp_remove(c, tx, cdi_str(c, "userId"), cdi_str(c, "deviceName"), &did);
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, o, STR("didDeviceExist"), json_new_bool(c->arena, did));
    return err ? err : cdi_ok(c, o);
}

/* --- judging a code -----------------------------------------------------------------------------
 */
static enum err reply_failed(struct cdi_call *c, const char *status, int64_t failures,
                             int64_t retry_after_ms)
{
    struct arena *a = c->arena;
    struct json *o = cdi_reply(c, status);
    enum err err = o ? ERR_OK : ERR_NOMEM;
    if (err == ERR_OK && retry_after_ms > 0)
        err = json_set(a, o, STR("retryAfterMs"), json_new_int(a, retry_after_ms));
    err =
        err ? err : json_set(a, o, STR("currentNumberOfFailedAttempts"), json_new_int(a, failures));
    err = err ? err
              : json_set(a, o, STR("maxNumberOfFailedAttempts"),
                         json_new_int(a, c->config->totp_max_attempts));
    return err ? err : cdi_ok(c, o);
}

/* How many failures stand at the end of the tries, as far back as one cooldown before the latest.
 * Answers when they are too many and the latest is not a cooldown ago. */
static enum err count_failures(struct cdi_call *c, struct store_tx *tx, int64_t *out)
{
    struct totp_try *tries;
    size_t n;
    int64_t most = c->config->totp_max_attempts, cooldown = 1000 * c->config->totp_cooldown_s;
    enum err err = totp_tries(c, tx, cdi_str(c, "userId"), (size_t)most, &tries, &n);
    *out = 0;
    for (size_t i = 0; err == ERR_OK && i < n && !tries[i].valid; i++)
        if (tries[i].at_ms > tries[0].at_ms - cooldown)
            ++*out;
    if (err != ERR_OK || *out < most)
        return err;
    int64_t since = c->now_ms - tries[0].at_ms;
    if (since < cooldown)
        return reply_failed(c, "LIMIT_REACHED_ERROR", *out, cooldown - since);
    *out = 0; /* they have waited long enough */
    return ERR_OK;
}

/* The device whose code it is now; NULL: none. *life_s: how long such a code may be good. */
static enum err match(struct cdi_call *c, const struct totp_device *devices, size_t n,
                      struct str code, const struct totp_device **out, int64_t *life_s)
{
    *out = NULL;
    *life_s = 0;
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF secret = BUF_INIT(LIMIT_TOTP_SECRET);
        bool is = false;
        int64_t life = devices[i].period_s * (2 * devices[i].skew + 1);
        enum err err = totp_read_secret(devices[i].secret, &secret);
        if (err == ERR_OK)
            err = totp_is(buf_str(&secret), c->now_ms / 1000, devices[i].period_s, devices[i].skew,
                          code, &is);
        if (err != ERR_OK)
            return err == ERR_INVALID ? ERR_INTERNAL : err;
        if (is && *out == NULL)
            *out = &devices[i];
        *life_s = life > *life_s ? life : *life_s;
    }
    if (*out)
        *life_s = (*out)->period_s * (2 * (*out)->skew + 1);
    return ERR_OK;
}

/* ERR_OK without an answer: the code is one of these devices', and is used up now. */
static enum err judge(struct cdi_call *c, struct store_tx *tx, const struct totp_device *devices,
                      size_t n)
{
    struct str user = cdi_str(c, "userId"), code = cdi_str(c, "totp");
    const struct totp_device *device = NULL;
    int64_t failures, life_s = 0;
    bool used = false;
    enum err err = count_failures(c, tx, &failures);
    if (err != ERR_OK || c->answered)
        return err;
    err = match(c, devices, n, code, &device, &life_s);
    if (err == ERR_OK && device)
        err = totp_was_used(c, tx, user, code, &used);
    const struct totp_try t = {.at_ms = c->now_ms,
                               .expires_ms = c->now_ms + 1000 * life_s,
                               .code = device ? code : STR(""), /* else whatever was typed */
                               .valid = device && !used};
    err = err ? err : totp_note_try(c, tx, user, &t);
    if (err != ERR_OK || t.valid)
        return err;
    return reply_failed(c, "INVALID_TOTP_ERROR", failures + 1, 0);
}

static enum err verify(struct cdi_call *c, struct store_tx *tx)
{
    struct totp_device *devices = NULL;
    size_t n = 0, verified = 0;
    enum err err = CHECK_NAMES(c, "userId");
    err = err ? err : totp_devices(c, tx, cdi_str(c, "userId"), true, &devices, &n);
    if (err == ERR_OK && n == 0)
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        if (devices[i].verified)
            devices[verified++] = devices[i];
    err = err ? err : judge(c, tx, devices, verified);
    return err || c->answered ? err : cdi_status(c, "OK");
}

static enum err reply_verified(struct cdi_call *c, bool already)
{
    struct json *o = cdi_reply(c, "OK");
    enum err err =
        json_set(c->arena, o, STR("wasAlreadyVerified"), json_new_bool(c->arena, already));
    return err ? err : cdi_ok(c, o);
}

static enum err verify_device(struct cdi_call *c, struct store_tx *tx)
{
    struct str user = cdi_str(c, "userId"), name = cdi_str(c, "deviceName");
    struct totp_device *devices = NULL;
    size_t n = 0, at = 0;
    enum err err = CHECK_NAMES(c, "userId", "deviceName");
    err = err ? err : totp_devices(c, tx, user, true, &devices, &n);
    if (err != ERR_OK)
        return err;
    while (at < n && !str_eq(devices[at].name, name))
        at++;
    if (at == n)
        return cdi_status(c, "UNKNOWN_DEVICE_ERROR");
    if (devices[at].verified)
        return reply_verified(c, true);
    err = judge(c, tx, &devices[at], 1);
    if (err != ERR_OK || c->answered)
        return err;
    err = totp_set_verified(c, tx, user, name);
    return err ? err : reply_verified(c, false);
}

#define TOTP "/recipe/totp"
#define DEVICE "userId:s deviceName:s? skew:i period:i"
static const struct cdi_op ops[] = {
    {HTTP_POST, TOTP "/device", CDI_APP, 0, DEVICE, {{CDI_WRITE, create}}, NULL},
    {HTTP_PUT,
     TOTP "/device",
     CDI_APP,
     0,
     "userId:s existingDeviceName:s newDeviceName:s",
     {{CDI_WRITE, rename_device}},
     NULL},
    {HTTP_POST,
     TOTP "/device/import",
     CDI_APP,
     0,
     DEVICE " secretKey:s",
     {{CDI_WRITE, import}},
     NULL},
    {HTTP_GET, TOTP "/device/list", CDI_APP, 0, "userId:s", {{CDI_READ, list}}, NULL},
    {HTTP_POST,
     TOTP "/device/remove",
     CDI_APP,
     0,
     "userId:s deviceName:s",
     {{CDI_WRITE, remove_device}},
     NULL},
    {HTTP_POST,
     TOTP "/device/verify",
     CDI_TENANT,
     0,
     "userId:s deviceName:s totp:s",
     {{CDI_WRITE, verify_device}},
     NULL},
    {HTTP_POST, TOTP "/verify", CDI_TENANT, 0, "userId:s totp:s", {{CDI_WRITE, verify}}, NULL},
};
const struct cdi_table totp__table = {ops, COUNTOF(ops)};
