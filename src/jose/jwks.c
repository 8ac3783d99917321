/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of keys. Invariant: in a set no two keys of one kty share a kid, and secrets stand alone, so
 * which key a token means never depends on the order of the keys. */
#include "jose/jwks.h"

#include <stdatomic.h>

#include "base/limits.h"
#include "base/mem.h"

struct jwks__core {
    _Atomic unsigned refs;
};

struct jwks *jwks_ref(struct jwks *s)
{
    atomic_fetch_add(&s->core->refs, 1);
    return s;
}

static void set_free(struct jwks *s)
{
    for (size_t i = 0; i < s->n; i++)
        jwk_unref(s->keys[i]);
    mem_free(s->keys);
    mem_free(s->refused);
    mem_free(s->core);
    mem_free(s);
}

void jwks_unref(struct jwks *s)
{
    if (s && atomic_fetch_sub(&s->core->refs, 1) == 1)
        set_free(s);
}

/* Room for `n` keys and as many refusals. */
static struct jwks *set_new(size_t n)
{
    struct jwks *s = mem_alloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->core = mem_alloc(sizeof *s->core);
    s->keys = mem_calloc(n, sizeof(struct jwk *));
    s->refused = mem_calloc(n, sizeof(struct jwks_refusal));
    if (s->core && s->keys && s->refused) {
        atomic_init(&s->core->refs, 1);
        return s;
    }
    set_free(s);
    return NULL;
}

static enum err check_pair(const struct jwk *a, const struct jwk *b, struct errinfo *e)
{
    if ((a->type == JWK_OCT) != (b->type == JWK_OCT))
        return errinfo_set(e, ERR_CONFLICT, "a secret (kty oct) beside public keys");
    if (a->has_kid && b->has_kid && a->type == b->type && str_eq(a->kid, b->kid))
        return errinfo_set(e, ERR_CONFLICT, "two keys of one kty have the kid %.*s",
                           STR_ARG(str_sub(a->kid, 0, 64)));
    return ERR_OK;
}

/* Whether the set as a whole can be believed. */
static enum err check_set(const struct jwks *s, struct errinfo *e)
{
    enum err err = ERR_OK;
    if (s->n == 0)
        return errinfo_set(e, ERR_NOTFOUND, "%s",
                           s->refused_n ? s->refused[0].text : "there is no key in it");
    for (size_t i = 0; i < s->n && err == ERR_OK; i++)
        for (size_t j = 0; j < i && err == ERR_OK; j++)
            err = check_pair(s->keys[i], s->keys[j], e);
    return err;
}

enum err jwks_new(struct jwk *const *keys, size_t n, struct jwks **out, struct errinfo *e)
{
    *out = NULL;
    if (n > LIMIT_JWKS_KEYS)
        return errinfo_set(e, ERR_LIMIT, "more than %d keys", LIMIT_JWKS_KEYS);
    struct jwks *s = set_new(n ? n : 1);
    if (s == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    for (size_t i = 0; i < n; i++)
        s->keys[s->n++] = jwk_ref(keys[i]);
    enum err err = check_set(s, e);
    if (err == ERR_OK)
        *out = s;
    else
        set_free(s);
    return err;
}

/* ---- reading ---- */

static void note_refusal(struct jwks *s, struct str kid, const struct errinfo *why)
{
    struct jwks_refusal *r = &s->refused[s->refused_n++];
    r->code = why->code;
    kid = str_sub(kid, 0, sizeof r->kid - 1);
    if (kid.n)
        memcpy(r->kid, kid.p, kid.n);
    memcpy(r->text, why->text, sizeof r->text);
    r->text[sizeof r->text - 1] = '\0';
}

/* One key was read, or could not be: into the set, among the refused, or the end of it all. */
static enum err take(struct jwks *s, enum jwk_source from, enum err err, struct jwk *k,
                     struct str kid, const struct errinfo *why, struct errinfo *e)
{
    if (err == ERR_OK) {
        s->keys[s->n++] = k;
        return ERR_OK;
    }
    bool only_this = err == ERR_INVALID || err == ERR_UNSUPPORTED;
    if (only_this && from != JWK_OWN) {
        note_refusal(s, kid, why);
        return ERR_OK;
    }
    return errinfo_set(e, err, "key %zu: %s", s->n + s->refused_n + 1, why->text);
}

/* A name that a broken key shares with a good one is as ambiguous as one that two good ones share:
 * the token may mean either. A key for another use is nobody's rival. */
static enum err check_names(const struct json *const *items, size_t n, const bool *rivals,
                            struct errinfo *e)
{
    struct str kid, other;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i && rivals[i] && json_str(json_get(items[i], "kid"), &kid); j++)
            if (rivals[j] && json_str(json_get(items[j], "kid"), &other) && str_eq(kid, other) &&
                str_eq(json_str_or(json_get(items[i], "kty"), STR("")),
                       json_str_or(json_get(items[j], "kty"), STR(""))))
                return errinfo_set(e, ERR_CONFLICT, "two keys of one kty have the kid %.*s",
                                   STR_ARG(str_sub(kid, 0, 64)));
    return ERR_OK;
}

static enum err read_keys(struct jwks *s, const struct json *const *items, size_t n,
                          enum jwk_source from, struct errinfo *e)
{
    bool rivals[LIMIT_JWKS_KEYS];
    enum err err = ERR_OK;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        struct errinfo why = {0};
        struct jwk *k = NULL;
        err = jwk_parse(items[i], from, &k, &why);
        rivals[i] = err != ERR_UNSUPPORTED;
        err = take(s, from, err, k, json_str_or(json_get(items[i], "kid"), STR("")), &why, e);
    }
    return err ? err : check_names(items, n, rivals, e);
}

static enum err read_tree(const struct json *tree, enum jwk_source from, struct jwks **out,
                          struct errinfo *e)
{
    const struct json *keys = json_get(tree, "keys");
    bool single = keys == NULL && json_get(tree, "kty");
    if (!single && !json_is(keys, JSON_ARRAY))
        return errinfo_set(e, ERR_INVALID, "no list of keys and no key");
    size_t n = single ? 1 : keys->n;
    if (n > LIMIT_JWKS_KEYS)
        return errinfo_set(e, ERR_LIMIT, "more than %d keys", LIMIT_JWKS_KEYS);
    if ((*out = set_new(n ? n : 1)) == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    return read_keys(*out, single ? &tree : keys->items, n, from, e);
}

static enum err read_json(struct str text, enum jwk_source from, struct jwks **out,
                          struct errinfo *e)
{
    const struct json *tree;
    struct arena *a = arena_new(KIB(16), MIB(16));
    if (a == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    enum err err = json_parse(a, text, LIMIT_JWKS_BYTES, &tree, e);
    if (err == ERR_OK)
        err = read_tree(tree, from, out, e);
    arena_free(a);
    return err;
}

/* The end of each way to make a set: `s` (may be NULL) becomes *out or is freed. */
static enum err finish(struct jwks *s, enum err err, struct jwks **out, struct errinfo *e)
{
    if (err == ERR_OK)
        err = check_set(s, e);
    if (err == ERR_OK)
        *out = s;
    else if (s)
        set_free(s);
    return err;
}

enum err jwks_from_json(const struct json *tree, enum jwk_source from, struct jwks **out,
                        struct errinfo *e)
{
    struct jwks *s = NULL;
    *out = NULL;
    enum err err = read_tree(tree, from, &s, e);
    return finish(s, err, out, e);
}

/* The block that begins at *at, moved behind its end; empty when there is none left. */
static struct str next_block(struct str text, size_t *at)
{
    struct str rest = str_from(text, *at);
    size_t begin = str_find(rest, STR("-----BEGIN "));
    if (begin == SIZE_MAX)
        return STR("");
    size_t end = str_find(str_from(rest, begin), STR("-----END "));
    size_t line = end == SIZE_MAX ? SIZE_MAX : str_chr(rest, '\n', begin + end);
    struct str block = str_sub(rest, begin, line == SIZE_MAX ? SIZE_MAX : line + 1 - begin);
    *at += begin + block.n;
    return block;
}

/* `openssl ecparam -genkey` writes the name of the curve before the key. */
static struct str next_key(struct str text, size_t *at)
{
    struct str block = next_block(text, at);
    while (str_starts(block, STR("-----BEGIN EC PARAMETERS-----")))
        block = next_block(text, at);
    return block;
}

static enum err read_pem(struct str text, enum jwk_source from, struct jwks **out,
                         struct errinfo *e)
{
    enum err err = ERR_OK;
    size_t at = 0, n = 0;
    while (next_key(text, &at).n > 0)
        n++;
    if (n > LIMIT_JWKS_KEYS)
        return errinfo_set(e, ERR_LIMIT, "more than %d keys", LIMIT_JWKS_KEYS);
    if ((*out = set_new(n ? n : 1)) == NULL)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    at = 0;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        struct errinfo why = {0};
        struct jwk *k = NULL;
        err = jwk_parse_pem(next_key(text, &at), from, NULL, &k, &why);
        err = take(*out, from, err, k, STR(""), &why, e);
    }
    return err;
}

enum err jwks_parse(struct str text, enum jwk_source from, struct jwks **out, struct errinfo *e)
{
    struct jwks *s = NULL;
    *out = NULL;
    if (text.n > LIMIT_JWKS_BYTES)
        return errinfo_set(e, ERR_LIMIT, "larger than %d bytes", LIMIT_JWKS_BYTES);
    size_t first = 0;
    while (first < text.n && strchr(" \t\r\n", text.p[first]) && text.p[first])
        first++;
    bool json = first < text.n && text.p[first] == '{';
    bool pem = !json && str_find(text, STR("-----BEGIN ")) != SIZE_MAX;
    if (!json && !pem)
        return errinfo_set(e, ERR_SYNTAX, "neither JSON nor PEM");
    enum err err = json ? read_json(text, from, &s, e) : read_pem(text, from, &s, e);
    return finish(s, err, out, e);
}

/* ---- looking ---- */

const struct jwk *jwks_next(const struct jwks *s, const struct str *kid, const struct jws_alg *alg,
                            size_t *at)
{
    while (*at < s->n) {
        const struct jwk *k = s->keys[(*at)++];
        bool named = kid == NULL || !k->has_kid || str_eq(k->kid, *kid);
        if (named && jwk_fits(k, alg))
            return k;
    }
    return NULL;
}

const struct jwk *jwks_named(const struct jwks *s, struct str kid)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->keys[i]->has_kid && str_eq(s->keys[i]->kid, kid))
            return s->keys[i];
    return NULL;
}

void jwks_write(struct buf *out, const struct jwks *s, bool is_private)
{
    buf_addz(out, "{\"keys\":[");
    for (size_t i = 0; i < s->n; i++) {
        buf_addz(out, i ? "," : "");
        jwk_write(out, s->keys[i], is_private);
    }
    buf_addz(out, "]}");
}
