/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/images. Parameters are read in the order in which Glance 33 reads them, so that of several
 * mistakes the same one is reported. */
#include "api/images/images.h"

#include "api/core/list_filters.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "db/db.h"
#include "store/store.h"

enum { SHORT_PAGE = 50 };

struct list_request {
    struct image_query query;
    const char *marker_id;
    struct list_params all; /* as sent, for the links */
    bool cut;               /* the page is full before its limit */
};

/* ---- limit, marker, sort ---- */

static const struct attribute *sort_key_at(int place)
{
    for (size_t i = 0; i < image_resource.n; i++)
        if (image_resource.attributes[i].sort == place)
            return &image_resource.attributes[i];
    return NULL;
}

static int sort_key_check(const char *key, const char **ret, struct error *e)
{
    CLEANUP(str_done) struct str known = STR_INIT;
    const struct attribute *a = attribute_find(&image_resource, key);

    if (a && a->sort > 0) {
        *ret = a->name;
        return 0;
    }
    for (int place = 1; (a = sort_key_at(place)); place++)
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

static int sort_room(const struct image_query *q, struct error *e)
{
    if (q->n_sorts + 2 >= IMAGE_SORTS_MAX)
        return error_set(e, ERROR_INVALID, "Too many sort keys.");
    return 0;
}

/* sort=key[:dir],key[:dir] */
static int sort_new_syntax(struct request *rq, struct image_query *q, const char *text, struct error *e)
{
    char *item = arena_str(rq->arena, text), *next;

    for (; item; item = next) {
        struct image_sort *s = &q->sorts[q->n_sorts];
        char *dir;

        next = strchr(item, ',');
        if (next)
            *next++ = '\0';
        dir = strchr(item, ':');
        if (dir)
            *dir++ = '\0';
        if (sort_room(q, e) < 0 || sort_key_check(list_trim(rq->arena, item), &s->column, e) < 0)
            return -1;
        s->ascending = false;
        if (dir && *list_trim(rq->arena, dir) &&
            sort_dir_check(list_trim(rq->arena, dir), &s->ascending, e) < 0)
            return -1;
        q->n_sorts++;
    }
    return 0;
}

/* sort_key=a&sort_key=b with one direction for all, or one each. */
static int sort_old_syntax(struct request *rq, struct list_params *params, struct image_query *q,
                           size_t *ret_given, struct error *e)
{
    bool dirs[IMAGE_SORTS_MAX] = { false };
    const char *text;
    size_t n_dirs = 0;

    while ((text = list_param_pop(params, "sort_key"))) {
        if (sort_room(q, e) < 0 ||
            sort_key_check(list_trim(rq->arena, text), &q->sorts[q->n_sorts].column, e) < 0)
            return -1;
        q->n_sorts++;
    }
    if (q->n_sorts == 0)
        q->sorts[q->n_sorts++].column = "created_at";
    while ((text = list_param_pop(params, "sort_dir"))) {
        if (n_dirs == IMAGE_SORTS_MAX)
            return error_set(e, ERROR_INVALID, "Number of sort dirs does not match the number of sort keys");
        if (sort_dir_check(list_trim(rq->arena, text), &dirs[n_dirs++], e) < 0)
            return -1;
    }
    if (n_dirs > 1 && n_dirs != q->n_sorts)
        return error_set(e, ERROR_INVALID, "Number of sort dirs does not match the number of sort keys");
    for (size_t i = 0; i < q->n_sorts; i++)
        q->sorts[i].ascending = n_dirs > 1 ? dirs[i] : dirs[0];
    *ret_given = n_dirs;
    return 0;
}

static bool sorts_have(const struct image_query *q, const char *column)
{
    for (size_t i = 0; i < q->n_sorts; i++)
        if (str_eq(q->sorts[i].column, column))
            return true;
    return false;
}

/* created_at and id make the order total; they follow the direction when only one was given, else descend. */
static void sort_tie_breakers(struct image_query *q, size_t n_given)
{
    static const char *const breakers[] = { "created_at", "id" };
    bool ascending = n_given == 1 && q->sorts[0].ascending;

    for (size_t i = 0; i < COUNT(breakers); i++)
        if (!sorts_have(q, breakers[i]))
            q->sorts[q->n_sorts++] = (struct image_sort){ breakers[i], ascending };
}

static int sort_parse(struct request *rq, struct list_params *params, struct image_query *q, struct error *e)
{
    const char *sort = list_param_pop(params, "sort");
    size_t n_given = 0;

    if (!sort) {
        if (sort_old_syntax(rq, params, q, &n_given, e) < 0)
            return -1;
    } else {
        if (list_param_has(params, "sort_key") || list_param_has(params, "sort_dir"))
            return error_set(e, ERROR_INVALID, "Old and new sorting syntax cannot be combined");
        if (sort_new_syntax(rq, q, sort, e) < 0)
            return -1;
        n_given = q->n_sorts;
    }
    sort_tie_breakers(q, n_given);
    return 0;
}

/* ---- the whole query ---- */

static int member_status_check(const char *status, const char **ret, struct error *e)
{
    static const char *const known[] = { "accepted", "pending", "rejected", "all" };

    for (size_t i = 0; i < COUNT(known); i++) {
        if (str_eq(known[i], status)) {
            *ret = known[i];
            return 0;
        }
    }
    return error_set(e, ERROR_INVALID, "Invalid status: %s", status);
}

static int query_parse(struct request *rq, struct list_params *params, struct list_request *lr,
                       struct error *e)
{
    struct image_query *q = &lr->query;
    const char *limit = list_param_pop(params, "limit");
    const char *member_status = list_param_pop(params, "member_status");

    lr->marker_id = list_param_pop(params, "marker");
    q->viewer = identity_viewer(&rq->identity);
    q->limit = rq->settings->limit_default;
    list_tags_pop(rq->arena, params, q);
    if (list_filters_check(params, e) < 0 ||
        member_status_check(member_status ? member_status : "accepted", &q->member_status, e) < 0)
        return -1;
    if (limit && list_limit_parse(rq->arena, limit, &q->limit, e) < 0)
        return -1;
    if (q->limit > rq->settings->limit_max)
        q->limit = rq->settings->limit_max;
    return sort_parse(rq, params, q, e); /* takes the sorting out of what is left to filter by */
}

static int marker_unknown(const char *id, struct error *e)
{
    return error_set(e, ERROR_INVALID, "No image found with ID %s", id);
}

/* An image that the caller cannot see is answered as one that does not exist. Only an administrator may go on
 * from an image that is deleted by now. */
static int marker_load(struct request *rq, struct db_conn *c, const char *id, struct image_query *q,
                       struct error *e)
{
    struct policy_target target;
    struct image *im;
    int result = q->viewer.is_admin ? image_load_any(c, rq->arena, id, &im, e)
                                    : image_load(c, rq->arena, id, &q->viewer, &im, e);

    if (result < 0)
        return e->kind == ERROR_NOT_FOUND ? marker_unknown(id, e) : -1;
    q->marker = im;
    policy_target_image(im, &rq->identity, &target);
    return im->deleted || policy_allows(rq->rules, &rq->identity, "get_image", &target)
               ? 0
               : marker_unknown(id, e);
}

/* ---- the answer ---- */

static void list_write(struct request *rq, struct str *body, const struct list_request *lr,
                       struct image *images, size_t n)
{
    const char *last = NULL;

    str_add(body, "{\"images\": [");
    for (size_t i = 0; i < n; i++) {
        struct image_doc_options doc = image_doc_options(rq, &images[i]);
        struct policy_target target;

        request_prepare(rq, &images[i]);
        policy_target_image(&images[i], &rq->identity, &target);
        if (!policy_allows(rq->rules, &rq->identity, "get_image", &target))
            continue;
        if (last)
            str_add(body, ", ");
        image_doc_write(body, &images[i], &doc);
        last = images[i].id;
    }
    str_add(body, "], \"first\": ");
    list_link_write(body, "/v2/images", &lr->all, NULL);
    str_add(body, ", \"schema\": \"/v2/schemas/images\"");
    if (last && (lr->cut || (int64_t)n == lr->query.limit)) {
        str_add(body, ", \"next\": ");
        list_link_write(body, "/v2/images", &lr->all, last);
    }
    str_addc(body, '}');
}

/* A filter by what the caller may not read matches nothing: it would tell what is hidden. */
static void filters_protect(struct request *rq, struct image_query *q)
{
    for (size_t i = 0; i < q->n_filters; i++)
        if (q->filters[i].kind == FILTER_PROPERTY && !request_may(rq, q->filters[i].column, PROPERTY_READ))
            q->filters[i].kind = FILTER_NOTHING;
}

/* A short page in the default order is a few reads along an index. Anything else may be long, and an event
 * loop has other connections to look after. */
static bool is_short(const struct image_query *q)
{
    return q->limit <= SHORT_PAGE && q->n_filters == 0 && q->visibility < 0 &&
           str_eq(q->sorts[0].column, "created_at");
}

int image_list_handle(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct list_request lr = { 0 };
    struct list_params params;
    struct image *images = NULL;
    struct db_conn *c;
    size_t n = 0;

    if (list_params_read(rq->arena, rq->http->query, &lr.all, e) < 0)
        return -1;
    params = list_params_copy(rq->arena, &lr.all);
    if (query_parse(rq, &params, &lr, e) < 0 || request_allowed(rq, rq->route->rule, NULL, e) < 0)
        return -1;
    if (list_filters_make(rq->arena, &params, &lr.query, e) < 0)
        return -1;
    filters_protect(rq, &lr.query);
    if (rq->http->inline_only && !is_short(&lr.query))
        return error_set(e, ERROR_WOULD_BLOCK, "%s", "");
    if (request_db(rq, &c, e) < 0)
        return -1;
    if (lr.marker_id && marker_load(rq, c, lr.marker_id, &lr.query, e) < 0)
        return -1;
    lr.query.without_locations =
        !rq->settings->show_locations && !rq->settings->show_direct_url && !stores_several(rq->api->stores);
    if (lr.query.limit > 0 && image_list(c, rq->arena, &lr.query, &images, &n, &lr.cut, e) < 0)
        return -1;
    request_db_release(rq);
    str_reserve(&body, n * 1024);
    list_write(rq, &body, &lr, images, n);
    return respond_document(rq, &body, e);
}
