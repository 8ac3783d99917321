/* SPDX-License-Identifier: Apache-2.0
 *
 * hostile_tokens SEED COUNT: that many tokens that must be refused, made by the mutators below in
 * turn, each of which does what attackers do; a good token in between shows that good ones pass.
 * hostile_tokens timing COUNT: does a wrong HMAC take longer the later it differs? Prints TAP. */
#include <math.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/crypt.h"
#include "hostile.h"

static uint64_t state;
struct arena *memory;
static const struct str issuer = STR_INIT("https://issuer.example"), audience = STR_INIT("orders");

uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
size_t below(size_t n)
{
    return (size_t)(draw() % n);
}

/* ---- keys and good tokens ---- */

const char *const algs[KEYS] = {"RS256", "ES256", "EdDSA", "HS256"};
const char *const kids[KEYS] = {"rsa", "ec", "ed", "hs"};
struct jwk *keys[KEYS], *attacker, *retired;
struct jwks *public_set, *secret_set, *retired_set;
struct str good[KEYS];
struct str public_forms[8]; /* what an attacker would try as an HMAC secret */

static struct jwt_checker checker = {.algs = JWS_ALL,
                                     .issuers = &issuer,
                                     .issuers_n = 1,
                                     .audiences = &audience,
                                     .audiences_n = 1,
                                     .client_id = true,
                                     .require_exp = true,
                                     .max_life_s = 100000};

struct str sign(const struct jwk *k, const char *alg, const char *header, const char *payload)
{
    AUTO_BUF out = BUF_INIT(MIB(2));
    ASSERT(jose__sign(k, jws_alg_named(str_c(alg)), str_c(header), str_c(payload), &out) == ERR_OK);
    return arena_str(memory, buf_str(&out));
}

char *text(const char *fmt, ...)
{
    static char room[4][MIB(1) + KIB(64)];
    static unsigned at;
    char *out = room[at++ % 4];
    va_list args;
    va_start(args, fmt);
    vsnprintf(out, sizeof room[0], fmt, args);
    va_end(args);
    return out;
}

const char *header_of(unsigned k)
{
    return text("{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[k], kids[k]);
}

static struct str keep(struct str s) /* for the whole run */
{
    char *p = malloc(s.n + 1);
    memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

static struct jwk *make(const char *alg, const char *kid)
{
    struct jwk *k;
    struct jwk_about about = {.has_kid = true, .kid = str_c(kid)};
    ASSERT(jwk_generate(jws_alg_named(str_c(alg)), &about, &k) == ERR_OK);
    return k;
}

static void note_public_forms(size_t at, const struct jwk *k)
{
    unsigned char *der = NULL;
    AUTO_BUF jwk = BUF_INIT(KIB(8)), print = BUF_INIT(KIB(1));
    int n = i2d_PUBKEY(k->core->pkey, &der);
    public_forms[at] = keep(str_of(der, (size_t)n));
    public_forms[at + 1] = keep(str_of(der + n - 65, 65)); /* SEC1 point, end of a modulus */
    jwk_write(&jwk, k, false);
    public_forms[at + 2] = keep(buf_str(&jwk));
    crypt_base64(&print, public_forms[at]);
    public_forms[at + 3] = keep(buf_str(&print)); /* the lines of a PEM */
    OPENSSL_free(der);
}

static void start(void)
{
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i] = make(algs[i], kids[i]);
        good[i] = keep(sign(keys[i], algs[i], header_of(i), GOOD));
    }
    struct jwk *old = make("EdDSA", "old");
    attacker = make("EdDSA", "ed");
    ASSERT(jwk_with_status(old, JWK_RETIRED, 1600000000, &retired) == ERR_OK);
    jwk_unref(old);
    ASSERT(jwks_new(keys, K_HS, &public_set, NULL) == ERR_OK);
    ASSERT(jwks_new(&keys[K_HS], 1, &secret_set, NULL) == ERR_OK);
    ASSERT(jwks_new(&retired, 1, &retired_set, NULL) == ERR_OK);
    note_public_forms(0, keys[K_RSA]);
    note_public_forms(4, keys[K_EC]);
}

void signed_header(struct hostile *h, const char *header)
{
    h->keys = secret_set;
    h->token = sign(keys[K_HS], "HS256", header, GOOD);
}
void signed_claims(struct hostile *h, const char *payload)
{
    h->keys = secret_set;
    h->token = sign(keys[K_HS], "HS256", header_of(K_HS), payload);
}

#define MUTATORS (form_mutator_count + claim_mutator_count)

static const struct mutator *m_of(size_t i)
{
    return i < form_mutator_count ? &form_mutators[i] : &claim_mutators[i - form_mutator_count];
}

static enum jwt_reason judge(const struct hostile *h)
{
    struct jwt t;
    struct jwt_fault why;
    AUTO_BUF words = BUF_INIT(KIB(4));
    enum jwt_reason r = jwt_verify(&h->checker, h->keys, memory, h->token, NOW, &t, &why);
    ASSERT(r == why.reason);
    jwt_fault_write(&words, &why);
    ASSERT(words.n > 0);
    return r;
}

static void show(const char *name, struct str t)
{
    printf("# accepted: %s: ", name);
    for (size_t i = 0; i < t.n && i < 2000; i++)
        printf(t.p[i] >= ' ' && t.p[i] <= '~' ? "%c" : "\\x%02x", (unsigned char)t.p[i]);
    printf("\n");
}

static int attack(uint64_t seed, uint64_t count)
{
    uint64_t made[64] = {0}, accepted[64] = {0}, bad = 0, refused_good = 0;
    ASSERT(MUTATORS <= COUNTOF(made));
    state = seed;
    start();
    for (uint64_t i = 0; i < count; i++) {
        size_t m = i % MUTATORS;
        struct hostile h = {.keys = public_set, .checker = checker};
        arena_reset(memory);
        m_of(m)->make(&h);
        made[m]++;
        if (judge(&h) == JWT_OK) {
            if (accepted[m]++ < 3)
                show(m_of(m)->name, h.token);
            bad++;
        }
        if (i % 100 == 0) {
            unsigned k = (unsigned)(i / 100 % KEYS);
            struct hostile fine = {good[k], k == K_HS ? secret_set : public_set, checker};
            fine.checker.max_life_s = 0;
            refused_good += judge(&fine) != JWT_OK;
        }
    }
    printf("1..%zu\n", MUTATORS + 1);
    for (size_t m = 0; m < MUTATORS; m++)
        printf("%s %zu - %s: %llu made, %llu accepted\n", accepted[m] ? "not ok" : "ok", m + 1,
               m_of(m)->name, (unsigned long long)made[m], (unsigned long long)accepted[m]);
    printf("%s %zu - good tokens pass in between\n", refused_good ? "not ok" : "ok", MUTATORS + 1);
    printf("# seed %llu: %llu hostile tokens, %llu accepted\n", (unsigned long long)seed,
           (unsigned long long)count, (unsigned long long)bad);
    return bad || refused_good ? 1 : 0;
}

/* ---- timing ---- */

struct moments {
    double n, mean, square;
};

static void add(struct moments *m, double x)
{
    double d = x - m->mean;
    m->n++;
    m->mean += d / m->n;
    m->square += d * (x - m->mean);
}

static double nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Welch's t between MACs that differ in their first byte and in their last; interruptions are left
 * out by a limit from the first thousand. */
static int timing(uint64_t count)
{
    struct moments m[2] = {{0}};
    unsigned char mac[2][32];
    double first[1000], limit = 0;
    size_t n;
    state = 1;
    start();
    struct str input = str_sub(good[K_HS], 0, str_rchr(good[K_HS], '.'));
    for (int c = 0; c < 2; c++) {
        memcpy(mac[c], raw_signature(good[K_HS], &n), 32);
        mac[c][c ? 31 : 0] ^= 1;
    }
    for (uint64_t i = 0; i < count + COUNTOF(first); i++) {
        unsigned c = (unsigned)below(2);
        double began = nanoseconds();
        bool valid = jws_verify_bytes(keys[K_HS], &jws_algs[JWS_HS256], input, str_of(mac[c], 32));
        double took = nanoseconds() - began;
        ASSERT(!valid);
        if (i < COUNTOF(first)) {
            first[i] = took;
            limit += took / COUNTOF(first) * 1.5;
        } else if (took < limit) {
            add(&m[c], took);
        }
    }
    double spread = sqrt(m[0].square / m[0].n / m[0].n + m[1].square / m[1].n / m[1].n);
    double t = fabs(m[0].mean - m[1].mean) / spread;
    printf("1..1\n# first byte %.1f ns, last byte %.1f ns, %.0f samples, |t| = %.2f\n", m[0].mean,
           m[1].mean, m[0].n + m[1].n, t);
    printf("%s 1 - an HMAC is compared in constant time\n", t < 4.5 ? "ok" : "not ok");
    return t < 4.5 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    memory = arena_new(MIB(8), MIB(64));
    ASSERT(memory);
    uint64_t count = strtoull(argv[2], NULL, 10);
    if (str_eqz(str_c(argv[1]), "timing"))
        return timing(count);
    return attack(strtoull(argv[1], NULL, 10), count);
}
