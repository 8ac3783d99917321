/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of tokens and of small calls: at most 8 KiB, read on every request, so it has a reader
 * of its own that copies no string (docs/decisions). Invariant: it accepts no text that json_parse
 * refuses, and gives the same tree; tests/fuzz/jwt_fuzz.c compares the two. Stricter: an object at
 * the top, the caps of tokens, and no NUL, escaped or not. */
#include "json.h"

#include "base/limits.h"
#include "base/map.h"

#define FEW_MEMBERS 16 /* up to here comparing with each is cheaper than hashing */

struct reader {
    struct arena *a;
    const char *p, *end;
    unsigned depth;
    size_t values;
};

/* A value of a container that is still open. */
struct link {
    struct json value; /* first: a finished container points here */
    struct str key;
    struct link *next;
};

static enum err read_value(struct reader *r, struct json *to);

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits behind \u; -1 when they are not there. */
static int read_hex4(struct reader *r)
{
    int value = 0;
    if (r->end - r->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*r->p++);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Behind "\u". Surrogates only as a pair, and no U+0000: it would end a name somewhere. */
static char *read_unicode(struct reader *r, char *to)
{
    int c = read_hex4(r);
    if (c <= 0 || (c >= 0xdc00 && c <= 0xdfff))
        return NULL;
    if (c >= 0xd800 && c <= 0xdbff) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return NULL;
        r->p += 2;
        int low = read_hex4(r);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const int lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | c >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
    return to;
}

/* Behind the backslash. What is written is never longer than what was read. */
static char *read_escape(struct reader *r, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (r->p == r->end)
        return NULL;
    char c = *r->p++;
    if (c == 'u')
        return read_unicode(r, to);
    const char *at = c ? strchr(letters, c) : NULL;
    if (at == NULL)
        return NULL;
    *to++ = meant[at - letters];
    return to;
}

/* The rest of a string that has escapes, from its first one on: into memory of its own. */
static enum err read_escaped(struct reader *r, const char *start, struct str *out)
{
    const char *end = r->p;
    while (end < r->end && *end != '"')
        end += *end == '\\' ? 2 : 1;
    if (end >= r->end)
        return ERR_SYNTAX;
    size_t before = (size_t)(r->p - start);
    char *text = arena_array(r->a, (size_t)(end - start), 1), *to = text;
    if (text == NULL)
        return ERR_NOMEM;
    memcpy(to, start, before);
    to += before;
    while (r->p < end) {
        char c = *r->p++;
        if ((unsigned char)c < 0x20)
            return ERR_SYNTAX;
        if (c != '\\')
            *to++ = c;
        else if ((to = read_escape(r, to)) == NULL)
            return ERR_SYNTAX;
    }
    r->p = end + 1;
    *out = str_of(text, (size_t)(to - text));
    return str_is_utf8(*out) ? ERR_OK : ERR_SYNTAX;
}

/* Behind the opening quote. */
static enum err read_string(struct reader *r, struct str *out)
{
    const char *start = r->p;
    unsigned char seen = 0; /* all bytes together: is one of them not ASCII? */
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        unsigned char c = (unsigned char)*r->p;
        if (c < 0x20)
            return ERR_SYNTAX;
        if (c == '\\')
            return read_escaped(r, start, out);
        seen |= c;
    }
    if (r->p == r->end)
        return ERR_SYNTAX;
    *out = str_of(start, (size_t)(r->p++ - start));
    return seen < 0x80 || str_is_utf8(*out) ? ERR_OK : ERR_SYNTAX;
}

/* ---- numbers ---- */

static enum err read_number(struct reader *r, struct json *to)
{
    const char *start = r->p;
    int64_t n = 0;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && r->p - start < 18)
        n = n * 10 + (*r->p++ - '0');
    struct str text = str_of(start, (size_t)(r->p - start));
    bool ends = r->p == r->end || !strchr("0123456789.eE+-", *r->p) || *r->p == '\0';
    if (text.n > 0 && ends && (text.n == 1 || start[0] != '0')) {
        *to = (struct json){
            .type = JSON_NUMBER, .s = text, .is_int = true, .i = n, .real = (double)n};
        return ERR_OK;
    }
    while (r->p < r->end && *r->p && strchr("0123456789.eE+-", *r->p))
        r->p++;
    return json_read_number(r->a, str_of(start, (size_t)(r->p - start)), to);
}

/* ---- containers ---- */

/* Another value of this document: may there be one more? */
static struct link *new_link(struct reader *r, enum err *err)
{
    struct link *l = ++r->values > LIMIT_JWT_MEMBERS ? NULL : ARENA_NEW(r->a, struct link);
    *err = l ? ERR_OK : r->values > LIMIT_JWT_MEMBERS ? ERR_LIMIT : ERR_NOMEM;
    return l;
}

static enum err read_items(struct reader *r, struct json *to)
{
    struct link *first = NULL, **last = &first;
    enum err err = ERR_OK;
    if (!take(r, ']')) {
        do {
            struct link *l = new_link(r, &err);
            if (l == NULL)
                return err;
            *last = l;
            last = &l->next;
            to->n++;
            if ((err = read_value(r, &l->value)) != ERR_OK)
                return err;
        } while (take(r, ','));
        if (!take(r, ']'))
            return ERR_SYNTAX;
    }
    to->type = JSON_ARRAY;
    to->items = ARENA_ARRAY(r->a, to->n, const struct json *);
    for (size_t i = 0; to->items && i < to->n; i++, first = first->next)
        to->items[i] = &first->value;
    return to->items ? ERR_OK : ERR_NOMEM;
}

/* Was the name there before? Few are compared one by one, many are looked up, so that a token full
 * of names costs no more than its length. */
static enum err check_name(struct map *names, struct link *first, const struct link *l, size_t n)
{
    void *old = NULL;
    enum err err = ERR_OK;
    if (n <= FEW_MEMBERS) {
        for (const struct link *at = first; at != l; at = at->next)
            if (str_eq(at->key, l->key))
                return ERR_SYNTAX;
        return ERR_OK;
    }
    if (n == FEW_MEMBERS + 1)
        for (struct link *at = first; at != l && err == ERR_OK; at = at->next)
            err = map_put(names, at->key, at, NULL);
    if (err == ERR_OK)
        err = map_put(names, l->key, first, &old);
    return err ? err : old ? ERR_SYNTAX : ERR_OK;
}

static enum err read_member(struct reader *r, struct map *names, struct link *first, struct link *l,
                            size_t n)
{
    if (!take(r, '"'))
        return ERR_SYNTAX;
    enum err err = read_string(r, &l->key);
    if (err == ERR_OK)
        err = check_name(names, first, l, n);
    if (err == ERR_OK && !take(r, ':'))
        err = ERR_SYNTAX;
    return err ? err : read_value(r, &l->value);
}

static enum err read_members(struct reader *r, struct json *to)
{
    struct link *first = NULL, **last = &first;
    struct map names = {0};
    enum err err = ERR_OK;
    if (!take(r, '}')) {
        do {
            struct link *l = new_link(r, &err);
            if (l == NULL)
                break;
            *last = l;
            last = &l->next;
            err = read_member(r, &names, first, l, ++to->n);
        } while (err == ERR_OK && take(r, ','));
        if (err == ERR_OK && !take(r, '}'))
            err = ERR_SYNTAX;
    }
    map_fini(&names);
    if (err != ERR_OK)
        return err;
    to->type = JSON_OBJECT;
    to->members = ARENA_ARRAY(r->a, to->n, struct json_member);
    for (size_t i = 0; to->members && i < to->n; i++, first = first->next)
        to->members[i] = (struct json_member){.key = first->key, .value = &first->value};
    return to->members ? ERR_OK : ERR_NOMEM;
}

static enum err read_container(struct reader *r, struct json *to, bool object)
{
    if (++r->depth > LIMIT_JWT_DEPTH)
        return ERR_LIMIT;
    enum err err = object ? read_members(r, to) : read_items(r, to);
    r->depth--;
    return err;
}

static enum err read_word(struct reader *r, const char *word, enum json_type type, struct json *to)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n - 1 || memcmp(r->p, word + 1, n - 1) != 0)
        return ERR_SYNTAX;
    r->p += n - 1;
    to->type = type;
    return ERR_OK;
}

static enum err read_value(struct reader *r, struct json *to)
{
    skip_blanks(r);
    if (r->p == r->end)
        return ERR_SYNTAX;
    switch (*r->p++) {
    case '{':
        return read_container(r, to, true);
    case '[':
        return read_container(r, to, false);
    case '"':
        to->type = JSON_STRING;
        return read_string(r, &to->s);
    case 't':
        return read_word(r, "true", JSON_TRUE, to);
    case 'f':
        return read_word(r, "false", JSON_FALSE, to);
    case 'n':
        return read_word(r, "null", JSON_NULL, to);
    default:
        r->p--;
        return read_number(r, to);
    }
}

enum err json_parse_object(struct arena *a, struct str text, const struct json **out)
{
    struct reader r = {.a = a, .p = text.p, .end = text.p + text.n, .values = 1};
    struct json *top = ARENA_NEW(a, struct json);
    *out = NULL;
    if (top == NULL)
        return ERR_NOMEM;
    if (!take(&r, '{'))
        return ERR_SYNTAX;
    enum err err = read_container(&r, top, true);
    skip_blanks(&r);
    if (err == ERR_OK && r.p != r.end)
        err = ERR_SYNTAX;
    if (err == ERR_OK)
        *out = top;
    return err;
}

enum err json_parse_kept(struct arena *a, struct str text, size_t max, const struct json **out)
{
    enum err err = text.n <= LIMIT_JWT_BYTES ? json_parse_object(a, text, out) : ERR_LIMIT;
    return err == ERR_OK || err == ERR_NOMEM ? err : json_parse(a, text, max, out, NULL);
}
