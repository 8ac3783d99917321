/* SPDX-License-Identifier: Apache-2.0
 *
 * The little of Velocity that MOCK integrations are served with: a request template that is the
 * literal {"statusCode": N}, and response templates that are plain text. Invariant: a template that
 * Velocity would change is recognised as such. */
#include "import_api_int.h"
#include "mock_int.h"

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.n && strchr(" \t\r\n", s.p[at]) && s.p[at])
        at++;
    return at;
}

static bool expect(struct str s, size_t *at, const char *word)
{
    size_t from = skip_blanks(s, *at);
    struct str w = str_c(word);
    if (!str_starts(str_from(s, from), w))
        return false;
    *at = from + w.n;
    return true;
}

int import__mock_status(struct str template)
{
    size_t at = 0;
    int status = 0, digits = 0;
    if (!expect(template, &at, "{") ||
        !(expect(template, &at, "\"statusCode\"") || expect(template, &at, "'statusCode'") ||
          expect(template, &at, "statusCode")) ||
        !expect(template, &at, ":"))
        return -1;
    for (at = skip_blanks(template, at); at < template.n && digits < 4; at++, digits++) {
        char c = template.p[at];
        if (c < '0' || c > '9')
            break;
        status = status * 10 + (c - '0');
    }
    if (digits != 3 || !expect(template, &at, "}") || skip_blanks(template, at) != template.n)
        return -1;
    return status >= 100 && status <= 599 ? status : -1;
}

/* Strict: a $ or a # may be Velocity's, and a text without them never is. */
bool import__has_vtl(struct str text)
{
    return str_chr(text, '$', 0) != SIZE_MAX || str_chr(text, '#', 0) != SIZE_MAX;
}
