/* SPDX-License-Identifier: Apache-2.0
 *
 * What roles and permissions may do (docs/templates.md, "Roles"): the grants of a document as one
 * IAM policy over methodArns, whose statements ask for ropeline:role, ropeline:permission or
 * ropeline:route. Invariant: it can only take an ALLOW back, and where the grants say nothing,
 * nobody may. */
#include "authorizer_int.h"
#include "base/limits.h"

#define ROLE STR("ropeline:role")
#define PERMISSION STR("ropeline:permission")
#define ROUTE STR("ropeline:route")
#define TRIED 64 /* grantees, to say who may: a refusal must stay cheap */

struct roles {
    struct policy *policy;
    struct str role_claim, permission_claim;
    struct grantee { /* who may do something, once each */
        struct str name;
        bool permission;
    } * grantee;
    size_t grantees;
};

/* --- compiling ----------------------------------------------------------------------------------
 */
struct compiling {
    struct arena *a;
    struct str prefix;
    struct json *statements;
    struct roles *r;
    bool nomem;
};

static void put(struct compiling *k, struct json *object, struct str key, const struct json *v)
{
    if (object == NULL || v == NULL || json_set(k->a, object, key, v) != ERR_OK)
        k->nomem = true;
}

static void push(struct compiling *k, struct json *list, const struct json *v)
{
    if (list == NULL || v == NULL || json_push(k->a, list, v) != ERR_OK)
        k->nomem = true;
}

static struct json *text(struct compiling *k, struct str s)
{
    return json_new_str(k->a, s);
}

/* "ANY" is each verb by itself: a `*` there would reach into the path. */
static void add_resource(struct compiling *k, struct json *list, struct str verb, struct str path)
{
    static const char *const verbs[] = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"};
    for (size_t i = 0; i < COUNTOF(verbs); i++) {
        if (!str_eqz(verb, "ANY") && !str_eqz(verb, verbs[i]))
            continue;
        struct str parts[] = {k->prefix, str_c(verbs[i]), path};
        struct str arn = arena_cat(k->a, parts, COUNTOF(parts));
        push(k, list, arn.p ? text(k, arn) : NULL);
    }
}

static void put_condition(struct compiling *k, struct json *conditions, const char *op,
                          struct str key, const struct json *values)
{
    struct json *of = json_new_object(k->a, 1);
    put(k, of, key, values);
    put(k, conditions, str_c(op), of);
}

/* `by`: who may, or NULL for everybody who is known at all; `routes`: which, or NULL for what the
 * resources say. */
static void add_statement(struct compiling *k, const struct grantee *by,
                          const struct json *resources, const struct json *routes)
{
    struct json *s = json_new_object(k->a, 4), *conditions = json_new_object(k->a, 2);
    struct json *names = json_new_array(k->a, 1), *everything = json_new_array(k->a, 1);
    struct str parts[] = {k->prefix, STR("*")};
    struct str all = arena_cat(k->a, parts, COUNTOF(parts));
    push(k, everything, all.p ? text(k, all) : NULL);
    put(k, s, STR("Effect"), text(k, STR("Allow")));
    put(k, s, STR("Action"), text(k, STR("execute-api:Invoke")));
    put(k, s, STR("Resource"), resources ? resources : everything);
    if (by) {
        push(k, names, text(k, by->name));
        put_condition(k, conditions, "ForAnyValue:StringEquals", by->permission ? PERMISSION : ROLE,
                      names);
    }
    if (routes)
        put_condition(k, conditions, "StringEquals", ROUTE, routes);
    put(k, s, STR("Condition"), conditions);
    push(k, k->statements, s);
}

/* {"role" or "permission": name, "methods": [{"verb", "path"} or {"route"}]} */
static enum err add_grant(struct compiling *k, const struct json *grant, struct errinfo *e)
{
    const struct json *role = json_get(grant, "role"), *methods = json_get(grant, "methods");
    struct grantee *by = &k->r->grantee[k->r->grantees];
    struct json *resources = json_new_array(k->a, 4), *routes = json_new_array(k->a, 4);
    by->permission = role == NULL;
    by->name = arena_str(k->a, json_str_or(role ? role : json_get(grant, "permission"), STR("")));
    if (by->name.p == NULL || resources == NULL || routes == NULL)
        return ERR_NOMEM;
    if (by->name.n == 0 || !json_is(methods, JSON_ARRAY))
        return errinfo_at(e, ERR_INVALID, grant->line, grant->col,
                          "a grant names a role or a permission, and its methods");
    k->r->grantees++;
    for (size_t i = 0; i < methods->n; i++) {
        const struct json *route = json_get(methods->items[i], "route");
        struct str path = json_str_or(json_get(methods->items[i], "path"), STR(""));
        if (route)
            push(k, routes, text(k, json_str_or(route, STR(""))));
        else
            add_resource(k, resources, json_str_or(json_get(methods->items[i], "verb"), STR("ANY")),
                         path);
    }
    if (resources->n > 0)
        add_statement(k, by, resources, NULL);
    if (routes->n > 0)
        add_statement(k, by, NULL, routes);
    return k->nomem ? ERR_NOMEM : ERR_OK;
}

static enum err add_all(struct compiling *k, const struct json *spec, struct errinfo *e)
{
    const struct json *grants = json_get(spec, "grants"), *open = json_get(spec, "open");
    size_t n = json_is(grants, JSON_ARRAY) ? grants->n : 0;
    k->r->grantee = ARENA_ARRAY(k->a, n, struct grantee);
    k->r->role_claim = arena_str(k->a, json_str_or(json_get(spec, "roleClaim"), STR("st-role.v")));
    k->r->permission_claim =
        arena_str(k->a, json_str_or(json_get(spec, "permissionClaim"), STR("st-perm.v")));
    if (k->r->grantee == NULL || k->r->role_claim.p == NULL || k->r->permission_claim.p == NULL)
        return ERR_NOMEM;
    enum err err = ERR_OK;
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = add_grant(k, grants->items[i], e);
    if (err == ERR_OK && json_is(open, JSON_ARRAY) && open->n > 0)
        add_statement(k, NULL, NULL, open);
    return k->nomem ? ERR_NOMEM : err;
}

/* Version 2008-10-17 has no variables: a role that is called ${x} is just that. */
static enum err compile(struct compiling *k, const struct json *spec, struct errinfo *e)
{
    struct json *document = json_new_object(k->a, 2);
    k->statements = json_new_array(k->a, 8);
    put(k, document, STR("Version"), text(k, STR("2008-10-17")));
    put(k, document, STR("Statement"), k->statements);
    if (k->nomem)
        return ERR_NOMEM;
    enum err err = add_all(k, spec, e);
    struct errinfo why = {0};
    if (err == ERR_OK)
        err = policy_compile(document, &k->r->policy, &why);
    if (why.text[0])
        err = errinfo_at(e, err, spec->line, spec->col, "x-ropeline-roles: %s", why.text);
    return err;
}

enum err roles__compile(struct arena *a, const struct json *spec, struct str arn_prefix,
                        struct roles **out, struct errinfo *e)
{
    struct compiling k = {.a = a, .prefix = arn_prefix, .r = ARENA_NEW(a, struct roles)};
    *out = NULL;
    if (k.r == NULL)
        return ERR_NOMEM;
    enum err err = compile(&k, spec, e);
    if (err == ERR_OK)
        *out = k.r;
    return err;
}

void roles__fini(struct roles *r)
{
    if (r)
        policy_free(r->policy);
}

/* --- who asks -----------------------------------------------------------------------------------
 */
struct names {
    const struct str *v;
    size_t n;
};
struct asking {
    const struct policy_context *request;
    struct names roles, permissions;
    struct str route;
};

static size_t give(struct names names, const struct str **values)
{
    *values = names.v;
    return names.n;
}

static size_t get(void *arg, struct str key, const struct str **values)
{
    const struct asking *k = arg;
    if (str_ieq(key, ROLE))
        return give(k->roles, values);
    if (str_ieq(key, PERMISSION))
        return give(k->permissions, values);
    if (str_ieq(key, ROUTE))
        return give((struct names){&k->route, 1}, values);
    return k->request ? k->request->get(k->request->arg, key, values) : 0;
}

/* The claim of that very name, or a way through objects: "st-role.v". */
static const struct json *find_claim(const struct json *claims, struct str path)
{
    const struct json *v = json_gets(claims, path);
    struct str rest = path;
    if (v)
        return v;
    for (v = claims; v && rest.p;)
        v = json_gets(v, str_cut(rest, '.', &rest));
    return v;
}

/* A text is one name, a list as many; what is no text names nothing. */
static enum err read_names(struct arena *a, const struct json *claims, struct str path,
                           struct names *out)
{
    const struct json *v = find_claim(claims, path);
    size_t n = json_is(v, JSON_ARRAY) ? v->n : json_is(v, JSON_STRING) ? 1 : 0;
    struct str *names = ARENA_ARRAY(a, n, struct str);
    *out = (struct names){names, 0};
    if (names == NULL)
        return ERR_NOMEM;
    if (n > LIMIT_TOKEN_ROLES)
        return ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        if (json_str(json_is(v, JSON_ARRAY) ? v->items[i] : v, &names[out->n]))
            out->n++;
    return ERR_OK;
}

static enum err read_asking(struct auth_call *c, struct asking *k)
{
    const struct auth_result *r = c->result;
    const struct roles *z = c->authorizer->roles;
    *k = (struct asking){.request = c->facts.context, .route = c->facts.route};
    if (r->has_roles) {
        k->roles = (struct names){r->roles, r->role_count};
        k->permissions = (struct names){r->permissions, r->permission_count};
        return ERR_OK;
    }
    enum err err = read_names(c->arena, r->claims, z->role_claim, &k->roles);
    return err ? err : read_names(c->arena, r->claims, z->permission_claim, &k->permissions);
}

/* --- judging ------------------------------------------------------------------------------------
 */
/* Both spellings must be allowed: who reads the other one must not get more. */
static bool allows(const struct auth_call *c, struct asking *k, struct policy_ground *ground)
{
    const struct policy_context context = {get, k};
    const struct policy *p = c->authorizer->roles->policy;
    struct policy_request rq = {
        .action = STR("execute-api:Invoke"), .resource = c->facts.method_arn, .context = &context};
    if (policy_decide(p, &rq, ground, NULL) != DECISION_ALLOW)
        return false;
    rq.resource = c->facts.decoded_arn;
    return rq.resource.n == 0 || policy_evaluate(p, &rq, NULL) == DECISION_ALLOW;
}

static void add_names(struct buf *b, struct names names)
{
    for (size_t i = 0; i < names.n; i++)
        buf_addf(b, "%s%.*s", i > 0 ? ", " : "", STR_ARG(str_sub(names.v[i], 0, 64)));
    buf_addz(b, names.n ? "" : "none");
}

static void note_names(struct auth_call *c, const char *key, struct names names)
{
    AUTO_BUF text = BUF_INIT(KIB(1));
    add_names(&text, names);
    decision_note(c->record, "policy", VERDICT_INFO, key, str_of(text.p, text.n));
}

/* Which single role or permission would have been enough: each is tried. */
static void note_change(struct auth_call *c, const struct asking *has)
{
    const struct roles *z = c->authorizer->roles;
    AUTO_BUF words = BUF_INIT(KIB(2));
    size_t found = 0;
    for (size_t i = 0; i < z->grantees && i < TRIED; i++) {
        struct names one = {&z->grantee[i].name, 1};
        struct asking k = {.request = has->request, .route = has->route};
        struct policy_ground ground;
        *(z->grantee[i].permission ? &k.permissions : &k.roles) = one;
        if (allows(c, &k, &ground))
            buf_addf(&words, "%s%s %.*s", found++ ? " or the " : "give the user the ",
                     z->grantee[i].permission ? "permission" : "role",
                     STR_ARG(str_sub(one.v[0], 0, 64)));
    }
    if (found == 0)
        buf_addz(&words, "no role and no permission may do this: name the method in "
                         "x-ropeline-roles");
    decision_note(c->record, "policy", VERDICT_INFO, "change", str_of(words.p, words.n));
}

void roles__judge(struct auth_call *c)
{
    struct asking k;
    struct policy_ground ground = {0};
    enum err err = read_asking(c, &k);
    c->verdict = AUTH_ERROR;
    if (err != ERR_OK) {
        decision_notef(c->record, "policy", VERDICT_ERROR, "roles", "cannot be read: %s",
                       err_text(err));
        return;
    }
    note_names(c, "roles", k.roles);
    if (k.permissions.n > 0)
        note_names(c, "permissions", k.permissions);
    if (allows(c, &k, &ground)) {
        c->verdict = AUTH_ALLOW;
        decision_noteu(c->record, "policy", VERDICT_PASS, "roles allow by", ground.statement);
        return;
    }
    c->verdict = AUTH_DENY_IMPLICIT;
    decision_note(c->record, "policy", VERDICT_INFO, "methodArn", c->facts.method_arn);
    decision_note(c->record, "policy", VERDICT_DENY, "verdict",
                  STR("implicit deny: no role of the user may do this"));
    note_change(c, &k);
}
