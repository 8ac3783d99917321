/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is calling. X-Forwarded-For is a stranger's word: it counts only as far as each hop that
 * wrote it is a trusted proxy, read from the right (specs/attacks (b) 16). */
#include <arpa/inet.h>

#include "gateway_int.h"

#define FORWARDED_MAX 50

/* Any textual address as 16 bytes, IPv4 mapped. */
static bool parse_address(struct str text, unsigned char out[16])
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

enum err peer__parse_cidr(struct str text, struct cidr *out)
{
    struct str bits, address = str_cut(text, '/', &bits);
    bool v6 = str_chr(address, ':', 0) != SIZE_MAX;
    uint64_t n = v6 ? 128 : 32;
    if (!parse_address(address, out->address))
        return ERR_INVALID;
    if (bits.p && (!str_u64(bits, &n) || n > (v6 ? 128u : 32u)))
        return ERR_INVALID;
    out->bits = (unsigned)n + (v6 ? 0 : 96);
    return ERR_OK;
}

static bool covers(const struct cidr *c, const unsigned char address[16])
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(c->address, address, whole) != 0)
        return false;
    return rest == 0 || ((c->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool peer__in(const struct cidr *list, size_t n, struct str ip)
{
    unsigned char address[16];
    if (n == 0 || !parse_address(ip, address))
        return false;
    for (size_t i = 0; i < n; i++)
        if (covers(&list[i], address))
            return true;
    return false;
}

/* Reads the hops of one X-Forwarded-For line from the right. True: `*out` is the answer, the peer
 * when there is garbage in the line, which makes nothing of it believable. */
static bool read_hops(const struct gateway *g, struct str chain, size_t *hops, struct str peer,
                      struct str *out)
{
    unsigned char address[16];
    *out = peer;
    while (chain.n > 0) {
        size_t comma = str_rchr(chain, ',');
        struct str hop = str_trim(comma == SIZE_MAX ? chain : str_from(chain, comma + 1));
        chain = comma == SIZE_MAX ? STR_NONE : str_sub(chain, 0, comma);
        if (++*hops > FORWARDED_MAX || !parse_address(hop, address))
            return true;
        if (!peer__in(g->trusted, g->trusted_count, hop)) {
            *out = hop;
            return true;
        }
    }
    return false;
}

/* A proxy may append to the client's line or write a line of its own below it: lines are read from
 * the last one up, as if they were one (RFC 9110 5.3). */
struct str peer__source_ip(const struct gateway *g, struct str peer, const struct http_headers *h)
{
    struct str found;
    size_t hops = 0;
    if (!peer__in(g->trusted, g->trusted_count, peer))
        return peer;
    for (size_t i = h->n; i-- > 0;)
        if (str_ieq(h->v[i].name, STR("X-Forwarded-For")) &&
            read_hops(g, h->v[i].value, &hops, peer, &found))
            return found;
    return peer;
}
