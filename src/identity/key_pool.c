/* SPDX-License-Identifier: Apache-2.0
 *
 * RSA keys made ahead of their time: one takes as long as a hundred signatures, too long for
 * whoever makes an app or holds the store's writer. Slots are filled by the IO lane and
 * emptied by anybody; invariant: a key is given out once. Who needs many finds more
 * the next time, who needs none costs nothing. */
#include "base/log.h"
#include "base/mem.h"
#include "jose/jwk.h"
#include "keys_int.h"

#define READY_LEAST 2
#define FILLERS 2 /* as many as the lane has threads */

struct key_pool {
    struct run *run;
    char *_Atomic slots[LIMIT_KEYS_READY];
    _Atomic unsigned wanted; /* how many are to be ready: twice as many after each lack */
    bool closed;             /* of the control loop */
    struct filler {
        struct key_pool *pool;
        _Atomic bool asked; /* it is under way or on its way */
        struct post post;
        struct work work;
    } fillers[FILLERS];
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
static unsigned ready(struct key_pool *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < LIMIT_KEYS_READY; i++)
        n += atomic_load(&p->slots[i]) != NULL;
    return n;
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

static void fill_one(struct work *w)
{
    char *pem;
    if (make(&pem) == ERR_OK)
        put(CONTAINER_OF(w, struct filler, work)->pool, pem);
    else
        log_warn("identity", "no signing key could be made ahead");
}

static void fill(struct post *post);

static void filled(struct work *w)
{
    fill(&CONTAINER_OF(w, struct filler, work)->post);
}

static void fill(struct post *post)
{
    struct filler *f = CONTAINER_OF(post, struct filler, post);
    struct key_pool *p = f->pool;
    f->work = (struct work){.work = fill_one, .done = filled};
    if (!p->closed && ready(p) < atomic_load(&p->wanted) &&
        run_work(run_control(p->run), LANE_IO, &f->work) == ERR_OK)
        return;
    atomic_store(&f->asked, false); /* whoever takes next asks again */
}

void key_pool_expect(struct key_pool *p)
{
    for (unsigned i = 0; i < FILLERS; i++) {
        struct filler *f = &p->fillers[i];
        if (atomic_exchange(&f->asked, true))
            continue;
        f->post.fn = fill;
        run_post(run_control(p->run), &f->post);
    }
}

/* --- from start to end --------------------------------------------------------------------------
 */
enum err key_pool_new(struct run *run, struct key_pool **out)
{
    struct key_pool *p = *out = mem_alloc(sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    p->run = run;
    for (unsigned i = 0; i < FILLERS; i++)
        p->fillers[i].pool = p;
    atomic_init(&p->wanted, READY_LEAST);
    return ERR_OK;
}

static void want_more(struct key_pool *p)
{
    unsigned wanted = atomic_load(&p->wanted);
    if (wanted < LIMIT_KEYS_READY)
        atomic_store(&p->wanted, wanted * 2);
}

bool key_pool_has(struct key_pool *p, unsigned n)
{
    if (ready(p) >= n)
        return true;
    bool more = !atomic_load(&p->fillers[0].asked); /* once for each lack */
    if (more)
        want_more(p);
    key_pool_expect(p);
    return false;
}

enum err key_pool_take(struct key_pool *p, char **pem)
{
    *pem = NULL;
    for (unsigned i = 0; i < LIMIT_KEYS_READY && *pem == NULL; i++)
        *pem = atomic_exchange(&p->slots[i], NULL);
    if (*pem == NULL)
        want_more(p);
    key_pool_expect(p);
    return *pem ? ERR_OK : make(pem);
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
