/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading certificates and keys. A key is in memory only while it is being read and inside OpenSSL;
 * what is wrong with one is said with its place in ropeline.yaml. */
#include "certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "file.h"

static void complain(const struct config_tls *t, const char *fmt, ...) PRINTF(2, 3);
static void complain(const struct config_tls *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (t->line)
        fprintf(stderr, "%s:%u:%u: error: ", t->file, t->line, t->col);
    else
        fprintf(stderr, "ropeline: ");
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

/* --- opening -----------------------------------------------------------------------------------
 */
static int open_one(const struct config_tls *t, const char *path, bool quiet)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        fd = -1;
    }
    if (fd < 0 && !quiet)
        complain(t, "%s cannot be read: %s", path, strerror(errno));
    return fd;
}

/* The one that dev made before, while it is good. */
static bool is_usable(const struct config *c)
{
    struct http_tls *t = certificates_load(c, false);
    AUTO_BUF why = BUF_INIT(KIB(1));
    bool good = t && !http_tls_doubt(t, 0, &why);
    http_tls_unref(t);
    return good;
}

static bool make_own(const struct config_tls *t)
{
    AUTO_BUF certificate = BUF_INIT(KIB(16));
    struct buf key = BUF_INIT(KIB(16));
    enum err err = http_tls_self_signed(&certificate, &key);
    if (err == ERR_OK)
        err = file_write(t->key, buf_str(&key), 0600);
    if (err == ERR_OK)
        err = file_write(t->certificate, buf_str(&certificate), 0600);
    if (err != ERR_OK)
        complain(t, "cannot make a certificate in %s: %s", t->certificate,
                 err == ERR_IO ? strerror(errno) : err_text(err));
    mem_cleanse_free(key.p, key.cap);
    return err == ERR_OK;
}

static void close_all(struct config *c)
{
    for (size_t i = 0; i < c->tls_count; i++)
        for (size_t k = 0; k < COUNTOF(c->tls[i].fds); k++) {
            if (c->tls[i].fds[k] >= 0)
                close(c->tls[i].fds[k]);
            c->tls[i].fds[k] = -1;
        }
}

static bool open_all(struct config *c, bool quiet)
{
    bool good = true;
    for (size_t i = 0; i < c->tls_count; i++) {
        struct config_tls *t = &c->tls[i];
        t->fds[0] = open_one(t, t->certificate, quiet);
        t->fds[1] = open_one(t, t->key, quiet);
        good = good && t->fds[0] >= 0 && t->fds[1] >= 0;
    }
    return good;
}

/* dev: a certificate for localhost that stays the same while it is valid, so that a browser is
 * asked once. */
static bool open_own(struct config *c)
{
    struct config_tls *t = ARENA_NEW(c->arena, struct config_tls);
    if (!t)
        return false;
    char *certificate = arena_cstr(c->arena, arena_fmt(c->arena, "%s/localhost.pem", c->state_dir));
    char *key = arena_cstr(c->arena, arena_fmt(c->arena, "%s/localhost-key.pem", c->state_dir));
    if (!certificate || !key)
        return false;
    *t = (struct config_tls){.domain = STR("localhost"), .certificate = certificate, .key = key};
    c->tls = t;
    c->tls_count = 1;
    if (!open_all(c, true) || !is_usable(c)) {
        close_all(c);
        if (!make_own(t) || !open_all(c, false))
            return false;
    }
    if (!c->quiet)
        printf("ropeline: TLS shows a certificate for localhost that signed itself: clients may "
               "trust %s\n",
               certificate);
    return true;
}

bool certificates_open(struct config *c)
{
    if (c->listen[LISTENER_gateway_tls] == NULL)
        return true;
    return c->dev ? open_own(c) : open_all(c, false);
}

static bool is_hidden(const struct config_tls *t)
{
    const char *const paths[] = {t->certificate, t->key};
    for (size_t i = 0; i < COUNTOF(paths); i++)
        if (access(paths[i], R_OK) != 0 && errno == EACCES) {
            fprintf(stderr, "%s:%u:%u: note: %s is not readable by this user: not judged\n",
                    t->file, t->line, t->col, paths[i]);
            return true;
        }
    return false;
}

bool certificates_judge(struct config *c)
{
    for (size_t i = 0; i < c->tls_count; i++)
        if (is_hidden(&c->tls[i]))
            return true;
    struct http_tls *t =
        c->tls_count > 0 && open_all(c, false) ? certificates_load(c, false) : NULL;
    bool good = c->tls_count == 0 || t;
    http_tls_unref(t);
    close_all(c);
    return good;
}

/* --- reading -----------------------------------------------------------------------------------
 */
/* Also of a descriptor that was read before: a gateway that was brought back shares it. */
static bool read_at(int fd, struct buf *out)
{
    char *to = buf_reserve(out, LIMIT_CERTIFICATE_BYTES);
    while (to && out->n < LIMIT_CERTIFICATE_BYTES) {
        ssize_t n = pread(fd, out->p + out->n, LIMIT_CERTIFICATE_BYTES - out->n, (off_t)out->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        out->n += (size_t)n;
    }
    errno = to ? EFBIG : ENOMEM;
    return false;
}

static bool read_file(const struct config_tls *t, const char *path, int opened, bool again,
                      struct buf *out)
{
    int fd = again ? open_one(t, path, false) : opened;
    bool good = fd >= 0 && read_at(fd, out);
    if (!good && fd >= 0)
        complain(t, "%s cannot be read: %s", path, strerror(errno));
    if (again && fd >= 0)
        close(fd);
    return good;
}

static void say_doubts(const struct config *c, const struct http_tls *t)
{
    for (size_t i = 0; i < c->tls_count; i++) {
        AUTO_BUF doubt = BUF_INIT(KIB(1));
        if (http_tls_doubt(t, i, &doubt))
            fprintf(stderr, "ropeline: warning: the certificate in %s %s\n", c->tls[i].certificate,
                    buf_cstr(&doubt));
    }
}

struct http_tls *certificates_load(const struct config *c, bool again)
{
    struct http_tls_certificate *v = mem_calloc(c->tls_count, sizeof *v);
    struct buf *texts = mem_calloc(2 * c->tls_count, sizeof *texts);
    struct http_tls *made = NULL;
    struct errinfo e = {0};
    bool good = v && texts;
    for (size_t i = 0; good && i < c->tls_count; i++) {
        const struct config_tls *t = &c->tls[i];
        struct buf *b = &texts[2 * i];
        b[0] = b[1] = BUF_INIT(LIMIT_CERTIFICATE_BYTES);
        good = read_file(t, t->certificate, t->fds[0], again, &b[0]) &&
               read_file(t, t->key, t->fds[1], again, &b[1]);
        v[i] = (struct http_tls_certificate){t->domain, buf_str(&b[0]), buf_str(&b[1]),
                                             t->certificate, t->key};
    }
    if (good && http_tls_new(v, c->tls_count, &made, &e) != ERR_OK)
        complain(&c->tls[0], "%s", e.text);
    if (made && c->tls[0].line)
        say_doubts(c, made);
    for (size_t i = 0; texts && i < 2 * c->tls_count; i++)
        mem_cleanse_free(texts[i].p, texts[i].cap);
    mem_free(texts);
    mem_free(v);
    return made;
}
