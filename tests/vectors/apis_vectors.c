/* SPDX-License-Identifier: Apache-2.0
 *
 * API definitions of public projects, read where they lie (argv[1]): each loads, or is refused with
 * at least one error that has a line; those that SAM itself refuses are refused. Counts are
 * printed; how many load is the measure of the releases to come. Prints TAP. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "import/import.h"
#include "lib/whole_file.h"

static const struct folder {
    const char *name;
    bool refused; /* every document must be */
} folders[] = {{"cfn", false},
               {"openapi", false},
               {"openapi-from-sam", false},
               {"sam", false},
               {"sam-negative", true}};
#define GOAL 110 /* of the documents that need not be refused */

struct count {
    unsigned loaded, refused, failed;
};

static bool has_placed_error(const struct import_report *r)
{
    for (const struct import_finding *f = r->first; f; f = f->next)
        if (f->severity == IMPORT_ERROR && f->line > 0 && f->text.n > 0)
            return true;
    return false;
}

static void judge(const char *path, const char *name, bool must_refuse, struct count *n)
{
    AUTO_BUF text = BUF_INIT(LIMIT_TEMPLATE_BYTES);
    struct arena *a = arena_new(KIB(64), LIMIT_DOCUMENT_ARENA);
    struct model model = {.arena = a};
    struct import_report report = {.arena = a};
    struct import_options o = {.region = STR("us-east-1"), .account = STR("123456789012")};
    if (!a || !whole_file(path, &text)) {
        printf("# %s cannot be read\n", name);
        n->failed++;
        arena_free(a);
        return;
    }
    enum err err = import_document(&o, path, buf_str(&text), &model, &report);
    n->loaded += err == ERR_OK;
    n->refused += err != ERR_OK;
    bool sound = err == ERR_OK ? report.errors == 0 && !must_refuse : has_placed_error(&report);
    if (!sound) {
        printf("# %s: %s, %zu errors\n", name, err_text(err), report.errors);
        n->failed++;
    }
    arena_free(a);
}

static bool judge_folder(const char *root, const struct folder *f, struct count *n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, f->name);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", root, f->name, d->d_name);
        judge(path, d->d_name, f->refused, n);
    }
    closedir(dir);
    return true;
}

int main(int argc, char **argv)
{
    bool ok = true;
    unsigned loaded = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: apis_vectors FOLDER\n");
        return 2;
    }
    printf("1..%zu\n", COUNTOF(folders) + 1);
    for (size_t i = 0; i < COUNTOF(folders); i++) {
        struct count n = {0};
        const struct folder *f = &folders[i];
        if (!judge_folder(argv[1], f, &n)) {
            printf("ok %zu - %s # SKIP ../shared not found\n", i + 1, f->name);
            continue;
        }
        printf("# %s: %u load, %u are refused\n", f->name, n.loaded, n.refused);
        printf("%s %zu - %s\n", n.failed ? "not ok" : "ok", i + 1,
               f->refused ? "what SAM refuses is refused" : f->name);
        ok = ok && n.failed == 0 && n.loaded + n.refused > 0;
        loaded += n.loaded;
    }
    bool skipped = ok && loaded == 0;
    printf("%s %zu - at least %d load, %u do%s\n", loaded >= GOAL || skipped ? "ok" : "not ok",
           COUNTOF(folders) + 1, GOAL, loaded, skipped ? " # SKIP ../shared not found" : "");
    ok = ok && (loaded >= GOAL || skipped);
    return ok ? 0 : 1;
}
