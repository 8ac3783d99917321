/* SPDX-License-Identifier: Apache-2.0
 *
 * How a warm worker shuts itself in before it loads the function that it was told of: a Node addon.
 * What the keeper does for other processes before they begin it cannot do for this one, because
 * nobody knew then what it would need. Of N-API, whose ABI does not change, the few functions that
 * are used are declared here. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "run/landlock.h"

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);

int napi_create_function(napi_env env, const char *name, size_t n, napi_callback fn, void *data,
                         napi_value *out);
int napi_set_named_property(napi_env env, napi_value object, const char *name, napi_value value);
int napi_get_cb_info(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv,
                     napi_value *self, void **data);
int napi_get_value_string_utf8(napi_env env, napi_value value, char *out, size_t size, size_t *n);
int napi_create_array(napi_env env, napi_value *out);
int napi_create_int32(napi_env env, int32_t value, napi_value *out);
int napi_set_element(napi_env env, napi_value array, uint32_t index, napi_value value);
int napi_throw_error(napi_env env, const char *code, const char *message);
napi_value napi_register_module_v1(napi_env env, napi_value exports);

enum { READ, WRITE, TMP, ARGUMENTS };
#define TEXT_BYTES 65536
#define PATHS 512

/* The paths of a text, which have NULs between; NULL-terminated. False: more than there may be. */
static bool split(const char *text, size_t n, const char *paths[PATHS + 1])
{
    size_t count = 0;
    for (const char *at = text; at < text + n; at += strlen(at) + 1) {
        if (count == PATHS)
            return false;
        paths[count++] = at;
    }
    paths[count] = NULL;
    return true;
}

/* restrict(read, write, tmp): paths with NULs between. Throws when it could not be done; where the
 * kernel has no Landlock there is nothing to do. */
static napi_value restrict_self(napi_env env, napi_callback_info info)
{
    static char texts[ARGUMENTS][TEXT_BYTES];
    static const char *read[PATHS + 1], *write[PATHS + 1];
    napi_value arguments[ARGUMENTS];
    size_t given = ARGUMENTS, n[ARGUMENTS];
    int abi = landlock_abi();
    bool fits =
        napi_get_cb_info(env, info, &given, arguments, NULL, NULL) == 0 && given == ARGUMENTS;
    for (size_t i = 0; i < ARGUMENTS && fits; i++)
        fits = napi_get_value_string_utf8(env, arguments[i], texts[i], TEXT_BYTES, &n[i]) == 0 &&
               n[i] < TEXT_BYTES - 1;
    if (!fits || !split(texts[READ], n[READ], read) || !split(texts[WRITE], n[WRITE], write))
        (void)napi_throw_error(env, NULL, "paths that cannot be used");
    else if (abi > 0 && landlock_enter_all(abi, read, write, texts[TMP]) != 0)
        (void)napi_throw_error(env, NULL, "Landlock refuses");
    return NULL;
}

/* pair() -> [a, b]: the ends of one socket, for a worker that rehearses. */
static napi_value pair(napi_env env, napi_callback_info info)
{
    int fds[2];
    napi_value out = NULL, number;
    (void)info;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        (void)napi_throw_error(env, NULL, "no socket pair");
        return NULL;
    }
    bool made = napi_create_array(env, &out) == 0;
    for (uint32_t i = 0; i < 2 && made; i++)
        made = napi_create_int32(env, fds[i], &number) == 0 &&
               napi_set_element(env, out, i, number) == 0;
    return out;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env,
                                                                          napi_value exports)
{
    static const struct {
        const char *name;
        napi_callback call;
    } functions[] = {{"restrict", restrict_self}, {"pair", pair}};
    napi_value fn;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (napi_create_function(env, functions[i].name, strlen(functions[i].name),
                                 functions[i].call, NULL, &fn) != 0 ||
            napi_set_named_property(env, exports, functions[i].name, fn) != 0)
            (void)napi_throw_error(env, NULL, "cannot make its functions");
    return exports;
}
