/* SPDX-License-Identifier: Apache-2.0
 *
 * One question from beginning to end: identity, cache, one call for identical misses, the
 * function's answer, the policy. Invariant: a call that leads a flight lands it, whatever happened,
 * so nobody waits for ever; and only auth__judge can turn a verdict into ALLOW. */
#include "authorizer_int.h"
#include "base/limits.h"
#include "lambda/arn.h"

static enum err make_digest(struct authorizer *z, const struct json *spec,
                            const struct authorizer_env *env)
{
    AUTO_BUF text = BUF_INIT(MIB(1));
    json_write(&text, spec);
    buf_addc(&text, '\n');
    if (z->function)
        buf_add(&text, function_digest(z->function));
    buf_addf(&text, "\n%zu:", env->api_id.n);
    buf_add(&text, env->api_id);
    buf_addf(&text, "\n%zu:", env->stage.n);
    buf_add(&text, env->stage);
    return text.err ? text.err : crypt_sha256(buf_str(&text), z->digest);
}

static enum err compile_function(struct authorizer *z, const struct json *spec,
                                 const struct authorizer_env *env, struct errinfo *e)
{
    const struct json *uri = json_get(spec, "authorizerUri");
    struct str arn = arn_of_uri(json_str_or(uri, STR("")));
    const struct json *at = uri ? uri : spec;
    if (arn.n == 0)
        return errinfo_at(e, ERR_INVALID, at->line, at->col,
                          "authorizer %.*s needs an authorizerUri of the form arn:aws:apigateway:"
                          "REGION:lambda:path/2015-03-31/functions/FUNCTION_ARN/invocations",
                          STR_ARG(z->name));
    z->function = env->function(env->arg, arn);
    if (z->function == NULL)
        return errinfo_at(e, ERR_NOTFOUND, at->line, at->col,
                          "authorizer %.*s calls %.*s, which is not a function of this document; "
                          "give its code with --function NAME-or-ARN=DIR:HANDLER",
                          STR_ARG(z->name), STR_ARG(arn));
    return ERR_OK;
}

static enum err compile_ttl(struct authorizer *z, const struct json *spec, bool http_api,
                            struct errinfo *e)
{
    const struct json *ttl = json_get(spec, "authorizerResultTtlInSeconds");
    int64_t seconds = z->kind->calls_function && !http_api ? DEFAULT_AUTHORIZER_TTL_S : 0;
    if (z->kind->default_ttl_s)
        seconds = z->kind->default_ttl_s(spec);
    if (ttl && (!json_int(ttl, &seconds) || seconds < 0 || seconds > LIMIT_AUTHORIZER_TTL_S))
        return errinfo_at(e, ERR_INVALID, ttl->line, ttl->col,
                          "authorizerResultTtlInSeconds must be a whole number from 0 to %d",
                          LIMIT_AUTHORIZER_TTL_S);
    z->ttl_s = (unsigned)seconds;
    z->coalesce = json_bool_or(json_get(spec, "coalesce"), true);
    return ERR_OK;
}

/* How the function answers: HTTP APIs say it in two fields (specs 3.4). */
static enum err compile_shape(struct authorizer *z, const struct json *spec,
                              const struct authorizer_env *env, struct errinfo *e)
{
    const struct json *simple = json_get(spec, "enableSimpleResponses");
    bool two =
        str_eqz(json_str_or(json_get(spec, "authorizerPayloadFormatVersion"), STR("")), "2.0");
    z->shape = !env->http_api ? SHAPE_REST : two ? SHAPE_POLICY : SHAPE_1_0;
    if (!json_bool_or(simple, false))
        return ERR_OK;
    if (z->shape != SHAPE_POLICY)
        return errinfo_at(e, ERR_INVALID, simple->line, simple->col,
                          "enableSimpleResponses needs authorizerPayloadFormatVersion 2.0");
    z->shape = SHAPE_SIMPLE;
    return ERR_OK;
}

enum err authorizer_compile(struct arena *a, const struct json *spec,
                            const struct authorizer_env *env, struct authorizer **out,
                            struct errinfo *e)
{
    struct authorizer *z = ARENA_NEW(a, struct authorizer);
    *out = NULL;
    if (z == NULL)
        return ERR_NOMEM;
    struct str type =
        json_str_or(json_get(spec, env->http_api ? "authorizerType" : "type"), STR(""));
    z->name = arena_str(a, json_str_or(json_get(spec, "name"), STR("")));
    z->kind = authorizer__kind(spec, type, env->http_api);
    if (z->name.p == NULL)
        return ERR_NOMEM;
    if (z->kind == NULL)
        return errinfo_at(
            e, ERR_UNSUPPORTED, spec->line, spec->col,
            "authorizer %.*s is of type %.*s, which is not served by this kind of API",
            STR_ARG(z->name), STR_ARG(str_sub(type, 0, 40)));
    enum err err = compile_ttl(z, spec, env->http_api, e);
    if (err == ERR_OK && z->kind->calls_function)
        err = compile_function(z, spec, env, e);
    if (err == ERR_OK)
        err = compile_shape(z, spec, env, e);
    if (err == ERR_OK)
        err = z->kind->compile(a, spec, env, &z->conf, e);
    if (err == ERR_OK && env->roles && z->kind->has_claims)
        err = roles__compile(a, env->roles, env->arn_prefix, &z->roles, e);
    if (err == ERR_OK)
        err = make_digest(z, spec, env);
    if (err != ERR_OK) {
        authorizer_fini(z);
        return err;
    }
    *out = z;
    return ERR_OK;
}

void authorizer_fini(struct authorizer *z)
{
    if (z && z->conf && z->kind->fini)
        z->kind->fini(z->conf);
    if (z)
        roles__fini(z->roles);
}

bool authorizer_reads_header(const struct authorizer *z, struct str name)
{
    return z->kind->reads_header(z->conf, name);
}

struct str authorizer_name(const struct authorizer *z)
{
    return z->name;
}

unsigned authorizer_ttl_s(const struct authorizer *z)
{
    return z->ttl_s;
}

static void count(struct auth_call *c)
{
    static const enum metric of[] = {
        [AUTH_ERROR] = METRIC_AUTH_ERROR,        [AUTH_UNAUTHORIZED] = METRIC_AUTH_UNAUTHORIZED,
        [AUTH_UNSIGNED] = METRIC_AUTH_DENY,      [AUTH_OUT_OF_SCOPE] = METRIC_AUTH_DENY,
        [AUTH_DENY_IMPLICIT] = METRIC_AUTH_DENY, [AUTH_DENY_EXPLICIT] = METRIC_AUTH_DENY,
        [AUTH_ALLOW] = METRIC_AUTH_ALLOW,
    };
    metric_add(c->metrics, of[c->verdict], 1);
}

static void conclude(struct auth_call *c)
{
    const struct authorizer *z = c->authorizer;
    ASSERT(c->result || c->verdict != AUTH_ALLOW);
    if (c->result && z->kind->admit && !z->kind->admit(z->conf, c)) {
        ASSERT(c->verdict != AUTH_ALLOW);
        auth_call_fini(c);
    }
    if (c->result)
        auth__judge(c);
    if (c->verdict == AUTH_ALLOW && z->kind->granted)
        z->kind->granted(z->conf, c);
    if (c->verdict != AUTH_ALLOW) {
        struct str token = z->kind->token(z->conf, c);
        if (token.n > 0)
            auth__note_token(c, token);
    }
    count(c);
}

/* Runs on the waiter's loop: the leader's result is its own now, or the leader failed and it makes
 * one call for itself, on its own deadline. */
static void wake(struct post *p)
{
    struct auth_call *c = CONTAINER_OF(p, struct auth_call, post);
    if (c->result == NULL) {
        decision_note(c->record, "authorize", VERDICT_INFO, "shared",
                      STR("the call it waited for failed; calling again"));
        if (c->authorizer->kind->decide(c->authorizer->conf, c)) {
            conclude(c);
            c->done(c);
        }
        return;
    }
    decision_note(c->record, "authorize", VERDICT_INFO, "shared",
                  STR("waited for the same identity's call under way"));
    c->cached = true;
    conclude(c);
    c->done(c);
}

static void land(struct auth_call *c)
{
    if (c->flight == NULL)
        return;
    int64_t expires = loop_now_ms(c->loop) + (int64_t)c->keep_s * 1000;
    if (c->result && c->result->expires_ms > 0 && c->result->expires_ms < expires)
        expires = c->result->expires_ms; /* never beyond the token's own end */
    if (c->result && c->result->inactive)
        expires = 0;
    struct auth_call *w = cache__land(c->cache, c, c->result, expires);
    while (w) {
        struct auth_call *next = w->next; /* w is no longer ours once it is posted */
        w->post.fn = wake;
        run_post(w->loop, &w->post);
        w = next;
    }
}

static bool says_unauthorized(struct str error)
{
    struct arena *a = arena_new(KIB(2), MIB(1));
    const struct json *tree = NULL;
    bool yes = a && json_parse(a, error, LIMIT_AUTHORIZER_RESULT, &tree, NULL) == ERR_OK &&
               str_eqz(json_str_or(json_get(tree, "errorMessage"), STR("")), "Unauthorized");
    arena_free(a);
    return yes;
}

/* What the function did, in the record: enough to find its log and to see its raw answer. */
static void note_invocation(struct auth_call *c)
{
    const struct lambda_invocation *i = &c->invocation;
    bool ok = i->outcome == LAMBDA_OK;
    decision_note(c->record, "function", VERDICT_INFO, "name", function_name(i->function));
    if (i->request_id[0] != '\0')
        decision_note(c->record, "function", VERDICT_INFO, "invocation", str_c(i->request_id));
    if (i->cold)
        decision_notef(c->record, "function", VERDICT_INFO, "start", "cold, init %.1f ms",
                       (double)i->init_us / 1000);
    else
        decision_note(c->record, "function", VERDICT_INFO, "start", STR("warm"));
    decision_notef(c->record, "function", ok ? VERDICT_PASS : VERDICT_ERROR, "outcome",
                   "%s in %.1f ms", lambda_outcome_name(i->outcome), (double)i->duration_us / 1000);
}

static void take_answer(struct auth_call *c)
{
    struct lambda_invocation *i = &c->invocation;
    struct errinfo why = {0};
    if (i->outcome == LAMBDA_FUNCTION_ERROR && says_unauthorized(buf_str(&i->answer))) {
        decision_note(c->record, "authorize", VERDICT_DENY, "verdict",
                      STR("the function failed with exactly \"Unauthorized\": 401"));
        c->verdict = AUTH_UNAUTHORIZED;
    } else if (i->outcome != LAMBDA_OK) {
        decision_note(
            c->record, "authorize", VERDICT_ERROR, "verdict",
            i->outcome == LAMBDA_FUNCTION_ERROR
                ? STR("the function failed with something other than \"Unauthorized\": 500")
                : STR("the function gave no answer: 500"));
    } else if (auth__result_parse(buf_str(&i->answer), c->authorizer->shape, &c->result, &why) !=
               ERR_OK) {
        if (c->authorizer->shape != SHAPE_REST && says_unauthorized(buf_str(&i->answer))) {
            decision_note(c->record, "authorize", VERDICT_DENY, "verdict",
                          STR("the function returned the error \"Unauthorized\": 401"));
            c->verdict = AUTH_UNAUTHORIZED;
            return;
        }
        decision_notef(c->record, "authorize", VERDICT_ERROR, "answer", "refused: %s",
                       why.text[0] ? why.text : err_text(why.code));
    } else {
        c->result->authorizer = arena_str(c->result->arena, c->authorizer->name);
        memcpy(c->result->invocation_id, i->request_id, sizeof i->request_id);
        c->result->made_ms = loop_now_ms(c->loop);
        if (c->result->authorizer.p == NULL) {
            auth__result_unref(c->result);
            c->result = NULL;
        }
    }
}

static void invoked(struct lambda_invocation *i)
{
    auth__answered(i->arg);
}

void auth__invoke(struct auth_call *c, struct buf event)
{
    c->invocation = (struct lambda_invocation){
        .function = c->authorizer->function,
        .payload = event,
        .deadline_ms = c->deadline_ms,
        .queue = true,
        .trace_header = c->trace_header,
        .reply = c->loop,
        .done = invoked,
        .arg = c,
    };
    lambda_invoke(c->lambda, &c->invocation);
}

void auth__decided(struct auth_call *c)
{
    land(c);
    conclude(c);
    c->done(c);
}

void auth__decide_again(struct post *p)
{
    struct auth_call *c = CONTAINER_OF(p, struct auth_call, post);
    if (c->authorizer->kind->decide(c->authorizer->conf, c))
        auth__decided(c);
}

void auth__answered(struct auth_call *c)
{
    c->latency_ms = c->invocation.duration_us / 1000;
    note_invocation(c);
    take_answer(c);
    lambda_invocation_fini(&c->invocation);
    auth__decided(c);
}

static bool from_cache(struct auth_call *c)
{
    c->cached = true;
    metric_add(c->metrics, METRIC_CACHE_HIT, 1);
    decision_note(c->record, "authorize", VERDICT_INFO, "cache", STR("hit"));
    int64_t age_ms = loop_now_ms(c->loop) - c->result->made_ms; /* loops lag a little */
    decision_noteu(c->record, "authorize", VERDICT_INFO, "age in s",
                   age_ms > 0 ? (uint64_t)age_ms / 1000 : 0);
    if (c->result->invocation_id[0])
        decision_note(c->record, "function", VERDICT_INFO, "invocation",
                      str_c(c->result->invocation_id));
    conclude(c);
    return true;
}

bool authorizer_decide(struct auth_call *c)
{
    const struct authorizer *z = c->authorizer;
    c->verdict = AUTH_ERROR;
    c->keep_s = z->ttl_s;
    decision_note(c->record, "authorize", VERDICT_INFO, "authorizer", z->name);
    if (z->kind->identity == NULL) {
        if (!z->kind->decide(z->conf, c))
            return false;
        conclude(c);
        return true;
    }
    AUTO_BUF key = BUF_INIT(LIMIT_IDENTITY_KEY);
    buf_add(&key, str_of(z->digest, sizeof z->digest));
    enum err err = z->kind->identity(z->conf, c, &key);
    if (err == ERR_OK && key.err == ERR_OK)
        c->key = arena_str(c->arena, buf_str(&key));
    if (err != ERR_OK || c->key.p == NULL) {
        c->verdict = err == ERR_DENIED ? AUTH_UNAUTHORIZED : AUTH_ERROR;
        conclude(c);
        return true;
    }
    enum cache_answer answer = CACHE_FULL;
    if (c->keep_s > 0)
        answer = cache__lookup(c->cache, c, loop_now_ms(c->loop), &c->result);
    if (answer == CACHE_HIT)
        return from_cache(c);
    metric_add(c->metrics, answer == CACHE_WAIT ? METRIC_CACHE_SHARED : METRIC_CACHE_MISS, 1);
    decision_note(c->record, "authorize", VERDICT_INFO, "cache",
                  c->keep_s > 0 ? STR("miss") : STR("off (TTL 0)"));
    if (answer == CACHE_WAIT || !z->kind->decide(z->conf, c))
        return false;
    land(c);
    conclude(c);
    return true;
}

void auth_call_fini(struct auth_call *c)
{
    auth__result_unref(c->result);
    c->result = NULL;
}
