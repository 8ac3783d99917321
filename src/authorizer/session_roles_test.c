/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles of sessions, by the token's claims and by the store's word; and that no lack of memory ever
 * allows. */
#include "session_fixture.h"

/* --- roles --------------------------------------------------------------------------------------
 */
#define GRANTS                                                                                  \
    "{\"grants\":[{\"role\":\"viewer\",\"methods\":[{\"verb\":\"GET\",\"path\":\"/orders\"}]}," \
    "{\"permission\":\"orders:read\",\"methods\":[{\"verb\":\"ANY\",\"path\":\"/orders*\"}]},"  \
    "{\"role\":\"admin\",\"methods\":[{\"route\":\"GET /orders\"},{\"route\":\"$default\"}]}]," \
    "\"open\":[]}"

static bool said(const char *text)
{
    for (size_t i = 0; i < rig.record.rows; i++)
        if (str_find(decision_value(&rig.record, &rig.record.row[i]), str_c(text)) != SIZE_MAX)
            return true;
    return false;
}

static void roles_of_the_claims_decide(void **state)
{
    static const struct {
        const char *claims;
        enum auth_verdict verdict;
    } rows[] = {
        {",\"st-role\":{\"v\":[\"viewer\"]}", AUTH_ALLOW},
        {",\"st-role\":{\"v\":[\"x\",\"admin\"]}", AUTH_ALLOW},
        {",\"st-role\":{\"v\":\"admin\"}", AUTH_ALLOW},
        {",\"st-role\":{\"v\":[\"x\"]},\"st-perm\":{\"v\":[\"orders:read\"]}", AUTH_ALLOW},
        {",\"st-role\":{\"v\":[\"Viewer\"]}", AUTH_DENY_IMPLICIT},
        {",\"st-role\":{\"v\":[\"view*\"]}", AUTH_DENY_IMPLICIT},
        {",\"st-role\":{\"v\":[\"orders:read\"]}", AUTH_DENY_IMPLICIT},
        {",\"st-role\":{\"v\":[]}", AUTH_DENY_IMPLICIT},
        {",\"st-role\":[\"viewer\"]", AUTH_DENY_IMPLICIT},
        {",\"st-role\":{\"v\":[[\"viewer\"],null,7]}", AUTH_DENY_IMPLICIT},
        {"", AUTH_DENY_IMPLICIT},
    };
    struct authorizer *z = compiled(SESSION(""), GRANTS);
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char claims[600];
        snprintf(claims, sizeof claims, "{" USER "," HASH "," PLAIN "%s}", rows[i].claims);
        enum auth_verdict verdict = bearer(z, sign(rig.key, HEADER, claims));
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: verdict %d", i, (int)verdict);
    }
    assert_true(said("give the user the role viewer or the permission orders:read or the role "
                     "admin"));
    authorizer_fini(z);
}

static void another_spelling_gets_no_more(void **state)
{
    struct authorizer *z = compiled(SESSION(""), GRANTS);
    struct str token = sign(rig.key, HEADER,
                            "{" USER "," HASH "," PLAIN ",\"st-perm\":{\"v\":[\"orders:read\"]}}");
    static const struct {
        const char *arn, *decoded;
        enum auth_verdict verdict;
    } rows[] = {
        {"GET/orders/7", "", AUTH_ALLOW},
        {"DELETE/orders", "", AUTH_ALLOW},
        {"GET/order", "", AUTH_DENY_IMPLICIT},
        {"GET/x/DELETE/orders", "", AUTH_DENY_IMPLICIT},
        {"PROPFIND/orders", "", AUTH_DENY_IMPLICIT},
        {"GET/orders%2F..", "GET/other", AUTH_DENY_IMPLICIT},
        {"GET/orders%2F7", "GET/orders/7", AUTH_ALLOW},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct asked r;
        begin(&r, z, "GET");
        with(&r, "Authorization", "Bearer ", token);
        struct str parts[] = {STR("arn:aws:execute-api:r:a:api/dev/"), str_c(rows[i].arn)};
        r.call.facts.method_arn = arena_cat(r.arena, parts, 2);
        parts[1] = str_c(rows[i].decoded);
        if (parts[1].n)
            r.call.facts.decoded_arn = arena_cat(r.arena, parts, 2);
        r.call.facts.route = STR("ANY /{proxy+}");
        if (decide(&r) != rows[i].verdict)
            fail_msg("row %zu: verdict %d", i, (int)r.call.verdict);
        end(&r);
    }
    authorizer_fini(z);
}

static void fresh_roles_are_the_store_s_and_are_purged_with_their_user(void **state)
{
    struct authorizer *z = compiled(SESSION("\"fresh\":true"), GRANTS);
    struct str token = sign(rig.key, HEADER, USUAL); /* which says viewer */
    struct map users = {0};
    (void)state;
    assert_int_equal(bearer(z, token), AUTH_DENY_IMPLICIT);
    assert_int_equal(rig.asked_roles, 1);
    rig.role = "admin";
    assert_int_equal(bearer(z, token), AUTH_DENY_IMPLICIT); /* as it is kept */
    assert_int_equal(rig.asked_roles, 1);
    assert_int_equal(map_put(&users, STR("eva"), &users, NULL), ERR_OK);
    assert_int_equal(authorizer_cache_purge_all(rig.cache, &users), 0);
    assert_int_equal(map_put(&users, STR("ana"), &users, NULL), ERR_OK);
    assert_int_equal(authorizer_cache_purge_all(rig.cache, &users), 1);
    assert_int_equal(bearer(z, token), AUTH_ALLOW);
    rig.role = NULL;
    authorizer_cache_purge(rig.cache, STR(""), STR("ana"));
    assert_int_equal(bearer(z, token), AUTH_DENY_IMPLICIT);
    rig.answer = ERR_IO;
    authorizer_cache_purge(rig.cache, STR(""), STR("ana"));
    assert_int_equal(bearer(z, token), AUTH_ERROR);
    map_fini(&users);
    authorizer_fini(z);
}

/* --- definitions and failures -------------------------------------------------------------------
 */
static bool decide_failing(struct asked *r, struct str token, enum auth_verdict *verdict)
{
    struct http_header line = {STR("Authorization"), token};
    r->headers = (struct http_headers){&line, 1, 1};
    size_t before = rig.done;
    bool now = authorizer_decide(&r->call);
    while (rig.waiting)
        answer();
    assert_int_equal(rig.done - before, now ? 0 : 1);
    *verdict = r->call.verdict;
    return mem_fault_hits() > 0;
}

static void no_lack_of_memory_allows_or_leaks(void **state)
{
    struct authorizer *z = compiled(SESSION("\"fresh\":true"), GRANTS);
    struct str child = sign(rig.key, HEADER, CHILD), refused = sign(rig.other, HEADER, CHILD);
    struct str parts[] = {STR("Bearer "), child}, others[] = {STR("Bearer "), refused};
    struct str good = arena_cat(rig.arena, parts, 2), bad = arena_cat(rig.arena, others, 2);
    struct fault f = {0};
    size_t rounds = 0;
    (void)state;
    rig.new_token = sign(rig.key, HEADER, USUAL);
    rig.role = "viewer";
    for (int wrong = 0; wrong < 2; wrong++)
        for (f = (struct fault){0}; fault_next(&f); rounds++) {
            struct asked r;
            enum auth_verdict verdict;
            mem_fault(-1, 0);
            begin(&r, z, "GET");
            authorizer_cache_purge(rig.cache, STR(""), STR(""));
            mem_fault(f.round / 2, f.round & 1);
            bool hit = decide_failing(&r, wrong ? bad : good, &verdict);
            if (verdict == AUTH_ALLOW ? wrong : !hit && !wrong)
                fail_msg("round %ld: verdict %d", f.round, (int)verdict);
            auth_call_fini(&r.call);
            arena_free(r.arena);
        }
    assert_true(rounds > 20);
    authorizer_fini(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(roles_of_the_claims_decide),
        TEST(another_spelling_gets_no_more),
        TEST(fresh_roles_are_the_store_s_and_are_purged_with_their_user),
        TEST(no_lack_of_memory_allows_or_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
