/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose app, which tenant, what operation: spelling by spelling, and under failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "identity_int.h"
#include "lib/fault.h"

static const struct {
    const char *raw, *app, *tenant, *api; /* app NULL: refused */
} paths[] = {
    {"/", "public", "public", "/"},
    {"/hello", "public", "public", "/hello"},
    {"/HeLLo/", "public", "public", "/hello"},
    {"/public/hello", "public", "public", "/hello"},
    {"/shop/hello", "public", "shop", "/hello"},
    {"/appid-a1/hello", "a1", "public", "/hello"},
    {"/APPID-A1/SHOP/Hello", "a1", "shop", "/hello"},
    {"/appid-a1", "a1", "public", "/"},
    {"/appid-a1/shop", "a1", "shop", "/"},
    {"/helloo", "public", "helloo", "/"},
    {"/ee/license", "public", "public", "/ee/license"},
    {"/shop/ee/license", "public", "shop", "/ee/license"},
    /* nothing else is one */
    {"", NULL, NULL, NULL},
    {"hello", NULL, NULL, NULL},
    {"//hello", NULL, NULL, NULL},
    {"/appid-/hello", NULL, NULL, NULL},
    {"/appid-a_1/hello", NULL, NULL, NULL},
    {"/appid-a/appid-b/hello", NULL, NULL, NULL},
    {"/sh_op/hello", NULL, NULL, NULL},
    {"/sh%6fp/hello", NULL, NULL, NULL},
    {"/recipe/hello", NULL, NULL, NULL},
    {"/users/hello", NULL, NULL, NULL},
    {"/a/b/hello", NULL, NULL, NULL},
    {"/hello/hello/hello", NULL, NULL, NULL},
    {"/x/helloo", NULL, NULL, NULL},
};

static void test_paths(void **state)
{
    struct arena *a = arena_new(KIB(4), KIB(64));
    (void)state;
    for (size_t i = 0; i < COUNTOF(paths); i++) {
        struct cdi_path p = {0};
        enum err err = cdi__path(a, str_c(paths[i].raw), STR(""), &p);
        if (paths[i].app == NULL) {
            if (err != ERR_NOTFOUND)
                fail_msg("%s was read", paths[i].raw);
            continue;
        }
        if (err != ERR_OK || !str_eqz(p.app, paths[i].app) || !str_eqz(p.tenant, paths[i].tenant) ||
            !str_eqz(p.api, paths[i].api))
            fail_msg("%s: %s: %.*s %.*s %.*s", paths[i].raw, err_text(err), STR_ARG(p.app),
                     STR_ARG(p.tenant), STR_ARG(p.api));
    }
    arena_free(a);
}

static void test_base_path(void **state)
{
    struct arena *a = arena_new(KIB(4), KIB(64));
    struct cdi_path p;
    (void)state;
    assert_int_equal(cdi__path(a, STR("/core/shop/hello"), STR("/core"), &p), ERR_OK);
    assert_true(str_eqz(p.tenant, "shop"));
    assert_int_equal(cdi__path(a, STR("/core"), STR("/core"), &p), ERR_OK);
    assert_true(str_eqz(p.api, "/"));
    assert_int_equal(cdi__path(a, STR("/core/hello"), STR("/cor"), &p), ERR_OK);
    assert_true(str_eqz(p.tenant, "core")); /* "/cor" is no prefix of whole segments */
    assert_int_equal(cdi__path(a, STR("/Core/hello"), STR("/CORE"), &p), ERR_OK);
    assert_true(str_eqz(p.tenant, "public")); /* in any case, as the rest of a path */
    arena_free(a);
}

static void test_operations(void **state)
{
    const struct cdi_op *op;
    (void)state;
    assert_int_equal(cdi__op(STR("/hello"), HTTP_POST, STR_NONE, &op), ERR_OK);
    assert_int_equal(op->method, HTTP_POST);
    assert_int_equal(cdi__op(STR("/hello"), HTTP_DELETE, STR_NONE, &op), ERR_UNSUPPORTED);
    assert_null(op);
    assert_int_equal(cdi__op(STR("/hell"), HTTP_GET, STR_NONE, &op), ERR_NOTFOUND);
    assert_int_equal(cdi__op(STR("/ee/license"), HTTP_PUT, STR("anything"), &op), ERR_OK);
}

/* What every row promises to those who read it. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t t = 0; t < cdi__table_count; t++)
        for (size_t i = 0; i < cdi__tables[t]->n; i++) {
            const struct cdi_op *op = &cdi__tables[t]->ops[i], *found;
            assert_true(op->path[0] == '/' && op->phases[0].where != CDI_END);
            for (const char *p = op->path; *p; p++)
                assert_false(*p >= 'A' && *p <= 'Z');
            assert_int_equal(cdi__op(str_c(op->path), op->method, str_c(op->rid), &found), ERR_OK);
            if (found != op)
                fail_msg("two rows for %s %s", http_method_name(op->method).p, op->path);
        }
}

/* --- input -------------------------------------------------------------------------------------
 */
static const struct cdi_op write_op = {
    HTTP_POST, "/x", CDI_APP, 0, "name:s on:b? n:i? o:o? list:a? null:z?", {{CDI_END, NULL}}, NULL};
static const struct cdi_op read_op = {HTTP_GET,          "/x", CDI_APP, 0, "userId:s limit:s?",
                                      {{CDI_END, NULL}}, NULL};

static const struct {
    const struct cdi_op *op;
    const char *input, *refusal; /* NULL: it is taken */
} inputs[] = {
    {&write_op, "{\"name\":\"\"}", NULL},
    {&write_op, "{\"name\":\"a\",\"on\":true,\"n\":3,\"o\":{},\"list\":[],\"null\":null,\"x\":1}",
     NULL},
    {&write_op, "", "Invalid Json Input"},
    {&write_op, "{", "Invalid Json Input"},
    {&write_op, "[]", "Invalid Json Input"},
    {&write_op, "\"name\"", "Invalid Json Input"},
    {&write_op, "{\"name\":\"a\",\"name\":\"b\"}", "Invalid Json Input"},
    {&write_op, "{\"name\":\"a\\u0000b\"}", "Invalid Json Input"},
    {&write_op, "{\"name\":\"a\",\"o\":{\"k\\u0000\":1}}", "Invalid Json Input"},
    {&write_op, "{}", "Field name 'name' is invalid in JSON input"},
    {&write_op, "{\"name\":null}", "Field name 'name' is invalid in JSON input"},
    {&write_op, "{\"name\":1}", "Field name 'name' is invalid in JSON input"},
    {&write_op, "{\"name\":\"a\",\"on\":\"true\"}", "Field name 'on' is invalid in JSON input"},
    {&write_op, "{\"name\":\"a\",\"on\":null}", "Field name 'on' is invalid in JSON input"},
    {&write_op, "{\"name\":\"a\",\"n\":1.5}", "Field name 'n' is invalid in JSON input"},
    {&write_op, "{\"name\":\"a\",\"o\":null}", "Field name 'o' is invalid in JSON input"},
    {&write_op, "{\"name\":\"a\",\"list\":{}}", "Field name 'list' is invalid in JSON input"},
    {&read_op, "userId=a%20b&limit=", NULL},
    {&read_op, "limit=3", "Field name 'userId' is missing in GET request"},
    {&read_op, "", "Field name 'userId' is missing in GET request"},
    {&read_op, "userId=a%00b", "the query is not UTF-8 text"},
    {&read_op, "userId=%ff", "the query is not UTF-8 text"},
};

static enum err read_input(const struct cdi_op *op, const char *input, struct arena *a,
                           struct cdi_call *c)
{
    bool query = op->method == HTTP_GET;
    *c = (struct cdi_call){.op = op, .arena = a};
    return cdi__read_input(c, query ? str_c(input) : STR(""), query ? STR("") : str_c(input));
}

static void test_inputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(inputs); i++) {
        struct arena *a = arena_new(KIB(4), KIB(64));
        struct cdi_call c;
        enum err err = read_input(inputs[i].op, inputs[i].input, a, &c);
        const char *refusal = inputs[i].refusal;
        if (refusal ? err != ERR_CANCELLED || c.status != 400 || !str_eqz(c.text, refusal)
                    : err != ERR_OK)
            fail_msg("%s: %s, %.*s", inputs[i].input, err_text(err), STR_ARG(c.text));
        arena_free(a);
    }
}

static enum err all_of_it(void *arg)
{
    struct arena *a = arena_new(64, KIB(64));
    struct cdi_path p;
    struct cdi_call c;
    (void)arg;
    enum err err = a ? cdi__path(a, STR("/appid-a1/SHOP/Hello"), STR(""), &p) : ERR_NOMEM;
    if (err == ERR_OK)
        err = read_input(&write_op, "{\"name\":\"a\",\"o\":{\"k\":[1,2]}}", a, &c);
    if (err == ERR_OK)
        err = read_input(&read_op, "userId=a%20b&limit=", a, &c);
    arena_free(a);
    return err;
}

static void test_no_memory(void **state)
{
    (void)state;
    fault_each(all_of_it, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_base_path),
        cmocka_unit_test(test_operations), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_inputs),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
