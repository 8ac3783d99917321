/* SPDX-License-Identifier: Apache-2.0
 *
 * Command-line options as tables: one row gives the flag, its environment variable, its default and
 * its line in --help; precedence is flag, environment, file, default. */
#ifndef ROPELINE_MAIN_OPTIONS_H
#define ROPELINE_MAIN_OPTIONS_H

#include "base/str.h"

enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_MANY };
struct option_row {
    const char *name; /* "gateway": --gateway, ROPELINE_GATEWAY when `env` */
    char letter;      /* 'c' for -c, or 0 */
    enum option_kind kind;
    bool env;
    const char *fallback; /* NULL = none */
    const char *value;    /* "HOST:PORT", for --help */
    const char *help;
};

#define OPTION_MAX 64
struct options {
    const struct option_row *rows;
    size_t count;
    struct option_values {
        const char *v[OPTION_MAX];
        size_t n;
        const char *origin; /* "flag", "environment", "default", or a file */
    } values[OPTION_MAX];
    const char *positional[OPTION_MAX];
    size_t positionals;
};

/* False after it said on stderr what is wrong. */
bool options_parse(const struct option_row *rows, size_t count, int argc, char **argv,
                   struct options *out);
const char *option_get(const struct options *o, const char *name); /* NULL when not given */
bool option_is(const struct options *o, const char *name);
const struct option_values *option_all(const struct options *o, const char *name);
/* "15m" as 900: a number and s, m, h or d. False after it said on stderr what is wrong. */
bool option_seconds(const struct options *o, const char *name, int64_t *out);
void options_help(const struct option_row *rows, size_t count);

/* The rows that dev and serve share. */
extern const struct option_row daemon_options[];
extern const size_t daemon_option_count;

#endif
