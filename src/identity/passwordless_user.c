/* SPDX-License-Identifier: Apache-2.0
 *
 * Another e-mail or telephone for an account without a password. */
#include "ops_int.h"
#include "passwordless_int.h"
#include "user_int.h"

struct update {
    bool email_given, phone_given;
    struct str email, phone; /* "" = taken away */
};

static enum err read_one(struct cdi_call *c, const char *name,
                         enum err (*normal)(struct arena *a, struct str s, struct str *out),
                         bool *given, struct str *out)
{
    const struct json *v = cdi_json(c, name);
    enum err err = ERR_OK;
    *given = v != NULL;
    *out = STR("");
    if (v == NULL || v->type == JSON_NULL)
        return ERR_OK;
    if (v->type == JSON_STRING)
        err = normal(c->arena, v->s, out);
    if (err == ERR_OK && out->n == 0)
        err = cdi_fail(c, 400, "Field name '%s' is invalid in JSON input", name);
    return err;
}

static enum err read_update(struct cdi_call *c, struct update *u)
{
    enum err err = read_one(c, "email", user_normal_email, &u->email_given, &u->email);
    return err ? err : read_one(c, "phoneNumber", user_normal_phone, &u->phone_given, &u->phone);
}

/* Answers, and undoes what was written before it. */
static enum err refuse(struct cdi_call *c, const char *status, const char *why)
{
    enum err err = why ? cdi_status_why(c, status, "reason", why) : cdi_status(c, status);
    return err ? err : ERR_CANCELLED;
}

/* Codes that are on their way to the former address, or to the new one, are void. */
static enum err void_codes(struct cdi_call *c, struct store_tx *tx, const struct login_method *m,
                           const struct update *u)
{
    enum err err = ERR_OK;
    bool email = u->email_given && !str_eq(u->email, m->email);
    bool phone = u->phone_given && !str_eq(u->phone, m->phone);
    for (size_t i = 0; i < m->tenant_count && err == ERR_OK; i++) {
        err = passwordless_remove_of(c, tx, m->tenants[i], email ? m->email : STR(""),
                                     phone ? m->phone : STR(""));
        if (err == ERR_OK)
            err = passwordless_remove_of(c, tx, m->tenants[i], email ? u->email : STR(""),
                                         phone ? u->phone : STR(""));
    }
    return err;
}

static enum err set_email(struct cdi_call *c, struct store_tx *tx, struct login_method *m,
                          struct str email)
{
    enum err err = user_set_email(c, tx, m, email);
    if (err == ERR_EXISTS)
        return refuse(c, "EMAIL_ALREADY_EXISTS_ERROR", NULL);
    if (err == ERR_DENIED)
        return refuse(c, "EMAIL_CHANGE_NOT_ALLOWED_ERROR",
                      "New email is associated with another primary user ID");
    m->email = email;
    return err;
}

static enum err set_phone(struct cdi_call *c, struct store_tx *tx, struct login_method *m,
                          struct str phone)
{
    enum err err = user_set_phone(c, tx, m, phone);
    if (err == ERR_EXISTS)
        return refuse(c, "PHONE_NUMBER_ALREADY_EXISTS_ERROR", NULL);
    if (err == ERR_DENIED)
        return refuse(c, "PHONE_NUMBER_CHANGE_NOT_ALLOWED_ERROR",
                      "New phone number is associated with another primary user ID");
    m->phone = phone;
    return err;
}

static enum err update(struct cdi_call *c, struct store_tx *tx)
{
    struct update u;
    struct login_method m;
    enum err err = read_update(c, &u);
    err = err ? err : user_method(c, tx, cdi_str(c, "recipeUserId"), &m);
    if (err == ERR_NOTFOUND || (err == ERR_OK && !str_eqz(m.recipe, "passwordless")))
        return cdi_status(c, "UNKNOWN_USER_ID_ERROR");
    if (err != ERR_OK)
        return err;
    if ((u.email_given ? u.email : m.email).n == 0 && (u.phone_given ? u.phone : m.phone).n == 0)
        return cdi_fail(c, 400, "You cannot clear both email and phone number of a user");
    err = void_codes(c, tx, &m, &u);
    if (err == ERR_OK && u.email_given)
        err = set_email(c, tx, &m, u.email);
    if (err == ERR_OK && u.phone_given)
        err = set_phone(c, tx, &m, u.phone);
    return err ? err : cdi_status(c, "OK");
}

static const struct cdi_op ops[] = {
    {HTTP_PUT,
     "/recipe/user",
     CDI_APP,
     0,
     "recipeUserId:s email:v? phoneNumber:v?",
     {{CDI_WRITE, update}},
     "passwordless"},
};
const struct cdi_table passwordless_user__table = {ops, COUNTOF(ops)};
