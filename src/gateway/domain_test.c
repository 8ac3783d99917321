/* SPDX-License-Identifier: Apache-2.0
 *
 * Which domain a Host is and which base path of it a path begins with; what documents may not map.
 */
#include "domain_int.h"

#include <stdio.h>

#include "base/limits.h"
#include "lib/fault.h"

/* --- matching ------------------------------------------------------------------------------- */

static struct api orders = {.id = STR_INIT("orders"), .stage = STR_INIT("dev")},
                  shop = {.id = STR_INIT("shop"), .stage = STR_INIT("v1"), .next = &orders};

static const struct snapshot *snapshot(void)
{
    static struct base_path paths[] = {
        {.path = STR_INIT("a"), .api = &orders},
        {.path = STR_INIT("a/b"), .api = &shop},
        {.path = STR_INIT("staged"), .id = STR_INIT("orders")},
    };
    static struct base_path whole[] = {{.path = STR_INIT(""), .api = &orders}};
    static struct domain wild = {STR_INIT("*.x.test"), false, whole, 1, NULL};
    static struct domain exact = {STR_INIT("a.x.test"), false, paths, COUNTOF(paths), &wild};
    static struct snapshot s = {.apis = &shop, .domains = &exact};
    return &s;
}

static void a_host_is_the_exact_domain_else_a_wildcards(void **state)
{
    static const struct {
        const char *host, *name;
    } rows[] = {
        {"a.x.test", "a.x.test"},
        {"a.x.test:8080", "a.x.test"},
        {"A.X.test", "a.x.test"},
        {"b.x.test", "*.x.test"},
        {"b.x.test:1", "*.x.test"},
        {"a.b.x.test", NULL},
        {"x.test", NULL},
        {".x.test", NULL},
        {"a.x.test.", NULL},
        {"a.x.test.evil.test", NULL},
        {"", NULL},
        {"[::1]:8080", NULL},
        {"*.x.test", "*.x.test"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const struct domain *d = domain__find(snapshot(), str_c(rows[i].host));
        if (rows[i].name ? !d || !str_eqz(d->name, rows[i].name) : d != NULL)
            fail_msg("%s is %s", rows[i].host, d ? d->name.p : "none");
    }
}

static void the_longest_base_path_wins_at_whole_segments(void **state)
{
    static const struct {
        const char *path;
        const struct api *api;
        const char *below;
    } rows[] = {
        {"/a", &orders, "/"},
        {"/a/", &orders, "/"},
        {"/a/c", &orders, "/c"},
        {"/a/b", &shop, "/"},
        {"/a/b/c", &shop, "/c"},
        {"/a/bc", &orders, "/bc"},
        {"/ab", NULL, NULL},
        {"/", NULL, NULL},
        {"/A", NULL, NULL},
        {"/b/a", NULL, NULL},
        {"/staged/dev/c", &orders, "/c"},
        {"/staged/dev", &orders, "/"},
        {"/staged/v1/c", NULL, NULL},
        {"/staged", NULL, NULL},
        {"/staged/", NULL, NULL},
        {"/dev/a", NULL, NULL},
    };
    const struct domain *d = domain__find(snapshot(), STR("a.x.test"));
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct str below = STR_NONE;
        const char *why = "";
        const struct api *api = domain__api(snapshot(), d, str_c(rows[i].path), &below, &why);
        if (api != rows[i].api || (api && !str_eqz(below, rows[i].below)))
            fail_msg("%s leads elsewhere", rows[i].path);
        assert_true(api || *why);
    }
}

static void a_host_that_is_a_domain_knows_no_stages(void **state)
{
    struct snapshot s = *snapshot();
    struct str below;
    const char *why;
    (void)state;
    assert_null(route__api(&s, STR("a.x.test"), STR("/dev/c"), &below, &why));
    assert_null(route__api(&s, STR("a.x.test"), STR("/restapis/orders/dev/_user_request_/c"),
                           &below, &why));
    assert_ptr_equal(route__api(&s, STR("localhost"), STR("/dev/c"), &below, &why), &orders);
    orders.only_by_domain = true;
    assert_null(route__api(&s, STR("localhost"), STR("/dev/c"), &below, &why));
    assert_null(route__api(&s, STR("localhost"), STR("/restapis/orders/dev/_user_request_/c"),
                           &below, &why));
    assert_null(route__api(&s, STR("orders.execute-api.localhost"), STR("/dev/c"), &below, &why));
    assert_ptr_equal(route__api(&s, STR("a.x.test"), STR("/a/c"), &below, &why), &orders);
    orders.only_by_domain = false;
}

/* --- freezing ------------------------------------------------------------------------------- */

static void problem(void *arg, const struct model_place *at, const char *text)
{
    char *said = arg;
    (void)at;
    snprintf(said, 256, "%s", text);
}

static enum err judge(const char *mappings, char said[256])
{
    struct arena *a = arena_new(KIB(16), MIB(1));
    const struct json *spec = NULL;
    said[0] = '\0';
    if (a == NULL)
        return ERR_NOMEM;
    enum err err = json_parse(a, str_c(mappings), MIB(1), &spec, NULL);
    struct model_api api = {.kind = API_REST, .id = STR("one"), .stage = STR("dev")};
    struct model_domain domain = {.name = STR("a.test"), .spec = spec};
    struct model m = {.arena = a,
                      .region = STR("us-east-1"),
                      .account = STR("123456789012"),
                      .partition = STR("aws"),
                      .apis = &api,
                      .domains = &domain};
    if (err == ERR_OK)
        err = gateway_judge(&m, problem, said);
    arena_free(a);
    return err;
}

#define MAPS(path, id, stage) \
    "{\"basePath\": \"" path "\", \"apiId\": \"" id "\", \"stage\": \"" stage "\"}"

static void mappings_are_judged(void **state)
{
    static const struct {
        const char *mappings, *said;
    } rows[] = {
        {"{\"mappings\": [" MAPS("", "one", "dev") "]}", NULL},
        {"{\"mappings\": [" MAPS("a/b-c", "one", "dev") ", " MAPS("a", "one", "") "]}", NULL},
        {"{\"mappings\": []}", NULL},
        {"{\"mappings\": [" MAPS("a", "one", "prod") "]}", "stage prod, which is not here"},
        {"{\"mappings\": [" MAPS("a", "two", "") "]}", "API two"},
        {"{\"mappings\": [" MAPS("a", "one", "dev") ", " MAPS("a", "one", "") "]}", "/a twice"},
        {"{\"mappings\": [" MAPS("/a", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("a/", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("a//b", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("a%2Fb", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("..", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("a/../b", "one", "dev") "]}", "no base path"},
        {"{\"mappings\": [" MAPS("a b", "one", "dev") "]}", "no base path"},
    };
    char said[256];
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        enum err err = judge(rows[i].mappings, said);
        if (rows[i].said ? err != ERR_INVALID || !strstr(said, rows[i].said) : err != ERR_OK)
            fail_msg("%s: %s", rows[i].mappings, said);
    }
}

static void no_memory_is_no_mapping(void **state)
{
    struct fault f = {0};
    char said[256];
    (void)state;
    while (fault_next(&f)) {
        enum err err =
            judge("{\"mappings\": [" MAPS("a", "one", "dev") ", " MAPS("b", "one", "") "]}", said);
        assert_true(err == ERR_OK || err == ERR_NOMEM);
        assert_true(err == ERR_NOMEM || mem_fault_hits() == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_the_exact_domain_else_a_wildcards),
        cmocka_unit_test(the_longest_base_path_wins_at_whole_segments),
        cmocka_unit_test(a_host_that_is_a_domain_knows_no_stages),
        cmocka_unit_test(mappings_are_judged),
        cmocka_unit_test(no_memory_is_no_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
