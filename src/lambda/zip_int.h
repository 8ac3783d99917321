/* SPDX-License-Identifier: Apache-2.0
 *
 * What a zip file says it holds, judged before a byte of it is unpacked. Pure. */
#ifndef ROPELINE_LAMBDA_ZIP_INT_H
#define ROPELINE_LAMBDA_ZIP_INT_H

#include "base/arena.h"

enum zip_kind { ZIP_FILE, ZIP_DIRECTORY, ZIP_LINK };
struct zip_entry {
    struct str name; /* relative, clean, without a slash at the end; borrowed from the file */
    enum zip_kind kind;
    bool executable;
    uint64_t size;       /* as declared; what comes out must be so long */
    uint64_t begin, end; /* of its bytes in the file, header included */
};
/* The entries in the order of the central directory. Refused (ERR_INVALID, ERR_UNSUPPORTED,
 * ERR_LIMIT, with `e`): names that lead out or are there twice, encryption, devices, setuid,
 * entries that overlap, sizes that cannot be, zip64, more than a package may hold. */
enum err lambda__zip_index(struct arena *a, struct str zip, struct zip_entry **out, size_t *n,
                           struct errinfo *e) MUSTCHECK;
/* Whether a link of that name with that target stays inside, whatever other links there are. */
bool lambda__link_stays(struct str name, struct str target);

#endif
