/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of base share with one another and show to nobody else. */
#ifndef ROPELINE_BASE_INT_H
#define ROPELINE_BASE_INT_H

#include "base/json.h"

/* Length of the well-formed UTF-8 sequence at s.p[at], 0 when there is none (RFC 3629 4). */
size_t str__utf8_len(struct str s, size_t at);
/* Length of the character at s.p[at] if it steers a terminal, breaks a line or turns text around
 * (U+0000..U+001F, U+007F..U+009F, U+2028..U+202E, U+2066..U+2069); else 0. */
size_t str__control_len(struct str s, size_t at);
/* Makes text fit for a terminal or a log in place: such characters and ill-formed bytes become '?',
 * a sequence cut off at the end is dropped. Returns the new length. */
size_t str__printable(char *text, size_t n);

/* Fresh bytes straight from the kernel; aborts when it has none, because every caller draws the key
 * of a hash table at start. */
void map__draw_key(void *out, size_t n);
uint64_t map__siphash(const uint64_t key[2], struct str s);

/* As JavaScript prints a number (ECMA-262 6.1.6.1.20); returns the length. */
#define JSON_REAL_TEXT 40
size_t json__real_text(double d, char out[JSON_REAL_TEXT]);
bool json__is_number_text(struct str s); /* the `number` of RFC 8259 6 */

/* Appends without looking for a duplicate. The caller sees to it that the key lives in `a`. */
enum err json__append_member(struct arena *a, struct json *object,
                             struct json_member member) MUSTCHECK;
/* Makes v a number with its text; false when out of memory. */
bool json__fill_int(struct arena *a, int64_t i, struct json *v) MUSTCHECK;

/* Line and column, counted from 1, of byte `at`; columns count characters. */
void json__place(struct str text, size_t at, unsigned *line, unsigned *col);

/* Decides what a plain scalar is under the YAML 1.2 core schema (10.3.2) and fills type, number
 * fields and s of `v`. `text` must end in a NUL that is not counted. */
void yaml__resolve(struct str text, struct json *v);

#endif
