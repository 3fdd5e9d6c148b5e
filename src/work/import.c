/* SPDX-License-Identifier: Apache-2.0 */
/* Interoperable image import: what becomes of an image whose import was accepted (api/import.c).
 *
 *   queued, uploading --begin--> importing --import_store_all--> active
 *        ^                          |
 *        +---------give_up----------+        copy-image: active all along
 *
 * What the image shows on the way (status, os_glance_importing_to_stores, os_glance_failed_import, locations,
 * the task) is Glance 33's (async_/flows/api_image_import.py and the wire); how it ends is ours:
 *
 *  1 The image, its lock, its task and its job end in one transaction.
 *  2 What failed leaves the image as it can be imported again: queued and without data; or, where the data
 *    were staged by the client and nothing is wrong with them, uploading with these.
 *  3 A step's effect on rows and its name are written in one transaction; files go from one name to another
 *    by rename, after their facts were written (staging.c). So each step may be run again.
 *  4 An object that is put in a store has a note of the job before it can be seen there, until a row of the
 *    image names it (import_stores.c). */
#include "work/import.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { TELL_SECONDS = 60, STEPS_MAX = 32 };

/* ---- changing the image ---- */

int import_change_image(struct import *im, const char *step, import_change *change, void *arg,
                        struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const struct job_run *r = im->run;
    enum image_status from;
    struct image *now;

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0 || db_begin_write(c, e) < 0 ||
        image_load_any(c, r->arena, im->image_id, &now, e) < 0)
        return -1;
    if (now->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    from = now->status;
    if (change(im, c, now, arg, e) < 0 || image_save(c, now, from, e) < 0 ||
        (step ? job_step(c, r->job->id, r->holder, step, e)
              : job_renew(c, r->job->id, r->holder, lease_expiry(), e)) < 0)
        return -1;
    return db_commit(c, e);
}

int import_alive(struct import *im, const char *message, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    int64_t now = clock_mono_us();

    if (job_alive(im->run, e) < 0)
        return -1;
    if (!message || now - im->told_us < TELL_SECONDS * CLOCK_SECOND)
        return 0;
    im->told_us = now;
    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 || db_begin_write(c, e) < 0 ||
        task_progress(c, im->run->job->id, message, e) < 0)
        return -1;
    return db_commit(c, e);
}

/* ---- which stores, as the image tells them: names in order, with commas ---- */

static const char *names_drop(struct arena *a, const char *list, const char *name)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    size_t n = strlen(name);

    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, ",");

        if (len != n || strncmp(at, name, n) != 0)
            str_addf(&out, "%s%.*s", out.len ? "," : "", (int)len, at);
    }
    return arena_str(a, str_text(&out));
}

static const char *names_add(struct arena *a, const char *list, const char *name)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *rest = names_drop(a, list, name);
    bool added = false;

    for (const char *at = rest; *at; at += strcspn(at, ","), at += *at == ',') {
        const char *one = arena_strn(a, at, strcspn(at, ","));

        if (!added && strcmp(name, one) < 0) {
            str_addf(&out, "%s%s", out.len ? "," : "", name);
            added = true;
        }
        str_addf(&out, "%s%s", out.len ? "," : "", one);
    }
    if (!added)
        str_addf(&out, "%s%s", out.len ? "," : "", name);
    return arena_str(a, str_text(&out));
}

void import_tell_store(struct import *im, struct image *now, const char *store, bool importing, bool failed)
{
    struct arena *a = im->run->arena;
    const char *doing = image_property_get(now, IMPORTING_TO_STORES);
    const char *bad = image_property_get(now, FAILED_IMPORT);

    doing = doing ? doing : "";
    bad = bad ? bad : "";
    if (im->several) {
        doing = importing ? names_add(a, doing, store) : names_drop(a, doing, store);
        bad = failed ? names_add(a, bad, store) : names_drop(a, bad, store);
    }
    image_property_set(a, now, IMPORTING_TO_STORES, doing);
    image_property_set(a, now, FAILED_IMPORT, bad);
}

static bool told_of(const struct import *im, const struct image *now, const char *store)
{
    const char *doing = image_property_get(now, IMPORTING_TO_STORES);

    return !im->several || (doing && !str_eq(names_drop(im->run->arena, doing, store), doing));
}

/* ---- begin ---- */

static bool copies(const struct import *im)
{
    return str_eq(im->method, "copy-image");
}

static int begin_rows(struct import *im, struct db_conn *c, struct image *now, void *arg UNUSED,
                      struct error *e)
{
    if (image_formats_check(now, e) < 0) /* since the request was accepted they may have been taken away */
        return -1;
    if (!copies(im) && now->status != IMAGE_IMPORTING) {
        if (!image_status_may(now->status, IMAGE_IMPORTING))
            return error_set(e, ERROR_CONFLICT, "Image status transition from %s to importing is not allowed",
                             image_status_name(now->status));
        now->status = IMAGE_IMPORTING;
    }
    image_property_set(im->run->arena, now, IMPORTING_TO_STORES, ""); /* who has the lock is the only one */
    if (!image_property_get(now, FAILED_IMPORT))
        image_property_set(im->run->arena, now, FAILED_IMPORT, "");
    for (size_t i = 0; i < im->n_stores; i++)
        import_tell_store(im, now, im->stores[i], true, false);
    image_property_drop(now, IMAGE_STAGE_HOST);
    return task_begin(c, im->run->job->id, e);
}

/* What an earlier import of this image could not remove is not this one's. */
static int begin(struct import *im, struct error *e)
{
    if (!str_eq(im->method, "glance-direct") && staging_remove(im, e) < 0)
        return -1;
    return import_change_image(im, im->step, begin_rows, NULL, e);
}

/* ---- end ---- */

static int finish_rows(struct import *im, struct db_conn *c, struct error *e)
{
    const char *told = "";
    struct image *now;
    size_t copies_made;

    if (image_load_any(c, im->run->arena, im->image_id, &now, e) < 0 ||
        import_stored_count(im, c, &copies_made, e) < 0)
        return -1;
    if (now->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    if (now->status != IMAGE_ACTIVE && !(copies(im) && now->status == IMAGE_DEACTIVATED))
        return error_set(e, ERROR_INTERNAL, "None of the uploads finished!");
    if (copies_made > 0 && now->size > 0)
        told = arena_printf(im->run->arena, "Copied %lld MiB", (long long)(now->size >> 20));
    if (staged_drop(c, im->image_id, e) < 0)
        return -1;
    return job_over(im->run, c, true, told, "", e);
}

static int finish(struct import *im, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    staging_unlink(im);
    POINT("import.cleared");
    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 || db_begin_write(c, e) < 0 ||
        finish_rows(im, c, e) < 0)
        return -1;
    return db_commit(c, e);
}

/* ---- the steps ---- */

static const struct import_step glance_direct[] = {
    { "begun", begin },
    { NULL, NULL },
};
static const struct import_step web_download[] = {
    { "begun", begin },
    { "fetched", import_download },
    { NULL, NULL },
};
static const struct import_step glance_download[] = {
    { "begun", begin },
    { "described", import_remote_describe },
    { "fetched", import_remote_fetch },
    { NULL, NULL },
};
static const struct import_step copy_image[] = {
    { "begun", begin },
    { "fetched", import_copy_fetch },
    { NULL, NULL },
};
/* After them plugins, and then: */
static const struct import_step all_end[] = {
    { "stored", import_store_all },
    { "finished", finish },
    { NULL, NULL },
};

static const struct method {
    const char *name;
    const struct import_step *steps;
    bool plugins;
} methods[] = {
    { "glance-direct", glance_direct, true },
    { "web-download", web_download, true },
    { "glance-download", glance_download, true },
    { "copy-image", copy_image, false },
};

static const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < COUNT(methods); i++)
        if (str_eq(methods[i].name, name))
            return &methods[i];
    return NULL;
}

struct plan {
    struct import_step steps[STEPS_MAX];
    size_t n;
};

static void plan_add(struct plan *p, const struct import_step *steps)
{
    for (; steps->name && p->n < STEPS_MAX; steps++)
        p->steps[p->n++] = *steps;
}

static void plan_make(struct import *im, const struct method *m, struct plan *ret)
{
    const struct import_settings *s = im->settings;

    ret->n = 0;
    plan_add(ret, m->steps);
    for (size_t i = 0; m->plugins && i < s->n_plugins && ret->n < STEPS_MAX - COUNT(all_end); i++)
        ret->steps[ret->n++] = (struct import_step){
            arena_printf(im->run->arena, "plugin:%s", s->plugins[i]->name),
            s->plugins[i]->run,
        };
    plan_add(ret, all_end);
}

/* The step after that one. Where the configuration has not this plugin any more, those that it has run again:
 * what they do to data that they have seen already is nothing. */
static size_t plan_next(const struct plan *p, const struct method *m, const char *step)
{
    size_t first_plugin = 0;

    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->steps[i].name, step))
            return i + 1;
    while (m->steps[first_plugin].name)
        first_plugin++;
    return str_starts(step, "plugin:") ? first_plugin : 0;
}

/* ---- the job ---- */

static const char *const *texts_of(struct arena *a, const json_t *list, size_t *ret_n)
{
    const char **texts = arena_array(a, const char *, json_array_size(list) + 1);

    *ret_n = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        texts[(*ret_n)++] = arena_str(a, json_string_value(json_array_get(list, i)));
    return texts;
}

void import_close(struct import *im)
{
    json_drop(&im->arguments);
}

int import_open(struct job_run *r, struct import *ret, struct error *e)
{
    json_t *arguments = json_parse(r->job->arguments, strlen(r->job->arguments));

    *ret = (struct import){
        .run = r,
        .settings = r->o->imports,
        .image_id = r->job->image_id,
        .arguments = arguments,
        .request = json_object_get(arguments, "request"),
        .method = json_string_value(json_object_get(arguments, "method")),
        .several = json_is_true(json_object_get(arguments, "several")),
        .must_succeed = !json_is_false(json_object_get(arguments, "must_succeed")),
        .storage_quota = json_integer_value(json_object_get(arguments, "storage_quota")),
        .owner = r->job->owner,
        .told_us = clock_mono_us(),
    };
    ret->stores = texts_of(r->arena, json_object_get(arguments, "stores"), &ret->n_stores);
    ret->roles = texts_of(r->arena, json_object_get(arguments, "roles"), &ret->n_roles);
    if (method_find(ret->method))
        return 0;
    import_close(ret);
    return error_set(e, ERROR_INTERNAL, "The job's arguments cannot be read.");
}

static int image_now(struct import *im, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image *now;

    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 ||
        image_load_any(c, im->run->arena, im->image_id, &now, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_CONFLICT, "The image was purged.") : -1;
    im->image = now;
    return now->deleted ? error_set(e, ERROR_CONFLICT, "The image was deleted.") : 0;
}

/* A step that has not written its end by itself. */
static int step_end(struct import *im, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_step(c, im->run->job->id, im->run->holder, im->step, e);
}

/* Where this try begins. What another host has fetched is not here when this one goes on; it is fetched
 * again. (What a client has staged has a job with a place.) */
static int plan_start(struct import *im, const struct method *m, const struct plan *p, size_t *ret,
                      struct error *e)
{
    const char *step = im->run->job->step;
    size_t last = 0;
    bool here = true;

    *ret = plan_next(p, m, step);
    while (m->steps[last + 1].name)
        last++;
    if (m->steps == glance_direct || *ret <= last || str_eq(step, "stored"))
        return 0;
    if (staging_here(im, &here, e) < 0)
        return -1;
    if (!here)
        *ret = last;
    return 0;
}

int import_steps_run(struct import *im, const struct import_step *steps, size_t n, size_t first,
                     struct error *e)
{
    for (size_t i = first; i < n; i++) {
        im->step = steps[i].name;
        POINT("import.step");
        if (image_now(im, e) < 0 || steps[i].run(im, e) < 0)
            return -1;
        POINT("import.stepped");
        if (i + 1 < n && step_end(im, e) < 0)
            return -1;
    }
    return 0;
}

static int run_steps(struct import *im, struct error *e)
{
    const struct method *m = method_find(im->method);
    struct plan plan;
    size_t first;

    plan_make(im, m, &plan);
    if (plan_start(im, m, &plan, &first, e) < 0)
        return -1;
    return import_steps_run(im, plan.steps, plan.n, first, e);
}

static int run(struct job_run *r, struct error *e)
{
    struct import im;
    int result;

    if (import_open(r, &im, e) < 0)
        return -1;
    result = run_steps(&im, e);
    import_close(&im);
    return result;
}

/* ---- giving up ---- */

/* Staged by the client, and not what is wrong. */
static bool data_stay(const struct import *im, const struct image *now, const struct error *why)
{
    return str_eq(im->method, "glance-direct") && now->status == IMAGE_IMPORTING &&
           why->kind != ERROR_MEDIA && why->kind != ERROR_INVALID && why->kind != ERROR_NOT_FOUND;
}

static void no_data(struct image *now)
{
    now->size = now->virtual_size = -1;
    now->checksum = now->os_hash_algo = now->os_hash_value = NULL;
}

static int undo_plugins(struct import *im, struct db_conn *c, struct image *now, bool stays, struct error *e)
{
    for (size_t i = im->settings->n_plugins; i > 0; i--) {
        const struct import_plugin *p = im->settings->plugins[i - 1];

        if (p->undo && p->undo(im, c, now, stays, e) < 0)
            return -1;
    }
    return 0;
}

/* As it was before the import. The job may have been ended by another host than the one that has the data. */
static int stay_staged(struct import *im, struct db_conn *c, struct image *now, struct error *e)
{
    const char *host = im->settings->hosts.self;
    struct staged *s;

    if (staged_get(c, im->run->arena, im->image_id, &s, e) < 0)
        return -1;
    now->size = s ? s->size : -1;
    if (s && *s->host)
        host = s->host;
    if (*host)
        image_property_set(im->run->arena, now, IMAGE_STAGE_HOST, host);
    return 0;
}

/* Whether the data were there, so that what failed is a store's own, or a plugin's. */
static int step_reached(struct import *im, struct db_conn *c, bool *ret, struct error *e)
{
    static const char *const before[] = { "", "begun", "described" };
    bool direct = str_eq(im->method, "glance-direct");
    struct job *now;

    if (job_load(c, im->run->arena, im->run->job->id, &now, e) < 0)
        return -1;
    *ret = true;
    for (size_t i = 0; i < COUNT(before); i++)
        if (str_eq(now->step, before[i]))
            *ret = direct && i > 0;
    return 0;
}

static int undo_image(struct import *im, struct db_conn *c, struct image *now, const struct error *why,
                      struct leftovers *left, bool *ret_stay, struct error *e)
{
    enum image_status from = now->status;
    bool brought;

    if (step_reached(im, c, &brought, e) < 0)
        return -1;
    if (im->must_succeed && import_unstore_rows(im, c, now, left, e) < 0)
        return -1;
    for (size_t i = 0; i < im->n_stores; i++)
        if (told_of(im, now, im->stores[i]))
            import_tell_store(im, now, im->stores[i], false, !brought);
    if (from != IMAGE_IMPORTING || now->n_locations > 0) {
        *ret_stay = from == IMAGE_UPLOADING; /* it was given up before it began */
        return image_save(c, now, from, e);
    }
    *ret_stay = data_stay(im, now, why);
    if (undo_plugins(im, c, now, *ret_stay, e) < 0)
        return -1;
    no_data(now);
    if (import_remote_undo(im, c, now, e) < 0)
        return -1;
    if (*ret_stay && stay_staged(im, c, now, e) < 0)
        return -1;
    now->status = *ret_stay ? IMAGE_UPLOADING : IMAGE_QUEUED;
    return image_save(c, now, from, e);
}

static int undo_rows(struct import *im, struct db_conn *c, const struct error *why, struct leftovers *left,
                     bool *ret_stay, struct error *e)
{
    struct image *now;

    *ret_stay = false;
    if (image_load_any(c, im->run->arena, im->image_id, &now, e) < 0) {
        if (e->kind != ERROR_NOT_FOUND)
            return -1;
    } else if (!now->deleted && undo_image(im, c, now, why, left, ret_stay, e) < 0) {
        return -1;
    }
    if (!*ret_stay && staged_drop(c, im->image_id, e) < 0)
        return -1;
    return job_over(im->run, c, false, why->message, why->message, e);
}

/* Files go before the rows: then nothing is left when the process dies in between, and once the image can be
 * staged again no file of its name may be touched. Within the transaction few are left to go. */
static int undo(struct import *im, const struct error *why, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct leftovers left = { .stores = im->run->o->stores };
    struct error ignored;
    bool stay;

    if (import_unstore_objects(im, e) < 0)
        return -1;
    if (image_now(im, &ignored) == 0 ? !data_stay(im, im->image, why) && im->image->status != IMAGE_UPLOADING
                                     : ignored.kind == ERROR_CONFLICT)
        staging_unlink(im);
    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 || db_begin_write(c, e) < 0 ||
        undo_rows(im, c, why, &left, &stay, e) < 0)
        return -1;
    if (!stay)
        staging_unlink(im);
    if (db_commit(c, e) < 0)
        return -1;
    POINT("import.undone");
    leftovers_remove(&left, c);
    return 0;
}

static int give_up(struct job_run *r, const struct error *why, struct error *e)
{
    struct import im;
    int result;

    if (import_open(r, &im, e) < 0)
        return -1;
    result = undo(&im, why, e);
    import_close(&im);
    return result;
}

/* ---- accepting ---- */

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

static int add(struct db_conn *c, struct arena *a, const struct import_request *q, char id[UUID_TEXT_MAX],
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

int import_job_add(struct db_conn *c, struct arena *a, const struct import_request *q, struct error *e)
{
    char id[UUID_TEXT_MAX];

    return add(c, a, q, id, e);
}

/* ---- once more ---- */

static int may_again(struct import *im, struct db_conn *c, struct image **ret, struct error *e)
{
    enum image_status wanted = copies(im)                            ? IMAGE_ACTIVE
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
    return add(c, im->run->arena,
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

static int again(struct db_conn *c, struct arena *a, const struct job *failed, const char **ret_id,
                 struct error *e)
{
    char *id = arena_alloc(a, UUID_TEXT_MAX);
    struct job j = *failed;
    struct job_run r = { .arena = a, .job = &j, .o = &(struct jobs_options){ .db = NULL } };
    struct import im;
    int result;

    if (import_open(&r, &im, e) < 0)
        return -1;
    result = add_again(&im, c, failed, id, e);
    import_close(&im);
    *ret_id = id;
    return result;
}

const struct job_kind job_import = { "import", run, give_up, again };
