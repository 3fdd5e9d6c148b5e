/* SPDX-License-Identifier: Apache-2.0 */
/* A listing's query string: parameters, limit, order, links. */
#ifndef API_CORE_LISTING_H
#define API_CORE_LISTING_H

#include "http/http.h"
#include "model/attribute.h"

/* Parameters in the order sent; popping one takes the first of that name out. */
struct list_params {
    struct http_param *items;
    size_t n;
};

int list_params_read(struct arena *a, const char *query, struct list_params *ret, struct error *e) MUST_CHECK;
const char *list_param_pop(struct list_params *p, const char *name); /* NULL when there is none */
/* Another list of them, so that the first keeps what is popped from this one. */
struct list_params list_params_copy(struct arena *a, const struct list_params *p);
bool list_param_has(const struct list_params *p, const char *name);
const char *list_param_last(const struct list_params *p, const char *name);

/* "?a=b&c=d" of all parameters but marker, encoded as Python's urlencode does; of a repeated name the last
 * value, but every tag, sort_key and sort_dir. */
void list_link_query(struct str *out, const struct http_param *items, size_t n);
/* A quoted link to the listing at that path with these parameters; marker: from there on (NULL: from the
 * first). */
void list_link_write(struct str *out, const char *path, const struct list_params *p, const char *marker);

/* A page's size as Python's int() reads it; more than fits is the most that does. */
int list_limit_parse(struct arena *a, const char *text, int64_t *ret, struct error *e) MUST_CHECK;
/* The sort keys of a resource, in either syntax, with created_at and id behind them, which make the order
 * total: ERROR_INVALID in Glance's words. Takes the parameters out. */
struct list_sorts {
    struct sort items[SORTS_MAX];
    size_t n;
};
int list_sorts_parse(struct arena *a, const struct resource *r, struct list_params *params,
                     struct list_sorts *ret, struct error *e) MUST_CHECK;
/* Where the value of each name is that counts, the last one. */
struct names *list_last_of_each(struct arena *a, const struct http_param *items, size_t n);
/* Without blanks at either end. */
char *list_trim(struct arena *a, const char *text);

#endif
