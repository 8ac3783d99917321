/* SPDX-License-Identifier: Apache-2.0
 *
 * Both tokens of a session: their exact form, and that nothing but what was made is read. */
#include "lib/fault.h"
/* */
#include "base/crypt.h"
#include "jose/jws.h"
#include "limits_int.h"
#include "token_int.h"

#define NOW 1700000000

static struct arena *memory;
static struct jwk *rsa, *other;
static struct jwks *keys;

static struct jwk *new_key(const char *alg, const char *kid)
{
    struct jwk *k;
    struct jwk_about about = {.has_kid = true, .kid = str_c(kid)};
    assert_int_equal(jwk_generate(jws_alg_named(str_c(alg)), &about, &k), ERR_OK);
    return k;
}

static int make_keys(void **state)
{
    (void)state;
    rsa = new_key("RS256", "d-1700000000000");
    other = new_key("RS256", "s-1");
    struct jwk *both[] = {rsa, other};
    return jwks_new(both, 2, &keys, NULL);
}
static int drop_keys(void **state)
{
    (void)state;
    jwks_unref(keys);
    jwk_unref(rsa);
    jwk_unref(other);
    return 0;
}
static int set_up(void **state)
{
    (void)state;
    memory = arena_new(KIB(64), MIB(64));
    return memory ? 0 : 1;
}
static int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}
#define TOKEN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct json *tree(const char *text)
{
    const struct json *v;
    if (json_parse(memory, str_c(text), MIB(1), &v, NULL) != ERR_OK)
        fail_msg("no JSON: %s", text);
    return v;
}

static struct access_token usual(const char *payload)
{
    return (struct access_token){.user_id = STR("u\"1"),
                                 .recipe_user_id = STR("r1"),
                                 .tenant = STR("public"),
                                 .session_handle = STR("h"),
                                 .hash1 = STR("aa"),
                                 .iat_s = NOW,
                                 .exp_s = NOW + 3600,
                                 .payload = payload ? tree(payload) : NULL};
}

static struct str sign_text(struct jwk *k, const char *claims)
{
    struct signer s = signer_here(k);
    AUTO_BUF out = BUF_INIT(KIB(64));
    assert_int_equal(access_token_sign(&s, str_c(claims), &out), ERR_OK);
    return arena_str(memory, buf_str(&out));
}

static struct str sign_token(struct jwk *k, const struct access_token *t)
{
    AUTO_BUF claims = BUF_INIT(KIB(64));
    access_token_write(t, &claims);
    assert_int_equal(claims.err, ERR_OK);
    return sign_text(k, buf_cstr(&claims));
}

static enum err read_at(struct str token, int64_t now_s, struct access_token *out,
                        const char *words)
{
    const char *why = NULL;
    enum err err = access_token_read(memory, token, keys, now_s, out, &why);
    assert_string_equal(why, words);
    return err;
}

static void assert_str(struct str got, const char *wanted)
{
    if (!str_eqz(got, wanted))
        fail_msg("got %.*s, not %s", STR_ARG(got), wanted);
}

/* ---- access tokens ---- */

static void claims_stand_in_the_core_s_order(void **state)
{
    (void)state;
    AUTO_BUF out = BUF_INIT(KIB(4));
    struct access_token t = usual("{\"st-role\":{\"v\":[\"admin\"],\"t\":1},\"sub\":\"forged\"}");
    access_token_write(&t, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"sub\":\"u\\\"1\",\"rsub\":\"r1\",\"tId\":\"public\",\"iat\":1700000000,"
                        "\"exp\":1700003600,\"sessionHandle\":\"h\",\"refreshTokenHash1\":\"aa\","
                        "\"parentRefreshTokenHash1\":null,\"antiCsrfToken\":null,"
                        "\"st-role\":{\"v\":[\"admin\"],\"t\":1}}");
    buf_reset(&out);
    t = usual(NULL);
    t.parent_hash1 = STR("bb");
    t.anti_csrf = STR("cc");
    access_token_write(&t, &out);
    assert_non_null(strstr(buf_cstr(&out), "\"parentRefreshTokenHash1\":\"bb\","
                                           "\"antiCsrfToken\":\"cc\"}"));
}

static void the_header_names_key_and_version(void **state)
{
    (void)state;
    AUTO_BUF header = BUF_INIT(KIB(1));
    struct str rest, token = sign_text(rsa, "{}");
    assert_int_equal(crypt_base64url_decode(&header, str_cut(token, '.', &rest)), ERR_OK);
    assert_string_equal(buf_cstr(&header), "{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\","
                                           "\"version\":\"5\",\"alg\":\"RS256\"}");
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    AUTO_BUF payload = BUF_INIT(KIB(4));
    struct access_token t = usual("{\"a\":{\"b\":[1,null]},\"iss\":\"x\"}"), got;
    t.parent_hash1 = STR("bb");
    t.anti_csrf = STR("cc");
    assert_int_equal(read_at(sign_token(other, &t), NOW, &got, ""), ERR_OK);
    assert_str(got.user_id, "u\"1");
    assert_str(got.recipe_user_id, "r1");
    assert_str(got.tenant, "public");
    assert_str(got.session_handle, "h");
    assert_str(got.hash1, "aa");
    assert_str(got.parent_hash1, "bb");
    assert_str(got.anti_csrf, "cc");
    assert_int_equal(got.iat_s, NOW);
    assert_int_equal(got.exp_s, NOW + 3600);
    json_write(&payload, got.payload);
    assert_string_equal(buf_cstr(&payload), "{\"a\":{\"b\":[1,null]},\"iss\":\"x\"}");
}

static void an_expired_token_is_read_and_refused(void **state)
{
    (void)state;
    struct access_token t = usual(NULL), got;
    struct str token = sign_token(rsa, &t);
    assert_int_equal(read_at(token, NOW + 3599, &got, ""), ERR_OK);
    assert_int_equal(read_at(token, NOW + 3600, &got, "Access token expired"), ERR_EXPIRED);
    assert_str(got.session_handle, "h");
    token.p = arena_cstr(memory, token);
    char *one = (char *)(uintptr_t)token.p + token.n - 9;
    *one = *one == 'A' ? 'B' : 'A'; /* unsigned, it is not even expired */
    assert_int_equal(read_at(token, NOW + 3600, &got, "JWT verification failed"), ERR_BADSIG);
    assert_int_equal(got.session_handle.n, 0);
}

static void an_unknown_key_is_said_so(void **state)
{
    (void)state;
    struct jwk *stranger = new_key("RS256", "d-2"), *namesake = new_key("RS256", "s-1");
    struct access_token t = usual(NULL), got;
    assert_int_equal(read_at(sign_token(stranger, &t), NOW, &got, "Key not found"), ERR_NOTFOUND);
    assert_int_equal(read_at(sign_token(namesake, &t), NOW, &got, "JWT verification failed"),
                     ERR_BADSIG);
    jwk_unref(stranger);
    jwk_unref(namesake);
}

static struct str with_header(const char *header, const char *alg)
{
    AUTO_BUF out = BUF_INIT(KIB(8));
    struct access_token t = usual(NULL);
    struct jwk *secret = NULL, *k = rsa;
    AUTO_BUF claims = BUF_INIT(KIB(4));
    access_token_write(&t, &claims);
    if (str_starts(str_c(alg), STR("HS")))
        k = secret = new_key(alg, "d-1700000000000");
    /* A key that says its alg signs with no other: one of the same pair says another. */
    struct jwk_about about = {.has_kid = true, .kid = rsa->kid, .alg = jws_alg_named(str_c(alg))};
    if (secret == NULL)
        assert_int_equal(jwk_with_name(rsa, &about, &k), ERR_OK);
    assert_int_equal(jws_sign_header(k, about.alg, str_c(header), buf_str(&claims), &out), ERR_OK);
    jwk_unref(k);
    return arena_str(memory, buf_str(&out));
}

static void only_version_5_and_rs256_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *header, *alg;
    } cases[] = {
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"4\",\"alg\":\"RS256\"}",
         "RS256"},
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":5,\"alg\":\"RS256\"}", "RS256"},
        {"{\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"RS256\"}", "RS256"},
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"RS384\"}",
         "RS384"},
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"PS256\"}",
         "PS256"},
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"HS256\"}",
         "HS256"},
        {"{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"none\"}",
         "RS256"},
        {"{\"kid\":\"d-1700000000000\",\"version\":\"5\",\"crit\":[\"b64\"],\"b64\":false,"
         "\"alg\":\"RS256\"}",
         "RS256"},
    };
    struct access_token got;
    assert_int_equal(read_at(with_header("{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\","
                                         "\"version\":\"5\",\"alg\":\"RS256\"}",
                                         "RS256"),
                             NOW, &got, ""),
                     ERR_OK);
    assert_int_equal(
        read_at(
            with_header("{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"alg\":\"RS256\"}", "RS256"),
            NOW, &got, ""),
        ERR_OK);
    for (size_t i = 0; i < COUNTOF(cases); i++)
        if (read_at(with_header(cases[i].header, cases[i].alg), NOW, &got, "JWT header mismatch") !=
            ERR_SYNTAX)
            fail_msg("taken: %s", cases[i].header);
}

#define CLAIMS(sub, exp, hash1, parent)                                    \
    "{\"sub\":" sub ",\"rsub\":\"r\",\"tId\":\"t\",\"iat\":1,\"exp\":" exp \
    ",\"sessionHandle\":\"h\",\"refreshTokenHash1\":" hash1 ",\"antiCsrfToken\":null" parent "}"

static void a_claim_that_is_missing_or_of_another_type_is_refused(void **state)
{
    (void)state;
#define PARENT ",\"parentRefreshTokenHash1\":null"
    static const char *const cases[] = {
        "{}",
        CLAIMS("1", "1700000001", "\"a\"", PARENT),
        CLAIMS("null", "1700000001", "\"a\"", PARENT),
        CLAIMS("\"u\"", "\"1700000001\"", "\"a\"", PARENT),
        CLAIMS("\"u\"", "1700000001.5", "\"a\"", PARENT),
        CLAIMS("\"u\"", "-1", "\"a\"", PARENT),
        CLAIMS("\"u\"", "1e300", "\"a\"", PARENT),
        CLAIMS("\"u\"", "9223372036854775807", "\"a\"", PARENT),
        CLAIMS("\"u\"", "1700000001", "null", PARENT),
        CLAIMS("\"u\"", "1700000001", "\"a\"", ""),
        CLAIMS("\"u\"", "1700000001", "\"a\"", ",\"parentRefreshTokenHash1\":false"),
    };
    struct access_token got;
    assert_int_equal(
        read_at(sign_text(rsa, CLAIMS("\"u\"", "1700000001", "\"a\"", PARENT)), NOW, &got, ""),
        ERR_OK);
    for (size_t i = 0; i < COUNTOF(cases); i++)
        if (read_at(sign_text(rsa, cases[i]), NOW, &got,
                    "Access token does not contain all the information. Maybe the structure has "
                    "changed?") != ERR_SYNTAX)
            fail_msg("taken: %s", cases[i]);
}

static void garbage_is_no_token(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     ".",       "..",       "...",      "a.b.c",
                                        "e30.", "e30.e30", "e30.e30.", "{}.{}.{}", "e30.e30.AA.AA"};
    struct access_token got;
    const char *why;
    for (size_t i = 0; i < COUNTOF(texts); i++)
        if (access_token_read(memory, str_c(texts[i]), keys, NOW, &got, &why) != ERR_SYNTAX)
            fail_msg("taken: %s", texts[i]);
}

static void a_change_of_any_byte_is_refused(void **state)
{
    (void)state;
    struct access_token t = usual("{\"k\":1}"), got;
    struct str token = sign_token(rsa, &t);
    char *text = arena_cstr(memory, token);
    const char *why;
    for (size_t i = 0; i < token.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct arena *a = arena_new(KIB(16), MIB(1));
            text[i] = (char)(text[i] ^ (1 << bit));
            enum err err = access_token_read(a, str_of(text, token.n), keys, NOW, &got, &why);
            text[i] = (char)(text[i] ^ (1 << bit));
            arena_free(a);
            if (err != ERR_SYNTAX && err != ERR_BADSIG && err != ERR_NOTFOUND)
                fail_msg("byte %zu bit %d: %s", i, bit, err_text(err));
        }
    }
}

static void a_token_too_large_to_be_shown_is_not_made(void **state)
{
    (void)state;
    struct signer s = signer_here(rsa);
    char *big = arena_alloc(memory, KIB(10));
    assert_non_null(big);
    for (size_t n = KIB(5); n <= KIB(9); n += KIB(4)) {
        AUTO_BUF out = BUF_INIT(KIB(64)), claims = BUF_INIT(KIB(64));
        memset(big, 'x', n);
        json_write_str(&claims, str_of(big, n + KIB(1)));
        assert_int_equal(access_token_sign(&s, buf_str(&claims), &out), ERR_LIMIT);
    }
}

static void protected_names_are_exactly_nine(void **state)
{
    (void)state;
    static const char *const names[] = {"sub",
                                        "rsub",
                                        "tId",
                                        "iat",
                                        "exp",
                                        "sessionHandle",
                                        "refreshTokenHash1",
                                        "parentRefreshTokenHash1",
                                        "antiCsrfToken"};
    for (size_t i = 0; i < COUNTOF(names); i++)
        assert_true(access_token_protects(str_c(names[i])));
    assert_false(access_token_protects(STR("iss")));
    assert_false(access_token_protects(STR("Sub")));
    assert_false(access_token_protects(STR("")));
}

/* ---- refresh tokens ---- */

static const struct str secret = STR_INIT("0123456789abcdef0123456789abcdef");

static struct refresh_token usual_refresh(void)
{
    return (struct refresh_token){
        .session_handle = STR("h_t1"), .user_id = STR("u\"1"), .tenant = STR("t1")};
}

static struct str write_refresh(struct refresh_token *t)
{
    struct str text;
    assert_int_equal(refresh_token_write(secret, t, memory, &text), ERR_OK);
    return text;
}

static void a_refresh_token_has_three_fields(void **state)
{
    (void)state;
    struct refresh_token t = usual_refresh();
    struct str rest, version, text = write_refresh(&t);
    AUTO_BUF sealed = BUF_INIT(KIB(4));
    assert_int_equal(crypt_base64_decode(&sealed, str_cut(text, '.', &rest)), ERR_OK);
    assert_true(sealed.n > 12 + 16);
    assert_true(str_eq(str_cut(rest, '.', &version), t.nonce));
    assert_int_equal(t.nonce.n, 64);
    assert_str(version, "V2");
    assert_int_equal(str_find(buf_str(&sealed), STR("u\"1")), SIZE_MAX);
}

static void what_a_refresh_token_holds_is_read(void **state)
{
    (void)state;
    struct refresh_token t = usual_refresh(), got;
    assert_int_equal(refresh_token_read(memory, secret, write_refresh(&t), &got), ERR_OK);
    assert_str(got.session_handle, "h_t1");
    assert_str(got.user_id, "u\"1");
    assert_str(got.tenant, "t1");
    assert_str(got.parent_hash1, "");
    assert_str(got.anti_csrf, "");
    assert_true(str_eq(got.nonce, t.nonce));
    t.tenant = STR("public");
    t.parent_hash1 = STR("aa");
    t.anti_csrf = STR("cc");
    struct str first = t.nonce;
    assert_int_equal(refresh_token_read(memory, secret, write_refresh(&t), &got), ERR_OK);
    assert_false(str_eq(first, t.nonce));
    assert_str(got.tenant, "public");
    assert_str(got.parent_hash1, "aa");
    assert_str(got.anti_csrf, "cc");
}

static void another_app_s_key_reads_nothing(void **state)
{
    (void)state;
    struct refresh_token t = usual_refresh(), got;
    struct str text = write_refresh(&t);
    assert_int_equal(
        refresh_token_read(memory, STR("0123456789abcdef0123456789abcdeg"), text, &got),
        ERR_INVALID);
    assert_int_equal(refresh_token_read(memory, STR("short"), text, &got), ERR_INVALID);
    assert_int_equal(refresh_token_write(STR("short"), &t, memory, &text), ERR_INVALID);
    assert_null(got.session_handle.p);
}

static void a_refresh_token_with_any_byte_changed_is_refused(void **state)
{
    (void)state;
    struct refresh_token t = usual_refresh(), got;
    struct str whole = write_refresh(&t);
    char *text = arena_cstr(memory, whole);
    for (size_t i = 0; i < whole.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ (1 << bit));
            enum err err = refresh_token_read(memory, secret, str_of(text, whole.n), &got);
            text[i] = (char)(text[i] ^ (1 << bit));
            if (err != ERR_INVALID)
                fail_msg("byte %zu bit %d", i, bit);
        }
        assert_int_equal(refresh_token_read(memory, secret, str_sub(whole, 0, i), &got),
                         ERR_INVALID);
    }
    assert_int_equal(refresh_token_read(memory, secret, str_of(text, whole.n), &got), ERR_OK);
    /* Of two good tokens: one's body with the other's nonce. */
    struct str body, rest, second = write_refresh(&t);
    body = str_cut(whole, '.', &rest);
    (void)str_cut(second, '.', &rest);
    const struct str parts[] = {body, STR("."), rest};
    assert_int_equal(refresh_token_read(memory, secret, arena_cat(memory, parts, 3), &got),
                     ERR_INVALID);
}

static void only_whole_fields_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\"}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\",\"nonce\":\"o\"}",
        "{\"sessionHandle\":\"h\",\"userId\":1,\"nonce\":\"n\"}",
        "{\"sessionHandle\":null,\"userId\":\"u\",\"nonce\":\"n\"}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\",\"nonce\":\"n\",\"tenantId\":null}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\",\"nonce\":\"n\",\"antiCsrfToken\":false}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\",\"nonce\":\"n\",\"nonce\":\"n\"}",
        "{\"sessionHandle\":\"h\",\"userId\":\"u\",\"nonce\":\"n\"",
    };
    struct refresh_token got;
    assert_int_equal(refresh_token_fields(
                         memory, STR("{\"nonce\":\"n\",\"userId\":\"u\",\"sessionHandle\":\"h\"}"),
                         STR("n"), &got),
                     ERR_OK);
    for (size_t i = 0; i < COUNTOF(texts); i++)
        if (refresh_token_fields(memory, str_c(texts[i]), STR("n"), &got) != ERR_INVALID)
            fail_msg("taken: %s", texts[i]);
}

static void a_refresh_token_has_a_largest_size(void **state)
{
    (void)state;
    struct refresh_token t = usual_refresh(), got;
    struct str text;
    char *id = arena_alloc(memory, KIB(9));
    assert_non_null(id);
    memset(id, 'x', KIB(9));
    t.user_id = str_of(id, KIB(9));
    assert_int_equal(refresh_token_write(secret, &t, memory, &text), ERR_LIMIT);
    t.user_id = str_of(id, KIB(5));
    assert_int_equal(refresh_token_read(memory, secret, write_refresh(&t), &got), ERR_OK);
    assert_int_equal(refresh_token_read(memory, secret, str_of(id, KIB(9)), &got), ERR_INVALID);
}

static void hashes_are_those_of_the_core(void **state)
{
    (void)state;
    char h1[HASH_TEXT], h2[HASH_TEXT];
    refresh_hash1(STR("abc"), h1);
    assert_string_equal(h1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    refresh_hash2(str_c(h1), h2);
    assert_string_equal(h2, "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c");
}

/* ---- allocations that fail ---- */

static enum err access_round(void *arg)
{
    const struct access_token *t = arg;
    struct access_token got;
    const char *why;
    struct signer s = signer_here(rsa);
    AUTO_BUF claims = BUF_INIT(KIB(4)), token = BUF_INIT(KIB(8));
    struct arena *a = arena_new(KIB(4), MIB(1));
    access_token_write(t, &claims);
    enum err err = a ? claims.err : ERR_NOMEM;
    if (err == ERR_OK)
        err = access_token_sign(&s, buf_str(&claims), &token);
    if (err == ERR_OK)
        err = access_token_read(a, buf_str(&token), keys, NOW, &got, &why);
    arena_free(a);
    return err;
}

static enum err refresh_round(void *arg)
{
    struct refresh_token t = *(struct refresh_token *)arg, got;
    struct str text;
    struct arena *a = arena_new(64, MIB(1));
    enum err err = a ? refresh_token_write(secret, &t, a, &text) : ERR_NOMEM;
    if (err == ERR_OK)
        err = refresh_token_read(a, secret, text, &got);
    arena_free(a);
    return err;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    struct access_token t = usual("{\"a\":[1,2,3]}");
    struct refresh_token r = usual_refresh();
    /* Contexts that a key keeps between uses would be there in one round and not in the next. */
    assert_int_equal(access_round(&t), ERR_OK);
    fault_each(access_round, &t);
    fault_each(refresh_round, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(claims_stand_in_the_core_s_order),
        TOKEN_TEST(the_header_names_key_and_version),
        TOKEN_TEST(what_was_written_is_read),
        TOKEN_TEST(an_expired_token_is_read_and_refused),
        TOKEN_TEST(an_unknown_key_is_said_so),
        TOKEN_TEST(only_version_5_and_rs256_are_taken),
        TOKEN_TEST(a_claim_that_is_missing_or_of_another_type_is_refused),
        TOKEN_TEST(garbage_is_no_token),
        TOKEN_TEST(a_change_of_any_byte_is_refused),
        TOKEN_TEST(a_token_too_large_to_be_shown_is_not_made),
        TOKEN_TEST(protected_names_are_exactly_nine),
        TOKEN_TEST(a_refresh_token_has_three_fields),
        TOKEN_TEST(what_a_refresh_token_holds_is_read),
        TOKEN_TEST(another_app_s_key_reads_nothing),
        TOKEN_TEST(a_refresh_token_with_any_byte_changed_is_refused),
        TOKEN_TEST(only_whole_fields_are_taken),
        TOKEN_TEST(a_refresh_token_has_a_largest_size),
        TOKEN_TEST(hashes_are_those_of_the_core),
        TOKEN_TEST(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
