/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the files of JSONTestSuite (argv[1]) against base/json.h: y_ must be accepted, n_ refused,
 * i_ may be either. Where we are stricter than the suite asks, the file stands in a list below with
 * the reason. Prints TAP. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "lib/whole_file.h"

#define MAX_BYTES MIB(1)

/* Valid JSON that we refuse. */
static const struct stricter {
    const char *file, *reason;
} stricter[] = {
    {"y_object_duplicated_key.json", "duplicate keys are refused"},
    {"y_object_duplicated_key_and_value.json", "duplicate keys are refused"},
    {"y_object_escaped_null_in_key.json", "no NUL in a key"},
};

/* Left open by RFC 8259: what we decided, so that a change is noticed. Every other i_ file is
 * refused: ill-formed UTF-8, lone surrogates, UTF-16, a byte order mark, numbers beyond double,
 * deep nesting. */
static const char *const lenient[] = {
    "i_number_double_huge_neg_exp.json",   "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",       "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
};

static const char *why_stricter(const char *file)
{
    for (size_t i = 0; i < COUNTOF(stricter); i++)
        if (strcmp(stricter[i].file, file) == 0)
            return stricter[i].reason;
    return NULL;
}

static bool is_lenient(const char *file)
{
    for (size_t i = 0; i < COUNTOF(lenient); i++)
        if (strcmp(lenient[i], file) == 0)
            return true;
    return false;
}

/* Parses; what was accepted must also survive being written and read again. */
static bool accepts(struct str text)
{
    const struct json *v, *again;
    AUTO_BUF written = BUF_INIT(MAX_BYTES * 6);
    struct arena *a = arena_new(KIB(16), LIMIT_DOCUMENT_ARENA);
    bool accepted = a && json_parse(a, text, MAX_BYTES, &v, NULL) == ERR_OK;
    if (accepted) {
        json_write(&written, v);
        accepted = written.err == ERR_OK &&
                   json_parse(a, buf_str(&written), written.max, &again, NULL) == ERR_OK;
    }
    arena_free(a);
    return accepted;
}

static bool run(const char *dir, const char *name, int number)
{
    AUTO_BUF text = BUF_INIT(MAX_BYTES);
    const char *reason = why_stricter(name);
    bool want = (name[0] == 'y' && !reason) || (name[0] == 'i' && is_lenient(name));
    bool ok = whole_file_in(dir, name, &text) && accepts(buf_str(&text)) == want;
    printf("%sok %d - %s %s%s%s\n", ok ? "" : "not ", number, name, want ? "accepted" : "refused",
           reason ? ": " : "", reason ? reason : "");
    return ok;
}

static int is_vector(const struct dirent *d)
{
    return strchr("yni", d->d_name[0]) && d->d_name[1] == '_';
}

int main(int argc, char **argv)
{
    struct dirent **files;
    AUTO_BUF dir = BUF_INIT(KIB(4));
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    buf_addf(&dir, "%s/test_parsing", argv[1]);
    int n = scandir(buf_cstr(&dir), &files, is_vector, alphasort), failed = 0;
    if (n <= 0) {
        printf("1..0 # SKIP ../shared not found\n");
        return 0;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        failed += !run(buf_cstr(&dir), files[i]->d_name, i + 1);
        free(files[i]);
    }
    free(files);
    return failed > 0;
}
