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

bool arn_names(struct str arn, struct str own)
{
    return str_eq(arn, own) || (str_starts(arn, own) && arn.p[own.n] == ':');
}
