/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an import's progress: the image with its step in one transaction, and what the image says of its
 * stores. */
#include "imports/import.h"

#include <string.h>

enum { TELL_SECONDS = 60 };

/* ---- changing the image ---- */

int import_step_write(struct import *im, struct db_conn *c, const char *step, struct error *e)
{
    const struct job_run *r = im->run;

    return step ? job_step(c, r->job->id, r->holder, step, e)
                : job_renew(c, r->job->id, r->holder, lease_expiry(), e);
}

struct changing {
    struct import *im;
    const char *step;
    import_change *change;
    void *arg;
    const struct image *saved;
};

static int change_run(struct db_conn *c, void *arg, struct error *e)
{
    struct changing *ch = arg;
    struct import *im = ch->im;
    enum image_status from;
    struct image *now;

    if (image_load_any(c, im->run->arena, im->image_id, &now, e) < 0)
        return -1;
    if (now->deleted)
        return error_set(e, ERROR_CONFLICT, "The image was deleted.");
    from = now->status;
    ch->saved = now;
    if (ch->change(im, c, now, ch->arg, e) < 0 || image_save(c, now, from, e) < 0)
        return -1;
    return import_step_write(im, c, ch->step, e);
}

/* The step tells; without one the image does: only the job that holds it gives it data. */
static int change_went_through(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct changing *ch = arg;
    const struct job_run *r = ch->im->run;
    struct image *now;

    if (ch->step)
        return job_at(c, r->job->id, r->holder, ch->step, ret, e);
    if (image_load_any(c, r->arena, ch->im->image_id, &now, e) < 0)
        return -1;
    *ret = now->updated_us == ch->saved->updated_us && now->n_locations == ch->saved->n_locations &&
           now->status == ch->saved->status;
    return 0;
}

int import_change_image(struct import *im, const char *step, import_change *change, void *arg,
                        struct error *e)
{
    static const struct db_unit unit = { "import.change", change_run, change_went_through };

    if (db_write(im->run->o->db, &unit, &(struct changing){ im, step, change, arg, NULL }, e) < 0)
        return -1;
    im->step_ended |= step != NULL;
    return 0;
}

struct telling {
    const char *id, *message;
};

static int tell_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct telling *t = arg;

    return task_progress(c, t->id, t->message, e);
}

int import_progress(struct import *im, const char *message, struct error *e)
{
    static const struct db_unit unit = { "import.tell", tell_run, db_unit_idempotent };
    int64_t now = clock_mono_us();

    if (job_lease_renew(im->run, e) < 0)
        return -1;
    if (!message || now - im->told_us < TELL_SECONDS * CLOCK_SECOND)
        return 0;
    im->told_us = now;
    return db_write(im->run->o->db, &unit, &(struct telling){ im->run->job->id, message }, e);
}

/* ---- what its staged files tell it ---- */

static int staging_alive(void *arg, struct error *e)
{
    return import_progress(arg, NULL, e);
}

static int staging_reached(void *arg, uint64_t bytes, struct error *e)
{
    const struct import *im = arg;

    return job_reached(im->run, bytes, e);
}

static void staging_moved(void *arg, uint64_t bytes)
{
    const struct import *im = arg;

    job_moved(im->run, bytes);
}

static int staging_written(void *arg, struct db_conn *c, bool made, struct error *e)
{
    struct import *im = arg;

    return import_step_write(im, c, made ? im->step : NULL, e);
}

static void staging_committed(void *arg)
{
    struct import *im = arg;

    im->step_ended = true;
}

const struct staging_ops import_staging_ops = { staging_alive, staging_reached, staging_moved,
                                                staging_written, staging_committed };

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

bool import_told_of(const struct import *im, const struct image *now, const char *store)
{
    const char *doing = image_property_get(now, IMPORTING_TO_STORES);

    return !im->several || (doing && !str_eq(names_drop(im->run->arena, doing, store), doing));
}
