/* SPDX-License-Identifier: Apache-2.0
 *
 * users: who has signed up with an app of the identity core, in pages or by what they are known by;
 * one of them with roles and sessions; and removing one with everything of theirs. */
#include <stdio.h>

#include "base/limits.h"
#include "base/time.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"email", 0, OPTION_VALUE, false, NULL, "TEXT",
     "list: whose address, or its domain, begins so"},
    {"phone", 0, OPTION_VALUE, false, NULL, "TEXT", "list: whose number begins so"},
    {"provider", 0, OPTION_VALUE, false, NULL, "TEXT",
     "list: who signs in with a third party whose id begins so"},
    {"limit", 0, OPTION_VALUE, false, "100", "N", "list: at most so many, up to 500"},
    {"page", 0, OPTION_VALUE, false, NULL, "TOKEN", "list: go on where the list before ended"},
    {"newest", 0, OPTION_FLAG, false, NULL, NULL, "list: the newest first"},
    {"tenant", 0, OPTION_VALUE, false, NULL, "TENANT", "of this tenant [public]"},
    {"app", 0, OPTION_VALUE, false, NULL, "APP", "an app of the identity core [public]"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* --- printing -----------------------------------------------------------------------------------
 */
static void joined_words(const struct json *user, char out[TIME_TEXT])
{
    int64_t ms;
    if (json_int(json_get(user, "timeJoined"), &ms))
        time_rfc3339(ms * 1000, out);
    else
        memcpy(out, "-", 2);
}

static struct str text_of(const struct json *v, const char *name)
{
    return json_str_or(json_get(v, name), STR(""));
}

/* "ada@example.com", "+49...", "google 123 ada@example.com" */
static void add_method(struct buf *out, const struct json *method)
{
    const struct json *party = json_get(method, "thirdParty");
    const struct str parts[] = {text_of(party, "id"), text_of(party, "userId"),
                                text_of(method, "email"), text_of(method, "phoneNumber")};
    bool first = true;
    for (size_t i = 0; i < COUNTOF(parts); i++) {
        if (parts[i].n == 0)
            continue;
        buf_addz(out, first ? "" : " ");
        buf_add(out, parts[i]);
        first = false;
    }
}

static void print_row(const struct json *user)
{
    AUTO_BUF line = BUF_INIT(KIB(64));
    char joined[TIME_TEXT];
    const struct json *methods = json_get(user, "loginMethods");
    joined_words(user, joined);
    buf_addf(&line, "%-36.*s %-24s ", STR_ARG(text_of(user, "id")), joined);
    for (size_t i = 0; methods && i < methods->n; i++) {
        buf_addz(&line, i ? ", " : "");
        add_method(&line, methods->items[i]);
    }
    buf_printable(&line, 0);
    puts(buf_cstr(&line));
}

static void print_field(const char *name, struct buf *value)
{
    buf_printable(value, 0);
    printf("%-9s %s\n", name, value->n ? buf_cstr(value) : "-");
}

static void print_method(const struct json *method)
{
    AUTO_BUF line = BUF_INIT(KIB(16));
    buf_add(&line, text_of(method, "recipeId"));
    buf_addc(&line, ' ');
    add_method(&line, method);
    buf_addz(&line, json_bool_or(json_get(method, "verified"), false) ? ", verified" : "");
    buf_addz(&line, ", in ");
    ask_core_names(&line, json_get(method, "tenantIds"));
    print_field("method", &line);
}

static void print_user(const struct json *whole)
{
    const struct json *user = json_get(whole, "user"), *methods = json_get(user, "loginMethods");
    const struct json *sessions = json_get(whole, "sessions");
    AUTO_BUF id = BUF_INIT(KIB(4));
    AUTO_BUF roles = BUF_INIT(MIB(4));
    char joined[TIME_TEXT];
    joined_words(user, joined);
    buf_add(&id, text_of(user, "id"));
    print_field("id", &id);
    printf("%-9s %s\n", "joined", joined);
    printf("%-9s %s\n", "primary",
           json_bool_or(json_get(user, "isPrimaryUser"), false) ? "yes" : "no");
    for (size_t i = 0; methods && i < methods->n; i++)
        print_method(methods->items[i]);
    ask_core_names(&roles, json_get(whole, "roles"));
    print_field("roles", &roles);
    printf("%-9s %zu\n", "sessions", sessions ? sessions->n : 0);
}

/* --- list ---------------------------------------------------------------------------------------
 */
static int list(const struct options *o, struct arena *a)
{
    static const struct {
        const char *option, *field;
    } fields[] = {{"email", "email"},
                  {"phone", "phone"},
                  {"provider", "provider"},
                  {"limit", "limit"},
                  {"page", "paginationToken"}};
    AUTO_BUF target = BUF_INIT(KIB(64));
    const struct json *answer = NULL;
    if (!ask_core_tenant(o, &target))
        return 2;
    buf_addz(&target, "/users");
    for (size_t i = 0; i < COUNTOF(fields); i++)
        if (option_get(o, fields[i].option))
            ask_add(&target, fields[i].field, str_c(option_get(o, fields[i].option)));
    if (option_is(o, "newest"))
        ask_add(&target, "timeJoinedOrder", STR("DESC"));
    int code = target.err ? 1 : ask_core(o, "GET", buf_cstr(&target), STR(""), a, &answer);
    const struct json *users = json_get(answer, "users");
    struct str next = text_of(answer, "nextPaginationToken");
    if (code != 0 || option_is(o, "json"))
        return code ? code : ask_core_print(answer);
    printf("%-36s %-24s %s\n", "ID", "JOINED", "SIGNS IN WITH");
    for (size_t i = 0; users && i < users->n; i++)
        print_row(users->items[i]);
    if (next.n > 0)
        fprintf(stderr, "ropeline: there are more: --page %.*s\n", STR_ARG(next));
    return 0;
}

/* --- one user -----------------------------------------------------------------------------------
 */
/* By an id; it says so when there is none. */
static int find(const struct options *o, struct str id, struct arena *a, const struct json **user)
{
    const struct json *answer = NULL;
    int code = ask_core_get(o, false, "/user/id", "userId", id, a, &answer);
    *user = json_get(answer, "user");
    if (code == 0 && *user == NULL) {
        fprintf(stderr, "ropeline: no user has the id %.*s\n", STR_ARG(id));
        return 1;
    }
    return code;
}

static int show(const struct options *o, struct str id, struct arena *a)
{
    const struct json *user = NULL, *roles = NULL, *sessions = NULL;
    struct json *whole = json_new_object(a, 3);
    int code = find(o, id, a, &user);
    struct str shown = text_of(user, "id");
    code = code ? code : ask_core_get(o, true, "/recipe/user/roles", "userId", shown, a, &roles);
    code =
        code ? code : ask_core_get(o, true, "/recipe/session/user", "userId", shown, a, &sessions);
    if (code != 0)
        return code;
    bool ok = whole && json_set(a, whole, STR("user"), user) == ERR_OK &&
              json_set(a, whole, STR("roles"), json_get(roles, "roles")) == ERR_OK &&
              json_set(a, whole, STR("sessions"), json_get(sessions, "sessionHandles")) == ERR_OK;
    if (!ok)
        return 1;
    if (option_is(o, "json"))
        return ask_core_print(whole);
    print_user(whole);
    return 0;
}

static int remove_user(const struct options *o, struct str id, struct arena *a)
{
    const struct json *user = NULL, *answer = NULL;
    AUTO_BUF body = BUF_INIT(KIB(64));
    int code = find(o, id, a, &user);
    buf_addz(&body, "{\"userId\":");
    json_write_str(&body, id);
    buf_addc(&body, '}');
    if (code == 0)
        code = body.err ? 1 : ask_core(o, "POST", "/user/remove", buf_str(&body), a, &answer);
    if (code == 0 && option_is(o, "json"))
        return ask_core_print(answer);
    if (code == 0)
        puts("removed, with roles, sessions and all else that was kept of the user");
    return code;
}

static int help(FILE *to)
{
    fprintf(to,
            "usage: ropeline users list [--email E] [--phone P] [--provider P] [--limit N]\n"
            "                           [--page TOKEN] [--newest] [--tenant TENANT] [--json]\n"
            "       ropeline users show ID [--tenant TENANT] [--json]\n"
            "       ropeline users remove ID\n\n"
            "remove takes all login methods of the user, and everything that is kept of it.\n\n");
    if (to == stdout)
        options_help(rows, COUNTOF(rows));
    return to == stdout ? 0 : 2;
}

static int run(const struct options *o, struct arena *a)
{
    struct str verb = str_c(o->positionals > 0 ? o->positional[0] : NULL);
    if (o->positionals == 1 && str_eqz(verb, "list"))
        return list(o, a);
    if (o->positionals == 2 && str_eqz(verb, "show"))
        return show(o, str_c(o->positional[1]), a);
    if (o->positionals == 2 && str_eqz(verb, "remove"))
        return remove_user(o, str_c(o->positional[1]), a);
    return help(stderr);
}

int verb_users(int argc, char **argv)
{
    return ask_core_verb(rows, COUNTOF(rows), argc, argv, help, run);
}
