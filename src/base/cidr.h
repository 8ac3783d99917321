/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses and networks: any textual or socket address as 16 bytes, IPv4 mapped (RFC 4291
 * 2.5.5.2), so that one comparison serves both families. */
#ifndef ROPELINE_BASE_CIDR_H
#define ROPELINE_BASE_CIDR_H

#include "base/str.h"

#define ADDRESS_BYTES 16

struct cidr {
    unsigned char address[ADDRESS_BYTES];
    unsigned bits;
};

/* "192.0.2.1", "2001:db8::1"; no brackets, no zone. */
bool address_parse(struct str text, unsigned char out[ADDRESS_BYTES]);
/* "10.0.0.0/8", "fd00::/8", or an address alone; ERR_INVALID for anything else. */
enum err cidr_parse(struct str text, struct cidr *out) MUSTCHECK;
/* Whether one of `n` networks holds the address. */
bool cidr_has(const struct cidr *list, size_t n, const unsigned char address[ADDRESS_BYTES]);

#endif
