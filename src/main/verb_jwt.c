/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt verify: one token, read from standard input or a file and judged step by step; or, with
 * --jsonl, one judgement a line, so that other programs can compare themselves with us. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/time.h"
#include "jose/jwt.h"
#include "recheck.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"jsonl", 0, OPTION_FLAG, false, NULL, NULL,
     "lines {\"id\",\"token\",\"jwks\" or \"jwk\",\"algorithms\"?,\"issuer\"?,...}"},
    RECHECK_ROWS,
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* A string, or a list of strings, as a list; false when it is neither. */
static bool texts(struct arena *a, const struct json *v, struct str **out, size_t *n)
{
    bool list = json_is(v, JSON_ARRAY);
    *n = list ? v->n : v ? 1 : 0;
    *out = ARENA_ARRAY(a, *n, struct str);
    for (size_t i = 0; *out && i < *n; i++)
        if (!json_str(list ? v->items[i] : v, &(*out)[i]))
            return false;
    return *out != NULL;
}

static const char *read_checker(struct arena *a, const struct json *line, struct jwt_checker *c)
{
    struct str *names, *issuers, *audiences;
    size_t n;
    const struct json *algorithms = json_get(line, "algorithms");
    if (!texts(a, algorithms, &names, &n) ||
        (algorithms && jws_algs_parse(names, n, &c->algs, NULL) != ERR_OK))
        return "bad_algorithms";
    if (!algorithms)
        c->algs = JWS_ALL; /* then the key alone decides */
    if (!texts(a, json_get(line, "issuer"), &issuers, &c->issuers_n) ||
        !texts(a, json_get(line, "audience"), &audiences, &c->audiences_n))
        return "bad_line";
    c->issuers = issuers;
    c->audiences = audiences;
    c->client_id = true;
    c->require_exp = json_bool_or(json_get(line, "require_exp"), false);
    return NULL;
}

/* A JWK without its private members: nobody needs them to verify. */
static const struct json *public_part(struct arena *a, const struct json *jwk)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi"};
    struct json *kept = json_new_object(a, jwk->n);
    for (size_t i = 0; i < jwk->n; i++) {
        bool is_private = false;
        for (size_t j = 0; j < COUNTOF(names); j++)
            is_private |= str_eqz(jwk->members[i].key, names[j]);
        if (!is_private && json_set(a, kept, jwk->members[i].key, jwk->members[i].value) != ERR_OK)
            return NULL;
    }
    return kept;
}

/* "jwks" is public by intent, so private members in it are refused; a single "jwk" was handed over
 * by name and may have them. */
static const char *read_keys(struct arena *a, const struct json *line, struct jwks **out)
{
    const struct json *set = json_get(line, "jwks"), *one = json_get(line, "jwk");
    if (!set == !one)
        return "bad_line";
    const struct json *v = set ? set : json_is(one, JSON_OBJECT) ? public_part(a, one) : one;
    enum err err = json_is(v, JSON_STRING) ? jwks_parse(v->s, JWK_GIVEN, out, NULL)
                                           : jwks_from_json(v, JWK_GIVEN, out, NULL);
    return err ? "bad_keys" : NULL;
}

static const char *judge(struct arena *a, const struct json *line)
{
    struct jwt_checker c = {0};
    struct jwks *keys = NULL;
    struct jwt_fault why;
    struct jwt t;
    struct str token;
    const struct json *now = json_get(line, "now");
    double now_s =
        json_is(now, JSON_NUMBER) ? now->real : (double)clock_wall_us(&clock_system) / 1e6;
    const char *broken = read_checker(a, line, &c);
    if (broken == NULL)
        broken = read_keys(a, line, &keys);
    if (broken)
        return broken;
    enum jwt_reason r = JWT_MALFORMED;
    if (json_str(json_get(line, "token"), &token)) {
        if (json_bool_or(json_get(line, "claims"), true)) {
            r = jwt_verify(&c, keys, a, token, now_s, &t, &why);
        } else {
            r = jws_read(a, token, c.algs, &t.jws, &why);
            if (r == JWT_OK)
                r = jws_verify(&t.jws, keys, (int64_t)now_s, NULL, &why);
        }
    }
    jwks_unref(keys);
    return jwt_reason_code(r);
}

static void verify_line(struct arena *a, const struct json *line, struct buf *out)
{
    const char *reason = line ? judge(a, line) : "bad_line";
    buf_addf(out, "\"valid\":%s,\"reason\":\"%s\"", str_eqz(str_c(reason), "ok") ? "true" : "false",
             reason);
}

int verb_jwt(int argc, char **argv)
{
    static struct options o;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    bool verify = o.positionals == 1 && str_eqz(str_c(o.positional[0]), "verify");
    if (option_is(&o, "help") || !verify) {
        fprintf(option_is(&o, "help") ? stdout : stderr,
                "usage: ropeline jwt verify --jwks FILE|--key FILE [OPTIONS] < TOKEN\n"
                "       ropeline jwt verify --jsonl\n\n"
                "--jsonl reads {\"id\",\"token\",\"jwks\" or \"jwk\",\"algorithms\"?,\"issuer\"?,"
                "\"audience\"?,\n\"now\"?,\"require_exp\"?,\"claims\"?} and writes "
                "{\"id\",\"valid\",\"reason\"}\n\n");
        if (option_is(&o, "help"))
            options_help(rows, COUNTOF(rows));
        return option_is(&o, "help") ? 0 : 2;
    }
    return option_is(&o, "jsonl") ? jsonl_answer(verify_line) : recheck_token(&o);
}
