/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole documents: what is none, files beside the template, several documents in one model, and
 * memory that runs out anywhere. */
#include <stdlib.h>
#include <unistd.h>

#include "import_api_int.h"
#include "import_test.h"
#include "lib/fault.h"
#include "mock_int.h"

static void what_is_no_document_is_refused_with_its_place(void **state)
{
    (void)state;
    struct loaded l = load("a: [b\n");
    assert_int_equal(l.err, ERR_SYNTAX);
    assert_int_equal(l.report.errors, 1);
    assert_true(l.report.first->line > 0);
    unload(&l);
    refuses("hello: world\n", 1, "neither an OpenAPI document");
    refuses("[1, 2]\n", 1, "neither an OpenAPI document");
    l = load("");
    assert_int_equal(l.err, ERR_SYNTAX);
    unload(&l);
}

static void many_findings_are_counted_but_not_all_kept(void **state)
{
    AUTO_BUF b = BUF_INIT(MIB(4));
    (void)state;
    buf_addz(&b, "swagger: '2.0'\npaths:\n");
    for (int i = 0; i < 3000; i++)
        buf_addf(&b, "  p%d: {}\n", i);
    struct loaded l = load(buf_cstr(&b));
    size_t kept = 0;
    for (const struct import_finding *f = l.report.first; f; f = f->next)
        kept++;
    assert_int_equal(l.err, ERR_INVALID);
    assert_int_equal(l.report.errors, 3000);
    assert_int_equal(kept, LIMIT_FINDINGS);
    unload(&l);
}

static void two_documents_share_a_model_unless_their_ids_clash(void **state)
{
    struct import_options o = plain_options();
    struct str one = STR("swagger: '2.0'\ninfo: {title: one}\n");
    struct str two = STR("swagger: '2.0'\ninfo: {title: two}\n");
    (void)state;
    struct loaded l = load_with(&o, one.p);
    assert_int_equal(import_document(&o, "two.yaml", two, &l.model, &l.report), ERR_OK);
    assert_str(l.model.apis->name, "one");
    assert_str(l.model.apis->next->name, "two");
    assert_int_equal(import_document(&o, "again.yaml", one, &l.model, &l.report), ERR_INVALID);
    expect(&l, IMPORT_ERROR, 0, "is taken already");
    unload(&l);
}

static void a_function_of_another_document_may_be_called(void **state)
{
    struct import_options o = plain_options();
    struct str other =
        STR("swagger: '2.0'\npaths: {/a: {get: {x-amazon-apigateway-integration: {type: "
            "aws_proxy, httpMethod: POST, uri: '" LAMBDA_URI("F") "'}}}}\n");
    (void)state;
    struct loaded l =
        load_with(&o, "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: "
                      "{Handler: a.b, Runtime: nodejs20.x, CodeUri: 's3://a/b'}}\n");
    assert_int_equal(l.err, ERR_OK);
    assert_int_equal(import_document(&o, "two.yaml", other, &l.model, &l.report), ERR_OK);
    assert_null(l.model.functions->next);
    o.require_code = true; /* now a route needs what was only noted before */
    assert_int_equal(import_document(&o, "three.yaml", other, &l.model, &l.report), ERR_INVALID);
    expect(&l, IMPORT_ERROR, 2, "its code is not here");
    unload(&l);
}

static void two_functions_of_one_name_are_refused(void **state)
{
    const char *text = "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Code: .}}\n";
    struct import_options o = plain_options();
    (void)state;
    struct loaded l = load_with(&o, text);
    assert_int_equal(import_document(&o, "two.yaml", str_c(text), &l.model, &l.report),
                     ERR_INVALID);
    expect(&l, IMPORT_ERROR, 2, "two functions are named F");
    unload(&l);
}

/* --- files beside the template
 * -------------------------------------------------------------------- */

struct folder {
    char path[64], file[96];
};

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
    static struct folder f;
    snprintf(f.path, sizeof f.path, "/tmp/ropeline-import-XXXXXX");
    if (!mkdtemp(f.path))
        return -1;
    snprintf(f.file, sizeof f.file, "%s/template.yaml", f.path);
    *state = &f;
    return 0;
}

static int remove_folder(void **state)
{
    const struct folder *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/api.yaml", f->path);
    (void)unlink(path);
    return rmdir(f->path);
}

#define BACKEND(uri) \
    "x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: " uri "}"

static void an_included_file_is_read_with_its_intrinsics(void **state)
{
    const struct folder *f = *state;
    struct import_options o = plain_options();
    const char *text =
        "Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: p, "
        "DefinitionBody: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: "
        "api.yaml}}}}}\n";
    put_file(
        f->path, "api.yaml",
        "swagger: '2.0'\npaths:\n  /a:\n    get: {" BACKEND("!Sub 'http://${AWS::Region}/'") "}\n");
    struct loaded l = load_file(&o, f->file, text);
    print_findings(&l);
    assert_int_equal(l.err, ERR_OK);
    assert_str(json_get(method(&l, "GET", "/a")->integration, "uri")->s, "http://eu-west-1/");
    assert_int_equal(method(&l, "GET", "/a")->at.line, 4);
    assert_non_null(strstr(method(&l, "GET", "/a")->at.file, "/api.yaml"));
    unload(&l);
    put_file(f->path, "api.yaml", "swagger: '2.0'\npaths:\n  /a:\n    got: {}\n");
    l = load_file(&o, f->file, text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, 4, "\"got\" is no method");
    assert_non_null(strstr(l.report.first->file, "/api.yaml"));
    unload(&l);
}

static void a_definition_uri_is_read_without_them(void **state)
{
    const struct folder *f = *state;
    struct import_options o = plain_options();
    const char *text = "Resources:\n  Api: {Type: AWS::Serverless::Api, Properties: {StageName: p, "
                       "DefinitionUri: ./api.yaml}}\n";
    put_file(f->path, "api.yaml",
             "swagger: '2.0'\npaths:\n  /a:\n    get: {" BACKEND("'http://b/'") "}\n");
    struct loaded l = load_file(&o, f->file, text);
    assert_int_equal(l.err, ERR_OK);
    assert_string_equal(guard_of(&l, "GET", "/a"), "NONE");
    unload(&l);
    put_file(
        f->path, "api.yaml",
        "swagger: '2.0'\npaths:\n  /a:\n    get: {" BACKEND("!Sub 'http://${AWS::Region}/'") "}\n");
    l = load_file(&o, f->file, text);
    assert_int_equal(l.err, ERR_INVALID);
    expect(&l, IMPORT_ERROR, 4, "Fn::Sub is not resolved in a DefinitionUri file");
    unload(&l);
    put_file(f->path, "api.yaml", "swagger: [\n");
    l = load_file(&o, f->file, text);
    assert_int_equal(l.err, ERR_INVALID);
    unload(&l);
}

static void code_is_looked_for_beside_the_template(void **state)
{
    const struct folder *f = *state;
    struct import_options o = plain_options();
    struct loaded l =
        load_file(&o, f->file,
                  "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Handler: "
                  "a.b, Runtime: nodejs20.x, CodeUri: ./}}\n");
    assert_int_equal(l.err, ERR_OK);
    assert_str(l.model.functions->spec.code_dir, f->path);
    unload(&l);
}

/* --- MOCK templates
 * -------------------------------------------------------------------------------- */

static void only_a_literal_status_is_a_mock_template(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"{\"statusCode\": 200}", 200},
        {"{\n  \"statusCode\" : 404\n}\n", 404},
        {"{statusCode:201}", 201},
        {"{'statusCode': 500}", 500},
        {"", -1},
        {"{}", -1},
        {"{\"statusCode\": 99}", -1},
        {"{\"statusCode\": 600}", -1},
        {"{\"statusCode\": 2000}", -1},
        {"{\"statusCode\": \"200\"}", -1},
        {"{\"statusCode\": 200", -1},
        {"{\"statusCode\": 200} x", -1},
        {"{\"statusCode\": $x}", -1},
        {"{\"statusCode\": 200, \"a\": 1}", -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(rows); i++)
        assert_int_equal(import__mock_status(str_c(rows[i].text)), rows[i].status);
}

static void velocity_is_recognised(void **state)
{
    static const char *const vtl[] = {"$a", "${a}",  "$!a",       "#set($a=1)", "x#if(1)",
                                      "##", "#*c*#", "#[[raw]]#", "#{else}"};
    static const char *const plain[] = {"", "{\"ok\": true}", "<p>100%</p>"};
    (void)state;
    for (size_t i = 0; i < COUNTOF(vtl); i++)
        assert_true(import__has_vtl(str_c(vtl[i])));
    for (size_t i = 0; i < COUNTOF(plain); i++)
        assert_false(import__has_vtl(str_c(plain[i])));
}

/* --- memory
 * ---------------------------------------------------------------------------------------- */

/* A document that goes through most of the room. */
static const char everything[] =
    "Parameters: {P: {Type: String, Default: a}, L: {Type: CommaDelimitedList, Default: 'a,b'}}\n"
    "Globals: {Api: {Cors: \"'*'\", Variables: {v: !Ref P}}, Function: {Environment: {Variables: "
    "{A: "
    "!Join ['-', !Ref L]}}}}\n"
    "Resources:\n"
    "  G: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Sub '${P}-g', Handler: "
    "a.b, "
    "Runtime: nodejs20.x, CodeUri: .}}\n"
    "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: a.b\n      "
    "Runtime: "
    "nodejs20.x\n      CodeUri: .\n      Events:\n"
    "        A: {Type: Api, Properties: {Path: '/{id}', Method: get, RestApiId: !Ref Api}}\n"
    "        B: {Type: Api, Properties: {Path: /b, Method: any}}\n"
    "        Q: {Type: SQS}\n"
    "  Api:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: p\n"
    "      MergeDefinitions: true\n"
    "      Auth: {DefaultAuthorizer: Z, Authorizers: {Z: {FunctionArn: !GetAtt G.Arn, Identity: "
    "{ReauthorizeEvery: 5, ValidationExpression: x}}}}\n"
    "      DefinitionBody:\n        openapi: 3.0.0\n        info: {title: t}\n        paths:\n"
    "          /h: {$ref: '#/components/x-h'}\n"
    "        components: {x-h: {put: {x-amazon-apigateway-integration: {type: http_proxy, "
    "httpMethod: "
    "PUT, uri: 'http://${stageVariables.v}/', requestParameters: {integration.request.header.A: "
    "context.authorizer.b}, timeoutInMillis: 100}}}}\n"
    "  Bucket: {Type: AWS::S3::Bucket}\n";

static enum err import_everything(void *arg)
{
    struct arena *a = arena_new(KIB(1), LIMIT_DOCUMENT_ARENA);
    struct model model = {.arena = a};
    struct import_report report = {.arena = a};
    struct import_options o = plain_options();
    (void)arg;
    if (!a)
        return ERR_NOMEM;
    enum err err = import_document(&o, "t.yaml", str_c(everything), &model, &report);
    arena_free(a);
    return err;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    fault_each(import_everything, NULL);
}

static size_t count_methods(const struct model *m)
{
    size_t n = 0;
    for (const struct model_api *api = m->apis; api; api = api->next)
        for (const struct model_method *x = api->methods; x; x = x->next)
            n += x->method && x->integration;
    return n;
}

static void a_small_arena_is_an_error_not_a_partial_model(void **state)
{
    struct import_options o = plain_options();
    size_t whole = 0;
    (void)state;
    for (size_t cap = KIB(2); cap < KIB(96); cap += 512) {
        struct arena *a = arena_new(KIB(1), cap);
        assert_non_null(a);
        struct model model = {.arena = a};
        struct import_report report = {.arena = a};
        enum err err = import_document(&o, "t.yaml", str_c(everything), &model, &report);
        if (err == ERR_OK)
            assert_int_equal(count_methods(&model), 6);
        whole += err == ERR_OK;
        arena_free(a);
    }
    assert_true(whole > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_document_is_refused_with_its_place),
        cmocka_unit_test(many_findings_are_counted_but_not_all_kept),
        cmocka_unit_test(two_documents_share_a_model_unless_their_ids_clash),
        cmocka_unit_test(a_function_of_another_document_may_be_called),
        cmocka_unit_test(two_functions_of_one_name_are_refused),
        cmocka_unit_test_setup_teardown(an_included_file_is_read_with_its_intrinsics, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_definition_uri_is_read_without_them, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(code_is_looked_for_beside_the_template, make_folder,
                                        remove_folder),
        cmocka_unit_test(only_a_literal_status_is_a_mock_template),
        cmocka_unit_test(velocity_is_recognised),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_small_arena_is_an_error_not_a_partial_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
