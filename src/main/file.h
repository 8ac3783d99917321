/* SPDX-License-Identifier: Apache-2.0
 *
 * The few files that the daemon and its verbs read and write whole. */
#ifndef ROPELINE_MAIN_FILE_H
#define ROPELINE_MAIN_FILE_H

#include "base/arena.h"

/* ERR_IO with errno, ERR_LIMIT above `max`, ERR_NOMEM. Regular files only. */
enum err file_read(struct arena *a, const char *path, size_t max, struct str *out) MUSTCHECK;
/* Everything that standard input gives. */
enum err file_read_stdin(struct arena *a, size_t max, struct str *out) MUSTCHECK;
/* Written beside, then renamed. ERR_IO with errno. */
enum err file_write(const char *path, struct str text, unsigned mode) MUSTCHECK;
/* Makes the directory and its parents, mode 0700 for the last one. */
enum err file_make_dir(const char *path) MUSTCHECK;

#endif
