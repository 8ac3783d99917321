/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of this room: policies written inline, with ' for " and ` for '. */
#ifndef ROPELINE_POLICY_POLICY_TEST_H
#define ROPELINE_POLICY_POLICY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/limits.h"
#include "policy/policy.h"

#define METHOD_ARN(path) "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/" path
#define ALLOW(resource) "{'Effect':'Allow','Action':'execute-api:Invoke','Resource':'" resource "'}"
#define DENY(resource) "{'Effect':'Deny','Action':'execute-api:Invoke','Resource':'" resource "'}"
#define POLICY(statements) "{'Version':'2012-10-17','Statement':[" statements "]}"

static inline enum err compile_text(const char *text, struct policy **out, struct errinfo *e)
{
    struct arena *a = arena_new(KIB(4), MIB(64));
    const struct json *document = NULL;
    size_t n = strlen(text);
    char *quoted;
    enum err err;

    assert_non_null(a);
    quoted = arena_cstr(a, str_of(text, n));
    assert_non_null(quoted);
    for (size_t i = 0; i < n; i++)
        quoted[i] = quoted[i] == '\'' ? '"' : quoted[i] == '`' ? '\'' : quoted[i];
    assert_int_equal(json_parse(a, str_of(quoted, n), MIB(1), &document, NULL), ERR_OK);
    err = policy_compile(document, out, e);
    arena_free(a); /* the policy must not borrow from the document */
    return err;
}

static inline struct policy *compiled(const char *text)
{
    struct errinfo e = {0};
    struct policy *p = NULL;

    if (compile_text(text, &p, &e))
        fail_msg("refused: %s", e.text);
    assert_non_null(p);
    return p;
}

static inline enum decision judged(const char *text, const char *action, const char *resource)
{
    struct policy *p = compiled(text);
    struct policy_request rq = {.action = str_c(action), .resource = str_c(resource)};
    struct policy_trace trace;
    enum decision d = policy_evaluate(p, &rq, NULL);

    assert_int_equal(policy_evaluate(p, &rq, &trace), d);
    policy_free(p);
    return d;
}

/* What an authorizer's policy says of one method ARN. */
static inline enum decision invoked(const char *text, const char *resource)
{
    return judged(text, "execute-api:Invoke", resource);
}

static inline void assert_refused(const char *text, enum err code, const char *words)
{
    struct errinfo e = {0};
    struct policy *p = NULL;

    assert_int_equal(compile_text(text, &p, &e), code);
    assert_null(p);
    assert_int_equal(e.code, code);
    if (!strstr(e.text, words))
        fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

/* A document with one condition, made by hand: its value need not be JSON's. */
struct made {
    struct json value, allow, any, version, keys, condition, statement, document;
    struct json_member key[1], op[1], members[4], top[2];
};

static inline void make(struct made *m, const char *op, struct str value)
{
    m->value = (struct json){.type = JSON_STRING, .s = value};
    m->allow = (struct json){.type = JSON_STRING, .s = STR("Allow")};
    m->any = (struct json){.type = JSON_STRING, .s = STR("*")};
    m->version = (struct json){.type = JSON_STRING, .s = STR("2012-10-17")};
    m->key[0] = (struct json_member){STR("aws:Key"), 0, 0, &m->value};
    m->keys = (struct json){.type = JSON_OBJECT, .n = 1, .members = m->key};
    m->op[0] = (struct json_member){str_c(op), 0, 0, &m->keys};
    m->condition = (struct json){.type = JSON_OBJECT, .n = 1, .members = m->op};
    m->members[0] = (struct json_member){STR("Effect"), 0, 0, &m->allow};
    m->members[1] = (struct json_member){STR("Action"), 0, 0, &m->any};
    m->members[2] = (struct json_member){STR("Resource"), 0, 0, &m->any};
    m->members[3] = (struct json_member){STR("Condition"), 0, 0, &m->condition};
    m->statement = (struct json){.type = JSON_OBJECT, .n = 4, .members = m->members};
    m->top[0] = (struct json_member){STR("Version"), 0, 0, &m->version};
    m->top[1] = (struct json_member){STR("Statement"), 0, 0, &m->statement};
    m->document = (struct json){.type = JSON_OBJECT, .n = 2, .members = m->top};
}

#endif
