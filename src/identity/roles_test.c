/* SPDX-License-Identifier: Apache-2.0
 *
 * Roles and metadata call by call, each with every allocation failing first; and that the copy
 * which the gateway asks is never older than the last change. */
#include "call_fixture.h"

#include "roles_int.h"

#define OK "{\"status\":\"OK\"}"
#define UNKNOWN "{\"status\":\"UNKNOWN_ROLE_ERROR\"}"

static void a_call_without_memory_leaves_nothing(void **state)
{
    (void)state;
    says("PUT /recipe/role", "{\"role\":\" a \",\"permissions\":[\"x\",\"y\"]}",
         "{\"status\":\"OK\",\"createdNewRole\":true}");
    says("PUT /recipe/role", "{\"role\":\"a\",\"permissions\":[\"z\"]}",
         "{\"status\":\"OK\",\"createdNewRole\":false}");
    says("GET /recipe/roles", "", "{\"status\":\"OK\",\"roles\":[\"a\"]}");
    says("GET /recipe/role/permissions", "role=a",
         "{\"status\":\"OK\",\"permissions\":[\"x\",\"y\",\"z\"]}");
    says("GET /recipe/role/permissions", "role=b", UNKNOWN);
    says("POST /recipe/role/permissions/remove", "{\"role\":\"a\",\"permissions\":[\"y\"]}", OK);
    says("GET /recipe/permission/roles", "permission=y", "{\"status\":\"OK\",\"roles\":[]}");
    says("PUT /recipe/user/role", "{\"userId\":\"u\",\"role\":\"a\"}",
         "{\"status\":\"OK\",\"didUserAlreadyHaveRole\":false}");
    says("PUT other/recipe/user/role", "{\"userId\":\"u\",\"role\":\"a\"}",
         "{\"status\":\"OK\",\"didUserAlreadyHaveRole\":false}");
    says("GET /recipe/role/users", "role=a", "{\"status\":\"OK\",\"users\":[\"u\"]}");
    says("POST /recipe/user/role/remove", "{\"userId\":\"u\",\"role\":\"a\"}",
         "{\"status\":\"OK\",\"didUserHaveRole\":true}");
    says("GET /recipe/user/roles", "userId=u", "{\"status\":\"OK\",\"roles\":[]}");
    says("GET other/recipe/user/roles", "userId=u", "{\"status\":\"OK\",\"roles\":[\"a\"]}");
    says("POST /recipe/role/remove", "{\"role\":\"a\"}",
         "{\"status\":\"OK\",\"didRoleExist\":true}");
    says("GET other/recipe/user/roles", "userId=u", "{\"status\":\"OK\",\"roles\":[]}");
    says("PUT /recipe/role", "{\"role\":\"\"}", "400 Field name 'role' cannot be an empty String");
}

static void metadata_is_merged_or_as_it_was(void **state)
{
    (void)state;
#define METADATA "/recipe/user/metadata"
    says("PUT " METADATA, "{\"userId\":\"u\",\"metadataUpdate\":{\"a\":1,\"b\":{\"c\":[null]}}}",
         "{\"status\":\"OK\",\"metadata\":{\"a\":1,\"b\":{\"c\":[null]}}}");
    says("PUT " METADATA, "{\"userId\":\"u\",\"metadataUpdate\":{\"a\":null,\"d\":\"\\\"\"}}",
         "{\"status\":\"OK\",\"metadata\":{\"b\":{\"c\":[null]},\"d\":\"\\\"\"}}");
    says("GET " METADATA, "userId=u",
         "{\"status\":\"OK\",\"metadata\":{\"b\":{\"c\":[null]},\"d\":\"\\\"\"}}");
    says("POST " METADATA "/remove", "{\"userId\":\"u\"}", OK);
    says("GET " METADATA, "userId=u", "{\"status\":\"OK\",\"metadata\":{}}");
}

/* --- the copy in memory -------------------------------------------------------------------------
 */
struct asking {
    struct post post;
    struct identity_roles_question q;
    long round;   /* of the fault, on the asker's loop; negative: all memory is there */
    bool forgets; /* something changes while it waits for the store */
    bool hit;
    enum err err;
};

static void asked(struct asking *ask, enum err err)
{
    ask->err = err;
    ask->hit = ask->round >= 0 && mem_fault_hits() > 0;
    mem_fault(-1, 0);
    sem_post(&turn);
}

static void on_roles(struct identity_roles_question *q)
{
    asked(q->arg, q->err);
}

static void ask_now(struct post *p)
{
    struct asking *ask = CONTAINER_OF(p, struct asking, post);
    if (ask->round >= 0)
        mem_fault(ask->round / 2, ask->round % 2);
    enum err err = identity_roles(core, run_control(running), &ask->q);
    if (err != ERR_OK)
        asked(ask, err);
    else if (ask->forgets)
        roles_memory__forget_user(core, ask->q.app, ask->q.user);
}

/* "role role | permission permission", as the gateway learns it; "" = no memory. */
static const char *what_may(const char *tenant, const char *user, struct asking *ask)
{
    struct arena *a = arena_new(256, MIB(1));
    AUTO_BUF out = BUF_INIT(KIB(4));
    assert_non_null(a);
    ask->post = (struct post){.fn = ask_now};
    ask->q = (struct identity_roles_question){.app = STR("public"),
                                              .tenant = str_c(tenant),
                                              .user = str_c(user),
                                              .done = on_roles,
                                              .arg = ask,
                                              .arena = a};
    run_post(run_control(running), &ask->post);
    sem_wait(&turn);
    for (size_t i = 0; i < ask->q.role_count; i++)
        buf_addf(&out, "%.*s ", STR_ARG(ask->q.roles[i]));
    buf_addz(&out, "|");
    for (size_t i = 0; i < ask->q.permission_count; i++)
        buf_addf(&out, " %.*s", STR_ARG(ask->q.permissions[i]));
    if (ask->err != ERR_OK)
        assert_int_equal(ask->err, ERR_NOMEM);
    const char *text = ask->err ? "" : arena_cstr(answers, buf_str(&out));
    arena_free(a);
    assert_non_null(text);
    return text;
}

/* Each allocation of the asker fails once: then it learns nothing, or what is true. Asked twice
 * more: from the store or from memory, it is the same. */
static void may(const char *tenant, const char *user, const char *expected)
{
    struct asking ask = {.hit = true};
    for (; ask.hit; ask.round++) {
        const char *got = what_may(tenant, user, &ask);
        if (got[0] != '\0' || !ask.hit)
            assert_string_equal(got, expected);
    }
    ask.round = -1;
    assert_string_equal(what_may(tenant, user, &ask), expected);
}

static void role(const char *what, const char *user, const char *name)
{
    AUTO_BUF in = BUF_INIT(KIB(1));
    buf_addf(&in, "{\"userId\":\"%s\",\"role\":\"%s\"}", user, name);
    answer(what, buf_cstr(&in));
}

static void the_copy_follows_every_change(void **state)
{
    (void)state;
    may("public", "u", "|");
    answer("PUT /recipe/role", "{\"role\":\"editor\",\"permissions\":[\"read\",\"write\"]}");
    answer("PUT /recipe/role", "{\"role\":\"viewer\",\"permissions\":[\"read\"]}");
    role("PUT /recipe/user/role", "u", "editor");
    may("public", "u", "editor | read write");
    role("PUT /recipe/user/role", "u", "viewer");
    role("PUT other/recipe/user/role", "u", "viewer");
    may("public", "u", "editor viewer | read write");
    may("other", "u", "viewer | read");
    may("public", "v", "|");
    role("POST /recipe/user/role/remove", "u", "editor");
    may("public", "u", "viewer | read");
    answer("PUT /recipe/role", "{\"role\":\"viewer\",\"permissions\":[\"look\"]}");
    may("public", "u", "viewer | look read");
    may("other", "u", "viewer | look read");
    answer("POST /recipe/role/permissions/remove", "{\"role\":\"viewer\"}");
    may("other", "u", "viewer |");
    answer("POST /recipe/role/remove", "{\"role\":\"viewer\"}");
    may("public", "u", "|");
    may("other", "u", "|");
}

static enum err take_roles(struct store_job *j, struct store_tx *tx)
{
    static const struct stmt take = SQL("DELETE FROM user_role");
    (void)j;
    return store_run(tx, &take, NULL, 0, NULL, NULL);
}

static void on_taken(struct store_job *j, enum err err)
{
    *(enum err *)j->arg = err;
    sem_post(&turn);
}

static struct store_job behind;
static void take_behind_its_back(struct post *p)
{
    (void)p;
    enum err err = store_submit(kept, run_control(running), &behind);
    if (err != ERR_OK)
        on_taken(&behind, err);
}

/* Read before a change, arriving after it: told to who asked, never kept. */
static void what_was_read_before_a_change_is_not_kept(void **state)
{
    (void)state;
    struct asking ask = {.round = -1, .forgets = true};
    struct post post = {.fn = take_behind_its_back};
    enum err err = ERR_INTERNAL;
    answer("PUT /recipe/role", "{\"role\":\"r\"}");
    role("PUT /recipe/user/role", "u", "r");
    assert_string_equal(what_may("public", "u", &ask), "r |");
    /* Without a word to the core, so that only what is kept could still know of it. */
    behind =
        (struct store_job){.access = STORE_WRITE, .run = take_roles, .done = on_taken, .arg = &err};
    run_post(run_control(running), &post);
    sem_wait(&turn);
    assert_int_equal(err, ERR_OK);
    ask.forgets = false;
    assert_string_equal(what_may("public", "u", &ask), "|");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start_core, stop_core)
    const struct CMUnitTest tests[] = {
        TEST(a_call_without_memory_leaves_nothing),
        TEST(metadata_is_merged_or_as_it_was),
        TEST(the_copy_follows_every_change),
        TEST(what_was_read_before_a_change_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
