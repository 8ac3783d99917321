/* SPDX-License-Identifier: Apache-2.0
 *
 * The event of an AWS_PROXY integration, payload format 1.0 as REST APIs send it: empty maps are
 * null (specs 7.1). */
#include "event_int.h"

void event__write(struct exchange *x, struct str body, struct buf *out)
{
    bool first = true;
    buf_addc(out, '{');
    event__request(x, out, &first, "null", true);
    event__request_context(x, out, &first);
    event__member(out, &first, STR("body"));
    if (body.n > 0)
        json_write_str(out, body);
    else
        buf_addz(out, "null");
    buf_addz(out, ",\"isBase64Encoded\":false}");
}
