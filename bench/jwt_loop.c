/* SPDX-License-Identifier: Apache-2.0
 *
 * jwt_loop KIND ALG KEY TOKEN ISS AUD SECONDS: verifies one token (file TOKEN) with one public key
 * (file KEY, PEM) over and over and prints how often it could in a second of CPU.
 * full: our whole check. evp: OpenSSL alone with key and context kept, base64 and signature, no
 * JSON: the limit. garbage: our check on tokens that are none. libjwt: the library, which reads the
 * PEM on each call. sign: makes the token anew, as the identity core does; KEY is a private one.
 * sign_evp: OpenSSL's signature alone, with key and context kept. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "jose/jws.h"
#include "jose/jwt.h"

#define BATCH 64

struct subject {
    const struct jws_alg *alg;
    struct str pem, token, iss, aud;
    struct arena *arena;
    struct jwt_checker checker;
    struct jwks *keys;
    EVP_MD_CTX *hash;
    EVP_PKEY_CTX *pkey;
    const EVP_MD *digest;
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- ours ---- */

static bool start_full(struct subject *s)
{
    struct errinfo e = {0};
    s->checker = (struct jwt_checker){.algs = JWS_BIT(s->alg->id),
                                      .issuers = &s->iss,
                                      .issuers_n = 1,
                                      .audiences = &s->aud,
                                      .audiences_n = 1,
                                      .require_exp = true};
    struct jwk_about about = {.has_kid = true, .kid = STR("bench"), .alg = s->alg};
    struct jwk *k;
    if (jwk_parse_pem(s->pem, JWK_GIVEN, &about, &k, &e) || jwks_new(&k, 1, &s->keys, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return false;
    }
    return true;
}

static bool run_full(struct subject *s)
{
    struct jwt t;
    struct jwt_fault why;
    arena_reset(s->arena);
    enum jwt_reason r =
        jwt_verify(&s->checker, s->keys, s->arena, s->token, wall_seconds(), &t, &why);
    return r == JWT_OK;
}

static bool run_garbage(struct subject *s)
{
    static const struct str garbage[] = {
        STR_INIT("not-a-token"),
        STR_INIT("a.b.c"),
        STR_INIT("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."),
        STR_INIT("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA"),
        STR_INIT("eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSJ9.eyJzdWIiOiJhIn0.AAAA"),
        STR_INIT("................................................................"),
    };
    static size_t at;
    struct jwt t;
    struct jwt_fault why;
    /* Half of them are as long as a good one and are read whole. */
    struct str token =
        at % 2 ? garbage[at / 2 % COUNTOF(garbage)] : str_sub(s->token, 0, s->token.n - 4);
    at++;
    arena_reset(s->arena);
    return jwt_verify(&s->checker, s->keys, s->arena, token, wall_seconds(), &t, &why) != JWT_OK;
}

/* ---- the limit ---- */

static bool start_evp(struct subject *s)
{
    BIO *in = BIO_new_mem_buf(s->pem.p, (int)s->pem.n);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
    BIO_free(in);
    s->digest = s->alg->digest ? EVP_MD_fetch(NULL, s->alg->digest, NULL) : NULL;
    s->hash = EVP_MD_CTX_new();
    s->pkey = EVP_PKEY_CTX_new(key, NULL);
    if (s->digest == NULL)
        return EVP_DigestVerifyInit(s->hash, NULL, NULL, NULL, key) == 1;
    return EVP_PKEY_verify_init(s->pkey) == 1 &&
           EVP_PKEY_CTX_set_signature_md(s->pkey, s->digest) == 1 &&
           (s->alg->family != JWS_PKCS1 ||
            EVP_PKEY_CTX_set_rsa_padding(s->pkey, RSA_PKCS1_PADDING) == 1);
}

static size_t to_der(unsigned char *to, const unsigned char *p, size_t n)
{
    for (; n > 1 && *p == 0; n--)
        p++;
    size_t pad = *p >> 7;
    to[0] = 2;
    to[1] = (unsigned char)(n + pad);
    to[2] = 0;
    memcpy(to + 2 + pad, p, n);
    return 2 + pad + n;
}

static bool run_evp(struct subject *s)
{
    char part[3][KIB(4)];
    unsigned char hash[EVP_MAX_MD_SIZE], der[160];
    unsigned n = 0;
    struct str rest = s->token, next;
    size_t input = 0, length = 0;
    for (int i = 0; i < 3; i++, rest = next) {
        struct str text = str_cut(rest, '.', &next);
        struct buf out = {part[i], 0, sizeof part[i], sizeof part[i], ERR_OK};
        input = (size_t)(text.p - s->token.p) - 1;
        if (crypt_base64url_decode(&out, text) != ERR_OK)
            return false;
        length = out.n;
    }
    const unsigned char *sig = (const unsigned char *)part[2];
    if (s->alg->family == JWS_EDWARDS)
        return EVP_DigestVerify(s->hash, sig, length, (const unsigned char *)s->token.p, input) ==
               1;
    if (s->alg->family == JWS_ECDSA) {
        size_t r = to_der(der + 2, sig, length / 2);
        r += to_der(der + 2 + r, sig + length / 2, length / 2);
        der[0] = 0x30;
        der[1] = (unsigned char)r;
        sig = der;
        length = r + 2;
    }
    return EVP_DigestInit_ex2(s->hash, s->digest, NULL) == 1 &&
           EVP_DigestUpdate(s->hash, s->token.p, input) == 1 &&
           EVP_DigestFinal_ex(s->hash, hash, &n) == 1 &&
           EVP_PKEY_verify(s->pkey, sig, length, hash, n) == 1;
}

/* ---- signing ---- */

static struct jwk *private_key;

static bool start_sign(struct subject *s)
{
    struct jwk_about about = {.has_kid = true, .kid = STR("d-1700000000000"), .alg = s->alg};
    struct errinfo e = {0};
    return jwk_parse_pem(s->pem, JWK_OWN, &about, &private_key, &e) == ERR_OK;
}

static bool run_sign(struct subject *s)
{
    static const char header[] =
        "{\"kid\":\"d-1700000000000\",\"typ\":\"JWT\",\"version\":\"5\",\"alg\":\"RS256\"}";
    AUTO_BUF out = BUF_INIT(LIMIT_JWT_BYTES), payload = BUF_INIT(LIMIT_JWT_BYTES);
    struct str rest, claims;
    (void)str_cut(s->token, '.', &rest);
    claims = str_cut(rest, '.', &rest);
    return crypt_base64url_decode(&payload, claims) == ERR_OK &&
           jws_sign_header(private_key, s->alg, str_c(header), buf_str(&payload), &out) == ERR_OK;
}

static bool start_sign_evp(struct subject *s)
{
    BIO *in = BIO_new_mem_buf(s->pem.p, (int)s->pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    s->pkey = EVP_PKEY_CTX_new(key, NULL);
    return s->pkey && EVP_PKEY_sign_init(s->pkey) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(s->pkey, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(s->pkey, EVP_sha256()) == 1;
}

static bool run_sign_evp(struct subject *s)
{
    static const unsigned char hash[32];
    unsigned char out[LIMIT_RSA_BITS_MAX / 8];
    size_t n = sizeof out;
    return EVP_PKEY_sign(s->pkey, out, &n, hash, sizeof hash) == 1;
}

static const struct kind {
    const char *name;
    bool (*start)(struct subject *s);
    bool (*run)(struct subject *s);
} kinds[] = {
    {"full", start_full, run_full},
    {"evp", start_evp, run_evp},
    {"garbage", start_full, run_garbage},
    {"sign", start_sign, run_sign},
    {"sign_evp", start_sign_evp, run_sign_evp},
};

static struct str read_file(const char *path)
{
    static char texts[2][KIB(16)];
    static size_t used;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(texts[used], 1, KIB(16) - 1, f) : 0;
    if (f)
        fclose(f);
    return str_of(texts[used++], n);
}

static int measure(const struct kind *k, struct subject *s, double seconds)
{
    unsigned long count = 0;
    double began = 0, now = 0;
    for (int warm = 0; warm < 100; warm++) /* also the proof that it verifies at all */
        if (!k->run(s))
            return 1;
    for (began = now = cpu_seconds(); now - began < seconds; now = cpu_seconds(), count += BATCH)
        for (int i = 0; i < BATCH; i++)
            if (!k->run(s))
                return 1;
    printf("%.1f\n", (double)count / (now - began));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    struct subject s = {.alg = jws_alg_named(str_c(argv[2])),
                        .pem = read_file(argv[3]),
                        .token = read_file(argv[4]),
                        .iss = str_c(argv[5]),
                        .aud = str_c(argv[6]),
                        .arena = arena_new(KIB(32), MIB(1))};
    for (size_t i = 0; i < COUNTOF(kinds) && s.alg && s.arena; i++)
        if (str_eqz(str_c(argv[1]), kinds[i].name))
            return kinds[i].start(&s) ? measure(&kinds[i], &s, strtod(argv[7], NULL)) : 1;
    return 2;
}
