/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates as they are loaded: a good pair, each way to be wrong, and damage of any kind, which
 * is refused in words and never more. */
#include "tls_int.h"

#include <stdio.h>

#include "lib/fault.h"

struct pair {
    struct buf certificate, key;
};

static int make_pair(void **state)
{
    static struct pair p;
    p = (struct pair){BUF_INIT(KIB(16)), BUF_INIT(KIB(16))};
    *state = &p;
    return http_tls_self_signed(&p.certificate, &p.key) != ERR_OK;
}

static int drop_pair(void **state)
{
    struct pair *p = *state;
    buf_fini(&p->certificate);
    buf_fini(&p->key);
    return 0;
}

static enum err load(struct str certificate, struct str key, char text[256])
{
    struct http_tls_certificate c = {STR("localhost"), certificate, key, "c.pem", "k.pem"};
    struct errinfo e = {0};
    struct http_tls *t;
    enum err err = http_tls_new(&c, 1, &t, &e);
    snprintf(text, 256, "%s", e.text);
    if (err == ERR_OK)
        http_tls_unref(t);
    return err;
}

static void our_own_pair_is_good(void **state)
{
    struct pair *p = *state;
    struct http_tls_certificate c = {STR("localhost"), buf_str(&p->certificate), buf_str(&p->key),
                                     "c.pem", "k.pem"};
    struct http_tls *t;
    AUTO_BUF why = BUF_INIT(KIB(1));
    assert_int_equal(http_tls_new(&c, 1, &t, NULL), ERR_OK);
    assert_false(http_tls_doubt(t, 0, &why));
    http_tls_unref(http_tls_ref(t));
    http_tls_unref(t);
    c.domain = STR("*.execute-api.localhost");
    assert_int_equal(http_tls_new(&c, 1, &t, NULL), ERR_OK);
    assert_false(http_tls_doubt(t, 0, &why));
    http_tls_unref(t);
    c.domain = STR("example.com");
    assert_int_equal(http_tls_new(&c, 1, &t, NULL), ERR_OK);
    assert_true(http_tls_doubt(t, 0, &why));
    assert_string_equal(buf_cstr(&why), "is not for example.com");
    http_tls_unref(t);
}

static void what_is_wrong_is_said(void **state)
{
    struct pair *p = *state, other = {BUF_INIT(KIB(16)), BUF_INIT(KIB(16))};
    char text[256];
    assert_int_equal(http_tls_self_signed(&other.certificate, &other.key), ERR_OK);
    assert_int_equal(load(STR(""), buf_str(&p->key), text), ERR_INVALID);
    assert_string_equal(text, "c.pem holds no PEM certificate");
    assert_int_equal(load(buf_str(&p->key), buf_str(&p->key), text), ERR_INVALID);
    assert_string_equal(text, "c.pem holds no PEM certificate");
    assert_int_equal(load(buf_str(&p->certificate), buf_str(&p->certificate), text), ERR_INVALID);
    assert_true(str_starts(str_c(text), STR("k.pem holds no PEM private key")));
    assert_int_equal(load(buf_str(&p->certificate), buf_str(&other.key), text), ERR_INVALID);
    assert_string_equal(text, "the key in k.pem does not belong to the certificate in c.pem");
    buf_add(&other.certificate, STR("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    assert_int_equal(load(buf_str(&other.certificate), buf_str(&other.key), text), ERR_INVALID);
    assert_string_equal(text, "a certificate of the chain in c.pem is damaged");
    drop_pair(&(void *){&other});
}

static void a_chain_has_an_end(void **state)
{
    struct pair *p = *state;
    char text[256];
    AUTO_BUF chain = BUF_INIT(KIB(64));
    for (int i = 0; i < 11; i++)
        buf_add(&chain, buf_str(&p->certificate));
    assert_int_equal(load(buf_str(&chain), buf_str(&p->key), text), ERR_OK);
    buf_add(&chain, buf_str(&p->certificate));
    assert_int_equal(load(buf_str(&chain), buf_str(&p->key), text), ERR_INVALID);
}

/* Light fuzzing: bytes changed, cut and doubled. */
static void damage_is_survived(void **state)
{
    struct pair *p = *state;
    char text[256];
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 3000; i++) {
        AUTO_BUF certificate = BUF_INIT(KIB(64)), key = BUF_INIT(KIB(64));
        buf_add(&certificate, buf_str(&p->certificate));
        buf_add(&key, buf_str(&p->key));
        struct buf *b = i & 1 ? &key : &certificate;
        for (int k = 0; k <= i % 4; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            b->p[x % b->n] = i % 3 ? (char)(x >> 32) : "A=-\n"[x >> 32 & 3];
        }
        if (i % 7 == 0)
            b->n = x % b->n;
        enum err err = load(buf_str(&certificate), buf_str(&key), text);
        assert_true(err == ERR_OK || (err == ERR_INVALID && text[0]));
    }
}

/* --- both ends, by hand ----------------------------------------------------------------------- */

static SSL_CTX *trusting(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return ctx;
}

/* Gives what `from` wants to say to `to`, `step` bytes at a time; what it means goes to `got`. */
static void carry(struct http__tls *from, struct http__tls *to, size_t step, struct buf *got)
{
    static char plain[TLS_PLAIN_BYTES];
    while (from->out.n > 0) {
        struct str part = str_sub(buf_str(&from->out), 0, step);
        buf_add(got, str_of(plain, http__tls_read(to, part, plain)));
        buf_consume(&from->out, part.n);
    }
}

static void bytes_arrive_however_they_are_cut(void **state)
{
    struct pair *p = *state;
    static const size_t steps[] = {1, 7, 1000, 65536};
    struct http_tls_certificate c = {STR("localhost"), buf_str(&p->certificate), buf_str(&p->key),
                                     "c.pem", "k.pem"};
    struct http_tls *set;
    SSL_CTX *ctx = trusting();
    assert_int_equal(http_tls_new(&c, 1, &set, NULL), ERR_OK);
    for (size_t i = 0; i < COUNTOF(steps); i++) {
        AUTO_BUF heard = BUF_INIT(MIB(1)), said = BUF_INIT(MIB(1));
        struct http__tls *server = http__tls_accept(set), *client = http__tls_new(ctx, false);
        SSL_set_tlsext_host_name(client->ssl, "LocalHost");
        http__tls_begin(client);
        while (!server->ready || !client->ready) {
            carry(client, server, steps[i], &heard);
            carry(server, client, steps[i], &said);
        }
        assert_string_equal(server->name, "localhost");
        for (size_t k = 0; k < KIB(4); k++)
            buf_add(&said, STR("0123456789abcdef"));
        http__tls_write(client, buf_str(&said));
        http__tls_end(client);
        carry(client, server, steps[i], &heard);
        assert_true(str_eq(buf_str(&heard), buf_str(&said)));
        assert_true(server->ended && !server->broken);
        http__tls_free(server);
        http__tls_free(client);
    }
    SSL_CTX_free(ctx);
    http_tls_unref(set);
}

static enum err load_and_accept(void *arg)
{
    struct pair *p = arg;
    struct http_tls_certificate c = {STR("localhost"), buf_str(&p->certificate), buf_str(&p->key),
                                     "c.pem", "k.pem"};
    struct http_tls *set;
    enum err err = http_tls_new(&c, 1, &set, NULL);
    if (err != ERR_OK)
        return err;
    struct http__tls *t = http__tls_accept(set);
    http__tls_free(t);
    http_tls_unref(set);
    return t ? ERR_OK : ERR_NOMEM;
}

static void memory_may_run_out(void **state)
{
    fault_each(load_and_accept, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_pair_is_good),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_chain_has_an_end),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(bytes_arrive_however_they_are_cut),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, make_pair, drop_pair);
}
