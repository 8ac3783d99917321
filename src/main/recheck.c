/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging a token by hand. Invariant: the verdict is that of jwt_verify alone; the steps above it
 * only say how far the token would come. */
#include "recheck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "file.h"
#include "jose/jwt.h"

/* One key file as a set: JWKS, JWK, PEM, or the bytes themselves where only HS* is allowed. */
static enum err read_keys(struct arena *a, const struct options *o, unsigned algs,
                          struct jwks **out, struct errinfo *e)
{
    const char *path = option_get(o, "jwks") ? option_get(o, "jwks") : option_get(o, "key");
    struct str text;
    enum err err = file_read(a, path, LIMIT_JWKS_BYTES, &text);
    if (err != ERR_OK)
        return errinfo_set(e, err, "%s", err == ERR_IO ? strerror(errno) : err_text(err));
    bool secret = (algs & JWS_ALL_PUBLIC) == 0 && algs != 0;
    err = jwks_parse(text, JWK_OWN, out, e);
    if (err != ERR_SYNTAX || !secret)
        return err;
    struct jwk *k = NULL;
    err = jwk_from_secret(text, NULL, &k, e);
    if (err == ERR_OK)
        err = jwks_new(&k, 1, out, e);
    jwk_unref(k);
    return err;
}

static enum err read_token(struct arena *a, const struct options *o, struct str *token)
{
    const struct str bearer = STR("Bearer ");
    const char *path = option_get(o, "token-file");
    enum err err = path ? file_read(a, path, LIMIT_JWKS_BYTES, token)
                        : file_read_stdin(a, LIMIT_JWKS_BYTES, token);
    if (err != ERR_OK) {
        fprintf(stderr, "ropeline: the token %s: %s\n", path ? path : "on standard input",
                err == ERR_IO ? strerror(errno) : err_text(err));
        return err;
    }
    while (token->n > 0 && strchr("\r\n", token->p[token->n - 1]))
        token->n--;
    if (str_istarts(*token, bearer))
        *token = str_from(*token, bearer.n);
    return ERR_OK;
}

static bool add_texts(struct arena *a, const struct options *o, const char *name,
                      const struct str **out, size_t *n)
{
    const struct option_values *v = option_all(o, name);
    struct str *list = ARENA_ARRAY(a, v->n, struct str);
    for (size_t i = 0; list && i < v->n; i++)
        list[i] = str_c(v->v[i]);
    *out = list;
    *n = v->n;
    return list != NULL;
}

/* False after saying what is wrong with the options. */
static bool make_checker(struct arena *a, const struct options *o, struct jwt_checker *c)
{
    const struct str *algs;
    size_t n;
    uint64_t skew;
    struct errinfo e = {0};
    if (!option_get(o, "jwks") == !option_get(o, "key")) {
        fprintf(stderr, "ropeline: name the keys with --jwks FILE or --key FILE\n");
        return false;
    }
    if (!add_texts(a, o, "iss", &c->issuers, &c->issuers_n) ||
        !add_texts(a, o, "aud", &c->audiences, &c->audiences_n) ||
        !add_texts(a, o, "alg", &algs, &n))
        return false;
    c->algs = JWS_ALL;
    if (n > 0 && jws_algs_parse(algs, n, &c->algs, &e) != ERR_OK) {
        fprintf(stderr, "ropeline: --alg: %s\n", e.text);
        return false;
    }
    if (!str_u64(str_c(option_get(o, "skew")), &skew) || skew > 86400) {
        fprintf(stderr, "ropeline: --skew is a number of seconds, at most 86400\n");
        return false;
    }
    c->skew_s = (double)skew;
    c->client_id = true;
    c->require_exp = option_is(o, "require-exp");
    c->typ = str_c(option_get(o, "typ"));
    return true;
}

/* ---- what is printed ---- */

static void say(const char *step, const char *verdict, const char *words)
{
    printf("%-10s %-5s %s\n", step, verdict, words);
}

static void say_fault(const char *step, const struct jwt_fault *f)
{
    AUTO_BUF words = BUF_INIT(KIB(4));
    jwt_fault_write(&words, f);
    say(step, "FAIL", buf_cstr(&words));
}

static void say_header(const struct jwt *t)
{
    AUTO_BUF words = BUF_INIT(KIB(4));
    buf_addf(&words, "alg %s, kid ", t->jws.alg->name);
    if (t->jws.has_kid)
        buf_addf(&words, "%.*s", STR_ARG(t->jws.kid));
    else
        buf_addz(&words, "(none)");
    buf_printable(&words, 0);
    say("token", "ok", buf_cstr(&words));
}

#define BIT(reason) (UINT64_C(1) << (reason))

/* The claims one concern at a time, so that each that fails is named, not only the first. */
static void say_claims(const struct jwt_checker *c, const struct jwt *t, double now_s)
{
    const struct {
        const char *name;
        bool asked;
        uint64_t reasons; /* that are about this concern */
        struct jwt_checker only;
    } steps[] = {
        {"typ", c->typ.n > 0, BIT(JWT_WRONG_TYP), {.typ = c->typ}},
        {"issuer",
         c->issuers_n > 0,
         BIT(JWT_NO_ISSUER) | BIT(JWT_WRONG_ISSUER),
         {.issuers = c->issuers, .issuers_n = c->issuers_n}},
        {"audience",
         c->audiences_n > 0,
         BIT(JWT_NO_AUDIENCE) | BIT(JWT_WRONG_AUDIENCE) | BIT(JWT_WRONG_CLIENT_ID),
         {.audiences = c->audiences, .audiences_n = c->audiences_n, .client_id = c->client_id}},
        {"times", true, UINT64_MAX, {.require_exp = c->require_exp, .skew_s = c->skew_s}},
    };
    for (size_t i = 0; i < COUNTOF(steps); i++) {
        struct jwt_fault why;
        enum jwt_reason r = jwt_check_claims(&steps[i].only, t, now_s, &why);
        if (!steps[i].asked)
            say(steps[i].name, "-", "not asked for");
        else if (r != JWT_OK && (steps[i].reasons & BIT(r)) != 0)
            say_fault(steps[i].name, &why);
        else
            say(steps[i].name, "ok", "");
    }
}

static void say_signature(const struct jwks *keys, const struct jwt *t, double now_s)
{
    const struct jwk *k = NULL;
    struct jwt_fault why;
    char words[128];
    if (jws_verify(&t->jws, keys, (int64_t)now_s, &k, &why) != JWT_OK) {
        say_fault("signature", &why);
        return;
    }
    snprintf(words, sizeof words, "by the %s key%s%.*s, %u bits, %s", t->jws.alg->name,
             k->has_kid ? " " : "", STR_ARG(str_sub(k->kid, 0, 40)), k->bits,
             jwk_status_name(jwk_status_at(k, (int64_t)now_s)));
    say("signature", "ok", words);
}

static int judge(struct arena *a, const struct jwt_checker *c, const struct jwks *keys,
                 struct str token)
{
    double now_s = (double)(clock_wall_us(&clock_system) / 1000000); /* whole seconds */
    struct jwt_fault why;
    struct jwt t;
    enum jwt_reason r = jwt_read(a, token, c->algs, &t, &why);
    if (r != JWT_OK) {
        say_fault("token", &why);
    } else {
        say_header(&t);
        say_claims(c, &t, now_s);
        say_signature(keys, &t, now_s);
        r = jwt_check(c, keys, &t, now_s, NULL, &why);
    }
    AUTO_BUF words = BUF_INIT(KIB(4));
    jwt_fault_write(&words, &why);
    say("verdict", r == JWT_OK ? "VALID" : "401", r == JWT_OK ? "" : buf_cstr(&words));
    return r == JWT_OK ? 0 : 1;
}

int recheck_token(const struct options *o)
{
    struct jwt_checker c = {0};
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    struct str token;
    int code = 1;
    struct arena *a = arena_new(KIB(64), MIB(4));
    if (a == NULL)
        return 1;
    if (!make_checker(a, o, &c)) {
        code = 2;
    } else if (read_keys(a, o, c.algs, &keys, &e) != ERR_OK) {
        fprintf(stderr, "ropeline: the keys %s: %s\n",
                option_get(o, "jwks") ? option_get(o, "jwks") : option_get(o, "key"), e.text);
    } else if (read_token(a, o, &token) == ERR_OK) {
        code = judge(a, &c, keys, token);
    }
    jwks_unref(keys);
    arena_free(a);
    return code;
}
