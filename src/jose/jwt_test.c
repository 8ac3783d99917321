/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jwt.h"

#include <stdio.h>

#include "jose/jose_key_test.h"

struct row {
    const char *payload;
    enum jwt_reason reason;
};

static void try_rows(const struct jwt_checker *c, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum jwt_reason r = verify(c, keys, claims(rows[i].payload));
        if (r != rows[i].reason)
            fail_msg("%s: %s, not %s", rows[i].payload, jwt_reason_code(r),
                     jwt_reason_code(rows[i].reason));
    }
}
#define TRY(checker, rows) try_rows(checker, rows, COUNTOF(rows))

static const struct jwt_checker plain = {.algs = JWS_ALL};

static void times_are_numbers_from_0_to_2_53(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"exp\":1700000001}", JWT_OK},
        {"{\"exp\":1700000000.5}", JWT_OK},
        {"{\"exp\":1.7000000005e9}", JWT_OK},
        {"{\"exp\":1.7e9}", JWT_EXPIRED},
        {"{\"exp\":1700000000}", JWT_EXPIRED}, /* on or after is expired */
        {"{\"exp\":1699999999.9}", JWT_EXPIRED},
        {"{\"exp\":0}", JWT_EXPIRED},
        {"{\"exp\":9007199254740992}", JWT_OK},
        {"{\"exp\":9007199254740993}", JWT_BAD_CLAIM},
        {"{\"exp\":9007199254740994}", JWT_BAD_CLAIM},
        {"{\"exp\":9223372036854775808}", JWT_BAD_CLAIM},
        {"{\"exp\":18446744073709551616}", JWT_BAD_CLAIM},
        {"{\"exp\":1e300}", JWT_BAD_CLAIM},
        {"{\"exp\":1e999}", JWT_NOT_CLAIMS},
        {"{\"exp\":NaN}", JWT_NOT_CLAIMS},
        {"{\"exp\":Infinity}", JWT_NOT_CLAIMS},
        {"{\"exp\":-1}", JWT_BAD_CLAIM},
        {"{\"exp\":-0.0}", JWT_BAD_CLAIM},
        {"{\"exp\":\"1700000001\"}", JWT_BAD_CLAIM},
        {"{\"exp\":true}", JWT_BAD_CLAIM},
        {"{\"exp\":null}", JWT_BAD_CLAIM},
        {"{\"exp\":[]}", JWT_BAD_CLAIM},
        {"{\"exp\":{}}", JWT_BAD_CLAIM},
        {"{\"nbf\":1700000000}", JWT_OK},
        {"{\"nbf\":1700000000.1}", JWT_NOT_YET},
        {"{\"nbf\":1700000001}", JWT_NOT_YET},
        {"{\"nbf\":\"1\"}", JWT_BAD_CLAIM},
        {"{\"iat\":1700000000}", JWT_OK},
        {"{\"iat\":1700000001}", JWT_ISSUED_LATER},
        {"{\"iat\":-5}", JWT_BAD_CLAIM},
        {"{}", JWT_OK},
    };
    TRY(&plain, rows);
}

static void skew_reaches_as_far_as_it_says(void **state)
{
    (void)state;
    static const struct jwt_checker c = {.algs = JWS_ALL, .skew_s = 60};
    static const struct row rows[] = {
        {"{\"exp\":1699999941}", JWT_OK}, {"{\"exp\":1699999940}", JWT_EXPIRED},
        {"{\"nbf\":1700000060}", JWT_OK}, {"{\"nbf\":1700000061}", JWT_NOT_YET},
        {"{\"iat\":1700000060}", JWT_OK}, {"{\"iat\":1700000061}", JWT_ISSUED_LATER},
    };
    TRY(&c, rows);
}

static void exp_and_a_longest_life_may_be_demanded(void **state)
{
    (void)state;
    static const struct jwt_checker exp = {.algs = JWS_ALL, .require_exp = true};
    static const struct row exp_rows[] = {{"{\"exp\":1700000009}", JWT_OK}, {"{}", JWT_NO_EXP}};
    TRY(&exp, exp_rows);
    static const struct jwt_checker life = {.algs = JWS_ALL, .max_life_s = 100};
    static const struct row rows[] = {
        {"{\"iat\":1699999950,\"exp\":1700000050}", JWT_OK},
        {"{\"iat\":1699999950,\"exp\":1700000051}", JWT_LIVES_TOO_LONG},
        {"{\"exp\":1700000050}", JWT_LIVES_TOO_LONG},
        {"{\"iat\":1699999950}", JWT_NO_EXP},
    };
    TRY(&life, rows);
}

static void the_audience_is_one_of_ours_whole(void **state)
{
    (void)state;
    static const struct jwt_checker c = {
        .algs = JWS_ALL, .audiences = audiences, .audiences_n = 2, .client_id = true};
    static const struct row rows[] = {
        {"{\"aud\":\"orders\"}", JWT_OK},
        {"{\"aud\":\"invoices\"}", JWT_OK},
        {"{\"aud\":[\"x\",\"orders\"]}", JWT_OK},
        {"{\"aud\":\"order\"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":\"orders \"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":\"ORDERS\"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":\"orders,invoices\"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":\"\"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":[]}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":[],\"client_id\":\"orders\"}", JWT_WRONG_AUDIENCE},
        {"{\"aud\":[\"orders\",7]}", JWT_BAD_CLAIM},
        {"{\"aud\":[[\"orders\"]]}", JWT_BAD_CLAIM},
        {"{\"aud\":{\"orders\":1}}", JWT_BAD_CLAIM},
        {"{\"aud\":7}", JWT_BAD_CLAIM},
        {"{\"aud\":null}", JWT_BAD_CLAIM},
        {"{}", JWT_NO_AUDIENCE},
        {"{\"client_id\":\"orders\"}", JWT_OK},
        {"{\"client_id\":\"other\"}", JWT_WRONG_CLIENT_ID},
        {"{\"client_id\":[\"orders\"]}", JWT_WRONG_CLIENT_ID},
        {"{\"aud\":\"other\",\"client_id\":\"orders\"}", JWT_WRONG_AUDIENCE},
    };
    TRY(&c, rows);
    static const struct jwt_checker strict = {
        .algs = JWS_ALL, .audiences = audiences, .audiences_n = 1};
    static const struct row strict_rows[] = {
        {"{\"client_id\":\"orders\"}", JWT_NO_AUDIENCE},
        {"{\"aud\":\"invoices\"}", JWT_WRONG_AUDIENCE},
    };
    TRY(&strict, strict_rows);
    static const struct row unasked[] = {{"{\"aud\":\"any\"}", JWT_OK},
                                         {"{\"aud\":7}", JWT_BAD_CLAIM}};
    TRY(&plain, unasked);
}

static void the_issuer_equals_byte_for_byte(void **state)
{
    (void)state;
    static const struct jwt_checker c = {.algs = JWS_ALL, .issuers = issuers, .issuers_n = 2};
    static const struct row rows[] = {
        {"{\"iss\":\"https://issuer.example\"}", JWT_OK},
        {"{\"iss\":\"b\"}", JWT_OK},
        {"{\"iss\":\"https:\\/\\/issuer.example\"}", JWT_OK}, /* the same string, escaped */
        {"{\"iss\":\"https://issuer.example/\"}", JWT_WRONG_ISSUER},
        {"{\"iss\":\"https://Issuer.example\"}", JWT_WRONG_ISSUER},
        {"{\"iss\":\"https://issuer.example@evil\"}", JWT_WRONG_ISSUER},
        {"{\"iss\":\"\"}", JWT_WRONG_ISSUER},
        {"{\"iss\":[\"b\"]}", JWT_BAD_CLAIM},
        {"{}", JWT_NO_ISSUER},
    };
    TRY(&c, rows);
    static const struct row unasked[] = {{"{\"iss\":7}", JWT_BAD_CLAIM},
                                         {"{\"iss\":\"x\"}", JWT_OK}};
    TRY(&plain, unasked);
}

static void one_kind_of_token_is_not_another(void **state)
{
    (void)state;
    struct jwt_checker c = {.algs = JWS_ALL, .typ = STR("at+jwt")};
    static const struct {
        const char *header;
        enum jwt_reason reason;
    } rows[] = {
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", JWT_OK},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"AT+JWT\"}", JWT_OK},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"application/at+jwt\"}", JWT_OK},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"JWT\"}", JWT_WRONG_TYP},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":\"logout+jwt\"}", JWT_WRONG_TYP},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", JWT_WRONG_TYP},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"typ\":7}", JWT_BAD_HEADER},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        assert_reason(verify(&c, keys, token(key, "EdDSA", rows[i].header, "{}")), rows[i].reason);
    struct jwt_checker use = {.algs = JWS_ALL, .token_use = STR("access")};
    static const struct row uses[] = {{"{\"token_use\":\"access\"}", JWT_OK},
                                      {"{\"token_use\":\"id\"}", JWT_WRONG_TOKEN_USE},
                                      {"{\"token_use\":[\"access\"]}", JWT_WRONG_TOKEN_USE},
                                      {"{}", JWT_WRONG_TOKEN_USE}};
    TRY(&use, uses);
}

static void claims_are_a_strict_json_object(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", JWT_NOT_CLAIMS},
        {"[]", JWT_NOT_CLAIMS},
        {"\"a\"", JWT_NOT_CLAIMS},
        {"null", JWT_NOT_CLAIMS},
        {"7", JWT_NOT_CLAIMS},
        {"{}{}", JWT_NOT_CLAIMS},
        {"{} x", JWT_NOT_CLAIMS},
        {" {} ", JWT_OK},
        {"\xef\xbb\xbf{}", JWT_NOT_CLAIMS},
        {"{'a':1}", JWT_NOT_CLAIMS},
        {"{\"a\":1,}", JWT_NOT_CLAIMS},
        {"{\"a\":1 /* c */}", JWT_NOT_CLAIMS},
        {"{\"a\":trux}", JWT_NOT_CLAIMS},
        {"{\"a\":fals", JWT_NOT_CLAIMS},
        {"{\"a\":null,\"b\":[true,false]}", JWT_OK},
        {"{\"sub\":1,\"sub\":2}", JWT_NOT_CLAIMS},
        {"{\"exp\":9999999999,\"\\u0065xp\":1}", JWT_NOT_CLAIMS},
        {"{\"a\":{\"b\":1,\"b\":2}}", JWT_NOT_CLAIMS},
        {"{\"sub\":\"admin\\u0000x\"}", JWT_NOT_CLAIMS},
        {"{\"sub\":\"\\ud800\"}", JWT_NOT_CLAIMS},
        {"{\"sub\":\"\\udc00\\ud800\"}", JWT_NOT_CLAIMS},
        {"{\"sub\":\"\xff\"}", JWT_NOT_CLAIMS},
        {"{\"sub\":\"\xc0\xaf\"}", JWT_NOT_CLAIMS},
    };
    TRY(&plain, rows);
}

static void no_member_hides_among_many(void **state)
{
    (void)state;
    for (int n = 2; n <= 40; n++)
        for (int twin = -1; twin < n - 1; twin++) { /* the last is named as this one; -1: as none */
            AUTO_BUF text = BUF_INIT(KIB(4));
            for (int i = 0; i < n; i++)
                buf_addf(&text, "%c\"m%d\":1", i ? ',' : '{', i == n - 1 && twin >= 0 ? twin : i);
            buf_addc(&text, '}');
            const struct json *v;
            enum err err = json_parse_object(memory, buf_str(&text), &v);
            assert_int_equal(err, twin < 0 ? ERR_OK : ERR_SYNTAX);
            assert_true(err != ERR_OK || v->n == (size_t)n);
        }
}

/* In memory that ends where the text does, so that AddressSanitizer sees a byte too far. */
static void a_document_that_breaks_off_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\\u00e9\\ud800\\udc00\\udbff\\udfff\\n\":[true,false,null,-1.5e3,12],"
        "\"b\":{\"c\":\"\xc3\xa9\"}}";
    for (size_t n = 1; n < sizeof text; n++) {
        const struct json *v;
        char *exact = mem_dup(text, n);
        enum err err = json_parse_object(memory, str_of(exact, n), &v);
        assert_int_equal(err, n == sizeof text - 1 ? ERR_OK : ERR_SYNTAX);
        if (err == ERR_OK)
            assert_true(str_eqz(v->members[0].key, "a\xc3\xa9\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n"));
        mem_free(exact);
    }
}

static void the_token_has_three_strict_parts(void **state)
{
    (void)state;
    struct str good = claims("{\"sub\":\"ana\"}");
    size_t first = str_chr(good, '.', 0), last = str_rchr(good, '.');
    static const struct {
        const char *form; /* H, P, S: the good parts */
        enum jwt_reason reason;
    } rows[] = {
        {"", JWT_MALFORMED},
        {"H", JWT_MALFORMED},
        {"H.P", JWT_MALFORMED},
        {"H.P.", JWT_MALFORMED},
        {".P.S", JWT_MALFORMED},
        {"H..S", JWT_NOT_CLAIMS},
        {"H.P.S.", JWT_MALFORMED},
        {".H.P.S", JWT_MALFORMED},
        {"H.P.S.S", JWT_MALFORMED},
        {"H.P.S.S.S", JWT_ENCRYPTED},
        {"H.P.S.S.S.S", JWT_MALFORMED},
        {"..", JWT_MALFORMED},
        {"....", JWT_ENCRYPTED},
        {"H.P.S=", JWT_MALFORMED},
        {"H=.P.S", JWT_MALFORMED},
        {" H.P.S", JWT_MALFORMED},
        {"H.P.S ", JWT_MALFORMED},
        {"H.P.S\n", JWT_MALFORMED},
        {"H. P.S", JWT_MALFORMED},
        {"H.P.S%3D", JWT_MALFORMED},
        {"H.P.S?", JWT_MALFORMED},
        {"H.P.SAA", JWT_BAD_SIGNATURE},
        {"P.H.S", JWT_BAD_HEADER},
        {"H.H.S", JWT_BAD_SIGNATURE},
        {"H.P.S", JWT_OK},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        AUTO_BUF t = BUF_INIT(KIB(16));
        for (const char *c = rows[i].form; *c; c++) {
            if (*c == 'H')
                buf_add(&t, str_sub(good, 0, first));
            else if (*c == 'P')
                buf_add(&t, str_sub(good, first + 1, last - first - 1));
            else if (*c == 'S')
                buf_add(&t, str_from(good, last + 1));
            else
                buf_addc(&t, *c);
        }
        enum jwt_reason r = verify(&plain, keys, buf_str(&t));
        if (r != rows[i].reason)
            fail_msg("%s: %s, not %s", rows[i].form, jwt_reason_code(r),
                     jwt_reason_code(rows[i].reason));
    }
    struct str nul = {good.p, good.n + 1}; /* arena texts end in a NUL */
    assert_reason(verify(&plain, keys, nul), JWT_MALFORMED);
    char *dots = arena_alloc(memory, 1000000);
    memset(dots, '.', 1000000);
    assert_reason(verify(&plain, keys, str_of(dots, 1000000)), JWT_TOO_LARGE);
    assert_reason(verify(&plain, keys, str_of(dots, 8192)), JWT_MALFORMED);
}

/* A token of exactly n bytes. base64url cannot have every length: a blank in the header helps. */
static struct str token_of(size_t n)
{
    static const char *const headers[] = {HEADER, " " HEADER};
    char payload[KIB(9)];
    for (size_t h = 0; h < COUNTOF(headers); h++)
        for (size_t fill = n * 3 / 4 - 160; fill < n * 3 / 4; fill++) {
            snprintf(payload, sizeof payload, "{\"x\":\"%0*d\"}", (int)fill, 0);
            struct str t = token(key, "EdDSA", headers[h], payload);
            if (t.n == n)
                return t;
        }
    return STR("");
}

static void eight_kibibytes_are_the_limit(void **state)
{
    (void)state;
    assert_int_equal(token_of(8192).n, 8192);
    assert_reason(verify(&plain, keys, token_of(8192)), JWT_OK);
    assert_reason(verify(&plain, keys, token_of(8193)), JWT_TOO_LARGE);
}

static void the_header_says_nothing_that_we_do_not_understand(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum jwt_reason reason;
    } rows[] = {
        {"{}", JWT_BAD_HEADER},
        {"[]", JWT_MALFORMED},
        {"{\"alg\":\"none\"}", JWT_ALG_NOT_ALLOWED},
        {"{\"alg\":\"None\"}", JWT_ALG_NOT_ALLOWED},
        {"{\"alg\":\" none\"}", JWT_ALG_NOT_ALLOWED},
        {"{\"alg\":\"\"}", JWT_ALG_NOT_ALLOWED},
        {"{\"alg\":\"none\\u0000\"}", JWT_MALFORMED},
        {"{\"alg\":null}", JWT_BAD_HEADER},
        {"{\"alg\":7}", JWT_BAD_HEADER},
        {"{\"alg\":[\"EdDSA\"]}", JWT_BAD_HEADER},
        {"{\"alg\":\"eddsa\",\"kid\":\"k1\"}", JWT_ALG_NOT_ALLOWED},
        {"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"kid\":\"k1\"}", JWT_MALFORMED},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"crit\":[\"exp\"]}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"crit\":[]}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"crit\":null}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"b64\":false}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"b64\":\"false\"}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"crit\":[\"b64\"],\"b64\":false}", JWT_CRIT},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"zip\":\"DEF\"}", JWT_ENCRYPTED},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"enc\":\"A128GCM\"}", JWT_ENCRYPTED},
        {"{\"alg\":\"EdDSA\",\"kid\":7}", JWT_BAD_HEADER},
        {"{\"alg\":\"EdDSA\",\"kid\":null}", JWT_BAD_HEADER},
        {"{\"alg\":\"EdDSA\",\"kid\":[\"k1\"]}", JWT_BAD_HEADER},
        {"{\"alg\":\"EdDSA\",\"kid\":{}}", JWT_BAD_HEADER},
        {"{\"alg\":\"EdDSA\",\"kid\":\"../../dev/null\"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"EdDSA\",\"kid\":\"' OR 1=1--\"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"EdDSA\",\"kid\":\"K1\"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"EdDSA\",\"kid\":\"\"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"Ed448\",\"kid\":\"k1\"}", JWT_KEY_MISMATCH},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", JWT_KEY_MISMATCH},
        {"{\"alg\":\"RS256\",\"kid\":\"k1\"}", JWT_KEY_MISMATCH},
        {"{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"oct\"},\"jku\":\"http://127.0.0.1:1/"
         "\",\"x5u\":\"a\","
         "\"x5c\":[]}",
         JWT_OK},
        {"{\"alg\":\"EdDSA\"}", JWT_OK},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        enum jwt_reason r = verify(&plain, keys, token(key, "EdDSA", rows[i].header, "{}"));
        if (r != rows[i].reason)
            fail_msg("%s: %s, not %s", rows[i].header, jwt_reason_code(r),
                     jwt_reason_code(rows[i].reason));
    }
    for (int n = 256; n <= 257; n++) {
        char header[400];
        snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%0*d\"}", n, 0);
        assert_reason(verify(&plain, keys, token(key, "EdDSA", header, "{}")),
                      n == 256 ? JWT_UNKNOWN_KID : JWT_BAD_HEADER);
    }
    struct jwt_checker named = {.algs = JWS_ALL, .require_kid = true};
    assert_reason(verify(&named, keys, claims("{}")), JWT_OK);
    assert_reason(verify(&named, keys, token(key, "EdDSA", "{\"alg\":\"EdDSA\"}", "{}")),
                  JWT_NO_KID);
}

static void the_configuration_decides_on_algorithms(void **state)
{
    (void)state;
    struct jwt_checker none = {.algs = 0}, aws = {.algs = JWS_AWS},
                       own = {.algs = JWS_BIT(JWS_EDDSA)};
    struct jwt t;
    struct jwt_fault why;
    assert_reason(verify(&none, keys, claims("{}")), JWT_ALG_NOT_ALLOWED);
    assert_reason(verify(&aws, keys, claims("{}")), JWT_ALG_NOT_ALLOWED);
    assert_reason(verify(&own, keys, claims("{}")), JWT_OK);
    /* Read with more than the checker allows: it still does not pass. */
    assert_reason(jwt_read(memory, claims("{}"), JWS_ALL, &t, &why), JWT_OK);
    assert_reason(jwt_check(&aws, keys, &t, NOW, NULL, &why), JWT_ALG_NOT_ALLOWED);
}

static void scopes_are_whole_words(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *wanted;
        bool has;
    } rows[] = {
        {"{\"scope\":\"read write\"}", "read", true},
        {"{\"scope\":\"read write\"}", "write", true},
        {"{\"scope\":\"read write\"}", "rea", false},
        {"{\"scope\":\"read write\"}", "read w", false},
        {"{\"scope\":\"read write\"}", "read write", false},
        {"{\"scope\":\"read\"}", "READ", false},
        {"{\"scope\":\"read\"}", "", false},
        {"{\"scope\":\" \"}", "", false},
        {"{\"scp\":\"read\"}", "read", true},
        {"{\"scp\":[\"a\",\"read\"]}", "read", true},
        {"{\"scp\":[\"read write\"]}", "read", false},
        {"{\"scp\":[7]}", "7", false},
        {"{\"scope\":\"x\",\"scp\":[\"read\"]}", "read", true},
        {"{\"scope\":7}", "7", false},
        {"{}", "read", false},
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        assert_int_equal(jwt_has_scope(tree(rows[i].claims), str_c(rows[i].wanted)), rows[i].has);
}

static void facts_are_read_without_a_key(void **state)
{
    (void)state;
    struct jwt_facts f;
    AUTO_BUF out = BUF_INIT(KIB(8));
    assert_int_equal(jws_sign(STR("HS256"), STR("secret"), STR("k1"),
                              STR("{\"exp\":1700000000.5,\"iss\":\"me\",\"aud\":[\"a\",\"b\"]}"),
                              &out, NULL),
                     ERR_OK);
    assert_int_equal(jwt_peek(memory, buf_str(&out), &f), ERR_OK);
    assert_true(str_eqz(f.alg, "HS256") && str_eqz(f.kid, "k1") && str_eqz(f.iss, "me"));
    assert_true(str_eqz(f.aud, "[\"a\",\"b\"]"));
    assert_true(f.exp.present && f.exp.seconds == 1700000000 && !f.nbf.present);
    assert_int_equal(jwt_peek(memory, claims("{\"exp\":1e300,\"aud\":\"a\",\"nbf\":\"7\"}"), &f),
                     ERR_OK);
    assert_true(!f.exp.present && !f.nbf.present && str_eqz(f.aud, "a"));
    static const char *const bad[] = {"",        "a",           "a.b",       "a.b.c",
                                      "e30.e30", "e30.e30.x.y", "e30.W10.x", "e30=.e30.x"};
    for (size_t i = 0; i < COUNTOF(bad); i++)
        assert_int_equal(jwt_peek(memory, str_c(bad[i]), &f), ERR_SYNTAX);
}

static enum err verify_in_new_arena(void *arg)
{
    const struct str *t = arg;
    struct jwt out;
    struct jwt_fault why;
    struct arena *a = arena_new(16, KIB(64));
    if (a == NULL)
        return ERR_NOMEM;
    enum jwt_reason r = jwt_verify(&plain, keys, a, *t, NOW, &out, &why);
    arena_free(a);
    if (r == JWT_OK)
        return ERR_OK;
    assert_reason(r, JWT_INTERNAL);
    return ERR_NOMEM;
}

/* Each allocation is a block of its own. */
static enum err read_object(void *arg)
{
    const struct json *v = NULL;
    struct arena *a = arena_new(16, KIB(64));
    enum err err = a ? json_parse_object(a, str_c(arg), &v) : ERR_NOMEM;
    assert_true((err == ERR_OK) == (v != NULL));
    arena_free(a);
    return err;
}

static void without_memory_no_token_is_valid(void **state)
{
    (void)state;
    AUTO_BUF payload = BUF_INIT(KIB(4));
    buf_addz(&payload, "{\"s\":\"\\n\",\"f\":1.5,\"l\":[1,{}],\"m\":{");
    for (int i = 0; i < 40; i++)
        buf_addf(&payload, "%s\"m%d\":%d", i ? "," : "", i, i);
    buf_addz(&payload, "}}");
    struct str t = claims(buf_cstr(&payload));
    assert_reason(verify(&plain, keys, t), JWT_OK);
    fault_each(verify_in_new_arena, &t);
    fault_each(read_object, arena_cstr(memory, buf_str(&payload)));
    static char empty[] = "{}";
    fault_each(read_object, empty);
    /* A key that no thread has used yet makes its contexts now. */
    struct jwk *unused = new_key("ES256", "k2");
    struct str other = token(unused, "ES256", "{}", "{}");
    struct str input = str_sub(other, 0, str_rchr(other, '.'));
    AUTO_BUF signature = BUF_INIT(KIB(1));
    assert_int_equal(crypt_base64url_decode(&signature, str_from(other, input.n + 1)), ERR_OK);
    mem_fault(0, 1);
    assert_false(jws_verify_bytes(unused, &jws_algs[JWS_ES256], input, buf_str(&signature)));
    mem_fault(-1, 0);
    assert_true(jws_verify_bytes(unused, &jws_algs[JWS_ES256], input, buf_str(&signature)));
    jwk_unref(unused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYED(times_are_numbers_from_0_to_2_53),
        KEYED(skew_reaches_as_far_as_it_says),
        KEYED(exp_and_a_longest_life_may_be_demanded),
        KEYED(the_audience_is_one_of_ours_whole),
        KEYED(the_issuer_equals_byte_for_byte),
        KEYED(one_kind_of_token_is_not_another),
        KEYED(claims_are_a_strict_json_object),
        KEYED(no_member_hides_among_many),
        KEYED(a_document_that_breaks_off_is_refused),
        KEYED(the_token_has_three_strict_parts),
        KEYED(eight_kibibytes_are_the_limit),
        KEYED(the_header_says_nothing_that_we_do_not_understand),
        KEYED(the_configuration_decides_on_algorithms),
        KEYED(scopes_are_whole_words),
        KEYED(facts_are_read_without_a_key),
        KEYED(without_memory_no_token_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
