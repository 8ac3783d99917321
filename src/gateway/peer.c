/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is calling. X-Forwarded-For is a stranger's word: it counts only as far as each hop that
 * wrote it is a trusted proxy, read from the right (specs/attacks (b) 16). */
#include "gateway_int.h"

#define FORWARDED_MAX 50

bool peer__in(const struct cidr *list, size_t n, struct str ip)
{
    unsigned char address[ADDRESS_BYTES];
    return n > 0 && address_parse(ip, address) && cidr_has(list, n, address);
}

/* Reads the hops of one X-Forwarded-For line from the right. True: `*out` is the answer, the peer
 * when there is garbage in the line, which makes nothing of it believable. */
static bool read_hops(const struct gateway *g, struct str chain, size_t *hops, struct str peer,
                      struct str *out)
{
    unsigned char address[ADDRESS_BYTES];
    *out = peer;
    while (chain.n > 0) {
        size_t comma = str_rchr(chain, ',');
        struct str hop = str_trim(comma == SIZE_MAX ? chain : str_from(chain, comma + 1));
        chain = comma == SIZE_MAX ? STR_NONE : str_sub(chain, 0, comma);
        if (++*hops > FORWARDED_MAX || !address_parse(hop, address))
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
    return peer__in(g->trusted, g->trusted_count, peer) ? peer__behind(g, peer, h) : peer;
}

struct str peer__behind(const struct gateway *g, struct str peer, const struct http_headers *h)
{
    struct str found;
    size_t hops = 0;
    for (size_t i = h->n; i-- > 0;)
        if (str_ieq(h->v[i].name, STR("X-Forwarded-For")) &&
            read_hops(g, h->v[i].value, &hops, peer, &found))
            return found;
    return peer;
}
