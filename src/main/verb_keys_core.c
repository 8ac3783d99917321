/* SPDX-License-Identifier: Apache-2.0
 *
 * keys, of an app of the identity core: what they are, and the next one. */
#include <stdio.h>

#include "base/limits.h"
#include "base/time.h"
#include "verbs.h"

static void time_words(const struct json *v, char out[TIME_TEXT])
{
    int64_t at;
    if (json_int(v, &at))
        time_rfc3339(at * 1000000, out);
    else
        memcpy(out, "-", 2);
}

static void print_row(const struct json *k)
{
    char created[TIME_TEXT], retires[TIME_TEXT];
    struct str kid = json_str_or(json_get(k, "kid"), STR(""));
    struct str alg = json_str_or(json_get(k, "alg"), STR(""));
    struct str status = json_str_or(json_get(k, "status"), STR(""));
    bool signs = json_bool_or(json_get(k, "signs"), false);
    time_words(json_get(k, "created"), created);
    time_words(json_get(k, "retires"), retires);
    printf("%-40.*s %-6.*s %-8.*s %-5s %-25s %s\n", STR_ARG(kid), STR_ARG(alg), STR_ARG(status),
           signs ? "yes" : "no", created, retires);
}

int keys_of_core(const struct options *o, struct str verb)
{
    bool rotate = str_eqz(verb, "rotate");
    const struct json *answer = NULL, *keys;
    struct arena *a = arena_new(KIB(16), MIB(64));
    int code =
        a ? ask_core(o, rotate ? "POST" : "GET",
                     rotate ? "/ropeline/keys/rotate" : "/ropeline/keys", STR(""), a, &answer)
          : 1;
    keys = json_get(answer, "keys");
    if (code == 0 && option_is(o, "json")) {
        AUTO_BUF out = BUF_INIT(MIB(4));
        buf_addz(&out, "{\"keys\":");
        json_write(&out, keys);
        buf_addc(&out, '}');
        puts(buf_cstr(&out));
        code = out.err ? 1 : 0;
    } else if (code == 0) {
        printf("%-40s %-6s %-8s %-5s %-25s %s\n", "KID", "ALG", "STATUS", "SIGNS", "CREATED",
               "RETIRES");
        for (size_t i = 0; keys && i < keys->n; i++)
            print_row(keys->items[i]);
    }
    arena_free(a);
    return code;
}
