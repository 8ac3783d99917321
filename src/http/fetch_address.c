/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a fetch may go. What is not plainly a public address is only reached when the operator
 * named it: a stranger's document must not make us knock on doors inside (IANA special-purpose
 * address registries, RFC 6890). */
#include <arpa/inet.h>

#include "http/http_fetch_int.h"

/* IPv4 addresses of no public host. */
static const struct {
    unsigned char address[4];
    unsigned bits;
} special_v4[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},  {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},
    {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 3},
};

/* Parts of 2000::/3, the only public part of IPv6, that are none. */
static const struct cidr special_v6[] = {
    {{0x20, 0x01}, 23},             /* 2001::/23: Teredo, ORCHID, ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation (RFC 9637) */
};

static bool is_public_v4(const unsigned char a[4])
{
    uint32_t address = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
    for (size_t i = 0; i < COUNTOF(special_v4); i++) {
        const unsigned char *n = special_v4[i].address;
        uint32_t network = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
        if ((address ^ network) >> (32 - special_v4[i].bits) == 0)
            return false;
    }
    return true;
}

static bool is_public(const unsigned char a[ADDRESS_BYTES])
{
    static const struct cidr mapped = {{[10] = 0xff, [11] = 0xff}, 96};
    static const struct cidr nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* RFC 6052 */
    if (cidr_has(&mapped, 1, a) || cidr_has(&nat64, 1, a))
        return is_public_v4(a + 12);
    return a[0] >> 5 == 1 && !cidr_has(special_v6, COUNTOF(special_v6), a);
}

bool fetch__may_connect(const struct fetcher *f, bool tls, const struct sockaddr *at,
                        char denied[64])
{
    unsigned char a[ADDRESS_BYTES] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN] = "of an unknown kind";
    if (at->sa_family == AF_INET) {
        memcpy(a + 12, &((const struct sockaddr_in *)(const void *)at)->sin_addr, 4);
        inet_ntop(AF_INET, a + 12, text, sizeof text);
    } else if (at->sa_family == AF_INET6) {
        memcpy(a, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, sizeof a);
        inet_ntop(AF_INET6, a, text, sizeof text);
    }
    bool known = at->sa_family == AF_INET || at->sa_family == AF_INET6;
    if (known && (cidr_has(f->o.allow, f->o.allow_count, a) || (tls && is_public(a))))
        return true;
    snprintf(denied, 64, "%s", text);
    return false;
}
