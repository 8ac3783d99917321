/* SPDX-License-Identifier: Apache-2.0
 *
 * roles: what the roles of an app permit, and who has them. Each is a call of the core's own
 * interface to a running daemon, so that caches hear of it as of any other change. */
#include <stdio.h>

#include "base/limits.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"tenant", 0, OPTION_VALUE, false, NULL, "TENANT", "who has a role: in this tenant [public]"},
    {"app", 0, OPTION_VALUE, false, NULL, "APP", "an app of the identity core [public]"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* --- asking -------------------------------------------------------------------------------------
 */
static int no_role(struct str role)
{
    fprintf(stderr, "ropeline: there is no role %.*s\n", STR_ARG(role));
    return 1;
}

struct member {
    const char *name;
    struct str value; /* or */
    const struct json *list;
};

static int send(const struct options *o, bool in_tenant, const char *method, const char *path,
                const struct member *members, size_t n, struct arena *a, const struct json **answer)
{
    AUTO_BUF target = BUF_INIT(KIB(64));
    AUTO_BUF body = BUF_INIT(LIMIT_INVOKE_PAYLOAD);
    struct json *o_in = json_new_object(a, n);
    enum err err = o_in ? ERR_OK : ERR_NOMEM;
    if (in_tenant && !ask_core_tenant(o, &target))
        return 2;
    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = json_set(a, o_in, str_c(members[i].name),
                       members[i].list ? members[i].list : json_new_str(a, members[i].value));
    buf_addz(&target, path);
    json_write(&body, o_in);
    if (err != ERR_OK || target.err || body.err)
        return 1;
    return ask_core(o, method, buf_cstr(&target), buf_str(&body), a, answer);
}

/* --- list, show, of -----------------------------------------------------------------------------
 */
/* {"role","permissions","users"} of one role; 1 and said when there is none. */
static int look_at(const struct options *o, struct str role, struct arena *a, struct json **out)
{
    const struct json *permissions = NULL, *users = NULL;
    int code = ask_core_get(o, false, "/recipe/role/permissions", "role", role, a, &permissions);
    code = code ? code : ask_core_get(o, true, "/recipe/role/users", "role", role, a, &users);
    if (code != 0)
        return code;
    if (!ask_core_said(permissions, "OK") || !ask_core_said(users, "OK"))
        return no_role(role);
    *out = json_new_object(a, 3);
    bool ok =
        *out && json_set(a, *out, STR("role"), json_new_str(a, role)) == ERR_OK &&
        json_set(a, *out, STR("permissions"), json_get(permissions, "permissions")) == ERR_OK &&
        json_set(a, *out, STR("users"), json_get(users, "users")) == ERR_OK;
    return ok ? 0 : 1;
}

static void print_row(const struct json *role)
{
    AUTO_BUF line = BUF_INIT(MIB(4));
    const struct json *users = json_get(role, "users");
    char count[32];
    snprintf(count, sizeof count, "%zu", users ? users->n : 0);
    struct str name = json_str_or(json_get(role, "role"), STR(""));
    buf_addf(&line, "%-24.*s %6s  ", STR_ARG(name), count);
    ask_core_names(&line, json_get(role, "permissions"));
    buf_printable(&line, 0);
    puts(buf_cstr(&line));
}

static int list(const struct options *o, struct arena *a)
{
    const struct json *answer = NULL;
    struct json *whole = json_new_object(a, 1), *roles = json_new_array(a, 8);
    int code = ask_core_get(o, false, "/recipe/roles", NULL, STR(""), a, &answer);
    const struct json *names = json_get(answer, "roles");
    for (size_t i = 0; names && i < names->n && code == 0; i++) {
        struct json *role = NULL;
        code = look_at(o, json_str_or(names->items[i], STR("")), a, &role);
        if (code == 0 && json_push(a, roles, role) != ERR_OK)
            code = 1;
    }
    if (code != 0)
        return code;
    if (option_is(o, "json"))
        return json_set(a, whole, STR("roles"), roles) == ERR_OK ? ask_core_print(whole) : 1;
    printf("%-24s %6s  %s\n", "ROLE", "USERS", "PERMISSIONS");
    for (size_t i = 0; roles && i < roles->n; i++)
        print_row(roles->items[i]);
    return 0;
}

static void print_each(const struct json *names)
{
    for (size_t i = 0; names && i < names->n; i++) {
        AUTO_BUF line = BUF_INIT(KIB(4));
        buf_add(&line, json_str_or(names->items[i], STR("")));
        buf_printable(&line, 0);
        puts(buf_cstr(&line));
    }
}

static int show(const struct options *o, struct str role, struct arena *a)
{
    struct json *found = NULL;
    int code = look_at(o, role, a, &found);
    if (code != 0 || option_is(o, "json"))
        return code ? code : ask_core_print(found);
    AUTO_BUF line = BUF_INIT(MIB(4));
    ask_core_names(&line, json_get(found, "permissions"));
    buf_printable(&line, 0);
    printf("permissions  %s\n", line.n ? buf_cstr(&line) : "-");
    printf("users\n");
    print_each(json_get(found, "users"));
    return 0;
}

static int of_user(const struct options *o, struct str user, struct arena *a)
{
    const struct json *answer = NULL;
    struct json *whole = json_new_object(a, 1);
    int code = ask_core_get(o, true, "/recipe/user/roles", "userId", user, a, &answer);
    const struct json *roles = json_get(answer, "roles");
    if (code != 0)
        return code;
    if (option_is(o, "json"))
        return json_set(a, whole, STR("roles"), roles) == ERR_OK ? ask_core_print(whole) : 1;
    print_each(roles);
    return 0;
}

/* --- changing -----------------------------------------------------------------------------------
 */
/* The answer as JSON, or a sentence by what it says of `name`. */
static int report(const struct options *o, const struct json *answer, const char *name,
                  const char *if_true, const char *if_false)
{
    if (option_is(o, "json"))
        return ask_core_print(answer);
    puts(json_bool_or(json_get(answer, name), false) ? if_true : if_false);
    return 0;
}

static struct json *permissions_of(const struct options *o, struct arena *a)
{
    struct json *list = json_new_array(a, o->positionals);
    for (size_t i = 2; list && i < o->positionals; i++)
        if (json_push(a, list, json_new_str(a, str_c(o->positional[i]))) != ERR_OK)
            return NULL;
    return list;
}

static int add(const struct options *o, struct str role, struct arena *a)
{
    const struct json *answer = NULL;
    const struct member in[] = {{"role", role, NULL},
                                {"permissions", STR(""), permissions_of(o, a)}};
    int code = in[1].list ? send(o, false, "PUT", "/recipe/role", in, COUNTOF(in), a, &answer) : 1;
    return code
               ? code
               : report(o, answer, "createdNewRole", "made", "it was there; permissions are added");
}

/* The role, or only the permissions that are named. */
static int take_away(const struct options *o, struct str role, struct arena *a)
{
    const struct json *answer = NULL;
    const struct member in[] = {{"role", role, NULL},
                                {"permissions", STR(""), permissions_of(o, a)}};
    bool whole = o->positionals == 2;
    int code = in[1].list == NULL ? 1
               : whole            ? send(o, false, "POST", "/recipe/role/remove", in, 1, a, &answer)
                       : send(o, false, "POST", "/recipe/role/permissions/remove", in, COUNTOF(in),
                              a, &answer);
    bool known =
        whole ? json_bool_or(json_get(answer, "didRoleExist"), false) : ask_core_said(answer, "OK");
    if (code == 0 && !known)
        return no_role(role);
    return code ? code : report(o, answer, "didRoleExist", "removed", "its permissions are taken");
}

static int change(const struct options *o, bool grant, struct str user, struct str role,
                  struct arena *a)
{
    const struct json *answer = NULL;
    const struct member in[] = {{"userId", user, NULL}, {"role", role, NULL}};
    int code =
        send(o, true, grant ? "PUT" : "POST",
             grant ? "/recipe/user/role" : "/recipe/user/role/remove", in, COUNTOF(in), a, &answer);
    if (code == 0 && !ask_core_said(answer, "OK"))
        return no_role(role);
    if (code != 0)
        return code;
    return grant ? report(o, answer, "didUserAlreadyHaveRole", "the user had it already", "granted")
                 : report(o, answer, "didUserHaveRole", "revoked", "the user did not have it");
}

static int help(FILE *to)
{
    fprintf(to, "usage: ropeline roles list [--json]\n"
                "       ropeline roles show ROLE\n"
                "       ropeline roles add ROLE [PERMISSION...]\n"
                "       ropeline roles remove ROLE [PERMISSION...]\n"
                "       ropeline roles of USER [--tenant TENANT]\n"
                "       ropeline roles grant|revoke USER ROLE [--tenant TENANT]\n\n"
                "Roles and permissions belong to an app, who has a role to a tenant of it.\n"
                "remove without permissions takes the role from everybody.\n\n");
    if (to == stdout)
        options_help(rows, COUNTOF(rows));
    return to == stdout ? 0 : 2;
}

static int run(const struct options *o, struct arena *a)
{
    struct str verb = str_c(o->positionals > 0 ? o->positional[0] : NULL);
    struct str first = str_c(o->positionals > 1 ? o->positional[1] : NULL);
    if (o->positionals == 1 && str_eqz(verb, "list"))
        return list(o, a);
    if (o->positionals == 2 && str_eqz(verb, "show"))
        return show(o, first, a);
    if (o->positionals == 2 && str_eqz(verb, "of"))
        return of_user(o, first, a);
    if (o->positionals >= 2 && str_eqz(verb, "add"))
        return add(o, first, a);
    if (o->positionals >= 2 && str_eqz(verb, "remove"))
        return take_away(o, first, a);
    bool grant = str_eqz(verb, "grant");
    if (o->positionals == 3 && (grant || str_eqz(verb, "revoke")))
        return change(o, grant, first, str_c(o->positional[2]), a);
    return help(stderr);
}

int verb_roles(int argc, char **argv)
{
    return ask_core_verb(rows, COUNTOF(rows), argc, argv, help, run);
}
