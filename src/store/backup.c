/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of a SQLite file: made while a daemon writes it, put back while none does. Invariant: a
 * name holds what it held before, or a whole copy that was checked and is safe from a power cut. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "store_int.h"

#define PATH_BYTES KIB(8)

static enum err os_failed(const char *path, struct errinfo *e)
{
    return errinfo_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_IO, "%s: %s", path, strerror(errno));
}

static enum err db_failed(sqlite3 *db, int rc, const char *path, struct errinfo *e)
{
    enum err err = rc == SQLITE_NOMEM ? ERR_NOMEM : rc == SQLITE_BUSY ? ERR_BUSY : ERR_IO;
    return errinfo_set(e, err, "%s: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* --- names -------------------------------------------------------------------------------------
 */
static enum err name_it(struct buf *out, const char *path, const char *end, struct errinfo *e)
{
    buf_addf(out, "%s%s", path, end);
    return out->err ? errinfo_set(e, out->err, "%s", err_text(out->err)) : ERR_OK;
}

/* Its folder, so that a rename in it is safe too. */
static enum err sync_folder(const char *path, struct errinfo *e)
{
    AUTO_BUF folder = BUF_INIT(PATH_BYTES);
    size_t slash = str_rchr(str_c(path), '/');
    buf_add(&folder, slash == SIZE_MAX ? STR(".") : str_sub(str_c(path), 0, slash ? slash : 1));
    if (folder.err)
        return errinfo_set(e, folder.err, "%s", err_text(folder.err));
    int fd = open(buf_cstr(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd >= 0 && fsync(fd) == 0 ? ERR_OK : os_failed(buf_cstr(&folder), e);
    if (fd >= 0)
        close(fd);
    return err;
}

static enum err sync_file(const char *path, struct errinfo *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err = fd >= 0 && fsync(fd) == 0 ? ERR_OK : os_failed(path, e);
    if (fd >= 0)
        close(fd);
    return err;
}

/* --- copying -----------------------------------------------------------------------------------
 */
static enum err open_file(const char *path, int flags, sqlite3 **db, struct errinfo *e)
{
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return db_failed(*db, rc, path, e);
    sqlite3_busy_timeout(*db, STORE_LOCK_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    return ERR_OK;
}

/* All pages in one step, as one reader sees them: who writes meanwhile is not held up. */
static int copy_pages(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (b == NULL)
        return sqlite3_errcode(to);
    int rc = sqlite3_backup_step(b, -1);
    for (int left = STORE_LOCK_MS / 10; (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && left > 0;
         left--) {
        sqlite3_sleep(10);
        rc = sqlite3_backup_step(b, -1);
    }
    int finished = sqlite3_backup_finish(b);
    return rc == SQLITE_DONE ? finished : rc;
}

/* One text or number of one row; the values of a caller that is no job. */
static enum err ask(sqlite3 *db, const char *path, const char *sql, const char *arg,
                    struct buf *text, int64_t *number, struct errinfo *e)
{
    sqlite3_stmt *made = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &made, NULL);
    if (rc == SQLITE_OK && arg)
        rc = sqlite3_bind_text(made, 1, arg, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(made);
    if (rc == SQLITE_ROW && text)
        buf_addz(text, (const char *)sqlite3_column_text(made, 0));
    if (rc == SQLITE_ROW && number)
        *number = sqlite3_column_int64(made, 0);
    enum err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : db_failed(db, rc, path, e);
    sqlite3_finalize(made);
    return err;
}

static enum err check(sqlite3 *db, const char *path, struct errinfo *e)
{
    AUTO_BUF said = BUF_INIT(KIB(64));
    enum err err = ask(db, path, "PRAGMA integrity_check(1)", NULL, &said, NULL, e);
    if (err == ERR_OK && !str_eqz(buf_str(&said), "ok"))
        return errinfo_set(e, ERR_IO, "%s is damaged: %s", path, buf_cstr(&said));
    return err;
}

/* A whole file without a log beside it. */
static enum err copy_open(sqlite3 *from, const char *path, sqlite3 *to, const char *copy,
                          struct errinfo *e)
{
    int rc = copy_pages(from, to);
    if (rc != SQLITE_OK)
        return db_failed(NULL, rc, path, e);
    enum err err = ask(to, copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL, e);
    return err ? err : check(to, path, e); /* what is wrong with it was wrong before */
}

static enum err copy_file(const char *path, const char *copy, struct errinfo *e)
{
    sqlite3 *from = NULL, *to = NULL;
    if (access(path, R_OK) != 0)
        return os_failed(path, e);
    int fd = open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return os_failed(copy, e);
    close(fd);
    enum err err = open_file(path, SQLITE_OPEN_READWRITE, &from, e);
    if (err == ERR_OK)
        err = open_file(copy, SQLITE_OPEN_READWRITE, &to, e);
    if (err == ERR_OK)
        err = copy_open(from, path, to, copy, e);
    sqlite3_close(from);
    sqlite3_close(to);
    return err ? err : sync_file(copy, e);
}

enum err store_backup(const char *path, const char *to, struct errinfo *e)
{
    char end[32];
    AUTO_BUF copy = BUF_INIT(PATH_BYTES);
    snprintf(end, sizeof end, ".new.%d", (int)getpid());
    if (access(to, F_OK) == 0)
        return errinfo_set(e, ERR_CONFLICT, "%s: is there already", to);
    enum err err = name_it(&copy, to, end, e);
    if (err != ERR_OK)
        return err;
    err = copy_file(path, buf_cstr(&copy), e);
    if (err == ERR_OK && link(buf_cstr(&copy), to) != 0) /* never over another */
        err = os_failed(to, e);
    unlink(buf_cstr(&copy));
    return err ? err : sync_folder(to, e);
}

/* --- putting one back --------------------------------------------------------------------------
 */
static enum err knows_steps(const char *copy, const char *from, const char *room, size_t known,
                            struct errinfo *e)
{
    sqlite3 *db = NULL;
    int64_t tables = 0, steps = 0;
    enum err err = open_file(copy, SQLITE_OPEN_READONLY, &db, e);
    if (err == ERR_OK)
        err = ask(db, from, "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'", NULL,
                  NULL, &tables, e);
    if (err == ERR_OK && tables == 1)
        err = ask(db, from, "SELECT max(number) FROM migration WHERE room = $1", room, NULL, &steps,
                  e);
    sqlite3_close(db);
    if (err == ERR_OK && steps < 1)
        return errinfo_set(e, ERR_INVALID, "%s is no backup: it has no tables of %s", from, room);
    if (err == ERR_OK && steps > (int64_t)known)
        return errinfo_set(e, ERR_UNSUPPORTED,
                           "%s: a newer release wrote it (%s: step %lld, this one knows %zu)", from,
                           room, (long long)steps, known);
    return err;
}

/* root puts it back for the daemon's user, whose folder it is. */
static enum err give_away(const char *path, int lock, const char *copy, struct errinfo *e)
{
    struct stat st;
    AUTO_BUF folder = BUF_INIT(PATH_BYTES);
    size_t slash = str_rchr(str_c(path), '/');
    buf_add(&folder, slash == SIZE_MAX ? STR(".") : str_sub(str_c(path), 0, slash ? slash : 1));
    if (geteuid() != 0)
        return ERR_OK;
    if (folder.err || stat(buf_cstr(&folder), &st) != 0 || fchown(lock, st.st_uid, st.st_gid) ||
        chown(copy, st.st_uid, st.st_gid))
        return os_failed(buf_cstr(&folder), e);
    return ERR_OK;
}

/* What was there keeps a name, with its log, which must not be taken for that of the copy. */
static enum err set_aside(const char *path, struct buf *kept, struct errinfo *e)
{
    char end[48];
    AUTO_BUF log = BUF_INIT(PATH_BYTES);
    AUTO_BUF its_log = BUF_INIT(PATH_BYTES);
    AUTO_BUF index = BUF_INIT(PATH_BYTES);
    if (access(path, F_OK) != 0)
        return ERR_OK;
    snprintf(end, sizeof end, ".before-%lld", (long long)(clock_wall_us(&clock_system) / 1000));
    enum err err = name_it(kept, path, end, e);
    if (err == ERR_OK)
        err = name_it(&log, path, "-wal", e);
    if (err == ERR_OK)
        err = name_it(&its_log, buf_cstr(kept), "-wal", e);
    if (err == ERR_OK)
        err = name_it(&index, path, "-shm", e);
    if (err != ERR_OK)
        return err;
    if (link(path, buf_cstr(kept)) != 0)
        return os_failed(buf_cstr(kept), e);
    if (rename(buf_cstr(&log), buf_cstr(&its_log)) != 0 && errno != ENOENT)
        return os_failed(buf_cstr(&its_log), e);
    unlink(buf_cstr(&index)); /* made anew from the log */
    return ERR_OK;
}

static enum err restore_locked(const char *from, const char *path, int lock, const char *room,
                               size_t known, struct buf *kept, struct errinfo *e)
{
    AUTO_BUF copy = BUF_INIT(PATH_BYTES);
    enum err err = name_it(&copy, path, ".new", e);
    if (err != ERR_OK)
        return err;
    unlink(buf_cstr(&copy)); /* of one that was cut off: the lock is ours */
    err = copy_file(from, buf_cstr(&copy), e);
    if (err == ERR_OK)
        err = knows_steps(buf_cstr(&copy), from, room, known, e);
    if (err == ERR_OK)
        err = give_away(path, lock, buf_cstr(&copy), e);
    if (err == ERR_OK)
        err = set_aside(path, kept, e);
    if (err == ERR_OK && rename(buf_cstr(&copy), path) != 0)
        err = os_failed(path, e);
    if (err != ERR_OK)
        unlink(buf_cstr(&copy));
    return err ? err : sync_folder(path, e);
}

enum err store_restore(const char *from, const char *path, const char *room, size_t known,
                       struct buf *kept, struct errinfo *e)
{
    int lock = -1;
    enum err err = store__lock_out(path, &lock, e);
    if (err == ERR_BUSY)
        err = errinfo_set(e, ERR_BUSY, "%s: a daemon has it open; stop it first", path);
    if (err == ERR_OK)
        err = restore_locked(from, path, lock, room, known, kept, e);
    if (lock >= 0)
        close(lock);
    return err;
}
