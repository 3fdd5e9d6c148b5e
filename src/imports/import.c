/* SPDX-License-Identifier: Apache-2.0 */
/* Interoperable image import: what becomes of an image whose import was accepted (api/imports/import.c).
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
 *    by rename, after their facts were written (transfer/staging.c). So each step may be run again.
 *  4 An object that is put in a store has a note of the job before it can be seen there, until a row of the
 *    image names it (stores.c). */
#include "imports/import.h"

#include <stdio.h>
#include <string.h>

#include "transfer/commit.h"
#include "json/json.h"

enum { STEPS_MAX = 32 };

/* ---- begin ---- */

static int begin_rows(struct import *im, struct db_conn *c, struct image *now, void *arg UNUSED,
                      struct error *e)
{
    if (image_formats_check(now, e) < 0) /* since the request was accepted they may have been taken away */
        return -1;
    if (!import_copies(im) && now->status != IMAGE_IMPORTING) {
        if (image_status_check(now->status, IMAGE_IMPORTING, e) < 0)
            return -1;
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
    if (!str_eq(im->method, "glance-direct") && staging_remove(&im->staging, e) < 0)
        return -1;
    return import_change_image(im, im->step, begin_rows, NULL, e);
}

/* ---- end ---- */

static int finish_rows(struct db_conn *c, void *arg, struct error *e)
{
    struct import *im = arg;
    const char *told = "";
    struct image *now;
    size_t copies_made;

    if (image_load_any(c, im->run->arena, im->image_id, &now, e) < 0 ||
        import_stored_count(im, c, &copies_made, e) < 0)
        return -1;
    if (now->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    if (now->status != IMAGE_ACTIVE && !(import_copies(im) && now->status == IMAGE_DEACTIVATED))
        return error_set(e, ERROR_INTERNAL, "None of the uploads finished!");
    if (copies_made > 0 && now->size > 0)
        told = arena_printf(im->run->arena, "Copied %lld MiB", (long long)(now->size >> 20));
    if (staged_drop(c, im->image_id, e) < 0)
        return -1;
    return job_over(im->run, c, true, told, "", e);
}

static int finish(struct import *im, struct error *e)
{
    static const struct db_unit unit = { "import.finish", finish_rows, job_over_asked };

    staging_unlink(&im->staging);
    POINT("import.cleared");
    return db_write(im->run->o->db, &unit, im, e);
}

/* ---- the steps ---- */

static const struct import_step glance_direct[] = {
    { "begun", begin, false },
    { NULL, NULL, false },
};
static const struct import_step web_download[] = {
    { "begun", begin, false },
    { "fetched", import_download, true },
    { NULL, NULL, false },
};
static const struct import_step glance_download[] = {
    { "begun", begin, false },
    { "described", import_remote_describe, false },
    { "fetched", import_remote_fetch, true },
    { NULL, NULL, false },
};
static const struct import_step copy_image[] = {
    { "begun", begin, false },
    { "fetched", import_copy_fetch, true },
    { NULL, NULL, false },
};
/* After them plugins, and then: */
static const struct import_step all_end[] = {
    { "stored", import_store_all, true },
    { "finished", finish, false },
    { NULL, NULL, false },
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
            true,
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

static void staging_init(struct import *im)
{
    const struct import_settings *o = im->settings;

    im->staging = (struct staging){
        .db = im->run->o->db,
        .arena = im->run->arena,
        .dir = o->staging_dir,
        .place = o->hosts.place,
        .image_id = im->image_id,
        .hashing_algorithm = o->hashing_algorithm,
        .size_cap = o->size_cap,
        .quota = im->storage_quota,
        .project = im->owner,
        .doubted = im->run->doubted,
        .ops = &import_staging_ops,
        .arg = im,
    };
}

int import_open(struct job_run *r, struct import *ret, struct error *e)
{
    json_t *arguments = json_parse(r->job->arguments, strlen(r->job->arguments));

    *ret = (struct import){
        .run = r,
        .settings = import_settings_of(r),
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
    staging_init(ret);
    ret->stores = texts_of(r->arena, json_object_get(arguments, "stores"), &ret->n_stores);
    ret->roles = texts_of(r->arena, json_object_get(arguments, "roles"), &ret->n_roles);
    if (method_find(ret->method))
        return 0;
    import_close(ret);
    return error_set(e, ERROR_INTERNAL, "The job's arguments cannot be read.");
}

int import_image_now(struct import *im, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image *now;

    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 ||
        image_load_any(c, im->run->arena, im->image_id, &now, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? error_set(e, ERROR_CONFLICT, "The image was purged.") : -1;
    im->image = im->staging.image = now;
    return now->deleted ? error_set(e, ERROR_CONFLICT, "The image was deleted.") : 0;
}

/* Of a step whose own transactions have not written its end. */
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
    if (staging_here(&im->staging, &here, e) < 0)
        return -1;
    if (!here)
        *ret = last;
    return 0;
}

static int step_run(struct import *im, const struct import_step *step, struct error *e)
{
    struct error failed;

    if (import_image_now(im, e) < 0 || (step->stages && import_staging_check(im, e) < 0))
        return -1;
    if (step->run(im, e) == 0)
        return 0;
    if (!step->stages || e->kind == ERROR_ABORTED)
        return -1;
    failed = *e;
    if (import_staging_check(im, e) == 0) /* else that it went away is what was wrong */
        *e = failed;
    return -1;
}

int import_steps_run(struct import *im, const struct import_step *steps, size_t n, size_t first,
                     struct error *e)
{
    for (size_t i = first; i < n; i++) {
        im->step = steps[i].name;
        im->step_ended = false;
        POINT("import.step");
        if (step_run(im, &steps[i], e) < 0)
            return -1;
        POINT("import.stepped");
        if (i + 1 < n && !im->step_ended && step_end(im, e) < 0)
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

const struct job_kind job_import = { "import", run, import_give_up, import_again };
