/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting an import: its task, the image's lock and its job; also of one that failed, to be run again. */
#include "imports/import.h"

#include <string.h>

#include "json/json.h"

static json_t *texts_array(const char *const *texts, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

static const char *task_input(struct arena *a, const struct import_request *q)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "{\"image_id\": ");
    json_add_text(&out, q->image->id, true);
    str_add(&out, ", \"import_req\": ");
    json_add_value(&out, q->body, true);
    str_add(&out, ", \"backend\": [");
    for (size_t i = 0; i < q->n_stores; i++) {
        str_add(&out, i ? ", " : "");
        json_add_text_or_null(&out, q->several ? q->stores[i] : NULL, true);
    }
    str_add(&out, "]}");
    return arena_str(a, str_text(&out));
}

static const char *names_join(struct arena *a, const char *const *names, size_t n)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    for (size_t i = 0; i < n; i++)
        str_addf(&out, "%s%s", i ? "," : "", names[i]);
    return arena_str(a, str_text(&out));
}

int import_job_add(struct db_conn *c, struct arena *a, const struct import_request *q, char id[UUID_TEXT_MAX],
                   struct error *e)
{
    CLEANUP(json_drop)
    json_t *arguments =
        json_pack("{s:s, s:O, s:o, s:o, s:b, s:b, s:I, s:s*, s:s*}", "method", q->method, "request", q->body,
                  "stores", texts_array(q->stores, q->n_stores), "roles", texts_array(q->roles, q->n_roles),
                  "several", q->several, "must_succeed", q->must_succeed, "storage_quota",
                  (json_int_t)q->storage_quota, "endpoint", q->endpoint, "user", q->user_id);
    CLEANUP(str_done) struct str text = STR_INIT;
    struct task task = {
        .id = id,
        .type = "api_image_import",
        .owner = q->owner,
        .image_id = q->image->id,
        .request_id = q->request_id,
        .user_id = q->user_id,
        .input = task_input(a, q),
    };

    uuid_make(id);
    json_add_value(&text, arguments, true);
    if (task_add(c, &task, e) < 0 || image_lock_take(c, q->image, id, e) < 0)
        return -1;
    if (job_add(c,
                &(struct job){ .id = id,
                               .kind = job_import.name,
                               .image_id = q->image->id,
                               .arguments = str_text(&text),
                               .place = q->place,
                               .owner = q->owner,
                               .method = q->method,
                               .stores = names_join(a, q->stores, q->n_stores) },
                e) < 0)
        return -1;
    return q->token ? job_note_set(c, id, "token", q->token, e) : 0;
}

/* ---- once more ---- */

static int may_again(struct import *im, struct db_conn *c, struct image **ret, struct error *e)
{
    enum image_status wanted = import_copies(im)                     ? IMAGE_ACTIVE
                               : str_eq(im->method, "glance-direct") ? IMAGE_UPLOADING
                                                                     : IMAGE_QUEUED;

    if (str_eq(im->method, "glance-download"))
        return error_set(e, ERROR_CONFLICT, "The token of who asked for it is not kept.");
    if (image_load_any(c, im->run->arena, im->image_id, ret, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_CONFLICT, "The image was purged.") : -1;
    if ((*ret)->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    if ((*ret)->status != wanted)
        return error_set(e, ERROR_CONFLICT, "The image is %s, and %s wants one that is %s.",
                         image_status_name((*ret)->status), im->method, image_status_name(wanted));
    return 0;
}

static int add_again(struct import *im, struct db_conn *c, const struct job *failed, char id[UUID_TEXT_MAX],
                     struct error *e)
{
    struct task *task = NULL;
    struct image *now;

    if (may_again(im, c, &now, e) < 0 ||
        (task_load(c, im->run->arena, failed->id, &task, e) < 0 && e->kind != ERROR_NOT_FOUND))
        return -1;
    return import_job_add(c, im->run->arena,
                          &(struct import_request){
                              .image = now,
                              .method = im->method,
                              .body = json_object_get(im->arguments, "request"),
                              .stores = im->stores,
                              .n_stores = im->n_stores,
                              .several = im->several,
                              .must_succeed = im->must_succeed,
                              .owner = failed->owner,
                              .user_id = task ? task->user_id : NULL,
                              .request_id = task ? task->request_id : NULL,
                              .roles = im->roles,
                              .n_roles = im->n_roles,
                              .place = failed->place,
                              .storage_quota = im->storage_quota,
                          },
                          id, e);
}

int import_again(struct db_conn *c, struct arena *a, const struct job *failed, const char **ret_id,
                 struct error *e)
{
    static const struct import_settings nothing; /* the import is read here, and not run */
    char *id = arena_alloc(a, UUID_TEXT_MAX);
    struct job j = *failed;
    struct job_run r = { .arena = a, .job = &j, .o = &(struct jobs_options){ .settings = &nothing } };
    struct import im;
    int result;

    if (import_open(&r, &im, e) < 0)
        return -1;
    result = add_again(&im, c, failed, id, e);
    import_close(&im);
    *ret_id = id;
    return result;
}
