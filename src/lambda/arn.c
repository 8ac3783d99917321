/* SPDX-License-Identifier: Apache-2.0 */
#include "lambda/arn.h"

struct str arn_of_uri(struct str uri)
{
    const struct str before = STR("/functions/"), after = STR("/invocations");
    size_t at = str_find(uri, before);
    if (at == SIZE_MAX || !str_ends(uri, after) || uri.n < at + before.n + after.n)
        return STR_NONE;
    return str_sub(uri, at + before.n, uri.n - at - before.n - after.n);
}

bool arn_parse(struct str arn, struct arn_parts *out)
{
    struct str parts[8] = {0}, rest = arn;
    size_t n = 0;
    while (n < COUNTOF(parts) && rest.p)
        parts[n++] = str_cut(rest, ':', &rest);
    if (n < 7 || rest.p || !str_eqz(parts[0], "arn") || !str_eqz(parts[2], "lambda") ||
        !str_eqz(parts[5], "function") || parts[6].n == 0)
        return false;
    out->name = parts[6];
    out->base = str_sub(arn, 0, (size_t)(parts[6].p - arn.p) + parts[6].n);
    out->qualifier = n > 7 ? parts[7] : STR("");
    return true;
}
