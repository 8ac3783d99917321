/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds every file of the given folders to a fuzz target without a fuzzer: each input that once
 * broke something stays a test. Prints TAP; a broken target aborts. A folder may be absent. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_file(const char *path, struct buf *b)
{
    char *room;
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    while ((room = buf_reserve(b, 4096)) != NULL) {
        size_t n = fread(room, 1, 4096, f);
        b->n += n;
        if (n == 0)
            break;
    }
    bool whole = b->err == ERR_OK && !ferror(f);
    fclose(f);
    return whole;
}

/* A copy of exactly its size, so that AddressSanitizer sees a read past the end. */
static bool run(const char *path)
{
    AUTO_BUF b = BUF_INIT(MIB(16));
    if (!read_file(path, &b))
        return false;
    uint8_t *exact = mem_alloc(b.n ? b.n : 1);
    if (!exact)
        return false;
    if (b.n)
        memcpy(exact, b.p, b.n);
    (void)LLVMFuzzerTestOneInput(exact, b.n);
    mem_free(exact);
    return true;
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int number = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **files;
        int n = scandir(argv[i], &files, is_visible, alphasort);
        for (int k = 0; k < n; k++) {
            AUTO_BUF path = BUF_INIT(KIB(8));
            buf_addf(&path, "%s/%s", argv[i], files[k]->d_name);
            bool ok = run(buf_cstr(&path));
            printf("%sok %d - %s\n", ok ? "" : "not ", ++number, files[k]->d_name);
            fflush(stdout);
            failed += !ok;
            free(files[k]);
        }
        if (n >= 0)
            free(files);
    }
    if (number == 0)
        printf("1..0 # SKIP no corpus\n");
    else
        printf("1..%d\n", number);
    return failed > 0;
}
