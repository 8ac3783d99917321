/* SPDX-License-Identifier: Apache-2.0
 *
 * The token of a request (RFC 6750 2.1): one header or one query string, its "Bearer " prefix
 * optional and in any letter case, as API Gateway takes it (specs 3.6). Invariant: what two readers
 * could take for two tokens is none. */
#include "base/limits.h"
#include "jwt_int.h"

static const struct {
    const char *prefix;
    bool http_api;
    enum auth_place place;
} places[] = {
    {"$request.header.", true, AUTH_HEADER},
    {"$request.querystring.", true, AUTH_QUERY},
    {"method.request.header.", false, AUTH_HEADER},
};

/* A list in HTTP APIs, of which the first counts; one string in REST APIs. */
enum err bearer__compile(struct arena *a, const struct json *spec, bool http_api,
                         struct bearer *out, struct errinfo *e)
{
    const struct json *source = json_get(spec, "identitySource");
    const struct json *at = source ? source : spec;
    struct str text = http_api ? STR("$request.header.Authorization")
                               : STR("method.request.header.Authorization");
    if (source)
        text = str_trim(
            json_str_or(json_is(source, JSON_ARRAY) ? json_at(source, 0) : source, STR("")));
    out->challenges = http_api;
    out->written = arena_str(a, text);
    if (out->written.p == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < COUNTOF(places); i++) {
        struct str prefix = str_c(places[i].prefix);
        if (places[i].http_api != http_api || !str_starts(text, prefix) || text.n == prefix.n)
            continue;
        out->place = places[i].place;
        out->name = str_from(out->written, prefix.n);
        if (out->place != AUTH_HEADER || http_is_token(out->name))
            return ERR_OK;
    }
    return errinfo_at(e, ERR_INVALID, at->line, at->col, "the token is in %s, not in \"%.*s\"",
                      http_api ? "$request.header.NAME or $request.querystring.NAME"
                               : "method.request.header.NAME",
                      STR_ARG(str_sub(text, 0, 80)));
}

enum err bearer__token(const struct bearer *b, const struct auth_call *c, struct str *out)
{
    const struct str prefix = STR("Bearer ");
    enum err err = c->facts.ops->value(c->facts.request, b->place, b->name, out);
    if (err != ERR_OK)
        return err;
    if (out->n > LIMIT_IDENTITY_VALUE || !str_is_utf8(*out))
        return ERR_DENIED;
    if (str_ieq(*out, STR("Bearer")))
        return ERR_NOTFOUND;
    if (str_istarts(*out, prefix))
        *out = str_from(*out, prefix.n);
    return ERR_OK;
}

struct str bearer__shown(const struct bearer *b, const struct auth_call *c)
{
    struct str token;
    return bearer__token(b, c, &token) == ERR_OK ? token : STR_NONE;
}

bool bearer__reads_header(const struct bearer *b, struct str name)
{
    return b->place == AUTH_HEADER && str_ieq(b->name, name);
}

bool bearer__refuse(const struct bearer *b, struct auth_call *c, const char *description)
{
    c->verdict = AUTH_UNAUTHORIZED;
    if (b->challenges) {
        struct str text = arena_fmt(
            c->arena, "Bearer scope=\"\" error=\"invalid_token\" error_description=\"%s\"",
            description);
        c->challenge = text.p ? text : STR("Bearer");
    }
    return true;
}

bool bearer__refuse_absent(const struct bearer *b, struct auth_call *c, enum err err)
{
    if (err == ERR_NOMEM)
        return true; /* the verdict is still AUTH_ERROR */
    decision_note(c->record, "authorize", VERDICT_INFO, "source", b->written);
    if (err == ERR_NOTFOUND) {
        decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                      STR("there is no token in the request"));
        c->verdict = AUTH_UNAUTHORIZED;
        c->challenge = b->challenges ? STR("Bearer") : STR("");
        return true;
    }
    decision_note(c->record, "authorize", VERDICT_DENY, "identity",
                  STR("the token is there more than once, longer than 8 KiB or not UTF-8"));
    return bearer__refuse(b, c, "the token is malformed");
}
