/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the registry say to it, in a room with a database. */
#ifndef ROPELINE_LAMBDA_REGISTRY_TALK_H
#define ROPELINE_LAMBDA_REGISTRY_TALK_H

#include "lambda_talk.h"

#include <zip.h>

#include "registry_int.h"

static char zip_bytes[KIB(8)];
static struct str zip_of; /* the latest that was made */
static char said[KIB(64)];

/* A package whose index.js is this text. */
static inline struct str package(const char *text)
{
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *out = zip_source_buffer_create(NULL, 0, 0, &e);
    zip_source_keep(out);
    zip_t *z = zip_open_from_source(out, ZIP_TRUNCATE, &e);
    assert_non_null(z);
    assert_true(zip_file_add(z, "index.js", zip_source_buffer(z, text, strlen(text), 0), 0) >= 0);
    assert_int_equal(zip_file_set_mtime(z, 0, 1700000000, 0), 0);
    assert_int_equal(zip_close(z), 0);
    zip_source_open(out);
    zip_int64_t n = zip_source_read(out, zip_bytes, sizeof zip_bytes);
    assert_true(n > 0);
    zip_source_close(out);
    zip_source_free(out);
    zip_error_fini(&e);
    zip_of = str_of(zip_bytes, (size_t)n);
    return zip_of;
}

/* --- changes -----------------------------------------------------------------------------------
 */

struct changed {
    struct function_change c;
    bool over;
    int dones;
};

static inline void on_changed(struct function_change *c)
{
    struct changed *x = CONTAINER_OF(c, struct changed, c);
    x->over = true;
    x->dones++;
}

/* The error; `said` is the answer, or the error's text. */
static inline enum err change(enum function_op op, const char *name, const char *qualifier,
                              const char *request, struct str zip)
{
    struct arena *a = arena_new(KIB(1), KIB(64));
    const struct json *v = NULL;
    said[0] = '\0';
    if (!a || (request && json_parse(a, str_c(request), KIB(32), &v, NULL) != ERR_OK)) {
        arena_free(a); /* a fault that is not theirs */
        return ERR_NOMEM;
    }
    struct changed x = {.c = {.op = op,
                              .name = str_c(name),
                              .qualifier = str_c(qualifier),
                              .request = v,
                              .zip = zip,
                              .done = on_changed}};
    lambda_change(bench.lambda, &x.c);
    assert_false(x.over);
    assert_true(bench_until(&x.over));
    assert_int_equal(x.dones, 1);
    snprintf(said, sizeof said, "%.*s",
             STR_ARG(x.c.err ? str_c(x.c.e.text) : buf_str(&x.c.answer)));
    function_change_fini(&x.c);
    arena_free(a);
    return x.c.err;
}

static inline void works(enum function_op op, const char *name, const char *qualifier,
                         const char *request, struct str zip)
{
    enum err err = change(op, name, qualifier, request, zip);
    if (err != ERR_OK)
        fail_msg("%s: %s", err_text(err), said);
}

static inline void fails(enum err expected, const char *words, enum function_op op,
                         const char *name, const char *qualifier, const char *request,
                         struct str zip)
{
    enum err err = change(op, name, qualifier, request, zip);
    if (err != expected || !strstr(said, words))
        fail_msg("%s: %s", err_text(err), said);
}

static inline void says(const char *part)
{
    if (!strstr(said, part))
        fail_msg("no %s in %s", part, said);
}

static inline void view(enum function_view v, const char *name, const char *qualifier)
{
    AUTO_BUF out = BUF_INIT(KIB(64));
    struct errinfo e = {0};
    enum err err = lambda_view(bench.lambda, v, str_c(name), str_c(qualifier), &out, &e);
    snprintf(said, sizeof said, "%.*s", STR_ARG(err ? str_c(e.text) : buf_str(&out)));
}

#define CREATE "{\"Runtime\":\"nodejs20.x\",\"Handler\":\"index.handler\",\"Timeout\":7}"
#define NO_ZIP STR("")

static inline void create(const char *name)
{
    works(FUNCTION_CREATE, name, "", CREATE, package("exports.handler = 1;"));
}

/* --- the room with a database -------------------------------------------------------------------
 */

static inline enum err open_lambda(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/plane.db", bench.state);
    const struct store_options o = {.loop = run_control(bench.run), .path = path};
    enum err err = store_new(&o, &bench_options.plane);
    if (err == ERR_OK)
        err = bench_lambda();
    return err;
}

static inline void shut_lambda(void)
{
    bench.closed = false;
    lambda_close(bench.lambda, bench_on_closed, NULL);
    assert_true(bench_until(&bench.closed));
    lambda_free(bench.lambda);
    store_free(bench_options.plane);
    bench.lambda = NULL;
    bench_options.plane = NULL;
}

static inline void restart(void)
{
    shut_lambda();
    assert_int_equal(open_lambda(), ERR_OK);
}

static inline int open_all(void **state)
{
    return bench_dirs(state) || open_lambda() != ERR_OK;
}

static inline int close_all(void **state)
{
    if (bench.lambda)
        shut_lambda();
    return bench_close(state);
}

#endif
