/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a pattern with `*` and `?` accept a text? Head and tail of the pattern are compared in
 * place, literal pieces between stars are taken leftmost first, and only a pattern with `?` runs an
 * automaton, one bit for each of its bytes: nothing here ever goes back over the text. */
#include "policy/pattern_int.h"

#define WORDS ((POLICY__PATTERN_MAX + 1 + 63) / 64)

_Static_assert(POLICY__PATTERN_MAX < UINT16_MAX, "lengths of patterns are kept in 16 bits");

/* Bit i of a set means: the first i positions of the pattern have been accepted. A position is a
 * literal byte or a `?`; a star is no position but a loop on the one after it. */
struct automaton {
    size_t words, positions;
    uint64_t one[WORDS];           /* positions that are `?` */
    uint64_t loop[WORDS];          /* positions with a star before them */
    uint64_t literal[256 * WORDS]; /* row b: positions that are the byte b */
};

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c ^ 0x20) : c;
}

size_t policy__char_length(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t want = p[0] < 0xc2 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 1;

    if (want == 1 || n < want)
        return 1;
    for (size_t i = 1; i < want; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 1;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || /* overlong, surrogate */
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))   /* overlong, > U+10FFFF */
        return 1;
    return want;
}

static bool same_bytes(const char *a, const char *b, size_t n, bool ignore_case)
{
    if (!ignore_case)
        return memcmp(a, b, n) == 0;
    return str_ieq(str_of(a, n), str_of(b, n));
}

static void set_bit(uint64_t *set, size_t i)
{
    set[i / 64] |= (uint64_t)1 << (i % 64);
}

/* One character of one byte: every position of `now` either accepts it and moves on, or stays by
 * its star, or is lost. `row` says which positions accept it literally. True when one moved on. */
static inline __attribute__((always_inline)) bool step(const struct automaton *m, uint64_t *now,
                                                       const uint64_t *row, size_t words)
{
    uint64_t carry = 0, moved = 0;

    for (size_t w = 0; w < words; w++) {
        uint64_t set = now[w] & (m->one[w] | row[w]);
        moved |= set;
        now[w] = (now[w] & m->loop[w]) | set << 1 | carry;
        carry = set >> 63;
    }
    return moved != 0;
}

/* A character of several bytes: `?` takes it as a whole, a literal byte by byte. */
static bool step_wide(const struct automaton *m, uint64_t *now, const unsigned char *character,
                      size_t length, const uint64_t *empty)
{
    uint64_t path[WORDS];
    bool moved, whole = false;

    memcpy(path, now, sizeof path);
    moved = step(m, now, empty, m->words);
    for (size_t i = 0; i < length; i++) {
        const uint64_t *row = &m->literal[character[i] * m->words];
        uint64_t carry = 0, any = 0;
        for (size_t w = 0; w < m->words; w++) {
            uint64_t set = path[w] & row[w];
            any |= set;
            path[w] = set << 1 | carry;
            carry = set >> 63;
        }
        whole = any != 0;
    }
    for (size_t w = 0; w < m->words; w++)
        now[w] |= path[w];
    return moved || whole;
}

static void automaton_make(struct automaton *m, const struct policy__pattern *p, size_t from,
                           size_t to, bool ignore_case)
{
    m->words = (to - from + 1 + 63) / 64;
    m->positions = 0;
    memset(m->one, 0, sizeof m->one);
    memset(m->loop, 0, sizeof m->loop);
    memset(m->literal, 0, 256 * m->words * sizeof m->literal[0]);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)p->program[i];

        if (c == p->any) {
            set_bit(m->loop, m->positions);
            continue;
        }
        if (c == p->one) {
            set_bit(m->one, m->positions++);
            continue;
        }
        set_bit(&m->literal[c * m->words], m->positions);
        if (ignore_case && lower(c) >= 'a' && lower(c) <= 'z')
            set_bit(&m->literal[(c ^ 0x20u) * m->words], m->positions);
        m->positions++;
    }
}

/* True when the whole text is accepted. *furthest: the end of the last character at which some
 * position moved on, that is, which was not taken by a star alone. Inlined twice, because nearly
 * every pattern fits one word. */
static inline __attribute__((always_inline)) bool run(const struct automaton *m, struct str text,
                                                      size_t *furthest, size_t words)
{
    const unsigned char *t = (const unsigned char *)text.p;
    const uint64_t *empty = &m->literal[POLICY__ANY * words]; /* a byte that no pattern has */
    uint64_t now[WORDS] = {1}, alive = 1;
    size_t length;

    *furthest = 0;
    for (size_t at = 0; at < text.n && alive; at += length) {
        bool moved;

        length = policy__char_length(text.p + at, text.n - at);
        if (length > 1)
            moved = step_wide(m, now, t + at, length, empty);
        else
            moved = step(m, now, t[at] < 0x80 ? &m->literal[t[at] * words] : empty, words);
        if (moved)
            *furthest = at + length;
        alive = 0;
        for (size_t w = 0; w < words; w++)
            alive |= now[w];
    }
    return now[m->positions / 64] >> (m->positions % 64) & 1;
}

/* The part of the pattern from `from` to `to` as an automaton on `text`. */
static bool run_part(const struct policy__pattern *p, size_t from, size_t to, struct str text,
                     bool ignore_case, size_t *furthest)
{
    /* 20 KiB of which a short pattern uses 2: automaton_make clears what is used. */
    __attribute__((uninitialized)) struct automaton m;

    automaton_make(&m, p, from, to, ignore_case);
    return m.words == 1 ? run(&m, text, furthest, 1) : run(&m, text, furthest, m.words);
}

/* Literal pieces between stars, each at its first place after the one before. */
static bool match_pieces(const struct policy__pattern *p, struct str text)
{
    const char *piece = p->program + p->head, *end = p->program + p->program_n - p->tail;
    const char *at = text.p, *text_end = text.p + text.n, *star;

    /* *piece is a star, and so is the last byte before `end` */
    while ((star = memchr(piece + 1, p->any, (size_t)(end - piece - 1))) != NULL) {
        size_t n = (size_t)(star - piece - 1);
        if (n > 0) {
            at = memmem(at, (size_t)(text_end - at), piece + 1, n);
            if (!at)
                return false;
            at += n;
        }
        piece = star;
    }
    return true;
}

bool policy__match(const struct policy__pattern *p, struct str text, bool ignore_case)
{
    struct str middle;
    size_t furthest;

    if (p->kind == POLICY__LITERAL ? text.n != p->head : text.n < (size_t)p->head + p->tail)
        return false;
    if (text.n == 0)
        text.p = "";
    if (!same_bytes(text.p, p->program, p->head, ignore_case) ||
        !same_bytes(text.p + text.n - p->tail, p->program + p->program_n - p->tail, p->tail,
                    ignore_case))
        return false;
    if (p->kind == POLICY__LITERAL || p->kind == POLICY__STAR)
        return true;
    middle = str_of(text.p + p->head, text.n - p->head - p->tail);
    if (p->kind == POLICY__PIECES && !ignore_case)
        return match_pieces(p, middle);
    return run_part(p, p->head, (size_t)(p->program_n - p->tail), middle, ignore_case, &furthest);
}

static size_t agreed(const struct policy__pattern *p, struct str text, bool ignore_case)
{
    size_t at = 0, furthest;

    while (at < p->head && at < text.n && same_bytes(text.p + at, p->program + at, 1, ignore_case))
        at++;
    if (at == p->head) {
        (void)run_part(p, p->head, p->program_n, str_from(text, at), ignore_case, &furthest);
        return at + furthest;
    }
    while (at > 0 && ((unsigned char)p->program[at] & 0xc0) == 0x80)
        at--; /* not half a character */
    return at;
}

size_t policy__agreed(const struct policy__pattern *p, struct str text)
{
    return agreed(p, text, false);
}

static void add_pair(struct policy__pairs *set, char a, char b)
{
    unsigned char bit = (unsigned char)((unsigned char)a * 37u + (unsigned char)b);

    set->bits[bit / 64] |= (uint64_t)1 << (bit % 64);
}

struct policy__pairs policy__pairs_of(struct str text)
{
    struct policy__pairs set = {{0}};

    for (size_t i = 1; i < text.n; i++)
        add_pair(&set, text.p[i - 1], text.p[i]);
    return set;
}

static bool is_wildcard(const struct policy__pattern *p, char c)
{
    return (unsigned char)c == p->any || (unsigned char)c == p->one;
}

struct policy__pattern policy__pattern_make(struct str program, unsigned char any,
                                            unsigned char one)
{
    struct policy__pattern p = {
        .program = program.p, .program_n = (uint16_t)program.n, .any = any, .one = one};
    size_t first = 0, last = program.n;

    ASSERT(program.n <= POLICY__PATTERN_MAX);
    if (program.n == 0)
        p.program = "";
    while (first < program.n && !is_wildcard(&p, program.p[first]))
        first++;
    while (last > first && !is_wildcard(&p, program.p[last - 1]))
        last--;
    p.head = (uint16_t)first;
    p.tail = (uint16_t)(program.n - last);
    p.kind = first == program.n ? POLICY__LITERAL : POLICY__STAR;
    for (size_t i = first; i < last; i++) {
        if ((unsigned char)program.p[i] == one)
            p.kind = POLICY__GLOB;
        else if ((unsigned char)program.p[i] != any && p.kind == POLICY__STAR)
            p.kind = POLICY__PIECES;
    }
    for (size_t i = 1; i < program.n; i++)
        if (!is_wildcard(&p, program.p[i - 1]) && !is_wildcard(&p, program.p[i]))
            add_pair(&p.pairs, program.p[i - 1], program.p[i]);
    return p;
}

bool policy_glob(struct str pattern, struct str text, bool ignore_case, size_t *furthest)
{
    struct policy__pattern p;
    bool matched;

    if (furthest)
        *furthest = 0;
    if (pattern.n > LIMIT_POLICY_RESOURCE || !str_is_utf8(pattern))
        return false;
    p = policy__pattern_make(pattern, '*', '?');
    matched = policy__match(&p, text, ignore_case);
    if (furthest)
        *furthest = matched ? text.n : agreed(&p, text, ignore_case);
    return matched;
}
