/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-in by a code that was sent by e-mail or to a telephone (specs/identity-core.md 2.11).
 * Invariant: a try is counted in the transaction that judges it, and a code that was used is gone
 * with its device in the transaction that signs in: of any number of tries at once one succeeds. */
#include "passwordless_int.h"

#include "base/crypt.h"
#include "emailpassword_int.h"
#include "ops_int.h"

static enum err bad_encoding(struct cdi_call *c, const char *source)
{
    return cdi_fail(c, 400, "Input encoding error in %s", source);
}

static enum err read_device_id(struct cdi_call *c, struct str text,
                               struct passwordless_device_id *out)
{
    enum err err = passwordless_read_device(c->arena, text, out);
    return err == ERR_INVALID ? bad_encoding(c, "deviceId") : err;
}

/* In their normal forms; "" = not given. */
static enum err read_contact(struct cdi_call *c, struct str *email, struct str *phone)
{
    enum err err = ERR_OK;
    *email = *phone = STR("");
    if (cdi_json(c, "email")) {
        err = user_normal_email(c->arena, cdi_str(c, "email"), email);
        if (err == ERR_OK && email->n == 0)
            return cdi_fail(c, 400, "Field name 'email' is invalid in JSON input");
    }
    if (err == ERR_OK && cdi_json(c, "phoneNumber")) {
        err = user_normal_phone(c->arena, cdi_str(c, "phoneNumber"), phone);
        if (err == ERR_OK && phone->n == 0)
            return cdi_fail(c, 400, "Field name 'phoneNumber' is invalid in JSON input");
    }
    return err;
}

static unsigned count(const struct cdi_call *c, const char *const *names, size_t n)
{
    unsigned given = 0;
    for (size_t i = 0; i < n; i++)
        given += cdi_json(c, names[i]) != NULL;
    return given;
}

/* --- making codes -------------------------------------------------------------------------------
 */
struct made {
    struct passwordless_device_id id;
    struct passwordless_device device;
    struct passwordless_code code;
    struct str code_id, input;
};

static enum err new_device(struct cdi_call *c, struct store_tx *tx, struct made *m)
{
    enum err err = read_contact(c, &m->device.email, &m->device.phone);
    err = err ? err : passwordless_purge(c, tx);
    err = err ? err : passwordless_new_device(c->arena, &m->id);
    err = err ? err : passwordless_new_salt(c->arena, &m->device.salt);
    m->device.hash = m->id.hash;
    return err ? err : passwordless_add(c, tx, &m->device);
}

/* ERR_NOTFOUND: nobody knows the device any more. */
static enum err known_device(struct cdi_call *c, struct store_tx *tx, struct made *m)
{
    enum err err = read_device_id(c, cdi_str(c, "deviceId"), &m->id);
    return err ? err : passwordless_find(c, tx, m->id.hash, true, &m->device);
}

/* One that the device has not had; ERR_EXISTS: the caller chose one that it had. */
static enum err new_code(struct cdi_call *c, struct store_tx *tx, struct made *m)
{
    bool chosen = cdi_json(c, "userInputCode") != NULL;
    enum err err = ERR_EXISTS;
    for (int turn = 0; turn < 100 && err == ERR_EXISTS; turn++) {
        char id[37];
        crypt_uuid(id);
        m->code_id = arena_str(c->arena, str_c(id));
        m->input = cdi_str(c, "userInputCode");
        err = m->code_id.p ? ERR_OK : ERR_NOMEM;
        if (err == ERR_OK && !chosen)
            err = passwordless_new_input(c->arena, &m->input);
        if (err == ERR_OK)
            err = passwordless_code_of(c->arena, &m->id, m->device.salt, m->input, &m->code);
        if (err == ERR_OK)
            err = passwordless_add_code(c, tx, m->id.hash, m->code_id, m->code.link_hash);
        if (chosen)
            break;
    }
    return err;
}

static enum err reply_made(struct cdi_call *c, const struct made *m)
{
    struct arena *a = c->arena;
    struct json *o = cdi_reply(c, "OK");
    const struct {
        const char *name;
        struct str value;
    } texts[] = {{"preAuthSessionId", m->id.hash},
                 {"codeId", m->code_id},
                 {"deviceId", m->id.text},
                 {"userInputCode", m->input},
                 {"linkCode", m->code.link}};
    enum err err = o ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < COUNTOF(texts) && err == ERR_OK; i++)
        err = json_set(a, o, str_c(texts[i].name), json_new_str(a, texts[i].value));
    err = err ? err : json_set(a, o, STR("timeCreated"), json_new_int(a, c->now_ms));
    err = err ? err
              : json_set(a, o, STR("codeLifetime"), json_new_int(a, c->config->code_lifetime_ms));
    return err ? err : cdi_ok(c, o);
}

static enum err make(struct cdi_call *c, struct store_tx *tx)
{
    static const char *const contacts[] = {"email", "phoneNumber", "deviceId"};
    struct made m = {.code_id = STR("")};
    if (count(c, contacts, COUNTOF(contacts)) != 1)
        return cdi_fail(c, 400, "Please provide exactly one of email, phoneNumber or deviceId");
    if (cdi_json(c, "userInputCode") && cdi_str(c, "userInputCode").n == 0)
        return cdi_fail(c, 400, "userInputCode cannot be an empty string.");
    enum err err = cdi_json(c, "deviceId") ? known_device(c, tx, &m) : new_device(c, tx, &m);
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "RESTART_FLOW_ERROR");
    err = err ? err : new_code(c, tx, &m);
    if (err == ERR_EXISTS)
        return cdi_status(c, "USER_INPUT_CODE_ALREADY_USED_ERROR");
    return err ? err : reply_made(c, &m);
}

/* --- judging them -------------------------------------------------------------------------------
 */
static bool is_live(const struct cdi_call *c, int64_t created_ms)
{
    return created_ms >= c->now_ms - c->config->code_lifetime_ms;
}

/* Which device and which code are meant. ERR_NOTFOUND: none that is known. */
static enum err read_proof(struct cdi_call *c, struct store_tx *tx, struct str *device_hash,
                           struct passwordless_code *code)
{
    struct passwordless_device_id id;
    struct passwordless_device d;
    int64_t created;
    if (cdi_json(c, "linkCode")) {
        enum err err = passwordless_read_link(c->arena, cdi_str(c, "linkCode"), code);
        if (err == ERR_INVALID)
            return bad_encoding(c, "linkCode");
        err = err ? err : passwordless_find_code(c, tx, code->link_hash, device_hash, &created);
        return err == ERR_OK && !is_live(c, created) ? ERR_NOTFOUND : err;
    }
    enum err err = read_device_id(c, cdi_str(c, "deviceId"), &id);
    err = err ? err : passwordless_find(c, tx, id.hash, false, &d);
    *device_hash = id.hash;
    return err ? err
               : passwordless_code_of(c->arena, &id, d.salt, cdi_str(c, "userInputCode"), code);
}

/* A wrong or expired code was typed in: counted, or the end of its device. */
static enum err count_failure(struct cdi_call *c, struct store_tx *tx,
                              const struct passwordless_device *d, const char *status)
{
    struct arena *a = c->arena;
    int64_t most = c->config->code_max_attempts;
    if (d->failed + 1 >= most) {
        enum err err = passwordless_remove(c, tx, d->hash);
        return err ? err : cdi_status(c, "RESTART_FLOW_ERROR");
    }
    enum err err = passwordless_count_failure(c, tx, d->hash);
    struct json *o = err ? NULL : cdi_reply(c, status);
    err = err ? err
              : json_set(a, o, STR("failedCodeInputAttemptCount"), json_new_int(a, d->failed + 1));
    err = err ? err : json_set(a, o, STR("maximumCodeInputAttempts"), json_new_int(a, most));
    return err ? err : cdi_ok(c, o);
}

/* ERR_OK with c->answered: refused, and the try is counted. */
static enum err judge(struct cdi_call *c, struct store_tx *tx, struct passwordless_device *d)
{
    struct passwordless_code code;
    struct str hash = STR_NONE, of_code;
    int64_t created = 0;
    enum err err = read_proof(c, tx, &hash, &code);
    if (err == ERR_OK) {
        struct str shown = cdi_str(c, "preAuthSessionId");
        while (shown.n > 0 && shown.p[shown.n - 1] == '=')
            shown.n--;
        if (!crypt_equal(shown, hash))
            return cdi_fail(c, 400, "preAuthSessionId and deviceId doesn't match");
        err = passwordless_find(c, tx, hash, true, d);
    }
    if (err == ERR_NOTFOUND)
        return cdi_status(c, "RESTART_FLOW_ERROR");
    if (err == ERR_OK && d->failed >= c->config->code_max_attempts) { /* it was lowered */
        err = passwordless_remove(c, tx, hash);
        return err ? err : cdi_status(c, "RESTART_FLOW_ERROR");
    }
    err = err ? err : passwordless_find_code(c, tx, code.link_hash, &of_code, &created);
    bool wrong = err == ERR_NOTFOUND || (err == ERR_OK && !crypt_equal(of_code, hash));
    if (err != ERR_OK && !wrong)
        return err;
    if (!wrong && is_live(c, created))
        return ERR_OK;
    if (cdi_json(c, "linkCode"))
        return cdi_status(c, "RESTART_FLOW_ERROR");
    return count_failure(
        c, tx, d, wrong ? "INCORRECT_USER_INPUT_CODE_ERROR" : "EXPIRED_USER_INPUT_CODE_ERROR");
}

static enum err check_proof(struct cdi_call *c)
{
    bool link = cdi_json(c, "linkCode"), input = cdi_json(c, "userInputCode"),
         device = cdi_json(c, "deviceId");
    if (link ? input || device : !input || !device)
        return cdi_fail(c, 400, "Please provide exactly one of linkCode or deviceId+userInputCode");
    return ERR_OK;
}

static enum err add_device(struct cdi_call *c, struct json *reply,
                           const struct passwordless_device *d)
{
    struct arena *a = c->arena;
    struct json *o = json_new_object(a, 4);
    enum err err = json_set(a, o, STR("preAuthSessionId"), json_new_str(a, d->hash));
    err =
        err ? err : json_set(a, o, STR("failedCodeInputAttemptCount"), json_new_int(a, d->failed));
    if (err == ERR_OK && d->email.n > 0)
        err = json_set(a, o, STR("email"), json_new_str(a, d->email));
    if (err == ERR_OK && d->phone.n > 0)
        err = json_set(a, o, STR("phoneNumber"), json_new_str(a, d->phone));
    return err ? err : json_set(a, reply, STR("consumedDevice"), o);
}

static enum err check(struct cdi_call *c, struct store_tx *tx)
{
    struct passwordless_device d;
    enum err err = check_proof(c);
    err = err ? err : judge(c, tx, &d);
    if (err != ERR_OK || c->answered)
        return err;
    struct json *o = cdi_reply(c, "OK");
    err = add_device(c, o, &d);
    return err ? err : cdi_ok(c, o);
}

/* The account of the device's e-mail or number, made when there is none. */
static enum err find_or_make(struct cdi_call *c, struct store_tx *tx,
                             const struct passwordless_device *d, struct login_method *m,
                             bool *created)
{
    struct str key = d->email.n > 0 ? d->email : d->phone;
    enum err err = ERR_EXISTS;
    *created = false;
    for (int turn = 0; turn < 2 && err == ERR_EXISTS; turn++) {
        err = user_find(c, tx, STR("passwordless"), key, m);
        if (err != ERR_NOTFOUND)
            continue;
        *m = (struct login_method){
            .recipe = STR("passwordless"), .email = d->email, .phone = d->phone};
        err = user_create(c, tx, m);
        *created = err == ERR_OK;
    }
    return err;
}

static enum err consume(struct cdi_call *c, struct store_tx *tx)
{
    struct passwordless_device d = {0};
    struct login_method m = {0};
    struct json *reply = NULL;
    bool created = false;
    enum err err = check_proof(c);
    err = err ? err : judge(c, tx, &d);
    if (err != ERR_OK || c->answered)
        return err;
    err = passwordless_remove_of(c, tx, c->tenant, d.email, d.phone);
    err = err ? err : find_or_make(c, tx, &d, &m, &created);
    struct str shown = user_shown_method_id(&m);
    if (err == ERR_OK && d.email.n > 0)
        err = email_set_verified(c, tx, shown, d.email, true);
    if (err == ERR_OK && !created) /* what was sent to the same person another way */
        err = passwordless_remove_of(c, tx, c->tenant, m.email, m.phone);
    err = err ? err : user_reply(c, tx, m.recipe_user_id, &reply);
    err = err ? err : user_seen(c, tx, shown);
    err = err ? err
              : json_set(c->arena, reply, STR("createdNewUser"), json_new_bool(c->arena, created));
    err = err ? err : add_device(c, reply, &d);
    return err ? err : cdi_ok(c, reply);
}

/* --- listing and removing -----------------------------------------------------------------------
 */
static enum err remove_one(struct cdi_call *c, struct store_tx *tx)
{
    bool code = cdi_json(c, "codeId"), device = cdi_json(c, "preAuthSessionId");
    if (!code && !device)
        return cdi_fail(c, 400, "Please provide either 'codeId' or 'preAuthSessionId'");
    if (code && device)
        return cdi_fail(c, 400, "Please provide only one of 'codeId' or 'preAuthSessionId'");
    enum err err = code ? passwordless_remove_code(c, tx, cdi_str(c, "codeId"))
                        : passwordless_remove(c, tx, cdi_str(c, "preAuthSessionId"));
    return err ? err : cdi_status(c, "OK");
}

static enum err remove_all(struct cdi_call *c, struct store_tx *tx)
{
    static const char *const contacts[] = {"email", "phoneNumber"};
    struct str email, phone;
    if (count(c, contacts, COUNTOF(contacts)) != 1)
        return cdi_fail(c, 400, "Please provide exactly one of email or phoneNumber");
    enum err err = read_contact(c, &email, &phone);
    err = err ? err : passwordless_remove_of(c, tx, c->tenant, email, phone);
    return err ? err : cdi_status(c, "OK");
}

static enum err list(struct cdi_call *c, struct store_tx *tx)
{
    static const char *const by[] = {"email", "phoneNumber", "deviceId", "preAuthSessionId"};
    struct passwordless_device_id id = {.hash = cdi_str(c, "preAuthSessionId")};
    struct str email, phone;
    struct json *devices = NULL;
    enum passwordless_by key = BY_DEVICE_HASH;
    if (count(c, by, COUNTOF(by)) != 1)
        return cdi_fail(c, 400,
                        "Please provide exactly one of email, phoneNumber, deviceId or "
                        "preAuthSessionId");
    enum err err = read_contact(c, &email, &phone);
    if (err == ERR_OK && cdi_json(c, "deviceId"))
        err = read_device_id(c, cdi_str(c, "deviceId"), &id);
    if (cdi_json(c, "email"))
        key = BY_EMAIL;
    else if (cdi_json(c, "phoneNumber"))
        key = BY_PHONE;
    struct str value = key == BY_EMAIL ? email : key == BY_PHONE ? phone : id.hash;
    err = err ? err : passwordless_list(c, tx, key, value, &devices);
    struct json *o = err ? NULL : cdi_reply(c, "OK");
    err = err ? err : json_set(c->arena, o, STR("devices"), devices);
    return err ? err : cdi_ok(c, o);
}

#define CODE "/recipe/signinup/code"
#define PROOF "preAuthSessionId:s linkCode:s? deviceId:s? userInputCode:s?"
static const struct cdi_op ops[] = {
    {HTTP_POST,
     CODE,
     CDI_TENANT,
     0,
     "email:s? phoneNumber:s? deviceId:s? userInputCode:s?",
     {{CDI_WRITE, make}},
     NULL},
    {HTTP_POST, CODE "/consume", CDI_TENANT, 0, PROOF, {{CDI_WRITE, consume}}, NULL},
    {HTTP_POST, CODE "/check", CDI_TENANT, 0, PROOF, {{CDI_WRITE, check}}, NULL},
    {HTTP_POST,
     CODE "/remove",
     CDI_TENANT,
     0,
     "codeId:s? preAuthSessionId:s?",
     {{CDI_WRITE, remove_one}},
     NULL},
    {HTTP_GET, CODE "s", CDI_TENANT, 0, NULL, {{CDI_READ, list}}, NULL},
    {HTTP_POST,
     CODE "s/remove",
     CDI_TENANT,
     0,
     "email:s? phoneNumber:s?",
     {{CDI_WRITE, remove_all}},
     NULL},
};
const struct cdi_table passwordless__table = {ops, COUNTOF(ops)};
