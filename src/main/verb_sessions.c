/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: which a user has in the identity core, what one of them says, and ending them. */
#include <stdio.h>

#include "base/limits.h"
#include "base/time.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"user", 0, OPTION_VALUE, false, NULL, "ID", "revoke: all sessions of this user"},
    {"app", 0, OPTION_VALUE, false, NULL, "APP", "an app of the identity core [public]"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

/* --- printing -----------------------------------------------------------------------------------
 */
static void time_words(const struct json *session, const char *name, char out[TIME_TEXT])
{
    int64_t ms;
    if (json_int(json_get(session, name), &ms))
        time_rfc3339(ms * 1000, out);
    else
        memcpy(out, "-", 2);
}

static struct str text_of(const struct json *v, const char *name)
{
    return json_str_or(json_get(v, name), STR(""));
}

static void print_row(const struct json *session)
{
    char made[TIME_TEXT], ends[TIME_TEXT];
    AUTO_BUF line = BUF_INIT(KIB(4));
    time_words(session, "timeCreated", made);
    time_words(session, "expiry", ends);
    buf_addf(&line, "%-45.*s %-24s %-24s %.*s", STR_ARG(text_of(session, "sessionHandle")), made,
             ends, STR_ARG(text_of(session, "tenantId")));
    buf_printable(&line, 0);
    puts(buf_cstr(&line));
}

static void print_field(const char *name, struct buf *value)
{
    buf_printable(value, 0);
    printf("%-8s %s\n", name, value->n ? buf_cstr(value) : "-");
}

static void print_text(const char *name, struct str value)
{
    AUTO_BUF text = BUF_INIT(KIB(64));
    buf_add(&text, value);
    print_field(name, &text);
}

static void print_json(const char *name, const struct json *value)
{
    AUTO_BUF text = BUF_INIT(MIB(1));
    if (value)
        json_write(&text, value);
    print_field(name, &text);
}

static void print_session(const struct json *session)
{
    char made[TIME_TEXT], ends[TIME_TEXT];
    time_words(session, "timeCreated", made);
    time_words(session, "expiry", ends);
    print_text("handle", text_of(session, "sessionHandle"));
    print_text("user", text_of(session, "userId"));
    print_text("tenant", text_of(session, "tenantId"));
    printf("%-8s %s\n%-8s %s\n", "made", made, "ends", ends);
    print_json("payload", json_get(session, "userDataInJWT"));
    print_json("data", json_get(session, "userDataInDatabase"));
}

/* --- looking ------------------------------------------------------------------------------------
 */
static int get(const struct options *o, struct str handle, struct arena *a,
               const struct json **session)
{
    int code = ask_core_get(o, false, "/recipe/session", "sessionHandle", handle, a, session);
    if (code == 0 && !ask_core_said(*session, "OK"))
        *session = NULL; /* it has ended */
    return code;
}

static int list(const struct options *o, struct str user, struct arena *a)
{
    const struct json *answer = NULL;
    int code = ask_core_get(o, false, "/recipe/session/user", "userId", user, a, &answer);
    const struct json *handles = json_get(answer, "sessionHandles");
    if (code != 0 || option_is(o, "json"))
        return code ? code : ask_core_print(answer);
    printf("%-45s %-24s %-24s %s\n", "HANDLE", "MADE", "ENDS", "TENANT");
    for (size_t i = 0; handles && i < handles->n && code == 0; i++) {
        const struct json *session = NULL;
        code = get(o, json_str_or(handles->items[i], STR("")), a, &session);
        if (session)
            print_row(session);
    }
    return code;
}

static int show(const struct options *o, struct str handle, struct arena *a)
{
    const struct json *session = NULL;
    int code = get(o, handle, a, &session);
    if (code == 0 && session == NULL) {
        fprintf(stderr, "ropeline: no session has the handle %.*s; it may have ended\n",
                STR_ARG(handle));
        return 1;
    }
    if (code != 0 || option_is(o, "json"))
        return code ? code : ask_core_print(session);
    print_session(session);
    return 0;
}

/* --- ending -------------------------------------------------------------------------------------
 */
static int revoke(const struct options *o, struct arena *a)
{
    const char *user = option_get(o, "user");
    const struct json *answer = NULL;
    AUTO_BUF body = BUF_INIT(MIB(1));
    buf_addz(&body, user ? "{\"userId\":" : "{\"sessionHandles\":[");
    if (user)
        json_write_str(&body, str_c(user));
    for (size_t i = 1; !user && i < o->positionals; i++) {
        buf_addz(&body, i > 1 ? "," : "");
        json_write_str(&body, str_c(o->positional[i]));
    }
    buf_addz(&body, user ? "}" : "]}");
    int code =
        body.err ? 1 : ask_core(o, "POST", "/recipe/session/remove", buf_str(&body), a, &answer);
    const struct json *revoked = json_get(answer, "sessionHandlesRevoked");
    if (code != 0 || option_is(o, "json"))
        return code ? code : ask_core_print(answer);
    printf("revoked %zu\n", revoked ? revoked->n : 0);
    return 0;
}

/* --- the verb -----------------------------------------------------------------------------------
 */
static int help(FILE *to)
{
    fprintf(to, "usage: ropeline sessions list USER [--json]\n"
                "       ropeline sessions show HANDLE [--json]\n"
                "       ropeline sessions revoke HANDLE... | --user USER\n\n"
                "A revoked session can be refreshed no more. The gateway and checkDatabase refuse "
                "its access\ntokens at once, other verifiers when they expire.\n\n");
    if (to == stdout)
        options_help(rows, COUNTOF(rows));
    return to == stdout ? 0 : 2;
}

static int run(const struct options *o, struct arena *a)
{
    struct str verb = str_c(o->positionals > 0 ? o->positional[0] : NULL);
    bool by_user = option_is(o, "user");
    if (o->positionals == 2 && str_eqz(verb, "list") && !by_user)
        return list(o, str_c(o->positional[1]), a);
    if (o->positionals == 2 && str_eqz(verb, "show") && !by_user)
        return show(o, str_c(o->positional[1]), a);
    if (str_eqz(verb, "revoke") && (o->positionals == 1) == by_user)
        return revoke(o, a);
    return help(stderr);
}

int verb_sessions(int argc, char **argv)
{
    return ask_core_verb(rows, COUNTOF(rows), argc, argv, help, run);
}
