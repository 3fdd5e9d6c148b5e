/* SPDX-License-Identifier: Apache-2.0 */
/* /v2/tasks and /v2/images/{image_id}/tasks. The rule comes before anything else of a request about tasks,
 * also before its body (Glance 33 on the wire). */
#include "api/tasks/tasks.h"

#include "api/core/listing.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
#include "db/db.h"

/* ---- documents ---- */

static void add_member(struct str *out, const char *name, const char *value)
{
    if (!value)
        return;
    str_addf(out, ", \"%s\": ", name);
    json_add_text(out, value, false);
}

static void add_time(struct str *out, const char *name, int64_t us)
{
    char when[CLOCK_TEXT_MAX];

    str_addf(out, ", \"%s\": \"%s\"", name, clock_iso(us, when));
}

/* A JSON document of the database; null when there is none, or it cannot be parsed. */
static void add_document(struct str *out, const char *name, const char *text, bool ascii)
{
    CLEANUP(json_drop) json_t *value = text ? json_parse(text, strlen(text)) : NULL;

    str_addf(out, ", \"%s\": ", name);
    if (value)
        json_add_value(out, value, ascii);
    else
        str_add(out, "null");
}

/* whole: not one of a listing. */
static void task_write(struct str *out, const struct task *t, bool whole)
{
    str_addf(out, "{\"id\": \"%s\"", t->id);
    if (whole)
        add_document(out, "input", t->input, false);
    add_member(out, "type", t->type);
    add_member(out, "status", t->status);
    add_member(out, "owner", t->owner);
    if (whole) {
        add_member(out, "message", t->message ? t->message : "");
        add_document(out, "result", t->result, false);
    }
    add_time(out, "created_at", t->created_us);
    add_time(out, "updated_at", t->updated_us ? t->updated_us : t->created_us);
    str_addf(out, ", \"self\": \"/v2/tasks/%s\", \"schema\": \"/v2/schemas/task\"", t->id);
    if (whole) {
        add_member(out, "image_id", t->image_id);
        add_member(out, "request_id", t->request_id);
        add_member(out, "user_id", t->user_id);
    }
    if (t->expires_us)
        add_time(out, "expires_at", t->expires_us);
    str_addc(out, '}');
}

/* ---- GET /v2/tasks/{task_id} ---- */

int task_show(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct viewer viewer = identity_viewer(&rq->identity);
    struct db_conn *c;
    struct task *t;

    if (request_allowed(rq, rq->route->rule, NULL, e) < 0 || request_db(rq, &c, e) < 0 ||
        task_load_seen(c, rq->arena, rq->args[0], &viewer, &t, e) < 0)
        return -1;
    task_write(&body, t, true);
    return respond_document(rq, &body, e);
}

int task_created(struct request *rq, const struct task *t)
{
    CLEANUP(str_done) struct str body = STR_INIT;

    task_write(&body, t, true);
    headers_addf(rq->arena, &rq->headers, "Location", "%s/v2/tasks/%s", request_base(rq), t->id);
    request_version_add(rq, document_etag(rq, &body));
    return respond_json(rq, 201, &body);
}

/* ---- DELETE /v2/tasks/{task_id} ---- */

int task_delete(struct request *rq, struct error *e)
{
    if (request_allowed(rq, rq->route->rule, NULL, e) < 0)
        return -1;
    headers_add(rq->arena, &rq->headers, "Allow", "GET");
    return error_set(e, ERROR_METHOD,
                     "This operation is currently not permitted on Glance Tasks. They are auto deleted after "
                     "reaching the time based on their expires_at property.");
}

/* ---- GET /v2/tasks ---- */

/* What is refused before the database is asked, in Glance's order. An empty value is a filter like any other.
 */
static int values_check(const struct list_params *p, struct error *e)
{
    static const char *const statuses[] = { "", "pending", "processing", "success", "failure" };
    const char *status = list_param_last(p, "status"), *type = list_param_last(p, "type");
    size_t i = 0;

    while (status && i < COUNT(statuses) && !str_eq(statuses[i], status))
        i++;
    if (i == COUNT(statuses))
        return error_set(e, ERROR_INVALID, "Invalid status value: %s", status);
    if (type && *type && !str_eq(type, "import"))
        return error_set(e, ERROR_INVALID, "Invalid type value: %s", type);
    return 0;
}

/* With dashes anywhere, as Python reads a UUID. */
static bool is_like_uuid(const char *text)
{
    size_t digits = 0;

    for (; *text; text++) {
        if (!strchr("-0123456789abcdefABCDEF", *text))
            return false;
        digits += *text != '-';
    }
    return digits == 32;
}

static int query_parse(struct request *rq, struct list_params *p, struct task_query *q,
                       const char **ret_marker, struct error *e)
{
    const char *limit = list_param_pop(p, "limit"), *marker = list_param_pop(p, "marker");
    const char *sort_dir = list_param_pop(p, "sort_dir"), *sort = list_param_pop(p, "sort_key");

    if (sort_dir && !str_eq(sort_dir, "asc") && !str_eq(sort_dir, "desc"))
        return error_set(e, ERROR_INVALID, "Invalid sort direction: %s", sort_dir);
    if (values_check(p, e) < 0)
        return -1;
    if (marker && *marker && !is_like_uuid(marker))
        return error_set(e, ERROR_INVALID, "Invalid marker format");
    if (limit && list_limit_parse(rq->arena, limit, &q->limit, e) < 0)
        return -1;
    if (q->limit > rq->settings->limit_max)
        q->limit = rq->settings->limit_max;
    q->ascending = str_eq(sort_dir, "asc");
    if (sort && !str_eq(sort, "deleted")) /* all that are listed are equal in that */
        q->sort = sort;
    *ret_marker = marker;
    return 0;
}

/* What is no column is no filter; of a repeated name all values count. */
static void filters_make(struct arena *a, const struct list_params *p, struct task_query *q)
{
    struct task_filter *filters = arena_array(a, struct task_filter, p->n + 1);

    for (size_t i = 0; i < p->n; i++)
        if (task_column_known(p->items[i].name))
            filters[q->n_filters++] = (struct task_filter){ p->items[i].name, p->items[i].value };
    q->filters = filters;
}

static int marker_load(struct request *rq, struct db_conn *c, const char *id, struct task_query *q,
                       struct error *e)
{
    struct task *t;

    if (task_load_seen(c, rq->arena, id, &q->viewer, &t, e) < 0) {
        if (e->kind != ERROR_NOT_FOUND)
            return -1;
        return error_set(e, ERROR_INVALID, "Task with the given id %s was not found", id);
    }
    q->marker = t;
    return 0;
}

static void list_write(struct str *body, const struct task_query *q, const struct list_params *all,
                       const struct task *tasks, size_t n)
{
    str_add(body, "{\"tasks\": [");
    for (size_t i = 0; i < n; i++) {
        str_add(body, i ? ", " : "");
        task_write(body, &tasks[i], false);
    }
    str_add(body, "], \"first\": ");
    list_link_write(body, "/v2/tasks", all, NULL);
    str_add(body, ", \"schema\": \"/v2/schemas/tasks\"");
    if (n > 0 && (int64_t)n == q->limit) {
        str_add(body, ", \"next\": ");
        list_link_write(body, "/v2/tasks", all, tasks[n - 1].id);
    }
    str_addc(body, '}');
}

int task_list_handle(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct task_query q = { .viewer = identity_viewer(&rq->identity),
                            .sort = "created_at",
                            .limit = rq->settings->limit_default };
    struct list_params all, params;
    const char *marker = NULL;
    struct task *tasks = NULL;
    struct db_conn *c;
    size_t n = 0;

    if (request_allowed(rq, rq->route->rule, NULL, e) < 0 ||
        list_params_read(rq->arena, rq->http->query, &all, e) < 0)
        return -1;
    params = list_params_copy(rq->arena, &all);
    if (query_parse(rq, &params, &q, &marker, e) < 0 || request_db(rq, &c, e) < 0)
        return -1;
    filters_make(rq->arena, &params, &q);
    if (marker && marker_load(rq, c, marker, &q, e) < 0)
        return -1;
    if (!task_column_known(q.sort))
        return error_set(e, ERROR_INVALID, "Sort key supplied was not valid.");
    if (q.limit > 0 && task_list(c, rq->arena, &q, &tasks, &n, e) < 0)
        return -1;
    list_write(&body, &q, &all, tasks, n);
    return respond_document(rq, &body, e);
}

/* ---- GET /v2/images/{image_id}/tasks ---- */

/* 2026-11-22T08:21:00.000000, as this document alone shows times. */
static void add_exact_time(struct str *out, const char *name, int64_t us)
{
    char when[CLOCK_TEXT_MAX];

    str_addf(out, ", \"%s\": ", name);
    if (!us) {
        str_add(out, "null");
        return;
    }
    clock_sql(us, when)[strlen("2026-11-22")] = 'T';
    str_addf(out, "\"%s\"", when);
}

static void add_or_null(struct str *out, const char *name, const char *value)
{
    str_addf(out, ", \"%s\": ", name);
    json_add_text_or_null(out, value, true);
}

static void task_of_image_write(struct str *out, const struct task *t)
{
    str_addf(out, "{\"id\": \"%s\"", t->id);
    add_or_null(out, "type", t->type);
    add_or_null(out, "status", t->status);
    add_or_null(out, "owner", t->owner);
    add_exact_time(out, "expires_at", t->expires_us);
    add_exact_time(out, "created_at", t->created_us);
    add_exact_time(out, "updated_at", t->updated_us);
    add_exact_time(out, "deleted_at", t->deleted_us);
    str_addf(out, ", \"deleted\": %s", t->deleted ? "true" : "false");
    add_or_null(out, "image_id", t->image_id);
    add_or_null(out, "request_id", t->request_id);
    add_or_null(out, "user_id", t->user_id);
    add_document(out, "input", t->input, true);
    add_document(out, "result", t->result, true);
    add_or_null(out, "message", t->message);
    str_addc(out, '}');
}

/* The image's own rule is enough: who may see it is told how it got its data. */
int image_tasks_show(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct viewer viewer = identity_viewer(&rq->identity);
    struct task *tasks;
    struct image *im;
    struct db_conn *c;
    size_t n;

    if (request_image(rq, &im, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_NOT_FOUND, "%s", "") : -1;
    if (request_allowed(rq, rq->route->rule, im, e) < 0 || request_db(rq, &c, e) < 0 ||
        task_list_of_image(c, rq->arena, im->id, &viewer, &tasks, &n, e) < 0)
        return -1;
    str_add(&body, "{\"tasks\": [");
    for (size_t i = 0; i < n; i++) {
        str_add(&body, i ? ", " : "");
        task_of_image_write(&body, &tasks[i]);
    }
    str_add(&body, "]}");
    return respond_document(rq, &body, e);
}
