/* SPDX-License-Identifier: Apache-2.0
 *
 * The store of packages: what a zip file brings is there as it should be, and one that is refused,
 * or that memory does not suffice for, leaves nothing behind. The hostile files are sound ones,
 * written by libzip, with some bytes changed. */
#include "lib/fault.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/limits.h"
#include "lambda/package.h"
#include "lambda_text.h"

#define BIG_BYTES 1000000

static char root[64];
static char zip_bytes[2 * BIG_BYTES];
static size_t zip_n;

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ropeline-package-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return lambda__tree_remove("/tmp", root + 5) == ERR_OK ? 0 : -1;
}

/* --- zip files -------------------------------------------------------------------------------- */

struct part {
    const char *name;
    struct str content;
    unsigned mode; /* with its type; 0 = as on a machine that knows no modes */
    bool stored;
};
#define FILE_OF(name, text)                         \
    {                                               \
        name, STR_INIT(text), S_IFREG | 0644, false \
    }

static void make_zip(const struct part *parts, size_t n)
{
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *out = zip_source_buffer_create(NULL, 0, 0, &e);
    zip_source_keep(out);
    zip_t *z = zip_open_from_source(out, ZIP_TRUNCATE, &e);
    assert_non_null(z);
    for (size_t i = 0; i < n; i++) {
        const struct part *p = &parts[i];
        size_t length = strlen(p->name);
        zip_int64_t at =
            p->name[length - 1] == '/'
                ? zip_dir_add(z, p->name, 0)
                : zip_file_add(z, p->name, zip_source_buffer(z, p->content.p, p->content.n, 0), 0);
        assert_true(at >= 0);
        if (p->mode)
            zip_file_set_external_attributes(z, (zip_uint64_t)at, 0, ZIP_OPSYS_UNIX,
                                             (zip_uint32_t)p->mode << 16);
        else
            zip_file_set_external_attributes(z, (zip_uint64_t)at, 0, ZIP_OPSYS_DOS, 0);
        if (p->stored)
            zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_STORE, 0);
    }
    assert_int_equal(zip_close(z), 0);
    zip_source_open(out);
    zip_int64_t got = zip_source_read(out, zip_bytes, sizeof zip_bytes);
    assert_true(got > 0);
    zip_n = (size_t)got;
    zip_source_close(out);
    zip_source_free(out);
    zip_error_fini(&e);
}

/* How often `from` stood there; `to` is as long. `first`: only there. */
static size_t patch(struct str from, struct str to, bool first)
{
    size_t times = 0;
    assert_int_equal(from.n, to.n);
    for (size_t i = 0; i + from.n <= zip_n && !(first && times); i++) {
        if (memcmp(zip_bytes + i, from.p, from.n) != 0)
            continue;
        memcpy(zip_bytes + i, to.p, to.n);
        times++;
    }
    return times;
}

/* The n-th record that begins with this signature. */
static char *record(const char *signature, size_t n)
{
    for (size_t i = 0; i + 4 <= zip_n; i++)
        if (memcmp(zip_bytes + i, signature, 4) == 0 && n-- == 0)
            return zip_bytes + i;
    fail_msg("no such record");
    return NULL;
}
#define LOCAL "PK\3\4"
#define CENTRAL "PK\1\2"
#define END "PK\5\6"

/* --- the store -------------------------------------------------------------------------------- */

static size_t entries_of(const char *name)
{
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", root, name);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (d)
        closedir(d);
    return n;
}

static enum err unzip(struct package *out, char dir[256], struct errinfo *e)
{
    struct arena *a = arena_new(KIB(1), KIB(64));
    enum err err = a ? package_unzip(a, root, str_of(zip_bytes, zip_n), out, e) : ERR_NOMEM;
    if (err == ERR_OK)
        snprintf(dir, 256, "%.*s", STR_ARG(out->dir));
    arena_free(a);
    return err;
}

static void assert_holds(const char *dir, const char *name, const char *text, unsigned mode)
{
    char path[512], got[64] = "";
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    if (!text)
        return;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(got, 1, sizeof got - 1, f);
    fclose(f);
    assert_int_equal(n, strlen(text));
    assert_string_equal(got, text);
}

static const struct part sound[] = {
    FILE_OF("index.js", "exports.handler = 1;"),
    {"bin/", STR_INIT(""), S_IFDIR | 0755, false},
    {"bin/run", STR_INIT("#!/bin/sh\n"), S_IFREG | 0755, true},
    FILE_OF("deep/er/still/x.txt", "x"),
    FILE_OF("empty", ""),
    {"node_modules/.bin/run", STR_INIT("../../bin/run"), S_IFLNK | 0777, false},
    {"windows.txt", STR_INIT("w"), 0, false},
    FILE_OF("\xc3\xbc"
            "bung.js",
            "u"),
};

static void what_is_in_a_zip_is_there_and_read_only(void **state)
{
    (void)state;
    struct package p;
    struct errinfo e = {0};
    char dir[256], again[256], path[512], target[64] = "";
    make_zip(sound, COUNTOF(sound));
    if (unzip(&p, dir, &e) != ERR_OK)
        fail_msg("%s", e.text);
    assert_holds(dir, "index.js", "exports.handler = 1;", 0444);
    assert_holds(dir, "bin", NULL, 0555);
    assert_holds(dir, "bin/run", "#!/bin/sh\n", 0555);
    assert_holds(dir, "deep/er/still", NULL, 0555);
    assert_holds(dir, "deep/er/still/x.txt", "x", 0444);
    assert_holds(dir, "empty", "", 0444);
    assert_holds(dir, "windows.txt", "w", 0444);
    assert_holds(dir,
                 "\xc3\xbc"
                 "bung.js",
                 "u", 0444);
    assert_holds(dir, ".", NULL, 0555);
    snprintf(path, sizeof path, "%s/node_modules/.bin/run", dir);
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_string_equal(target, "../../bin/run");
    assert_int_equal(unzip(&p, again, &e), ERR_OK); /* it is there already */
    assert_string_equal(again, dir);
    assert_int_equal(entries_of("code"), 1);
}

/* --- hostile ones ------------------------------------------------------------------------------
 */

static void nothing(void)
{
}
static void absolute(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("/Q/evil"), false), 2);
}
static void up(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("../evil"), false), 2);
}
static void up_later(void)
{
    assert_int_equal(patch(STR("a/QQ/evil"), STR("a/../evil"), false), 2);
}
static void dot(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("././x/y"), false), 2);
}
static void backslash(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("..\\evil"), false), 2);
}
static void nul(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("QQ\0evil"), false), 2);
}
static void no_utf8(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("QQ/\xff\xfe\xfdx"), false), 2);
}
static void twice(void)
{
    assert_int_equal(patch(STR("two.js"), STR("one.js"), false), 2);
}
static void names_differ(void)
{
    assert_int_equal(patch(STR("QQ/evil"), STR("QQ/devi"), true), 1);
}
static void encrypted(void)
{
    record(LOCAL, 0)[6] |= 1;
    record(CENTRAL, 0)[8] |= 1;
}
static void longer_than_said(void)
{
    memset(record(LOCAL, 0) + 22, 0, 4);
    memset(record(CENTRAL, 0) + 24, 0, 4);
    record(LOCAL, 0)[22] = record(CENTRAL, 0)[24] = 10;
}
static void shorter_than_said(void)
{
    record(LOCAL, 0)[22] = record(CENTRAL, 0)[24] = 99;
}
static void too_much(void)
{
    memcpy(record(LOCAL, 0) + 22, "\1\0\240\17", 4); /* 262144001 */
    memcpy(record(CENTRAL, 0) + 24, "\1\0\240\17", 4);
}
static void zip64_sizes(void)
{
    memset(record(CENTRAL, 0) + 24, 0xff, 4);
}
static void zip64_entries(void)
{
    memset(record(END, 0) + 8, 0xff, 4);
}
static void more_entries_than_there_are(void)
{
    record(END, 0)[8]++;
    record(END, 0)[10]++;
}
static void fewer_entries(void)
{
    record(END, 0)[8]--;
    record(END, 0)[10]--;
}
static void directory_elsewhere(void)
{
    record(END, 0)[16]++;
}
static void another_disk(void)
{
    record(END, 0)[4]++;
}
static void no_header(void)
{
    record(LOCAL, 0)[0] = 'X';
}
static void beyond_the_end(void)
{
    memset(record(CENTRAL, 0) + 42, 0x7f, 4);
}
static void packed_beyond_the_end(void)
{
    memset(record(LOCAL, 0) + 18, 0x7f, 4);
    memset(record(CENTRAL, 0) + 20, 0x7f, 4);
}
static void cut(void)
{
    zip_n -= 5;
}
static void broken_content(void)
{
    assert_int_equal(patch(STR("stored text"), STR("stoRed text"), true), 1);
}
/* The second entry's header inside the content of the first, as in bombs that overlap. */
static void overlap(void)
{
    char *inner = record(LOCAL, 1);
    size_t at = (size_t)(inner - zip_bytes);
    char *central = record(CENTRAL, 1);
    for (int i = 0; i < 4; i++)
        central[42 + i] = (char)(at >> (8 * i));
}

#define ONE(name, text, mode, stored)              \
    {                                              \
        {                                          \
            name, STR_INIT(text), (mode), (stored) \
        }                                          \
    }
#define EVIL ONE("QQ/evil", "x", S_IFREG | 0644, false)

static char zeros[BIG_BYTES];

static const struct hostile {
    const char *what, *words;
    struct part parts[3];
    void (*spoil)(void);
} hostile[] = {
    {"absolute", "leads out", EVIL, absolute},
    {"..", "leads out", EVIL, up},
    {".. inside", "leads out", ONE("a/QQ/evil", "x", S_IFREG | 0644, false), up_later},
    {".", "leads out", EVIL, dot},
    {"backslash", "leads out", EVIL, backslash},
    {"NUL", "leads out", EVIL, nul},
    {"no UTF-8", "leads out", EVIL, no_utf8},
    {"two of one name",
     "one.js is in it twice",
     {FILE_OF("one.js", "1"), FILE_OF("two.js", "2")},
     twice},
    {"a file where a directory is", "", {FILE_OF("a", "1"), FILE_OF("a/b", "2")}, nothing},
    {"headers that disagree", "disagree", EVIL, names_differ},
    {"encrypted", "is encrypted", EVIL, encrypted},
    {"a device", "neither a file", ONE("null", "", S_IFCHR | 0666, false), nothing},
    {"a pipe", "neither a file", ONE("pipe", "", S_IFIFO | 0666, false), nothing},
    {"setuid", "setuid", ONE("su", "x", S_IFREG | 04755, false), nothing},
    {"setgid", "setuid", ONE("sg", "x", S_IFREG | 02755, false), nothing},
    {"a link out", "leads out", ONE("l", "../x", S_IFLNK | 0777, false), nothing},
    {"an absolute link", "leads out", ONE("l", "/etc/passwd", S_IFLNK | 0777, false), nothing},
    {"a link that turns back", "leads out", ONE("a/b/l", "../x/../../../y", S_IFLNK | 0777, false),
     nothing},
    {"an empty link", "leads out", ONE("l", "", S_IFLNK | 0777, false), nothing},
    {"a file through a link",
     "",
     {{"d", STR_INIT("e"), S_IFLNK | 0777, false},
      {"e/", STR_INIT(""), S_IFDIR | 0755, false},
      FILE_OF("d/x", "x")},
     nothing},
    {"a bomb that says less",
     "not as long",
     {{"z", {zeros, BIG_BYTES}, S_IFREG | 0644, false}},
     longer_than_said},
    {"less than it says", "", EVIL, shorter_than_said},
    {"250 MB and one", "Unzipped size must be smaller than", EVIL, too_much},
    {"zip64 sizes", "zip64", EVIL, zip64_sizes},
    {"zip64 entries", "zip64", EVIL, zip64_entries},
    {"more entries than there are", "broken", EVIL, more_entries_than_there_are},
    {"fewer entries than there are", "broken", EVIL, fewer_entries},
    {"a directory elsewhere", "not where it says", EVIL, directory_elsewhere},
    {"several disks", "several disks", EVIL, another_disk},
    {"no header", "no header", EVIL, no_header},
    {"a header beyond the end", "no header", EVIL, beyond_the_end},
    {"content beyond the end", "longer than the file", EVIL, packed_beyond_the_end},
    {"cut short", "cut short", EVIL, cut},
    {"another content", "", ONE("s", "stored text", S_IFREG | 0644, true), broken_content},
    {"entries that overlap",
     "overlap",
     {{"outer", STR_INIT(LOCAL "\12\0\0\0\0\0\0\0\41\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0inner"),
       S_IFREG | 0644, true},
      {"inner", STR_INIT(""), S_IFREG | 0644, true}},
     overlap},
};

static void hostile_files_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTOF(hostile); i++) {
        const struct hostile *h = &hostile[i];
        struct package p;
        struct errinfo e = {0};
        char dir[256];
        size_t n = 0;
        while (n < COUNTOF(h->parts) && h->parts[n].name)
            n++;
        make_zip(h->parts, n);
        h->spoil();
        enum err err = unzip(&p, dir, &e);
        if (err == ERR_OK || err == ERR_NOMEM || err == ERR_IO || !strstr(e.text, h->words))
            fail_msg("%s: %s: %s", h->what, err_text(err), e.text);
        if (entries_of("code") != 0)
            fail_msg("%s: something is left", h->what);
        assert_int_equal(entries_of("."), 1);
    }
}

static void what_is_no_zip_is_refused(void **state)
{
    (void)state;
    static const struct str files[] = {STR_INIT(""), STR_INIT("PK"), STR_INIT("PK\5\6"),
                                       STR_INIT("a text that is no zip file at all, but long")};
    struct package p;
    char dir[256];
    for (size_t i = 0; i < COUNTOF(files); i++) {
        struct errinfo e = {0};
        memcpy(zip_bytes, files[i].n ? files[i].p : "", files[i].n);
        zip_n = files[i].n;
        assert_int_equal(unzip(&p, dir, &e), ERR_INVALID);
        assert_int_equal(entries_of("code"), 0);
    }
}

/* --- text and folders --------------------------------------------------------------------------
 */

static void text_is_a_package_of_one_file(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(1), KIB(16));
    struct package p, q;
    struct errinfo e = {0};
    assert_int_equal(package_inline(a, root, "index.js", STR("1;"), &p, &e), ERR_OK);
    assert_holds(p.dir.p, "index.js", "1;", 0444);
    assert_int_equal(package_inline(a, root, "index.py", STR("1;"), &q, &e), ERR_OK);
    assert_false(str_eq(p.digest, q.digest));
    arena_free(a);
}

static const char *below(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text, unsigned mode)
{
    FILE *f = fopen(below(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(below(name), mode), 0);
}

static void a_folder_is_copied_as_it_is_and_once(void **state)
{
    (void)state;
    struct arena *a = arena_new(KIB(1), KIB(16));
    struct package p, q;
    struct errinfo e = {0};
    char dir[256];
    assert_int_equal(mkdir(below("fn"), 0755), 0);
    assert_int_equal(mkdir(below("fn/lib"), 0755), 0);
    assert_int_equal(mkdir(below("fn/.git"), 0755), 0);
    write_file("fn/index.js", "old", 0600);
    write_file("fn/lib/run", "#!", 0755);
    assert_int_equal(symlink("lib/run", below("fn/link")), 0);
    snprintf(dir, sizeof dir, "%s", below("fn"));
    assert_int_equal(package_copy(a, root, dir, &p, &e), ERR_OK);
    assert_holds(p.dir.p, "index.js", "old", 0444);
    assert_holds(p.dir.p, "lib/run", "#!", 0555);
    assert_holds(p.dir.p, "link", "#!", 0777);
    assert_int_equal(access(arena_fmt(a, "%.*s/.git", STR_ARG(p.dir)).p, F_OK), -1);
    assert_int_equal(package_copy(a, root, dir, &q, &e), ERR_OK);
    assert_true(str_eq(p.digest, q.digest));
    write_file("fn/index.js", "newer", 0600);
    assert_int_equal(package_copy(a, root, dir, &q, &e), ERR_OK);
    assert_false(str_eq(p.digest, q.digest));
    assert_holds(p.dir.p, "index.js", "old", 0444);
    assert_int_equal(symlink("/etc", below("fn/out")), 0);
    assert_int_equal(package_copy(a, root, dir, &q, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "out is a link that leads out of the folder"));
    assert_int_equal(entries_of("code"), 2);
    arena_free(a);
}

/* --- memory ----------------------------------------------------------------------------------- */

static enum err unzip_again(void *arg)
{
    struct package p;
    struct errinfo e = {0};
    char dir[256];
    (void)arg;
    enum err err = unzip(&p, dir, &e);
    if (err != ERR_OK)
        assert_int_equal(entries_of("code"), 0);
    else
        assert_int_equal(lambda__tree_remove(root, "code"), ERR_OK);
    return err;
}

static void without_memory_nothing_is_left(void **state)
{
    (void)state;
    make_zip(sound, COUNTOF(sound));
    fault_each(unzip_again, NULL);
}

int main(void)
{
#define IN_ROOT(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(what_is_in_a_zip_is_there_and_read_only),
        IN_ROOT(hostile_files_are_refused_and_leave_nothing),
        IN_ROOT(what_is_no_zip_is_refused),
        IN_ROOT(text_is_a_package_of_one_file),
        IN_ROOT(a_folder_is_copied_as_it_is_and_once),
        IN_ROOT(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests_name("package", tests, NULL, NULL);
}
