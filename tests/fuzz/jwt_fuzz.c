/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a token, and as the JSON of one. Nothing signed it, so nothing may accept it; and
 * our reader of tokens takes no JSON that base/json.h refuses, and gives the same tree. */
#include "base/json.h"
#include "base/limits.h"
#include "jose/jose_int.h"
#include "jose/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t deepest, values;
static bool has_nul;

static void measure(const struct json *v, size_t depth)
{
    values++;
    has_nul |= v->type == JSON_STRING && str_chr(v->s, '\0', 0) != SIZE_MAX;
    bool container = v->type == JSON_ARRAY || v->type == JSON_OBJECT;
    deepest = container && depth + 1 > deepest ? depth + 1 : deepest;
    for (size_t i = 0; v->type == JSON_ARRAY && i < v->n; i++)
        measure(v->items[i], depth + 1);
    for (size_t i = 0; v->type == JSON_OBJECT && i < v->n; i++) {
        has_nul |= str_chr(v->members[i].key, '\0', 0) != SIZE_MAX;
        measure(v->members[i].value, depth + 1);
    }
}

static void compare_readers(struct arena *a, struct str text)
{
    const struct json *ours, *theirs;
    enum err err = json_parse_object(a, text, &ours);
    enum err other = json_parse(a, text, MIB(1), &theirs, NULL);
    deepest = values = 0;
    has_nul = false;
    if (other == ERR_OK)
        measure(theirs, 0);
    bool wanted = other == ERR_OK && theirs->type == JSON_OBJECT && deepest <= LIMIT_JWT_DEPTH &&
                  values <= LIMIT_JWT_MEMBERS && !has_nul;
    ASSERT((err == ERR_OK) == wanted);
    if (err != ERR_OK)
        return;
    AUTO_BUF first = BUF_INIT(MIB(8)), second = BUF_INIT(MIB(8));
    json_write(&first, ours);
    json_write(&second, theirs);
    ASSERT(first.err == ERR_OK && str_eq(buf_str(&first), buf_str(&second)));
}

/* A secret set and a public one, made once. */
static struct jwks *make_keys(const char *alg)
{
    struct jwk_about about = {.has_kid = true, .kid = STR("k")};
    struct jwk *k;
    struct jwks *s;
    ASSERT(jwk_generate(jws_alg_named(str_c(alg)), &about, &k) == ERR_OK);
    ASSERT(jwks_new(&k, 1, &s, NULL) == ERR_OK);
    jwk_unref(k);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwks *keys[2];
    static const struct jwt_checker c = {.algs = JWS_ALL};
    struct str in = str_of(data, size);
    struct arena *a = arena_new(KIB(16), MIB(64));
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        struct jwt t;
        struct jwt_fault why;
        struct jwt_facts facts;
        AUTO_BUF words = BUF_INIT(KIB(4));
        if (!keys[i])
            keys[i] = make_keys(i ? "HS256" : "ES256");
        enum jwt_reason r = jwt_verify(&c, keys[i], a, in, 1.7e9, &t, &why);
        ASSERT(r != JWT_OK && r == why.reason);
        jwt_fault_write(&words, &why);
        ASSERT(words.err == ERR_OK && words.n > 0);
        (void)!jwt_peek(a, in, &facts);
    }
    compare_readers(a, in);
    arena_free(a);
    return 0;
}
