/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the cases of iam-simulate (argv[1], a folder of JSON files) against policy/policy.h. They
 * are about all of IAM; judged here are those that identity policies and a resource policy of the
 * same account decide, because that is what an API has. Every other case is left_out with its
 * reason. Prints TAP. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "lib/whole_file.h"
#include "policy/policy.h"

#define MAX_FILES 1000

/* Members of a case that bring in more than identity policies. */
static const char *const beyond[] = {
    "resourcePolicies",           "serviceControlPolicies",  "permissionBoundaries",
    "permissionBoundaryPolicies", "resourceControlPolicies", "endpointPolicies",
    "vpcEndpointPolicies",        "sessionPolicy",
};

static char *files[MAX_FILES];
static size_t file_n;
static struct {
    int number, judged, left_out, failed;
} count;

static const char *why_beyond(const struct json *test)
{
    for (size_t i = 0; i < COUNTOF(beyond); i++) {
        const struct json *v = json_get(test, beyond[i]);
        if ((json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) && v->n > 0)
            return beyond[i];
    }
    return NULL;
}

/* The account in an ARN: its fifth field. */
static struct str account_of(struct str arn)
{
    struct str field = STR_NONE;
    for (int i = 0; i < 5; i++)
        field = str_cut(arn, ':', &arn);
    return field;
}

static bool has_resource_policy(const struct json *test)
{
    return json_is(json_get(test, "resourcePolicy"), JSON_OBJECT);
}

/* What decides besides the policies: knowledge of a service, or of an account. NULL: nothing. */
static const char *why_skip(const struct json *test, struct str action, struct str resource)
{
    const struct json *request = json_get(test, "request");
    struct str principal = json_str_or(json_get(request, "principal"), STR("")), account;
    struct str mode = json_str_or(json_get(json_get(test, "simulation"), "mode"), STR("Strict"));

    if (why_beyond(test))
        return why_beyond(test);
    if (!str_eqz(mode, "Strict") || json_get(test, "simulationOptions"))
        return "conditions are not judged but collected";
    if (!json_is(json_get(test, "identityPolicies"), JSON_ARRAY))
        return "no identity policies";
    if (action.n == 0 || resource.n == 0)
        return "no action or no resource";
    /* An action without resources is asked for "*"; any other wildcard asks for a set. */
    if (!json_bool_or(json_get(request, "wildcardOnlyAction"), false) &&
        (str_chr(resource, '*', 0) != SIZE_MAX || str_chr(resource, '?', 0) != SIZE_MAX))
        return "a request for a set of resources";
    if (str_eqz(action, "sts:GetCallerIdentity"))
        return "allowed by the service, whatever the policies say";
    account = json_str_or(json_get(json_get(request, "resource"), "accountId"), STR(""));
    if (principal.n > 0 && !str_eq(account_of(principal), account))
        return "another account";
    if (str_find(principal, STR(":assumed-role/")) != SIZE_MAX && has_resource_policy(test))
        return "a session stands for its role";
    if (str_starts(action, STR("kms:")))
        return "keys have policies of their own";
    if (str_eqz(action, "sts:AssumeRole"))
        return "roles have trust policies";
    if (str_starts(resource, STR("arn:aws:iam::aws:policy/")) ||
        str_find(resource, STR(":role/aws-")) != SIZE_MAX)
        return "owned by AWS";
    return NULL;
}

/* --- condition keys: the case's context, a string or a list for each key --- */
#define VALUES_MAX 16
struct keys {
    const struct json *object;
    struct str values[VALUES_MAX];
};

static size_t get_values(void *arg, struct str key, const struct str **values)
{
    struct keys *k = arg;
    for (size_t i = 0; k->object && i < k->object->n; i++) {
        const struct json *v = k->object->members[i].value;
        if (!str_ieq(k->object->members[i].key, key))
            continue;
        size_t n = json_is(v, JSON_ARRAY) ? v->n : 1;
        for (size_t j = 0; j < n && j < VALUES_MAX; j++)
            k->values[j] = json_is(v, JSON_ARRAY) ? v->items[j]->s : v->s;
        *values = k->values;
        return n < VALUES_MAX ? n : VALUES_MAX;
    }
    return 0;
}

/* The verdict of several policies is the strongest of them. */
static enum err judge(const struct json *test, const struct policy_request *rq,
                      enum decision *verdict, struct errinfo *e)
{
    const struct json *policies = json_get(test, "identityPolicies");
    const struct policy_home home = {STR("aws"), STR("us-east-1"), STR("1"), STR("api")};
    struct policy *p = NULL;
    *verdict = DECISION_IMPLICIT_DENY;
    for (size_t i = 0; policies && i < policies->n; i++) {
        const struct json *named = json_get(policies->items[i], "policy");
        enum err err = policy_compile(named ? named : policies->items[i], &p, e);
        if (err)
            return err;
        *verdict = policy_combine(*verdict, policy_evaluate(p, rq, NULL));
        policy_free(p);
    }
    if (has_resource_policy(test)) {
        enum err err = policy_compile_resource(json_get(test, "resourcePolicy"), &home, &p, e);
        if (err)
            return err;
        *verdict = policy_combine(*verdict, policy_evaluate(p, rq, NULL));
        policy_free(p);
    }
    return ERR_OK;
}

static enum decision expected_of(const struct json *test)
{
    const struct json *expected = json_get(test, "expected");
    struct str s = json_str_or(json_get(expected, "response"),
                               json_str_or(json_get(expected, "overallResult"), STR("")));
    return str_eqz(s, "Allowed")            ? DECISION_ALLOW
           : str_eqz(s, "ExplicitlyDenied") ? DECISION_EXPLICIT_DENY
                                            : DECISION_IMPLICIT_DENY;
}

static void run_case(const char *file, const struct json *test)
{
    const struct json *inner = json_get(test, "simulation");
    const struct json *facts = json_get(inner, "request") ? inner : test;
    const struct json *request = json_get(facts, "request");
    struct policy_request rq = {
        .action = json_str_or(json_get(request, "action"), STR("")),
        .resource = json_str_or(json_get(json_get(request, "resource"), "resource"), STR(""))};
    struct str name = json_str_or(json_get(test, "name"), STR("?"));
    const struct json *context = json_get(request, "context");
    struct keys keys = {.object = context ? context : json_get(request, "contextVariables")};
    struct policy_context served = {get_values, &keys};
    const char *skip = why_skip(facts, rq.action, rq.resource);
    struct errinfo e = {0};
    enum decision verdict = DECISION_IMPLICIT_DENY, expected = expected_of(test);

    if (skip || json_get(test, "simulationOptions")) { /* it asks for what has no place here */
        count.left_out++;
        printf("# left out: %s: %.*s: %s\n", file, STR_ARG(name), skip ? skip : "options");
        return;
    }
    rq.context = &served;
    rq.principal = json_str_or(json_get(request, "principal"), STR(""));
    enum err err = judge(facts, &rq, &verdict, &e);
    if (err == ERR_INVALID && has_resource_policy(facts)) { /* as AWS refuses to save it */
        count.left_out++;
        printf("# left out: %s: %.*s: refused: %s\n", file, STR_ARG(name), e.text);
        return;
    }
    bool ok = !err && verdict == expected;
    count.number++;
    count.judged++;
    count.failed += !ok;
    printf("%sok %d - %s: %.*s: %s\n", ok ? "" : "not ", count.number, file, STR_ARG(name),
           err ? e.text : decision_name(verdict));
}

static void run_file(const char *path, const char *name)
{
    AUTO_BUF text = BUF_INIT(MIB(1));
    struct arena *a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
    const struct json *tests = NULL;

    if (!a || !whole_file(path, &text) ||
        json_parse(a, buf_str(&text), text.max, &tests, NULL) != ERR_OK ||
        !json_is(tests, JSON_ARRAY)) {
        count.failed++;
        printf("not ok %d - %s cannot be read\n", ++count.number, name);
    }
    for (size_t i = 0; tests && i < tests->n; i++)
        run_case(name, tests->items[i]);
    arena_free(a);
}

static int collect(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type != FTW_F || !str_ends(str_c(path), STR(".json")))
        return 0;
    if (file_n == MAX_FILES || !(files[file_n] = strdup(path)))
        return 1;
    file_n++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    if (nftw(argv[1], collect, 8, FTW_PHYS) > 0)
        return 2;
    if (file_n == 0) {
        printf("1..0 # SKIP ../shared not found\n");
        return 0;
    }
    qsort(files, file_n, sizeof files[0], by_name);
    for (size_t i = 0; i < file_n; i++) {
        run_file(files[i], files[i] + strlen(argv[1]) + 1);
        free(files[i]);
    }
    printf("1..%d\n# %d judged, %d left out\n", count.number, count.judged, count.left_out);
    return count.failed > 0;
}
