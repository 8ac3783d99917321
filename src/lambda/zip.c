/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of a zip file (PKWARE APPNOTE 4.3), read by ourselves because what it lies about is
 * what matters here: libzip unpacks what has passed. Every number is checked against the file
 * before it is used. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/map.h"
#include "zip_int.h"

#define END_SIGNATURE 0x06054b50u
#define END_BYTES 22
#define END64_SIGNATURE 0x07064b50u /* the locator in front of it */
#define END64_BYTES 20
#define CENTRAL_SIGNATURE 0x02014b50u
#define CENTRAL_BYTES 46
#define LOCAL_SIGNATURE 0x04034b50u
#define LOCAL_BYTES 30
#define FLAG_ENCRYPTED 0x0001u
#define FLAG_STREAMED 0x0008u /* the local header does not know the sizes */
#define FLAG_STRONG 0x2040u   /* strong or masked encryption */
#define NONE32 0xffffffffu
#define NONE16 0xffffu
#define MADE_BY_UNIX 3
#define MADE_BY_MACOS 19

static unsigned u16(struct str s, size_t at)
{
    const unsigned char *p = (const unsigned char *)s.p + at;
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t u32(struct str s, size_t at)
{
    return (uint32_t)u16(s, at) | (uint32_t)u16(s, at + 2) << 16;
}

#define REFUSE(e, code, ...) errinfo_set((e), (code), "the zip file is refused: " __VA_ARGS__)
#define SHORT(s) STR_ARG(str_sub((s), 0, 100))

/* --- names ------------------------------------------------------------------------------------ */

static bool is_clean(struct str name)
{
    if (name.n == 0 || name.n > LIMIT_PACKAGE_NAME || !str_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f || name.p[i] == '\\')
            return false;
    size_t depth = 0;
    for (struct str rest = name, part; rest.p; depth++) {
        part = str_cut(rest, '/', &rest);
        if (depth > LIMIT_CODE_DEPTH || part.n == 0 || part.n > 255 || str_eqz(part, ".") ||
            str_eqz(part, ".."))
            return false;
    }
    return true;
}

/* It may go up at its beginning only, and not above the root: then no chain of links leads out. */
bool lambda__link_stays(struct str name, struct str target)
{
    size_t depth = 0;
    bool down = false;
    if (target.n == 0 || target.n > LIMIT_PACKAGE_NAME || target.p[0] == '/' ||
        str_chr(target, '\0', 0) != SIZE_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++)
        depth += name.p[i] == '/';
    for (struct str rest = target, part; rest.p;) {
        part = str_cut(rest, '/', &rest);
        if (str_eqz(part, "..")) {
            if (down || depth-- == 0)
                return false;
        } else {
            down = down || (part.n > 0 && !str_eqz(part, "."));
        }
    }
    return true;
}

/* --- one entry -------------------------------------------------------------------------------- */

static enum err judge_mode(struct zip_entry *entry, unsigned made_by, uint32_t attributes,
                           struct errinfo *e)
{
    unsigned mode = attributes >> 16, type = mode & S_IFMT;
    if (made_by != MADE_BY_UNIX && made_by != MADE_BY_MACOS)
        return ERR_OK;
    if (mode & (S_ISUID | S_ISGID | S_ISVTX))
        return REFUSE(e, ERR_INVALID, "%.*s is setuid, setgid or sticky", SHORT(entry->name));
    if (type != 0 && type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
        return REFUSE(e, ERR_INVALID, "%.*s is neither a file nor a directory nor a link",
                      SHORT(entry->name));
    if ((type == S_IFDIR) != (entry->kind == ZIP_DIRECTORY) && type != 0 &&
        !(entry->kind == ZIP_DIRECTORY && type == S_IFREG))
        return REFUSE(e, ERR_INVALID, "%.*s: its name and its type disagree", SHORT(entry->name));
    if (type == S_IFLNK)
        entry->kind = ZIP_LINK;
    entry->executable = (mode & 0111) != 0;
    return ERR_OK;
}

/* The local header must say the same, or one reader would see one file and another one another. */
static enum err judge_local(struct str zip, size_t directory, size_t at, struct zip_entry *entry,
                            struct str raw_name, struct errinfo *e)
{
    struct str central = str_sub(zip, at, CENTRAL_BYTES);
    uint64_t begin = u32(central, 42), packed = u32(central, 20);
    if (begin + LOCAL_BYTES > directory || u32(zip, begin) != LOCAL_SIGNATURE)
        return REFUSE(e, ERR_INVALID, "%.*s has no header where it should be", SHORT(entry->name));
    unsigned flags = u16(zip, begin + 6);
    uint64_t data = begin + LOCAL_BYTES + u16(zip, begin + 26) + u16(zip, begin + 28);
    struct str name = str_sub(zip, begin + LOCAL_BYTES, u16(zip, begin + 26));
    bool streamed = (flags & FLAG_STREAMED) != 0;
    if (data + packed > directory)
        return REFUSE(e, ERR_INVALID, "%.*s is longer than the file", SHORT(entry->name));
    if (!str_eq(name, raw_name) || u16(zip, begin + 8) != u16(central, 10) ||
        flags != u16(central, 8) ||
        (!streamed && (u32(zip, begin + 18) != packed || u32(zip, begin + 22) != entry->size)))
        return REFUSE(e, ERR_INVALID, "%.*s: its two headers disagree", SHORT(entry->name));
    entry->begin = begin;
    entry->end = data + packed;
    return ERR_OK;
}

/* *next: where the following one begins. */
static enum err read_entry(struct str zip, size_t directory, size_t at, size_t end,
                           struct zip_entry *entry, size_t *next, struct errinfo *e)
{
    if (end - at < CENTRAL_BYTES || u32(zip, at) != CENTRAL_SIGNATURE)
        return REFUSE(e, ERR_INVALID, "its directory is broken");
    size_t name_bytes = u16(zip, at + 28);
    size_t all = CENTRAL_BYTES + name_bytes + u16(zip, at + 30) + u16(zip, at + 32);
    if (end - at < all)
        return REFUSE(e, ERR_INVALID, "its directory is broken");
    *next = at + all;
    struct str raw = str_sub(zip, at + CENTRAL_BYTES, name_bytes);
    bool slash = str_ends(raw, STR("/"));
    *entry = (struct zip_entry){.name = str_sub(raw, 0, raw.n - slash),
                                .kind = slash ? ZIP_DIRECTORY : ZIP_FILE,
                                .size = u32(zip, at + 24)};
    if (!is_clean(entry->name))
        return REFUSE(e, ERR_INVALID,
                      "a name in it is absolute, leads out, or is no clean UTF-8 path");
    if (u16(zip, at + 8) & (FLAG_ENCRYPTED | FLAG_STRONG))
        return REFUSE(e, ERR_UNSUPPORTED, "%.*s is encrypted", SHORT(entry->name));
    if (u32(zip, at + 20) == NONE32 || u32(zip, at + 24) == NONE32 || u32(zip, at + 42) == NONE32 ||
        u16(zip, at + 34) != 0)
        return REFUSE(e, ERR_UNSUPPORTED, "%.*s is zip64 or on another disk", SHORT(entry->name));
    enum err err = judge_mode(entry, u16(zip, at + 4) >> 8, u32(zip, at + 38), e);
    if (err == ERR_OK && entry->kind == ZIP_DIRECTORY && entry->size > 0)
        err = REFUSE(e, ERR_INVALID, "the directory %.*s has content", SHORT(entry->name));
    return err ? err : judge_local(zip, directory, at, entry, raw, e);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct zip_end {
    size_t directory, end; /* the central directory */
    size_t entries;
};

/* The record must be the last thing in the file, but for its comment. */
static enum err find_end(struct str zip, struct zip_end *out, struct errinfo *e)
{
    size_t least = zip.n > END_BYTES + NONE16 ? zip.n - END_BYTES - NONE16 : 0;
    size_t at = zip.n >= END_BYTES ? zip.n - END_BYTES : SIZE_MAX;
    while (at != SIZE_MAX && at >= least &&
           (u32(zip, at) != END_SIGNATURE || u16(zip, at + 20) != zip.n - at - END_BYTES))
        at = at > least ? at - 1 : SIZE_MAX;
    if (at == SIZE_MAX)
        return REFUSE(e, ERR_INVALID, "it is no zip file, or it is cut short");
    *out = (struct zip_end){.directory = u32(zip, at + 16), .entries = u16(zip, at + 10)};
    out->end = out->directory + u32(zip, at + 12);
    bool large = at >= END64_BYTES && u32(zip, at - END64_BYTES) == END64_SIGNATURE;
    if (large || out->directory == NONE32 || out->entries == NONE16)
        return REFUSE(e, ERR_UNSUPPORTED, "it is zip64, which no package needs");
    if (u16(zip, at + 4) || u16(zip, at + 6) || u16(zip, at + 8) != out->entries)
        return REFUSE(e, ERR_UNSUPPORTED, "it is one of several disks");
    if (out->end !=
        at) /* what stands between, or before, would be read by some and not by others */
        return REFUSE(e, ERR_INVALID, "its directory is not where it says");
    return ERR_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct zip_entry *const *x = a, *const *y = b;
    return (*x)->begin < (*y)->begin ? -1 : (*x)->begin > (*y)->begin;
}

static enum err judge_overlap(struct arena *a, struct zip_entry *all, size_t n, struct errinfo *e)
{
    const struct zip_entry **sorted = ARENA_ARRAY(a, n, const struct zip_entry *);
    if (!sorted)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &all[i];
    qsort(sorted, n, sizeof *sorted, by_begin);
    for (size_t i = 1; i < n; i++)
        if (sorted[i]->begin < sorted[i - 1]->end)
            return REFUSE(e, ERR_INVALID, "%.*s and %.*s overlap", SHORT(sorted[i - 1]->name),
                          SHORT(sorted[i]->name));
    return ERR_OK;
}

static enum err judge_names(struct zip_entry *all, size_t n, struct errinfo *e)
{
    struct map names = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        void *old = NULL;
        err = map_put(&names, all[i].name, &all[i], &old);
        if (err == ERR_OK && old)
            err = REFUSE(e, ERR_INVALID, "%.*s is in it twice", SHORT(all[i].name));
    }
    map_fini(&names);
    return err;
}

enum err lambda__zip_index(struct arena *a, struct str zip, struct zip_entry **out, size_t *n,
                           struct errinfo *e)
{
    struct zip_end end = {0};
    uint64_t bytes = 0;
    *out = NULL;
    *n = 0;
    if (zip.n > LIMIT_PACKAGE_ZIP)
        return REFUSE(e, ERR_LIMIT, "it is larger than %d bytes", LIMIT_PACKAGE_ZIP);
    enum err err = find_end(zip, &end, e);
    if (err != ERR_OK)
        return err;
    struct zip_entry *all = ARENA_ARRAY(a, end.entries, struct zip_entry);
    if (!all)
        return ERR_NOMEM;
    size_t at = end.directory;
    for (size_t i = 0; i < end.entries && err == ERR_OK; i++) {
        err = read_entry(zip, end.directory, at, end.end, &all[i], &at, e);
        bytes += all[i].size;
        if (err == ERR_OK && bytes > LIMIT_PACKAGE_BYTES)
            err = REFUSE(e, ERR_LIMIT, "Unzipped size must be smaller than %d bytes",
                         LIMIT_PACKAGE_BYTES);
    }
    if (err == ERR_OK && at != end.end)
        err = REFUSE(e, ERR_INVALID, "its directory is broken");
    if (err == ERR_OK)
        err = judge_names(all, end.entries, e);
    if (err == ERR_OK)
        err = judge_overlap(a, all, end.entries, e);
    *out = all;
    *n = end.entries;
    return err;
}
