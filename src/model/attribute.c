/* SPDX-License-Identifier: Apache-2.0 */
#include "model/attribute.h"

#include <string.h>

const struct attribute *attribute_find(const struct resource *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->attributes[i].name, name) == 0)
            return &r->attributes[i];
    return NULL;
}

static const void *member(const struct attribute *a, const void *item)
{
    return (const char *)item + a->at;
}

static int enum_get(const struct attribute *a, const void *item)
{
    int value;

    memcpy(&value, member(a, item), sizeof value);
    return value;
}

struct attribute_value attribute_get(const struct attribute *a, const void *item)
{
    struct attribute_value v = { .type = a->type };

    switch (a->type) {
    case ATTRIBUTE_NONE:
        v.null = true;
        break;
    case ATTRIBUTE_TEXT:
        v.text = *(const char *const *)member(a, item);
        v.null = !v.text;
        break;
    case ATTRIBUTE_NUMBER:
        v.number = *(const int64_t *)member(a, item);
        break;
    case ATTRIBUTE_SIZE:
        v.type = ATTRIBUTE_NUMBER;
        v.number = *(const int64_t *)member(a, item);
        v.null = v.number < 0;
        break;
    case ATTRIBUTE_TIME:
        v.number = *(const int64_t *)member(a, item);
        v.null = v.number == 0;
        break;
    case ATTRIBUTE_BOOL:
        v.number = *(const bool *)member(a, item);
        break;
    case ATTRIBUTE_ENUM:
        v.type = ATTRIBUTE_TEXT;
        v.text = a->name_of(enum_get(a, item));
        break;
    }
    return v;
}

void resource_init(const struct resource *r, void *item)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct attribute *a = &r->attributes[i];
        char *at = (char *)item + a->at;

        if (a->type == ATTRIBUTE_SIZE)
            *(int64_t *)(void *)at = -1;
        else if (a->type == ATTRIBUTE_ENUM)
            memcpy(at, &a->initial, sizeof a->initial);
    }
}

/* ---- rows ---- */

void resource_add_columns(const struct resource *r, struct str *out)
{
    const char *between = "";

    for (size_t i = 0; i < r->n; i++)
        if (attribute_has_column(&r->attributes[i])) {
            str_addf(out, "%s%s", between, r->attributes[i].name);
            between = ", ";
        }
}

void resource_add_insert(const struct resource *r, struct str *out)
{
    size_t n = 0;

    str_addf(out, "INSERT INTO %s (", r->table);
    resource_add_columns(r, out);
    str_add(out, ") VALUES (");
    for (size_t i = 0; i < r->n; i++)
        if (attribute_has_column(&r->attributes[i])) {
            str_addf(out, "%s?%zu", n ? ", " : "", n + 1);
            n++;
        }
    str_addc(out, ')');
}

static bool is_saved(const struct attribute *a)
{
    return attribute_has_column(a) && !a->kept;
}

int resource_add_update(const struct resource *r, struct str *out)
{
    int n = 0;

    str_addf(out, "UPDATE %s SET ", r->table);
    for (size_t i = 0; i < r->n; i++)
        if (is_saved(&r->attributes[i])) {
            str_addf(out, "%s%s = ?%d", n ? ", " : "", r->attributes[i].name, n + 1);
            n++;
        }
    return n + 1;
}

static int enum_read(const struct resource *r, const struct attribute *a, const char *text, void *at,
                     struct error *e)
{
    int value;

    if (!text || !a->parse(text, &value)) {
        error_set(e, ERROR_INTERNAL, "A row of %s cannot be read.", r->table);
        return error_detail(e, "its %s is '%s'", a->name, text ? text : "NULL");
    }
    memcpy(at, &value, sizeof value);
    return 0;
}

int resource_read(const struct resource *r, struct db_stmt *s, int col, struct arena *a, void *item,
                  struct error *e)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct attribute *one = &r->attributes[i];
        void *at = (char *)item + one->at;

        switch (one->type) {
        case ATTRIBUTE_NONE:
            continue;
        case ATTRIBUTE_TEXT:
            *(const char **)at = arena_str(a, db_text(s, col));
            break;
        case ATTRIBUTE_NUMBER:
            *(int64_t *)at = db_int(s, col);
            break;
        case ATTRIBUTE_SIZE:
            *(int64_t *)at = db_is_null(s, col) ? -1 : db_int(s, col);
            break;
        case ATTRIBUTE_TIME:
            *(int64_t *)at = db_time(s, col);
            break;
        case ATTRIBUTE_BOOL:
            *(bool *)at = db_bool(s, col);
            break;
        case ATTRIBUTE_ENUM:
            if (enum_read(r, one, db_text(s, col), at, e) < 0)
                return -1;
            break;
        }
        col++;
    }
    return 0;
}

void attribute_value_bind(struct db_stmt *s, int at, const struct attribute_value *v)
{
    if (v->null)
        db_bind_null(s, at);
    else if (v->type == ATTRIBUTE_TEXT)
        db_bind_text(s, at, v->text);
    else if (v->type == ATTRIBUTE_BOOL)
        db_bind_bool(s, at, v->number != 0);
    else if (v->type == ATTRIBUTE_TIME)
        db_bind_time(s, at, v->number);
    else
        db_bind_int(s, at, v->number);
}

static void bind(struct db_stmt *s, int at, const struct attribute *a, const void *item)
{
    struct attribute_value v = attribute_get(a, item);

    if (a->empty_is_null && v.text && !*v.text)
        v.null = true;
    attribute_value_bind(s, at, &v);
}

int resource_bind_insert(const struct resource *r, struct db_stmt *s, const void *item)
{
    int at = 1;

    for (size_t i = 0; i < r->n; i++)
        if (attribute_has_column(&r->attributes[i]))
            bind(s, at++, &r->attributes[i], item);
    return at;
}

int resource_bind_update(const struct resource *r, struct db_stmt *s, const void *item)
{
    int at = 1;

    for (size_t i = 0; i < r->n; i++)
        if (is_saved(&r->attributes[i]))
            bind(s, at++, &r->attributes[i], item);
    return at;
}
