/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stored hash says, and whether a password is the one. Invariant: nothing is computed whose
 * cost is not bounded first, by the configuration or by our limits, whoever wrote the hash. */
#include "password_int.h"

#include "base/crypt.h"
#include "base/kdf.h"

#define ARGON2_SALT 16 /* of hashes that we make */
#define ARGON2_HASH 32

enum kind { UNREADABLE, BCRYPT, ARGON2, FIREBASE };
struct bytes {
    unsigned char p[LIMIT_PASSWORD_HASH_PART];
    size_t n;
};
struct hash {
    enum kind kind;
    struct str text;
    unsigned cost;            /* BCRYPT: of the exponent */
    struct kdf_argon2 argon2; /* ARGON2 */
    unsigned log_n, blocks;   /* FIREBASE: "mem cost" and "rounds" */
    struct bytes salt, hash;  /* the latter two */
};

static bool read_number(struct str s, uint32_t *out)
{
    uint64_t n;
    if (s.n == 0 || s.n > 10 || (s.n > 1 && s.p[0] == '0') || !str_u64(s, &n) || n > UINT32_MAX)
        return false;
    *out = (uint32_t)n;
    return true;
}

/* "name=1234": a number of that name. */
static bool read_named(struct str s, struct str name, uint32_t *out)
{
    return str_starts(s, name) && read_number(str_from(s, name.n), out);
}

/* base64 with all its padding, or (Argon2) with none. */
static enum err read_base64(struct str s, bool padded, struct bytes *out)
{
    AUTO_BUF text = BUF_INIT(2 * LIMIT_PASSWORD_HASH_PART);
    AUTO_BUF bytes = BUF_INIT(LIMIT_PASSWORD_HASH_PART + 3);
    if (!padded && str_chr(s, '=', 0) != SIZE_MAX)
        return ERR_INVALID;
    buf_add(&text, s);
    while (!padded && text.err == ERR_OK && text.n % 4 != 0)
        buf_addc(&text, '=');
    enum err err = text.err;
    if (err == ERR_OK)
        err = crypt_base64_decode(&bytes, buf_str(&text));
    if (err == ERR_OK && (bytes.n == 0 || bytes.n > sizeof out->p))
        err = ERR_INVALID;
    if (err == ERR_OK) {
        memcpy(out->p, bytes.p, bytes.n);
        out->n = bytes.n;
    }
    return err == ERR_OK || err == ERR_NOMEM ? err : ERR_INVALID;
}

/* $2a$11$ and 53 letters; $2b, $2x and $2y are the same to us. */
static enum err read_bcrypt(struct str s, struct hash *h)
{
    if (s.n != KDF_BCRYPT_TEXT || !str_starts(s, STR("$2")) ||
        str_chr(STR("abxy"), s.p[2], 0) == SIZE_MAX || s.p[3] != '$' || s.p[6] != '$')
        return ERR_INVALID;
    for (size_t i = 7; i < s.n; i++) {
        char c = s.p[i];
        if (!(c == '.' || c == '/' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z')))
            return ERR_INVALID;
    }
    uint64_t cost;
    if (!str_u64(str_sub(s, 4, 2), &cost) || cost < KDF_BCRYPT_COST_MIN ||
        cost > KDF_BCRYPT_COST_MAX)
        return ERR_INVALID;
    h->kind = BCRYPT;
    h->cost = (unsigned)cost;
    return ERR_OK;
}

/* $argon2id$v=19$m=87795,t=1,p=2$salt$hash; without v= it is version 16. */
static enum err read_argon2(struct str s, struct hash *h)
{
    struct str rest, type = str_cut(str_from(s, 1), '$', &rest);
    h->argon2 = (struct kdf_argon2){.version = 16};
    if (str_eqz(type, "argon2id"))
        h->argon2.type = KDF_ARGON2ID;
    else if (str_eqz(type, "argon2i"))
        h->argon2.type = KDF_ARGON2I;
    else if (str_eqz(type, "argon2d"))
        h->argon2.type = KDF_ARGON2D;
    else
        return ERR_INVALID;
    struct str part = str_cut(rest, '$', &rest);
    if (str_starts(part, STR("v="))) {
        uint32_t version;
        if (!read_number(str_from(part, 2), &version) || (version != 16 && version != 19))
            return ERR_INVALID;
        h->argon2.version = version;
        part = str_cut(rest, '$', &rest);
    }
    struct str more, m = str_cut(part, ',', &more), t = str_cut(more, ',', &more);
    struct str salt = str_cut(rest, '$', &rest);
    if (!read_named(m, STR("m="), &h->argon2.memory_kib) ||
        !read_named(t, STR("t="), &h->argon2.passes) ||
        !read_named(more, STR("p="), &h->argon2.lanes) || h->argon2.lanes == 0 ||
        h->argon2.passes == 0 || h->argon2.memory_kib / 8 < h->argon2.lanes)
        return ERR_INVALID;
    enum err err = read_base64(salt, false, &h->salt);
    if (err == ERR_OK)
        err = read_base64(rest, false, &h->hash);
    if (err == ERR_OK && (h->salt.n < 8 || h->hash.n < 4))
        err = ERR_INVALID;
    h->kind = err == ERR_OK ? ARGON2 : UNREADABLE;
    return err;
}

/* $f_scrypt$<hash>$<salt>$m=14$r=8$s=<separator>, the last three in any order: as SuperTokens core
 * keeps what Firebase exports. The separator goes behind the salt. */
static enum err read_firebase(struct str s, struct hash *h)
{
    struct str rest = str_from(s, strlen("$f_scrypt$"));
    struct str hash = str_cut(rest, '$', &rest), salt = str_cut(rest, '$', &rest);
    struct bytes separator = {.n = 0};
    h->log_n = h->blocks = 0;
    enum err err = read_base64(hash, true, &h->hash);
    if (err == ERR_OK)
        err = read_base64(salt, true, &h->salt);
    for (int i = 0; i < 3 && err == ERR_OK; i++) {
        struct str part = str_cut(rest, '$', &rest);
        if (h->log_n == 0 && read_named(part, STR("m="), &h->log_n))
            continue;
        if (h->blocks == 0 && read_named(part, STR("r="), &h->blocks))
            continue;
        err = separator.n == 0 && str_starts(part, STR("s="))
                  ? read_base64(str_from(part, 2), true, &separator)
                  : ERR_INVALID;
    }
    if (err == ERR_OK && (rest.p || h->log_n == 0 || h->blocks == 0 || separator.n == 0 ||
                          h->salt.n + separator.n > sizeof h->salt.p))
        err = ERR_INVALID;
    if (err != ERR_OK)
        return err;
    memcpy(h->salt.p + h->salt.n, separator.p, separator.n);
    h->salt.n += separator.n;
    h->kind = FIREBASE;
    return ERR_OK;
}

/* ERR_INVALID: no hash of a kind that we know. */
static enum err read_hash(struct str s, struct hash *h)
{
    h->kind = UNREADABLE;
    h->text = s;
    if (str_starts(s, STR("$argon2")))
        return read_argon2(s, h);
    if (str_starts(s, STR("$f_scrypt$")))
        return read_firebase(s, h);
    return read_bcrypt(s, h);
}

static uint64_t larger(uint64_t limit, int64_t configured)
{
    return configured > 0 && (uint64_t)configured > limit ? (uint64_t)configured : limit;
}

/* Within our limits, or those of the configuration when it asks for more. */
static bool is_affordable(const struct core_config *g, const struct hash *h)
{
    switch (h->kind) {
    case BCRYPT:
        return h->cost <= larger(LIMIT_BCRYPT_ROUNDS, g->bcrypt_rounds);
    case ARGON2: {
        uint64_t memory = larger(LIMIT_ARGON2_MEMORY_KIB, g->argon2_memory_kib);
        uint64_t work = larger(LIMIT_ARGON2_WORK_KIB, g->argon2_memory_kib * g->argon2_iterations);
        return h->argon2.memory_kib <= memory &&
               (uint64_t)h->argon2.memory_kib * h->argon2.passes <= work &&
               h->argon2.lanes <= larger(LIMIT_ARGON2_LANES, g->argon2_parallelism);
    }
    case FIREBASE:
        return h->log_n < 32 && h->blocks <= LIMIT_SCRYPT_MEMORY >> 7 &&
               (UINT64_C(128) << h->log_n) * h->blocks <= LIMIT_SCRYPT_MEMORY;
    case UNREADABLE:
        break;
    }
    return false;
}

static struct kdf_argon2 configured_argon2(const struct core_config *g)
{
    return (struct kdf_argon2){KDF_ARGON2ID, 19, (uint32_t)g->argon2_memory_kib,
                               (uint32_t)g->argon2_iterations, (uint32_t)g->argon2_parallelism};
}

static enum err hash_bcrypt(struct arena *a, const struct core_config *g, struct str password,
                            struct str *out)
{
    unsigned char salt[KDF_BCRYPT_SALT];
    char setting[KDF_BCRYPT_SETTING + 1], text[KDF_BCRYPT_TEXT + 1];
    enum err err = crypt_random(salt, sizeof salt);
    if (err == ERR_OK)
        err = kdf_bcrypt_setting((unsigned)g->bcrypt_rounds, salt, setting);
    if (err == ERR_OK)
        err = kdf_bcrypt(password, str_c(setting), text);
    if (err != ERR_OK)
        return err;
    text[2] = 'a'; /* the name that the core gives to what others call $2y */
    *out = arena_str(a, str_c(text));
    return out->p ? ERR_OK : arena_err(a);
}

static struct str without_padding(const struct buf *b)
{
    struct str s = buf_str(b);
    while (s.n > 0 && s.p[s.n - 1] == '=')
        s.n--;
    return s;
}

static enum err hash_argon2(struct arena *a, const struct core_config *g, struct str password,
                            struct str *out)
{
    const struct kdf_argon2 k = configured_argon2(g);
    unsigned char salt[ARGON2_SALT], hash[ARGON2_HASH];
    enum err err = crypt_random(salt, sizeof salt);
    if (err == ERR_OK)
        err = kdf_argon2(&k, password, str_of(salt, sizeof salt), hash, sizeof hash);
    if (err != ERR_OK)
        return err;
    AUTO_BUF salts = BUF_INIT(64);
    AUTO_BUF hashes = BUF_INIT(64);
    crypt_base64(&salts, str_of(salt, sizeof salt));
    crypt_base64(&hashes, str_of(hash, sizeof hash));
    if (salts.err != ERR_OK || hashes.err != ERR_OK)
        return salts.err != ERR_OK ? salts.err : hashes.err;
    *out =
        arena_fmt(a, "$argon2id$v=%u$m=%u,t=%u,p=%u$%.*s$%.*s", k.version, k.memory_kib, k.passes,
                  k.lanes, STR_ARG(without_padding(&salts)), STR_ARG(without_padding(&hashes)));
    return out->p ? ERR_OK : arena_err(a);
}

enum err password_hash(struct arena *a, const struct core_config *g, struct str password,
                       struct str *out)
{
    *out = STR_NONE;
    if (password.n > LIMIT_PASSWORD)
        return ERR_LIMIT;
    if (str_chr(password, '\0', 0) != SIZE_MAX)
        return ERR_INVALID;
    return g->password_alg == PASSWORD_ARGON2 ? hash_argon2(a, g, password, out)
                                              : hash_bcrypt(a, g, password, out);
}

/* As long as a hash of the present configuration takes, for nothing. */
static enum err spend(const struct core_config *g, struct str password)
{
    static const unsigned char salt[ARGON2_SALT];
    unsigned char hash[ARGON2_HASH];
    char setting[KDF_BCRYPT_SETTING + 1], text[KDF_BCRYPT_TEXT + 1];
    const struct kdf_argon2 k = configured_argon2(g);
    enum err err;
    if (password.n > LIMIT_PASSWORD || str_chr(password, '\0', 0) != SIZE_MAX)
        password = STR_NONE;
    if (g->password_alg == PASSWORD_ARGON2) {
        err = kdf_argon2(&k, password, str_of(salt, sizeof salt), hash, sizeof hash);
    } else {
        err = kdf_bcrypt_setting((unsigned)g->bcrypt_rounds, salt, setting);
        if (err == ERR_OK)
            err = kdf_bcrypt(password, str_c(setting), text);
    }
    return err == ERR_OK ? ERR_DENIED : err;
}

static enum err verify_bcrypt(struct str password, const struct hash *h)
{
    char setting[KDF_BCRYPT_SETTING + 1], text[KDF_BCRYPT_TEXT + 1];
    memcpy(setting, h->text.p, KDF_BCRYPT_SETTING);
    /* libxcrypt's $2a hardens some passwords, its $2x repeats an old bug: the core means $2y. */
    setting[2] = 'y';
    enum err err = kdf_bcrypt(password, str_of(setting, KDF_BCRYPT_SETTING), text);
    if (err != ERR_OK)
        return err;
    return crypt_equal(str_from(str_of(text, KDF_BCRYPT_TEXT), KDF_BCRYPT_SETTING),
                       str_from(h->text, KDF_BCRYPT_SETTING))
               ? ERR_OK
               : ERR_DENIED;
}

static enum err verify_argon2(struct str password, const struct hash *h)
{
    unsigned char out[LIMIT_PASSWORD_HASH_PART];
    enum err err = kdf_argon2(&h->argon2, password, str_of(h->salt.p, h->salt.n), out, h->hash.n);
    if (err == ERR_OK && !crypt_equal(str_of(out, h->hash.n), str_of(h->hash.p, h->hash.n)))
        err = ERR_DENIED;
    crypt_cleanse(out, sizeof out);
    return err;
}

static enum err verify_firebase(const struct core_config *g, struct str password,
                                const struct hash *h)
{
    unsigned char out[LIMIT_PASSWORD_HASH_PART];
    struct bytes signer;
    enum err err = read_base64(g->firebase_signer_key, true, &signer);
    if (err == ERR_OK && signer.n != h->hash.n)
        err = ERR_INVALID;
    if (err == ERR_OK)
        err = kdf_firebase(password, str_of(h->salt.p, h->salt.n), UINT64_C(1) << h->log_n,
                           h->blocks, str_of(signer.p, signer.n), out);
    if (err == ERR_OK && !crypt_equal(str_of(out, h->hash.n), str_of(h->hash.p, h->hash.n)))
        err = ERR_DENIED;
    crypt_cleanse(out, sizeof out);
    crypt_cleanse(&signer, sizeof signer);
    return err;
}

enum err password_verify(const struct core_config *g, struct str password, struct str hash)
{
    struct hash h;
    enum err err = read_hash(hash, &h);
    if (err == ERR_OK && (password.n > LIMIT_PASSWORD || !is_affordable(g, &h) ||
                          str_chr(password, '\0', 0) != SIZE_MAX))
        err = ERR_INVALID;
    if (err == ERR_OK)
        err = h.kind == BCRYPT   ? verify_bcrypt(password, &h)
              : h.kind == ARGON2 ? verify_argon2(password, &h)
                                 : verify_firebase(g, password, &h);
    return err == ERR_INVALID ? spend(g, password) : err;
}

bool password_is_dated(const struct core_config *g, struct str hash)
{
    struct hash h;
    if (read_hash(hash, &h) != ERR_OK)
        return false;
    if (g->password_alg == PASSWORD_BCRYPT)
        return h.kind != BCRYPT || h.cost < (uint64_t)g->bcrypt_rounds;
    const struct kdf_argon2 k = configured_argon2(g);
    return h.kind != ARGON2 || h.argon2.type != k.type || h.argon2.version < k.version ||
           h.argon2.memory_kib < k.memory_kib || h.argon2.passes < k.passes;
}

/* The core's names, in whatever letters, and how its messages spell them. */
static const struct {
    const char *name, *words;
    enum kind kind;
} algs[] = {
    {"", "", UNREADABLE},
    {"BCRYPT", "BCrypt ", BCRYPT},
    {"ARGON2", "Argon2 ", ARGON2},
    {"FIREBASE_SCRYPT", "Firebase SCrypt ", FIREBASE},
};

enum err password_check_import(const struct core_config *g, struct str alg, struct str hash,
                               struct errinfo *e)
{
    struct hash h;
    size_t i = 0;
    while (i < COUNTOF(algs) && !str_ieq(alg, str_c(algs[i].name)))
        i++;
    if (i == COUNTOF(algs))
        return errinfo_set(e, ERR_UNSUPPORTED, "Unsupported password hashing algorithm");
    enum err err = read_hash(hash, &h);
    if (err == ERR_NOMEM)
        return errinfo_set(e, err, "%s", err_text(err));
    if (g->firebase_signer_key.n == 0 && (algs[i].kind == FIREBASE || h.kind == FIREBASE))
        return errinfo_set(e, ERR_UNAVAILABLE,
                           "'firebase_password_hashing_signer_key' cannot be null");
    if (err != ERR_OK || (algs[i].kind != UNREADABLE && algs[i].kind != h.kind))
        return errinfo_set(e, ERR_INVALID, "Password hash is in invalid %sformat", algs[i].words);
    if (!is_affordable(g, &h))
        return errinfo_set(e, ERR_INVALID, "Password hash costs too much to verify");
    return ERR_OK;
}
