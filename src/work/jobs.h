/* SPDX-License-Identifier: Apache-2.0 */
/* Private to work/: what the functions of a job see. */
#ifndef WORK_JOBS_H
#define WORK_JOBS_H

#include <stdatomic.h>

#include "work/lease.h"
#include "work/work.h"

/* One job under way, on a thread of its own. */
struct job_run {
    const struct jobs_options *o;
    const _Atomic bool *stop;
    struct arena *arena;
    struct job *job;
    char holder[HOLDER_TEXT_MAX];
    int64_t renewed_us; /* monotonic */
};

/* A kind of job. `run` goes on after job->step, ends the job in the transaction of its last effect, and may
 * be run again from any step: the process may die after each. What it fails with decides: ERROR_UNAVAILABLE
 * is tried again later, up to jobs_options.retries; ERROR_ABORTED: the worker stops, at once by the next;
 * ERROR_GONE: the job is not ours any more; else, and after the last try, `give_up` undoes what `run` did and
 * ends the job. */
struct job_kind {
    const char *name;
    int (*run)(struct job_run *r, struct error *e);
    int (*give_up)(struct job_run *r, const struct error *why, struct error *e);
};
extern const struct job_kind job_location;

/* To be called while bytes move: keeps the lease and says when to stop. */
int job_alive(struct job_run *r, struct error *e) MUST_CHECK;

#endif
