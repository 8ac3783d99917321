/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a token without its key. */
#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jwt.h"

static const struct json *decode_part(struct arena *a, struct str part)
{
    const struct json *tree = NULL;
    AUTO_BUF text = BUF_INIT(LIMIT_IDENTITY_VALUE);
    if (crypt_base64url_decode(&text, part) != ERR_OK)
        return NULL;
    struct str kept = arena_str(a, buf_str(&text));
    if (kept.p == NULL || json_parse(a, kept, LIMIT_IDENTITY_VALUE, &tree, NULL) != ERR_OK)
        return NULL;
    return json_is(tree, JSON_OBJECT) ? tree : NULL;
}

static struct jwt_claim_time claim_time(const struct json *claims, const char *name)
{
    const struct json *v = json_get(claims, name);
    struct jwt_claim_time t = {false, 0};
    if (json_is(v, JSON_NUMBER) && v->real > -1e15 && v->real < 1e15) {
        t.present = true;
        t.seconds = (int64_t)v->real;
    }
    return t;
}

enum err jwt_peek(struct arena *a, struct str token, struct jwt_facts *out)
{
    struct str payload, signature;
    *out = (struct jwt_facts){0};
    struct str head = str_cut(token, '.', &payload);
    payload = str_cut(payload, '.', &signature);
    if (signature.p == NULL || str_chr(signature, '.', 0) != SIZE_MAX)
        return ERR_SYNTAX;
    const struct json *header = decode_part(a, head), *claims = decode_part(a, payload);
    if (header == NULL || claims == NULL)
        return ERR_SYNTAX;
    out->alg = json_str_or(json_get(header, "alg"), STR(""));
    out->kid = json_str_or(json_get(header, "kid"), STR(""));
    out->iss = json_str_or(json_get(claims, "iss"), STR(""));
    out->exp = claim_time(claims, "exp");
    out->nbf = claim_time(claims, "nbf");
    out->iat = claim_time(claims, "iat");
    const struct json *aud = json_get(claims, "aud");
    out->aud = json_str_or(aud, STR(""));
    if (json_is(aud, JSON_ARRAY)) {
        AUTO_BUF list = BUF_INIT(LIMIT_IDENTITY_VALUE);
        json_write(&list, aud);
        out->aud = arena_str(a, buf_str(&list));
    }
    return ERR_OK;
}
