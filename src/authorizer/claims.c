/* SPDX-License-Identifier: Apache-2.0
 *
 * A verified token as the result of an authorizer: who it is, what it may, and its claims as they
 * are; whoever writes an event or a mapping chooses their form (gateway/). */
#include "jwt_int.h"

static enum err add_word(struct arena *a, struct auth_result *r, struct str *v, size_t max,
                         struct str word)
{
    if (word.n == 0 || r->scope_count == max)
        return ERR_OK;
    v[r->scope_count] = arena_str(a, word);
    if (v[r->scope_count].p == NULL)
        return ERR_NOMEM;
    r->scope_count++;
    return ERR_OK;
}

/* `scope` is one text with blanks, `scp` that or a list (specs 3.6). */
static enum err read_scopes(struct arena *a, struct auth_result *r, const struct json *claims)
{
    static const char *const names[] = {"scope", "scp"};
    struct str *v = ARENA_ARRAY(a, LIMIT_TOKEN_SCOPES, struct str);
    enum err err = v ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; i < COUNTOF(names); i++) {
        const struct json *s = json_get(claims, names[i]);
        struct str rest = json_str_or(s, STR_NONE);
        while (rest.p && err == ERR_OK)
            err = add_word(a, r, v, LIMIT_TOKEN_SCOPES, str_cut(rest, ' ', &rest));
        for (size_t k = 0; json_is(s, JSON_ARRAY) && k < s->n && err == ERR_OK; k++)
            err = add_word(a, r, v, LIMIT_TOKEN_SCOPES, json_str_or(s->items[k], STR("")));
    }
    r->scopes = v;
    return err;
}

enum err auth__claims_result(struct arena *a, const struct json *claims, bool challenges,
                             struct auth_result **out)
{
    static const char *const who[] = {"sub", "username", "client_id"};
    struct auth_result *r = ARENA_NEW(a, struct auth_result);
    *out = NULL;
    if (r == NULL)
        return ERR_NOMEM;
    atomic_init(&r->refs, 1);
    r->principal = STR("");
    for (size_t i = 0; i < COUNTOF(who) && r->principal.n == 0; i++)
        r->principal = json_str_or(json_get(claims, who[i]), STR(""));
    r->usage_key = STR("");
    r->claims = claims;
    r->allowed = true;
    r->challenges = challenges;
    enum err err = read_scopes(a, r, claims);
    if (err == ERR_OK)
        *out = r;
    return err;
}
