/* SPDX-License-Identifier: Apache-2.0
 *
 * How a phase answers, and how it asks the store: the small words that all operations share. */
#include <stdarg.h>
#include <stdio.h>

#include "identity_int.h"

struct json *cdi_reply(struct cdi_call *c, const char *status)
{
    struct json *o = json_new_object(c->arena, 8);
    if (o == NULL ||
        json_set(c->arena, o, STR("status"), json_new_str(c->arena, str_c(status))) != ERR_OK)
        return NULL;
    return o;
}

enum err cdi_ok(struct cdi_call *c, const struct json *reply)
{
    if (reply == NULL)
        return ERR_NOMEM;
    c->answered = true;
    c->status = 200;
    c->out = reply;
    return ERR_OK;
}

enum err cdi_status(struct cdi_call *c, const char *status)
{
    return cdi_ok(c, cdi_reply(c, status));
}

enum err cdi_status_why(struct cdi_call *c, const char *status, const char *member, const char *why)
{
    struct json *o = cdi_reply(c, status);
    enum err err =
        o ? json_set(c->arena, o, str_c(member), json_new_str(c->arena, str_c(why))) : ERR_NOMEM;
    return err ? err : cdi_ok(c, o);
}

enum err cdi_text(struct cdi_call *c, struct str text)
{
    c->answered = true;
    c->status = 200;
    c->text = text;
    return ERR_OK;
}

enum err cdi_fail(struct cdi_call *c, unsigned status, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        return ERR_INTERNAL;
    c->text =
        arena_str(c->arena, str_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
    if (c->text.p == NULL)
        return ERR_NOMEM;
    c->answered = true;
    c->status = status;
    c->out = NULL;
    return ERR_CANCELLED;
}

/* --- the store ---------------------------------------------------------------------------------
 */
struct one_row {
    struct arena *arena;
    struct store_value *out;
    size_t n;
    bool found;
};

static enum err take_row(void *arg, const struct store_value *v, size_t n)
{
    struct one_row *r = arg;
    ASSERT(n == r->n);
    for (size_t i = 0; !r->found && i < n; i++) {
        r->out[i] = v[i];
        if (v[i].type == STORE_TEXT)
            r->out[i].s = arena_str(r->arena, v[i].s);
        if (v[i].type == STORE_TEXT && r->out[i].s.p == NULL)
            return ERR_NOMEM;
    }
    r->found = true;
    return ERR_OK;
}

enum err cdi_row(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                 const struct store_value *args, size_t n_args, struct store_value *out, size_t n)
{
    struct one_row r = {c->arena, out, n, false};
    enum err err = store_run(tx, stmt, args, n_args, take_row, &r);
    return err ? err : r.found ? ERR_OK : ERR_NOTFOUND;
}

struct strings {
    struct arena *arena;
    struct json *out;
};

static enum err take_string(void *arg, const struct store_value *v, size_t n)
{
    struct strings *s = arg;
    (void)n;
    if (s->out->n >= LIMIT_CDI_LIST)
        return ERR_LIMIT;
    return json_push(s->arena, s->out, json_new_str(s->arena, v[0].s));
}

enum err cdi_strings(struct cdi_call *c, struct store_tx *tx, const struct stmt *stmt,
                     const struct store_value *args, size_t n_args, struct json **out)
{
    struct strings s = {c->arena, json_new_array(c->arena, 8)};
    *out = s.out;
    enum err err = s.out ? store_run(tx, stmt, args, n_args, take_string, &s) : ERR_NOMEM;
    return err == ERR_LIMIT
               ? cdi_fail(c, 400, "the answer would have more than %d rows", LIMIT_CDI_LIST)
               : err;
}
