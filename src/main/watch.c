/* SPDX-License-Identifier: Apache-2.0
 *
 * dev: a change of a document or of a function's code reloads the configuration. inotify, through
 * libuv: in a document's directory its own name and other YAML and JSON files count (it may include
 * them), and packages; below a function's code everything does, node_modules, dot files and logs
 * apart. Changes are gathered for a moment, because editors write in several steps. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon.h"

#define WATCHED_MAX 512
#define SETTLE_MS 80
#define DEPTH_MAX 8

struct watched {
    uv_fs_event_t event;
    struct watcher *watcher;
    bool documents; /* only the names of documents count */
    struct watched *next;
};

struct watcher {
    struct daemon *daemon;
    struct timer settle;
    struct watched *watched;
    size_t count;
    bool full;
};

static void settled(struct timer *t)
{
    struct watcher *w = CONTAINER_OF(t, struct watcher, settle);
    daemon_reload(w->daemon);
}

/* What the daemon and editors write beside the code is no change of it. */
static bool is_noise(struct str name)
{
    return str_starts(name, STR(".")) || str_ends(name, STR("~")) || str_ends(name, STR(".swp")) ||
           str_ends(name, STR(".log"));
}

static bool is_document(struct str name)
{
    return str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")) ||
           str_ends(name, STR(".json")) || str_ends(name, STR(".zip"));
}

static void on_change(uv_fs_event_t *e, const char *name, int events, int status)
{
    struct watched *at = CONTAINER_OF(e, struct watched, event);
    struct str s = str_c(name ? name : "");
    (void)events;
    if (status == 0 && !is_noise(s) && (!at->documents || is_document(s)))
        timer_start(run_control(at->watcher->daemon->run), &at->watcher->settle, SETTLE_MS,
                    settled);
}

static void closed(uv_handle_t *h)
{
    mem_free(CONTAINER_OF(h, struct watched, event));
}

static void watch_dir(struct watcher *w, const char *dir, bool documents)
{
    if (w->count == WATCHED_MAX) {
        w->full = true;
        return;
    }
    struct watched *at = mem_alloc(sizeof *at);
    if (at == NULL)
        return;
    at->watcher = w;
    at->documents = documents;
    if (uv_fs_event_init(loop_uv(run_control(w->daemon->run)), &at->event) != 0) {
        mem_free(at);
        return;
    }
    at->next = w->watched;
    w->watched = at;
    w->count++;
    if (uv_fs_event_start(&at->event, on_change, dir, 0) != 0)
        log_warn("main", "%s cannot be watched; changes there need a restart", dir);
}

static void watch_tree(struct watcher *w, const char *dir, unsigned depth)
{
    watch_dir(w, dir, false);
    DIR *d = depth < DEPTH_MAX && !w->full ? opendir(dir) : NULL;
    struct dirent *entry;
    while (d && (entry = readdir(d)) != NULL) {
        char below[PATH_MAX];
        struct stat st;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "node_modules") == 0)
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", dir, entry->d_name);
        if (n > 0 && (size_t)n < sizeof below && lstat(below, &st) == 0 && S_ISDIR(st.st_mode))
            watch_tree(w, below, depth + 1);
    }
    if (d)
        closedir(d);
}

static void watch_document(struct watcher *w, const char *file)
{
    char dir[PATH_MAX] = ".";
    size_t slash = str_rchr(str_c(file), '/');
    if (slash != SIZE_MAX && slash > 0 && slash < sizeof dir) {
        memcpy(dir, file, slash);
        dir[slash] = '\0';
    }
    watch_dir(w, dir, true);
}

static void forget_all(struct watcher *w)
{
    while (w->watched) {
        struct watched *at = w->watched;
        w->watched = at->next;
        uv_close((uv_handle_t *)&at->event, closed);
    }
    w->count = 0;
    w->full = false;
}

enum err watch_start(struct daemon *d)
{
    struct watcher *w = d->watcher ? d->watcher : mem_alloc(sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->daemon = d;
    d->watcher = w;
    return ERR_OK;
}

void watch_model(struct daemon *d, const struct model *m)
{
    struct watcher *w = d->watcher;
    const struct config *c = d->config;
    if (w == NULL)
        return;
    forget_all(w);
    for (size_t i = 0; i < c->api_count; i++)
        watch_document(w, c->apis[i].template);
    for (const struct model_function *f = m ? m->functions : NULL; f; f = f->next) {
        char dir[PATH_MAX];
        int n = snprintf(dir, sizeof dir, "%.*s", STR_ARG(f->archive));
        if (n > 0 && (size_t)n < sizeof dir)
            watch_document(w, dir);
        if (f->spec.package.n > 0)
            continue; /* it never changes */
        n = snprintf(dir, sizeof dir, "%.*s", STR_ARG(f->spec.code_dir));
        if (!f->code_missing && n > 0 && (size_t)n < sizeof dir)
            watch_tree(w, dir, 0);
        for (size_t i = 0; i < f->spec.layer_count; i++)
            watch_tree(w, f->spec.layers[i].p, 0);
    }
    if (w->full)
        log_warn("main", "more than %d directories: changes below some are not noticed",
                 WATCHED_MAX);
}

void watch_stop(struct daemon *d)
{
    struct watcher *w = d->watcher;
    if (w == NULL)
        return;
    d->watcher = NULL;
    timer_stop(&w->settle);
    forget_all(w);
    mem_free(w); /* the closing events no longer look at it */
}
