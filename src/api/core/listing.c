/* SPDX-License-Identifier: Apache-2.0 */
/* Facts: api.md 4.5 and Glance 33 on the wire. */
#include "api/core/listing.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"

/* ---- parameters ---- */

int list_params_read(struct arena *a, const char *query, struct list_params *ret, struct error *e)
{
    ssize_t n = http_query_parse(a, query, &ret->items);

    if (n == HTTP_QUERY_UNDECODABLE)
        return error_set(e, ERROR_INVALID,
                         "Error decoding your request. Either the URL or the request body contained "
                         "characters that could not be decoded by Glance");
    if (n < 0)
        return error_set(e, ERROR_INVALID, "Too many query parameters.");
    ret->n = (size_t)n;
    return 0;
}

struct list_params list_params_copy(struct arena *a, const struct list_params *p)
{
    struct list_params copy = { arena_array(a, struct http_param, p->n + 1), p->n };

    if (p->n)
        memcpy(copy.items, p->items, p->n * sizeof *p->items);
    return copy;
}

static ssize_t find(const struct list_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->items[i].name, name))
            return (ssize_t)i;
    return -1;
}

bool list_param_has(const struct list_params *p, const char *name)
{
    return find(p, name) >= 0;
}

const char *list_param_pop(struct list_params *p, const char *name)
{
    ssize_t i = find(p, name);
    const char *value;

    if (i < 0)
        return NULL;
    value = p->items[i].value;
    p->n--;
    memmove(p->items + i, p->items + i + 1, (p->n - (size_t)i) * sizeof *p->items);
    return value;
}

const char *list_param_last(const struct list_params *p, const char *name)
{
    for (size_t i = p->n; i > 0; i--)
        if (str_eq(p->items[i - 1].name, name))
            return p->items[i - 1].value;
    return NULL;
}

/* What means something else when only the last one is left. */
static bool may_repeat(const char *name)
{
    return str_eq(name, "tag") || str_eq(name, "sort_key") || str_eq(name, "sort_dir");
}

/* Where each name stands for the last time. */
struct names *list_last_of_each(struct arena *a, const struct http_param *items, size_t n)
{
    struct names *last = names_make(a);

    for (size_t i = 0; i < n; i++)
        names_put(last, items[i].name, i);
    return last;
}

void list_link_query(struct str *out, const struct http_param *items, size_t n)
{
    struct arena *a = arena_make(4096);
    struct names *last = list_last_of_each(a, items, n);
    char between = '?';

    for (size_t i = 0; i < n; i++) {
        bool each = may_repeat(items[i].name);
        size_t at = i;

        if (str_eq(items[i].name, "marker") || (!each && !names_find(last, items[i].name, &at)))
            continue;
        names_remove(last, items[i].name);
        str_addc(out, between);
        http_quote_plus(out, items[i].name);
        str_addc(out, '=');
        http_quote_plus(out, items[at].value);
        between = '&';
    }
    arena_free(a);
}

void list_link_write(struct str *out, const char *path, const struct list_params *p, const char *marker)
{
    CLEANUP(str_done) struct str link = STR_INIT;

    str_add(&link, path);
    list_link_query(&link, p->items, p->n);
    if (marker) {
        str_addc(&link, strchr(str_text(&link), '?') ? '&' : '?');
        str_add(&link, "marker=");
        http_quote_plus(&link, marker);
    }
    json_add_text(out, str_text(&link), false);
}

char *list_trim(struct arena *a, const char *text)
{
    size_t n;

    text += strspn(text, " \t\r\n\v\f");
    n = strlen(text);
    while (n > 0 && strchr(" \t\r\n\v\f", text[n - 1]))
        n--;
    return arena_strn(a, text, n);
}

int list_limit_parse(struct arena *a, const char *text, int64_t *ret, struct error *e)
{
    char *digits = list_trim(a, text);
    bool negative = *digits == '-';
    size_t n;

    digits += *digits == '-' || *digits == '+';
    n = strspn(digits, "0123456789");
    if (n == 0 || digits[n])
        return error_set(e, ERROR_INVALID, "limit param must be an integer");
    if (!str_to_i64(digits, 0, INT64_MAX, ret))
        *ret = INT64_MAX;
    if (negative && *ret > 0)
        return error_set(e, ERROR_INVALID, "limit param must be positive");
    return 0;
}

/* ---- order ---- */

static const struct attribute *sort_key_at(const struct resource *r, int place)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->attributes[i].sort == place)
            return &r->attributes[i];
    return NULL;
}

static int sort_key_check(const struct resource *r, const char *key, const char **ret, struct error *e)
{
    CLEANUP(str_done) struct str known = STR_INIT;
    const struct attribute *a = attribute_find(r, key);

    if (a && a->sort > 0) {
        *ret = a->name;
        return 0;
    }
    for (int place = 1; (a = sort_key_at(r, place)); place++)
        str_addf(&known, "%s%s", place > 1 ? ", " : "", a->name);
    return error_set(e, ERROR_INVALID, "Invalid sort key: %s. It must be one of the following: %s.", key,
                     str_text(&known));
}

static int sort_dir_check(const char *dir, bool *ret_ascending, struct error *e)
{
    if (!str_eq(dir, "asc") && !str_eq(dir, "desc"))
        return error_set(e, ERROR_INVALID, "Invalid sort direction: %s", dir);
    *ret_ascending = str_eq(dir, "asc");
    return 0;
}

static int sort_room(const struct list_sorts *q, struct error *e)
{
    if (q->n + 2 >= SORTS_MAX)
        return error_set(e, ERROR_INVALID, "Too many sort keys.");
    return 0;
}

/* sort=key[:dir],key[:dir] */
static int sort_new_syntax(struct arena *a, const struct resource *r, struct list_sorts *q, const char *text,
                           struct error *e)
{
    char *item = arena_str(a, text), *next;

    for (; item; item = next) {
        struct sort *s = &q->items[q->n];
        char *dir;

        next = strchr(item, ',');
        if (next)
            *next++ = '\0';
        dir = strchr(item, ':');
        if (dir)
            *dir++ = '\0';
        if (sort_room(q, e) < 0 || sort_key_check(r, list_trim(a, item), &s->column, e) < 0)
            return -1;
        s->ascending = false;
        if (dir && *list_trim(a, dir) && sort_dir_check(list_trim(a, dir), &s->ascending, e) < 0)
            return -1;
        q->n++;
    }
    return 0;
}

/* sort_key=a&sort_key=b with one direction for all, or one each. */
static int sort_old_syntax(struct arena *a, const struct resource *r, struct list_params *params,
                           struct list_sorts *q, size_t *ret_given, struct error *e)
{
    bool dirs[SORTS_MAX] = { false };
    const char *text;
    size_t n_dirs = 0;

    while ((text = list_param_pop(params, "sort_key"))) {
        if (sort_room(q, e) < 0 || sort_key_check(r, list_trim(a, text), &q->items[q->n].column, e) < 0)
            return -1;
        q->n++;
    }
    if (q->n == 0)
        q->items[q->n++].column = "created_at";
    while ((text = list_param_pop(params, "sort_dir"))) {
        if (n_dirs == SORTS_MAX)
            return error_set(e, ERROR_INVALID, "Number of sort dirs does not match the number of sort keys");
        if (sort_dir_check(list_trim(a, text), &dirs[n_dirs++], e) < 0)
            return -1;
    }
    if (n_dirs > 1 && n_dirs != q->n)
        return error_set(e, ERROR_INVALID, "Number of sort dirs does not match the number of sort keys");
    for (size_t i = 0; i < q->n; i++)
        q->items[i].ascending = n_dirs > 1 ? dirs[i] : dirs[0];
    *ret_given = n_dirs;
    return 0;
}

static bool sorts_have(const struct list_sorts *q, const char *column)
{
    for (size_t i = 0; i < q->n; i++)
        if (str_eq(q->items[i].column, column))
            return true;
    return false;
}

/* created_at and id make the order total; they follow the direction when only one was given, else descend. */
static void sort_tie_breakers(struct list_sorts *q, size_t n_given)
{
    static const char *const breakers[] = { "created_at", "id" };
    bool ascending = n_given == 1 && q->items[0].ascending;

    for (size_t i = 0; i < COUNT(breakers); i++)
        if (!sorts_have(q, breakers[i]))
            q->items[q->n++] = (struct sort){ breakers[i], ascending };
}

int list_sorts_parse(struct arena *a, const struct resource *r, struct list_params *params,
                     struct list_sorts *q, struct error *e)
{
    const char *sort = list_param_pop(params, "sort");
    size_t n_given = 0;

    if (!sort) {
        if (sort_old_syntax(a, r, params, q, &n_given, e) < 0)
            return -1;
    } else {
        if (list_param_has(params, "sort_key") || list_param_has(params, "sort_dir"))
            return error_set(e, ERROR_INVALID, "Old and new sorting syntax cannot be combined");
        if (sort_new_syntax(a, r, q, sort, e) < 0)
            return -1;
        n_given = q->n;
    }
    sort_tie_breakers(q, n_given);
    return 0;
}
