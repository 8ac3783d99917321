/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's question after a refresh: the first access token that comes with it must confirm
 * its refresh token in the store, or theft could not be told. The same as POST
 * /recipe/session/verify, without the way over HTTP. Begins as a refusal and is one unless the row
 * says otherwise. */
#include "base/mem.h"
#include "identity_int.h"
#include "session_ops_int.h"

struct promoting {
    struct identity_promotion *p;
    struct identity *identity;
    struct loop *from;
    struct cdi_call call;
    struct session_tokens tokens;
    struct access_token shown;
    struct tenant_settings *settings;
    struct store_job job;
    struct work work;
    enum err err; /* of the signing */
};

static void end(struct promoting *m, enum err err)
{
    struct identity_promotion *p = m->p;
    p->err = err;
    if (err != ERR_OK)
        p->new_token = STR_NONE;
    tenants__unref(m->settings);
    cdi__end(&m->call);
    p->done(p);
}

static void sign(struct work *w)
{
    struct promoting *m = CONTAINER_OF(w, struct promoting, work);
    m->err = session__sign_token(&m->call, &m->tokens, &m->p->new_token);
}

static void is_signed(struct work *w)
{
    struct promoting *m = CONTAINER_OF(w, struct promoting, work);
    end(m, m->err);
}

/* Settings are kept until the end; a transaction that runs again reads them anew. */
static enum err load_settings(struct promoting *m, struct store_tx *tx)
{
    struct cdi_call *c = &m->call;
    tenants__unref(m->settings);
    m->settings = tenants__get(m->identity, c->app, c->tenant);
    enum err err = m->settings
                       ? ERR_OK
                       : tenants__load(m->identity, tx, c->arena, c->app, c->tenant, &m->settings);
    if (err == ERR_OK)
        c->config = tenants__config(m->settings);
    return err == ERR_NOTFOUND ? ERR_DENIED : err;
}

static enum err judge(struct promoting *m, struct store_tx *tx)
{
    struct cdi_call *c = &m->call;
    struct session_row row;
    const struct json *payload = NULL;
    char hash2[HASH_TEXT];
    enum err err = session__load(c, tx, m->shown.session_handle, true, &row);
    if (err == ERR_OK)
        err = session__payload(c, row.payload, &payload);
    if (err != ERR_OK)
        return err == ERR_NOTFOUND ? ERR_DENIED : err;
    enum session_step step = session_verify(session__mode(c), &row, &m->shown, m->p->check_database,
                                            session__same(payload, m->shown.payload), c->now_ms);
    if (step == SESSION_GOOD)
        return ERR_OK;
    if (step != SESSION_PROMOTE && step != SESSION_REISSUE)
        return ERR_DENIED;
    refresh_hash2(m->shown.hash1, hash2);
    if (session_apply(step, &row, str_of(hash2, HASH_TEXT - 1), STR_NONE,
                      c->config->refresh_token_validity_s * 1000, c->now_ms))
        err = session__save(c, tx, &row);
    m->tokens.access = m->shown;
    return err ? err : session__renew(c, &m->tokens, &row);
}

static enum err run(struct store_job *j, struct store_tx *tx)
{
    struct promoting *m = CONTAINER_OF(j, struct promoting, job);
    const char *why;
    m->tokens = (struct session_tokens){.keys = NULL};
    enum err err = load_settings(m, tx);
    if (err == ERR_OK)
        err = keys_for_call(&m->call, tx, &m->tokens.keys);
    if (err == ERR_OK)
        err = access_token_read(m->call.arena, m->p->token, keys_verifiers(m->tokens.keys),
                                m->call.now_ms / 1000, &m->shown, &why);
    if (err == ERR_SYNTAX || err == ERR_BADSIG || err == ERR_NOTFOUND || err == ERR_EXPIRED)
        return ERR_DENIED;
    return err ? err : judge(m, tx);
}

static void judged(struct store_job *j, enum err err)
{
    struct promoting *m = CONTAINER_OF(j, struct promoting, job);
    if (err == ERR_CANCELLED) /* the token would be larger than one may be */
        err = ERR_DENIED;
    if (err == ERR_OK)
        cdi__committed(&m->call);
    if (err == ERR_OK && m->tokens.claims.p) {
        m->work = (struct work){.work = sign, .done = is_signed};
        err = run_work(m->from, LANE_CPU, &m->work);
        if (err == ERR_OK)
            return;
    }
    end(m, err);
}

enum err identity_promote(struct identity *i, struct loop *from, struct identity_promotion *p)
{
    struct promoting *m = ARENA_NEW(p->arena, struct promoting);
    if (m == NULL)
        return ERR_NOMEM;
    *m = (struct promoting){.p = p, .identity = i, .from = from};
    m->call = (struct cdi_call){.identity = i,
                                .arena = p->arena,
                                .app = p->app,
                                .tenant = STR("public"),
                                .config = &i->base,
                                .version = CDI_NEWEST,
                                .now_ms = loop_wall_us(from) / 1000};
    m->job = (struct store_job){.access = STORE_WRITE, .run = run, .done = judged};
    p->state = m;
    p->err = ERR_DENIED;
    p->new_token = STR_NONE;
    return store_submit(i->o.store, from, &m->job);
}
