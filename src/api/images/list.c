/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/images. Parameters are read in the order in which Glance 33 reads them, so that of several
 * mistakes the same one is reported. */
#include "api/images/filters.h"
#include "api/images/images.h"

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
    struct list_sorts sorts = { .n = 0 };
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
    if (list_sorts_parse(rq->arena, &image_resource, params, &sorts, e) < 0)
        return -1;
    memcpy(q->sorts, sorts.items, sizeof q->sorts);
    q->n_sorts = sorts.n;
    return 0;
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
