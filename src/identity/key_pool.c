/* SPDX-License-Identifier: Apache-2.0
 *
 * RSA keys made ahead of their time: one takes as long as a hundred signatures, too long for
 * whoever makes an app or holds the store's writer. Slots are filled by the IO lane, one
 * at a time, and emptied by anybody; invariant: a key is given out once. Who needs many finds more
 * the next time, who needs none costs nothing. */
#include "base/log.h"
#include "base/mem.h"
#include "jose/jwk.h"
#include "keys_int.h"

#define READY_LEAST 4

struct key_pool {
    struct run *run;
    char *_Atomic slots[LIMIT_KEYS_READY];
    _Atomic unsigned wanted; /* how many are to be ready: twice as many after each lack */
    _Atomic bool asked;      /* a filling is under way or on its way */
    bool closed;             /* of the control loop */
    struct post post;
    struct work work;
};

static enum err make(char **pem)
{
    struct buf text = BUF_INIT(KIB(8)), other = BUF_INIT(KIB(8));
    enum err err = jwk_make_pem(STR("RS256"), &text, &other);
    buf_addc(&text, '\0');
    if (err == ERR_OK)
        err = text.err;
    *pem = err == ERR_OK ? mem_dup(text.p, text.n) : NULL;
    if (err == ERR_OK && *pem == NULL)
        err = ERR_NOMEM;
    if (text.p)
        mem_cleanse(text.p, text.cap);
    buf_fini(&text);
    buf_fini(&other);
    return err;
}

void key_pool_wipe(char *pem)
{
    if (pem)
        mem_cleanse_free(pem, strlen(pem));
}

/* --- filling ------------------------------------------------------------------------------------
 */
static bool is_full(struct key_pool *p)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < LIMIT_KEYS_READY; i++)
        ready += atomic_load(&p->slots[i]) != NULL;
    return ready >= atomic_load(&p->wanted);
}

/* One that finds no place is nobody's. */
static void put(struct key_pool *p, char *pem)
{
    for (unsigned i = 0; i < LIMIT_KEYS_READY; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&p->slots[i], &none, pem))
            return;
    }
    key_pool_wipe(pem);
}

enum err key_pool_add(struct key_pool *p)
{
    char *pem;
    enum err err = make(&pem);
    if (err == ERR_OK)
        put(p, pem);
    return err;
}

static void fill_one(struct work *w)
{
    struct key_pool *p = CONTAINER_OF(w, struct key_pool, work);
    if (key_pool_add(p) != ERR_OK)
        log_warn("identity", "no signing key could be made ahead");
}

static void fill(struct post *post);

static void filled(struct work *w)
{
    struct key_pool *p = CONTAINER_OF(w, struct key_pool, work);
    fill(&p->post);
}

static void fill(struct post *post)
{
    struct key_pool *p = CONTAINER_OF(post, struct key_pool, post);
    p->work = (struct work){.work = fill_one, .done = filled};
    if (!p->closed && !is_full(p) && run_work(run_control(p->run), LANE_IO, &p->work) == ERR_OK)
        return;
    atomic_store(&p->asked, false); /* whoever takes next asks again */
}

void key_pool_expect(struct key_pool *p)
{
    if (atomic_exchange(&p->asked, true))
        return;
    p->post.fn = fill;
    run_post(run_control(p->run), &p->post);
}

/* --- from start to end --------------------------------------------------------------------------
 */
enum err key_pool_new(struct run *run, struct key_pool **out)
{
    struct key_pool *p = *out = mem_alloc(sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    p->run = run;
    atomic_init(&p->wanted, READY_LEAST);
    return ERR_OK;
}

enum err key_pool_take(struct key_pool *p, bool may_make, char **pem)
{
    *pem = NULL;
    for (unsigned i = 0; i < LIMIT_KEYS_READY && *pem == NULL; i++)
        *pem = atomic_exchange(&p->slots[i], NULL);
    unsigned wanted = atomic_load(&p->wanted);
    if (*pem == NULL && wanted < LIMIT_KEYS_READY)
        atomic_store(&p->wanted, wanted * 2);
    key_pool_expect(p);
    return *pem ? ERR_OK : may_make ? make(pem) : ERR_BUSY;
}

void key_pool_close(struct key_pool *p)
{
    p->closed = true;
}

void key_pool_free(struct key_pool *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < LIMIT_KEYS_READY; i++)
        key_pool_wipe(atomic_load(&p->slots[i]));
    mem_free(p);
}
