/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the files of the doctor. */
#ifndef UPKEEP_DOCTOR_DOCTOR_PRIVATE_H
#define UPKEEP_DOCTOR_DOCTOR_PRIVATE_H

#include "transfer/lease.h"
#include "upkeep/doctor/doctor.h"

enum { DOCTOR_PAGE = 200 };

struct doctor {
    const struct doctor_options *o;
    struct doctor_counts *counts;
    struct arena *arena;      /* reset with every page */
    const struct store *away; /* told of last */
    struct store *store;      /* whose object is looked at */
    const struct store_object *object;
};

/* Looks again, and with `apply` puts it right, within the transaction of c (one that reads, without `apply`).
 * *ret_still false: there is nothing wrong any more. It may fill in f->repair, and take back f->repaired
 * where it changes nothing. */
typedef int doctor_fix(struct doctor *d, struct db_conn *c, struct finding *f, bool apply, bool *ret_still,
                       struct error *e);
/* Tells of it, if it is still so; a repair that fails is told of, too. */
int doctor_found(struct doctor *d, struct finding *f, doctor_fix *fix, struct error *e) MUST_CHECK;

/* Calls each() with every id; the arena may be reset afterwards. */
typedef int doctor_each(struct doctor *d, const char *id, struct error *e);
int doctor_ids(struct doctor *d, enum survey_kind kind, doctor_each *each, struct error *e) MUST_CHECK;
/* Loads within a connection of its own. */
int doctor_claims(struct doctor *d, const char *image_id, struct image_claims *ret,
                  struct error *e) MUST_CHECK;
bool doctor_old(const struct doctor *d, int64_t changed_us);

typedef int doctor_check(struct doctor *d, struct error *e);
doctor_check doctor_leases, doctor_trash, doctor_jobs, doctor_locks, doctor_tasks, doctor_notes;
doctor_check doctor_images, doctor_staged;
doctor_check doctor_bare, doctor_copies, doctor_orphans;

#endif
