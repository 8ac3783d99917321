/* SPDX-License-Identifier: Apache-2.0
 *
 * The small calls around all others (specs/identity-core.md 1.4): is it there, which versions does
 * it speak, and the doors of the licence, which is never needed here. */
#include "ops_int.h"

/* After touching the store: a load balancer that asks wants to know that, too. */
static enum err hello(struct cdi_call *c, struct store_tx *tx)
{
    static const struct stmt touch = SQL("SELECT 1");
    enum err err = store_run(tx, &touch, NULL, 0, NULL, NULL);
    return err ? err : cdi_text(c, STR("Hello"));
}

static enum err apiversion(struct cdi_call *c, struct store_tx *tx)
{
    static const char *const versions[] = {"5.0", "5.1", "5.2", "5.3", "5.4"};
    struct json *o = json_new_object(c->arena, 1), *v = json_new_array(c->arena, COUNTOF(versions));
    enum err err = o && v ? ERR_OK : ERR_NOMEM;
    (void)tx;
    for (size_t i = 0; err == ERR_OK && i < COUNTOF(versions); i++)
        err = json_push(c->arena, v, json_new_str(c->arena, str_c(versions[i])));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("versions"), v);
    return err ? err : cdi_ok(c, o);
}

static enum err telemetry(struct cdi_call *c, struct store_tx *tx)
{
    struct json *o = cdi_reply(c, "OK");
    (void)tx;
    enum err err = json_set(c->arena, o, STR("exists"), json_new_bool(c->arena, false));
    return err ? err : cdi_ok(c, o);
}

/* Every feature is there for everybody. */
static enum err features(struct cdi_call *c, struct store_tx *tx)
{
    struct json *o = cdi_reply(c, "OK");
    (void)tx;
    enum err err = json_set(c->arena, o, STR("features"), json_new_array(c->arena, 0));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("usageStats"), json_new_object(c->arena, 0));
    return err ? err : cdi_ok(c, o);
}

static enum err licence(struct cdi_call *c, struct store_tx *tx)
{
    (void)tx;
    return cdi_status(c, "OK");
}

static enum err search_tags(struct cdi_call *c, struct store_tx *tx)
{
    static const char *const tags[] = {"email", "phone", "provider"};
    struct json *o = cdi_reply(c, "OK"), *v = json_new_array(c->arena, COUNTOF(tags));
    enum err err = o && v ? ERR_OK : ERR_NOMEM;
    (void)tx;
    for (size_t i = 0; err == ERR_OK && i < COUNTOF(tags); i++)
        err = json_push(c->arena, v, json_new_str(c->arena, str_c(tags[i])));
    if (err == ERR_OK)
        err = json_set(c->arena, o, STR("tags"), v);
    return err ? err : cdi_ok(c, o);
}

#define OPEN (CDI_NO_KEY | CDI_NO_VERSION)
static const struct cdi_op ops[] = {
    {HTTP_GET, "/", CDI_TENANT, OPEN, NULL, {{CDI_READ, hello}}, NULL},
    {HTTP_GET, "/hello", CDI_TENANT, OPEN, NULL, {{CDI_READ, hello}}, NULL},
    {HTTP_POST, "/hello", CDI_TENANT, OPEN, NULL, {{CDI_READ, hello}}, NULL},
    {HTTP_GET, "/apiversion", CDI_TENANT, CDI_NO_VERSION, NULL, {{CDI_NOW, apiversion}}, NULL},
    {HTTP_GET, "/telemetry", CDI_APP, 0, NULL, {{CDI_NOW, telemetry}}, NULL},
    {HTTP_GET, "/ee/featureflag", CDI_APP, 0, NULL, {{CDI_NOW, features}}, NULL},
    {HTTP_GET, "/ee/license", CDI_APP, 0, NULL, {{CDI_NOW, licence}}, NULL},
    {HTTP_PUT, "/ee/license", CDI_APP, 0, NULL, {{CDI_NOW, licence}}, NULL},
    {HTTP_DELETE, "/ee/license", CDI_APP, 0, NULL, {{CDI_NOW, licence}}, NULL},
    {HTTP_GET, "/user/search/tags", CDI_APP, 0, NULL, {{CDI_NOW, search_tags}}, NULL},
};
const struct cdi_table misc__table = {ops, COUNTOF(ops)};
