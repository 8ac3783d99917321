/* SPDX-License-Identifier: Apache-2.0
 *
 * keys: the signing keys in a JWKS file: what they are, their public part, and the next one; or,
 * without a file, those of an app of the identity core (verb_keys_core.c). A file is replaced as a
 * whole, mode 0600, under a lock, so that a reader sees the old keys or the new ones and two
 * rotations at once lose nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "file.h"
#include "jose/rotation.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"overlap", 0, OPTION_VALUE, false, "1h", "TIME",
     "rotate: how long the old key still verifies: 90s, 15m, 8h, 30d"},
    {"ahead", 0, OPTION_VALUE, false, "0s", "TIME",
     "rotate: publish the new key this long before it signs"},
    {"keep", 0, OPTION_VALUE, false, "30d", "TIME", "rotate: how long a retired key stays listed"},
    {"alg", 0, OPTION_VALUE, false, NULL, "ALG",
     "rotate: of the new key [that of the old one, else RS256]"},
    {"public", 0, OPTION_FLAG, false, NULL, NULL,
     "show: the JWKS to publish, without private members"},
    {"json", 0, OPTION_FLAG, false, NULL, NULL, "as JSON"},
    {"app", 0, OPTION_VALUE, false, NULL, "APP",
     "without FILE: an app of the identity core [public]"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR",
     "without FILE: the daemon's state directory [.ropeline]"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

static int64_t now_seconds(void)
{
    return clock_wall_us(&clock_system) / 1000000;
}

static int fail(const char *path, enum err err, const char *words)
{
    fprintf(stderr, "ropeline: %s: %s\n", path,
            err == ERR_IO       ? strerror(errno)
            : words && words[0] ? words
                                : err_text(err));
    return 1;
}

static enum err read_keys(struct arena *a, const char *path, struct jwks **out, struct errinfo *e)
{
    struct str text;
    enum err err = file_read(a, path, LIMIT_JWKS_BYTES, &text);
    return err ? err : jwks_parse(text, JWK_OWN, out, e);
}

/* ---- list, show ---- */

static const char *alg_name(const struct jwk *k)
{
    for (size_t i = 0; i < JWS_COUNT; i++)
        if (k->algs == JWS_BIT(i))
            return jws_algs[i].name;
    return k->type == JWK_RSA ? "RS*, PS*" : "HS*";
}

static void time_words(int64_t at, char out[TIME_TEXT])
{
    if (at == JWK_NO_TIME)
        memcpy(out, "-", 2);
    else
        time_rfc3339(at * 1000000, out);
}

static void print_row(const struct jwk *k, int64_t now_s)
{
    char created[TIME_TEXT], retires[TIME_TEXT], bits[16];
    enum jwk_status status = jwk_status_at(k, now_s);
    AUTO_BUF kid = BUF_INIT(KIB(1));
    buf_add(&kid, k->has_kid ? k->kid : STR("(no kid)"));
    buf_printable(&kid, 0);
    time_words(k->created_s, created);
    time_words(k->retires_s, retires);
    snprintf(bits, sizeof bits, "%u", k->bits);
    printf("%-44s %-8s %5s %-8s %-8s %-25s %s\n", buf_cstr(&kid), alg_name(k), bits,
           k->has_private ? "private" : "public", jwk_status_name(status), created, retires);
}

static void add_time(struct buf *out, const char *name, int64_t at)
{
    if (at == JWK_NO_TIME)
        buf_addf(out, ",\"%s\":null", name);
    else
        buf_addf(out, ",\"%s\":%lld", name, (long long)at);
}

static void add_row(struct buf *out, const struct jwk *k, int64_t now_s)
{
    buf_addz(out, "{\"kid\":");
    if (k->has_kid)
        json_write_str(out, k->kid);
    else
        buf_addz(out, "null");
    buf_addf(out, ",\"alg\":\"%s\",\"bits\":%u,\"private\":%s,\"status\":\"%s\"", alg_name(k),
             k->bits, k->has_private ? "true" : "false", jwk_status_name(jwk_status_at(k, now_s)));
    add_time(out, "created", k->created_s);
    add_time(out, "retires", k->retires_s);
    buf_addc(out, '}');
}

static int list(const struct options *o, const struct jwks *keys)
{
    int64_t now_s = now_seconds();
    AUTO_BUF out = BUF_INIT(MIB(4));
    if (!option_is(o, "json")) {
        printf("%-44s %-8s %5s %-8s %-8s %-25s %s\n", "KID", "ALG", "BITS", "HAS", "STATUS",
               "CREATED", "RETIRES");
        for (size_t i = 0; i < keys->n; i++)
            print_row(keys->keys[i], now_s);
        return 0;
    }
    buf_addz(&out, "{\"keys\":[");
    for (size_t i = 0; i < keys->n; i++) {
        buf_addz(&out, i ? "," : "");
        add_row(&out, keys->keys[i], now_s);
    }
    buf_addz(&out, "]}");
    puts(buf_cstr(&out));
    return out.err ? 1 : 0;
}

/* What others need in order to verify: no private member, and no key that is retired. */
static int show_public(const char *path, const struct jwks *keys)
{
    struct jwk *kept[LIMIT_JWKS_KEYS];
    size_t n = 0;
    struct jwks *set = NULL;
    struct errinfo e = {0};
    for (size_t i = 0; i < keys->n; i++)
        if (jwk_status_at(keys->keys[i], now_seconds()) != JWK_RETIRED)
            kept[n++] = keys->keys[i];
    enum err err = jwks_new(kept, n, &set, &e);
    AUTO_BUF out = BUF_INIT(MIB(1));
    if (err == ERR_OK) {
        jwks_write(&out, set, false);
        err = out.err;
    }
    jwks_unref(set);
    if (err == ERR_DENIED)
        return fail(path, err, "secrets have no public form");
    if (err != ERR_OK)
        return fail(path, err, e.text);
    puts(buf_cstr(&out));
    return 0;
}

/* ---- rotate ---- */

/* Its folder, locked until the descriptor is closed; -1 with errno. */
static int lock_folder(const char *path)
{
    char folder[4096];
    struct str whole = str_c(path);
    size_t slash = str_rchr(whole, '/');
    struct str parent = slash == SIZE_MAX ? STR(".") : str_sub(whole, 0, slash ? slash : 1);
    if (parent.n >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, parent.p, parent.n);
    folder[parent.n] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static const struct jws_alg *choose_alg(const struct options *o, const struct jwks *keys)
{
    const char *asked = option_get(o, "alg");
    if (asked)
        return jws_alg_named(str_c(asked));
    const struct jwk *signer = keys ? rotation_signer(keys, now_seconds()) : NULL;
    for (size_t i = 0; signer && i < JWS_COUNT; i++)
        if (signer->algs & JWS_BIT(i))
            return &jws_algs[i];
    return &jws_algs[JWS_RS256];
}

static enum err write_keys(const char *path, const struct jwks *keys)
{
    AUTO_BUF out = BUF_INIT(MIB(4));
    jwks_write(&out, keys, true);
    buf_addc(&out, '\n');
    return out.err ? out.err : file_write(path, buf_str(&out), 0600);
}

/* With the folder locked. */
static int rotate_locked(const struct options *o, const char *path, const struct rotation_policy *p)
{
    struct jwks *keys = NULL, *next = NULL;
    struct jwk *fresh = NULL;
    struct errinfo e = {0};
    struct stat st;
    int code = 1;
    struct arena *a = arena_new(KIB(16), MIB(4));
    enum err err = a ? read_keys(a, path, &keys, &e) : ERR_NOMEM;
    if (err == ERR_IO && errno == ENOENT)
        err = ERR_OK; /* the first key */
    else if (err == ERR_OK && keys && stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        fprintf(stderr, "ropeline: warning: others could read %s; it is written 0600 now\n", path);
    const struct jws_alg *alg = err ? NULL : choose_alg(o, keys);
    if (err == ERR_OK && alg == NULL)
        err = errinfo_set(&e, ERR_INVALID, "no such algorithm: %s", option_get(o, "alg"));
    int64_t now_s = now_seconds();
    struct jwk_about about = {.created_s = now_s + p->ahead_s};
    if (err == ERR_OK)
        err = jwk_generate(alg, &about, &fresh);
    if (err == ERR_OK)
        err = rotation_step(keys, fresh, now_s, p, &next, NULL, &e);
    if (err == ERR_OK)
        err = write_keys(path, next);
    code = err ? fail(path, err, e.text) : list(o, next);
    jwk_unref(fresh);
    jwks_unref(keys);
    jwks_unref(next);
    arena_free(a);
    return code;
}

static int rotate(const struct options *o, const char *path)
{
    struct rotation_policy p = {0};
    if (!option_seconds(o, "overlap", &p.overlap_s) || !option_seconds(o, "ahead", &p.ahead_s) ||
        !option_seconds(o, "keep", &p.keep_s))
        return 2;
    int fd = lock_folder(path);
    if (fd < 0)
        return fail(path, ERR_IO, NULL);
    int code = rotate_locked(o, path, &p);
    close(fd);
    return code;
}

static int help(FILE *to)
{
    fprintf(to, "usage: ropeline keys list FILE [--json]\n"
                "       ropeline keys show FILE --public\n"
                "       ropeline keys rotate FILE [--overlap 1h] [--ahead 0s] [--alg ALG]\n"
                "       ropeline keys list|rotate [--app APP] [--json] [--state DIR]\n\n"
                "FILE is a JWKS with private keys; rotate makes it where there is none.\n"
                "Without FILE: the keys of the identity core in a running daemon.\n\n");
    if (to == stdout)
        options_help(rows, COUNTOF(rows));
    return to == stdout ? 0 : 2;
}

int verb_keys(int argc, char **argv)
{
    static struct options o;
    struct jwks *keys = NULL;
    struct errinfo e = {0};
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help"))
        return help(stdout);
    struct str verb = str_c(o.positionals > 0 ? o.positional[0] : NULL);
    bool listed = str_eqz(verb, "list") || str_eqz(verb, "rotate");
    if (o.positionals == 1 && listed)
        return keys_of_core(&o, verb);
    if (o.positionals != 2)
        return help(stderr);
    const char *path = o.positional[1];
    if (str_eqz(verb, "rotate"))
        return rotate(&o, path);
    bool show = str_eqz(verb, "show") && option_is(&o, "public");
    if (!show && !str_eqz(verb, "list"))
        return help(stderr);
    struct arena *a = arena_new(KIB(16), MIB(4));
    enum err err = a ? read_keys(a, path, &keys, &e) : ERR_NOMEM;
    int code = err ? fail(path, err, e.text) : show ? show_public(path, keys) : list(&o, keys);
    jwks_unref(keys);
    arena_free(a);
    return code;
}
