/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the jobs of glint_jobs, in the worker. */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "base/base.h"
#include "db/db.h"
#include "store/store.h"

struct job_kind;
struct job_kinds { /* all that the program knows */
    const struct job_kind *const *items;
    size_t n;
};

struct jobs;
struct jobs_options {
    struct db *db;
    struct stores *stores;
    struct job_kinds kinds;
    const void *settings; /* of the kinds */
    const char *place;   /* as struct job's: of jobs that only this host can do; NULL or "": there are none */
    int64_t task_hours;  /* for how long tasks are remembered */
    int64_t retries;     /* how often what a remote server failed at is tried */
    int64_t at_once;     /* jobs that run at once; 0: JOBS_AT_ONCE */
    int64_t slow_max;    /* more that run beside them while they wait for a slow server; 0: none */
    int64_t share;       /* percent of the slots that one project may hold; 0: all */
    int64_t per_store;   /* of those that run, how many may write into one store; 0: all */
    int64_t patience_us; /* a lease not renewed for so long is over; 0: LEASE_SECONDS */
};
/* A job that gets less than so many bytes a second from another server is slow: it gives its place among
 * at_once to another, and runs on. */
enum { JOB_SLOW_RATE = 1024 * 1024 };
enum { JOB_STACK = 512 * 1024, JOBS_AT_ONCE = 8, JOBS_POLL_MS = 50 };
struct jobs *jobs_start(const struct jobs_options *o) __attribute__((returns_nonnull));
/* Starts what is due, each on a thread of its own, as many as may run at once. To be called
 * again after each jobs_wait(): it costs next to nothing while nobody writes into the database. */
int jobs_poll(struct jobs *all, struct error *e) MUST_CHECK;
/* Waits for work: until others wrote into the database, a job ended, a descriptor of fds is ready, or
 * JOBS_POLL_MS are over. */
enum { JOBS_FDS_MAX = 4 };
void jobs_wait(struct jobs *all, struct pollfd *fds, size_t n);
/* Interrupts what runs, which another worker goes on with, waits for it and frees; takes NULL. */
void jobs_stop(struct jobs *all);

/* Does the work of a failed job once more, within the caller's transaction: the id of the new job, or why
 * that cannot be (ERROR_CONFLICT; ERROR_NOT_FOUND: no such job). */
int job_again(const struct job_kinds *kinds, struct db_conn *c, struct arena *a, const char *id,
              const char **ret_id, struct error *e) MUST_CHECK;

#endif
