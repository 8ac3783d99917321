/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts with policy variables. What a request puts in for a variable is literal: it is compared
 * where it stands and never joined with the pattern, so no value can bring a wildcard, a variable
 * or a part of an ARN of its own. A variable without a value leaves a template that matches
 * nothing. */
#include "policy/pattern_int.h"

/* --- reading -------------------------------------------------------------------------------- */
static bool is_key_char(char c)
{
    return (unsigned char)c > ' ' && !memchr("${},'\"*?", c, 8);
}

static size_t skip_spaces(struct str s, size_t at)
{
    while (at < s.n && s.p[at] == ' ')
        at++;
    return at;
}

/* Behind the comma of `${key, 'text'}`: the text up to the next quote; *at ends at the brace. */
static bool take_fallback(struct str s, size_t *at, struct policy__segment *out)
{
    size_t from = skip_spaces(s, *at), end;

    if (from == s.n || s.p[from] != '\'')
        return false;
    end = str_chr(s, '\'', ++from);
    if (end == SIZE_MAX)
        return false;
    out->fallback = s.p + from;
    out->fallback_n = (uint16_t)(end - from);
    *at = skip_spaces(s, end + 1);
    return true;
}

/* `s` begins with `${`. */
static bool take_variable(struct str *rest, struct policy__segment *out, const char **why)
{
    struct str s = *rest;
    size_t at = 2;

    if (s.n > 3 && s.p[3] == '}' && memchr("*?$", s.p[2], 3)) {
        *out = (struct policy__segment){.p = s.p + 2, .n = 1, .kind = SEGMENT_TEXT};
        *rest = str_from(s, 4);
        return true;
    }
    while (at < s.n && is_key_char(s.p[at]))
        at++;
    *out =
        (struct policy__segment){.p = s.p + 2, .n = (uint16_t)(at - 2), .kind = SEGMENT_VARIABLE};
    *why = str_chr(s, '}', 2) == SIZE_MAX ? "\"${\" without \"}\""
                                          : "a malformed policy variable: neither ${key} nor "
                                            "${key, 'default'}";
    if (out->n == 0)
        return false;
    if (at < s.n && s.p[at] == ',') {
        at++;
        if (!take_fallback(s, &at, out))
            return false;
    }
    if (at == s.n || s.p[at] != '}')
        return false;
    *rest = str_from(s, at + 1);
    return true;
}

bool policy__segment_take(struct str *rest, bool variables, bool wildcards,
                          struct policy__segment *out, const char **why)
{
    struct str s = *rest;
    size_t n = 0;

    if (wildcards && (s.p[0] == '*' || s.p[0] == '?')) {
        *out = (struct policy__segment){
            .p = s.p, .n = 1, .kind = s.p[0] == '*' ? SEGMENT_STAR : SEGMENT_ONE};
        *rest = str_from(s, 1);
        return true;
    }
    if (variables && str_starts(s, STR("${")))
        return take_variable(rest, out, why);
    do
        n++;
    while (n < s.n && !(wildcards && (s.p[n] == '*' || s.p[n] == '?')) &&
           !(variables && str_starts(str_from(s, n), STR("${"))));
    *out = (struct policy__segment){.p = s.p, .n = (uint16_t)n, .kind = SEGMENT_TEXT};
    *rest = str_from(s, n);
    return true;
}

/* --- filling -------------------------------------------------------------------------------- */
static bool value_of(const struct policy__segment *s, const struct policy_context *context,
                     struct str *out)
{
    const struct str *values = NULL;
    size_t n = context ? context->get(context->arg, str_of(s->p, s->n), &values) : 0;

    if (n == 0 && s->fallback) {
        *out = str_of(s->fallback, s->fallback_n);
        return true;
    }
    if (n != 1 || !str_is_utf8(values[0]))
        return false;
    *out = values[0];
    return true;
}

bool policy__resolve(const struct policy__template *t, const struct policy_context *context,
                     struct policy__resolved *out, struct str *missing)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const struct policy__segment *s = &t->v[i];
        if (s->kind == SEGMENT_VARIABLE && !value_of(s, context, &out->v[s->ordinal])) {
            if (missing)
                *missing = str_of(s->p, s->n);
            return false;
        }
    }
    return true;
}

/* --- matching ------------------------------------------------------------------------------- */
/* A run of segments, without the first `skip` bytes of its first and what is behind byte `cut` of
 * its last one. */
struct rope {
    const struct policy__template *t;
    const struct policy__resolved *r;
    size_t first, end;
    size_t skip, cut;
};

static struct rope whole(const struct policy__template *t, const struct policy__resolved *r)
{
    return (struct rope){t, r, 0, t->n, 0, SIZE_MAX};
}

/* Of a TEXT or VARIABLE segment: the bytes that stand there. */
static struct str part(const struct rope *rope, size_t i)
{
    const struct policy__segment *s = &rope->t->v[i];
    struct str bytes = s->kind == SEGMENT_VARIABLE ? rope->r->v[s->ordinal] : str_of(s->p, s->n);
    size_t from = i == rope->first ? rope->skip : 0;

    if (i + 1 == rope->end && rope->cut < bytes.n)
        bytes.n = rope->cut;
    return str_from(bytes, from);
}

static bool is_kind(const struct rope *rope, size_t i, enum policy__segment_kind kind)
{
    return rope->t->v[i].kind == kind;
}

static size_t next_star(const struct rope *rope, size_t i)
{
    while (i < rope->end && !is_kind(rope, i, SEGMENT_STAR))
        i++;
    return i;
}

/* How far one piece, the segments from `i` up to `end`, which has no star, agrees with the text
 * from *at on; *at moves there. True when all of it does. */
static bool piece_at(const struct rope *rope, size_t i, size_t end, struct str text, size_t *at)
{
    for (; i < end; i++) {
        if (is_kind(rope, i, SEGMENT_ONE)) {
            if (*at == text.n)
                return false;
            *at += policy__char_length(text.p + *at, text.n - *at);
            continue;
        }
        struct str bytes = part(rope, i);
        size_t room = text.n - *at;
        if (bytes.n > room || (bytes.n > 0 && memcmp(text.p + *at, bytes.p, bytes.n) != 0)) {
            size_t same = 0;
            while (same < bytes.n && same < room && text.p[*at + same] == bytes.p[same])
                same++;
            while (same > 0 && ((unsigned char)bytes.p[same] & 0xc0) == 0x80)
                same--; /* not half a character */
            *at += same;
            return false;
        }
        *at += bytes.n;
    }
    return true;
}

static size_t count_chars(struct str s)
{
    size_t n = 0;

    for (size_t at = 0; at < s.n; n++)
        at += policy__char_length(s.p + at, s.n - at);
    return n;
}

/* The piece at the end of the pattern, which must end where the text does: the number of its
 * characters says where it begins. */
static bool piece_ends(const struct rope *rope, size_t i, struct str text, size_t at)
{
    size_t there = count_chars(str_from(text, at)), needed = 0;

    for (size_t k = i; k < rope->end; k++)
        needed += is_kind(rope, k, SEGMENT_ONE) ? 1 : count_chars(part(rope, k));
    if (there < needed)
        return false;
    for (; there > needed; there--)
        at += policy__char_length(text.p + at, text.n - at);
    return piece_at(rope, i, rope->end, text, &at) && at == text.n;
}

/* The leftmost place from *at on where the piece is; *at moves behind it. */
static bool find_piece(const struct rope *rope, size_t i, size_t end, struct str text, size_t *at)
{
    while (i < end && is_kind(rope, i, SEGMENT_ONE)) { /* `*?` is `?*` */
        if (*at == text.n)
            return false;
        *at += policy__char_length(text.p + *at, text.n - *at);
        i++;
    }
    if (i == end)
        return true;
    struct str bytes = part(rope, i);
    for (;;) {
        const char *found =
            bytes.n > 0 ? memmem(text.p + *at, text.n - *at, bytes.p, bytes.n) : text.p + *at;
        if (found == NULL)
            return false;
        size_t from = (size_t)(found - text.p);
        *at = from;
        if (piece_at(rope, i, end, text, at))
            return true;
        if (from == text.n)
            return false;
        *at = from + policy__char_length(text.p + from, text.n - from);
    }
}

/* How far some beginning of a piece that failed agrees, wherever it stands behind `at`. */
static size_t reach(const struct rope *rope, size_t i, size_t end, struct str text, size_t at)
{
    size_t best = at;

    for (size_t from = at; from < text.n;
         from += policy__char_length(text.p + from, text.n - from)) {
        size_t to = from;
        (void)piece_at(rope, i, end, text, &to);
        best = to > from && to > best ? to : best;
    }
    return best;
}

/* *furthest, which may be NULL, is set when it does not match. */
static bool glob(const struct rope *rope, struct str text, size_t *furthest)
{
    size_t i = rope->first, star = next_star(rope, i), at = 0;

    if (text.n == 0)
        text.p = "";
    if (!piece_at(rope, i, star, text, &at) || (star == rope->end && at < text.n)) {
        if (furthest)
            *furthest = at;
        return false;
    }
    while (star < rope->end && (i = star + 1) < rope->end) {
        star = next_star(rope, i);
        size_t from = at;
        if (star == rope->end ? piece_ends(rope, i, text, at)
                              : find_piece(rope, i, star, text, &at))
            continue;
        if (furthest)
            *furthest = reach(rope, i, star, text, from);
        return false;
    }
    return true;
}

bool policy__template_glob(const struct policy__template *t, const struct policy__resolved *r,
                           struct str text, size_t *agreed)
{
    struct rope rope = whole(t, r);
    bool matched = glob(&rope, text, agreed);

    if (agreed && matched)
        *agreed = text.n;
    return matched;
}

bool policy__template_equals(const struct policy__template *t, const struct policy__resolved *r,
                             struct str text, bool ignore_case)
{
    struct rope rope = whole(t, r);
    size_t at = 0;

    for (size_t i = 0; i < rope.end; i++) {
        struct str bytes = part(&rope, i), there = str_sub(text, at, bytes.n);
        if (!(ignore_case ? str_ieq(bytes, there) : str_eq(bytes, there)))
            return false;
        at += bytes.n;
    }
    return at == text.n;
}

/* Cuts the rope at its first colon: what is before it into *head. False when there is none. */
static bool cut_rope(struct rope *rope, struct rope *head)
{
    for (size_t i = rope->first; i < rope->end; i++) {
        size_t colon = str_chr(part(rope, i), ':', 0); /* a wildcard is none */
        if (colon == SIZE_MAX)
            continue;
        colon += i == rope->first ? rope->skip : 0;
        *head = *rope;
        head->end = i + 1;
        head->cut = colon;
        rope->first = i;
        rope->skip = colon + 1;
        return true;
    }
    return false;
}

bool policy__template_arn(const struct policy__template *t, const struct policy__resolved *r,
                          struct str text)
{
    struct rope rope = whole(t, r), head;

    for (int i = 0; i < 5; i++) {
        struct str rest, field = str_cut(text, ':', &rest);
        if (!rest.p || !cut_rope(&rope, &head) || !glob(&head, field, NULL))
            return false;
        text = rest;
    }
    return glob(&rope, text, NULL);
}
