/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: a listing's query string as filters. */
#ifndef API_CORE_LIST_FILTERS_H
#define API_CORE_LIST_FILTERS_H

#include "http/http.h"
#include "model/model.h"

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

/* Takes every tag=… out and makes filters of them. */
void list_tags_pop(struct arena *a, struct list_params *p, struct image_query *q);
/* What is refused before the database is asked. */
int list_filters_check(const struct list_params *p, struct error *e) MUST_CHECK;
/* The rest of the parameters as filters; of a repeated name the last value counts. */
int list_filters_make(struct arena *a, const struct list_params *p, struct image_query *q,
                      struct error *e) MUST_CHECK;

/* "?a=b&c=d" of all parameters but marker, encoded as Python's urlencode does; of a repeated name the last
 * value, but every tag, sort_key and sort_dir. */
void list_link_query(struct str *out, const struct http_param *items, size_t n);
/* A quoted link to the listing at that path with these parameters; marker: from there on (NULL: from the
 * first). */
void list_link_write(struct str *out, const char *path, const struct list_params *p, const char *marker);

/* A page's size as Python's int() reads it; more than fits is the most that does. */
int list_limit_parse(struct arena *a, const char *text, int64_t *ret, struct error *e) MUST_CHECK;
/* Without blanks at either end. */
char *list_trim(struct arena *a, const char *text);

#endif
