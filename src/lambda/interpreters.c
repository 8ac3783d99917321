/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the interpreter of a runtime. None is run to be asked for its version: that would cost
 * more than everything else at start. Its name or the files around it tell, or nothing does until
 * its first environment says it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "lambda/runtime.h"

struct search {
    const struct runtime_name *wanted;
    bool scripts; /* count, too: a person named the file */
    char best[PATH_MAX];
    unsigned major, minor;
    uint64_t distance; /* from what is wanted; UINT64_MAX: nothing found */
};

#define PYTHON_MINOR_MIN 11 /* the bootstrap needs its -P */
#define DISTANCE_UNKNOWN (UINT64_MAX - 1)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static unsigned number_at(struct str s, size_t *at)
{
    unsigned n = 0;
    for (; *at < s.n && is_digit(s.p[*at]); (*at)++)
        n = n < 100000 ? n * 10 + (unsigned)(s.p[*at] - '0') : n;
    return n;
}

/* "python3.11" -> 3, 11 */
static void python_version(struct str file, unsigned *major, unsigned *minor)
{
    size_t at = sizeof "python" - 1;
    if (!str_starts(file, STR("python")))
        return;
    unsigned one = number_at(file, &at);
    if (at >= file.n || file.p[at] != '.')
        return;
    at++;
    *major = one;
    *minor = number_at(file, &at);
}

/* "v20.11.1", "node20", "node-v20.11.1-linux-x64" -> 20; of a part of a path. */
static unsigned node_version_in(struct str part)
{
    size_t at = 0;
    bool named = str_starts(part, STR("node"));
    if (named)
        at = str_starts(part, STR("nodejs")) ? 6 : 4;
    if (named && at < part.n && (part.p[at] == '-' || part.p[at] == '_'))
        at++;
    bool v = at < part.n && part.p[at] == 'v';
    if (v)
        at++;
    return named || v ? number_at(part, &at) : 0;
}

/* The header that is installed beside a node: PREFIX/include/node/node_version.h */
static unsigned node_version_beside(struct str real)
{
    char path[PATH_MAX + 64], text[4096];
    static const char define[] = "#define NODE_MAJOR_VERSION ";
    size_t slash = str_rchr(real, '/');
    struct str bin = str_sub(real, 0, slash == SIZE_MAX ? 0 : slash);
    size_t up = str_rchr(bin, '/');
    if (up == SIZE_MAX)
        return 0;
    snprintf(path, sizeof path, "%.*s/include/node/node_version.h", STR_ARG(str_sub(bin, 0, up)));
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    struct str all = str_of(text, fread(text, 1, sizeof text, f));
    (void)fclose(f);
    size_t at = str_find(all, str_c(define));
    if (at == SIZE_MAX)
        return 0;
    at += sizeof define - 1;
    return number_at(all, &at);
}

static void node_version(struct str real, unsigned *major)
{
    struct str rest = real;
    while (rest.n > 0 && *major == 0)
        *major = node_version_in(str_cut(rest, '/', &rest));
    if (*major == 0)
        *major = node_version_beside(real);
}

static void version_of(enum runtime_kind kind, const char *path, unsigned *major, unsigned *minor)
{
    char real[PATH_MAX];
    *major = *minor = 0;
    struct str s = str_c(realpath(path, real) ? real : path);
    if (kind == RUNTIME_NODE)
        node_version(s, major);
    else
        python_version(str_from(s, str_rchr(s, '/') + 1), major, minor);
}

static bool is_script(const char *path)
{
    char first[2] = "";
    FILE *f = fopen(path, "re");
    if (!f)
        return false; /* one that may be run and not read is none */
    bool script = fread(first, 1, 2, f) == 2 && memcmp(first, "#!", 2) == 0;
    (void)fclose(f);
    return script;
}

static uint64_t distance(const struct runtime_name *wanted, unsigned major, unsigned minor)
{
    if (major == 0)
        return DISTANCE_UNKNOWN;
    int64_t by = ((int64_t)major - wanted->major) * 100000 + (int64_t)minor - wanted->minor;
    return by < 0 ? (uint64_t)-by * 2 : (uint64_t)by * 2 - (by > 0); /* of two, the newer */
}

static void consider(struct search *s, const char *path)
{
    struct stat st;
    unsigned major, minor;
    if (path[0] != '/' || access(path, X_OK) != 0 || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
        (!s->scripts && is_script(path)))
        return;
    version_of(s->wanted->kind, path, &major, &minor);
    if (s->wanted->kind == RUNTIME_PYTHON && major == 3 && minor < PYTHON_MINOR_MIN)
        return;
    uint64_t from = distance(s->wanted, major, minor);
    if (from >= s->distance)
        return;
    s->distance = from;
    s->major = major;
    s->minor = minor;
    snprintf(s->best, sizeof s->best, "%s", path);
}

/* In each folder: the name with the version, then the plain one. */
static void look_in_path(struct search *s, const char *path)
{
    char names[2][32], file[PATH_MAX];
    if (s->wanted->kind == RUNTIME_NODE) {
        snprintf(names[0], sizeof names[0], "node%u", s->wanted->major);
        snprintf(names[1], sizeof names[1], "node");
    } else {
        snprintf(names[0], sizeof names[0], "python%u.%u", s->wanted->major, s->wanted->minor);
        snprintf(names[1], sizeof names[1], "python3");
    }
    for (size_t i = 0; i < COUNTOF(names); i++) {
        struct str rest = str_c(path);
        while (rest.n > 0) {
            struct str dir = str_cut(rest, ':', &rest);
            int n = snprintf(file, sizeof file, "%.*s/%s", STR_ARG(dir), names[i]);
            if (n > 0 && (size_t)n < sizeof file)
                consider(s, file);
        }
    }
}

static void look_at_list(struct search *s, const char *list)
{
    char file[PATH_MAX];
    struct str rest = str_c(list);
    s->scripts = true;
    while (rest.n > 0) {
        struct str one = str_cut(rest, ':', &rest);
        if (one.n > 0 && one.n < sizeof file) {
            snprintf(file, sizeof file, "%.*s", STR_ARG(one));
            consider(s, file);
        }
    }
}

enum err runtime_interpreter(struct arena *a, const struct runtime_places *places,
                             const struct runtime_name *wanted, struct interpreter *out)
{
    static const char usual[] = "/usr/local/bin:/usr/bin:/bin";
    const char *chosen = wanted->kind == RUNTIME_NODE ? places->node : places->python;
    struct search s = {.wanted = wanted, .distance = UINT64_MAX};
    *out = (struct interpreter){NULL, 0, 0};
    if (wanted->kind == RUNTIME_CUSTOM)
        return ERR_OK;
    if (chosen && *chosen)
        look_at_list(&s, chosen);
    else
        look_in_path(&s, places->path && *places->path ? places->path : usual);
    if (s.distance == UINT64_MAX)
        return ERR_OK;
    out->path = arena_cstr(a, str_c(s.best));
    out->major = s.major;
    out->minor = s.minor;
    return out->path ? ERR_OK : ERR_NOMEM;
}
