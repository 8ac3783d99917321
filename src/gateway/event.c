/* SPDX-License-Identifier: Apache-2.0
 *
 * The event of an AWS_PROXY integration, payload format 1.0 as REST APIs send it: empty maps are
 * null (specs 7.1). */
#include "event_int.h"

#include "base/crypt.h"

void event__write(struct exchange *x, struct str body, bool binary, struct buf *out)
{
    bool first = true;
    buf_addc(out, '{');
    event__request(x, out, &first, "null", true);
    event__request_context(x, out, &first);
    event__member(out, &first, STR("body"));
    if (binary) {
        buf_addc(out, '"');
        crypt_base64(out, body);
        buf_addc(out, '"');
    } else if (body.n > 0) {
        json_write_str(out, body);
    } else {
        buf_addz(out, "null");
    }
    buf_addz(out, binary ? ",\"isBase64Encoded\":true}" : ",\"isBase64Encoded\":false}");
}
