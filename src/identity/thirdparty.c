/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-in by a third party (specs/identity-core.md 2.8): the SDK has talked to the provider and says
 * here who it was. Invariant: an account is the provider's id of a user and nothing else; the same
 * e-mail from elsewhere, verified or not, is somebody else's until the app links the two. */
#include "emailpassword_int.h"
#include "ops_int.h"

struct claim {
    struct str provider, id, email;
    bool verified;
};

static enum err read_claim(struct cdi_call *c, struct claim *out)
{
    const struct json *email = cdi_json(c, "email");
    const struct json *id = json_get(email, "id"), *verified = json_get(email, "isVerified");
    *out = (struct claim){.provider = cdi_str(c, "thirdPartyId"),
                          .id = cdi_str(c, "thirdPartyUserId"),
                          .verified = json_bool_or(verified, false)};
    enum err err = ERR_OK;
    if (json_is(id, JSON_STRING))
        err = user_normal_email(c->arena, id->s, &out->email);
    if (err != ERR_OK)
        return err;
    if (out->email.n == 0)
        return cdi_fail(c, 400, "Field name 'id' is invalid in JSON input");
    if (!json_is_bool(verified))
        return cdi_fail(c, 400, "Field name 'isVerified' is invalid in JSON input");
    if (out->provider.n == 0 || out->provider.n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'thirdPartyId' is invalid in JSON input");
    if (out->id.n == 0 || out->id.n > LIMIT_USER_ID)
        return cdi_fail(c, 400, "Field name 'thirdPartyUserId' is invalid in JSON input");
    return ERR_OK;
}

/* The account of the claim, made when there is none. Another node may make it at the same time:
 * then it is found the second time. */
static enum err find_or_make(struct cdi_call *c, struct store_tx *tx, const struct claim *who,
                             struct login_method *m, bool *created)
{
    struct str key = user_third_party_key(c->arena, who->provider, who->id);
    enum err err = key.p ? ERR_EXISTS : ERR_NOMEM;
    *created = false;
    for (int turn = 0; turn < 2 && err == ERR_EXISTS; turn++) {
        err = user_find(c, tx, STR("thirdparty"), key, m);
        if (err != ERR_NOTFOUND)
            continue;
        *m = (struct login_method){.recipe = STR("thirdparty"),
                                   .email = who->email,
                                   .third_party_id = who->provider,
                                   .third_party_user_id = who->id};
        err = user_create(c, tx, m);
        *created = err == ERR_OK;
    }
    return err;
}

static enum err signinup(struct cdi_call *c, struct store_tx *tx)
{
    struct claim who;
    struct login_method m;
    struct json *reply = NULL;
    bool created = false;
    enum err err = read_claim(c, &who);
    err = err ? err : find_or_make(c, tx, &who, &m, &created);
    err = err ? err : user_set_email(c, tx, &m, who.email); /* it follows the provider's */
    if (err == ERR_DENIED)
        return cdi_status_why(c, "EMAIL_CHANGE_NOT_ALLOWED_ERROR", "reason",
                              "Email already associated with another primary user.");
    struct str shown = user_shown_method_id(&m);
    if (err == ERR_OK && who.verified)
        err = email_set_verified(c, tx, shown, who.email, true);
    err = err ? err : user_reply(c, tx, m.recipe_user_id, &reply);
    err = err ? err : user_seen(c, tx, shown);
    err = err ? err
              : json_set(c->arena, reply, STR("createdNewUser"), json_new_bool(c->arena, created));
    return err ? err : cdi_ok(c, reply);
}

static const struct cdi_op ops[] = {
    {HTTP_POST,
     "/recipe/signinup",
     CDI_TENANT,
     0,
     "thirdPartyId:s thirdPartyUserId:s email:o",
     {{CDI_WRITE, signinup}},
     NULL},
};
const struct cdi_table thirdparty__table = {ops, COUNTOF(ops)};
