/* SPDX-License-Identifier: Apache-2.0
 *
 * Opaque OAuth tokens (RFC 7662): the issuer is asked about each token that is not in the cache,
 * with credentials of our own, and answered within bounds of time and size. Invariant: a token is
 * good only if the answer is an object with `active` true, is about this issuer and audience, and
 * not over; whatever else comes refuses it. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "introspect_int.h"

/* One question to the issuer, from the worker to the control loop and back. */
struct question {
    struct post post;
    struct auth_call *call;
    const struct introspect_conf *conf;
    int64_t timeout_ms;
    struct buf form, answer;
    enum err err;
    unsigned status;
    char why[160];
    struct fetch *fetch;
};

/* --- the answer, on the worker ------------------------------------------------------------------
 */
static void refuse(struct auth_call *c, const char *fmt, ...) PRINTF(2, 3);
static void refuse(struct auth_call *c, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    decision_note(c->record, "authorize", VERDICT_DENY, "introspection", str_c(text));
}

static void answered(struct post *p)
{
    struct question *q = CONTAINER_OF(p, struct question, post);
    struct auth_call *c = q->call;
    const struct introspect_conf *n = q->conf;
    struct errinfo why = {0};
    enum err err = ERR_DENIED;
    decision_note(c->record, "authorize", VERDICT_INFO, "endpoint", n->endpoint);
    if (q->err != ERR_OK)
        refuse(c, "no answer: %s", q->why[0] ? q->why : err_text(q->err));
    else if (q->status != 200)
        refuse(c, "answered %u", q->status);
    else {
        err = introspect__judge(n, buf_str(&q->answer), loop_wall_us(c->loop) / 1000000,
                                loop_now_ms(c->loop), c->authorizer->name, &c->result, &why);
        if (err != ERR_OK)
            refuse(c, "refused: %s", why.text[0] ? why.text : err_text(err));
    }
    buf_fini(&q->form);
    buf_fini(&q->answer);
    mem_free(q);
    if (c->result) /* an inactive token's allows nothing; auth__judge says so */
        c->verdict = c->result->allowed ? AUTH_ALLOW : AUTH_UNAUTHORIZED;
    else if (err != ERR_NOMEM)
        (void)bearer__refuse(&n->bearer, c, "the token cannot be verified");
    auth__decided(c);
}

/* --- the question, on the control loop ----------------------------------------------------------
 */
static void send_back(struct question *q)
{
    q->post.fn = answered;
    run_post(q->call->loop, &q->post);
}

static void came(void *arg, const struct fetch_result *r)
{
    struct question *q = arg;
    q->err = r->err;
    q->status = r->status;
    snprintf(q->why, sizeof q->why, "%s", r->why ? r->why : "");
    if (r->err == ERR_OK) {
        buf_add(&q->answer, r->body);
        q->err = q->answer.err;
    }
    send_back(q);
}

static void ask(struct post *p)
{
    struct question *q = CONTAINER_OF(p, struct question, post);
    struct fetch_options o = {
        .url = q->conf->endpoint,
        .form = buf_str(&q->form),
        .authorization = str_of(q->conf->authorization, q->conf->authorization_n),
        .accept = STR("application/json"),
        .timeout_ms = q->timeout_ms,
        .bytes_max = LIMIT_INTROSPECTION_BYTES,
    };
    q->err = fetch_start(issuers__fetcher(q->conf->issuers), &o, came, q, &q->fetch);
    if (q->err != ERR_OK)
        send_back(q);
}

/* --- the call -----------------------------------------------------------------------------------
 */
static enum err identity(const void *conf, struct auth_call *c, struct buf *key)
{
    const struct introspect_conf *n = conf;
    char masked[16];
    struct str token;
    enum err err = bearer__token(&n->bearer, c, &token);
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_OK) {
        (void)bearer__refuse_absent(&n->bearer, c, err);
        return ERR_DENIED;
    }
    decision_note(c->record, "authorize", VERDICT_INFO, "identity", decision_mask(token, masked));
    buf_add(key, token);
    return key->err;
}

static bool decide(const void *conf, struct auth_call *c)
{
    const struct introspect_conf *n = conf;
    struct str token;
    int64_t left = c->deadline_ms - loop_now_ms(c->loop);
    struct question *q = mem_alloc(sizeof *q);
    if (q == NULL)
        return true; /* the verdict is still AUTH_ERROR */
    q->call = c;
    q->conf = n;
    q->timeout_ms = left < TIMEOUT_INTROSPECTION_MS ? left : TIMEOUT_INTROSPECTION_MS;
    q->form = BUF_INIT(4 * LIMIT_IDENTITY_VALUE);
    q->answer = BUF_INIT(LIMIT_INTROSPECTION_BYTES);
    enum err err = bearer__token(&n->bearer, c, &token);
    if (err == ERR_OK) {
        buf_addz(&q->form, "token_type_hint=access_token&token=");
        introspect__encode(&q->form, token);
        err = q->form.err;
    }
    if (err != ERR_OK || left <= 0) {
        buf_fini(&q->form);
        mem_free(q);
        return true;
    }
    q->post.fn = ask;
    run_post(issuers__control(n->issuers), &q->post);
    return false;
}

static struct str token(const void *conf, const struct auth_call *c)
{
    (void)conf;
    (void)c;
    return STR_NONE; /* nothing can be read off it */
}

static bool reads_header(const void *conf, struct str name)
{
    return bearer__reads_header(&((const struct introspect_conf *)conf)->bearer, name);
}

const struct authorizer_kind authorizer__introspection = {
    .has_claims = true,
    .compile = introspect__compile,
    .fini = introspect__fini,
    .identity = identity,
    .decide = decide,
    .token = token,
    .reads_header = reads_header,
};
