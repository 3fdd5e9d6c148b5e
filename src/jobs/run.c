/* SPDX-License-Identifier: Apache-2.0 */
/* One job: running it, and what its failure means. */
#include "jobs/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BACK_OFF_SECONDS = 1, BACK_OFF_DOUBLINGS = 8, PUT_BACK_PAUSE_MS = 200 };
enum { AWAY_SECONDS_MAX = 60, AWAY_TRIES = 24 * 60 }; /* while a store is away */

/* The wait after the n-th failure, µs; grows to a few minutes. */
static int64_t back_off(int64_t n)
{
    return (BACK_OFF_SECONDS << (n < BACK_OFF_DOUBLINGS ? n : BACK_OFF_DOUBLINGS)) * CLOCK_SECOND;
}

/* ---- while it runs ---- */

static int condemned(struct job_run *r, struct db_conn *c, struct arena *a, struct error *e)
{
    struct job *now;

    if (job_load(c, a, r->job->id, &now, e) < 0)
        return -1;
    return now->giving_up ? error_set(e, now->giving_up_kind, "%s", now->giving_up) : 0;
}

int job_lease_renew(struct job_run *r, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(arena_end) struct arena *a = NULL;
    struct image *im;

    if (atomic_load(r->stop))
        return error_set(e, ERROR_ABORTED, "The worker stops.");
    if (!atomic_load(&r->condemned) && clock_mono_us() - r->renewed_us < LEASE_RENEW_SECONDS * CLOCK_SECOND)
        return 0;
    a = arena_make(4096);
    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0 ||
        job_renew(c, r->job->id, r->holder, lease_expiry(), e) < 0 ||
        (!r->job->giving_up && condemned(r, c, a, e) < 0) ||
        image_load_any(c, a, r->job->image_id, &im, e) < 0)
        return -1;
    r->renewed_us = clock_mono_us();
    return im->deleted ? error_set(e, ERROR_CONFLICT, "The image was deleted.") : 0;
}

struct reaching {
    struct job_run *run;
    uint64_t at;
    bool further;
};

static int reached(struct db_conn *c, void *arg, struct error *e)
{
    struct reaching *p = arg;
    struct job_run *r = p->run;
    const char *before;
    char text[24];

    p->further = false;
    if (job_note_get(c, r->arena, r->job->id, "reached", &before, e) < 0)
        return -1;
    if (p->at <= (before ? strtoull(before, NULL, 10) : 0))
        return 0;
    p->further = true;
    snprintf(text, sizeof text, "%llu", (unsigned long long)p->at);
    if (job_progress(c, r->job->id, r->holder, e) < 0)
        return -1;
    return job_note_set(c, r->job->id, "reached", text, e);
}

/* Only the job's holder writes the note. */
static int reached_before(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct reaching *p = arg;
    const char *now;

    if (job_note_get(c, p->run->arena, p->run->job->id, "reached", &now, e) < 0)
        return -1;
    *ret = now && strtoull(now, NULL, 10) >= p->at;
    return 0;
}

int job_reached(struct job_run *r, uint64_t at, struct error *e)
{
    static const struct db_unit unit = { "job.reached", reached, reached_before };
    struct reaching p = { .run = r, .at = at };

    if (r->job->takeovers == 0)
        return 0;
    if (db_write(r->o->db, &unit, &p, e) < 0)
        return -1;
    if (p.further)
        r->job->takeovers = 0;
    return 0;
}

void job_fetch_begin(struct job_run *r)
{
    atomic_store(&r->fetched, 0);
    atomic_store(&r->fetching, true);
}

void job_fetch_moved(struct job_run *r, uint64_t bytes)
{
    atomic_store(&r->fetched, bytes);
}

void job_fetch_end(struct job_run *r)
{
    atomic_store(&r->fetching, false);
}

/* ---- its end ---- */

int job_over(const struct job_run *r, struct db_conn *c, bool success, const char *told, const char *why,
             struct error *e)
{
    const char *image_id = r->job->image_id;
    const char *result = success ? arena_printf(r->arena, "{\"image_id\": \"%s\"}", image_id) : NULL;
    int64_t forgotten = clock_now_us() + r->o->task_hours * 3600 * CLOCK_SECOND;

    if (image_unlock(c, image_id, r->job->id, e) < 0 ||
        task_end(c, r->job->id, success, result, told, forgotten, e) < 0)
        return -1;
    return job_end(c, r->job->id, r->holder, *why ? JOB_FAILED : JOB_DONE, why, e);
}

int job_over_asked(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct job_run *const *run = arg;

    return job_ended(c, (*run)->job->id, ret, e);
}

/* ---- when it failed ---- */

static int put_back(struct job_run *r, int64_t attempt, int64_t after_us, const char *message,
                    struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_put_back(c, r->job->id, r->holder, attempt, clock_now_us() + after_us, message, e);
}

struct condemning {
    const struct job_run *run;
    const struct error *why;
};

static int condemn_run(struct db_conn *c, void *arg, struct error *e)
{
    const struct condemning *k = arg;
    const struct job_run *r = k->run;

    return job_renew(c, r->job->id, r->holder, lease_expiry(), e) < 0
               ? -1
               : job_condemn(c, r->job->id, k->why, false, e);
}

/* From here on it is undone, whoever does that. */
static int condemn(struct job_run *r, const struct error *why, struct error *e)
{
    static const struct db_unit unit = { "job.give_up", condemn_run, db_unit_idempotent };

    if (r->job->giving_up)
        return 0;
    if (db_write(r->o->db, &unit, &(struct condemning){ r, why }, e) < 0)
        return -1;
    POINT("job.condemned");
    r->job->giving_up = arena_str(r->arena, why->message);
    atomic_store(&r->condemned, false);
    return 0;
}

/* Where the image's rows were purged nothing is left to undo, whatever the kind says. */
static int end_without_image(struct job_run *r, const struct error *why, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct error ignored;
    struct image *im;

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    if (image_load_any(c, r->arena, r->job->image_id, &im, &ignored) == 0 || ignored.kind != ERROR_NOT_FOUND)
        return -1;
    return job_end(c, r->job->id, r->holder, JOB_FAILED, why->message, e);
}

static int undo(struct job_run *r, const struct job_kind *kind, const struct error *why, struct error *e)
{
    struct error failed;

    if (condemn(r, why, e) < 0)
        return -1;
    if (kind->give_up(r, why, &failed) == 0 ||
        (failed.kind == ERROR_NOT_FOUND && end_without_image(r, why, e) == 0)) {
        job_tally(r->job, "failed");
        return 0;
    }
    if (failed.kind == ERROR_GONE)
        return 0;
    if (failed.kind == ERROR_ABORTED && atomic_load(r->stop))
        return put_back(r, r->job->attempt, 0, r->job->message, e);
    log_warning("job %s (%s, image %s) is undone later: %s (%s)", r->job->id, r->job->kind, r->job->image_id,
                failed.message, failed.detail);
    return put_back(r, r->job->attempt + 1, back_off(r->job->attempt), failed.message, e);
}

/* What the failure means for the job; -1: it could not be written, and the lease runs out. */
static int settle(struct job_run *r, const struct job_kind *kind, const struct error *why, struct error *e)
{
    int64_t failures = r->job->attempt + 1;
    int64_t wait = back_off(r->job->attempt), tries = r->store_away ? AWAY_TRIES : r->o->retries;
    bool stops = why->kind == ERROR_ABORTED && atomic_load(r->stop);

    if (why->kind == ERROR_GONE)
        return 0;
    if (stops)
        return put_back(r, r->job->attempt, 0, r->job->message, e);
    log_warning("job %s (%s, image %s): %s (%s)", r->job->id, r->job->kind, r->job->image_id, why->message,
                why->detail);
    if ((why->kind == ERROR_UNAVAILABLE || why->kind == ERROR_ABORTED) && failures < tries) {
        if (r->store_away && wait > AWAY_SECONDS_MAX * CLOCK_SECOND)
            wait = AWAY_SECONDS_MAX * CLOCK_SECOND;
        job_tally(r->job, "tried");
        return put_back(r, failures, wait > r->retry_us ? wait : r->retry_us, why->message, e);
    }
    return undo(r, kind, why, e);
}

/* Why it is not to be run; 0: it is. */
static int refused(const struct job *j, struct error *e)
{
    if (j->giving_up)
        return error_set(e, j->giving_up_kind, "%s", j->giving_up);
    if (j->takeovers < TAKEOVERS_MAX)
        return 0;
    return error_set(e, ERROR_INTERNAL, "The process that did it died %lld times after step \"%s\".",
                     (long long)j->takeovers, j->step);
}

/* Its end could not be written: the disk is full, or the database is away. Until it is put back its row says
 * that it runs, and nobody else takes it before the lease is over. */
static void put_back_at_last(struct job_run *r)
{
    const struct timespec pause = { .tv_nsec = PUT_BACK_PAUSE_MS * 1000000 };
    int64_t until = clock_mono_us() + LEASE_SECONDS * CLOCK_SECOND;
    struct error e = { 0 };
    int result = -1;

    while (result < 0 && e.kind != ERROR_GONE && !atomic_load(r->stop) && clock_mono_us() < until) {
        nanosleep(&pause, NULL);
        result = put_back(r, r->job->attempt, 0, r->job->message, &e);
    }
}

void job_run_all(struct job_run *r)
{
    const struct job_kind *kind = job_kind_find(&r->o->kinds, r->job->kind);
    struct error why, e;
    int result;

    POINT("job.taken");
    if (refused(r->job, &why) < 0)
        result = undo(r, kind, &why, &e);
    else if (kind->run(r, &why) < 0)
        result = settle(r, kind, &why, &e);
    else {
        job_tally(r->job, "done");
        result = 0;
    }
    if (result == 0 || e.kind == ERROR_GONE)
        return;
    log_warning("job %s goes on later: %s (%s)", r->job->id, e.message, e.detail);
    put_back_at_last(r);
}
