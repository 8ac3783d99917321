/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes of a policy document one flat, immutable block of memory in which every pattern is analysed
 * already. Two passes over the same patterns: the first finds what must be refused and counts, the
 * second copies; so nothing is half built when an error comes. */
#include "base/mem.h"
#include "policy/policy_int.h"

/* What will be matched for one written pattern. */
struct rewritten {
    char bytes[POLICY__PATTERN_MAX];
    size_t n;
    bool same; /* as written: `bytes` is not used */
    unsigned char any, one;
};

/* The writer while it fills the block: `patterns` and `text` move forward. */
struct block {
    struct policy__pattern *patterns;
    uint32_t pattern_n;
    char *text;
};

/* How many of an ARN's six fields are missing at its end: `arn:aws:sqs` may be meant as
 * `arn:aws:sqs:*:*:*`. A pattern with a slash has come to the resource, however many fields its
 * stars swallow, and a final star reaches to the end by itself. */
static size_t missing_fields(struct str s)
{
    size_t colons = 0;

    if (!str_starts(s, STR("arn:")) || str_ends(s, STR("*")) || str_chr(s, '/', 0) != SIZE_MAX)
        return 0;
    for (size_t i = 0; i < s.n; i++)
        colons += s.p[i] == ':';
    return colons < 5 ? 5 - colons : 0;
}

/* An incomplete ARN is read both ways, literally and completed, where that takes access away: Deny
 * with Resource, Allow with NotResource. Elsewhere it is literal alone. So whichever reading the
 * author had in mind, ours permits no more. */
static bool completes(const struct policy__ast_statement *s)
{
    return s->deny != s->resources.inverted;
}

/* Version 2012-10-17: `${*}`, `${?}` and `${$}` are those characters themselves. Copies `s` so that
 * the wildcards left are POLICY__ANY and POLICY__ONE. */
static enum err rewrite_variables(struct str s, const struct json *node, size_t k,
                                  struct rewritten *r, struct errinfo *e)
{
    r->any = POLICY__ANY;
    r->one = POLICY__ONE;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        struct str rest = str_from(s, i);

        if (str_starts(rest, STR("${"))) {
            size_t end = str_chr(rest, '}', 2);
            if (end == SIZE_MAX)
                return policy__refuse(e, ERR_INVALID, node, k, "\"${\" without \"}\"");
            c = rest.p[2];
            if (end != 3 || !memchr("*?$", c, 3))
                return policy__refuse(e, ERR_UNSUPPORTED, node, k,
                                      "policy variable %.*s is not supported",
                                      STR_ARG(str_sub(rest, 0, end < 64 ? end + 1 : 64)));
            i += 3;
        } else if (c == '*') {
            c = (char)POLICY__ANY;
        } else if (c == '?') {
            c = (char)POLICY__ONE;
        }
        r->bytes[r->n++] = c;
    }
    return ERR_OK;
}

static enum err rewrite(struct str s, bool variables, const struct json *node, size_t k,
                        struct rewritten *r, struct errinfo *e)
{
    r->n = 0;
    r->any = '*';
    r->one = '?';
    r->same = !variables || str_find(s, STR("${")) == SIZE_MAX;
    return r->same ? ERR_OK : rewrite_variables(s, node, k, r, e);
}

/* Makes of the rewritten `s` its completed form; false when it is complete. */
static bool complete(struct str s, struct rewritten *r)
{
    size_t missing = missing_fields(s);

    if (missing == 0)
        return false;
    if (r->same) {
        memcpy(r->bytes, s.p, s.n);
        r->n = s.n;
        r->same = false;
    }
    for (; missing > 0; missing--) {
        r->bytes[r->n++] = ':';
        r->bytes[r->n++] = (char)r->any;
    }
    return true;
}

static enum err measure_list(const struct policy__list *l, bool variables, bool completed, size_t k,
                             size_t *patterns, size_t *text, struct errinfo *e)
{
    for (size_t i = 0; i < policy__list_n(l); i++) {
        struct str s = policy__list_at(l, i);
        struct rewritten r;
        enum err err = rewrite(s, variables, l->node, k, &r, e);
        if (err)
            return err;
        *patterns += 1;
        *text += s.n + r.n;
        if (completed && complete(s, &r)) {
            *patterns += 1;
            *text += r.n;
        }
    }
    return ERR_OK;
}

static bool lists_equal(const struct policy__list *a, const struct policy__list *b)
{
    if (a->inverted != b->inverted || policy__list_n(a) != policy__list_n(b))
        return false;
    for (size_t i = 0; i < policy__list_n(a); i++)
        if (!str_eq(policy__list_at(a, i), policy__list_at(b, i)))
            return false;
    return true;
}

/* Statements of one policy mostly name the same actions: a run of them is stored and judged once.
 */
static bool same_actions(const struct policy__ast *ast, size_t k)
{
    return k > 0 && lists_equal(&ast->statements[k - 1].actions, &ast->statements[k].actions);
}

static enum err measure(const struct policy__ast *ast, size_t *patterns, size_t *text,
                        struct errinfo *e)
{
    for (size_t k = 0; k < ast->n; k++) {
        const struct policy__ast_statement *s = &ast->statements[k];
        enum err err = ERR_OK;
        if (!same_actions(ast, k))
            err = measure_list(&s->actions, ast->variables, false, k, patterns, text, e);
        if (!err)
            err = measure_list(&s->resources, ast->variables, completes(s), k, patterns, text, e);
        if (err)
            return err;
    }
    return ERR_OK;
}

static struct str put_text(struct block *b, const char *p, size_t n)
{
    struct str copy = {b->text, n};

    if (n > 0)
        memcpy(b->text, p, n);
    b->text += n;
    return copy;
}

static void put_pattern(struct block *b, struct str written, const struct rewritten *r)
{
    struct str program = r->same ? written : put_text(b, r->bytes, r->n);
    struct policy__pattern *p = &b->patterns[b->pattern_n++];

    *p = policy__pattern_make(program, r->any, r->one);
    p->written = written.p;
    p->written_n = (uint16_t)written.n;
}

static struct policy__range put_list(struct block *b, const struct policy__list *l, bool variables,
                                     bool completed)
{
    struct policy__range range = {b->pattern_n, 0};

    for (size_t i = 0; i < policy__list_n(l); i++) {
        struct str s = policy__list_at(l, i), written = put_text(b, s.p, s.n);
        struct rewritten r;
        enum err err = rewrite(s, variables, l->node, 0, &r, NULL);

        ASSERT(!err); /* measured before */
        put_pattern(b, written, &r);
        if (completed && complete(s, &r))
            put_pattern(b, written, &r);
    }
    range.n = b->pattern_n - range.first;
    return range;
}

static struct policy *build(const struct policy__ast *ast, size_t patterns, size_t text)
{
    size_t bytes = sizeof(struct policy) + ast->n * sizeof(struct policy__statement) +
                   patterns * sizeof(struct policy__pattern) + text;
    struct policy *p = mem_alloc(bytes);
    struct policy__statement *statements;
    struct block b = {NULL, 0, NULL};

    if (!p)
        return NULL;
    b.patterns = (struct policy__pattern *)(void *)(p + 1);
    statements = (struct policy__statement *)(void *)(b.patterns + patterns);
    b.text = (char *)(statements + ast->n);
    p->bytes = bytes;
    p->statement_n = ast->n;
    p->pattern_n = patterns;
    p->statements = statements;
    p->patterns = b.patterns;
    for (size_t k = 0; k < ast->n; k++) {
        const struct policy__ast_statement *from = &ast->statements[k];
        struct policy__statement *to = &statements[k];

        to->deny = from->deny;
        to->not_action = from->actions.inverted;
        to->not_resource = from->resources.inverted;
        to->same_actions = same_actions(ast, k);
        to->actions = to->same_actions ? statements[k - 1].actions
                                       : put_list(&b, &from->actions, ast->variables, false);
        to->resources = put_list(&b, &from->resources, ast->variables, completes(from));
    }
    ASSERT(b.pattern_n == patterns && b.text == (char *)p + bytes);
    return p;
}

enum err policy_compile(const struct json *document, struct policy **out, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(1), KIB(128));
    struct policy__ast ast = {false, 0, NULL};
    size_t patterns = 0, text = 0;
    enum err err;

    *out = NULL;
    if (!a)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err = policy__parse(a, document, &ast, e);
    if (!err)
        err = measure(&ast, &patterns, &text, e);
    if (!err) {
        *out = build(&ast, patterns, text);
        if (!*out)
            err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    arena_free(a);
    return err;
}

void policy_free(struct policy *p)
{
    mem_free(p);
}

size_t policy_bytes(const struct policy *p)
{
    return p->bytes;
}

size_t policy_statements(const struct policy *p)
{
    return p->statement_n;
}
