/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions at the gateway against a source that the test plays: which token counts, what a request
 * must show besides, when the store is asked, what is kept and for how long, what the client is
 * handed. */
#include "session_fixture.h"

/* --- which token counts -------------------------------------------------------------------------
 */
static const struct {
    const char *header, *claims;
    bool other_key;
    enum auth_verdict verdict;
} tokens[] = {
    {HEADER, USUAL, false, AUTH_ALLOW},
    {HEADER, USUAL, true, AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-1\",\"version\":\"4\"}", USUAL, false,
     AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-1\",\"version\":5}", USUAL, false,
     AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-1\"}", USUAL, false, AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"kid\":\"d-1\",\"version\":\"5\"}", USUAL, false, AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"x-1\",\"version\":\"5\"}", USUAL, false,
     AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-2\",\"version\":\"5\"}", USUAL, false,
     AUTH_UNAUTHORIZED},
    {"{\"alg\":\"RS256\",\"typ\":\"JWT\",\"version\":\"5\"}", USUAL, false, AUTH_UNAUTHORIZED},
    {HEADER,
     "{" USER "," HASH ",\"parentRefreshTokenHash1\":null,\"antiCsrfToken\":null,"
     "\"exp\":1800000000}",
     false, AUTH_UNAUTHORIZED},
    {HEADER, "{" USER "," HASH ",\"parentRefreshTokenHash1\":null}", false, AUTH_UNAUTHORIZED},
    {HEADER, "{" USER "," HASH ",\"parentRefreshTokenHash1\":7,\"exp\":1800000100}", false,
     AUTH_UNAUTHORIZED},
    {HEADER, "{" USER "," PLAIN ",\"iat\":1}", false, AUTH_UNAUTHORIZED},
    {HEADER, "{\"sub\":\"ana\",\"rsub\":\"ana\",\"tId\":\"public\"," HASH "," PLAIN "}", false,
     AUTH_UNAUTHORIZED},
    {HEADER,
     "{\"sub\":1,\"rsub\":\"ana\",\"tId\":\"public\",\"sessionHandle\":\"h1\"," HASH "," PLAIN "}",
     false, AUTH_UNAUTHORIZED},
};

static void only_a_sound_token_of_the_apps_own_keys_allows(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    (void)state;
    for (size_t i = 0; i < COUNTOF(tokens); i++) {
        struct str token =
            sign(tokens[i].other_key ? rig.other : rig.key, tokens[i].header, tokens[i].claims);
        enum auth_verdict verdict = bearer(z, token);
        if (verdict != tokens[i].verdict)
            fail_msg("token %zu: verdict %d", i, (int)verdict);
    }
    assert_int_equal(rig.asked_promotion, 0);
    assert_int_equal(rig.asked_keys, 1); /* of d-2 */
    authorizer_fini(z);
}

static void the_token_is_found_as_the_sdk_finds_it(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    struct str good = sign(rig.key, HEADER, USUAL);
    static const struct {
        const char *name, *prefix;
        bool twice;
        enum auth_verdict verdict;
    } rows[] = {
        {"Authorization", "Bearer ", false, AUTH_ALLOW},
        {"Authorization", "bearer ", false, AUTH_UNAUTHORIZED},
        {"Authorization", "", false, AUTH_UNAUTHORIZED},
        {"Authorization", "Bearer ", true, AUTH_UNAUTHORIZED},
        {"Cookie", "sAccessToken=", false, AUTH_ALLOW},
        {"Cookie", "a=b; sAccessToken=", false, AUTH_ALLOW},
        {"Cookie", "sAccessToken=", true, AUTH_UNAUTHORIZED},
        {"Cookie", "sIdRefreshToken=1; sAccessToken=", false, AUTH_UNAUTHORIZED},
        {"Cookie", "saccesstoken=", false, AUTH_UNAUTHORIZED},
        {"st-access-token", "", false, AUTH_UNAUTHORIZED},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct asked r;
        begin(&r, z, "GET");
        with(&r, rows[i].name, rows[i].prefix, good);
        if (rows[i].twice)
            with(&r, rows[i].name, rows[i].prefix, good);
        if (decide(&r) != rows[i].verdict)
            fail_msg("row %zu: verdict %d", i, (int)r.call.verdict);
        end(&r);
    }
    authorizer_fini(z);
}

static void a_header_that_is_no_session_gives_way_to_the_cookie(void **state)
{
    struct authorizer *z = compiled(SESSION("\"antiCsrf\":\"VIA_TOKEN\""), NULL);
    struct str good = sign(rig.key, HEADER, USUAL);
    struct asked r;
    (void)state;
    for (int post = 0; post < 2; post++) {
        begin(&r, z, post ? "POST" : "GET");
        with(&r, "Authorization", "Bearer ", STR("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
        with(&r, "Cookie", "sAccessToken=", good);
        /* found in the cookie, so a POST needs its anti-csrf token */
        assert_int_equal(decide(&r), post ? AUTH_UNAUTHORIZED : AUTH_ALLOW);
        end(&r);
    }
    authorizer_fini(z);
}

static void without_a_session_none_is_needed_where_the_document_says_so(void **state)
{
    struct authorizer *z = compiled(SESSION("\"required\":false"), NULL);
    struct asked r;
    (void)state;
    begin(&r, z, "GET");
    assert_int_equal(decide(&r), AUTH_ALLOW);
    assert_int_equal(auth_principal(r.call.result).n, 0);
    assert_null(auth_claims(r.call.result));
    end(&r);
    assert_int_equal(bearer(z, sign(rig.other, HEADER, USUAL)), AUTH_UNAUTHORIZED);
    authorizer_fini(z);
}

/* --- what a request must show besides ------------------------------------------------------------
 */
static void forgery_across_sites_is_refused_as_the_sdk_refuses_it(void **state)
{
    static const struct {
        const char *mode, *method, *header, *value;
        bool by_header;
        enum auth_verdict verdict;
    } rows[] = {
        {"NONE", "POST", NULL, NULL, false, AUTH_ALLOW},
        {"VIA_TOKEN", "GET", NULL, NULL, false, AUTH_ALLOW},
        {"VIA_TOKEN", "POST", NULL, NULL, false, AUTH_UNAUTHORIZED},
        {"VIA_TOKEN", "HEAD", NULL, NULL, false, AUTH_UNAUTHORIZED},
        {"VIA_TOKEN", "POST", "anti-csrf", "csrf-2", false, AUTH_UNAUTHORIZED},
        {"VIA_TOKEN", "POST", "anti-csrf", "csrf-1", false, AUTH_ALLOW},
        {"VIA_TOKEN", "POST", NULL, NULL, true, AUTH_ALLOW},
        {"VIA_CUSTOM_HEADER", "GET", NULL, NULL, false, AUTH_ALLOW},
        {"VIA_CUSTOM_HEADER", "POST", NULL, NULL, false, AUTH_UNAUTHORIZED},
        {"VIA_CUSTOM_HEADER", "POST", "rid", "session", false, AUTH_ALLOW},
        {"VIA_CUSTOM_HEADER", "DELETE", NULL, NULL, true, AUTH_ALLOW},
    };
    struct str token = sign(rig.key, HEADER,
                            "{" USER "," HASH ",\"parentRefreshTokenHash1\":null,"
                            "\"antiCsrfToken\":\"csrf-1\",\"exp\":1800000100}");
    (void)state;
    for (int kept = 0; kept < 2; kept++) /* what is kept is judged for each request all the same */
        for (size_t i = 0; i < COUNTOF(rows); i++) {
            struct asked r;
            char text[200];
            snprintf(text, sizeof text,
                     "{\"type\":\"TOKEN\",\"name\":\"z\",\"authorizerResultTtlInSeconds\":%d,"
                     "\"x-ropeline-session\":{\"antiCsrf\":\"%s\"}}",
                     kept * 60, rows[i].mode);
            struct authorizer *z = compiled(text, NULL);
            begin(&r, z, rows[i].method);
            with(&r, rows[i].by_header ? "Authorization" : "Cookie",
                 rows[i].by_header ? "Bearer " : "sAccessToken=", token);
            if (rows[i].header)
                with(&r, rows[i].header, "", str_c(rows[i].value));
            if (decide(&r) != rows[i].verdict)
                fail_msg("row %zu: verdict %d", i, (int)r.call.verdict);
            end(&r);
            authorizer_fini(z);
        }
    assert_int_equal(authorizer_cache_count(rig.cache), 3); /* one for each mode */
}

static void a_revoked_session_is_refused_even_when_it_is_kept(void **state)
{
    struct authorizer *z = compiled("{\"type\":\"TOKEN\",\"name\":\"z\","
                                    "\"authorizerResultTtlInSeconds\":60,"
                                    "\"x-ropeline-session\":{}}",
                                    NULL);
    struct str token = sign(rig.key, HEADER, USUAL);
    (void)state;
    assert_int_equal(bearer(z, token), AUTH_ALLOW);
    assert_int_equal(authorizer_cache_count(rig.cache), 1);
    rig.revoked = true;
    assert_int_equal(bearer(z, token), AUTH_UNAUTHORIZED);
    authorizer_cache_purge(rig.cache, STR(""), STR(""));
    assert_int_equal(bearer(z, token), AUTH_UNAUTHORIZED);
    authorizer_fini(z);
}

static void nothing_is_kept_longer_than_the_token_lives(void **state)
{
    struct authorizer *z = compiled("{\"type\":\"TOKEN\",\"name\":\"z\","
                                    "\"authorizerResultTtlInSeconds\":3600,"
                                    "\"x-ropeline-session\":{}}",
                                    NULL);
    struct str token = sign(rig.key, HEADER, USUAL); /* 100 s */
    (void)state;
    assert_int_equal(bearer(z, token), AUTH_ALLOW);
    rig.knows = false; /* from now on only what is kept can allow */
    now_us += 99 * 1000000;
    assert_int_equal(bearer(z, token), AUTH_ALLOW);
    now_us += 1 * 1000000;
    assert_int_equal(bearer(z, token), AUTH_UNAUTHORIZED);
    authorizer_fini(z);
}

/* --- keys ---------------------------------------------------------------------------------------
 */
static void keys_that_are_not_known_are_asked_for(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    struct str token = sign(rig.key, HEADER, USUAL);
    (void)state;
    rig.knows = false;
    assert_int_equal(bearer(z, token), AUTH_ALLOW);
    assert_int_equal(rig.asked_keys, 1);
    rig.knows = false;
    rig.answer = ERR_IO;
    assert_int_equal(bearer(z, token), AUTH_ERROR);
    authorizer_fini(z);
}

static void a_flood_of_unknown_kids_asks_once_a_second(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    (void)state;
    for (int i = 0; i < 20; i++) {
        char header[100];
        snprintf(header, sizeof header,
                 "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-9%d\",\"version\":\"5\"}", i);
        assert_int_equal(bearer(z, sign(rig.key, header, USUAL)), AUTH_UNAUTHORIZED);
    }
    assert_int_equal(rig.asked_keys, 1);
    now_us += 1000000;
    assert_int_equal(bearer(z, sign(rig.key,
                                    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"d-8\","
                                    "\"version\":\"5\"}",
                                    USUAL)),
                     AUTH_UNAUTHORIZED);
    assert_int_equal(rig.asked_keys, 2);
    authorizer_fini(z);
}

/* --- the store ----------------------------------------------------------------------------------
 */
static struct str handed(const struct asked *r, const char *name)
{
    return http_value(&r->call.handed, str_c(name));
}

static void the_first_use_after_a_refresh_is_confirmed_and_handed_on(void **state)
{
    struct authorizer *z =
        compiled(SESSION("\"cookie\":{\"domain\":\"example.com\",\"sameSite\":\"none\"}"), NULL);
    struct str child = sign(rig.key, HEADER, CHILD), fresh = sign(rig.key, HEADER, USUAL);
    struct asked r;
    (void)state;
    rig.new_token = fresh;
    begin(&r, z, "GET");
    with(&r, "Authorization", "Bearer ", child);
    assert_int_equal(decide(&r), AUTH_ALLOW);
    assert_true(str_eq(handed(&r, "st-access-token"), fresh));
    assert_true(str_starts(handed(&r, "front-token"), STR("eyJ1aWQiOiJhbmEi")));
    assert_non_null(json_get(auth_claims(r.call.result), "st-role")); /* the new one's claims */
    assert_null(json_get(auth_claims(r.call.result), "refreshTokenHash1"));
    end(&r);
    begin(&r, z, "GET");
    with(&r, "Cookie", "sAccessToken=", child);
    assert_int_equal(decide(&r), AUTH_ALLOW);
    assert_int_equal(handed(&r, "st-access-token").n, 0);
    assert_true(str_starts(handed(&r, "Set-Cookie"), STR("sAccessToken=ey")));
    assert_true(str_find(handed(&r, "Set-Cookie"), STR("; Domain=example.com; Path=/; Expires=")) !=
                SIZE_MAX);
    assert_true(str_ends(handed(&r, "Set-Cookie"), STR("; HttpOnly; Secure; SameSite=None")));
    end(&r);
    assert_int_equal(rig.asked_promotion, 1); /* remembered */
    now_us += 61 * 1000000;
    assert_int_equal(bearer(z, child), AUTH_ALLOW);
    assert_int_equal(rig.asked_promotion, 2);
    authorizer_fini(z);
}

static void a_cookie_is_not_made_where_its_attributes_are_not_known(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    struct asked r;
    (void)state;
    rig.new_token = sign(rig.key, HEADER, USUAL);
    begin(&r, z, "GET");
    with(&r, "Cookie", "sAccessToken=", sign(rig.key, HEADER, CHILD));
    assert_int_equal(decide(&r), AUTH_ALLOW);
    assert_int_equal(r.call.handed.n, 0);
    end(&r);
    authorizer_fini(z);
}

static void the_store_s_word_is_final(void **state)
{
    struct authorizer *z = compiled(SESSION(""), NULL);
    struct authorizer *strict = compiled(SESSION("\"checkDatabase\":true"), NULL);
    struct str child = sign(rig.key, HEADER, CHILD), usual = sign(rig.key, HEADER, USUAL);
    (void)state;
    rig.answer = ERR_DENIED;
    assert_int_equal(bearer(z, child), AUTH_UNAUTHORIZED);
    assert_int_equal(bearer(strict, usual), AUTH_UNAUTHORIZED);
    rig.answer = ERR_IO;
    assert_int_equal(bearer(z, child), AUTH_ERROR);
    rig.answer = ERR_OK;
    rig.new_token = STR("no token");
    assert_int_equal(bearer(z, child), AUTH_ERROR);
    rig.new_token = STR("");
    assert_int_equal(bearer(strict, usual), AUTH_ALLOW);
    assert_int_equal(bearer(strict, usual), AUTH_ALLOW);
    assert_int_equal(rig.asked_promotion, 6); /* each time */
    assert_int_equal(authorizer_cache_count(rig.cache), 0);
    authorizer_fini(z);
    authorizer_fini(strict);
}

static void what_is_no_definition_is_refused(void **state)
{
    static const char *const bad[] = {
        "\"ap\":\"x\"",
        "\"app\":\"X\"",
        "\"app\":\"\"",
        "\"app\":3",
        "\"required\":\"no\"",
        "\"checkDatabase\":1",
        "\"antiCsrf\":\"ANY\"",
        "\"cookie\":true",
        "\"cookie\":{\"sameSite\":\"x\"}",
        "\"cookie\":{\"domain\":\"a;b\"}",
        "\"cookie\":{\"path\":\"x\"}",
        "\"cookie\":{\"x\":1}",
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        char text[200];
        const struct json *spec;
        struct authorizer *z;
        struct errinfo e = {0};
        snprintf(text, sizeof text,
                 "{\"type\":\"TOKEN\",\"name\":\"z\",\"x-ropeline-session\":{%s}}", bad[i]);
        assert_int_equal(json_parse(rig.arena, str_c(text), KIB(4), &spec, &e), ERR_OK);
        const struct authorizer_env env = {.sessions = &source};
        if (authorizer_compile(rig.arena, spec, &env, &z, &e) != ERR_INVALID || e.text[0] == '\0')
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_a_sound_token_of_the_apps_own_keys_allows),
        TEST(the_token_is_found_as_the_sdk_finds_it),
        TEST(a_header_that_is_no_session_gives_way_to_the_cookie),
        TEST(without_a_session_none_is_needed_where_the_document_says_so),
        TEST(forgery_across_sites_is_refused_as_the_sdk_refuses_it),
        TEST(a_revoked_session_is_refused_even_when_it_is_kept),
        TEST(nothing_is_kept_longer_than_the_token_lives),
        TEST(keys_that_are_not_known_are_asked_for),
        TEST(a_flood_of_unknown_kids_asks_once_a_second),
        TEST(the_first_use_after_a_refresh_is_confirmed_and_handed_on),
        TEST(a_cookie_is_not_made_where_its_attributes_are_not_known),
        TEST(the_store_s_word_is_final),
        TEST(what_is_no_definition_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
