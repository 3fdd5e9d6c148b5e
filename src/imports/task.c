/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks of type import (POST /v2/tasks), the older way to bring an image from a web server: the task makes
 * the image too, and takes it away when it fails (Glance 33 async_/flows/base_import.py).
 *
 *   task_import_add -> importing --import_store_all--> active
 *                          |
 *                          +--give_up--> deleted
 *
 * The image is there from the beginning and locked to the end, so that all that holds of imports holds here:
 * import.c has the invariants. */
#include "imports/import.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json/json.h"

/* ---- accepting ---- */

int task_import_add(struct db_conn *c, struct image *im, struct task *t, const struct task_import *q,
                    struct error *e)
{
    CLEANUP(json_drop)
    json_t *arguments =
        json_pack("{s:s, s:{s:{s:s, s:s}}, s:[s], s:[], s:b, s:b, s:I}", "method", "web-download", "request",
                  "method", "name", "web-download", "uri", q->url, "stores", q->store, "roles", "several",
                  q->several, "must_succeed", true, "storage_quota", (json_int_t)q->storage_quota);
    CLEANUP(str_done) struct str text = STR_INIT;
    struct job job = { .id = t->id,
                       .kind = job_task.name,
                       .image_id = im->id,
                       .owner = t->owner,
                       .method = t->type,
                       .stores = q->store };

    json_add_value(&text, arguments, true);
    job.arguments = str_text(&text);
    if (image_insert(c, im, e) < 0 || image_status_set(c, im->id, IMAGE_QUEUED, IMAGE_IMPORTING, e) < 0 ||
        image_lock(c, im->id, t->id, e) < 0 || task_add(c, t, e) < 0)
        return -1;
    return job_add(c, &job, e);
}

/* ---- the steps ---- */

static int began(struct import *im, struct db_conn *c, struct image *now UNUSED, void *arg UNUSED,
                 struct error *e)
{
    return task_begin(c, im->run->job->id, e);
}

static int begin(struct import *im, struct error *e)
{
    const char *dir = im->staging.dir;

    if (dir && mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_errno(e, ERROR_INTERNAL, errno, "The work directory %s cannot be made.", dir);
    if (dir && dir_check_own(dir, "work directory", e) < 0)
        return -1;
    return import_change_image(im, im->step, began, NULL, e);
}

/* As Glance does where it has a place to look at the data before they are stored. */
static bool introspects(const struct import *im)
{
    return im->several || config_str(im->settings->config, "task", "work_dir");
}

static int found_to_be(struct import *im UNUSED, struct db_conn *c UNUSED, struct image *now, void *arg,
                       struct error *e UNUSED)
{
    now->disk_format = arg;
    return 0;
}

/* A partition table does not make a disk anything but raw. */
static const char *format_of(const struct inspect_verdict *v)
{
    return str_eq(v->format, "gpt") ? "raw" : v->format;
}

static int introspect(struct import *im, struct error *e)
{
    struct inspect_verdict v;
    struct staged *staged;
    int fd;

    if (!introspects(im))
        return 0;
    if (staging_open(&im->staging, &fd, &staged, e) < 0)
        return -1;
    close(fd);
    if (staged_verdict(im->run->arena, staged, &v, e) < 0)
        return -1;
    if (!v.format)
        return error_set(e, ERROR_MEDIA, "The data are of several formats.");
    return import_change_image(im, im->step, found_to_be, arena_str(im->run->arena, format_of(&v)), e);
}

static int finish_rows(struct db_conn *c, void *arg, struct error *e)
{
    struct import *im = arg;
    struct job_run *r = im->run;
    struct image *now;

    if (image_load_any(c, r->arena, im->image_id, &now, e) < 0)
        return -1;
    if (now->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    image_property_drop(now, IMPORTING_TO_STORES); /* no client waits for what they say */
    image_property_drop(now, FAILED_IMPORT);
    if (now->size == 0 && str_eq(now->disk_format, "raw") && introspects(im))
        now->virtual_size = 0;
    if (image_save(c, now, now->status, e) < 0 || staged_drop(c, im->image_id, e) < 0)
        return -1;
    return job_over(r, c, true, "", "", e);
}

static int finish(struct import *im, struct error *e)
{
    static const struct db_unit unit = { "task.finish", finish_rows, job_over_asked };

    staging_unlink(&im->staging);
    POINT("task.cleared");
    return db_write(im->run->o->db, &unit, im, e);
}

static const struct import_step steps[] = {
    { "begun", begin, true },
    { "fetched", import_download, true },
    { "introspected", introspect, true },
    { "stored", import_store_all, true },
    { "finished", finish, false },
};

/* ---- the job ---- */

/* The same import, with its files where tasks have theirs. */
static int open_task(struct job_run *r, struct import *im, struct error *e)
{
    const char *dir;

    if (import_open(r, im, e) < 0)
        return -1;
    dir = config_str(im->settings->config, "task", "work_dir");
    if (dir && *dir)
        im->staging.dir = dir;
    return 0;
}

/* Where this try begins: data that another host has fetched are fetched again. */
static int next_step(struct import *im, size_t *ret, struct error *e)
{
    enum { FETCHED = 1, STORED = 3 };
    size_t done = COUNT(steps);
    bool here = true;

    while (done > 0 && !str_eq(steps[done - 1].name, im->run->job->step))
        done--;
    if (done > FETCHED && done <= STORED && staging_here(&im->staging, &here, e) < 0)
        return -1;
    *ret = here ? done : FETCHED;
    return 0;
}

static int run(struct job_run *r, struct error *e)
{
    struct import im;
    int result = -1;
    size_t first;

    if (open_task(r, &im, e) < 0)
        return -1;
    if (next_step(&im, &first, e) == 0)
        result = import_steps_run(&im, steps, COUNT(steps), first, e);
    import_close(&im);
    return result;
}

/* ---- giving up ---- */

static int undo_rows(struct db_conn *c, void *arg, struct error *e)
{
    struct import_undoing *u = arg;
    struct import *im = u->im;
    const struct error *why = u->why;
    struct job_run *r = im->run;
    struct image *now;

    u->left.n = 0;
    if (image_load_any(c, r->arena, im->image_id, &now, e) < 0) {
        if (e->kind != ERROR_NOT_FOUND)
            return -1;
    } else if (!now->deleted) {
        if (import_unstore_rows(im, c, now, &u->left, e) < 0 ||
            image_delete(c, im->image_id, now->status, e) < 0)
            return -1;
    }
    if (staged_drop(c, im->image_id, e) < 0)
        return -1;
    return job_over(r, c, false, why->kind == ERROR_TOO_LARGE ? why->message : JOB_TASK_FAILED, why->message,
                    e);
}

static int undo(struct import *im, const struct error *why, struct error *e)
{
    static const struct db_unit unit = { "task.undo", undo_rows, job_over_asked };

    staging_unlink(&im->staging);
    if (import_unstore_objects(im, e) < 0)
        return -1;
    return import_undo_write(im, &unit, why, e);
}

static int give_up(struct job_run *r, const struct error *why, struct error *e)
{
    struct import im;
    int result;

    if (open_task(r, &im, e) < 0)
        return -1;
    result = undo(&im, why, e);
    import_close(&im);
    return result;
}

const struct job_kind job_task = { "task", run, give_up, NULL };
