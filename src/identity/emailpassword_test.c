/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords, the tokens that change them and verified e-mails call by call, each with every
 * allocation failing first: what fails has changed nothing. */
#include "call_fixture.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define OK "{\"status\":\"OK\"}"
#define WRONG "{\"status\":\"WRONG_CREDENTIALS_ERROR\"}"
#define NO_RESET "{\"status\":\"RESET_PASSWORD_INVALID_TOKEN_ERROR\"}"
#define NO_VERIFY "{\"status\":\"EMAIL_VERIFICATION_INVALID_TOKEN_ERROR\"}"
#define RESET "/recipe/user/password/reset"
#define VERIFY "/recipe/user/email/verify"
#define IMPORT "/recipe/user/passwordhash/import"
/* of "correct horse" */
#define KNOWN "$2a$05$..CA.uOD/eaGAOmJB.yMBuIiq3ZpINtwHaNw18Rp7ZaHcKREQK/g6"

static int start_cheap(void **state)
{
    int failed = start_core(state);
    if (!failed)
        core->base.bcrypt_rounds = 4;
    return failed;
}

/* A text with each % replaced. */
static const char *with(const char *text, const char *value)
{
    AUTO_BUF out = BUF_INIT(KIB(4));
    for (; *text; text++) {
        if (*text == '%')
            buf_addz(&out, value);
        else
            buf_addc(&out, *text);
    }
    const char *kept_text = arena_cstr(answers, buf_str(&out));
    assert_non_null(kept_text);
    return kept_text;
}

/* The member of an answer whose status is OK. */
static const char *member(const char *what, const char *input, const char *name)
{
    const struct json *v = NULL;
    const char *text = answer(what, input);
    assert_int_equal(json_parse(answers, str_c(text), MIB(1), &v, NULL), ERR_OK);
    assert_true(str_eqz(json_str_or(json_get(v, "status"), STR("")), "OK"));
    return arena_cstr(answers, json_str_or(json_get(v, name), STR("")));
}

static const char *sign_up(const char *name)
{
    return member("POST /recipe/signup",
                  with("{\"email\":\"%@x.example\",\"password\":\"first\"}", name), "recipeUserId");
}

#define CREDENTIALS(name, password) \
    "{\"email\":\"" name "@x.example\",\"password\":\"" password "\"}"

static void signs_up_and_in(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    says("POST /recipe/signup", CREDENTIALS(" ADA", "x"),
         "{\"status\":\"EMAIL_ALREADY_EXISTS_ERROR\"}");
    says("POST /recipe/signup", CREDENTIALS("bob", ""), "400 Password cannot be an empty string");
    says("POST /recipe/signup",
         "{\"email\":\"" X64 X64 X64 X64 X64 "@x.example\",\"password\":\"x\"}",
         "400 Field name 'email' is invalid in JSON input");
    says("POST /recipe/signin", CREDENTIALS("ada", "other"), WRONG);
    says("POST /recipe/signin", CREDENTIALS("bob", "first"), WRONG);
    says("POST other/recipe/signin", CREDENTIALS("ada", "first"), WRONG);
    assert_string_equal(member("POST /recipe/signin", CREDENTIALS("ADA", "first"), "recipeUserId"),
                        id);
}

static void dated_hashes_are_made_anew(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    core->base.bcrypt_rounds = 5;
    assert_string_equal(member("POST /recipe/signin", CREDENTIALS("ada", "first"), "recipeUserId"),
                        id);
    says("POST /recipe/signin", CREDENTIALS("ada", "other"), WRONG);
    assert_string_equal(member("POST /recipe/signin", CREDENTIALS("ada", "first"), "recipeUserId"),
                        id);
}

static void a_password_changes_and_its_tokens_end(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    const char *in = with("{\"userId\":\"%\",\"email\":\"ada@x.example\"}", id);
    const char *token = with("{\"token\":\"%\"}", member("POST " RESET "/token", in, "token"));
    says("PUT /recipe/user", with("{\"recipeUserId\":\"%\"}", id),
         "400 You have to provide either email or password.");
    says("PUT /recipe/user", "{\"recipeUserId\":\"none\",\"password\":\"x\"}",
         "{\"status\":\"UNKNOWN_USER_ID_ERROR\"}");
    says("PUT /recipe/user", with("{\"recipeUserId\":\"%\",\"password\":\"second\"}", id), OK);
    says("POST " RESET "/token/consume", token, NO_RESET);
    says("POST /recipe/signin", CREDENTIALS("ada", "first"), WRONG);
    member("POST /recipe/signin", CREDENTIALS("ada", "second"), "user");
    token = with("{\"token\":\"%\"}", member("POST " RESET "/token", in, "token"));
    says("PUT /recipe/user", with("{\"recipeUserId\":\"%\",\"email\":\"eve@x.example\"}", id), OK);
    says("POST " RESET "/token/consume", token, NO_RESET);
    member("POST /recipe/signin", CREDENTIALS("eve", "second"), "user");
}

static void a_reset_token_works_once(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    const char *in = with("{\"userId\":\"%\",\"email\":\"ada@x.example\"}", id);
    says("POST " RESET "/token", "{\"userId\":\"none\",\"email\":\"a\"}",
         "{\"status\":\"UNKNOWN_USER_ID_ERROR\"}");
    const char *older = with("{\"token\":\"%\"}", member("POST " RESET "/token", in, "token"));
    const char *token = member("POST " RESET "/token", in, "token");
    assert_int_equal(strlen(token), 64);
    const char *take = with("{\"token\":\"%\"}", token);
    says("POST other" RESET "/token/consume", "{\"token\":\"none\"}", NO_RESET);
    says("POST " RESET "/token/consume", take,
         with("{\"status\":\"OK\",\"userId\":\"%\",\"email\":\"ada@x.example\"}", id));
    says("POST " RESET "/token/consume", take, NO_RESET);
    says("POST " RESET "/token/consume", older, NO_RESET);
    core->base.password_reset_ms = -1; /* over as soon as it is made */
    take = with("{\"token\":\"%\"}", member("POST " RESET "/token", in, "token"));
    says("POST " RESET "/token/consume", take, NO_RESET);
}

static void a_password_is_reset_in_one_call(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    const char *in = with("{\"userId\":\"%\",\"email\":\"ada@x.example\"}", id);
    const char *reset = with("{\"method\":\"token\",\"token\":\"%\",\"newPassword\":\"second\"}",
                             member("POST " RESET "/token", in, "token"));
    says("POST " RESET, "{\"method\":\"mail\",\"token\":\"t\",\"newPassword\":\"x\"}",
         "400 Unsupported method for password reset");
    says("POST " RESET, "{\"method\":\"token\",\"token\":\"t\",\"newPassword\":\"\"}",
         "400 Password cannot be an empty string");
    says("POST " RESET, "{\"method\":\"token\",\"token\":\"t\",\"newPassword\":\"x\"}", NO_RESET);
    says("POST " RESET, reset, with("{\"status\":\"OK\",\"userId\":\"%\"}", id));
    says("POST " RESET, reset, NO_RESET);
    says("POST /recipe/signin", CREDENTIALS("ada", "first"), WRONG);
    member("POST /recipe/signin", CREDENTIALS("ada", "second"), "user");
    core->base.password_reset_ms = -1;
    reset = with("{\"method\":\"token\",\"token\":\"%\",\"newPassword\":\"third\"}",
                 member("POST " RESET "/token", in, "token"));
    says("POST " RESET, reset, NO_RESET);
}

static void a_token_of_no_password_resets_none(void **state)
{
    (void)state;
    const char *id = member("POST /recipe/signinup",
                            "{\"thirdPartyId\":\"google\",\"thirdPartyUserId\":\"1\",\"email\":"
                            "{\"id\":\"ada@x.example\",\"isVerified\":true}}",
                            "recipeUserId");
    const char *token = member("POST " RESET "/token",
                               with("{\"userId\":\"%\",\"email\":\"ada@x.example\"}", id), "token");
    says("POST " RESET,
         with("{\"method\":\"token\",\"token\":\"%\",\"newPassword\":\"second\"}", token),
         NO_RESET);
    says("POST " RESET "/token/consume", with("{\"token\":\"%\"}", token), NO_RESET);
}

static void hashes_are_imported(void **state)
{
    (void)state;
    const char *in = "{\"email\":\"ada@x.example\",\"passwordHash\":\" " KNOWN "\"}";
    says("POST " IMPORT, "{\"email\":\"a@x.example\",\"passwordHash\":\" \"}",
         "400 Password hash cannot be an empty string");
    says("POST " IMPORT,
         "{\"email\":\"a@x.example\",\"passwordHash\":\"x\",\"hashingAlgorithm\":\" \"}",
         "400 Hashing Algorithm cannot be an empty string");
    says("POST " IMPORT, "{\"email\":\"a@x.example\",\"passwordHash\":\"x\"}",
         "400 Password hash is in invalid format");
    member("POST " IMPORT, in, "user");
    member("POST /recipe/signin", CREDENTIALS("ada", "correct horse"), "user");
    const char *id = sign_up("bob");
    const char *reset =
        with("{\"token\":\"%\"}",
             member("POST " RESET "/token",
                    with("{\"userId\":\"%\",\"email\":\"bob@x.example\"}", id), "token"));
    const char *again = "{\"email\":\"bob@x.example\",\"passwordHash\":\"" KNOWN
                        "\",\"hashingAlgorithm\":\"bcrypt\"}";
    assert_non_null(strstr(answer("POST " IMPORT, again), "\"didUserAlreadyExist\":true"));
    says("POST /recipe/signin", CREDENTIALS("bob", "first"), WRONG);
    says("POST " RESET "/token/consume", reset, NO_RESET);
}

static void an_email_is_verified(void **state)
{
    (void)state;
    const char *mine = "{\"userId\":\"u\",\"email\":\"ada@x.example\"}";
    const char *query = "userId=u&email=Ada@x.example";
    const char *token = with("{\"method\":\"token\",\"token\":\"%\"}",
                             member("POST " VERIFY "/token", mine, "token"));
    says("POST " VERIFY, "{\"method\":\"mail\",\"token\":\"t\"}",
         "400 Unsupported method for email verification");
    says("POST other" VERIFY, token, NO_VERIFY); /* another tenant's */
    says("GET " VERIFY, query, "{\"status\":\"OK\",\"isVerified\":false}");
    says("POST " VERIFY, token, "{\"status\":\"OK\",\"userId\":\"u\",\"email\":\"ada@x.example\"}");
    says("POST " VERIFY, token, NO_VERIFY);
    says("GET " VERIFY, query, "{\"status\":\"OK\",\"isVerified\":true}");
    says("GET " VERIFY, "userId=u&email=%01", "400 Field name 'email' is missing in GET request");
    says("POST " VERIFY "/token", mine, "{\"status\":\"EMAIL_ALREADY_VERIFIED_ERROR\"}");
    says("POST " VERIFY "/remove", mine, OK);
    says("GET " VERIFY, query, "{\"status\":\"OK\",\"isVerified\":false}");
    token = with("{\"method\":\"token\",\"token\":\"%\"}",
                 member("POST " VERIFY "/token", mine, "token"));
    says("POST " VERIFY "/token/remove", mine, OK);
    says("POST " VERIFY, token, NO_VERIFY);
    core->base.email_verification_ms = -1;
    token = with("{\"method\":\"token\",\"token\":\"%\"}",
                 member("POST " VERIFY "/token", mine, "token"));
    says("POST " VERIFY, token, NO_VERIFY);
}

static void what_is_verified_goes_with_its_user(void **state)
{
    (void)state;
    const char *id = sign_up("ada");
    const char *mine = with("{\"userId\":\"%\",\"email\":\"ada@x.example\"}", id);
    const char *mapping = with("{\"superTokensUserId\":\"%\",\"externalUserId\":\"ext\"}", id);
    const char *token = with("{\"method\":\"token\",\"token\":\"%\"}",
                             member("POST " VERIFY "/token", mine, "token"));
    says("POST /recipe/userid/map", mapping, OK); /* the token's user is the mapped one now */
    says("POST " VERIFY, token,
         "{\"status\":\"OK\",\"userId\":\"ext\",\"email\":\"ada@x.example\"}");
    says("GET " VERIFY, "userId=ext&email=ada@x.example",
         "{\"status\":\"OK\",\"isVerified\":true}");
    const char *reset = with("{\"token\":\"%\"}", member("POST " RESET "/token", mine, "token"));
    says("POST /user/remove", "{\"userId\":\"ext\"}", OK);
    says("POST " RESET "/token/consume", reset, NO_RESET);
    says("GET " VERIFY, "userId=ext&email=ada@x.example",
         "{\"status\":\"OK\",\"isVerified\":false}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signs_up_and_in, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(dated_hashes_are_made_anew, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(a_password_changes_and_its_tokens_end, start_cheap,
                                        stop_core),
        cmocka_unit_test_setup_teardown(a_reset_token_works_once, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(a_password_is_reset_in_one_call, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(a_token_of_no_password_resets_none, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(hashes_are_imported, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(an_email_is_verified, start_cheap, stop_core),
        cmocka_unit_test_setup_teardown(what_is_verified_goes_with_its_user, start_cheap,
                                        stop_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
