/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of API keys that a document leaves to be made up, as AWS does: drawn once, then kept in
 * STATE/api-keys.json, {"ID": "VALUE"}, mode 0600, where their owner finds them. */
#include <errno.h>
#include <stdio.h>

#include "base/crypt.h"
#include "base/limits.h"
#include "config.h"
#include "file.h"

#define MADE_BYTES 20 /* 40 characters, as AWS's values have */

static enum err draw(struct arena *a, struct str *out)
{
    unsigned char bytes[MADE_BYTES];
    char text[2 * MADE_BYTES + 1];
    enum err err = crypt_random(bytes, sizeof bytes);
    if (err != ERR_OK)
        return err;
    crypt_hex(bytes, sizeof bytes, text);
    *out = arena_str(a, str_c(text));
    return out->p ? ERR_OK : ERR_NOMEM;
}

/* The file as an object that can be added to; an empty one when there is no file. */
static enum err read_kept(struct arena *a, const char *path, struct json **out, struct errinfo *e)
{
    struct str text;
    const struct json *v = NULL;
    *out = json_new_object(a, 8);
    if (*out == NULL)
        return ERR_NOMEM;
    enum err err = file_read(a, path, LIMIT_TEMPLATE_BYTES, &text);
    if (err == ERR_IO && errno == ENOENT)
        return ERR_OK;
    if (err == ERR_IO)
        return errinfo_set(e, err, "%s", strerror(errno));
    if (err == ERR_OK)
        err = json_parse(a, text, LIMIT_TEMPLATE_BYTES, &v, e);
    if (err == ERR_OK && v->type != JSON_OBJECT)
        return errinfo_set(e, ERR_SYNTAX, "it is no object of ID: VALUE");
    for (size_t i = 0; err == ERR_OK && i < v->n; i++)
        err = json_set(a, *out, v->members[i].key, v->members[i].value);
    return err;
}

static enum err write_kept(const char *path, const struct json *kept, struct errinfo *e)
{
    AUTO_BUF text = BUF_INIT(LIMIT_TEMPLATE_BYTES);
    json_write_pretty(&text, kept);
    buf_addc(&text, '\n');
    if (text.err != ERR_OK)
        return text.err;
    enum err err = file_write(path, buf_str(&text), 0600);
    return err ? errinfo_set(e, err, "%s", strerror(errno)) : ERR_OK;
}

/* The key's object with a value in it. */
static enum err fill_one(struct arena *a, struct model_api_key *k, struct json *kept, bool *drawn)
{
    struct json *spec = json_new_object(a, k->spec->n + 1);
    const struct json *value = json_gets(kept, k->id);
    enum err err = spec ? ERR_OK : ERR_NOMEM;
    if (!json_is(value, JSON_STRING)) {
        struct str made;
        err = err ? err : draw(a, &made);
        value = err ? NULL : json_new_str(a, made);
        err = err ? err : json_set(a, kept, k->id, value);
        *drawn = true;
    }
    for (size_t i = 0; err == ERR_OK && i < k->spec->n; i++)
        err = json_set(a, spec, k->spec->members[i].key, k->spec->members[i].value);
    if (err == ERR_OK)
        err = json_set(a, spec, STR("value"), value);
    if (err == ERR_OK)
        k->spec = spec;
    return err;
}

bool config_make_api_keys(const struct config *c, struct model *m, struct import_report *report)
{
    struct errinfo e = {0};
    struct json *kept = NULL;
    bool drawn = false;
    char *path = arena_cstr(m->arena, arena_fmt(m->arena, "%s/api-keys.json", c->state_dir));
    enum err err = path ? ERR_OK : ERR_NOMEM;
    for (struct model_api_key *k = m->api_keys; k && err == ERR_OK; k = k->next) {
        if (json_get(k->spec, "value"))
            continue;
        if (kept == NULL)
            err = read_kept(m->arena, path, &kept, &e);
        if (err == ERR_OK)
            err = fill_one(m->arena, k, kept, &drawn);
    }
    if (err == ERR_OK && drawn)
        err = write_kept(path, kept, &e);
    if (err != ERR_OK)
        import_note(report, IMPORT_ERROR, path ? path : "api-keys.json", e.line, e.col, "%s",
                    e.text[0] ? e.text : err_text(err));
    return err == ERR_OK;
}
