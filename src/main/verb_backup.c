/* SPDX-License-Identifier: Apache-2.0
 *
 * backup and restore: what the identity core keeps in a SQLite file, as a copy of it and back. A
 * PostgreSQL server has tools of its own, and is refused by its name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "config_int.h"
#include "identity/identity.h"
#include "store/store.h"
#include "verbs.h"

static const struct option_row rows[] = {
    {"config", 'c', OPTION_VALUE, true, NULL, "FILE",
     "of serve: says where its state directory is"},
    {"state", 0, OPTION_VALUE, true, NULL, "DIR", "the state directory [.ropeline]"},
    {"store", 0, OPTION_VALUE, true, NULL, "URL", "refused: pg_dump is for PostgreSQL"},
    {"help", 'h', OPTION_FLAG, false, NULL, NULL, "this text"},
};

struct place {
    const char *state, *db, *key;
};

static int fail(enum err err, const char *words)
{
    fprintf(stderr, "ropeline: %s\n", words && words[0] ? words : err_text(err));
    return 1;
}

static int refuse_server(const char *verb)
{
    fprintf(stderr,
            "ropeline: the store is a PostgreSQL server: %s\n"
            "(keep the key file with it: what it seals cannot be read without)\n",
            strcmp(verb, "backup") == 0 ? "make a backup with pg_dump --format=custom"
                                        : "stop all daemons and use pg_restore --clean");
    return 1;
}

/* The first that has a database; for restore also one that has none yet. */
static const char *usual_state(void)
{
    static const char *const usual[] = {".ropeline", "/var/lib/ropeline"};
    for (size_t i = 0; i < COUNTOF(usual); i++)
        if (access(usual[i], F_OK) == 0)
            return usual[i];
    return usual[0];
}

/* 0, or an exit code after it said on stderr why. */
static int find_place(const struct options *o, const char *verb, struct arena *a, struct place *p)
{
    struct config c = {.arena = a};
    const char *file = option_get(o, "config"), *workers = NULL;
    if (file && config__read_file(file, &c, &workers) != 0)
        return 1;
    if (c.core.store_url || option_get(o, "store"))
        return refuse_server(verb);
    p->state = option_get(o, "state");
    if (p->state == NULL)
        p->state = c.state_dir ? c.state_dir : file ? "/var/lib/ropeline" : usual_state();
    p->db = arena_cstr(a, arena_fmt(a, "%s/identity.db", p->state));
    p->key = c.core.key_file ? c.core.key_file
                             : arena_cstr(a, arena_fmt(a, "%s/identity.key", p->state));
    return p->db && p->key ? 0 : fail(ERR_NOMEM, NULL);
}

static int backup(const struct place *p, const char *to)
{
    struct errinfo e = {0};
    if (access(p->db, F_OK) != 0) {
        fprintf(stderr,
                "ropeline: %s is not there; name the daemon's state directory with --state DIR\n",
                p->db);
        return 1;
    }
    enum err err = store_backup(p->db, to, &e);
    if (err != ERR_OK)
        return fail(err, e.text);
    printf("%s is a copy of %s\nkeep %s too, but apart: what it seals cannot be read without\n", to,
           p->db, p->key);
    return 0;
}

static int restore(const struct place *p, const char *from)
{
    struct errinfo e = {0};
    AUTO_BUF kept = BUF_INIT(KIB(8));
    enum err err = store_restore(from, p->db, IDENTITY_ROOM, identity_schema_steps(), &kept, &e);
    if (err != ERR_OK)
        return fail(err, e.text);
    printf("%s is what %s holds\n", p->db, from);
    if (kept.n > 0)
        printf("what it was before is %s\n", buf_cstr(&kept));
    if (access(p->key, F_OK) != 0)
        fprintf(stderr,
                "ropeline: warning: %s is not there: put back the one that was in use when the "
                "backup was made\n",
                p->key);
    return 0;
}

static int run(int argc, char **argv, const char *verb, const char *what,
               int (*act)(const struct place *p, const char *file))
{
    static struct options o;
    struct place p = {0};
    if (!options_parse(rows, COUNTOF(rows), argc, argv, &o))
        return 2;
    if (option_is(&o, "help") || o.positionals != 1) {
        FILE *to = option_is(&o, "help") ? stdout : stderr;
        fprintf(to, "usage: ropeline %s FILE [-c ropeline.yaml] [--state DIR]\n\n%s\n\n", verb,
                what);
        if (to == stdout)
            options_help(rows, COUNTOF(rows));
        return to == stdout ? 0 : 2;
    }
    struct arena *a = arena_new(KIB(16), LIMIT_DOCUMENT_ARENA);
    if (a == NULL)
        return fail(ERR_NOMEM, NULL);
    int code = find_place(&o, verb, a, &p);
    code = code ? code : act(&p, o.positional[0]);
    arena_free(a);
    return code;
}

int verb_backup(int argc, char **argv)
{
    return run(
        argc, argv, "backup",
        "Copies what the identity core keeps (identity.db) to FILE, which must not be there\n"
        "yet. The daemon may be running.",
        backup);
}

int verb_restore(int argc, char **argv)
{
    return run(argc, argv, "restore",
               "Puts a backup in the place of identity.db, once it is found whole and of no newer\n"
               "release. The daemon must not be running. What was there stays beside it.",
               restore);
}
