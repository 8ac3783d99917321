/* SPDX-License-Identifier: Apache-2.0
 *
 * What a template in Node cannot do in JavaScript: being forked, and be an environment afterwards.
 * Loaded by node itself as an addon (Node-API, whose names and numbers are stable across versions).
 * Invariant: serve() returns in a new environment only; a template leaves it by ending. */
#include "birth.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define DIED 127

/* --- Node-API, as far as it is used here ------------------------------------------------------ */

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);
extern int napi_create_function(napi_env env, const char *name, size_t n, napi_callback fn,
                                void *data, napi_value *out);
extern int napi_set_named_property(napi_env env, napi_value object, const char *name,
                                   napi_value value);
extern int napi_create_string_utf8(napi_env env, const char *text, size_t n, napi_value *out);
extern int napi_get_cb_info(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv,
                            napi_value *self, void **data);
extern int napi_get_value_int32(napi_env env, napi_value value, int32_t *out);
extern int napi_get_uv_event_loop(napi_env env, void **loop);
extern int napi_throw_error(napi_env env, const char *code, const char *text);

EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports);

/* --- a birth ---------------------------------------------------------------------------------- */

/* V8 keeps its heap out of children (MADV_DONTFORK); ours need it. What cannot be asked for
 * (special mappings) is there anyway. */
static bool keep_memory(void)
{
    char line[512];
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return false;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx", &from, &to) == 2)
            (void)madvise((void *)from, to - from, MADV_DOFORK);
    }
    fclose(maps);
    return true;
}

/* In the new process. The event loop gets an epoll instance and wake-ups of its own. */
static bool renew_loop(napi_env env)
{
    void *loop = NULL;
    int (*loop_fork)(void *) = NULL;
    *(void **)&loop_fork = dlsym(RTLD_DEFAULT, "uv_loop_fork");
    return loop_fork && napi_get_uv_event_loop(env, &loop) == 0 && loop_fork(loop) == 0;
}

/* What is mapped does not change while nothing runs here but this. */
static napi_value serve(napi_env env, napi_callback_info info)
{
    napi_value out = NULL;
    size_t n;
    (void)info;
    if (!keep_memory())
        _exit(DIED);
    do {
        if (!birth_receive())
            _exit(0);
    } while (!birth_give());
    if (!renew_loop(env))
        _exit(DIED);
    const char *text = birth_text(&n);
    napi_create_string_utf8(env, text, n, &out);
    return out;
}

/* Node's own way out joins threads that a forked process does not have. */
static napi_value leave(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value argv[1];
    int32_t code = 0;
    if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == 0 && argc == 1)
        (void)napi_get_value_int32(env, argv[0], &code);
    _exit(code);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    napi_value fn;
    if (napi_create_function(env, "serve", 5, serve, NULL, &fn) != 0 ||
        napi_set_named_property(env, exports, "serve", fn) != 0 ||
        napi_create_function(env, "leave", 5, leave, NULL, &fn) != 0 ||
        napi_set_named_property(env, exports, "leave", fn) != 0)
        (void)napi_throw_error(env, NULL, "this node lacks Node-API");
    return exports;
}
