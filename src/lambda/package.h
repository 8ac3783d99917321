/* SPDX-License-Identifier: Apache-2.0
 *
 * Packages: the code of functions below STATE/code, one directory for each content, named after its
 * digest, never changed and never written to. Blocking; any thread. */
#ifndef ROPELINE_LAMBDA_PACKAGE_H
#define ROPELINE_LAMBDA_PACKAGE_H

#include "base/arena.h"

struct package {
    struct str digest; /* 64 hex digits; of a zip: SHA-256 of its bytes */
    struct str dir;    /* absolute when state_dir is */
};
/* Each puts what is not there yet, whole or not at all. ERR_INVALID, ERR_LIMIT, ERR_UNSUPPORTED:
 * the package is refused, and `e` says why; ERR_IO; ERR_NOMEM. Strings in `a`. */
enum err package_unzip(struct arena *a, const char *state_dir, struct str zip, struct package *out,
                       struct errinfo *e) MUSTCHECK;
/* One file. */
enum err package_inline(struct arena *a, const char *state_dir, const char *name, struct str text,
                        struct package *out, struct errinfo *e) MUSTCHECK;
/* A folder as it is now. What it digests are paths, sizes and times, so that an unchanged one is
 * not copied again. `.git` and state_dir itself are left out; a link that leads out is refused. */
enum err package_copy(struct arena *a, const char *state_dir, const char *dir, struct package *out,
                      struct errinfo *e) MUSTCHECK;

/* Waits until it would survive a power cut. */
enum err package_sync(const struct package *p, struct errinfo *e) MUSTCHECK;

#endif
