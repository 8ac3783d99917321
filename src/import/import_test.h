/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of this room: a document written inline, loaded, and what is asked of the result.
 */
#ifndef ROPELINE_IMPORT_IMPORT_TEST_H
#define ROPELINE_IMPORT_IMPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"
#include "import/import.h"

struct loaded {
    struct arena *a;
    struct model model;
    struct import_report report;
    enum err err;
};

static inline struct import_options plain_options(void)
{
    return (struct import_options){.region = STR("eu-west-1"), .account = STR("111122223333")};
}

static inline struct loaded load_file(const struct import_options *o, const char *file,
                                      const char *text)
{
    struct loaded l = {.a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA)};
    assert_non_null(l.a);
    l.model.arena = l.report.arena = l.a;
    l.err = import_document(o, file, str_c(text), &l.model, &l.report);
    return l;
}

static inline struct loaded load_with(const struct import_options *o, const char *text)
{
    return load_file(o, "t.yaml", text);
}

static inline struct loaded load(const char *text)
{
    struct import_options o = plain_options();
    return load_with(&o, text);
}

static inline void unload(struct loaded *l)
{
    arena_free(l->a);
    l->a = NULL;
}

static inline void print_findings(const struct loaded *l)
{
    static const char *const names[] = {"note", "warning", "error"};
    size_t n = 0;
    for (const struct import_finding *f = l->report.first; f && n < 20; f = f->next, n++)
        print_message("  %s %s:%u:%u: %.*s\n", names[f->severity], f->file, f->line, f->col,
                      STR_ARG(f->text));
}

static inline const struct import_finding *finding(const struct loaded *l, enum import_severity s,
                                                   unsigned line, const char *words)
{
    for (const struct import_finding *f = l->report.first; f; f = f->next)
        if (f->severity == s && (line == 0 || f->line == line) &&
            str_find(f->text, str_c(words)) != SIZE_MAX)
            return f;
    return NULL;
}

static inline void expect(const struct loaded *l, enum import_severity s, unsigned line,
                          const char *words)
{
    if (finding(l, s, line, words))
        return;
    print_findings(l);
    fail_msg("nothing says \"%s\" in line %u", words, line);
}

/* The document loads; `words` (NULL = no matter) stand in a finding of that severity and line. */
static inline struct loaded accepted(const char *text)
{
    struct loaded l = load(text);
    if (l.err != ERR_OK)
        print_findings(&l);
    assert_int_equal(l.err, ERR_OK);
    assert_int_equal(l.report.errors, 0);
    return l;
}

static inline void accepts_saying(const char *text, enum import_severity s, unsigned line,
                                  const char *words)
{
    struct loaded l = accepted(text);
    expect(&l, s, line, words);
    unload(&l);
}

static inline void refuses(const char *text, unsigned line, const char *words)
{
    struct loaded l = load(text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, line, words);
    unload(&l);
}

static inline const struct model_method *method(const struct loaded *l, const char *verb,
                                                const char *path)
{
    for (const struct model_api *api = l->model.apis; api; api = api->next)
        for (const struct model_method *m = api->methods; m; m = m->next)
            if (str_eqz(m->verb, verb) && str_eqz(m->path, path))
                return m;
    fail_msg("there is no %s %s", verb, path);
    return NULL;
}

/* The authorizer's name, or "NONE" for an open method. */
static inline const char *guard_of(const struct loaded *l, const char *verb, const char *path)
{
    const struct json *m = method(l, verb, path)->method;
    struct str type = json_str_or(json_get(m, "authorizationType"), STR("?"));
    struct str name = json_str_or(json_get(m, "authorizerName"), STR(""));
    if (str_eqz(type, "CUSTOM") && name.n > 0)
        return arena_cstr(l->a, name);
    assert_true(str_eqz(type, "NONE") && name.n == 0);
    return "NONE";
}

static inline void assert_json(const struct json *v, const char *expected)
{
    AUTO_BUF b = BUF_INIT(MIB(1));
    if (v)
        json_write(&b, v);
    assert_string_equal(buf_cstr(&b), expected);
}

static inline void assert_str(struct str s, const char *expected)
{
    AUTO_BUF b = BUF_INIT(MIB(1));
    buf_add(&b, s);
    assert_string_equal(buf_cstr(&b), expected);
}

#define LAMBDA_URI(name)                                             \
    "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/" \
    "arn:aws:lambda:eu-west-1:111122223333:function:" name "/invocations"

#endif
