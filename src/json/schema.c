/* SPDX-License-Identifier: Apache-2.0 */
/* The schema document of images is made of their table of attributes and the declared properties; this file
 * serves it and checks bodies against it. Facts: JSON Schema draft 4, and the wording and choice of error of
 * python-jsonschema 4.25 as clients of Glance 33 see them. */
#include "json/json.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

extern const char json_image_properties[], json_location_schema[];

struct schema {
    json_t *image; /* the whole document */
    json_t *base;  /* names of base attributes, as an object's keys */
    char *image_text, *images_text;
};

/* ---- building ---- */

/* Keys in the order Glance emits: type, readOnly, description, and what else there is. */
static json_t *attribute_schema(const struct attribute *a)
{
    static const char *const types[] = {
        [ATTRIBUTE_TEXT] = "string", [ATTRIBUTE_NUMBER] = "integer", [ATTRIBUTE_SIZE] = "integer",
        [ATTRIBUTE_TIME] = "string", [ATTRIBUTE_BOOL] = "boolean",   [ATTRIBUTE_ENUM] = "string"
    };
    const char *type = a->type == ATTRIBUTE_NONE ? a->json_type : types[a->type];
    bool nullable = a->type == ATTRIBUTE_SIZE || (a->type == ATTRIBUTE_TEXT && !a->never_null);
    CLEANUP(str_done) struct str text = STR_INIT;

    str_addf(&text, nullable ? "{\"type\": [\"null\", \"%s\"]" : "{\"type\": \"%s\"", type);
    if (a->writer == ATTRIBUTE_SERVICE || a->writer == ATTRIBUTE_UNGUARDED)
        str_add(&text, ", \"readOnly\": true");
    if (a->description) {
        str_add(&text, ", \"description\": ");
        json_add_text(&text, a->description, true);
    }
    if (a->max_length > 0)
        str_addf(&text, ", \"maxLength\": %d", a->max_length);
    str_addf(&text, "%s%s}", a->more ? ", " : "", a->more ? a->more : "");
    return json_loads(str_text(&text), 0, NULL);
}

static json_t *resource_schema(const struct resource *r)
{
    json_t *all = json_object();

    for (int place = 1; place <= (int)r->n; place++)
        for (size_t i = 0; i < r->n; i++)
            if (r->attributes[i].schema == place)
                json_object_set_new(all, r->attributes[i].name, attribute_schema(&r->attributes[i]));
    for (size_t i = 0; i < r->n; i++) /* a place beyond the last would be left out */
        assert(r->attributes[i].schema <= (int)r->n);
    return all;
}

static json_t *image_schema(void)
{
    return json_pack("{s:s, s:o, s:{s:s}, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "name", "image",
                     "properties", resource_schema(&image_resource), "additionalProperties", "type", "string",
                     "links", "rel", "self", "href", "{self}", "rel", "enclosure", "href", "{file}", "rel",
                     "describedby", "href", "{schema}");
}

static void set_enum(json_t *image, const char *field, const char *const *items, size_t n)
{
    json_t *list = json_array();

    json_array_append_new(list, json_null());
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(items[i]));
    json_object_set_new(json_object_get(json_object_get(image, "properties"), field), "enum", list);
}

/* The operator's file, whole; NULL with *e filled. */
static json_t *read_declared(const char *path, bool undeclared, struct error *e)
{
    json_error_t why;
    json_t *j;

    if (!path)
        return undeclared ? json_object() : json_loads(json_image_properties, 0, NULL);
    j = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    if (!j)
        error_set(e, ERROR_INVALID, "%s:%d: %s", path, why.line, why.text);
    else if (!json_is_object(j))
        error_set(e, ERROR_INVALID, "%s: expected an object that maps property names to schemas", path);
    if (j && !json_is_object(j)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* Flat form: name -> schema. Extended form: {"properties": {name: schema}, "required": [names]}. */
static int add_declared(json_t *image, json_t *declared, const char *path, struct error *e)
{
    json_t *properties = json_object_get(declared, "properties"), *required = NULL, *item;
    json_t *into = json_object_get(image, "properties");
    const char *name;

    if (json_is_object(properties) && !json_is_string(json_object_get(properties, "type")))
        required = json_object_get(declared, "required");
    else
        properties = declared;
    json_object_foreach(properties, name, item)
    {
        if (!json_is_object(item))
            return error_set(e, ERROR_INVALID, "%s: property '%s': expected a schema object", path, name);
        if (json_object_get(into, name))
            return error_set(e, ERROR_INVALID, "%s: property '%s' is an attribute of every image already",
                             path, name);
        item = json_deep_copy(item);
        json_object_set_new(item, "is_base", json_false());
        json_object_set_new(into, name, item);
    }
    if (json_is_array(required) && json_array_size(required) > 0)
        json_object_set(image, "required", required);
    return 0;
}

/* Keys in the order Glance emits: name, properties, additionalProperties, [required,] links. */
static void write_texts(struct schema *s)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    json_t *links = json_incref(json_object_get(s->image, "links"));

    json_object_del(s->image, "links");
    json_object_set_new(s->image, "links", links);
    json_add_value(&out, s->image, true);
    s->image_text = mem_str(str_text(&out));
    str_clear(&out);
    str_addf(
        &out,
        "{\"name\": \"images\", \"properties\": {\"images\": {\"type\": \"array\", \"items\": %s}, "
        "\"first\": {\"type\": \"string\"}, \"next\": {\"type\": \"string\"}, \"schema\": {\"type\": "
        "\"string\"}}, "
        "\"links\": [{\"rel\": \"first\", \"href\": \"{first}\"}, {\"rel\": \"next\", \"href\": \"{next}\"}, "
        "{\"rel\": \"describedby\", \"href\": \"{schema}\"}]}",
        s->image_text);
    s->images_text = mem_str(str_text(&out));
}

int schema_open(const struct schema_options *o, struct schema **ret, struct error *e)
{
    struct schema *s = mem_new(sizeof *s);
    json_t *declared = read_declared(o->properties_file, o->undeclared, e);
    int status;

    s->image = image_schema();
    s->base = json_copy(json_object_get(s->image, "properties"));
    set_enum(s->image, "disk_format", o->disk_formats, o->n_disk_formats);
    set_enum(s->image, "container_format", o->container_formats, o->n_container_formats);
    status =
        declared ? add_declared(s->image, declared, o->properties_file ? o->properties_file : "", e) : -1;
    json_decref(declared);
    if (status < 0) {
        schema_free(s);
        return -1;
    }
    write_texts(s);
    *ret = s;
    return 0;
}

void schema_free(struct schema *s)
{
    if (!s)
        return;
    json_decref(s->image);
    json_decref(s->base);
    mem_free(s->image_text);
    mem_free(s->images_text);
    mem_free(s);
}

const char *schema_image_text(const struct schema *s)
{
    return s->image_text;
}

const char *schema_images_text(const struct schema *s)
{
    return s->images_text;
}

bool schema_is_base(const struct schema *s, const char *name)
{
    return json_object_get(s->base, name) != NULL;
}

/* ---- checking ---- */

enum { DEPTH_MAX = 8 }; /* of the schema, not of the instance: locations[n].validation_data.x is 4 */

struct step {
    const char *key; /* NULL: an index */
    size_t index;
};

struct check {
    struct step path[DEPTH_MAX], best_path[DEPTH_MAX];
    size_t depth, best_depth;
    bool found;
    struct str best; /* the message of the best violation so far */
};

static int compare_paths(const struct step *a, const struct step *b, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        int order = a[i].key && b[i].key ? strcmp(a[i].key, b[i].key)
                                         : (a[i].index > b[i].index) - (a[i].index < b[i].index);

        if (order)
            return order;
    }
    return 0;
}

/* Whether a violation here would be the one to report. */
static bool better(struct check *c)
{
    if (c->found && (c->depth > c->best_depth ||
                     (c->depth == c->best_depth && compare_paths(c->path, c->best_path, c->depth) <= 0)))
        return false;
    c->found = true;
    c->best_depth = c->depth;
    memcpy(c->best_path, c->path, sizeof c->path);
    str_clear(&c->best);
    return true;
}

static void violation(struct check *c, const json_t *instance, const char *text)
{
    if (!better(c))
        return;
    json_add_repr(&c->best, instance);
    str_add(&c->best, text);
}

static bool is_type(const json_t *instance, const char *type)
{
    if (str_eq(type, "string"))
        return json_is_string(instance);
    if (str_eq(type, "integer")) {
        double real = json_is_real(instance) ? json_real_value(instance) : 0.5;

        return json_is_integer(instance) || !(floor(real) < real || floor(real) > real);
    }
    if (str_eq(type, "number"))
        return json_is_number(instance);
    if (str_eq(type, "boolean"))
        return json_is_boolean(instance);
    if (str_eq(type, "null"))
        return json_is_null(instance);
    if (str_eq(type, "array"))
        return json_is_array(instance);
    return str_eq(type, "object") && json_is_object(instance);
}

static void check_type(struct check *c, const json_t *rule, const json_t *instance)
{
    CLEANUP(str_done) struct str names = STR_INIT;

    str_add(&names, " is not of type ");
    if (json_is_string(rule)) {
        if (is_type(instance, json_string_value(rule)))
            return;
        json_add_repr(&names, rule);
    }
    for (size_t i = 0; i < json_array_size(rule); i++) {
        const json_t *type = json_array_get(rule, i);

        if (is_type(instance, json_string_value(type)))
            return;
        str_add(&names, i ? ", " : "");
        json_add_repr(&names, type);
    }
    violation(c, instance, str_text(&names));
}

static void check_enum(struct check *c, const json_t *rule, const json_t *instance)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    for (size_t i = 0; i < json_array_size(rule); i++)
        if (json_equal(json_array_get(rule, i), instance))
            return;
    str_add(&text, " is not one of ");
    json_add_repr(&text, rule);
    violation(c, instance, str_text(&text));
}

static bool matches(const char *pattern, const char *text)
{
    PCRE2_SIZE at;
    int code;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    pcre2_match_data *data;
    bool found;

    if (!re) /* an operator's pattern that PCRE cannot read refuses nothing */
        return true;
    data = pcre2_match_data_create(1, NULL);
    found = pcre2_match(re, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL) >= 0;
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return found;
}

static void check_text(struct check *c, const json_t *schema, const json_t *instance)
{
    const char *text = json_string_value(instance);
    int64_t length = str_utf8_len(text, strlen(text));
    const json_t *max = json_object_get(schema, "maxLength"), *min = json_object_get(schema, "minLength");
    const json_t *pattern = json_object_get(schema, "pattern");

    if (json_is_integer(max) && length > json_integer_value(max))
        violation(c, instance, " is too long");
    if (json_is_integer(min) && length < json_integer_value(min))
        violation(c, instance, json_integer_value(min) == 1 ? " should be non-empty" : " is too short");
    if (json_is_string(pattern) && !matches(json_string_value(pattern), text)) {
        CLEANUP(str_done) struct str why = STR_INIT;

        str_add(&why, " does not match ");
        json_add_repr(&why, pattern);
        violation(c, instance, str_text(&why));
    }
}

static void check_number(struct check *c, const json_t *schema, const json_t *instance)
{
    const json_t *min = json_object_get(schema, "minimum"), *max = json_object_get(schema, "maximum");
    char text[80];

    if (json_is_number(min) && json_number_value(instance) < json_number_value(min)) {
        snprintf(text, sizeof text, " is less than the minimum of %g", json_number_value(min));
        violation(c, instance, text);
    }
    if (json_is_number(max) && json_number_value(instance) > json_number_value(max)) {
        snprintf(text, sizeof text, " is greater than the maximum of %g", json_number_value(max));
        violation(c, instance, text);
    }
}

static void check_value(struct check *c, const json_t *schema, const json_t *instance);

static void descend(struct check *c, const char *key, size_t index, const json_t *schema,
                    const json_t *instance)
{
    if (c->depth == DEPTH_MAX)
        return;
    c->path[c->depth++] = (struct step){ key, index };
    check_value(c, schema, instance);
    c->depth--;
}

static void check_required(struct check *c, const json_t *required, const json_t *instance)
{
    for (size_t i = 0; i < json_array_size(required); i++) {
        const json_t *name = json_array_get(required, i);

        if (json_object_get(instance, json_string_value(name)) || !better(c))
            continue;
        json_add_repr(&c->best, name);
        str_add(&c->best, " is a required property");
    }
}

static void check_dependent(struct check *c, const json_t *rules, const json_t *instance)
{
    const char *name;
    json_t *needed;

    json_object_foreach((json_t *)(uintptr_t)rules, name, needed)
    {
        for (size_t i = 0; json_object_get(instance, name) && i < json_array_size(needed); i++) {
            const json_t *other = json_array_get(needed, i);

            if (json_object_get(instance, json_string_value(other)) || !better(c))
                continue;
            json_add_repr(&c->best, other);
            str_addf(&c->best, " is a dependency of '%s'", name);
        }
    }
}

static void check_object(struct check *c, const json_t *schema, const json_t *instance)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *more = json_object_get(schema, "additionalProperties");
    CLEANUP(str_done) struct str extra = STR_INIT;
    size_t n_extra = 0;
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)(uintptr_t)instance, key, item)
    {
        const json_t *rule = json_object_get(properties, key);

        if (rule) {
            descend(c, key, 0, rule, item);
        } else if (json_is_object(more)) {
            descend(c, key, 0, more, item);
        } else if (json_is_false(more)) {
            str_addf(&extra, "%s'%s'", extra.len ? ", " : "", key);
            n_extra++;
        }
    }
    if (n_extra > 0 && better(c))
        str_addf(&c->best, "Additional properties are not allowed (%s %s unexpected)", str_text(&extra),
                 n_extra == 1 ? "was" : "were");
    check_required(c, json_object_get(schema, "required"), instance);
    check_dependent(c, json_object_get(schema, "dependentRequired"), instance);
}

/* The one that the schema says first is told. */
static void check_kind(struct check *c, const json_t *schema, const json_t *instance)
{
    const char *key;
    json_t *rule;

    json_object_foreach((json_t *)(uintptr_t)schema, key, rule)
    {
        if (str_eq(key, "type"))
            check_type(c, rule, instance);
        else if (str_eq(key, "enum"))
            check_enum(c, rule, instance);
    }
}

static void check_value(struct check *c, const json_t *schema, const json_t *instance)
{
    const json_t *items = json_object_get(schema, "items");

    check_kind(c, schema, instance);
    if (json_is_string(instance))
        check_text(c, schema, instance);
    if (json_is_number(instance))
        check_number(c, schema, instance);
    if (json_is_object(instance))
        check_object(c, schema, instance);
    if (items && json_is_array(instance))
        for (size_t i = 0; i < json_array_size(instance); i++)
            descend(c, NULL, i, items, json_array_get(instance, i));
}

static int check_against(const json_t *schema, const char *name, const json_t *instance, struct error *e)
{
    struct check c = { .best = STR_INIT };

    check_value(&c, schema, instance);
    if (!c.found)
        return 0;
    error_set(e, ERROR_INVALID, "Provided object does not match schema '%s': %s", name, str_text(&c.best));
    str_done(&c.best);
    return -1;
}

int schema_check_image(const struct schema *s, const json_t *object, struct error *e)
{
    return check_against(s->image, "image", object, e);
}

int schema_check_location(const json_t *body, struct error *e)
{
    CLEANUP(json_drop) json_t *schema = json_loads(json_location_schema, 0, NULL);

    return check_against(schema, "location", body, e);
}

int schema_check_task(const json_t *body, struct error *e)
{
    CLEANUP(json_drop) json_t *schema = json_loads(schema_document("task"), 0, NULL);

    json_object_set_new(schema, "additionalProperties", json_false());
    return check_against(schema, "task", body, e);
}
