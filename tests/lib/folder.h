/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that a test makes below a folder of its own. */
#ifndef ROPELINE_TESTS_LIB_FOLDER_H
#define ROPELINE_TESTS_LIB_FOLDER_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* root/name with the folders above it, whole or the test fails. */
static inline void folder_put(const char *root, const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

#endif
