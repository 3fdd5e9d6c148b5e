/* SPDX-License-Identifier: Apache-2.0 */
/* Giving an import up: the image, its lock, its task and its job in one transaction. */
#include "imports/import.h"

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
        if (import_told_of(im, now, im->stores[i]))
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

/* Files go before the rows: then nothing is left when the process dies in between, and once the image can be
 * staged again no file of its name may be touched. So the last ones go inside the unit, before its commit,
 * which may be done again. */
static int undo_rows(struct db_conn *c, void *arg, struct error *e)
{
    struct import_undoing *u = arg;
    struct import *im = u->im;
    struct image *now;
    bool stay = false;

    u->left.n = 0;
    if (image_load_any(c, im->run->arena, im->image_id, &now, e) < 0) {
        if (e->kind != ERROR_NOT_FOUND)
            return -1;
    } else if (!now->deleted && undo_image(im, c, now, u->why, &u->left, &stay, e) < 0) {
        return -1;
    }
    if ((!stay && staged_drop(c, im->image_id, e) < 0) ||
        job_over(im->run, c, false, u->why->message, u->why->message, e) < 0)
        return -1;
    if (!stay)
        staging_unlink(&im->staging);
    return 0;
}

int import_undo_write(struct import *im, const struct db_unit *unit, const struct error *why, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct import_undoing u = { im->run, im, why, { .stores = im->run->o->stores } };

    if (db_acquire(im->run->o->db, DB_WAIT, &c, e) < 0 || db_write_on(c, unit, &u, e) < 0)
        return -1;
    POINT("import.undone");
    leftovers_remove(&u.left, c);
    return 0;
}

static int undo(struct import *im, const struct error *why, struct error *e)
{
    static const struct db_unit unit = { "import.undo", undo_rows, job_over_asked };
    struct error ignored;

    if (import_unstore_objects(im, e) < 0)
        return -1;
    if (import_image_now(im, &ignored) == 0
            ? !data_stay(im, im->image, why) && im->image->status != IMAGE_UPLOADING
            : ignored.kind == ERROR_CONFLICT)
        staging_unlink(&im->staging);
    return import_undo_write(im, &unit, why, e);
}

int import_give_up(struct job_run *r, const struct error *why, struct error *e)
{
    struct import im;
    int result;

    if (import_open(r, &im, e) < 0)
        return -1;
    result = undo(&im, why, e);
    import_close(&im);
    return result;
}
