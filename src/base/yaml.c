/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that calls libyaml: its events become the tree of json.h. Invariant: every node,
 * also one that an alias repeats, is counted before it is built, so that a small document cannot
 * unfold into a large one. */
#include "base/yaml.h"

#include <yaml.h>

#include "base/limits.h"
#include "base/map.h"
#include "base_int.h"

enum form { FORM_NONE, FORM_TEXT, FORM_CORE, FORM_SHORT, FORM_GETATT };

#define YAML_TAG(name) "tag:yaml.org,2002:" name
#define CORE(name, kinds)                        \
    {                                            \
        YAML_TAG(name), FORM_CORE, NULL, (kinds) \
    }
#define SHORT(name)                          \
    {                                        \
        "!" name, FORM_SHORT, "Fn::" name, 0 \
    }
#define KIND(type) (1u << (type))

/* The tags we know: YAML's own, and CloudFormation's short forms with the key of the long form. */
static const struct tag {
    const char *text;
    enum form form;
    const char *key;
    unsigned kinds; /* of the result, for YAML's own */
} tags[] = {
    {"!", FORM_TEXT, NULL, 0},
    {YAML_TAG("str"), FORM_TEXT, NULL, 0},
    CORE("null", KIND(JSON_NULL)),
    CORE("bool", KIND(JSON_TRUE) | KIND(JSON_FALSE)),
    CORE("int", KIND(JSON_NUMBER)),
    CORE("float", KIND(JSON_NUMBER)),
    CORE("seq", KIND(JSON_ARRAY)),
    CORE("map", KIND(JSON_OBJECT)),
    {"!Ref", FORM_SHORT, "Ref", 0},
    {"!Condition", FORM_SHORT, "Condition", 0},
    {"!GetAtt", FORM_GETATT, "Fn::GetAtt", 0},
    SHORT("And"),
    SHORT("Base64"),
    SHORT("Cidr"),
    SHORT("Equals"),
    SHORT("FindInMap"),
    SHORT("ForEach"),
    SHORT("GetAZs"),
    SHORT("If"),
    SHORT("ImportValue"),
    SHORT("Join"),
    SHORT("Length"),
    SHORT("Not"),
    SHORT("Or"),
    SHORT("Select"),
    SHORT("Split"),
    SHORT("Sub"),
    SHORT("ToJsonString"),
    SHORT("Transform"),
};
static const struct tag no_tag = {"", FORM_NONE, NULL, 0};

struct anchor {
    const struct json *node; /* NULL while it is still being built */
    size_t nodes;            /* how many it unfolds to */
    unsigned height;         /* containers on its longest path */
};

struct builder {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one, owned */
    struct str text;
    struct arena *a;
    struct errinfo *e;
    struct map anchors; /* name -> struct anchor */
    size_t nodes;       /* built so far, with what aliases repeat */
};

/* A finished node. */
struct built {
    const struct json *node;
    unsigned height;
};

/* What the three kinds of node have in common. */
struct head {
    struct str anchor;
    const struct tag *tag;
    unsigned line, col;
};

static enum err no_memory(struct builder *b)
{
    enum err err = arena_err(b->a) == ERR_LIMIT ? ERR_LIMIT : ERR_NOMEM;
    return errinfo_set(b->e, err, "%s", err == ERR_LIMIT ? "too many values" : err_text(err));
}

static unsigned line_of(const struct builder *b)
{
    return (unsigned)b->event.start_mark.line + 1;
}

static unsigned col_of(const struct builder *b)
{
    return (unsigned)b->event.start_mark.column + 1;
}

static enum err parser_error(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    unsigned line = (unsigned)p->problem_mark.line + 1, col = (unsigned)p->problem_mark.column + 1;
    const char *problem = p->problem ? p->problem : "malformed document";
    if (p->error == YAML_MEMORY_ERROR)
        return errinfo_set(b->e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (p->error == YAML_READER_ERROR)
        json__place(b->text, p->problem_offset, &line, &col);
    if (p->context)
        return errinfo_at(b->e, ERR_SYNTAX, line, col, "%s: %s", p->context, problem);
    return errinfo_at(b->e, ERR_SYNTAX, line, col, "%s", problem);
}

static enum err next(struct builder *b)
{
    yaml_event_delete(&b->event);
    return yaml_parser_parse(&b->parser, &b->event) ? ERR_OK : parser_error(b);
}

static enum err count(struct builder *b, size_t more)
{
    if (more > LIMIT_YAML_NODES - b->nodes)
        return errinfo_at(b->e, ERR_LIMIT, line_of(b), col_of(b), "unfolds to more than %d values",
                          LIMIT_YAML_NODES);
    b->nodes += more;
    return ERR_OK;
}

static enum err check_depth(struct builder *b, unsigned depth)
{
    if (depth <= LIMIT_JSON_DEPTH)
        return ERR_OK;
    return errinfo_at(b->e, ERR_LIMIT, line_of(b), col_of(b), "nested deeper than %d levels",
                      LIMIT_JSON_DEPTH);
}

static enum err read_head(struct builder *b, struct head *h)
{
    const yaml_char_t *anchor, *tag;
    const yaml_event_t *ev = &b->event;
    if (ev->type == YAML_SCALAR_EVENT)
        anchor = ev->data.scalar.anchor, tag = ev->data.scalar.tag;
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        anchor = ev->data.sequence_start.anchor, tag = ev->data.sequence_start.tag;
    else
        anchor = ev->data.mapping_start.anchor, tag = ev->data.mapping_start.tag;
    *h = (struct head){STR_NONE, &no_tag, line_of(b), col_of(b)};
    if (anchor) {
        h->anchor = arena_str(b->a, str_c((const char *)anchor));
        if (!h->anchor.p)
            return no_memory(b);
    }
    if (!tag)
        return ERR_OK;
    for (size_t i = 0; i < COUNTOF(tags); i++)
        if (strcmp(tags[i].text, (const char *)tag) == 0) {
            h->tag = &tags[i];
            return ERR_OK;
        }
    return errinfo_at(b->e, ERR_UNSUPPORTED, h->line, h->col, "the tag %s is not supported",
                      (const char *)tag);
}

static struct json *new_node(struct builder *b, const struct head *h, enum json_type type)
{
    struct json *v = ARENA_NEW(b->a, struct json);
    if (v) {
        v->type = type;
        v->line = h->line;
        v->col = h->col;
    }
    return v;
}

/* {key: inner} in the place of `!Key inner` */
static enum err wrap(struct builder *b, const struct head *h, struct built *out)
{
    struct json_member member = {str_c(h->tag->key), h->line, h->col, out->node};
    struct json *object = new_node(b, h, JSON_OBJECT);
    if (!object || json__append_member(b->a, object, member) != ERR_OK)
        return no_memory(b);
    *out = (struct built){object, out->height + 1};
    return count(b, 1);
}

/* `A.B.C` -> ["A", "B.C"]: an attribute may have dots, a logical name has none. */
static enum err split_getatt(struct builder *b, const struct head *h, struct json *v)
{
    struct str rest, name = str_cut(v->s, '.', &rest);
    if (name.n == 0 || rest.n == 0)
        return errinfo_at(b->e, ERR_SYNTAX, h->line, h->col, "!GetAtt needs Name.Attribute");
    struct json *first = new_node(b, h, JSON_STRING), *second = new_node(b, h, JSON_STRING);
    const struct json **items = ARENA_ARRAY(b->a, 2, const struct json *);
    if (!first || !second || !items)
        return no_memory(b);
    first->s = arena_str(b->a, name);
    second->s = rest;
    if (!first->s.p)
        return no_memory(b);
    items[0] = first;
    items[1] = second;
    *v = (struct json){.type = JSON_ARRAY, .line = v->line, .col = v->col, .n = 2, .items = items};
    return count(b, 2);
}

static enum err build_scalar(struct builder *b, const struct head *h, struct built *out)
{
    const char *p = (const char *)b->event.data.scalar.value;
    size_t n = b->event.data.scalar.length;
    bool plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct json *v = new_node(b, h, JSON_STRING);
    if (!v)
        return no_memory(b);
    v->s = arena_str(b->a, str_of(p, n));
    if (!v->s.p)
        return no_memory(b);
    /* Arguments of short forms are text: `!Sub 1.10` means "1.10". */
    if (h->tag->form == FORM_CORE || (h->tag->form == FORM_NONE && plain))
        yaml__resolve(v->s, v);
    *out = (struct built){v, 0};
    if (h->tag->form != FORM_GETATT)
        return ERR_OK;
    out->height = 1;
    return split_getatt(b, h, v);
}

static enum err build(struct builder *b, unsigned depth, struct built *out);

static void raise_height(unsigned *height, unsigned inner)
{
    if (*height < inner + 1)
        *height = inner + 1;
}

static enum err build_sequence(struct builder *b, const struct head *h, unsigned depth,
                               struct built *out)
{
    struct json *array = new_node(b, h, JSON_ARRAY);
    enum err err = array ? check_depth(b, depth + 1) : no_memory(b);
    *out = (struct built){array, 1};
    while (err == ERR_OK && (err = next(b)) == ERR_OK && b->event.type != YAML_SEQUENCE_END_EVENT) {
        struct built item;
        err = build(b, depth + 1, &item);
        if (err != ERR_OK)
            break;
        raise_height(&out->height, item.height);
        if (json_push(b->a, array, item.node) != ERR_OK)
            err = no_memory(b);
    }
    return err;
}

/* A mapping under construction. */
struct mapping {
    struct json *object;
    struct map keys;          /* those so far; the value says nothing */
    const struct json *merge; /* the value of `<<` */
};

static bool is_merge_key(const yaml_event_t *ev)
{
    return ev->type == YAML_SCALAR_EVENT && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           !ev->data.scalar.tag && ev->data.scalar.length == 2 &&
           memcmp(ev->data.scalar.value, "<<", 2) == 0;
}

/* The current event begins a key. Numbers and other scalars are taken as they were written. */
static enum err build_key(struct builder *b, unsigned depth, struct json_member *m)
{
    struct built key;
    m->line = line_of(b);
    m->col = col_of(b);
    enum err err = build(b, depth, &key);
    if (err != ERR_OK)
        return err;
    if (key.height > 0)
        return errinfo_at(b->e, ERR_SYNTAX, m->line, m->col, "a key must be a scalar");
    m->key = key.node->s;
    if (str_chr(m->key, '\0', 0) != SIZE_MAX)
        return errinfo_at(b->e, ERR_SYNTAX, m->line, m->col, "NUL in a key");
    return ERR_OK;
}

static enum err add_member(struct builder *b, struct mapping *map, struct json_member m)
{
    void *old;
    if (map_put(&map->keys, m.key, map->object, &old) != ERR_OK ||
        (!old && json__append_member(b->a, map->object, m) != ERR_OK))
        return no_memory(b);
    if (old)
        return errinfo_at(b->e, ERR_SYNTAX, m.line, m.col, "duplicate key \"%.*s\"",
                          STR_ARG(m.key));
    return ERR_OK;
}

/* Members of `from` that the mapping does not have itself. */
static enum err merge_one(struct builder *b, struct mapping *map, const struct json *from)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < from->n; i++)
        if (!map_get(&map->keys, from->members[i].key))
            err = add_member(b, map, from->members[i]);
    return err;
}

/* https://yaml.org/type/merge.html: one mapping or several, the earlier ones first. */
static enum err merge(struct builder *b, struct mapping *map)
{
    const struct json *from = map->merge;
    if (!from)
        return ERR_OK;
    if (from->type == JSON_OBJECT)
        return merge_one(b, map, from);
    enum err err = ERR_OK;
    bool fits = from->type == JSON_ARRAY;
    for (size_t i = 0; fits && i < from->n; i++)
        fits = from->items[i]->type == JSON_OBJECT;
    if (!fits)
        return errinfo_at(b->e, ERR_SYNTAX, from->line, from->col,
                          "<< needs a mapping or a list of mappings");
    for (size_t i = 0; err == ERR_OK && i < from->n; i++)
        err = merge_one(b, map, from->items[i]);
    return err;
}

static enum err build_member(struct builder *b, unsigned depth, struct mapping *map,
                             unsigned *height)
{
    struct json_member m = {0};
    struct built value;
    bool merges = is_merge_key(&b->event);
    enum err err = build_key(b, depth, &m);
    if (err == ERR_OK)
        err = next(b);
    if (err == ERR_OK)
        err = build(b, depth, &value);
    if (err != ERR_OK)
        return err;
    raise_height(height, value.height);
    m.value = value.node;
    if (!merges)
        return add_member(b, map, m);
    if (map->merge)
        return errinfo_at(b->e, ERR_SYNTAX, m.line, m.col, "duplicate key \"<<\"");
    map->merge = value.node;
    return ERR_OK;
}

static enum err build_mapping(struct builder *b, const struct head *h, unsigned depth,
                              struct built *out)
{
    struct mapping map = {.object = new_node(b, h, JSON_OBJECT)};
    enum err err = map.object ? check_depth(b, depth + 1) : no_memory(b);
    *out = (struct built){map.object, 1};
    while (err == ERR_OK && (err = next(b)) == ERR_OK && b->event.type != YAML_MAPPING_END_EVENT)
        err = build_member(b, depth + 1, &map, &out->height);
    if (err == ERR_OK)
        err = merge(b, &map);
    map_fini(&map.keys);
    return err;
}

static enum err build_alias(struct builder *b, unsigned depth, struct built *out)
{
    const char *name = (const char *)b->event.data.alias.anchor;
    const struct anchor *anchor = map_get(&b->anchors, str_c(name));
    if (!anchor)
        return errinfo_at(b->e, ERR_SYNTAX, line_of(b), col_of(b), "unknown anchor \"%s\"", name);
    if (!anchor->node)
        return errinfo_at(b->e, ERR_SYNTAX, line_of(b), col_of(b),
                          "the anchor \"%s\" contains itself", name);
    *out = (struct built){anchor->node, anchor->height};
    enum err err = check_depth(b, depth + anchor->height);
    return err == ERR_OK ? count(b, anchor->nodes) : err;
}

static enum err set_anchor(struct builder *b, struct str name, struct anchor value)
{
    struct anchor *anchor = ARENA_NEW(b->a, struct anchor);
    if (!anchor || map_put(&b->anchors, name, anchor, NULL) != ERR_OK)
        return no_memory(b);
    *anchor = value;
    return ERR_OK;
}

/* Does what was built agree with YAML's own tag, if it has one? */
static enum err check_tag(struct builder *b, const struct head *h, const struct json *v)
{
    bool fits = h->tag->form == FORM_CORE   ? (h->tag->kinds & KIND(v->type)) != 0
                : h->tag->form == FORM_TEXT ? v->type == JSON_STRING
                                            : true;
    if (fits)
        return ERR_OK;
    return errinfo_at(b->e, ERR_SYNTAX, h->line, h->col, "this is not what its tag %s says",
                      h->tag->text);
}

static enum err build_content(struct builder *b, const struct head *h, unsigned depth,
                              struct built *out)
{
    enum err err;
    bool wraps = h->tag->key != NULL;
    depth += wraps;
    if (b->event.type == YAML_SCALAR_EVENT)
        err = build_scalar(b, h, out);
    else if (b->event.type == YAML_SEQUENCE_START_EVENT)
        err = build_sequence(b, h, depth, out);
    else
        err = build_mapping(b, h, depth, out);
    if (err == ERR_OK)
        err = check_depth(b, depth + out->height);
    if (err == ERR_OK)
        err = check_tag(b, h, out->node);
    return err == ERR_OK && wraps ? wrap(b, h, out) : err;
}

/* Builds the node that the current event begins, inside `depth` containers; the current event is
 * then the one that ends it. */
static enum err build(struct builder *b, unsigned depth, struct built *out)
{
    struct head h;
    size_t before = b->nodes;
    if (b->event.type == YAML_ALIAS_EVENT)
        return build_alias(b, depth, out);
    enum err err = count(b, 1);
    if (err == ERR_OK)
        err = read_head(b, &h);
    if (err == ERR_OK && h.anchor.p)
        err = set_anchor(b, h.anchor, (struct anchor){0});
    if (err == ERR_OK)
        err = build_content(b, &h, depth, out);
    if (err == ERR_OK && h.anchor.p)
        err = set_anchor(b, h.anchor, (struct anchor){out->node, b->nodes - before, out->height});
    return err;
}

static enum err expect(struct builder *b, yaml_event_type_t type, const char *otherwise)
{
    enum err err = next(b);
    if (err == ERR_OK && b->event.type != type)
        err = errinfo_at(b->e, ERR_SYNTAX, line_of(b), col_of(b), "%s", otherwise);
    return err;
}

static enum err build_document(struct builder *b, struct built *out)
{
    enum err err = expect(b, YAML_STREAM_START_EVENT, "malformed document");
    if (err == ERR_OK)
        err = expect(b, YAML_DOCUMENT_START_EVENT, "the document is empty");
    if (err == ERR_OK)
        err = next(b);
    if (err == ERR_OK)
        err = build(b, 0, out);
    if (err == ERR_OK)
        err = expect(b, YAML_DOCUMENT_END_EVENT, "malformed document");
    if (err == ERR_OK)
        err = expect(b, YAML_STREAM_END_EVENT, "more than one document");
    return err;
}

static enum err parse_yaml(struct arena *a, struct str text, const struct json **out,
                           struct errinfo *e)
{
    struct builder b = {.text = text, .a = a, .e = e};
    struct built top = {0};
    if (!yaml_parser_initialize(&b.parser))
        return errinfo_set(e, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    enum err err = build_document(&b, &top);
    yaml_event_delete(&b.event);
    yaml_parser_delete(&b.parser);
    map_fini(&b.anchors);
    *out = err == ERR_OK ? top.node : NULL;
    return err;
}

/* JSON that is not YAML 1.1 exists: \ud83d\ude00, a tab before the first brace, long keys. */
static bool may_be_json(struct str text)
{
    size_t at = 0;
    while (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
        at++;
    return at < text.n && (text.p[at] == '{' || text.p[at] == '[');
}

/* YAML 1.1 folds these characters in a string as if they ended a line; JSON takes them as they are:
 * U+0085, U+2028, U+2029. */
static bool has_odd_breaks(struct str text)
{
    return str_find(text, STR("\xc2\x85")) != SIZE_MAX ||
           str_find(text, STR("\xe2\x80\xa8")) != SIZE_MAX ||
           str_find(text, STR("\xe2\x80\xa9")) != SIZE_MAX;
}

enum err yaml_parse(struct arena *a, struct str text, size_t max, const struct json **out,
                    struct errinfo *e)
{
    *out = NULL;
    if (text.n > max)
        return errinfo_set(e, ERR_LIMIT, "larger than %zu bytes", max);
    struct str body = str_starts(text, STR("\xef\xbb\xbf")) ? str_from(text, 3) : text;
    bool json = may_be_json(body);
    if (json && has_odd_breaks(body) && json_parse(a, body, max, out, NULL) == ERR_OK)
        return ERR_OK;
    struct errinfo before = e ? *e : (struct errinfo){0}, note = before;
    enum err err = parse_yaml(a, text, out, e);
    if (err != ERR_SYNTAX || !json)
        return err;
    enum err again = json_parse(a, body, max, out, &note);
    if (again == ERR_SYNTAX)
        return err;
    if (e)
        *e = note;
    return again;
}
