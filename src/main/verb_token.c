/* SPDX-License-Identifier: Apache-2.0
 *
 * token: a development JWT, signed with a private key on this machine. It is a secret for as long
 * as it lives, so it goes to standard output alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/time.h"
#include "file.h"
#include "jose/jws.h"
#include "jose/rotation.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"sub", 0, OPTION_VALUE, false, "dev", "NAME", "the subject"},
    {"role", 0, OPTION_VALUE, false, NULL, "NAME", "the claim role"},
    {"claim", 0, OPTION_MANY, false, NULL, "K=V",
     "any other claim; V as JSON if it is JSON, else text"},
    {"ttl", 0, OPTION_VALUE, false, "15m", "TIME", "how long it lives: 90s, 15m, 8h, 30d"},
    {"alg", 0, OPTION_VALUE, false, "RS256", "ALG", "RS*, PS*, ES*, EdDSA or HS*"},
    {"key", 0, OPTION_VALUE, true, "keys/dev.pem", "FILE",
     "the private key in PEM, or a JWKS of ropeline keys (HS*: the secret)"},
    {"kid", 0, OPTION_VALUE, false, NULL, "ID", "the key id in the header"},
    {"aud", 0, OPTION_VALUE, false, NULL, "NAME", "the audience"},
    {"iss", 0, OPTION_VALUE, false, NULL, "NAME", "the issuer"},
    {"expired", 0, OPTION_FLAG, false, NULL, NULL, "one that expired a minute ago"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as {\"token\",\"claims\"}"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

static enum err set_text(struct arena *a, struct json *claims, const char *name, const char *value)
{
    return value ? json_set(a, claims, str_c(name), json_new_str(a, str_c(value))) : ERR_OK;
}

static enum err set_claims(struct arena *a, struct json *claims, const struct options *o,
                           bool *usage)
{
    const struct option_values *v = option_all(o, "claim");
    enum err err = ERR_OK;
    for (size_t i = 0; i < v->n && err == ERR_OK; i++) {
        const struct json *value = NULL;
        struct str text, name = str_cut(str_c(v->v[i]), '=', &text);
        if (text.p == NULL || name.n == 0) {
            fprintf(stderr, "ropeline: --claim %s: write --claim NAME=VALUE\n", v->v[i]);
            *usage = true;
            return ERR_INVALID;
        }
        if (json_parse(a, text, KIB(64), &value, NULL) != ERR_OK)
            value = json_new_str(a, text);
        err = json_set(a, claims, name, value);
    }
    return err;
}

static enum err make_claims(struct arena *a, const struct options *o, int64_t ttl,
                            struct json **out, bool *usage)
{
    int64_t now = clock_wall_us(&clock_system) / 1000000;
    bool expired = option_is(o, "expired");
    struct json *c = json_new_object(a, 16);
    *out = c;
    enum err err = set_text(a, c, "sub", option_get(o, "sub"));
    if (err == ERR_OK)
        err = set_text(a, c, "role", option_get(o, "role"));
    if (err == ERR_OK)
        err = set_text(a, c, "aud", option_get(o, "aud"));
    if (err == ERR_OK)
        err = set_text(a, c, "iss", option_get(o, "iss"));
    if (err == ERR_OK)
        err = json_set(a, c, STR("iat"), json_new_int(a, expired ? now - ttl - 60 : now));
    if (err == ERR_OK)
        err = json_set(a, c, STR("exp"), json_new_int(a, expired ? now - 60 : now + ttl));
    return err ? err : set_claims(a, c, o, usage);
}

/* With the signing key of a JWKS file; --alg and --kid choose nothing there, so only an alg that
 * does not fit is an error. */
static enum err sign_with_set(const struct options *o, struct str key, struct str claims,
                              struct buf *token, struct errinfo *e)
{
    int64_t now = clock_wall_us(&clock_system) / 1000000;
    struct jwks *keys = NULL;
    enum err err = jwks_parse(key, JWK_OWN, &keys, e);
    if (err != ERR_OK)
        return err;
    const struct jwk *k = rotation_signer(keys, now);
    const struct jws_alg *alg = jws_alg_named(str_c(option_get(o, "alg")));
    bool asked = !str_eqz(str_c(option_all(o, "alg")->origin), "default");
    for (size_t i = 0; k && !asked && i < JWS_COUNT; i++)
        if (k->algs & JWS_BIT(i)) {
            alg = &jws_algs[i];
            break;
        }
    if (k == NULL || alg == NULL)
        err = errinfo_set(e, ERR_INVALID, k ? "no such algorithm" : "no key signs now");
    else if ((err = jws_sign_with(k, alg, claims, now, token)) != ERR_OK)
        (void)errinfo_set(e, err, "the signing key does not fit %s", alg->name);
    jwks_unref(keys);
    return err;
}

static int print_token(const struct options *o, struct str key, struct json *claims)
{
    struct errinfo e = {0};
    AUTO_BUF text = BUF_INIT(KIB(64));
    AUTO_BUF token = BUF_INIT(KIB(128));
    const char *kid = option_get(o, "kid");
    json_write(&text, claims);
    struct str alg = str_c(option_get(o, "alg"));
    enum err err = key.n > 0 && key.p[0] == '{'
                       ? sign_with_set(o, key, buf_str(&text), &token, &e)
                       : jws_sign(alg, key, str_c(kid ? kid : ""), buf_str(&text), &token, &e);
    if (err != ERR_OK) {
        fprintf(stderr, "ropeline: %s\n", e.text);
        return 1;
    }
    if (option_is(o, "json"))
        printf("{\"token\":\"%s\",\"claims\":%s}\n", buf_cstr(&token), buf_cstr(&text));
    else
        printf("%s\n", buf_cstr(&token));
    return 0;
}

int verb_token(int argc, char **argv)
{
    static struct options o;
    int64_t ttl = 0;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help")) {
        printf("usage: ropeline token [OPTIONS]\n\n");
        options_help(rows, COUNTOF(rows));
        return 0;
    }
    if (o.positionals) {
        fprintf(stderr, "ropeline: token takes options only\n");
        return 2;
    }
    if (!option_seconds(&o, "ttl", &ttl))
        return 2;
    struct arena *a = arena_new(KIB(8), MIB(4));
    const char *path = option_get(&o, "key");
    struct str key = STR_NONE;
    struct json *claims = NULL;
    bool usage = false;
    struct stat st;
    enum err err = a ? file_read(a, path, KIB(64), &key) : ERR_NOMEM;
    if (err != ERR_OK)
        fprintf(stderr, "ropeline: the key %s: %s; name a private key with --key FILE\n", path,
                err == ERR_IO ? strerror(errno) : err_text(err));
    else if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        fprintf(stderr, "ropeline: warning: others can read %s; chmod 600 it\n", path);
    if (err == ERR_OK)
        err = make_claims(a, &o, ttl, &claims, &usage);
    int code = err == ERR_OK ? print_token(&o, key, claims) : usage ? 2 : 1;
    arena_free(a);
    return code;
}
