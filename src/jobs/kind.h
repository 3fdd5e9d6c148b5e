/* SPDX-License-Identifier: Apache-2.0 */
/* For the kinds of jobs: what their functions see and call. */
#ifndef JOBS_KIND_H
#define JOBS_KIND_H

#include <stdatomic.h>

#include "jobs/jobs.h"
#include "transfer/lease.h"

/* One job under way, on a thread of its own. */
struct job_run {
    const struct jobs_options *o;
    const _Atomic bool *stop;
    struct arena *arena;
    struct job *job;
    char holder[HOLDER_TEXT_MAX];
    int64_t renewed_us;       /* monotonic */
    int64_t retry_us;         /* how long another server wants to be left alone; 0: it did not say */
    _Atomic bool condemned;   /* job_condemn() was called on it, or the image was deleted */
    bool store_away;          /* it failed as a store, or staging, is not there: it waits longer */
    bool doubted;             /* who had it before is not known to be dead, and may wake up and go on */
    _Atomic bool fetching;    /* it waits for another server */
    _Atomic uint64_t fetched; /* bytes that came from it, as far as told */
};

/* A kind of job. `run` goes on after job->step, ends the job in the transaction of its last effect, and may
 * be run again from any step: the process may die after each. What it fails with decides: ERROR_UNAVAILABLE
 * is tried again later, up to jobs_options.retries, or for about a day where a store is away;
 * ERROR_ABORTED: the worker stops, at once by the next; ERROR_GONE: the job is not ours any more; else, and
 * after the last try, and when too many processes died doing it, `give_up` undoes what `run` did and ends
 * the job. From then on the job is never run again: a give_up() that fails or dies is called again later,
 * with the same message and kind of failure.
 *
 * `again` does the work of a failed job once more, within the caller's transaction: it writes a new job
 * (whose id it returns), or says why that cannot be (ERROR_CONFLICT). NULL: it never can. */
struct job_kind {
    const char *name;
    int (*run)(struct job_run *r, struct error *e);
    int (*give_up)(struct job_run *r, const struct error *why, struct error *e);
    int (*again)(struct db_conn *c, struct arena *a, const struct job *failed, const char **ret_id,
                 struct error *e);
};
const struct job_kind *job_kind_find(const struct job_kinds *kinds,
                                     const char *name); /* NULL: of a later release */

/* To be called while bytes move: keeps the lease and says when to stop. */
int job_lease_renew(struct job_run *r, struct error *e) MUST_CHECK;
/* What is kept of the step that goes on, as this try found it: more than an earlier one found is progress. */
int job_reached(struct job_run *r, uint64_t at, struct error *e) MUST_CHECK;
/* The end of the job, of its image's lock and of its task, in the transaction of the last effect. told is
 * what the task says to clients; why, "" for a job that is done, what the row says to operators. */
int job_over(const struct job_run *r, struct db_conn *c, bool success, const char *told, const char *why,
             struct error *e) MUST_CHECK;
/* went_through() of a unit that ends the job so; its arg begins with the struct job_run *. */
int job_over_asked(struct db_conn *c, void *arg, bool *ret, struct error *e);
/* What a task says where only operators are to know the reason. */
#define JOB_TASK_FAILED "Task failed due to Internal Error"
/* Around the time in which a job waits for another server, whose pace then decides about its slot. */
void job_fetch_begin(struct job_run *r);
void job_fetch_moved(struct job_run *r, uint64_t bytes); /* all since it began */
void job_fetch_end(struct job_run *r);
static inline void job_fetch_over(struct job_run **r) /* for CLEANUP */
{
    job_fetch_end(*r);
}
/* Bytes that were written for it, or read for their hashes; for the metrics. */
void job_moved(const struct job_run *r, uint64_t bytes);

/* ---- run.c and jobs.c: the inside of both ---- */

/* Runs or undoes the job to its end, or puts it back; nothing fails but what is logged. */
void job_run_all(struct job_run *r);
/* How often processes may die at one step of a job before it is given up. */
enum { TAKEOVERS_MAX = 20 };

/* What this process counted since the last call, for the servers' metrics. */
void job_tally(const struct job *j, const char *result);
int job_tallies_save(struct db_conn *c, struct error *e) MUST_CHECK; /* own transaction, where there is any */

#endif
