/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of the control plane: what each operation makes and refuses, in Lambda's words, and
 * that all of it is there after a restart. */
#include "registry_talk.h"

#include <dirent.h>

/* --- tests -------------------------------------------------------------------------------------
 */

static void a_function_is_made_once(void **state)
{
    (void)state;
    char path[160];
    snprintf(path, sizeof path, "%s/plane.db", bench.state);
    assert_int_equal(access(path, F_OK), -1); /* who makes no functions keeps no file */
    create("Fn");
    says("\"FunctionArn\":\"arn:aws:lambda:eu-west-1:123456789012:function:Fn\"");
    says("\"Timeout\":7,\"MemorySize\":128");
    says("\"Version\":\"$LATEST\"");
    says("\"State\":\"Active\"");
    says("\"CodeSha256\":\"");
    says("+0000\"");
    fails(ERR_EXISTS, "Function already exist: Fn", FUNCTION_CREATE, "Fn", "", CREATE, zip_of);
    fails(ERR_INVALID, "function name", FUNCTION_CREATE, "a/b", "", CREATE, zip_of);
    fails(ERR_INVALID, "Please provide a source", FUNCTION_CREATE, "No", "", CREATE, NO_ZIP);
    fails(ERR_INVALID, "the zip file is refused", FUNCTION_CREATE, "No", "", CREATE, STR("zip"));
    fails(ERR_NOTFOUND, "no file other.js", FUNCTION_CREATE, "No", "",
          "{\"Runtime\":\"nodejs20.x\",\"Handler\":\"other.handler\"}", zip_of);
    fails(ERR_UNSUPPORTED, "cobol", FUNCTION_CREATE, "No", "",
          "{\"Runtime\":\"cobol\",\"Handler\":\"index.handler\"}", zip_of);
    fails(ERR_UNSUPPORTED, "Layers is not served", FUNCTION_CREATE, "No", "", "{\"Layers\":[]}",
          zip_of);
    fails(ERR_INVALID, "Timeout", FUNCTION_CREATE, "No", "", "{\"Timeout\":0}", zip_of);
    fails(ERR_INVALID, "is no string", FUNCTION_CREATE, "No", "",
          "{\"Environment\":{\"Variables\":{\"A\":1}}}", zip_of);
    fails(ERR_NOTFOUND, "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:No",
          FUNCTION_PUBLISH, "No", "", NULL, NO_ZIP);
    view(FUNCTION_CONFIGURATION, "No", "");
    says("Function not found");
}

static void publishing_what_has_not_changed_gives_the_version_that_is_there(void **state)
{
    (void)state;
    create("Fn");
    works(FUNCTION_PUBLISH, "Fn", "", NULL, NO_ZIP);
    says("function:Fn:1\"");
    says("\"Version\":\"1\"");
    works(FUNCTION_PUBLISH, "Fn", "", "{\"Description\":\"again\"}", NO_ZIP);
    says("\"Version\":\"1\"");
    works(FUNCTION_UPDATE_CODE, "Fn", "", NULL, package("exports.handler = 2;"));
    says("\"Version\":\"$LATEST\"");
    works(FUNCTION_PUBLISH, "Fn", "", "{\"Description\":\"two\"}", NO_ZIP);
    says("\"Version\":\"2\"");
    says("\"Description\":\"two\"");
    works(FUNCTION_UPDATE_CONFIGURATION, "Fn", "", "{\"MemorySize\":256}", NO_ZIP);
    fails(ERR_EXPIRED, "The Revision Id provided", FUNCTION_PUBLISH, "Fn", "",
          "{\"RevisionId\":\"no\"}", NO_ZIP);
    fails(ERR_INVALID, "CodeSHA256 (no) is different", FUNCTION_PUBLISH, "Fn", "",
          "{\"CodeSha256\":\"no\"}", NO_ZIP);
    works(FUNCTION_UPDATE_CODE, "Fn", "", "{\"Publish\":true}",
          zip_of); /* the memory has changed */
    says("\"Version\":\"3\"");
    works(FUNCTION_DELETE, "Fn", "2", NULL, NO_ZIP);
    fails(ERR_NOTFOUND, "function:Fn:2", FUNCTION_DELETE, "Fn", "2", NULL, NO_ZIP);
    fails(ERR_INVALID, "$LATEST version cannot be deleted", FUNCTION_DELETE, "Fn", "$LATEST", NULL,
          NO_ZIP);
    view(FUNCTION_VERSIONS, "Fn", "");
    says("\"Version\":\"$LATEST\"");
    says("\"Version\":\"1\"");
    says("\"Version\":\"3\"");
    assert_null(strstr(said, "\"Version\":\"2\""));
}

static void aliases_are_made_moved_and_weighted(void **state)
{
    (void)state;
    create("Fn");
    works(FUNCTION_PUBLISH, "Fn", "", NULL, NO_ZIP);
    works(FUNCTION_UPDATE_CODE, "Fn", "", "{\"Publish\":true}", package("exports.handler = 2;"));
    works(FUNCTION_CREATE_ALIAS, "Fn", "live", "{\"FunctionVersion\":\"1\"}", NO_ZIP);
    says("\"AliasArn\":\"arn:aws:lambda:eu-west-1:123456789012:function:Fn:live\"");
    struct function *live = lambda_find(bench.lambda, STR("Fn:live"), STR(""));
    assert_non_null(live);
    assert_true(str_eqz(function_version(lambda__alias_pick(live)), "1"));
    char digest[65];
    snprintf(digest, sizeof digest, "%.*s", STR_ARG(function_digest(live)));
    fails(ERR_EXISTS, "Alias already exists", FUNCTION_CREATE_ALIAS, "Fn", "live",
          "{\"FunctionVersion\":\"1\"}", NO_ZIP);
    fails(ERR_NOTFOUND, "function:Fn:9", FUNCTION_CREATE_ALIAS, "Fn", "no",
          "{\"FunctionVersion\":\"9\"}", NO_ZIP);
    fails(ERR_INVALID, "no name for an alias", FUNCTION_CREATE_ALIAS, "Fn", "12",
          "{\"FunctionVersion\":\"1\"}", NO_ZIP);
    fails(ERR_NOTFOUND, "Cannot find alias arn", FUNCTION_UPDATE_ALIAS, "Fn", "no", NULL, NO_ZIP);
    static const struct {
        const char *request, *words;
        enum err err;
    } bad[] = {
        {"{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"1\":0.1}}}", "already included",
         ERR_INVALID},
        {"{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"7\":0.1}}}", "function:Fn:7",
         ERR_NOTFOUND},
        {"{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":1.1}}}", "0.0 to 1.0",
         ERR_INVALID},
        {"{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"$LATEST\":0.1}}}",
         "$LATEST is not supported", ERR_INVALID},
        {"{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":0.1,\"3\":0.1}}}",
         "greater than 1", ERR_INVALID},
    };
    for (size_t i = 0; i < COUNTOF(bad); i++)
        fails(bad[i].err, bad[i].words, FUNCTION_UPDATE_ALIAS, "Fn", "live", bad[i].request,
              NO_ZIP);
    works(FUNCTION_UPDATE_ALIAS, "Fn", "live",
          "{\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":0.5}}}", NO_ZIP);
    live = lambda_find(bench.lambda, STR("Fn"), STR("live"));
    assert_false(str_eqz(function_digest(live), digest));
    size_t twos = 0;
    for (int i = 0; i < 1000; i++)
        twos += str_eqz(function_version(lambda__alias_pick(live)), "2");
    assert_in_range(twos, 400, 600);
    fails(ERR_CONFLICT, "[live]", FUNCTION_DELETE, "Fn", "2", NULL, NO_ZIP);
    restart();
    live = lambda_find(bench.lambda, STR("Fn"), STR("live"));
    assert_non_null(live);
    assert_non_null(live->to[1]);
    view(FUNCTION_ALIASES, "Fn", "");
    says("{\"Aliases\":[{\"AliasArn\"");
    works(FUNCTION_DELETE_ALIAS, "Fn", "live", NULL, NO_ZIP);
    assert_null(lambda_find(bench.lambda, STR("Fn"), STR("live")));
    works(FUNCTION_DELETE, "Fn", "2", NULL, NO_ZIP);
}

/* One call of what the qualifier names, answered by the process that was started last. */
static void calls(const char *qualifier, const char *arn, const char *version)
{
    struct call c = {.i = {.queue = true}};
    size_t before = bench.spawned;
    bench.function = lambda_find(bench.lambda, STR("Fn"), str_c(qualifier));
    assert_non_null(bench.function);
    function_ref(bench.function);
    call_start(&c, "{}");
    if (bench.spawned > before)
        ready(before);
    struct child *child = &bench.children[bench.spawned - 1];
    if (!strstr(hear(child), arn))
        fail_msg("no %s in %s", arn, bench.text);
    post(child, c.i.request_id, "response", "", "x");
    assert_heard(child, "202 ", "OK");
    say(child, NEXT);
    bench_turns(3);
    call_end(&c, LAMBDA_OK);
    assert_string_equal(c.i.executed, version);
    function_unref(bench.function);
    bench.function = NULL;
}

static void each_version_runs_what_it_was(void **state)
{
    (void)state;
    create("Fn");
    works(FUNCTION_PUBLISH, "Fn", "", NULL, NO_ZIP);
    works(FUNCTION_CREATE_ALIAS, "Fn", "live", "{\"FunctionVersion\":\"1\"}", NO_ZIP);
    calls("", "function:Fn\r\n", "$LATEST");
    calls("1", "function:Fn:1\r\n", "1");
    calls("live", "function:Fn:live\r\n", "1");
    assert_int_equal(bench.spawned, 2);
    works(FUNCTION_UPDATE_CODE, "Fn", "", NULL, package("exports.handler = 2;"));
    assert_true(bench.children[0].killed); /* $LATEST is another one */
    assert_false(bench.children[1].killed);
    calls("live", "function:Fn:live\r\n", "1");
    assert_int_equal(bench.spawned, 2);
    calls("", "function:Fn\r\n", "$LATEST");
    assert_int_equal(bench.spawned, 3);
    restart();
    calls("1", "function:Fn:1\r\n", "1");
}

static void concurrency_is_checked_and_kept(void **state)
{
    (void)state;
    create("Fn");
    create("Other");
    works(FUNCTION_PUBLISH, "Fn", "", NULL, NO_ZIP);
    works(FUNCTION_CREATE_ALIAS, "Fn", "live", "{\"FunctionVersion\":\"1\"}", NO_ZIP);
    fails(ERR_INVALID, "below its minimum value of [100]", FUNCTION_PUT_CONCURRENCY, "Fn", "",
          "{\"ReservedConcurrentExecutions\":901}", NO_ZIP);
    works(FUNCTION_PUT_CONCURRENCY, "Other", "", "{\"ReservedConcurrentExecutions\":890}", NO_ZIP);
    fails(ERR_INVALID, "below its minimum value", FUNCTION_PUT_CONCURRENCY, "Fn", "",
          "{\"ReservedConcurrentExecutions\":11}", NO_ZIP);
    works(FUNCTION_PUT_CONCURRENCY, "Fn", "", "{\"ReservedConcurrentExecutions\":2}", NO_ZIP);
    fails(ERR_INVALID, "unpublished function versions", FUNCTION_PUT_PROVISIONED, "Fn", "$LATEST",
          "{\"ProvisionedConcurrentExecutions\":1}", NO_ZIP);
    fails(ERR_INVALID, "should not be greater than the reservedConcurrentExecution",
          FUNCTION_PUT_PROVISIONED, "Fn", "live", "{\"ProvisionedConcurrentExecutions\":3}",
          NO_ZIP);
    view(FUNCTION_PROVISIONED, "Fn", "live");
    assert_string_equal(said, "No Provisioned Concurrency Config found for this function");
    works(FUNCTION_PUT_PROVISIONED, "Fn", "live", "{\"ProvisionedConcurrentExecutions\":2}",
          NO_ZIP);
    says("{\"RequestedProvisionedConcurrentExecutions\":2,"
         "\"AvailableProvisionedConcurrentExecutions\""
         ":0,\"AllocatedProvisionedConcurrentExecutions\":0,\"Status\":\"IN_PROGRESS\","
         "\"LastModified\":\"20");
    fails(ERR_INVALID, "Version is pointed by a Provisioned Concurrency alias",
          FUNCTION_PUT_PROVISIONED, "Fn", "1", "{\"ProvisionedConcurrentExecutions\":1}", NO_ZIP);
    fails(ERR_INVALID,
          " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned "
          "concurrency [2].",
          FUNCTION_PUT_CONCURRENCY, "Fn", "", "{\"ReservedConcurrentExecutions\":1}", NO_ZIP);
    assert_int_equal(bench.spawned, 2);
    ready(0);
    view(FUNCTION_PROVISIONED, "Fn", "live");
    says("\"AllocatedProvisionedConcurrentExecutions\":1,\"Status\":\"IN_PROGRESS\"");
    ready(1);
    view(FUNCTION_PROVISIONED, "Fn", "live");
    says("\"Status\":\"READY\"");
    restart();
    assert_int_equal(bench.spawned, 4); /* they are started again */
    ready(2);
    ready(3);
    /* Moved with the alias: the old version keeps none. */
    works(FUNCTION_UPDATE_CODE, "Fn", "", "{\"Publish\":true}", package("exports.handler = 2;"));
    works(FUNCTION_UPDATE_ALIAS, "Fn", "live", "{\"FunctionVersion\":\"2\"}", NO_ZIP);
    assert_true(bench.children[2].killed && bench.children[3].killed);
    assert_int_equal(bench.spawned, 6);
    view(FUNCTION_PROVISIONED, "Fn", "live");
    says("\"Status\":\"IN_PROGRESS\"");
    ready(4);
    ready(5);
    view(FUNCTION_PROVISIONED_LIST, "Fn", "");
    says("{\"ProvisionedConcurrencyConfigs\":[{\"Requested");
    says("\"Status\":\"READY\"");
    works(FUNCTION_DELETE_PROVISIONED, "Fn", "live", NULL, NO_ZIP);
    assert_true(bench.children[4].killed && bench.children[5].killed);
    works(FUNCTION_DELETE_CONCURRENCY, "Fn", "", NULL, NO_ZIP);
    view(FUNCTION_CONCURRENCY, "Fn", "");
    assert_string_equal(said, "{}");
    view(FUNCTION_CONCURRENCY, "Other", "");
    assert_string_equal(said, "{\"ReservedConcurrentExecutions\":890}");
}

static enum err declare(const char *name, struct function **f, struct errinfo *e)
{
    const struct function_spec spec = {.name = str_c(name),
                                       .code_dir = str_c(bench.code),
                                       .handler = STR("index.handler"),
                                       .runtime = STR("nodejs20.x"),
                                       .file = "template.yaml"};
    return lambda_function(bench.lambda, &spec, f, e);
}

static void a_document_and_the_control_plane_cannot_have_the_same_name(void **state)
{
    (void)state;
    struct function *f;
    struct errinfo e = {0};
    create("Fn");
    assert_int_equal(declare("Fn", &f, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "was made by the control plane"));
    assert_int_equal(declare("Own", &f, &e), ERR_OK);
    fails(ERR_EXISTS, "Function already exist: Own", FUNCTION_CREATE, "Own", "", CREATE, zip_of);
    works(FUNCTION_DELETE, "Fn", "", NULL, NO_ZIP);
    function_unref(f);
    assert_int_equal(declare("Fn", &f, &e), ERR_OK); /* it is free again */
    function_unref(f);
    create("Own");
    restart();
    assert_null(lambda_find(bench.lambda, STR("Fn"), STR("")));
    assert_non_null(lambda_find(bench.lambda, STR("Own"), STR("")));
    AUTO_BUF out = BUF_INIT(KIB(16));
    lambda_list(bench.lambda, &out);
    assert_non_null(strstr(buf_cstr(&out), "{\"Functions\":[{\"FunctionName\":\"Own\""));
}

static void changes_are_made_in_the_order_of_the_calls(void **state)
{
    (void)state;
    struct changed x[6] = {0};
    static const enum function_op ops[] = {FUNCTION_CREATE, FUNCTION_PUBLISH, FUNCTION_DELETE,
                                           FUNCTION_CREATE, FUNCTION_PUBLISH, FUNCTION_PUBLISH};
    struct arena *a = arena_new(KIB(1), KIB(64));
    const struct json *request;
    assert_int_equal(json_parse(a, STR(CREATE), KIB(1), &request, NULL), ERR_OK);
    package("exports.handler = 1;");
    for (size_t i = 0; i < COUNTOF(x); i++) {
        x[i].c = (struct function_change){
            .op = ops[i], .name = STR("Fn"), .qualifier = STR(""), .done = on_changed};
        if (ops[i] == FUNCTION_CREATE) {
            x[i].c.request = request;
            x[i].c.zip = zip_of;
        }
        lambda_change(bench.lambda, &x[i].c);
    }
    for (size_t i = 0; i < COUNTOF(x); i++) {
        assert_true(bench_until(&x[i].over));
        assert_int_equal(x[i].c.err, ERR_OK);
        function_change_fini(&x[i].c);
    }
    arena_free(a);
    view(FUNCTION_VERSIONS, "Fn", "");
    says("\"Version\":\"1\"");
}

/* --- packages ----------------------------------------------------------------------------------
 */

static size_t packages(bool age)
{
    char path[160], name[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/code", bench.state);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        const struct timespec long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
        if (age)
            assert_int_equal(utimensat(AT_FDCWD, name, long_ago, 0), 0);
        n++;
    }
    closedir(d);
    return n;
}

static void packages_go_with_the_last_version_that_has_them(void **state)
{
    (void)state;
    create("Fn");
    works(FUNCTION_PUBLISH, "Fn", "", NULL, NO_ZIP);
    works(FUNCTION_UPDATE_CODE, "Fn", "", NULL, package("exports.handler = 2;"));
    works(FUNCTION_UPDATE_CODE, "Fn", "", NULL, package("exports.handler = 3;"));
    assert_int_equal(packages(true), 3); /* that of the second was young */
    lambda_configure(bench.lambda, NULL, 0);
    for (int i = 0; i < 200 && packages(false) > 2; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(packages(false), 2);
    assert_non_null(lambda_find(bench.lambda, STR("Fn"), STR("1")));
    works(FUNCTION_DELETE, "Fn", "", NULL, NO_ZIP);
    for (int i = 0; i < 200 && packages(false) > 0; i++) {
        bench_turn();
        usleep(1000);
    }
    assert_int_equal(packages(false), 0);
}

int main(void)
{
#define IN_ROOM(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        IN_ROOM(a_function_is_made_once),
        IN_ROOM(publishing_what_has_not_changed_gives_the_version_that_is_there),
        IN_ROOM(aliases_are_made_moved_and_weighted),
        IN_ROOM(each_version_runs_what_it_was),
        IN_ROOM(concurrency_is_checked_and_kept),
        IN_ROOM(a_document_and_the_control_plane_cannot_have_the_same_name),
        IN_ROOM(changes_are_made_in_the_order_of_the_calls),
        IN_ROOM(packages_go_with_the_last_version_that_has_them),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
