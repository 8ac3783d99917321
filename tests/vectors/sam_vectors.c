/* SPDX-License-Identifier: Apache-2.0
 *
 * SAM's own translations beside its inputs, read where they lie (argv[1]): the routes, authorizers
 * and auth settings that our importer finds in a SAM document are those that it finds in SAM's
 * CloudFormation of it, and those that SAM's OpenAPI body says by its own words. Prints TAP. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/yaml.h"
#include "import/import.h"
#include "lib/whole_file.h"

/* A document as the importer sees it, or as plain JSON. */
struct document {
    struct arena *a;
    struct model model;
    const struct json *json;
    enum err err;
};

static const char *current; /* the expectation being judged */
static unsigned failures, routes, authorizers, said;

static void complain(const char *what, struct str where)
{
    printf("# %s: %s: %.*s\n", current, what, STR_ARG(where));
    failures++;
}

static bool load(const char *path, struct document *d)
{
    AUTO_BUF text = BUF_INIT(LIMIT_TEMPLATE_BYTES);
    struct import_options o = {.region = STR("us-east-1"), .account = STR("123456789012")};
    struct errinfo e = {0};
    *d = (struct document){.a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA)};
    struct import_report report = {.arena = d->a};
    d->model.arena = d->a;
    if (!d->a || !whole_file(path, &text) ||
        yaml_parse(d->a, buf_str(&text), LIMIT_TEMPLATE_BYTES, &d->json, &e) != ERR_OK) {
        complain("cannot be read", str_c(path));
        return false;
    }
    d->err = import_document(&o, path, buf_str(&text), &d->model, &report);
    return true;
}

/* --- model beside model ------------------------------------------------------------------------
 */

static bool same_json(const struct json *a, const struct json *b)
{
    AUTO_BUF x = BUF_INIT(MIB(1));
    AUTO_BUF y = BUF_INIT(MIB(1));
    if (!a || !b)
        return a == b;
    json_write(&x, a);
    json_write(&y, b);
    return str_eq(buf_str(&x), buf_str(&y));
}

/* SAM's expectations have their lists sorted, so the order of identity sources is not theirs to
 * say. */
static bool same_authorizer(const struct json *a, const struct json *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        const struct json *x = a->members[i].value, *y = json_gets(b, a->members[i].key);
        if (!json_is(x, JSON_ARRAY) || !json_is(y, JSON_ARRAY) || x->n != y->n) {
            same = same_json(x, y);
            continue;
        }
        for (size_t k = 0; same && k < x->n; k++) {
            size_t n = 0;
            while (n < y->n && !same_json(x->items[k], y->items[n]))
                n++;
            same = n < y->n;
        }
    }
    return same;
}

static const struct model_api *find_api(const struct model *m, const struct model_api *like)
{
    for (const struct model_api *api = m->apis; api; api = api->next)
        if (str_eq(api->logical_id, like->logical_id) && str_eq(api->stage, like->stage))
            return api;
    return NULL;
}

static const struct model_method *find_method(const struct model_api *api, struct str verb,
                                              struct str path)
{
    const struct model_method *m = api ? api->methods : NULL;
    while (m && !(str_eq(m->verb, verb) && str_eq(m->path, path)))
        m = m->next;
    return m;
}

static const struct model_authorizer *find_authorizer(const struct model_api *api, struct str name)
{
    const struct model_authorizer *z = api->authorizers;
    while (z && !str_eq(z->name, name))
        z = z->next;
    return z;
}

static void compare_method(const struct model_method *ours, const struct model_method *theirs)
{
    static const char *const settings[] = {"authorizationType", "authorizerName",
                                           "authorizationScopes", "apiKeyRequired"};
    static const char *const parts[] = {"type", "uri", "payloadFormatVersion"};
    for (size_t i = 0; i < COUNTOF(settings); i++)
        if (!same_json(json_get(ours->method, settings[i]), json_get(theirs->method, settings[i])))
            complain(settings[i], ours->path);
    for (size_t i = 0; i < COUNTOF(parts); i++)
        if (!same_json(json_get(ours->integration, parts[i]),
                       json_get(theirs->integration, parts[i])))
            complain(parts[i], ours->path);
    routes++;
}

static void compare_api(const struct model_api *ours, const struct model_api *theirs)
{
    if (ours->kind != theirs->kind)
        complain("another kind of API", ours->logical_id);
    for (const struct model_method *m = ours->methods; m; m = m->next) {
        const struct model_method *other = find_method(theirs, m->verb, m->path);
        if (other)
            compare_method(m, other);
        else
            complain("a route that SAM does not make", m->path);
    }
    for (const struct model_method *m = theirs->methods; m; m = m->next)
        if (!find_method(ours, m->verb, m->path))
            complain("a route is missing", m->path);
    for (const struct model_authorizer *z = ours->authorizers; z; z = z->next) {
        const struct model_authorizer *other = find_authorizer(theirs, z->name);
        if (!other || !same_authorizer(z->spec, other->spec))
            complain("another authorizer", z->name);
        authorizers++;
    }
    for (const struct model_authorizer *z = theirs->authorizers; z; z = z->next)
        if (!find_authorizer(ours, z->name))
            complain("an authorizer is missing", z->name);
    if (!same_json(ours->cors, theirs->cors))
        complain("cors", ours->logical_id);
}

/* --- model beside SAM's words ------------------------------------------------------------------
 */

static bool has_name(const struct json *security, struct str name)
{
    for (size_t i = 0; json_is(security, JSON_ARRAY) && i < security->n; i++)
        if (json_gets(security->items[i], name))
            return true;
    return false;
}

/* `security` of one operation: its names are the method's, and no others. */
static void compare_security(const struct model_method *m, const struct json *security)
{
    struct str name = json_str_or(json_get(m->method, "authorizerName"), STR(""));
    struct str type = json_str_or(json_get(m->method, "authorizationType"), STR(""));
    bool key = json_bool_or(json_get(m->method, "apiKeyRequired"), false);
    bool iam = str_eqz(type, "AWS_IAM");
    size_t names = 0;
    for (size_t i = 0; json_is(security, JSON_ARRAY) && i < security->n; i++)
        for (size_t k = 0; k < security->items[i]->n; k++) {
            struct str one = security->items[i]->members[k].key;
            names += !str_eqz(one, "NONE") && !str_eqz(one, "api_key");
        }
    if (key != has_name(security, STR("api_key")))
        complain("SAM says otherwise of the API key", m->path);
    if (names != (size_t)(name.n > 0 || iam))
        complain("SAM names another number of authorizers", m->path);
    if (name.n > 0 && !has_name(security, name))
        complain("SAM names another authorizer", m->path);
    if (iam && !has_name(security, STR("AWS_IAM")))
        complain("SAM does not say AWS_IAM", m->path);
    said++;
}

static struct str verb_of(struct arena *a, struct str key)
{
    char *p = arena_cstr(a, key);
    if (str_eqz(key, "x-amazon-apigateway-any-method"))
        return STR("ANY");
    for (size_t i = 0; p && i < key.n; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 'a' + 'A');
    return str_c(p);
}

static void compare_body(struct arena *a, const struct model_api *api, const struct json *body)
{
    const struct json *paths = json_get(body, "paths");
    for (size_t i = 0; json_is(paths, JSON_OBJECT) && i < paths->n; i++) {
        const struct json *item = paths->members[i].value;
        if (json_get(item, "Fn::If")) /* whose outcome the other comparison has */
            continue;
        for (size_t k = 0; json_is(item, JSON_OBJECT) && k < item->n; k++) {
            const struct json_member *operation = &item->members[k];
            if (str_eqz(operation->key, "parameters") || json_get(operation->value, "Fn::If"))
                continue;
            const struct model_method *m =
                find_method(api, verb_of(a, operation->key), paths->members[i].key);
            if (m)
                compare_security(m, json_get(operation->value, "security"));
            else
                complain("SAM writes a route that we do not have", paths->members[i].key);
        }
    }
}

/* --- files -------------------------------------------------------------------------------------
 */

static void compare(const struct document *ours, const struct document *theirs)
{
    for (const struct model_api *api = ours->model.apis; api; api = api->next) {
        const struct model_api *other = find_api(&theirs->model, api);
        const struct json *resource =
            json_gets(json_get(theirs->json, "Resources"), api->logical_id);
        if (!other) {
            complain("SAM makes no such API", api->logical_id);
            continue;
        }
        compare_api(api, other);
        compare_body(ours->a, api, json_get(json_get(resource, "Properties"), "Body"));
    }
}

/* The inputs whose name ends in this expectation's; how many there were. */
static unsigned judge(const char *root, const char *expected)
{
    char path[4096];
    size_t length = strlen(expected) - strlen(".json");
    struct str stem = str_of(expected, length);
    struct document theirs;
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/sam", root);
    DIR *dir = opendir(path);
    snprintf(path, sizeof path, "%s/sam-expected/%s", root, expected);
    if (!dir || !load(path, &theirs))
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct str name = str_c(e->d_name);
        size_t dot = str_rchr(name, '.');
        struct str own = str_sub(name, 0, dot == SIZE_MAX ? name.n : dot);
        struct str before = str_sub(own, 0, own.n < stem.n ? 0 : own.n - stem.n);
        if (!str_ends(own, stem) || !str_ends(before, STR("__")))
            continue;
        struct document ours;
        snprintf(path, sizeof path, "%s/sam/%s", root, e->d_name);
        if (load(path, &ours) && ours.err == ERR_OK && theirs.err == ERR_OK) {
            compare(&ours, &theirs);
            n++;
        } else if (ours.err != theirs.err) {
            complain("one of the two is refused", str_c(e->d_name));
        }
        arena_free(ours.a);
    }
    closedir(dir);
    arena_free(theirs.a);
    return n;
}

int main(int argc, char **argv)
{
    char path[4096];
    unsigned pairs = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: sam_vectors FOLDER\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/sam-expected", argv[1]);
    DIR *dir = opendir(path);
    printf("1..1\n");
    if (!dir) {
        printf("ok 1 - what SAM makes of its inputs # SKIP ../shared not found\n");
        return 0;
    }
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || str_starts(str_c(e->d_name), STR("error_")))
            continue;
        current = e->d_name;
        pairs += judge(argv[1], e->d_name);
    }
    closedir(dir);
    printf("# %u pairs, %u routes, %u authorizers; %u operations by SAM's own words\n", pairs,
           routes, authorizers, said);
    printf("%s 1 - what SAM makes of its inputs\n", failures == 0 && pairs > 0 ? "ok" : "not ok");
    return failures == 0 && pairs > 0 ? 0 : 1;
}
