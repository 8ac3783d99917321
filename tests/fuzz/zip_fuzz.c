/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a package: an index that is accepted holds clean names inside the caps, whose bytes
 * lie in the file and do not overlap; what is unpacked is whole, and what is refused leaves nothing
 * behind. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "lambda/lambda_text.h"
#include "lambda/package.h"
#include "lambda/zip_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_index(struct arena *a, struct str zip)
{
    struct zip_entry *all;
    size_t n;
    uint64_t bytes = 0;
    struct errinfo e = {0};
    enum err err = lambda__zip_index(a, zip, &all, &n, &e);
    ASSERT(err == ERR_OK || e.text[0]);
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        ASSERT(all[i].begin < all[i].end && all[i].end <= zip.n);
        ASSERT(all[i].name.n > 0 && all[i].name.p[0] != '/');
        ASSERT(str_find(all[i].name, STR("../")) != 0);
        bytes += all[i].size;
    }
    ASSERT(bytes <= LIMIT_PACKAGE_BYTES);
}

static size_t entries(int dir)
{
    size_t n = 0;
    DIR *d = fdopendir(dup(dir));
    rewinddir(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char root[] = "/tmp/ropeline-zip-XXXXXX";
    static bool made;
    struct package p;
    struct errinfo e = {0};
    if (!made)
        ASSERT(mkdtemp(root));
    made = true;
    if (size > KIB(64))
        return 0;
    struct arena *a = arena_new(KIB(16), MIB(16));
    check_index(a, str_of(data, size));
    enum err err = package_unzip(a, root, str_of(data, size), &p, &e);
    const char *code = arena_cstr(a, arena_fmt(a, "%s/code", root));
    DIR *d = opendir(code);
    ASSERT(d && entries(dirfd(d)) == (err == ERR_OK ? 1 : 0));
    closedir(d);
    ASSERT(lambda__tree_remove(root, "code") == ERR_OK);
    if (err != ERR_OK)
        ASSERT(e.text[0]);
    arena_free(a);
    rmdir(root); /* the last one leaves nothing */
    made = false;
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    return 0;
}
