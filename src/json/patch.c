/* SPDX-License-Identifier: Apache-2.0 */
/* Facts: the texts and the order of the checks are what Glance 33 answers. */
#include "json/json.h"

#include <string.h>

static const char *const op_names[] = {
    [PATCH_ADD] = "add", [PATCH_REMOVE] = "remove", [PATCH_REPLACE] = "replace"
};

bool image_name_read_only(const char *name)
{
    const struct attribute *a = attribute_find(&image_resource, name);

    return a && (a->writer == ATTRIBUTE_ONCE || a->writer == ATTRIBUTE_SERVICE);
}

bool image_name_reserved(const char *name)
{
    const struct attribute *a = attribute_find(&image_resource, name);

    return (a && a->writer == ATTRIBUTE_RESERVED) || str_starts(name, "os_glance");
}

static bool op_find(const char *name, enum patch_op *ret)
{
    for (size_t i = 0; i < COUNT(op_names); i++) {
        if (str_eq(op_names[i], name)) {
            *ret = (enum patch_op)i;
            return true;
        }
    }
    return false;
}

static int head_v21(const json_t *raw, enum patch_op *ret_op, const char **ret_path, struct error *e)
{
    const json_t *op = json_object_get(raw, "op"), *path = json_object_get(raw, "path");

    if (!op || json_is_null(op))
        return error_set(e, ERROR_INVALID,
                         "Unable to find `op` in JSON Schema change. "
                         "It must be one of the following: add, remove, replace.");
    if (!json_is_string(op) || !op_find(json_string_value(op), ret_op)) {
        CLEANUP(str_done) struct str shown = STR_INIT;

        if (json_is_string(op))
            str_add(&shown, json_string_value(op));
        else
            json_add_repr(&shown, op);
        return error_set(e, ERROR_INVALID,
                         "Invalid operation: `%s`. It must be one of the following: add, remove, replace.",
                         str_text(&shown));
    }
    if (!path)
        return error_set(e, ERROR_INVALID, "Unable to find 'path' in JSON Schema change");
    *ret_path = json_string_value(path);
    return 0;
}

static int head_v20(const json_t *raw, enum patch_op *ret_op, const char **ret_path, struct error *e)
{
    const json_t *found = NULL;

    for (size_t i = 0; i < COUNT(op_names); i++) {
        const json_t *path = json_object_get(raw, op_names[i]);

        if (path && found)
            return error_set(e, ERROR_INVALID,
                             "Operation objects must contain only one member named \"add\", \"remove\", "
                             "or \"replace\".");
        if (path) {
            found = path;
            *ret_op = (enum patch_op)i;
        }
    }
    if (!found)
        return error_set(e, ERROR_INVALID,
                         "Operation objects must contain exactly one member named \"add\", \"remove\", "
                         "or \"replace\".");
    *ret_path = json_string_value(found);
    return 0;
}

/* ~0 and ~1 (RFC 6901) and the blanks around a segment, in place. */
static char *segment_decode(char *text)
{
    char *to, *from, *end;

    while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
        text++;
    end = text + strlen(text);
    while (end > text && (end[-1] == ' ' || (end[-1] >= '\t' && end[-1] <= '\r')))
        *--end = '\0';
    for (to = from = text; *from; from++) {
        if (*from == '~') {
            from++;
            *to++ = *from == '1' ? '/' : '~';
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return text;
}

static int pointer_check(const char *pointer, struct error *e)
{
    size_t n = strlen(pointer);

    if (pointer[0] != '/')
        return error_set(e, ERROR_INVALID, "Pointer `%s` does not start with \"/\".", pointer);
    if (strstr(pointer + 1, "//"))
        return error_set(e, ERROR_INVALID, "Pointer `%s` contains adjacent \"/\".", pointer);
    if (n > 1 && pointer[n - 1] == '/')
        return error_set(e, ERROR_INVALID, "Pointer `%s` end with \"/\".", pointer);
    for (const char *p = strchr(pointer, '~'); p; p = strchr(p + 1, '~'))
        if (p[1] != '0' && p[1] != '1')
            return error_set(e, ERROR_INVALID,
                             "Pointer `%s` contains \"~\" not part of a recognized escape sequence.",
                             pointer);
    return 0;
}

/* Everything but locations has one segment; locations has two where one element is meant. */
static int depth_check(const struct patch_change *c, size_t n_segments, const char *pointer, struct error *e)
{
    size_t wanted = 1;

    if (str_eq(c->path[0], "locations"))
        wanted = c->op == PATCH_REPLACE ? 1 : 2;
    if (n_segments != wanted)
        return error_set(e, ERROR_INVALID, "Invalid JSON pointer for this resource: '%s'", pointer);
    return 0;
}

static int pointer_parse(struct arena *a, const char *pointer, struct patch_change *c, struct error *e)
{
    const char *pointer_text;
    size_t n = 0;
    char *text, *next;

    if (pointer_check(pointer, e) < 0)
        return -1;
    pointer_text = pointer + strspn(pointer, "/");
    for (text = arena_str(a, pointer_text); text; text = next, n++) {
        next = strchr(text, '/');
        if (next)
            *next++ = '\0';
        if (n < COUNT(c->path))
            c->path[n] = segment_decode(text);
    }
    c->n_path = n < COUNT(c->path) ? n : COUNT(c->path);
    return depth_check(c, n, pointer, e);
}

static int value_check(const struct schema *s, const struct patch_change *c, struct error *e)
{
    CLEANUP(json_drop) json_t *partial = json_object();
    json_t *value = (json_t *)(uintptr_t)c->value;

    if (c->n_path == 1) {
        json_object_set(partial, c->path[0], value);
    } else {
        json_t *list = json_array();

        json_array_append(list, value);
        json_object_set_new(partial, c->path[0], list);
    }
    return schema_check_image(s, partial, e);
}

static int change_parse(struct arena *a, const struct schema *s, const json_t *raw, struct patch_change *c,
                        struct error *e)
{
    const char *pointer = NULL;

    if (!json_is_object(raw))
        return error_set(e, ERROR_INVALID, "Operations must be JSON objects.");
    if ((c->dialect == PATCH_V21 ? head_v21 : head_v20)(raw, &c->op, &pointer, e) < 0)
        return -1;
    if (!pointer)
        return error_set(e, ERROR_INVALID, "The path of an operation must be a string.");
    if (pointer_parse(a, pointer, c, e) < 0)
        return -1;
    if (c->op != PATCH_REMOVE) {
        c->value = json_object_get(raw, "value");
        if (!c->value)
            return error_set(e, ERROR_INVALID, "Operation \"%s\" requires a member named \"value\".",
                             op_names[c->op]);
    }
    if (image_name_read_only(c->path[0]))
        return error_set(e, ERROR_FORBIDDEN, "Attribute '%s' is read-only.", c->path[0]);
    if (image_name_reserved(c->path[0]))
        return error_set(e, ERROR_FORBIDDEN, "Attribute '%s' is reserved.", c->path[0]);
    return c->op == PATCH_REMOVE ? 0 : value_check(s, c, e);
}

int patch_parse(struct arena *a, const struct schema *s, enum patch_dialect dialect, const json_t *body,
                struct patch_change **ret, size_t *ret_n, struct error *e)
{
    size_t n = json_array_size(body);
    struct patch_change *changes;

    if (!json_is_array(body))
        return error_set(e, ERROR_INVALID, "Request body must be a JSON array of operation objects.");
    changes = arena_array(a, struct patch_change, n);
    for (size_t i = 0; i < n; i++) {
        changes[i].dialect = dialect;
        if (change_parse(a, s, json_array_get(body, i), &changes[i], e) < 0)
            return -1;
    }
    *ret = changes;
    *ret_n = n;
    return 0;
}
