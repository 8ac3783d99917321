/* SPDX-License-Identifier: Apache-2.0
 *
 * What functions of HTTP APIs may return (specs 7.2). Payload format 2.0 is inferred: with a
 * statusCode the members are taken, any other JSON is the body of a 200. Format 1.0 must say its
 * statusCode. Invariant: a member of the wrong type is an error of the function, never guessed at.
 */
#include "base/crypt.h"
#include "http_api_int.h"

/* Not with a statusCode: the JSON as the function wrote it; a string without its quotes. */
static enum err infer(struct exchange *x, const struct json *v, struct str text, struct buf *body)
{
    x->answer.status = 200;
    buf_add(body, v->type == JSON_STRING ? v->s : str_trim(text));
    return http_add(x->arena, &x->answer.headers, STR("Content-Type"), STR("application/json"));
}

static enum err take_body(const struct json *v, struct buf *body)
{
    const struct json *given = json_get(v, "body"), *encoded = json_get(v, "isBase64Encoded");
    struct str text = STR("");
    if (given && given->type != JSON_NULL && !proxy_answer__text(given, &text))
        return ERR_INVALID;
    if (encoded && encoded->type != JSON_NULL && !json_is_bool(encoded))
        return ERR_INVALID;
    if (!json_bool_or(encoded, false)) {
        buf_add(body, text);
        return ERR_OK;
    }
    enum err err = crypt_base64_decode(body, text);
    return err == ERR_SYNTAX ? ERR_INVALID : err;
}

static enum err take_cookies(struct exchange *x, const struct json *cookies)
{
    if (cookies == NULL || cookies->type == JSON_NULL)
        return ERR_OK;
    if (cookies->type != JSON_ARRAY)
        return ERR_INVALID;
    for (size_t i = 0; i < cookies->n; i++) {
        struct str value = STR("");
        if (!json_str(cookies->items[i], &value))
            return ERR_INVALID;
        enum err err = proxy_answer__header(x, STR("Set-Cookie"), value);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err lambda_answer__take(struct exchange *x, enum payload_format format, const struct json *v,
                             struct str text, struct buf *body)
{
    const struct json *status = json_get(v, "statusCode");
    x->answer = (struct http_response){0};
    enum err err = exchange__add_ids(x, &x->answer.headers);
    if (err == ERR_OK && status == NULL && format == PAYLOAD_2_0)
        err = infer(x, v, text, body);
    else if (err == ERR_OK && status == NULL)
        err = ERR_INVALID;
    else if (err == ERR_OK) {
        const struct json *headers = proxy_answer__object(json_get(v, "headers"), &err);
        const struct json *multi = proxy_answer__object(json_get(v, "multiValueHeaders"), &err);
        if (err == ERR_OK)
            err = proxy_answer__status(status, &x->answer.status);
        if (err == ERR_OK)
            err = proxy_answer__headers(x, headers, format == PAYLOAD_1_0 ? multi : NULL);
        if (err == ERR_OK && format == PAYLOAD_2_0)
            err = take_cookies(x, json_get(v, "cookies"));
        if (err == ERR_OK)
            err = take_body(v, body);
        if (err == ERR_OK && http_find(&x->answer.headers, STR("Content-Type")) == NULL)
            err = http_add(x->arena, &x->answer.headers, STR("Content-Type"),
                           STR("text/plain;charset=UTF-8"));
    }
    return err ? err : body->err;
}
