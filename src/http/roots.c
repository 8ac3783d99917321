/* SPDX-License-Identifier: Apache-2.0
 *
 * The CA roots, once for the whole process and not before somebody speaks TLS as a client: a bundle
 * costs about 4 MiB and 8 ms. A hashed directory is preferred where there is one, because it is
 * read one certificate at a time. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/str.h"
#include "http/roots_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static X509_STORE *roots;

/* Whether it holds names like 1a2b3c4d.0, as c_rehash makes them. */
static bool is_hashed(const char *dir)
{
    bool found = false;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && !found && (e = readdir(d))) {
        struct str name = str_c(e->d_name);
        found = name.n > 9 && name.p[8] == '.' && name.p[9] >= '0' && name.p[9] <= '9';
    }
    if (d)
        closedir(d);
    return found;
}

static void read_roots(void)
{
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *dir = getenv(X509_get_default_cert_dir_env());
    const char *where = dir ? dir : X509_get_default_cert_dir();
    bool hashed = is_hashed(where);
    roots = X509_STORE_new();
    if (!roots)
        return;
    if (hashed)
        (void)X509_STORE_load_path(roots, where);
    if (file || !hashed)
        (void)X509_STORE_load_file(roots, file ? file : X509_get_default_cert_file());
    ERR_clear_error(); /* a root that is not there only means less trust */
}

X509_STORE *http__roots(void)
{
    pthread_once(&once, read_roots);
    return roots;
}
