/* SPDX-License-Identifier: Apache-2.0
 *
 * The invariant of account linking: within a tenant, an e-mail, a phone number and a third party's
 * user belong to at most one primary user; and a primary user is in a tenant with everything it has
 * as soon as one of its methods is. */
#include "user_db_int.h"

#define SELECT_OTHER                                                                    \
    "SELECT m.primary_id FROM login_method m WHERE m.app_id = $1 AND m.is_primary = 1 " \
    "AND m.primary_id <> $2 AND EXISTS (SELECT 1 FROM login_tenant t "                  \
    "WHERE t.app_id = $1 AND t.primary_id = m.primary_id AND t.tenant_id = $3) "
static const struct stmt STMT_email = SQL(SELECT_OTHER "AND m.email = $4 LIMIT 1");
static const struct stmt STMT_phone = SQL(SELECT_OTHER "AND m.phone = $4 LIMIT 1");
static const struct stmt STMT_third_party =
    SQL(SELECT_OTHER "AND m.third_party_id = $4 AND m.third_party_user_id = $5 LIMIT 1");

struct asking {
    struct cdi_call *c;
    struct store_tx *tx;
    struct str self;
    struct user_conflict *out;
};

static enum err ask(const struct asking *q, const struct stmt *stmt, const struct store_value *args,
                    size_t n, const char *why)
{
    struct store_value v[1];
    enum err err = cdi_row(q->c, q->tx, stmt, args, n, v, COUNTOF(v));
    if (err == ERR_OK) {
        q->out->primary_id = v[0].s;
        q->out->why = why;
    }
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static enum err ask_method(const struct asking *q, const struct login_method *m, struct str tenant)
{
    struct store_value app = STORE_S(q->c->app), self = STORE_S(q->self), in = STORE_S(tenant);
    enum err err = ERR_OK;
    if (m->third_party_id.n)
        err = ask(q, &STMT_third_party,
                  ARGS(app, self, in, STORE_S(m->third_party_id), STORE_S(m->third_party_user_id)),
                  "This user's third party login is already associated with another user ID");
    if (err == ERR_OK && q->out->primary_id.n == 0 && m->email.n)
        err = ask(q, &STMT_email, ARGS(app, self, in, STORE_S(m->email)),
                  "This user's email is already associated with another user ID");
    if (err == ERR_OK && q->out->primary_id.n == 0 && m->phone.n)
        err = ask(q, &STMT_phone, ARGS(app, self, in, STORE_S(m->phone)),
                  "This user's phone number is already associated with another user ID");
    return err;
}

/* Everything that the two sides have, in one tenant. */
static enum err ask_tenant(const struct asking *q, const struct user *self,
                           const struct login_method *joining, struct str tenant)
{
    enum err err = ERR_OK;
    if (joining)
        err = ask_method(q, joining, tenant);
    for (size_t i = 0; self && i < self->n && err == ERR_OK && q->out->primary_id.n == 0; i++)
        err = ask_method(q, &self->methods[i], tenant);
    return err;
}

static enum err ask_tenants_of(const struct asking *q, const struct user *self,
                               const struct login_method *joining, const struct login_method *of)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < of->tenant_count && err == ERR_OK && q->out->primary_id.n == 0; i++)
        err = ask_tenant(q, self, joining, of->tenants[i]);
    return err;
}

enum err user__conflict(struct cdi_call *c, struct store_tx *tx, const struct user *self,
                        const struct login_method *joining, struct str tenant,
                        struct user_conflict *out)
{
    struct asking q = {c, tx, self ? self->id : STR_NONE, out};
    *out = (struct user_conflict){.primary_id = STR_NONE, .why = ""};
    enum err err = tenant.n ? ask_tenant(&q, self, joining, tenant) : ERR_OK;
    if (err == ERR_OK && joining && out->primary_id.n == 0)
        err = ask_tenants_of(&q, self, joining, joining);
    for (size_t i = 0; self && i < self->n && err == ERR_OK && out->primary_id.n == 0; i++)
        err = ask_tenants_of(&q, self, joining, &self->methods[i]);
    return err;
}
