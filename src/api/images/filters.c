/* SPDX-License-Identifier: Apache-2.0 */
/* Facts: api.md 4.5 and Glance 33 on the wire; the grammar of in:"a","b" is glance.common.utils'. */
#include "api/images/filters.h"

#include <stdlib.h>
#include <string.h>

static struct image_filter *add(struct arena *a, struct image_query *q, enum image_filter_kind kind,
                                const char *column)
{
    struct image_filter *f = ARENA_PUSH(a, q->filters, q->n_filters, q->cap_filters);

    f->kind = kind;
    f->column = column;
    return f;
}

static void add_text(struct arena *a, struct image_query *q, enum image_filter_kind kind, const char *column,
                     const char *value)
{
    struct image_filter *f = add(a, q, kind, column);
    const char **values = arena_array(a, const char *, 1);

    values[0] = value;
    f->values = values;
    f->n_values = 1;
}

void list_tags_pop(struct arena *a, struct list_params *p, struct image_query *q)
{
    const char *tag;

    while ((tag = list_param_pop(p, "tag"))) {
        size_t n;

        tag += strspn(tag, " \t\r\n");
        n = strlen(tag);
        while (n > 0 && strchr(" \t\r\n", tag[n - 1]))
            n--;
        add_text(a, q, FILTER_TAG, "", arena_strn(a, tag, n));
    }
}

static int bool_check(const char *name, const char *value, bool any_case, struct error *e)
{
    if (any_case ? str_eq_nocase(value, "true") || str_eq_nocase(value, "false")
                 : str_eq(value, "true") || str_eq(value, "false"))
        return 0;
    return error_set(e, ERROR_INVALID,
                     "Invalid value '%s' for '%s' filter. Valid values are 'true' or 'false'.", value, name);
}

int list_filters_check(const struct list_params *p, struct error *e)
{
    const char *visibility = list_param_last(p, "visibility"), *since = list_param_last(p, "changes-since");
    const char *hidden = list_param_last(p, "os_hidden"), *protected = list_param_last(p, "protected");
    enum image_visibility parsed;

    if (visibility && *visibility && !str_eq(visibility, "all") &&
        !image_visibility_parse(visibility, &parsed))
        return error_set(e, ERROR_INVALID, "Invalid visibility value: %s", visibility);
    if (since && *since)
        return error_set(e, ERROR_INVALID, "The \"changes-since\" filter is no longer available on v2.");
    if (hidden && bool_check("os_hidden", hidden, true, e) < 0)
        return -1;
    if (protected && bool_check("protected", protected, false, e) < 0)
        return -1;
    return 0;
}

/* "op:value", unless the whole is a time; without an operator it is eq. */
static const char *split_operator(struct arena *a, const char *text, const char **ret_value)
{
    const char *colon = strchr(text, ':');
    int64_t us;

    if (!colon || clock_from_iso(text, &us)) {
        *ret_value = text;
        return "eq";
    }
    *ret_value = colon + 1;
    return arena_strn(a, text, (size_t)(colon - text));
}

static int quotes_check(const char *value, struct error *e)
{
    bool outside = true;

    for (size_t i = 0; value[i]; i++) {
        if (value[i] != '"' || (i > 0 && value[i - 1] == '\\'))
            continue;
        if (outside && i > 0 && value[i - 1] != ',')
            return error_set(e, ERROR_INVALID,
                             "Invalid filter value %s. There is no comma before opening quotation mark.",
                             value);
        if (!outside && value[i + 1] && value[i + 1] != ',')
            return error_set(e, ERROR_INVALID,
                             "Invalid filter value %s. There is no comma after closing quotation mark.",
                             value);
        outside = !outside;
    }
    if (!outside)
        return error_set(e, ERROR_INVALID, "Invalid filter value %s. The quote is not closed.", value);
    return 0;
}

/* One item of a list at *p, moved past its comma. Backslashes protect a quote and stay in the value. */
static char *next_item(struct arena *a, const char **p)
{
    const char *start = *p;
    size_t n = 0;
    char *item;

    if (*start == '"') {
        start++;
        while (start[n] && start[n] != '"')
            n += start[n] == '\\' && start[n + 1] ? 2 : 1;
        item = arena_strn(a, start, n);
        *p = start + n + (start[n] == '"');
    } else {
        n = strcspn(start, ",");
        item = arena_strn(a, start, n);
        *p = start + n;
    }
    if (**p == ',')
        (*p)++;
    return item;
}

static int add_operator_text(struct arena *a, struct image_query *q, const char *column, const char *text,
                             struct error *e)
{
    const char *value, *op = split_operator(a, text, &value);
    const char **values = NULL;
    size_t n = 0, cap = 0;
    struct image_filter *f;

    if (str_eq(op, "eq")) {
        add_text(a, q, FILTER_TEXT, column, value);
        return 0;
    }
    if (!str_eq(op, "in"))
        return error_set(e, ERROR_INVALID, "Unable to filter by unknown operator '%s'.", op);
    if (quotes_check(value, e) < 0)
        return -1;
    while (*value)
        *ARENA_PUSH(a, values, n, cap) = next_item(a, &value);
    f = add(a, q, n ? FILTER_TEXT : FILTER_NOTHING, column);
    f->values = values;
    f->n_values = n;
    return 0;
}

static int add_time(struct arena *a, struct image_query *q, const char *column, const char *text,
                    struct error *e)
{
    static const struct {
        const char *name;
        enum image_filter_op op;
    } ops[] = { { "eq", OP_EQ },   { "neq", OP_NEQ }, { "gt", OP_GT },
                { "gte", OP_GTE }, { "lt", OP_LT },   { "lte", OP_LTE } };
    const char *value, *op = split_operator(a, text, &value);
    struct image_filter *f;
    int64_t us;

    if (!clock_from_iso(value, &us))
        return error_set(e, ERROR_INVALID, "Bad \"%s\" query filter format. Use ISO 8601 DateTime notation.",
                         column);
    for (size_t i = 0; i < COUNT(ops); i++) {
        if (str_eq(ops[i].name, op)) {
            f = add(a, q, FILTER_TIME, column);
            f->number = us;
            f->op = ops[i].op;
            return 0;
        }
    }
    return error_set(e, ERROR_INVALID, "Unable to filter on a unknown operator.");
}

/* As Python's int(): blanks around, a sign. */
static bool read_int(const char *text, int64_t *ret)
{
    char *end;
    long long n;

    text += strspn(text, " \t\r\n");
    if (!*text || strspn(text, "+-0123456789 \t\r\n") != strlen(text))
        return false;
    n = strtoll(text, &end, 10);
    if (end == text || end[strspn(end, " \t\r\n")])
        return false;
    *ret = n;
    return true;
}

static int add_range(struct arena *a, struct image_query *q, const char *name, const char *value,
                     struct error *e)
{
    size_t n = strlen(name) - 4;
    char *column = arena_strn(a, name, n);
    const struct attribute *known;
    struct image_filter *f;
    int64_t number;

    if (!read_int(value, &number))
        return error_set(e, ERROR_INVALID, "Unable to filter on a range with a non-numeric value.");
    known = attribute_find(&image_resource, column);
    if (!known || !attribute_has_column(known)) {
        add(a, q, FILTER_NOTHING, name);
        return 0;
    }
    f = add(a, q, str_ends(name, "_min") ? FILTER_INT_MIN : FILTER_INT_MAX, column);
    f->number = number;
    return 0;
}

/* A number column compared with a text: SQL's own conversion, "10.0" is 10 and "x" is nothing. */
static void add_number(struct arena *a, struct image_query *q, const char *column, const char *value)
{
    char *end;
    double real = strtod(value, &end);
    bool whole = *value && !*end && real >= -9e15 && real <= 9e15 && !((double)(int64_t)real < real) &&
                 !((double)(int64_t)real > real);

    add(a, q, whole ? FILTER_INT : FILTER_NOTHING, column)->number = whole ? (int64_t)real : 0;
}

static int add_attribute(struct arena *a, struct image_query *q, const char *name, enum attribute_filter kind,
                         const char *value, struct error *e)
{
    switch (kind) {
    case FILTERED_BY_OPERATOR:
        return add_operator_text(a, q, name, value, e);
    case FILTERED_BY_TIME:
        return add_time(a, q, name, value, e);
    case FILTERED_BY_TEXT:
        add_text(a, q, FILTER_TEXT, name, value);
        break;
    case FILTERED_BY_NUMBER:
        add_number(a, q, name, value);
        break;
    case FILTERED_BY_BOOL:
        add(a, q, FILTER_BOOL, name)->number = str_eq(value, "true");
        break;
    case FILTERED_NEVER:
        add(a, q, FILTER_NOTHING, name);
        break;
    case FILTERED_APART:
    case FILTERED_NOT:
        break;
    }
    return 0;
}

/* What images have beside attributes, and nobody can filter by. */
static bool is_relation(const char *name)
{
    return str_eq(name, "properties") || str_eq(name, "members");
}

static int add_param(struct arena *a, struct image_query *q, const char *name, const char *value,
                     struct error *e)
{
    const struct attribute *known = attribute_find(&image_resource, name);

    if (is_relation(name))
        return add_attribute(a, q, name, FILTERED_NEVER, value, e);
    if (known && known->filter != FILTERED_NOT)
        return add_attribute(a, q, name, known->filter, value, e);
    if (str_ends(name, "_min") || str_ends(name, "_max"))
        return add_range(a, q, name, value, e);
    if (str_eq(name, "tags")) {
        if (*value)
            add(a, q, FILTER_NOTHING, name);
        return 0;
    }
    add_text(a, q, FILTER_PROPERTY, name, value);
    return 0;
}

int list_filters_make(struct arena *a, const struct list_params *p, struct image_query *q, struct error *e)
{
    const char *visibility = list_param_last(p, "visibility"), *hidden = list_param_last(p, "os_hidden");
    enum image_visibility parsed;
    struct names *last;

    q->visibility = -1;
    if (str_eq(visibility, "all"))
        q->visibility = -2;
    else if (visibility && image_visibility_parse(visibility, &parsed))
        q->visibility = (int)parsed;
    else if (visibility) /* empty: no image has that */
        add(a, q, FILTER_NOTHING, "visibility");
    q->os_hidden = hidden && str_eq_nocase(hidden, "true");
    last = list_last_of_each(a, p->items, p->n);
    for (size_t i = 0, at; i < p->n; i++) {
        const char *name = p->items[i].name;

        if (names_find(last, name, &at) && add_param(a, q, name, p->items[at].value, e) < 0)
            return -1;
        names_remove(last, name); /* once each, in the order of the first */
    }
    return 0;
}
