/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that calls jansson: text in, tree out, and nothing of jansson remains. Invariant:
 * no byte reaches the parser before size, depth and the memory that the tree will take are granted.
 */
#include <pthread.h>
#include <setjmp.h>

#include "base/limits.h"
#include "base_int.h"

/* Our node types and jansson's share names; within its header jansson's get another one. Its
 * json_is_* macros would see ours and are not used. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* What jansson may take beyond a multiple of the text and of its values: far more than it needs. */
#define SCRATCH_FIRST KIB(1)

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* jansson does not survive a failing allocation: 2.14 then leaves a byte out of a long token, or
 * reads and writes past a string. So it never sees one: it allocates from an arena of its own, is
 * left by longjmp when that is exhausted, and goes with the arena. Its callbacks have no argument,
 * hence the thread-local. */
struct scratch {
    struct arena *a;
    jmp_buf exhausted;
};
static _Thread_local struct scratch *scratch;

static void *scratch_alloc(size_t n)
{
    void *p = arena_alloc(scratch->a, n);
    if (!p)
        longjmp(scratch->exhausted, 1);
    return p;
}

static void scratch_free(void *p)
{
    (void)p;
}

static void set_up(void)
{
    size_t seed;
    map__draw_key(&seed, sizeof seed);
    json_set_alloc_funcs(scratch_alloc, scratch_free);
    json_object_seed(seed);
}

void json__place(struct str text, size_t at, unsigned *line, unsigned *col)
{
    *line = *col = 1;
    for (size_t i = 0; i < at && i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n') {
            ++*line;
            *col = 1;
        } else if ((c & 0xc0) != 0x80) {
            ++*col;
        }
    }
}

/* The index of the quote that ends the string begun at `at`, or the end of the text. */
static size_t string_end(struct str text, size_t at)
{
    for (at++; at < text.n && text.p[at] != '"'; at++)
        if (text.p[at] == '\\')
            at++;
    return at;
}

/* Checks the depth and counts the values: exact for well-formed text except that an empty container
 * counts as if it held one, never too small. */
static enum err measure(struct str text, size_t *values, struct errinfo *e)
{
    size_t depth = 0;
    *values = 1;
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '"':
            i = string_end(text, i);
            break;
        case '[':
        case '{':
            ++*values;
            if (++depth > LIMIT_JSON_DEPTH) {
                unsigned line, col;
                json__place(text, i, &line, &col);
                return errinfo_at(e, ERR_LIMIT, line, col, "nested deeper than %d levels",
                                  LIMIT_JSON_DEPTH);
            }
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            ++*values;
            break;
        default:
            break;
        }
    }
    return ERR_OK;
}

/* jansson overlooks a NUL byte that follows a number; JSON has no place for one anywhere. */
static enum err refuse_nul(struct str text, struct errinfo *e)
{
    unsigned line, col;
    size_t at = str_chr(text, '\0', 0);
    if (at == SIZE_MAX)
        return ERR_OK;
    json__place(text, at, &line, &col);
    return errinfo_at(e, ERR_SYNTAX, line, col, "NUL byte");
}

struct copier {
    struct arena *a;
    struct json *nodes; /* one block for all */
    size_t used, count;
};

static struct json *take(struct copier *c, size_t n)
{
    ASSERT(n <= c->count - c->used);
    struct json *first = c->nodes + c->used;
    c->used += n;
    return first;
}

static bool copy_value(struct copier *c, json_t *from, struct json *to);

static bool copy_real(struct copier *c, double d, struct json *to)
{
    char text[JSON_REAL_TEXT];
    to->type = JSON_NUMBER;
    to->real = d;
    to->s = arena_str(c->a, str_of(text, json__real_text(d, text)));
    return to->s.p != NULL;
}

static bool copy_string(struct copier *c, json_t *from, struct json *to)
{
    to->type = JSON_STRING;
    to->s = arena_str(c->a, str_of(json_string_value(from), json_string_length(from)));
    return to->s.p != NULL;
}

static bool copy_array(struct copier *c, json_t *from, struct json *to)
{
    to->type = JSON_ARRAY;
    to->n = json_array_size(from);
    to->items = ARENA_ARRAY(c->a, to->n, const struct json *);
    struct json *items = take(c, to->n);
    for (size_t i = 0; to->items && i < to->n; i++) {
        to->items[i] = &items[i];
        if (!copy_value(c, json_array_get(from, i), &items[i]))
            return false;
    }
    return to->items != NULL;
}

static bool copy_object(struct copier *c, json_t *from, struct json *to)
{
    to->type = JSON_OBJECT;
    to->n = json_object_size(from);
    to->members = ARENA_ARRAY(c->a, to->n, struct json_member);
    struct json *values = take(c, to->n);
    if (!to->members)
        return false;
    void *at = json_object_iter(from);
    for (size_t i = 0; i < to->n; i++, at = json_object_iter_next(from, at)) {
        struct json_member *m = &to->members[i];
        struct str key = str_of(json_object_iter_key(at), json_object_iter_key_len(at));
        m->key = arena_str(c->a, key);
        m->value = &values[i];
        if (!m->key.p || !copy_value(c, json_object_iter_value(at), &values[i]))
            return false;
    }
    return true;
}

static bool copy_value(struct copier *c, json_t *from, struct json *to)
{
    switch (json_typeof(from)) {
    case JANSSON_OBJECT:
        return copy_object(c, from, to);
    case JANSSON_ARRAY:
        return copy_array(c, from, to);
    case JANSSON_STRING:
        return copy_string(c, from, to);
    case JSON_INTEGER:
        return json__fill_int(c->a, json_integer_value(from), to);
    case JSON_REAL:
        return copy_real(c, json_real_value(from), to);
    case JANSSON_TRUE:
        to->type = JSON_TRUE;
        return true;
    case JANSSON_FALSE:
        to->type = JSON_FALSE;
        return true;
    case JANSSON_NULL:
        to->type = JSON_NULL;
        return true;
    }
    return false;
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Is it an integer, perhaps with a sign, that int64 cannot hold? */
static bool is_huge_integer(struct str s)
{
    uint64_t n;
    bool negative = s.n > 0 && s.p[0] == '-';
    struct str digits = str_from(s, negative);
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
    return digits.n > 0 && (!str_u64(digits, &n) || n > (uint64_t)INT64_MAX + negative);
}

/* A copy of `text` in which every integer beyond int64 ends in `.0`. Text that was malformed stays
 * so. */
static void mark_huge_integers(struct buf *out, struct str text)
{
    for (size_t i = 0, end; i < text.n; i = end) {
        end = i + 1;
        if (text.p[i] == '"') {
            end = string_end(text, i) + 1;
        } else if (is_number_byte(text.p[i])) {
            while (end < text.n && is_number_byte(text.p[end]))
                end++;
        }
        struct str token = str_sub(text, i, end - i);
        buf_add(out, token);
        if (is_huge_integer(token))
            buf_add(out, STR(".0"));
    }
}

static enum err no_room(const struct arena *a, struct errinfo *e)
{
    enum err err = arena_err(a) == ERR_LIMIT ? ERR_LIMIT : ERR_NOMEM;
    return errinfo_set(e, err, "%s", err == ERR_LIMIT ? "too many values" : err_text(err));
}

/* False when the scratch was exhausted; otherwise *root is NULL for malformed text. */
static bool load(struct scratch *s, struct str text, json_t **root, json_error_t *why)
{
    bool finished = false;
    *root = NULL;
    scratch = s;
    if (setjmp(s->exhausted) == 0) {
        *root = json_loadb(text.n ? text.p : "", text.n, FLAGS, why);
        finished = true;
    }
    scratch = NULL;
    return finished;
}

/* jansson's tree. jansson refuses integers beyond int64; to JavaScript they are numbers like
 * others, so such a text is read a second time with those integers as reals. */
static enum err decode(struct scratch *s, struct str text, json_t **root, struct errinfo *e)
{
    json_error_t why = {0};
    if (!load(s, text, root, &why))
        return no_room(s->a, e);
    if (!*root && json_error_code(&why) == json_error_numeric_overflow) {
        AUTO_BUF marked = BUF_INIT(text.n * 2);
        mark_huge_integers(&marked, text);
        if (marked.err != ERR_OK)
            return errinfo_set(e, marked.err, "%s", err_text(marked.err));
        if (!load(s, buf_str(&marked), root, &why))
            return no_room(s->a, e);
    }
    if (*root)
        return ERR_OK;
    return errinfo_at(e, ERR_SYNTAX, why.line > 0 ? (unsigned)why.line : 1,
                      why.column > 0 ? (unsigned)why.column : 1, "%s", why.text);
}

enum err json_parse(struct arena *a, struct str text, size_t max, const struct json **out,
                    struct errinfo *e)
{
    struct copier c = {.a = a};
    struct scratch s;
    json_t *root = NULL;
    *out = NULL;
    pthread_once(&once, set_up);
    if (text.n > max)
        return errinfo_set(e, ERR_LIMIT, "larger than %zu bytes", max);
    enum err err = refuse_nul(text, e);
    if (err == ERR_OK)
        err = measure(text, &c.count, e);
    if (err != ERR_OK)
        return err;
    c.nodes = ARENA_ARRAY(a, c.count, struct json);
    if (!c.nodes)
        return no_room(a, e);
    s.a = arena_new(SCRATCH_FIRST + text.n, SCRATCH_FIRST + text.n * 16 + c.count * 1024);
    if (!s.a)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err = decode(&s, text, &root, e);
    struct json *top = take(&c, 1);
    if (err == ERR_OK && !copy_value(&c, root, top))
        err = no_room(a, e);
    if (err == ERR_OK)
        *out = top;
    arena_free(s.a);
    return err;
}
