/* SPDX-License-Identifier: Apache-2.0
 *
 * explain: why a request was allowed or denied. Without an id: the last refusal, or with --last the
 * last request of all. With --jwks or --key: any token judged again, without a daemon. */
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "recheck.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"last", 0, OPTION_FLAG, false, NULL, NULL, "the last request, whatever came of it"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the daemon's state directory [.ropeline]"},
    RECHECK_ROWS,
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

int verb_explain(int argc, char **argv)
{
    static struct options o;
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o) || o.positionals > 1)
        return 2;
    if (option_is(&o, "help")) {
        printf(
            "usage: ropeline explain [ID] [OPTIONS]    ID: an x-amzn-RequestId or its beginning;\n"
            "without one, the last refusal\n"
            "       ropeline explain --jwks FILE|--key FILE [--aud NAME] [--iss NAME] < TOKEN\n\n");
        options_help(rows, COUNTOF(rows));
        return 0;
    }
    if (option_get(&o, "jwks") || option_get(&o, "key"))
        return recheck_token(&o);
    struct arena *a = arena_new(KIB(8), MIB(256));
    AUTO_BUF target = BUF_INIT(KIB(4));
    struct str answer = STR("");
    if (a == NULL)
        return 1;
    buf_addz(&target, "/explain");
    if (o.positionals)
        ask_add(&target, "id", str_c(o.positional[0]));
    else if (!option_is(&o, "last"))
        ask_add(&target, "denied", STR("1"));
    if (option_is(&o, "json"))
        ask_add(&target, "json", STR("1"));
    unsigned status =
        ask_daemon(option_get(&o, "state"), "GET", buf_cstr(&target), STR(""), a, &answer);
    if (status == 200)
        printf("%.*s%s", STR_ARG(answer), option_is(&o, "json") ? "\n" : "");
    else if (status)
        fprintf(stderr,
                "ropeline: there is no such decision; the last 1,024 of each worker are kept\n");
    arena_free(a);
    return status == 200 ? 0 : 1;
}
