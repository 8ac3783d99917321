/* SPDX-License-Identifier: Apache-2.0
 *
 * Packages that nobody needs any more leave the store. Invariant: what a function here runs, what
 * plane.db names, and what has just been put or asked for (package.c touches it) stays. */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "registry_int.h"

#define SPARED_S 3600 /* somebody may be about to use it */
#define DIGEST_CHARS 64

static void add_config(struct buf *used, const struct json *config)
{
    char hex[2 * SHA256_BYTES + 1];
    AUTO_BUF sha = BUF_INIT(KIB(1));
    if (crypt_base64_decode(&sha, json_str_or(json_get(config, "CodeSha256"), STR(""))) != ERR_OK ||
        sha.n != SHA256_BYTES)
        return;
    crypt_hex(sha.p, SHA256_BYTES, hex);
    buf_addf(used, "%s\n", hex);
}

static void gather(const struct lambda *l, struct buf *used)
{
    for (const struct function *f = l->functions; f; f = f->next) {
        if (f->spec.package.n > 0)
            buf_addf(used, "%.*s\n", STR_ARG(f->spec.package));
        for (size_t i = 0; i < f->spec.layer_count;
             i++) { /* STATE/code/DIGEST, or another folder */
            struct str layer = f->spec.layers[i];
            size_t slash = str_rchr(layer, '/');
            buf_addf(used, "%.*s\n", STR_ARG(str_from(layer, slash == SIZE_MAX ? 0 : slash + 1)));
        }
    }
    for (const struct managed *m = l->registry->functions; m; m = m->next) {
        const struct json *versions = json_get(m->tree, "Versions");
        add_config(used, json_get(m->tree, "Latest"));
        for (size_t i = 0; versions && i < versions->n; i++)
            add_config(used, versions->items[i]);
    }
}

static bool is_spent(int store, const char *name, struct str used)
{
    struct stat st;
    struct str s = str_c(name);
    bool unfinished = str_starts(s, STR(PACKAGE_UNFINISHED));
    if ((!unfinished && s.n != DIGEST_CHARS) || str_find(used, s) != SIZE_MAX ||
        fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return clock_wall_us(&clock_system) / 1000000 > (int64_t)st.st_mtim.tv_sec + SPARED_S;
}

static void collect_work(struct work *w)
{
    struct registry *r = CONTAINER_OF(w, struct registry, collect);
    AUTO_BUF path = BUF_INIT(KIB(8));
    buf_addf(&path, "%s/code", r->lambda->o.state_dir);
    int fd = open(buf_cstr(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(d));)
        if (is_spent(fd, entry->d_name, buf_str(&r->used)) &&
            lambda__tree_remove_at(fd, entry->d_name) != ERR_OK)
            log_warn("lambda", "cannot remove the package %s", entry->d_name);
    closedir(d);
}

static void collect_done(struct work *w)
{
    struct registry *r = CONTAINER_OF(w, struct registry, collect);
    r->collecting = false;
    buf_fini(&r->used);
    if (r->collect_again)
        registry__collect(r);
    lambda__maybe_closed(r->lambda);
}

void registry__collect(struct registry *r)
{
    struct loop *control = r->lambda->o.control;
    r->collect_again = r->collecting;
    if (r->collecting || r->lambda->closing)
        return;
    r->used = BUF_INIT(MIB(16));
    gather(r->lambda, &r->used);
    r->collect = (struct work){.work = collect_work, .done = collect_done, .reply = control};
    r->collecting = r->used.err == ERR_OK && run_work(control, LANE_IO, &r->collect) == ERR_OK;
    if (!r->collecting)
        buf_fini(&r->used);
}
