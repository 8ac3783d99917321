/* SPDX-License-Identifier: Apache-2.0
 *
 * Runtimes: which of Lambda's can be served here, and the interpreter that serves each. A name is
 * judged against one table (runtimes.c); nobody else compares names of runtimes. What is here looks
 * at files and changes nothing; any thread. */
#ifndef ROPELINE_LAMBDA_RUNTIME_H
#define ROPELINE_LAMBDA_RUNTIME_H

#include "base/arena.h"

enum runtime_kind {
    RUNTIME_NODE,   /* nodejs20.x */
    RUNTIME_PYTHON, /* python3.11 */
    RUNTIME_CUSTOM, /* provided.al2023: the function's own `bootstrap` speaks the Runtime API */
    RUNTIME_KINDS
};
struct runtime_name {
    enum runtime_kind kind;
    unsigned major, minor; /* 20, 0; 3, 11; 0, 0 */
};
/* ERR_INVALID: no name at all; ERR_UNSUPPORTED: none that can be served, and what to use instead.
 * `out` may be NULL. */
enum err runtime_parse(struct str name, struct runtime_name *out, struct errinfo *e) MUSTCHECK;
/* What a document that names no runtime means by DIR:HANDLER, by the files that are there. */
struct str runtime_guess(const char *dir, struct str handler);

/* What the one file of a function is called whose code stands in its document, as Lambda calls it;
 * NULL: of that runtime it must be a package. */
const char *runtime_inline_file(struct str name);

/* Where interpreters are looked for; each NULL when not set. Of `node` and `python` only, where one
 * is set: paths with colons between. Else in `path`, where scripts that stand for an interpreter
 * (pyenv's shims, say) are passed over: they need variables that a function does not have. */
struct runtime_places {
    const char *node, *python; /* ROPELINE_NODE, ROPELINE_PYTHON */
    const char *path;          /* PATH */
};
struct interpreter {
    const char *path;      /* absolute; NULL: none was found */
    unsigned major, minor; /* as its name or its files tell; major 0: they do not */
};
/* The one of that version, else the nearest that is known, else the first. The path is in `a`.
 * ERR_NOMEM alone. */
enum err runtime_interpreter(struct arena *a, const struct runtime_places *places,
                             const struct runtime_name *wanted, struct interpreter *out) MUSTCHECK;

#endif
