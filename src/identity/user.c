/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as the app sees them: the JSON object of specs/identity-core.md 2.4, and the one normal
 * form of what people are known by. Whatever leaves here carries external ids where there are any.
 */
#include "user_int.h"

struct str user_shown_id(const struct user *u)
{
    return u->external_id.n ? u->external_id : u->id;
}

struct str user_shown_method_id(const struct login_method *m)
{
    return m->external_id.n ? m->external_id : m->recipe_user_id;
}

bool user_is_method(const struct login_method *m, struct str id)
{
    return str_eq(m->recipe_user_id, id) || str_eq(m->external_id, id);
}

/* The length goes before, so that no two pairs have the same key. */
struct str user_third_party_key(struct arena *a, struct str provider, struct str id)
{
    return arena_fmt(a, "%zu %.*s%.*s", provider.n, STR_ARG(provider), STR_ARG(id));
}

/* --- JSON ------------------------------------------------------------------------------------- */
static bool put(struct arena *a, struct json *o, const char *name, const struct json *v)
{
    return json_set(a, o, str_c(name), v) == ERR_OK;
}

static bool put_str(struct arena *a, struct json *o, const char *name, struct str s)
{
    return put(a, o, name, json_new_str(a, s));
}

/* Unless it is empty or in there already: a user has few of everything. */
static bool add_new(struct arena *a, struct json *list, struct str s)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (str_eq(list->items[i]->s, s))
            return true;
    return s.n == 0 || json_push(a, list, json_new_str(a, s)) == ERR_OK;
}

static struct json *third_party(struct arena *a, const struct login_method *m)
{
    struct json *o = json_new_object(a, 2);
    bool ok =
        put_str(a, o, "id", m->third_party_id) && put_str(a, o, "userId", m->third_party_user_id);
    return ok ? o : NULL;
}

static struct json *tenants(struct arena *a, const struct login_method *methods, size_t n)
{
    struct json *list = json_new_array(a, 2);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < methods[i].tenant_count; j++)
            if (!add_new(a, list, methods[i].tenants[j]))
                return NULL;
    return list;
}

static struct json *method_json(struct arena *a, const struct login_method *m)
{
    struct json *o = json_new_object(a, 8);
    bool ok = put(a, o, "tenantIds", tenants(a, m, 1)) &&
              put_str(a, o, "recipeUserId", user_shown_method_id(m)) &&
              put(a, o, "verified", json_new_bool(a, m->verified)) &&
              put(a, o, "timeJoined", json_new_int(a, m->time_joined_ms)) &&
              put_str(a, o, "recipeId", m->recipe) &&
              (m->email.n == 0 || put_str(a, o, "email", m->email)) &&
              (m->phone.n == 0 || put_str(a, o, "phoneNumber", m->phone)) &&
              (m->third_party_id.n == 0 || put(a, o, "thirdParty", third_party(a, m)));
    return ok ? o : NULL;
}

static struct json *no_webauthn(struct arena *a)
{
    struct json *o = json_new_object(a, 1);
    return put(a, o, "credentialIds", json_new_array(a, 0)) ? o : NULL;
}

struct json *user_json(struct cdi_call *c, const struct user *u)
{
    struct arena *a = c->arena;
    struct json *o = json_new_object(a, 9), *emails = json_new_array(a, 1);
    struct json *phones = json_new_array(a, 1), *parties = json_new_array(a, 1);
    struct json *methods = json_new_array(a, u->n);
    for (size_t i = 0; i < u->n; i++) {
        const struct login_method *m = &u->methods[i];
        bool ok =
            add_new(a, emails, m->email) && add_new(a, phones, m->phone) &&
            (m->third_party_id.n == 0 || json_push(a, parties, third_party(a, m)) == ERR_OK) &&
            json_push(a, methods, method_json(a, m)) == ERR_OK;
        if (!ok)
            return NULL;
    }
    bool ok = put_str(a, o, "id", user_shown_id(u)) &&
              put(a, o, "isPrimaryUser", json_new_bool(a, u->is_primary)) &&
              put(a, o, "tenantIds", tenants(a, u->methods, u->n)) &&
              put(a, o, "timeJoined", json_new_int(a, u->time_joined_ms)) &&
              put(a, o, "emails", emails) && put(a, o, "phoneNumbers", phones) &&
              put(a, o, "thirdParty", parties) &&
              (c->version < 503 || put(a, o, "webauthn", no_webauthn(a))) &&
              put(a, o, "loginMethods", methods);
    return ok ? o : NULL;
}

enum err user_reply(struct cdi_call *c, struct store_tx *tx, struct str recipe_user_id,
                    struct json **out)
{
    struct user *u = NULL;
    struct str id;
    *out = NULL;
    enum err err = user_internal_id(c, tx, recipe_user_id, &id);
    if (err == ERR_OK)
        err = user_load(c, tx, id, &u);
    if (err != ERR_OK)
        return err;
    struct str shown = user_shown_id(u);
    for (size_t i = 0; i < u->n; i++)
        if (str_eq(u->methods[i].recipe_user_id, id))
            shown = user_shown_method_id(&u->methods[i]);
    struct json *o = cdi_reply(c, "OK");
    if (!put(c->arena, o, "user", user_json(c, u)) || !put_str(c->arena, o, "recipeUserId", shown))
        return ERR_NOMEM;
    *out = o;
    return ERR_OK;
}

/* --- normal forms ----------------------------------------------------------------------------- */
/* Runs of Unicode whose capital letters have one small letter each. Distance 1: the small letter
 * follows, and capitals stand at even (or, where the run begins so, odd) places. */
static const struct {
    uint32_t first, last;
    int32_t to;
    bool alternating;
} capitals[] = {
    {'A', 'Z', 32, false},          {0xc0, 0xd6, 32, false},        {0xd8, 0xde, 32, false},
    {0x100, 0x12e, 1, true},        {0x132, 0x136, 1, true},        {0x139, 0x147, 1, true},
    {0x14a, 0x176, 1, true},        {0x178, 0x178, -121, false},    {0x179, 0x17d, 1, true},
    {0x1cd, 0x1db, 1, true},        {0x1de, 0x1ee, 1, true},        {0x1f8, 0x21e, 1, true},
    {0x222, 0x232, 1, true},        {0x246, 0x24e, 1, true},        {0x386, 0x386, 38, false},
    {0x388, 0x38a, 37, false},      {0x38c, 0x38c, 64, false},      {0x38e, 0x38f, 63, false},
    {0x391, 0x3a1, 32, false},      {0x3a3, 0x3ab, 32, false},      {0x3d8, 0x3ee, 1, true},
    {0x400, 0x40f, 80, false},      {0x410, 0x42f, 32, false},      {0x460, 0x480, 1, true},
    {0x48a, 0x4be, 1, true},        {0x4c1, 0x4cd, 1, true},        {0x4d0, 0x52e, 1, true},
    {0x531, 0x556, 48, false},      {0x1e00, 0x1e94, 1, true},      {0x1ea0, 0x1efe, 1, true},
    {0x212a, 0x212a, -8383, false}, {0x212b, 0x212b, -8262, false}, {0x2126, 0x2126, -7517, false},
    {0x2160, 0x216f, 16, false},    {0x24b6, 0x24cf, 26, false},    {0x2c80, 0x2ce2, 1, true},
    {0xa640, 0xa66c, 1, true},      {0xff21, 0xff3a, 32, false},    {0x10400, 0x10427, 40, false},
};

static uint32_t small_letter(uint32_t c)
{
    for (size_t i = 0; i < COUNTOF(capitals); i++) {
        if (c < capitals[i].first || c > capitals[i].last)
            continue;
        if (capitals[i].alternating && (c - capitals[i].first) % 2)
            return c;
        return (uint32_t)((int32_t)c + capitals[i].to);
    }
    return c;
}

/* One character of well-formed UTF-8 at s.p[*at]. */
static uint32_t next_character(struct str s, size_t *at)
{
    const unsigned char *p = (const unsigned char *)s.p + *at;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    *at += n;
    return c;
}

static void add_character(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_addc(out, (char)c);
        return;
    }
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    buf_addc(out, (char)(lead[more] | c >> 6 * more));
    while (more-- > 0)
        buf_addc(out, (char)(0x80 | (c >> 6 * more & 0x3f)));
}

static struct str trim(struct str s)
{
    while (s.n && (unsigned char)s.p[0] <= ' ')
        s = str_from(s, 1);
    while (s.n && (unsigned char)s.p[s.n - 1] <= ' ')
        s.n--;
    return s;
}

/* C0, DEL and C1. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Nothing that is too long is kept by anybody. */
static enum err take_normal(struct arena *a, const struct buf *normal, struct str *out)
{
    if (normal->err == ERR_LIMIT || (normal->err == ERR_OK && normal->n == 0))
        return ERR_OK;
    if (normal->err == ERR_OK)
        *out = arena_str(a, buf_str(normal));
    return out->p ? normal->err : ERR_NOMEM;
}

enum err user_normal_email(struct arena *a, struct str email, struct str *out)
{
    AUTO_BUF normal = BUF_INIT(2 * LIMIT_EMAIL);
    struct str s = trim(email);
    *out = STR("");
    if (s.n > LIMIT_EMAIL || !str_is_utf8(s))
        return ERR_OK;
    for (size_t at = 0; at < s.n;) {
        uint32_t c = small_letter(next_character(s, &at));
        if (is_control(c))
            return ERR_OK;
        add_character(&normal, c);
    }
    return take_normal(a, &normal, out);
}

enum err user_normal_phone(struct arena *a, struct str phone, struct str *out)
{
    AUTO_BUF normal = BUF_INIT(LIMIT_EMAIL);
    struct str s = trim(phone);
    *out = STR("");
    if (!str_is_utf8(s))
        return ERR_OK;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];
        if (byte < 0x20 || byte == 0x7f)
            return ERR_OK;
        if (s.p[0] != '+' || strchr(" -.()/", byte) == NULL)
            buf_addc(&normal, s.p[i]);
    }
    return take_normal(a, &normal, out);
}
