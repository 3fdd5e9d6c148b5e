/* SPDX-License-Identifier: Apache-2.0 */
/* Taking, renewing and running jobs; what a job's row says and who may change it is in model.h.
 *
 * One thread looks for jobs and gives each to a thread of its own. A job whose holder is dead, or whose lease
 * ran out, is taken as a waiting one is. Killed anywhere: the row says `running` under a dead holder, and the
 * next look, of whichever worker, goes on from its step. */
#include "work/jobs.h"

#include <stdlib.h>
#include <string.h>

enum {
    JOBS_AT_ONCE = 4,
    CANDIDATES = 100,
    BACK_OFF_SECONDS = 1, /* after the first failure; doubles */
    BACK_OFF_DOUBLINGS = 8,
    KEPT_SECONDS = 48 * 3600, /* what ended is remembered for so long */
    PRUNE_SECONDS = 600,
};

/* Every kind. */
static const struct job_kind *const kinds[] = { &job_location };

static struct metric ended = { .name = "glint_jobs_total",
                               .help = "Jobs that ended, and tries of them that failed.",
                               .type = METRIC_COUNTER,
                               .labels = { "kind", "result" } };

struct slot {
    struct job_run run;
    pthread_t thread;
    bool used;
    _Atomic bool over;
};

struct jobs {
    struct jobs_options o;
    _Atomic bool stop;
    struct slot slots[JOBS_AT_ONCE];
    int64_t prune_us; /* monotonic */
};

/* ---- one job ---- */

static const struct job_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (str_eq(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

static void count(const struct job_run *r, const char *result)
{
    metric_add(metric_series(&ended, r->job->kind, result, NULL), 1);
}

int job_alive(struct job_run *r, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(arena_end) struct arena *a = NULL;
    struct image *im;

    if (atomic_load(r->stop))
        return error_set(e, ERROR_ABORTED, "The worker stops.");
    if (clock_mono_us() - r->renewed_us < LEASE_RENEW_SECONDS * CLOCK_SECOND)
        return 0;
    a = arena_make(4096);
    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0 ||
        job_renew(c, r->job->id, r->holder, lease_expiry(), e) < 0 ||
        image_load_any(c, a, r->job->image_id, &im, e) < 0)
        return -1;
    r->renewed_us = clock_mono_us();
    return im->deleted ? error_set(e, ERROR_CONFLICT, "The image was deleted.") : 0;
}

static int put_back(struct job_run *r, int64_t attempt, int64_t after_us, const char *message,
                    struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;

    if (db_acquire(r->o->db, DB_WAIT, &c, e) < 0)
        return -1;
    return job_put_back(c, r->job->id, r->holder, attempt, clock_now_us() + after_us, message, e);
}

static int64_t back_off(int64_t attempt)
{
    return (BACK_OFF_SECONDS << (attempt < BACK_OFF_DOUBLINGS ? attempt : BACK_OFF_DOUBLINGS)) * CLOCK_SECOND;
}

/* What the failure means for the job; -1: it could not be written, and the lease runs out. */
static int settle(struct job_run *r, const struct job_kind *kind, const struct error *why, struct error *e)
{
    int64_t failures = r->job->attempt + 1;

    if (why->kind == ERROR_GONE)
        return 0;
    if (why->kind == ERROR_ABORTED)
        return put_back(r, r->job->attempt, 0, r->job->message, e);
    log_warning("job %s (%s, image %s): %s (%s)", r->job->id, r->job->kind, r->job->image_id, why->message,
                why->detail);
    if (why->kind == ERROR_UNAVAILABLE && failures < r->o->retries) {
        count(r, "tried");
        return put_back(r, failures, back_off(r->job->attempt), why->message, e);
    }
    count(r, "failed");
    POINT("job.failed");
    return kind->give_up(r, why, e);
}

static void *job_thread(void *arg)
{
    struct slot *s = arg;
    struct job_run *r = &s->run;
    const struct job_kind *kind = kind_find(r->job->kind);
    struct error why, e;

    POINT("job.taken");
    if (kind->run(r, &why) == 0)
        count(r, "done");
    else if (settle(r, kind, &why, &e) < 0 && e.kind != ERROR_GONE)
        log_warning("job %s goes on later: %s (%s)", r->job->id, e.message, e.detail);
    atomic_store(&s->over, true);
    return NULL;
}

/* ---- all of them ---- */

static void slot_end(struct slot *s)
{
    pthread_join(s->thread, NULL);
    arena_free(s->run.arena);
    s->used = false;
}

static struct slot *slot_free(struct jobs *all)
{
    for (size_t i = 0; i < JOBS_AT_ONCE; i++)
        if (!all->slots[i].used)
            return &all->slots[i];
    return NULL;
}

static bool may_take(const struct job *j)
{
    return kind_find(j->kind) &&
           (j->state == JOB_WAITING || j->expires_us < clock_now_us() || holder_dead(j->holder));
}

static int slot_start(struct jobs *all, struct slot *s, struct db_conn *c, const struct job *seen,
                      struct error *e)
{
    struct job_run *r = &s->run;
    int failed;

    memset(s, 0, sizeof *s);
    holder_make(r->holder);
    if (job_take(c, seen, r->holder, lease_expiry(), e) < 0)
        return e->kind == ERROR_GONE ? 0 : -1;
    r->o = &all->o;
    r->stop = &all->stop;
    r->arena = arena_make(16 * 1024);
    r->renewed_us = clock_mono_us();
    if (job_load(c, r->arena, seen->id, &r->job, e) == 0) {
        failed = thread_start(&s->thread, "job", JOB_STACK, job_thread, s);
        s->used = failed == 0;
        if (failed)
            error_errno(e, ERROR_UNAVAILABLE, failed, "A job's thread cannot be started.");
    }
    if (s->used)
        return 0;
    arena_free(r->arena);
    return -1;
}

static int take_due(struct jobs *all, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct slot *s = slot_free(all);
    struct job *list;
    size_t n;

    if (!s)
        return 0;
    if (db_acquire(all->o.db, DB_WAIT, &c, e) < 0 || job_candidates(c, a, CANDIDATES, &list, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n && s; i++)
        if (may_take(&list[i])) {
            if (slot_start(all, s, c, &list[i], e) < 0)
                return -1;
            s = slot_free(all);
        }
    if (clock_mono_us() < all->prune_us)
        return 0;
    all->prune_us = clock_mono_us() + PRUNE_SECONDS * CLOCK_SECOND;
    return job_prune(c, clock_now_us() - KEPT_SECONDS * CLOCK_SECOND, e);
}

struct jobs *jobs_start(const struct jobs_options *o)
{
    struct jobs *all = mem_new(sizeof *all);

    all->o = *o;
    return all;
}

int jobs_poll(struct jobs *all, struct error *e)
{
    for (size_t i = 0; i < JOBS_AT_ONCE; i++)
        if (all->slots[i].used && atomic_load(&all->slots[i].over))
            slot_end(&all->slots[i]);
    return take_due(all, e);
}

void jobs_stop(struct jobs *all)
{
    if (!all)
        return;
    atomic_store(&all->stop, true);
    for (size_t i = 0; i < JOBS_AT_ONCE; i++)
        if (all->slots[i].used)
            slot_end(&all->slots[i]);
    mem_free(all);
}
