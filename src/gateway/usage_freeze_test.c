/* SPDX-License-Identifier: Apache-2.0
 *
 * What a document may say of keys, plans and throttles: each mistake by name and place, and what is
 * right becomes grants. */
#include "freeze_int.h"

#include <stdio.h>

#include "base/limits.h"
#include "lib/fault.h"

#define APIS                                                                            \
    "\"apis\": [{\"id\": \"one\", \"stage\": \"dev\", \"methods\": [\"/\", \"/pets\", " \
    "\"/pets/{id}\"]}, {\"id\": \"two\", \"stage\": \"dev\", \"methods\": [\"/pets\"]}]"
#define VALUE_A "aaaaaaaaaaaaaaaaaaaaaaaaa"
#define VALUE_B "bbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEYS                                   \
    "\"keys\": {\"A\": {\"value\": \"" VALUE_A \
    "\", \"enabled\": true}, \"B\": {\"value\": \"" VALUE_B "\", \"enabled\": true}}"

/* A model in short: {"apis": [{"id","stage","methods":[paths],"settings"}], "keys": {id: spec},
 * "plans": {id: spec}}; every method is a GET with a mock. */
static const struct json *const_json(struct arena *a, const char *text)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(a, str_c(text), MIB(1), &v, NULL), ERR_OK);
    return v;
}

static const char mock[] =
    "{\"type\": \"MOCK\", \"requestTemplates\": {\"application/json\": \"{\\\"statusCode\\\": "
    "200}\"}, \"integrationResponses\": {\"default\": {\"statusCode\": \"200\"}}}";

static void add_api(struct model *m, const struct json *v)
{
    struct model_api *api = ARENA_NEW(m->arena, struct model_api), **last = &m->apis;
    const struct json *methods = json_get(v, "methods");
    api->kind = API_REST;
    api->id = json_get(v, "id")->s;
    api->stage = json_get(v, "stage")->s;
    api->method_settings = json_get(v, "settings");
    for (size_t i = 0; i < methods->n; i++) {
        struct model_method *method = ARENA_NEW(m->arena, struct model_method);
        *method = (struct model_method){
            .path = methods->items[i]->s,
            .verb = STR("GET"),
            .method =
                const_json(m->arena, "{\"authorizationType\": \"NONE\", \"apiKeyRequired\": true}"),
            .integration = const_json(m->arena, mock),
            .next = api->methods,
        };
        api->methods = method;
    }
    while (*last)
        last = &(*last)->next;
    *last = api;
}

static struct model *make_model(struct arena *a, const char *text)
{
    const struct json *v = const_json(a, text), *keys = json_get(v, "keys"),
                      *plans = json_get(v, "plans"), *apis = json_get(v, "apis");
    struct model *m = ARENA_NEW(a, struct model);
    *m = (struct model){.arena = a,
                        .region = STR("us-east-1"),
                        .account = STR("123456789012"),
                        .partition = STR("aws")};
    for (size_t i = 0; i < apis->n; i++)
        add_api(m, apis->items[i]);
    for (size_t i = keys ? keys->n : 0; i-- > 0;) {
        struct model_api_key *k = ARENA_NEW(a, struct model_api_key);
        *k = (struct model_api_key){keys->members[i].key, keys->members[i].value, {0}, m->api_keys};
        m->api_keys = k;
    }
    for (size_t i = plans ? plans->n : 0; i-- > 0;) {
        struct model_usage_plan *p = ARENA_NEW(a, struct model_usage_plan);
        *p = (struct model_usage_plan){
            plans->members[i].key, plans->members[i].value, {0}, m->usage_plans};
        m->usage_plans = p;
    }
    return m;
}

struct said {
    size_t n;
    char text[256];
};

static void problem(void *arg, const struct model_place *at, const char *text)
{
    struct said *s = arg;
    (void)at;
    if (s->n++ == 0)
        snprintf(s->text, sizeof s->text, "%s", text);
}

static void refuses(const char *text, const char *expected)
{
    struct arena *a = arena_new(KIB(16), MIB(4));
    struct said s = {0};
    assert_int_equal(gateway_judge(make_model(a, text), problem, &s), ERR_INVALID);
    if (!strstr(s.text, expected))
        fail_msg("said \"%s\", not \"%s\"", s.text, expected);
    if (strstr(s.text, VALUE_A))
        fail_msg("a key's value was printed: %s", s.text);
    arena_free(a);
}

static void accepts(const char *text)
{
    struct arena *a = arena_new(KIB(16), MIB(4));
    struct said s = {0};
    enum err err = gateway_judge(make_model(a, text), problem, &s);
    if (err != ERR_OK)
        fail_msg("%s: %s", err_text(err), s.text);
    arena_free(a);
}

static void values_have_20_to_128_characters(void **state)
{
    (void)state;
    static const char seventeen[] = "12345678901234567";
    char text[600], long_value[200] = {0};
    memset(long_value, 'x', 129);
    snprintf(text, sizeof text, "{" APIS ", \"keys\": {\"A\": {\"value\": \"%s\"}}}", seventeen);
    refuses(text, "API Key value should be at least 20 characters");
    snprintf(text, sizeof text, "{" APIS ", \"keys\": {\"A\": {\"value\": \"%s\"}}}", long_value);
    refuses(text, "API Key value exceeds maximum size of 128 characters");
    long_value[128] = '\0';
    snprintf(text, sizeof text, "{" APIS ", \"keys\": {\"A\": {\"value\": \"%s\"}}}", long_value);
    accepts(text);
}

static void twins_are_refused(void **state)
{
    (void)state;
    refuses("{" APIS ", \"keys\": {\"A\": {\"value\": \"" VALUE_A
            "\"}, \"B\": {\"value\": \"" VALUE_A "\"}}}",
            "A has the same value");
    refuses("{" APIS ", " KEYS ", \"plans\": {\"P\": {\"keyIds\": [\"A\", \"B\", \"A\"]}}}",
            "key A is twice in this plan");
}

static void one_plan_for_a_key_and_stage(void **state)
{
    (void)state;
    refuses(
        "{" APIS ", " KEYS ", \"plans\": {"
        "\"P\": {\"keyIds\": [\"A\"], \"apiStages\": [{\"apiId\": \"one\", \"stage\": \"dev\"}]},"
        "\"Q\": {\"keyIds\": [\"A\"], \"apiStages\": [{\"apiId\": \"one\", \"stage\": "
        "\"dev\"}]}}}",
        "key A has plan P for stage dev of API one already");
    accepts(
        "{" APIS ", " KEYS ", \"plans\": {"
        "\"P\": {\"keyIds\": [\"A\"], \"apiStages\": [{\"apiId\": \"one\", \"stage\": \"dev\"}]},"
        "\"Q\": {\"keyIds\": [\"A\", \"B\"], \"apiStages\": [{\"apiId\": \"two\", \"stage\": "
        "\"dev\"}]}}}");
}

static void ten_plans_for_a_key(void **state)
{
    (void)state;
    char text[2000];
    for (int n = 10; n <= 11; n++) {
        size_t at = (size_t)snprintf(text, sizeof text, "{" APIS ", " KEYS ", \"plans\": {");
        for (int i = 0; i < n; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s\"P%d\": {\"keyIds\": [\"A\"]}",
                                   i ? "," : "", i);
        snprintf(text + at, sizeof text - at, "}}");
        if (n == 10)
            accepts(text);
        else
            refuses(text, "key A is in more than 10 usage plans");
    }
}

static void what_is_named_must_be_there(void **state)
{
    (void)state;
    refuses("{" APIS ", \"plans\": {\"P\": {\"keyIds\": [\"Z\"]}}}",
            "there is no usable API key Z");
    refuses("{" APIS ", \"plans\": {\"P\": {\"apiStages\": [{\"apiId\": \"one\", \"stage\": "
            "\"prod\"}]}}}",
            "there is no stage prod of an API one");
    refuses("{" APIS
            ", \"plans\": {\"P\": {\"apiStages\": [{\"apiId\": \"one\", \"stage\": \"dev\", "
            "\"throttle\": {\"/cats/GET\": {\"rateLimit\": 1, \"burstLimit\": 1}}}]}}}",
            "the plan throttles /cats/GET, but API one has no such method");
    refuses("{\"apis\": [{\"id\": \"one\", \"stage\": \"dev\", \"methods\": [\"/pets\"], "
            "\"settings\": {\"pets/POST\": {\"throttlingRateLimit\": 1}}}]}",
            "throttling is set for pets/POST, but the API has no such method");
}

static void rates_are_numbers(void **state)
{
    (void)state;
#define THROTTLE(t) "{" APIS ", \"plans\": {\"P\": {\"throttle\": " t "}}}"
    refuses(THROTTLE("{\"rateLimit\": \"fast\", \"burstLimit\": 1}"), "rateLimit is a number");
    refuses(THROTTLE("{\"rateLimit\": -2, \"burstLimit\": 1}"), "rateLimit is a number");
    refuses(THROTTLE("{\"rateLimit\": 1, \"burstLimit\": 1.5}"), "burstLimit is a whole number");
    refuses(THROTTLE("{\"rateLimit\": 1e9, \"burstLimit\": 1}"), "rateLimit is a number");
    refuses(THROTTLE("{\"rateLimit\": 0.001, \"burstLimit\": 1000000}"), "more than a year");
    accepts(THROTTLE("{\"rateLimit\": \"100.5\", \"burstLimit\": \"200\"}"));
    accepts(THROTTLE("{\"rateLimit\": 0, \"burstLimit\": 0}"));
    accepts(THROTTLE("{\"rateLimit\": 5}"));
}

/* --- what comes of it ----------------------------------------------------------------------------
 */
struct rig {
    struct arena *a;
    struct gateway *gateway;
    struct freezer f;
};

static void freeze_in(struct rig *r, struct said *s, const char *text)
{
    r->a = arena_new(KIB(64), MIB(4));
    struct model *m = make_model(r->a, text);
    struct snapshot *snapshot = ARENA_NEW(r->a, struct snapshot);
    *snapshot = (struct snapshot){.arena = r->a, .gateway = r->gateway};
    r->f = (struct freezer){r->gateway, m, snapshot, problem, s, 0, false};
    for (struct model_api *api = m->apis; api; api = api->next) {
        struct api *to = ARENA_NEW(r->a, struct api);
        to->id = api->id;
        to->stage = api->stage;
        to->next = snapshot->apis;
        snapshot->apis = to;
        for (struct model_method *method = api->methods; method; method = method->next) {
            struct method *made = ARENA_NEW(r->a, struct method);
            made->api = to;
            made->path = method->path;
            made->verb = method->verb;
            made->route = arena_fmt(r->a, "GET %.*s", STR_ARG(method->path));
            made->index = to->method_count++;
            made->next = to->methods;
            to->methods = made;
        }
    }
    usage__freeze(&r->f);
}

static struct method *method_of(const struct snapshot *s, const char *api, const char *path)
{
    for (struct api *a = s->apis; a; a = a->next)
        for (struct method *m = a->methods; m && str_eqz(a->id, api); m = m->next)
            if (str_eqz(m->path, path))
                return m;
    fail_msg("no %s in %s", path, api);
    return NULL;
}

static const char whole[] =
    "{\"apis\": [{\"id\": \"one\", \"stage\": \"dev\", \"methods\": [\"/\", \"/pets\", "
    "\"/pets/{id}\"], \"settings\": {\"*/*\": {\"throttlingRateLimit\": 50, "
    "\"throttlingBurstLimit\": 60}, \"~1pets~1{id}/GET\": {\"throttlingRateLimit\": 7, "
    "\"throttlingBurstLimit\": 8}}}, {\"id\": \"two\", \"stage\": \"dev\", \"methods\": "
    "[\"/pets\"]}], " KEYS ", \"plans\": {\"P\": {\"name\": \"gold\", \"keyIds\": [\"A\", \"B\"], "
    "\"throttle\": {\"rateLimit\": 10, \"burstLimit\": 20}, \"apiStages\": [{\"apiId\": \"one\", "
    "\"stage\": \"dev\", \"throttle\": {\"/pets/GET\": {\"rateLimit\": 1, \"burstLimit\": 2}}}, "
    "{\"apiId\": \"two\", \"stage\": \"dev\"}]}}}";

static void grants_and_buckets(void **state)
{
    (void)state;
    struct rig r = {.gateway = mem_alloc(sizeof *r.gateway)};
    struct said s = {0};
    assert_non_null(r.gateway);
    assert_int_equal(usage__new(&clock_system, NULL, &r.gateway->usage), ERR_OK);
    freeze_in(&r, &s, whole);
    const struct snapshot *made = r.f.snapshot;
    assert_string_equal(s.text, "");
    const struct api_key *a = key_table__find(&made->keys, STR(VALUE_A));
    const struct api_key *b = key_table__find(&made->keys, STR(VALUE_B));
    assert_non_null(a);
    assert_non_null(b);
    assert_true(str_eqz(a->id, "A") && a->enabled);
    assert_null(key_table__find(&made->keys, STR("aaaaaaaaaaaaaaaaaaaaaaaab")));
    assert_null(key_table__find(&made->keys, STR("")));
    const struct method *pets = method_of(made, "one", "/pets"),
                        *pet = method_of(made, "one", "/pets/{id}"),
                        *root = method_of(made, "one", "/"), *two = method_of(made, "two", "/pets");
    const struct grant *one = api_key__grant(a, pets->api), *other = api_key__grant(a, two->api);
    assert_non_null(one);
    assert_non_null(other);
    assert_true(str_eqz(one->plan, "gold (id P)"));
    /* A plan's throttle is the client's over all its stages; another key has its own. */
    assert_ptr_equal(one->client, other->client);
    assert_ptr_not_equal(one->client, api_key__grant(b, pets->api)->client);
    assert_int_equal(one->client->rule.burst, 20);
    assert_int_equal(one->methods[one->slots[pets->index] - 1]->rule.burst, 2);
    assert_int_equal(one->slots[pet->index], 0);
    assert_null(other->slots);
    /* The stage's default is each method's own; a setting of its own replaces it. */
    assert_int_equal(pets->throttle->rule.burst, 60);
    assert_ptr_not_equal(pets->throttle, root->throttle);
    assert_int_equal(pet->throttle->rule.burst, 8);
    assert_null(two->throttle);
    assert_int_equal(usage__bucket_count(r.gateway->usage), 7);
    usage__thaw(r.f.snapshot);
    assert_int_equal(usage__bucket_count(r.gateway->usage), 0);
    usage__free(r.gateway->usage);
    mem_free(r.gateway);
    arena_free(r.a);
}

static void the_same_words_keep_their_buckets(void **state)
{
    (void)state;
    struct rig r = {.gateway = mem_alloc(sizeof *r.gateway)};
    struct said s = {0};
    assert_non_null(r.gateway);
    assert_int_equal(usage__new(&clock_system, NULL, &r.gateway->usage), ERR_OK);
    freeze_in(&r, &s, whole);
    struct arena *former_arena = r.a;
    struct snapshot *former = r.f.snapshot;
    const struct api_key *a = key_table__find(&former->keys, STR(VALUE_A));
    struct bucket *client = a->grants[0].client;
    freeze_in(&r, &s, whole);
    assert_ptr_equal(key_table__find(&r.f.snapshot->keys, STR(VALUE_A))->grants[0].client, client);
    usage__thaw(former);
    arena_free(former_arena);
    assert_int_equal(usage__bucket_count(r.gateway->usage), 7);
    usage__thaw(r.f.snapshot);
    usage__free(r.gateway->usage);
    mem_free(r.gateway);
    arena_free(r.a);
}

static void without_memory_nothing_is_frozen(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(64), MIB(4));
    struct model *m = make_model(a, whole);
    FAULT_EACH
    {
        struct said s = {0};
        enum err err = gateway_judge(m, problem, &s);
        assert_int_equal(err, fault_hit() ? ERR_NOMEM : ERR_OK);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_20_to_128_characters),
        cmocka_unit_test(twins_are_refused),
        cmocka_unit_test(one_plan_for_a_key_and_stage),
        cmocka_unit_test(ten_plans_for_a_key),
        cmocka_unit_test(what_is_named_must_be_there),
        cmocka_unit_test(rates_are_numbers),
        cmocka_unit_test(grants_and_buckets),
        cmocka_unit_test(the_same_words_keep_their_buckets),
        cmocka_unit_test(without_memory_nothing_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
