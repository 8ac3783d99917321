/* SPDX-License-Identifier: Apache-2.0
 *
 * Users, their ids, links and searches call by call, each with every allocation failing first. */
#include "call_fixture.h"

#define OK "{\"status\":\"OK\"}"

/* A user who signs in with a third party; the id. */
static const char *user(const char *name)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    const struct json *v = NULL;
    buf_addf(&in,
             "{\"thirdPartyId\":\"google\",\"thirdPartyUserId\":\"%s\",\"email\":{\"id\":"
             "\"%s@x.example\",\"isVerified\":true}}",
             name, name);
    const char *text = answer("POST /recipe/signinup", buf_cstr(&in));
    assert_int_equal(json_parse(answers, str_c(text), MIB(1), &v, NULL), ERR_OK);
    assert_true(json_bool_or(json_get(v, "createdNewUser"), false));
    return arena_cstr(answers, json_str_or(json_get(v, "recipeUserId"), STR("")));
}

/* A text with each % replaced by an id. */
static const char *with(const char *text, const char *id)
{
    AUTO_BUF out = BUF_INIT(KIB(4));
    for (; *text; text++) {
        if (*text == '%')
            buf_addz(&out, id);
        else
            buf_addc(&out, *text);
    }
    const char *kept_text = arena_cstr(answers, buf_str(&out));
    assert_non_null(kept_text);
    return kept_text;
}

/* The answer has `n` users, `id` the first of them unless it is NULL. */
static void finds(const char *what, const char *query, size_t n, const char *id)
{
    const struct json *v = NULL;
    const char *text = answer(what, query);
    assert_int_equal(json_parse(answers, str_c(text), MIB(1), &v, NULL), ERR_OK);
    const struct json *users = json_get(v, "users");
    assert_non_null(users);
    assert_int_equal(users->n, n);
    if (id)
        assert_true(str_eqz(json_str_or(json_get(users->items[0], "id"), STR("")), id));
}

static void users_are_found_and_counted(void **state)
{
    (void)state;
    const char *a = user("ada"), *b = user("bob");
    bool a_first = strcmp(a, b) < 0; /* they joined in the same moment */
    finds("GET /users", "", 2, a_first ? a : b);
    finds("GET /users", "timeJoinedOrder=DESC&limit=1", 1, a_first ? b : a);
    finds("GET /users", "email=ad;none&provider=goo", 1, a);
    finds("GET /users", "email=x.example", 2, NULL);
    finds("GET /users/by-accountinfo", "doUnionOfAccountInfo=false&email=bob@x.example", 1, b);
    finds("GET /users/by-accountinfo",
          "doUnionOfAccountInfo=true&email=bob@x.example&thirdPartyId=google&thirdPartyUserId=ada",
          2, NULL);
    says("GET /users/count", "", "{\"status\":\"OK\",\"count\":2}");
    says("GET /user/id", "userId=none", "{\"status\":\"UNKNOWN_USER_ID_ERROR\"}");
    says("GET /users", "limit=0", "400 limit must a positive integer with min value 1");
}

static void ids_are_mapped_or_as_they_were(void **state)
{
    (void)state;
    const char *a = user("ada");
#define MAP "/recipe/userid/map"
    says("PUT /recipe/user/metadata", with("{\"userId\":\"%\",\"metadataUpdate\":{\"a\":1}}", a),
         "{\"status\":\"OK\",\"metadata\":{\"a\":1}}");
    says("POST " MAP, with("{\"superTokensUserId\":\"%\",\"externalUserId\":\"ext\"}", a),
         "400 UserId is already in use in UserMetadata recipe");
    says("POST " MAP,
         with("{\"superTokensUserId\":\"%\",\"externalUserId\":\"ext\",\"force\":true}", a), OK);
    says("GET " MAP, "userId=ext",
         with("{\"status\":\"OK\",\"superTokensUserId\":\"%\",\"externalUserId\":\"ext\"}", a));
    finds("GET /users", "", 1, "ext");
    says("PUT /recipe/userid/external-user-id-info",
         "{\"userId\":\"ext\",\"externalUserIdInfo\":\"i\"}", OK);
    says("POST " MAP "/remove", "{\"userId\":\"ext\"}",
         "{\"status\":\"OK\",\"didMappingExist\":true}");
    finds("GET /users", "", 1, a);
}

static void links_are_made_and_undone_whole(void **state)
{
    (void)state;
    const char *a = user("ada"), *b = user("bob");
#define USER "/recipe/accountlinking/user"
    AUTO_BUF pair = BUF_INIT(KIB(1));
    buf_addf(&pair, "{\"recipeUserId\":\"%s\",\"primaryUserId\":\"%s\"}", b, a);
    says("POST " USER "/link", buf_cstr(&pair),
         "{\"status\":\"INPUT_USER_IS_NOT_A_PRIMARY_USER\"}");
    says("GET " USER "/primary/check", with("recipeUserId=%", a),
         "{\"status\":\"OK\",\"wasAlreadyAPrimaryUser\":false}");
    answer("POST " USER "/primary", with("{\"recipeUserId\":\"%\"}", a));
    says("GET " USER "/primary/check", with("recipeUserId=%", a),
         "{\"status\":\"OK\",\"wasAlreadyAPrimaryUser\":true}");
    answer("POST " USER "/link", buf_cstr(&pair));
    finds("GET /users", "", 1, a);
    says("POST " USER "/unlink", with("{\"recipeUserId\":\"%\"}", b),
         "{\"status\":\"OK\",\"wasRecipeUserDeleted\":false,\"wasLinked\":true}");
    finds("GET /users", "", 2, NULL);
    answer("POST " USER "/link", buf_cstr(&pair));
    says("POST " USER "/unlink", with("{\"recipeUserId\":\"%\"}", a),
         "{\"status\":\"OK\",\"wasRecipeUserDeleted\":true,\"wasLinked\":true}");
    finds("GET /users", "", 1, a);
    says("POST /user/remove", with("{\"userId\":\"%\"}", b), OK);
    finds("GET /users", "", 0, NULL);
}

static void a_user_goes_with_everything(void **state)
{
    (void)state;
    const char *a = user("ada");
    says("PUT /recipe/role", "{\"role\":\"r\"}", "{\"status\":\"OK\",\"createdNewRole\":true}");
    says("PUT /recipe/user/role", with("{\"userId\":\"%\",\"role\":\"r\"}", a),
         "{\"status\":\"OK\",\"didUserAlreadyHaveRole\":false}");
    says("POST /user/remove", with("{\"userId\":\"%\"}", a), OK);
    says("GET /recipe/role/users", "role=r", "{\"status\":\"OK\",\"users\":[]}");
    says("GET /users/count", "", "{\"status\":\"OK\",\"count\":0}");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start_core, stop_core)
    const struct CMUnitTest tests[] = {
        TEST(users_are_found_and_counted),
        TEST(ids_are_mapped_or_as_they_were),
        TEST(links_are_made_and_undone_whole),
        TEST(a_user_goes_with_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
