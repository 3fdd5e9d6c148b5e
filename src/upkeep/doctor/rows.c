/* SPDX-License-Identifier: Apache-2.0 */
/* What rests in the database: leases, trash, jobs, locks, tasks, notes. */
#include "upkeep/doctor/doctor_private.h"

enum {
    REST_SECONDS = 600,           /* a worker would have been there by then */
    TASK_REST_SECONDS = 2 * 3600, /* Glance's own patience with a task that waits */
    TASK_KEPT_SECONDS = 48 * 3600,
    TRASH_LOOK = 1000,
};

/* Only told of: to be done by the worker, or by people. */
static int leave(struct doctor *d UNUSED, struct db_conn *c UNUSED, struct finding *f, bool apply UNUSED,
                 bool *ret_still, struct error *e UNUSED)
{
    *ret_still = true;
    f->repaired = false;
    return 0;
}

/* ---- leases ---- */

static int leases_load(struct doctor *d, struct lease **ret, size_t *ret_n, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return lease_list(c, d->arena, ret, ret_n, e);
}

int doctor_leases(struct doctor *d, struct error *e)
{
    struct lease *all;
    size_t n;

    if (leases_load(d, &all, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct finding f = { .kind = FINDING_LEASE,
                             .image_id = all[i].image_id,
                             .store = all[i].store,
                             .what = all[i].url,
                             .text =
                                 "an upload that nobody goes on with is not undone: does glint worker run?" };

        if (all[i].expires_us > clock_now_us() - REST_SECONDS * CLOCK_SECOND)
            continue;
        if (doctor_found(d, &f, leave, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- trash ---- */

static int trash_load(struct doctor *d, struct trash **ret, size_t *ret_n, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return trash_list(c, d->arena, TRASH_LOOK, ret, ret_n, e);
}

int doctor_trash(struct doctor *d, struct error *e)
{
    struct trash *all;
    size_t n;

    if (trash_load(d, &all, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct finding f = {
            .kind = FINDING_TRASH,
            .store = all[i].store,
            .what = all[i].url,
            .text = all[i].attempts > 0
                        ? "data of a deleted image could not be removed; the worker's log says why"
                        : "data of a deleted image are not removed: does glint worker run?"
        };

        if (all[i].created_us > clock_now_us() - REST_SECONDS * CLOCK_SECOND)
            continue;
        if (doctor_found(d, &f, leave, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- jobs ---- */

static int job_of(struct doctor *d, const char *id, struct job **ret, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    *ret = NULL;
    if (db_acquire(d->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_load(c, d->arena, id, ret, e) < 0 && e->kind != ERROR_NOT_FOUND ? -1 : 0;
}

static int job_look(struct doctor *d, const char *id, struct error *e)
{
    int64_t before = clock_now_us() - REST_SECONDS * CLOCK_SECOND;
    struct finding f = { .kind = FINDING_JOB, .what = id };
    struct job *j;

    if (job_of(d, id, &j, e) < 0)
        return -1;
    if (!j || (j->state == JOB_RUNNING ? j->expires_us : j->next_us) > before)
        return 0;
    f.image_id = j->image_id;
    f.text = j->state == JOB_RUNNING
                 ? "a job whose worker is silent is not taken over: does glint worker run?"
             : j->place ? arena_printf(d->arena, "a job that waits for a worker of %s is not taken", j->place)
                        : "a job that is due is not taken: does glint worker run, and is there room for it?";
    return doctor_found(d, &f, leave, e);
}

int doctor_jobs(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_JOBS, job_look, e);
}

/* ---- locks ---- */

static int64_t task_expiry(void)
{
    return clock_now_us() + TASK_KEPT_SECONDS * CLOCK_SECOND;
}

static int lock_break(struct doctor *d, struct db_conn *c, struct finding *f, bool apply, bool *ret_still,
                      struct error *e)
{
    struct image_claims claims;

    if (image_claims_load(c, d->arena, f->image_id, &claims, e) < 0)
        return -1;
    *ret_still = !claims.deleted && claims.lock && !claims.locked && !claims.job;
    if (!*ret_still || !apply)
        return 0;
    f->repair = "the lock is broken, its task ended";
    if (image_unlock(c, f->image_id, claims.lock, e) < 0)
        return -1;
    return task_end(c, claims.lock, false, NULL, "Expired lock preempted", task_expiry(), e);
}

static int lock_look(struct doctor *d, const char *id, struct error *e)
{
    struct finding f = { .kind = FINDING_LOCK,
                         .image_id = id,
                         .text = "the image is locked by a task that is not at work any more" };
    struct image_claims claims;

    if (doctor_claims(d, id, &claims, e) < 0)
        return -1;
    f.what = claims.lock;
    return claims.lock && !claims.locked ? doctor_found(d, &f, lock_break, e) : 0;
}

int doctor_locks(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_LOCKED, lock_look, e);
}

/* ---- tasks ---- */

/* Glance's of today, and of a day ago where it says nothing of its progress. */
static bool task_rests(const struct doctor *d, const struct task *t)
{
    return doctor_old(d, t->updated_us) &&
           t->updated_us < clock_now_us() - TASK_REST_SECONDS * CLOCK_SECOND &&
           (str_eq(t->status, "pending") || str_eq(t->status, "processing"));
}

/* Then it is the lock that is stale. */
static int task_locks(struct doctor *d, struct db_conn *c, const struct task *t, bool *ret, struct error *e)
{
    struct image_claims claims;

    *ret = false;
    if (!t->image_id)
        return 0;
    if (image_claims_load(c, d->arena, t->image_id, &claims, e) < 0)
        return -1;
    *ret = !claims.deleted && str_eq(claims.lock, t->id);
    return 0;
}

static int task_close(struct doctor *d, struct db_conn *c, struct finding *f, bool apply, bool *ret_still,
                      struct error *e)
{
    struct task *t;
    struct job *j;
    bool locks;

    *ret_still = false;
    if (task_load(c, d->arena, f->what, &t, e) < 0)
        return e->kind == ERROR_NOT_FOUND ? 0 : -1;
    if (job_load(c, d->arena, f->what, &j, e) == 0)
        *ret_still = j->state != JOB_WAITING && j->state != JOB_RUNNING;
    else if (e->kind == ERROR_NOT_FOUND)
        *ret_still = true;
    else
        return -1;
    if (task_locks(d, c, t, &locks, e) < 0)
        return -1;
    *ret_still = *ret_still && !locks && task_rests(d, t);
    f->image_id = t->image_id;
    if (!*ret_still || !apply)
        return 0;
    f->repair = "the task is ended as failed";
    return task_end(c, f->what, false, NULL, "The task was lost.", task_expiry(), e);
}

static int task_look(struct doctor *d, const char *id, struct error *e)
{
    struct finding f = { .kind = FINDING_TASK,
                         .what = id,
                         .text = "a task is not over, and nobody works on it" };

    return doctor_found(d, &f, task_close, e);
}

int doctor_tasks(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_TASKS, task_look, e);
}

/* ---- notes ---- */

static int notes_drop(struct doctor *d UNUSED, struct db_conn *c, struct finding *f, bool apply,
                      bool *ret_still, struct error *e)
{
    *ret_still = true;
    if (!apply)
        return 0;
    f->repair = "forgotten";
    return job_notes_forget(c, f->what, e);
}

static int note_look(struct doctor *d, const char *id, struct error *e)
{
    struct finding f = { .kind = FINDING_NOTE, .what = id, .text = "notes of a job that is over" };

    return doctor_found(d, &f, notes_drop, e);
}

int doctor_notes(struct doctor *d, struct error *e)
{
    return doctor_ids(d, SURVEY_NOTES, note_look, e);
}
