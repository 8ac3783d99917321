/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks, matched to the bit. An IPv4 network is one of ::ffff:0:0/96: it holds the address in
 * either spelling. */
#include <arpa/inet.h>

#include "cidr.h"

bool address_parse(struct str text, unsigned char out[ADDRESS_BYTES])
{
    char z[INET6_ADDRSTRLEN];
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (text.n == 0 || text.n >= sizeof z)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (inet_pton(AF_INET6, z, out) == 1)
        return true;
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, z, out + 12) == 1;
}

enum err cidr_parse(struct str text, struct cidr *out)
{
    struct str bits, address = str_cut(text, '/', &bits);
    bool v6 = str_chr(address, ':', 0) != SIZE_MAX;
    uint64_t n = v6 ? 128 : 32;
    if (!address_parse(address, out->address))
        return ERR_INVALID;
    if (bits.p && (!str_u64(bits, &n) || n > (v6 ? 128u : 32u)))
        return ERR_INVALID;
    out->bits = (unsigned)n + (v6 ? 0 : 96);
    return ERR_OK;
}

static bool covers(const struct cidr *c, const unsigned char address[ADDRESS_BYTES])
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(c->address, address, whole) != 0)
        return false;
    return rest == 0 || ((c->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool cidr_has(const struct cidr *list, size_t n, const unsigned char address[ADDRESS_BYTES])
{
    for (size_t i = 0; i < n; i++)
        if (covers(&list[i], address))
            return true;
    return false;
}
