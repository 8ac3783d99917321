/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies are text unless their Content-Type, or what the client accepts first, is one of the API's
 * binaryMediaTypes. One table says what is encoded and what decoded on the way. */
#include "media_int.h"

#include "base/crypt.h"

struct str media__type(struct str value)
{
    struct str rest, type = str_cut(value, ',', &rest);
    return str_trim(str_cut(type, ';', &rest));
}

static bool covers(struct str pattern, struct str type)
{
    struct str any = STR("/*");
    if (str_eqz(pattern, "*/*"))
        return true;
    if (type.n > 0 && str_ends(pattern, any))
        return str_istarts(type, str_sub(pattern, 0, pattern.n - 1));
    return type.n > 0 && str_ieq(pattern, type);
}

bool media__is_binary(const struct api *api, struct str value)
{
    struct str type = media__type(value);
    for (size_t i = 0; i < api->binary_count; i++)
        if (covers(api->binary[i], type))
            return true;
    return false;
}

enum err media__handling(const struct json *spec, enum media_handling *out, struct errinfo *e)
{
    const struct json *v = json_get(spec, "contentHandling");
    struct str text = json_str_or(v, STR(""));
    *out = MEDIA_AS_IT_IS;
    if (v == NULL || v->type == JSON_NULL)
        return ERR_OK;
    if (str_ieq(text, STR("CONVERT_TO_BINARY")))
        *out = MEDIA_TO_BINARY;
    else if (str_ieq(text, STR("CONVERT_TO_TEXT")))
        *out = MEDIA_TO_TEXT;
    else
        return errinfo_at(e, ERR_INVALID, v->line, v->col,
                          "contentHandling is CONVERT_TO_BINARY or CONVERT_TO_TEXT");
    return ERR_OK;
}

static enum err encode(struct str *body, struct buf *kept)
{
    crypt_base64(kept, *body);
    *body = buf_str(kept);
    return kept->err;
}

static enum err decode(struct str *body, struct buf *kept)
{
    enum err err = crypt_base64_decode(kept, *body);
    *body = buf_str(kept);
    return err == ERR_NOMEM || err == ERR_OK ? err : ERR_INVALID;
}

enum err media__to_backend(const struct exchange *x, enum media_handling how, struct str *body,
                           struct buf *kept)
{
    bool binary = media__is_binary(x->api, http_value(&x->rq->headers, STR("Content-Type")));
    if (body->n == 0 || how == MEDIA_AS_IT_IS || binary == (how == MEDIA_TO_BINARY))
        return ERR_OK;
    return binary ? encode(body, kept) : decode(body, kept);
}

enum err media__to_client(const struct exchange *x, enum media_handling how,
                          struct str content_type, struct str *body, struct buf *kept)
{
    bool binary = media__is_binary(x->api, content_type);
    bool accepts = media__is_binary(x->api, http_value(&x->rq->headers, STR("Accept")));
    if (how == MEDIA_AS_IT_IS)
        how = accepts ? MEDIA_TO_BINARY : MEDIA_TO_TEXT;
    if (body->n == 0 || binary == (how == MEDIA_TO_BINARY))
        return ERR_OK;
    return binary ? encode(body, kept) : decode(body, kept);
}

enum err media__passthrough(const struct json *spec, enum passthrough *out, struct errinfo *e)
{
    static const char *const names[] = {[PASS_WHEN_NO_MATCH] = "WHEN_NO_MATCH",
                                        [PASS_WHEN_NO_TEMPLATES] = "WHEN_NO_TEMPLATES",
                                        [PASS_NEVER] = "NEVER"};
    const struct json *v = json_get(spec, "passthroughBehavior");
    struct str text = json_str_or(v, STR("WHEN_NO_MATCH"));
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_ieq(text, str_c(names[i]))) {
            *out = (enum passthrough)i;
            return ERR_OK;
        }
    return errinfo_at(e, ERR_INVALID, v->line, v->col,
                      "passthroughBehavior is WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER");
}
