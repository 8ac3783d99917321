/* SPDX-License-Identifier: Apache-2.0
 *
 * The templates of gateway responses: plain replacement of $context.NAME, $stageVariables.NAME and
 * $method.request.header|querystring|path.NAME, which is all that API Gateway does there (specs
 * 4.2). Invariants: what would need Velocity is refused when the document loads; a value that a
 * client wrote cannot end the JSON string or the element that it stands in. */
#include "mapping_int.h"

#define HOLES (SOURCE_REQUEST | SOURCE_VARIABLE | SOURCE_CONTEXT)

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* How long the reference after a '$' is; a dot or dash at its end belongs to the text. */
static size_t reference_length(struct str s)
{
    size_t n = 0;
    while (n < s.n && is_name(s.p[n]))
        n++;
    while (n > 0 && (s.p[n - 1] == '.' || s.p[n - 1] == '-'))
        n--;
    return n;
}

/* "#if(", "#set (", "#[[": what a person would write for Velocity. A lone '#' is text. */
static bool is_directive(struct str s)
{
    static const char *const names[] = {"set",     "if",    "elseif", "else",  "end",
                                        "foreach", "macro", "parse",  "break", "stop"};
    if (str_starts(s, STR("[[")) || str_starts(s, STR("{")))
        return true;
    size_t n = 0;
    while (n < s.n && is_letter(s.p[n]))
        n++;
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (str_eqz(str_sub(s, 0, n), names[i]))
            return true;
    return false;
}

static enum err refuse(struct errinfo *e, struct str at)
{
    size_t n = 0;
    while (n < at.n && n < 60 && at.p[n] > ' ' && at.p[n] != '"')
        n++;
    return errinfo_set(e, ERR_UNSUPPORTED,
                       "%.*s is Velocity (VTL), which gateway responses do not have: only "
                       "$context.NAME, $stageVariables.NAME and "
                       "$method.request.header|querystring|path.NAME are replaced",
                       STR_ARG(str_sub(at, 0, n)));
}

/* The next thing that is not literal: its offset, or s.n. ERR_UNSUPPORTED for Velocity. */
static enum err find_hole(struct str s, size_t *at, size_t *length, struct source *hole,
                          struct errinfo *e)
{
    for (size_t i = 0; i < s.n; i++) {
        struct str rest = str_from(s, i + 1);
        char next = rest.n ? rest.p[0] : '\0';
        if (s.p[i] == '#' && is_directive(rest))
            return refuse(e, str_from(s, i));
        if (s.p[i] != '$' || !(is_letter(next) || next == '{' || next == '!'))
            continue;
        *length = reference_length(rest);
        if (!mapping__source(str_sub(rest, 0, *length), HOLES, hole))
            return refuse(e, str_from(s, i));
        *at = i;
        (*length)++;
        return ERR_OK;
    }
    *at = s.n;
    *length = 0;
    *hole = (struct source){0};
    return ERR_OK;
}

enum err text__compile(struct arena *a, struct str source, struct text *out, struct errinfo *e)
{
    size_t dollars = 0, at = 0, length = 0;
    struct str rest = arena_str(a, source);
    *out = (struct text){NULL, 0};
    for (size_t i = 0; rest.p && i < rest.n; i++)
        dollars += rest.p[i] == '$';
    if (rest.p)
        out->v = ARENA_ARRAY(a, dollars + 1, struct text_piece);
    if (out->v == NULL)
        return ERR_NOMEM;
    do {
        struct text_piece *piece = &out->v[out->n++];
        enum err err = find_hole(rest, &at, &length, &piece->hole, e);
        if (err != ERR_OK)
            return err;
        piece->literal = str_sub(rest, 0, at);
        rest = str_from(rest, at + length);
    } while (length > 0);
    return ERR_OK;
}

enum text_escape text__escape(struct str media_type)
{
    struct str rest, type = str_trim(str_cut(media_type, ';', &rest));
    if (str_ieq(type, STR("application/json")) || str_ends(type, STR("+json")))
        return TEXT_JSON;
    if (str_ieq(type, STR("text/html")) || str_ends(type, STR("/xml")) ||
        str_ends(type, STR("+xml")))
        return TEXT_MARKUP;
    return TEXT_RAW;
}

/* Octets that are no UTF-8 become '?': a JSON text has none. */
static void add_json(struct buf *b, struct str s)
{
    bool text = str_is_utf8(s);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20)
            buf_addf(b, "\\u%04x", c);
        else if (c >= 0x80 && !text)
            buf_addc(b, '?');
        else if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else
            buf_addc(b, (char)c);
    }
}

static void add_markup(struct buf *b, struct str s)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < s.n; i++) {
        const char *entity = NULL;
        for (size_t k = 0; k < COUNTOF(entities); k++)
            if (entities[k].c == s.p[i])
                entity = entities[k].entity;
        if (entity)
            buf_addz(b, entity);
        else
            buf_addc(b, s.p[i]);
    }
}

/* What the operator or his functions wrote goes in as it is: it may be JSON or markup on purpose.
 * messageString has its quotes already. */
static bool is_trusted(const struct source *hole)
{
    return hole->kind == SOURCE_VARIABLE ||
           (hole->kind == SOURCE_CONTEXT && (str_starts(hole->name, STR("authorizer.")) ||
                                             str_eqz(hole->name, "error.messageString")));
}

void text__write(struct exchange *x, const struct text *t, enum text_escape escape, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        struct str value;
        const struct source *hole = &t->v[i].hole;
        buf_add(out, t->v[i].literal);
        if (hole->read == NULL || !hole->read(x, hole->name, &value))
            continue;
        if (escape == TEXT_RAW || is_trusted(hole))
            buf_add(out, value);
        else if (escape == TEXT_JSON)
            add_json(out, value);
        else
            add_markup(out, value);
    }
}
