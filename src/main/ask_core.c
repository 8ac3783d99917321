/* SPDX-License-Identifier: Apache-2.0
 *
 * A verb speaks to the identity core of a running daemon: the core's own interface, over the
 * control socket, without an api-key. */
#include <stdio.h>

#include "base/limits.h"
#include "verbs.h"

/* What the core takes as an app's id; anything else must not become a part of a path. */
static bool is_app(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
            return false;
    return s.n > 0;
}

int ask_core(const struct options *o, const char *method, const char *path, struct str body,
             struct arena *a, const struct json **answer)
{
    const char *app = option_get(o, "app");
    AUTO_BUF target = BUF_INIT(KIB(64));
    struct str text = STR("");
    if (app && !is_app(str_c(app))) {
        fprintf(stderr, "ropeline: --app has lower case letters, digits and hyphens\n");
        return 2;
    }
    buf_addz(&target, "/core");
    if (app)
        buf_addf(&target, "/appid-%s", app);
    buf_addz(&target, path);
    unsigned status =
        target.err ? 0
                   : ask_daemon(option_get(o, "state"), method, buf_cstr(&target), body, a, &text);
    if (status == 200 && json_parse(a, text, MIB(64), answer, NULL) == ERR_OK)
        return 0;
    AUTO_BUF words = BUF_INIT(KIB(64));
    buf_add(&words, str_trim(text));
    buf_printable(&words, 0);
    if (status)
        fprintf(stderr, "ropeline: the core answers %u: %s\n", status, buf_cstr(&words));
    return 1;
}
