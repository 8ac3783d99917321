/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of runtimes as the room uses it: one row says where a function's handler must be, what
 * is executed, and by what way it speaks the Runtime API. Nobody else asks which runtime it is. */
#ifndef ROPELINE_LAMBDA_RUNTIMES_INT_H
#define ROPELINE_LAMBDA_RUNTIMES_INT_H

#include "base/buf.h"
#include "lambda/lambda.h"
#include "lambda/runtime.h"

struct lambda;

/* The files of a bootstrap, embedded at build time (tools/embed.py); the first is the one to run.
 */
#define BOOTSTRAP(name)                                                 \
    extern const char *const lambda_bootstrap_##name##_names[];         \
    extern const unsigned char *const lambda_bootstrap_##name##_data[]; \
    extern const size_t lambda_bootstrap_##name##_sizes[], lambda_bootstrap_##name##_count
BOOTSTRAP(node);
BOOTSTRAP(python);

/* Where the bootstrap of one kind stands: STATE/runtime/<kind>-<digest>/ */
struct runtime_home {
    const char *dir, *main; /* main: NULL for custom runtimes */
    char digest[65];        /* over names and contents */
};

/* What one function version runs on. */
struct function_runtime {
    struct runtime_name name;
    struct interpreter interpreter;
    const struct runtime_home *home;
    const char *wrapper; /* AWS_LAMBDA_EXEC_WRAPPER, executed in its place; NULL: none */
    struct str opt;      /* where its layers stand; "/opt" without any */
};

/* Writes the bootstraps of all kinds below `root` (STATE/runtime). Strings in `a`. */
enum err lambda__runtimes_install(struct arena *a, const char *root,
                                  struct runtime_home homes[RUNTIME_KINDS]) MUSTCHECK;
/* ERR_UNSUPPORTED: no such runtime, or none of its interpreters was found. */
enum err lambda__runtime_choose(struct arena *a, const struct runtime_places *places,
                                const struct runtime_home homes[RUNTIME_KINDS], struct str name,
                                struct function_runtime *out, struct errinfo *e) MUSTCHECK;
/* Whether what the handler names is in `code_dir`. ERR_INVALID, ERR_NOTFOUND. */
enum err lambda__runtime_find_handler(const struct runtime_name *r, const char *code_dir,
                                      struct str handler, struct errinfo *e) MUSTCHECK;
/* Sets opt and the wrapper. ERR_NOMEM. */
enum err lambda__runtime_place(struct function_runtime *r, const struct function_spec *spec,
                               struct str opt, struct arena *a) MUSTCHECK;
/* `path` with what stands at Lambda for the code (/var/task) and the layers (/opt) replaced by
 * where they are; NONE when out of memory. */
struct str lambda__runtime_path(const struct function_runtime *r, const struct function_spec *spec,
                                struct arena *a, struct str path) MUSTCHECK;
/* Whether it speaks the Runtime API at an address; else over the inherited descriptor 3. */
bool lambda__runtime_listens(const struct function_runtime *r);
/* What a process of a runtime is started for. */
enum runtime_part {
    RUNTIME_SERVE,    /* to be an environment */
    RUNTIME_WORKER,   /* to become one when it is told of which function: worker.c */
    RUNTIME_TEMPLATE, /* to load the function and be forked: template.c */
    RUNTIME_CACHE,    /* to load the function and write down what was compiled: cache.c */
};
/* Whether its bootstrap knows how. */
bool lambda__runtime_plays(const struct function_runtime *r, enum runtime_part part);
/* What to execute, NULL-terminated, in `a`; NULL when out of memory. */
const char *const *lambda__runtime_argv(const struct function_runtime *r,
                                        const struct function_spec *spec, enum runtime_part part,
                                        struct arena *a) MUSTCHECK;
/* --- layers.c: blocking ---------------------------------------------------------------------- */

/* ERR_INVALID, ERR_NOTFOUND. */
enum err lambda__layers_check(const struct function_spec *spec, struct errinfo *e) MUSTCHECK;
/* Appends what tells the contents of its layers apart. */
enum err lambda__layers_seed(const struct lambda *l, const struct function_spec *spec,
                             struct buf *out, struct errinfo *e) MUSTCHECK;
/* The folder that stands for /opt; made of its layers when there are several. In `a`. */
enum err lambda__layers_open(struct lambda *l, const struct function_spec *spec, struct arena *a,
                             struct str *opt, struct errinfo *e) MUSTCHECK;

/* Says, once for each name of a runtime, that another version serves it. `version` ("20.11.1"):
 * what an environment told of itself; NULL: what is known without one. */
void lambda__runtime_note(struct function *f, const char *version);

#endif
