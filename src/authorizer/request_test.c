/* SPDX-License-Identifier: Apache-2.0
 *
 * REQUEST authorizers without a gateway: which identity sources compile, when a request is let
 * through to the function, and that no two tuples of values share a key. */
#include "authorizer_int.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "lib/fault.h"
#include "lib/prop.h"

#define ID "00000000-0000-0000-0000-000000000000"

/* A request that is a list of "place name=value"; the same twice is ambiguous. */
struct fake {
    struct {
        enum auth_place place;
        struct str name, value;
    } row[LIMIT_IDENTITY_SOURCES + 1];
    size_t n;
};

static enum err fake_value(void *request, enum auth_place place, struct str name, struct str *out)
{
    const struct fake *f = request;
    size_t found = 0;
    *out = STR("");
    for (size_t i = 0; i < f->n; i++)
        if (f->row[i].place == place && str_eq(f->row[i].name, name)) {
            *out = f->row[i].value;
            found++;
        }
    return found > 1 ? ERR_DENIED : out->n > 0 ? ERR_OK : ERR_NOTFOUND;
}
static struct str shown[LIMIT_IDENTITY_SOURCES];
static size_t shown_n;
static void fake_event(void *request, enum auth_event format, const struct str *identity, size_t n,
                       struct buf *out)
{
    (void)request;
    (void)format;
    shown_n = n;
    for (size_t i = 0; i < n; i++)
        shown[i] = identity[i];
    out->err = ERR_IO; /* nothing is to be invoked */
}
static const struct auth_request_ops fake_ops = {fake_value, fake_event};

static enum err compile(struct arena *a, const char *spec, bool http_api, void **conf,
                        struct errinfo *e)
{
    const struct authorizer_env env = {.http_api = http_api};
    const struct json *tree = NULL;
    enum err err = json_parse(a, str_c(spec), KIB(64), &tree, e);
    return err ? err : authorizer__request.compile(a, tree, &env, conf, e);
}

static void refused(const char *spec, bool http_api, const char *word)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    struct errinfo e = {0};
    void *conf = NULL;
    assert_int_not_equal(compile(a, spec, http_api, &conf, &e), ERR_OK);
    if (strstr(e.text, word) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", e.text, word);
    arena_free(a);
}

static void what_is_no_source_is_refused_by_name(void **state)
{
    (void)state;
    refused("{\"identitySource\":\"method.request.path.id\"}", false, "method.request.path.id");
    refused("{\"identitySource\":\"x\"}", false, "x");
    refused("{\"identitySource\":\"method.request.header.\"}", false, "method.request.header.");
    refused("{\"identitySource\":\"method.request.header.a b\"}", false, "a b");
    refused("{\"identitySource\":\"$request.header.A\"}", false, "$request.header.A");
    refused("{\"identitySource\":[\"method.request.header.A\"],"
            "\"authorizerPayloadFormatVersion\":\"2.0\"}",
            true, "method.request.header.A");
    refused("{\"identitySource\":[7],\"authorizerPayloadFormatVersion\":\"2.0\"}", true, "source");
    refused("{\"identitySource\":[\"$request.header.A\"]}", true, "authorizerPayloadFormatVersion");
    refused("{}", false, "identitySource"); /* the TTL's default is 300 */
    refused("{\"identitySource\":\" , \",\"authorizerResultTtlInSeconds\":1}", false,
            "identitySource");
    refused("{\"authorizerPayloadFormatVersion\":\"2.0\",\"authorizerResultTtlInSeconds\":1}", true,
            "identitySource");
}

static void at_most_so_many_sources(void **state)
{
    (void)state;
    AUTO_BUF spec = BUF_INIT(KIB(8));
    buf_addz(&spec, "{\"identitySource\":\"");
    for (int i = 0; i <= LIMIT_IDENTITY_SOURCES; i++)
        buf_addf(&spec, "%scontext.k%d", i ? ", " : "", i);
    buf_addz(&spec, "\"}");
    refused(buf_cstr(&spec), false, "at most");
}

/* --- the gate -------------------------------------------------------------------------------- */
struct gate {
    struct arena *arena;
    void *conf;
    struct authorizer authorizer;
    struct decision_record record;
};

static void open_gate(struct gate *g, const char *spec, bool http_api, unsigned ttl_s)
{
    g->arena = arena_new(KIB(16), MIB(1));
    assert_int_equal(compile(g->arena, spec, http_api, &g->conf, NULL), ERR_OK);
    g->authorizer = (struct authorizer){.kind = &authorizer__request, .ttl_s = ttl_s};
    decision_begin(&g->record, ID, 0);
}

static enum err pass(struct gate *g, struct fake *f, struct buf *key)
{
    struct auth_call c = {
        .authorizer = &g->authorizer,
        .facts = {.ops = &fake_ops, .request = f},
        .arena = g->arena,
        .record = &g->record,
    };
    return authorizer__request.identity(g->conf, &c, key);
}

static enum err gate(const char *spec, bool http_api, unsigned ttl_s, struct fake f)
{
    struct gate g;
    AUTO_BUF key = BUF_INIT(LIMIT_IDENTITY_KEY);
    open_gate(&g, spec, http_api, ttl_s);
    enum err err = pass(&g, &f, &key);
    arena_free(g.arena);
    return err;
}

#define REST_TWO "{\"identitySource\":\"method.request.header.Auth, method.request.querystring.t\"}"
#define REST_TWO_UNCACHED                                                               \
    "{\"identitySource\":\"method.request.header.Auth, method.request.querystring.t\"," \
    "\"authorizerResultTtlInSeconds\":0}"
#define HTTP_ONE \
    "{\"identitySource\":[\"$request.header.Auth\"],\"authorizerPayloadFormatVersion\":\"2.0\"}"

static const struct fake both = {
    {{AUTH_HEADER, STR_INIT("Auth"), STR_INIT("a")}, {AUTH_QUERY, STR_INIT("t"), STR_INIT("b")}},
    2};
static const struct fake only_header = {{{AUTH_HEADER, STR_INIT("Auth"), STR_INIT("a")}}, 1};
static const struct fake twice = {{{AUTH_HEADER, STR_INIT("Auth"), STR_INIT("a")},
                                   {AUTH_HEADER, STR_INIT("Auth"), STR_INIT("b")}},
                                  2};
static const struct fake not_utf8 = {{{AUTH_HEADER, STR_INIT("Auth"), STR_INIT("\xff")}}, 1};
static const struct fake nothing = {.n = 0};

static void with_caching_each_source_must_be_there(void **state)
{
    (void)state;
    assert_int_equal(gate(REST_TWO, false, 300, both), ERR_OK);
    assert_int_equal(gate(REST_TWO, false, 300, only_header), ERR_DENIED);
    assert_int_equal(gate(REST_TWO, false, 300, nothing), ERR_DENIED);
    assert_int_equal(gate(REST_TWO, false, 1, nothing), ERR_DENIED);
}

static void without_caching_a_rest_api_asks_anyway(void **state)
{
    (void)state;
    assert_int_equal(gate(REST_TWO_UNCACHED, false, 0, nothing), ERR_OK);
    assert_int_equal(gate(REST_TWO_UNCACHED, false, 0, twice), ERR_OK);
    assert_int_equal(gate("{\"authorizerResultTtlInSeconds\":0}", false, 0, nothing), ERR_OK);
}

static void an_http_api_always_wants_what_it_lists(void **state)
{
    (void)state;
    assert_int_equal(gate(HTTP_ONE, true, 0, only_header), ERR_OK);
    assert_int_equal(gate(HTTP_ONE, true, 0, nothing), ERR_DENIED);
    assert_int_equal(gate("{\"authorizerPayloadFormatVersion\":\"1.0\"}", true, 0, nothing),
                     ERR_OK);
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    assert_int_equal(gate(HTTP_ONE, true, 0, twice), ERR_DENIED);
    assert_int_equal(gate(HTTP_ONE, true, 300, twice), ERR_DENIED);
    assert_int_equal(gate(HTTP_ONE, true, 300, not_utf8), ERR_DENIED);
}

static void a_value_has_a_cap(void **state)
{
    (void)state;
    char *text = mem_alloc(LIMIT_IDENTITY_VALUE + 1);
    memset(text, 'a', LIMIT_IDENTITY_VALUE + 1);
    struct fake f = {{{AUTH_HEADER, STR_INIT("Auth"), {text, LIMIT_IDENTITY_VALUE}}}, 1};
    assert_int_equal(gate(HTTP_ONE, true, 300, f), ERR_OK);
    f.row[0].value.n++;
    assert_int_equal(gate(HTTP_ONE, true, 300, f), ERR_DENIED);
    mem_free(text);
}

static bool says(const struct decision_record *r, const char *word)
{
    for (size_t i = 0; i < r->rows; i++)
        if (str_find(decision_value(r, &r->row[i]), str_c(word)) != SIZE_MAX)
            return true;
    return false;
}

static void the_record_says_why_nobody_was_asked(void **state)
{
    (void)state;
    struct gate g;
    struct fake f = nothing;
    AUTO_BUF key = BUF_INIT(LIMIT_IDENTITY_KEY);
    open_gate(&g, HTTP_ONE, true, 0);
    assert_int_equal(pass(&g, &f, &key), ERR_DENIED);
    assert_true(says(&g.record, "missing or empty") && !says(&g.record, "more than once"));
    f = twice;
    decision_begin(&g.record, ID, 0);
    assert_int_equal(pass(&g, &f, &key), ERR_DENIED);
    assert_true(says(&g.record, "more than once") && !says(&g.record, "missing or empty"));
    arena_free(g.arena);
}

/* What the event shows are the values of the key; the token is the first header's. */
static void the_event_gets_each_value_in_order(void **state)
{
    (void)state;
    struct gate g;
    struct fake f = both;
    struct http_header header = {STR("auth"), STR("a")};
    const struct http_headers headers = {&header, 1, 1};
    open_gate(&g,
              "{\"identitySource\":\"method.request.querystring.t,context.path,"
              "method.request.header.Auth\",\"authorizerResultTtlInSeconds\":0}",
              false, 0);
    struct auth_call c = {
        .authorizer = &g.authorizer,
        .facts = {.ops = &fake_ops, .request = &f, .headers = &headers},
        .arena = g.arena,
        .record = &g.record,
    };
    assert_true(authorizer__request.decide(g.conf, &c));
    assert_int_equal(c.verdict, AUTH_ERROR);
    assert_int_equal(shown_n, 3);
    assert_true(str_eqz(shown[0], "b") && str_eqz(shown[1], "") && str_eqz(shown[2], "a"));
    assert_true(says(&g.record, "could not be written"));
    assert_true(str_eqz(authorizer__request.token(g.conf, &c), "a"));
    arena_free(g.arena);
    open_gate(&g, "{\"identitySource\":\"method.request.header.auth\"}", false, 300);
    assert_true(str_eqz(authorizer__request.token(g.conf, &c), "a"));
    assert_true(authorizer__request.reads_header(g.conf, STR("AUTH")));
    assert_false(authorizer__request.reads_header(g.conf, STR("Host")));
    arena_free(g.arena);
}

/* --- keys ------------------------------------------------------------------------------------ */
#define SOURCES 3
static bool draw(struct prop *g, struct fake *f, char text[SOURCES][16])
{
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < SOURCES; i++) {
        size_t n = prop_text(g, ":,1234a\\\"= ", 6, text[i]);
        f->row[i].place = AUTH_HEADER;
        f->row[i].name = str_c(names[i]);
        f->row[i].value = str_of(text[i], n);
        if (n == 0)
            return false;
    }
    f->n = SOURCES;
    return true;
}

static struct gate keys;

static bool distinct_tuples_have_distinct_keys(struct prop *g)
{
    struct fake one, two;
    char text_one[SOURCES][16], text_two[SOURCES][16];
    AUTO_BUF key_one = BUF_INIT(LIMIT_IDENTITY_KEY);
    AUTO_BUF key_two = BUF_INIT(LIMIT_IDENTITY_KEY);
    if (!draw(g, &one, text_one) || !draw(g, &two, text_two))
        return true;
    bool same = true;
    for (size_t i = 0; i < SOURCES; i++)
        same = same && str_eq(one.row[i].value, two.row[i].value);
    decision_begin(&keys.record, ID, 0);
    bool good = pass(&keys, &one, &key_one) == ERR_OK && pass(&keys, &two, &key_two) == ERR_OK &&
                str_eq(buf_str(&key_one), buf_str(&key_two)) == same;
    prop_note(g, "%s|%s|%s against %s|%s|%s", text_one[0], text_one[1], text_one[2], text_two[0],
              text_two[1], text_two[2]);
    return good;
}

static void no_two_tuples_share_a_key(void **state)
{
    (void)state;
    open_gate(&keys,
              "{\"identitySource\":\"method.request.header.a,method.request.header.b,"
              "method.request.header.c\"}",
              false, 300);
    assert_true(prop_holds("distinct tuples have distinct keys", distinct_tuples_have_distinct_keys,
                           1000000));
    arena_free(keys.arena);
}

static enum err compile_once(void *arg)
{
    struct arena *a = arena_new(KIB(4), MIB(1));
    void *conf = NULL;
    (void)arg;
    enum err err = a ? compile(a, REST_TWO, false, &conf, NULL) : ERR_NOMEM;
    arena_free(a);
    return err;
}

static void compiling_survives_failing_allocations(void **state)
{
    (void)state;
    fault_each(compile_once, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_source_is_refused_by_name),
        cmocka_unit_test(at_most_so_many_sources),
        cmocka_unit_test(with_caching_each_source_must_be_there),
        cmocka_unit_test(without_caching_a_rest_api_asks_anyway),
        cmocka_unit_test(an_http_api_always_wants_what_it_lists),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_value_has_a_cap),
        cmocka_unit_test(the_record_says_why_nobody_was_asked),
        cmocka_unit_test(the_event_gets_each_value_in_order),
        cmocka_unit_test(no_two_tuples_share_a_key),
        cmocka_unit_test(compiling_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
