/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes of a policy document one flat, immutable block of memory in which every pattern and value
 * is analysed already. The same code goes over the document twice: first it refuses and counts,
 * then it copies; so nothing is half built when an error comes. */
#include "base/mem.h"
#include "policy/policy_int.h"

/* --- the writer ----------------------------------------------------------------------------- */
struct str policy__put_text(struct policy__block *b, struct str s)
{
    struct str copy = s;

    if (b->text) {
        copy.p = b->text + b->text_n;
        if (s.n > 0)
            memcpy(b->text + b->text_n, s.p, s.n);
    }
    b->text_n += s.n;
    return copy;
}

static void put_pattern(struct policy__block *b, const struct policy__pattern *p)
{
    if (b->patterns)
        b->patterns[b->pattern_n] = *p;
    b->pattern_n++;
}

void policy__put_value(struct policy__block *b, const struct policy__value *v)
{
    if (b->values)
        b->values[b->value_n] = *v;
    b->value_n++;
}

void policy__put_condition(struct policy__block *b, const struct policy__condition *c)
{
    if (b->conditions)
        b->conditions[b->condition_n] = *c;
    b->condition_n++;
}

bool policy__scan(const struct policy__block *b, struct str text, bool wildcards, size_t *variables,
                  const char **why)
{
    struct policy__segment s;

    *variables = 0;
    while (text.n > 0) {
        if (!policy__segment_take(&text, b->variables, wildcards, &s, why))
            return false;
        *variables += s.kind == SEGMENT_VARIABLE;
    }
    *why = "more policy variables than are allowed in one value (16)";
    return *variables <= POLICY__VARIABLES_MAX;
}

struct policy__template policy__put_template(struct policy__block *b, struct str text,
                                             bool wildcards)
{
    struct policy__template t = {b->segments ? b->segments + b->segment_n : NULL, 0};
    uint8_t ordinal = 0;

    for (; text.n > 0; t.n++) {
        struct policy__segment s;
        const char *why;

        ASSERT(policy__segment_take(&text, b->variables, wildcards, &s, &why));
        s.ordinal = ordinal;
        ordinal = (uint8_t)(ordinal + (s.kind == SEGMENT_VARIABLE));
        if (b->segments)
            b->segments[b->segment_n] = s;
        b->segment_n++;
    }
    return t;
}

/* Copies the segments of `text` so that the wildcards left are POLICY__ANY and POLICY__ONE. */
static size_t spell_out(struct str text, char *out)
{
    size_t n = 0;

    while (text.n > 0) {
        struct policy__segment s;
        const char *why;

        ASSERT(policy__segment_take(&text, true, true, &s, &why));
        if (s.kind == SEGMENT_TEXT)
            memcpy(out + n, s.p, s.n);
        else
            out[n] = (char)(s.kind == SEGMENT_STAR ? POLICY__ANY : POLICY__ONE);
        n += s.n;
    }
    return n;
}

struct policy__pattern policy__put_wildcards(struct policy__block *b, struct str text)
{
    char bytes[POLICY__PATTERN_MAX];

    if (!b->variables || str_find(text, STR("${")) == SIZE_MAX)
        return policy__pattern_make(text, '*', '?');
    return policy__pattern_make(policy__put_text(b, str_of(bytes, spell_out(text, bytes))),
                                POLICY__ANY, POLICY__ONE);
}

/* --- patterns ------------------------------------------------------------------------------- */
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

static void put_completed(struct policy__block *b, struct str written, struct policy__pattern p)
{
    size_t missing = missing_fields(written), n = p.program_n;
    char bytes[POLICY__PATTERN_MAX];

    if (missing == 0)
        return;
    if (!b->text) { /* only measured: the bytes of the program are nowhere yet */
        b->text_n += n + 2 * missing;
        put_pattern(b, &p);
        return;
    }
    if (n > 0)
        memcpy(bytes, p.program, n);
    for (; missing > 0; missing--) {
        bytes[n++] = ':';
        bytes[n++] = (char)p.any;
    }
    p = policy__pattern_make(policy__put_text(b, str_of(bytes, n)), p.any, p.one);
    p.written = written.p;
    p.written_n = (uint16_t)written.n;
    put_pattern(b, &p);
}

/* Variables may stand in the sixth field of an ARN alone: no request chooses its account. */
static bool in_last_field(struct str s)
{
    size_t first = SIZE_MAX, colons = 0;
    struct policy__segment segment;
    const char *why;

    for (struct str rest = s; rest.n > 0 && first == SIZE_MAX;) {
        size_t at = s.n - rest.n;
        ASSERT(policy__segment_take(&rest, true, true, &segment, &why));
        first = segment.kind == SEGMENT_VARIABLE ? at : SIZE_MAX;
    }
    for (size_t i = 0; i < first && i < s.n; i++)
        colons += s.p[i] == ':';
    return first == SIZE_MAX || colons >= 5;
}

/* The Resource of a resource policy: an ARN, a star, or the short form, which is completed. */
static enum err expand(const struct policy__block *b, const struct json *node, size_t k,
                       struct str *s, struct buf *long_form, struct errinfo *e)
{
    const struct policy_home *h = b->home;

    if (str_starts(*s, STR("arn:")) || str_starts(*s, STR("*")))
        return ERR_OK;
    if (!str_starts(*s, STR("execute-api:/")))
        return policy__refuse(e, ERR_INVALID, node, k,
                              "Resource \"%.*s\" is neither *, an ARN nor execute-api:/...",
                              SHOWN(*s));
    buf_addf(long_form, "arn:%.*s:execute-api:%.*s:%.*s:%.*s", STR_ARG(h->partition),
             STR_ARG(h->region), STR_ARG(h->account), STR_ARG(h->api));
    buf_add(long_form, str_from(*s, strlen("execute-api:")));
    if (long_form->err == ERR_NOMEM)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (long_form->err || long_form->n > LIMIT_POLICY_RESOURCE)
        return policy__refuse(e, ERR_INVALID, node, k, "Resource is longer than %d bytes",
                              LIMIT_POLICY_RESOURCE);
    *s = buf_str(long_form);
    return ERR_OK;
}

/* What one list is for. */
struct role {
    size_t statement;
    bool resource;  /* else actions */
    bool completed; /* incomplete ARNs count in both readings */
};

/* `s` is what is matched, `written` what is shown; both are in the block. */
static enum err put_one(struct policy__block *b, const struct json *node, const struct role *role,
                        struct str s, struct str written, struct errinfo *e)
{
    struct policy__pattern p = {.kind = POLICY__VARIABLE};
    const char *why = "";
    size_t variables;

    if (!policy__scan(b, s, true, &variables, &why))
        return policy__refuse(e, ERR_INVALID, node, role->statement, "%s", why);
    if (variables > 0 && (!role->resource || !in_last_field(s)))
        return policy__refuse(e, ERR_INVALID, node, role->statement,
                              "a policy variable has its place in the last part of a Resource: "
                              "\"%.*s\"",
                              SHOWN(s));
    if (variables > 0)
        p.template = policy__put_template(b, s, true);
    else
        p = policy__put_wildcards(b, s);
    p.written = written.p;
    p.written_n = (uint16_t)written.n;
    put_pattern(b, &p);
    if (role->completed && variables == 0)
        put_completed(b, s, p);
    return ERR_OK;
}

static enum err put_list(struct policy__block *b, const struct policy__list *l,
                         const struct role *role, struct policy__range *out, struct errinfo *e)
{
    out->first = b->pattern_n;
    for (size_t i = 0; i < policy__list_n(l); i++) {
        AUTO_BUF long_form = BUF_INIT(2 * (size_t)LIMIT_POLICY_RESOURCE);
        struct str s = policy__list_at(l, i);
        struct str written = policy__put_text(b, s);
        enum err err = ERR_OK;

        s = written;
        if (b->home && role->resource)
            err = expand(b, l->node, role->statement, &s, &long_form, e);
        if (!err && s.p != written.p)
            s = policy__put_text(b, s);
        if (!err)
            err = put_one(b, l->node, role, s, written, e);
        if (err)
            return err;
    }
    out->n = b->pattern_n - out->first;
    return ERR_OK;
}

/* --- the block ------------------------------------------------------------------------------ */
static bool lists_equal(const struct policy__list *a, const struct policy__list *b)
{
    if (a->inverted != b->inverted || policy__list_n(a) != policy__list_n(b))
        return false;
    for (size_t i = 0; i < policy__list_n(a); i++)
        if (!str_eq(policy__list_at(a, i), policy__list_at(b, i)))
            return false;
    return true;
}

static enum err put_statement(struct policy__block *b, const struct policy__ast *ast, size_t k,
                              const struct policy__statement *before, struct policy__statement *to,
                              struct errinfo *e)
{
    const struct policy__ast_statement *from = &ast->statements[k];
    struct role role = {k, false, false};
    enum err err = ERR_OK;

    *to = (struct policy__statement){.deny = from->deny,
                                     .not_action = from->actions.inverted,
                                     .not_resource = from->resources.inverted};
    /* Statements of one policy mostly name the same actions: a run is stored and judged once. */
    to->same_actions = k > 0 && lists_equal(&ast->statements[k - 1].actions, &from->actions);
    if (to->same_actions)
        to->actions = before->actions;
    else
        err = put_list(b, &from->actions, &role, &to->actions, e);
    role.resource = true;
    role.completed = completes(from);
    if (!err)
        err = put_list(b, &from->resources, &role, &to->resources, e);
    if (!err)
        err = policy__put_conditions(b, from->condition, k, &to->conditions, e);
    to->any_principal = b->home == NULL;
    if (!err && b->home)
        err = policy__put_principals(b, from, k, to, e);
    return err;
}

static enum err put_statements(struct policy__block *b, const struct policy__ast *ast,
                               struct errinfo *e)
{
    struct policy__statement before = {0}, now;

    for (size_t k = 0; k < ast->n; k++, before = now) {
        enum err err = put_statement(b, ast, k, &before, &now, e);
        if (err)
            return err;
        if (b->statements)
            b->statements[k] = now;
    }
    return ERR_OK;
}

/* `counted` is what the first pass found. */
static struct policy *build(const struct policy__ast *ast, const struct policy__block *counted)
{
    size_t bytes = sizeof(struct policy) + ast->n * sizeof(struct policy__statement) +
                   counted->pattern_n * sizeof(struct policy__pattern) +
                   counted->condition_n * sizeof(struct policy__condition) +
                   counted->value_n * sizeof(struct policy__value) +
                   counted->segment_n * sizeof(struct policy__segment) + counted->text_n;
    struct policy *p = mem_alloc(bytes);
    struct policy__block b = {.variables = counted->variables, .home = counted->home};

    if (!p)
        return NULL;
    b.patterns = (struct policy__pattern *)(void *)(p + 1);
    b.conditions = (struct policy__condition *)(void *)(b.patterns + counted->pattern_n);
    b.values = (struct policy__value *)(void *)(b.conditions + counted->condition_n);
    b.segments = (struct policy__segment *)(void *)(b.values + counted->value_n);
    b.statements = (struct policy__statement *)(void *)(b.segments + counted->segment_n);
    b.text = (char *)(b.statements + ast->n); /* in the order of their alignment */
    *p = (struct policy){.bytes = bytes,
                         .statement_n = ast->n,
                         .pattern_n = counted->pattern_n,
                         .statements = b.statements,
                         .patterns = b.patterns,
                         .conditions = b.conditions,
                         .values = b.values};
    if (put_statements(&b, ast, NULL) != ERR_OK) { /* out of memory: all else was judged before */
        mem_free(p);
        return NULL;
    }
    ASSERT(b.pattern_n == counted->pattern_n && b.condition_n == counted->condition_n &&
           b.value_n == counted->value_n && b.segment_n == counted->segment_n &&
           b.text_n == counted->text_n);
    return p;
}

static enum err compile(const struct json *document, const struct policy_home *home,
                        struct policy **out, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(1), KIB(128));
    struct policy__ast ast = {false, 0, NULL};
    struct policy__block counted = {.home = home};
    enum err err;

    *out = NULL;
    if (!a)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    err = policy__parse(a, document, home != NULL, &ast, e);
    counted.variables = ast.variables;
    if (!err)
        err = put_statements(&counted, &ast, e);
    if (!err) {
        *out = build(&ast, &counted);
        if (!*out)
            err = errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    }
    arena_free(a);
    return err;
}

enum err policy_compile(const struct json *document, struct policy **out, struct errinfo *e)
{
    return compile(document, NULL, out, e);
}

enum err policy_compile_resource(const struct json *document, const struct policy_home *home,
                                 struct policy **out, struct errinfo *e)
{
    AUTO_BUF text = BUF_INIT(LIMIT_RESOURCE_POLICY);

    *out = NULL;
    json_write(&text, document);
    if (text.err == ERR_NOMEM)
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (text.err)
        return errinfo_at(e, ERR_LIMIT, document->line, document->col,
                          "a resource policy has at most %d bytes", LIMIT_RESOURCE_POLICY);
    return compile(document, home, out, e);
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
